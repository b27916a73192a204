/* weights_torch: PyTorch's files: the zip archive of today, TorchScript, and the old kind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/pickle.h"
#include "core/utf8.h"
#include "core/weights_file.h"

enum { depth_limit = 64, name_limit = 512, leaf_limit = 1000000, pickle_limit = 1 << 25 };

/* What belongs to the key of a storage in an old file: its number, or its elements' size. */
typedef struct place {
    const char *key;
    size_t storage;
} place;

/* Walks the values. */
typedef struct walk {
    hoi_weights *w;
    const char *root; /* "archive/" in front of the names in the zip file; NULL: an old file */
    const place *places;
    size_t place_count;
    size_t *numbers; /* of each entry of the archive: its storage's number + 1 */
    size_t leaves;
    char name[name_limit + 32];
} walk;

/* ------------------------------------------------------------------ storages */

static int by_place(const void *a, const void *b) {
    return strcmp(((const place *)a)->key, ((const place *)b)->key);
}

static const place *find_place(const place *places, size_t count, const char *key) {
    place wanted = {.key = key};
    return count ? bsearch(&wanted, places, count, sizeof wanted, by_place) : NULL;
}

static bool check_size(const walk *k, const hoi_pickle_storage *storage, size_t bytes) {
    size_t element = hoi_dtype_bytes(storage->dtype);
    if (bytes % element == 0 && bytes / element == (uint64_t)storage->elements)
        return true;
    return hoi_fail("weights: %s: '%s': its storage '%s' has %zu bytes, %lld values of %s need "
                    "another number: cut short?",
                    k->w->label, k->name, storage->key, bytes, (long long)storage->elements,
                    hoi_dtype_name(storage->dtype));
}

static bool find_storage(walk *k, const hoi_pickle_storage *storage, size_t *number) {
    hoi_weights *w = k->w;
    if (!k->root) {
        const place *found = find_place(k->places, k->place_count, storage->key);
        if (!found)
            return hoi_fail("weights: %s: '%s' lies in storage '%s', which the file lacks",
                            w->label, k->name, storage->key);
        *number = found->storage;
        return check_size(k, storage, w->storages[*number].bytes);
    }
    char path[2 * name_limit];
    int length = snprintf(path, sizeof path, "%sdata/%s", k->root, storage->key);
    size_t entry =
        length < (int)sizeof path ? hoi_archive_find(w->archive, path) : HOI_ARCHIVE_NONE;
    if (entry == HOI_ARCHIVE_NONE)
        return hoi_fail("weights: %s: '%s' lies in 'data/%.80s', which the archive lacks", w->label,
                        k->name, storage->key);
    size_t bytes = hoi_archive_bytes(w->archive, entry);
    if (!check_size(k, storage, bytes))
        return false;
    if (!k->numbers[entry]) {
        if (!weights_add_storage(w, (weights_storage){.bytes = bytes, .entry = entry}, number))
            return false;
        k->numbers[entry] = *number + 1;
    }
    *number = k->numbers[entry] - 1;
    return true;
}

/* ------------------------------------------------------------------ values */

static bool add_tensor(walk *k, const hoi_pickle_tensor *tensor) {
    size_t number;
    hoi_entry entry = {.name = *k->name ? k->name : "array",
                       .dtype = tensor->storage->dtype,
                       .rank = tensor->rank};
    memcpy(entry.shape, tensor->shape, sizeof entry.shape);
    return find_storage(k, tensor->storage, &number) &&
           weights_add_array(k->w, &entry, number, tensor->offset, tensor->strides);
}

static bool add_value(walk *k, const hoi_pickle_value *value) {
    char text[40];
    switch (value->kind) {
    case HOI_PICKLE_BOOL:
        return weights_add_note(k->w, k->name, value->integer ? "true" : "false");
    case HOI_PICKLE_INTEGER:
        snprintf(text, sizeof text, "%lld", (long long)value->integer);
        return weights_add_note(k->w, k->name, text);
    case HOI_PICKLE_REAL:
        snprintf(text, sizeof text, "%.17g", value->real);
        return weights_add_note(k->w, k->name, text);
    case HOI_PICKLE_TEXT:
        return hoi_utf8_valid(value->text, value->count) < value->count ||
               weights_add_note(k->w, k->name, value->text);
    default:
        return true; /* nothing to show: None, opaque objects, names */
    }
}

static bool visit(walk *k, const hoi_pickle_value *value, int depth);

/* Visits a value under a name below the present one. */
static bool visit_named(walk *k, const char *name, const hoi_pickle_value *value, int depth) {
    size_t length = strlen(k->name), added = strlen(name);
    if (length + added + 1 > name_limit)
        return hoi_fail("weights: %s: a name of more than %d letters below '%.60s'", k->w->label,
                        name_limit, k->name);
    snprintf(k->name + length, sizeof k->name - length, "%s%s", length ? "." : "", name);
    bool ok = visit(k, value, depth + 1);
    k->name[length] = 0;
    return ok;
}

/* Keys that are neither text nor numbers name nothing we could be asked for. */
static bool visit_dictionary(walk *k, const hoi_pickle_value *value, bool attributes, int depth) {
    for (size_t i = 0; i + 1 < value->count; i += 2) {
        const hoi_pickle_value *key = value->items[i], *item = value->items[i + 1];
        char digits[24];
        if (key->kind == HOI_PICKLE_INTEGER)
            snprintf(digits, sizeof digits, "%lld", (long long)key->integer);
        else if (key->kind != HOI_PICKLE_TEXT)
            continue;
        const char *name = key->kind == HOI_PICKLE_TEXT ? key->text : digits;
        if (key->kind == HOI_PICKLE_TEXT &&
            (strlen(name) != key->count || hoi_utf8_valid(name, key->count) < key->count))
            return hoi_fail("weights: %s: a name below '%s' that is not UTF-8 text", k->w->label,
                            k->name);
        /* a module's own flags */
        if (attributes && (strcmp(name, "training") == 0 || name[0] == '_') &&
            item->kind <= HOI_PICKLE_TEXT)
            continue;
        if (!visit_named(k, name, item, depth))
            return false;
    }
    return true;
}

static bool visit(walk *k, const hoi_pickle_value *value, int depth) {
    char digits[24];
    if (depth > depth_limit)
        return hoi_fail("weights: %s: values nested more than %d deep at '%.60s': a cycle?",
                        k->w->label, depth_limit, k->name);
    if (++k->leaves > leaf_limit)
        return hoi_fail("weights: %s: more than %d values", k->w->label, leaf_limit);
    switch (value->kind) {
    case HOI_PICKLE_TENSOR:
        return add_tensor(k, value->tensor);
    case HOI_PICKLE_DICT:
        return visit_dictionary(k, value, false, depth);
    case HOI_PICKLE_OBJECT:
        return !value->state || value->state->kind != HOI_PICKLE_DICT ||
               visit_dictionary(k, value->state, true, depth);
    case HOI_PICKLE_LIST:
    case HOI_PICKLE_TUPLE:
        for (size_t i = 0; i < value->count; i++) {
            snprintf(digits, sizeof digits, "%zu", i);
            if (!visit_named(k, digits, value->items[i], depth))
                return false;
        }
        return true;
    default:
        return add_value(k, value);
    }
}

/* ------------------------------------------------------------------ the archive */

/* Gets the one entry data.pkl, and what stands before it. */
static bool find_pickle(const hoi_weights *w, size_t *entry, char root[name_limit]) {
    *entry = HOI_ARCHIVE_NONE;
    for (size_t i = 0; i < hoi_archive_count(w->archive); i++) {
        const char *name = hoi_archive_name(w->archive, i), *slash = strchr(name, '/');
        size_t length = slash ? (size_t)(slash + 1 - name) : 0;
        if (strcmp(name + length, "data.pkl") != 0)
            continue;
        if (*entry != HOI_ARCHIVE_NONE)
            return hoi_fail("weights: %s: two entries data.pkl", w->label);
        if (length >= name_limit)
            return hoi_fail("weights: %s: a folder name of %zu letters", w->label, length);
        *entry = i;
        memcpy(root, name, length);
        root[length] = 0;
    }
    return *entry != HOI_ARCHIVE_NONE ||
           hoi_fail("weights: %s: data.pkl lies too deep in it for a file of PyTorch", w->label);
}

/* Big-endian machines say so in an entry of its own. */
static bool check_order(const hoi_weights *w, const char *root) {
    char path[name_limit + 16], order[8] = "";
    snprintf(path, sizeof path, "%sbyteorder", root);
    size_t entry = hoi_archive_find(w->archive, path);
    if (entry == HOI_ARCHIVE_NONE)
        return true;
    size_t bytes = hoi_archive_bytes(w->archive, entry);
    if (bytes >= sizeof order || !hoi_archive_read(w->archive, entry, 0, bytes, order) ||
        strcmp(order, "little") != 0)
        return hoi_fail("weights: %s: its byte order is '%s', wanted little", w->label, order);
    return true;
}

bool weights_read_torch(hoi_weights *w) {
    char root[name_limit], path[name_limit + 16];
    size_t entry;
    if (!find_pickle(w, &entry, root) || !check_order(w, root))
        return false;
    snprintf(path, sizeof path, "%sconstants.pkl", root);
    w->container = hoi_archive_find(w->archive, path) == HOI_ARCHIVE_NONE ? "torch" : "torchscript";
    size_t bytes = hoi_archive_bytes(w->archive, entry);
    if (bytes > pickle_limit)
        return hoi_fail("weights: %s: a data.pkl of %zu bytes, at most %d are read", w->label,
                        bytes, pickle_limit);
    unsigned char *data = malloc(bytes + 1);
    walk *k = calloc(1, sizeof *k);
    hoi_pickle *pickle = NULL;
    bool ok = data && k;
    if (ok) {
        *k = (walk){.w = w, .root = root};
        k->numbers = calloc(hoi_archive_count(w->archive), sizeof *k->numbers);
        ok = k->numbers != NULL;
    }
    if (!ok)
        hoi_fail("weights: %s: no memory for %zu bytes", w->label, bytes);
    if (ok && hoi_archive_read(w->archive, entry, 0, bytes, data))
        pickle = hoi_pickle_read(data, bytes, w->label);
    ok = pickle && visit(k, hoi_pickle_root(pickle), 0);
    hoi_pickle_free(pickle);
    if (k)
        free(k->numbers);
    free(k);
    free(data);
    return ok;
}

/* ------------------------------------------------------------------ old files */

/* The mentions of storages in the pickle by key, to be freed: they tell the elements' size. */
static place *list_mentions(const hoi_weights *w, const hoi_pickle *pickle, size_t *count) {
    *count = hoi_pickle_storage_count(pickle);
    place *mentions = calloc(*count + 1, sizeof *mentions);
    if (!mentions) {
        hoi_fail("weights: %s: no memory for %zu storages", w->label, *count);
        return NULL;
    }
    for (size_t i = 0; i < *count; i++) {
        const hoi_pickle_storage *storage = hoi_pickle_storage_at(pickle, i);
        mentions[i] = (place){storage->key, hoi_dtype_bytes(storage->dtype)};
    }
    if (*count)
        qsort(mentions, *count, sizeof *mentions, by_place);
    return mentions;
}

/* The storages follow one after the other: a count of elements in eight bytes, the elements. */
static bool list_storages(hoi_weights *w, const place *mentions, size_t mention_count,
                          const hoi_pickle_value *keys, place *places, size_t at) {
    for (size_t i = 0; i < keys->count; i++) {
        int64_t elements;
        size_t bytes = 0;
        const hoi_pickle_value *key = keys->items[i];
        const place *mention =
            key->kind == HOI_PICKLE_TEXT ? find_place(mentions, mention_count, key->text) : NULL;
        size_t element = mention ? mention->storage : 0;
        if (!element)
            return hoi_fail("weights: %s: a storage that no tensor uses", w->label);
        bool ok = w->size - at >= sizeof elements;
        if (ok) {
            memcpy(&elements, w->bytes + at, sizeof elements);
            at += sizeof elements;
            ok = elements >= 0 && !__builtin_mul_overflow((size_t)elements, element, &bytes) &&
                 bytes <= w->size - at;
        }
        if (!ok)
            return hoi_fail("weights: %s: storage '%s' does not fit into the file: cut short?",
                            w->label, key->text);
        places[i].key = key->text;
        weights_storage storage = {.bytes = bytes, .mapped = w->bytes + at};
        if (!weights_add_storage(w, storage, &places[i].storage))
            return false;
        at += bytes;
    }
    if (at != w->size)
        return hoi_fail("weights: %s: %zu bytes after the last storage", w->label, w->size - at);
    if (keys->count)
        qsort(places, keys->count, sizeof *places, by_place);
    for (size_t i = 1; i < keys->count; i++)
        if (by_place(&places[i - 1], &places[i]) == 0)
            return hoi_fail("weights: %s: two storages '%s'", w->label, places[i].key);
    return true;
}

/* Five pickles: a magic number, the version, the machine, the values, the storages' keys. */
bool weights_read_old_torch(hoi_weights *w) {
    hoi_pickle *parts[5] = {NULL};
    place *places = NULL, *mentions = NULL;
    size_t at = 0, mention_count = 0;
    bool ok = true;
    w->container = "torch";
    for (int i = 0; ok && i < 5; i++) {
        size_t left = w->size - at;
        parts[i] =
            hoi_pickle_read(w->bytes + at, left < pickle_limit ? left : pickle_limit, w->label);
        ok = parts[i] != NULL;
        at += ok ? hoi_pickle_size(parts[i]) : 0;
    }
    if (ok) {
        const hoi_pickle_value *version = hoi_pickle_root(parts[1]);
        const hoi_pickle_value *keys = hoi_pickle_root(parts[4]);
        if (version->kind != HOI_PICKLE_INTEGER || version->integer != 1001 ||
            keys->kind != HOI_PICKLE_LIST || keys->count > leaf_limit)
            ok = hoi_fail("weights: %s: not PyTorch's old format of version 1001", w->label);
        places = ok ? calloc(keys->count + 1, sizeof *places) : NULL;
        if (ok && !places)
            ok = hoi_fail("weights: %s: no memory for %zu storages", w->label, keys->count);
        mentions = ok ? list_mentions(w, parts[3], &mention_count) : NULL;
        walk k = {.w = w, .places = places, .place_count = keys->count};
        ok = mentions && list_storages(w, mentions, mention_count, keys, places, at) &&
             visit(&k, hoi_pickle_root(parts[3]), 0);
    }
    free(places);
    free(mentions);
    for (int i = 0; i < 5; i++)
        hoi_pickle_free(parts[i]);
    return ok;
}
