/* metric: average precision of detected interactions (HICO-DET's) and of detected boxes, one class
   at a time. A meter is fed picture by picture, in any order, and can be read at any time. */
#ifndef HOI_METRIC_H
#define HOI_METRIC_H

#include <stdbool.h>

/* What is measured. A detection and a truth have one box, or two: the human's, then the object's;
   their overlap is the IoU of the box, or the smaller of the two IoUs (edges as they are, no pixel
   added).
   - hoi_measure_interactions (two boxes; HICO-DET as UPT, EZ-HOI and their kin measure it): each
     detection belongs to the truth of its picture and class that it overlaps most; the best
     detection of those that overlap their truth by more than the threshold is right, all else is
     wrong. AP = the mean, over recall 0, 0.1, .. 1, of the greatest precision at that recall or
     above. (Recalls are compared as fractions: 3 of 10 is 0.3.)
   - hoi_measure_published: the same with recalls as the published code compares them, in doubles
     with 3 x 0.1, which is a little more than 3 / 10: a recall of just 0.3 misses it.
   - hoi_measure_boxes (one box; COCO and VOC 2010): by falling score each detection takes the free
     truth it overlaps most, by at least the threshold; one that finds none is wrong. AP = the area
     under the precision's envelope.
   Equal scores, or overlaps: what was added first comes first. */
typedef enum hoi_measure {
    hoi_measure_interactions,
    hoi_measure_published,
    hoi_measure_boxes
} hoi_measure;

typedef struct hoi_meter hoi_meter;

/* Gets an empty meter. classes > 0. objects (classes): the object of each class as any number of
   the caller's, -1 for a class without one; NULL when known_object is never asked for; copied.
   iou_threshold: 0 to 1, 0.5 in all papers. NULL after hoi_fail. Dropped with hoi_meter_free. */
hoi_meter *hoi_meter_new(hoi_measure measure, int classes, const int *objects,
                         double iou_threshold);
void hoi_meter_free(hoi_meter *meter); /* NULL is fine */

/* Adds a true interaction or box. image: any number >= 0 that stands for the picture. boxes: 4 or 8
   numbers. False after hoi_fail: class out of range, box not finite or turned inside out, no
   memory. */
bool hoi_meter_truth(hoi_meter *meter, int image, int class, const float *boxes);

/* Adds a detection, as above; its score may be any finite number. */
bool hoi_meter_add(hoi_meter *meter, int image, int class, double score, const float *boxes);

/* Gets how many classes there are. */
int hoi_meter_classes(const hoi_meter *meter);

/* Gets how many truths of the class were added. 0 for a class out of range. */
int hoi_meter_truths(const hoi_meter *meter, int class);

/* Gets the average precision of a class in 0 .. 1: NaN for a class without truth, 0 for one without
   detections. With known_object only the pictures count in which a class of the same object has a
   truth (HICO-DET's "known object"); a class without object counts everywhere. False after
   hoi_fail: class out of range, known_object without objects, no memory. */
bool hoi_meter_average_precision(hoi_meter *meter, int class, bool known_object, double *value);

#endif
