/* canvas_ink: colors, lines of text and surfaces of cairo. Inside core/canvas*.c only. */
#ifndef HOI_CANVAS_INK_H
#define HOI_CANVAS_INK_H

#include "core/image.h"

#include <cairo.h>

enum { HOI_INK_LINE = 512 }; /* bytes of the longest line of text, its end included */
enum { HOI_INK_COLORS = 8 };

/* Sets the color 0xRRGGBB to draw with; alpha: 0..1. */
void hoi_ink_color(cairo_t *c, unsigned color, double alpha);

void hoi_ink_font(cairo_t *c, double size, bool bold);

/* Copies text up to the end of its line: wrong bytes become '?' (cairo would stop drawing), what is
   wider than `width` ends in an ellipsis. Gets where the next line begins, NULL after the last. */
const char *hoi_ink_take_line(cairo_t *c, const char *text, double width, char line[HOI_INK_LINE]);

/* Gets the width of the first line of any text. */
double hoi_ink_text_width(cairo_t *c, const char *text);

/* Writes one line, cut to `width`, its baseline at y; place 0: x is its left end, 0.5: its middle,
   1: its right end. */
void hoi_ink_write(cairo_t *c, double x, double y, double place, double width, const char *text);

/* Fails with what went wrong in cairo so far. */
bool hoi_ink_check(cairo_t *c);

/* Gets what was drawn on the image surface. */
hoi_image *hoi_ink_image(cairo_t *c, cairo_surface_t *surface);

#endif
