/* pairs: suppression, selection and pairing of detections; what is computed from the boxes of a
   pair. */
#include "core/pairs.h"

#include "core/error.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

hoi_pairs_options hoi_pairs_defaults(void) {
    return (hoi_pairs_options){
        .score_threshold = 0.2f, .nms_threshold = 0.5f, .min_instances = 3, .max_instances = 15};
}

/* ------------------------------------------------------------------ boxes */

static double area(const float box[4]) {
    return ((double)box[2] - box[0]) * ((double)box[3] - box[1]);
}

double hoi_box_iou(const float a[4], const float b[4]) {
    double width = fmin(a[2], b[2]) - fmax(a[0], b[0]);
    double height = fmin(a[3], b[3]) - fmax(a[1], b[1]);
    if (width <= 0 || height <= 0)
        return 0;
    double common = width * height;
    return common / (area(a) + area(b) - common);
}

/* ------------------------------------------------------------------ detections */

static bool check_options(const hoi_pairs_options *options) {
    if (!(options->score_threshold >= 0 && options->score_threshold <= 1))
        return hoi_fail("pairs: score_threshold is %g, 0 to 1 wanted",
                        (double)options->score_threshold);
    if (!(options->nms_threshold >= 0 && options->nms_threshold <= 1))
        return hoi_fail("pairs: nms_threshold is %g, 0 to 1 wanted",
                        (double)options->nms_threshold);
    if (options->min_instances < 0 || options->max_instances < 1 ||
        options->min_instances > options->max_instances)
        return hoi_fail(
            "pairs: min_instances is %d and max_instances %d, 0 <= min <= max and max >= 1 wanted",
            options->min_instances, options->max_instances);
    if (options->max_instances > 10000) /* pairs are (2 max - 1) max: the product must fit an int */
        return hoi_fail("pairs: max_instances is %d, at most 10000 wanted", options->max_instances);
    return true;
}

static bool check_detections(const hoi_detections *detections) {
    for (int i = 0; i < detections->count; i++) {
        const float *box = detections->boxes + 4 * (size_t)i;
        if (!(isfinite(box[0]) && isfinite(box[1]) && isfinite(box[2]) && isfinite(box[3])))
            return hoi_fail("pairs: detection %d of %d: its box holds a number that is not finite",
                            i + 1, detections->count);
        if (box[2] < box[0] || box[3] < box[1])
            return hoi_fail("pairs: detection %d of %d: box {%g, %g, %g, %g} is turned inside out, "
                            "{x1, y1, x2, y2} with x1 <= x2 and y1 <= y2 wanted",
                            i + 1, detections->count, (double)box[0], (double)box[1],
                            (double)box[2], (double)box[3]);
        if (!(detections->scores[i] >= 0 && detections->scores[i] <= 1))
            return hoi_fail("pairs: detection %d of %d: score is %g, 0 to 1 wanted", i + 1,
                            detections->count, (double)detections->scores[i]);
    }
    return true;
}

struct candidate {
    float score;
    int place;
};

/* Falling score; equal scores in the detector's order, so that the result does not depend on
   qsort. */
static int compare_candidates(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return a->place < b->place ? -1 : 1;
}

/* Sorts the candidates and drops each that overlaps a better one of its label; gets how many are
   left. */
static int suppress(const hoi_detections *detections, float threshold,
                    struct candidate *candidates) {
    for (int i = 0; i < detections->count; i++)
        candidates[i] = (struct candidate){detections->scores[i], i};
    qsort(candidates, (size_t)detections->count, sizeof *candidates, compare_candidates);
    int left = 0;
    for (int i = 0; i < detections->count; i++) {
        size_t place = (size_t)candidates[i].place;
        bool alone = true;
        for (int j = 0; j < left && alone; j++) {
            size_t better = (size_t)candidates[j].place;
            alone = detections->labels[better] != detections->labels[place] ||
                    hoi_box_iou(detections->boxes + 4 * better, detections->boxes + 4 * place) <=
                        (double)threshold;
        }
        if (alone)
            candidates[left++] = candidates[i];
    }
    return left;
}

/* Takes the humans, or the others, out of the sorted candidates into kept; gets how many. */
static int select_kind(const hoi_detections *detections, const hoi_pairs_options *options,
                       bool human, const struct candidate *candidates, int count, int *kept) {
    int above = 0, all = 0;
    for (int i = 0; i < count && all < options->max_instances; i++) {
        if ((detections->human[candidates[i].place] != 0) != human)
            continue;
        kept[all++] = candidates[i].place;
        if (candidates[i].score >= options->score_threshold)
            above++;
    }
    if (above >= options->min_instances)
        return above;
    return all < options->min_instances ? all : options->min_instances;
}

/* ------------------------------------------------------------------ pairs */

static void fill_instances(hoi_pairs *pairs, const hoi_detections *detections) {
    for (int i = 0; i < pairs->instances; i++) {
        size_t place = (size_t)pairs->kept[i];
        memcpy(pairs->boxes + 4 * (size_t)i, detections->boxes + 4 * place, 4 * sizeof(float));
        pairs->scores[i] = detections->scores[place];
        pairs->labels[i] = detections->labels[place];
    }
}

static void fill_pairs(hoi_pairs *pairs) {
    size_t p = 0; /* the next pair */
    for (int human = 0; human < pairs->humans; human++)
        for (int object = 0; object < pairs->instances; object++) {
            if (human == object)
                continue;
            const float *h = pairs->boxes + 4 * (size_t)human;
            const float *o = pairs->boxes + 4 * (size_t)object;
            for (size_t k = 0; k < 4; k++)
                pairs->unions[4 * p + k] = k < 2 ? fminf(h[k], o[k]) : fmaxf(h[k], o[k]);
            pairs->human[p] = human;
            pairs->object[p] = object;
            p++;
        }
}

static bool allocate(hoi_pairs *pairs) {
    size_t n = (size_t)pairs->instances + 1; /* + 1: malloc(0) may give NULL */
    size_t m = (size_t)pairs->count + 1;
    pairs->boxes = malloc(4 * n * sizeof(float));
    pairs->scores = malloc(n * sizeof(float));
    pairs->labels = malloc(n * sizeof(int));
    pairs->human = malloc(m * sizeof(int));
    pairs->object = malloc(m * sizeof(int));
    pairs->unions = malloc(4 * m * sizeof(float));
    return pairs->boxes && pairs->scores && pairs->labels && pairs->human && pairs->object &&
           pairs->unions;
}

hoi_pairs *hoi_pairs_new(const hoi_detections *detections, const hoi_pairs_options *options) {
    if (!check_options(options) || !check_detections(detections))
        return NULL;
    hoi_pairs *pairs = calloc(1, sizeof *pairs);
    struct candidate *candidates = malloc(((size_t)detections->count + 1) * sizeof *candidates);
    int *kept = malloc(((size_t)detections->count + 1) * sizeof *kept);
    if (pairs)
        pairs->kept = kept;
    bool ok = pairs && candidates && kept;
    if (ok) {
        int left = suppress(detections, options->nms_threshold, candidates);
        pairs->humans = select_kind(detections, options, true, candidates, left, kept);
        pairs->instances = pairs->humans;
        pairs->instances +=
            select_kind(detections, options, false, candidates, left, kept + pairs->humans);
        pairs->count = pairs->humans > 0 ? pairs->humans * (pairs->instances - 1) : 0;
        ok = allocate(pairs);
    }
    free(candidates);
    if (!ok) {
        hoi_fail("pairs: no memory for %d detections", detections->count);
        if (pairs)
            hoi_pairs_free(pairs);
        else
            free(kept);
        return NULL;
    }
    fill_instances(pairs, detections);
    fill_pairs(pairs);
    return pairs;
}

void hoi_pairs_free(hoi_pairs *pairs) {
    if (!pairs)
        return;
    free(pairs->kept);
    free(pairs->boxes);
    free(pairs->scores);
    free(pairs->labels);
    free(pairs->human);
    free(pairs->object);
    free(pairs->unions);
    free(pairs);
}

/* ------------------------------------------------------------------ what is computed from pairs */

enum { plain_width = hoi_spatial_width / 2 };

/* Width, height and centre of a box. */
struct extent {
    double width, height, x, y;
};

static struct extent extent_of(const float box[4]) {
    return (struct extent){(double)box[2] - box[0], (double)box[3] - box[1],
                           ((double)box[0] + box[2]) / 2, ((double)box[1] + box[3]) / 2};
}

static void spatial_code(const float human[4], const float object[4], double width, double height,
                         float *code) {
    /* UPT's: keeps ratios and logarithms finite, and trained weights expect it */
    const double tiny = 1e-10;
    struct extent h = extent_of(human), o = extent_of(object);
    double dx = fabs(o.x - h.x) / (h.width + tiny), dy = fabs(o.y - h.y) / (h.height + tiny);
    const double plain[plain_width] = {
        h.x / width,
        h.y / height,
        o.x / width,
        o.y / height,
        h.width / width,
        h.height / height,
        o.width / width,
        o.height / height,
        h.width * h.height / (width * height),
        o.width * o.height / (width * height),
        o.width * o.height / (h.width * h.height + tiny),
        h.width / (h.height + tiny),
        o.width / (o.height + tiny),
        hoi_box_iou(human, object),
        o.x > h.x ? dx : 0,
        o.x < h.x ? dx : 0,
        o.y > h.y ? dy : 0,
        o.y < h.y ? dy : 0,
    };
    for (int i = 0; i < plain_width; i++) {
        code[i] = (float)plain[i];
        /* a centre outside the picture is negative: its logarithm is that of the edge */
        code[plain_width + i] = (float)log(fmax(plain[i], 0) + tiny);
    }
}

void hoi_pairs_spatial(const hoi_pairs *pairs, double width, double height, float *code) {
    for (int p = 0; p < pairs->count; p++)
        spatial_code(pairs->boxes + 4 * (size_t)pairs->human[p],
                     pairs->boxes + 4 * (size_t)pairs->object[p], width, height,
                     code + hoi_spatial_width * (size_t)p);
}

void hoi_pairs_prior(const hoi_pairs *pairs, const unsigned char *fits, int targets, double power,
                     float *prior) {
    for (int p = 0; p < pairs->count; p++) {
        int object = pairs->object[p];
        double scores = (double)pairs->scores[pairs->human[p]] * pairs->scores[object];
        float value = (float)pow(scores, power);
        const unsigned char *fit = fits + (size_t)pairs->labels[object] * (size_t)targets;
        for (int t = 0; t < targets; t++)
            *prior++ = fit[t] ? value : 0;
    }
}

void hoi_pairs_truth(const hoi_pairs *pairs, const hoi_interactions *truth, int targets, double iou,
                     float *labels) {
    for (int p = 0; p < pairs->count; p++) {
        float *row = labels + (size_t)p * (size_t)targets;
        memset(row, 0, (size_t)targets * sizeof *row);
        const float *h = pairs->boxes + 4 * (size_t)pairs->human[p],
                    *o = pairs->boxes + 4 * (size_t)pairs->object[p];
        for (int a = 0; a < truth->count; a++) {
            const unsigned char *is = truth->targets + (size_t)a * (size_t)targets;
            if (hoi_box_iou(h, truth->human + 4 * (size_t)a) >= iou &&
                hoi_box_iou(o, truth->object + 4 * (size_t)a) >= iou)
                for (int t = 0; t < targets; t++)
                    row[t] = is[t] ? 1 : row[t];
        }
    }
}
