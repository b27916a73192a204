/* launch_groups: how products are set up for graphics processors: sizes of tiles, tensor cores. */
#include "core/error.h"
#include "opencl/launch.h"
#include "opencl/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV
#define CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV 0x4000
#endif

static const char *cores_define(const hoi_device *device) {
    return device->cores == HOI_CORES_EMULATED ? "-DEMULATED=1" : "-DEMULATED=0";
}

/* Multiplies one small matrix; every element tells its place. */
static bool trial_succeeds(hoi_device *device) {
    char defines[96];
    float y[128];
    hoi_buffer *out = hoi_buffer_new(device, sizeof y);
    snprintf(defines, sizeof defines,
             "-DPARTS=1 -DA_ACROSS=0 -DB_ACROSS=1 -DB_TYPE=2 -DALIGNED=1 %s", cores_define(device));
    hoi_job job = {"gpu/gemm_mma.cl", defines, "mma_trial", {32, 1, 1}, .local = {32, 1, 1}};
    bool ok = out && hoi_run(device, &job, "b", (hoi_span){out, 0}) &&
              hoi_buffer_read(out, 0, y, sizeof y);
    for (int i = 0; ok && i < 128; ++i)
        ok = y[i] == (float)i;
    hoi_buffer_free(out);
    return ok;
}

bool launch_tensor_cores(hoi_device *device) {
    const char *wish = getenv("HOI_TENSOR_CORES");
    cl_uint major = 0;
    if (device->cores != HOI_CORES_UNKNOWN)
        return device->cores != HOI_CORES_NONE;
    device->cores = HOI_CORES_NONE;
    if (!device->set.gpu || (wish && strcmp(wish, "0") == 0))
        return false;
    if (wish && strcmp(wish, "emulated") == 0)
        device->cores = HOI_CORES_EMULATED;
    else if (strstr(device->info.platform, "NVIDIA") &&
             clGetDeviceInfo(device->id, CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV, sizeof major,
                             &major, NULL) == CL_SUCCESS &&
             major >= 8)
        device->cores = HOI_CORES_TENSOR;
    if (device->cores != HOI_CORES_NONE && !trial_succeeds(device)) {
        hoi_error(); /* without them it works too */
        device->cores = HOI_CORES_NONE;
    }
    return device->cores != HOI_CORES_NONE;
}

bool hoi_gemm_groups(hoi_device *device, const hoi_gemm *g, int64_t flags, hoi_span bias,
                     hoi_span residual, hoi_span before) {
    char defines[128];
    /* large tiles read each value half as often, where enough of them feed every unit; their slabs
       take up to 40 KB of local memory, those of small ones half of it */
    int64_t large = pieces(g->m, 128) * pieces(g->n, 128) * g->count;
    bool feeds = g->m > 64 && g->n > 64 && large >= device->info.units;
    int64_t tile = feeds && device->info.local_memory >= 48 << 10 ? 128 : 64;
    int64_t b_row = g->b.row ? g->b.row : g->k;
    bool aligned = (g->a.at | g->a_row | g->a_step | g->b.span.at | b_row | g->b_step) % 4 == 0;
    bool cores = g->bfloat && launch_tensor_cores(device);
    snprintf(defines, sizeof defines,
             "-DPARTS=%d -DA_ACROSS=%d -DB_ACROSS=%d -DB_TYPE=%d -DALIGNED=%d %s", (int)tile / 64,
             g->a_across, g->b.row == 0, (int)g->b.type, aligned,
             cores ? cores_define(device) : "");
    size_t side = cores ? 256 : 16; /* warps are the groups' first 32 items, and so on */
    hoi_job job = {
        cores ? "gpu/gemm_mma.cl" : "gpu/gemm.cl",
        defines,
        "gemm",
        {pieces(g->n, tile) * (int64_t)side, pieces(g->m, tile) * (cores ? 1 : 16), g->count},
        .local = {side, 256 / side, 1},
        .flops = 2.0 * g->m * g->n * g->k * g->count};
    return hoi_run(device, &job, "biibiibiibbbiiifi", g->a, g->a_row, g->a_step, g->b.span, b_row,
                   g->b_step, g->c, g->c_row, g->c_step, bias, residual, before, (int64_t)g->m,
                   (int64_t)g->n, (int64_t)g->k, (double)g->alpha, flags);
}
