/* role_metric: keeps people and detections as they come; each detection's person is found once, a
   column is sorted and integrated when it is asked for. */
#include "core/role_metric.h"

#include "core/error.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct person {
    int image;
    bool annotated;
    float box[4];
};

/* What a person does in a column. */
struct deed {
    bool done, has_role;
    float role[4];
};

struct detection {
    double score;
    int image, column;
    int person;     /* the nearest one; -1: there is none */
    double overlap; /* with that person */
    float human[4], role[4];
};

struct hoi_role_meter {
    int columns;
    double iou_threshold;
    int *truths;           /* (columns) */
    struct person *people; /* (person_count) */
    struct deed *deeds;    /* (person_count, columns) */
    struct detection *detections;
    size_t person_count, person_capacity, detection_count, detection_capacity;
    size_t matched;         /* detections that know their person */
    size_t matched_persons; /* among so many people: with more there are, all look again */
};

/* ------------------------------------------------------------------ adding */

hoi_role_meter *hoi_role_meter_new(int columns, double iou_threshold) {
    if (columns < 1) {
        hoi_fail("role meter: %d columns, at least 1 wanted", columns);
        return NULL;
    }
    if (!(iou_threshold >= 0 && iou_threshold <= 1)) {
        hoi_fail("role meter: iou_threshold is %g, 0 to 1 wanted", iou_threshold);
        return NULL;
    }
    hoi_role_meter *meter = calloc(1, sizeof *meter);
    int *truths = calloc((size_t)columns, sizeof *truths);
    if (!meter || !truths) {
        hoi_fail("role meter: no memory for %d columns", columns);
        free(meter);
        free(truths);
        return NULL;
    }
    meter->columns = columns;
    meter->iou_threshold = iou_threshold;
    meter->truths = truths;
    return meter;
}

void hoi_role_meter_free(hoi_role_meter *meter) {
    if (!meter)
        return;
    free(meter->truths);
    free(meter->people);
    free(meter->deeds);
    free(meter->detections);
    free(meter);
}

static bool check_column(const hoi_role_meter *meter, int column) {
    return (column >= 0 && column < meter->columns) ||
           hoi_fail("role meter: column %d, one of %d wanted", column + 1, meter->columns);
}

static bool check_box(const float *box) {
    for (int k = 0; k < 4; k++)
        if (!isfinite(box[k]))
            return hoi_fail("role meter: a box holds a number that is not finite");
    return (box[2] >= box[0] && box[3] >= box[1]) ||
           hoi_fail("role meter: box {%g, %g, %g, %g} is turned inside out", (double)box[0],
                    (double)box[1], (double)box[2], (double)box[3]);
}

static bool check_image(int image) {
    return image >= 0 || hoi_fail("role meter: image %d, a number from 0 on wanted", image);
}

/* Makes room for one more; NULL when there is no memory, and the old list stays. */
static void *grow(void *list, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return list;
    size_t wanted = *capacity ? 2 * *capacity : 256;
    void *moved =
        wanted > INT_MAX || wanted > SIZE_MAX / size ? NULL : realloc(list, wanted * size);
    if (moved)
        *capacity = wanted;
    return moved;
}

bool hoi_role_meter_person(hoi_role_meter *meter, int image, const float box[4], bool annotated,
                           int *person) {
    if (!check_image(image) || !check_box(box))
        return false;
    size_t room = meter->person_capacity, columns = (size_t)meter->columns;
    size_t deed_room = room; /* both lists grow alike; the first may succeed alone */
    struct deed *deeds =
        grow(meter->deeds, meter->person_count, &deed_room, columns * sizeof *deeds);
    if (deeds)
        meter->deeds = deeds;
    struct person *people =
        deeds ? grow(meter->people, meter->person_count, &room, sizeof *people) : NULL;
    if (!people)
        return hoi_fail("role meter: no memory for more than %zu people", meter->person_count);
    meter->people = people;
    meter->person_capacity = room;
    *person = (int)meter->person_count++;
    struct person *one = &people[*person];
    *one = (struct person){.image = image, .annotated = annotated};
    memcpy(one->box, box, sizeof one->box);
    memset(meter->deeds + (size_t)*person * columns, 0, columns * sizeof *deeds);
    return true;
}

bool hoi_role_meter_does(hoi_role_meter *meter, int person, int column, const float *role) {
    if (!check_column(meter, column) || (role && !check_box(role)))
        return false;
    if (person < 0 || (size_t)person >= meter->person_count || !meter->people[person].annotated)
        return hoi_fail("role meter: person %d, one of %zu that somebody has looked at wanted",
                        person + 1, meter->person_count);
    struct deed *deed = &meter->deeds[(size_t)person * (size_t)meter->columns + (size_t)column];
    meter->truths[column] += !deed->done;
    deed->done = true;
    if (role) {
        deed->has_role = true;
        memcpy(deed->role, role, sizeof deed->role);
    }
    return true;
}

bool hoi_role_meter_add(hoi_role_meter *meter, int image, int column, double score,
                        const float human[4], const float *role) {
    if (!isfinite(score))
        return hoi_fail("role meter: score is %g, a finite number wanted", score);
    if (!check_image(image) || !check_column(meter, column) || !check_box(human) ||
        (role && !check_box(role)))
        return false;
    struct detection *detections = grow(meter->detections, meter->detection_count,
                                        &meter->detection_capacity, sizeof *detections);
    if (!detections)
        return hoi_fail("role meter: no memory for more than %zu detections",
                        meter->detection_count);
    meter->detections = detections;
    struct detection *one = &detections[meter->detection_count++];
    *one = (struct detection){.score = score, .image = image, .column = column, .person = -1};
    memcpy(one->human, human, sizeof one->human);
    if (role)
        memcpy(one->role, role, sizeof one->role);
    return true;
}

int hoi_role_meter_truths(const hoi_role_meter *meter, int column) {
    return column >= 0 && column < meter->columns ? meter->truths[column] : 0;
}

/* ------------------------------------------------------------------ matching */

/* Intersection over union of boxes whose corners are pixels. */
static double overlap(const float *a, const float *b) {
    double sides[2], areas[2] = {1, 1};
    for (int k = 0; k < 2; k++) {
        sides[k] = fmin((double)a[k + 2], (double)b[k + 2]) - fmax((double)a[k], (double)b[k]) + 1;
        areas[0] *= (double)a[k + 2] - (double)a[k] + 1;
        areas[1] *= (double)b[k + 2] - (double)b[k] + 1;
    }
    double common = fmax(sides[0], 0) * fmax(sides[1], 0);
    return common / (areas[0] + areas[1] - common);
}

/* People by picture: numbers of people sorted by image, then by number. */
struct place {
    int image, person;
};

static int compare_places(const void *left, const void *right) {
    const struct place *a = left, *b = right;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    return (a->person > b->person) - (a->person < b->person);
}

static void find_person(const hoi_role_meter *meter, const struct place *places,
                        struct detection *detection) {
    size_t low = 0, high = meter->person_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places[middle].image < detection->image)
            low = middle + 1;
        else
            high = middle;
    }
    detection->person = -1;
    for (; low < meter->person_count && places[low].image == detection->image; low++) {
        double value = overlap(meter->people[places[low].person].box, detection->human);
        if (detection->person < 0 || value > detection->overlap) {
            detection->person = places[low].person;
            detection->overlap = value;
        }
    }
}

/* Lets every detection find its person that has not yet. */
static bool match(hoi_role_meter *meter) {
    if (meter->matched_persons != meter->person_count)
        meter->matched = 0;
    if (meter->matched == meter->detection_count)
        return true;
    struct place *places = malloc((meter->person_count + 1) * sizeof *places);
    if (!places)
        return hoi_fail("role meter: no memory to match %zu detections", meter->detection_count);
    for (size_t i = 0; i < meter->person_count; i++)
        places[i] = (struct place){meter->people[i].image, (int)i};
    qsort(places, meter->person_count, sizeof *places, compare_places);
    for (; meter->matched < meter->detection_count; meter->matched++)
        find_person(meter, places, &meter->detections[meter->matched]);
    meter->matched_persons = meter->person_count;
    free(places);
    return true;
}

/* ------------------------------------------------------------------ average precision */

/* What a column hears of a detection. */
struct entry {
    double score;
    size_t order; /* its place among the detections */
    bool own;     /* said of this column; else a default */
};

static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return (a->order > b->order) - (a->order < b->order);
}

static bool fits(const hoi_role_meter *meter, const struct deed *deed, const float *role,
                 int scenario) {
    static const float nothing[4] = {0};
    if (deed->has_role)
        return overlap(deed->role, role) >= meter->iou_threshold;
    return scenario == 2 || memcmp(role, nothing, sizeof nothing) == 0;
}

/* Fills entries with what the column hears, best first; gets how many. */
static size_t listen(const hoi_role_meter *meter, int column, bool defaults,
                     struct entry *entries) {
    size_t count = 0;
    for (size_t i = 0; i < meter->detection_count; i++) {
        const struct detection *d = &meter->detections[i];
        bool own = d->column == column;
        bool ignored = d->person >= 0 && !meter->people[d->person].annotated;
        if ((own || defaults) && !ignored)
            entries[count++] = (struct entry){own ? d->score : 0, i, own};
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    return count;
}

/* Marks in right[i] whether the i-th best entry is. */
static void judge(const hoi_role_meter *meter, int column, int scenario,
                  const struct entry *entries, size_t count, unsigned char *covered,
                  unsigned char *right) {
    static const float nowhere[4] = {0, 0, 0.1f, 0.1f};
    for (size_t i = 0; i < count; i++) {
        const struct detection *d = &meter->detections[entries[i].order];
        const float *role = entries[i].own ? d->role : nowhere;
        if (d->person < 0 || covered[d->person] || d->overlap < meter->iou_threshold)
            continue;
        const struct deed *deed =
            &meter->deeds[(size_t)d->person * (size_t)meter->columns + (size_t)column];
        if (deed->done && fits(meter, deed, role, scenario))
            right[i] = covered[d->person] = 1;
    }
}

static double area(const unsigned char *right, size_t count, int truths) {
    size_t hits = 0;
    for (size_t i = 0; i < count; i++)
        hits += right[i];
    double sum = 0, greatest = 0; /* from the last one on: the envelope */
    for (size_t i = count; i-- > 0;) {
        greatest = fmax(greatest, (double)hits / (double)(i + 1));
        if (right[i]) {
            sum += greatest;
            hits--;
        }
    }
    return sum / truths;
}

bool hoi_role_meter_average_precision(hoi_role_meter *meter, int column, int scenario,
                                      bool defaults, double *value) {
    if (!check_column(meter, column))
        return false;
    if (scenario != 1 && scenario != 2)
        return hoi_fail("role meter: scenario %d, 1 or 2 wanted", scenario);
    if (!meter->truths[column]) {
        *value = NAN;
        return true;
    }
    if (!match(meter))
        return false;
    size_t n = meter->detection_count;
    struct entry *entries = malloc((n + 1) * sizeof *entries);
    unsigned char *covered = calloc(meter->person_count + n + 1, 1);
    bool ok = entries && covered;
    if (ok) {
        unsigned char *right = covered + meter->person_count;
        size_t count = listen(meter, column, defaults, entries);
        judge(meter, column, scenario, entries, count, covered, right);
        *value = area(right, count, meter->truths[column]);
    }
    free(entries);
    free(covered);
    return ok || hoi_fail("role meter: no memory to sort %zu detections", n);
}
