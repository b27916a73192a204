/* test_image: resize, crop and normalise against Pillow's and torchvision's numbers
   (golden_image.py). */
#include "tests/pictures.h"

#include <math.h>

static const hoi_preprocess clip = {8,
                                    false,
                                    {0.48145466f, 0.4578275f, 0.40821073f},
                                    {0.26862954f, 0.26130258f, 0.27577711f},
                                    false};

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
    };
    return cmocka_run_group_tests_name("image", tests, open_golden, close_golden);
}
