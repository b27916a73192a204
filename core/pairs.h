/* pairs: from the boxes of a detector to (human, object) pairs: suppression, selection, union
   boxes, spatial code, the prior of each pair over the targets, and labels from a ground truth.
   Boxes are x1, y1, x2, y2 in pixels of one picture; labels and targets are positions from 0 in
   tables of the caller: no table is known here. */
#ifndef HOI_PAIRS_H
#define HOI_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

enum { hoi_spatial_width = 36 }; /* numbers of a spatial code */

/* What a detector found in one picture. Borrowed. */
typedef struct hoi_detections {
    int count;
    const float *boxes;         /* (count, 4) */
    const float *scores;        /* (count), 0 .. 1 */
    const int *labels;          /* (count) */
    const unsigned char *human; /* (count), 1 for a person */
} hoi_detections;

/* How instances are chosen; hoi_pairs_defaults gives the field's values: 0.2, 0.5, 3, 15. */
typedef struct hoi_pairs_options {
    float score_threshold; /* instances below it are dropped, unless too few are left */
    float nms_threshold;   /* of two boxes of one label that overlap more the better is kept */
    int min_instances; /* the best of humans, and as many of objects, kept whatever their scores */
    int max_instances; /* at most so many humans, and as many objects, are kept */
} hoi_pairs_options;

/* The pairs of one picture. Instances: humans first, then objects, each by falling score. */
typedef struct hoi_pairs {
    int instances;
    int humans;    /* instances 0 .. humans - 1 are human */
    int *kept;     /* (instances) places among the detections: features are asked for by these */
    float *boxes;  /* (instances, 4) */
    float *scores; /* (instances) */
    int *labels;   /* (instances) */
    int count;     /* pairs: each human with each other instance, the human changing more slowly */
    int *human;    /* (count) instance */
    int *object;   /* (count) instance; may be a human too */
    float *unions; /* (count, 4) the smallest box around both */
} hoi_pairs;

hoi_pairs_options hoi_pairs_defaults(void);

/* Gets the intersection over union of two boxes, edges as they are (no pixel added); 0 when both
   are empty. */
double hoi_box_iou(const float a[4], const float b[4]);

/* Gets the pairs of a picture (the rule of UPT and EZ-HOI): suppression within each label; then of
   the humans and of the others those with a score of at least score_threshold, but the best
   min_instances of all when these are fewer, and the best max_instances when these are more. Equal
   scores keep the detector's order. No human or nothing else: 0 pairs. NULL after hoi_fail: a box
   that is not finite or turned inside out, a score outside 0 .. 1, wrong options, no memory.
   Dropped with hoi_pairs_free. */
hoi_pairs *hoi_pairs_new(const hoi_detections *detections, const hoi_pairs_options *options);
void hoi_pairs_free(hoi_pairs *pairs); /* NULL is fine */

/* Writes the spatial code of each pair to code (count, 36): UPT's 18 numbers (centres 4, widths and
   heights 4, areas 2, area ratio, aspect ratios 2, IoU, signed distances 4: human first, relative
   to the picture or the human), then their logarithms. width and height of the picture in pixels,
   above 0. Always finite. */
void hoi_pairs_spatial(const hoi_pairs *pairs, double width, double height, float *code);

/* Writes the prior (count, targets): (human score * object score)^power where the object's label
   fits the target, else 0. fits (labels, targets): 1 where a target may have an object of that
   label. */
void hoi_pairs_prior(const hoi_pairs *pairs, const unsigned char *fits, int targets, double power,
                     float *prior);

/* Annotated interactions of one picture. Borrowed. */
typedef struct hoi_interactions {
    int count;
    const float *human;           /* (count, 4) */
    const float *object;          /* (count, 4) */
    const unsigned char *targets; /* (count, targets), 1 for each target it is one of */
} hoi_interactions;

/* Writes labels (count, targets): 1 where both boxes of the pair overlap those of an interaction of
   that target with an IoU of at least `iou`, else 0. A pair may have many; object names are not
   compared (as UPT and EZ-HOI do). */
void hoi_pairs_truth(const hoi_pairs *pairs, const hoi_interactions *truth, int targets, double iou,
                     float *labels);

#endif
