/* safetensors: reading. A file is eight bytes of header length, a JSON header, the data. */
#include "core/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "core/error.h"
#include "core/utf8.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors are little-endian and mapped as they are: this machine reads them backwards"
#endif

#define LENGTH_BYTES 8
#define HEADER_LIMIT 100000000u /* the reference reader's */
#define EXACT_LIMIT                                                                                \
    9007199254740992.0 /* 2^53: a JSON number above need not be what was written   \
                                          */

typedef struct pair {
    const char *key, *value;
} pair;

struct hoi_safetensors {
    char *label;
    void *mapping; /* NULL for borrowed memory */
    const unsigned char *bytes;
    size_t size;
    cJSON *header; /* owns all names and strings */
    hoi_entry *entries;
    size_t count;
    pair *metadata;
    size_t metadata_count;
};

/* ------------------------------------------------------------------ reading */

static bool whole_number(const cJSON *item, uint64_t *value) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > EXACT_LIMIT)
        return false;
    *value = (uint64_t)item->valuedouble;
    return (double)*value == item->valuedouble;
}

/* Gets the one member of that name; cJSON's own look-up would take the first of several. */
static const cJSON *member(const hoi_safetensors *file, const cJSON *entry, const char *name) {
    const cJSON *found = NULL;
    const cJSON *item;
    cJSON_ArrayForEach(item, entry) {
        if (strcmp(item->string, name) != 0)
            continue;
        if (found) {
            hoi_fail("safetensors: %s: entry '%s' has two members '%s'", file->label, entry->string,
                     name);
            return NULL;
        }
        found = item;
    }
    if (!found) {
        hoi_fail("safetensors: %s: entry '%s' has no member '%s'", file->label, entry->string,
                 name);
    }
    return found;
}

static bool read_dtype(const hoi_safetensors *file, const cJSON *source, hoi_entry *entry) {
    const cJSON *item = member(file, source, "dtype");
    if (!item)
        return false;
    if (!cJSON_IsString(item)) {
        return hoi_fail("safetensors: %s: entry '%s': dtype is not a string", file->label,
                        entry->name);
    }
    for (size_t i = 0; i < HOI_DTYPES; i++) {
        if (strcmp(item->valuestring, hoi_dtype_name((hoi_dtype)i)) == 0) {
            entry->dtype = (hoi_dtype)i;
            return true;
        }
    }
    return hoi_fail("safetensors: %s: entry '%s': dtype is '%s', wanted BOOL, C64 or one of I, U, "
                    "F, BF with whole bytes",
                    file->label, entry->name, item->valuestring);
}

/* Reads the shape and multiplies it with the element's bytes. */
static bool read_shape(const hoi_safetensors *file, const cJSON *source, hoi_entry *entry) {
    const cJSON *shape = member(file, source, "shape");
    if (!shape)
        return false;
    if (!cJSON_IsArray(shape)) {
        return hoi_fail("safetensors: %s: entry '%s': shape is not a list", file->label,
                        entry->name);
    }
    entry->bytes = hoi_dtype_bytes(entry->dtype);
    const cJSON *item;
    cJSON_ArrayForEach(item, shape) {
        uint64_t length;
        if (entry->rank == HOI_ENTRY_RANK) {
            return hoi_fail("safetensors: %s: entry '%s' has more than %d dimensions", file->label,
                            entry->name, HOI_ENTRY_RANK);
        }
        if (!whole_number(item, &length)) {
            return hoi_fail(
                "safetensors: %s: entry '%s': dimension %d of the shape is not a whole number >= 0",
                file->label, entry->name, entry->rank + 1);
        }
        if (length > SIZE_MAX ||
            __builtin_mul_overflow(entry->bytes, (size_t)length, &entry->bytes)) {
            return hoi_fail("safetensors: %s: entry '%s': the shape's product overflows",
                            file->label, entry->name);
        }
        entry->shape[entry->rank++] = (int64_t)length;
    }
    return true;
}

static bool read_range(const hoi_safetensors *file, const cJSON *source, size_t data_start,
                       hoi_entry *entry) {
    const cJSON *range = member(file, source, "data_offsets");
    if (!range)
        return false;
    uint64_t begin, end;
    if (!cJSON_IsArray(range) || cJSON_GetArraySize(range) != 2 ||
        !whole_number(range->child, &begin) || !whole_number(range->child->next, &end)) {
        return hoi_fail(
            "safetensors: %s: entry '%s': data_offsets is not a list of two whole numbers",
            file->label, entry->name);
    }
    if (begin > end || end > file->size - data_start) {
        return hoi_fail("safetensors: %s: entry '%s' lies at bytes %llu to %llu, the data has %zu: "
                        "file cut short?",
                        file->label, entry->name, (unsigned long long)begin,
                        (unsigned long long)end, file->size - data_start);
    }
    if (end - begin != entry->bytes) {
        return hoi_fail(
            "safetensors: %s: entry '%s' has %llu bytes, its shape and dtype %s need %zu",
            file->label, entry->name, (unsigned long long)(end - begin),
            hoi_dtype_name(entry->dtype), entry->bytes);
    }
    entry->data = file->bytes + data_start + begin;
    return true;
}

static bool read_entry(const hoi_safetensors *file, const cJSON *source, size_t data_start,
                       hoi_entry *entry) {
    *entry = (hoi_entry){.name = source->string};
    if (!cJSON_IsObject(source))
        return hoi_fail("safetensors: %s: entry '%s' is not an object", file->label, entry->name);
    return read_dtype(file, source, entry) && read_shape(file, source, entry) &&
           read_range(file, source, data_start, entry);
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const pair *)a)->key, ((const pair *)b)->key);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const hoi_entry *)a)->name, ((const hoi_entry *)b)->name);
}

static int by_place(const void *a, const void *b) {
    const hoi_entry *first = a, *second = b;
    uintptr_t x = (uintptr_t)first->data, y = (uintptr_t)second->data;
    if (x == y) { /* an empty array before the one that starts where it does */
        x = first->bytes;
        y = second->bytes;
    }
    return (x > y) - (x < y);
}

static bool read_metadata(hoi_safetensors *file, const cJSON *source) {
    if (file->metadata)
        return hoi_fail("safetensors: %s: two entries '__metadata__'", file->label);
    if (!cJSON_IsObject(source))
        return hoi_fail("safetensors: %s: __metadata__ is not an object", file->label);
    size_t count = (size_t)cJSON_GetArraySize(source);
    file->metadata = calloc(count + 1, sizeof *file->metadata);
    if (!file->metadata)
        return hoi_fail("safetensors: %s: no memory for %zu metadata strings", file->label, count);
    const cJSON *item;
    cJSON_ArrayForEach(item, source) {
        if (!cJSON_IsString(item)) {
            return hoi_fail("safetensors: %s: __metadata__ '%s' is not a string", file->label,
                            item->string);
        }
        file->metadata[file->metadata_count++] = (pair){item->string, item->valuestring};
    }
    qsort(file->metadata, count, sizeof *file->metadata, by_key);
    for (size_t i = 1; i < count; i++) {
        if (by_key(&file->metadata[i - 1], &file->metadata[i]) == 0) {
            return hoi_fail("safetensors: %s: two __metadata__ strings '%s'", file->label,
                            file->metadata[i].key);
        }
    }
    return true;
}

/* The arrays must cover the data from its first byte to its last, each byte once; names must
   differ. */
static bool check_tiling(hoi_safetensors *file, size_t data_start) {
    qsort(file->entries, file->count, sizeof *file->entries, by_place);
    const unsigned char *next = file->bytes + data_start;
    for (size_t i = 0; i < file->count; i++) {
        const hoi_entry *entry = &file->entries[i];
        if (entry->data != next) {
            return hoi_fail(
                "safetensors: %s: entry '%s' begins at byte %zu of the data, wanted %zu: %s",
                file->label, entry->name,
                (size_t)((const unsigned char *)entry->data - file->bytes) - data_start,
                (size_t)(next - file->bytes) - data_start,
                (uintptr_t)entry->data < (uintptr_t)next ? "two entries overlap"
                                                         : "there is a hole");
        }
        next += entry->bytes;
    }
    size_t left = file->size - (size_t)(next - file->bytes);
    if (left) {
        return hoi_fail("safetensors: %s: %zu bytes after the last entry, wanted 0", file->label,
                        left);
    }
    qsort(file->entries, file->count, sizeof *file->entries, by_name);
    for (size_t i = 1; i < file->count; i++) {
        if (by_name(&file->entries[i - 1], &file->entries[i]) == 0) {
            return hoi_fail("safetensors: %s: two entries '%s'", file->label,
                            file->entries[i].name);
        }
    }
    return true;
}

/* Parses a copy of the header that ends in a zero: cJSON 1.7.15 looks one byte past its text. */
static cJSON *parse_header(const hoi_safetensors *file, size_t length) {
    const char *start = (const char *)file->bytes + LENGTH_BYTES;
    if (start[0] != '{') {
        hoi_fail("safetensors: %s: the header begins with byte 0x%02X, wanted '{'", file->label,
                 (unsigned)(unsigned char)start[0]);
        return NULL;
    }
    if (memchr(start, 0, length) || hoi_utf8_valid(start, length) < length) {
        hoi_fail("safetensors: %s: the header is not UTF-8 text", file->label);
        return NULL;
    }
    char *text = malloc(length + 1);
    if (!text) {
        hoi_fail("safetensors: %s: no memory for a header of %zu bytes", file->label, length);
        return NULL;
    }
    memcpy(text, start, length);
    text[length] = 0;
    const char *end = text;
    cJSON *header = cJSON_ParseWithLengthOpts(text, length + 1, &end, true);
    if (!header) {
        hoi_fail("safetensors: %s: the header is not JSON from its byte %zu on", file->label,
                 (size_t)(end - text));
    }
    free(text);
    return header;
}

static bool read_header(hoi_safetensors *file) {
    if (file->size < LENGTH_BYTES) {
        return hoi_fail("safetensors: %s: %zu bytes, wanted at least 8 for the header's length",
                        file->label, file->size);
    }
    uint64_t length;
    memcpy(&length, file->bytes, sizeof length);
    if (length > HEADER_LIMIT) {
        return hoi_fail(
            "safetensors: %s: a header of %llu bytes, wanted at most %u: not a safetensors file?",
            file->label, (unsigned long long)length, HEADER_LIMIT);
    }
    if (length < 2 || length > file->size - LENGTH_BYTES) {
        return hoi_fail("safetensors: %s: a header of %llu bytes, the file has %zu after its "
                        "length: cut short?",
                        file->label, (unsigned long long)length, file->size - LENGTH_BYTES);
    }
    file->header = parse_header(file, (size_t)length);
    if (!file->header)
        return false;
    size_t data_start = LENGTH_BYTES + (size_t)length;
    size_t most = (size_t)cJSON_GetArraySize(file->header);
    file->entries = calloc(most + 1, sizeof *file->entries);
    if (!file->entries)
        return hoi_fail("safetensors: %s: no memory for %zu entries", file->label, most);
    const cJSON *item;
    cJSON_ArrayForEach(item, file->header) {
        if (strcmp(item->string, "__metadata__") == 0) {
            if (!read_metadata(file, item))
                return false;
        } else if (!read_entry(file, item, data_start, &file->entries[file->count++])) {
            return false;
        }
    }
    return check_tiling(file, data_start);
}

static hoi_safetensors *file_new(const char *label) {
    hoi_safetensors *file = calloc(1, sizeof *file);
    if (file)
        file->label = strdup(label);
    if (!file || !file->label) {
        hoi_fail("safetensors: %s: no memory", label);
        free(file);
        return NULL;
    }
    return file;
}

static bool map_file(hoi_safetensors *file, const char *path) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return hoi_fail("safetensors: %s: %s", path, strerror(errno));
    bool ok = false;
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        hoi_fail("safetensors: %s: %s", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        hoi_fail("safetensors: %s: not a regular file", path);
    } else if (status.st_size < LENGTH_BYTES) {
        hoi_fail("safetensors: %s: %lld bytes, wanted at least 8 for the header's length", path,
                 (long long)status.st_size);
    } else {
        file->size = (size_t)status.st_size;
        void *mapping = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        ok = mapping != MAP_FAILED;
        if (ok)
            file->bytes = file->mapping = mapping;
        else
            hoi_fail("safetensors: %s: mapping %zu bytes: %s", path, file->size, strerror(errno));
    }
    close(descriptor); /* the mapping stays; nothing was written that a close could lose */
    return ok;
}

hoi_safetensors *hoi_safetensors_open(const char *path) {
    hoi_safetensors *file = file_new(path);
    if (file && !(map_file(file, path) && read_header(file))) {
        hoi_safetensors_close(file);
        return NULL;
    }
    return file;
}

hoi_safetensors *hoi_safetensors_open_memory(const void *bytes, size_t size, const char *label) {
    hoi_safetensors *file = file_new(label);
    if (!file)
        return NULL;
    file->bytes = bytes;
    file->size = size;
    if (!read_header(file)) {
        hoi_safetensors_close(file);
        return NULL;
    }
    return file;
}

void hoi_safetensors_close(hoi_safetensors *file) {
    if (!file)
        return;
    if (file->mapping)
        munmap(file->mapping, file->size);
    cJSON_Delete(file->header);
    free(file->entries);
    free(file->metadata);
    free(file->label);
    free(file);
}

const char *hoi_safetensors_label(const hoi_safetensors *file) {
    return file->label;
}

size_t hoi_safetensors_count(const hoi_safetensors *file) {
    return file->count;
}

const hoi_entry *hoi_safetensors_at(const hoi_safetensors *file, size_t i) {
    return &file->entries[i];
}

const hoi_entry *hoi_safetensors_find(const hoi_safetensors *file, const char *name) {
    hoi_entry key = {.name = name};
    return bsearch(&key, file->entries, file->count, sizeof key, by_name);
}

size_t hoi_safetensors_metadata_count(const hoi_safetensors *file) {
    return file->metadata_count;
}

const char *hoi_safetensors_metadata_at(const hoi_safetensors *file, size_t i, const char **value) {
    *value = file->metadata[i].value;
    return file->metadata[i].key;
}

const char *hoi_safetensors_metadata(const hoi_safetensors *file, const char *key) {
    if (!file->metadata)
        return NULL;
    pair wanted = {key, NULL};
    const pair *found =
        bsearch(&wanted, file->metadata, file->metadata_count, sizeof wanted, by_key);
    return found ? found->value : NULL;
}

/* ------------------------------------------------------------------ elements */

size_t hoi_entry_elements(const hoi_entry *entry) {
    return entry->bytes / hoi_dtype_bytes(entry->dtype);
}

bool hoi_entry_floats(const hoi_entry *entry, float *out) {
    size_t count = hoi_entry_elements(entry);
    const unsigned char *data = entry->data;
    switch (entry->dtype) {
    case HOI_F32:
        if (count)
            memcpy(out, data, entry->bytes);
        return true;
    case HOI_F16:
    case HOI_BF16:
        for (size_t i = 0; i < count; i++) {
            uint16_t bits;
            memcpy(&bits, data + 2 * i, sizeof bits);
            out[i] = entry->dtype == HOI_F16 ? hoi_half_to_float(bits) : hoi_bf16_to_float(bits);
        }
        return true;
    case HOI_F64:
        for (size_t i = 0; i < count; i++) {
            double value;
            memcpy(&value, data + 8 * i, sizeof value);
            out[i] = (float)value;
        }
        return true;
    default:
        return hoi_fail("safetensors: entry '%s' has dtype %s, wanted F32, F16, BF16 or F64",
                        entry->name, hoi_dtype_name(entry->dtype));
    }
}
