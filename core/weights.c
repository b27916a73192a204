/* weights: which container a file is, and its arrays by name. */
#include "core/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/weights_file.h"

/* What repeats a storage (strides of 0) may take so much more than it. */
#define REPEAT_LIMIT ((size_t)1 << 26)
#define FORGET_BYTES ((size_t)1 << 20)

/* ------------------------------------------------------------------ filling */

/* Makes room for one more element. */
static bool grow(const hoi_weights *w, void **array, size_t count, size_t *capacity,
                 size_t element) {
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 32;
    void *grown = realloc(*array, wanted * element);
    if (!grown)
        return hoi_fail("weights: %s: no memory for %zu entries", w->label, wanted);
    *array = grown;
    *capacity = wanted;
    return true;
}

bool weights_add_storage(hoi_weights *w, weights_storage storage, size_t *number) {
    if (!grow(w, (void **)&w->storages, w->storage_count, &w->storage_capacity,
              sizeof *w->storages))
        return false;
    *number = w->storage_count;
    w->storages[w->storage_count++] = storage;
    return true;
}

/* Checks shape and strides against the storage, and completes entry.bytes. */
static bool check_view(const hoi_weights *w, weights_array *array) {
    hoi_entry *entry = &array->entry;
    size_t element = hoi_dtype_bytes(entry->dtype);
    size_t there = w->storages[array->storage].bytes;
    int64_t last = array->offset;
    bool empty = false, ok = array->offset >= 0;
    entry->bytes = element;
    for (int i = 0; ok && i < entry->rank; i++) {
        int64_t reach;
        ok = entry->shape[i] >= 0 && array->strides[i] >= 0 &&
             !__builtin_mul_overflow(entry->bytes, (size_t)entry->shape[i], &entry->bytes);
        empty = empty || entry->shape[i] == 0;
        if (ok && !empty)
            ok = !__builtin_mul_overflow(entry->shape[i] - 1, array->strides[i], &reach) &&
                 !__builtin_add_overflow(last, reach, &last);
    }
    if (!ok)
        return hoi_fail("weights: %s: '%s': a shape or stride that is negative or too large",
                        w->label, entry->name);
    if (!empty && (uint64_t)last >= there / element)
        return hoi_fail("weights: %s: '%s' reaches to its element %lld, its storage has %zu: cut "
                        "short, or made wrong",
                        w->label, entry->name, (long long)last + 1, there / element);
    if (!empty && entry->bytes > there && entry->bytes - there > REPEAT_LIMIT)
        return hoi_fail("weights: %s: '%s' makes %zu bytes out of %zu", w->label, entry->name,
                        entry->bytes, there);
    return true;
}

bool weights_add_array(hoi_weights *w, const hoi_entry *entry, size_t storage, int64_t offset,
                       const int64_t *strides) {
    if (!grow(w, (void **)&w->arrays, w->count, &w->capacity, sizeof *w->arrays))
        return false;
    weights_array array = {.entry = *entry, .storage = storage, .offset = offset};
    int64_t stride = 1;
    for (int i = entry->rank - 1; i >= 0; i--) {
        array.strides[i] = strides ? strides[i] : stride;
        if (!strides &&
            __builtin_mul_overflow(stride, entry->shape[i] ? entry->shape[i] : 1, &stride))
            return hoi_fail("weights: %s: '%s': the shape's product overflows", w->label,
                            entry->name);
    }
    if (!check_view(w, &array))
        return false;
    array.entry.name = strdup(entry->name);
    if (!array.entry.name)
        return hoi_fail("weights: %s: no memory for a name", w->label);
    w->arrays[w->count++] = array;
    return true;
}

bool weights_add_note(hoi_weights *w, const char *key, const char *value) {
    if (!grow(w, (void **)&w->notes, w->note_count, &w->note_capacity, sizeof *w->notes))
        return false;
    weights_note note = {strdup(key), strdup(value)};
    if (!note.key || !note.value) {
        free(note.key);
        free(note.value);
        return hoi_fail("weights: %s: no memory for metadata", w->label);
    }
    w->notes[w->note_count++] = note;
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const weights_array *)a)->entry.name, ((const weights_array *)b)->entry.name);
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const weights_note *)a)->key, ((const weights_note *)b)->key);
}

static bool sort_names(hoi_weights *w) {
    if (w->count)
        qsort(w->arrays, w->count, sizeof *w->arrays, by_name);
    for (size_t i = 1; i < w->count; i++)
        if (by_name(&w->arrays[i - 1], &w->arrays[i]) == 0)
            return hoi_fail("weights: %s: two arrays '%s'", w->label, w->arrays[i].entry.name);
    if (w->note_count)
        qsort(w->notes, w->note_count, sizeof *w->notes, by_key);
    return true;
}

/* ------------------------------------------------------------------ opening */

static hoi_weights *weights_new(const char *label) {
    hoi_weights *w = calloc(1, sizeof *w);
    if (w && (w->label = strdup(label)))
        return w;
    free(w);
    hoi_fail("weights: %s: no memory", label);
    return NULL;
}

/* Takes the entries of a safetensors file over as they are. */
static bool take_safetensors(hoi_weights *w) {
    w->container = "safetensors";
    for (size_t i = 0; i < hoi_safetensors_count(w->safetensors); i++) {
        const hoi_entry *entry = hoi_safetensors_at(w->safetensors, i);
        size_t number;
        weights_storage storage = {.bytes = entry->bytes, .mapped = entry->data};
        if (!weights_add_storage(w, storage, &number) ||
            !weights_add_array(w, entry, number, 0, NULL))
            return false;
    }
    for (size_t i = 0; i < hoi_safetensors_metadata_count(w->safetensors); i++) {
        const char *value, *key = hoi_safetensors_metadata_at(w->safetensors, i, &value);
        if (!weights_add_note(w, key, value))
            return false;
    }
    return true;
}

hoi_weights *hoi_weights_of(hoi_safetensors *file) {
    if (!file)
        return NULL;
    hoi_weights *w = weights_new(hoi_safetensors_label(file));
    if (!w) {
        hoi_safetensors_close(file);
        return NULL;
    }
    w->safetensors = file;
    if (take_safetensors(w) && sort_names(w))
        return w;
    hoi_weights_close(w);
    return NULL;
}

static bool begins(const hoi_weights *w, const void *with, size_t size) {
    return w->size >= size && memcmp(w->bytes, with, size) == 0;
}

/* A zip file is PyTorch's where it has a data.pkl, else NumPy's. */
static bool read_archive(hoi_weights *w) {
    w->archive = hoi_archive_open(w->bytes, w->size, w->label);
    if (!w->archive)
        return false;
    for (size_t i = 0; i < hoi_archive_count(w->archive); i++) {
        const char *name = hoi_archive_name(w->archive, i), *slash = strrchr(name, '/');
        if (strcmp(slash ? slash + 1 : name, "data.pkl") == 0)
            return weights_read_torch(w);
    }
    return weights_read_npz(w);
}

/* Reads w->bytes by what they begin with. */
static bool read_bytes(hoi_weights *w) {
    static const unsigned char old_torch[] = {0x80, 2,    0x8A, 10,   0x6C, 0xFC, 0x9C,
                                              0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19};
    if (begins(w, "PK\3\4", 4))
        return read_archive(w);
    if (begins(w, "\x93NUMPY", 6))
        return weights_read_npy(w);
    if (begins(w, old_torch, sizeof old_torch))
        return weights_read_old_torch(w);
    /* A safetensors file begins with the length of its header, which may look like a pickle's. */
    bool header = w->size > 8 && memcmp(w->bytes + 4, "\0\0\0\0{", 5) == 0;
    if (begins(w, "\x80", 1) && w->size > 1 && w->bytes[1] <= 5 && !header)
        return hoi_fail("weights: %s: a plain pickle, or a file of a PyTorch before 0.4: neither "
                        "holds tensors in a form that can be read safely; save it anew with "
                        "torch.save",
                        w->label);
    w->safetensors = hoi_safetensors_open_memory(w->bytes, w->size, w->label);
    return w->safetensors && take_safetensors(w);
}

hoi_weights *hoi_weights_open_memory(const void *bytes, size_t size, const char *label) {
    hoi_weights *w = weights_new(label);
    if (!w)
        return NULL;
    w->bytes = bytes;
    w->size = size;
    if (read_bytes(w) && sort_names(w))
        return w;
    hoi_weights_close(w);
    return NULL;
}

/* Maps the file into w->bytes. */
static bool map_file(hoi_weights *w) {
    int descriptor = open(w->label, O_RDONLY | O_CLOEXEC);
    struct stat status;
    bool ok = false;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        hoi_fail("weights: %s: %s", w->label, strerror(errno));
    } else if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        hoi_fail("weights: %s: %s", w->label,
                 S_ISREG(status.st_mode) ? "the file is empty" : "not a regular file");
    } else {
        w->size = (size_t)status.st_size;
        void *mapping = mmap(NULL, w->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        ok = mapping != MAP_FAILED ||
             hoi_fail("weights: %s: mapping %zu bytes: %s", w->label, w->size, strerror(errno));
        if (ok)
            w->bytes = w->mapping = mapping;
    }
    if (descriptor >= 0)
        close(descriptor);
    return ok;
}

static bool ends(const char *text, const char *with) {
    size_t length = strlen(text), tail = strlen(with);
    return length >= tail && strcmp(text + length - tail, with) == 0;
}

/* An index lies beside what it names. */
static bool read_file(hoi_weights *w) {
    if (!ends(w->label, ".index.json"))
        return read_bytes(w);
    char *folder = strdup(w->label);
    if (!folder)
        return hoi_fail("weights: %s: no memory", w->label);
    char *slash = strrchr(folder, '/');
    strcpy(slash ? slash : folder, slash ? "" : ".");
    bool ok = weights_read_index(w, folder);
    free(folder);
    return ok;
}

/* Gets the path of the weights in a folder, to be freed; NULL after hoi_fail. */
static char *path_in(const char *folder) {
    static const char *const names[] = {
        "model.safetensors",           "model.safetensors.index.json",
        "open_clip_model.safetensors", "open_clip_pytorch_model.bin",
        "pytorch_model.bin",           "pytorch_model.bin.index.json"};
    size_t size = strlen(folder) + 40;
    char *path = malloc(size);
    for (size_t i = 0; path && i < sizeof names / sizeof *names; i++) {
        snprintf(path, size, "%s/%s", folder, names[i]);
        if (access(path, F_OK) == 0)
            return path;
    }
    hoi_fail(path ? "weights: %s: no weights in the folder: model.safetensors, "
                    "model.safetensors.index.json, open_clip_model.safetensors, "
                    "open_clip_pytorch_model.bin, pytorch_model.bin or pytorch_model.bin.index.json"
                  : "weights: %s: no memory",
             folder);
    free(path);
    return NULL;
}

hoi_weights *hoi_weights_open(const char *path) {
    struct stat status;
    bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    char *inside = folder ? path_in(path) : NULL;
    hoi_weights *w = folder && !inside ? NULL : weights_new(folder ? inside : path);
    free(inside);
    if (w && map_file(w) && read_file(w) && sort_names(w))
        return w;
    hoi_weights_close(w);
    return NULL;
}

void hoi_weights_close(hoi_weights *w) {
    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++)
        free((char *)(uintptr_t)w->arrays[i].entry.name);
    for (size_t i = 0; i < w->note_count; i++) {
        free(w->notes[i].key);
        free(w->notes[i].value);
    }
    for (size_t i = 0; i < w->shard_count; i++)
        hoi_weights_close(w->shards[i]);
    hoi_safetensors_close(w->safetensors);
    hoi_archive_close(w->archive);
    if (w->mapping)
        munmap(w->mapping, w->size);
    free(w->shards);
    free(w->storages);
    free(w->arrays);
    free(w->notes);
    free(w->kept);
    free(w->label);
    free(w);
}

/* ------------------------------------------------------------------ asking */

const char *hoi_weights_label(const hoi_weights *w) {
    return w->label;
}

const char *hoi_weights_container(const hoi_weights *w) {
    return w->container;
}

size_t hoi_weights_count(const hoi_weights *w) {
    return w->count;
}

const hoi_entry *hoi_weights_at(const hoi_weights *w, size_t i) {
    return &w->arrays[i].entry;
}

const hoi_entry *hoi_weights_find(const hoi_weights *w, const char *name) {
    weights_array key = {.entry.name = name};
    return w->count ? bsearch(&key, w->arrays, w->count, sizeof key, by_name) : NULL;
}

size_t hoi_weights_metadata_count(const hoi_weights *w) {
    return w->note_count;
}

const char *hoi_weights_metadata_at(const hoi_weights *w, size_t i, const char **value) {
    *value = w->notes[i].value;
    return w->notes[i].key;
}

const char *hoi_weights_metadata(const hoi_weights *w, const char *key) {
    weights_note wanted = {.key = (char *)(uintptr_t)key};
    const weights_note *found =
        w->note_count ? bsearch(&wanted, w->notes, w->note_count, sizeof wanted, by_key) : NULL;
    return found ? found->value : NULL;
}

/* ------------------------------------------------------------------ reading */

/* Gets a storage in memory: mapped, or unpacked and kept until another is wanted. */
static const unsigned char *storage_bytes(hoi_weights *w, size_t number) {
    const weights_storage *storage = &w->storages[number];
    if (storage->mapped || (w->kept && w->kept_storage == number))
        return storage->mapped ? storage->mapped : w->kept;
    free(w->kept);
    w->kept = malloc(storage->bytes + 1);
    if (!w->kept) {
        hoi_fail("weights: %s: no memory for %zu bytes", w->label, storage->bytes);
        return NULL;
    }
    w->kept_storage = number;
    if (hoi_archive_read(w->archive, storage->entry, storage->skip, storage->bytes, w->kept))
        return w->kept;
    free(w->kept);
    w->kept = NULL;
    return NULL;
}

/* Copies one dimension after the other; the last runs in one loop. */
static unsigned char *gather(const weights_array *array, int dimension, const unsigned char *from,
                             unsigned char *out) {
    size_t element = hoi_dtype_bytes(array->entry.dtype);
    if (dimension == array->entry.rank) {
        memcpy(out, from, element);
        return out + element;
    }
    size_t step = (size_t)array->strides[dimension] * element;
    for (int64_t i = 0; i < array->entry.shape[dimension]; i++)
        out = gather(array, dimension + 1, from + (size_t)i * step, out);
    return out;
}

static bool is_row_major(const weights_array *array) {
    int64_t stride = 1;
    for (int i = array->entry.rank - 1; i >= 0; i--) {
        if (array->entry.shape[i] != 1 && array->strides[i] != stride)
            return false;
        stride *= array->entry.shape[i];
    }
    return true;
}

static bool copy(hoi_weights *w, const weights_array *array, void *out) {
    const hoi_entry *entry = &array->entry;
    const weights_storage *storage = &w->storages[array->storage];
    bool in_order = is_row_major(array);
    if (in_order && !storage->mapped && entry->bytes == storage->bytes)
        return hoi_archive_read(w->archive, storage->entry, storage->skip, entry->bytes, out);
    const unsigned char *bytes = storage_bytes(w, array->storage);
    if (!bytes)
        return false;
    bytes += (size_t)array->offset * hoi_dtype_bytes(entry->dtype);
    if (in_order)
        memcpy(out, bytes, entry->bytes);
    else
        gather(array, 0, bytes, out);
    return true;
}

bool hoi_weights_read(hoi_weights *w, const hoi_entry *entry, void *out) {
    const weights_array *array = (const weights_array *)(const void *)entry;
    if (array->shard)
        return hoi_weights_read(array->shard, array->inner, out);
    bool ok = !entry->bytes || copy(w, array, out);
    /* pages that were copied are not wanted again: they would count as this process's memory */
    if (w->mapping && entry->bytes >= FORGET_BYTES)
        madvise(w->mapping, w->size, MADV_DONTNEED);
    return ok;
}

/* Gets whole number i of an array. */
static double whole_number(const void *data, hoi_dtype dtype, size_t i) {
    size_t width = hoi_dtype_bytes(dtype);
    uint64_t bits = 0;
    memcpy(&bits, (const char *)data + i * width, width);
    bool is_signed = dtype == HOI_I8 || dtype == HOI_I16 || dtype == HOI_I32 || dtype == HOI_I64;
    unsigned shift = 64 - 8 * (unsigned)width;
    return is_signed ? (double)((int64_t)(bits << shift) >> shift) : (double)bits;
}

bool hoi_weights_floats(hoi_weights *w, const hoi_entry *entry, float *out) {
    if (entry->dtype == HOI_F32)
        return hoi_weights_read(w, entry, out);
    hoi_entry copy = *entry;
    void *bytes = malloc(entry->bytes + 1);
    if (!bytes)
        return hoi_fail("weights: %s: no memory for %zu bytes", w->label, entry->bytes);
    copy.data = bytes;
    bool ok = hoi_weights_read(w, entry, bytes);
    switch (ok ? entry->dtype : HOI_F32) {
    case HOI_BOOL:
    case HOI_U8:
    case HOI_I8:
    case HOI_I16:
    case HOI_U16:
    case HOI_I32:
    case HOI_U32:
    case HOI_I64:
    case HOI_U64:
        for (size_t i = 0; i < hoi_entry_elements(entry); i++)
            out[i] = (float)whole_number(bytes, entry->dtype, i);
        break;
    default:
        ok = ok && hoi_entry_floats(&copy, out);
    }
    free(bytes);
    return ok;
}
