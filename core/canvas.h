/* canvas: drawing on pictures: boxes, lines, labels, legends, contact sheets, plots.
   Colors are 0xRRGGBB. Coordinates are pixels of the picture that was given, whatever it is scaled
   to. Text is UTF-8. */
#ifndef HOI_CANVAS_H
#define HOI_CANVAS_H

#include "core/image.h"

typedef struct hoi_canvas hoi_canvas;

/* Gets a color of the palette (after Okabe and Ito, told apart by color-blind eyes too); it begins
   anew after eight. */
unsigned hoi_canvas_color(int index);

/* Makes a canvas that begins as a copy of the picture, `scale` times as large. Scale 0: the
   smallest whole number that makes the longer side 384 pixels or more (96 -> 4 times), so that text
   has room. */
hoi_canvas *hoi_canvas_new(const hoi_image *image, double scale);
void hoi_canvas_free(hoi_canvas *canvas);

/* What goes wrong while drawing, hoi_canvas_finish says. */

/* Draws the outline of box {x1, y1, x2, y2}, cut to the picture. A box drawn before is drawn inside
   itself. */
void hoi_canvas_box(hoi_canvas *canvas, const float box[4], unsigned color);

/* Draws a line with a dot at each end. */
void hoi_canvas_line(hoi_canvas *canvas, float x1, float y1, float x2, float y2, unsigned color);

/* Writes lines of text (parted by \n) on a ground of the color, above (x, y) if there is room: it
   never leaves the picture and, as long as it finds a free place, covers no earlier label. Lies
   above all that is drawn. */
void hoi_canvas_label(hoi_canvas *canvas, float x, float y, const char *text, unsigned color);

/* Draws a pair: both boxes, a line from centre to centre, the text at the human. Without object
   (NULL) only the human, without text no label. */
void hoi_canvas_interaction(hoi_canvas *canvas, const float human[4], const float *object,
                            const char *text, unsigned color);

/* Draws names with their colors into the upper right corner. */
void hoi_canvas_legend(hoi_canvas *canvas, int count, const char *const *names,
                       const unsigned *colors);

/* Gets what was drawn as a new picture. The canvas stays. */
hoi_image *hoi_canvas_finish(hoi_canvas *canvas);

/* Gets pictures side by side, `columns` in a row (0: about as many as rows), with captions (NULL:
   none; a caption may be NULL) below. Small pictures are enlarged by whole numbers. */
hoi_image *hoi_canvas_sheet(int count, const hoi_image *const *images, int columns,
                            const char *const *captions);

/* One curve or one set of bars. A y that is not finite leaves a gap. */
typedef struct hoi_series {
    const char *name; /* NULL: not in the legend */
    int count;
    const double *x;         /* (count), NULL: 1, 2, ..; bars stand at 1, 2, .. always */
    const double *y;         /* (count) */
    const double *deviation; /* (count) or NULL: half the height of a band, at bars of a whisker */
} hoi_series;

typedef struct hoi_plot {
    const char *title, *x_label, *y_label; /* each may be NULL */
    int width, height;                     /* 0: 800 x 500 */
    bool bars;
    int category_count;
    const char *const *categories; /* names below the bars, NULL: their numbers */
    int count;
    const hoi_series *series;
} hoi_plot;

/* Draws the plot. Fails when no value is finite. */
hoi_image *hoi_plot_draw(const hoi_plot *plot);

/* Writes the plot to an SVG file, first under a temporary name. */
bool hoi_plot_save(const hoi_plot *plot, const char *path);

#endif
