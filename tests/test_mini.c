/* test_mini: the drawn world: the same bits in any order, true boxes, fair classes, honest texts.
   */
#include "core/error.h"
#include "core/mini_plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PICTURE = HOI_MINI_SIZE * HOI_MINI_SIZE * 3, KINDS = 4 };
#define LOOK (1u << HOI_MINI_LOOK_AT)
static const unsigned DECOY_VERBS =
    1u << HOI_MINI_HOLD | 1u << HOI_MINI_KICK | 1u << HOI_MINI_REACH_FOR | 1u << HOI_MINI_LOOK_AT |
    1u << HOI_MINI_PUSH | 1u << HOI_MINI_PULL | 1u << HOI_MINI_PICK_UP;

static hoi_mini_scene scene_of(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index) {
    hoi_mini_scene scene;
    hoi_mini_render(kind, decoys, seed, index, NULL, &scene);
    return scene;
}

static bool starts_with(const char *text, const char *start) {
    return !strncmp(text, start, strlen(start));
}

/* Says whether a word is one of the text's words. */
static bool has_word(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        if ((at == text || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0)) {
            return true;
        }
    }
    return false;
}

static bool has_any_word(const char *text, const char *const *words) {
    for (; *words; words++) {
        if (has_word(text, *words)) {
            return true;
        }
    }
    return false;
}

static void check_words(const char *text) {
    char copy[HOI_MINI_TEXT];
    assert_true(strlen(text) > 0 && strlen(text) < sizeof copy);
    assert_null(strstr(text, "  "));
    strcpy(copy, text);
    int count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        bool known = false;
        for (int k = 0; hoi_mini_word(k) && !known; k++) {
            known = !strcmp(hoi_mini_word(k), word);
        }
        if (!known) {
            fail_msg("'%s' is not in the vocabulary (%s)", word, text);
        }
        count++;
    }
    if (count > HOI_MINI_WORDS) {
        fail_msg("%d words: %s", count, text);
    }
}

/* ---------------------------------------------------------------- pictures */

static void test_a_picture_depends_on_nothing_but_seed_and_index(void **state) {
    (void)state;
    enum { COUNT = 12, GRID = 12 };
    size_t cell_bytes = GRID * GRID * HOI_MINI_CELL_CLASSES;
    hoi_mini_batch *one = hoi_mini_batch_new(COUNT, GRID), *many = hoi_mini_batch_new(COUNT, GRID);
    assert_non_null(one);
    assert_non_null(many);
    for (int kind = 0; kind < KINDS; kind++) {
        hoi_mini_batch_fill(one, (hoi_mini_kind)kind, true, 5, 100, 1);
        hoi_mini_batch_fill(many, (hoi_mini_kind)kind, true, 5, 100, 5);
        assert_memory_equal(one->rgb, many->rgb, COUNT * PICTURE);
        assert_memory_equal(one->scenes, many->scenes, COUNT * sizeof *one->scenes);
        assert_memory_equal(one->cells, many->cells, COUNT * cell_bytes);
        for (int i = COUNT - 1; i >= 0; i -= 3) {
            unsigned char rgb[PICTURE];
            hoi_mini_scene scene;
            hoi_mini_render((hoi_mini_kind)kind, true, 5, 100 + (uint64_t)i, rgb, &scene);
            assert_memory_equal(rgb, one->rgb + i * PICTURE, PICTURE);
            assert_memory_equal(&scene, one->scenes + i, sizeof scene);
        }
    }
    hoi_mini_batch_free(one);
    hoi_mini_batch_free(many);
    hoi_mini_batch_free(NULL);
}

static void test_kinds_seeds_and_indices_share_no_picture(void **state) {
    (void)state;
    unsigned char first[PICTURE], other[PICTURE];
    hoi_mini_render(HOI_MINI_TRAIN, true, 1, 1, first, NULL);
    const struct {
        hoi_mini_kind kind;
        uint64_t seed, index;
    } others[] = {{HOI_MINI_TEST, 1, 1},
                  {HOI_MINI_WEB, 1, 1},
                  {HOI_MINI_EASY, 1, 1},
                  {HOI_MINI_TRAIN, 2, 1},
                  {HOI_MINI_TRAIN, 1, 2}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        hoi_mini_render(others[i].kind, true, others[i].seed, others[i].index, other, NULL);
        assert_memory_not_equal(first, other, PICTURE);
    }
}

static void test_boxes_are_within_a_pixel_of_what_is_drawn(void **state) {
    (void)state;
    static hoi_mini_canvas canvas;
    static hoi_mini_plan plan;
    int checked = 0;
    for (uint64_t index = 0; index < 1000; index++) {
        hoi_mini_lay_out((hoi_mini_kind)(index % KINDS), true, 11, index, &plan);
        for (int n = 0; n < plan.count; n++) {
            const hoi_mini_object *o = &plan.objects[n];
            if (plan.truth[n] < 0) {
                continue;
            }
            const float *box = o->label == HOI_MINI_THINGS ? plan.scene.person_box[plan.truth[n]]
                                                           : plan.scene.thing_box[plan.truth[n]];
            for (int i = 0; i < HOI_MINI_SIZE * HOI_MINI_SIZE; i++) {
                canvas.pixel[i][0] = -10;
            }
            hoi_mini_paint(&canvas, o, false);
            float drawn[4] = {HOI_MINI_SIZE, HOI_MINI_SIZE, 0, 0};
            for (int i = 0; i < HOI_MINI_SIZE * HOI_MINI_SIZE; i++) {
                if (canvas.pixel[i][0] > -7) { /* about 30% of the pixel is covered */
                    float x = (float)(i % HOI_MINI_SIZE), y = (float)(i / HOI_MINI_SIZE);
                    drawn[0] = fminf(drawn[0], x);
                    drawn[1] = fminf(drawn[1], y);
                    drawn[2] = fmaxf(drawn[2], x + 1);
                    drawn[3] = fmaxf(drawn[3], y + 1);
                }
            }
            for (int i = 0; i < 4; i++) {
                if (fabsf(drawn[i] - box[i]) > 1) {
                    fail_msg("picture %d, label %d, side %d: box %g, drawn %g", (int)index,
                             o->label, i, (double)box[i], (double)drawn[i]);
                }
            }
            checked++;
        }
    }
    assert_true(checked > 2000);
}

static void test_truth_is_consistent(void **state) {
    (void)state;
    for (uint64_t index = 0; index < 1000; index++) {
        hoi_mini_scene s = scene_of((hoi_mini_kind)(index % KINDS), index % 8 < 4, 3, index);
        assert_in_range(s.persons, 0, HOI_MINI_MOST_PERSONS);
        assert_in_range(s.things, 0, HOI_MINI_MOST_THINGS);
        assert_in_range(s.pairs, 0, HOI_MINI_MOST_PAIRS);
        assert_true(s.persons + s.things > 0);
        assert_in_range(s.place, 0, HOI_MINI_PLACES - 1);
        for (int i = 0; i < s.persons + s.things; i++) {
            const float *b = i < s.persons ? s.person_box[i] : s.thing_box[i - s.persons];
            assert_true(0 <= b[0] && b[0] < b[2] && b[2] <= HOI_MINI_SIZE);
            assert_true(0 <= b[1] && b[1] < b[3] && b[3] <= HOI_MINI_SIZE);
        }
        for (int i = 0; i < s.pairs; i++) {
            assert_in_range(s.pair[i].person, 0, s.persons - 1);
            assert_in_range(s.pair[i].thing, 0, s.things - 1);
            unsigned verbs = s.pair[i].verbs;
            assert_true(verbs != 0 && verbs >> HOI_MINI_VERBS == 0);
            assert_true((verbs & (verbs - 1)) == 0 || (verbs & LOOK));
            for (int v = 0; v < HOI_MINI_VERBS; v++) {
                if (verbs >> v & 1u) {
                    assert_true(hoi_mini_class(v, s.thing_kind[s.pair[i].thing]) >= 0);
                }
            }
        }
    }
}

static void test_cells_say_what_is_seen_in_them(void **state) {
    (void)state;
    unsigned char coarse[8 * 8 * 13], fine[12 * 12 * 13];
    int persons = 0, things = 0;
    for (uint64_t index = 0; index < 200; index++) {
        hoi_mini_scene s;
        hoi_mini_render_cells(HOI_MINI_WEB, true, 9, index, NULL, &s, 8, coarse);
        hoi_mini_render_cells(HOI_MINI_WEB, true, 9, index, NULL, NULL, 12, fine);
        for (int cell = 0; cell < 8 * 8; cell++) {
            float x = 12.0f * (float)(cell % 8), y = 12.0f * (float)(cell / 8);
            for (int k = 0; k < HOI_MINI_CELL_CLASSES; k++) {
                bool person = k == HOI_MINI_THINGS;
                float most = 0; /* of the cell inside boxes of this class */
                for (int i = 0; i < (person ? s.persons : s.things); i++) {
                    const float *b = person ? s.person_box[i] : s.thing_box[i];
                    float w = fminf(b[2], x + 12) - fmaxf(b[0], x);
                    float h = fminf(b[3], y + 12) - fmaxf(b[1], y);
                    if ((person || s.thing_kind[i] == k) && w > 0 && h > 0) {
                        most += w * h / 144;
                    }
                }
                int is = coarse[cell * HOI_MINI_CELL_CLASSES + k];
                assert_in_range(is, 0, 1);
                assert_true(!is || most > 0.25f);
                *(person ? &persons : &things) += is;
            }
        }
        int any = 0;
        for (size_t i = 0; i < sizeof fine; i++) {
            any += fine[i];
        }
        assert_true(any > 0);
    }
    assert_true(persons > 400 && things > 1000);
}

static void test_a_ball_fills_its_own_cell_but_not_the_corners_of_its_box(void **state) {
    (void)state;
    unsigned char cells[24 * 24 * 13];
    for (uint64_t index = 0;; index++) {
        hoi_mini_scene s = scene_of(HOI_MINI_EASY, true, 2, index);
        const float *b = s.thing_box[0];
        if (s.persons || s.thing_kind[0] != HOI_MINI_BALL || b[2] - b[0] < 60) {
            continue;
        }
        hoi_mini_render_cells(HOI_MINI_EASY, true, 2, index, NULL, NULL, 24, cells);
        int column = (int)(0.5f * (b[0] + b[2]) / 4), row = (int)(0.5f * (b[1] + b[3]) / 4);
        assert_int_equal(cells[(row * 24 + column) * 13 + HOI_MINI_BALL], 1);
        assert_int_equal(cells[((int)(b[1] / 4) * 24 + (int)(b[0] / 4)) * 13 + HOI_MINI_BALL], 0);
        return;
    }
}

static void test_impossible_batches_are_refused(void **state) {
    (void)state;
    assert_null(hoi_mini_batch_new(0, 0));
    assert_non_null(strstr(hoi_error(), "wanted 1 to"));
    assert_null(hoi_mini_batch_new(4, 7));
    assert_non_null(strstr(hoi_error(), "does not divide 96"));
    hoi_mini_batch *batch = hoi_mini_batch_new(1, 0);
    assert_non_null(batch);
    assert_null(batch->cells);
    hoi_mini_batch_free(batch);
}

/* ---------------------------------------------------------------- classes */

static void test_names_and_classes_belong_together(void **state) {
    (void)state;
    assert_string_equal(hoi_mini_thing(HOI_MINI_BAT), "bat");
    assert_string_equal(hoi_mini_thing(HOI_MINI_CARTON), "box");
    assert_string_equal(hoi_mini_verb(HOI_MINI_JUMP_OVER), "jump_over");
    assert_string_equal(hoi_mini_color(9), "pink");
    assert_null(hoi_mini_thing(12));
    assert_null(hoi_mini_verb(-1));
    assert_null(hoi_mini_color(10));
    int valid = 0;
    for (int v = 0; v < HOI_MINI_VERBS; v++) {
        for (int t = 0; t < HOI_MINI_THINGS; t++) {
            int class = hoi_mini_class(v, t);
            if (class >= 0) {
                assert_int_equal(hoi_mini_class_verb(class), v);
                assert_int_equal(hoi_mini_class_thing(class), t);
                valid++;
            }
        }
    }
    assert_int_equal(valid, HOI_MINI_CLASSES);
    assert_int_equal(hoi_mini_class(HOI_MINI_RIDE, HOI_MINI_CUP), -1);
    assert_int_equal(hoi_mini_class(HOI_MINI_LOOK_AT, HOI_MINI_KITE), 0);
    assert_int_equal(hoi_mini_class(HOI_MINI_REACH_FOR, HOI_MINI_DOG), 59);
    assert_int_equal(hoi_mini_class_verb(60), -1);
    assert_int_equal(hoi_mini_class_thing(-1), -1);
}

static void test_class_weights_fall_with_the_rank(void **state) {
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        double exponent = kind == HOI_MINI_TRAIN ? 1.3 : 0.5, sum = 0;
        for (int c = 0; c < HOI_MINI_CLASSES; c++) {
            double weight = (double)hoi_mini_weight((hoi_mini_kind)kind, c);
            double first = (double)hoi_mini_weight((hoi_mini_kind)kind, 0);
            assert_true(fabs(weight / first - pow((c + 2) / 2.0, -exponent)) < 1e-5);
            sum += weight;
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
    assert_true(hoi_mini_weight(HOI_MINI_TEST, 60) <= 0);
}

static void test_every_class_appears_as_often_as_its_weight(void **state) {
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        int counts[HOI_MINI_CLASSES] = {0}, total = 0;
        for (uint64_t index = 0; index < 4000; index++) {
            hoi_mini_scene s = scene_of((hoi_mini_kind)kind, false, 21, index);
            for (int i = 0; i < s.pairs; i++) {
                unsigned verbs = s.pair[i].verbs == LOOK ? LOOK : s.pair[i].verbs & ~LOOK;
                int v = 0;
                while (verbs >> v != 1) {
                    v++;
                }
                counts[hoi_mini_class(v, s.thing_kind[s.pair[i].thing])]++;
                total++;
            }
        }
        for (int c = 0; c < HOI_MINI_CLASSES; c++) {
            /* Large groups find no place somewhat more often than small ones. */
            double wanted = total * (double)hoi_mini_weight((hoi_mini_kind)kind, c);
            assert_true(counts[c] > 0);
            assert_true(fabs(counts[c] - wanted) < 0.25 * wanted + 4 * sqrt(wanted));
        }
    }
}

static void test_pictures_are_as_full_as_they_should_be(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    double persons = 0, things = 0, pairs = 0, two_verbs = 0, alone = 0;
    for (uint64_t index = 0; index < COUNT; index++) {
        hoi_mini_scene s = scene_of(HOI_MINI_TRAIN, false, 4, index);
        persons += s.persons;
        things += s.things;
        pairs += s.pairs;
        for (int i = 0; i < s.pairs; i++) {
            two_verbs += (s.pair[i].verbs & (s.pair[i].verbs - 1)) != 0;
        }
        alone += scene_of(HOI_MINI_EASY, true, 4, index).persons == 0;
    }
    assert_true(fabs(persons / COUNT - 1.7) < 0.12);
    assert_true(fabs(things / COUNT - 2.3) < 0.15);
    assert_true(fabs(pairs / COUNT - 1.55) < 0.1);
    assert_true(two_verbs / pairs > 0.04 && two_verbs / pairs < 0.1);
    assert_true(fabs(alone / COUNT - 0.4) < 0.04);
}

static void test_half_of_the_verbs_that_boxes_give_away_are_decoys(void **state) {
    (void)state;
    int labelled = 0, decoys = 0, unlabelled_things = 0;
    for (uint64_t index = 0; index < 3000; index++) {
        assert_int_equal(scene_of(HOI_MINI_TEST, false, 6, index).decoys, 0);
        assert_int_equal(scene_of(HOI_MINI_WEB, true, 6, index).decoys, 0);
        hoi_mini_scene s = scene_of(HOI_MINI_TEST, true, 6, index);
        decoys += s.decoys;
        assert_true(s.decoys + s.pairs <= s.persons);
        unlabelled_things += s.things > s.pairs;
        for (int i = 0; i < s.pairs; i++) {
            labelled += (s.pair[i].verbs & DECOY_VERBS) != 0;
        }
    }
    assert_true(abs(labelled - decoys) < (labelled + decoys) / 15);
    assert_true(decoys > 1000 && unlabelled_things > decoys / 2);
}

static void test_sizes_vary_more_where_there_are_decoys(void **state) {
    (void)state;
    double least[2] = {10, 10}, most[2] = {0, 0};
    for (uint64_t index = 0; index < 6000; index++) {
        for (int decoys = 0; decoys < 2; decoys++) {
            hoi_mini_scene s = scene_of(HOI_MINI_TEST, decoys == 1, 8, index);
            for (int i = 0; i < s.pairs; i++) {
                const float *p = s.person_box[s.pair[i].person];
                const float *t = s.thing_box[s.pair[i].thing];
                if (s.pair[i].verbs == 1u << HOI_MINI_CARRY &&
                    s.thing_kind[s.pair[i].thing] == HOI_MINI_BALL) {
                    double ratio = (double)((t[3] - t[1]) / (p[3] - p[1]));
                    least[decoys] = fmin(least[decoys], ratio);
                    most[decoys] = fmax(most[decoys], ratio);
                }
            }
        }
    }
    /* A ball is 0.26 body heights high at size 1; whoever carries it is 1.13 high. */
    assert_true(least[0] > 0.9 * 0.26 / 1.2 && most[0] < 1.25 * 0.26 / 1.08);
    assert_true(least[1] < 0.75 * 0.26 / 1.13 && most[1] > 1.4 * 0.26 / 1.13);
}

static void check_setting(const char *setting, int count, const int classes[][2]) {
    bool wanted[HOI_MINI_CLASSES] = {false};
    for (int i = 0; i < count; i++) {
        int class = hoi_mini_class(classes[i][0], classes[i][1]);
        assert_true(class >= 0);
        wanted[class] = true;
    }
    for (int c = 0; c < HOI_MINI_CLASSES; c++) {
        assert_int_equal(hoi_mini_unseen(setting, c), wanted[c]);
    }
}

#define CLASS(verb, thing)                                                                         \
    { HOI_MINI_##verb, HOI_MINI_##thing }

static void test_first_settings_take_the_listed_classes(void **state) {
    (void)state;
    const int rare[][2] = {CLASS(HOLD, BALL),       CLASS(CARRY, BOARD),  CLASS(STAND_ON, CARTON),
                           CLASS(STAND_ON, BOARD),  CLASS(KICK, BAT),     CLASS(REACH_FOR, DOG),
                           CLASS(REACH_FOR, HORSE), CLASS(LOOK_AT, BOOK), CLASS(PULL, DOG),
                           CLASS(PICK_UP, CARTON),  CLASS(PICK_UP, CUP),  CLASS(JUMP_OVER, BALL)};
    const int frequent[][2] = {CLASS(HOLD, CUP),       CLASS(CARRY, BALL),   CLASS(SIT_ON, CHAIR),
                               CLASS(STAND_ON, CHAIR), CLASS(KICK, CARTON),  CLASS(REACH_FOR, KITE),
                               CLASS(LOOK_AT, DOG),    CLASS(LOOK_AT, KITE), CLASS(PULL, CARTON),
                               CLASS(PULL, CHAIR),     CLASS(PULL, BOARD),   CLASS(PICK_UP, BOOK)};
    check_setting("rare_first", 12, rare);
    check_setting("non_rare_first", 12, frequent);
}

static void test_unseen_verbs_and_things_leave_no_class_of_theirs(void **state) {
    (void)state;
    int verbs = 0, things = 0;
    for (int c = 0; c < HOI_MINI_CLASSES; c++) {
        int v = hoi_mini_class_verb(c), t = hoi_mini_class_thing(c);
        bool verb = v == HOI_MINI_KICK || v == HOI_MINI_PULL;
        bool thing = t == HOI_MINI_DOG || t == HOI_MINI_UMBRELLA || t == HOI_MINI_BAT;
        assert_int_equal(hoi_mini_unseen("unseen_verb", c), verb);
        assert_int_equal(hoi_mini_unseen("unseen_object", c), thing);
        assert_false(hoi_mini_unseen("default", c));
        verbs += verb;
        things += thing;
    }
    assert_int_equal(verbs, 10);
    assert_int_equal(things, 10);
    assert_string_equal(hoi_mini_setting(0), "default");
    assert_string_equal(hoi_mini_setting(4), "unseen_object");
    assert_false(hoi_mini_unseen("unseen_verb", -1));
}

static void
test_unseen_compositions_differ_and_leave_every_verb_and_thing_a_seen_class(void **state) {
    (void)state;
    unsigned char seen_as[5][HOI_MINI_CLASSES];
    for (int k = 0; k < 5; k++) {
        const char *setting = hoi_mini_setting(5 + k);
        assert_string_equal(setting, ((const char *[]){"uc0", "uc1", "uc2", "uc3", "uc4"})[k]);
        int unseen = 0, verbs[HOI_MINI_VERBS] = {0}, things[HOI_MINI_THINGS] = {0};
        for (int c = 0; c < HOI_MINI_CLASSES; c++) {
            bool held = hoi_mini_unseen(setting, c);
            seen_as[k][c] = held;
            unseen += held;
            verbs[hoi_mini_class_verb(c)] += !held;
            things[hoi_mini_class_thing(c)] += !held;
        }
        assert_int_equal(unseen, 12);
        for (int v = 0; v < HOI_MINI_VERBS; v++)
            assert_true(verbs[v] >= 1);
        for (int t = 0; t < HOI_MINI_THINGS; t++)
            assert_true(things[t] >= 2);
        for (int j = 0; j < k; j++)
            assert_memory_not_equal(seen_as[j], seen_as[k], HOI_MINI_CLASSES);
    }
    assert_null(hoi_mini_setting(10));
    assert_false(hoi_mini_unseen("uc5", 0));
}

/* ---------------------------------------------------------------- texts */

static void test_texts_of_classes_read_as_they_should(void **state) {
    (void)state;
    char text[HOI_MINI_TEXT];
    int class = hoi_mini_class(HOI_MINI_HOLD, HOI_MINI_UMBRELLA);
    assert_int_equal(hoi_mini_sentence(class, text, sizeof text), 28);
    assert_string_equal(text, "a person holding an umbrella");
    hoi_mini_name(class, 1, text, sizeof text);
    assert_string_equal(text, "a photo of a person holding an umbrella");
    hoi_mini_name(class, 3, text, sizeof text);
    assert_string_equal(text, "someone holding an umbrella");
    hoi_mini_description(class, 1, text, sizeof text);
    assert_string_equal(text, "a person with a bent arm and the hand closed on an umbrella");
    hoi_mini_description(class, 3, text, sizeof text);
    assert_string_equal(text, "an umbrella in the hand of a person");
    assert_int_equal(hoi_mini_description(class, 6, text, sizeof text), 0);
    assert_int_equal(hoi_mini_name(60, 0, text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_int_equal(hoi_mini_sentence(class, text, 9), 8);
    assert_string_equal(text, "a person");
    assert_int_equal(hoi_mini_sentence(class, text, 0), 0);
}

/* The words that name a verb. */
static const char *const OWN_WORDS[HOI_MINI_VERBS][6] = {
    {"holding", "held", "gripping"},
    {"carrying", "carried", "lifting"},
    {"sitting", "seated"},
    {"standing"},
    {"kicking", "kicked", "booting"},
    {"reaching"},
    {"looking", "watching", "watched", "staring"},
    {"pushing", "pushed", "shoving"},
    {"riding", "ridden"},
    {"pulling", "pulled", "towing", "dragging"},
    {"picking", "picked", "grabbing"},
    {"jumping", "leaping"},
};

static void test_descriptions_do_not_name_the_verb_and_names_do(void **state) {
    (void)state;
    char text[HOI_MINI_TEXT];
    for (int c = 0; c < HOI_MINI_CLASSES; c++) {
        const char *const *own = OWN_WORDS[hoi_mini_class_verb(c)];
        for (int k = 0; k < HOI_MINI_NAMES; k++) {
            hoi_mini_name(c, k, text, sizeof text);
            check_words(text);
            assert_true(has_any_word(text, own));
            assert_true(has_word(text, hoi_mini_thing(hoi_mini_class_thing(c))));
        }
        for (int k = 0; k < HOI_MINI_DESCRIPTIONS; k++) {
            hoi_mini_description(c, k, text, sizeof text);
            check_words(text);
            assert_false(has_any_word(text, own));
            assert_int_equal(starts_with(text, "a person "), k < 3);
        }
    }
}

static void test_captions_keep_to_the_vocabulary_and_the_context(void **state) {
    (void)state;
    for (uint64_t index = 0; index < 4000; index++) {
        hoi_mini_kind kind = (hoi_mini_kind)(index % KINDS);
        bool decoys = index % 8 < 4;
        hoi_mini_scene s = scene_of(kind, decoys, 13, index);
        char text[HOI_MINI_TEXT], again[HOI_MINI_TEXT];
        size_t n = hoi_mini_caption(kind, decoys, 13, index, &s, text, sizeof text);
        assert_int_equal(n, strlen(text));
        check_words(text);
        assert_null(strstr(text, "a orange"));
        hoi_mini_caption(kind, decoys, 13, index, &s, again, sizeof again);
        assert_string_equal(text, again);
    }
}

static void test_words_are_sorted_and_all_different(void **state) {
    (void)state;
    int count = 1;
    for (; hoi_mini_word(count); count++) {
        assert_true(strcmp(hoi_mini_word(count - 1), hoi_mini_word(count)) < 0);
    }
    assert_in_range(count, 150, 200);
    assert_null(hoi_mini_word(-1));
}

/* Of the captions of pictures with one pair, which does this verb alone: the share that names it.
   */
static double share_named(int verb, bool decoys) {
    double named = 0, all = 0;
    for (uint64_t index = 0; index < 12000; index++) {
        hoi_mini_scene s = scene_of(HOI_MINI_WEB, decoys, 17, index);
        if (s.pairs == 1 && s.pair[0].verbs == 1u << verb) {
            char text[HOI_MINI_TEXT];
            hoi_mini_caption(HOI_MINI_WEB, decoys, 17, index, &s, text, sizeof text);
            named += has_any_word(text, OWN_WORDS[verb]);
            all++;
        }
    }
    assert_true(all > 100);
    return named / all;
}

static void test_captions_hardly_name_the_verbs_that_must_be_described(void **state) {
    (void)state;
    const int seldom[] = {HOI_MINI_KICK, HOI_MINI_REACH_FOR, HOI_MINI_PUSH, HOI_MINI_PULL};
    for (int i = 0; i < 4; i++) {
        assert_true(share_named(seldom[i], true) < 0.08);
        assert_true(share_named(seldom[i], false) > 0.2);
    }
    assert_true(share_named(HOI_MINI_PICK_UP, true) > 0.2);
    assert_true(share_named(HOI_MINI_CARRY, true) > 0.2);
}

static void test_captions_tell_the_truth_about_colours_but_for_one_in_twenty(void **state) {
    (void)state;
    int said = 0, wrong = 0;
    for (uint64_t index = 0; index < 4000; index++) {
        hoi_mini_scene s = scene_of(HOI_MINI_EASY, true, 19, index);
        if (s.persons) {
            continue;
        }
        char text[HOI_MINI_TEXT];
        hoi_mini_caption(HOI_MINI_EASY, true, 19, index, &s, text, sizeof text);
        for (int c = 0; c < HOI_MINI_COLORS; c++) {
            if (has_word(text, hoi_mini_color(c))) {
                said++;
                wrong += c != s.thing_color[0];
            }
        }
    }
    assert_true(said > 300);
    assert_true(wrong > 0 && wrong < said / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_picture_depends_on_nothing_but_seed_and_index),
        cmocka_unit_test(test_kinds_seeds_and_indices_share_no_picture),
        cmocka_unit_test(test_boxes_are_within_a_pixel_of_what_is_drawn),
        cmocka_unit_test(test_truth_is_consistent),
        cmocka_unit_test(test_cells_say_what_is_seen_in_them),
        cmocka_unit_test(test_a_ball_fills_its_own_cell_but_not_the_corners_of_its_box),
        cmocka_unit_test(test_impossible_batches_are_refused),
        cmocka_unit_test(test_names_and_classes_belong_together),
        cmocka_unit_test(test_class_weights_fall_with_the_rank),
        cmocka_unit_test(test_every_class_appears_as_often_as_its_weight),
        cmocka_unit_test(test_pictures_are_as_full_as_they_should_be),
        cmocka_unit_test(test_half_of_the_verbs_that_boxes_give_away_are_decoys),
        cmocka_unit_test(test_sizes_vary_more_where_there_are_decoys),
        cmocka_unit_test(test_first_settings_take_the_listed_classes),
        cmocka_unit_test(test_unseen_verbs_and_things_leave_no_class_of_theirs),
        cmocka_unit_test(
            test_unseen_compositions_differ_and_leave_every_verb_and_thing_a_seen_class),
        cmocka_unit_test(test_texts_of_classes_read_as_they_should),
        cmocka_unit_test(test_descriptions_do_not_name_the_verb_and_names_do),
        cmocka_unit_test(test_captions_keep_to_the_vocabulary_and_the_context),
        cmocka_unit_test(test_words_are_sorted_and_all_different),
        cmocka_unit_test(test_captions_hardly_name_the_verbs_that_must_be_described),
        cmocka_unit_test(test_captions_tell_the_truth_about_colours_but_for_one_in_twenty),
    };
    return cmocka_run_group_tests_name("mini", tests, NULL, NULL);
}
