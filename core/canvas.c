/* canvas: drawing with cairo: boxes, lines, labels, legends, sheets, plots. */
#include "core/canvas.h"

#include "core/error.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

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

/* ------------------------------------------------------------------ color and text */

enum { palette_size = 8 };

unsigned hoi_canvas_color(int index) {
    static const unsigned palette[palette_size] = {0x0072B2, 0xE69F00, 0x009E73, 0xD55E00,
                                                   0x56B4E9, 0xCC79A7, 0xF0E442, 0x7F7F7F};
    return palette[(unsigned)index % palette_size];
}

static void set_color(cairo_t *c, unsigned color, double alpha) {
    cairo_set_source_rgba(c, (color >> 16 & 255) / 255.0, (color >> 8 & 255) / 255.0,
                          (color & 255) / 255.0, alpha);
}

/* Gets black or white: what is read on the color. */
static unsigned contrast(unsigned color) {
    double light = 0.299 * (color >> 16 & 255) + 0.587 * (color >> 8 & 255) + 0.114 * (color & 255);
    return light > 140 ? 0x101010 : 0xFFFFFF;
}

enum { line_room = 512 };

static double advance(cairo_t *c, const char *line) {
    cairo_text_extents_t extents;
    cairo_text_extents(c, line, &extents);
    return extents.x_advance;
}

/* Copies text up to the end of its line: wrong bytes become '?' (cairo would stop drawing), what is
   wider than `width` ends in an ellipsis. Gets where the next line begins, NULL after the last. */
static const char *take_line(cairo_t *c, const char *text, double width, char line[line_room]) {
    size_t n = 0, length = strcspn(text, "\n");
    const char *end = text + length, *next = *end ? end + 1 : NULL;
    while (text < end && n + 8 < line_room) {
        utf8proc_int32_t point;
        utf8proc_ssize_t size =
            utf8proc_iterate((const utf8proc_uint8_t *)text, end - text, &point);
        if (size > 0)
            memcpy(line + n, text, (size_t)size);
        else
            line[n] = '?';
        n += size > 0 ? (size_t)size : 1;
        text += size > 0 ? size : 1;
    }
    line[n] = 0;
    bool whole = text == end;
    while (n > 0 && (!whole || advance(c, line) > width)) {
        whole = true;
        while (n > 0 && ((unsigned char)line[--n] & 0xC0) == 0x80) {
        }
        memcpy(line + n, "\xE2\x80\xA6", 4);
    }
    return next;
}

/* Gets the width of the first line of any text. */
static double text_width(cairo_t *c, const char *text) {
    char line[line_room];
    take_line(c, text, INFINITY, line);
    return advance(c, line);
}

static void set_font(cairo_t *c, double size, bool bold) {
    cairo_select_font_face(c, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c, size);
}

/* Writes one line, cut to `width`, its baseline at y; place 0: x is its left end, 0.5: its middle,
   1: its right end. */
static void write_line(cairo_t *c, double x, double y, double place, double width,
                       const char *text) {
    char line[line_room];
    take_line(c, text, width, line);
    cairo_move_to(c, x - place * advance(c, line), y);
    cairo_show_text(c, line);
}

/* ------------------------------------------------------------------ pictures and surfaces */

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

static bool check_cairo(cairo_t *c) {
    cairo_status_t status = cairo_status(c);
    return status == CAIRO_STATUS_SUCCESS ||
           hoi_fail("canvas: cairo: %s", cairo_status_to_string(status));
}

static hoi_image *copy_out(cairo_t *c, cairo_surface_t *surface) {
    if (!check_cairo(c))
        return NULL;
    cairo_surface_flush(surface);
    hoi_image *image = hoi_image_new(cairo_image_surface_get_width(surface),
                                     cairo_image_surface_get_height(surface));
    int stride = cairo_image_surface_get_stride(surface) / 4;
    const uint32_t *pixels = (const uint32_t *)(const void *)cairo_image_surface_get_data(surface);
    for (int y = 0; image && y < image->height; y++) {
        const uint32_t *in = pixels + (size_t)y * (size_t)stride;
        unsigned char *out = image->rgb + (size_t)y * (size_t)image->width * 3;
        for (int x = 0; x < image->width; x++, out += 3) {
            out[0] = (unsigned char)(in[x] >> 16);
            out[1] = (unsigned char)(in[x] >> 8);
            out[2] = (unsigned char)in[x];
        }
    }
    return image;
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
    if (check_cairo(canvas->cairo))
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
    set_color(c, contrast(color), 0.6);
    cairo_set_line_width(c, t + 2);
    cairo_stroke_preserve(c);
    set_color(c, color, 1);
    cairo_set_line_width(c, t);
    cairo_stroke(c);
}

void hoi_canvas_line(hoi_canvas *canvas, float x1, float y1, float x2, float y2, unsigned color) {
    cairo_t *c = canvas->cairo;
    double t = canvas->stroke;
    double x[2] = {inside(canvas, x1, canvas->width), inside(canvas, x2, canvas->width)};
    double y[2] = {inside(canvas, y1, canvas->height), inside(canvas, y2, canvas->height)};
    for (int pass = 0; pass < 2; pass++) { /* a wider line of the other lightness first */
        set_color(c, pass ? color : contrast(color), pass ? 1 : 0.6);
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
    char line[line_room];
    double space = ceil(canvas->font * 0.3), wide = 0;
    int lines = 0;
    set_font(canvas->cairo, canvas->font, false);
    for (const char *rest = text; rest; lines++) {
        rest = take_line(canvas->cairo, rest, canvas->width - 2 * space, line);
        wide = fmax(wide, text_width(canvas->cairo, line));
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
    char line[line_room];
    double space = ceil(canvas->font * 0.3), y = l->y + space / 2 + canvas->font * 0.98;
    set_color(canvas->cairo, l->color, 1);
    cairo_rectangle(canvas->cairo, l->x, l->y, l->width, l->height);
    cairo_fill(canvas->cairo);
    set_color(canvas->cairo, contrast(l->color), 1);
    set_font(canvas->cairo, canvas->font, false);
    for (const char *rest = l->text; rest; y += canvas->font * 1.25) {
        rest = take_line(canvas->cairo, rest, canvas->width - 2 * space, line);
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
    set_font(c, font, false);
    for (int i = 0; i < count; i++)
        wide = fmax(wide, fmin(text_width(c, names[i]), most));
    double width = ceil(wide + font + 3 * space), height = ceil(count * font * 1.4 + space);
    label l = {canvas->width - width - space, space, width, height, 0, NULL};
    set_color(c, 0xFFFFFF, 0.85);
    cairo_rectangle(c, l.x, l.y, width, height);
    cairo_fill(c);
    for (int i = 0; i < count; i++) {
        double y = l.y + space / 2 + (i + 0.2) * font * 1.4;
        set_color(c, colors[i], 1);
        cairo_rectangle(c, l.x + space, rint(y), rint(font), rint(font));
        cairo_fill(c);
        set_color(c, 0x101010, 1);
        write_line(c, l.x + 2 * space + font, y + font * 0.87, 0, most, names[i]);
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
    return copy_out(canvas->cairo, canvas->surface);
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
    set_color(c, 0xFFFFFF, 1);
    cairo_paint(c);
    set_font(c, font, false);
    for (int i = 0; i < count; i++) {
        double x = space + i % columns * cell_width, y = space + i / columns * cell_height;
        int w = images[i]->width, h = images[i]->height;
        int times = width / w < height / h ? width / w : height / h;
        hoi_image *image = hoi_image_resize(images[i], w * times, h * times);
        if (!image || !check_cairo(c)) {
            hoi_image_free(image);
            goto done;
        }
        paste(surface, image, (int)x + (width - image->width) / 2, (int)y + height - image->height);
        hoi_image_free(image);
        set_color(c, 0x303030, 1);
        y += height + font * 1.1;
        for (const char *rest = captions ? captions[i] : NULL; rest; y += font * 1.3) {
            char line[line_room];
            rest = take_line(c, rest, width, line);
            cairo_move_to(c, x, y);
            cairo_show_text(c, line);
        }
    }
    sheet = copy_out(c, surface);
done:
    cairo_destroy(c);
    cairo_surface_destroy(surface);
    return sheet;
}

/* ------------------------------------------------------------------ plots */

/* One axis: the values at its ends, where they lie, and its ticks. */
typedef struct axis {
    double low, high, from, to, first, step;
    int ticks;
} axis;

static double place(const axis *a, double value) {
    return a->from + (value - a->low) / (a->high - a->low) * (a->to - a->from);
}

static void widen(axis *a, double value) {
    if (isfinite(value)) {
        a->low = fmin(a->low, value);
        a->high = fmax(a->high, value);
    }
}

/* Chooses at most about `most` ticks, 1, 2 or 5 times a power of ten apart; whole numbers when
   asked for. */
static void choose_ticks(axis *a, double most, bool whole) {
    double rough = (a->high - a->low) / fmax(most, 2), power = pow(10, floor(log10(rough)));
    a->step = power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
    if (whole)
        a->step = fmax(a->step, 1);
    a->first = ceil(a->low / a->step - 1e-9) * a->step;
    a->ticks = (int)fmin(floor((a->high - a->first) / a->step + 1e-6) + 1, 1000);
}

/* Gets the value of tick k and writes it into text. */
static double tick(const axis *a, int k, char text[32]) {
    int decimals = (int)fmax(0, -floor(log10(a->step) + 1e-9));
    double value = a->first + k * a->step;
    if (fabs(value) < a->step * 1e-6)
        value = 0;
    if (decimals > 5 || fabs(value) >= 1e6)
        snprintf(text, 32, "%.4g", value);
    else
        snprintf(text, 32, "%.*f", decimals, value);
    return value;
}

static double series_x(const hoi_plot *plot, const hoi_series *s, int i) {
    return s->x && !plot->bars ? s->x[i] : i + 1;
}

static double series_deviation(const hoi_series *s, int i) {
    return s->deviation && isfinite(s->deviation[i]) ? fabs(s->deviation[i]) : 0;
}

static bool is_seen(const hoi_plot *plot, const hoi_series *s, int i) {
    return isfinite(s->y[i]) && isfinite(series_x(plot, s, i));
}

/* Finds what the axes span. whole: every x is a whole number. */
static bool find_ranges(const hoi_plot *plot, axis *x, axis *y, bool *whole) {
    *x = *y = (axis){.low = INFINITY, .high = -INFINITY};
    *whole = true;
    for (int k = 0; k < plot->count; k++)
        for (int i = 0; i < plot->series[k].count; i++) {
            const hoi_series *s = &plot->series[k];
            if (!is_seen(plot, s, i))
                continue;
            double at = series_x(plot, s, i);
            widen(x, at);
            widen(y, s->y[i] - series_deviation(s, i));
            widen(y, s->y[i] + series_deviation(s, i));
            *whole = *whole && at == rint(at);
        }
    if (!(x->low <= x->high))
        return hoi_fail("plot: no finite value in %d series", plot->count);
    if (plot->bars) {
        int most = plot->category_count;
        for (int k = 0; k < plot->count; k++)
            most = plot->series[k].count > most ? plot->series[k].count : most;
        x->low = 0.5;
        x->high = most + 0.5;
        widen(y, 0);
    }
    if (!(x->high - x->low > 1e-200)) { /* a single value gets some room */
        double side = fmax(1, fabs(x->low) * 0.1);
        x->low -= side;
        x->high += side;
    }
    double span = y->high - y->low, room = span * 0.06;
    if (!(span > 1e-200))
        room = fmax(fabs(y->low) * 0.1, 1e-9);
    y->low -= plot->bars && y->low == 0 ? 0 : room;
    y->high += plot->bars && y->high == 0 && span > 1e-200 ? 0 : room;
    return (isfinite(x->high - x->low) && isfinite(y->high - y->low)) ||
           hoi_fail("plot: values too large to draw");
}

/* Gets the room of the bars at one place. */
static double slot_width(const axis *x) {
    return (x->to - x->from) / (x->high - x->low);
}

static void draw_bars(cairo_t *c, const hoi_plot *plot, const axis *x, const axis *y, double u) {
    double slot = slot_width(x), wide = slot * 0.8 / plot->count;
    for (int k = 0; k < plot->count; k++)
        for (int i = 0; i < plot->series[k].count; i++) {
            const hoi_series *s = &plot->series[k];
            if (!is_seen(plot, s, i))
                continue;
            double left = place(x, i + 1) - slot * 0.4 + k * wide, top = place(y, s->y[i]);
            double d = series_deviation(s, i);
            set_color(c, hoi_canvas_color(k), 1);
            cairo_rectangle(c, left, fmin(top, place(y, 0)), fmax(wide - 1.5 * u, 1),
                            fabs(place(y, 0) - top));
            cairo_fill(c);
            if (d > 0) {
                set_color(c, 0x303030, 1);
                cairo_set_line_width(c, 1.5 * u);
                cairo_move_to(c, left + wide / 2, place(y, s->y[i] - d));
                cairo_line_to(c, left + wide / 2, place(y, s->y[i] + d));
                cairo_stroke(c);
            }
            if (wide > 28 * u) {
                char text[32];
                snprintf(text, sizeof text, "%.4g", s->y[i]);
                set_color(c, 0x303030, 1);
                set_font(c, 11 * u, false);
                top = s->y[i] < 0 ? place(y, s->y[i] - d) + 12 * u : place(y, s->y[i] + d) - 4 * u;
                write_line(c, left + wide / 2, top, 0.5, INFINITY, text);
            }
        }
}

/* Sets the look of curve k; where the palette begins anew it is dashed. */
static void set_curve(cairo_t *c, int k, double u) {
    const double dashes[2] = {6 * u, 4 * u};
    cairo_new_path(c); /* else a line begins where the last text ended */
    cairo_set_dash(c, dashes, k / palette_size % 2 ? 2 : 0, 0);
    cairo_set_line_width(c, 2.2 * u);
    set_color(c, hoi_canvas_color(k), 1);
}

static void draw_line(cairo_t *c, const hoi_plot *plot, int k, const axis *x, const axis *y,
                      double u) {
    const hoi_series *s = &plot->series[k];
    set_curve(c, k, u);
    for (int i = 0; i < s->count; i++) {
        if (!is_seen(plot, s, i))
            cairo_new_sub_path(c);
        else
            cairo_line_to(c, place(x, series_x(plot, s, i)), place(y, s->y[i]));
    }
    cairo_stroke(c);
    for (int i = 0; i < s->count; i++) {
        bool alone =
            (i == 0 || !is_seen(plot, s, i - 1)) && (i + 1 == s->count || !is_seen(plot, s, i + 1));
        if (is_seen(plot, s, i) && (alone || s->count <= 30)) {
            cairo_arc(c, place(x, series_x(plot, s, i)), place(y, s->y[i]), 3.2 * u, 0, 2 * M_PI);
            cairo_fill(c);
        }
    }
}

static void draw_band(cairo_t *c, const hoi_plot *plot, int k, const axis *x, const axis *y) {
    const hoi_series *s = &plot->series[k];
    set_color(c, hoi_canvas_color(k), 0.2);
    cairo_new_path(c);
    for (int i = 0, end; s->deviation && i < s->count; i = end + 1) {
        for (end = i; end < s->count && is_seen(plot, s, end); end++)
            cairo_line_to(c, place(x, series_x(plot, s, end)),
                          place(y, s->y[end] + series_deviation(s, end)));
        for (int j = end - 1; j >= i; j--)
            cairo_line_to(c, place(x, series_x(plot, s, j)),
                          place(y, s->y[j] - series_deviation(s, j)));
        cairo_fill(c);
    }
}

/* Writes the legend in rows from (left, y) on; gets the y below it. */
static double draw_legend(cairo_t *c, const hoi_plot *plot, double left, double right, double y,
                          double u) {
    double at = left;
    set_font(c, 12.5 * u, false);
    for (int k = 0; k < plot->count; k++) {
        const char *name = plot->series[k].name;
        double wide = name ? fmin(text_width(c, name), right - left - 22 * u) : 0;
        if (!name)
            continue;
        if (at > left && at + 22 * u + wide > right) {
            at = left;
            y += 19 * u;
        }
        set_curve(c, k, u);
        if (plot->bars) {
            cairo_rectangle(c, at, y + 3 * u, 16 * u, 11 * u);
            cairo_fill(c);
        } else {
            cairo_move_to(c, at, y + 8.5 * u);
            cairo_line_to(c, at + 16 * u, y + 8.5 * u);
            cairo_stroke(c);
        }
        set_color(c, 0x303030, 1);
        write_line(c, at + 22 * u, y + 13 * u, 0, wide + 1, name);
        at += wide + 40 * u;
    }
    cairo_set_dash(c, NULL, 0, 0);
    return at > left ? y + 25 * u : y;
}

/* Draws a line across at each tick, with its value at the left. */
static void draw_grid(cairo_t *c, const axis *x, const axis *y, double u) {
    char text[32];
    set_font(c, 12 * u, false);
    cairo_set_line_width(c, fmax(1, rint(u)));
    for (int k = 0; k < y->ticks; k++) {
        double value = tick(y, k, text), at = floor(place(y, value)) + 0.5;
        set_color(c, value == 0 ? 0x808080 : 0xE0E0E0, 1);
        cairo_move_to(c, x->from, at);
        cairo_line_to(c, x->to, at);
        cairo_stroke(c);
        set_color(c, 0x404040, 1);
        write_line(c, x->from - 8 * u, at + 4 * u, 1, INFINITY, text);
    }
    cairo_move_to(c, x->from, floor(y->from) + 0.5);
    cairo_line_to(c, x->to, floor(y->from) + 0.5);
    cairo_stroke(c);
}

/* Writes what stands below the plot at each tick; slanted: names that are too wide for their slot.
   */
static void write_below(cairo_t *c, const hoi_plot *plot, const axis *x, double y, bool slanted,
                        double u) {
    char text[32];
    for (int k = 0; k < x->ticks; k++) {
        double value = tick(x, k, text);
        int i = (int)fmin(value, INT_MAX) - 1;
        bool named = plot->bars && plot->categories && i >= 0 && i < plot->category_count;
        cairo_save(c);
        cairo_translate(c, place(x, value), y + (slanted ? 12 : 18) * u);
        cairo_rotate(c, slanted ? -M_PI / 6 : 0);
        write_line(c, slanted ? 4 * u : 0, 0, slanted ? 1 : 0.5, 150 * u,
                   named ? plot->categories[i] : text);
        cairo_restore(c);
    }
}

static bool draw_plot(cairo_t *c, const hoi_plot *plot, int width, int height) {
    axis x, y;
    bool whole;
    char text[32];
    if (!find_ranges(plot, &x, &y, &whole))
        return false;
    double u = fmin(fmax(fmin(width / 800.0, height / 500.0), 0.5), 4); /* the unit of all sizes */
    double top = 14 * u, bottom = (plot->x_label ? 52 : 30) * u, wide = 0;
    set_color(c, 0xFFFFFF, 1);
    cairo_paint(c);
    if (plot->title) {
        set_color(c, 0x101010, 1);
        set_font(c, 16 * u, true);
        write_line(c, width / 2.0, top + 14 * u, 0.5, width - 20 * u, plot->title);
        top += 30 * u;
    }
    choose_ticks(&y, (height - top - bottom) / (45 * u), false);
    set_font(c, 12 * u, false);
    for (int k = 0; k < y.ticks; k++) {
        tick(&y, k, text);
        wide = fmax(wide, text_width(c, text));
    }
    x.from = wide + (plot->y_label ? 44 : 22) * u;
    x.to = width - 20 * u;
    choose_ticks(&x, (x.to - x.from) / (70 * u), whole || plot->bars);
    bool slanted = false;
    if (plot->bars && plot->categories) { /* a name at each bar, or at as many as can be read */
        x.first = 1;
        x.step = ceil(15 * u / slot_width(&x));
        x.ticks = (int)floor((x.high - 1) / x.step) + 1;
        wide = 0;
        for (int i = 0; i < plot->category_count; i++)
            wide = fmax(wide, fmin(text_width(c, plot->categories[i]), 150 * u));
        slanted = wide > 0.95 * slot_width(&x);
        bottom += slanted ? wide * 0.5 : 0;
        x.from = fmax(x.from, slanted ? wide * 0.87 - slot_width(&x) / 2 + 10 * u : 0);
    }
    y.to = draw_legend(c, plot, x.from, x.to, top, u);
    y.from = height - bottom;
    if (x.to - x.from < 10 || y.from - y.to < 10)
        return hoi_fail("plot: %d x %d pixels leave no room for the curves", width, height);

    draw_grid(c, &x, &y, u);
    write_below(c, plot, &x, y.from, slanted, u);
    set_font(c, 13 * u, false);
    if (plot->x_label)
        write_line(c, (x.from + x.to) / 2, height - 12 * u, 0.5, x.to - x.from, plot->x_label);
    if (plot->y_label) {
        cairo_save(c);
        cairo_translate(c, 20 * u, (y.from + y.to) / 2);
        cairo_rotate(c, -M_PI / 2);
        write_line(c, 0, 0, 0.5, y.from - y.to, plot->y_label);
        cairo_restore(c);
    }
    if (plot->bars)
        draw_bars(c, plot, &x, &y, u);
    cairo_set_line_join(c, CAIRO_LINE_JOIN_ROUND);
    for (int k = 0; !plot->bars && k < plot->count; k++)
        draw_band(c, plot, k, &x, &y);
    for (int k = 0; !plot->bars && k < plot->count; k++)
        draw_line(c, plot, k, &x, &y, u);
    return check_cairo(c);
}

/* Draws on the surface, which is let go of. image: NULL where no pixels are wanted. */
static bool draw_on(cairo_surface_t *surface, const hoi_plot *plot, int width, int height,
                    hoi_image **image) {
    cairo_t *c = cairo_create(surface);
    bool ok = check_cairo(c) && draw_plot(c, plot, width, height);
    if (ok && image)
        ok = (*image = copy_out(c, surface)) != NULL;
    cairo_destroy(c);
    cairo_surface_finish(surface);
    cairo_status_t status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    return ok && (status == CAIRO_STATUS_SUCCESS ||
                  hoi_fail("plot: cairo: %s", cairo_status_to_string(status)));
}

static bool plot_size(const hoi_plot *plot, int *width, int *height) {
    *width = plot->width ? plot->width : 800;
    *height = plot->height ? plot->height : 500;
    return (*width >= 100 && *height >= 100 && *width <= 10000 && *height <= 10000) ||
           hoi_fail("plot: %d x %d pixels: 100 to 10000 a side expected", *width, *height);
}

hoi_image *hoi_plot_draw(const hoi_plot *plot) {
    int width, height;
    hoi_image *image = NULL;
    if (plot_size(plot, &width, &height) &&
        draw_on(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height), plot, width, height,
                &image))
        return image;
    hoi_image_free(image);
    return NULL;
}

bool hoi_plot_save(const hoi_plot *plot, const char *path) {
    int width, height;
    if (!plot_size(plot, &width, &height))
        return false;
    size_t length = strlen(path) + 32;
    char *part = malloc(length);
    if (!part)
        return hoi_fail("plot: %s: no memory", path);
    snprintf(part, length, "%s.%ld.part", path, (long)getpid());
    bool ok = draw_on(cairo_svg_surface_create(part, width, height), plot, width, height, NULL);
    if (ok && rename(part, path) != 0)
        ok = hoi_fail("plot: %s: %s", path, strerror(errno));
    if (!ok)
        unlink(part);
    free(part);
    return ok;
}
