/* test_device: choosing a device, memory and its accounts, what is said when something is
   missing or fails, profile. */
#include "tests/expect.h"

#include <unistd.h>

static void check_text(const char *text, const char *part, int line) {
    if (!strstr(text, part))
        fail_msg("line %d: '%s'; a text with '%s' is wanted", line, text, part);
}
#define assert_text(text, part) check_text(text, part, __LINE__)

/* ------------------------------ in a process of its own: drivers read the environment once */

/* What a child does: opens a device by a wish, fills a buffer, and tells what came of it. */
static int child(const char *wish) {
    hoi_device *d = hoi_device_open(wish, false);
    hoi_buffer *buffer = d ? hoi_buffer_new(d, 4) : NULL;
    float value = 0;
    if (!buffer || !launch_fill(d, (hoi_span){buffer, 0}, 1, 7) ||
        !hoi_buffer_read(buffer, 0, &value, sizeof value)) {
        printf("failed: %s", hoi_error());
        if (d && (launch_fill(d, (hoi_span){buffer, 0}, 1, 7) || !strstr(hoi_error(), "device:")))
            return 1; /* a second try fails in the same way */
    } else {
        const hoi_device_info *info = hoi_device_describe(d);
        printf("%s, %s; %s; %d units; %g", info->platform, info->name, hoi_device_kernels(d),
               info->units, (double)value);
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
    /* two drivers of PoCL in one process crash the leak sanitizer; leaks are looked for here */
    snprintf(command, sizeof command, "ASAN_OPTIONS=detect_leaks=0 %s '%s' open '%s' 2>/dev/null",
             environment, path, wish);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    told[fread(told, 1, sizeof told - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    return told;
}

static void test_without_a_driver_the_message_names_one_to_install(void **state) {
    (void)state;
    assert_text(tell("OCL_ICD_VENDORS=/nonexistent/", ""),
                "failed: device: no OpenCL platform found");
    assert_text(told, "apt install pocl-opencl-icd");
    assert_text(tell("OCL_ICD_VENDORS=/nonexistent/", "gpu"),
                "failed: device: no OpenCL platform found");
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
    assert_text(tell(two, "Portable Computing"),
                "failed: device: 'Portable Computing' fits 2 devices; say which number: 1 = ");
    assert_text(told, "; 2 = ");
    assert_text(tell(two, "no such device"),
                "failed: device: no device fits 'no such device'; there is 1 = ");
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
    assert_text(tell("HOI_CL_OPTIONS=-DVW=bad", "cpu"),
                "failed: device: clBuildProgram(pointwise.cl");
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
    check(hoi_device_list(&list, &count));
    assert_true(count > 0);
    for (int i = 0; i < count; ++i) {
        assert_true(list[i].name[0] && list[i].platform[0] && list[i].units > 0 &&
                    list[i].memory > 0);
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
    check(hoi_buffer_write(buffer, 0, in, 1000));
    check(hoi_buffer_read(buffer, 100, out, 900));
    assert_memory_equal(out, in + 100, 900);
    check(hoi_buffer_write(buffer, 500, in, 10));
    check(hoi_buffer_read(buffer, 495, out, 20));
    assert_memory_equal(out, in + 95, 5);
    assert_memory_equal(out + 5, in, 10);
    assert_memory_equal(out + 15, in + 10, 5);
    assert_false(hoi_buffer_write(buffer, 900, in, 1000));
    assert_text(hoi_error(), "device: bytes 900..1900 of a buffer of 10");
    assert_false(hoi_buffer_read(buffer, 5000, out, 1));
    assert_text(hoi_error(), "device: bytes 5000..5001");
    assert_false(hoi_buffer_read(buffer, 8, out, SIZE_MAX));
    assert_text(hoi_error(), "device: bytes 8..");
    check(hoi_buffer_read(none, 0, out, 0));
    check(hoi_buffer_write(none, 0, NULL, 0));
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

/* ------------------------------ out of memory at every place */

static hoi_tensor *run_inside(void *context, hoi_tensor *const *in, int count, bool again) {
    (void)again;
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
    static const int64_t shapes[7][2] = {{3 * W, W}, {4 * W, W}, {W, 4 * W}, {W, 1},
                                         {W, 1},     {6, W},     {W, W}};
    hoi_tensor *w[7] = {NULL}, *t[14] = {NULL};
    hoi_index *index = NULL;
    int made = 0;
    bool ok = true;
    for (int i = 0; ok && i < 7; ++i) {
        ok = (w[i] = hoi_tensor_random(device, i == 3 || i == 4 ? 1 : 2, shapes[i], HOI_NORMAL,
                                       (uint64_t)i, 0, 0.2f));
        if (ok)
            w[i]->trainable = true;
    }
    hoi_block *block = ok ? malloc(sizeof *block) : NULL;
    ok = block && (index = hoi_index_new(device, 8, (int32_t[]){0, 5, 2, 2, 1, 3, 3, 3})) &&
         (t[made++] = hoi_rows(w[5], index)) &&
         (t[made++] = hoi_layer_norm(t[0], w[3], w[4], 1e-5f)) &&
         (t[made++] = hoi_linear(t[1], w[0], NULL, HOI_LINEAR, NULL)) &&
         (t[made++] = hoi_reshape(t[2], 3, (int64_t[]){2, 4, 3 * W})) &&
         (t[made++] = hoi_attention_of(t[3], NULL, NULL, 2, true, NULL, false));
    if (ok) {
        *block = (hoi_block){run_inside, drop_inside, w};
        ok = (t[made++] = hoi_checkpoint(block, &t[4], 1));
        block = NULL;
    }
    free(block);
    ok = ok && (t[made++] = hoi_matmul(t[5], w[6])) && (t[made++] = hoi_add(t[6], w[4])) &&
         (t[made++] = hoi_max(t[7], 1, true)) && (t[made++] = hoi_subtract(t[7], t[8])) &&
         (t[made++] = hoi_normalize(t[9], 1e-6f)) &&
         (t[made++] = hoi_concat((hoi_tensor *[]){t[10], t[7]}, 2, 1)) &&
         (t[made++] = hoi_log_softmax(t[11])) && (t[made++] = hoi_mean(t[12], -1, false)) &&
         hoi_backward(t[13], NULL);
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
    hoi_tensor *a = hoi_tensor_full(d, 2, (int64_t[]){64, 64}, 1),
               *b = hoi_tensor_full(d, 2, (int64_t[]){64, 64}, 1);
    assert_true(a && b);
    for (int i = 0; i < 3; ++i)
        hoi_tensor_free(hoi_matmul(a, b));
    check(hoi_device_profile(d, &rows, &count));
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
        check(launch_fill(d, hoi_tensor_span(a), 1, 0));
    check(hoi_device_profile(d, &rows, &count));
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].calls, 5000);
    free(rows);
    FREE(a, b);
    hoi_device_close(d);
    assert_false(hoi_device_profiling(device));
    check(launch_fill(device, (hoi_span){NULL, 0}, 0, 0)); /* nothing to fill */
    check(hoi_device_profile(device, &rows, &count));
    assert_int_equal(count, 0);
    free(rows);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(test_devices_are_listed),
        TEST(test_what_is_written_is_read_and_nothing_beyond),
        TEST(test_bytes_are_counted_and_memory_is_used_again),
        TEST(test_too_much_in_one_piece_or_in_all_is_a_clear_failure),
        TEST(test_the_owner_is_asked_before_memory_runs_out),
        TEST(test_running_out_at_every_place_leaks_nothing),
        TEST(test_the_profile_counts_calls_and_work),
        TEST(test_without_a_driver_the_message_names_one_to_install),
        TEST(test_a_wish_must_fit_one_device),
        TEST(test_the_kernel_set_can_be_chosen),
        TEST(test_a_build_failure_shows_the_first_errors_and_keeps_the_log),
    };
    if (argc > 2 && strcmp(argv[1], "open") == 0)
        return child(argv[2]);
    return cmocka_run_group_tests_name("device", tests, open_device, close_device);
}
