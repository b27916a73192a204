/* bind_image: hoi.image: pictures from files, drawing on them, sheets and plots of them. */
#include "core/canvas.h"
#include "lua/bind.h"
#include "lua/image_show.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const IMAGE = "hoi.Image";
static const char *const BYTES = "hoi.ImageBytes"; /* encoded ones, until Lua has its own copy */

/* ------------------------------------------------------------------ making and dropping */

static int image_release(lua_State *L) {
    void **slot = bind_slot(L, 1, IMAGE);
    hoi_image_free(*slot);
    *slot = NULL;
    return 0;
}

static int bytes_release(lua_State *L) {
    void **slot = bind_slot(L, 1, BYTES);
    free(*slot);
    *slot = NULL;
    return 0;
}

/* Gets 1 (the userdata of the slot is on top) or raises. The collector sees a userdata of a few
   bytes, so a loop over many pictures has to make it work. */
static int give(lua_State *L, void **slot, hoi_image *image) {
    static size_t fresh; /* bytes since the last collection */
    if (!image)
        return bind_raise(L);
    *slot = image;
    fresh += (size_t)image->width * (size_t)image->height * 3;
    if (fresh > (size_t)256 << 20) {
        fresh = 0;
        lua_gc(L, LUA_GCCOLLECT);
    }
    return 1;
}

static int check_side(lua_State *L, int index) {
    lua_Integer side = luaL_checkinteger(L, index);
    luaL_argcheck(L, side >= 1 && side <= INT_MAX, index,
                  "a number of pixels, 1 or more, expected");
    return (int)side;
}

/* image.load(path, { upright }) */
static int image_load(lua_State *L) {
    static const char *const names[] = {"upright", NULL};
    lua_settop(L, 2);
    const char *path = luaL_checkstring(L, 1);
    bind_options(L, 2, names);
    bool upright = bind_boolean(L, 2, "upright", true);
    void **slot = bind_new(L, IMAGE);
    return give(L, slot, upright ? hoi_image_load(path) : hoi_image_load_stored(path));
}

/* image(path, { upright }): the module called like a function. */
static int image_call(lua_State *L) {
    lua_remove(L, 1);
    return image_load(L);
}

static int image_decode(lua_State *L) {
    lua_settop(L, 1);
    size_t n;
    const char *bytes = luaL_checklstring(L, 1, &n);
    void **slot = bind_new(L, IMAGE);
    return give(L, slot, hoi_image_load_memory(bytes, n));
}

static int image_new(lua_State *L) {
    lua_settop(L, 3);
    int width = check_side(L, 1), height = check_side(L, 2);
    size_t n = 0, wanted = (size_t)width * (size_t)height * 3;
    const char *bytes = luaL_optlstring(L, 3, NULL, &n);
    if (bytes && n != wanted)
        return luaL_error(L, "image.new: %I bytes found, %d x %d x 3 = %I wanted", (LUAI_UACINT)n,
                          width, height, (LUAI_UACINT)wanted);
    void **slot = bind_new(L, IMAGE);
    hoi_image *image = hoi_image_new(width, height);
    if (image && bytes)
        memcpy(image->rgb, bytes, wanted);
    return give(L, slot, image);
}

/* ------------------------------------------------------------------ reading tables */

/* Gets the text on top of the stack and pops it, NULL for nil; the table at `keep` keeps it alive
   (where it came from may be no table, or a number). */
static const char *take_text(lua_State *L, int keep, const char *what) {
    int type = lua_type(L, -1);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        luaL_error(L, "%s: string expected, got %s", what, luaL_typename(L, -1));
    const char *text = luaL_tolstring(L, -1, NULL);
    lua_rawseti(L, keep, (lua_Integer)lua_rawlen(L, keep) + 1);
    lua_pop(L, 1);
    return text;
}

/* Gets the box on top of the stack and pops it. */
static void take_box(lua_State *L, const char *what, float box[4]) {
    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(L, "%s: {x1, y1, x2, y2} expected, got %s", what, luaL_typename(L, -1));
    for (int i = 0; i < 4; i++) {
        if (lua_geti(L, -1, i + 1) != LUA_TNUMBER)
            luaL_error(L, "%s: {x1, y1, x2, y2} expected, number %d is a %s", what, i + 1,
                       luaL_typename(L, -1));
        box[i] = (float)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Gets the color on top of the stack ("#rrggbb", or 1..8: a place in the palette) and pops it; the
   fallback for nil. */
static unsigned take_color(lua_State *L, const char *what, unsigned fallback) {
    unsigned color = fallback;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    lua_Integer place = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (*text == '#' && strlen(text) == 7 && strspn(text + 1, "0123456789abcdefABCDEF") == 6)
        color = (unsigned)strtoul(text + 1, NULL, 16);
    else if (place >= 1 && place <= 8)
        color = hoi_canvas_color((int)place - 1);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "%s: color: '#rrggbb' or 1 to 8 expected", what);
    lua_pop(L, 1);
    return color;
}

/* Pushes item i of the list, which must be a table; where its fields are wrong is called `what`. */
static void push_item(lua_State *L, int list, int i, const char *name, char what[64]) {
    snprintf(what, 64, "%s %d", name, i + 1);
    if (lua_geti(L, list, i + 1) != LUA_TTABLE)
        luaL_error(L, "%s: table expected, got %s", what, luaL_typename(L, -1));
}

static int list_length(lua_State *L, int list) {
    luaL_checktype(L, list, LUA_TTABLE);
    lua_Integer n = luaL_len(L, list);
    luaL_argcheck(L, n >= 0 && n <= 1000000, list, "a list of at most a million items expected");
    return (int)n;
}

/* Pushes room for n things, for the collector to take back whatever happens. */
static void *push_room(lua_State *L, int n, size_t size) {
    return lua_newuserdatauv(L, (size_t)(n ? n : 1) * size, 0);
}

/* ------------------------------------------------------------------ drawing */

typedef struct mark {
    float box[4], object[4];
    bool paired;
    const char *text; /* NULL: none */
    unsigned color;
} mark;

/* Draws the marks and gives the new picture. */
static int draw_marks(lua_State *L, const hoi_image *image, double scale, int n,
                      const mark *marks) {
    void **slot = bind_new(L, IMAGE);
    hoi_canvas *canvas = hoi_canvas_new(image, scale);
    if (!canvas)
        return bind_raise(L);
    for (int i = 0; i < n; i++)
        hoi_canvas_interaction(canvas, marks[i].box, marks[i].paired ? marks[i].object : NULL,
                               marks[i].text, marks[i].color);
    hoi_image *result = hoi_canvas_finish(canvas);
    hoi_canvas_free(canvas);
    return give(L, slot, result);
}

/* Replaces the score on top of the stack by "name 0.83", or what of it there is; nil without any.
   */
static void name_score(lua_State *L, const char *name, const char *what) {
    char score[32] = "";
    if (lua_type(L, -1) == LUA_TNUMBER)
        snprintf(score, sizeof score, "%.2f", lua_tonumber(L, -1));
    else if (!lua_isnil(L, -1))
        luaL_error(L, "%s: score: number expected, got %s", what, luaL_typename(L, -1));
    lua_pop(L, 1);
    if (name || *score)
        lua_pushfstring(L, "%s%s%s", name ? name : "", name && *score ? " " : "", score);
    else
        lua_pushnil(L);
}

/* image:draw(list of { box, label, score, color }, { scale }) */
static int image_draw(lua_State *L) {
    static const char *const names[] = {"scale", NULL};
    enum { keep = 4 };
    char what[64];
    lua_settop(L, 3);
    const hoi_image *image = bind_check(L, 1, IMAGE);
    int n = list_length(L, 2), colors = 0;
    bind_options(L, 3, names);
    double scale = bind_number(L, 3, "scale", 0);
    lua_newtable(L);
    mark *marks = push_room(L, n, sizeof *marks);
    const char **labels = push_room(L, n, sizeof *labels);
    for (int i = 0; i < n; i++) {
        mark *m = &marks[i];
        *m = (mark){0};
        push_item(L, 2, i, "item", what);
        lua_getfield(L, -1, "box");
        take_box(L, what, m->box);
        lua_getfield(L, -1, "label");
        labels[i] = take_text(L, keep, what);
        lua_getfield(L, -1, "score");
        name_score(L, labels[i], what);
        m->text = take_text(L, keep, what);
        int same = 0; /* things of one label have one color */
        while (same < i && (!labels[i] || !labels[same] || strcmp(labels[same], labels[i]) != 0))
            same++;
        m->color = same < i ? marks[same].color : hoi_canvas_color(colors++);
        lua_getfield(L, -1, "color");
        m->color = take_color(L, what, m->color);
        lua_pop(L, 1);
    }
    return draw_marks(L, image, scale, n, marks);
}

/* Gets the place of the mark among the first n with the same boxes; n when there is none. */
static int find_pair(const mark *marks, int n, const mark *m) {
    int i = 0;
    while (i < n &&
           (memcmp(marks[i].box, m->box, sizeof m->box) != 0 || marks[i].paired != m->paired ||
            memcmp(marks[i].object, m->object, sizeof m->object) != 0))
        i++;
    return i;
}

/* image:draw_interactions({ interactions }, { top, scale }) */
static int image_draw_interactions(lua_State *L) {
    static const char *const names[] = {"top", "scale", NULL};
    enum { list = 4, keep = 5 };
    char what[64];
    lua_settop(L, 3);
    const hoi_image *image = bind_check(L, 1, IMAGE);
    luaL_checktype(L, 2, LUA_TTABLE);
    bind_options(L, 3, names);
    double scale = bind_number(L, 3, "scale", 0);
    lua_Integer top = bind_integer(L, 3, "top", 10);
    if (lua_getfield(L, 2, "interactions") != LUA_TTABLE)
        return luaL_argerror(L, 2, "a result with a list 'interactions' expected");
    int n = list_length(L, list), pairs = 0;
    n = top < n ? (int)(top > 0 ? top : 0) : n;
    lua_newtable(L);
    mark *marks = push_room(L, n, sizeof *marks);
    for (int i = 0; i < n; i++) {
        mark m = {0};
        push_item(L, list, i, "interaction", what);
        lua_getfield(L, -1, "human_box");
        take_box(L, what, m.box);
        m.paired = lua_getfield(L, -1, "object_box") != LUA_TNIL;
        if (m.paired)
            take_box(L, what, m.object);
        else
            lua_pop(L, 1);
        lua_getfield(L, -1, "verb");
        const char *verb = take_text(L, keep, what);
        lua_getfield(L, -1, "object");
        const char *object = take_text(L, keep, what);
        if (!verb)
            return luaL_error(L, "%s: verb: string expected, got nil", what);
        lua_pushfstring(L, "%s%s%s", verb, object ? " " : "", object ? object : "");
        const char *name = take_text(L, keep, what);

        int at = find_pair(marks, pairs, &m); /* one pair, one label with a line for each verb */
        lua_getfield(L, -1, "score");
        name_score(L, name, what);
        if (at < pairs) {
            lua_pushfstring(L, "%s\n%s", marks[at].text, lua_tostring(L, -1));
            lua_remove(L, -2);
        }
        m.text = take_text(L, keep, what);
        m.color = hoi_canvas_color(at);
        marks[at] = m;
        pairs += at == pairs;
        lua_pop(L, 1);
    }
    return draw_marks(L, image, scale, pairs, marks);
}

/* ------------------------------------------------------------------ sheets and plots */

/* image.sheet(list of images, { columns, captions }) */
static int image_sheet(lua_State *L) {
    static const char *const names[] = {"columns", "captions", NULL};
    enum { captions_list = 3, keep = 4 };
    char what[64];
    lua_settop(L, 2);
    int n = list_length(L, 1);
    bind_options(L, 2, names);
    lua_Integer columns = bind_integer(L, 2, "columns", 0);
    luaL_argcheck(L, columns >= 0 && columns <= INT_MAX, 2, "option 'columns': 0 or more expected");
    if (lua_isnil(L, 2))
        lua_pushnil(L);
    else if (lua_getfield(L, 2, "captions") != LUA_TNIL && !lua_istable(L, captions_list))
        return luaL_error(L, "option 'captions': list expected, got %s", luaL_typename(L, -1));
    lua_newtable(L);
    const hoi_image **images = push_room(L, n, sizeof *images);
    const char **captions = push_room(L, n, sizeof *captions);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, 1, i + 1); /* raw: the list keeps the pictures alive */
        void **slot = luaL_testudata(L, -1, IMAGE);
        if (!slot)
            return luaL_error(L, "image.sheet: item %d: %s expected, got %s", i + 1, IMAGE,
                              luaL_typename(L, -1));
        if (!*slot)
            return luaL_error(L, "image.sheet: item %d: %s was released", i + 1, IMAGE);
        images[i] = *slot;
        lua_pop(L, 1);
        captions[i] = NULL;
        if (lua_istable(L, captions_list)) {
            snprintf(what, sizeof what, "caption %d", i + 1);
            lua_geti(L, captions_list, i + 1);
            captions[i] = take_text(L, keep, what);
        }
    }
    void **slot = bind_new(L, IMAGE);
    return give(
        L, slot,
        hoi_canvas_sheet(n, images, (int)columns, lua_istable(L, captions_list) ? captions : NULL));
}

/* Gets the numbers of a field of the table on top of the stack, NULL when it is nil; kept alive by
   the table at `keep`. */
static const double *take_numbers(lua_State *L, int keep, const char *what, const char *key,
                                  int *n) {
    if (lua_getfield(L, -1, key) == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    if (!lua_istable(L, -1))
        luaL_error(L, "%s: %s: list of numbers expected, got %s", what, key, luaL_typename(L, -1));
    *n = list_length(L, lua_gettop(L));
    double *numbers = push_room(L, *n, sizeof *numbers);
    for (int i = 0; i < *n; i++) {
        if (lua_geti(L, -2, i + 1) != LUA_TNUMBER)
            luaL_error(L, "%s: %s: item %d: number expected, got %s", what, key, i + 1,
                       luaL_typename(L, -1));
        numbers[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_rawseti(L, keep, (lua_Integer)lua_rawlen(L, keep) + 1);
    lua_pop(L, 1);
    return numbers;
}

/* Gets the names below the bars: field x of the series on top of the stack. */
static void take_categories(lua_State *L, int keep, const char *what, hoi_plot *plot) {
    if (lua_getfield(L, -1, "x") == LUA_TTABLE) {
        plot->category_count = list_length(L, lua_gettop(L));
        const char **names = push_room(L, plot->category_count, sizeof *names);
        lua_rawseti(L, keep, (lua_Integer)lua_rawlen(L, keep) + 1);
        for (int i = 0; i < plot->category_count; i++) {
            lua_geti(L, -1, i + 1);
            const char *name = take_text(L, keep, what);
            names[i] = name ? name : "";
        }
        plot->categories = names;
    }
    lua_pop(L, 1);
}

static void take_series(lua_State *L, int keep, int i, const hoi_plot *plot, hoi_series *series) {
    static const char *const names[] = {"name", "x", "y", "deviation", NULL};
    char what[64];
    int points = 0, deviations = 0;
    snprintf(what, sizeof what, "series %d", i + 1);
    bind_options(L, -1, names);
    *series = (hoi_series){0};
    lua_getfield(L, -1, "name");
    series->name = take_text(L, keep, what);
    series->y = take_numbers(L, keep, what, "y", &series->count);
    if (!series->y)
        luaL_error(L, "%s: y: list of numbers expected, got nil", what);
    if (!plot->bars)
        series->x = take_numbers(L, keep, what, "x", &points);
    series->deviation = take_numbers(L, keep, what, "deviation", &deviations);
    if (series->x && points != series->count)
        luaL_error(L, "%s: %d x, but %d y", what, points, series->count);
    if (series->deviation && deviations != series->count)
        luaL_error(L, "%s: %d deviations, but %d y", what, deviations, series->count);
}

static int check_pixels(lua_State *L, int options, const char *key) {
    lua_Integer side = bind_integer(L, options, key, 0);
    if (side < 0 || side > INT_MAX)
        luaL_error(L, "option '%s': %I pixels are not possible", key, (LUAI_UACINT)side);
    return (int)side;
}

/* image.plot { series, title, x_label, y_label, width, height, kind, svg } */
static int image_plot(lua_State *L) {
    static const char *const names[] = {"series", "title", "x_label", "y_label", "width",
                                        "height", "kind",  "svg",     NULL};
    enum { list = 2, keep = 3 };
    char what[64];
    lua_settop(L, 1);
    luaL_checktype(L, 1, LUA_TTABLE);
    bind_options(L, 1, names);
    const char *kind = bind_string(L, 1, "kind", "line"), *svg = bind_string(L, 1, "svg", NULL);
    hoi_plot plot = {
        .title = bind_string(L, 1, "title", NULL),
        .x_label = bind_string(L, 1, "x_label", NULL),
        .y_label = bind_string(L, 1, "y_label", NULL),
        .width = check_pixels(L, 1, "width"),
        .height = check_pixels(L, 1, "height"),
        .bars = strcmp(kind, "bar") == 0,
    };
    if (!plot.bars && strcmp(kind, "line") != 0)
        return luaL_error(L, "option 'kind': 'line' or 'bar' expected, got '%s'", kind);
    if (lua_getfield(L, 1, "series") != LUA_TTABLE)
        return luaL_error(L, "option 'series': list expected, got %s", luaL_typename(L, -1));
    plot.count = list_length(L, list);
    lua_newtable(L);
    hoi_series *series = push_room(L, plot.count, sizeof *series);
    plot.series = series;
    for (int i = 0; i < plot.count; i++) {
        push_item(L, list, i, "series", what);
        take_series(L, keep, i, &plot, &series[i]);
        if (plot.bars && !plot.categories)
            take_categories(L, keep, what, &plot);
        lua_pop(L, 1);
    }
    if (svg && !hoi_plot_save(&plot, svg))
        return bind_raise(L);
    void **slot = bind_new(L, IMAGE);
    return give(L, slot, hoi_plot_draw(&plot));
}

/* ------------------------------------------------------------------ the class */

static int image_resize(lua_State *L) {
    lua_settop(L, 3);
    const hoi_image *image = bind_check(L, 1, IMAGE);
    int width = check_side(L, 2), height = check_side(L, 3);
    void **slot = bind_new(L, IMAGE);
    return give(L, slot, hoi_image_resize(image, width, height));
}

static int image_crop(lua_State *L) {
    float box[4];
    lua_settop(L, 2);
    const hoi_image *image = bind_check(L, 1, IMAGE);
    take_box(L, "crop", box);
    void **slot = bind_new(L, IMAGE);
    return give(L, slot, hoi_image_crop(image, box));
}

static int image_save(lua_State *L) {
    lua_settop(L, 2);
    const hoi_image *image = bind_check(L, 1, IMAGE);
    return hoi_image_save(image, luaL_checkstring(L, 2)) ? 0 : bind_raise(L);
}

/* image:encode(kind, { quality }) -> the bytes of a file */
static int image_encode(lua_State *L) {
    static const char *const names[] = {"quality", NULL};
    lua_settop(L, 3);
    const hoi_image *image = bind_check(L, 1, IMAGE);
    const char *kind = luaL_checkstring(L, 2);
    bind_options(L, 3, names);
    lua_Integer quality = bind_integer(L, 3, "quality", 95);
    void **slot = bind_new(L, BYTES);
    unsigned char *bytes;
    size_t n;
    if (!hoi_image_encode(image, kind, quality >= 1 && quality <= 100 ? (int)quality : 0, &bytes,
                          &n))
        return bind_raise(L);
    *slot = bytes;
    lua_pushlstring(L, (const char *)bytes, n);
    *slot = NULL;
    free(bytes);
    return 1;
}

static int image_bytes(lua_State *L) {
    const hoi_image *image = bind_check(L, 1, IMAGE);
    lua_pushlstring(L, (const char *)image->rgb, (size_t)image->width * (size_t)image->height * 3);
    return 1;
}

/* A method, or a field of the picture; methods first: a released picture may be released again. */
static int image_index(lua_State *L) {
    lua_settop(L, 2);
    luaL_getmetafield(L, 1, "__methods");
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 3) != LUA_TNIL || lua_type(L, 2) != LUA_TSTRING)
        return 1;
    const char *key = lua_tostring(L, 2);
    if (strcmp(key, "width") == 0)
        lua_pushinteger(L, ((const hoi_image *)bind_check(L, 1, IMAGE))->width);
    else if (strcmp(key, "height") == 0)
        lua_pushinteger(L, ((const hoi_image *)bind_check(L, 1, IMAGE))->height);
    return 1;
}

static int image_tostring(lua_State *L) {
    const hoi_image *image = *bind_slot(L, 1, IMAGE);
    if (image)
        lua_pushfstring(L, "Image %dx%d", image->width, image->height);
    else
        lua_pushliteral(L, "Image (released)");
    return 1;
}

int luaopen_hoi_image(lua_State *L);
int luaopen_hoi_image(lua_State *L) {
    static const luaL_Reg methods[] = {{"resize", image_resize},
                                       {"crop", image_crop},
                                       {"save", image_save},
                                       {"bytes", image_bytes},
                                       {"encode", image_encode},
                                       {"preview", image_preview},
                                       {"show", image_show},
                                       {"draw", image_draw},
                                       {"draw_interactions", image_draw_interactions},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", image_index},
                                           {"__tostring", image_tostring},
                                           {"__show", image_shown},
                                           {NULL, NULL}};
    static const luaL_Reg functions[] = {{"load", image_load},     {"new", image_new},
                                         {"decode", image_decode}, {"sheet", image_sheet},
                                         {"plot", image_plot},     {NULL, NULL}};
    static const luaL_Reg calls[] = {{"__call", image_call}, {NULL, NULL}};
    bind_class(L, IMAGE, methods, metamethods, image_release);
    bind_class(L, BYTES, NULL, NULL, bytes_release);
    luaL_newlib(L, functions);
    luaL_newlib(L, calls);
    lua_setmetatable(L, -2);
    return 1;
}
