/* mini_draw: shapes by signed distance d: clamp(0.5 - d, 0, 1) of a pixel is covered. */
#include "core/mini_draw.h"

#include <math.h>
#include <string.h>

static const float OUTLINE = 0.6f;
static const float OUTLINE_ALPHA = 0.75f;
static const float OUTLINE_COLOR[3] = {0.06f, 0.06f, 0.07f};

hoi_mini_stroke *hoi_mini_add(hoi_mini_object *object, hoi_mini_form form, const float color[3],
                              int n, const float *p) {
    hoi_mini_stroke *s = &object->strokes[object->count++];
    memset(s, 0, sizeof *s);
    s->form = form;
    memcpy(s->p, p, (size_t)n * sizeof *p);
    memcpy(s->color, color, sizeof s->color);
    s->alpha = 1;
    return s;
}

static void map_point(const hoi_mini_frame *f, const float in[2], float out[2]) {
    out[0] = f->x + f->xx * in[0] + f->xy * in[1];
    out[1] = f->y + f->yx * in[0] + f->yy * in[1];
}

static void map_direction(const hoi_mini_frame *f, float scale, const float in[2], float out[2]) {
    out[0] = (f->xx * in[0] + f->xy * in[1]) / scale;
    out[1] = (f->yx * in[0] + f->yy * in[1]) / scale;
}

hoi_mini_stroke hoi_mini_map(const hoi_mini_stroke *stroke, const hoi_mini_frame *frame) {
    hoi_mini_stroke s = *stroke;
    const float *in = stroke->p;
    float scale = sqrtf(frame->xx * frame->xx + frame->yx * frame->yx);
    map_point(frame, in, s.p);
    switch (s.form) {
    case HOI_MINI_CAPSULE:
        map_point(frame, in + 2, s.p + 2);
        s.p[4] = in[4] * scale;
        break;
    case HOI_MINI_ELLIPSE:
    case HOI_MINI_BOX:
        s.p[2] = in[2] * scale;
        s.p[3] = in[3] * scale;
        map_direction(frame, scale, in + 4, s.p + 4);
        s.p[6] = in[6] * scale;
        break;
    case HOI_MINI_QUAD:
        for (int i = 2; i < 8; i += 2) {
            map_point(frame, in + i, s.p + i);
        }
        break;
    case HOI_MINI_RING:
        s.p[2] = in[2] * scale;
        s.p[3] = in[3] * scale;
        break;
    case HOI_MINI_HALF:
        s.p[2] = in[2] * scale;
        map_direction(frame, scale, in + 3, s.p + 3);
        break;
    }
    return s;
}

static void widen(float box[4], float x1, float y1, float x2, float y2) {
    box[0] = fminf(box[0], x1);
    box[1] = fminf(box[1], y1);
    box[2] = fmaxf(box[2], x2);
    box[3] = fmaxf(box[3], y2);
}

/* How far a half disc of radius 1 reaches along an axis on which its up direction has `along` and
   its flat side `across`: to the round side fully, else to the end of the flat side. */
static float half_reach(float along, float across) {
    return along > 0 ? 1 : fabsf(across);
}

void hoi_mini_bounds(const hoi_mini_stroke *stroke, float box[4]) {
    const float *p = stroke->p;
    float ex = 0, ey = 0;
    switch (stroke->form) {
    case HOI_MINI_CAPSULE:
        widen(box, fminf(p[0], p[2]) - p[4], fminf(p[1], p[3]) - p[4], fmaxf(p[0], p[2]) + p[4],
              fmaxf(p[1], p[3]) + p[4]);
        return;
    case HOI_MINI_QUAD:
        for (int i = 0; i < 8; i += 2) {
            widen(box, p[i], p[i + 1], p[i], p[i + 1]);
        }
        return;
    case HOI_MINI_HALF:
        widen(box, p[0] - p[2] * half_reach(-p[3], p[4]), p[1] - p[2] * half_reach(-p[4], p[3]),
              p[0] + p[2] * half_reach(p[3], p[4]), p[1] + p[2] * half_reach(p[4], p[3]));
        return;
    case HOI_MINI_ELLIPSE:
        ex = hypotf(p[2] * p[4], p[3] * p[5]);
        ey = hypotf(p[2] * p[5], p[3] * p[4]);
        break;
    case HOI_MINI_BOX:
        ex = (p[2] - p[6]) * fabsf(p[4]) + (p[3] - p[6]) * fabsf(p[5]) + p[6];
        ey = (p[2] - p[6]) * fabsf(p[5]) + (p[3] - p[6]) * fabsf(p[4]) + p[6];
        break;
    case HOI_MINI_RING:
        ex = ey = p[2] + 0.5f * p[3];
        break;
    }
    widen(box, p[0] - ex, p[1] - ey, p[0] + ex, p[1] + ey);
}

/* A stroke made ready: whatever does not change from pixel to pixel is worked out once. */
typedef struct shape {
    float p[8];
    float dx, dy, scale;      /* capsule: the segment and 1 / length^2; ellipse: 1 / rx, 1 / ry */
    float nx[4], ny[4], c[4]; /* quad: outward normals and offsets of its sides */
} shape;

static void prepare(shape *h, const hoi_mini_stroke *s) {
    memcpy(h->p, s->p, sizeof h->p);
    const float *p = s->p;
    if (s->form == HOI_MINI_CAPSULE) {
        h->dx = p[2] - p[0];
        h->dy = p[3] - p[1];
        h->scale = 1.0f / fmaxf(h->dx * h->dx + h->dy * h->dy, 1e-12f);
    } else if (s->form == HOI_MINI_ELLIPSE) {
        h->dx = 1.0f / p[2];
        h->dy = 1.0f / p[3];
    } else if (s->form == HOI_MINI_QUAD) {
        float area = 0;
        for (int i = 0; i < 4; i++) {
            int j = (i + 1) % 4;
            area += p[2 * i] * p[2 * j + 1] - p[2 * j] * p[2 * i + 1];
        }
        float side = area < 0 ? -1.0f : 1.0f;
        for (int i = 0; i < 4; i++) {
            int j = (i + 1) % 4;
            float ex = p[2 * j] - p[2 * i], ey = p[2 * j + 1] - p[2 * i + 1];
            float length = fmaxf(hypotf(ex, ey), 1e-6f);
            h->nx[i] = side * ey / length;
            h->ny[i] = -side * ex / length;
            h->c[i] = h->nx[i] * p[2 * i] + h->ny[i] * p[2 * i + 1];
        }
    }
}

static inline float capsule(const shape *h, float x, float y) {
    float ax = x - h->p[0], ay = y - h->p[1];
    float t = (ax * h->dx + ay * h->dy) * h->scale;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    ax -= t * h->dx;
    ay -= t * h->dy;
    return sqrtf(ax * ax + ay * ay) - h->p[4];
}

static inline float ellipse(const shape *h, float x, float y) {
    float ax = x - h->p[0], ay = y - h->p[1];
    float a = (ax * h->p[4] + ay * h->p[5]) * h->dx, b = (ay * h->p[4] - ax * h->p[5]) * h->dy;
    float k0 = sqrtf(a * a + b * b);
    a *= h->dx;
    b *= h->dy;
    float k1 = sqrtf(a * a + b * b);
    return k0 * (k0 - 1) / (k1 + 1e-6f);
}

static inline float box(const shape *h, float x, float y) {
    float ax = x - h->p[0], ay = y - h->p[1];
    float a = fabsf(ax * h->p[4] + ay * h->p[5]) - h->p[2] + h->p[6];
    float b = fabsf(ay * h->p[4] - ax * h->p[5]) - h->p[3] + h->p[6];
    float most = a > b ? a : b;
    float oa = a > 0 ? a : 0, ob = b > 0 ? b : 0;
    return (most < 0 ? most : sqrtf(oa * oa + ob * ob)) - h->p[6];
}

static inline float quad(const shape *h, float x, float y) {
    float d = h->nx[0] * x + h->ny[0] * y - h->c[0];
    for (int i = 1; i < 4; i++) {
        float e = h->nx[i] * x + h->ny[i] * y - h->c[i];
        d = e > d ? e : d;
    }
    return d;
}

static inline float ring(const shape *h, float x, float y) {
    float ax = x - h->p[0], ay = y - h->p[1];
    return fabsf(sqrtf(ax * ax + ay * ay) - h->p[2]) - 0.5f * h->p[3];
}

static inline float half(const shape *h, float x, float y) {
    float ax = x - h->p[0], ay = y - h->p[1];
    float round = sqrtf(ax * ax + ay * ay) - h->p[2];
    float flat = -(ax * h->p[3] + ay * h->p[4]);
    return round > flat ? round : flat;
}

/* What is painted where. */
typedef struct brush {
    float color[3], alpha, grow;
    int x1, y1, x2, y2; /* pixels, the ends excluded */
    int label;          /* written where half of a pixel is covered, unless grow > 0 */
} brush;

/* The pixels of row y that a capsule may touch: those near its axis. */
static void narrow(const shape *h, const brush *b, float y, int *x1, int *x2) {
    if (fabsf(h->dy) < 1e-3f) {
        return;
    }
    float radius = h->p[4] + b->grow + 0.5f;
    float half_width = radius * sqrtf(h->dx * h->dx + h->dy * h->dy) / fabsf(h->dy);
    float middle = h->p[0] + (y - h->p[1]) * h->dx / h->dy;
    float low = middle - half_width - 0.5f, high = middle + half_width + 0.5f;
    *x1 = low > (float)*x1 ? (low < (float)*x2 ? (int)low : *x2) : *x1;
    *x2 = high < (float)*x2 ? (high > (float)*x1 ? (int)high + 1 : *x1) : *x2;
}

#if defined(__GNUC__)
__attribute__((
    always_inline)) /* so that each form gets a loop of its own, with its distance inside */
#endif
static inline void
fill(hoi_mini_canvas *canvas, const shape *h, const brush *b, bool slim,
     float (*distance)(const shape *, float, float)) {
    for (int y = b->y1; y < b->y2; y++) {
        float cy = (float)y + 0.5f;
        int x1 = b->x1, x2 = b->x2;
        if (slim) {
            narrow(h, b, cy, &x1, &x2);
        }
        for (int x = x1; x < x2; x++) {
            float cover = 0.5f + b->grow - distance(h, (float)x + 0.5f, cy);
            if (cover <= 0) {
                continue;
            }
            cover = cover > 1 ? 1 : cover;
            int at = y * HOI_MINI_SIZE + x;
            float a = cover * b->alpha, *pixel = canvas->pixel[at];
            pixel[0] += a * (b->color[0] - pixel[0]);
            pixel[1] += a * (b->color[1] - pixel[1]);
            pixel[2] += a * (b->color[2] - pixel[2]);
            if (b->grow <= 0 && cover >= 0.5f) {
                canvas->label[at] = (signed char)b->label;
            }
        }
    }
}

static int pixel_edge(float x) {
    return x <= 0 ? 0 : x >= HOI_MINI_SIZE ? HOI_MINI_SIZE : (int)x;
}

static void paint(hoi_mini_canvas *canvas, const hoi_mini_stroke *s, int label, bool outline) {
    shape h;
    prepare(&h, s);
    brush b = {{s->color[0], s->color[1], s->color[2]}, s->alpha, 0, 0, 0, 0, 0, label};
    if (outline) {
        memcpy(b.color, OUTLINE_COLOR, sizeof b.color);
        b.alpha = OUTLINE_ALPHA;
        b.grow = OUTLINE;
    }
    float reach[4] = {1e9f, 1e9f, -1e9f, -1e9f};
    hoi_mini_bounds(s, reach);
    float more = b.grow + 0.5f;
    b.x1 = pixel_edge(reach[0] - more);
    b.y1 = pixel_edge(reach[1] - more);
    b.x2 = pixel_edge(reach[2] + more + 1);
    b.y2 = pixel_edge(reach[3] + more + 1);
    switch (s->form) {
    case HOI_MINI_CAPSULE:
        fill(canvas, &h, &b, true, capsule);
        break;
    case HOI_MINI_ELLIPSE:
        fill(canvas, &h, &b, false, ellipse);
        break;
    case HOI_MINI_BOX:
        fill(canvas, &h, &b, false, box);
        break;
    case HOI_MINI_QUAD:
        fill(canvas, &h, &b, false, quad);
        break;
    case HOI_MINI_RING:
        fill(canvas, &h, &b, false, ring);
        break;
    case HOI_MINI_HALF:
        fill(canvas, &h, &b, false, half);
        break;
    }
}

void hoi_mini_paint(hoi_mini_canvas *canvas, const hoi_mini_object *object, bool outline) {
    for (int i = 0; outline && i < object->count; i++) {
        paint(canvas, &object->strokes[i], object->label, true);
    }
    for (int i = 0; i < object->count; i++) {
        paint(canvas, &object->strokes[i], object->label, false);
    }
}
