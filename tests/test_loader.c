/* test_loader: augmentation against Pillow's bytes (golden_augment.py) and against painted boxes;
   the threads that load pictures. Built once more with the thread sanitizer (target tsan). */
#include "core/error.h"
#include "core/loader.h"
#include "core/random.h"

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

/* ------------------------------------------------------------------ augmentation */

static cJSON *read_golden(void) {
    FILE *file = fopen("tests/golden/augment.json", "rb");
    assert_non_null(file);
    char text[16384];
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    cJSON *golden = cJSON_Parse(text);
    assert_non_null(golden);
    return golden;
}

static int number(const cJSON *list, int i) {
    return cJSON_GetArrayItem(list, i)->valueint;
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

static void test_colours_are_pillows_to_the_byte(void **state) {
    (void)state;
    cJSON *golden = read_golden(), *one;
    hoi_image *photo = hoi_image_load("tests/golden/image_photo.png");
    hoi_augment augment = hoi_augment_defaults();
    augment.resize = false;
    int cases = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(golden, "colours")) {
        hoi_augmentation what = hoi_augment_nothing(&augment, photo->width, photo->height);
        for (int i = 0; i < 3; i++) {
            what.order[i] = number(cJSON_GetObjectItem(one, "order"), i);
            what.factors[i] =
                (float)cJSON_GetArrayItem(cJSON_GetObjectItem(one, "factors"), i)->valuedouble;
        }
        hoi_image *changed = hoi_augment_image(&what, photo);
        double wanted = cJSON_GetObjectItem(one, "crc")->valuedouble;
        assert_int_equal(crc(changed->rgb, 3 * (size_t)(changed->width * changed->height)),
                         (uint32_t)wanted);
        hoi_image_free(changed);
        cases++;
    }
    assert_int_equal(cases, 24);
    hoi_image_free(photo);
    cJSON_Delete(golden);
}

static void test_sizes_at_testing_are_detrs(void **state) {
    (void)state;
    cJSON *golden = read_golden(), *one;
    hoi_augment augment = hoi_augment_defaults();
    int cases = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(golden, "sizes")) {
        hoi_augmentation what = hoi_augment_nothing(&augment, number(one, 0), number(one, 1));
        assert_int_equal(what.width, number(one, 2));
        assert_int_equal(what.height, number(one, 3));
        cases++;
    }
    assert_int_equal(cases, 66);
    cJSON_Delete(golden);
}

/* Fills a box with white on black. */
static hoi_image *painted(int width, int height, const float box[4]) {
    hoi_image *image = hoi_image_new(width, height);
    for (int y = (int)box[1]; y < (int)box[3]; y++)
        memset(image->rgb + 3 * ((size_t)y * (size_t)width + (size_t)box[0]), 255,
               3 * (size_t)(box[2] - box[0]));
    return image;
}

/* Gets the box of what is bright; false when nothing is. */
static bool bright(const hoi_image *image, float box[4]) {
    bool any = false;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            if (image->rgb[3 * (y * image->width + x)] < 64)
                continue;
            float at[4] = {(float)x, (float)y, (float)x + 1, (float)y + 1};
            for (int k = 0; k < 4; k++)
                box[k] = !any ? at[k] : k < 2 ? fminf(box[k], at[k]) : fmaxf(box[k], at[k]);
            any = true;
        }
    return any;
}

static void test_boxes_go_where_what_they_frame_goes(void **state) {
    (void)state;
    int cut = 0, gone = 0, mirrored = 0;
    for (uint64_t i = 0; i < 120; i++) {
        hoi_random r = hoi_random_stream(3, i, 9);
        hoi_augment augment = hoi_augment_defaults();
        augment.resize = i % 2;
        augment.side = 200;
        augment.jitter = 0.3f;
        int width = 60 + (int)hoi_random_below(&r, 200),
            height = 60 + (int)hoi_random_below(&r, 200);
        float left = (float)hoi_random_below(&r, (uint32_t)width - 12);
        float top = (float)hoi_random_below(&r, (uint32_t)height - 12);
        float box[4] = {left, top, left + 12, top + 12}, found[4], told[4];
        hoi_augmentation what = hoi_augment_draw(&augment, 7, i, i * i, width, height);
        hoi_image *image = painted(width, height, box), *changed = hoi_augment_image(&what, image);
        assert_non_null(changed);
        assert_int_equal(changed->width, what.width);
        assert_int_equal(changed->height, what.height);
        bool left_over = hoi_augment_box(&what, box, told), seen = bright(changed, found);
        float scale = fmaxf((float)what.width / (float)what.part_width * (float)what.between_width /
                                (float)width,
                            1);
        if (seen)
            assert_true(left_over);
        else
            gone++;
        for (int k = 0; seen && k < 4; k++)
            assert_float_equal(told[k], found[k], 1.5f * scale + 1);
        cut += what.cropped;
        mirrored += what.mirrored;
        hoi_image_free(image);
        hoi_image_free(changed);
    }
    assert_in_range(cut, 40, 80);
    assert_in_range(mirrored, 40, 80);
    assert_in_range(gone, 1, 40);
}

static void test_draws_depend_on_their_counters_alone(void **state) {
    (void)state;
    hoi_augment augment = hoi_augment_defaults();
    hoi_augmentation a = hoi_augment_draw(&augment, 1, 2, 3, 640, 480), b, c;
    for (uint64_t i = 0; i < 10; i++)
        (void)hoi_augment_draw(&augment, 1, i, 3, 640, 480);
    b = hoi_augment_draw(&augment, 1, 2, 3, 640, 480);
    c = hoi_augment_draw(&augment, 1, 3, 3, 640, 480);
    assert_memory_equal(a.factors, b.factors, sizeof a.factors);
    assert_memory_not_equal(a.factors, c.factors, sizeof a.factors);
    int sides[11] = {0};
    for (uint64_t i = 0; i < 3000; i++) { /* every published short side, and parts within bounds */
        b = hoi_augment_draw(&augment, 1, 0, i, 500, 375);
        int side = b.width < b.height ? b.width : b.height;
        if (!b.cropped) {
            assert_true(side >= 480 && side <= 800 && (side - 480) % 32 == 0);
            sides[(side - 480) / 32]++;
        } else {
            assert_in_range(b.part_width, 384, 600);
            assert_in_range(b.part_height, 384, 600);
            assert_in_range(b.left, 0, b.between_width - b.part_width);
            assert_in_range(b.top, 0, b.between_height - b.part_height);
        }
        for (int k = 0; k < 3; k++)
            assert_true(b.factors[k] >= 0.6f && b.factors[k] <= 1.4f);
    }
    for (int i = 0; i < 11; i++)
        assert_true(sides[i] > 80);
}

static void test_a_pair_is_lost_with_either_box_or_by_the_published_test(void **state) {
    (void)state;
    hoi_augmentation what = {.cropped = true};
    float whole[4] = {10, 10, 20, 20}, empty[4] = {0, 10, 0, 20}, far[4] = {30, 10, 40, 20};
    assert_true(hoi_augment_keeps(&what, whole, far, false));
    assert_false(hoi_augment_keeps(&what, empty, far, false));
    assert_false(hoi_augment_keeps(&what, whole, empty, false));
    assert_false(hoi_augment_keeps(&what, whole, far, true)); /* the human ends before the object */
    assert_true(hoi_augment_keeps(&what, far, whole, true));
    assert_false(hoi_augment_keeps(&what, whole, empty, true));
    what.cropped = false;
    assert_true(hoi_augment_keeps(&what, whole, empty, true));
}

/* ------------------------------------------------------------------ threads */

enum { side = 32, pixels = 3 * side * side, pictures = 40 };

static hoi_loader_options options(int threads, int room) {
    hoi_augment augment = hoi_augment_defaults();
    augment.side = 96;
    return (hoi_loader_options){.threads = threads,
                                .room = room,
                                .tower = {.size = side,
                                          .warp = true,
                                          .mean = {0.5f, 0.5f, 0.5f},
                                          .std = {0.25f, 0.25f, 0.25f}},
                                .augment = augment,
                                .seed = 11};
}

/* Every fifth is a photo, the 13th is not there, the 14th is no picture. */
static hoi_loader_job job_of(int i) {
    hoi_loader_job job = {.kind = HOI_MINI_TRAIN,
                          .decoys = true,
                          .seed = 66,
                          .index = (uint64_t)i,
                          .augmented = i % 3 != 0,
                          .epoch = 1,
                          .picture = (uint64_t)i,
                          .keep_original = i % 2 == 0,
                          .keep_changed = i % 4 == 0};
    if (i % 5 == 0)
        job.path = "tests/golden/image_photo.jpg";
    if (i == 13)
        job.path = "tests/golden/nothing_here.jpg";
    if (i == 14)
        job.path = "tests/golden/README.md";
    return job;
}

/* Loads all pictures; out: (pictures, 3, side, side), zeros where there is none. */
static void load_all(int threads, int room, float *out) {
    hoi_loader_options o = options(threads, room);
    hoi_loader *loader = hoi_loader_new(&o);
    assert_non_null(loader);
    int put = 0;
    for (int i = 0; i < pictures; i++) {
        for (; put < pictures && hoi_loader_room(loader) > 0; put++) {
            hoi_loader_job job = job_of(put);
            assert_true(hoi_loader_put(loader, &job));
        }
        hoi_sample *sample = hoi_loader_take(loader);
        assert_non_null(sample);
        hoi_loader_job job = job_of(i);
        memset(out + (size_t)i * pixels, 0, pixels * sizeof *out);
        if (i == 13 || i == 14) {
            assert_non_null(sample->error);
            assert_non_null(strstr(sample->error, job.path));
            assert_null(sample->pixels);
        } else {
            assert_null(sample->error);
            memcpy(out + (size_t)i * pixels, sample->pixels, pixels * sizeof *out);
            assert_int_equal(sample->original != NULL, job.keep_original);
            assert_int_equal(sample->changed != NULL, job.keep_changed);
        }
        hoi_sample_free(sample);
    }
    hoi_loader_free(loader);
}

static void test_threads_and_room_change_no_bit(void **state) {
    (void)state;
    size_t bytes = (size_t)pictures * pixels * sizeof(float);
    float *one = malloc(bytes), *other = malloc(bytes);
    load_all(1, 1, one);
    const int ways[][2] = {{4, 3}, {2, 16}, {8, 64}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        load_all(ways[i][0], ways[i][1], other);
        assert_memory_equal(one, other, bytes);
    }
    free(one);
    free(other);
}

static void test_a_sample_is_the_changed_picture_as_the_tower_wants_it(void **state) {
    (void)state;
    hoi_loader_options o = options(2, 4);
    hoi_loader *loader = hoi_loader_new(&o);
    hoi_loader_job job = job_of(4);
    assert_true(hoi_loader_put(loader, &job));
    hoi_sample *sample = hoi_loader_take(loader);
    unsigned char drawn[HOI_MINI_SIZE * HOI_MINI_SIZE * 3];
    hoi_mini_render(HOI_MINI_TRAIN, true, 66, 4, drawn, NULL);
    assert_memory_equal(sample->original->rgb, drawn, sizeof drawn);
    hoi_augmentation what = hoi_augment_draw(&o.augment, 11, 1, 4, HOI_MINI_SIZE, HOI_MINI_SIZE);
    hoi_image *changed = hoi_augment_image(&what, sample->original);
    float wanted[pixels];
    assert_true(hoi_image_preprocess(changed, &o.tower, wanted));
    assert_memory_equal(sample->pixels, wanted, sizeof wanted);
    assert_memory_equal(sample->changed->rgb, changed->rgb,
                        3 * (size_t)(changed->width * changed->height));
    hoi_image_free(changed);
    hoi_sample_free(sample);
    hoi_loader_free(loader);
}

static void test_it_can_be_dropped_in_the_middle_of_its_work(void **state) {
    (void)state;
    for (int taken = 0; taken < 6; taken++) {
        hoi_loader_options o = options(3, 12);
        hoi_loader *loader = hoi_loader_new(&o);
        for (int i = 0; i < 12; i++) {
            hoi_loader_job job = job_of(i);
            assert_true(hoi_loader_put(loader, &job));
        }
        for (int i = 0; i < taken; i++)
            hoi_sample_free(hoi_loader_take(loader));
        hoi_loader_free(loader);
    }
    hoi_loader_free(NULL);
}

static void test_a_full_queue_and_an_empty_one_say_so(void **state) {
    (void)state;
    hoi_loader_options o = options(1, 2);
    hoi_loader *loader = hoi_loader_new(&o);
    hoi_loader_job job = job_of(1);
    assert_null(hoi_loader_take(loader));
    assert_non_null(strstr(hoi_error(), "no picture was put in"));
    assert_true(hoi_loader_put(loader, &job) && hoi_loader_put(loader, &job));
    assert_int_equal(hoi_loader_room(loader), 0);
    assert_false(hoi_loader_put(loader, &job));
    assert_non_null(strstr(hoi_error(), "2 pictures are waiting"));
    hoi_loader_free(loader);
    o.threads = 65;
    assert_null(hoi_loader_new(&o));
    assert_non_null(strstr(hoi_error(), "65 threads, 1 to 64 wanted"));
    o = options(1, 0);
    assert_null(hoi_loader_new(&o));
    assert_non_null(strstr(hoi_error(), "room for 0 pictures"));
    o = options(1, 1);
    o.augment.crop = NAN;
    assert_null(hoi_loader_new(&o));
    assert_non_null(strstr(hoi_error(), "0 to 1 wanted"));
}

static bool always(void) {
    return true;
}

/* A picture that takes its time: a pipe nobody writes to. */
static void test_waiting_ends_when_interrupted(void **state) {
    (void)state;
    int ends[2];
    char path[64];
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    hoi_loader_options o = options(1, 2);
    o.interrupted = always;
    hoi_loader *loader = hoi_loader_new(&o);
    assert_true(hoi_loader_put(loader, &(hoi_loader_job){.path = path}));
    assert_null(hoi_loader_take(loader));
    assert_non_null(strstr(hoi_error(), "interrupted"));
    close(ends[1]); /* the pipe ends: the worker goes on */
    hoi_loader_free(loader);
    close(ends[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_colours_are_pillows_to_the_byte),
        cmocka_unit_test(test_sizes_at_testing_are_detrs),
        cmocka_unit_test(test_boxes_go_where_what_they_frame_goes),
        cmocka_unit_test(test_draws_depend_on_their_counters_alone),
        cmocka_unit_test(test_a_pair_is_lost_with_either_box_or_by_the_published_test),
        cmocka_unit_test(test_threads_and_room_change_no_bit),
        cmocka_unit_test(test_a_sample_is_the_changed_picture_as_the_tower_wants_it),
        cmocka_unit_test(test_it_can_be_dropped_in_the_middle_of_its_work),
        cmocka_unit_test(test_a_full_queue_and_an_empty_one_say_so),
        cmocka_unit_test(test_waiting_ends_when_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
