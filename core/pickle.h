/* pickle: Python's pickled tensors and plain values, read as data. Nothing is called or imported: a
   class or function is only a name, known ones (PyTorch's rebuilders, OrderedDict, NumPy's scalars)
   are understood, harmless ones of known libraries become opaque objects, all others are refused by
   name. */
#ifndef HOI_PICKLE_H
#define HOI_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dtype.h"

#define HOI_PICKLE_RANK 8

typedef enum hoi_pickle_kind {
    HOI_PICKLE_NONE,
    HOI_PICKLE_BOOL,    /* integer: 0 or 1 */
    HOI_PICKLE_INTEGER, /* integer */
    HOI_PICKLE_REAL,    /* real */
    HOI_PICKLE_TEXT,    /* text, count bytes and a zero */
    HOI_PICKLE_BYTES,   /* the same */
    HOI_PICKLE_LIST,    /* count items */
    HOI_PICKLE_TUPLE,
    HOI_PICKLE_DICT,   /* count items: key, value, key, value ... */
    HOI_PICKLE_GLOBAL, /* text: "module name" */
    HOI_PICKLE_OBJECT, /* an instance: class, state (or NULL) */
    HOI_PICKLE_STORAGE,
    HOI_PICKLE_TENSOR,
    HOI_PICKLE_OPAQUE /* what no tensor needs: huge integers and the like */
} hoi_pickle_kind;

typedef struct hoi_pickle_value hoi_pickle_value;

/* Memory of elements that lies outside of the pickle, by its key. */
typedef struct hoi_pickle_storage {
    hoi_dtype dtype;
    const char *key;
    int64_t elements;
} hoi_pickle_storage;

/* A view of a storage: offset and strides in elements. Not checked against the storage's size. */
typedef struct hoi_pickle_tensor {
    const hoi_pickle_storage *storage;
    int64_t offset;
    int rank;
    int64_t shape[HOI_PICKLE_RANK], strides[HOI_PICKLE_RANK];
} hoi_pickle_tensor;

struct hoi_pickle_value {
    hoi_pickle_kind kind;
    size_t count, capacity; /* capacity: of items, for the reader alone */
    union {
        int64_t integer;
        double real;
        const char *text;
        hoi_pickle_value **items;
        const hoi_pickle_storage *storage;
        const hoi_pickle_tensor *tensor;
        struct {
            const hoi_pickle_value *class;
            hoi_pickle_value *state;
        };
    };
};

typedef struct hoi_pickle hoi_pickle;

/* Reads one pickle at the start of `size` bytes (protocols 0 to 5); values may form cycles. Memory
   is bounded by the bytes' size. NULL after hoi_fail, whose message calls them `label`. */
hoi_pickle *hoi_pickle_read(const void *bytes, size_t size, const char *label);

/* Drops it with all its values. NULL is fine. */
void hoi_pickle_free(hoi_pickle *pickle);

/* Gets the value, and how many bytes the pickle had. */
const hoi_pickle_value *hoi_pickle_root(const hoi_pickle *pickle);
size_t hoi_pickle_size(const hoi_pickle *pickle);

/* Gets the number of mentions of storages, and mention i (0-based): a key can come again. */
size_t hoi_pickle_storage_count(const hoi_pickle *pickle);
const hoi_pickle_storage *hoi_pickle_storage_at(const hoi_pickle *pickle, size_t i);

#endif
