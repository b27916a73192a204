/* device: OpenCL devices: list, choose, open; one in-order queue; memory that is reused; bytes
   alive; profile. One thread per device. Nothing here knows tensors. */
#ifndef HOI_DEVICE_H
#define HOI_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hoi_device hoi_device;

/* A piece of device memory, at least the bytes asked for. Its content is undefined until written.
   */
typedef struct hoi_buffer hoi_buffer;

/* One device of one platform as `hoi --devices` lists it. Sizes in bytes. */
typedef struct hoi_device_info {
    char name[128], platform[128], version[128], driver[64];
    bool gpu, cpu;
    int units;
    size_t memory, local_memory;
} hoi_device_info;

/* Lists the devices of all platforms in a running order. *list is the caller's (free). False
   without any platform or device: the message tells which driver to install. */
bool hoi_device_list(hoi_device_info **list, int *count);

/* Opens a device. wish: NULL or "" (then the environment's HOI_DEVICE, then the best: GPU,
   accelerator, CPU; more units first), a running number, "cpu", "gpu", or part of "platform name"
   in any case. NULL after hoi_fail: none, or more than one fits. */
hoi_device *hoi_device_open(const char *wish, bool profile);
void hoi_device_close(hoi_device *device);

const hoi_device_info *hoi_device_describe(const hoi_device *device);

/* Gets the kernel set and vector width in use, e.g. "cpu, 16 floats". */
const char *hoi_device_kernels(const hoi_device *device);

/* Gets memory of at least `bytes` (0 gives a small piece). NULL after hoi_fail. Dropping returns it
   for reuse. */
hoi_buffer *hoi_buffer_new(hoi_device *device, size_t bytes);
void hoi_buffer_free(hoi_buffer *buffer);

/* Copy host memory in and out; both wait. Ranges in bytes, checked. */
bool hoi_buffer_write(hoi_buffer *buffer, size_t at, const void *data, size_t bytes);
bool hoi_buffer_read(hoi_buffer *buffer, size_t at, void *data, size_t bytes);

/* Lets the host write the first `bytes` where they lie, without a copy; waits. Closed again before
   any work with the buffer. NULL after hoi_fail. */
void *hoi_buffer_open(hoi_buffer *buffer, size_t bytes);
bool hoi_buffer_close(hoi_buffer *buffer, void *opened);

/* Waits for all work in the queue. */
bool hoi_device_finish(hoi_device *device);

/* Bytes: alive now, the most ever alive, kept for reuse, allocated since the last call of
   hoi_device_collected. */
typedef struct hoi_device_memory {
    size_t live, peak, kept, fresh, buffers;
} hoi_device_memory;
hoi_device_memory hoi_device_memory_now(const hoi_device *device);
void hoi_device_collected(hoi_device *device);
/* Gives memory kept for reuse back to the driver. */
void hoi_device_trim(hoi_device *device);
/* Sets what is called when the driver has no memory left, before a last try: a collector's chance.
   */
void hoi_device_on_pressure(hoi_device *device, void (*relieve)(void *), void *data);
/* Makes new buffers fail once live bytes would pass `limit` (0: no limit): a budget, and how the
   tests run out of memory. */
void hoi_device_limit(hoi_device *device, size_t limit);

/* One row per kernel, most time first. */
typedef struct hoi_profile_row {
    char kernel[64];
    uint64_t calls;
    double milliseconds, gigaflops; /* gigaflops: the work launched, 0 where not counted */
} hoi_profile_row;
/* Gets the rows gathered since the last reset (device opened with profile). *rows is the caller's
   (free). */
bool hoi_device_profile(hoi_device *device, hoi_profile_row **rows, int *count);
void hoi_device_profile_reset(hoi_device *device);
bool hoi_device_profiling(const hoi_device *device);

#endif
