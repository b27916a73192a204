/* image_file: pictures in files: decode and encode (stb), load, save. */
#include "core/error.h"
#include "core/exif.h"
#include "core/image.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

enum { file_limit = 1 << 30 };

/* The only user of stb. The formats nobody photographs in are left out: less code that meets
   hostile files. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC /* a plugin may bring its own stb: ours must not answer for it */
/* stb 2.27 declares this one and forgot to define it. */
#define stbi_set_unpremultiply_on_load_thread stbi_set_unpremultiply_on_load
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_FAILURE_USERMSG
#define STBI_MAX_DIMENSIONS hoi_image_side
/* Zeroed: a JPEG may use tables that it never defined. */
#define STBI_MALLOC(n) calloc(1, n)
#define STBI_REALLOC realloc
#define STBI_FREE free
#include <stb_image.h>
/* stb's own deflate stops the program where memory ends, and its PNG writer then loses what was
   compressed: zlib's instead, and what it gave is remembered. Rows come filtered; of such, level 8,
   which stb asks for, makes 2 % less in ten times the time. */
static _Thread_local unsigned char *compressed;
static unsigned char *compress_rows(unsigned char *data, int length, int *n, int level) {
    (void)level;
    z_stream rows = {.next_in = data, .avail_in = (uInt)length};
    if (deflateInit2(&rows, 5, Z_DEFLATED, MAX_WBITS, 8, Z_FILTERED) != Z_OK)
        return NULL;
    uLong room = deflateBound(&rows, (uLong)length);
    compressed = malloc(room);
    rows.next_out = compressed;
    rows.avail_out = (uInt)room;
    if (compressed && deflate(&rows, Z_FINISH) != Z_STREAM_END) {
        free(compressed);
        compressed = NULL;
    }
    *n = (int)rows.total_out;
    deflateEnd(&rows);
    return compressed;
}
static void free_of_writer(void *memory) {
    if (memory == compressed)
        compressed = NULL;
    free(memory);
}
#define STBIW_ZLIB_COMPRESS compress_rows
#define STBIW_MALLOC malloc
#define STBIW_REALLOC realloc
#define STBIW_FREE free_of_writer
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb_image_write.h>
#pragma GCC diagnostic pop
/* ------------------------------------------------------------------ decode */

/* The bytes stb reads. It takes zeros for what is missing at the end of some formats, so we watch
   whether it asked. */
typedef struct source {
    const unsigned char *bytes;
    size_t n, at;
    const char
        *buffer; /* stb's own, the first it reads to: filled in part it is no sign of an end */
    bool starved;
} source;

static int source_read(void *user, char *data, int size) {
    source *s = user;
    size_t wanted = (size_t)size, left = s->n - s->at, n = wanted < left ? wanted : left;
    if (!s->buffer)
        s->buffer = data;
    if (n < wanted && (n == 0 || data != s->buffer))
        s->starved = true;
    memcpy(data, s->bytes + s->at, n);
    s->at += n;
    return (int)n;
}

static void source_skip(void *user, int n) {
    source *s = user;
    size_t left = s->n - s->at;
    if (n > 0)
        s->at += (size_t)n < left ? (size_t)n : left;
}

static int source_eof(void *user) {
    const source *s = user;
    return s->at == s->n;
}

/* Gets what is wrong with a JPEG that stb 2.27 would not survive, NULL where it is sound: more than
   256 codes in a Huffman table (it writes beyond its own), more scans than any encoder writes (each
   takes the time of all pixels, in a few bytes). */
static const char *unsound_jpeg(const unsigned char *bytes, size_t n) {
    enum { most_scans = 4, most_scans_progressive = 64 };
    int scans = 0, most = most_scans;
    for (size_t at = 0; at + 4 <= n;) {
        int marker = bytes[at] == 0xFF ? bytes[at + 1] : -1;
        if (marker == 0xD9)
            break;
        bool bare = marker >= 0xD0 && marker <= 0xD8; /* the start, a restart */
        if (marker < 2 || marker == 0xFF || bare) {   /* or coded pixels, filling */
            at++;
            continue;
        }
        size_t end = at + 2 + (size_t)bytes[at + 2] * 256 + bytes[at + 3];
        for (size_t table = at + 4; marker == 0xC4 && table < end;) {
            size_t codes = 0;
            for (size_t i = 1; i <= 16 && table + i < n; i++)
                codes += bytes[table + i];
            if (codes > 256)
                return "a JPEG's Huffman table has more than 256 codes";
            table += 17 + codes;
        }
        if (marker == 0xC2)
            most = most_scans_progressive;
        scans += marker == 0xDA;
        if (scans > most)
            return "a JPEG of more scans than any encoder writes";
        at = end;
    }
    return NULL;
}

/* Gets the most pixels that a byte of a file holds. PNG: deflate makes at most 1032 bytes of one,
   each of 8 pixels. GIF: a code of 12 bits means less than 4096 (of a large canvas that is drawn in
   part we know nothing). JPEG: a bit for a block of 64, or for two where one component is thinned
   out along rows, another along columns. BMP: 8. TGA: two bytes for 128 alike. */
static int density(const unsigned char *bytes, size_t n) {
    static const struct {
        const char *magic;
        int density;
    } kinds[] = {{"\x89PNG", 1032 * 8}, {"GIF8", 4096}, {"\xff\xd8", 1024}, {"BM", 8}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strlen(kinds[i].magic);
        if (n >= length && memcmp(bytes, kinds[i].magic, length) == 0)
            return kinds[i].density;
    }
    return 64;
}

static hoi_image *decode(const unsigned char *bytes, size_t n, bool upright, const char *name) {
    static const stbi_io_callbacks callbacks = {source_read, source_skip, source_eof};
    source header = {bytes, n, 0, NULL, false}, body = header;
    int width = 0, height = 0, channels;
    if (n == 0) {
        hoi_fail("image: %s: empty, a picture expected", name);
        return NULL;
    }
    const char *unsound = bytes[0] == 0xFF ? unsound_jpeg(bytes, n) : NULL;
    if (unsound) {
        hoi_fail("image: %s: damaged: %s", name, unsound);
        return NULL;
    }
    /* sizes first, so that a few bytes can not ask for much memory or time; why a header is bad only
       the loader tells */
    if (stbi_info_from_callbacks(&callbacks, &header, &width, &height, &channels)) {
        if (!hoi_image_possible(width, height)) {
            hoi_fail(
                "image: %s: says %d x %d pixels; 1 to %d a side and at most %d in all are read",
                name, width, height, hoi_image_side, hoi_image_pixels);
            return NULL;
        }
        if ((size_t)width * (size_t)height / (size_t)density(bytes, n) > n) {
            hoi_fail("image: %s: truncated or damaged: %zu bytes can not hold %d x %d pixels", name,
                     n, width, height);
            return NULL;
        }
    }
    unsigned char *rgb = stbi_load_from_callbacks(&callbacks, &body, &width, &height, &channels, 3);
    hoi_image *image = malloc(sizeof *image);
    if (body.starved)
        hoi_fail("image: %s: truncated: the end of the picture is missing after %zu bytes", name,
                 n);
    else if (!rgb)
        hoi_fail("image: %s: %s (JPEG, PNG, BMP, GIF and TGA are read)", name,
                 stbi_failure_reason());
    else if (!image || !hoi_image_possible(width, height))
        hoi_fail("image: %s: %d x %d pixels do not fit into memory", name, width, height);
    else {
        *image = (hoi_image){width, height, rgb}; /* stb's calloc is ours: free takes it back */
        if (!upright || hoi_exif_upright(image, hoi_exif_orientation(bytes, n)))
            return image;
    }
    free(image);
    stbi_image_free(rgb);
    return NULL;
}

hoi_image *hoi_image_load_memory(const void *bytes, size_t n) {
    return decode(bytes, n, true, "bytes");
}

static hoi_image *load(const char *path, bool upright) {
    hoi_image *image = NULL;
    unsigned char *bytes = NULL;
    size_t n = 0, room = 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        hoi_fail("image: %s: %s", path, strerror(errno));
        return NULL;
    }
    do {
        if (n == room) {
            room = room ? room * 2 : 1 << 18;
            unsigned char *more = room <= file_limit ? realloc(bytes, room) : NULL;
            if (!more) {
                hoi_fail("image: %s: more than %zu bytes do not fit into memory", path, n);
                goto done;
            }
            bytes = more;
        }
        n += fread(bytes + n, 1, room - n, file);
    } while (!feof(file) && !ferror(file));
    if (ferror(file))
        hoi_fail("image: %s: %s", path, strerror(errno));
    else
        image = decode(bytes, n, upright, path);
done:
    free(bytes);
    fclose(file);
    return image;
}

hoi_image *hoi_image_load(const char *path) {
    return load(path, true);
}

hoi_image *hoi_image_load_stored(const char *path) {
    return load(path, false);
}

/* ------------------------------------------------------------------ encode */

typedef struct sink {
    unsigned char *bytes;
    size_t n, room;
    bool full;
} sink;

static void sink_write(void *user, void *data, int size) {
    sink *s = user;
    size_t n = (size_t)size;
    if (!s->full && s->room - s->n < n) {
        size_t room = s->room * 2 > s->n + n ? s->room * 2 : s->n + n;
        unsigned char *more = realloc(s->bytes, room);
        s->full = !more;
        s->bytes = more ? more : s->bytes;
        s->room = more ? room : s->room;
    }
    if (!s->full) {
        memcpy(s->bytes + s->n, data, n);
        s->n += n;
    }
}

enum { png, jpeg };

/* Gets which of the two a name means, -1 for neither. */
static int kind_of(const char *name) {
    return strcasecmp(name, "png") == 0                                    ? png
           : strcasecmp(name, "jpg") == 0 || strcasecmp(name, "jpeg") == 0 ? jpeg
                                                                           : -1;
}

bool hoi_image_encode(const hoi_image *image, const char *kind, int quality, unsigned char **bytes,
                      size_t *n) {
    int w = image->width, h = image->height, which = kind_of(kind);
    if (which < 0)
        return hoi_fail("image: encode as '%s': png or jpeg expected", kind);
    if (quality < 1 || quality > 100)
        return hoi_fail("image: quality %d: 1 to 100 expected", quality);
    sink s = {NULL, 0, 0, false};
    int ok = which == jpeg ? stbi_write_jpg_to_func(sink_write, &s, w, h, 3, image->rgb, quality)
                           : stbi_write_png_to_func(sink_write, &s, w, h, 3, image->rgb, w * 3);
    if (!ok || s.full) {
        free_of_writer(compressed);
        free(s.bytes);
        return hoi_fail("image: no memory to encode %d x %d pixels", w, h);
    }
    *bytes = s.bytes;
    *n = s.n;
    return true;
}

bool hoi_image_save(const hoi_image *image, const char *path) {
    const char *suffix = strrchr(path, '.');
    if (!suffix || kind_of(suffix + 1) < 0)
        return hoi_fail("image: %s: a name ending in .png, .jpg or .jpeg expected", path);
    unsigned char *bytes;
    size_t n;
    /* above 90 stb keeps the colours at full resolution */
    if (!hoi_image_encode(image, suffix + 1, 95, &bytes, &n))
        return false;
    size_t length = strlen(path) + 32;
    char *part = malloc(length);
    FILE *file = NULL;
    bool ok = part != NULL;
    if (ok) {
        snprintf(part, length, "%s.%ld.part", path, (long)getpid());
        file = fopen(part, "wb");
        ok = file && fwrite(bytes, 1, n, file) == n;
        if (file && fclose(file) != 0)
            ok = false;
        ok = ok && rename(part, path) == 0;
    }
    if (!ok) {
        hoi_fail("image: %s: %s", path, strerror(part ? errno : ENOMEM));
        if (file)
            unlink(part);
    }
    free(part);
    free(bytes);
    return ok;
}
