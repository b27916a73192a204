/* augment: how a training picture is changed: mirrored, its colours shifted, resized, a part of it
   cut out; and where its boxes go. What happens is drawn from counters: the same for the same
   (seed, epoch, picture), whatever the order and the number of threads. */
#ifndef HOI_AUGMENT_H
#define HOI_AUGMENT_H

#include "core/image.h"

#include <stdint.h>

/* What may happen; hoi_augment_defaults gives DETR's values for interactions (UPT, EZ-HOI). The
   lengths are published for a greatest short side of 800: short sides 480, 512, .. 800, long side
   at most 1333; before a part is cut out short sides 400, 500, 600, the part's sides 384 to 600.
   With another `side` they keep their proportions. */
typedef struct hoi_augment {
    float flip;   /* probability of the mirror image: 0.5 */
    float jitter; /* most that brightness, contrast and saturation change: factors within 1 - 0.4
                     and 1 + 0.4, in random order; 0: colours stay */
    float crop;   /* probability that a part is cut out: 0.5 */
    int side;     /* greatest short side: 800 */
    bool resize;  /* true; false: the same parts, in the picture's own resolution */
} hoi_augment;

/* What happens to one picture, in this order: mirror, colours, resize to `between`, cut out `part`
   (where cropped), resize to width x height. */
typedef struct hoi_augmentation {
    int original_width, original_height;
    bool mirrored, cropped;
    int order[3];     /* 0 brightness, 1 contrast, 2 saturation: which comes first, .. */
    float factors[3]; /* of the three, 1: as it is */
    int between_width, between_height;
    int left, top, part_width, part_height; /* in the picture of that size */
    int width, height;
} hoi_augmentation;

hoi_augment hoi_augment_defaults(void);

/* Draws what happens to a picture of this size. */
hoi_augmentation hoi_augment_draw(const hoi_augment *augment, uint64_t seed, uint64_t epoch,
                                  uint64_t picture, int width, int height);

/* Gets what happens at testing: resized to short side `side`, long side at most side * 1333 / 800;
   with `resize` false nothing. */
hoi_augmentation hoi_augment_nothing(const hoi_augment *augment, int width, int height);

/* Gets the changed picture; colours as Pillow's ImageEnhance, equal to the byte. NULL after
   hoi_fail. Dropped with hoi_image_free. */
hoi_image *hoi_augment_image(const hoi_augmentation *what, const hoi_image *image);

/* Writes where a box of the original lies in the changed picture; clipped to it when a part was cut
   out. False when nothing of it is left. */
bool hoi_augment_box(const hoi_augmentation *what, const float box[4], float out[4]);

/* Tells whether an annotated pair survives. Boxes are those hoi_augment_box wrote. A pair stays
   when something is left of both boxes; `quirk`: the published test instead, which takes the edges
   of both boxes together (human's right and lower edge beyond the object's left and upper, and the
   object not empty). Nothing is lost without cutting. */
bool hoi_augment_keeps(const hoi_augmentation *what, const float human[4], const float object[4],
                       bool quirk);

#endif
