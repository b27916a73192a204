/* preview: what the environment says of the terminal, chafa's canvas for it. */
#include "core/preview.h"

#include "core/error.h"

#ifdef HOI_CHAFA

#include <chafa.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool hoi_preview_possible(void) {
    return true;
}

static bool has(const ChafaTermInfo *terminal, ChafaTermSeq sequence) {
    return chafa_term_info_have_seq(terminal, sequence);
}

static ChafaCanvasMode colours(const ChafaTermInfo *terminal) {
    return has(terminal, CHAFA_TERM_SEQ_SET_COLOR_FGBG_DIRECT) ? CHAFA_CANVAS_MODE_TRUECOLOR
           : has(terminal, CHAFA_TERM_SEQ_SET_COLOR_FGBG_256)  ? CHAFA_CANVAS_MODE_INDEXED_240
           : has(terminal, CHAFA_TERM_SEQ_SET_COLOR_FGBG_16)   ? CHAFA_CANVAS_MODE_INDEXED_16
                                                               : CHAFA_CANVAS_MODE_FGBG;
}

static ChafaPixelMode pixels(const ChafaTermInfo *terminal, hoi_preview_kind kind) {
    bool open = kind == HOI_PREVIEW_AUTOMATIC;
    if (kind == HOI_PREVIEW_KITTY ||
        (open && has(terminal, CHAFA_TERM_SEQ_BEGIN_KITTY_IMMEDIATE_IMAGE_V1)))
        return CHAFA_PIXEL_MODE_KITTY;
    if (kind == HOI_PREVIEW_SIXEL || (open && has(terminal, CHAFA_TERM_SEQ_BEGIN_SIXELS)))
        return CHAFA_PIXEL_MODE_SIXELS;
    return CHAFA_PIXEL_MODE_SYMBOLS;
}

bool hoi_preview(const hoi_image *image, int columns, int rows, hoi_preview_kind kind, char **text,
                 size_t *n) {
    enum { most = 1000 };
    static const float cell_proportion = 0.5f; /* a cell's width of its height */
    if (columns < 1 || rows < 1 || columns > most || rows > most)
        return hoi_fail("image: a preview of %d x %d cells: 1 to %d each expected", columns, rows,
                        most);
    ChafaTermDb *terminals = chafa_term_db_get_default();
    ChafaTermInfo *terminal = chafa_term_db_detect(terminals, environ);
    ChafaCanvasConfig *config = chafa_canvas_config_new();
    ChafaCanvasMode mode = colours(terminal);
    if (kind != HOI_PREVIEW_AUTOMATIC) /* asked for: whatever the environment says */
        mode = CHAFA_CANVAS_MODE_TRUECOLOR;
    ChafaPixelMode pixel_mode = pixels(terminal, kind);
    chafa_term_info_supplement(terminal, chafa_term_db_get_fallback_info(terminals));
    chafa_calc_canvas_geometry(image->width, image->height, &columns, &rows, cell_proportion, TRUE,
                               FALSE);
    chafa_canvas_config_set_geometry(config, columns, rows);
    chafa_canvas_config_set_canvas_mode(config, mode);
    chafa_canvas_config_set_pixel_mode(config, pixel_mode);
    ChafaSymbolMap *symbols = chafa_symbol_map_new();
    chafa_symbol_map_add_by_tags(symbols, mode == CHAFA_CANVAS_MODE_FGBG
                                              ? CHAFA_SYMBOL_TAG_ASCII | CHAFA_SYMBOL_TAG_SPACE
                                              : CHAFA_SYMBOL_TAG_BLOCK | CHAFA_SYMBOL_TAG_SPACE);
    chafa_canvas_config_set_symbol_map(config, symbols);
    ChafaCanvas *canvas = chafa_canvas_new(config);
    chafa_canvas_draw_all_pixels(canvas, CHAFA_PIXEL_RGB8, image->rgb, image->width, image->height,
                                 image->width * 3);
    GString *made = chafa_canvas_print(canvas, terminal);
    *n = made->len + 1;
    *text = malloc(*n + 1);
    if (*text) {
        memcpy(*text, made->str, made->len);
        memcpy(*text + made->len, "\n", 2);
    }
    g_string_free(made, TRUE);
    chafa_canvas_unref(canvas);
    chafa_symbol_map_unref(symbols);
    chafa_canvas_config_unref(config);
    chafa_term_info_unref(terminal);
    return *text || hoi_fail("image: no memory for a preview");
}

#else

bool hoi_preview_possible(void) {
    return false;
}

bool hoi_preview(const hoi_image *image, int columns, int rows, hoi_preview_kind kind, char **text,
                 size_t *n) {
    (void)image, (void)columns, (void)rows, (void)kind, (void)text, (void)n;
    return hoi_fail("image: previews need libchafa, which this hoi was built without "
                    "(apt install libchafa-dev, then build again)");
}

#endif
