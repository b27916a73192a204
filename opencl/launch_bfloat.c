/* launch_bfloat: products of bfloat16 on processors: which of them have such, and how they are set
   up. */
#include "core/error.h"
#include "opencl/launch.h"
#include "opencl/machine.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { PANEL = 32, BLOCK = 32, CHUNK_BYTES = 640 << 10 };

/* Kernels that hold such instructions are only built where they run: a driver's compiler may end
   the program over them. This asks the processor, which must be the device. */
#if defined(__x86_64__) && defined(__linux__)
static bool has_pairs(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __builtin_cpu_supports("avx512f") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
           (a >> 5 & 1);
}

/* Tiles are lent by the system to programs that ask for them, all threads at once. */
static bool has_tiles(void) {
    enum { REQUEST = 0x1023, TILE_DATA = 18 };
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1) &&
           syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}
#else
static bool has_pairs(void) {
    return false;
}

static bool has_tiles(void) {
    return false;
}
#endif

bool launch_bfloat(hoi_device *device) {
    const char *name = device->info.name, *wish = getenv("HOI_TENSOR_CORES");
    if (device->set.gpu)
        return launch_tensor_cores(device) ||
               hoi_fail("device: bfloat16 wants tensor cores, NVIDIA's of compute capability 8 or "
                        "more; %s (%s set) has none. Use dtype \"stored\" or \"float32\"",
                        name, "gpu");
    bool here =
        hoi_on_pocl(device) && (strncmp(name, "pthread-", 8) == 0 ||
                                strncmp(name, "basic-", 6) == 0 || strncmp(name, "cpu", 3) == 0);
    if (!here)
        return hoi_fail("device: bfloat16 on a processor wants PoCL's device of this machine, this "
                        "is %s of %s. Use dtype \"stored\" or \"float32\"",
                        name, device->info.platform);
    if (!has_pairs())
        return hoi_fail("device: bfloat16 wants a processor with AVX-512 BF16 (avx512_bf16 in "
                        "/proc/cpuinfo), this one lacks it. Use dtype \"stored\" or \"float32\"");
    if (device->set.width != 16)
        return hoi_fail("device: bfloat16 wants vectors of 16 floats, HOI_VECTOR asks for %d. Use "
                        "dtype \"stored\" or \"float32\"",
                        device->set.width);
    if (device->cores == HOI_CORES_UNKNOWN)
        device->cores =
            !(wish && strcmp(wish, "0") == 0) && has_tiles() ? HOI_CORES_TENSOR : HOI_CORES_NONE;
    return true;
}

bool launch_pairs_fit(const hoi_device *device, int k) {
    return !device->set.gpu && k > 0 && k % BLOCK == 0;
}

int64_t launch_pairs_size(int n, int k, hoi_pack *pack) {
    *pack = (hoi_pack){.type = HOI_STORED_PAIRS, .width = PANEL};
    return round_up(n, PANEL) * k;
}

bool launch_pairs(hoi_device *device, hoi_span in, int n, int k, const hoi_pack *out) {
    /* a pair goes through as one value of twice the width */
    hoi_pack pairs = {{out->span.buffer, out->span.at / 2}, HOI_STORED_FLOAT, PANEL, 0};
    in.at /= 2;
    return launch_pack(device, in, true, k / 2, n, k / 2, 1, 0, 0, &pairs);
}

bool hoi_gemm_pairs(hoi_device *device, const hoi_gemm *g, int64_t flags, hoi_span bias,
                    hoi_span residual, hoi_span before) {
    const char *defines =
        device->cores == HOI_CORES_TENSOR ? "-DTILES=1 -DPREFETCH=1" : "-DTILES=0 -DPREFETCH=1";
    int64_t blocks = pieces(g->m, 16), piece = pieces(blocks, 4 * (int64_t)device->info.units);
    int64_t panels = pieces(g->n, PANEL), most = CHUNK_BYTES / (2 * (int64_t)g->k);
    int64_t chunks = pieces(g->m, most > 2 * BLOCK ? most : 2 * BLOCK);
    while (panels * chunks < 4 * device->info.units && g->m > chunks * 2 * BLOCK)
        ++chunks;
    int64_t chunk = round_up(pieces(g->m, chunks), BLOCK);
    hoi_span rows = {hoi_buffer_new(device, (size_t)(blocks * 16 * g->k) * 2), 0};
    bool ok = rows.buffer &&
              hoi_run(device,
                      &(hoi_job){"cpu/gemm_bf16.cl",
                                 defines,
                                 "round_rows",
                                 {pieces(blocks, piece), 1, 1},
                                 .single = true},
                      "bibiii", g->a, g->a_row, rows, (int64_t)g->m, (int64_t)g->k, piece) &&
              hoi_run(device,
                      &(hoi_job){"cpu/gemm_bf16.cl",
                                 defines,
                                 "gemm_bf16",
                                 {panels, pieces(g->m, chunk), 1},
                                 .single = true,
                                 .flops = 2.0 * g->m * g->n * g->k},
                      "bbbibbbiiiifi", rows, g->b.span, g->c, g->c_row, bias, residual, before,
                      (int64_t)g->m, (int64_t)g->n, (int64_t)g->k, chunk, (double)g->alpha, flags);
    hoi_buffer_free(rows.buffer); /* what comes after it in the queue may use it again */
    return ok;
}

/* Bytes of local memory: K, V, 16 rows of Q, of shares and scores, and of the result. */
static size_t attention_room(const hoi_attention *a) {
    int64_t wide = round_up(a->keys, BLOCK), half = a->d / 2;
    return (size_t)(2 * half * wide + 16 * (half + wide / 2 + wide + a->d)) * sizeof(float);
}

bool hoi_attention_pairs_fit(const hoi_device *device, const hoi_attention *a) {
    return !device->set.gpu && device->cores == HOI_CORES_TENSOR && a->rounds && !a->causal &&
           !a->mask.span.buffer && a->d % BLOCK == 0 && a->keys >= BLOCK &&
           attention_room(a) <= device->info.local_memory;
}

bool hoi_attention_pairs(hoi_device *device, const hoi_attention *a, double flops) {
    return hoi_run(device,
                   &(hoi_job){"cpu/attention_bf16.cl",
                              "-DTILES=1 -DPREFETCH=1",
                              "attention_bf16",
                              {a->heads, a->pictures, 1},
                              .single = true,
                              .flops = flops},
                   "biibiibiibiibiiiifm", a->q.span, a->q.row, a->q.step, a->k.span, a->k.row,
                   a->k.step, a->v.span, a->v.row, a->v.step, a->o.span, a->o.row, a->o.step,
                   a->lse, (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads,
                   (double)a->scale, attention_room(a));
}
