/* canvas_plot: curves and bars with axes, ticks, a legend. */
#include "core/canvas.h"
#include "core/canvas_ink.h"
#include "core/error.h"

#include <cairo-svg.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
            hoi_ink_color(c, hoi_canvas_color(k), 1);
            cairo_rectangle(c, left, fmin(top, place(y, 0)), fmax(wide - 1.5 * u, 1),
                            fabs(place(y, 0) - top));
            cairo_fill(c);
            if (d > 0) {
                hoi_ink_color(c, 0x303030, 1);
                cairo_set_line_width(c, 1.5 * u);
                cairo_move_to(c, left + wide / 2, place(y, s->y[i] - d));
                cairo_line_to(c, left + wide / 2, place(y, s->y[i] + d));
                cairo_stroke(c);
            }
            if (wide > 28 * u) {
                char text[32];
                snprintf(text, sizeof text, "%.4g", s->y[i]);
                hoi_ink_color(c, 0x303030, 1);
                hoi_ink_font(c, 11 * u, false);
                top = s->y[i] < 0 ? place(y, s->y[i] - d) + 12 * u : place(y, s->y[i] + d) - 4 * u;
                hoi_ink_write(c, left + wide / 2, top, 0.5, INFINITY, text);
            }
        }
}

/* Sets the look of curve k; where the palette begins anew it is dashed. */
static void set_curve(cairo_t *c, int k, double u) {
    const double dashes[2] = {6 * u, 4 * u};
    cairo_new_path(c); /* else a line begins where the last text ended */
    cairo_set_dash(c, dashes, k / HOI_INK_COLORS % 2 ? 2 : 0, 0);
    cairo_set_line_width(c, 2.2 * u);
    hoi_ink_color(c, hoi_canvas_color(k), 1);
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
    hoi_ink_color(c, hoi_canvas_color(k), 0.2);
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
    hoi_ink_font(c, 12.5 * u, false);
    for (int k = 0; k < plot->count; k++) {
        const char *name = plot->series[k].name;
        double wide = name ? fmin(hoi_ink_text_width(c, name), right - left - 22 * u) : 0;
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
        hoi_ink_color(c, 0x303030, 1);
        hoi_ink_write(c, at + 22 * u, y + 13 * u, 0, wide + 1, name);
        at += wide + 40 * u;
    }
    cairo_set_dash(c, NULL, 0, 0);
    return at > left ? y + 25 * u : y;
}

/* Draws a line across at each tick, with its value at the left. */
static void draw_grid(cairo_t *c, const axis *x, const axis *y, double u) {
    char text[32];
    hoi_ink_font(c, 12 * u, false);
    cairo_set_line_width(c, fmax(1, rint(u)));
    for (int k = 0; k < y->ticks; k++) {
        double value = tick(y, k, text), at = floor(place(y, value)) + 0.5;
        hoi_ink_color(c, value == 0 ? 0x808080 : 0xE0E0E0, 1);
        cairo_move_to(c, x->from, at);
        cairo_line_to(c, x->to, at);
        cairo_stroke(c);
        hoi_ink_color(c, 0x404040, 1);
        hoi_ink_write(c, x->from - 8 * u, at + 4 * u, 1, INFINITY, text);
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
        hoi_ink_write(c, slanted ? 4 * u : 0, 0, slanted ? 1 : 0.5, 150 * u,
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
    hoi_ink_color(c, 0xFFFFFF, 1);
    cairo_paint(c);
    if (plot->title) {
        hoi_ink_color(c, 0x101010, 1);
        hoi_ink_font(c, 16 * u, true);
        hoi_ink_write(c, width / 2.0, top + 14 * u, 0.5, width - 20 * u, plot->title);
        top += 30 * u;
    }
    choose_ticks(&y, (height - top - bottom) / (45 * u), false);
    hoi_ink_font(c, 12 * u, false);
    for (int k = 0; k < y.ticks; k++) {
        tick(&y, k, text);
        wide = fmax(wide, hoi_ink_text_width(c, text));
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
            wide = fmax(wide, fmin(hoi_ink_text_width(c, plot->categories[i]), 150 * u));
        slanted = wide > 0.95 * slot_width(&x) * x.step;
        bottom += slanted ? wide * 0.5 : 0;
        x.from = fmax(x.from, slanted ? wide * 0.87 - slot_width(&x) / 2 + 10 * u : 0);
    }
    y.to = draw_legend(c, plot, x.from, x.to, top, u);
    y.from = height - bottom;
    if (x.to - x.from < 10 || y.from - y.to < 10)
        return hoi_fail("plot: %d x %d pixels leave no room for the curves", width, height);

    draw_grid(c, &x, &y, u);
    write_below(c, plot, &x, y.from, slanted, u);
    hoi_ink_font(c, 13 * u, false);
    if (plot->x_label)
        hoi_ink_write(c, (x.from + x.to) / 2, height - 12 * u, 0.5, x.to - x.from, plot->x_label);
    if (plot->y_label) {
        cairo_save(c);
        cairo_translate(c, 20 * u, (y.from + y.to) / 2);
        cairo_rotate(c, -M_PI / 2);
        hoi_ink_write(c, 0, 0, 0.5, y.from - y.to, plot->y_label);
        cairo_restore(c);
    }
    if (plot->bars)
        draw_bars(c, plot, &x, &y, u);
    cairo_set_line_join(c, CAIRO_LINE_JOIN_ROUND);
    for (int k = 0; !plot->bars && k < plot->count; k++)
        draw_band(c, plot, k, &x, &y);
    for (int k = 0; !plot->bars && k < plot->count; k++)
        draw_line(c, plot, k, &x, &y, u);
    return hoi_ink_check(c);
}

/* Draws on the surface, which is let go of. image: NULL where no pixels are wanted. */
static bool draw_on(cairo_surface_t *surface, const hoi_plot *plot, int width, int height,
                    hoi_image **image) {
    cairo_t *c = cairo_create(surface);
    bool ok = hoi_ink_check(c) && draw_plot(c, plot, width, height);
    if (ok && image)
        ok = (*image = hoi_ink_image(c, surface)) != NULL;
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
