/* test_groups: the kernels of graphics processors where no such processor is at hand: all files of
   both sets go through clang to PTX and SPIR, tensor cores are emulated on what device there is. */
#include "tests/expect.h"

#include "opencl/launch.h"

/* ------------------------------------------------------------------ compiling */

/* Compiles vector.cl, a set's own start and a file, as program.c does; what clang says is shown. */
static void compile(const char *set, const char *file, const char *target, const char *defines) {
    char command[1024];
    snprintf(command, sizeof command,
             "cat opencl/vector.cl opencl/%s opencl/%s | clang-14 -x cl -cl-std=CL1.2 %s -Xclang "
             "-finclude-default-header -Xclang -cl-ext=+cl_khr_fp16 -Wall -Werror "
             "-Wno-unused-function -Wno-unused-variable -DVW=%d -DGPU=%d %s -S "
             "-o /dev/null - 2>&1",
             strcmp(set, "gpu") == 0 ? "gpu/group.cl" : "cpu/item.cl", file, target,
             strcmp(set, "gpu") == 0 ? 4 : 16, strcmp(set, "gpu") == 0, defines);
    int status = system(command);
    if (status != 0)
        fail_msg("%s for %s (%s %s) does not compile:\n%s", file, target, set, defines, command);
}

static void compile_everywhere(const char *set, const char *file, const char *defines) {
    compile(set, file, "-target nvptx64-nvidia-nvcl -O1", defines);
    compile(set, file, "-target spir64 -emit-llvm -O0", defines);
}

static void need_clang(void) {
    if (system("clang-14 --version >/dev/null 2>&1") != 0) {
        print_message("clang-14 is not installed: kernels are not compiled for other devices\n");
        skip();
    }
}

static void test_every_kernel_of_both_sets_compiles_to_ptx_and_spir(void **state) {
    static const char *const shared[] = {"conv.cl", "pointwise.cl", "probe.cl",
                                         "rows.cl", "shape.cl",     "update.cl"};
    (void)state;
    need_clang();
    for (size_t i = 0; i < sizeof shared / sizeof *shared; ++i) {
        compile_everywhere("gpu", shared[i], "-DCHAINS=16");
        compile_everywhere("cpu", shared[i], "-DCHAINS=16");
    }
    compile_everywhere("gpu", "gpu/attention.cl", "");
    compile_everywhere("gpu", "gpu/gemm.cl",
                       "-DPARTS=2 -DA_ACROSS=0 -DB_ACROSS=1 -DB_TYPE=1 -DALIGNED=1");
    compile_everywhere("gpu", "gpu/gemm.cl",
                       "-DPARTS=1 -DA_ACROSS=1 -DB_ACROSS=0 -DB_TYPE=2 -DALIGNED=0");
    compile_everywhere("cpu", "pack.cl", "");
    compile_everywhere("cpu", "cpu/attention.cl", "-DNV=4");
    compile_everywhere("cpu", "cpu/winograd.cl", "");
    compile_everywhere("cpu", "cpu/gradient.cl", "-DNV=4 -DMR=6 -DPREFETCH=0");
    compile_everywhere("cpu", "cpu/adapter.cl", "-DMR=16 -DHALF=8 -DWIDTH=64 -DHIDDEN=16");
    compile_everywhere("cpu", "cpu/gemm.cl",
                       "-DNV=4 -DMR=6 -DB_TYPE=0 -DPREFETCH=0 -DWINDOWS=0 -DSTREAM=1 -DBACK=1");
    compile_everywhere("cpu", "cpu/gemm.cl",
                       "-DNV=2 -DMR=12 -DB_TYPE=1 -DPREFETCH=1 -DWINDOWS=1 -DSTREAM=0 -DBACK=0");
}

static void test_tensor_cores_compile_to_ptx(void **state) {
    const char *target = "-target nvptx64-nvidia-nvcl -Xclang -target-cpu -Xclang sm_80 -Xclang "
                         "-target-feature -Xclang +ptx70 -O2";
    (void)state;
    need_clang();
    compile("gpu", "gpu/gemm_mma.cl", target,
            "-DPARTS=2 -DA_ACROSS=0 -DB_ACROSS=1 -DB_TYPE=2 -DALIGNED=1 -DEMULATED=0");
    compile("gpu", "gpu/gemm_mma.cl", target,
            "-DPARTS=1 -DA_ACROSS=1 -DB_ACROSS=0 -DB_TYPE=0 -DALIGNED=0 -DEMULATED=0");
    compile_everywhere("gpu", "gpu/gemm_mma.cl",
                       "-DPARTS=1 -DA_ACROSS=0 -DB_ACROSS=1 -DB_TYPE=2 -DALIGNED=1 -DEMULATED=1");
}

/* ------------------------------------------------------------------ tensor cores */

static float bfloat_of(float x) {
    return hoi_bf16_to_float(hoi_float_to_bf16(x));
}

/* C = relu(alpha A B + bias) + residual + C, A (m, k) or across, B (k, n) or across; B stored as
   bfloat16 or float; against sums in double of the rounded values. */
static void check_product(int64_t m, int64_t n, int64_t k, bool a_across, bool b_across,
                          hoi_dtype type) {
    int64_t a_shape[2] = {a_across ? k : m, a_across ? m : k},
            b_shape[2] = {b_across ? n : k, b_across ? k : n};
    hoi_tensor *a = noise(2, a_shape, 1, 1.0f, false), *wide = noise(2, b_shape, 2, 1.0f, false);
    hoi_tensor *c = NOISE(3, 1.0f, false, m, n), *residual = NOISE(4, 1.0f, false, m, n);
    hoi_tensor *bias = NOISE(5, 1.0f, false, n);
    float *av = values_of(a), *bv = values_of(wide), *cv = values_of(c), *rv = values_of(residual),
          *sv = values_of(bias);
    uint16_t *narrow = malloc((size_t)(n * k) * sizeof *narrow);
    assert_non_null(narrow);
    for (int64_t i = 0; i < n * k; ++i)
        narrow[i] = hoi_float_to_bf16(bv[i]);
    hoi_tensor *b = type == HOI_BF16 ? sure(hoi_tensor_stored(device, 2, b_shape, HOI_BF16, narrow))
                                     : sure(hoi_tensor_detach(wide));
    check(launch_gemm(device,
                      &(hoi_gemm){.m = (int)m,
                                  .n = (int)n,
                                  .k = (int)k,
                                  .count = 1,
                                  .a = hoi_tensor_span(a),
                                  .a_across = a_across,
                                  .a_row = a_shape[1],
                                  .b = {hoi_tensor_span(b),
                                        type == HOI_BF16 ? HOI_STORED_BFLOAT : HOI_STORED_FLOAT, 1,
                                        b_across ? 0 : n},
                                  .c = hoi_tensor_span(c),
                                  .c_row = n,
                                  .bias = hoi_tensor_span(bias),
                                  .residual = hoi_tensor_span(residual),
                                  .activation = HOI_RELU,
                                  .alpha = 0.5f,
                                  .accumulate = true,
                                  .bfloat = true}));
    float *got = values_of(c);
    for (int64_t r = 0; r < m; ++r)
        for (int64_t q = 0; q < n; ++q) {
            double sum = 0;
            for (int64_t i = 0; i < k; ++i)
                sum += (double)bfloat_of(av[a_across ? i * m + r : r * k + i]) *
                       (double)bfloat_of(bv[b_across ? q * k + i : i * n + q]);
            double want =
                fmax(0.5 * sum + (double)sv[q], 0) + (double)rv[r * n + q] + (double)cv[r * n + q];
            if (!(fabs((double)got[r * n + q] - want) <= 1e-5 * (double)(k + 4)))
                fail_msg("%d x %d x %d: (%d, %d) is %g, %g wanted", (int)m, (int)n, (int)k, (int)r,
                         (int)q, (double)got[r * n + q], want);
        }
    free(av), free(bv), free(cv), free(rv), free(sv), free(got), free(narrow);
    FREE(a, b, wide, c, residual, bias);
}

static void test_tensor_cores_multiply_as_the_rounded_values_say(void **state) {
    (void)state;
    assert_true(launch_tensor_cores(device));
    check_product(1, 1, 1, false, true, HOI_BF16);
    check_product(17, 9, 40, false, true, HOI_BF16);
    check_product(64, 64, 32, false, true, HOI_BF16);
    check_product(67, 33, 70, false, false, HOI_BF16);
    check_product(20, 65, 36, true, false, HOI_F32);
    check_product(150, 260, 37, false, true, HOI_BF16);
    check_product(132, 136, 68, true, false, HOI_F32);
}

int main(void) {
    setenv("HOI_KERNELS", "gpu", 1);
    setenv("HOI_TENSOR_CORES", "emulated", 1);
    const struct CMUnitTest tests[] = {
        TEST(test_tensor_cores_multiply_as_the_rounded_values_say),
        TEST(test_every_kernel_of_both_sets_compiles_to_ptx_and_spir),
        TEST(test_tensor_cores_compile_to_ptx),
    };
    return cmocka_run_group_tests_name("kernels of groups", tests, open_device, close_device);
}
