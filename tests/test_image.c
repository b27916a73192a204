/* test_image: decode, encode, resize, crop and normalise against Pillow's and torchvision's numbers
   (golden_image.py). */
#include "core/error.h"
#include "core/image.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const hoi_preprocess clip = {8,
                                    false,
                                    {0.48145466f, 0.4578275f, 0.40821073f},
                                    {0.26862954f, 0.26130258f, 0.27577711f},
                                    false};
static cJSON *golden;

/* ------------------------------------------------------------------ what the tests stand on */

static unsigned char *read_file(const char *path, size_t *n) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char *bytes = malloc(1 << 20);
    *n = fread(bytes, 1, (1 << 20) - 1, file);
    bytes[*n] = 0;
    fclose(file);
    return bytes;
}

static int open_golden(void **state) {
    (void)state;
    size_t n;
    char *text = (char *)read_file("tests/golden/image_cases.json", &n);
    golden = cJSON_Parse(text);
    free(text);
    return golden ? 0 : -1;
}

static int close_golden(void **state) {
    (void)state;
    cJSON_Delete(golden);
    return 0;
}

static uint32_t crc(const unsigned char *bytes, size_t n) {
    uint32_t value = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        value ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
    }
    return ~value;
}

static void assert_pixels(const hoi_image *image, uint32_t wanted, const char *what, int width,
                          int height) {
    if (!image)
        fail_msg("%s: %s", what, hoi_error());
    uint32_t found = crc(image->rgb, (size_t)image->width * (size_t)image->height * 3);
    if (found != wanted)
        fail_msg("%s %d x %d: pixels differ from Pillow's (%08x, %08x wanted)", what, width, height,
                 found, wanted);
}

/* The same formulas stand in golden_image.py. */
static hoi_image *made_up(const char *kind, int width, int height) {
    hoi_image *image = hoi_image_new(width, height);
    assert_non_null(image);
    unsigned char *p = image->rgb;
    for (uint32_t y = 0, w = (uint32_t)width, h = (uint32_t)height; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            for (uint32_t c = 0; c < 3; c++)
                if (strcmp(kind, "noise") == 0)
                    *p++ = (unsigned char)((x * 73856093u ^ y * 19349663u ^ c * 83492791u) *
                                               2654435761u >>
                                           24);
                else if (strcmp(kind, "gradient") == 0)
                    *p++ = (unsigned char)(x * 255 / w + y * 128 / h * (c + 1));
                else
                    *p++ = (x / (2 + c) + y / 3) % 2 ? 255 : 0;
    return image;
}

static const cJSON *key(const cJSON *object, const char *name) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_non_null(value);
    return value;
}

static double at(const cJSON *list, int i) {
    return cJSON_GetArrayItem(list, i)->valuedouble;
}

/* ------------------------------------------------------------------ resize */

static void resize_gives_pillows_bytes(void **state) {
    (void)state;
    int count = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, key(golden, "resize")) {
        const char *kind = key(one, "kind")->valuestring;
        hoi_image *image =
            made_up(kind, (int)at(key(one, "from"), 0), (int)at(key(one, "from"), 1));
        int width = (int)at(key(one, "to"), 0), height = (int)at(key(one, "to"), 1);
        hoi_image *resized = hoi_image_resize(image, width, height);
        assert_pixels(resized, (uint32_t)key(one, "crc")->valuedouble, kind, width, height);
        hoi_image_free(resized);
        hoi_image_free(image);
        count++;
    }
    assert_int_equal(count, 45);
}

static void resize_keeps_every_pixel_of_a_stored_picture(void **state) {
    (void)state;
    hoi_image *image = made_up("noise", 61, 47), *resized = hoi_image_resize(image, 40, 60);
    hoi_image *wanted = hoi_image_load("tests/golden/image_resized.png");
    assert_non_null(resized);
    assert_non_null(wanted);
    assert_int_equal(wanted->width, 40);
    assert_int_equal(wanted->height, 60);
    assert_memory_equal(resized->rgb, wanted->rgb, 40 * 60 * 3);
    hoi_image_free(image);
    hoi_image_free(resized);
    hoi_image_free(wanted);
}

static void absurd_sizes_are_refused(void **state) {
    (void)state;
    hoi_image *image = made_up("noise", 4, 4);
    assert_null(hoi_image_new(0, 5));
    assert_non_null(strstr(hoi_error(), "0 x 5"));
    assert_null(hoi_image_new(32767, 32767));
    assert_non_null(strstr(hoi_error(), "32767 x 32767"));
    assert_null(hoi_image_resize(image, 3, -1));
    assert_non_null(strstr(hoi_error(), "3 x -1"));
    assert_null(hoi_image_resize(image, 1 << 30, 1));
    assert_non_null(strstr(hoi_error(), "1073741824 x 1"));
    hoi_image_free(image);
    hoi_image_free(NULL);
}

/* ------------------------------------------------------------------ crop */

static void crop_rounds_and_fills_as_pillow(void **state) {
    (void)state;
    hoi_image *image = made_up("noise", 61, 47);
    const cJSON *one;
    cJSON_ArrayForEach(one, key(golden, "crop")) {
        float box[4];
        for (int i = 0; i < 4; i++)
            box[i] = (float)at(key(one, "box"), i);
        hoi_image *part = hoi_image_crop(image, box);
        assert_pixels(part, (uint32_t)key(one, "crc")->valuedouble, "crop", (int)box[0],
                      (int)box[1]);
        hoi_image_free(part);
    }
    hoi_image_free(image);
}

static void boxes_that_are_none_are_refused(void **state) {
    (void)state;
    hoi_image *image = made_up("noise", 20, 20);
    const float boxes[][4] = {
        {NAN, 0, 5, 5}, {0, 0, INFINITY, 5}, {5, 5, 2, 9}, {3, 3, 3.2f, 9}, {0, 0, 1e9f, 1}};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        assert_null(hoi_image_crop(image, boxes[i]));
        assert_string_not_equal(hoi_error(), "unknown error");
    }
    assert_null(hoi_image_crop_square(image, boxes[0], 1.2f, 4));
    assert_non_null(strstr(hoi_error(), "crop"));
    assert_null(hoi_image_crop_square(image, (float[]){1, 1, 5, 5}, NAN, 4));
    assert_non_null(strstr(hoi_error(), "margin"));
    hoi_image_free(image);
}

/* A picture whose pixel (x, y) is (x, y, 1): a crop tells where it was cut. */
static hoi_image *coordinates(int width, int height) {
    hoi_image *image = hoi_image_new(width, height);
    assert_non_null(image);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            unsigned char *p = image->rgb + (y * width + x) * 3;
            p[0] = (unsigned char)x;
            p[1] = (unsigned char)y;
            p[2] = 1;
        }
    return image;
}

static void assert_square(const hoi_image *image, const float box[4], int minimum, int x, int y,
                          int side) {
    hoi_image *part = hoi_image_crop_square(image, box, 1.2f, minimum);
    assert_non_null(part);
    assert_int_equal(part->width, side);
    assert_int_equal(part->height, side);
    for (int v = 0; v < side; v++)
        for (int u = 0; u < side; u++) {
            const unsigned char *p = part->rgb + (v * side + u) * 3;
            bool inside = x + u >= 0 && x + u < image->width && y + v >= 0 && y + v < image->height;
            assert_int_equal(p[2], inside);
            assert_int_equal(p[0], inside ? x + u : 0);
            assert_int_equal(p[1], inside ? y + v : 0);
        }
    hoi_image_free(part);
}

static void pair_crop_is_square_and_stays_inside(void **state) {
    (void)state;
    hoi_image *mini = coordinates(96, 96), *wide = coordinates(200, 100);
    assert_square(mini, (float[]){30, 20, 70, 50}, 40, 26, 11, 48); /* 1.2 x 40, centred */
    assert_square(mini, (float[]){50, 50, 56, 54}, 40, 33, 32, 40); /* at least 40 */
    assert_square(mini, (float[]){0, 80, 10, 96}, 40, 0, 56, 40);   /* moved inside */
    assert_square(mini, (float[]){2, 2, 94, 90}, 40, 0, 0, 96);     /* the margin gives way */
    assert_square(mini, (float[]){-50, -9, 300, 400}, 40, 0, 0,
                  96); /* only what is inside counts */
    assert_square(mini, (float[]){200, 200, 210, 210}, 40, 56, 56,
                  40); /* a box outside gives the nearest corner */
    assert_square(wide, (float[]){50, 10, 140, 60}, 40, 45, 0,
                  100); /* the smaller side is the limit .. */
    assert_square(wide, (float[]){20, 10, 180, 60}, 40, 20, -30,
                  160);                                     /* .. unless the box is longer: black */
    assert_square(wide, (float[]){7, 7, 7, 7}, 0, 7, 7, 1); /* a point is one pixel */
    hoi_image_free(mini);
    hoi_image_free(wide);
}

static void crops_are_preprocessed_one_after_the_other(void **state) {
    (void)state;
    hoi_image *image = made_up("gradient", 120, 90);
    const float boxes[8] = {10, 10, 60, 40, 80, 20, 100, 85};
    float out[2 * 192], one[192];
    assert_true(hoi_image_crop_preprocess(image, 2, boxes, 1.2f, 40, &clip, out));
    for (int i = 0; i < 2; i++) {
        hoi_image *part = hoi_image_crop_square(image, boxes + 4 * i, 1.2f, 40);
        assert_true(hoi_image_preprocess(part, &clip, one));
        assert_memory_equal(one, out + 192 * i, sizeof one);
        hoi_image_free(part);
    }
    assert_false(
        hoi_image_crop_preprocess(image, 1, (float[]){NAN, 0, 1, 1}, 1.2f, 40, &clip, out));
    assert_non_null(strstr(hoi_error(), "crop"));
    hoi_image_free(image);
}

/* ------------------------------------------------------------------ normalise */

static void preprocess_gives_torchvisions_numbers(void **state) {
    (void)state;
    const cJSON *one;
    cJSON_ArrayForEach(one, key(golden, "preprocess")) {
        hoi_image *image = made_up(key(one, "kind")->valuestring, (int)at(key(one, "from"), 0),
                                   (int)at(key(one, "from"), 1));
        hoi_preprocess p = clip;
        p.warp = cJSON_IsTrue(key(one, "warp"));
        float out[192];
        assert_true(hoi_image_preprocess(image, &p, out));
        assert_int_equal(cJSON_GetArraySize(key(one, "values")), 192);
        int i = 0;
        const cJSON *value;
        cJSON_ArrayForEach(value, key(one, "values"))
            assert_true(fabs(out[i++] - value->valuedouble) <= 1e-7);
        hoi_image_free(image);
    }
}

static void preprocess_sees_torchvisions_pixels_at_awkward_sizes(void **state) {
    (void)state;
    float *out = malloc(3 * 224 * 224 * sizeof *out);
    const cJSON *one;
    cJSON_ArrayForEach(one, key(golden, "seen")) {
        int width = (int)at(key(one, "from"), 0), height = (int)at(key(one, "from"), 1);
        int size = key(one, "size")->valueint, pixels = size * size;
        hoi_preprocess p = {size, cJSON_IsTrue(key(one, "warp")), {0, 0, 0}, {1, 1, 1}, false};
        hoi_image *image = made_up("noise", width, height), *seen = hoi_image_new(size, size);
        assert_true(hoi_image_preprocess(image, &p, out));
        for (int i = 0; i < pixels; i++)
            for (int c = 0; c < 3; c++)
                seen->rgb[i * 3 + c] = (unsigned char)lrintf(out[c * pixels + i] * 255);
        assert_pixels(seen, (uint32_t)key(one, "crc")->valuedouble, "preprocess", width, height);
        hoi_image_free(seen);
        hoi_image_free(image);
    }
    free(out);
}

static void preprocess_refuses_what_would_divide_by_zero(void **state) {
    (void)state;
    hoi_image *image = made_up("noise", 9, 9);
    float out[192];
    hoi_preprocess p = clip;
    p.std[1] = 0;
    assert_false(hoi_image_preprocess(image, &p, out));
    assert_non_null(strstr(hoi_error(), "std 0"));
    p = clip;
    p.size = 0;
    assert_false(hoi_image_preprocess(image, &p, out));
    assert_non_null(strstr(hoi_error(), "size 0"));
    hoi_image_free(image);
}

static void a_needle_is_seen_without_resizing_all_of_it(void **state) {
    (void)state;
    hoi_image *image = made_up(
        "noise", 2, 32000); /* resized as a whole it would have 57 thousand million pixels */
    hoi_preprocess p = {1900, false, {0, 0, 0}, {1, 1, 1}, false};
    float *out = malloc(3 * 1900 * 1900 * sizeof *out);
    assert_true(hoi_image_preprocess(image, &p, out));
    assert_true(out[0] >= 0 && out[0] <= 1);
    free(out);
    hoi_image_free(image);
}

/* ------------------------------------------------------------------ files */

static void files_load_as_pillow_converts_them_to_rgb(void **state) {
    (void)state;
    int count = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, key(golden, "files")) {
        char path[256];
        snprintf(path, sizeof path, "tests/golden/%s", one->string);
        hoi_image *image = hoi_image_load(path);
        assert_pixels(image, (uint32_t)key(one, "crc")->valuedouble, path, 23, 17);
        assert_int_equal(image->width, key(one, "width")->valueint);
        assert_int_equal(image->height, key(one, "height")->valueint);
        hoi_image_free(image);
        count++;
    }
    assert_int_equal(count, 14);
}

static void a_jpeg_is_within_a_few_steps_of_libjpegs(void **state) {
    (void)state;
    hoi_image *image = hoi_image_load("tests/golden/image_photo.jpg");
    hoi_image *wanted = hoi_image_load("tests/golden/image_photo.png");
    assert_non_null(image);
    assert_non_null(wanted);
    assert_int_equal(image->width, 56);
    assert_int_equal(image->height, 40);
    int worst = 0, sum = 0, n = 56 * 40 * 3;
    for (int i = 0; i < n; i++) {
        int d = abs(image->rgb[i] - wanted->rgb[i]);
        worst = d > worst ? d : worst;
        sum += d;
    }
    assert_in_range(worst, 0, 6);
    assert_in_range(sum, 0, n / 2);
    hoi_image_free(image);
    hoi_image_free(wanted);
}

static void a_file_cut_off_anywhere_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"rgb.png",     "palette.png", "photo.jpg", "rgb.bmp",
                                        "palette.bmp", "palette.gif", "rgb.tga"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "tests/golden/image_%s", names[i]);
        size_t n;
        unsigned char *bytes = read_file(path, &n);
        hoi_image *whole = hoi_image_load_memory(bytes, n);
        assert_non_null(whole);
        size_t complete = 0;
        for (size_t cut = 0; cut < n; cut++) {
            unsigned char *part =
                malloc(cut + 1); /* its own block: a sanitizer sees reads beyond it */
            memcpy(part, bytes, cut);
            hoi_image *image = hoi_image_load_memory(part, cut);
            if (image) /* then only what holds no pixel is missing: a footer, padding */
                assert_memory_equal(image->rgb, whole->rgb,
                                    3 * (size_t)whole->width * (size_t)whole->height);
            else
                assert_string_not_equal(hoi_error(), "unknown error");
            complete += image != NULL;
            hoi_image_free(image);
            free(part);
        }
        if (complete > 26)
            fail_msg("%s: the picture was found in %zu of its beginnings", path, complete);
        hoi_image_free(whole);
        free(bytes);
    }
}

static void a_jpeg_with_oversized_huffman_tables_is_refused(void **state) {
    (void)state;
    size_t n, at = 2;
    unsigned char *bytes = read_file("tests/golden/image_photo.jpg", &n);
    while (bytes[at] != 0xFF || bytes[at + 1] != 0xC4)
        at += 2 + (size_t)bytes[at + 2] * 256 + bytes[at + 3];
    memset(bytes + at + 5, 100, 16);
    assert_null(hoi_image_load_memory(bytes, n));
    assert_non_null(strstr(hoi_error(), "Huffman"));
    free(bytes);
}

static void damaged_files_never_break_the_decoder(void **state) {
    (void)state;
    static const char *const names[] = {"rgb.png",     "palette_transparent.png",
                                        "rgb16.png",   "photo.jpg",
                                        "rgb.bmp",     "palette.bmp",
                                        "palette.gif", "rgb.tga"};
    uint32_t random = 1;
    int refused = 0, loaded = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "tests/golden/image_%s", names[i]);
        size_t n;
        unsigned char *bytes = read_file(path, &n), *copy = malloc(n);
        for (int round = 0; round < 200; round++) {
            memcpy(copy, bytes, n);
            for (int hit = 0; hit < 3; hit++) {
                random = random * 1664525u + 1013904223u;
                copy[(random >> 8) % n] = (unsigned char)random;
            }
            hoi_image *image = hoi_image_load_memory(copy, n);
            loaded += image != NULL;
            refused += image == NULL;
            if (!image)
                assert_string_not_equal(hoi_error(), "unknown error");
            hoi_image_free(image);
        }
        free(copy);
        free(bytes);
    }
    assert_int_equal(loaded + refused, 1600);
    assert_true(refused > 0);
}

static void load_says_what_is_wrong_with_which_file(void **state) {
    (void)state;
    assert_null(hoi_image_load("tests/golden/no such picture.png"));
    assert_non_null(strstr(hoi_error(), "no such picture.png: No such file"));
    assert_null(hoi_image_load("tests/golden"));
    assert_non_null(strstr(hoi_error(), "tests/golden: "));
    assert_null(hoi_image_load("tests/test_image.c"));
    const char *message = hoi_error();
    assert_non_null(strstr(message, "tests/test_image.c"));
    assert_non_null(strstr(message, "JPEG, PNG"));
    assert_null(hoi_image_load_memory("", 0));
    assert_non_null(strstr(hoi_error(), "empty"));
    size_t n;
    unsigned char *bytes = read_file("tests/golden/image_rgb.png", &n);
    assert_null(hoi_image_load_memory(bytes, n / 2));
    assert_non_null(strstr(hoi_error(), "truncated"));
    memcpy(bytes + 16, "\0\0\x2e\xe0\0\0\x2e\xe0", 8); /* width and height 12000 */
    assert_null(hoi_image_load_memory(bytes, n));
    assert_non_null(strstr(hoi_error(), "12000 x 12000"));
    memcpy(bytes + 16, "\0\0\x75\x30\0\0\x75\x30", 8); /* and 30000 */
    assert_null(hoi_image_load_memory(bytes, n));
    assert_non_null(strstr(hoi_error(), "too large"));
    free(bytes);
}

static void saved_pictures_come_back(void **state) {
    (void)state;
    char folder[] = "/tmp/hoi_test_image_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    hoi_image *image = made_up("noise", 61, 47), *smooth = made_up("gradient", 64, 48);
    snprintf(path, sizeof path, "%s/a.PNG", folder);
    assert_true(hoi_image_save(image, path));
    assert_true(hoi_image_save(image, path)); /* a second time over the first */
    hoi_image *again = hoi_image_load(path);
    assert_non_null(again);
    assert_memory_equal(again->rgb, image->rgb, 61 * 47 * 3);
    hoi_image_free(again);
    unlink(path);

    snprintf(path, sizeof path, "%s/b.jpg", folder);
    assert_true(hoi_image_save(smooth, path));
    again = hoi_image_load(path);
    assert_non_null(again);
    double sum = 0;
    for (int i = 0; i < 64 * 48 * 3; i++)
        sum += abs(again->rgb[i] - smooth->rgb[i]);
    assert_true(sum / (64 * 48 * 3) < 4);
    hoi_image_free(again);
    unlink(path);

    snprintf(path, sizeof path, "%s/c.webp", folder);
    assert_false(hoi_image_save(image, path));
    assert_non_null(strstr(hoi_error(), ".png, .jpg or .jpeg expected"));
    snprintf(path, sizeof path, "%s/none/d.png", folder);
    assert_false(hoi_image_save(image, path));
    assert_non_null(strstr(hoi_error(), "none/d.png: No such file"));
    hoi_image_free(image);
    hoi_image_free(smooth);
    assert_int_equal(rmdir(folder), 0); /* fails if a temporary file stayed behind */
}

static void encoded_bytes_hold_the_picture(void **state) {
    (void)state;
    hoi_image *image = made_up("checks", 30, 20);
    unsigned char *bytes;
    size_t n;
    assert_true(hoi_image_encode(image, "png", 95, &bytes, &n));
    assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n", 8);
    hoi_image *again = hoi_image_load_memory(bytes, n);
    assert_non_null(again);
    assert_memory_equal(again->rgb, image->rgb, 30 * 20 * 3);
    hoi_image_free(again);
    free(bytes);
    size_t larger = 0;
    for (int quality = 95; quality > 0; quality -= 45) {
        assert_true(hoi_image_encode(image, "jpeg", quality, &bytes, &n));
        assert_memory_equal(bytes, "\xff\xd8\xff", 3);
        assert_true(larger == 0 || n < larger);
        larger = n;
        free(bytes);
    }
    assert_false(hoi_image_encode(image, "webp", 95, &bytes, &n));
    assert_non_null(strstr(hoi_error(), "'webp': png or jpeg expected"));
    assert_false(hoi_image_encode(image, "jpeg", 0, &bytes, &n));
    assert_non_null(strstr(hoi_error(), "quality 0: 1 to 100 expected"));
    hoi_image_free(image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_gives_pillows_bytes),
        cmocka_unit_test(resize_keeps_every_pixel_of_a_stored_picture),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(crop_rounds_and_fills_as_pillow),
        cmocka_unit_test(boxes_that_are_none_are_refused),
        cmocka_unit_test(pair_crop_is_square_and_stays_inside),
        cmocka_unit_test(crops_are_preprocessed_one_after_the_other),
        cmocka_unit_test(preprocess_gives_torchvisions_numbers),
        cmocka_unit_test(preprocess_sees_torchvisions_pixels_at_awkward_sizes),
        cmocka_unit_test(preprocess_refuses_what_would_divide_by_zero),
        cmocka_unit_test(a_needle_is_seen_without_resizing_all_of_it),
        cmocka_unit_test(files_load_as_pillow_converts_them_to_rgb),
        cmocka_unit_test(a_jpeg_is_within_a_few_steps_of_libjpegs),
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_jpeg_with_oversized_huffman_tables_is_refused),
        cmocka_unit_test(damaged_files_never_break_the_decoder),
        cmocka_unit_test(load_says_what_is_wrong_with_which_file),
        cmocka_unit_test(saved_pictures_come_back),
        cmocka_unit_test(encoded_bytes_hold_the_picture),
    };
    return cmocka_run_group_tests_name("image", tests, open_golden, close_golden);
}
