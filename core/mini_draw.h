/* mini_draw: shapes by signed distance on a small canvas. Inside core/mini*.c only. */
#ifndef HOI_MINI_DRAW_H
#define HOI_MINI_DRAW_H

#include "core/mini.h"

typedef enum hoi_mini_form {
    HOI_MINI_CAPSULE, /* x0, y0, x1, y1, radius */
    HOI_MINI_ELLIPSE, /* x, y, rx, ry, turn x, turn y: the unit vector along rx */
    HOI_MINI_BOX,     /* x, y, half width, half height, turn x, turn y, rounding */
    HOI_MINI_QUAD,    /* four corners of a convex outline */
    HOI_MINI_RING,    /* x, y, radius, thickness */
    HOI_MINI_HALF /* x, y, radius, up x, up y: the unit vector from the flat side into the disc */
} hoi_mini_form;

typedef struct hoi_mini_stroke {
    hoi_mini_form form;
    float p[8];
    float color[3];
    float alpha;
} hoi_mini_stroke;

/* A map of points: (x + xx a + xy b, y + yx a + yy b). It keeps angles: it turns, mirrors and
   scales. */
typedef struct hoi_mini_frame {
    float x, y, xx, xy, yx, yy;
} hoi_mini_frame;

/* Strokes drawn as one: with a dark outline around all of them. */
enum { HOI_MINI_STROKES = 32, HOI_MINI_NOBODY = -1 };
typedef struct hoi_mini_object {
    hoi_mini_stroke strokes[HOI_MINI_STROKES];
    int count;
    int label; /* a thing's kind, HOI_MINI_THINGS: a person, HOI_MINI_NOBODY: the rest */
} hoi_mini_object;

typedef struct hoi_mini_canvas {
    float pixel[HOI_MINI_SIZE * HOI_MINI_SIZE][3];
    signed char label[HOI_MINI_SIZE *
                      HOI_MINI_SIZE]; /* of the topmost object that fills half the pixel or more */
} hoi_mini_canvas;

/* Adds a stroke with these first `n` numbers; the other numbers are 0. */
hoi_mini_stroke *hoi_mini_add(hoi_mini_object *object, hoi_mini_form form, const float color[3],
                              int n, const float *p);

/* Gets the stroke as the frame maps it. */
hoi_mini_stroke hoi_mini_map(const hoi_mini_stroke *stroke, const hoi_mini_frame *frame);

/* Widens box (x1, y1, x2, y2) so that it holds the stroke. */
void hoi_mini_bounds(const hoi_mini_stroke *stroke, float box[4]);

/* Paints an object whose strokes are in pixels; outline: with the dark line of 0.6 pixels around
   it. */
void hoi_mini_paint(hoi_mini_canvas *canvas, const hoi_mini_object *object, bool outline);

#endif
