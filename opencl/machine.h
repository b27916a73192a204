/* machine: what the files of opencl/ share among themselves; the only header that sees CL. */
#ifndef HOI_MACHINE_H
#define HOI_MACHINE_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "opencl/device.h"

/* Which kernels run: see the table in device.c. width: floats in a vector; registers: vector
   registers. */
typedef struct hoi_kernel_set {
    bool gpu;
    int width, registers;
} hoi_kernel_set;

typedef struct hoi_program hoi_program;
typedef struct profile_event profile_event;

enum { HOI_POOLS = 160 };

struct hoi_device {
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    hoi_device_info info;
    hoi_kernel_set set;
    char set_name[64];
    enum { HOI_CORES_UNKNOWN, HOI_CORES_NONE, HOI_CORES_TENSOR, HOI_CORES_EMULATED } cores;
    size_t largest; /* CL_DEVICE_MAX_MEM_ALLOC_SIZE */
    hoi_program *programs;
    hoi_buffer *pool[HOI_POOLS];
    hoi_device_memory memory;
    size_t limit;
    bool watched; /* by Oclgrind: a buffer ends where its tensor does, and none is used again */
    void (*relieve)(void *);
    void *relieve_data;
    bool profile;
    profile_event *events;
    int event_count, event_room;
    hoi_profile_row *rows;
    int row_count, row_room;
};

struct hoi_buffer {
    hoi_device *device;
    cl_mem memory;
    size_t bytes;
    int pool;
    hoi_buffer *next;
};

/* Whether the driver is PoCL, whose compiler lets kernels ask for memory ahead and write
   instructions out. */
bool hoi_on_pocl(const hoi_device *device);

/* Gets the name of a CL status, "CL_OUT_OF_RESOURCES". */
const char *hoi_cl_name(cl_int status);

/* Gets a kernel of an embedded file ("cpu/gemm.cl") built with `defines`; built once per device.
   NULL after hoi_fail. */
cl_kernel hoi_program_kernel(hoi_device *device, const char *file, const char *defines,
                             const char *kernel);
void hoi_program_free_all(hoi_device *device);

/* Keeps an event (taken over) for the profile table. */
bool hoi_profile_keep(hoi_device *device, const char *kernel, double flops, cl_event event);

/* One launch. groups: work-items in each dimension; flops: for the profile. Arguments by letter:
   b span (a buffer and its place), i int (given as int64_t), f float, 4 cl_int4, F cl_float4, 8
   cl_int8, u ulong, m bytes of local memory. */
typedef struct hoi_job {
    const char *file, *defines, *kernel;
    int64_t grid[3];
    size_t local[3]; /* 0: one work-item per group where `single`, else the driver's choice */
    bool single;
    double flops;
} hoi_job;

/* Queues a launch; the arguments follow as `letters` say. False after hoi_fail. */
bool hoi_run(hoi_device *device, const hoi_job *job, const char *letters, ...);

struct hoi_gemm;
struct hoi_attention;
struct hoi_span;
/* launch_gemm of the gpu set: flags as gpu/gemm.cl has them; spans not asked for are C's. */
bool hoi_gemm_groups(hoi_device *device, const struct hoi_gemm *g, int64_t flags,
                     struct hoi_span bias, struct hoi_span residual, struct hoi_span before);

/* launch_gemm where b is a pack of pairs, in the same manner. */
bool hoi_gemm_pairs(hoi_device *device, const struct hoi_gemm *g, int64_t flags,
                    struct hoi_span bias, struct hoi_span residual, struct hoi_span before);
/* Attention of the same: whether it can be, and its launch. */
bool hoi_attention_pairs_fit(const hoi_device *device, const struct hoi_attention *a);
bool hoi_attention_pairs(hoi_device *device, const struct hoi_attention *a, double flops);

static inline int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}
static inline int64_t pieces(int64_t n, int64_t piece) {
    return (n + piece - 1) / piece;
}

#endif
