/* canvas: drawing with cairo: boxes, lines, labels, legends, sheets. */
#include "core/canvas.h"

#include "core/canvas_ink.h"
#include "core/error.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct label {
    double x, y, width, height; /* pixels of the canvas */
    unsigned color;
    char *text;
} label;

struct hoi_canvas {
    cairo_surface_t *surface;
    cairo_t *cairo;
    int width, height;
    double scale, font, stroke;
    int label_count, label_room, box_count, box_room;
    label *labels;
    float (*boxes)[4];
    bool starved; /* there was no memory for all that was to be drawn */
};

/* ------------------------------------------------------------------ pictures and surfaces */

/* Gets black or white: what is read on the color. */
static unsigned contrast(unsigned color) {
    double light = 0.299 * (color >> 16 & 255) + 0.587 * (color >> 8 & 255) + 0.114 * (color & 255);
    return light > 140 ? 0x101010 : 0xFFFFFF;
}

static void paste(cairo_surface_t *surface, const hoi_image *image, int left, int top) {
    cairo_surface_flush(surface);
    int stride = cairo_image_surface_get_stride(surface) / 4;
    uint32_t *pixels = (uint32_t *)(void *)cairo_image_surface_get_data(surface);
    for (int y = 0; pixels && y < image->height; y++) {
        const unsigned char *in = image->rgb + (size_t)y * (size_t)image->width * 3;
        uint32_t *out = pixels + (size_t)(top + y) * (size_t)stride + left;
        for (int x = 0; x < image->width; x++, in += 3)
            out[x] = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    }
    cairo_surface_mark_dirty(surface);
}

/* Gets the whole number by which a side grows to `wanted` pixels or more. */
static int enlarge(int side, int wanted) {
    return side >= wanted ? 1 : (wanted - 1 + side) / side;
}

hoi_canvas *hoi_canvas_new(const hoi_image *image, double scale) {
    int longer = image->width > image->height ? image->width : image->height;
    if (scale == 0)
        scale = fmin(enlarge(longer, 384), 16);
    if (!(scale > 0) || longer * scale > 32767) {
        hoi_fail("canvas: scale %g: the longer side may have 1 to 32767 pixels", scale);
        return NULL;
    }
    int width = (int)fmax(1, rint(image->width * scale));
    int height = (int)fmax(1, rint(image->height * scale));
    hoi_canvas *canvas = calloc(1, sizeof *canvas);
    hoi_image *ground = hoi_image_resize(image, width, height);
    if (!canvas || !ground) {
        hoi_fail("canvas: no memory");
        free(canvas);
        hoi_image_free(ground);
        return NULL;
    }
    canvas->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    canvas->cairo = cairo_create(canvas->surface);
    canvas->width = width;
    canvas->height = height;
    canvas->scale = scale;
    double shorter = width < height ? width : height;
    canvas->font = fmin(fmax(floor(shorter / 36), 12), 40);
    canvas->stroke = fmin(fmax(floor(shorter / 200), 2), 8);
    if (hoi_ink_check(canvas->cairo))
        paste(canvas->surface, ground, 0, 0);
    else {
        hoi_canvas_free(canvas);
        canvas = NULL;
    }
    hoi_image_free(ground);
    return canvas;
}

void hoi_canvas_free(hoi_canvas *canvas) {
    if (!canvas)
        return;
    for (int i = 0; i < canvas->label_count; i++)
        free(canvas->labels[i].text);
    free(canvas->labels);
    free(canvas->boxes);
    cairo_destroy(canvas->cairo);
    cairo_surface_destroy(canvas->surface);
    free(canvas);
}

/* ------------------------------------------------------------------ boxes, lines, labels */

/* Gets a coordinate of the canvas, moved inside it. */
static double inside(const hoi_canvas *canvas, float at, int limit) {
    return fmin(fmax(rint(at * canvas->scale), 0), limit);
}

void hoi_canvas_box(hoi_canvas *canvas, const float box[4], unsigned color) {
    int before = 0; /* the same box again lies inside the first: two pairs of one human are seen */
    for (int i = 0; i < canvas->box_count; i++)
        before += memcmp(canvas->boxes[i], box, sizeof canvas->boxes[i]) == 0;
    if (canvas->box_count == canvas->box_room) {
        int room = canvas->box_room * 2 + 16;
        float(*more)[4] = realloc(canvas->boxes, (size_t)room * sizeof *more);
        canvas->boxes = more ? more : canvas->boxes;
        canvas->box_room = more ? room : canvas->box_room;
    }
    if (canvas->box_count < canvas->box_room)
        memcpy(canvas->boxes[canvas->box_count++], box, sizeof *canvas->boxes);
    else
        canvas->starved = true;

    cairo_t *c = canvas->cairo;
    double t = canvas->stroke, inset = t / 2 + before * (t + 1);
    double x1 = inside(canvas, box[0], canvas->width) + inset;
    double y1 = inside(canvas, box[1], canvas->height) + inset;
    double x2 = inside(canvas, box[2], canvas->width) - inset;
    double y2 = inside(canvas, box[3], canvas->height) - inset;
    cairo_rectangle(c, x1, y1, fmax(x2 - x1, t), fmax(y2 - y1, t));
    hoi_ink_color(c, contrast(color), 0.6);
    cairo_set_line_width(c, t + 2);
    cairo_stroke_preserve(c);
    hoi_ink_color(c, color, 1);
    cairo_set_line_width(c, t);
    cairo_stroke(c);
}

void hoi_canvas_line(hoi_canvas *canvas, float x1, float y1, float x2, float y2, unsigned color) {
    cairo_t *c = canvas->cairo;
    double t = canvas->stroke;
    double x[2] = {inside(canvas, x1, canvas->width), inside(canvas, x2, canvas->width)};
    double y[2] = {inside(canvas, y1, canvas->height), inside(canvas, y2, canvas->height)};
    for (int pass = 0; pass < 2; pass++) { /* a wider line of the other lightness first */
        hoi_ink_color(c, pass ? color : contrast(color), pass ? 1 : 0.6);
        cairo_set_line_width(c, pass ? t : t + 2);
        cairo_move_to(c, x[0], y[0]);
        cairo_line_to(c, x[1], y[1]);
        cairo_stroke(c);
        for (int end = 0; end < 2; end++) {
            cairo_arc(c, x[end], y[end], 1.5 * t + (pass ? 0 : 1), 0, 2 * M_PI);
            cairo_fill(c);
        }
    }
}

static bool is_free(const hoi_canvas *canvas, double x, double y, double width, double height) {
    for (int i = 0; i < canvas->label_count; i++) {
        const label *l = &canvas->labels[i];
        if (x < l->x + l->width && l->x < x + width && y < l->y + l->height && l->y < y + height)
            return false;
    }
    return true;
}

/* Moves a label to the nearest free place inside the picture; leaves it where it is when all is
   taken. */
static void find_place(const hoi_canvas *canvas, label *l) {
    double right = fmax(canvas->width - l->width, 0), bottom = fmax(canvas->height - l->height, 0);
    double x0 = fmin(fmax(l->x, 0), right), y0 = fmin(fmax(l->y, 0), bottom), nearest = INFINITY;
    l->x = x0;
    l->y = y0;
    for (double x = fmod(x0, l->width + 2); x <= right; x += l->width + 2)
        for (double y = 0; y <= bottom; y++)
            if (fabs(x - x0) + fabs(y - y0) < nearest &&
                is_free(canvas, x, y, l->width, l->height)) {
                nearest = fabs(x - x0) + fabs(y - y0);
                l->x = x;
                l->y = y;
            }
}

/* Takes the place for a label; its text becomes the canvas'. */
static void keep_label(hoi_canvas *canvas, label l) {
    if (canvas->label_count == canvas->label_room) {
        int room = canvas->label_room * 2 + 16;
        label *more = realloc(canvas->labels, (size_t)room * sizeof *more);
        if (!more) {
            free(l.text);
            canvas->starved = true;
            return;
        }
        canvas->labels = more;
        canvas->label_room = room;
    }
    canvas->labels[canvas->label_count++] = l;
}

void hoi_canvas_label(hoi_canvas *canvas, float x, float y, const char *text, unsigned color) {
    char line[HOI_INK_LINE];
    double space = ceil(canvas->font * 0.3), wide = 0;
    int lines = 0;
    hoi_ink_font(canvas->cairo, canvas->font, false);
    for (const char *rest = text; rest; lines++) {
        rest = hoi_ink_take_line(canvas->cairo, rest, canvas->width - 2 * space, line);
        wide = fmax(wide, hoi_ink_text_width(canvas->cairo, line));
    }
    double height = ceil(lines * canvas->font * 1.25 + space);
    label l = {inside(canvas, x, canvas->width),
               inside(canvas, y, canvas->height) - height,
               ceil(wide) + 2 * space,
               height,
               color,
               strdup(text)};
    if (l.text) {
        find_place(canvas, &l);
        keep_label(canvas, l);
    } else
        canvas->starved = true;
}

static void draw_label(hoi_canvas *canvas, const label *l) {
    char line[HOI_INK_LINE];
    double space = ceil(canvas->font * 0.3), y = l->y + space / 2 + canvas->font * 0.98;
    hoi_ink_color(canvas->cairo, l->color, 1);
    cairo_rectangle(canvas->cairo, l->x, l->y, l->width, l->height);
    cairo_fill(canvas->cairo);
    hoi_ink_color(canvas->cairo, contrast(l->color), 1);
    hoi_ink_font(canvas->cairo, canvas->font, false);
    for (const char *rest = l->text; rest; y += canvas->font * 1.25) {
        rest = hoi_ink_take_line(canvas->cairo, rest, canvas->width - 2 * space, line);
        cairo_move_to(canvas->cairo, l->x + space, y);
        cairo_show_text(canvas->cairo, line);
    }
}

void hoi_canvas_interaction(hoi_canvas *canvas, const float human[4], const float *object,
                            const char *text, unsigned color) {
    hoi_canvas_box(canvas, human, color);
    if (object) {
        hoi_canvas_box(canvas, object, color);
        hoi_canvas_line(canvas, (human[0] + human[2]) / 2, (human[1] + human[3]) / 2,
                        (object[0] + object[2]) / 2, (object[1] + object[3]) / 2, color);
    }
    if (text)
        hoi_canvas_label(canvas, human[0], human[1], text, color);
}

void hoi_canvas_legend(hoi_canvas *canvas, int count, const char *const *names,
                       const unsigned *colors) {
    cairo_t *c = canvas->cairo;
    double font = canvas->font, space = ceil(font * 0.4), wide = 0;
    double most = canvas->width - font - 5 * space;
    hoi_ink_font(c, font, false);
    for (int i = 0; i < count; i++)
        wide = fmax(wide, fmin(hoi_ink_text_width(c, names[i]), most));
    double width = ceil(wide + font + 3 * space), height = ceil(count * font * 1.4 + space);
    label l = {canvas->width - width - space, space, width, height, 0, NULL};
    hoi_ink_color(c, 0xFFFFFF, 0.85);
    cairo_rectangle(c, l.x, l.y, width, height);
    cairo_fill(c);
    for (int i = 0; i < count; i++) {
        double y = l.y + space / 2 + (i + 0.2) * font * 1.4;
        hoi_ink_color(c, colors[i], 1);
        cairo_rectangle(c, l.x + space, rint(y), rint(font), rint(font));
        cairo_fill(c);
        hoi_ink_color(c, 0x101010, 1);
        hoi_ink_write(c, l.x + 2 * space + font, y + font * 0.87, 0, most, names[i]);
    }
    keep_label(canvas, l); /* labels to come keep off it */
}

hoi_image *hoi_canvas_finish(hoi_canvas *canvas) {
    for (int i = 0; i < canvas->label_count; i++)
        if (canvas->labels[i].text)
            draw_label(canvas, &canvas->labels[i]);
    if (canvas->starved) {
        hoi_fail("canvas: no memory for %d boxes and %d labels", canvas->box_count,
                 canvas->label_count);
        return NULL;
    }
    return hoi_ink_image(canvas->cairo, canvas->surface);
}

/* ------------------------------------------------------------------ sheets */

static int count_lines(const char *text) {
    int lines = 1;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

hoi_image *hoi_canvas_sheet(int count, const hoi_image *const *images, int columns,
                            const char *const *captions) {
    const double font = 13, space = 8;
    int width = 1, height = 1, lines = 0;
    for (int i = 0; i < count; i++) {
        width = images[i]->width > width ? images[i]->width : width;
        height = images[i]->height > height ? images[i]->height : height;
        if (captions && captions[i] && count_lines(captions[i]) > lines)
            lines = count_lines(captions[i]);
    }
    int grow = enlarge(width > height ? width : height, 192);
    width *= grow;
    height *= grow;
    columns = columns > 0 ? columns : (int)ceil(sqrt(count));
    columns = columns > count ? count : columns;
    double cell_width = width + space, cell_height = height + space + lines * font * 1.3;
    double sheet_width = columns * cell_width + space;
    double sheet_height = ceil(ceil((double)count / columns) * cell_height + space);
    if (count < 1 || sheet_width > 32767 || sheet_height > 32767) {
        hoi_fail("canvas: sheet of %d pictures: %.0f x %.0f pixels, 1 to 32767 a side expected",
                 count, sheet_width, sheet_height);
        return NULL;
    }
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)sheet_width, (int)sheet_height);
    cairo_t *c = cairo_create(surface);
    hoi_image *sheet = NULL;
    hoi_ink_color(c, 0xFFFFFF, 1);
    cairo_paint(c);
    hoi_ink_font(c, font, false);
    for (int i = 0; i < count; i++) {
        double x = space + i % columns * cell_width, y = space + i / columns * cell_height;
        int w = images[i]->width, h = images[i]->height;
        int times = width / w < height / h ? width / w : height / h;
        hoi_image *image = hoi_image_resize(images[i], w * times, h * times);
        if (!image || !hoi_ink_check(c)) {
            hoi_image_free(image);
            goto done;
        }
        paste(surface, image, (int)x + (width - image->width) / 2, (int)y + height - image->height);
        hoi_image_free(image);
        hoi_ink_color(c, 0x303030, 1);
        y += height + font * 1.1;
        for (const char *rest = captions ? captions[i] : NULL; rest; y += font * 1.3) {
            char line[HOI_INK_LINE];
            rest = hoi_ink_take_line(c, rest, width, line);
            cairo_move_to(c, x, y);
            cairo_show_text(c, line);
        }
    }
    sheet = hoi_ink_image(c, surface);
done:
    cairo_destroy(c);
    cairo_surface_destroy(surface);
    return sheet;
}
