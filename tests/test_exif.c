/* test_exif: all eight orientations, by what Exif says of each; damaged notes are no notes and are
   read no further than the file goes. */
#include "core/error.h"
#include "core/exif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { width = 48, height = 32, block = 16 };

/* Where the stored row 0 and the stored column 0 are seen (Exif 2.3, tag 274). */
enum side { top, bottom, left, right };
static const struct {
    enum side row_0, column_0;
} seen[9] = {{top, left}, {top, left},  {top, right},    {bottom, right}, {bottom, left},
             {left, top}, {right, top}, {right, bottom}, {left, bottom}};

/* A JPEG of blocks of six colours, (3, 2) of them, without a note. */
static unsigned char *jpeg(size_t *n) {
    hoi_image *image = hoi_image_new(width, height);
    assert_non_null(image);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            unsigned char *pixel = image->rgb + (y * width + x) * 3;
            pixel[0] = (unsigned char)(40 + x / block * 80);
            pixel[1] = (unsigned char)(60 + y / block * 120);
            pixel[2] = 128;
        }
    unsigned char *bytes;
    assert_true(hoi_image_encode(image, "jpeg", 95, &bytes, n));
    hoi_image_free(image);
    return bytes;
}

static size_t put(unsigned char *at, uint32_t value, size_t bytes, bool little) {
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * (little ? i : bytes - 1 - i));
    return bytes;
}

/* Writes an Exif segment with a directory of three entries, the second the orientation; gets its
   size. */
static size_t note(unsigned char *out, bool little, uint32_t orientation, uint32_t type) {
    unsigned char *at = out + 4;
    memcpy(at, "Exif\0\0", 6);
    at += 6;
    memcpy(at, little ? "II" : "MM", 2);
    at += 2;
    at += put(at, 42, 2, little);
    at += put(at, 12, 4, little); /* four bytes of filling before the directory */
    at += put(at, 0, 4, little);
    at += put(at, 3, 2, little);
    const uint32_t entries[3][4] = {
        {0x10F, 2, 1, 0}, {0x112, type, 1, orientation}, {0x128, 3, 1, 2}};
    for (int i = 0; i < 3; i++) {
        at += put(at, entries[i][0], 2, little);
        at += put(at, entries[i][1], 2, little);
        at += put(at, entries[i][2], 4, little);
        put(at, 0, 4, little);
        put(at, entries[i][3], 2, little);
        at += 4;
    }
    at += put(at, 0, 4, little);
    size_t size = (size_t)(at - out);
    out[0] = 0xFF;
    out[1] = 0xE1;
    put(out + 2, (uint32_t)(size - 2), 2, false);
    return size;
}

/* Gets the JPEG with its note behind a comment, as cameras write them. */
static unsigned char *noted_jpeg(bool little, uint32_t orientation, uint32_t type, size_t *n) {
    size_t plain_n;
    unsigned char *plain = jpeg(&plain_n), *bytes = malloc(plain_n + 256);
    assert_non_null(bytes);
    memcpy(bytes, plain, 2);
    memcpy(bytes + 2,
           "\xFF\xFF\xFE\x00\x06"
           "Exif",
           9); /* a filling byte before the marker */
    size_t at = 11 + note(bytes + 11, little, orientation, type);
    memcpy(bytes + at, plain + 2, plain_n - 2);
    free(plain);
    *n = at + plain_n - 2;
    return bytes;
}

static int red(const hoi_image *image, int x, int y) {
    return image->rgb[(y * image->width + x) * 3];
}

static int green(const hoi_image *image, int x, int y) {
    return image->rgb[(y * image->width + x) * 3 + 1];
}

/* Gets how far a place is from a side, as a share of the picture. */
static double from_side(enum side side, double x, double y) {
    return side == top ? y : side == bottom ? 1 - y : side == left ? x : 1 - x;
}

static void assert_seen(const hoi_image *image, int orientation) {
    bool turned = orientation >= 5;
    assert_int_equal(image->width, turned ? height : width);
    assert_int_equal(image->height, turned ? width : height);
    for (int y = block / 2; y < image->height; y += block)
        for (int x = block / 2; x < image->width; x += block) {
            double u = (double)x / image->width, v = (double)y / image->height;
            int row = (int)(from_side(seen[orientation].row_0, u, v) * 2);
            int column = (int)(from_side(seen[orientation].column_0, u, v) * 3);
            assert_in_range(red(image, x, y), 40 + column * 80 - 6, 40 + column * 80 + 6);
            assert_in_range(green(image, x, y), 60 + row * 120 - 6, 60 + row * 120 + 6);
        }
}

static void every_orientation_is_seen_upright(void **state) {
    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++)
        for (int little = 0; little < 2; little++) {
            size_t n;
            unsigned char *bytes = noted_jpeg(little, (uint32_t)orientation, 3, &n);
            assert_int_equal(hoi_exif_orientation(bytes, n), orientation);
            hoi_image *image = hoi_image_load_memory(bytes, n);
            assert_non_null(image);
            assert_seen(image, orientation);
            hoi_image_free(image);
            free(bytes);
        }
}

static void a_file_is_read_upright_or_as_it_is_stored(void **state) {
    (void)state;
    char path[] = "/tmp/hoi_exif_XXXXXX";
    int file = mkstemp(path);
    size_t n;
    unsigned char *bytes = noted_jpeg(true, 6, 3, &n);
    assert_int_equal(write(file, bytes, n), n);
    close(file);
    hoi_image *upright = hoi_image_load(path), *stored = hoi_image_load_stored(path);
    assert_non_null(upright);
    assert_non_null(stored);
    assert_seen(upright, 6);
    assert_seen(stored, 1);
    hoi_image_free(upright);
    hoi_image_free(stored);
    free(bytes);
    unlink(path);
}

static void no_note_is_the_first_orientation(void **state) {
    (void)state;
    size_t n;
    unsigned char *bytes = jpeg(&n);
    assert_int_equal(hoi_exif_orientation(bytes, n), 1);
    assert_int_equal(hoi_exif_orientation((const unsigned char *)"", 0), 1);
    assert_int_equal(hoi_exif_orientation((const unsigned char *)"\x89PNG", 4), 1);
    free(bytes);
    for (uint32_t value = 0; value < 70000; value += value < 12 ? 1 : 9999)
        if (value < 1 || value > 8) {
            bytes = noted_jpeg(true, value, 3, &n);
            assert_int_equal(hoi_exif_orientation(bytes, n), 1);
            free(bytes);
        }
    bytes = noted_jpeg(false, 6, 4, &n); /* of another type than Exif says */
    assert_int_equal(hoi_exif_orientation(bytes, n), 1);
    free(bytes);
}

/* With the address sanitizer each copy's end is guarded. */
static void damaged_notes_are_read_no_further_than_the_file(void **state) {
    (void)state;
    size_t n;
    unsigned char *bytes = noted_jpeg(true, 8, 3, &n);
    const size_t header = 120; /* the comment, the note, the beginning of the rest */
    for (size_t cut = 0; cut <= header; cut++) {
        unsigned char *part = malloc(cut ? cut : 1);
        assert_non_null(part);
        memcpy(part, bytes, cut);
        int orientation = hoi_exif_orientation(part, cut);
        assert_true(orientation == 1 || orientation == 8);
        free(part);
    }
    for (size_t at = 0; at < header; at++)
        for (int value = 0; value < 256; value++) {
            unsigned char *copy = malloc(header);
            assert_non_null(copy);
            memcpy(copy, bytes, header);
            copy[at] = (unsigned char)value;
            assert_in_range(hoi_exif_orientation(copy, header), 1, 8);
            free(copy);
        }
    free(bytes);
}

static void unknown_orientations_turn_nothing(void **state) {
    (void)state;
    hoi_image *image = hoi_image_new(3, 2);
    image->rgb[0] = 200;
    for (int orientation = -1; orientation < 12; orientation += orientation == 1 ? 8 : 1) {
        assert_true(hoi_exif_upright(image, orientation));
        assert_int_equal(image->width, 3);
        assert_int_equal(image->rgb[0], 200);
    }
    hoi_image_free(image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_orientation_is_seen_upright),
        cmocka_unit_test(a_file_is_read_upright_or_as_it_is_stored),
        cmocka_unit_test(no_note_is_the_first_orientation),
        cmocka_unit_test(damaged_notes_are_read_no_further_than_the_file),
        cmocka_unit_test(unknown_orientations_turn_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
