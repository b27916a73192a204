/* test_bfloat: products and attention of bfloat16 on processors, by tiles and by vectors: against
   sums in double of the rounded values. Processors without say so. */
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

/* One output of attention in double: of rounded values and shares, or of the values as they are.
   *size: what its terms add up to without their signs. */
static double attended(const float *qkv, int64_t n, int64_t width, int64_t d, int64_t h, int64_t r,
                       int64_t c, bool rounds, double *size) {
#define VALUE(at) (rounds ? rounded(qkv[at]) : qkv[at])
    double *scores = calloc((size_t)n, sizeof *scores), most = -INFINITY, total = 0, sum = 0;
    assert_non_null(scores);
    *size = 0;
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < d; ++j)
            scores[i] += (double)VALUE(r * 3 * width + h * d + j) *
                         (double)VALUE(i * 3 * width + width + h * d + j);
        scores[i] /= sqrt((double)d);
        most = fmax(most, scores[i]);
    }
    for (int64_t i = 0; i < n; ++i) {
        double e = exp(scores[i] - most), v = (double)VALUE(i * 3 * width + 2 * width + h * d + c);
        total += e;
        sum += (rounds ? (double)rounded((float)e) : e) * v;
        *size += e * fabs(v);
    }
    free(scores);
    *size /= total;
    return sum / total;
#undef VALUE
}

/* Attention that may round does so everywhere, or nowhere (processors without tiles, few keys). */
static void check_attention(int64_t n, int64_t heads, int64_t d) {
    int64_t width = heads * d;
    int far = 0, apart = 0; /* from rounded values, from those as they are */
    hoi_tensor *qkv = NOISE(5, 1.0f, false, 2, n, 3 * width),
               *y = sure(hoi_attention_of(qkv, NULL, NULL, (int)heads, false, NULL, true));
    float *values = values_of(qkv), *got = values_of(y);
    for (int64_t b = 0; b < 2; ++b)
        for (int64_t r = 0; r < n; ++r)
            for (int64_t c = 0; c < width; ++c) {
                double size, have = (double)got[(b * n + r) * width + c];
                const float *own = values + b * n * 3 * width;
                double want = attended(own, n, width, d, c / d, r, c % d, true, &size);
                far += !(fabs(have - want) <= 5e-3 * size);
                want = attended(own, n, width, d, c / d, r, c % d, false, &size);
                apart += !(fabs(have - want) <= 1e-5 * size);
            }
    if (far && apart)
        fail_msg("%d keys, %d heads of %d: %d outputs are not those of rounded values, %d not of "
                 "exact ones",
                 (int)n, (int)heads, (int)d, far, apart);
    free(values), free(got);
    FREE(qkv, y);
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
    check_attention(33, 2, 32);
    check_attention(48, 1, 64);
    check_attention(65, 3, 32);
    check_attention(9, 2, 32); /* too few keys for tiles */
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
