/* mini: a drawn world of people, things and what they do. Picture, boxes and caption number `index`
   of `seed` depend on nothing else: not on order, batch or thread, so nothing is stored.

   `kind` says what is drawn. EASY: a thing alone, or one group close up (the start of a
   pretraining). WEB: also wide scenes. TRAIN and TEST: pictures for detection, with class weights
   1 / (rank + 2)^a, a = 1.3 and 0.5 (EASY, WEB: 0.5). The kinds never share a picture, even with
   the same seed and index.

   `decoys` = true is the world meant for use, in which neither boxes nor names give the verb away:
   - in TRAIN and TEST half the groups of hold, kick, reach_for, look_at, push, pull, pick_up keep
     the thing's place, but the person stands at rest and looks elsewhere; such a group has no label
     (hold, pick_up: the thing stands on the ground or a table nearby); things have 0.65 to 1.5
     times their usual size;
   - people in wide scenes are 32 to 48 pixels tall;
   - captions of pairs that kick, reach_for, push or pull hardly ever (3%) say so: they say the pose
     and the place instead, so that descriptions are worth more than names (kick and pull are the
     unseen verbs of the setting unseen_verb).
   `decoys` = false is a plainer world: no decoys, sizes 0.9 to 1.25, people of 27 to 42 pixels, all
   verbs named. */
#ifndef HOI_MINI_H
#define HOI_MINI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HOI_MINI_SIZE = 96,   /* pixels on a side */
    HOI_MINI_THINGS = 12, /* kinds of things */
    HOI_MINI_VERBS = 12,
    HOI_MINI_CLASSES = 60,     /* valid pairs (verb, thing) */
    HOI_MINI_COLORS = 10,      /* colours that have a name */
    HOI_MINI_PLACES = 5,       /* grass, room, street, beach, night */
    HOI_MINI_MOST_PERSONS = 4, /* in one picture */
    HOI_MINI_MOST_THINGS = 5,
    HOI_MINI_MOST_PAIRS = 3,
    HOI_MINI_CELL_CLASSES = 13, /* the things, then person */
    HOI_MINI_NAMES = 4,         /* name templates of a class */
    HOI_MINI_DESCRIPTIONS = 6,  /* descriptions of a class: 3 of the pose, 3 of the place */
    HOI_MINI_WORDS = 22,        /* most words of a caption: with start and end 24 tokens */
    HOI_MINI_TEXT = 256         /* bytes that hold any text of this world with its zero */
};

typedef enum hoi_mini_kind {
    HOI_MINI_EASY,
    HOI_MINI_WEB,
    HOI_MINI_TRAIN,
    HOI_MINI_TEST
} hoi_mini_kind;

/* The truth about a picture. Boxes are x1, y1, x2, y2 in pixels, tight, clipped to the picture. */
typedef struct hoi_mini_scene {
    int persons, things, pairs;
    int decoys; /* groups drawn without their interaction */
    int place;  /* 0 .. HOI_MINI_PLACES - 1 */
    float person_box[HOI_MINI_MOST_PERSONS][4];
    int person_shirt[HOI_MINI_MOST_PERSONS]; /* colour, 0 .. HOI_MINI_COLORS - 1 */
    float thing_box[HOI_MINI_MOST_THINGS][4];
    int thing_kind[HOI_MINI_MOST_THINGS];  /* 0 .. HOI_MINI_THINGS - 1 */
    int thing_color[HOI_MINI_MOST_THINGS]; /* colour, 0 .. HOI_MINI_COLORS - 1 */
    struct {
        int person, thing;
        unsigned verbs; /* bit v is set when the person does verb v to the thing; never 0 */
    } pair[HOI_MINI_MOST_PAIRS]; /* every other person and thing do not interact */
} hoi_mini_scene;

/* Gets the name of a thing ("ball"), a verb ("sit_on"), a colour ("red"); NULL when k is out of
   range. */
const char *hoi_mini_thing(int k);
const char *hoi_mini_verb(int k);
const char *hoi_mini_color(int k);

/* Gets the class 0 .. HOI_MINI_CLASSES - 1 of a pair; -1 when the pair is not valid. Classes are in
   the order of their frequency: 0 is the most frequent. */
int hoi_mini_class(int verb, int thing);

/* Gets the verb and the thing of a class; -1 when the class is out of range. */
int hoi_mini_class_verb(int class);
int hoi_mini_class_thing(int class);

/* Gets the probability that a group of this kind of picture is of the class (before decoys). */
float hoi_mini_weight(hoi_mini_kind kind, int class);

/* Gets the k-th zero-shot setting: default, rare_first, non_rare_first, unseen_verb, unseen_object,
   uc0 .. uc4 (unseen compositions: 12 classes at random, five times); NULL past the end. */
const char *hoi_mini_setting(int k);

/* Says whether the class is unseen in the setting. Nothing is unseen in "default" or in a setting
   unknown here. */
bool hoi_mini_unseen(const char *setting, int class);

/* Draws picture `index`. rgb: (96, 96, 3) bytes. scene: its truth. Either may be NULL. */
void hoi_mini_render(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                     unsigned char *rgb, hoi_mini_scene *scene);

/* The same, and also which things can be seen where. grid: 8 (cells of 12 pixels), 12 (cells of 8
   pixels) or another divisor of 96. cells: (grid, grid, 13) bytes: 1 when things of that kind, or
   persons (12), fill more than 30% of the cell. What is hidden does not count. */
void hoi_mini_render_cells(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                           unsigned char *rgb, hoi_mini_scene *scene, int grid,
                           unsigned char *cells);

/* Many pictures in one piece of memory, and how they were made. */
typedef struct hoi_mini_batch {
    int count;
    int grid; /* 0: no cells */
    hoi_mini_kind kind;
    bool decoys;
    uint64_t seed, first;
    unsigned char *rgb;     /* (count, 96, 96, 3) */
    hoi_mini_scene *scenes; /* (count) */
    unsigned char *cells;   /* (count, grid, grid, 13); NULL when grid is 0 */
} hoi_mini_batch;

/* Gets memory for `count` pictures (to be filled again and again). grid as above, or 0. NULL when
   there is no memory or grid does not divide 96. */
hoi_mini_batch *hoi_mini_batch_new(int count, int grid);

/* Draws pictures first .. first + count - 1 with this many threads, at most 64; 0: one per
   processor. The bits do not depend on it. */
void hoi_mini_batch_fill(hoi_mini_batch *batch, hoi_mini_kind kind, bool decoys, uint64_t seed,
                         uint64_t first, int threads);

void hoi_mini_batch_free(hoi_mini_batch *batch);

/* The texts. Each function writes lower-case words with single spaces, cut to size - 1 bytes
   (HOI_MINI_TEXT is always enough) and ended by zero, and gets their length in bytes. */

/* Writes the caption of picture `index`, whose scene hoi_mini_render gave: one thing or pair of it
   is named (30%), what is done (30%) or how and where (27%), else nothing is said (8%) or the
   caption is another picture's (5%). */
size_t hoi_mini_caption(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                        const hoi_mini_scene *scene, char *text, size_t size);

/* Writes "a person kicking a ball". */
size_t hoi_mini_sentence(int class, char *text, size_t size);

/* Writes the sentence in template k of 0 .. 3: as it is, "a photo of ...", "a picture of ...", and
   with "someone". */
size_t hoi_mini_name(int class, int k, char *text, size_t size);

/* Writes description k of 0 .. 5: 0 .. 2 say the pose, 3 .. 5 where the thing is; none uses the
   word of the verb. */
size_t hoi_mini_description(int class, int k, char *text, size_t size);

/* Gets the k-th of the words that texts are made of, in alphabetical order; NULL past the end. */
const char *hoi_mini_word(int k);

#endif
