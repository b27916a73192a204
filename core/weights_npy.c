/* weights_npy: NumPy's .npy (versions 1 to 3) and .npz. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/utf8.h"
#include "core/weights_file.h"

enum { header_limit = 1 << 16, header_start = 12 };

/* What the header, a dictionary of Python's, says. */
typedef struct header {
    const char *at, *end;
    hoi_entry entry;
    bool fortran, has_type, has_shape;
} header;

static const struct {
    const char *name;
    hoi_dtype dtype;
} types[] = {{"<f4", HOI_F32}, {"<f2", HOI_F16}, {"<f8", HOI_F64}, {"<i8", HOI_I64},
             {"<i4", HOI_I32}, {"<i2", HOI_I16}, {"|i1", HOI_I8},  {"<u8", HOI_U64},
             {"<u4", HOI_U32}, {"<u2", HOI_U16}, {"|u1", HOI_U8},  {"|b1", HOI_BOOL},
             {"<c8", HOI_C64}};

/* ------------------------------------------------------------------ the header's text */

/* Passes spaces, and the character if it is next. */
static bool next_is(header *h, char c) {
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n'))
        h->at++;
    if (h->at == h->end || *h->at != c)
        return false;
    h->at++;
    return true;
}

static bool read_text(header *h, char *out, size_t size) {
    char quote = 0;
    if (next_is(h, '\''))
        quote = '\'';
    else if (next_is(h, '"'))
        quote = '"';
    const char *close = quote ? memchr(h->at, quote, (size_t)(h->end - h->at)) : NULL;
    if (!close || (size_t)(close - h->at) >= size)
        return false;
    memcpy(out, h->at, (size_t)(close - h->at));
    out[close - h->at] = 0;
    h->at = close + 1;
    return true;
}

static bool read_word(header *h, const char *word) {
    size_t length = strlen(word);
    next_is(h, ' ');
    if ((size_t)(h->end - h->at) < length || memcmp(h->at, word, length) != 0)
        return false;
    h->at += length;
    return true;
}

static bool read_shape(header *h) {
    if (!next_is(h, '('))
        return false;
    while (!next_is(h, ')')) {
        int64_t length = 0;
        const char *start = h->at;
        for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++)
            if (__builtin_mul_overflow(length, 10, &length) ||
                __builtin_add_overflow(length, *h->at - '0', &length))
                return false;
        if (h->at == start || h->entry.rank == HOI_ENTRY_RANK)
            return false;
        h->entry.shape[h->entry.rank++] = length;
        if (!next_is(h, ','))
            return next_is(h, ')');
    }
    return true;
}

static bool read_type(const hoi_weights *w, header *h, const char *name) {
    char type[16] = "";
    if (!read_text(h, type, sizeof type))
        return hoi_fail("weights: %s: '%s' is an array of records; plain numbers are read",
                        w->label, name);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i].name) == 0) {
            h->entry.dtype = types[i].dtype;
            return true;
        }
    return hoi_fail("weights: %s: '%s' has elements of type '%s'; little-endian f2, f4, f8, whole "
                    "numbers and booleans are read",
                    w->label, name, type);
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } */
static bool read_dictionary(const hoi_weights *w, header *h, const char *name) {
    bool ok = next_is(h, '{'), has_order = false;
    while (ok && !next_is(h, '}')) {
        char key[16] = "";
        ok = read_text(h, key, sizeof key) && next_is(h, ':');
        if (ok && strcmp(key, "descr") == 0 && !h->has_type) {
            if (!read_type(w, h, name))
                return false;
            h->has_type = true;
        } else if (ok && strcmp(key, "fortran_order") == 0 && !has_order) {
            has_order = true;
            h->fortran = read_word(h, "True");
            ok = h->fortran || read_word(h, "False");
        } else if (ok && strcmp(key, "shape") == 0 && !h->has_shape) {
            ok = h->has_shape = read_shape(h);
        } else {
            ok = false;
        }
        if (ok && !next_is(h, ',')) {
            ok = next_is(h, '}');
            break;
        }
    }
    return (ok && h->has_type && has_order && h->has_shape) ||
           hoi_fail("weights: %s: '%s': no header of NumPy's: type, order and shape of at most %d "
                    "dimensions are wanted",
                    w->label, name, HOI_ENTRY_RANK);
}

/* ------------------------------------------------------------------ arrays */

/* Reads the header of an array whose first `size` bytes are at hand; gets its
   data's place. */
static bool read_header(const hoi_weights *w, const char *name, const unsigned char *bytes,
                        size_t size, header *h, size_t *data) {
    size_t start = size > 8 && bytes[6] > 1 ? 12 : 10, length = 0;
    if (size < header_start || memcmp(bytes, "\x93NUMPY", 6) != 0 || bytes[6] < 1 || bytes[6] > 3)
        return hoi_fail("weights: %s: '%s' does not begin as an array of NumPy 1 to 3 does",
                        w->label, name);
    for (size_t i = start; i-- > 8;)
        length = length << 8 | bytes[i];
    if (length > header_limit || length > size - start)
        return hoi_fail("weights: %s: '%s' has a header of %zu bytes: cut short?", w->label, name,
                        length);
    *h = (header){.at = (const char *)bytes + start, .end = (const char *)bytes + start + length};
    h->entry.name = name;
    *data = start + length;
    return read_dictionary(w, h, name);
}

/* Adds the array: one in Fortran's order is a view with its strides the other way round. */
static bool add(hoi_weights *w, header *h, weights_storage storage) {
    int64_t strides[HOI_ENTRY_RANK], stride = 1;
    size_t number, bytes = hoi_dtype_bytes(h->entry.dtype);
    for (int i = 0; i < h->entry.rank; i++) {
        strides[i] = stride;
        if (__builtin_mul_overflow(stride, h->entry.shape[i] ? h->entry.shape[i] : 1, &stride) ||
            __builtin_mul_overflow(bytes, (size_t)h->entry.shape[i], &bytes))
            return hoi_fail("weights: %s: '%s': the shape's product overflows", w->label,
                            h->entry.name);
    }
    if (bytes != storage.bytes)
        return hoi_fail("weights: %s: '%s' has %zu bytes, its shape and type need %zu: cut short?",
                        w->label, h->entry.name, storage.bytes, bytes);
    return weights_add_storage(w, storage, &number) &&
           weights_add_array(w, &h->entry, number, 0, h->fortran ? strides : NULL);
}

bool weights_read_npy(hoi_weights *w) {
    header h;
    size_t data;
    w->container = "npy";
    return read_header(w, "array", w->bytes, w->size, &h, &data) &&
           add(w, &h, (weights_storage){.bytes = w->size - data, .mapped = w->bytes + data});
}

static bool add_entry(hoi_weights *w, size_t entry, unsigned char *start) {
    const char *path = hoi_archive_name(w->archive, entry);
    size_t length = strlen(path), whole = hoi_archive_bytes(w->archive, entry), data;
    size_t size = whole < header_limit ? whole : header_limit;
    header h;
    if (length < 5 || strcmp(path + length - 4, ".npy") != 0 ||
        hoi_utf8_valid(path, length) < length)
        return hoi_fail("weights: %s: '%.80s' in it is no array: neither a file of PyTorch nor of "
                        "NumPy",
                        w->label, path);
    char *name = strndup(path, length - 4);
    bool ok = name || hoi_fail("weights: %s: no memory for a name", w->label);
    ok = ok && hoi_archive_read(w->archive, entry, 0, size, start) &&
         read_header(w, name, start, size, &h, &data) &&
         add(w, &h, (weights_storage){.bytes = whole - data, .entry = entry, .skip = data});
    free(name);
    return ok;
}

bool weights_read_npz(hoi_weights *w) {
    unsigned char *start = malloc(header_limit);
    bool ok = start || hoi_fail("weights: %s: no memory", w->label);
    w->container = "npz";
    if (ok && hoi_archive_count(w->archive) == 0)
        ok = hoi_fail("weights: %s: an empty archive", w->label);
    for (size_t i = 0; ok && i < hoi_archive_count(w->archive); i++)
        ok = add_entry(w, i, start);
    free(start);
    return ok;
}
