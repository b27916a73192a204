/* image_square: pictures as OWLv2 sees them: filled up with grey to a square, blurred where they
   shrink, sampled linearly. All of it is linear and works alike on rows and columns, so each output
   is a few weighted inputs of one table. */
#include "core/error.h"
#include "core/image.h"

#include <math.h>
#include <stdlib.h>

static const double grey = 0.5;

/* For each output: the first input it is made of, and `width` weights from there on. */
typedef struct blend {
    int width;
    int *first;
    double *weights; /* (outputs, width) */
} blend;

static void blend_free(blend *b) {
    free(b->first);
    free(b->weights);
}

/* Gets where a place beyond the ends is mirrored to: 1 for -1, n - 2 for n. */
static int mirrored(int at, int n) {
    if (n == 1)
        return 0;
    int period = 2 * (n - 1), rest = at % period;
    rest = rest < 0 ? rest + period : rest;
    return rest < n ? rest : period - rest;
}

/* Makes the table of `out` outputs of `in` inputs, as scikit-image's resize with anti-aliasing
   does: a Gaussian of (in / out - 1) / 2 cut at four of them, then linear interpolation. */
static bool blend_make(blend *b, int in, int out) {
    double factor = (double)in / out, sigma = fmax(0, (factor - 1) / 2);
    int radius = (int)(4 * sigma + 0.5), taps = 2 * radius + 1;
    int width = taps + 3 < in ? taps + 3 : in;
    double *gauss = malloc((size_t)taps * sizeof *gauss), sum = 0;
    *b = (blend){width, malloc((size_t)out * sizeof *b->first),
                 calloc((size_t)out * (size_t)width, sizeof *b->weights)};
    if (!gauss || !b->first || !b->weights) {
        free(gauss);
        blend_free(b);
        return hoi_fail("image: no memory to resize");
    }
    for (int k = -radius; k <= radius; k++)
        sum += gauss[k + radius] = radius ? exp(-0.5 * k * k / (sigma * sigma)) : 1;
    for (int i = 0; i < out; i++) {
        double at = (i + 0.5) * factor - 0.5, below = floor(at);
        int first = (int)below - radius - 1;
        first = first > in - width ? in - width : first;
        b->first[i] = first = first < 0 ? 0 : first;
        for (int side = 0; side < 2; side++) {
            double share = side ? at - below : 1 - (at - below);
            int centre = mirrored((int)below + side, in); /* the blurred pixel that is sampled */
            for (int k = -radius; k <= radius; k++)
                b->weights[i * width + mirrored(centre + k, in) - first] +=
                    share * gauss[k + radius] / sum;
        }
    }
    free(gauss);
    return true;
}

bool hoi_image_preprocess_square(const hoi_image *image, const hoi_preprocess *p, float *out) {
    int side = image->width > image->height ? image->width : image->height, size = p->size;
    size_t row = (size_t)size * 3, plane = (size_t)size * (size_t)size;
    blend b;
    if (!blend_make(&b, side, size))
        return false;
    double *narrow = malloc((size_t)image->height * row * sizeof *narrow); /* (height, size, 3) */
    if (!narrow) {
        blend_free(&b);
        return hoi_fail("image: no memory to resize");
    }
    for (int y = 0; y < image->height; y++)
        for (int i = 0; i < size; i++) {
            const double *weights = b.weights + (size_t)i * (size_t)b.width;
            const unsigned char *pixel =
                image->rgb + ((size_t)y * (size_t)image->width + (size_t)b.first[i]) * 3;
            double sums[3] = {0}, rest = 0;
            for (int k = 0; k < b.width; k++) {
                if (b.first[i] + k >= image->width)
                    rest += weights[k];
                else
                    for (int c = 0; c < 3; c++)
                        sums[c] += weights[k] * pixel[3 * k + c] / 255;
            }
            for (int c = 0; c < 3; c++)
                narrow[(size_t)y * row + (size_t)i * 3 + (size_t)c] = sums[c] + rest * grey;
        }
    for (int j = 0; j < size; j++) {
        const double *weights = b.weights + (size_t)j * (size_t)b.width;
        for (size_t i = 0; i < row; i++) {
            double sum = 0;
            for (int k = 0; k < b.width; k++) {
                int y = b.first[j] + k;
                sum += weights[k] * (y < image->height ? narrow[(size_t)y * row + i] : grey);
            }
            out[i % 3 * plane + (size_t)j * (size_t)size + i / 3] =
                (float)((sum - (double)p->mean[i % 3]) / (double)p->std[i % 3]);
        }
    }
    free(narrow);
    blend_free(&b);
    return true;
}
