/* tensor: a counted view of device memory. */
#include "core/tensor.h"
#include "core/error.h"
#include "core/tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OVER_ROWS, OVER_COLUMNS, WINOGRAD, PAIRS }; /* what a product sums over; or 16 of them */

struct hoi_packed {
    int kind;
    int64_t offset, count;
    int n, k;
    hoi_pack pack;
    struct hoi_packed *next;
};

static size_t element_bytes(hoi_storage_type type) {
    return type == HOI_STORED_FLOAT ? sizeof(float) : sizeof(uint16_t);
}

/* Whether a pack holds all values of a storage, which can be had from it again. */
static bool whole(const hoi_storage *s, const struct hoi_packed *p) {
    return (p->kind == OVER_COLUMNS || p->kind == PAIRS) && p->offset == 0 &&
           (size_t)p->n * (size_t)p->k * element_bytes(p->pack.type) == s->bytes;
}

const char *hoi_shape_text(int rank, const int64_t *shape, char text[96]) {
    size_t used = 0;
    snprintf(text, 96, "%s", rank == 0 ? "scalar" : "");
    for (int i = 0; i < rank && used < 90; ++i)
        used +=
            (size_t)snprintf(text + used, 96 - used, "%s%lld", i ? "x" : "", (long long)shape[i]);
    return text;
}

static void storage_free(hoi_storage *storage) {
    if (!storage || --storage->references > 0)
        return;
    while (storage->packs) {
        struct hoi_packed *packed = storage->packs;
        storage->packs = packed->next;
        hoi_buffer_free(packed->pack.span.buffer);
        free(packed);
    }
    hoi_buffer_free(storage->buffer);
    free(storage);
}

static hoi_tensor *shell(int rank, const int64_t *shape, hoi_dtype dtype, int64_t *count) {
    hoi_tensor *x;
    char text[96];
    *count = 1;
    if (rank < 0 || rank > HOI_RANK) {
        hoi_fail("tensor: rank %d; 0 to %d are possible", rank, HOI_RANK);
        return NULL;
    }
    for (int i = 0; i < rank; ++i) {
        if (shape[i] < 0 || (shape[i] > 0 && *count > INT32_MAX / shape[i])) {
            hoi_fail("tensor: shape %s; sizes are 0 or more, elements fewer than 2^31",
                     hoi_shape_text(rank, shape, text));
            return NULL;
        }
        *count *= shape[i];
    }
    if (!(x = calloc(1, sizeof *x))) {
        hoi_fail("tensor: out of host memory");
        return NULL;
    }
    x->references = 1;
    x->rank = rank;
    x->dtype = dtype;
    if (rank)
        memcpy(x->shape, shape, (size_t)rank * sizeof *shape);
    return x;
}

static hoi_tensor *make(hoi_device *device, int rank, const int64_t *shape, hoi_dtype dtype,
                        int64_t *count) {
    hoi_tensor *x = shell(rank, shape, dtype, count);
    if (!x)
        return NULL;
    x->storage = calloc(1, sizeof *x->storage);
    if (x->storage) {
        x->storage->references = 1;
        x->storage->device = device;
        x->storage->bytes = (size_t)*count * hoi_dtype_bytes(dtype);
        x->storage->buffer = hoi_buffer_new(device, x->storage->bytes);
    } else {
        hoi_fail("tensor: out of host memory");
    }
    if (!x->storage || !x->storage->buffer) {
        hoi_tensor_free(x);
        return NULL;
    }
    return x;
}

hoi_tensor *hoi_tensor_new(hoi_device *device, int rank, const int64_t *shape) {
    int64_t count;
    return make(device, rank, shape, HOI_F32, &count);
}

/* A tensor of undefined content, of a type that weights may have. */
static hoi_tensor *make_stored(hoi_device *device, int rank, const int64_t *shape,
                               hoi_dtype dtype) {
    int64_t count;
    if (dtype == HOI_F32 || dtype == HOI_F16 || dtype == HOI_BF16)
        return make(device, rank, shape, dtype, &count);
    hoi_fail("tensor: weights of type %s; F32, F16 and BF16 are possible", hoi_dtype_name(dtype));
    return NULL;
}

hoi_tensor *hoi_tensor_stored(hoi_device *device, int rank, const int64_t *shape, hoi_dtype dtype,
                              const void *bytes) {
    hoi_tensor *x = make_stored(device, rank, shape, dtype);
    if (x && !hoi_buffer_write(x->storage->buffer, 0, bytes, x->storage->bytes)) {
        hoi_tensor_free(x);
        x = NULL;
    }
    return x;
}

hoi_tensor *hoi_tensor_read_in(hoi_device *device, int rank, const int64_t *shape, hoi_dtype dtype,
                               bool (*read)(void *context, unsigned char *bytes), void *context) {
    hoi_tensor *x = make_stored(device, rank, shape, dtype);
    void *opened = x ? hoi_buffer_open(x->storage->buffer, x->storage->bytes) : NULL;
    bool ok = opened && read(context, opened);
    if (opened)
        ok = hoi_buffer_close(x->storage->buffer, opened) && ok;
    if (ok)
        return x;
    hoi_tensor_free(x);
    return NULL;
}

hoi_tensor *hoi_tensor_from(hoi_device *device, int rank, const int64_t *shape,
                            const float *values) {
    return hoi_tensor_stored(device, rank, shape, HOI_F32, values);
}

hoi_tensor *hoi_tensor_full(hoi_device *device, int rank, const int64_t *shape, float value) {
    hoi_tensor *x = hoi_tensor_new(device, rank, shape);
    if (x && !launch_fill(device, hoi_tensor_span(x), hoi_tensor_count(x), value)) {
        hoi_tensor_free(x);
        x = NULL;
    }
    return x;
}

hoi_tensor *hoi_tensor_random(hoi_device *device, int rank, const int64_t *shape, hoi_noise kind,
                              uint64_t key, float a, float b) {
    hoi_tensor *x = hoi_tensor_new(device, rank, shape);
    if (x && !launch_random(device, kind, key, a, b, hoi_tensor_span(x), hoi_tensor_count(x))) {
        hoi_tensor_free(x);
        x = NULL;
    }
    return x;
}

hoi_tensor *hoi_tensor_ref(hoi_tensor *x) {
    ++x->references;
    return x;
}

void hoi_tensor_free(hoi_tensor *x) {
    if (!x || --x->references > 0)
        return;
    hoi_node *node = x->node;
    hoi_tensor_free(x->grad);
    storage_free(x->storage);
    free(x);
    hoi_node_free(node);
}

int64_t hoi_tensor_count(const hoi_tensor *x) {
    int64_t count = 1;
    for (int i = 0; i < x->rank; ++i)
        count *= x->shape[i];
    return count;
}

hoi_device *hoi_tensor_device(const hoi_tensor *x) {
    return x->storage->device;
}

/* The pack that a storage gave its values up for. */
static const struct hoi_packed *whole_pack(const hoi_storage *s) {
    const struct hoi_packed *p = s->packs;
    while (!whole(s, p))
        p = p->next;
    return p;
}

/* Gets the values of a storage that gave them up, laid out plainly; the caller frees them. */
static hoi_buffer *unpacked(const hoi_storage *s) {
    const struct hoi_packed *p = whole_pack(s);
    hoi_buffer *plain = hoi_buffer_new(s->device, s->bytes);
    if (plain && !launch_unpack(s->device, &p->pack, p->n, p->k, (hoi_span){plain, 0})) {
        hoi_buffer_free(plain);
        plain = NULL;
    }
    return plain;
}

/* Gets the values for one use: the storage's own, or those of a pack; then `made` is the caller's to
   free. NULL after hoi_fail. */
static hoi_buffer *plainly(const hoi_storage *s, hoi_buffer **made) {
    *made = s->buffer ? NULL : unpacked(s);
    return s->buffer ? s->buffer : *made;
}

hoi_span hoi_tensor_span(const hoi_tensor *x) {
    hoi_storage *s = x->storage;
    if (!s->buffer) { /* who asks for them once asks again */
        s->buffer = unpacked(s);
        s->yields = false;
    }
    return (hoi_span){x->storage->buffer, x->offset};
}

bool hoi_tensor_is(const hoi_tensor *x, int rank, const int64_t *shape) {
    if (x->rank != rank)
        return false;
    for (int i = 0; i < rank; ++i)
        if (x->shape[i] != shape[i])
            return false;
    return true;
}

bool hoi_tensor_recorded(const hoi_tensor *x) {
    return x->trainable || x->node;
}

bool hoi_tensor_read(const hoi_tensor *x, float *out) {
    int64_t n = hoi_tensor_count(x);
    size_t width = hoi_dtype_bytes(x->dtype);
    hoi_device *device = hoi_tensor_device(x);
    hoi_buffer *made = NULL, *plain = plainly(x->storage, &made), *wide = NULL;
    bool ok = plain != NULL;
    if (x->dtype == HOI_F32)
        ok = ok && hoi_buffer_read(plain, (size_t)x->offset * width, out, (size_t)n * width);
    else
        ok = ok && (wide = hoi_buffer_new(device, (size_t)n * sizeof *out)) &&
             launch_widen(device, (hoi_span){plain, x->offset},
                          x->dtype == HOI_F16 ? HOI_STORED_HALF : HOI_STORED_BFLOAT,
                          (hoi_span){wide, 0}, n) &&
             hoi_buffer_read(wide, 0, out, (size_t)n * sizeof *out);
    hoi_buffer_free(wide);
    hoi_buffer_free(made);
    return ok;
}

void hoi_tensor_changed(hoi_tensor *x) {
    while (x->storage->packs) {
        struct hoi_packed *packed = x->storage->packs;
        x->storage->packs = packed->next;
        hoi_buffer_free(packed->pack.span.buffer);
        free(packed);
    }
}

bool hoi_tensor_write(hoi_tensor *x, const float *values) {
    if (x->dtype != HOI_F32)
        return hoi_fail("tensor: written values are F32, the tensor is %s",
                        hoi_dtype_name(x->dtype));
    hoi_span to = hoi_tensor_span(x);
    if (!to.buffer)
        return false;
    hoi_tensor_changed(x);
    return hoi_buffer_write(to.buffer, (size_t)x->offset * sizeof *values, values,
                            (size_t)hoi_tensor_count(x) * sizeof *values);
}

hoi_tensor *hoi_tensor_view(const hoi_tensor *x, int64_t at, int rank, const int64_t *shape) {
    int64_t count;
    hoi_tensor *y = shell(rank, shape, x->dtype, &count);
    char from[96], to[96];
    if (!y)
        return NULL;
    if (at < 0 || at + count > hoi_tensor_count(x)) {
        hoi_fail("tensor: a view %s from element %lld of %s", hoi_shape_text(rank, shape, to),
                 (long long)at, hoi_shape_text(x->rank, x->shape, from));
        free(y);
        return NULL;
    }
    y->storage = x->storage;
    y->rounds = x->rounds;
    ++y->storage->references;
    y->offset = x->offset + at;
    return y;
}

hoi_tensor *hoi_tensor_detach(const hoi_tensor *x) {
    return hoi_tensor_view(x, 0, x->rank, x->shape);
}

/* Gets what is kept of x as a right side of n columns and k summed values. */
static bool find_pack(const hoi_tensor *x, int kind, int n, int k, hoi_pack *pack) {
    for (struct hoi_packed *p = x->storage->packs; p; p = p->next)
        if (p->kind == kind && p->offset == x->offset && p->count == hoi_tensor_count(x) &&
            p->n == n && p->k == k) {
            *pack = p->pack;
            return true;
        }
    return false;
}

/* Keeps a pack with the storage, or gives its buffer to the caller. */
static void keep_pack(const hoi_tensor *x, int kind, int n, int k, const hoi_pack *pack, bool keep,
                      hoi_buffer **made) {
    struct hoi_packed *packed = keep ? malloc(sizeof *packed) : NULL;
    if (packed) {
        *packed = (struct hoi_packed){kind, x->offset, hoi_tensor_count(x), n,
                                      k,    *pack,     x->storage->packs};
        x->storage->packs = packed;
        if (x->storage->yields && !x->trainable && whole(x->storage, packed)) {
            hoi_buffer_free(x->storage->buffer); /* what comes after the packing may use it again */
            x->storage->buffer = NULL;
        }
    } else {
        *made = pack->span.buffer;
    }
}

/* hoi_tensor_pack of a matrix (n, k) in pairs of bfloat16. */
static bool pack_pairs(const hoi_tensor *x, bool keep, hoi_pack *pack, hoi_buffer **made) {
    hoi_device *device = hoi_tensor_device(x);
    int n = (int)x->shape[0], k = (int)x->shape[1];
    if (find_pack(x, PAIRS, n, k, pack))
        return true;
    int64_t size = launch_pairs_size(n, k, pack);
    hoi_buffer *plain = NULL, *own = plainly(x->storage, &plain);
    pack->span = (hoi_span){hoi_buffer_new(device, (size_t)size * hoi_dtype_bytes(HOI_BF16)), 0};
    bool ok =
        own && pack->span.buffer && launch_pairs(device, (hoi_span){own, x->offset}, n, k, pack);
    hoi_buffer_free(plain);
    if (!ok) {
        hoi_buffer_free(pack->span.buffer);
        return false;
    }
    keep_pack(x, PAIRS, n, k, pack, keep, made);
    return true;
}

bool hoi_tensor_pack(const hoi_tensor *x, bool across, bool keep, hoi_pack *pack,
                     hoi_buffer **made) {
    hoi_device *device = hoi_tensor_device(x);
    int64_t rows = x->shape[x->rank - 2], cols = x->shape[x->rank - 1];
    int64_t count = rows > 0 && cols > 0 ? hoi_tensor_count(x) / (rows * cols) : 1;
    int n = (int)(across ? rows : cols), k = (int)(across ? cols : rows);
    *made = NULL;
    if (x->rounds && across && x->rank == 2 && launch_pairs_fit(device, k))
        return pack_pairs(x, keep, pack, made);
    if (find_pack(x, across ? OVER_COLUMNS : OVER_ROWS, n, k, pack))
        return true;
    pack->type = x->dtype == HOI_F32   ? HOI_STORED_FLOAT
                 : x->dtype == HOI_F16 ? HOI_STORED_HALF
                                       : HOI_STORED_BFLOAT;
    if (launch_pack_needless(device)) {
        *pack = (hoi_pack){hoi_tensor_span(x), pack->type, 1, across ? 0 : cols};
        return true;
    }
    int64_t size = launch_pack_size(device, n, k, pack);
    pack->span =
        (hoi_span){hoi_buffer_new(device, (size_t)(size * count) * hoi_dtype_bytes(x->dtype)), 0};
    bool ok = pack->span.buffer != NULL;
    if (ok && !across && !x->storage->buffer && pack->type == HOI_STORED_FLOAT &&
        hoi_tensor_count(x) * (int64_t)sizeof(float) == (int64_t)x->storage->bytes) {
        ok = launch_turn_pack(device, &whole_pack(x->storage)->pack, k, n, pack);
    } else if (ok) {
        hoi_buffer *plain, *own = plainly(x->storage, &plain);
        ok = own && launch_pack(device, (hoi_span){own, x->offset}, across, (int)cols, n, k,
                                (int)count, rows * cols, size, pack);
        hoi_buffer_free(plain);
    }
    if (!ok) {
        hoi_buffer_free(pack->span.buffer);
        return false;
    }
    keep_pack(x, across ? OVER_COLUMNS : OVER_ROWS, n, k, pack, keep, made);
    return true;
}

bool hoi_tensor_pack_winograd(const hoi_tensor *x, bool keep, hoi_pack *pack, int64_t *step,
                              hoi_buffer **made) {
    hoi_device *device = hoi_tensor_device(x);
    int n = (int)x->shape[0], k = (int)x->shape[3];
    int64_t size = launch_pack_size(device, n, k, pack), each = (int64_t)n * k;
    *made = NULL;
    *step = size;
    pack->type = HOI_STORED_FLOAT;
    if (find_pack(x, WINOGRAD, n, k, pack))
        return true;
    hoi_buffer *u = hoi_buffer_new(device, (size_t)(16 * each) * sizeof(float));
    pack->span = (hoi_span){hoi_buffer_new(device, (size_t)(16 * size) * sizeof(float)), 0};
    bool ok = u && pack->span.buffer &&
              launch_winograd_weights(device, hoi_tensor_span(x), (hoi_span){u, 0}, n, k) &&
              launch_pack(device, (hoi_span){u, 0}, true, k, n, k, 16, each, size, pack);
    hoi_buffer_free(u);
    if (ok)
        keep_pack(x, WINOGRAD, n, k, pack, keep, made);
    else
        hoi_buffer_free(pack->span.buffer);
    return ok;
}
