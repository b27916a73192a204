/* mini_class: things, verbs, the 60 valid pairs, the most frequent first; zero-shot settings. */
#include "core/mini_plan.h"

#include <math.h>
#include <string.h>

static const char *const THINGS[HOI_MINI_THINGS] = {"ball", "box",  "chair", "cup",
                                                    "bike", "dog",  "horse", "umbrella",
                                                    "book", "kite", "board", "bat"};
static const char *const VERBS[HOI_MINI_VERBS] = {"hold", "carry",     "sit_on",  "stand_on",
                                                  "kick", "reach_for", "look_at", "push",
                                                  "ride", "pull",      "pick_up", "jump_over"};
static const char *const COLORS[HOI_MINI_COLORS] = {"red",    "green", "blue",  "yellow", "orange",
                                                    "purple", "white", "black", "brown",  "pink"};

#define PAIR(verb, thing)                                                                          \
    { HOI_MINI_##verb, HOI_MINI_##thing }
static const signed char CLASSES[HOI_MINI_CLASSES][2] = {
    PAIR(LOOK_AT, KITE),    PAIR(STAND_ON, CHAIR), PAIR(PICK_UP, BOOK),
    PAIR(PULL, CHAIR),      PAIR(CARRY, BALL),     PAIR(HOLD, UMBRELLA),
    PAIR(SIT_ON, CHAIR),    PAIR(PULL, BOARD),     PAIR(KICK, CARTON),
    PAIR(LOOK_AT, DOG),     PAIR(HOLD, CUP),       PAIR(REACH_FOR, KITE),
    PAIR(PULL, CARTON),     PAIR(CARRY, CARTON),   PAIR(PICK_UP, BOARD),
    PAIR(PUSH, CARTON),     PAIR(PICK_UP, BALL),   PAIR(KICK, BALL),
    PAIR(SIT_ON, BALL),     PAIR(RIDE, HORSE),     PAIR(REACH_FOR, UMBRELLA),
    PAIR(REACH_FOR, BALL),  PAIR(SIT_ON, CARTON),  PAIR(JUMP_OVER, CARTON),
    PAIR(REACH_FOR, CUP),   PAIR(LOOK_AT, BALL),   PAIR(REACH_FOR, BOOK),
    PAIR(HOLD, DOG),        PAIR(JUMP_OVER, DOG),  PAIR(HOLD, BOARD),
    PAIR(HOLD, BOOK),       PAIR(PULL, HORSE),     PAIR(LOOK_AT, CUP),
    PAIR(JUMP_OVER, BOARD), PAIR(LOOK_AT, BIKE),   PAIR(HOLD, KITE),
    PAIR(KICK, BOARD),      PAIR(PUSH, HORSE),     PAIR(RIDE, BIKE),
    PAIR(PUSH, CHAIR),      PAIR(CARRY, BIKE),     PAIR(PUSH, BIKE),
    PAIR(LOOK_AT, HORSE),   PAIR(SIT_ON, BOARD),   PAIR(PULL, KITE),
    PAIR(HOLD, BAT),        PAIR(PICK_UP, BAT),    PAIR(CARRY, CHAIR),
    PAIR(REACH_FOR, HORSE), PAIR(LOOK_AT, BOOK),   PAIR(STAND_ON, CARTON),
    PAIR(CARRY, BOARD),     PAIR(KICK, BAT),       PAIR(STAND_ON, BOARD),
    PAIR(PICK_UP, CARTON),  PAIR(JUMP_OVER, BALL), PAIR(PICK_UP, CUP),
    PAIR(HOLD, BALL),       PAIR(PULL, DOG),       PAIR(REACH_FOR, DOG),
};

static const char *named(const char *const names[], int count, int k) {
    return k >= 0 && k < count ? names[k] : NULL;
}

const char *hoi_mini_thing(int k) {
    return named(THINGS, HOI_MINI_THINGS, k);
}

const char *hoi_mini_verb(int k) {
    return named(VERBS, HOI_MINI_VERBS, k);
}

const char *hoi_mini_color(int k) {
    return named(COLORS, HOI_MINI_COLORS, k);
}

int hoi_mini_class(int verb, int thing) {
    for (int c = 0; c < HOI_MINI_CLASSES; c++) {
        if (CLASSES[c][0] == verb && CLASSES[c][1] == thing) {
            return c;
        }
    }
    return -1;
}

int hoi_mini_class_verb(int class) {
    return class >= 0 && class < HOI_MINI_CLASSES ? CLASSES[class][0] : -1;
}

int hoi_mini_class_thing(int class) {
    return class >= 0 && class < HOI_MINI_CLASSES ? CLASSES[class][1] : -1;
}

static float weigh(hoi_mini_kind kind, float weights[HOI_MINI_CLASSES]) {
    float exponent = kind == HOI_MINI_TRAIN ? 1.3f : 0.5f, sum = 0;
    for (int c = 0; c < HOI_MINI_CLASSES; c++) {
        weights[c] = powf((float)(c + 2), -exponent);
        sum += weights[c];
    }
    return sum;
}

float hoi_mini_weight(hoi_mini_kind kind, int class) {
    float weights[HOI_MINI_CLASSES], sum = weigh(kind, weights);
    return class >= 0 && class < HOI_MINI_CLASSES ? weights[class] / sum : 0;
}

int hoi_mini_draw_class(hoi_random *r, hoi_mini_kind kind) {
    float weights[HOI_MINI_CLASSES], left = weigh(kind, weights) * hoi_random_unit(r);
    int class = 0;
    while (class < HOI_MINI_CLASSES - 1 && left >= weights[class]) {
        left -= weights[class ++];
    }
    return class;
}

static const char *const SETTINGS[] = {
    "default", "rare_first", "non_rare_first", "unseen_verb", "unseen_object", "uc0", "uc1", "uc2",
    "uc3",     "uc4"};

const char *hoi_mini_setting(int k) {
    return named(SETTINGS, (int)(sizeof SETTINGS / sizeof *SETTINGS), k);
}

enum walk { rarest_first, most_frequent_first, shuffled };

/* Orders the classes as a setting walks them; `number` tells one shuffling from another. */
static void order_classes(enum walk walk, uint64_t number, int order[HOI_MINI_CLASSES]) {
    for (int i = 0; i < HOI_MINI_CLASSES; i++)
        order[i] = walk == rarest_first ? HOI_MINI_CLASSES - 1 - i : i;
    hoi_random r = hoi_random_stream(number, 0, 0);
    for (uint32_t i = HOI_MINI_CLASSES - 1; walk == shuffled && i > 0; i--) {
        uint32_t k = hoi_random_below(&r, i + 1);
        int class = order[i];
        order[i] = order[k];
        order[k] = class;
    }
}

/* Walks the classes and takes each that leaves another seen class to its verb and two to its thing,
   until there are 12. */
static bool taken(enum walk walk, uint64_t number, int class) {
    bool unseen[HOI_MINI_CLASSES] = {false};
    int verbs[HOI_MINI_VERBS] = {0}, things[HOI_MINI_THINGS] = {0}, order[HOI_MINI_CLASSES];
    for (int c = 0; c < HOI_MINI_CLASSES; c++) {
        verbs[CLASSES[c][0]]++;
        things[CLASSES[c][1]]++;
    }
    order_classes(walk, number, order);
    for (int i = 0, count = 0; i < HOI_MINI_CLASSES && count < 12; i++) {
        int c = order[i];
        if (verbs[CLASSES[c][0]] > 1 && things[CLASSES[c][1]] > 2) {
            verbs[CLASSES[c][0]]--;
            things[CLASSES[c][1]]--;
            unseen[c] = true;
            count++;
        }
    }
    return unseen[class];
}

bool hoi_mini_unseen(const char *setting, int class) {
    if (class < 0 || class >= HOI_MINI_CLASSES) {
        return false;
    }
    int verb = CLASSES[class][0], thing = CLASSES[class][1];
    if (!strcmp(setting, "rare_first") || !strcmp(setting, "non_rare_first")) {
        return taken(setting[0] == 'r' ? rarest_first : most_frequent_first, 0, class);
    }
    if (!strncmp(setting, "uc", 2) && setting[2] >= '0' && setting[2] <= '4' && !setting[3]) {
        return taken(shuffled, (uint64_t)(setting[2] - '0'), class);
    }
    if (!strcmp(setting, "unseen_verb")) {
        return verb == HOI_MINI_KICK || verb == HOI_MINI_PULL;
    }
    if (!strcmp(setting, "unseen_object")) {
        return thing == HOI_MINI_DOG || thing == HOI_MINI_UMBRELLA || thing == HOI_MINI_BAT;
    }
    return false;
}
