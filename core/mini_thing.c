/* mini_thing: the twelve things, as strokes. Lengths in body heights, origin at the bottom. */
#include "core/mini_plan.h"

#include <math.h>

/* Whose colour a part has: the thing's first or second one, the first darkened, black, white. */
typedef enum ink { FIRST, SECOND, DARK, BLACK, WHITE } ink;

typedef struct part {
    hoi_mini_form form;
    ink ink;
    float p[8];
} part;

#define CAPSULE(ink, ...)                                                                          \
    {                                                                                              \
        HOI_MINI_CAPSULE, ink, {                                                                   \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define ELLIPSE(ink, x, y, rx, ry)                                                                 \
    {                                                                                              \
        HOI_MINI_ELLIPSE, ink, {                                                                   \
            x, y, rx, ry, 1, 0                                                                     \
        }                                                                                          \
    }
#define BOX(ink, x, y, hx, hy)                                                                     \
    {                                                                                              \
        HOI_MINI_BOX, ink, {                                                                       \
            x, y, hx, hy, 1, 0, 0.006f                                                             \
        }                                                                                          \
    }
#define QUAD(ink, ...)                                                                             \
    {                                                                                              \
        HOI_MINI_QUAD, ink, {                                                                      \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define RING(ink, ...)                                                                             \
    {                                                                                              \
        HOI_MINI_RING, ink, {                                                                      \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define HALF(ink, x, y, radius)                                                                    \
    {                                                                                              \
        HOI_MINI_HALF, ink, {                                                                      \
            x, y, radius, 0, 1                                                                     \
        }                                                                                          \
    }

static const part BALL[] = {
    ELLIPSE(FIRST, 0, 0.13f, 0.13f, 0.13f),
    CAPSULE(SECOND, -0.09f, 0.13f, 0.09f, 0.13f, 0.025f),
    ELLIPSE(WHITE, -0.04f, 0.19f, 0.03f, 0.03f),
};
static const part CARTON[] = {
    BOX(FIRST, 0, 0.14f, 0.17f, 0.14f),
    BOX(DARK, 0, 0.245f, 0.17f, 0.02f),
    BOX(SECOND, 0, 0.14f, 0.035f, 0.14f),
};
static const part CHAIR[] = {
    CAPSULE(FIRST, -0.14f, 0.03f, -0.14f, 0.58f, 0.028f),
    CAPSULE(FIRST, 0.14f, 0.03f, 0.14f, 0.27f, 0.028f),
    BOX(FIRST, 0, 0.275f, 0.17f, 0.028f),
    BOX(DARK, -0.13f, 0.5f, 0.03f, 0.09f),
};
static const part CUP[] = {
    RING(FIRST, 0.075f, 0.08f, 0.045f, 0.022f),
    QUAD(FIRST, -0.055f, 0, 0.045f, 0, 0.065f, 0.16f, -0.075f, 0.16f),
    ELLIPSE(WHITE, -0.005f, 0.155f, 0.07f, 0.02f),
};
static const part BIKE[] = {
    RING(BLACK, -0.25f, 0.17f, 0.15f, 0.035f),
    RING(BLACK, 0.25f, 0.17f, 0.15f, 0.035f),
    CAPSULE(FIRST, -0.25f, 0.17f, -0.08f, 0.4f, 0.02f),
    CAPSULE(FIRST, -0.08f, 0.4f, 0.19f, 0.4f, 0.02f),
    CAPSULE(FIRST, -0.25f, 0.17f, 0.02f, 0.17f, 0.02f),
    CAPSULE(FIRST, 0.02f, 0.17f, 0.19f, 0.4f, 0.02f),
    CAPSULE(FIRST, 0.02f, 0.17f, -0.08f, 0.4f, 0.02f),
    CAPSULE(FIRST, 0.25f, 0.17f, 0.18f, 0.46f, 0.02f),
    CAPSULE(BLACK, 0.14f, 0.47f, 0.24f, 0.49f, 0.02f),
    CAPSULE(BLACK, -0.14f, 0.42f, -0.03f, 0.42f, 0.025f),
};
static const part DOG[] = {
    CAPSULE(DARK, -0.12f, 0.18f, -0.12f, 0.03f, 0.028f),
    CAPSULE(DARK, 0.12f, 0.18f, 0.12f, 0.03f, 0.028f),
    CAPSULE(FIRST, -0.17f, 0.18f, -0.17f, 0.03f, 0.028f),
    CAPSULE(FIRST, 0.07f, 0.18f, 0.07f, 0.03f, 0.028f),
    CAPSULE(FIRST, -0.18f, 0.23f, -0.24f, 0.34f, 0.022f),
    ELLIPSE(FIRST, -0.03f, 0.21f, 0.17f, 0.085f),
    ELLIPSE(FIRST, 0.17f, 0.31f, 0.085f, 0.08f),
    CAPSULE(FIRST, 0.19f, 0.29f, 0.25f, 0.28f, 0.035f),
    CAPSULE(DARK, 0.12f, 0.36f, 0.1f, 0.28f, 0.025f),
    ELLIPSE(BLACK, 0.2f, 0.33f, 0.015f, 0.015f),
};
static const part HORSE[] = {
    CAPSULE(DARK, -0.19f, 0.4f, -0.19f, 0.034f, 0.034f),
    CAPSULE(DARK, 0.19f, 0.4f, 0.19f, 0.034f, 0.034f),
    CAPSULE(FIRST, -0.27f, 0.4f, -0.27f, 0.034f, 0.034f),
    CAPSULE(FIRST, 0.1f, 0.4f, 0.1f, 0.034f, 0.034f),
    CAPSULE(DARK, -0.3f, 0.48f, -0.4f, 0.25f, 0.035f),
    ELLIPSE(FIRST, -0.04f, 0.46f, 0.29f, 0.12f),
    CAPSULE(FIRST, 0.2f, 0.48f, 0.31f, 0.7f, 0.06f),
    CAPSULE(FIRST, 0.31f, 0.71f, 0.41f, 0.62f, 0.045f),
    CAPSULE(DARK, 0.13f, 0.56f, 0.26f, 0.76f, 0.03f),
    CAPSULE(DARK, 0.29f, 0.76f, 0.29f, 0.79f, 0.02f),
};
static const part UMBRELLA[] = {
    CAPSULE(BLACK, 0, 0.02f, 0, 0.36f, 0.016f),
    CAPSULE(BLACK, 0, 0.02f, 0.05f, 0.02f, 0.016f),
    HALF(FIRST, 0, 0.3f, 0.26f),
    QUAD(SECOND, -0.08f, 0.3f, 0.08f, 0.3f, 0.03f, 0.54f, -0.03f, 0.54f),
    CAPSULE(BLACK, 0, 0.55f, 0, 0.58f, 0.012f),
};
static const part BOOK[] = {
    QUAD(FIRST, -0.15f, 0.03f, 0, 0, 0, 0.13f, -0.15f, 0.17f),
    QUAD(FIRST, 0.15f, 0.03f, 0, 0, 0, 0.13f, 0.15f, 0.17f),
    QUAD(WHITE, -0.13f, 0.05f, -0.005f, 0.025f, -0.005f, 0.13f, -0.13f, 0.16f),
    QUAD(WHITE, 0.13f, 0.05f, 0.005f, 0.025f, 0.005f, 0.13f, 0.13f, 0.16f),
    CAPSULE(BLACK, -0.105f, 0.11f, -0.035f, 0.092f, 0.006f),
    CAPSULE(BLACK, 0.105f, 0.11f, 0.035f, 0.092f, 0.006f),
};
static const part KITE[] = {
    CAPSULE(SECOND, 0, 0.2f, -0.05f, 0.12f, 0.012f),
    CAPSULE(SECOND, -0.05f, 0.12f, 0.03f, 0.03f, 0.012f),
    CAPSULE(FIRST, -0.09f, 0.12f, -0.01f, 0.12f, 0.02f),
    CAPSULE(FIRST, -0.01f, 0.04f, 0.07f, 0.04f, 0.02f),
    QUAD(FIRST, 0, 0.2f, 0.15f, 0.38f, 0, 0.5f, -0.15f, 0.38f),
    QUAD(SECOND, 0, 0.2f, 0.15f, 0.38f, 0, 0.38f, 0, 0.3f),
    CAPSULE(BLACK, -0.14f, 0.38f, 0.14f, 0.38f, 0.008f),
    CAPSULE(BLACK, 0, 0.21f, 0, 0.49f, 0.008f),
};
static const part BOARD[] = {
    ELLIPSE(BLACK, -0.18f, 0.04f, 0.04f, 0.04f),
    ELLIPSE(BLACK, 0.18f, 0.04f, 0.04f, 0.04f),
    CAPSULE(FIRST, -0.23f, 0.09f, 0.23f, 0.09f, 0.03f),
    CAPSULE(FIRST, -0.23f, 0.09f, -0.29f, 0.12f, 0.025f),
    CAPSULE(FIRST, 0.23f, 0.09f, 0.29f, 0.12f, 0.025f),
    CAPSULE(SECOND, -0.1f, 0.09f, 0.1f, 0.09f, 0.012f),
};
static const part BAT[] = {
    CAPSULE(SECOND, 0, 0.02f, 0, 0.14f, 0.018f),
    ELLIPSE(SECOND, 0, 0.02f, 0.03f, 0.02f),
    QUAD(FIRST, -0.018f, 0.12f, 0.018f, 0.12f, 0.05f, 0.4f, -0.05f, 0.4f),
    ELLIPSE(FIRST, 0, 0.4f, 0.05f, 0.05f),
};

#define PARTS(list) list, (int)(sizeof(list) / sizeof(list)[0])
static const struct {
    const part *parts;
    int count;
    float height, seat;
} THINGS[HOI_MINI_THINGS] = {
    {PARTS(BALL), 0.26f, 0.25f}, {PARTS(CARTON), 0.28f, 0.28f}, {PARTS(CHAIR), 0.6f, 0.3f},
    {PARTS(CUP), 0.16f, 0},      {PARTS(BIKE), 0.5f, 0.44f},    {PARTS(DOG), 0.42f, 0},
    {PARTS(HORSE), 0.8f, 0.56f}, {PARTS(UMBRELLA), 0.56f, 0},   {PARTS(BOOK), 0.18f, 0},
    {PARTS(KITE), 0.5f, 0},      {PARTS(BOARD), 0.13f, 0.11f},  {PARTS(BAT), 0.46f, 0},
};

float hoi_mini_thing_height(int kind) {
    return THINGS[kind].height;
}

float hoi_mini_thing_seat(int kind) {
    return THINGS[kind].seat;
}

static hoi_mini_frame thing_frame(const hoi_mini_pose_thing *pose) {
    float c = pose->size * cosf(pose->angle), s = pose->size * sinf(pose->angle);
    float side = pose->flip ? -1.0f : 1.0f;
    hoi_mini_frame f = {0, 0, side * c, -s, side * s, c};
    f.x = pose->x - f.xx * pose->pivot[0] - f.xy * pose->pivot[1];
    f.y = pose->y - f.yx * pose->pivot[0] - f.yy * pose->pivot[1];
    return f;
}

void hoi_mini_thing_point(const hoi_mini_pose_thing *pose, float a, float b, float out[2]) {
    hoi_mini_frame f = thing_frame(pose);
    out[0] = f.x + f.xx * a + f.xy * b;
    out[1] = f.y + f.yx * a + f.yy * b;
}

void hoi_mini_build_thing(hoi_mini_object *object, const hoi_mini_look_thing *look,
                          const hoi_mini_pose_thing *pose) {
    hoi_mini_frame frame = thing_frame(pose);
    object->count = 0;
    object->label = look->kind;
    for (int i = 0; i < THINGS[look->kind].count; i++) {
        const part *own = &THINGS[look->kind].parts[i];
        float color[3];
        for (int c = 0; c < 3; c++) {
            const float inks[] = {look->first[c], look->second[c], 0.6f * look->first[c], 0.12f,
                                  0.96f};
            color[c] = inks[own->ink];
        }
        hoi_mini_stroke *s = hoi_mini_add(object, own->form, color, 8, own->p);
        *s = hoi_mini_map(s, &frame);
    }
}
