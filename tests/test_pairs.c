/* test_pairs: suppression, selection, pairing, spatial code, prior and labels, by hand and against
   a second writing. */
#include "core/error.h"
#include "core/pairs.h"
#include "core/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

#define COUNT(array) (sizeof(array) / sizeof *(array))

static hoi_pairs *pairs_of(int count, const float *boxes, const float *scores, const int *labels) {
    unsigned char human[200];
    assert_true(count <= 200);
    for (int i = 0; i < count; i++)
        human[i] = labels[i] == 0;
    hoi_pairs_options options = hoi_pairs_defaults();
    return hoi_pairs_new(&(hoi_detections){count, boxes, scores, labels, human}, &options);
}

/* ------------------------------------------------------------------ IoU */

static void test_iou_by_hand(void **state) {
    (void)state;
    const float a[4] = {0, 0, 10, 10}, half[4] = {0, 0, 10, 5}, shifted[4] = {5, 5, 15, 15},
                beside[4] = {10, 0, 20, 10}, empty[4] = {3, 3, 3, 3};
    assert_near(hoi_box_iou(a, a), 1, 0);
    assert_near(hoi_box_iou(a, half), 0.5, 0);
    assert_near(hoi_box_iou(a, shifted), 25.0 / 175, 1e-15);
    assert_near(hoi_box_iou(a, beside), 0, 0);
    assert_near(hoi_box_iou(empty, empty), 0, 0);
    assert_near(hoi_box_iou(a, empty), 0, 0);
}

/* ------------------------------------------------------------------ suppression and selection */

static void test_suppression_is_within_a_label_and_strict(void **state) {
    (void)state;
    /* 0 and 1 overlap by 0.6 and share a label; 2 lies on 0 but is another thing; 3 overlaps 0 by
       exactly 0.5 */
    const float boxes[] = {0, 0, 10, 10, 0, 0, 10, 6, 0, 0, 10, 10, 0, 0, 10, 5};
    const float scores[] = {0.9f, 0.8f, 0.7f, 0.6f};
    const int labels[] = {1, 1, 2, 1};
    hoi_pairs *pairs = pairs_of(4, boxes, scores, labels);
    assert_non_null(pairs);
    assert_int_equal(pairs->instances, 3);
    assert_int_equal(pairs->kept[0], 0);
    assert_int_equal(pairs->kept[1], 2);
    assert_int_equal(pairs->kept[2], 3);
    assert_int_equal(pairs->humans, 0);
    assert_int_equal(pairs->count, 0);
    hoi_pairs_free(pairs);
}

static void test_a_dropped_box_drops_no_other(void **state) {
    (void)state;
    /* 1 overlaps 0 and goes; 2 overlaps 1 but not 0 and stays */
    const float boxes[] = {0, 0, 10, 10, 0, 3, 10, 13, 0, 6, 10, 16};
    const float scores[] = {0.9f, 0.8f, 0.7f};
    const int labels[] = {1, 1, 1};
    hoi_pairs *pairs = pairs_of(3, boxes, scores, labels);
    assert_non_null(pairs);
    assert_int_equal(pairs->instances, 2);
    assert_int_equal(pairs->kept[1], 2);
    hoi_pairs_free(pairs);
}

/* Boxes that do not touch: selection alone. */
static hoi_pairs *apart(int count, const float *scores, const int *labels) {
    float boxes[800];
    for (int i = 0; i < count; i++) {
        const float box[4] = {(float)(20 * i), 0, (float)(20 * i + 10), 10};
        memcpy(boxes + 4 * i, box, sizeof box);
    }
    return pairs_of(count, boxes, scores, labels);
}

static void test_too_few_above_the_threshold_takes_the_best_three(void **state) {
    (void)state;
    const float scores[] = {0.1f, 0.9f, 0.05f, 0.15f, 0.19f, 0.01f};
    const int labels[] = {0, 0, 0, 0, 5, 6};
    hoi_pairs *pairs = apart(6, scores, labels);
    assert_non_null(pairs);
    const int kept[] = {1, 3, 0, 4, 5};
    assert_int_equal(pairs->humans, 3);
    assert_int_equal(pairs->instances, 5);
    assert_memory_equal(pairs->kept, kept, sizeof kept);
    const int sorted_labels[] = {0, 0, 0, 5, 6};
    assert_memory_equal(pairs->labels, sorted_labels, sizeof sorted_labels);
    hoi_pairs_free(pairs);
}

static void test_the_threshold_is_included_and_decides_between_three_and_fifteen(void **state) {
    (void)state;
    const float scores[] = {0.5f, 0.4f, 0.3f, 0.2f, 0.199f};
    const int labels[] = {0, 0, 0, 0, 0};
    hoi_pairs *pairs = apart(5, scores, labels);
    assert_non_null(pairs);
    assert_int_equal(pairs->humans, 4);
    hoi_pairs_free(pairs);
}

static void test_more_than_fifteen_takes_the_best_fifteen_and_gives_435_pairs(void **state) {
    (void)state;
    float scores[50];
    int labels[50];
    for (int i = 0; i < 50; i++) {
        scores[i] = 0.3f + 0.01f * (float)(i / 2);
        labels[i] = i % 2 ? 7 : 0;
    }
    hoi_pairs *pairs = apart(50, scores, labels);
    assert_non_null(pairs);
    assert_int_equal(pairs->humans, 15);
    assert_int_equal(pairs->instances, 30);
    assert_int_equal(pairs->count, 435);
    for (int i = 0; i < 15; i++) {
        assert_int_equal(pairs->kept[i], 48 - 2 * i);
        assert_int_equal(pairs->kept[15 + i], 49 - 2 * i);
    }
    hoi_pairs_free(pairs);
}

static void test_equal_scores_keep_the_order_of_the_detector(void **state) {
    (void)state;
    const float scores[] = {0.5f, 0.5f, 0.5f, 0.5f};
    const int labels[] = {3, 0, 3, 0}, kept[] = {1, 3, 0, 2};
    hoi_pairs *pairs = apart(4, scores, labels);
    assert_non_null(pairs);
    assert_memory_equal(pairs->kept, kept, sizeof kept);
    hoi_pairs_free(pairs);
}

/* ------------------------------------------------------------------ pairs */

static void test_pairs_are_each_human_with_each_other_instance(void **state) {
    (void)state;
    const float scores[] = {0.9f, 0.8f, 0.7f};
    const int labels[] = {0, 0, 4}, human[] = {0, 0, 1, 1}, object[] = {1, 2, 0, 2};
    hoi_pairs *pairs = apart(3, scores, labels);
    assert_non_null(pairs);
    assert_int_equal(pairs->count, 4);
    assert_memory_equal(pairs->human, human, sizeof human);
    assert_memory_equal(pairs->object, object, sizeof object);
    const float around[4] = {0, 0, 50, 10};
    assert_memory_equal(pairs->unions + 4, around, sizeof around);
    hoi_pairs_free(pairs);
}

static void test_no_detections_and_a_lone_human_give_no_pairs(void **state) {
    (void)state;
    hoi_pairs *none = apart(0, NULL, NULL);
    assert_non_null(none);
    assert_int_equal(none->instances, 0);
    assert_int_equal(none->count, 0);
    hoi_pairs_spatial(none, 10, 10, NULL);
    hoi_pairs_free(none);
    const float score[] = {1};
    const int label[] = {0};
    hoi_pairs *lone = apart(1, score, label);
    assert_non_null(lone);
    assert_int_equal(lone->humans, 1);
    assert_int_equal(lone->count, 0);
    hoi_pairs_free(lone);
    hoi_pairs_free(NULL);
}

/* ------------------------------------------------------------------ numbers of a pair */

static void test_spatial_code_by_hand(void **state) {
    (void)state;
    const float boxes[] = {10, 20, 30, 60, 20, 40, 60, 50};
    const float scores[] = {0.9f, 0.8f};
    const int labels[] = {0, 1};
    hoi_pairs *pairs = pairs_of(2, boxes, scores, labels);
    assert_non_null(pairs);
    float code[hoi_spatial_width];
    hoi_pairs_spatial(pairs, 200, 100, code);
    /* human 20 x 40 around (20, 40); object 40 x 10 around (40, 45); common 10 x 10 of 800 + 400 -
       100 */
    const double wanted[] = {0.1,  0.4, 0.2, 0.45, 0.1,          0.4, 0.2, 0.1,   0.04,
                             0.02, 0.5, 0.5, 4,    100.0 / 1100, 1,   0,   0.125, 0};
    assert_int_equal(COUNT(wanted) * 2, hoi_spatial_width);
    for (size_t i = 0; i < COUNT(wanted); i++) {
        assert_near((double)code[i], wanted[i], 1e-6);
        assert_near((double)code[COUNT(wanted) + i], log(wanted[i] + 1e-10), 1e-5);
    }
    hoi_pairs_free(pairs);
}

static void test_spatial_code_of_empty_and_outlying_boxes_is_finite(void **state) {
    (void)state;
    const float boxes[] = {5, 5, 5, 5, -30, -40, -10, -20, 5, 5, 5, 5};
    const float scores[] = {0.9f, 0.8f, 0.7f};
    const int labels[] = {0, 0, 1};
    hoi_pairs *pairs = pairs_of(3, boxes, scores, labels);
    assert_non_null(pairs);
    float code[4 * hoi_spatial_width];
    hoi_pairs_spatial(pairs, 100, 100, code);
    for (int i = 0; i < pairs->count * hoi_spatial_width; i++)
        assert_true(isfinite(code[i]));
    hoi_pairs_free(pairs);
}

static void test_prior_is_zero_where_the_object_does_not_fit(void **state) {
    (void)state;
    const float boxes[] = {0, 0, 1, 1, 2, 0, 3, 1, 4, 0, 5, 1};
    const float scores[] = {0.5f, 0.9f, 0.8f};
    const int labels[] = {0, 2, 1};
    hoi_pairs *pairs = pairs_of(3, boxes, scores, labels);
    assert_non_null(pairs);
    const unsigned char fits[3][2] = {
        {0, 1}, {1, 1}, {0, 1}}; /* target 0 wants label 1, target 1 takes all */
    float prior[4];
    hoi_pairs_prior(pairs, fits[0], 2, 2.8, prior);
    assert_int_equal(pairs->count, 2);
    assert_near((double)prior[0], 0, 0);
    assert_near((double)prior[1], pow(0.5 * 0.9, 2.8), 1e-7);
    assert_near((double)prior[2], pow(0.5 * 0.8, 2.8), 1e-7);
    assert_near((double)prior[3], pow(0.5 * 0.8, 2.8), 1e-7);
    hoi_pairs_free(pairs);
}

static void test_truth_needs_both_boxes_and_allows_many_targets(void **state) {
    (void)state;
    const float boxes[] = {0, 0, 10, 10, 20, 0, 30, 10, 20, 20, 30, 30};
    const float scores[] = {0.9f, 0.8f, 0.7f};
    const int labels[] = {0, 1, 2};
    hoi_pairs *pairs = pairs_of(3, boxes, scores, labels);
    assert_non_null(pairs);
    /* the object of 0, 1, 2 is the first by 1, by exactly 0.5, by less; 3 has the wrong human */
    const float human[] = {0, 0, 10, 10, 0, 0, 10, 10, 0, 0, 10, 10, 50, 50, 60, 60};
    const float object[] = {20, 0, 30, 10, 20, 0, 30, 5, 20, 0, 30, 4.9f, 20, 20, 30, 30};
    const unsigned char targets[4][4] = {{1, 0, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}, {0, 1, 0, 0}};
    float truth[8];
    hoi_pairs_truth(pairs, &(hoi_interactions){4, human, object, targets[0]}, 4, 0.5, truth);
    const float wanted[] = {1, 0, 1, 0, 0, 0, 0, 0};
    assert_memory_equal(truth, wanted, sizeof wanted);
    hoi_pairs_free(pairs);
}

/* ------------------------------------------------------------------ refusals */

static void refuse(const float *boxes, float score, hoi_pairs_options options, const char *part) {
    const int label[] = {0};
    const unsigned char human[] = {1};
    assert_null(hoi_pairs_new(&(hoi_detections){1, boxes, &score, label, human}, &options));
    const char *message = hoi_error();
    if (!strstr(message, part))
        fail_msg("'%s' does not say '%s'", message, part);
}

static void test_wrong_input_is_refused_by_name(void **state) {
    (void)state;
    const float good[] = {0, 0, 1, 1}, inside_out[] = {3, 0, 1, 1},
                infinite[] = {0, 0, INFINITY, 1};
    hoi_pairs_options options = hoi_pairs_defaults(), wrong = options;
    refuse(inside_out, 0.5f, options, "detection 1 of 1: box {3, 0, 1, 1}");
    refuse(infinite, 0.5f, options, "not finite");
    refuse(good, NAN, options, "score is nan");
    refuse(good, 1.5f, options, "score is 1.5");
    wrong.min_instances = 16;
    refuse(good, 0.5f, wrong, "min_instances is 16");
    wrong = options;
    wrong.score_threshold = -1;
    refuse(good, 0.5f, wrong, "score_threshold is -1");
    wrong = options;
    wrong.nms_threshold = NAN;
    refuse(good, 0.5f, wrong, "nms_threshold");
    wrong = options;
    wrong.max_instances = 1000000;
    refuse(good, 0.5f, wrong, "max_instances is 1000000");
}

/* ------------------------------------------------------------------ second writing */

static double plain_iou(const float *a, const float *b) {
    double x1 = a[0] > b[0] ? a[0] : b[0], y1 = a[1] > b[1] ? a[1] : b[1];
    double x2 = a[2] < b[2] ? a[2] : b[2], y2 = a[3] < b[3] ? a[3] : b[3];
    double common = x2 > x1 && y2 > y1 ? (x2 - x1) * (y2 - y1) : 0;
    double both = ((double)a[2] - a[0]) * ((double)a[3] - a[1]) +
                  ((double)b[2] - b[0]) * ((double)b[3] - b[1]);
    return common > 0 ? common / (both - common) : 0;
}

/* The rules as sentences, without sorting: suppression by repeatedly taking the best of what is
   left. */
static int plain_selection(int count, const float *boxes, const float *scores, const int *labels,
                           int *kept) {
    int survivors[200], left = 0;
    bool gone[200] = {false};
    for (;;) {
        int best = -1;
        for (int i = 0; i < count; i++)
            if (!gone[i] && (best < 0 || scores[i] > scores[best]))
                best = i;
        if (best < 0)
            break;
        survivors[left++] = best;
        for (int i = 0; i < count; i++)
            if (i == best ||
                (labels[i] == labels[best] && plain_iou(boxes + 4 * i, boxes + 4 * best) > 0.5))
                gone[i] = true;
    }
    int total = 0;
    for (int kind = 0; kind < 2; kind++) {
        int of_kind = 0, good = 0, take;
        for (int i = 0; i < left; i++)
            if ((labels[survivors[i]] == 0) == (kind == 0)) {
                of_kind++;
                good += scores[survivors[i]] >= 0.2f;
            }
        take = good < 3 ? 3 : good > 15 ? 15 : good;
        if (take > of_kind)
            take = of_kind;
        for (int i = 0; i < left && take > 0; i++)
            if ((labels[survivors[i]] == 0) == (kind == 0)) {
                kept[total++] = survivors[i];
                take--;
            }
    }
    return total;
}

static void test_random_detections_agree_with_the_second_writing(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 400; round++) {
        hoi_random random = hoi_random_stream(66, round, 0);
        int count = (int)hoi_random_below(&random, 120), wanted[200];
        float boxes[480], scores[120];
        int labels[120];
        float ceiling = round % 3 ? 1 : 0.3f; /* some rounds have few good scores */
        for (int i = 0; i < count; i++) {
            float x = hoi_random_range(&random, 0, 60), y = hoi_random_range(&random, 0, 60);
            const float box[4] = {x, y, x + hoi_random_range(&random, 0, 40),
                                  y + hoi_random_range(&random, 0, 40)};
            memcpy(boxes + 4 * i, box, sizeof box);
            scores[i] =
                ceiling * (float)hoi_random_below(&random, 50) / 50; /* coarse: ties happen */
            labels[i] = (int)hoi_random_below(&random, 4);
        }
        hoi_pairs *pairs = pairs_of(count, boxes, scores, labels);
        assert_non_null(pairs);
        assert_int_equal(pairs->instances, plain_selection(count, boxes, scores, labels, wanted));
        int p = 0;
        for (int i = 0; i < pairs->instances; i++) {
            assert_int_equal(pairs->kept[i], wanted[i]);
            assert_int_equal(i < pairs->humans, pairs->labels[i] == 0);
            assert_memory_equal(pairs->boxes + 4 * i, boxes + 4 * wanted[i], 4 * sizeof(float));
            for (int j = 0; j < pairs->instances && i < pairs->humans; j++)
                if (i != j) {
                    assert_int_equal(pairs->human[p], i);
                    assert_int_equal(pairs->object[p], j);
                    assert_true(pairs->unions[4 * p] <= pairs->boxes[4 * j]);
                    assert_true(pairs->unions[4 * p + 3] >= pairs->boxes[4 * i + 3]);
                    p++;
                }
        }
        assert_int_equal(pairs->count, p);
        hoi_pairs_free(pairs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iou_by_hand),
        cmocka_unit_test(test_suppression_is_within_a_label_and_strict),
        cmocka_unit_test(test_a_dropped_box_drops_no_other),
        cmocka_unit_test(test_too_few_above_the_threshold_takes_the_best_three),
        cmocka_unit_test(test_the_threshold_is_included_and_decides_between_three_and_fifteen),
        cmocka_unit_test(test_more_than_fifteen_takes_the_best_fifteen_and_gives_435_pairs),
        cmocka_unit_test(test_equal_scores_keep_the_order_of_the_detector),
        cmocka_unit_test(test_pairs_are_each_human_with_each_other_instance),
        cmocka_unit_test(test_no_detections_and_a_lone_human_give_no_pairs),
        cmocka_unit_test(test_spatial_code_by_hand),
        cmocka_unit_test(test_spatial_code_of_empty_and_outlying_boxes_is_finite),
        cmocka_unit_test(test_prior_is_zero_where_the_object_does_not_fit),
        cmocka_unit_test(test_truth_needs_both_boxes_and_allows_many_targets),
        cmocka_unit_test(test_wrong_input_is_refused_by_name),
        cmocka_unit_test(test_random_detections_agree_with_the_second_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
