/* bind_pairing: pairs of a picture as plain tables, with methods. Loaded as "hoi.pairing". */
#include "core/pairs.h"
#include "lua/bind.h"
#include "lua/detection.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

static const char *const pairs_class = "hoi.Pairs"; /* a plain table's metatable */
static const char *const memory_class = "hoi.PairsMemory";

/* ------------------------------------------------------------------ hoi.pairs */

static int release_memory(lua_State *L) {
    void **slot = bind_slot(L, 1, memory_class);
    hoi_pairs_free(*slot);
    *slot = NULL;
    return 0;
}

/* Reads the list at 1; the scratch stays on the stack. Label 0 is human. */
static hoi_detections read_detections(lua_State *L, const char *human_name) {
    const char *what = "hoi.pairs: detections";
    int count = detection_list(L, 1, what);
    size_t n = (size_t)count;
    float *boxes = detection_scratch(L, n, 4 * sizeof *boxes),
          *scores = detection_scratch(L, n, sizeof *scores);
    int *labels = detection_scratch(L, n, sizeof *labels);
    unsigned char *human = detection_scratch(L, n, sizeof *human);
    lua_newtable(L);
    int names = lua_gettop(L);
    lua_pushstring(L, human_name);
    detection_number(L, names); /* the first: 0 */
    for (int i = 0; i < count; i++) {
        what = "hoi.pairs: detection";
        if (lua_rawgeti(L, 1, i + 1) != LUA_TTABLE)
            luaL_error(L, "%s %d: a table {box, score, label} expected, got %s", what, i + 1,
                       luaL_typename(L, -1));
        lua_getfield(L, -1, "box");
        detection_box(L, what, i + 1, "box", boxes + 4 * (size_t)i);
        if (lua_getfield(L, -1, "score") != LUA_TNUMBER)
            luaL_error(L, "%s %d: score must be a number, got %s", what, i + 1,
                       luaL_typename(L, -1));
        scores[i] = (float)lua_tonumber(L, -1);
        if (lua_getfield(L, -2, "label") != LUA_TSTRING)
            luaL_error(L, "%s %d: label must be the name of an object, got %s", what, i + 1,
                       luaL_typename(L, -1));
        labels[i] = detection_number(L, names);
        human[i] = labels[i] == 0;
        lua_pop(L, 2);
    }
    return (hoi_detections){count, boxes, scores, labels, human};
}

static void push_numbers(lua_State *L, const float *numbers, int count) {
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushnumber(L, (lua_Number)numbers[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Pushes a list of `rows` lists of `width` numbers. */
static void push_rows(lua_State *L, const float *numbers, int rows, int width) {
    lua_createtable(L, rows, 0);
    for (int i = 0; i < rows; i++) {
        push_numbers(L, numbers + (size_t)i * (size_t)width, width);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Pushes the list of places, counted from 1. */
static void push_places(lua_State *L, const int *places, int count) {
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushinteger(L, (lua_Integer)places[i] + 1);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Pushes the list of one field of the kept detections; gets whether all have it. */
static bool push_kept(lua_State *L, const hoi_pairs *pairs, const char *key) {
    bool all = true;
    lua_createtable(L, pairs->instances, 0);
    for (int i = 0; i < pairs->instances; i++) {
        lua_rawgeti(L, 1, (lua_Integer)pairs->kept[i] + 1);
        all = lua_getfield(L, -1, key) != LUA_TNIL && all;
        lua_rawseti(L, -3, i + 1);
        lua_pop(L, 1);
    }
    return all;
}

/* Pushes the table of the pairs; their code too when the picture's size is known (above 0). */
static void push_pairs(lua_State *L, const hoi_pairs *pairs, double width, double height) {
    lua_createtable(L, 0, 10);
    push_rows(L, pairs->boxes, pairs->instances, 4);
    lua_setfield(L, -2, "boxes");
    push_kept(L, pairs, "score");
    lua_setfield(L, -2, "scores");
    push_kept(L, pairs, "label");
    lua_setfield(L, -2, "labels");
    if (push_kept(L, pairs, "feature") && pairs->instances > 0)
        lua_setfield(L, -2, "features");
    else
        lua_pop(L, 1);
    push_places(L, pairs->kept, pairs->instances);
    lua_setfield(L, -2, "kept");
    push_places(L, pairs->human, pairs->count);
    lua_setfield(L, -2, "human");
    push_places(L, pairs->object, pairs->count);
    lua_setfield(L, -2, "object");
    push_rows(L, pairs->unions, pairs->count, 4);
    lua_setfield(L, -2, "union");
    if (width > 0) {
        float *code = detection_scratch(L, (size_t)pairs->count, hoi_spatial_width * sizeof *code);
        hoi_pairs_spatial(pairs, width, height, code);
        push_rows(L, code, pairs->count, hoi_spatial_width);
        lua_setfield(L, -3, "spatial");
        lua_pop(L, 1);
    }
    luaL_setmetatable(L, pairs_class);
}

static int clamped(lua_Integer value) {
    return value < INT_MIN ? INT_MIN : value > INT_MAX ? INT_MAX : (int)value;
}

static int pairs_new(lua_State *L) {
    static const char *const names[] = {
        "score_threshold", "nms_threshold", "min_instances", "max_instances",
        "human",           "width",         "height",        NULL};
    lua_settop(L, 2);
    luaL_checkstack(L, 40, NULL);
    bind_options(L, 2, names);
    hoi_pairs_options options = hoi_pairs_defaults();
    options.score_threshold = (float)bind_number(L, 2, names[0], (double)options.score_threshold);
    options.nms_threshold = (float)bind_number(L, 2, names[1], (double)options.nms_threshold);
    options.min_instances = clamped(bind_integer(L, 2, names[2], options.min_instances));
    options.max_instances = clamped(bind_integer(L, 2, names[3], options.max_instances));
    const char *human = bind_string(L, 2, names[4], "person");
    double width = bind_number(L, 2, names[5], 0), height = bind_number(L, 2, names[6], 0);
    if (!(width >= 0 && height >= 0 && (width > 0) == (height > 0)))
        return luaL_error(L, "hoi.pairs: width %f and height %f: both or neither wanted, above 0",
                          width, height);
    hoi_detections detections = read_detections(L, human);
    void **slot = bind_new(L, memory_class);
    int memory = lua_gettop(L);
    *slot = hoi_pairs_new(&detections, &options);
    if (!*slot)
        return bind_raise(L);
    push_pairs(L, *slot, width, height);
    lua_pushcfunction(L, release_memory);
    lua_pushvalue(L, memory);
    lua_call(L, 1, 0);
    return 1;
}

/* ------------------------------------------------------------------ methods of hoi.Pairs */

/* Reads a list of places 1 .. limit out of the table at 1. */
static int *read_places(lua_State *L, const char *key, int limit, int count) {
    int *places = detection_scratch(L, (size_t)count, sizeof *places);
    lua_getfield(L, 1, key);
    for (int i = 0; i < count; i++) {
        int whole = 0;
        lua_rawgeti(L, -1, i + 1);
        lua_Integer place = lua_tointegerx(L, -1, &whole);
        if (!whole || place < 1 || place > limit)
            luaL_error(L, "hoi.Pairs: %s[%d] is no place of an instance (1 to %d)", key, i + 1,
                       limit);
        places[i] = (int)place - 1;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return places;
}

/* Reads boxes, scores, human, object of the table at 1; the scratch stays on the stack. Labels are
   left out. */
static hoi_pairs read_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    hoi_pairs pairs = {0};
    lua_getfield(L, 1, "boxes");
    int boxes = lua_gettop(L);
    pairs.instances = detection_list(L, boxes, "hoi.Pairs: boxes");
    lua_getfield(L, 1, "scores");
    int scores = lua_gettop(L);
    if (detection_list(L, scores, "hoi.Pairs: scores") != pairs.instances)
        luaL_error(L, "hoi.Pairs: there are not as many scores as boxes");
    lua_getfield(L, 1, "human");
    lua_getfield(L, 1, "object");
    pairs.count = detection_list(L, -2, "hoi.Pairs: human");
    if (detection_list(L, -1, "hoi.Pairs: object") != pairs.count)
        luaL_error(L, "hoi.Pairs: human and object differ in length");
    pairs.boxes = detection_scratch(L, (size_t)pairs.instances, 4 * sizeof *pairs.boxes);
    pairs.scores = detection_scratch(L, (size_t)pairs.instances, sizeof *pairs.scores);
    for (int i = 0; i < pairs.instances; i++) {
        lua_rawgeti(L, boxes, i + 1);
        detection_box(L, "hoi.Pairs: instance", i + 1, "box", pairs.boxes + 4 * (size_t)i);
        if (lua_rawgeti(L, scores, i + 1) != LUA_TNUMBER)
            luaL_error(L, "hoi.Pairs: scores[%d] is no number", i + 1);
        pairs.scores[i] = (float)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    pairs.human = read_places(L, "human", pairs.instances, pairs.count);
    pairs.object = read_places(L, "object", pairs.instances, pairs.count);
    return pairs;
}

/* Pushes the row of a target. */
static void push_target(lua_State *L, int targets, int number) {
    if (lua_geti(L, targets, number) != LUA_TTABLE)
        luaL_error(L, "targets[%d]: a table {verb, object, ...} expected, got %s", number,
                   luaL_typename(L, -1));
}

/* Tells whether the target on top of the stack may have the object whose (one) spelling is at
   `name`: its `object`, one of its `objects`, or any when it has neither. */
static bool target_fits(lua_State *L, int name) {
    bool fits = true;
    if (lua_getfield(L, -1, "object") != LUA_TNIL) {
        detection_name(L);
        fits = lua_rawequal(L, -1, name);
    } else if (lua_getfield(L, -2, "objects") != LUA_TNIL) {
        int count = detection_list(L, lua_gettop(L), "objects of a target");
        fits = false;
        for (int i = 1; i <= count && !fits; i++) {
            lua_rawgeti(L, -1, i);
            detection_name(L);
            fits = lua_rawequal(L, -1, name);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    } else {
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return fits;
}

/* Numbers the labels of the table at 1 and fills fits (labels, targets); the scratch stays on the
   stack. */
static const unsigned char *read_fits(lua_State *L, hoi_pairs *pairs, int targets) {
    lua_getfield(L, 1, "labels");
    int labels = lua_gettop(L);
    if (detection_list(L, labels, "hoi.Pairs: labels") != pairs->instances)
        luaL_error(L, "hoi.Pairs: there are not as many labels as boxes");
    lua_newtable(L);
    int names = lua_gettop(L), known = 0;
    pairs->labels = detection_scratch(L, (size_t)pairs->instances, sizeof *pairs->labels);
    unsigned char *fits = detection_scratch(L, (size_t)pairs->instances, (size_t)targets + 1);
    for (int i = 0; i < pairs->instances; i++) {
        lua_rawgeti(L, labels, i + 1);
        pairs->labels[i] = detection_number(L, names);
        if (pairs->labels[i] < known)
            continue;
        known = pairs->labels[i] + 1;
        lua_rawgeti(L, labels, i + 1);
        detection_name(L);
        for (int t = 0; t < targets; t++) {
            push_target(L, 2, t + 1);
            fits[(size_t)pairs->labels[i] * (size_t)targets + (size_t)t] =
                target_fits(L, lua_gettop(L) - 1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return fits;
}

static int pairs_prior(lua_State *L) {
    lua_settop(L, 3);
    luaL_checkstack(L, 40, NULL);
    double power = luaL_optnumber(L, 3, 1);
    int targets = detection_list(L, 2, "hoi.Pairs:prior: targets");
    hoi_pairs pairs = read_pairs(L);
    const unsigned char *fits = read_fits(L, &pairs, targets);
    float *prior = detection_scratch(L, (size_t)pairs.count * (size_t)targets, sizeof *prior);
    hoi_pairs_prior(&pairs, fits, targets, power, prior);
    push_rows(L, prior, pairs.count, targets);
    return 1;
}

/* Marks in is (targets) the targets that the annotation on top of the stack is of: with a verb,
   each target of that verb whose object fits; without one, its `target`. */
static void mark_targets(lua_State *L, int number, int targets, unsigned char *is) {
    int annotation = lua_gettop(L), whole = 0;
    memset(is, 0, (size_t)targets);
    if (lua_getfield(L, annotation, "verb") == LUA_TNIL) {
        lua_getfield(L, annotation, "target");
        lua_Integer target = lua_tointegerx(L, -1, &whole);
        if (!whole || target < 1 || target > targets)
            luaL_error(L, "hoi.Pairs:truth: annotation %d has no verb, and no target from 1 to %d",
                       number, targets);
        is[target - 1] = 1;
        lua_settop(L, annotation);
        return;
    }
    bool any = lua_getfield(L, annotation, "object") == LUA_TNIL;
    if (!any)
        detection_name(L);
    for (int t = 0; t < targets; t++) {
        push_target(L, 3, t + 1);
        lua_getfield(L, -1, "verb");
        bool same = lua_rawequal(L, -1, annotation + 1);
        lua_pop(L, 1);
        is[t] = same && (any || target_fits(L, annotation + 2));
        lua_pop(L, 1);
    }
    lua_settop(L, annotation);
}

static int pairs_truth(lua_State *L) {
    static const char *const names[] = {"iou_threshold", NULL};
    static const char *const what = "hoi.Pairs:truth: annotation";
    lua_settop(L, 4);
    luaL_checkstack(L, 40, NULL);
    bind_options(L, 4, names);
    double iou = bind_number(L, 4, names[0], 0.5);
    int annotations = detection_list(L, 2, "hoi.Pairs:truth: annotations");
    int targets = detection_list(L, 3, "hoi.Pairs:truth: targets");
    hoi_pairs pairs = read_pairs(L);
    float *human = detection_scratch(L, (size_t)annotations, 4 * sizeof *human);
    float *object = detection_scratch(L, (size_t)annotations, 4 * sizeof *object);
    unsigned char *is = detection_scratch(L, (size_t)annotations, (size_t)targets + 1);
    for (int a = 0; a < annotations; a++) {
        if (lua_rawgeti(L, 2, a + 1) != LUA_TTABLE)
            return luaL_error(L, "%s %d: a table expected, got %s", what, a + 1,
                              luaL_typename(L, -1));
        lua_getfield(L, -1, "human_box");
        detection_box(L, what, a + 1, "human_box", human + 4 * (size_t)a);
        lua_getfield(L, -1, "object_box");
        detection_box(L, what, a + 1, "object_box", object + 4 * (size_t)a);
        mark_targets(L, a + 1, targets, is + (size_t)a * (size_t)targets);
        lua_pop(L, 1);
    }
    float *labels = detection_scratch(L, (size_t)pairs.count * (size_t)targets, sizeof *labels);
    hoi_pairs_truth(&pairs, &(hoi_interactions){annotations, human, object, is}, targets, iou,
                    labels);
    push_rows(L, labels, pairs.count, targets);
    return 1;
}

/* ------------------------------------------------------------------ module */

/* #pairs: how many pairs. */
static int pairs_length(lua_State *L) {
    lua_getfield(L, 1, "human");
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    return 1;
}

static void make_pairs_class(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"prior", pairs_prior}, {"truth", pairs_truth}, {NULL, NULL}};
    if (luaL_newmetatable(L, pairs_class)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, pairs_length);
        lua_setfield(L, -2, "__len");
    }
    lua_pop(L, 1);
}

int luaopen_hoi_pairing(lua_State *L);
int luaopen_hoi_pairing(lua_State *L) {
    static const luaL_Reg functions[] = {{"pairs", pairs_new}, {NULL, NULL}};
    make_pairs_class(L);
    bind_class(L, memory_class, NULL, NULL, release_memory);
    luaL_newlib(L, functions);
    return 1;
}
