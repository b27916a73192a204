/* test_update: the kernels that no operation of the table covers: optimisers' steps, clipping,
   random numbers, pictures of bytes, stored halves; against their definitions in double, on both
   kernel sets. */
#include "tests/expect.h"

static void at_sizes(void (*test)(int64_t n)) {
    static const int64_t sizes[] = {1, 5, 33, 5000, 40001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
        test(sizes[i]);
}

static hoi_tensor *random_of(int64_t n, hoi_noise kind, uint64_t key, float a, float b) {
    return sure(hoi_tensor_random(device, 1, &n, kind, key, a, b));
}

static void near(float got, double want, double scale, int line) {
    if (!(fabs((double)got - want) <= 1e-5 * (fabs(want) + scale)))
        fail_msg("line %d: %.9g, %.9g wanted", line, (double)got, want);
}
#define assert_near(got, want, scale) near(got, want, scale, __LINE__)

enum { MANY = 10 }; /* more parameters than go into one launch */

static void check_adamw(int64_t n) {
    hoi_tensor *p[MANY], *g[MANY], *m[MANY], *v[MANY], *norm = VECTOR(9, 0.5f);
    float *p0[MANY], *m0[MANY], *v0[MANY];
    hoi_update list[MANY];
    hoi_adamw_step s = {.beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f};
    for (int k = 0; k < MANY; ++k) {
        int64_t size = n + 3 * k;
        uint64_t key = 100 * (uint64_t)k;
        p[k] = random_of(size, HOI_NORMAL, key + 1, 0, 1);
        m[k] = random_of(size, HOI_UNIFORM, key + 2, -1, 1);
        v[k] = random_of(size, HOI_UNIFORM, key + 3, 0, 1);
        p0[k] = values_of(p[k]), m0[k] = values_of(m[k]), v0[k] = values_of(v[k]);
        list[k] = (hoi_update){.p = hoi_tensor_span(p[k]),
                               .m = hoi_tensor_span(m[k]),
                               .v = hoi_tensor_span(v[k]),
                               .n = size,
                               .rate = 0.01f + 0.001f * (float)k,
                               .decay = 0.1f};
    }
    for (int step = 1; step <= 3; ++step) {
        for (int k = 0; k < MANY; ++k) {
            g[k] = random_of(list[k].n, HOI_NORMAL, 100 * (uint64_t)k + 10 + (uint64_t)step, 0, 1);
            list[k].g = hoi_tensor_span(g[k]);
        }
        s.correction1 = 1 - powf(0.9f, (float)step);
        s.correction2 = 1 - powf(0.99f, (float)step);
        check(launch_adamw(device, list, MANY, hoi_tensor_span(norm), &s));
        for (int k = 0; k < MANY; ++k) {
            float *p1 = values_of(p[k]), *m1 = values_of(m[k]), *v1 = values_of(v[k]),
                  *g0 = values_of(g[k]);
            double rate = 0.01 + 0.001 * k;
            for (int64_t i = 0; i < list[k].n; ++i) {
                double slope = 0.5 * (double)g0[i], a = 0.9 * (double)m0[k][i] + 0.1 * slope,
                       b = 0.99 * (double)v0[k][i] + 0.01 * slope * slope;
                double move = a / (1 - pow(0.9, step)) / (sqrt(b / (1 - pow(0.99, step))) + 1e-8);
                assert_near(m1[i], a, 1);
                assert_near(v1[i], b, 1);
                assert_near(p1[i], (double)p0[k][i] - rate * (0.1 * (double)p0[k][i] + move), 1);
            }
            free(p0[k]), free(m0[k]), free(v0[k]), free(g0);
            p0[k] = p1, m0[k] = m1, v0[k] = v1;
            hoi_tensor_free(g[k]);
        }
    }
    for (int k = 0; k < MANY; ++k) {
        free(p0[k]), free(m0[k]), free(v0[k]);
        FREE(p[k], m[k], v[k]);
    }
    hoi_tensor_free(norm);
}

static void check_sgd(int64_t n) {
    hoi_tensor *p = random_of(n, HOI_NORMAL, 1, 0, 1), *m = random_of(n, HOI_UNIFORM, 2, -1, 1),
               *g = random_of(n, HOI_NORMAL, 3, 0, 1);
    hoi_tensor *norm = VECTOR(9, 2);
    float *p0 = values_of(p), *m0 = values_of(m), *g0 = values_of(g);
    hoi_update u = {.p = hoi_tensor_span(p),
                    .g = hoi_tensor_span(g),
                    .m = hoi_tensor_span(m),
                    .n = n,
                    .rate = 0.1f,
                    .decay = 0.01f};
    check(launch_sgd(device, &u, hoi_tensor_span(norm), 0.9f));
    float *p1 = values_of(p), *m1 = values_of(m);
    for (int64_t i = 0; i < n; ++i) {
        double a = 0.9 * (double)m0[i] + 2 * (double)g0[i] + 0.01 * (double)p0[i];
        assert_near(m1[i], a, 1);
        assert_near(p1[i], (double)p0[i] - 0.1 * a, 1);
    }
    free(p0), free(m0), free(g0), free(p1), free(m1);
    FREE(p, m, g, norm);
}

/* Gradients clipped together, as an optimiser does: more than go into one launch. */
static void check_clip(int64_t n) {
    hoi_tensor *g[MANY];
    hoi_update list[MANY];
    int count = 0;
    double sum = 0;
    for (int k = 0; k < MANY; ++k) {
        int64_t size = k == 3 ? 7 : n;
        g[k] = random_of(size, HOI_NORMAL, 1 + (uint64_t)k, 0, 1);
        list[k] = (hoi_update){.g = hoi_tensor_span(g[k]), .n = size};
        count += launch_squares_count(size);
        float *values = values_of(g[k]);
        for (int64_t i = 0; i < size; ++i)
            sum += (double)values[i] * (double)values[i];
        free(values);
    }
    hoi_tensor *partial = random_of(count, HOI_UNIFORM, 3, 0, 1),
               *norm = random_of(2, HOI_UNIFORM, 4, 0, 1);
    check(launch_squares(device, list, MANY, hoi_tensor_span(partial)));
    float most[] = {1, 1e6f, 0};
    for (int i = 0; i < 3; ++i) {
        check(launch_clip_scale(device, hoi_tensor_span(partial), hoi_tensor_span(norm), count,
                                most[i]));
        float *out = values_of(norm);
        assert_near(out[0], sqrt(sum), 0);
        assert_near(out[1], i == 0 && sum > 1 ? 1 / sqrt(sum) : 1, 0);
        free(out);
    }
    for (int k = 0; k < MANY; ++k)
        hoi_tensor_free(g[k]);
    FREE(partial, norm);
}

/* Uniform numbers are those of core/random.h, bit for bit; the others have the moments they
   should. */
static void check_random(int64_t n) {
    hoi_random r = {1234567, 0};
    hoi_tensor *x = random_of(n, HOI_UNIFORM, r.key, 0, 1), *y = random_of(n, HOI_NORMAL, 5, 2, 3),
               *z = random_of(n, HOI_DROP, 6, 0.25f, 0);
    float *uniform = values_of(x), *normal = values_of(y), *drop = values_of(z);
    double sum = 0, square = 0, zeros = 0;
    for (int64_t i = 0; i < n; ++i) {
        assert_true(uniform[i] == hoi_random_unit(&r));
        assert_true(isfinite(normal[i]) && (drop[i] == 0 || fabsf(drop[i] - 4.0f / 3) < 1e-6f));
        sum += ((double)normal[i] - 2) / 3;
        square += ((double)normal[i] - 2) / 3 * ((double)normal[i] - 2) / 3;
        zeros += drop[i] == 0;
    }
    double rest = 5 / sqrt((double)n); /* five deviations, and these numbers are always the same */
    assert_true(fabs(sum / (double)n) < rest && fabs(square / (double)n - 1) < 1.5 * rest &&
                fabs(zeros / (double)n - 0.25) < rest);
    free(uniform), free(normal), free(drop);
    FREE(x, y, z);
}

/* n pictures' worth of bytes, in two pictures of rows of 5. */
static void check_bytes(int64_t n) {
    int height = (int)(n / 50) + 1, width = 5, size = height * width;
    uint8_t *in = malloc((size_t)size * 6);
    assert_non_null(in);
    for (int i = 0; i < size * 6; ++i)
        in[i] = (uint8_t)hoi_mix((uint64_t)i);
    hoi_buffer *x = hoi_buffer_new(device, (size_t)size * 6);
    hoi_tensor *y = random_of(size * 6, HOI_UNIFORM, 1, 0, 1);
    const float scale[3] = {0.5f, 0.25f, 2}, shift[3] = {1, -1, 0};
    assert_true(x && hoi_buffer_write(x, 0, in, (size_t)size * 6));
    check(
        launch_bytes(device, (hoi_span){x, 0}, hoi_tensor_span(y), 2, height, width, scale, shift));
    float *out = values_of(y);
    for (int i = 0; i < size * 6; ++i) {
        int picture = i / (3 * size), channel = i / size % 3, place = i % size;
        float value = (float)in[(picture * size + place) * 3 + channel];
        assert_near(out[i], (double)(value * scale[channel] + shift[channel]), 1);
    }
    free(out);
    free(in);
    hoi_buffer_free(x);
    hoi_tensor_free(y);
}

/* Every half and bfloat16 is read as what it is. */
static void check_widen(int64_t n) {
    uint16_t *in = malloc((size_t)n * sizeof *in);
    assert_non_null(in);
    for (int64_t i = 0; i < n; ++i)
        in[i] = (uint16_t)(i * 65536 / n);
    for (int type = 0; type < 2; ++type) {
        hoi_tensor *x = hoi_tensor_stored(device, 1, &n, type ? HOI_BF16 : HOI_F16, in);
        assert_non_null(x);
        float *out = values_of(x);
        for (int64_t i = 0; i < n; ++i) {
            float want = type ? hoi_bf16_to_float(in[i]) : hoi_half_to_float(in[i]);
            assert_true(isnan(want) ? isnan(out[i]) : memcmp(&want, &out[i], sizeof want) == 0);
        }
        free(out);
        hoi_tensor_free(x);
    }
    free(in);
}

static void test_adamw_takes_the_steps_of_its_definition(void **state) {
    (void)state;
    at_sizes(check_adamw);
}
static void test_sgd_takes_the_steps_of_its_definition(void **state) {
    (void)state;
    at_sizes(check_sgd);
}
static void test_gradients_are_clipped_by_their_joint_norm(void **state) {
    (void)state;
    at_sizes(check_clip);
}
static void test_random_numbers_are_those_of_the_host(void **state) {
    (void)state;
    at_sizes(check_random);
}
static void test_bytes_become_scaled_planes(void **state) {
    (void)state;
    at_sizes(check_bytes);
}
static void test_stored_halves_are_read_exactly(void **state) {
    (void)state;
    at_sizes(check_widen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_adamw_takes_the_steps_of_its_definition),
        TEST(test_sgd_takes_the_steps_of_its_definition),
        TEST(test_gradients_are_clipped_by_their_joint_norm),
        TEST(test_random_numbers_are_those_of_the_host),
        TEST(test_bytes_become_scaled_planes),
        TEST(test_stored_halves_are_read_exactly),
    };
    setenv("HOI_KERNELS", "cpu", 1);
    int failed = cmocka_run_group_tests_name("update, processors' kernels", tests, open_device,
                                             close_device);
    setenv("HOI_KERNELS", "gpu", 1);
    return failed + cmocka_run_group_tests_name("update, graphics processors' kernels", tests,
                                                open_device, close_device);
}
