/* mini_words: what is said about pictures and classes, and all the words that takes. */
#include "core/mini_plan.h"

#include <string.h>

enum { PHRASES = 3, FORMS = 3 };

/* How a verb is said. In all texts {o} stands for the thing and {p} for the person. */
typedef struct saying {
    const char *forms[FORMS]; /* "a person ..." */
    const char *passive;      /* "a ball ... a person"; NULL without one */
    const char *pose[PHRASES], *where[PHRASES];
} saying;

static const saying SAYINGS[HOI_MINI_VERBS] = {
    [HOI_MINI_HOLD] = {{"holding {o}", "gripping {o}", "with {o}"},
                       "held by {p}",
                       {"with one hand out in front at chest height",
                        "with a bent arm and the hand closed on {o}", "with {o} in the hand"},
                       {"{o} in the hand of {p}", "{o} next to the chest of {p}",
                        "{o} at the end of a bent arm"}},
    [HOI_MINI_CARRY] = {{"carrying {o}", "carrying {o} overhead", "lifting {o}"},
                        "carried by {p}",
                        {"with both arms raised above the head", "with both hands up high",
                         "with arms straight up and {o} on top"},
                        {"{o} above the head of {p}", "{o} on top of two raised hands",
                         "{o} high over the head"}},
    [HOI_MINI_SIT_ON] = {{"sitting on {o}", "seated on {o}", "sitting on {o}"},
                         NULL,
                         {"with bent knees and the body resting low on {o}",
                          "with the hips low and the knees bent",
                          "with hands on the knees and the hips on {o}"},
                         {"{o} under {p}", "{o} below the hips of {p}", "{o} under a low body"}},
    [HOI_MINI_STAND_ON] = {{"standing on {o}", "on top of {o}", "standing on {o}"},
                           NULL,
                           {"upright with both feet on top of {o}",
                            "with straight legs and arms spread for balance",
                            "with the feet above the ground on {o}"},
                           {"{o} under the feet of {p}", "{o} on the ground below both shoes",
                            "{o} under a tall upright body"}},
    [HOI_MINI_KICK] = {{"kicking {o}", "booting {o}", "kicking {o}"},
                       "kicked by {p}",
                       {"with one leg stretched towards {o}",
                        "with one leg raised forward and the body leaning back",
                        "with a foot close to {o} and one leg out"},
                       {"{o} near the foot of {p}", "{o} in front of a raised foot",
                        "{o} just beyond the shoe"}},
    [HOI_MINI_REACH_FOR] = {{"reaching for {o}", "reaching towards {o}", "reaching for {o}"},
                            NULL,
                            {"with one arm stretched towards {o}",
                             "with an outstretched arm and an open hand near {o}",
                             "with a straight arm that does not touch {o}"},
                            {"{o} just beyond the hand of {p}",
                             "{o} a little away from the open hand",
                             "{o} in front of a straight arm"}},
    [HOI_MINI_LOOK_AT] = {{"looking at {o}", "watching {o}", "staring at {o}"},
                          "watched by {p}",
                          {"with the head turned towards {o}",
                           "with the face and eyes pointing at {o}",
                           "with the arms down and the cap pointing at {o}"},
                          {"{o} in front of the eyes of {p}", "{o} some way off from {p}",
                           "{o} apart from {p} who faces it"}},
    [HOI_MINI_PUSH] = {{"pushing {o}", "shoving {o}", "pushing {o}"},
                       "pushed by {p}",
                       {"leaning forward with both hands against {o}",
                        "with both arms straight in front and one leg back",
                        "with the body leaning towards {o}"},
                       {"{o} on the ground in front of both hands", "{o} against the hands of {p}",
                        "{o} in front of a body leaning forward"}},
    [HOI_MINI_RIDE] = {{"riding {o}", "riding {o}", "riding {o}"},
                       "ridden by {p}",
                       {"with a leg on each side of {o} and hands in front",
                        "with the legs hanging down over {o}", "astride {o} with hands forward"},
                       {"{o} between the legs of {p}", "{o} below the hips with {p} astride",
                        "{o} carrying {p}"}},
    [HOI_MINI_PULL] = {{"pulling {o}", "towing {o}", "dragging {o}"},
                       "pulled by {p}",
                       {"leaning back with a rope in both hands",
                        "with a rope from the hands to {o}",
                        "leaning away from {o} with a tight rope"},
                       {"{o} at the end of a rope", "{o} tied to {p} by a rope",
                        "{o} behind a tight rope"}},
    [HOI_MINI_PICK_UP] = {{"picking up {o}", "grabbing {o}", "picking up {o}"},
                          "picked up by {p}",
                          {"bent over with both hands down at {o}",
                           "with the back bent and the head low",
                           "with straight legs and the hands near the ground"},
                          {"{o} on the ground below the hands of {p}",
                           "{o} low down by the feet and hands", "{o} under the bent body of {p}"}},
    [HOI_MINI_JUMP_OVER] = {{"jumping over {o}", "leaping over {o}", "jumping over {o}"},
                            NULL,
                            {"in the air with legs spread",
                             "with both feet off the ground and arms up",
                             "high in the air with the legs apart above {o}"},
                            {"{o} on the ground below {p} in the air",
                             "{o} under the spread legs of {p}",
                             "{o} on the ground with {p} above it and a gap"}},
};

static const char *const PLACES[HOI_MINI_PLACES][3] = {
    {"on grass", "in a park", "in a field"},       {"in a room", "indoors", "in a room"},
    {"on the street", "in town", "on the street"}, {"on the beach", "on sand", "on the beach"},
    {"at night", "in the dark", "at night"},
};
static const char *const PEOPLE[] = {"a person", "a person", "a person", "a man",
                                     "a woman",  "someone",  "a kid"};
static const char *const SYNONYMS[HOI_MINI_THINGS] = {
    [HOI_MINI_BIKE] = "bicycle", [HOI_MINI_BOARD] = "skateboard", [HOI_MINI_DOG] = "puppy",
    [HOI_MINI_HORSE] = "pony",   [HOI_MINI_CUP] = "mug",
};

/* Verbs that captions show, and seldom name: two of them are the unseen verbs of the setting
   unseen_verb. */
static const unsigned SELDOM_NAMED =
    1u << HOI_MINI_KICK | 1u << HOI_MINI_PULL | 1u << HOI_MINI_PUSH | 1u << HOI_MINI_REACH_FOR;

/* A text being written. */
typedef struct text {
    char bytes[2 * HOI_MINI_TEXT];
    size_t length;
} text;

static void say(text *t, const char *words) {
    size_t n = strlen(words), space = t->length > 0 && n > 0;
    if (t->length + space + n < sizeof t->bytes) {
        t->bytes[t->length] = ' ';
        memcpy(t->bytes + t->length + space, words, n + 1);
        t->length += space + n;
    }
}

static void say_phrase(text *t, const char *phrase, const char *thing, const char *person) {
    char word[32];
    while (*phrase) {
        size_t n = strcspn(phrase, " ");
        memcpy(word, phrase, n);
        word[n] = 0;
        say(t, !strcmp(word, "{o}") ? thing : !strcmp(word, "{p}") ? person : word);
        phrase += n + (phrase[n] == ' ');
    }
}

static int count_words(const char *words) {
    int count = *words != 0;
    for (; *words; words++) {
        count += *words == ' ';
    }
    return count;
}

/* Adds to t what fits into a caption as a whole. */
static bool say_if_short(text *t, const text *more) {
    if (count_words(t->bytes) + count_words(more->bytes) > HOI_MINI_WORDS) {
        return false;
    }
    say(t, more->bytes);
    return true;
}

static size_t give(const text *t, char *out, size_t size) {
    if (size == 0) {
        return 0;
    }
    size_t n = t->length < size ? t->length : size - 1;
    memcpy(out, t->bytes, n);
    out[n] = 0;
    return n;
}

static void say_article(text *t, const char *noun) {
    say(t, strchr("aeiou", noun[0]) ? "an" : "a");
}

/* Captions. */

typedef struct speaker {
    hoi_random r;
    const hoi_mini_scene *scene;
    bool decoys;
} speaker;

static bool chance(speaker *s, float p) {
    return hoi_random_unit(&s->r) < p;
}

static int choose(speaker *s, int n) {
    return (int)hoi_random_below(&s->r, (uint32_t)n);
}

static text thing_words(speaker *s, int thing, float colored) {
    text t = {.length = 0}, rest = {.length = 0};
    int kind = s->scene->thing_kind[thing];
    if (chance(s, colored)) {
        say(&rest, hoi_mini_color(s->scene->thing_color[thing]));
    }
    bool other = chance(s, 0.25f) && SYNONYMS[kind];
    say(&rest, other ? SYNONYMS[kind] : hoi_mini_thing(kind));
    if (chance(s, 0.15f)) {
        say(&t, "the");
    } else {
        say_article(&t, rest.bytes);
    }
    say(&t, rest.bytes);
    return t;
}

static text person_words(speaker *s, int person) {
    text t = {.length = 0};
    say(&t, PEOPLE[choose(s, sizeof PEOPLE / sizeof *PEOPLE)]);
    if (chance(s, 0.2f)) {
        const char *color = hoi_mini_color(s->scene->person_shirt[person]);
        say(&t, "in");
        say_article(&t, color);
        say(&t, color);
        say(&t, "shirt");
    }
    return t;
}

static void say_thing_only(speaker *s, text *t) {
    int thing = choose(s, s->scene->things), form = choose(s, 5);
    text words = thing_words(s, thing, form < 3 ? 0.5f : 0.35f);
    if (form == 2) {
        say(t, "a photo of");
    }
    say(t, words.bytes);
    if (form == 3 && s->scene->persons) {
        say(t, "and");
        text person = person_words(s, choose(s, s->scene->persons));
        say(t, person.bytes);
    } else if (form == 4 && s->scene->things > 1) {
        int other = choose(s, s->scene->things - 1);
        text more = thing_words(s, other < thing ? other : other + 1, 0.35f);
        say(t, "and");
        say(t, more.bytes);
    }
}

static int only_bit(unsigned bits) {
    int bit = 0;
    while (bits >> bit != 1) {
        bit++;
    }
    return bit;
}

static void say_action(speaker *s, text *t, int pair, int verb) {
    int person = s->scene->pair[pair].person, thing = s->scene->pair[pair].thing;
    unsigned verbs = s->scene->pair[pair].verbs;
    text o = thing_words(s, thing, 0.4f), p = person_words(s, person);
    int main_verb = only_bit(verbs & (verbs - 1) ? verbs & ~(1u << HOI_MINI_LOOK_AT) : verbs);
    bool seldom = s->decoys && (SELDOM_NAMED >> main_verb & 1u);
    if (verbs & (verbs - 1) && !seldom && chance(s, 0.4f)) {
        say(t, p.bytes);
        say_phrase(t, SAYINGS[main_verb].forms[choose(s, FORMS)], o.bytes, p.bytes);
        say(t, "and looking at it");
        return;
    }
    const saying *words = &SAYINGS[verb];
    if (chance(s, 0.2f) && words->passive) {
        say(t, o.bytes);
        say_phrase(t, words->passive, o.bytes, p.bytes);
        return;
    }
    if (chance(s, 0.1f)) {
        say(t, chance(s, 0.5f) ? "a photo of" : "a picture of");
    }
    say(t, p.bytes);
    say_phrase(t, words->forms[choose(s, FORMS)], o.bytes, p.bytes);
}

/* Looking along with something else leaves the arms and the thing where the other verb has them:
   only these phrases about it are true then. */
static int choose_phrase(speaker *s, bool along, int true_ones) {
    return choose(s, along ? true_ones : PHRASES);
}

static void say_pose(speaker *s, text *t, int pair, int verb) {
    int person = s->scene->pair[pair].person, thing = s->scene->pair[pair].thing;
    bool along = verb == HOI_MINI_LOOK_AT && s->scene->pair[pair].verbs != 1u << HOI_MINI_LOOK_AT;
    text o = thing_words(s, thing, 0.4f), p = person_words(s, person);
    const char *pose = SAYINGS[verb].pose[choose_phrase(s, along, 2)];
    const char *where = SAYINGS[verb].where[choose_phrase(s, along, 1)];
    float kind = hoi_random_unit(&s->r);
    if (kind < 0.45f || kind >= 0.85f) {
        say(t, p.bytes);
        say_phrase(t, pose, o.bytes, p.bytes);
    }
    if (kind >= 0.45f) {
        text more = {.length = 0};
        say(&more, kind >= 0.85f ? "and" : "");
        say_phrase(&more, where, o.bytes, p.bytes);
        say_if_short(t, &more);
    }
}

static void say_place(speaker *s, text *t) {
    text place = {.length = 0};
    say(&place, PLACES[s->scene->place][choose(s, 3)]);
    say_if_short(t, &place);
}

static void say_nothing_much(speaker *s, text *t) {
    static const char *const counts[] = {"nobody", "one person", "two people"};
    int what = choose(s, 3), persons = s->scene->persons;
    if (what == 0 && persons < 3) {
        say(t, counts[persons]);
    } else {
        say(t, what == 1 ? "a nice day" : "my photo");
    }
    say_place(s, t);
}

static void say_caption(speaker *s, float kind, text *t) {
    if (kind >= 0.87f || s->scene->things == 0) {
        say_nothing_much(s, t);
        return;
    }
    if (kind < 0.3f || s->scene->pairs == 0) {
        say_thing_only(s, t);
    } else {
        int pair = choose(s, s->scene->pairs);
        unsigned verbs = s->scene->pair[pair].verbs;
        if (verbs & (verbs - 1)) {
            unsigned look = 1u << HOI_MINI_LOOK_AT;
            verbs = chance(s, 0.5f) ? look : verbs & ~look;
        }
        int verb = only_bit(verbs);
        bool seldom = s->decoys && (SELDOM_NAMED >> verb & 1u);
        if (kind < (seldom ? 0.33f : 0.6f)) {
            say_action(s, t, pair, verb);
        } else {
            say_pose(s, t, pair, verb);
        }
    }
    if (chance(s, 0.2f)) {
        say_place(s, t);
    }
}

size_t hoi_mini_caption(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                        const hoi_mini_scene *scene, char *text_out, size_t size) {
    hoi_mini_scene other;
    speaker s = {hoi_mini_stream(kind, seed, index, HOI_MINI_CAPTION_STREAM), scene, decoys};
    float what = hoi_random_unit(&s.r);
    if (what >= 0.95f) {
        hoi_mini_render(kind, decoys, seed, index + 1 + hoi_random_below(&s.r, 1u << 20), NULL,
                        &other);
        s.scene = &other;
        what = hoi_random_range(&s.r, 0, 0.95f);
    }
    text t = {.length = 0};
    say_caption(&s, what, &t);
    return give(&t, text_out, size);
}

/* Texts of classes. */

static text class_thing(int class) {
    text t = {.length = 0};
    const char *thing = hoi_mini_thing(hoi_mini_class_thing(class));
    say_article(&t, thing);
    say(&t, thing);
    return t;
}

size_t hoi_mini_name(int class, int k, char *text_out, size_t size) {
    static const char *const starts[HOI_MINI_NAMES] = {"a person", "a photo of a person",
                                                       "a picture of a person", "someone"};
    text t = {.length = 0};
    int verb = hoi_mini_class_verb(class);
    if (verb >= 0 && k >= 0 && k < HOI_MINI_NAMES) {
        text o = class_thing(class);
        say(&t, starts[k]);
        say_phrase(&t, SAYINGS[verb].forms[0], o.bytes, "a person");
    }
    return give(&t, text_out, size);
}

size_t hoi_mini_sentence(int class, char *text_out, size_t size) {
    return hoi_mini_name(class, 0, text_out, size);
}

size_t hoi_mini_description(int class, int k, char *text_out, size_t size) {
    text t = {.length = 0};
    int verb = hoi_mini_class_verb(class);
    if (verb >= 0 && k >= 0 && k < HOI_MINI_DESCRIPTIONS) {
        text o = class_thing(class);
        bool pose = k < PHRASES;
        say(&t, pose ? "a person" : "");
        say_phrase(&t, pose ? SAYINGS[verb].pose[k] : SAYINGS[verb].where[k - PHRASES], o.bytes,
                   "a person");
    }
    return give(&t, text_out, size);
}

const char *hoi_mini_word(int k) {
    static const char *const words[] = {
        "a",        "above",    "against",  "air",     "an",       "and",          "apart",
        "arm",      "arms",     "astride",  "at",      "away",     "back",         "balance",
        "ball",     "bat",      "beach",    "behind",  "below",    "bent",         "between",
        "beyond",   "bicycle",  "bike",     "black",   "blue",     "board",        "body",
        "book",     "booting",  "both",     "box",     "brown",    "by",           "cap",
        "carried",  "carrying", "chair",    "chest",   "close",    "closed",       "cup",
        "dark",     "day",      "does",     "dog",     "down",     "dragging",     "each",
        "end",      "eyes",     "face",     "faces",   "feet",     "field",        "foot",
        "for",      "forward",  "from",     "front",   "gap",      "grabbing",     "grass",
        "green",    "gripping", "ground",   "hand",    "hands",    "hanging",      "head",
        "height",   "held",     "high",     "hips",    "holding",  "horse",        "in",
        "indoors",  "it",       "jumping",  "just",    "kicked",   "kicking",      "kid",
        "kite",     "knees",    "leaning",  "leaping", "leg",      "legs",         "lifting",
        "little",   "looking",  "low",      "man",     "mug",      "my",           "near",
        "next",     "nice",     "night",    "nobody",  "not",      "of",           "off",
        "on",       "one",      "open",     "orange",  "out",      "outstretched", "over",
        "overhead", "park",     "people",   "person",  "photo",    "picked",       "picking",
        "picture",  "pink",     "pointing", "pony",    "pulled",   "pulling",      "puppy",
        "purple",   "pushed",   "pushing",  "raised",  "reaching", "red",          "resting",
        "ridden",   "riding",   "room",     "rope",    "sand",     "seated",       "shirt",
        "shoe",     "shoes",    "shoving",  "side",    "sitting",  "skateboard",   "some",
        "someone",  "spread",   "standing", "staring", "straight", "street",       "stretched",
        "tall",     "that",     "the",      "tied",    "tight",    "to",           "top",
        "touch",    "towards",  "towing",   "town",    "turned",   "two",          "umbrella",
        "under",    "up",       "upright",  "watched", "watching", "way",          "white",
        "who",      "with",     "woman",    "yellow",
    };
    return k >= 0 && k < (int)(sizeof words / sizeof *words) ? words[k] : NULL;
}
