/* augment: draws with counters, Pillow's colour operations, resizing by core/image. */
#include "core/augment.h"

#include "core/random.h"

#include <math.h>
#include <string.h>

hoi_augment hoi_augment_defaults(void) {
    return (hoi_augment){.flip = 0.5f, .jitter = 0.4f, .crop = 0.5f, .side = 800, .resize = true};
}

/* ------------------------------------------------------------------ sizes */

/* A length that is published for a side of 800. */
static int scaled(const hoi_augment *augment, int length) {
    int value = (int)rint((double)length * augment->side / 800);
    return value < 1 ? 1 : value;
}

/* Gives the short side this length, the long one at most `most`; DETR's arithmetic. */
static void fit(int side, int most, int *width, int *height) {
    int w = *width, h = *height;
    double shorter = w < h ? w : h, longer = w < h ? h : w;
    if (longer / shorter * side > most)
        side = (int)rint(most * shorter / longer);
    side = side < 1 ? 1 : side;
    if ((w <= h && w == side) || (h <= w && h == side))
        return;
    *width = w < h ? side : (int)((double)side * w / h);
    *height = w < h ? (int)((double)side * h / w) : side;
}

static hoi_augmentation untouched(int width, int height) {
    return (hoi_augmentation){.original_width = width,
                              .original_height = height,
                              .order = {0, 1, 2},
                              .factors = {1, 1, 1},
                              .between_width = width,
                              .between_height = height,
                              .part_width = width,
                              .part_height = height,
                              .width = width,
                              .height = height};
}

hoi_augmentation hoi_augment_nothing(const hoi_augment *augment, int width, int height) {
    hoi_augmentation what = untouched(width, height);
    if (augment->resize)
        fit(augment->side, scaled(augment, 1333), &what.width, &what.height);
    return what;
}

/* ------------------------------------------------------------------ drawing */

static int one_of(hoi_random *r, int first, int last) {
    return first + (last > first ? (int)hoi_random_below(r, (uint32_t)(last - first + 1)) : 0);
}

static void draw_colours(hoi_random *r, float jitter, hoi_augmentation *what) {
    for (uint32_t i = 2; i > 0; i--) {
        uint32_t k = hoi_random_below(r, i + 1);
        int first = what->order[i];
        what->order[i] = what->order[k];
        what->order[k] = first;
    }
    for (int i = 0; i < 3; i++)
        what->factors[i] = hoi_random_range(r, fmaxf(1 - jitter, 0), 1 + jitter);
}

static void draw_part(hoi_random *r, const hoi_augment *augment, hoi_augmentation *what) {
    static const int sides[3] = {400, 500, 600};
    int *width = &what->between_width, *height = &what->between_height;
    fit(scaled(augment, sides[hoi_random_below(r, 3)]), 32767, width, height);
    int least = scaled(augment, 384), most = scaled(augment, 600);
    int narrow = *width < least ? *width : least, low = *height < least ? *height : least;
    what->cropped = true;
    what->part_width = one_of(r, narrow, *width < most ? *width : most);
    what->part_height = one_of(r, low, *height < most ? *height : most);
    what->left = one_of(r, 0, *width - what->part_width);
    what->top = one_of(r, 0, *height - what->part_height);
}

/* Gets a place in the picture as it was for one in the picture in between. */
static int back(int place, int between, int original) {
    return (int)rint((double)place * original / between);
}

/* Says the same in the picture's own resolution. */
static void keep_resolution(hoi_augmentation *what) {
    int w = what->original_width, h = what->original_height;
    int right = back(what->left + what->part_width, what->between_width, w);
    int bottom = back(what->top + what->part_height, what->between_height, h);
    what->left = back(what->left, what->between_width, w);
    what->top = back(what->top, what->between_height, h);
    right += right == what->left && right < w; /* at least a pixel stays */
    bottom += bottom == what->top && bottom < h;
    what->left -= right == what->left;
    what->top -= bottom == what->top;
    what->width = what->part_width = right - what->left;
    what->height = what->part_height = bottom - what->top;
    what->between_width = w;
    what->between_height = h;
}

hoi_augmentation hoi_augment_draw(const hoi_augment *augment, uint64_t seed, uint64_t epoch,
                                  uint64_t picture, int width, int height) {
    hoi_augmentation what = untouched(width, height);
    hoi_random r = hoi_random_stream(seed, picture, epoch);
    what.mirrored = hoi_random_unit(&r) < augment->flip;
    draw_colours(&r, augment->jitter, &what);
    bool part = hoi_random_unit(&r) < augment->crop;
    int side = scaled(augment, 480 + 32 * one_of(&r, 0, 10));
    if (part)
        draw_part(&r, augment, &what);
    if (!augment->resize) {
        keep_resolution(&what);
        return what;
    }
    what.width = what.part_width;
    what.height = what.part_height;
    fit(side, scaled(augment, 1333), &what.width, &what.height);
    return what;
}

/* ------------------------------------------------------------------ pixels */

/* Pillow's ImagingBlend of a value and what it fades to (factor 0), as bytes. */
static unsigned char fade(int plain, int value, float factor) {
    float mixed = (float)plain + factor * (float)(value - plain);
    return (unsigned char)(mixed <= 0 ? 0 : mixed >= 255 ? 255 : mixed);
}

/* Pillow's grey of a pixel. */
static int grey(const unsigned char *rgb) {
    return (int)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static void shift_colours(hoi_image *image, int kind, float factor) {
    size_t pixels = (size_t)image->width * (size_t)image->height;
    uint64_t sum = 0;
    for (size_t i = 0; kind == 1 && i < pixels; i++)
        sum += (uint64_t)grey(image->rgb + 3 * i);
    int mean = (int)((double)sum / (double)pixels + 0.5);
    for (size_t i = 0; i < pixels; i++) {
        unsigned char *rgb = image->rgb + 3 * i;
        int plain = kind == 0 ? 0 : kind == 1 ? mean : grey(rgb);
        for (int c = 0; c < 3; c++)
            rgb[c] = fade(plain, rgb[c], factor);
    }
}

static void mirror(hoi_image *image) {
    for (int y = 0; y < image->height; y++) {
        unsigned char *row = image->rgb + 3 * (size_t)y * (size_t)image->width;
        for (int left = 0, right = image->width - 1; left < right; left++, right--) {
            unsigned char pixel[3];
            memcpy(pixel, row + 3 * left, 3);
            memcpy(row + 3 * left, row + 3 * right, 3);
            memcpy(row + 3 * right, pixel, 3);
        }
    }
}

/* Goes on with `next` in place of `image`, which is dropped. */
static hoi_image *replace(hoi_image *image, hoi_image *next) {
    hoi_image_free(image);
    return next;
}

hoi_image *hoi_augment_image(const hoi_augmentation *what, const hoi_image *image) {
    hoi_image *now = hoi_image_new(image->width, image->height);
    if (!now)
        return NULL;
    memcpy(now->rgb, image->rgb, (size_t)image->width * (size_t)image->height * 3);
    if (what->mirrored)
        mirror(now);
    for (int i = 0; i < 3; i++)
        if (what->factors[what->order[i]] != 1)
            shift_colours(now, what->order[i], what->factors[what->order[i]]);
    if (what->between_width != now->width || what->between_height != now->height)
        now = replace(now, hoi_image_resize(now, what->between_width, what->between_height));
    if (now && what->cropped) {
        float left = (float)what->left, top = (float)what->top;
        now = replace(now, hoi_image_crop(now, (float[]){left, top, left + (float)what->part_width,
                                                         top + (float)what->part_height}));
    }
    if (now && (what->width != now->width || what->height != now->height))
        now = replace(now, hoi_image_resize(now, what->width, what->height));
    return now;
}

/* ------------------------------------------------------------------ boxes */

static float clipped(double value, double most) {
    return (float)(value < 0 ? 0 : value > most ? most : value);
}

bool hoi_augment_box(const hoi_augmentation *what, const float box[4], float out[4]) {
    double right = what->original_width, edges[4] = {box[0], box[1], box[2], box[3]};
    if (what->mirrored) {
        edges[0] = right - (double)box[2];
        edges[2] = right - (double)box[0];
    }
    for (int k = 0; k < 4; k++) {
        bool across = k % 2 == 0;
        double original = across ? what->original_width : what->original_height;
        double between = across ? what->between_width : what->between_height;
        double part = across ? what->part_width : what->part_height;
        double final = across ? what->width : what->height;
        double value =
            (edges[k] * between / original - (across ? what->left : what->top)) * (final / part);
        out[k] = what->cropped ? clipped(value, final) : (float)value;
    }
    return out[2] > out[0] && out[3] > out[1];
}

bool hoi_augment_keeps(const hoi_augmentation *what, const float human[4], const float object[4],
                       bool quirk) {
    if (!what->cropped)
        return true;
    for (int k = 0; k < 2; k++) {
        bool human_left = quirk ? human[k + 2] > object[k] : human[k + 2] > human[k];
        if (!human_left || !(object[k + 2] > object[k]))
            return false;
    }
    return true;
}
