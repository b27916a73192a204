/* expect: short ways for tests to make tensors and to say what is expected of them. One device,
   kept between the tests of a program; a test that leaves memory behind fails. */
#ifndef EXPECT_H
#define EXPECT_H

#include "core/error.h"
#include "core/ops.h"
#include "core/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static hoi_device *device;
static size_t live_before;

static inline size_t live(void) {
    return hoi_device_memory_now(device).live;
}

static inline int open_device(void **state) {
    (void)state;
    device = hoi_device_open(NULL, false);
    if (!device)
        print_error("%s\n", hoi_error());
    return device ? 0 : -1;
}

static inline int close_device(void **state) {
    (void)state;
    hoi_device_close(device);
    return 0;
}

/* Around every test: what it made is gone again. */
static inline int note_live(void **state) {
    (void)state;
    live_before = live();
    return 0;
}

static inline int compare_live(void **state) {
    (void)state;
    if (live() != live_before)
        print_error("%lld bytes stay alive\n", (long long)live() - (long long)live_before);
    return live() == live_before ? 0 : -1;
}

/* Passes x through; ends the test where it is NULL. */
static inline hoi_tensor *sure(hoi_tensor *x) {
    if (!x)
        fail_msg("%s", hoi_error());
    return x;
}

#define VECTOR(...)                                                                                \
    sure(hoi_tensor_from(device, 1, (int64_t[]){sizeof((float[]){__VA_ARGS__}) / sizeof(float)},   \
                         (float[]){__VA_ARGS__}))

static inline hoi_tensor *matrix(int64_t rows, int64_t cols, const float *values) {
    return sure(hoi_tensor_from(device, 2, (int64_t[]){rows, cols}, values));
}

/* Normal numbers, always the same for a key; trainable or not. */
static inline hoi_tensor *noise(int rank, const int64_t *shape, uint64_t key, float scale,
                                bool trainable) {
    hoi_tensor *x =
        sure(hoi_tensor_random(device, rank, shape, HOI_NORMAL, hoi_mix(key), 0.0f, scale));
    x->trainable = trainable;
    return x;
}
#define NOISE(key, scale, trainable, ...)                                                          \
    noise((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__},     \
          key, scale, trainable)

/* Frees x and passes y through: for chains. */
static inline hoi_tensor *then(hoi_tensor *x, hoi_tensor *y) {
    hoi_tensor_free(x);
    return sure(y);
}

static inline void check(bool ok) {
    if (!ok)
        fail_msg("%s", hoi_error());
}

static inline float *values_of(const hoi_tensor *x) {
    float *values = malloc((size_t)(hoi_tensor_count(x) + 1) * sizeof *values);
    assert_non_null(values);
    check(hoi_tensor_read(x, values));
    return values;
}

static inline void check_values(const hoi_tensor *x, int64_t count, const float *want, int line) {
    if (!x)
        fail_msg("line %d: %s", line, hoi_error());
    if (hoi_tensor_count(x) != count)
        fail_msg("line %d: %lld values, %lld wanted", line, (long long)hoi_tensor_count(x),
                 (long long)count);
    float *got = values_of(x);
    for (int64_t i = 0; i < count; ++i)
        if (got[i] != want[i] && !(fabsf(got[i] - want[i]) <= 1e-5f * (1 + fabsf(want[i]))))
            fail_msg("line %d: value %lld is %g, %g wanted", line, (long long)i, (double)got[i],
                     (double)want[i]);
    free(got);
}
#define assert_values(x, ...)                                                                      \
    check_values(x, sizeof((float[]){__VA_ARGS__}) / sizeof(float), (float[]){__VA_ARGS__},        \
                 __LINE__)

static inline void check_same_bits(const hoi_tensor *x, const hoi_tensor *y, int line) {
    if (!x || !y || !hoi_tensor_is(x, y->rank, y->shape))
        fail_msg("line %d: two tensors of one shape are wanted", line);
    float *a = values_of(x), *b = values_of(y);
    for (int64_t i = 0; i < hoi_tensor_count(x); ++i)
        if (memcmp(&a[i], &b[i], sizeof *a))
            fail_msg("line %d: element %lld: %.9g and %.9g", line, (long long)i, (double)a[i],
                     (double)b[i]);
    free(a);
    free(b);
}
#define assert_same_bits(x, y) check_same_bits(x, y, __LINE__)

static inline void check_error(const char *part, int line) {
    const char *message = hoi_error();
    if (!strstr(message, part))
        fail_msg("line %d: '%s'; a message with '%s' is wanted", line, message, part);
}
#define assert_error(part) check_error(part, __LINE__)

/* y is a failure whose message has a part. */
static inline void check_refused(hoi_tensor *y, const char *part, int line) {
    if (y)
        fail_msg("line %d: a result; a message with '%s' is wanted", line, part);
    check_error(part, line);
}
#define assert_refused(y, part) check_refused(y, part, __LINE__)

static inline void free_list(hoi_tensor *const *list, size_t count) {
    for (size_t i = 0; i < count; ++i)
        hoi_tensor_free(list[i]);
}
#define FREE(...)                                                                                  \
    free_list((hoi_tensor *[]){__VA_ARGS__},                                                       \
              sizeof((hoi_tensor *[]){__VA_ARGS__}) / sizeof(hoi_tensor *))

/* A block for a checkpoint, which takes it over. */
static inline hoi_block *new_block(hoi_tensor *(*run)(void *, hoi_tensor *const *, int, bool),
                                   void (*drop)(void *), void *context) {
    hoi_block *block = malloc(sizeof *block);
    assert_non_null(block);
    *block = (hoi_block){run, drop, context};
    return block;
}
static inline void drop_nothing(void *context) {
    (void)context;
}

static inline void drop_grad(hoi_tensor *x) {
    hoi_tensor_free(x->grad);
    x->grad = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, note_live, compare_live)

#endif
