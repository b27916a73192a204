/* weights_file: what the readers of single containers fill; weights.c owns it. */
#ifndef HOI_WEIGHTS_FILE_H
#define HOI_WEIGHTS_FILE_H

#include "core/archive.h"
#include "core/weights.h"

/* Bytes that arrays view: in memory, or the entry of an archive from byte `skip` on. */
typedef struct weights_storage {
    size_t bytes;
    const void *mapped; /* NULL: in the archive */
    size_t entry, skip;
} weights_storage;

/* An array: a view of a storage, in elements; or that of a shard. */
typedef struct weights_array {
    hoi_entry entry; /* first: a pointer to it is one to the array */
    hoi_weights *shard;
    const hoi_entry *inner;
    size_t storage;
    int64_t offset, strides[HOI_ENTRY_RANK];
} weights_array;

typedef struct weights_note {
    char *key, *value;
} weights_note;

struct hoi_weights {
    char *label;
    const char *container;
    const unsigned char *bytes; /* the whole file */
    size_t size;
    void *mapping; /* NULL for borrowed memory */
    hoi_safetensors *safetensors;
    hoi_archive *archive;
    hoi_weights **shards;
    size_t shard_count;
    weights_storage *storages;
    size_t storage_count, storage_capacity;
    weights_array *arrays;
    size_t count, capacity;
    weights_note *notes;
    size_t note_count, note_capacity;
    void *kept; /* the storage read last, for the next view of it */
    size_t kept_storage;
};

/* Adds a storage; `*number` is what arrays name it by. */
bool weights_add_storage(hoi_weights *w, weights_storage storage, size_t *number);

/* Adds an array: name, dtype, rank and shape of `entry`, the name is copied. strides NULL:
   row-major. Fails where the view leaves its storage or repeats it beyond reason. */
bool weights_add_array(hoi_weights *w, const hoi_entry *entry, size_t storage, int64_t offset,
                       const int64_t *strides);

/* Adds a metadata string; both are copied. */
bool weights_add_note(hoi_weights *w, const char *key, const char *value);

/* Read what there is of w->bytes or w->archive. */
bool weights_read_torch(hoi_weights *w);
bool weights_read_old_torch(hoi_weights *w);
bool weights_read_npy(hoi_weights *w);
bool weights_read_npz(hoi_weights *w);

/* Opens the files an index names, which lie in `folder`. */
bool weights_read_index(hoi_weights *w, const char *folder);

#endif
