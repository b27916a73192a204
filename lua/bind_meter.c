/* bind_meter: average precision of interactions and of boxes. Loaded as "hoi.meter". */
#include "core/metric.h"
#include "lua/bind.h"
#include "lua/detection.h"

#include <limits.h>

static const char *const meter_class = "hoi.Meter";
static const char *const detection_meter_class = "hoi.DetectionMeter";

static int release_meter_of(lua_State *L, const char *class) {
    void **slot = bind_slot(L, 1, class);
    hoi_meter_free(*slot);
    *slot = NULL;
    return 0;
}

static int release_meter(lua_State *L) {
    return release_meter_of(L, meter_class);
}

static int release_detection_meter(lua_State *L) {
    return release_meter_of(L, detection_meter_class);
}

/* Pushes what a meter calls its pictures and classes: the registry's weak table of tables by meter.
   A userdata of ours holds one pointer and nothing else. */
static void push_all_names(lua_State *L) {
    static const char key;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}

/* Reads the list of labels at 1 into the table of classes by name at `names`. */
static void read_labels(lua_State *L, int count, int names) {
    for (int c = 1; c <= count; c++) {
        if (lua_geti(L, 1, c) != LUA_TSTRING)
            luaL_error(L, "hoi.DetectionMeter: label %d: a name expected, got %s", c,
                       luaL_typename(L, -1));
        detection_name(L);
        lua_pushinteger(L, c);
        lua_rawset(L, names);
    }
}

/* Gets the object's number of each target of the list at 1, -1 for none; scratch on the stack. */
static int *read_objects(lua_State *L, int count) {
    int *objects = detection_scratch(L, (size_t)count, sizeof *objects);
    lua_newtable(L);
    int names = lua_gettop(L);
    for (int c = 0; c < count; c++) {
        if (lua_geti(L, 1, c + 1) != LUA_TTABLE)
            luaL_error(L, "hoi.Meter: target %d: a table {verb, object} expected, got %s", c + 1,
                       luaL_typename(L, -1));
        bool has_object = lua_getfield(L, -1, "object") != LUA_TNIL;
        objects[c] = has_object ? detection_number(L, names) : -1;
        lua_settop(L, names);
    }
    return objects;
}

/* Pushes a new meter for the classes at 1: a count, or a list of targets or labels. */
static int meter_new(lua_State *L, const char *class, hoi_measure measure) {
    static const char *const names[] = {"iou_threshold", "published", NULL};
    static const char *const box_names[] = {"iou_threshold", NULL};
    lua_settop(L, 2);
    bind_options(L, 2, measure == hoi_measure_boxes ? box_names : names);
    double iou = bind_number(L, 2, names[0], 0.5);
    if (measure != hoi_measure_boxes && bind_boolean(L, 2, names[1], false))
        measure = hoi_measure_published;
    int classes, *objects = NULL;
    lua_newtable(L); /* 3: classes by name */
    if (lua_isinteger(L, 1)) {
        lua_Integer count = lua_tointeger(L, 1);
        classes = count < 0 || count > INT_MAX ? 0 : (int)count;
    } else {
        classes = detection_list(L, 1, class);
        if (measure == hoi_measure_boxes)
            read_labels(L, classes, 3);
        else
            objects = read_objects(L, classes);
    }
    void **slot = bind_new(L, class);
    *slot = hoi_meter_new(measure, classes, objects, iou);
    if (!*slot)
        return bind_raise(L);
    int meter = lua_gettop(L);
    push_all_names(L);
    lua_pushvalue(L, meter);
    lua_createtable(L, 0, 3);
    lua_newtable(L);
    lua_setfield(L, -2, "images");
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, "classes");
    lua_rawset(L, -3);
    lua_settop(L, meter);
    return 1;
}

static int interaction_meter_new(lua_State *L) {
    return meter_new(L, meter_class, hoi_measure_interactions);
}

static int detection_meter_new(lua_State *L) {
    return meter_new(L, detection_meter_class, hoi_measure_boxes);
}

/* Gets the number of the picture at 2, any name or number, in the names of a meter (on top). */
static int read_image(lua_State *L) {
    int names = lua_gettop(L);
    lua_getfield(L, names, "images");
    lua_pushvalue(L, 2);
    bool known = lua_rawget(L, -2) != LUA_TNIL;
    lua_Integer image = lua_tointeger(L, -1);
    if (!known) {
        lua_getfield(L, names, "count");
        image = lua_tointeger(L, -1);
        if (image == INT_MAX)
            luaL_error(L, "too many pictures");
        lua_pushinteger(L, image + 1);
        lua_setfield(L, names, "count");
        lua_pushvalue(L, 2);
        lua_pushinteger(L, image);
        lua_rawset(L, names + 1);
    }
    lua_settop(L, names);
    return (int)image;
}

/* Gets the class at 3, a place or a label's name; -1 when it is out of range. */
static int read_class(lua_State *L) {
    int names = lua_gettop(L), whole = 1;
    lua_Integer place;
    if (lua_type(L, 3) == LUA_TSTRING) {
        lua_getfield(L, names, "classes");
        lua_pushvalue(L, 3);
        detection_name(L);
        lua_rawget(L, -2);
        place = lua_tointegerx(L, -1, &whole);
        if (!whole)
            luaL_error(L, "'%s' is no class of this meter", lua_tostring(L, 3));
        lua_settop(L, names);
    } else {
        place = luaL_checkinteger(L, 3);
    }
    return place < 1 || place > INT_MAX ? -1 : (int)place - 1;
}

/* Reads both of the meter at 1. */
static void read_image_and_class(lua_State *L, int *image, int *class) {
    if (lua_isnoneornil(L, 2))
        luaL_argerror(L, 2, "the name or number of a picture expected");
    push_all_names(L);
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
    *image = read_image(L);
    *class = read_class(L);
    lua_pop(L, 2);
}

static int meter_truth(lua_State *L) {
    lua_settop(L, 5);
    hoi_meter *meter = bind_check(L, 1, meter_class);
    int image, class;
    float boxes[8];
    read_image_and_class(L, &image, &class);
    detection_box(L, "hoi.Meter:truth", 0, "object_box", boxes + 4);
    detection_box(L, "hoi.Meter:truth", 0, "human_box", boxes);
    return hoi_meter_truth(meter, image, class, boxes) ? 0 : bind_raise(L);
}

static int meter_add(lua_State *L) {
    lua_settop(L, 6);
    hoi_meter *meter = bind_check(L, 1, meter_class);
    int image, class;
    float boxes[8];
    read_image_and_class(L, &image, &class);
    double score = luaL_checknumber(L, 4);
    detection_box(L, "hoi.Meter:add", 0, "object_box", boxes + 4);
    detection_box(L, "hoi.Meter:add", 0, "human_box", boxes);
    return hoi_meter_add(meter, image, class, score, boxes) ? 0 : bind_raise(L);
}

static int detection_meter_truth(lua_State *L) {
    lua_settop(L, 4);
    hoi_meter *meter = bind_check(L, 1, detection_meter_class);
    int image, class;
    float box[4];
    read_image_and_class(L, &image, &class);
    detection_box(L, "hoi.DetectionMeter:truth", 0, "box", box);
    return hoi_meter_truth(meter, image, class, box) ? 0 : bind_raise(L);
}

static int detection_meter_add(lua_State *L) {
    lua_settop(L, 5);
    hoi_meter *meter = bind_check(L, 1, detection_meter_class);
    int image, class;
    float box[4];
    read_image_and_class(L, &image, &class);
    double score = luaL_checknumber(L, 4);
    detection_box(L, "hoi.DetectionMeter:add", 0, "box", box);
    return hoi_meter_add(meter, image, class, score, box) ? 0 : bind_raise(L);
}

/* Pushes the list of each class's average precision and the list of classes without truth. */
static int push_result(lua_State *L, hoi_meter *meter, bool known_object) {
    int classes = hoi_meter_classes(meter), missing = 0;
    lua_createtable(L, classes, 0);
    lua_newtable(L);
    for (int c = 0; c < classes; c++) {
        double value;
        if (!hoi_meter_average_precision(meter, c, known_object, &value))
            return bind_raise(L);
        lua_pushnumber(L, value);
        lua_rawseti(L, -3, c + 1);
        if (hoi_meter_truths(meter, c) > 0)
            continue;
        lua_pushinteger(L, c + 1);
        lua_rawseti(L, -2, ++missing);
    }
    return 2;
}

static int meter_result(lua_State *L) {
    static const char *const names[] = {"known_object", NULL};
    lua_settop(L, 2);
    hoi_meter *meter = bind_check(L, 1, meter_class);
    bind_options(L, 2, names);
    return push_result(L, meter, bind_boolean(L, 2, names[0], false));
}

static int detection_meter_result(lua_State *L) {
    lua_settop(L, 1);
    return push_result(L, bind_check(L, 1, detection_meter_class), false);
}

int luaopen_hoi_meter(lua_State *L);
int luaopen_hoi_meter(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"truth", meter_truth}, {"add", meter_add}, {"result", meter_result}, {NULL, NULL}};
    static const luaL_Reg detection_methods[] = {{"truth", detection_meter_truth},
                                                 {"add", detection_meter_add},
                                                 {"result", detection_meter_result},
                                                 {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"meter", interaction_meter_new}, {"detection_meter", detection_meter_new}, {NULL, NULL}};
    bind_class(L, meter_class, methods, NULL, release_meter);
    bind_class(L, detection_meter_class, detection_methods, NULL, release_detection_meter);
    luaL_newlib(L, functions);
    return 1;
}
