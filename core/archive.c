/* archive: a zip file in memory, opened by libzip and checked. */
#include "core/archive.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zip.h>

#include "core/error.h"

enum { count_limit = 1000000, skip_bytes = 1 << 16 };

static const uint64_t unpacked_limit = (uint64_t)1 << 31;

typedef struct item {
    const char *name; /* libzip's, as long as the archive is open */
    uint64_t index;
    uint64_t bytes;
} item;

struct hoi_archive {
    char *label;
    zip_t *zip;
    item *items;
    size_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const item *)a)->name, ((const item *)b)->name);
}

/* Reads the list of entries. */
static bool list_items(hoi_archive *a, size_t file_bytes) {
    int64_t count = zip_get_num_entries(a->zip, 0);
    uint64_t packed = 0, unpacked = 0;
    if (count < 0 || count > count_limit)
        return hoi_fail("archive: %s: %lld entries, at most %d are read", a->label,
                        (long long)count, count_limit);
    a->items = calloc((size_t)count + 1, sizeof *a->items);
    if (!a->items)
        return hoi_fail("archive: %s: no memory for %lld entries", a->label, (long long)count);
    for (uint64_t i = 0; i < (uint64_t)count; i++) {
        zip_stat_t status;
        const zip_uint64_t wanted =
            ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
        if (zip_stat_index(a->zip, i, 0, &status) != 0 || (status.valid & wanted) != wanted)
            return hoi_fail("archive: %s: entry %llu can not be read: %s", a->label,
                            (unsigned long long)i + 1, zip_strerror(a->zip));
        if (status.comp_size > file_bytes - packed)
            return hoi_fail("archive: %s: '%s' has %llu bytes, more than the file has for it: cut "
                            "short, or entries that overlap",
                            a->label, status.name, (unsigned long long)status.comp_size);
        packed += status.comp_size;
        if (status.comp_method == ZIP_CM_STORE && status.size != status.comp_size)
            return hoi_fail("archive: %s: '%s' is stored as it is, but in %llu bytes for %llu",
                            a->label, status.name, (unsigned long long)status.comp_size,
                            (unsigned long long)status.size);
        if (status.comp_method != ZIP_CM_STORE) {
            if (status.size > unpacked_limit - unpacked)
                return hoi_fail("archive: %s: '%s' would unpack to %llu bytes; packed entries may "
                                "have 2 GB together",
                                a->label, status.name, (unsigned long long)status.size);
            unpacked += status.size;
        }
        a->items[a->count++] = (item){status.name, i, status.size};
    }
    qsort(a->items, a->count, sizeof *a->items, by_name);
    for (size_t i = 1; i < a->count; i++)
        if (by_name(&a->items[i - 1], &a->items[i]) == 0)
            return hoi_fail("archive: %s: two entries '%s'", a->label, a->items[i].name);
    return true;
}

hoi_archive *hoi_archive_open(const void *bytes, size_t size, const char *label) {
    hoi_archive *a = calloc(1, sizeof *a);
    zip_error_t error;
    zip_error_init(&error);
    bool ok = a && (a->label = strdup(label));
    if (!ok)
        hoi_fail("archive: %s: no memory", label);
    zip_source_t *source = ok ? zip_source_buffer_create(bytes, size, 0, &error) : NULL;
    if (source) {
        a->zip = zip_open_from_source(source, ZIP_RDONLY, &error);
        if (!a->zip)
            zip_source_free(source);
    }
    if (ok && !a->zip)
        hoi_fail("archive: %s: %s: no zip file, or cut short", label, zip_error_strerror(&error));
    zip_error_fini(&error);
    if (ok && a->zip && list_items(a, size))
        return a;
    hoi_archive_close(a);
    return NULL;
}

void hoi_archive_close(hoi_archive *a) {
    if (!a)
        return;
    if (a->zip)
        zip_discard(a->zip);
    free(a->items);
    free(a->label);
    free(a);
}

size_t hoi_archive_count(const hoi_archive *a) {
    return a->count;
}

const char *hoi_archive_name(const hoi_archive *a, size_t i) {
    return a->items[i].name;
}

size_t hoi_archive_bytes(const hoi_archive *a, size_t i) {
    return (size_t)a->items[i].bytes;
}

size_t hoi_archive_find(const hoi_archive *a, const char *name) {
    item key = {.name = name};
    const item *found = bsearch(&key, a->items, a->count, sizeof key, by_name);
    return found ? (size_t)(found - a->items) : HOI_ARCHIVE_NONE;
}

static bool read_exactly(zip_file_t *file, size_t bytes, unsigned char *out) {
    while (bytes) {
        int64_t got = zip_fread(file, out, bytes);
        if (got <= 0 || (uint64_t)got > bytes)
            return false;
        bytes -= (size_t)got;
        out += got;
    }
    return true;
}

bool hoi_archive_read(const hoi_archive *a, size_t i, size_t skip, size_t bytes, void *out) {
    const item *one = &a->items[i];
    if (skip > one->bytes || bytes > one->bytes - skip)
        return hoi_fail("archive: %s: '%s' has %llu bytes, %zu from byte %zu on are wanted",
                        a->label, one->name, (unsigned long long)one->bytes, bytes, skip);
    unsigned char *passed = skip ? malloc(skip_bytes) : NULL;
    zip_file_t *file = zip_fopen_index(a->zip, one->index, 0);
    bool ok = file && (!skip || passed);
    for (size_t left = skip; ok && left;) {
        size_t now = left < skip_bytes ? left : skip_bytes;
        ok = read_exactly(file, now, passed);
        left -= now;
    }
    ok = ok && read_exactly(file, bytes, out);
    if (ok && skip + bytes == one->bytes) { /* at the end the sum is checked */
        unsigned char more;
        ok = zip_fread(file, &more, 1) == 0;
    }
    if (!ok)
        hoi_fail("archive: %s: '%s' can not be read: %s", a->label, one->name,
                 file ? zip_file_strerror(file) : zip_strerror(a->zip));
    if (file)
        zip_fclose(file);
    free(passed);
    return ok;
}
