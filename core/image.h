/* image: pictures of 8-bit RGB: decode, encode, resize, crop, normalise for a tower.
   An image is shared between threads only for reading. A box is {x1, y1, x2, y2}, floats in pixels
   of the picture. */
#ifndef HOI_IMAGE_H
#define HOI_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

/* The most pixels a side has, and a picture. */
enum { hoi_image_side = 32767, hoi_image_pixels = 1 << 27 };

/* rgb: (height, width, 3), row-major. */
typedef struct hoi_image {
    int width, height;
    unsigned char *rgb;
} hoi_image;

/* A part of a picture; it may reach beyond it. */
typedef struct hoi_rectangle {
    int x, y, width, height;
} hoi_rectangle;

/* What a tower wants to see: (3, size, size) of (value / 255 - mean) / std. With warp the picture
   is resized straight to size x size; with pad it is filled up to a square, as
   hoi_image_preprocess_square does; else its short side becomes `size` and the centre is cut. */
typedef struct hoi_preprocess {
    int size;
    bool warp;
    float mean[3], std[3];
    bool pad;
} hoi_preprocess;

/* Tells whether a picture can have this size: at least a pixel, at most what stands above. */
bool hoi_image_possible(int width, int height);

/* Makes a black picture. Fails where its size is not possible, here and in every function below. */
hoi_image *hoi_image_new(int width, int height);
void hoi_image_free(hoi_image *image);

/* Reads a JPEG, PNG, BMP, GIF (first frame) or TGA file as Pillow's convert("RGB") does: grey is
   repeated, palettes are looked up, alpha is dropped, of 16 bits the upper 8 stay. A JPEG is turned
   the way its camera was held (core/exif.h). A truncated file fails, and one that has fewer bytes
   than its pixels take at the least: a few bytes can not ask for much time or memory. */
hoi_image *hoi_image_load(const char *path);

/* The same from the n bytes of such a file. */
hoi_image *hoi_image_load_memory(const void *bytes, size_t n);

/* The same, but a JPEG's pixels stay where they are stored, which is where most data sets count
   them. */
hoi_image *hoi_image_load_stored(const char *path);

/* Writes a .png, .jpg or .jpeg file, first under a temporary name: nobody sees half a picture. */
bool hoi_image_save(const hoi_image *image, const char *path);

/* Gets the bytes of a file of the kind "png" or "jpeg"; the caller frees them. quality: of a JPEG,
   1 to 100; above 90 its colours keep their full resolution. */
bool hoi_image_encode(const hoi_image *image, const char *kind, int quality, unsigned char **bytes,
                      size_t *n);

/* Resizes with Pillow's antialiased bicubic filter (a = -0.5, its support widened when shrinking),
   equal to the byte: horizontal, then vertical, rounded to 8 bits in between, weights of 22
   fraction bits. (Pillow 13, unlike all before, begins with the vertical pass where that is
   cheaper; CLIP saw what we do.) */
hoi_image *hoi_image_resize(const hoi_image *image, int width, int height);

/* The same, one part of it, which lies inside; nothing outside of the part is computed. */
hoi_image *hoi_image_resize_part(const hoi_image *image, int width, int height, hoi_rectangle part);

/* Cuts out a box, its edges rounded to whole pixels (half to even); what lies outside the picture
   is black. */
hoi_image *hoi_image_crop(const hoi_image *image, const float box[4]);

/* Cuts out a square around a box: side = margin x the box's longer side, at least `minimum` pixels,
   moved inside the picture. Where it does not fit, the margin gives way first (down to the
   picture's smaller side); a box longer than that side keeps its square, filled up with black.
   Parts of the box outside the picture do not count. */
hoi_image *hoi_image_crop_square(const hoi_image *image, const float box[4], float margin,
                                 int minimum);

/* Writes the picture as a tower wants it, out: (3, size, size). Equal to torchvision's Resize
   (bicubic, on a Pillow picture), CenterCrop, ToTensor, Normalize: long side = int(size * long /
   short), offsets rounded half to even. */
bool hoi_image_preprocess(const hoi_image *image, const hoi_preprocess *preprocess, float *out);

/* The same for a tower that wants `pad`: filled up with grey (0.5) on the right or below to a
   square, then resized as OWLv2's authors do (scikit-image: a Gaussian against aliasing, linear
   interpolation), without rounding in between. */
bool hoi_image_preprocess_square(const hoi_image *image, const hoi_preprocess *preprocess,
                                 float *out);

/* Writes the squares around several boxes (see hoi_image_crop_square), each resized and normalised.
   boxes: (count, 4), out: (count, 3, size, size). */
bool hoi_image_crop_preprocess(const hoi_image *image, int count, const float *boxes, float margin,
                               int minimum, const hoi_preprocess *preprocess, float *out);

#endif
