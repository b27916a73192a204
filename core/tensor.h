/* tensor: a counted, row-major view of device memory, and what of it is recorded for gradients. */
#ifndef HOI_TENSOR_H
#define HOI_TENSOR_H

#include "core/dtype.h"
#include "opencl/launch.h"

enum { HOI_RANK = 6 };

/* Device memory shared by the views of it. packs: the content once more as gemm wants it
   (tensor.c), made on demand and dropped when the content changes. yields: a weight that is only
   multiplied gives its own memory up for its pack; whoever asks for its values gets them back. */
typedef struct hoi_storage {
    int references;
    hoi_device *device;
    size_t bytes;
    hoi_buffer *buffer; /* NULL: given up */
    bool yields;
    struct hoi_packed *packs;
} hoi_storage;

typedef struct hoi_node hoi_node;

typedef struct hoi_tensor {
    int references;
    hoi_storage *storage;
    int64_t offset; /* elements */
    int rank;
    int64_t shape[HOI_RANK];
    hoi_dtype dtype;         /* HOI_F32; HOI_F16 and HOI_BF16 only for stored weights */
    bool rounds;             /* BF16: a layer's products with it round the other side as well */
    bool trainable;          /* a leaf that collects a gradient */
    struct hoi_tensor *grad; /* of a trainable leaf, after backward; owned */
    hoi_node *node; /* how it was computed, where a trainable tensor can be reached; owned */
} hoi_tensor;

/* Gets a tensor of undefined content. One reference is the caller's. NULL after hoi_fail. */
hoi_tensor *hoi_tensor_new(hoi_device *device, int rank, const int64_t *shape);
/* The same with content: floats from the host. */
hoi_tensor *hoi_tensor_from(hoi_device *device, int rank, const int64_t *shape,
                            const float *values);
/* The same for weights stored as dtype F32, F16 or BF16; `bytes` as in a file. */
hoi_tensor *hoi_tensor_stored(hoi_device *device, int rank, const int64_t *shape, hoi_dtype dtype,
                              const void *bytes);
/* The same, `read` writing the bytes where they will lie. */
hoi_tensor *hoi_tensor_read_in(hoi_device *device, int rank, const int64_t *shape, hoi_dtype dtype,
                               bool (*read)(void *context, unsigned char *bytes), void *context);
hoi_tensor *hoi_tensor_full(hoi_device *device, int rank, const int64_t *shape, float value);
hoi_tensor *hoi_tensor_random(hoi_device *device, int rank, const int64_t *shape, hoi_noise kind,
                              uint64_t key, float a, float b);

/* Adds a reference and returns x. */
hoi_tensor *hoi_tensor_ref(hoi_tensor *x);
/* Drops a reference; what it was computed from goes with the last one. NULL is fine. */
void hoi_tensor_free(hoi_tensor *x);

int64_t hoi_tensor_count(const hoi_tensor *x);
hoi_device *hoi_tensor_device(const hoi_tensor *x);
/* Where the values lie. Without a buffer after hoi_fail, which launches pass on: values that were
   given up for a pack found no memory to come back to. */
hoi_span hoi_tensor_span(const hoi_tensor *x);
bool hoi_tensor_is(const hoi_tensor *x, int rank, const int64_t *shape); /* the same shape */
bool hoi_tensor_recorded(const hoi_tensor *x); /* a gradient can reach it */

/* Copies the values to the host (waits); F16 and BF16 are widened. out holds hoi_tensor_count
   floats. */
bool hoi_tensor_read(const hoi_tensor *x, float *out);
/* Overwrites the values of a leaf, in place: optimisers and loading. Its packs are dropped. */
bool hoi_tensor_write(hoi_tensor *x, const float *values);
void hoi_tensor_changed(hoi_tensor *x);

/* Gets another view of the same memory, unrecorded: same count of elements, from element `at` of x
   on. */
hoi_tensor *hoi_tensor_view(const hoi_tensor *x, int64_t at, int rank, const int64_t *shape);
/* Gets x unrecorded and not trainable. */
hoi_tensor *hoi_tensor_detach(const hoi_tensor *x);

/* Gets x, a matrix (rows, cols) or a batch of them, as the right side of a product. across: the
   product sums over its columns (x is the usual weight (out, in)); else over its rows. Kept with
   the storage until the content changes when `keep`. Pairs of bfloat16 where x->rounds, it is
   taken across and they fit. The caller frees `made` (NULL where kept). n:
   columns of the product, k: what is summed, count: matrices. */
bool hoi_tensor_pack(const hoi_tensor *x, bool across, bool keep, hoi_pack *pack,
                     hoi_buffer **made);

/* Gets a convolution's weight (out, 3, 3, channels) as launch_winograd wants it: 16 packs, *step
   elements apart; else as hoi_tensor_pack. */
bool hoi_tensor_pack_winograd(const hoi_tensor *x, bool keep, hoi_pack *pack, int64_t *step,
                              hoi_buffer **made);

/* Writes "2x3x4" and returns text. */
const char *hoi_shape_text(int rank, const int64_t *shape, char text[96]);

#endif
