/* test_bfloat: products of bfloat16 on processors, by tiles and by vectors: against sums in double
   of the rounded values. Processors without say so. */
#include "tests/expect.h"

static float rounded(float x) {
    return hoi_bf16_to_float(hoi_float_to_bf16(x));
}

/* Gets a weight (n, k) as BF16 whose products round. */
static hoi_tensor *weight(uint64_t key, int64_t n, int64_t k) {
    hoi_tensor *wide = NOISE(key, 1.0f, false, n, k);
    float *values = values_of(wide);
    uint16_t *narrow = malloc((size_t)(n * k) * sizeof *narrow);
    assert_non_null(narrow);
    for (int64_t i = 0; i < n * k; ++i)
        narrow[i] = hoi_float_to_bf16(values[i]);
    hoi_tensor *w = sure(hoi_tensor_stored(device, 2, (int64_t[]){n, k}, HOI_BF16, narrow));
    w->rounds = true;
    free(values);
    free(narrow);
    hoi_tensor_free(wide);
    return w;
}

/* relu(x w' + bias) + residual; `rounds`: whether x is rounded, as k lets it. */
static void check_layer(int64_t m, int64_t n, int64_t k, bool rounds) {
    hoi_tensor *x = NOISE(1, 1.0f, false, m, k), *w = weight(2, n, k);
    hoi_tensor *bias = NOISE(3, 1.0f, false, n), *residual = NOISE(4, 1.0f, false, m, n);
    hoi_tensor *y = sure(hoi_linear(x, w, bias, HOI_RELU, residual)),
               *again = sure(hoi_linear(x, w, bias, HOI_RELU, residual));
    float *xv = values_of(x), *wv = values_of(w), *bv = values_of(bias), *rv = values_of(residual),
          *got = values_of(y), *same = values_of(again);
    for (int64_t r = 0; r < m; ++r)
        for (int64_t c = 0; c < n; ++c) {
            double sum = (double)bv[c], size = 1;
            for (int64_t i = 0; i < k; ++i) {
                float value = rounds ? rounded(xv[r * k + i]) : xv[r * k + i];
                sum += (double)value * (double)wv[c * k + i];
                size += fabs((double)value * (double)wv[c * k + i]);
            }
            double want = fmax(sum, 0) + (double)rv[r * n + c];
            if (!(fabs((double)got[r * n + c] - want) <= 1e-6 * size))
                fail_msg("%d x %d x %d: (%d, %d) is %.7g, %.7g wanted", (int)m, (int)n, (int)k,
                         (int)r, (int)c, (double)got[r * n + c], want);
        }
    assert_memory_equal(got, same, (size_t)(m * n) * sizeof *got);
    free(xv), free(wv), free(bv), free(rv), free(got), free(same);
    FREE(x, w, bias, residual, y, again);
}

static void check_layers(void) {
    check_layer(1, 1, 32, true);
    check_layer(17, 33, 64, true);
    check_layer(40, 96, 256, true);
    check_layer(197, 100, 768, true);
    check_layer(700, 64, 1024, true);
    check_layer(9, 40, 48,
                false); /* no whole tiles of k: the kernel of floats, w as it is stored */
}

/* The kernels of pairs, on a device of their own. */
static void check_on(const char *tiles) {
    hoi_device *shared = device;
    hoi_error();
    if (!launch_bfloat(device)) {
        print_message("not tested here: %s\n", hoi_error());
        skip();
    }
    setenv("HOI_TENSOR_CORES", tiles, 1);
    device = hoi_device_open(NULL, false);
    assert_non_null(device);
    assert_true(launch_bfloat(device));
    check_layers();
    hoi_device_close(device);
    device = shared;
    unsetenv("HOI_TENSOR_CORES");
}

static void test_layers_of_bfloat16_are_those_of_their_rounded_values(void **state) {
    (void)state;
    check_on("1");
}

static void test_they_are_so_without_tiles(void **state) {
    (void)state;
    check_on("0");
}

/* Through a frozen weight the gradient is that of the stored values, in float. */
static void test_gradients_pass_weights_that_round(void **state) {
    hoi_tensor *x = NOISE(1, 1.0f, true, 20, 64), *w = weight(2, 36, 64);
    (void)state;
    if (!launch_bfloat(device)) {
        print_message("not tested here: %s\n", hoi_error());
        FREE(x, w);
        skip();
    }
    hoi_tensor *y = sure(hoi_linear(x, w, NULL, HOI_LINEAR, NULL)),
               *dy = NOISE(3, 1.0f, false, 20, 36);
    check(hoi_backward(y, dy));
    float *wv = values_of(w), *dv = values_of(dy), *got = values_of(x->grad);
    for (int64_t r = 0; r < 20; ++r)
        for (int64_t i = 0; i < 64; ++i) {
            double sum = 0;
            for (int64_t c = 0; c < 36; ++c)
                sum += (double)dv[r * 36 + c] * (double)wv[c * 64 + i];
            assert_true(fabs((double)got[r * 64 + i] - sum) < 1e-4);
        }
    free(wv), free(dv), free(got);
    FREE(x, w, y, dy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_layers_of_bfloat16_are_those_of_their_rounded_values),
        TEST(test_they_are_so_without_tiles),
        TEST(test_gradients_pass_weights_that_round),
    };
    return cmocka_run_group_tests_name("bfloat16", tests, open_device, close_device);
}
