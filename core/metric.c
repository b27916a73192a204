/* metric: keeps truths and detections sorted by class; matches and integrates when a class is asked
   for. */
#include "core/metric.h"

#include "core/error.h"
#include "core/pairs.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    double score; /* of a detection */
    size_t order; /* place in which it was added: settles ties */
    int image, class;
    float boxes[8];
};

/* Entries in the order of adding, or sorted by class; `sorted` is cleared by adding. */
struct list {
    struct entry *entries;
    size_t count, capacity;
    bool sorted;
};

/* A picture that holds a truth of an object. */
struct presence {
    int object, image;
};

struct hoi_meter {
    hoi_measure measure;
    double iou_threshold;
    int classes, box_count;
    int *objects;     /* (classes) or NULL */
    int *truth_count; /* (classes) */
    struct list truths, detections;
    struct presence *presences; /* sorted; made when known_object is asked for */
    size_t presence_count;
    size_t presence_truths; /* of so many truths: with more there are, presences are stale */
};

/* ------------------------------------------------------------------ adding */

hoi_meter *hoi_meter_new(hoi_measure measure, int classes, const int *objects,
                         double iou_threshold) {
    if (classes < 1) {
        hoi_fail("meter: %d classes, at least 1 wanted", classes);
        return NULL;
    }
    if (!(iou_threshold >= 0 && iou_threshold <= 1)) {
        hoi_fail("meter: iou_threshold is %g, 0 to 1 wanted", iou_threshold);
        return NULL;
    }
    hoi_meter *meter = calloc(1, sizeof *meter);
    int *truth_count = calloc((size_t)classes, sizeof *truth_count);
    int *copy = objects ? malloc((size_t)classes * sizeof *copy) : NULL;
    if (!meter || !truth_count || (objects && !copy)) {
        hoi_fail("meter: no memory for %d classes", classes);
        free(meter);
        free(truth_count);
        free(copy);
        return NULL;
    }
    if (objects)
        memcpy(copy, objects, (size_t)classes * sizeof *copy);
    *meter = (hoi_meter){.measure = measure,
                         .iou_threshold = iou_threshold,
                         .classes = classes,
                         .box_count = measure == hoi_measure_boxes ? 1 : 2,
                         .objects = copy,
                         .truth_count = truth_count};
    return meter;
}

void hoi_meter_free(hoi_meter *meter) {
    if (!meter)
        return;
    free(meter->objects);
    free(meter->truth_count);
    free(meter->truths.entries);
    free(meter->detections.entries);
    free(meter->presences);
    free(meter);
}

static bool check_class(const hoi_meter *meter, int class) {
    if (class < 0 || class >= meter->classes)
        return hoi_fail("meter: class %d, one of %d wanted", class + 1, meter->classes);
    return true;
}

static bool check_boxes(const hoi_meter *meter, const float *boxes) {
    for (int i = 0; i < meter->box_count; i++) {
        const float *box = boxes + 4 * i;
        for (int k = 0; k < 4; k++)
            if (!isfinite(box[k]))
                return hoi_fail("meter: a box holds a number that is not finite");
        if (box[2] < box[0] || box[3] < box[1])
            return hoi_fail("meter: box {%g, %g, %g, %g} is turned inside out, {x1, y1, x2, y2} "
                            "with x1 <= x2 and "
                            "y1 <= y2 wanted",
                            (double)box[0], (double)box[1], (double)box[2], (double)box[3]);
    }
    return true;
}

static bool add(hoi_meter *meter, struct list *list, int image, int class, double score,
                const float *boxes) {
    if (!check_class(meter, class) || !check_boxes(meter, boxes))
        return false;
    if (image < 0)
        return hoi_fail("meter: image %d, a number from 0 on wanted", image);
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 1024;
        struct entry *moved = capacity > INT_MAX || capacity > SIZE_MAX / sizeof *moved
                                  ? NULL
                                  : realloc(list->entries, capacity * sizeof *moved);
        if (!moved)
            return hoi_fail("meter: no memory for more than %zu entries", list->count);
        list->entries = moved;
        list->capacity = capacity;
    }
    struct entry *entry = &list->entries[list->count];
    *entry = (struct entry){.score = score, .order = list->count, .image = image, .class = class};
    memcpy(entry->boxes, boxes, 4 * (size_t)meter->box_count * sizeof *boxes);
    list->count++;
    list->sorted = false;
    return true;
}

bool hoi_meter_truth(hoi_meter *meter, int image, int class, const float *boxes) {
    if (!add(meter, &meter->truths, image, class, 0, boxes))
        return false;
    meter->truth_count[class]++;
    return true;
}

bool hoi_meter_add(hoi_meter *meter, int image, int class, double score, const float *boxes) {
    if (!isfinite(score))
        return hoi_fail("meter: score is %g, a finite number wanted", score);
    return add(meter, &meter->detections, image, class, score, boxes);
}

int hoi_meter_classes(const hoi_meter *meter) {
    return meter->classes;
}

int hoi_meter_truths(const hoi_meter *meter, int class) {
    return class >= 0 && class < meter->classes ? meter->truth_count[class] : 0;
}

/* ------------------------------------------------------------------ sorting and finding */

static int compare_orders(const struct entry *a, const struct entry *b) {
    return (a->order > b->order) - (a->order < b->order);
}

static int compare_truths(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    return compare_orders(a, b);
}

static int compare_detections(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return compare_orders(a, b);
}

static void sort(struct list *list, int (*compare)(const void *, const void *)) {
    if (!list->sorted && list->count)
        qsort(list->entries, list->count, sizeof *list->entries, compare);
    list->sorted = true;
}

/* Gets the place of the first entry of a sorted list whose (class, image) is not below the given;
   image -1: the class's first. Detections are sorted by class only: they are asked with image
   -1. */
static size_t first_of(const struct list *list, int class, int image) {
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct entry *entry = &list->entries[middle];
        if (entry->class < class || (entry->class == class && image >= 0 && entry->image < image))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ------------------------------------------------------------------ known object */

static int compare_presences(const void *left, const void *right) {
    const struct presence *a = left, *b = right;
    if (a->object != b->object)
        return a->object < b->object ? -1 : 1;
    return (a->image > b->image) - (a->image < b->image);
}

static bool make_presences(hoi_meter *meter) {
    if (!meter->objects)
        return hoi_fail("meter: known_object asked of a meter that was made without the objects of "
                        "its classes");
    if (meter->presences && meter->presence_truths == meter->truths.count)
        return true;
    free(meter->presences);
    meter->presences = malloc((meter->truths.count + 1) * sizeof *meter->presences);
    if (!meter->presences)
        return hoi_fail("meter: no memory for the objects of %zu truths", meter->truths.count);
    for (size_t i = 0; i < meter->truths.count; i++) {
        const struct entry *truth = &meter->truths.entries[i];
        meter->presences[i] = (struct presence){meter->objects[truth->class], truth->image};
    }
    meter->presence_count = meter->presence_truths = meter->truths.count;
    qsort(meter->presences, meter->presence_count, sizeof *meter->presences, compare_presences);
    return true;
}

static bool has_object(const hoi_meter *meter, int object, int image) {
    struct presence wanted = {object, image};
    return object < 0 || bsearch(&wanted, meter->presences, meter->presence_count, sizeof wanted,
                                 compare_presences);
}

/* ------------------------------------------------------------------ average precision */

static double overlap(const hoi_meter *meter, const struct entry *a, const struct entry *b) {
    double iou = hoi_box_iou(a->boxes, b->boxes);
    return meter->box_count == 1 ? iou : fmin(iou, hoi_box_iou(a->boxes + 4, b->boxes + 4));
}

/* Tells whether a detection is right, and marks the truth that it takes. Detections must come by
   falling score: then the first that reaches a truth is the truth's best. */
static bool take_truth(const hoi_meter *meter, const struct entry *detection,
                       unsigned char *taken) {
    const struct list *truths = &meter->truths;
    bool boxes = meter->measure == hoi_measure_boxes;
    size_t best = SIZE_MAX;
    double most = 0;
    for (size_t i = first_of(truths, detection->class, detection->image); i < truths->count; i++) {
        const struct entry *truth = &truths->entries[i];
        if (truth->class != detection->class || truth->image != detection->image)
            break;
        double iou = boxes && taken[i] ? -1 : overlap(meter, detection, truth);
        if (best == SIZE_MAX || iou > most) {
            best = i;
            most = iou;
        }
    }
    if (best == SIZE_MAX || taken[best] ||
        !(boxes ? most >= meter->iou_threshold : most > meter->iou_threshold))
        return false;
    taken[best] = 1;
    return true;
}

/* Tells whether a recall of hits / truths reaches a tenth. */
static bool reaches(hoi_measure measure, size_t hits, int truths, int level) {
    if (measure == hoi_measure_interactions)
        return 10 * hits >= (size_t)level * (size_t)truths;
    double tenth = level < 5 ? level * 0.1 : 1 - (10 - level) * 0.1; /* as torch.linspace */
    return (double)hits / truths >= tenth;
}

/* What the detections of a class came to, by falling score: right[i] tells whether the i-th is. */
static double integrate(hoi_measure measure, const unsigned char *right, size_t count, int truths) {
    size_t hits = 0;
    for (size_t i = 0; i < count; i++)
        hits += right[i];
    /* from the last detection to the first, so that `greatest` is the envelope of the precision */
    double sum = 0, greatest = 0;
    int level = 10; /* the highest tenth of recall that is not summed yet */
    for (size_t i = count; i-- > 0;) {
        while (level >= 0 && !reaches(measure, hits, truths, level)) {
            sum += measure == hoi_measure_boxes ? 0 : greatest;
            level--;
        }
        greatest = fmax(greatest, (double)hits / (double)(i + 1));
        if (right[i]) {
            sum += measure == hoi_measure_boxes ? greatest : 0;
            hits--;
        }
    }
    return measure == hoi_measure_boxes ? sum / truths : (sum + (level + 1) * greatest) / 11;
}

bool hoi_meter_average_precision(hoi_meter *meter, int class, bool known_object, double *value) {
    if (!check_class(meter, class) || (known_object && !make_presences(meter)))
        return false;
    int truths = meter->truth_count[class];
    if (!truths) {
        *value = NAN;
        return true;
    }
    sort(&meter->truths, compare_truths);
    sort(&meter->detections, compare_detections);
    size_t begin = first_of(&meter->detections, class, -1),
           end = first_of(&meter->detections, class + 1, -1);
    unsigned char *taken = calloc(meter->truths.count + end - begin, 1);
    if (!taken)
        return hoi_fail("meter: no memory to match %zu detections", end - begin);
    unsigned char *right = taken + meter->truths.count;
    size_t count = 0;
    for (size_t i = begin; i < end; i++) {
        const struct entry *detection = &meter->detections.entries[i];
        if (!known_object || has_object(meter, meter->objects[class], detection->image))
            right[count++] = take_truth(meter, detection, taken);
    }
    *value = integrate(meter->measure, right, count, truths);
    free(taken);
    return true;
}
