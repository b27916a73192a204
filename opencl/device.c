/* device: OpenCL devices: list, choose, open; memory that is reused; profile. */
#include "core/error.h"
#include "opencl/machine.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NO_PLATFORM                                                                                \
    "device: no OpenCL platform found. Install a driver (CPU: apt install pocl-opencl-icd; "       \
    "NVIDIA, AMD, Intel: the "                                                                     \
    "vendor's) and check with 'clinfo -l'"

static const struct {
    cl_int status;
    const char *name;
} statuses[] = {
#define STATUS(name)                                                                               \
    { name, #name }
    STATUS(CL_DEVICE_NOT_FOUND),
    STATUS(CL_DEVICE_NOT_AVAILABLE),
    STATUS(CL_COMPILER_NOT_AVAILABLE),
    STATUS(CL_MEM_OBJECT_ALLOCATION_FAILURE),
    STATUS(CL_OUT_OF_RESOURCES),
    STATUS(CL_OUT_OF_HOST_MEMORY),
    STATUS(CL_PROFILING_INFO_NOT_AVAILABLE),
    STATUS(CL_MEM_COPY_OVERLAP),
    STATUS(CL_BUILD_PROGRAM_FAILURE),
    STATUS(CL_MAP_FAILURE),
    STATUS(CL_MISALIGNED_SUB_BUFFER_OFFSET),
    STATUS(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
    STATUS(CL_COMPILE_PROGRAM_FAILURE),
    STATUS(CL_LINKER_NOT_AVAILABLE),
    STATUS(CL_LINK_PROGRAM_FAILURE),
    STATUS(CL_KERNEL_ARG_INFO_NOT_AVAILABLE),
    STATUS(CL_INVALID_VALUE),
    STATUS(CL_INVALID_DEVICE_TYPE),
    STATUS(CL_INVALID_PLATFORM),
    STATUS(CL_INVALID_DEVICE),
    STATUS(CL_INVALID_CONTEXT),
    STATUS(CL_INVALID_QUEUE_PROPERTIES),
    STATUS(CL_INVALID_COMMAND_QUEUE),
    STATUS(CL_INVALID_HOST_PTR),
    STATUS(CL_INVALID_MEM_OBJECT),
    STATUS(CL_INVALID_BINARY),
    STATUS(CL_INVALID_BUILD_OPTIONS),
    STATUS(CL_INVALID_PROGRAM),
    STATUS(CL_INVALID_PROGRAM_EXECUTABLE),
    STATUS(CL_INVALID_KERNEL_NAME),
    STATUS(CL_INVALID_KERNEL_DEFINITION),
    STATUS(CL_INVALID_KERNEL),
    STATUS(CL_INVALID_ARG_INDEX),
    STATUS(CL_INVALID_ARG_VALUE),
    STATUS(CL_INVALID_ARG_SIZE),
    STATUS(CL_INVALID_KERNEL_ARGS),
    STATUS(CL_INVALID_WORK_DIMENSION),
    STATUS(CL_INVALID_WORK_GROUP_SIZE),
    STATUS(CL_INVALID_WORK_ITEM_SIZE),
    STATUS(CL_INVALID_GLOBAL_OFFSET),
    STATUS(CL_INVALID_EVENT_WAIT_LIST),
    STATUS(CL_INVALID_EVENT),
    STATUS(CL_INVALID_OPERATION),
    STATUS(CL_INVALID_BUFFER_SIZE),
    STATUS(CL_INVALID_GLOBAL_WORK_SIZE),
    STATUS(CL_INVALID_PROPERTY),
#undef STATUS
};

const char *hoi_cl_name(cl_int status) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; ++i)
        if (statuses[i].status == status)
            return statuses[i].name;
    return status == -1001 ? "CL_PLATFORM_NOT_FOUND" : "unknown CL status";
}

bool hoi_on_pocl(const hoi_device *device) {
    return strstr(device->info.platform, "Portable Computing Language") != NULL;
}

/* ---- listing and choosing ---- */

typedef struct found {
    cl_device_id id;
    hoi_device_info info;
} found;

static void describe(cl_platform_id platform, cl_device_id id, hoi_device_info *info) {
    cl_device_type type = 0;
    cl_uint units = 0;
    cl_ulong memory = 0, local = 0;
    memset(info, 0, sizeof *info);
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof info->platform - 1, info->platform, NULL);
    clGetDeviceInfo(id, CL_DEVICE_NAME, sizeof info->name - 1, info->name, NULL);
    clGetDeviceInfo(id, CL_DEVICE_VERSION, sizeof info->version - 1, info->version, NULL);
    clGetDeviceInfo(id, CL_DRIVER_VERSION, sizeof info->driver - 1, info->driver, NULL);
    clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
    clGetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    info->gpu = (type & CL_DEVICE_TYPE_GPU) != 0;
    info->cpu = (type & CL_DEVICE_TYPE_CPU) != 0;
    info->units = (int)units;
    info->memory = memory;
    info->local_memory = local;
}

static bool find(found **all, int *count) {
    cl_platform_id platforms[32];
    cl_uint platform_count = 0;
    cl_int status = clGetPlatformIDs(32, platforms, &platform_count);
    char names[512] = "";
    *all = NULL;
    *count = 0;
    if (status == -1001 || (status == CL_SUCCESS && platform_count == 0))
        return hoi_fail(NO_PLATFORM);
    if (status != CL_SUCCESS)
        return hoi_fail("device: clGetPlatformIDs: %s", hoi_cl_name(status));
    for (cl_uint p = 0; p < platform_count && p < 32; ++p) {
        cl_device_id ids[64];
        cl_uint n = 0;
        size_t used = strlen(names);
        char name[128] = "";
        clGetPlatformInfo(platforms[p], CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", name);
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, 64, ids, &n) != CL_SUCCESS)
            continue; /* a platform without a device is no error: another may have one */
        found *grown = realloc(*all, (size_t)(*count + (int)n) * sizeof **all);
        if (!grown) {
            free(*all);
            *all = NULL;
            return hoi_fail("device: out of host memory");
        }
        *all = grown;
        for (cl_uint i = 0; i < n && i < 64; ++i) {
            (*all)[*count].id = ids[i];
            describe(platforms[p], ids[i], &(*all)[(*count)++].info);
        }
    }
    if (*count == 0)
        return hoi_fail(
            "device: no device on the OpenCL platform%s found (%s). Check with 'clinfo -l'",
            platform_count > 1 ? "s" : "", names);
    return true;
}

bool hoi_device_list(hoi_device_info **list, int *count) {
    found *all;
    *list = NULL;
    if (!find(&all, count))
        return false;
    *list = malloc((size_t)*count * sizeof **list);
    if (*list)
        for (int i = 0; i < *count; ++i)
            (*list)[i] = all[i].info;
    free(all);
    return *list != NULL || hoi_fail("device: out of host memory");
}

static bool contains(const char *text, const char *part) {
    size_t n = strlen(part);
    for (; *text; ++text) {
        size_t i = 0;
        while (i < n && text[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            ++i;
        if (i == n)
            return true;
    }
    return n == 0;
}

static int worth(const hoi_device_info *info) {
    return (info->gpu ? 2 : info->cpu ? 0 : 1) * 1000000 + info->units;
}

/* The place of the wished device in all; -1 after hoi_fail. */
static int choose(const found *all, int count, const char *wish) {
    char listed[1024] = "";
    int best = -1, fits = 0;
    char *end;
    long number;
    for (int i = 0; i < count; ++i) {
        size_t used = strlen(listed);
        snprintf(listed + used, sizeof listed - used, "%s%d = %s, %s", i ? "; " : "", i + 1,
                 all[i].info.platform, all[i].info.name);
    }
    if (!wish || !*wish) {
        for (int i = 0; i < count; ++i)
            if (best < 0 || worth(&all[i].info) > worth(&all[best].info))
                best = i;
        return best;
    }
    number = strtol(wish, &end, 10);
    if (*end == '\0') {
        if (number >= 1 && number <= count)
            return (int)number - 1;
        hoi_fail("device: no device %s; there is %s", wish, listed);
        return -1;
    }
    bool gpu = strcmp(wish, "gpu") == 0, cpu = strcmp(wish, "cpu") == 0;
    for (int i = 0; i < count; ++i) {
        char name[300];
        snprintf(name, sizeof name, "%s, %s", all[i].info.platform, all[i].info.name);
        if (gpu ? all[i].info.gpu : cpu ? all[i].info.cpu : contains(name, wish)) {
            ++fits;
            if (best < 0 || worth(&all[i].info) > worth(&all[best].info))
                best = i;
        }
    }
    if (fits == 0)
        hoi_fail("device: no device fits '%s'; there is %s", wish, listed);
    if (fits > 1 && !gpu && !cpu) {
        hoi_fail("device: '%s' fits %d devices; say which number: %s", wish, fits, listed);
        return -1;
    }
    return best;
}

/* Vector width and registers of the processor this program runs on: PoCL reports a width of its
   own, which is not what its code generator reaches. HOI_VECTOR (16, 8, 4) overrides, as PoCL can
   be told to be a smaller processor. */
static void choose_set(hoi_device *device) {
    const char *vector = getenv("HOI_VECTOR"), *set = getenv("HOI_KERNELS");
    hoi_kernel_set chosen = {.gpu = !device->info.cpu, .width = 4, .registers = 32};
    if (set && strcmp(set, "gpu") == 0)
        chosen.gpu = true;
    if (set && strcmp(set, "cpu") == 0)
        chosen.gpu = false;
#if defined(__x86_64__) || defined(__i386__)
    if (__builtin_cpu_supports("avx512f"))
        chosen = (hoi_kernel_set){chosen.gpu, 16, 32};
    else if (__builtin_cpu_supports("avx2"))
        chosen = (hoi_kernel_set){chosen.gpu, 8, 16};
    else
        chosen.registers = 16;
#endif
    if (vector && (atoi(vector) == 16 || atoi(vector) == 8 || atoi(vector) == 4))
        chosen = (hoi_kernel_set){chosen.gpu, atoi(vector), atoi(vector) == 8 ? 16 : 32};
    if (chosen.gpu)
        chosen = (hoi_kernel_set){true, 4, 0};
    device->set = chosen;
    snprintf(device->set_name, sizeof device->set_name, "%s, %d floats", chosen.gpu ? "gpu" : "cpu",
             chosen.width);
}

hoi_device *hoi_device_open(const char *wish, bool profile) {
    found *all;
    int count, at;
    cl_int status;
    hoi_device *device = NULL;
    if (!wish || !*wish)
        wish = getenv("HOI_DEVICE");
    if (!find(&all, &count))
        return NULL;
    at = choose(all, count, wish);
    if (at >= 0 && !(device = calloc(1, sizeof *device)))
        hoi_fail("device: out of host memory");
    if (!device) {
        free(all);
        return NULL;
    }
    device->id = all[at].id;
    device->info = all[at].info;
    device->profile = profile;
    free(all);
    choose_set(device);
    cl_ulong largest = 0;
    clGetDeviceInfo(device->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
    device->largest = largest;
    device->watched = strstr(device->info.name, "Oclgrind") != NULL;
    device->context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &status);
    if (status == CL_SUCCESS)
        device->queue = clCreateCommandQueue(device->context, device->id,
                                             profile ? CL_QUEUE_PROFILING_ENABLE : 0, &status);
    if (status != CL_SUCCESS) {
        hoi_fail("device: %s can not be opened: %s", device->info.name, hoi_cl_name(status));
        hoi_device_close(device);
        return NULL;
    }
    return device;
}

void hoi_device_close(hoi_device *device) {
    if (!device)
        return;
    if (device->queue)
        clFinish(device->queue);
    hoi_device_profile_reset(device);
    hoi_device_trim(device);
    hoi_program_free_all(device);
    if (device->queue)
        clReleaseCommandQueue(device->queue);
    if (device->context)
        clReleaseContext(device->context);
    free(device->events);
    free(device->rows);
    free(device);
}

const hoi_device_info *hoi_device_describe(const hoi_device *device) {
    return &device->info;
}

const char *hoi_device_kernels(const hoi_device *device) {
    return device->set_name;
}

bool hoi_device_finish(hoi_device *device) {
    cl_int status = clFinish(device->queue);
    return status == CL_SUCCESS || hoi_fail("device: clFinish: %s", hoi_cl_name(status));
}

/* ---- memory ----
   Freed buffers are kept by size class and handed out again: the queue is in order, so a kernel
   still reading the old content runs before one that writes the new. Four classes per power of two
   waste at most a quarter. */

static int size_class(size_t bytes, size_t *rounded) {
    int power = 8;
    if (bytes < 256)
        bytes = 256;
    while (((size_t)1 << (power + 1)) <= bytes)
        ++power;
    size_t step = (size_t)1 << (power - 2), base = (size_t)1 << power;
    size_t quarter = (bytes - base + step - 1) / step;
    *rounded = base + quarter * step;
    return (power - 8) * 4 + (int)quarter;
}

static void discard(hoi_buffer *buffer) {
    clReleaseMemObject(buffer->memory);
    free(buffer);
}

void hoi_device_trim(hoi_device *device) {
    for (int i = 0; i < HOI_POOLS; ++i)
        while (device->pool[i]) {
            hoi_buffer *buffer = device->pool[i];
            device->pool[i] = buffer->next;
            device->memory.kept -= buffer->bytes;
            discard(buffer);
        }
}

#ifdef MADV_HUGEPAGE
static void CL_CALLBACK drop_host(cl_mem memory, void *host) {
    (void)memory;
    free(host);
}

/* Processors: memory of large pages, as walking through a map of pictures otherwise waits for the
   table of small ones. The driver frees it when the last kernel is done with it. NULL: none. */
static cl_mem allocate_large(hoi_device *device, size_t bytes) {
    size_t page = (size_t)2 << 20, whole = (bytes + page - 1) / page * page;
    cl_int status;
    void *host = device->info.cpu && bytes >= 2 * page ? aligned_alloc(page, whole) : NULL;
    if (!host)
        return NULL;
    madvise(host, whole, MADV_HUGEPAGE);
    cl_mem memory = clCreateBuffer(device->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes,
                                   host, &status);
    if (status != CL_SUCCESS) {
        free(host);
        return NULL;
    }
    if (clSetMemObjectDestructorCallback(memory, drop_host, host) == CL_SUCCESS)
        return memory;
    clReleaseMemObject(memory); /* nobody has used it yet */
    free(host);
    return NULL;
}
#endif

static cl_mem allocate(hoi_device *device, size_t bytes, cl_int *status) {
    if (device->limit && device->memory.live + bytes > device->limit) {
        *status = CL_MEM_OBJECT_ALLOCATION_FAILURE;
        return NULL;
    }
#ifdef MADV_HUGEPAGE
    cl_mem large = allocate_large(device, bytes);
    if (large) {
        *status = CL_SUCCESS;
        return large;
    }
#endif
    return clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, status);
}

hoi_buffer *hoi_buffer_new(hoi_device *device, size_t bytes) {
    size_t rounded;
    if (bytes > device->largest) {
        hoi_fail("device: %.1f MB wanted in one piece, %s gives at most %.1f MB",
                 (double)bytes / 1e6, device->info.name, (double)device->largest / 1e6);
        return NULL;
    }
    int pool = size_class(bytes, &rounded);
    if (rounded > device->largest || device->watched)
        rounded = bytes ? bytes : 1;
    hoi_buffer *buffer = device->pool[pool];
    if (buffer && buffer->bytes >= bytes && !device->limit) {
        device->pool[pool] = buffer->next;
        device->memory.kept -= buffer->bytes;
    } else {
        cl_int status;
        buffer = calloc(1, sizeof *buffer);
        if (!buffer) {
            hoi_fail("device: out of host memory");
            return NULL;
        }
        buffer->memory = allocate(device, rounded, &status);
        if (!buffer->memory) { /* give back what is kept, let the owner collect, try once more */
            clFinish(device->queue);
            if (device->relieve)
                device->relieve(device->relieve_data);
            hoi_device_trim(device);
            buffer->memory = allocate(device, rounded, &status);
        }
        if (!buffer->memory) {
            free(buffer);
            hoi_fail("device: clCreateBuffer: %s (%.1f MB wanted, %.1f MB in %zu buffers alive on "
                     "%s). Release tensors, "
                     "use smaller batches or checkpoints",
                     hoi_cl_name(status), (double)rounded / 1e6, (double)device->memory.live / 1e6,
                     device->memory.buffers, device->info.name);
            return NULL;
        }
        buffer->device = device;
        buffer->bytes = rounded;
        buffer->pool = pool;
    }
    buffer->next = NULL;
    device->memory.live += buffer->bytes;
    device->memory.fresh += buffer->bytes;
    device->memory.buffers += 1;
    if (device->memory.live > device->memory.peak)
        device->memory.peak = device->memory.live;
    return buffer;
}

void hoi_buffer_free(hoi_buffer *buffer) {
    if (!buffer)
        return;
    hoi_device *device = buffer->device;
    device->memory.live -= buffer->bytes;
    device->memory.buffers -= 1;
    /* keep no more than what was once alive: reuse, not hoarding */
    if (device->watched || device->memory.kept + buffer->bytes > device->memory.peak) {
        discard(buffer);
        return;
    }
    device->memory.kept += buffer->bytes;
    buffer->next = device->pool[buffer->pool];
    device->pool[buffer->pool] = buffer;
}

static bool in_range(const hoi_buffer *buffer, size_t at, size_t bytes) {
    return (at <= buffer->bytes && bytes <= buffer->bytes - at) ||
           hoi_fail("device: bytes %zu..%zu of a buffer of %zu", at, at + bytes, buffer->bytes);
}

bool hoi_buffer_write(hoi_buffer *buffer, size_t at, const void *data, size_t bytes) {
    if (bytes == 0)
        return true;
    if (!in_range(buffer, at, bytes))
        return false;
    cl_int status = clEnqueueWriteBuffer(buffer->device->queue, buffer->memory, CL_TRUE, at, bytes,
                                         data, 0, NULL, NULL);
    return status == CL_SUCCESS ||
           hoi_fail("device: clEnqueueWriteBuffer: %s (%zu bytes)", hoi_cl_name(status), bytes);
}

bool hoi_buffer_read(hoi_buffer *buffer, size_t at, void *data, size_t bytes) {
    if (bytes == 0)
        return true;
    if (!in_range(buffer, at, bytes))
        return false;
    cl_int status = clEnqueueReadBuffer(buffer->device->queue, buffer->memory, CL_TRUE, at, bytes,
                                        data, 0, NULL, NULL);
    return status == CL_SUCCESS ||
           hoi_fail("device: clEnqueueReadBuffer: %s (%zu bytes)", hoi_cl_name(status), bytes);
}

void *hoi_buffer_open(hoi_buffer *buffer, size_t bytes) {
    cl_int status;
    if (!in_range(buffer, 0, bytes))
        return NULL;
    void *opened = clEnqueueMapBuffer(buffer->device->queue, buffer->memory, CL_TRUE,
                                      CL_MAP_WRITE_INVALIDATE_REGION, 0, bytes > 0 ? bytes : 1, 0,
                                      NULL, NULL, &status);
    if (status == CL_SUCCESS)
        return opened;
    hoi_fail("device: clEnqueueMapBuffer: %s (%zu bytes)", hoi_cl_name(status), bytes);
    return NULL;
}

bool hoi_buffer_close(hoi_buffer *buffer, void *opened) {
    cl_int status =
        clEnqueueUnmapMemObject(buffer->device->queue, buffer->memory, opened, 0, NULL, NULL);
    return status == CL_SUCCESS ||
           hoi_fail("device: clEnqueueUnmapMemObject: %s", hoi_cl_name(status));
}

hoi_device_memory hoi_device_memory_now(const hoi_device *device) {
    return device->memory;
}

void hoi_device_collected(hoi_device *device) {
    device->memory.fresh = 0;
}

void hoi_device_on_pressure(hoi_device *device, void (*relieve)(void *), void *data) {
    device->relieve = relieve;
    device->relieve_data = data;
}

void hoi_device_limit(hoi_device *device, size_t limit) {
    device->limit = limit;
}

/* ---- profile ---- */

struct profile_event {
    cl_event event;
    const char *kernel;
    double flops;
};

bool hoi_device_profiling(const hoi_device *device) {
    return device->profile;
}

static bool gather(hoi_device *device) {
    clFinish(device->queue);
    for (int i = 0; i < device->event_count; ++i) {
        profile_event *e = &device->events[i];
        cl_ulong start = 0, end = 0;
        int r = 0;
        clGetEventProfilingInfo(e->event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
        clGetEventProfilingInfo(e->event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
        clReleaseEvent(e->event);
        while (r < device->row_count && strcmp(device->rows[r].kernel, e->kernel) != 0)
            ++r;
        if (r == device->row_count) {
            if (r == device->row_room) {
                int room = r ? 2 * r : 32;
                hoi_profile_row *grown = realloc(device->rows, (size_t)room * sizeof *grown);
                if (!grown)
                    return hoi_fail("device: out of host memory");
                device->rows = grown;
                device->row_room = room;
            }
            memset(&device->rows[r], 0, sizeof device->rows[r]);
            snprintf(device->rows[r].kernel, sizeof device->rows[r].kernel, "%s", e->kernel);
            ++device->row_count;
        }
        device->rows[r].calls += 1;
        device->rows[r].milliseconds += (double)(end - start) * 1e-6;
        device->rows[r].gigaflops += e->flops * 1e-9;
    }
    device->event_count = 0;
    return true;
}

bool hoi_profile_keep(hoi_device *device, const char *kernel, double flops, cl_event event) {
    if (device->event_count == 4096 && !gather(device))
        return false;
    if (device->event_count == device->event_room) {
        int room = device->event_room ? 2 * device->event_room : 64;
        profile_event *grown = realloc(device->events, (size_t)room * sizeof *grown);
        if (!grown)
            return hoi_fail("device: out of host memory");
        device->events = grown;
        device->event_room = room;
    }
    device->events[device->event_count++] = (profile_event){event, kernel, flops};
    return true;
}

static int by_time(const void *a, const void *b) {
    double x = ((const hoi_profile_row *)a)->milliseconds,
           y = ((const hoi_profile_row *)b)->milliseconds;
    return (x < y) - (x > y);
}

bool hoi_device_profile(hoi_device *device, hoi_profile_row **rows, int *count) {
    *rows = NULL;
    *count = 0;
    if (!gather(device))
        return false;
    if (!(*rows = malloc(((size_t)device->row_count + 1) * sizeof **rows)))
        return hoi_fail("device: out of host memory");
    if (device->row_count)
        memcpy(*rows, device->rows, (size_t)device->row_count * sizeof **rows);
    *count = device->row_count;
    qsort(*rows, (size_t)*count, sizeof **rows, by_time);
    return true;
}

void hoi_device_profile_reset(hoi_device *device) {
    for (int i = 0; i < device->event_count; ++i)
        clReleaseEvent(device->events[i].event);
    device->event_count = 0;
    device->row_count = 0;
}
