/* test_role_metric: V-COCO's role AP against golden values in exact fractions (golden/role_ap.py),
   against a second writing on random detections, and on real truth. */
#include "core/error.h"
#include "core/random.h"
#include "core/role_metric.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cJSON *read_json(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(size + 1, 1);
    assert_int_equal(fread(text, 1, size, file), size);
    fclose(file);
    cJSON *json = cJSON_Parse(text);
    free(text);
    assert_non_null(json);
    return json;
}

static const cJSON *key(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static void read_box(const cJSON *list, float *box) {
    assert_int_equal(cJSON_GetArraySize(list), 4);
    for (int k = 0; k < 4; k++)
        box[k] = (float)cJSON_GetArrayItem(list, k)->valuedouble;
}

static double precision(hoi_role_meter *meter, int column, int scenario, bool defaults) {
    double value = -1;
    assert_true(hoi_role_meter_average_precision(meter, column, scenario, defaults, &value));
    return value;
}

/* ------------------------------------------------------------------ golden values */

/* Gets the place of [action, role] in the list of columns. */
static int column_of(const cJSON *columns, int action, int role) {
    for (int i = 0; i < cJSON_GetArraySize(columns); i++) {
        const cJSON *column = cJSON_GetArrayItem(columns, i);
        if (cJSON_GetArrayItem(column, 0)->valueint == action &&
            cJSON_GetArrayItem(column, 1)->valueint == role)
            return i;
    }
    fail();
    return -1;
}

static void add_person(hoi_role_meter *meter, const cJSON *columns, int image, const cJSON *one) {
    const cJSON *actions = key(one, "actions"), *action;
    float box[4];
    int person;
    read_box(key(one, "box"), box);
    assert_true(hoi_role_meter_person(meter, image, box, cJSON_IsArray(actions), &person));
    cJSON_ArrayForEach(action, actions) {
        for (int c = 0; c < cJSON_GetArraySize(columns); c++) {
            const cJSON *column = cJSON_GetArrayItem(columns, c);
            char name[32];
            float role[4];
            if (cJSON_GetArrayItem(column, 0)->valueint != action->valueint)
                continue;
            snprintf(name, sizeof name, "%d %d", action->valueint,
                     cJSON_GetArrayItem(column, 1)->valueint);
            const cJSON *there = key(key(one, "roles"), name);
            if (there)
                read_box(there, role);
            assert_true(hoi_role_meter_does(meter, person, c, there ? role : NULL));
        }
    }
}

static hoi_role_meter *golden_meter(const cJSON *golden) {
    const cJSON *columns = key(golden, "columns"), *picture, *one;
    hoi_role_meter *meter = hoi_role_meter_new(cJSON_GetArraySize(columns), 0.5);
    int image = 0;
    cJSON_ArrayForEach(picture, key(golden, "pictures")) {
        cJSON_ArrayForEach(one, key(picture, "people")) add_person(meter, columns, image, one);
        cJSON_ArrayForEach(one, key(picture, "detections")) {
            float human[4], object[4];
            read_box(key(one, "human"), human);
            read_box(key(one, "object"), object);
            int column =
                column_of(columns, key(one, "action")->valueint, key(one, "role")->valueint);
            assert_true(hoi_role_meter_add(meter, image, column, key(one, "score")->valuedouble,
                                           human, object));
        }
        image++;
    }
    return meter;
}

static int compare_with(hoi_role_meter *meter, const cJSON *golden, const char *name, int scenario,
                        bool defaults) {
    const cJSON *wanted = key(key(golden, name), "ap");
    for (int c = 0; c < cJSON_GetArraySize(wanted); c++) {
        double value = precision(meter, c, scenario, defaults);
        if (cJSON_IsNull(cJSON_GetArrayItem(wanted, c)))
            assert_true(isnan(value));
        else
            assert_true(fabs(value - cJSON_GetArrayItem(wanted, c)->valuedouble) < 1e-9);
    }
    return cJSON_GetArraySize(wanted);
}

static void test_golden_values_in_both_scenarios_with_and_without_defaults(void **state) {
    (void)state;
    cJSON *json = read_json("tests/golden/role_ap.json");
    assert_non_null(json);
    const cJSON *golden = key(json, "vcoco");
    hoi_role_meter *meter = golden_meter(golden);
    assert_int_equal(compare_with(meter, golden, "scenario_1", 1, false), 5);
    compare_with(meter, golden, "scenario_2", 2, false);
    compare_with(meter, golden, "defaults_scenario_1", 1, true);
    compare_with(meter, golden, "defaults_scenario_2", 2, true);
    hoi_role_meter_free(meter);
    const cJSON *halves = key(json, "vcoco_halves");
    meter = golden_meter(halves); /* an overlap of exactly one half counts */
    assert_int_equal(compare_with(meter, halves, "scenario_1", 1, false), 1);
    hoi_role_meter_free(meter);
    cJSON_Delete(json);
}

/* ------------------------------------------------------------------ second writing */

enum { pictures = 6, columns = 3, most = 400 };

struct plain_person {
    float box[4], role[columns][4];
    bool annotated, done[columns], has_role[columns];
};

struct plain_detection {
    int image, column;
    float human[4], role[4];
    double score;
};

struct world {
    int people[pictures], count;
    struct plain_person person[pictures][4];
    struct plain_detection detection[most];
};

static float plain_iou(const float *a, const float *b) {
    float x1 = a[0] > b[0] ? a[0] : b[0], y1 = a[1] > b[1] ? a[1] : b[1];
    float x2 = a[2] < b[2] ? a[2] : b[2], y2 = a[3] < b[3] ? a[3] : b[3];
    float common = x2 + 1 > x1 && y2 + 1 > y1 ? (x2 + 1 - x1) * (y2 + 1 - y1) : 0;
    float first = (a[2] - a[0] + 1) * (a[3] - a[1] + 1);
    return common / (first + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - common);
}

/* As the published evaluator goes about it: picture after picture, tp and fp, all sorted, cumulated,
   and the area by VOC's vectors. */
static double plain_precision(const struct world *w, int column, int scenario) {
    double score[most], recall[most + 2], exact[most + 2], sum = 0;
    bool right[most];
    int n = 0, truths = 0;
    for (int image = 0; image < pictures; image++) {
        bool covered[4] = {false}, used[most] = {false};
        for (int p = 0; p < w->people[image]; p++)
            truths += w->person[image][p].done[column];
        for (;;) {
            int best = -1, near = 0;
            for (int i = 0; i < w->count; i++)
                if (w->detection[i].image == image && w->detection[i].column == column &&
                    !used[i] && (best < 0 || w->detection[i].score > w->detection[best].score))
                    best = i;
            if (best < 0)
                break;
            used[best] = true;
            const struct plain_detection *d = &w->detection[best];
            for (int p = 1; p < w->people[image]; p++)
                if (plain_iou(w->person[image][p].box, d->human) >
                    plain_iou(w->person[image][near].box, d->human))
                    near = p;
            const struct plain_person *person = &w->person[image][near];
            if (!person->annotated)
                continue;
            bool role = person->has_role[column]
                            ? plain_iou(person->role[column], d->role) >= 0.5f
                            : scenario == 2 || (d->role[2] == 0 && d->role[3] == 0 &&
                                                d->role[0] == 0 && d->role[1] == 0);
            bool good = person->done[column] && plain_iou(person->box, d->human) >= 0.5f && role;
            right[n] = good && !covered[near];
            covered[near] |= good;
            score[n++] = d->score;
        }
    }
    if (!truths)
        return NAN;
    for (int i = 1; i < n; i++) /* scores differ: any sort will do */
        for (int j = i; j > 0 && score[j] > score[j - 1]; j--) {
            double s = score[j];
            bool r = right[j];
            score[j] = score[j - 1];
            right[j] = right[j - 1];
            score[j - 1] = s;
            right[j - 1] = r;
        }
    int tp = 0;
    recall[0] = exact[0] = 0;
    for (int i = 0; i < n; i++) {
        tp += right[i];
        recall[i + 1] = (double)tp / truths;
        exact[i + 1] = (double)tp / (i + 1);
    }
    recall[n + 1] = 1;
    exact[n + 1] = 0;
    for (int i = n + 1; i > 0; i--)
        exact[i - 1] = exact[i - 1] > exact[i] ? exact[i - 1] : exact[i];
    for (int i = 0; i <= n; i++)
        sum += (recall[i + 1] - recall[i]) * exact[i + 1];
    return sum;
}

static void random_box(hoi_random *r, float *box) {
    box[0] = (float)hoi_random_below(r, 12);
    box[1] = (float)hoi_random_below(r, 12);
    box[2] = box[0] + (float)hoi_random_below(r, 16);
    box[3] = box[1] + (float)hoi_random_below(r, 16);
}

static void random_world(hoi_random *r, struct world *w) {
    memset(w, 0, sizeof *w);
    for (int image = 0; image < pictures; image++) {
        w->people[image] = 1 + (int)hoi_random_below(r, 4);
        for (int p = 0; p < w->people[image]; p++) {
            struct plain_person *person = &w->person[image][p];
            random_box(r, person->box);
            person->annotated = hoi_random_below(r, 4) > 0;
            for (int c = 0; c < columns && person->annotated; c++) {
                person->done[c] = hoi_random_below(r, 2);
                person->has_role[c] = person->done[c] && hoi_random_below(r, 3) > 0;
                random_box(r, person->role[c]);
            }
        }
    }
    w->count = 30 + (int)hoi_random_below(r, 200);
    for (int i = 0; i < w->count; i++) {
        struct plain_detection *d = &w->detection[i];
        d->image = (int)hoi_random_below(r, pictures);
        d->column = (int)hoi_random_below(r, columns);
        d->score = (double)(hoi_random_bits(r) >> 11) * 0x1p-53;
        const struct plain_person *person =
            &w->person[d->image][hoi_random_below(r, (uint32_t)w->people[d->image])];
        random_box(r, d->human);
        random_box(r, d->role);
        if (hoi_random_below(r, 4) > 0) {
            memcpy(d->human, person->box, sizeof d->human);
            d->human[2] += (float)hoi_random_below(r, 4);
        }
        if (person->has_role[d->column] && hoi_random_below(r, 3) > 0) {
            memcpy(d->role, person->role[d->column], sizeof d->role);
            d->role[3] += (float)hoi_random_below(r, 4);
        } else if (hoi_random_below(r, 2)) {
            memset(d->role, 0, sizeof d->role);
        }
    }
}

static hoi_role_meter *meter_of(const struct world *w) {
    hoi_role_meter *meter = hoi_role_meter_new(columns, 0.5);
    for (int i = 0; i < w->count / 2; i++) { /* half of them before the people, asked in between */
        const struct plain_detection *d = &w->detection[i];
        assert_true(hoi_role_meter_add(meter, d->image, d->column, d->score, d->human, d->role));
    }
    for (int p = 3; p >= 0; p--) /* not in the order of the pictures */
        for (int image = pictures; image-- > 0;) {
            int at = w->people[image] - 1 - p, number;
            if (at < 0)
                continue;
            const struct plain_person *person = &w->person[image][at];
            assert_true(
                hoi_role_meter_person(meter, image, person->box, person->annotated, &number));
            for (int c = 0; c < columns; c++)
                if (person->done[c])
                    assert_true(hoi_role_meter_does(meter, number, c,
                                                    person->has_role[c] ? person->role[c] : NULL));
            double value;
            assert_true(hoi_role_meter_average_precision(meter, 0, 1, false, &value));
        }
    for (int i = w->count / 2; i < w->count; i++) {
        const struct plain_detection *d = &w->detection[i];
        assert_true(hoi_role_meter_add(meter, d->image, d->column, d->score, d->human, d->role));
    }
    return meter;
}

static void test_random_meters_agree_with_the_second_writing(void **state) {
    (void)state;
    static struct world w;
    int compared = 0, different = 0;
    double sum = 0;
    for (uint64_t round = 0; round < 200; round++) {
        hoi_random r = hoi_random_stream(17, round, 0);
        random_world(&r, &w);
        hoi_role_meter *meter = meter_of(&w);
        double values[2];
        for (int c = 0; c < columns; c++) {
            for (int scenario = 1; scenario <= 2; scenario++) {
                double wanted = plain_precision(&w, c, scenario);
                values[scenario - 1] = precision(meter, c, scenario, false);
                if (isnan(wanted)) {
                    assert_true(isnan(values[scenario - 1]));
                    continue;
                }
                assert_true(fabs(values[scenario - 1] - wanted) < 1e-9);
                sum += wanted;
                compared++;
            }
            different += values[0] < values[1];
        }
        hoi_role_meter_free(meter);
    }
    assert_true(compared > 1000);
    assert_true(different > 100);
    assert_true(sum / compared > 0.05 && sum / compared < 0.95);
}

/* ------------------------------------------------------------------ real truth */

/* Truth and detections of one picture; people are the distinct human boxes. */
static int add_picture(hoi_role_meter *meter, int image, const cJSON *entry) {
    const cJSON *humans = key(entry, "boxes_h"), *objects = key(entry, "boxes_o");
    const cJSON *actions = key(entry, "actions");
    int n = cJSON_GetArraySize(actions), people[256];
    for (int i = 0; i < n; i++) {
        float human[4], object[4], other[4];
        read_box(cJSON_GetArrayItem(humans, i), human);
        read_box(cJSON_GetArrayItem(objects, i), object);
        people[i] = -1;
        for (int j = 0; j < i && people[i] < 0; j++) {
            read_box(cJSON_GetArrayItem(humans, j), other);
            if (memcmp(human, other, sizeof human) == 0)
                people[i] = people[j];
        }
        if (people[i] < 0)
            assert_true(hoi_role_meter_person(meter, image, human, true, &people[i]));
        int column = cJSON_GetArrayItem(actions, i)->valueint;
        assert_true(hoi_role_meter_does(meter, people[i], column, object));
        assert_true(hoi_role_meter_add(meter, image, column, 0.5, human, object));
    }
    return n;
}

static void test_ground_truth_of_v_coco_as_detections_is_perfect(void **state) {
    (void)state;
    char path[512];
    const char *folder = getenv("HOI_DATA");
    snprintf(path, sizeof path, "%s/vcoco/instances_vcoco_test.json",
             folder ? folder : "../shared/data");
    cJSON *json = read_json(path);
    if (!json) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    hoi_role_meter *meter = hoi_role_meter_new(24, 0.5);
    const cJSON *entry;
    int image = 0, pairs = 0;
    cJSON_ArrayForEach(entry, key(json, "annotations")) pairs += add_picture(meter, image++, entry);
    assert_int_equal(image, 4946);
    assert_int_equal(pairs, 12402);
    for (int c = 0; c < 24; c++)
        for (int scenario = 1; scenario <= 2; scenario++)
            assert_true(fabs(precision(meter, c, scenario, false) - 1) < 1e-12);
    hoi_role_meter_free(meter);
    cJSON_Delete(json);
}

/* ------------------------------------------------------------------ faults */

static void test_wrong_input_is_refused_by_name(void **state) {
    (void)state;
    const float box[4] = {0, 0, 1, 1}, turned[4] = {1, 0, 0, 1}, endless[4] = {0, 0, INFINITY, 1};
    int person;
    double value;
    assert_null(hoi_role_meter_new(0, 0.5));
    assert_non_null(strstr(hoi_error(), "0 columns"));
    assert_null(hoi_role_meter_new(1, NAN));
    assert_non_null(strstr(hoi_error(), "iou_threshold"));
    hoi_role_meter *meter = hoi_role_meter_new(2, 0.5);
    assert_false(hoi_role_meter_person(meter, -1, box, true, &person));
    assert_non_null(strstr(hoi_error(), "image -1"));
    assert_false(hoi_role_meter_person(meter, 0, turned, true, &person));
    assert_non_null(strstr(hoi_error(), "inside out"));
    assert_true(hoi_role_meter_person(meter, 0, box, false, &person));
    assert_false(hoi_role_meter_does(meter, person, 0, box));
    assert_non_null(strstr(hoi_error(), "looked at"));
    assert_true(hoi_role_meter_person(meter, 0, box, true, &person));
    assert_false(hoi_role_meter_does(meter, person, 2, box));
    assert_non_null(strstr(hoi_error(), "column 3, one of 2"));
    assert_false(hoi_role_meter_does(meter, person, 0, endless));
    assert_non_null(strstr(hoi_error(), "not finite"));
    assert_true(hoi_role_meter_does(meter, person, 0, NULL));
    assert_true(hoi_role_meter_does(meter, person, 0, box)); /* said twice: one person */
    assert_int_equal(hoi_role_meter_truths(meter, 0), 1);
    assert_int_equal(hoi_role_meter_truths(meter, 7), 0);
    assert_false(hoi_role_meter_add(meter, 0, 0, NAN, box, box));
    assert_non_null(strstr(hoi_error(), "score"));
    assert_false(hoi_role_meter_average_precision(meter, 0, 3, false, &value));
    assert_non_null(strstr(hoi_error(), "scenario 3"));
    assert_true(isnan(precision(meter, 1, 1, false)));
    assert_true(precision(meter, 0, 1, false) == 0);
    assert_true(hoi_role_meter_add(meter, 5, 0, 1, box, box)); /* a picture without people */
    assert_true(precision(meter, 0, 2, false) == 0);
    hoi_role_meter_free(meter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_values_in_both_scenarios_with_and_without_defaults),
        cmocka_unit_test(test_random_meters_agree_with_the_second_writing),
        cmocka_unit_test(test_ground_truth_of_v_coco_as_detections_is_perfect),
        cmocka_unit_test(test_wrong_input_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
