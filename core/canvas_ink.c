/* canvas_ink: colors, lines of text and surfaces of cairo. */
#include "core/canvas_ink.h"

#include "core/canvas.h"
#include "core/error.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

unsigned hoi_canvas_color(int index) {
    static const unsigned palette[HOI_INK_COLORS] = {0x0072B2, 0xE69F00, 0x009E73, 0xD55E00,
                                                     0x56B4E9, 0xCC79A7, 0xF0E442, 0x7F7F7F};
    return palette[(unsigned)index % HOI_INK_COLORS];
}

void hoi_ink_color(cairo_t *c, unsigned color, double alpha) {
    cairo_set_source_rgba(c, (color >> 16 & 255) / 255.0, (color >> 8 & 255) / 255.0,
                          (color & 255) / 255.0, alpha);
}

static double advance(cairo_t *c, const char *line) {
    cairo_text_extents_t extents;
    cairo_text_extents(c, line, &extents);
    return extents.x_advance;
}

const char *hoi_ink_take_line(cairo_t *c, const char *text, double width, char line[HOI_INK_LINE]) {
    size_t n = 0, length = strcspn(text, "\n");
    const char *end = text + length, *next = *end ? end + 1 : NULL;
    while (text < end && n + 8 < HOI_INK_LINE) {
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

double hoi_ink_text_width(cairo_t *c, const char *text) {
    char line[HOI_INK_LINE];
    hoi_ink_take_line(c, text, INFINITY, line);
    return advance(c, line);
}

void hoi_ink_font(cairo_t *c, double size, bool bold) {
    cairo_select_font_face(c, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c, size);
}

void hoi_ink_write(cairo_t *c, double x, double y, double place, double width, const char *text) {
    char line[HOI_INK_LINE];
    hoi_ink_take_line(c, text, width, line);
    cairo_move_to(c, x - place * advance(c, line), y);
    cairo_show_text(c, line);
}

bool hoi_ink_check(cairo_t *c) {
    cairo_status_t status = cairo_status(c);
    return status == CAIRO_STATUS_SUCCESS ||
           hoi_fail("canvas: cairo: %s", cairo_status_to_string(status));
}

hoi_image *hoi_ink_image(cairo_t *c, cairo_surface_t *surface) {
    if (!hoi_ink_check(c))
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
