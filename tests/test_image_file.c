/* test_image_file: pictures in files: decode against Pillow's pixels (golden_image.py), damaged and
   hostile files, encode, save. */
#include "tests/pictures.h"

#include <errno.h>
#include <unistd.h>

/* The linker puts these in place of malloc and realloc (see CMakeLists.txt). The n-th that is asked
   for is refused while `to_refuse` is n. */
static int asked, to_refuse;
void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool is_the_one(void) {
    return ++asked == to_refuse;
}

void *__wrap_malloc(size_t size) {
    void *block = is_the_one() ? NULL : __real_malloc(size);
    return block ? memset(block, 0xA5, size) : NULL; /* nobody counts on zeros there */
}

void *__wrap_realloc(void *old, size_t size) {
    return is_the_one() ? NULL : __real_realloc(old, size);
}

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

/* Gets a JPEG of zeros with so many scans; the caller frees it. */
static unsigned char *make_jpeg(int side, int frame, int scans, size_t size, size_t *n) {
    static const unsigned char tables[] = {0xFF, 0xC4, 0, 20, 0x00, 1}; /* one code, of one bit */
    unsigned char *bytes = calloc(1, size), *at = bytes;
    unsigned char high = (unsigned char)(side >> 8), low = (unsigned char)side;
    assert_non_null(bytes);
    memcpy(at, "\xff\xd8\xff\xdb\0\x43", 6);
    memset(at + 7, 1, 64);
    at += 71;
    memcpy(at,
           (unsigned char[]){0xFF, (unsigned char)frame, 0, 11, 8, high, low, high, low, 1, 1, 0x11,
                             0},
           13);
    at += 13;
    for (int kind = 0; kind < 2; kind++, at += 22) {
        memcpy(at, tables, sizeof tables);
        at[4] = (unsigned char)(kind * 16);
    }
    for (int i = 0; i < scans; i++, at += 11)
        memcpy(at, (unsigned char[]){0xFF, 0xDA, 0, 8, 1, 1, 0, 0, frame == 0xC2 ? 0 : 63, 0}, 10);
    assert_true(at + 2 <= bytes + size);
    memcpy(bytes + size - 2, "\xff\xd9", 2);
    *n = size;
    return bytes;
}

static void a_jpeg_of_endless_scans_is_refused(void **state) {
    (void)state;
    static const struct {
        int frame, scans;
        bool read;
    } cases[] = {
        {0xC0, 1, true}, {0xC0, 4, true}, {0xC0, 5, false}, {0xC2, 64, true}, {0xC2, 65, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        unsigned char *bytes = make_jpeg(64, cases[i].frame, cases[i].scans, 1024, &n);
        hoi_image *image = hoi_image_load_memory(bytes, n);
        assert_int_equal(image != NULL, cases[i].read);
        if (!image)
            assert_non_null(strstr(hoi_error(), "more scans than any encoder writes"));
        hoi_image_free(image);
        free(bytes);
    }
}

static void a_jpeg_without_tables_is_always_the_same(void **state) {
    (void)state;
    size_t n;
    unsigned char *bytes = make_jpeg(64, 0xC0, 1, 1024, &n);
    for (size_t i = 0; i + 1 < n; i++)
        if (bytes[i] == 0xFF && bytes[i + 1] == 0xC4)
            bytes[i + 1] = 0xE5; /* a note, of what were tables */
    hoi_image *image = hoi_image_load_memory(bytes, n);
    assert_non_null(image);
    for (int i = 0; i < 64 * 64 * 3; i++)
        assert_int_equal(image->rgb[i], 128);
    hoi_image_free(image);
    free(bytes);
}

/* Of each kind a picture as small as it can be is read, one that says to be larger is not begun. */
static void a_few_bytes_can_not_ask_for_many_pixels(void **state) {
    (void)state;
    size_t n;
    unsigned char *dense = make_jpeg(400, 0xC2, 1, 512, &n); /* 160000 pixels: 313 a byte */
    hoi_image *image = hoi_image_load_memory(dense, n);
    assert_non_null(image);
    assert_int_equal(image->width, 400);
    hoi_image_free(image);
    free(dense);
    unsigned char *hollow = make_jpeg(4000, 0xC2, 1, 512, &n);
    assert_null(hoi_image_load_memory(hollow, n));
    assert_non_null(strstr(hoi_error(), "512 bytes can not hold 4000 x 4000 pixels"));
    free(hollow);
    hoi_image *blank = hoi_image_new(3000, 3000);
    assert_non_null(blank);
    unsigned char *bytes;
    assert_true(hoi_image_encode(blank, "png", 90, &bytes, &n)); /* 340 pixels a byte */
    image = hoi_image_load_memory(bytes, n);
    assert_non_null(image);
    hoi_image_free(image);
    hoi_image_free(blank);
    free(bytes);
    static const char *const names[] = {"canvas.gif", "sides.tga", "zeros.tga", "sides.bmp",
                                        "sides.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "tests/corpus/picture/image_%s", names[i]);
        assert_null(hoi_image_load(path));
        assert_non_null(strstr(hoi_error(), "bytes can not hold"));
    }
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

static void no_memory_while_encoding_is_told(void **state) {
    (void)state;
    static const char *const kinds[] = {"png", "jpeg"};
    hoi_image *image = made_up("noise", 61, 47);
    for (size_t i = 0; i < 2; i++) {
        int times = 0;
        for (bool done = false; !done; times++) {
            unsigned char *bytes = NULL;
            size_t n = 0;
            asked = 0;
            to_refuse = times + 1;
            done = hoi_image_encode(image, kinds[i], 95, &bytes, &n);
            bool reached = asked >= to_refuse;
            to_refuse = 0;
            if (done == reached)
                fail_msg("%s: block %d of %d refused, and yet it was written", kinds[i], times + 1,
                         asked);
            if (!done)
                assert_non_null(strstr(hoi_error(), "no memory to encode 61 x 47 pixels"));
            free(bytes);
        }
        assert_true(times > 1); /* there was something to refuse */
    }
    hoi_image_free(image);
}

static void a_full_disk_is_told_and_leaves_the_old_file(void **state) {
    (void)state;
    char folder[] = "/tmp/hoi_test_image_XXXXXX", path[64], part[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.png", folder);
    snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid());
    hoi_image *old = made_up("checks", 30, 20), *image = made_up("noise", 200, 200);
    assert_true(hoi_image_save(old, path));
    assert_int_equal(symlink("/dev/full", part), 0); /* where it is written first */
    assert_false(hoi_image_save(image, path));
    assert_non_null(strstr(hoi_error(), strerror(ENOSPC)));
    hoi_image *found = hoi_image_load(path);
    assert_non_null(found);
    assert_memory_equal(found->rgb, old->rgb, 30 * 20 * 3);
    hoi_image_free(found);
    hoi_image_free(image);
    hoi_image_free(old);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* fails if a temporary file stayed behind */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_load_as_pillow_converts_them_to_rgb),
        cmocka_unit_test(a_jpeg_is_within_a_few_steps_of_libjpegs),
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_jpeg_with_oversized_huffman_tables_is_refused),
        cmocka_unit_test(a_jpeg_of_endless_scans_is_refused),
        cmocka_unit_test(a_jpeg_without_tables_is_always_the_same),
        cmocka_unit_test(a_few_bytes_can_not_ask_for_many_pixels),
        cmocka_unit_test(damaged_files_never_break_the_decoder),
        cmocka_unit_test(load_says_what_is_wrong_with_which_file),
        cmocka_unit_test(saved_pictures_come_back),
        cmocka_unit_test(encoded_bytes_hold_the_picture),
        cmocka_unit_test(no_memory_while_encoding_is_told),
        cmocka_unit_test(a_full_disk_is_told_and_leaves_the_old_file),
    };
    return cmocka_run_group_tests_name("image_file", tests, open_golden, close_golden);
}
