/* fuzz_torch: any bytes as a file of weights; and as the data.pkl of an archive made around them,
   whose storage "0" has as many bytes as the first byte says. What opens is read whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "core/error.h"
#include "core/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool true_or_broken) {
    if (!true_or_broken)
        abort();
}

static void open_and_read(const uint8_t *bytes, size_t size) {
    hoi_weights *w = hoi_weights_open_memory(bytes, size, "fuzz");
    if (!w) {
        check(strstr(hoi_error(), "fuzz") != NULL);
        return;
    }
    for (size_t i = 0; i < hoi_weights_count(w); i++) {
        const hoi_entry *entry = hoi_weights_at(w, i);
        check(hoi_weights_find(w, entry->name) == entry);
        check(hoi_entry_elements(entry) * hoi_dtype_bytes(entry->dtype) == entry->bytes);
        if (entry->bytes > 1 << 20)
            continue; /* a view that repeats: bounded, and slow to read */
        float *floats = malloc((hoi_entry_elements(entry) + 1) * sizeof *floats);
        check(floats != NULL);
        if (!hoi_weights_floats(w, entry, floats))
            check(*hoi_error() != 0);
        free(floats);
    }
    for (size_t i = 0; i < hoi_weights_metadata_count(w); i++) {
        const char *value, *key = hoi_weights_metadata_at(w, i, &value);
        check(strlen(value) + strlen(key) < size + 1024);
    }
    hoi_weights_close(w);
}

static uint8_t *put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value) {
    return put16(put16(at, value), value >> 16);
}

typedef struct entry {
    const char *name;
    const uint8_t *bytes;
    uint32_t size, place;
} entry;

/* Writes what a local header and a directory's record share. */
static uint8_t *describe(uint8_t *at, const entry *e) {
    at = put16(put16(put16(at, 20), 0), 0); /* version, flags, stored */
    at = put32(put32(at, 0), (uint32_t)crc32(0, e->bytes, e->size));
    at = put32(put32(at, e->size), e->size);
    return put16(put16(at, (uint32_t)strlen(e->name)), 0);
}

/* Gets an archive of entries stored as they are, to be freed. */
static uint8_t *make_archive(entry *entries, int count, size_t *size) {
    size_t most = 64;
    for (int i = 0; i < count; i++)
        most += entries[i].size + 2 * strlen(entries[i].name) + 96;
    uint8_t *archive = calloc(1, most), *at = archive;
    check(archive != NULL);
    for (int i = 0; i < count; i++) {
        entries[i].place = (uint32_t)(at - archive);
        at = describe(put32(at, 0x04034B50), &entries[i]);
        memcpy(at, entries[i].name, strlen(entries[i].name));
        at += strlen(entries[i].name);
        memcpy(at, entries[i].bytes, entries[i].size);
        at += entries[i].size;
    }
    uint32_t start = (uint32_t)(at - archive);
    for (int i = 0; i < count; i++) {
        at = describe(put16(put32(at, 0x02014B50), 20), &entries[i]);
        at = put32(put16(put16(put16(at, 0), 0), 0), 0);
        at = put32(at, entries[i].place);
        memcpy(at, entries[i].name, strlen(entries[i].name));
        at += strlen(entries[i].name);
    }
    uint32_t length = (uint32_t)(at - archive) - start;
    at = put16(put16(put32(at, 0x06054B50), 0), 0);
    at = put32(put32(put16(put16(at, (uint32_t)count), (uint32_t)count), length), start);
    *size = (size_t)(put16(at, 0) - archive);
    return archive;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const uint8_t values[256] = {1, 2, 3};
    open_and_read(bytes, size);
    if (size < 1)
        return 0;
    entry entries[] = {{"a/data.pkl", bytes + 1, (uint32_t)size - 1, 0},
                       {"a/data/0", values, bytes[0], 0}};
    size_t length;
    uint8_t *archive = make_archive(entries, 2, &length);
    open_and_read(archive, length);
    free(archive);
    return 0;
}
