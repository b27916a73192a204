/* image: the memory of pictures, crops, pictures as a tower wants them. */
#include "core/image.h"

#include "core/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ memory */

bool hoi_image_possible(int width, int height) {
    return width >= 1 && height >= 1 && width <= hoi_image_side && height <= hoi_image_side &&
           (int64_t)width * height <= hoi_image_pixels;
}

hoi_image *hoi_image_new(int width, int height) {
    if (!hoi_image_possible(width, height)) {
        hoi_fail("image: %d x %d pixels: 1 to %d a side and at most %d in all are possible", width,
                 height, hoi_image_side, hoi_image_pixels);
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

/* ------------------------------------------------------------------ crop */

static hoi_image *cut(const hoi_image *image, hoi_rectangle r) {
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
    return cut(image, (hoi_rectangle){x, y, (int)rintf(box[2]) - x, (int)rintf(box[3]) - y});
}

/* Gets where a side begins: centred, moved inside 0 .. limit; on both sides of it when it is longer
   than that. */
static int begin(float centre, int side, int limit) {
    if (side >= limit)
        return -((side - limit) / 2);
    int at = (int)floorf(centre - 0.5f * (float)side + 0.5f);
    return at < 0 ? 0 : at > limit - side ? limit - side : at;
}

static hoi_rectangle square(const hoi_image *image, const float box[4], float margin, int minimum) {
    float w = (float)image->width, h = (float)image->height;
    float x1 = fminf(fmaxf(box[0], 0), w), x2 = fminf(fmaxf(box[2], 0), w);
    float y1 = fminf(fmaxf(box[1], 0), h), y2 = fminf(fmaxf(box[3], 0), h);
    float longer = fmaxf(x2 - x1, y2 - y1);
    float wanted = fmaxf(floorf(margin * longer + 0.5f), (float)minimum);
    float most = fmaxf(fminf(w, h), ceilf(longer));
    int side = (int)fmaxf(fminf(wanted, most), 1);
    return (hoi_rectangle){begin(0.5f * (x1 + x2), side, image->width),
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
    if (p->size < 1 || p->size > hoi_image_side)
        return hoi_fail("image: preprocess: size %d, 1 to %d expected", p->size, hoi_image_side);
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
    hoi_rectangle centre = {(int)rint((width - p->size) / 2.0), (int)rint((height - p->size) / 2.0),
                            p->size, p->size};
    hoi_image *seen = hoi_image_resize_part(image, width, height, centre);
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
