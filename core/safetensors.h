/* safetensors: named arrays in one file. Reads mapped and checked, as of a stranger; writes whole
   or not at all. */
#ifndef HOI_SAFETENSORS_H
#define HOI_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dtype.h"

#define HOI_ENTRY_RANK 8

/* One array of a file: row-major, little-endian. Name and data belong to the file that gave it. */
typedef struct hoi_entry {
    const char *name;
    hoi_dtype dtype;
    int rank;                      /* 0: a scalar */
    int64_t shape[HOI_ENTRY_RANK]; /* may hold 0: no elements */
    const void *data;              /* where the file put it: not always aligned, so copy */
    size_t bytes;
} hoi_entry;

typedef struct hoi_safetensors hoi_safetensors;

/* Maps a file and checks all of its header: lengths, types, shapes, no hole, no overlap, no name
   twice. NULL after hoi_fail, which names the file. The file must not shrink while it is open. */
hoi_safetensors *hoi_safetensors_open(const char *path);

/* The same for `size` bytes of memory, which the caller keeps alive; messages call it `label`. */
hoi_safetensors *hoi_safetensors_open_memory(const void *bytes, size_t size, const char *label);

/* Drops the file; its entries go with it. NULL is fine. */
void hoi_safetensors_close(hoi_safetensors *file);

/* Gets what the messages call the file: its path, or its label. */
const char *hoi_safetensors_label(const hoi_safetensors *file);

/* Gets the number of entries, and entry i of them (0-based, by name). */
size_t hoi_safetensors_count(const hoi_safetensors *file);
const hoi_entry *hoi_safetensors_at(const hoi_safetensors *file, size_t i);

/* Gets an entry by its name, or NULL when there is none (no failure is kept: it is a question). */
const hoi_entry *hoi_safetensors_find(const hoi_safetensors *file, const char *name);

/* Gets the string of a key of `__metadata__`, or NULL when there is none. */
const char *hoi_safetensors_metadata(const hoi_safetensors *file, const char *key);

/* Gets the number of these strings, and key and value of number i (0-based, by key). */
size_t hoi_safetensors_metadata_count(const hoi_safetensors *file);
const char *hoi_safetensors_metadata_at(const hoi_safetensors *file, size_t i, const char **value);

/* Gets the number of elements of an entry. */
size_t hoi_entry_elements(const hoi_entry *entry);

/* Copies an F32, F16, BF16 or F64 entry into `out` (hoi_entry_elements floats); others fail. */
bool hoi_entry_floats(const hoi_entry *entry, float *out);

typedef struct hoi_safetensors_writer hoi_safetensors_writer;

/* Gets an empty writer, to be dropped with _free (NULL is fine). NULL after hoi_fail. */
hoi_safetensors_writer *hoi_safetensors_writer_new(void);
void hoi_safetensors_writer_free(hoi_safetensors_writer *writer);

/* Adds an array, copying name, shape and data (product of shape x element bytes; may be NULL when
   that is 0). Fails for a name that is taken, reserved or not UTF-8, a rank over HOI_ENTRY_RANK, a
   negative size. */
bool hoi_safetensors_writer_add(hoi_safetensors_writer *writer, const char *name, hoi_dtype dtype,
                                int rank, const int64_t *shape, const void *data);

/* Adds a string to `__metadata__`. Fails for a key that is taken and for what is not UTF-8. */
bool hoi_safetensors_writer_metadata(hoi_safetensors_writer *writer, const char *key,
                                     const char *value);

/* Writes the file: to a temporary beside it, flushed to the disk, then renamed over `path`. After a
   failure or a crash the old file stands unchanged. Byte for byte what the reference writer makes
   (metadata sorted by key). */
bool hoi_safetensors_writer_save(hoi_safetensors_writer *writer, const char *path);

#endif
