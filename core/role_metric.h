/* role_metric: V-COCO's role average precision, one column at a time; a column is an action with
   one of its roles ("hit" with an instrument, "hit" with an object). A meter is fed picture by
   picture, in any order, and can be read at any time. */
#ifndef HOI_ROLE_METRIC_H
#define HOI_ROLE_METRIC_H

#include <stdbool.h>

typedef struct hoi_role_meter hoi_role_meter;

/* Gets an empty meter. columns > 0. iou_threshold: 0 to 1, 0.5 in all papers. NULL after hoi_fail.
   Dropped with hoi_role_meter_free. */
hoi_role_meter *hoi_role_meter_new(int columns, double iou_threshold);
void hoi_role_meter_free(hoi_role_meter *meter); /* NULL is fine */

/* Adds a person of a picture (any number >= 0). annotated: whether somebody has looked at what this
   one does; detections nearest to one nobody has looked at do not count. Writes the person's
   number. False after hoi_fail: box not finite or turned inside out, no memory. */
bool hoi_role_meter_person(hoi_role_meter *meter, int image, const float box[4], bool annotated,
                           int *person);

/* Says that the person does a column's action; role: the box of what it is done with, NULL where
   there is none (or none was seen). False after hoi_fail. */
bool hoi_role_meter_does(hoi_role_meter *meter, int person, int column, const float *role);

/* Adds a detection; role NULL: it says that there is no object. The score may be any finite
   number. False after hoi_fail. */
bool hoi_role_meter_add(hoi_role_meter *meter, int image, int column, double score,
                        const float human[4], const float *role);

/* Gets how many people do the column's action. 0 for a column out of range. */
int hoi_role_meter_truths(const hoi_role_meter *meter, int column);

/* Gets the average precision of a column in 0 .. 1: NaN where nobody does its action. Each
   detection belongs to the person of its picture that it overlaps most (sides are one pixel longer
   than the boxes say: corners are pixels); by falling score it is right when that person does the
   action, both boxes overlap by at least the threshold and no better one was right of this person.
   Where the person's role has no box scenario 1 wants a detection without an object (or with a box
   of zeros), scenario 2 takes any. In a picture without people all is wrong. AP = the area under
   the precision's envelope. Equal scores: what was added first comes first.
   defaults: each detection of another column counts too, with score 0 and role {0, 0, .1, .1}, as
   in the published exports of one row per pair and action. False after hoi_fail: column or scenario
   out of range, no memory. */
bool hoi_role_meter_average_precision(hoi_role_meter *meter, int column, int scenario,
                                      bool defaults, double *value);

#endif
