/* image_resize: pictures of another size, as Pillow makes them. */
#include "core/error.h"
#include "core/image.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

/* Both passes blend rows, which is what vectors are good at: the picture lies on its side during the
   horizontal one. */
hoi_image *hoi_image_resize_part(const hoi_image *image, int width, int height,
                                 hoi_rectangle part) {
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
    if (width < 1 || height < 1 || width > hoi_image_side || height > hoi_image_side) {
        hoi_fail("image: resize to %d x %d pixels: 1 to %d a side expected", width, height,
                 hoi_image_side);
        return NULL;
    }
    return hoi_image_resize_part(image, width, height, (hoi_rectangle){0, 0, width, height});
}
