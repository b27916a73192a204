/* test_metric: average precision by hand, against a second writing that shares nothing with the
   first, and on the real ground truth of HICO-DET where it lies beside the repository. */
#include "core/error.h"
#include "core/metric.h"
#include "core/random.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(value, wanted, tolerance)                                                      \
    check_near((value), (wanted), (tolerance), __FILE__, __LINE__)

static void check_near(double value, double wanted, double tolerance, const char *file, int line) {
    if (!(fabs(value - wanted) <= tolerance)) {
        print_error("%.17g, %.17g wanted\n", value, wanted);
        _fail(file, line);
    }
}

static double precision_of(hoi_meter *meter, int class, bool known_object) {
    double value = -1;
    if (!hoi_meter_average_precision(meter, class, known_object, &value))
        fail_msg("%s", hoi_error());
    return value;
}

static const float here[8] = {0, 0, 10, 10, 20, 0, 30, 10},
                   there[8] = {50, 0, 60, 10, 70, 0, 80, 10};

/* ------------------------------------------------------------------ by hand */

static void test_a_class_without_truth_is_nan_and_one_without_detections_zero(void **state) {
    (void)state;
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, 2, NULL, 0.5);
    assert_non_null(meter);
    assert_true(isnan(precision_of(meter, 0, false)));
    assert_true(hoi_meter_truth(meter, 7, 1, here));
    assert_near(precision_of(meter, 1, false), 0, 0);
    assert_int_equal(hoi_meter_truths(meter, 1), 1);
    assert_true(hoi_meter_add(meter, 7, 0, 0.5, here));
    assert_true(isnan(precision_of(meter, 0, false)));
    hoi_meter_free(meter);
    hoi_meter_free(NULL);
}

static void test_eleven_points_by_hand(void **state) {
    (void)state;
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, 1, NULL, 0.5);
    assert_non_null(meter);
    assert_true(hoi_meter_truth(meter, 0, 0, here));
    assert_true(hoi_meter_truth(meter, 0, 0, there));
    assert_true(hoi_meter_add(meter, 0, 0, 0.9, here));  /* right: precision 1, recall 0.5 */
    assert_true(hoi_meter_add(meter, 0, 0, 0.8, here));  /* wrong: the truth is taken */
    assert_true(hoi_meter_add(meter, 1, 0, 0.7, there)); /* wrong: another picture */
    assert_near(precision_of(meter, 0, false), 6.0 / 11, 1e-12);
    assert_true(hoi_meter_add(meter, 0, 0, 0.1, there)); /* right: precision 0.5, recall 1 */
    assert_near(precision_of(meter, 0, false), (6 + 5 * 0.5) / 11, 1e-12);
    hoi_meter_free(meter);
}

static void test_recall_of_three_tenths_reaches_the_point_0_3(void **state) {
    (void)state;
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, 1, NULL, 0.5);
    assert_non_null(meter);
    for (int i = 0; i < 10; i++)
        assert_true(hoi_meter_truth(meter, i, 0, here));
    for (int i = 0; i < 3; i++)
        assert_true(hoi_meter_add(meter, i, 0, 0.5, here));
    assert_near(precision_of(meter, 0, false), 4.0 / 11, 1e-12);
    hoi_meter_free(meter);
}

static void test_published_levels_miss_a_recall_of_three_tenths_alone(void **state) {
    (void)state;
    for (int found = 1; found <= 10; found++)
        for (int published = 0; published < 2; published++) {
            hoi_meter *meter = hoi_meter_new(
                published ? hoi_measure_published : hoi_measure_interactions, 1, NULL, 0.5);
            double value;
            for (int i = 0; i < 10; i++) {
                const float boxes[8] = {0, 0, 9, 9, 0, 0, 9, 9};
                assert_true(hoi_meter_truth(meter, i, 0, boxes));
                assert_true(i >= found || hoi_meter_add(meter, i, 0, 0.5, boxes));
            }
            assert_true(hoi_meter_average_precision(meter, 0, false, &value));
            int levels = found + 1 - (published && found == 3);
            check_near(value, levels / 11.0, 1e-12, __FILE__, __LINE__);
            hoi_meter_free(meter);
        }
}

static void test_overlap_must_exceed_the_threshold_with_both_boxes(void **state) {
    (void)state;
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, 1, NULL, 0.5);
    assert_non_null(meter);
    assert_true(hoi_meter_truth(meter, 0, 0, here));
    const float half[8] = {0, 0, 10, 10, 20, 0, 30, 5}, more[8] = {0, 0, 10, 6, 20, 0, 30, 5.1f};
    assert_true(hoi_meter_add(meter, 0, 0, 0.9, half));
    assert_near(precision_of(meter, 0, false), 0, 0);
    assert_true(hoi_meter_add(meter, 0, 0, 0.8, more));
    assert_near(precision_of(meter, 0, false), 0.5, 1e-12);
    hoi_meter_free(meter);
}

/* HICO-DET: a detection belongs to the truth that it overlaps most and has no second choice. Boxes:
   it has. */
static void test_only_boxes_have_a_second_choice(void **state) {
    (void)state;
    const float a[8] = {0, 0, 10, 10, 0, 0, 10, 10}, b[8] = {0, 0, 10, 7, 0, 0, 10, 7},
                near_a[8] = {0, 0, 10, 9, 0, 0, 10, 9};
    hoi_meter *pairs = hoi_meter_new(hoi_measure_interactions, 1, NULL, 0.5);
    hoi_meter *boxes = hoi_meter_new(hoi_measure_boxes, 1, NULL, 0.5);
    assert_non_null(pairs);
    assert_non_null(boxes);
    hoi_meter *both[] = {pairs, boxes};
    for (int i = 0; i < 2; i++) {
        assert_true(hoi_meter_truth(both[i], 0, 0, a));
        assert_true(hoi_meter_truth(both[i], 0, 0, b));
        assert_true(hoi_meter_add(both[i], 0, 0, 0.9, a));
        assert_true(hoi_meter_add(both[i], 0, 0, 0.8, near_a));
    }
    assert_near(precision_of(pairs, 0, false), 6.0 / 11, 1e-12);
    assert_near(precision_of(boxes, 0, false), 1, 1e-12);
    hoi_meter_free(pairs);
    hoi_meter_free(boxes);
}

static void test_box_precision_is_the_area_under_the_envelope(void **state) {
    (void)state;
    hoi_meter *meter = hoi_meter_new(hoi_measure_boxes, 1, NULL, 0.5);
    assert_non_null(meter);
    for (int i = 0; i < 4; i++)
        assert_true(hoi_meter_truth(meter, i, 0, here));
    assert_true(hoi_meter_add(meter, 9, 0, 0.9, here)); /* wrong */
    assert_true(hoi_meter_add(meter, 0, 0, 0.8, here)); /* 1/2 */
    assert_true(hoi_meter_add(meter, 1, 0, 0.7, here)); /* 2/3 */
    assert_true(hoi_meter_add(meter, 9, 0, 0.6, here)); /* wrong */
    assert_true(hoi_meter_add(meter, 2, 0, 0.5, here)); /* 3/5 */
    assert_near(precision_of(meter, 0, false), (2.0 / 3 + 2.0 / 3 + 3.0 / 5) / 4, 1e-12);
    const float half[4] = {0, 0, 10, 5};
    assert_true(
        hoi_meter_add(meter, 3, 0, 0.95, half)); /* exactly the threshold is enough; now first */
    assert_near(precision_of(meter, 0, false), (1 + 2 * 3.0 / 4 + 4.0 / 6) / 4, 1e-12);
    hoi_meter_free(meter);
}

static void test_known_object_drops_pictures_without_the_object(void **state) {
    (void)state;
    const int objects[] = {5, 5, 6, -1};
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, 4, objects, 0.5);
    assert_non_null(meter);
    assert_true(hoi_meter_truth(meter, 0, 0, here));
    assert_true(hoi_meter_truth(meter, 1, 1, here)); /* another verb with object 5 */
    assert_true(hoi_meter_truth(meter, 2, 2, here)); /* only object 6 */
    assert_true(hoi_meter_truth(meter, 0, 3, here));
    assert_true(hoi_meter_add(meter, 2, 0, 0.9, here));
    assert_true(hoi_meter_add(meter, 1, 0, 0.8, here));
    assert_true(hoi_meter_add(meter, 0, 0, 0.7, here));
    assert_true(hoi_meter_add(meter, 2, 3, 0.9, here));
    assert_true(hoi_meter_add(meter, 0, 3, 0.8, here));
    assert_near(precision_of(meter, 0, false), 1.0 / 3, 1e-12);
    assert_near(precision_of(meter, 0, true), 1.0 / 2, 1e-12);
    assert_near(precision_of(meter, 3, true), 1.0 / 2, 1e-12);
    assert_true(hoi_meter_truth(meter, 2, 1, there)); /* object 5 turns up in picture 2 */
    assert_near(precision_of(meter, 0, true), 1.0 / 3, 1e-12);
    hoi_meter_free(meter);
}

static void test_equal_scores_count_in_the_order_of_adding(void **state) {
    (void)state;
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, 2, NULL, 0.5);
    assert_non_null(meter);
    for (int class = 0; class < 2; class ++) {
        assert_true(hoi_meter_truth(meter, 0, class, here));
        assert_true(hoi_meter_add(meter, 0, class, 0.5, class == 0 ? here : there));
        assert_true(hoi_meter_add(meter, 0, class, 0.5, class == 0 ? there : here));
    }
    assert_near(precision_of(meter, 0, false), 1, 1e-12);
    assert_near(precision_of(meter, 1, false), 0.5, 1e-12);
    hoi_meter_free(meter);
}

static void test_wrong_input_is_refused_by_name(void **state) {
    (void)state;
    const float inside_out[8] = {0, 0, 1, 1, 5, 0, 4, 1},
                infinite[8] = {0, 0, INFINITY, 1, 0, 0, 1, 1};
    double value;
    assert_null(hoi_meter_new(hoi_measure_boxes, 0, NULL, 0.5));
    assert_non_null(strstr(hoi_error(), "0 classes"));
    assert_null(hoi_meter_new(hoi_measure_boxes, 1, NULL, 2));
    assert_non_null(strstr(hoi_error(), "iou_threshold is 2"));
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, 2, NULL, 0.5);
    assert_non_null(meter);
    assert_false(hoi_meter_truth(meter, 0, 2, here));
    assert_non_null(strstr(hoi_error(), "class 3, one of 2"));
    assert_false(hoi_meter_truth(meter, -1, 0, here));
    assert_non_null(strstr(hoi_error(), "image -1"));
    assert_false(hoi_meter_truth(meter, 0, 0, inside_out));
    assert_non_null(strstr(hoi_error(), "inside out"));
    assert_false(hoi_meter_add(meter, 0, 0, 0.5, infinite));
    assert_non_null(strstr(hoi_error(), "not finite"));
    assert_false(hoi_meter_add(meter, 0, 0, NAN, here));
    assert_non_null(strstr(hoi_error(), "score is nan"));
    assert_false(hoi_meter_average_precision(meter, 0, true, &value));
    assert_non_null(strstr(hoi_error(), "known_object"));
    assert_false(hoi_meter_average_precision(meter, -1, false, &value));
    assert_non_null(strstr(hoi_error(), "class 0"));
    assert_int_equal(hoi_meter_truths(meter, 0), 0);
    hoi_meter_free(meter);
}

/* ------------------------------------------------------------------ second writing */

enum { most = 400 };

struct row {
    int image, class;
    double score;
    float boxes[8];
};

static double plain_iou(const float *a, const float *b) {
    double x1 = a[0] > b[0] ? a[0] : b[0], y1 = a[1] > b[1] ? a[1] : b[1];
    double x2 = a[2] < b[2] ? a[2] : b[2], y2 = a[3] < b[3] ? a[3] : b[3];
    double common = x2 > x1 && y2 > y1 ? (x2 - x1) * (y2 - y1) : 0;
    double both = ((double)a[2] - a[0]) * ((double)a[3] - a[1]) +
                  ((double)b[2] - b[0]) * ((double)b[3] - b[1]);
    return common > 0 ? common / (both - common) : 0;
}

static double plain_overlap(const struct row *a, const struct row *b, bool pairs) {
    double first = plain_iou(a->boxes, b->boxes), second = plain_iou(a->boxes + 4, b->boxes + 4);
    return pairs && second < first ? second : first;
}

/* For interactions: attach, then look for each truth's best. For boxes: one detection after the
   other. */
static double plain_precision(bool pairs, int class, const int *objects, const struct row *truths,
                              int truth_count, const struct row *detections, int detection_count) {
    int order[most], n = 0, attached[most], positives = 0;
    bool right[most] = {false}, taken[most] = {false};
    for (int i = 0; i < truth_count; i++)
        positives += truths[i].class == class;
    for (int i = 0; i < detection_count; i++) {
        bool counts = detections[i].class == class;
        if (counts && objects) {
            bool present = false;
            for (int t = 0; t < truth_count; t++)
                present |= truths[t].image == detections[i].image &&
                           objects[truths[t].class] == objects[class];
            counts = present;
        }
        if (counts)
            order[n++] = i;
    }
    for (int i = 1; i < n; i++) /* insertion sort: stable */
        for (int j = i; j > 0 && detections[order[j]].score > detections[order[j - 1]].score; j--) {
            int swap = order[j];
            order[j] = order[j - 1];
            order[j - 1] = swap;
        }
    for (int i = 0; i < n; i++) {
        double best = -1;
        attached[i] = -1;
        for (int t = 0; t < truth_count; t++) {
            if (truths[t].class != class || truths[t].image != detections[order[i]].image ||
                (!pairs && taken[t]))
                continue;
            double iou = plain_overlap(&detections[order[i]], &truths[t], pairs);
            if (iou > best) {
                best = iou;
                attached[i] = t;
            }
        }
        if (pairs ? best <= 0.5 : best < 0.5)
            attached[i] = -1;
        if (!pairs && attached[i] >= 0)
            right[i] = taken[attached[i]] = true;
    }
    for (int t = 0; t < truth_count && pairs; t++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (attached[i] == t &&
                (best < 0 || detections[order[i]].score > detections[order[best]].score))
                best = i;
        if (best >= 0)
            right[best] = true;
    }
    double precision[most], recall[most], sum = 0;
    int hits = 0;
    for (int i = 0; i < n; i++) {
        hits += right[i];
        precision[i] = (double)hits / (i + 1);
        recall[i] = (double)hits / positives;
    }
    if (pairs) {
        for (int level = 0; level <= 10; level++) {
            double greatest = 0;
            for (int i = 0; i < n; i++)
                if (recall[i] >= level / 10.0 && precision[i] > greatest)
                    greatest = precision[i];
            sum += greatest / 11;
        }
        return sum;
    }
    for (int i = 0; i < n; i++) {
        double greatest = 0;
        for (int j = i; j < n; j++)
            greatest = precision[j] > greatest ? precision[j] : greatest;
        sum += greatest * (recall[i] - (i ? recall[i - 1] : 0));
    }
    return sum;
}

static struct row random_row(hoi_random *random, const struct row *near) {
    struct row row = {.image = (int)hoi_random_below(random, 8),
                      .class = (int)hoi_random_below(random, 6)};
    row.score = hoi_random_below(random, 12) / 12.0; /* coarse: many ties */
    if (near) {
        row.image = near->image;
        row.class = near->class;
    }
    for (int k = 0; k < 8; k += 4) {
        if (near) { /* whole numbers: overlaps of exactly one half happen */
            memcpy(row.boxes + k, near->boxes + k, 4 * sizeof(float));
            row.boxes[k + 2 + (int)hoi_random_below(random, 2)] +=
                (float)hoi_random_below(random, 8);
            continue;
        }
        row.boxes[k] = (float)hoi_random_below(random, 5);
        row.boxes[k + 1] = (float)hoi_random_below(random, 5);
        row.boxes[k + 2] = row.boxes[k] + (float)hoi_random_below(random, 10);
        row.boxes[k + 3] = row.boxes[k + 1] + (float)hoi_random_below(random, 10);
    }
    return row;
}

static void test_random_meters_agree_with_the_second_writing(void **state) {
    (void)state;
    const int objects[6] = {0, 0, 1, 1, 2, 3};
    for (uint64_t round = 0; round < 300; round++) {
        bool pairs = round % 2 == 0;
        hoi_random random = hoi_random_stream(66, round, 1);
        struct row truths[most], detections[most];
        int truth_count = (int)hoi_random_below(&random, 120),
            detection_count = (int)hoi_random_below(&random, most);
        hoi_meter *meter =
            hoi_meter_new(pairs ? hoi_measure_interactions : hoi_measure_boxes, 6, objects, 0.5);
        assert_non_null(meter);
        for (int i = 0; i < truth_count; i++)
            truths[i] = random_row(&random, NULL);
        for (int i = 0; i < detection_count; i++) {
            bool close = truth_count && hoi_random_below(&random, 3) > 0;
            detections[i] = random_row(
                &random, close ? &truths[hoi_random_below(&random, (uint32_t)truth_count)] : NULL);
            assert_true(hoi_meter_add(meter, detections[i].image, detections[i].class,
                                      detections[i].score, detections[i].boxes));
            if (i % 50 == 0) /* reading in between must change nothing */
                precision_of(meter, i % 6, true);
        }
        for (int i = 0; i < truth_count; i++) /* truth after detections: any order is fine */
            assert_true(hoi_meter_truth(meter, truths[i].image, truths[i].class, truths[i].boxes));
        for (int class = 0; class < 6; class ++)
            for (int known = 0; known < 2; known++) {
                double value = precision_of(meter, class, known);
                double wanted = plain_precision(pairs, class, known ? objects : NULL, truths,
                                                truth_count, detections, detection_count);
                if (!hoi_meter_truths(meter, class))
                    assert_true(isnan(value));
                else
                    assert_near(value, wanted, 1e-9);
            }
        hoi_meter_free(meter);
    }
}

/* ------------------------------------------------------------------ HICO-DET */

static cJSON *read_json(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    char *text = malloc((size_t)size);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    cJSON *json = cJSON_ParseWithLength(text, (size_t)size);
    free(text);
    return json;
}

static void read_box(const cJSON *list, float *box) {
    for (int k = 0; k < 4; k++) {
        const cJSON *number = cJSON_GetArrayItem(list, k);
        assert_non_null(number);
        box[k] = (float)number->valuedouble;
    }
}

/* What Python computed in exact fractions (golden/role_ap.py). */
static void check_golden(const cJSON *golden) {
    int classes = cJSON_GetObjectItem(golden, "classes")->valueint, image = 0;
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, classes, NULL, 0.5);
    const cJSON *picture, *one;
    float boxes[8];
    cJSON_ArrayForEach(picture, cJSON_GetObjectItem(golden, "pictures")) {
        cJSON_ArrayForEach(one, cJSON_GetObjectItem(picture, "truths")) {
            read_box(cJSON_GetObjectItem(one, "human"), boxes);
            read_box(cJSON_GetObjectItem(one, "object"), boxes + 4);
            assert_true(
                hoi_meter_truth(meter, image, cJSON_GetObjectItem(one, "class")->valueint, boxes));
        }
        cJSON_ArrayForEach(one, cJSON_GetObjectItem(picture, "detections")) {
            read_box(cJSON_GetObjectItem(one, "human"), boxes);
            read_box(cJSON_GetObjectItem(one, "object"), boxes + 4);
            assert_true(hoi_meter_add(meter, image, cJSON_GetObjectItem(one, "class")->valueint,
                                      cJSON_GetObjectItem(one, "score")->valuedouble, boxes));
        }
        image++;
    }
    const cJSON *wanted = cJSON_GetObjectItem(cJSON_GetObjectItem(golden, "expected"), "ap");
    for (int c = 0; c < classes; c++) {
        double value = -1;
        assert_true(hoi_meter_average_precision(meter, c, false, &value));
        check_near(value, cJSON_GetArrayItem(wanted, c)->valuedouble, 1e-12, __FILE__, __LINE__);
    }
    hoi_meter_free(meter);
}

static void test_golden_values_of_hico_det(void **state) {
    (void)state;
    FILE *file = fopen("tests/golden/role_ap.json", "rb");
    assert_non_null(file);
    static char text[1 << 16];
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    check_golden(cJSON_GetObjectItem(json, "hico"));
    check_golden(cJSON_GetObjectItem(json, "hico_halves"));
    cJSON_Delete(json);
}

static void test_ground_truth_of_hico_det_as_detections_is_perfect(void **state) {
    (void)state;
    char path[1024];
    const char *folder = getenv("HOI_DATA");
    snprintf(path, sizeof path, "%s/hicodet/instances_test2015.json",
             folder ? folder : "../shared/data");
    cJSON *json = read_json(path);
    if (!json) {
        print_message("skipped: %s is not there (HOI_DATA names its folder)\n", path);
        skip();
    }
    int objects[600], image = 0, truths = 0;
    const cJSON *row, *picture;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(json, "correspondence"))
        objects[cJSON_GetArrayItem(row, 0)->valueint] = cJSON_GetArrayItem(row, 1)->valueint;
    hoi_meter *meter = hoi_meter_new(hoi_measure_interactions, 600, objects, 0.5);
    assert_non_null(meter);
    cJSON_ArrayForEach(picture, cJSON_GetObjectItem(json, "annotation")) {
        const cJSON *human = cJSON_GetObjectItem(picture, "boxes_h")->child;
        const cJSON *object = cJSON_GetObjectItem(picture, "boxes_o")->child;
        const cJSON *hoi = cJSON_GetObjectItem(picture, "hoi")->child;
        for (; hoi; hoi = hoi->next, human = human->next, object = object->next) {
            float boxes[8];
            read_box(human, boxes);
            read_box(object, boxes + 4);
            assert_true(hoi_meter_truth(meter, image, hoi->valueint, boxes));
            assert_true(hoi_meter_add(meter, image, hoi->valueint, 1, boxes));
            truths++;
        }
        image++;
    }
    cJSON_Delete(json);
    assert_int_equal(image, 9658);
    assert_int_equal(truths, 33405);
    for (int class = 0; class < 600; class ++) {
        assert_true(precision_of(meter, class, false) == 1);
        assert_true(precision_of(meter, class, true) == 1);
    }
    hoi_meter_free(meter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_class_without_truth_is_nan_and_one_without_detections_zero),
        cmocka_unit_test(test_eleven_points_by_hand),
        cmocka_unit_test(test_recall_of_three_tenths_reaches_the_point_0_3),
        cmocka_unit_test(test_published_levels_miss_a_recall_of_three_tenths_alone),
        cmocka_unit_test(test_overlap_must_exceed_the_threshold_with_both_boxes),
        cmocka_unit_test(test_only_boxes_have_a_second_choice),
        cmocka_unit_test(test_box_precision_is_the_area_under_the_envelope),
        cmocka_unit_test(test_known_object_drops_pictures_without_the_object),
        cmocka_unit_test(test_equal_scores_count_in_the_order_of_adding),
        cmocka_unit_test(test_wrong_input_is_refused_by_name),
        cmocka_unit_test(test_random_meters_agree_with_the_second_writing),
        cmocka_unit_test(test_golden_values_of_hico_det),
        cmocka_unit_test(test_ground_truth_of_hico_det_as_detections_is_perfect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
