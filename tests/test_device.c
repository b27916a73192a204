/* test_device: choosing a device, memory and its accounts, what is said when something is missing or fails, profile, and
   the kernels that no operation of the table covers. */
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
#include <unistd.h>

#include <cmocka.h>

static hoi_device *device;

static int open_device(void **state) {
    (void)state;
    device = hoi_device_open(NULL, false);
    if (!device)
        print_error("%s\n", hoi_error());
    return device ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    hoi_device_close(device);
    return 0;
}

static void check(bool ok, int line) {
    if (!ok)
        fail_msg("line %d: %s", line, hoi_error());
}
#define assert_ok(ok) check(ok, __LINE__)

static void check_text(const char *text, const char *part, int line) {
    if (!strstr(text, part))
        fail_msg("line %d: '%s'; a text with '%s' is wanted", line, text, part);
}
#define assert_text(text, part) check_text(text, part, __LINE__)

/* ------------------------------------------------------------------ in a process of its own: drivers read the environment once */

/* What a child does: opens a device by a wish, fills a buffer, and tells what came of it. */
static int child(const char *wish) {
    hoi_device *d = hoi_device_open(wish, false);
    hoi_buffer *buffer = d ? hoi_buffer_new(d, 4) : NULL;
    float value = 0;
    if (!buffer || !launch_fill(d, (hoi_span){buffer, 0}, 1, 7) || !hoi_buffer_read(buffer, 0, &value, sizeof value)) {
        printf("failed: %s", hoi_error());
        if (d && (launch_fill(d, (hoi_span){buffer, 0}, 1, 7) || !strstr(hoi_error(), "device:")))
            return 1; /* a second try fails in the same way */
    } else {
        const hoi_device_info *info = hoi_device_describe(d);
        printf("%s, %s; %s; %d units; %g", info->platform, info->name, hoi_device_kernels(d), info->units, (double)value);
    }
    hoi_buffer_free(buffer);
    hoi_device_close(d);
    return 0;
}

static char told[4096];

/* Runs this program as a child with an environment; gets what it printed. */
static const char *tell(const char *environment, const char *wish) {
    char path[512] = "", command[1024];
    assert_true(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    snprintf(command, sizeof command, "%s '%s' open '%s' 2>/dev/null", environment, path, wish);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    told[fread(told, 1, sizeof told - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    return told;
}

static void test_without_a_driver_the_message_names_one_to_install(void **state) {
    (void)state;
    assert_text(tell("OCL_ICD_VENDORS=/nonexistent/", ""), "failed: device: no OpenCL platform found");
    assert_text(told, "apt install pocl-opencl-icd");
    assert_text(tell("OCL_ICD_VENDORS=/nonexistent/", "gpu"), "failed: device: no OpenCL platform found");
}

static void test_a_wish_must_fit_one_device(void **state) {
    (void)state;
    const char *two = "HOI_KERNELS= POCL_DEVICES='basic pthread'"; /* PoCL shows two processors */
    assert_text(tell(two, "basic"), "basic-");
    assert_text(told, "; 7");
    assert_text(tell(two, "PTHREAD"), "pthread-");
    assert_text(tell(two, "1"), "; 7");
    assert_text(tell(two, "2"), "; 7");
    assert_text(tell(two, "cpu"), "cpu, ");
    assert_text(tell(two, "Portable Computing"), "failed: device: 'Portable Computing' fits 2 devices; say which number: 1 = ");
    assert_text(told, "; 2 = ");
    assert_text(tell(two, "no such device"), "failed: device: no device fits 'no such device'; there is 1 = ");
    assert_text(tell(two, "99"), "failed: device: no device 99; there is 1 = ");
    assert_text(tell(two, "0"), "failed: device: no device 0; there is");
    assert_text(tell("HOI_DEVICE=basic POCL_DEVICES='basic pthread'", ""), "basic-");
    assert_text(tell("HOI_DEVICE=basic POCL_DEVICES='basic pthread'", "pthread"), "pthread-");
    assert_text(tell("HOI_DEVICE=nothing", ""), "failed: device: no device fits 'nothing'");
}

static void test_the_kernel_set_can_be_chosen(void **state) {
    (void)state;
    assert_text(tell("HOI_KERNELS=gpu", "cpu"), "gpu, 4 floats");
    assert_text(tell("HOI_KERNELS=cpu HOI_VECTOR=8", "cpu"), "cpu, 8 floats");
    assert_text(tell("HOI_KERNELS=cpu HOI_VECTOR=4", "cpu"), "cpu, 4 floats");
    assert_text(told, "; 7");
}

static void test_a_build_failure_shows_the_first_errors_and_keeps_the_log(void **state) {
    (void)state;
    assert_text(tell("HOI_CL_OPTIONS=-DVW=bad", "cpu"), "failed: device: clBuildProgram(pointwise.cl");
    assert_text(told, "CL_BUILD_PROGRAM_FAILURE on ");
    assert_text(told, "error");
    char *path = strstr(told, "whole log: ");
    assert_non_null(path);
    path += strlen("whole log: ");
    path[strcspn(path, "\n")] = '\0';
    FILE *log = fopen(path, "r");
    if (!log)
        fail_msg("no log at '%s'", path);
    assert_int_not_equal(fgetc(log), EOF);
    fclose(log);
    unlink(path);
}

static void test_devices_are_listed(void **state) {
    (void)state;
    hoi_device_info *list;
    int count;
    assert_ok(hoi_device_list(&list, &count));
    assert_true(count > 0);
    for (int i = 0; i < count; ++i) {
        assert_true(list[i].name[0] && list[i].platform[0] && list[i].units > 0 && list[i].memory > 0);
        assert_text(list[i].version, "OpenCL");
    }
    free(list);
}

/* ------------------------------------------------------------------ memory */

static hoi_buffer *buffer_of(size_t bytes) {
    hoi_buffer *buffer = hoi_buffer_new(device, bytes);
    if (!buffer)
        fail_msg("%s", hoi_error());
    return buffer;
}

static void test_what_is_written_is_read_and_nothing_beyond(void **state) {
    (void)state;
    hoi_buffer *buffer = buffer_of(1000), *none = buffer_of(0);
    char out[1000] = "", in[1000];
    for (int i = 0; i < 1000; ++i)
        in[i] = (char)(i % 100);
    assert_ok(hoi_buffer_write(buffer, 0, in, 1000));
    assert_ok(hoi_buffer_read(buffer, 100, out, 900));
    assert_memory_equal(out, in + 100, 900);
    assert_ok(hoi_buffer_write(buffer, 500, in, 10));
    assert_ok(hoi_buffer_read(buffer, 495, out, 20));
    assert_memory_equal(out, in + 95, 5);
    assert_memory_equal(out + 5, in, 10);
    assert_memory_equal(out + 15, in + 10, 5);
    assert_false(hoi_buffer_write(buffer, 900, in, 1000));
    assert_text(hoi_error(), "device: bytes 900..1900 of a buffer of 10");
    assert_false(hoi_buffer_read(buffer, 5000, out, 1));
    assert_text(hoi_error(), "device: bytes 5000..5001");
    assert_false(hoi_buffer_read(buffer, 8, out, SIZE_MAX));
    assert_text(hoi_error(), "device: bytes 8..");
    assert_ok(hoi_buffer_read(none, 0, out, 0));
    assert_ok(hoi_buffer_write(none, 0, NULL, 0));
    assert_ptr_equal(hoi_buffer_device(none), device);
    hoi_buffer_free(buffer);
    hoi_buffer_free(none);
    hoi_buffer_free(NULL);
}

static void test_bytes_are_counted_and_memory_is_used_again(void **state) {
    (void)state;
    hoi_device_trim(device);
    hoi_device_collected(device);
    hoi_device_memory before = hoi_device_memory_now(device), now;
    assert_int_equal(before.kept, 0);
    assert_int_equal(before.fresh, 0);
    hoi_buffer *a = buffer_of(1 << 20), *b = buffer_of(5000);
    now = hoi_device_memory_now(device);
    size_t size = now.live - before.live;
    assert_true(size >= (1 << 20) + 5000 && size <= (1 << 20) + 5000 * 5 / 4);
    assert_int_equal(now.buffers, before.buffers + 2);
    assert_int_equal(now.fresh, size);
    assert_true(now.peak >= now.live);
    hoi_buffer_free(a);
    hoi_buffer_free(b);
    now = hoi_device_memory_now(device);
    assert_int_equal(now.live, before.live);
    assert_int_equal(now.buffers, before.buffers);
    assert_int_equal(now.kept, size);
    a = buffer_of((1 << 20) - 1000);
    now = hoi_device_memory_now(device);
    assert_true(now.kept < size && now.kept >= 5000); /* the large one came back */
    hoi_buffer_free(a);
    hoi_device_trim(device);
    assert_int_equal(hoi_device_memory_now(device).kept, 0);
}

static void test_too_much_in_one_piece_or_in_all_is_a_clear_failure(void **state) {
    (void)state;
    assert_null(hoi_buffer_new(device, (size_t)1 << 60));
    assert_text(hoi_error(), "wanted in one piece");
    assert_null(hoi_tensor_new(device, 1, (int64_t[]){(int64_t)1 << 40}));
    assert_text(hoi_error(), "elements fewer than 2^31");
    size_t live = hoi_device_memory_now(device).live;
    hoi_device_limit(device, live + 100000);
    hoi_buffer *small = buffer_of(1000);
    assert_null(hoi_buffer_new(device, 200000));
    const char *message = hoi_error();
    assert_text(message, "clCreateBuffer: CL_MEM_OBJECT_ALLOCATION_FAILURE (0.2 MB wanted");
    assert_text(message, "Release tensors, use smaller batches or checkpoints");
    hoi_buffer_free(small);
    hoi_device_limit(device, 0);
    hoi_buffer_free(buffer_of(200000));
    assert_int_equal(hoi_device_memory_now(device).live, live);
}

typedef struct owner {
    hoi_buffer *buffer;
    int calls;
} owner;

static void relieve(void *data) {
    owner *o = data;
    ++o->calls;
    hoi_buffer_free(o->buffer);
    o->buffer = NULL;
}

static void test_the_owner_is_asked_before_memory_runs_out(void **state) {
    (void)state;
    owner o = {buffer_of(1 << 20), 0};
    hoi_device_on_pressure(device, relieve, &o);
    hoi_device_limit(device, hoi_device_memory_now(device).live + (1 << 19));
    hoi_buffer *fits = buffer_of(1 << 16);
    assert_int_equal(o.calls, 0);
    hoi_buffer *next = buffer_of(1 << 20); /* in the place of what is let go */
    assert_int_equal(o.calls, 1);
    assert_null(hoi_buffer_new(device, 1 << 20)); /* nothing left to let go */
    assert_int_equal(o.calls, 2);
    assert_text(hoi_error(), "clCreateBuffer");
    hoi_device_on_pressure(device, NULL, NULL);
    hoi_device_limit(device, 0);
    hoi_buffer_free(fits);
    hoi_buffer_free(next);
}

/* ------------------------------------------------------------------ out of memory at every place */

static hoi_tensor *run_inside(void *context, hoi_tensor *const *in, int count) {
    hoi_tensor *const *w = context, *up, *y = NULL;
    (void)count;
    if ((up = hoi_linear(in[0], w[1], NULL, HOI_GELU, NULL)))
        y = hoi_linear(up, w[2], NULL, HOI_LINEAR, in[0]);
    hoi_tensor_free(up);
    return y;
}

static void drop_inside(void *context) {
    (void)context;
}

/* Everything from new tensors to gradients, small; false where something was refused. */
static bool forward_and_backward(void) {
    enum { W = 24 };
    static const int64_t shapes[7][2] = {{3 * W, W}, {4 * W, W}, {W, 4 * W}, {W, 1}, {W, 1}, {6, W}, {W, W}};
    hoi_tensor *w[7] = {NULL}, *t[14] = {NULL};
    hoi_index *index = NULL;
    int made = 0;
    bool ok = true;
    for (int i = 0; ok && i < 7; ++i) {
        ok = (w[i] = hoi_tensor_random(device, i == 3 || i == 4 ? 1 : 2, shapes[i], HOI_NORMAL, (uint64_t)i, 0, 0.2f));
        if (ok)
            w[i]->trainable = true;
    }
    hoi_block *block = ok ? malloc(sizeof *block) : NULL;
    ok = block && (index = hoi_index_new(device, 8, (int32_t[]){0, 5, 2, 2, 1, 3, 3, 3})) && (t[made++] = hoi_rows(w[5], index)) &&
         (t[made++] = hoi_layer_norm(t[0], w[3], w[4], 1e-5f)) && (t[made++] = hoi_linear(t[1], w[0], NULL, HOI_LINEAR, NULL)) &&
         (t[made++] = hoi_reshape(t[2], 3, (int64_t[]){2, 4, 3 * W})) &&
         (t[made++] = hoi_attention_of(t[3], NULL, NULL, 2, true, NULL));
    if (ok) {
        *block = (hoi_block){run_inside, drop_inside, w};
        ok = (t[made++] = hoi_checkpoint(block, &t[4], 1));
        block = NULL;
    }
    free(block);
    ok = ok && (t[made++] = hoi_matmul(t[5], w[6])) && (t[made++] = hoi_add(t[6], w[4])) && (t[made++] = hoi_max(t[7], 1, true)) &&
         (t[made++] = hoi_subtract(t[7], t[8])) && (t[made++] = hoi_normalize(t[9], 1e-6f)) &&
         (t[made++] = hoi_concat((hoi_tensor *[]){t[10], t[7]}, 2, 1)) && (t[made++] = hoi_log_softmax(t[11])) &&
         (t[made++] = hoi_mean(t[12], -1, false)) && hoi_backward(t[13], NULL);
    for (int i = 0; i < 7; ++i) {
        if (ok && !w[i]->grad)
            fail_msg("weight %d has no gradient", i);
        hoi_tensor_free(w[i]);
    }
    for (int i = 0; i < 14; ++i)
        hoi_tensor_free(t[i]);
    hoi_index_free(index);
    return ok;
}

static void test_running_out_at_every_place_leaks_nothing(void **state) {
    (void)state;
    if (!forward_and_backward())
        fail_msg("%s", hoi_error());
    hoi_device_memory before = hoi_device_memory_now(device);
    size_t room = 0;
    int failures = 0;
    for (;; room += 1024) {
        hoi_device_limit(device, before.live + room + 1);
        bool ok = forward_and_backward();
        hoi_device_limit(device, 0);
        assert_int_equal(hoi_device_memory_now(device).live, before.live);
        assert_int_equal(hoi_device_memory_now(device).buffers, before.buffers);
        if (ok)
            break;
        assert_text(hoi_error(), "clCreateBuffer");
        ++failures;
    }
    assert_true(failures > 50);
}

/* ------------------------------------------------------------------ profile */

static const hoi_profile_row *row_of(const hoi_profile_row *rows, int count, const char *kernel) {
    for (int i = 0; i < count; ++i)
        if (strcmp(rows[i].kernel, kernel) == 0)
            return &rows[i];
    fail_msg("no row of %s", kernel);
    return NULL;
}

static void test_the_profile_counts_calls_and_work(void **state) {
    (void)state;
    hoi_device *d = hoi_device_open(NULL, true);
    hoi_profile_row *rows;
    int count;
    assert_non_null(d);
    assert_true(hoi_device_profiling(d));
    hoi_tensor *a = hoi_tensor_full(d, 2, (int64_t[]){64, 64}, 1), *b = hoi_tensor_full(d, 2, (int64_t[]){64, 64}, 1);
    assert_true(a && b);
    for (int i = 0; i < 3; ++i)
        hoi_tensor_free(hoi_matmul(a, b));
    assert_ok(hoi_device_profile(d, &rows, &count));
    const hoi_profile_row *gemm = row_of(rows, count, "gemm"), *fill = row_of(rows, count, "fill");
    assert_int_equal(gemm->calls, 3);
    assert_true(fabs(gemm->gigaflops - 3 * 2.0 * 64 * 64 * 64 * 1e-9) < 1e-12);
    assert_true(gemm->milliseconds > 0);
    assert_int_equal(fill->calls, 2);
    assert_true(fill->gigaflops == 0);
    for (int i = 1; i < count; ++i)
        assert_true(rows[i - 1].milliseconds >= rows[i].milliseconds);
    free(rows);
    hoi_device_profile_reset(d);
    for (int i = 0; i < 5000; ++i) /* more than are kept waiting */
        assert_ok(launch_fill(d, hoi_tensor_span(a), 1, 0));
    assert_ok(hoi_device_profile(d, &rows, &count));
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].calls, 5000);
    free(rows);
    hoi_tensor_free(a);
    hoi_tensor_free(b);
    hoi_device_close(d);
    assert_false(hoi_device_profiling(device));
    assert_ok(launch_fill(device, (hoi_span){NULL, 0}, 0, 0)); /* nothing to fill */
    assert_ok(hoi_device_profile(device, &rows, &count));
    assert_int_equal(count, 0);
    free(rows);
}

/* ------------------------------------------------------------------ training kernels, random numbers, pictures */

/* Calls test with a device of each kernel set. */
static void on_both_sets(void (*test)(hoi_device *d, int64_t n)) {
    static const int64_t sizes[] = {1, 5, 33, 5000, 40001};
    for (int i = 0; i < 2; ++i) {
        setenv("HOI_KERNELS", i ? "gpu" : "cpu", 1);
        hoi_device *d = hoi_device_open(NULL, false);
        unsetenv("HOI_KERNELS");
        if (!d)
            fail_msg("%s", hoi_error());
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k)
            test(d, sizes[k]);
        assert_int_equal(hoi_device_memory_now(d).live, 0);
        hoi_device_close(d);
    }
}

static hoi_tensor *noise(hoi_device *d, int64_t n, hoi_noise kind, uint64_t key, float a, float b) {
    hoi_tensor *x = hoi_tensor_random(d, 1, &n, kind, key, a, b);
    if (!x)
        fail_msg("%s", hoi_error());
    return x;
}

static float *values_of(const hoi_tensor *x) {
    float *values = malloc((size_t)(hoi_tensor_count(x) + 1) * sizeof *values);
    assert_non_null(values);
    assert_ok(hoi_tensor_read(x, values));
    return values;
}

static void near(float got, double want, double scale, int line) {
    if (!(fabs((double)got - want) <= 1e-5 * (fabs(want) + scale)))
        fail_msg("line %d: %.9g, %.9g wanted", line, (double)got, want);
}
#define assert_near(got, want, scale) near(got, want, scale, __LINE__)

static void check_adamw(hoi_device *d, int64_t n) {
    hoi_tensor *p = noise(d, n, HOI_NORMAL, 1, 0, 1), *m = noise(d, n, HOI_UNIFORM, 2, -1, 1), *v = noise(d, n, HOI_UNIFORM, 3, 0, 1);
    hoi_tensor *norm = hoi_tensor_from(d, 1, (int64_t[]){2}, (float[]){9, 0.5f});
    float *p0 = values_of(p), *m0 = values_of(m), *v0 = values_of(v);
    hoi_adamw_step s = {.rate = 0.01f, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-8f, .decay = 0.1f};
    for (int step = 1; step <= 3; ++step) {
        hoi_tensor *g = noise(d, n, HOI_NORMAL, 10 + (uint64_t)step, 0, 1);
        float *g0 = values_of(g);
        s.correction1 = 1 - powf(0.9f, (float)step);
        s.correction2 = 1 - powf(0.99f, (float)step);
        assert_ok(launch_adamw(d, hoi_tensor_span(p), hoi_tensor_span(g), hoi_tensor_span(m), hoi_tensor_span(v),
                               hoi_tensor_span(norm), n, &s));
        float *p1 = values_of(p), *m1 = values_of(m), *v1 = values_of(v);
        for (int64_t i = 0; i < n; ++i) {
            double slope = 0.5 * (double)g0[i], a = 0.9 * (double)m0[i] + 0.1 * slope, b = 0.99 * (double)v0[i] + 0.01 * slope * slope;
            double move = a / (1 - pow(0.9, step)) / (sqrt(b / (1 - pow(0.99, step))) + 1e-8);
            assert_near(m1[i], a, 1);
            assert_near(v1[i], b, 1);
            assert_near(p1[i], (double)p0[i] - 0.01 * (0.1 * (double)p0[i] + move), 1);
        }
        free(p0), free(m0), free(v0), free(g0);
        p0 = p1, m0 = m1, v0 = v1;
        hoi_tensor_free(g);
    }
    free(p0), free(m0), free(v0);
    hoi_tensor *all[] = {p, m, v, norm};
    for (size_t i = 0; i < 4; ++i)
        hoi_tensor_free(all[i]);
}

static void check_sgd(hoi_device *d, int64_t n) {
    hoi_tensor *p = noise(d, n, HOI_NORMAL, 1, 0, 1), *m = noise(d, n, HOI_UNIFORM, 2, -1, 1), *g = noise(d, n, HOI_NORMAL, 3, 0, 1);
    hoi_tensor *norm = hoi_tensor_from(d, 1, (int64_t[]){2}, (float[]){9, 2});
    float *p0 = values_of(p), *m0 = values_of(m), *g0 = values_of(g);
    assert_ok(launch_sgd(d, hoi_tensor_span(p), hoi_tensor_span(g), hoi_tensor_span(m), hoi_tensor_span(norm), n, 0.1f, 0.9f, 0.01f));
    float *p1 = values_of(p), *m1 = values_of(m);
    for (int64_t i = 0; i < n; ++i) {
        double a = 0.9 * (double)m0[i] + 2 * (double)g0[i] + 0.01 * (double)p0[i];
        assert_near(m1[i], a, 1);
        assert_near(p1[i], (double)p0[i] - 0.1 * a, 1);
    }
    free(p0), free(m0), free(g0), free(p1), free(m1);
    hoi_tensor *all[] = {p, m, g, norm};
    for (size_t i = 0; i < 4; ++i)
        hoi_tensor_free(all[i]);
}

/* Two gradients clipped together, as an optimiser does. */
static void check_clip(hoi_device *d, int64_t n) {
    hoi_tensor *g = noise(d, n, HOI_NORMAL, 1, 0, 1), *h = noise(d, 7, HOI_NORMAL, 2, 0, 1);
    int first = launch_squares_count(n), count = first + launch_squares_count(7), got;
    hoi_tensor *partial = noise(d, count, HOI_UNIFORM, 3, 0, 1), *norm = noise(d, 2, HOI_UNIFORM, 4, 0, 1);
    float *g0 = values_of(g), *h0 = values_of(h);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i)
        sum += (double)g0[i] * (double)g0[i];
    for (int64_t i = 0; i < 7; ++i)
        sum += (double)h0[i] * (double)h0[i];
    hoi_span rest = hoi_tensor_span(partial);
    rest.at += first;
    assert_ok(launch_squares(d, hoi_tensor_span(g), hoi_tensor_span(partial), n, &got));
    assert_int_equal(got, first);
    assert_ok(launch_squares(d, hoi_tensor_span(h), rest, 7, &got));
    float most[] = {1, 1e6f, 0};
    for (int i = 0; i < 3; ++i) {
        assert_ok(launch_clip_scale(d, hoi_tensor_span(partial), hoi_tensor_span(norm), count, most[i]));
        float *out = values_of(norm);
        assert_near(out[0], sqrt(sum), 0);
        assert_near(out[1], i == 0 && sum > 1 ? 1 / sqrt(sum) : 1, 0);
        free(out);
    }
    free(g0), free(h0);
    hoi_tensor *all[] = {g, h, partial, norm};
    for (size_t i = 0; i < 4; ++i)
        hoi_tensor_free(all[i]);
}

/* Uniform numbers are those of core/random.h, bit for bit; the others have the moments they should. */
static void check_random(hoi_device *d, int64_t n) {
    hoi_random r = {1234567, 0};
    hoi_tensor *x = noise(d, n, HOI_UNIFORM, r.key, 0, 1), *y = noise(d, n, HOI_NORMAL, 5, 2, 3), *z = noise(d, n, HOI_DROP, 6, 0.25f, 0);
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
    assert_true(fabs(sum / (double)n) < rest && fabs(square / (double)n - 1) < 1.5 * rest && fabs(zeros / (double)n - 0.25) < rest);
    free(uniform), free(normal), free(drop);
    hoi_tensor_free(x);
    hoi_tensor_free(y);
    hoi_tensor_free(z);
}

/* n pictures' worth of bytes, in two pictures of rows of 5. */
static void check_bytes(hoi_device *d, int64_t n) {
    int height = (int)(n / 50) + 1, width = 5, size = height * width;
    uint8_t *in = malloc((size_t)size * 6);
    assert_non_null(in);
    for (int i = 0; i < size * 6; ++i)
        in[i] = (uint8_t)hoi_mix((uint64_t)i);
    hoi_buffer *x = hoi_buffer_new(d, (size_t)size * 6);
    hoi_tensor *y = noise(d, size * 6, HOI_UNIFORM, 1, 0, 1);
    const float scale[3] = {0.5f, 0.25f, 2}, shift[3] = {1, -1, 0};
    assert_true(x && hoi_buffer_write(x, 0, in, (size_t)size * 6));
    assert_ok(launch_bytes(d, (hoi_span){x, 0}, hoi_tensor_span(y), 2, height, width, scale, shift));
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
static void check_widen(hoi_device *d, int64_t n) {
    uint16_t *in = malloc((size_t)n * sizeof *in);
    assert_non_null(in);
    for (int64_t i = 0; i < n; ++i)
        in[i] = (uint16_t)(i * 65536 / n);
    for (int type = 0; type < 2; ++type) {
        hoi_tensor *x = hoi_tensor_stored(d, 1, &n, type ? HOI_BF16 : HOI_F16, in);
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
    on_both_sets(check_adamw);
}
static void test_sgd_takes_the_steps_of_its_definition(void **state) {
    (void)state;
    on_both_sets(check_sgd);
}
static void test_gradients_are_clipped_by_their_joint_norm(void **state) {
    (void)state;
    on_both_sets(check_clip);
}
static void test_random_numbers_are_those_of_the_host(void **state) {
    (void)state;
    on_both_sets(check_random);
}
static void test_bytes_become_scaled_planes(void **state) {
    (void)state;
    on_both_sets(check_bytes);
}
static void test_stored_halves_are_read_exactly(void **state) {
    (void)state;
    on_both_sets(check_widen);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices_are_listed),
        cmocka_unit_test(test_what_is_written_is_read_and_nothing_beyond),
        cmocka_unit_test(test_bytes_are_counted_and_memory_is_used_again),
        cmocka_unit_test(test_too_much_in_one_piece_or_in_all_is_a_clear_failure),
        cmocka_unit_test(test_the_owner_is_asked_before_memory_runs_out),
        cmocka_unit_test(test_running_out_at_every_place_leaks_nothing),
        cmocka_unit_test(test_the_profile_counts_calls_and_work),
        cmocka_unit_test(test_adamw_takes_the_steps_of_its_definition),
        cmocka_unit_test(test_sgd_takes_the_steps_of_its_definition),
        cmocka_unit_test(test_gradients_are_clipped_by_their_joint_norm),
        cmocka_unit_test(test_random_numbers_are_those_of_the_host),
        cmocka_unit_test(test_bytes_become_scaled_planes),
        cmocka_unit_test(test_stored_halves_are_read_exactly),
        cmocka_unit_test(test_without_a_driver_the_message_names_one_to_install),
        cmocka_unit_test(test_a_wish_must_fit_one_device),
        cmocka_unit_test(test_the_kernel_set_can_be_chosen),
        cmocka_unit_test(test_a_build_failure_shows_the_first_errors_and_keeps_the_log),
    };
    if (argc > 2 && strcmp(argv[1], "open") == 0)
        return child(argv[2]);
    return cmocka_run_group_tests_name("device", tests, open_device, close_device);
}
