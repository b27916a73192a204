/* mini_group: the twelve verbs: how the person stands and where the thing is. */
#include "core/mini_plan.h"

#include <math.h>
#include <string.h>

/* A group while it is being put together. */
typedef struct setting {
    hoi_random *r;
    int kind; /* of the thing */
    hoi_mini_pose_person person;
    hoi_mini_pose_thing thing;
    bool thing_last; /* drawn after the person, who holds it */
    bool table;      /* under the thing */
    bool rope;       /* from the hands to the thing's point rope_end */
    float rope_end[2];
} setting;

static float jitter(setting *s, float most) {
    return hoi_random_range(s->r, -most, most);
}

static float between(setting *s, float low, float high) {
    return hoi_random_range(s->r, low, high);
}

static bool chance(setting *s, float p) {
    return hoi_random_unit(s->r) < p;
}

static void put(setting *s, float target[2], float x, float y, float noise) {
    target[0] = x + jitter(s, noise);
    target[1] = y + jitter(s, noise);
}

static void rest(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    memset(p, 0, sizeof *p);
    p->hip[1] = 0.48f;
    p->lean = jitter(s, 0.05f);
    put(s, p->hand[0], -0.09f, 0.4f, 0.03f);
    put(s, p->hand[1], 0.09f, 0.4f, 0.03f);
    p->foot[0][0] = -0.07f + jitter(s, 0.03f);
    p->foot[1][0] = 0.07f + jitter(s, 0.03f);
    p->foot[0][1] = p->foot[1][1] = 0.03f;
}

static void look_away(setting *s) {
    s->person.facing = chance(s, 0.6f);
    s->person.gaze = 3.14159265f + jitter(s, 0.4f);
}

static void thing_bounds(const setting *s, float box[4]) {
    hoi_mini_look_thing look = {s->kind, 0, {0}, {0}};
    hoi_mini_object object;
    hoi_mini_build_thing(&object, &look, &s->thing);
    box[0] = box[1] = 1e9f;
    box[2] = box[3] = -1e9f;
    for (int i = 0; i < object.count; i++) {
        hoi_mini_bounds(&object.strokes[i], box);
    }
}

/* Moves the thing so that its near edge is at x, or its lowest point at y. */
static void near_edge_at(setting *s, float x) {
    float box[4];
    thing_bounds(s, box);
    s->thing.x += x - box[0];
}

static void bottom_at(setting *s, float y) {
    float box[4];
    thing_bounds(s, box);
    s->thing.y += y - box[1];
}

static void middle_of_thing(const setting *s, float out[2]) {
    float box[4];
    thing_bounds(s, box);
    out[0] = 0.5f * (box[0] + box[2]);
    out[1] = 0.5f * (box[1] + box[3]);
}

/* The thing hangs on a point of the person by a point of its own. */
static void attach(setting *s, float pivot_y, const float at[2]) {
    s->thing.pivot[1] = pivot_y;
    s->thing.x = at[0];
    s->thing.y = at[1];
}

static float own_height(const setting *s) {
    return hoi_mini_thing_height(s->kind);
}

static void hold(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    float hand[2];
    p->hand[1][0] = 0.29f + jitter(s, 0.04f);
    p->hand[1][1] = 0.62f + jitter(s, 0.08f);
    if (s->kind == HOI_MINI_DOG || s->kind == HOI_MINI_CARTON || chance(s, 0.3f)) {
        p->hand[0][0] = p->hand[1][0] - 0.02f;
        p->hand[0][1] = p->hand[1][1] + jitter(s, 0.05f);
    }
    hoi_mini_hand(p, 1, hand);
    switch (s->kind) {
    case HOI_MINI_UMBRELLA:
        attach(s, 0.1f, hand);
        break;
    case HOI_MINI_BAT:
        s->thing.angle = between(s, -0.9f, 0.4f);
        attach(s, 0.07f, hand);
        break;
    case HOI_MINI_BOARD:
        s->thing.angle = 1.5708f;
        attach(s, 0.08f, hand);
        break;
    case HOI_MINI_KITE:
        attach(s, 0.35f, hand);
        break;
    default:
        attach(s, 0.5f * own_height(s), hand);
        break;
    }
    s->thing_last = true;
}

static void carry(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    put(s, p->hand[0], -0.11f, 1.1f, 0.02f);
    put(s, p->hand[1], 0.11f, 1.1f, 0.02f);
    s->thing.x = jitter(s, 0.03f);
    bottom_at(s, 1.1f + jitter(s, 0.01f));
    s->thing_last = true;
}

static void sit_on(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    float seat = hoi_mini_thing_seat(s->kind) * s->thing.size;
    float reach = s->kind == HOI_MINI_BOARD ? 0.42f : 0.26f;
    p->hip[1] = seat + 0.07f;
    p->lean = jitter(s, 0.08f);
    for (int i = 0; i < 2; i++) {
        p->foot[i][0] = reach + 0.05f * (float)i + jitter(s, 0.03f);
        p->foot[i][1] = 0.03f;
        put(s, p->hand[i], 0.17f, p->hip[1] + 0.09f, 0.03f);
    }
    if (s->kind == HOI_MINI_CHAIR) {
        s->thing.flip = false;
    }
}

static void stand_on(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    float seat = hoi_mini_thing_seat(s->kind) * s->thing.size;
    p->hip[1] += seat;
    for (int i = 0; i < 2; i++) {
        p->foot[i][1] += seat;
        put(s, p->hand[i], i ? 0.28f : -0.28f, seat + 0.55f, 0.05f);
    }
}

static void kick(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    float foot[2] = {0.4f, 0.22f + jitter(s, 0.08f)};
    p->lean = -0.2f + jitter(s, 0.08f);
    memcpy(p->foot[1], foot, sizeof foot);
    p->foot[0][0] = -0.04f + jitter(s, 0.03f);
    put(s, p->hand[0], -0.3f, 0.68f, 0.06f);
    put(s, p->hand[1], 0.26f, 0.72f, 0.06f);
    if (s->kind == HOI_MINI_BAT) {
        s->thing.angle = -1.5f;
    }
    float middle[2];
    middle_of_thing(s, middle);
    s->thing.y += foot[1] - middle[1];
    float box[4];
    thing_bounds(s, box);
    if (box[1] < 0) {
        bottom_at(s, 0);
    }
    near_edge_at(s, foot[0] + 0.08f + between(s, 0.01f, 0.08f));
}

static bool is_small(int kind) {
    return kind == HOI_MINI_CUP || kind == HOI_MINI_BOOK;
}

static void reach_for(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    bool animal = s->kind == HOI_MINI_DOG || s->kind == HOI_MINI_HORSE;
    float angle = between(s, -0.35f, 0.75f);
    if (animal) {
        angle = (s->kind == HOI_MINI_DOG ? -0.5f : 0.0f) + jitter(s, 0.1f);
        p->lean = (s->kind == HOI_MINI_DOG ? 0.35f : 0.1f) + jitter(s, 0.05f);
    }
    float shoulder[2], hand[2];
    hoi_mini_shoulder(p, shoulder);
    float dx = cosf(angle), dy = sinf(angle);
    hand[0] = p->hand[1][0] = shoulder[0] + 0.38f * dx;
    hand[1] = p->hand[1][1] = shoulder[1] + 0.38f * dy;
    float gap = 0.037f + between(s, 0.08f, 0.2f);
    if (animal) {
        s->thing.flip = true;
        near_edge_at(s, hand[0] + gap);
        return;
    }
    /* Out along the arm until the nearest of the box's edges on the way is `gap` away. */
    float box[4], middle[2];
    thing_bounds(s, box);
    middle_of_thing(s, middle);
    float half =
        fminf(0.5f * (box[2] - box[0]) / dx, 0.5f * (box[3] - box[1]) / fmaxf(fabsf(dy), 1e-3f));
    s->thing.x += hand[0] + (gap + half) * dx - middle[0];
    s->thing.y += hand[1] + (gap + half) * dy - middle[1];
    s->table = is_small(s->kind);
}

/* Where a thing is that nobody touches: things that lie or stand on the ground, fly, or lie on a
   table. */
static void let_be(setting *s) {
    switch (s->kind) {
    case HOI_MINI_KITE:
        s->thing.y = between(s, 0.5f, 0.9f);
        break;
    case HOI_MINI_BALL:
        s->thing.y = chance(s, 0.5f) ? 0 : between(s, 0.3f, 0.9f);
        break;
    case HOI_MINI_CUP:
    case HOI_MINI_BOOK:
        s->thing.y = between(s, 0.3f, 0.6f);
        s->table = true;
        break;
    default:
        break;
    }
}

static void look_at(setting *s) {
    let_be(s);
    near_edge_at(s, 0.1f + between(s, 0.3f, 0.6f));
}

static void push(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    if (s->kind == HOI_MINI_CARTON) {
        s->thing.size *= 1.5f;
    }
    s->thing.flip = false;
    /* The side that is pushed: the back of a chair, a saddle, hind quarters, the side of a box. */
    float height = own_height(s) * s->thing.size, back = -0.17f;
    if (s->kind == HOI_MINI_HORSE) {
        height *= 0.75f;
        back = -0.32f;
    }
    p->lean = 0.45f + jitter(s, 0.08f);
    float y = fminf(0.62f + jitter(s, 0.03f), 0.85f * height);
    for (int i = 0; i < 2; i++) {
        p->hand[i][0] = 0.4f;
        p->hand[i][1] = y + (i ? -0.02f : 0.02f);
    }
    p->foot[0][0] = -0.32f + jitter(s, 0.04f);
    float hand[2];
    hoi_mini_hand(p, 1, hand);
    s->thing.x = hand[0] + 0.02f - back * s->thing.size;
}

static void ride(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    float u = s->thing.size;
    bool bike = s->kind == HOI_MINI_BIKE;
    s->thing.flip = false;
    s->thing.x = (bike ? 0.085f : 0.04f) * u;
    p->hip[1] = hoi_mini_thing_seat(s->kind) * u + (bike ? 0.05f : 0.06f);
    p->lean = (bike ? 0.35f : 0.0f) + jitter(s, 0.06f);
    for (int i = 0; i < 2; i++) {
        float side = i ? 1.0f : -1.0f;
        float grip[2];
        hoi_mini_thing_point(&s->thing, bike ? 0.18f : 0.24f, bike ? 0.48f : 0.64f, grip);
        put(s, p->hand[i], grip[0], grip[1], 0.02f);
        if (bike) {
            hoi_mini_thing_point(&s->thing, 0.02f, 0.17f - 0.05f * side, p->foot[i]);
        } else {
            p->foot[i][0] = 0.07f + 0.03f * side + jitter(s, 0.03f);
            p->foot[i][1] = p->hip[1] - 0.4f;
        }
        p->foot[i][1] = fmaxf(p->foot[i][1], 0.03f);
    }
}

static void pull(setting *s) {
    static const float knots[HOI_MINI_THINGS][2] = {
        [HOI_MINI_CARTON] = {-0.17f, 0.18f}, [HOI_MINI_CHAIR] = {-0.14f, 0.4f},
        [HOI_MINI_DOG] = {0.13f, 0.26f},     [HOI_MINI_HORSE] = {0.38f, 0.64f},
        [HOI_MINI_BOARD] = {-0.29f, 0.12f},  [HOI_MINI_KITE] = {0, 0.22f},
    };
    hoi_mini_pose_person *p = &s->person;
    bool kite = s->kind == HOI_MINI_KITE;
    p->lean = -0.3f + jitter(s, 0.08f);
    put(s, p->hand[1], 0.3f, kite ? 0.8f : 0.62f, 0.03f);
    p->hand[0][0] = p->hand[1][0] - 0.05f;
    p->hand[0][1] = p->hand[1][1] - 0.02f;
    p->foot[0][0] = -0.1f + jitter(s, 0.03f);
    p->foot[1][0] = 0.14f + jitter(s, 0.03f);
    if (kite) {
        s->thing.x = 0.65f + jitter(s, 0.15f);
        s->thing.y = 0.85f + jitter(s, 0.15f);
    } else {
        s->thing.flip = s->kind == HOI_MINI_DOG || s->kind == HOI_MINI_HORSE;
        near_edge_at(s, between(s, 0.55f, 0.67f));
    }
    s->rope = true;
    hoi_mini_thing_point(&s->thing, knots[s->kind][0], knots[s->kind][1], s->rope_end);
}

static void pick_up(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    p->lean = 1.35f + jitter(s, 0.08f);
    if (s->kind == HOI_MINI_BAT) {
        s->thing.angle = -1.5f;
    }
    bottom_at(s, 0);
    float box[4], middle[2], shoulder[2];
    thing_bounds(s, box);
    middle_of_thing(s, middle);
    s->thing.x += 0.24f + jitter(s, 0.03f) - middle[0];
    for (int i = 0; i < 2; i++) {
        p->hand[i][0] = (i ? 0.27f : 0.21f) + jitter(s, 0.01f);
        p->hand[i][1] = box[3] + 0.01f;
    }
    /* Down as far as the arms need, by the legs apart. */
    hoi_mini_shoulder(p, shoulder);
    float lower = fmaxf(shoulder[1] - box[3] - 0.36f, 0);
    p->hip[1] -= lower;
    p->foot[0][0] -= 0.5f * lower;
    p->foot[1][0] += 0.5f * lower;
}

static void jump_over(setting *s) {
    hoi_mini_pose_person *p = &s->person;
    float box[4];
    bottom_at(s, 0);
    thing_bounds(s, box);
    float up = box[3] + between(s, 0.06f, 0.16f);
    s->thing.x = jitter(s, 0.05f);
    p->hip[1] += up;
    p->lean = 0.1f + jitter(s, 0.1f);
    p->foot[0][0] = -0.3f + jitter(s, 0.04f);
    p->foot[0][1] = up + 0.08f + jitter(s, 0.03f);
    p->foot[1][0] = 0.34f + jitter(s, 0.04f);
    p->foot[1][1] = up + 0.12f + jitter(s, 0.03f);
    put(s, p->hand[0], -0.28f, up + 0.83f, 0.05f);
    put(s, p->hand[1], 0.28f, up + 0.83f, 0.05f);
}

static void (*const VERBS[HOI_MINI_VERBS])(setting *) = {
    [HOI_MINI_HOLD] = hold,         [HOI_MINI_CARRY] = carry,     [HOI_MINI_SIT_ON] = sit_on,
    [HOI_MINI_STAND_ON] = stand_on, [HOI_MINI_KICK] = kick,       [HOI_MINI_REACH_FOR] = reach_for,
    [HOI_MINI_LOOK_AT] = look_at,   [HOI_MINI_PUSH] = push,       [HOI_MINI_RIDE] = ride,
    [HOI_MINI_PULL] = pull,         [HOI_MINI_PICK_UP] = pick_up, [HOI_MINI_JUMP_OVER] = jump_over,
};

/* The verbs that looking at the thing may go along with. */
static bool may_look(int verb, int thing) {
    const unsigned some = 1u << HOI_MINI_HOLD | 1u << HOI_MINI_REACH_FOR | 1u << HOI_MINI_PULL |
                          1u << HOI_MINI_KICK | 1u << HOI_MINI_PICK_UP | 1u << HOI_MINI_PUSH;
    return (some >> verb & 1u) && hoi_mini_class(HOI_MINI_LOOK_AT, thing) >= 0;
}

static int other_color(hoi_random *r, int color) {
    int c = (int)hoi_random_below(r, HOI_MINI_COLORS - 1);
    return c < color ? c : c + 1;
}

static hoi_mini_look_thing any_thing_look(hoi_random *r, int kind) {
    hoi_mini_look_thing look = {kind, (int)hoi_random_below(r, HOI_MINI_COLORS), {0}, {0}};
    hoi_mini_paint_color(r, look.color, 0.07f, look.first);
    hoi_mini_paint_color(r, other_color(r, look.color), 0.07f, look.second);
    return look;
}

static hoi_mini_look_person any_person_look(hoi_random *r) {
    static const float skins[4][3] = {
        {0.96f, 0.8f, 0.68f}, {0.87f, 0.65f, 0.48f}, {0.65f, 0.44f, 0.3f}, {0.4f, 0.26f, 0.18f}};
    hoi_mini_look_person look;
    memcpy(look.skin, skins[hoi_random_below(r, 4)], sizeof look.skin);
    look.shirt_color = (int)hoi_random_below(r, HOI_MINI_COLORS);
    hoi_mini_paint_color(r, look.shirt_color, 0.07f, look.shirt);
    hoi_mini_paint_color(r, other_color(r, look.shirt_color), 0.07f, look.trousers);
    hoi_mini_paint_color(r, (int)hoi_random_below(r, HOI_MINI_COLORS), 0.07f, look.cap);
    look.thickness = hoi_random_range(r, 0.85f, 1.35f);
    return look;
}

static void add_table(hoi_mini_group *g, const setting *s) {
    static const float wood[3] = {0.45f, 0.33f, 0.22f};
    float box[4];
    thing_bounds(s, box);
    float x = 0.5f * (box[0] + box[2]), half = 0.5f * (box[2] - box[0]) + 0.05f, y = box[1] - 0.02f;
    hoi_mini_object *o = &g->objects[g->count++];
    o->count = 0;
    o->label = HOI_MINI_NOBODY;
    hoi_mini_add(o, HOI_MINI_CAPSULE, wood, 5, (float[]){x, y, x, 0.02f, 0.02f});
    hoi_mini_add(o, HOI_MINI_CAPSULE, wood, 5, (float[]){x - half, y, x + half, y, 0.02f});
}

static void add_rope(hoi_mini_group *g, const setting *s) {
    static const float hemp[3] = {0.8f, 0.7f, 0.5f};
    float hand[2];
    hoi_mini_hand(&s->person, 1, hand);
    float x = 0.5f * (hand[0] + s->rope_end[0]), y = 0.5f * (hand[1] + s->rope_end[1]) - 0.03f;
    hoi_mini_object *o = &g->objects[g->count++];
    o->count = 0;
    o->label = HOI_MINI_NOBODY;
    hoi_mini_add(o, HOI_MINI_CAPSULE, hemp, 5, (float[]){hand[0], hand[1], x, y, 0.011f});
    hoi_mini_add(o, HOI_MINI_CAPSULE, hemp, 5,
                 (float[]){x, y, s->rope_end[0], s->rope_end[1], 0.011f});
}

static void add_thing(hoi_mini_group *g, const setting *s, const hoi_mini_look_thing *look) {
    g->thing = g->count++;
    g->color = look->color;
    hoi_mini_build_thing(&g->objects[g->thing], look, &s->thing);
}

static void add_person(hoi_mini_group *g, const setting *s, const hoi_mini_look_person *look) {
    g->person = g->count++;
    g->shirt = look->shirt_color;
    hoi_mini_build_person(&g->objects[g->person], look, &s->person);
}

static setting start(hoi_random *r, int thing, float size, hoi_mini_group *group) {
    setting s;
    memset(&s, 0, sizeof s);
    s.r = r;
    s.kind = thing;
    s.thing.size = size;
    s.thing.flip = chance(&s, 0.5f);
    group->count = 0;
    group->person = group->thing = -1;
    group->shirt = group->color = 0;
    group->verbs = 0;
    return s;
}

static void finish(hoi_mini_group *g) {
    g->bounds[0] = g->bounds[1] = 1e9f;
    g->bounds[2] = g->bounds[3] = -1e9f;
    for (int i = 0; i < g->count; i++) {
        for (int j = 0; j < g->objects[i].count; j++) {
            hoi_mini_bounds(&g->objects[i].strokes[j], g->bounds);
        }
    }
}

/* A decoy keeps the thing where the verb put it, but the person is idle; what only a hand could
   hold up there stands on the ground or a table nearby. */
static void make_decoy(setting *s, int verb) {
    rest(s);
    s->rope = s->thing_last = false;
    if (verb == HOI_MINI_HOLD || verb == HOI_MINI_PICK_UP) {
        memset(s->thing.pivot, 0, sizeof s->thing.pivot);
        s->thing.angle = s->kind == HOI_MINI_BAT ? -1.5f : 0;
        bool small = is_small(s->kind) || s->kind == HOI_MINI_BALL;
        s->table = small && chance(s, 0.5f);
        bottom_at(s, s->table ? between(s, 0.3f, 0.6f) : 0);
        near_edge_at(s, 0.13f + between(s, 0.12f, 0.32f));
    }
}

void hoi_mini_build_group(hoi_random *r, int verb, int thing, float size, bool decoy,
                          hoi_mini_group *group) {
    setting s = start(r, thing, size, group);
    hoi_mini_look_person person = any_person_look(r);
    hoi_mini_look_thing look = any_thing_look(r, thing);
    rest(&s);
    VERBS[verb](&s);
    bool looking = verb == HOI_MINI_LOOK_AT || (may_look(verb, thing) && chance(&s, 0.3f));
    if (decoy) {
        make_decoy(&s, verb);
        looking = false;
    } else {
        group->verbs = 1u << verb;
    }
    if (looking) {
        float head[2], middle[2];
        hoi_mini_head(&s.person, head);
        middle_of_thing(&s, middle);
        s.person.gaze = atan2f(middle[1] - head[1], middle[0] - head[0]);
        group->verbs |= 1u << HOI_MINI_LOOK_AT;
    } else {
        look_away(&s);
    }
    if (s.table) {
        add_table(group, &s);
    }
    if (!s.thing_last) {
        add_thing(group, &s, &look);
    }
    add_person(group, &s, &person);
    if (s.thing_last) {
        add_thing(group, &s, &look);
    }
    if (s.rope) {
        add_rope(group, &s);
    }
    finish(group);
}

void hoi_mini_build_lone_thing(hoi_random *r, int thing, float size, bool flying,
                               hoi_mini_group *group) {
    setting s = start(r, thing, size, group);
    hoi_mini_look_thing look = any_thing_look(r, thing);
    if (flying && thing == HOI_MINI_KITE) {
        s.thing.y = between(&s, 0, 0.6f);
    }
    add_thing(group, &s, &look);
    finish(group);
}

void hoi_mini_build_idle_person(hoi_random *r, hoi_mini_group *group) {
    setting s = start(r, HOI_MINI_BALL, 1, group);
    hoi_mini_look_person look = any_person_look(r);
    rest(&s);
    look_away(&s);
    add_person(group, &s, &look);
    finish(group);
}
