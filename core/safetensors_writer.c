/* safetensors_writer: writing. The arrays are kept until the file can be written whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "core/error.h"
#include "core/safetensors.h"
#include "core/utf8.h"

typedef struct array {
    hoi_entry entry;
    unsigned char *memory; /* the data, then the name */
} array;

typedef struct note {
    char *key, *value;
} note;

struct hoi_safetensors_writer {
    array *arrays;
    size_t count, capacity;
    note *metadata;
    size_t metadata_count;
};

hoi_safetensors_writer *hoi_safetensors_writer_new(void) {
    hoi_safetensors_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        hoi_fail("safetensors: no memory for a writer");
    return writer;
}

void hoi_safetensors_writer_free(hoi_safetensors_writer *writer) {
    if (!writer)
        return;
    for (size_t i = 0; i < writer->count; i++)
        free(writer->arrays[i].memory);
    for (size_t i = 0; i < writer->metadata_count; i++) {
        free(writer->metadata[i].key);
        free(writer->metadata[i].value);
    }
    free(writer->arrays);
    free(writer->metadata);
    free(writer);
}

static bool valid(const char *text) {
    return hoi_utf8_valid(text, strlen(text)) == strlen(text);
}

static bool check_new_name(const hoi_safetensors_writer *writer, const char *name) {
    if (!valid(name))
        return hoi_fail("safetensors: writing '%s': the name is not UTF-8", name);
    if (strcmp(name, "__metadata__") == 0)
        return hoi_fail("safetensors: writing '%s': the name is reserved", name);
    for (size_t i = 0; i < writer->count; i++)
        if (strcmp(writer->arrays[i].entry.name, name) == 0)
            return hoi_fail("safetensors: writing '%s': the name is taken", name);
    return true;
}

bool hoi_safetensors_writer_add(hoi_safetensors_writer *writer, const char *name, hoi_dtype dtype,
                                int rank, const int64_t *shape, const void *data) {
    if (!check_new_name(writer, name))
        return false;
    if (rank < 0 || rank > HOI_ENTRY_RANK) {
        return hoi_fail("safetensors: writing '%s': %d dimensions, wanted 0 to %d", name, rank,
                        HOI_ENTRY_RANK);
    }
    array new = {.entry = {.dtype = dtype, .rank = rank, .bytes = hoi_dtype_bytes(dtype)}};
    for (int i = 0; i < rank; i++) {
        new.entry.shape[i] = shape[i];
        if (shape[i] < 0 ||
            __builtin_mul_overflow(new.entry.bytes, (size_t)shape[i], &new.entry.bytes)) {
            return hoi_fail(
                "safetensors: writing '%s': dimension %d is %lld: negative, or too large a product",
                name, i + 1, (long long)shape[i]);
        }
    }
    size_t name_bytes = strlen(name) + 1, memory_bytes;
    if (__builtin_add_overflow(new.entry.bytes, name_bytes, &memory_bytes) ||
        !(new.memory = malloc(memory_bytes))) {
        return hoi_fail("safetensors: writing '%s': no memory for %zu bytes", name,
                        new.entry.bytes);
    }
    if (writer->count == writer->capacity) {
        size_t capacity = writer->capacity ? 2 * writer->capacity : 16;
        array *grown = realloc(writer->arrays, capacity * sizeof *grown);
        if (!grown) {
            free(new.memory);
            return hoi_fail("safetensors: writing '%s': no memory for %zu entries", name, capacity);
        }
        writer->arrays = grown;
        writer->capacity = capacity;
    }
    if (new.entry.bytes)
        memcpy(new.memory, data, new.entry.bytes);
    new.entry.data = new.memory;
    new.entry.name = memcpy(new.memory + new.entry.bytes, name, name_bytes);
    writer->arrays[writer->count++] = new;
    return true;
}

bool hoi_safetensors_writer_metadata(hoi_safetensors_writer *writer, const char *key,
                                     const char *value) {
    if (!valid(key) || !valid(value))
        return hoi_fail("safetensors: writing metadata '%s': not UTF-8", key);
    for (size_t i = 0; i < writer->metadata_count; i++)
        if (strcmp(writer->metadata[i].key, key) == 0)
            return hoi_fail("safetensors: writing metadata '%s': the key is taken", key);
    note *grown = realloc(writer->metadata, (writer->metadata_count + 1) * sizeof *grown);
    if (!grown)
        return hoi_fail("safetensors: writing metadata '%s': no memory", key);
    writer->metadata = grown;
    note new = {strdup(key), strdup(value)};
    if (!new.key || !new.value) {
        free(new.key);
        free(new.value);
        return hoi_fail("safetensors: writing metadata '%s': no memory", key);
    }
    writer->metadata[writer->metadata_count++] = new;
    return true;
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const note *)a)->key, ((const note *)b)->key);
}

/* Wide elements first: then each array begins where its elements are aligned, without gaps. */
static int by_file_order(const void *a, const void *b) {
    const hoi_entry *first = &((const array *)a)->entry, *second = &((const array *)b)->entry;
    if (first->dtype != second->dtype)
        return first->dtype > second->dtype ? -1 : 1;
    return strcmp(first->name, second->name);
}

/* Adds a list of whole numbers to an object. */
static bool add_numbers(cJSON *object, const char *name, const int64_t *numbers, int count) {
    cJSON *list = cJSON_AddArrayToObject(object, name);
    for (int i = 0; list && i < count; i++) {
        cJSON *number = cJSON_CreateNumber((double)numbers[i]);
        if (!cJSON_AddItemToArray(list, number)) {
            cJSON_Delete(number);
            return false;
        }
    }
    return list != NULL;
}

static bool describe(const hoi_safetensors_writer *writer, cJSON *header) {
    if (writer->metadata_count) {
        cJSON *metadata = cJSON_AddObjectToObject(header, "__metadata__");
        for (size_t i = 0; i < writer->metadata_count; i++)
            if (!cJSON_AddStringToObject(metadata, writer->metadata[i].key,
                                         writer->metadata[i].value))
                return false;
    }
    int64_t place[2] = {0, 0};
    for (size_t i = 0; i < writer->count; i++) {
        const hoi_entry *entry = &writer->arrays[i].entry;
        place[0] = place[1];
        place[1] += (int64_t)entry->bytes;
        cJSON *object = cJSON_AddObjectToObject(header, entry->name);
        if (!object || !cJSON_AddStringToObject(object, "dtype", hoi_dtype_name(entry->dtype)) ||
            !add_numbers(object, "shape", entry->shape, entry->rank) ||
            !add_numbers(object, "data_offsets", place, 2))
            return false;
    }
    return true;
}

/* Gets the header's text, to be freed. */
static char *make_header(hoi_safetensors_writer *writer) {
    if (writer->count)
        qsort(writer->arrays, writer->count, sizeof *writer->arrays, by_file_order);
    if (writer->metadata_count)
        qsort(writer->metadata, writer->metadata_count, sizeof *writer->metadata, by_key);
    cJSON *header = cJSON_CreateObject();
    char *text = header && describe(writer, header) ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    if (!text)
        hoi_fail("safetensors: no memory for the header of %zu entries", writer->count);
    return text;
}

static bool write_all(const hoi_safetensors_writer *writer, const char *header, FILE *stream) {
    uint64_t used = strlen(header),
             padded = (used + 7) / 8 * 8; /* so that the data begins at a multiple of 8 */
    bool ok = fwrite(&padded, sizeof padded, 1, stream) == 1 &&
              fwrite(header, 1, used, stream) == used &&
              fwrite("       ", 1, padded - used, stream) == padded - used;
    for (size_t i = 0; ok && i < writer->count; i++) {
        const hoi_entry *entry = &writer->arrays[i].entry;
        ok = fwrite(entry->data, 1, entry->bytes, stream) == entry->bytes;
    }
    return ok && fflush(stream) == 0 && fsync(fileno(stream)) == 0;
}

/* Opens a new file beside `path`, by a name nobody else has; the name is written into `name`. */
static FILE *open_beside(const char *path, char *name, size_t size) {
    for (int i = 0; i < 100; i++) {
        snprintf(name, size, "%s.%ld-%d.tmp", path, (long)getpid(), i);
        FILE *stream = fopen(name, "wbxe");
        if (stream || errno != EEXIST)
            return stream;
    }
    return NULL;
}

bool hoi_safetensors_writer_save(hoi_safetensors_writer *writer, const char *path) {
    size_t size = strlen(path) + 40;
    char *name = malloc(size);
    char *header = name ? make_header(writer) : NULL;
    if (!header) {
        free(name);
        return hoi_fail("safetensors: %s: no memory", path);
    }
    bool ok = false;
    FILE *stream = open_beside(path, name, size);
    if (!stream) {
        hoi_fail("safetensors: %s: creating '%s': %s", path, name, strerror(errno));
    } else {
        ok = write_all(writer, header, stream);
        int reason = errno;
        if (fclose(stream) != 0 && ok) {
            ok = false;
            reason = errno;
        }
        if (ok && rename(name, path) != 0) {
            ok = false;
            reason = errno;
        }
        if (!ok) {
            unlink(name);
            hoi_fail("safetensors: %s: %s: the old file, if any, is unchanged", path,
                     strerror(reason));
        }
    }
    free(name);
    free(header);
    return ok;
}
