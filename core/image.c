/* image: decode and encode (stb), resize as Pillow does, crop, normalise. */
#include "core/image.h"

#include "core/error.h"
#include "core/exif.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

enum { side_limit = 32767, pixel_limit = 1 << 27, file_limit = 1 << 30 };

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
#define STBI_MAX_DIMENSIONS side_limit
#include <stb_image.h>
/* stb's own deflate stops the program where memory ends, and its PNG writer then loses what was
   compressed: zlib's instead, and what it gave is remembered. */
static _Thread_local unsigned char *compressed;
static unsigned char *compress_rows(unsigned char *data, int length, int *n, int level) {
    uLongf room = compressBound((uLong)length);
    compressed = malloc(room);
    if (compressed && compress2(compressed, &room, data, (uLong)length, level) != Z_OK) {
        free(compressed);
        compressed = NULL;
    }
    *n = (int)room;
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

/* ------------------------------------------------------------------ memory */

static bool possible(int width, int height) {
    return width >= 1 && height >= 1 && width <= side_limit && height <= side_limit &&
           (int64_t)width * height <= pixel_limit;
}

hoi_image *hoi_image_new(int width, int height) {
    if (!possible(width, height)) {
        hoi_fail("image: %d x %d pixels: 1 to %d a side and at most %d in all are possible", width,
                 height, side_limit, pixel_limit);
        return NULL;
    }
    hoi_image *image = malloc(sizeof *image);
    unsigned char *rgb = calloc((size_t)width * (size_t)height, 3);
    if (!image || !rgb) {
        free(image);
        free(rgb);
        hoi_fail("image: no memory for %d x %d pixels", width, height);
        return NULL;
    }
    *image = (hoi_image){width, height, rgb};
    return image;
}

void hoi_image_free(hoi_image *image) {
    if (image)
        free(image->rgb);
    free(image);
}

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

/* Tells whether every Huffman table of a JPEG has at most 256 codes: stb 2.27 writes beyond its own
   tables otherwise. Anything that is no JPEG is fine. */
static bool sound_tables(const unsigned char *bytes, size_t n) {
    for (size_t at = 0; bytes[0] == 0xFF && at + 4 <= n;) {
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
                return false;
            table += 17 + codes;
        }
        at = end;
    }
    return true;
}

static hoi_image *decode(const unsigned char *bytes, size_t n, bool upright, const char *name) {
    static const stbi_io_callbacks callbacks = {source_read, source_skip, source_eof};
    source header = {bytes, n, 0, NULL, false}, body = header;
    int width = 0, height = 0, channels;
    if (n == 0) {
        hoi_fail("image: %s: empty, a picture expected", name);
        return NULL;
    }
    if (!sound_tables(bytes, n)) {
        hoi_fail("image: %s: damaged: a JPEG's Huffman table has more than 256 codes", name);
        return NULL;
    }
    /* sizes first, so that a few bytes can not ask for much memory; why a header is bad only the
       loader tells */
    if (stbi_info_from_callbacks(&callbacks, &header, &width, &height, &channels) &&
        !possible(width, height)) {
        hoi_fail("image: %s: says %d x %d pixels; 1 to %d a side and at most %d in all are read",
                 name, width, height, side_limit, pixel_limit);
        return NULL;
    }
    unsigned char *rgb = stbi_load_from_callbacks(&callbacks, &body, &width, &height, &channels, 3);
    hoi_image *image = malloc(sizeof *image);
    if (body.starved)
        hoi_fail("image: %s: truncated: the end of the picture is missing after %zu bytes", name,
                 n);
    else if (!rgb)
        hoi_fail("image: %s: %s (JPEG, PNG, BMP, GIF and TGA are read)", name,
                 stbi_failure_reason());
    else if (!image || !possible(width, height))
        hoi_fail("image: %s: %d x %d pixels do not fit into memory", name, width, height);
    else {
        *image = (hoi_image){width, height, rgb}; /* stb's malloc is ours: free takes it back */
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

/* ------------------------------------------------------------------ resize */

typedef struct rectangle {
    int x, y, width, height;
} rectangle;

/* For each of `count` output rows: the input rows it is made of, and their weights as fixed point
   numbers. */
typedef struct taps {
    int count, width; /* width: room for weights per output row */
    int *first, *number;
    int32_t *weights; /* (count, width) */
} taps;

enum { fraction_bits = 22 };

/* Keys' cubic convolution with a = -0.5. */
static double cubic(double t) {
    const double a = -0.5;
    t = fabs(t);
    if (t < 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

static void taps_free(taps *t) {
    free(t->first);
    free(t->number);
    free(t->weights);
    *t = (taps){0}; /* once more does no harm */
}

/* Makes the taps of `count` outputs, the first being `from`, of a side resized from in to out. */
static bool taps_make(taps *t, int in, int out, int from, int count) {
    double scale = (double)in / out, stretch = fmax(scale, 1), support = 2 * stretch;
    int width = (int)ceil(support) * 2 + 1;
    size_t n = (size_t)count;
    *t = (taps){count, width, malloc(n * sizeof *t->first), malloc(n * sizeof *t->number),
                calloc(n * (size_t)width, sizeof *t->weights)};
    double *exact = malloc((size_t)width * sizeof *exact);
    bool ok = t->first && t->number && t->weights && exact;
    for (int i = 0; ok && i < count; i++) {
        double centre = (from + i + 0.5) * scale, sum = 0;
        int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
        first = first < 0 ? 0 : first;
        end = end > in ? in : end;
        for (int k = 0; k < end - first; k++)
            sum += exact[k] = cubic((k + first - centre + 0.5) * (1 / stretch));
        for (int k = 0; k < end - first; k++) {
            double weight =
                sum == 0 ? exact[k] : exact[k] / sum; /* then times 2^22, half away from zero */
            t->weights[(size_t)i * (size_t)width + (size_t)k] =
                (int32_t)(weight * (1 << fraction_bits) + (weight < 0 ? -0.5 : 0.5));
        }
        t->first[i] = first;
        t->number[i] = end - first;
    }
    free(exact);
    if (!ok) {
        taps_free(t);
        return hoi_fail("image: no memory to resize");
    }
    return true;
}

/* The width of a block is a constant and a whole number of vectors: compilers then keep the sums in
   vectors. */
enum { block = 64 };

static void blend_block(const unsigned char *in, size_t row, const int32_t *weights, int number,
                        unsigned char *out) {
    int32_t sum[block];
    for (int i = 0; i < block; i++)
        sum[i] = 1 << (fraction_bits - 1);
    for (int k = 0; k < number; k++, in += row) {
        const int32_t weight = weights[k];
        for (int i = 0; i < block; i++)
            sum[i] += weight * in[i];
    }
    for (int i = 0; i < block; i++) {
        int32_t value = sum[i] >> fraction_bits;
        value = value < 0 ? 0 : value;
        out[i] = (unsigned char)(value > 255 ? 255 : value);
    }
}

/* Blends rows of bytes into new rows. in: (.., row) beginning with input row `origin`, out:
   (t->count, row). */
static void blend(const unsigned char *in, size_t row, int origin, const taps *t,
                  unsigned char *out) {
    for (int i = 0; i < t->count; i++, out += row) {
        const unsigned char *rows = in + (size_t)(t->first[i] - origin) * row;
        const int32_t *weights = t->weights + (size_t)i * (size_t)t->width;
        size_t at = 0;
        for (; at + block <= row; at += block)
            blend_block(rows + at, row, weights, t->number[i], out + at);
        for (; at < row; at++) {
            int32_t sum = 1 << (fraction_bits - 1);
            for (int k = 0; k < t->number[i]; k++)
                sum += weights[k] * rows[(size_t)k * row + at];
            sum >>= fraction_bits;
            out[at] = (unsigned char)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
        }
    }
}

/* Swaps rows and columns. in: (height, width, 3), out: (width, height, 3). */
static void turn(const unsigned char *in, int width, int height, unsigned char *out) {
    enum { tile = 16 };
    for (int y0 = 0; y0 < height; y0 += tile)
        for (int x0 = 0; x0 < width; x0 += tile)
            for (int y = y0; y < height && y < y0 + tile; y++)
                for (int x = x0; x < width && x < x0 + tile; x++)
                    memcpy(out + ((size_t)x * (size_t)height + (size_t)y) * 3,
                           in + ((size_t)y * (size_t)width + (size_t)x) * 3, 3);
}

/* Gets one part of the picture resized to width x height; nothing outside the part is computed.
   Both passes blend rows, which is what vectors are good at: the picture lies on its side during
   the horizontal one. */
static hoi_image *resample(const hoi_image *image, int width, int height, rectangle part) {
    hoi_image *turned = NULL, *narrow = NULL, *upright = NULL, *result = NULL;
    taps across = {0}, down = {0};
    if (!taps_make(&across, image->width, width, part.x, part.width) ||
        !taps_make(&down, image->height, height, part.y, part.height))
        goto done;
    int top = down.first[0]; /* only these rows are looked at below */
    int rows = down.first[part.height - 1] + down.number[part.height - 1] - top;
    turned = hoi_image_new(rows, image->width);
    narrow = hoi_image_new(rows, part.width);
    upright = hoi_image_new(part.width, rows);
    result = hoi_image_new(part.width, part.height);
    if (!turned || !narrow || !upright || !result) {
        hoi_image_free(result);
        result = NULL;
        goto done;
    }
    turn(image->rgb + (size_t)top * (size_t)image->width * 3, image->width, rows, turned->rgb);
    blend(turned->rgb, (size_t)rows * 3, 0, &across, narrow->rgb);
    turn(narrow->rgb, rows, part.width, upright->rgb);
    blend(upright->rgb, (size_t)part.width * 3, top, &down, result->rgb);
done:
    taps_free(&across);
    taps_free(&down);
    hoi_image_free(turned);
    hoi_image_free(narrow);
    hoi_image_free(upright);
    return result;
}

hoi_image *hoi_image_resize(const hoi_image *image, int width, int height) {
    if (width < 1 || height < 1 || width > side_limit || height > side_limit) {
        hoi_fail("image: resize to %d x %d pixels: 1 to %d a side expected", width, height,
                 side_limit);
        return NULL;
    }
    return resample(image, width, height, (rectangle){0, 0, width, height});
}

/* ------------------------------------------------------------------ crop */

static hoi_image *cut(const hoi_image *image, rectangle r) {
    hoi_image *part = hoi_image_new(r.width, r.height);
    int left = r.x < 0 ? 0 : r.x,
        right = r.x + r.width > image->width ? image->width : r.x + r.width;
    int top = r.y < 0 ? 0 : r.y,
        bottom = r.y + r.height > image->height ? image->height : r.y + r.height;
    for (int y = top; part && left < right && y < bottom; y++)
        memcpy(part->rgb + ((size_t)(y - r.y) * (size_t)r.width + (size_t)(left - r.x)) * 3,
               image->rgb + ((size_t)y * (size_t)image->width + (size_t)left) * 3,
               (size_t)(right - left) * 3);
    return part;
}

static bool check_box(const float box[4]) {
    for (int i = 0; i < 4; i++)
        if (!(fabsf(box[i]) <= 1e6f))
            return hoi_fail("image: crop {%g, %g, %g, %g}: numbers within a million expected",
                            (double)box[0], (double)box[1], (double)box[2], (double)box[3]);
    if (box[0] > box[2] || box[1] > box[3])
        return hoi_fail(
            "image: crop {%g, %g, %g, %g}: {x1, y1, x2, y2} with x1 <= x2 and y1 <= y2 expected",
            (double)box[0], (double)box[1], (double)box[2], (double)box[3]);
    return true;
}

hoi_image *hoi_image_crop(const hoi_image *image, const float box[4]) {
    if (!check_box(box))
        return NULL;
    int x = (int)rintf(box[0]), y = (int)rintf(box[1]);
    return cut(image, (rectangle){x, y, (int)rintf(box[2]) - x, (int)rintf(box[3]) - y});
}

/* Gets where a side begins: centred, moved inside 0 .. limit; on both sides of it when it is longer
   than that. */
static int begin(float centre, int side, int limit) {
    if (side >= limit)
        return -((side - limit) / 2);
    int at = (int)floorf(centre - 0.5f * (float)side + 0.5f);
    return at < 0 ? 0 : at > limit - side ? limit - side : at;
}

static rectangle square(const hoi_image *image, const float box[4], float margin, int minimum) {
    float w = (float)image->width, h = (float)image->height;
    float x1 = fminf(fmaxf(box[0], 0), w), x2 = fminf(fmaxf(box[2], 0), w);
    float y1 = fminf(fmaxf(box[1], 0), h), y2 = fminf(fmaxf(box[3], 0), h);
    float longer = fmaxf(x2 - x1, y2 - y1);
    float wanted = fmaxf(floorf(margin * longer + 0.5f), (float)minimum);
    float most = fmaxf(fminf(w, h), ceilf(longer));
    int side = (int)fmaxf(fminf(wanted, most), 1);
    return (rectangle){begin(0.5f * (x1 + x2), side, image->width),
                       begin(0.5f * (y1 + y2), side, image->height), side, side};
}

hoi_image *hoi_image_crop_square(const hoi_image *image, const float box[4], float margin,
                                 int minimum) {
    if (!check_box(box))
        return NULL;
    if (!(margin > 0)) {
        hoi_fail("image: margin %g: a factor above 0 expected", (double)margin);
        return NULL;
    }
    return cut(image, square(image, box, margin, minimum));
}

/* ------------------------------------------------------------------ normalise */

static bool check_preprocess(const hoi_preprocess *p) {
    if (p->size < 1 || p->size > side_limit)
        return hoi_fail("image: preprocess: size %d, 1 to %d expected", p->size, side_limit);
    for (int c = 0; c < 3; c++)
        if (!(p->std[c] > 0))
            return hoi_fail("image: preprocess: std %g, a number above 0 expected",
                            (double)p->std[c]);
    return true;
}

/* out: (3, pixels). float32 in torchvision's order, so that no bit differs. */
static void normalize(const hoi_image *image, const hoi_preprocess *p, float *out) {
    size_t pixels = (size_t)image->width * (size_t)image->height;
    for (size_t c = 0; c < 3; c++) {
        float table[256];
        for (int v = 0; v < 256; v++)
            table[v] = ((float)v / 255.0f - p->mean[c]) / p->std[c];
        for (size_t i = 0; i < pixels; i++)
            out[c * pixels + i] = table[image->rgb[i * 3 + c]];
    }
}

bool hoi_image_preprocess(const hoi_image *image, const hoi_preprocess *p, float *out) {
    if (!check_preprocess(p))
        return false;
    if (p->pad)
        return hoi_image_preprocess_square(image, p, out);
    int64_t w = image->width, h = image->height, size = p->size;
    int width = (int)(p->warp || w <= h ? size : (int64_t)((double)(size * w) / (double)h));
    int height = (int)(p->warp || h <= w ? size : (int64_t)((double)(size * h) / (double)w));
    rectangle centre = {(int)rint((width - p->size) / 2.0), (int)rint((height - p->size) / 2.0),
                        p->size, p->size};
    hoi_image *seen = resample(image, width, height, centre);
    if (seen)
        normalize(seen, p, out);
    hoi_image_free(seen);
    return seen != NULL;
}

bool hoi_image_crop_preprocess(const hoi_image *image, int count, const float *boxes, float margin,
                               int minimum, const hoi_preprocess *p, float *out) {
    if (!check_preprocess(p))
        return false;
    size_t step = 3 * (size_t)p->size * (size_t)p->size;
    for (int i = 0; i < count; i++, boxes += 4, out += step) {
        hoi_image *part = hoi_image_crop_square(image, boxes, margin, minimum);
        hoi_image *seen = part ? hoi_image_resize(part, p->size, p->size) : NULL;
        if (seen)
            normalize(seen, p, out);
        hoi_image_free(part);
        hoi_image_free(seen);
        if (!seen)
            return false;
    }
    return true;
}
