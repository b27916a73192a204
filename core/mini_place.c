/* mini_place: sky, ground and clutter behind the groups; brightness and noise over the whole. */
#include "core/mini_plan.h"

#include <math.h>

static const float PLACES[HOI_MINI_PLACES][2][3] = {
    {{0.55f, 0.75f, 0.95f}, {0.35f, 0.6f, 0.25f}}, /* grass */
    {{0.85f, 0.8f, 0.7f}, {0.6f, 0.42f, 0.28f}},   /* room */
    {{0.7f, 0.72f, 0.78f}, {0.45f, 0.45f, 0.47f}}, /* street */
    {{0.6f, 0.8f, 0.95f}, {0.88f, 0.8f, 0.55f}},   /* beach */
    {{0.16f, 0.17f, 0.36f}, {0.26f, 0.3f, 0.3f}},  /* night */
};
static const float COLORS[HOI_MINI_COLORS][3] = {
    {0.85f, 0.15f, 0.15f}, {0.15f, 0.6f, 0.2f},  {0.15f, 0.3f, 0.85f},  {0.95f, 0.85f, 0.15f},
    {0.95f, 0.55f, 0.1f},  {0.55f, 0.2f, 0.7f},  {0.95f, 0.95f, 0.95f}, {0.16f, 0.16f, 0.16f},
    {0.5f, 0.3f, 0.12f},   {0.95f, 0.55f, 0.7f},
};

void hoi_mini_paint_color(hoi_random *r, int color, float jitter, float out[3]) {
    for (int c = 0; c < 3; c++) {
        float value = COLORS[color][c] + hoi_random_range(r, -jitter, jitter);
        out[c] = fminf(fmaxf(value, 0), 1);
    }
}

int hoi_mini_place_of(hoi_random *background, float *horizon) {
    int place = (int)hoi_random_below(background, HOI_MINI_PLACES);
    *horizon = hoi_random_range(background, 34, 58);
    return place;
}

enum { LATTICE = HOI_MINI_SIZE / 3 + 2 };

/* Adds smooth noise to the rows y1 .. y2 - 1: random values on a lattice, blended between its
   points. */
static void add_value_noise(hoi_mini_canvas *canvas, hoi_random *r, int y1, int y2, float period,
                            float amplitude) {
    float lattice[2][LATTICE];
    int columns = (int)((float)HOI_MINI_SIZE / period) + 2, row = -1;
    for (int x = 0; x < columns; x++) {
        lattice[1][x] = hoi_random_range(r, -amplitude, amplitude);
    }
    for (int y = y1; y < y2; y++) {
        float v = (float)(y - y1) / period;
        for (; row < (int)v; row++) {
            for (int x = 0; x < columns; x++) {
                lattice[0][x] = lattice[1][x];
                lattice[1][x] = hoi_random_range(r, -amplitude, amplitude);
            }
        }
        float t = v - (float)row, blended[LATTICE];
        for (int x = 0; x < columns; x++) {
            blended[x] = lattice[0][x] + t * (lattice[1][x] - lattice[0][x]);
        }
        float(*line)[3] = canvas->pixel + y * HOI_MINI_SIZE;
        for (int x = 0; x < HOI_MINI_SIZE; x++) {
            float u = (float)x / period;
            int at = (int)u;
            float noise = blended[at] + (u - (float)at) * (blended[at + 1] - blended[at]);
            line[x][0] += noise;
            line[x][1] += noise;
            line[x][2] += noise;
        }
    }
}

/* Paints rows y1 .. y2 - 1 in a colour near `base`, changing a little downwards. What is dark stays
   light enough to tell people in black from it. */
static void paint_half(hoi_mini_canvas *canvas, hoi_random *r, const float base[3], int y1,
                       int y2) {
    float color[3];
    for (int c = 0; c < 3; c++) {
        color[c] = base[c] + hoi_random_range(r, base[c] < 0.4f ? -0.05f : -0.1f, 0.1f);
    }
    float slope = hoi_random_range(r, -0.12f, 0.12f) / (float)HOI_MINI_SIZE;
    for (int y = y1; y < y2; y++) {
        float change = slope * (float)(y - y1);
        for (int x = 0; x < HOI_MINI_SIZE; x++) {
            float *pixel = canvas->pixel[y * HOI_MINI_SIZE + x];
            pixel[0] = color[0] + change;
            pixel[1] = color[1] + change;
            pixel[2] = color[2] + change;
        }
    }
}

static void add_ellipse(hoi_mini_object *o, const float color[3], float x, float y, float rx,
                        float ry, float alpha) {
    hoi_mini_add(o, HOI_MINI_ELLIPSE, color, 6, (float[]){x, y, rx, ry, 1, 0})->alpha = alpha;
}

static void add_box(hoi_mini_object *o, const float color[3], float x, float y, float hx, float hy,
                    float alpha) {
    hoi_mini_add(o, HOI_MINI_BOX, color, 7, (float[]){x, y, hx, hy, 1, 0, 0.3f})->alpha = alpha;
}

static void tint(hoi_random *r, const float base[3], float shade, float jitter, float out[3]) {
    for (int c = 0; c < 3; c++) {
        out[c] = shade * (base[c] + hoi_random_range(r, -jitter, jitter));
    }
}

/* One of: cloud, tree, house, dark patch on the ground. `light` dims them at night. */
static void add_clutter(hoi_mini_object *o, hoi_random *r, float horizon, float light) {
    static const float white[3] = {1, 1, 1}, black[3] = {0, 0, 0}, trunk[3] = {0.38f, 0.26f, 0.15f};
    static const float leaves[3] = {0.18f, 0.45f, 0.18f}, wall[3] = {0.6f, 0.55f, 0.6f};
    uint32_t which = hoi_random_below(r, 4);
    float x = hoi_random_range(r, 4, HOI_MINI_SIZE - 4), color[3];
    if (which == 0) {
        float y = hoi_random_range(r, 5, 0.6f * horizon), rx = hoi_random_range(r, 5, 10);
        tint(r, white, light, 0, color);
        add_ellipse(o, color, x, y, rx, 0.4f * rx, 0.5f);
        add_ellipse(o, color, x + 0.6f * rx, y + 1, 0.6f * rx, 0.3f * rx, 0.4f);
    } else if (which == 1) {
        float size = hoi_random_range(r, 6, 11), foot = horizon + hoi_random_range(r, 2, 8);
        tint(r, trunk, light, 0.05f, color);
        hoi_mini_add(o, HOI_MINI_CAPSULE, color, 5,
                     (float[]){x, foot, x, foot - 2 * size, 0.12f * size});
        tint(r, leaves, light, 0.1f, color);
        add_ellipse(o, color, x, foot - 2.2f * size, 0.65f * size, 0.85f * size, 1);
    } else if (which == 2) {
        float hx = hoi_random_range(r, 6, 11), hy = hoi_random_range(r, 5, 10);
        float y = horizon - hy + hoi_random_range(r, 1, 5);
        tint(r, wall, light, 0.25f, color);
        add_box(o, color, x, y, hx, hy, 0.85f);
        tint(r, color, 0.55f, 0, color);
        add_box(o, color, x + hoi_random_range(r, -0.4f, 0.4f) * hx, y, 0.3f * hx, 0.25f * hy,
                0.9f);
    } else {
        float rx = hoi_random_range(r, 4, 11);
        add_ellipse(o, black, x, hoi_random_range(r, horizon + 5, HOI_MINI_SIZE - 4), rx,
                    0.35f * rx, 0.25f);
    }
}

void hoi_mini_paint_background(hoi_mini_canvas *canvas, hoi_random *r, int place, float horizon) {
    int edge = (int)horizon;
    paint_half(canvas, r, PLACES[place][0], 0, edge);
    paint_half(canvas, r, PLACES[place][1], edge, HOI_MINI_SIZE);
    float above = hoi_random_range(r, 0.03f, 0.06f), below = hoi_random_range(r, 0.05f, 0.14f);
    add_value_noise(canvas, r, 0, edge, hoi_random_range(r, 3, 12), above);
    add_value_noise(canvas, r, edge, HOI_MINI_SIZE, hoi_random_range(r, 3, 12), below);
    for (int i = 0; i < HOI_MINI_SIZE * HOI_MINI_SIZE; i++) {
        canvas->label[i] = HOI_MINI_NOBODY;
    }
    hoi_mini_object clutter = {.count = 0, .label = HOI_MINI_NOBODY};
    for (uint32_t n = hoi_random_below(r, 4); n > 0; n--) {
        add_clutter(&clutter, r, horizon, place == HOI_MINI_PLACES - 1 ? 0.5f : 1);
    }
    hoi_mini_paint(canvas, &clutter, false);
}

void hoi_mini_develop(const hoi_mini_canvas *canvas, hoi_random *noise, unsigned char *rgb) {
    float gain = 255 * hoi_random_range(noise, 0.8f, 1.1f);
    float amplitude = 255 * hoi_random_range(noise, 0.01f, 0.05f) / 1023;
    for (int i = 0; i < HOI_MINI_SIZE * HOI_MINI_SIZE; i++) {
        uint64_t bits = hoi_random_bits(noise);
        for (int c = 0; c < 3; c++, bits >>= 20) {
            /* The sum of two uniform numbers has a triangular density. */
            int sum = (int)(bits & 1023) + (int)(bits >> 10 & 1023) - 1023;
            float value = gain * canvas->pixel[i][c] + amplitude * (float)sum + 0.5f;
            rgb[3 * i + c] = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
}
