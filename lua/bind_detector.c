/* bind_detector: a detector plugin written in C, as Lua sees it: a table with the same six members
   that a plugin written in Lua has. Loaded as "hoi.detector.core"; what a plugin returns is checked
   by detector.lua, for both. */
#include "core/image.h"
#include "core/plugin.h"
#include "lua/bind.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ what one call hands over */

enum stage { opening, detecting };

/* One call of open or detect: what the plugin is lent and what it handed over. A userdata of its
   own, so that a Lua error while the results become tables frees it, and closing the detector
   meanwhile (a finalizer may) does not. */
struct call {
    hoi_host host; /* first: the pointer that the plugin passes back is this call's */
    enum stage stage;
    hoi_detection *detections; /* their feature pointers are NULL: the numbers lie in `features`,
                                  one after the other */
    size_t count, capacity;
    float *features;
    size_t feature_count, feature_capacity;
    char *labels; /* strings, one after the other, each with its zero byte */
    size_t labels_size, label_count;
    bool labels_given;
    char *map_name; /* NULL: no map */
    int map_shape[3];
    float *map;
    size_t map_size;
    bool failed;
    char message[1024];
};

static int fail(hoi_host *host, const char *format, ...) {
    struct call *call = (struct call *)host;
    if (call->failed)
        return -1;
    call->failed = true;
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(call->message, sizeof call->message, format, arguments) < 0)
        call->message[0] = 0;
    va_end(arguments);
    return -1;
}

static void out_of_memory(hoi_host *host) {
    fail(host, "out of memory while copying what it handed over");
}

/* Gets the array, perhaps moved, with room for `more` items beyond `count`; NULL when there is no
   memory for it. */
static void *with_room(void *array, size_t *capacity, size_t count, size_t more, size_t item) {
    if (more <= *capacity - count)
        return array;
    if (more > SIZE_MAX / item / 2 - count)
        return NULL;
    size_t wanted = (count + more) * 2;
    void *moved = realloc(array, wanted * item);
    if (moved)
        *capacity = wanted;
    return moved;
}

static void emit(hoi_host *host, const hoi_detection *detection) {
    struct call *call = (struct call *)host;
    if (call->failed)
        return;
    if (call->stage != detecting || !detection) {
        fail(host, "emit called %s", call->stage == detecting ? "with NULL" : "in open");
        return;
    }
    if (detection->width < 0 || (detection->width > 0 && !detection->feature)) {
        fail(host, "detection %zu: feature of width %d%s", call->count + 1, detection->width,
             detection->feature ? "" : " is NULL");
        return;
    }
    size_t width = (size_t)detection->width;
    hoi_detection *detections =
        with_room(call->detections, &call->capacity, call->count, 1, sizeof *detections);
    if (detections)
        call->detections = detections;
    float *features = call->features;
    if (width > 0) {
        features = with_room(call->features, &call->feature_capacity, call->feature_count, width,
                             sizeof *features);
        if (features)
            call->features = features;
    }
    if (!detections || (width > 0 && !features)) {
        out_of_memory(host);
        return;
    }
    if (width > 0)
        memcpy(features + call->feature_count, detection->feature, width * sizeof *features);
    call->feature_count += width;
    detections[call->count] = *detection;
    detections[call->count++].feature = NULL;
}

static void map(hoi_host *host, const char *name, const int shape[3], const float *data) {
    struct call *call = (struct call *)host;
    if (call->failed)
        return;
    if (call->stage != detecting || call->map_name || !name || !shape || !data) {
        fail(host, "map called %s",
             call->stage != detecting ? "in open"
             : call->map_name         ? "twice"
                                      : "with NULL");
        return;
    }
    size_t size = sizeof *data;
    for (int i = 0; i < 3; i++) {
        if (shape[i] < 1 || size > (size_t)PTRDIFF_MAX / (size_t)shape[i]) {
            fail(host, "map '%s': shape %d x %d x %d", name, shape[0], shape[1], shape[2]);
            return;
        }
        call->map_shape[i] = shape[i];
        size *= (size_t)shape[i];
    }
    call->map_name = strdup(name);
    call->map = malloc(size);
    if (!call->map_name || !call->map) {
        out_of_memory(host);
        return;
    }
    memcpy(call->map, data, size);
    call->map_size = size;
}

static void labels(hoi_host *host, const char *const *names) {
    struct call *call = (struct call *)host;
    if (call->failed)
        return;
    if (call->stage != opening || call->labels_given || !names) {
        fail(host, "labels called %s",
             call->stage != opening ? "outside open"
             : names                ? "twice"
                                    : "with NULL");
        return;
    }
    call->labels_given = true;
    for (; names[call->label_count]; call->label_count++) {
        size_t size = strlen(names[call->label_count]) + 1;
        char *longer = realloc(call->labels, call->labels_size + size);
        if (!longer) {
            out_of_memory(host);
            return;
        }
        memcpy(longer + call->labels_size, names[call->label_count], size);
        call->labels = longer;
        call->labels_size += size;
    }
}

static const char *const call_class = "hoi.PluginCall";

static int release_call(lua_State *L) {
    void **slot = bind_slot(L, 1, call_class);
    struct call *call = *slot;
    *slot = NULL;
    if (call) {
        free(call->detections);
        free(call->features);
        free(call->labels);
        free(call->map_name);
        free(call->map);
        free(call);
    }
    return 0;
}

/* Pushes a new call. */
static struct call *new_call(lua_State *L, enum stage stage) {
    void **slot = bind_new(L, call_class);
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        luaL_error(L, "out of memory");
    *slot = call;
    call->stage = stage;
    call->host =
        (hoi_host){.abi = HOI_PLUGIN_ABI, .emit = emit, .map = map, .fail = fail, .labels = labels};
    return call;
}

/* Raises the call's message: without a Lua position, since detector.lua says whose message it is.
   */
static int raise_call(lua_State *L, const struct call *call, const char *otherwise) {
    lua_pushstring(L, call->message[0] ? call->message : otherwise);
    return lua_error(L);
}

/* ------------------------------------------------------------------ an open detector */

struct opened {
    const hoi_detector *plugin;
    void *self; /* NULL until the plugin's open succeeded */
};

static const char *const opened_class = "hoi.Plugin";

static int close_opened(lua_State *L) {
    void **slot = bind_slot(L, 1, opened_class);
    struct opened *opened = *slot;
    *slot = NULL;
    if (opened && opened->self)
        opened->plugin->close(opened->self);
    free(opened);
    return 0;
}

/* open(options as JSON text) -> the open detector, and its own labels where it named some. */
static int open_detector(lua_State *L) {
    lua_settop(L, 1);
    const hoi_detector *plugin = lua_touserdata(L, lua_upvalueindex(1));
    const char *options = luaL_checkstring(L, 1);
    struct call *call = new_call(L, opening);
    void **slot = bind_new(L, opened_class);
    struct opened *opened = calloc(1, sizeof *opened);
    if (!opened)
        return luaL_error(L, "out of memory");
    *slot = opened;
    opened->plugin = plugin;
    opened->self = plugin->open(&call->host, options);
    if (!opened->self || call->failed)
        return raise_call(L, call, "open got NULL and gave no reason (host->fail)");
    if (!call->labels_given)
        return 1;
    lua_newtable(L);
    const char *label = call->labels;
    for (size_t i = 0; i < call->label_count; i++, label += strlen(label) + 1) {
        lua_pushstring(L, label);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 2;
}

static void set_number(lua_State *L, int place, double value) {
    lua_pushnumber(L, value);
    lua_rawseti(L, -2, place);
}

/* Pushes the list of the call's detections; labels are places from 1 on. */
static void push_detections(lua_State *L, const struct call *call) {
    const float *feature = call->features;
    lua_createtable(L, call->count > INT_MAX ? INT_MAX : (int)call->count, 0);
    for (size_t i = 0; i < call->count; i++) {
        const hoi_detection *detection = &call->detections[i];
        lua_createtable(L, 0, 4);
        lua_createtable(L, 4, 0);
        set_number(L, 1, detection->x1);
        set_number(L, 2, detection->y1);
        set_number(L, 3, detection->x2);
        set_number(L, 4, detection->y2);
        lua_setfield(L, -2, "box");
        lua_pushnumber(L, detection->score);
        lua_setfield(L, -2, "score");
        lua_pushinteger(L, (lua_Integer)detection->label + 1);
        lua_setfield(L, -2, "label");
        if (detection->width > 0) {
            lua_createtable(L, detection->width, 0);
            for (int k = 0; k < detection->width; k++)
                set_number(L, k + 1, feature[k]);
            lua_setfield(L, -2, "feature");
            feature += detection->width;
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* Pushes the call's map: { name, shape, data = the floats' bytes }. */
static void push_map(lua_State *L, const struct call *call) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, call->map_name);
    lua_setfield(L, -2, "name");
    lua_createtable(L, 3, 0);
    for (int i = 0; i < 3; i++) {
        lua_pushinteger(L, call->map_shape[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "shape");
    lua_pushlstring(L, (const char *)call->map, call->map_size);
    lua_setfield(L, -2, "data");
}

/* detect(open detector, { image, name }) -> list of detections, map or nil. */
static int detect(lua_State *L) {
    lua_settop(L, 2);
    const struct opened *opened = bind_check(L, 1, opened_class);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "image");
    const hoi_image *image = bind_check(L, 3, "hoi.Image");
    lua_getfield(L, 2, "name");
    struct call *call = new_call(L, detecting);
    const hoi_picture picture = {.width = image->width,
                                 .height = image->height,
                                 .rgb = image->rgb,
                                 .name = luaL_checkstring(L, 4)};
    if (opened->plugin->detect(opened->self, &call->host, &picture) != 0 || call->failed)
        return raise_call(L, call, "detect failed and gave no reason (host->fail)");
    push_detections(L, call);
    if (!call->map_name)
        return 1;
    push_map(L, call);
    return 2;
}

/* ------------------------------------------------------------------ loading */

static void set_closure(lua_State *L, const char *name, bool present, lua_CFunction function,
                        const void *plugin) {
    if (!present)
        return;
    lua_pushlightuserdata(L, (void *)(uintptr_t)plugin);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

/* Pushes the plugin's table. A member that it lacks is nil there; of another ABI nothing but `abi`
   can be read. */
static void push_plugin(lua_State *L, const hoi_detector *plugin) {
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, plugin->abi);
    lua_setfield(L, -2, "abi");
    if (plugin->abi != HOI_PLUGIN_ABI)
        return;
    lua_pushstring(L, plugin->name); /* nil for NULL */
    lua_setfield(L, -2, "name");
    if (plugin->labels) {
        lua_newtable(L);
        for (lua_Integer i = 0; plugin->labels[i]; i++) {
            lua_pushstring(L, plugin->labels[i]);
            lua_rawseti(L, -2, i + 1);
        }
        lua_setfield(L, -2, "labels");
    }
    set_closure(L, "open", plugin->open != NULL, open_detector, plugin);
    set_closure(L, "detect", plugin->detect != NULL, detect, plugin);
    set_closure(L, "close", plugin->close != NULL, close_opened, plugin);
}

/* load(path) -> the plugin's table, or nil and why not. The library stays loaded for ever: its code
   may be registered with others (threads, exit handlers) that know nothing of us. */
static int load(lua_State *L) {
    lua_settop(L, 1);
    const char *path = luaL_checkstring(L, 1);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        lua_pushnil(L);
        lua_pushfstring(L, "is not loadable: %s", dlerror());
        return 2;
    }
    const hoi_detector *(*get)(void) = NULL;
    *(void **)&get =
        dlsym(library, "hoi_plugin"); /* POSIX's own way from an object to a function pointer */
    const hoi_detector *plugin = get ? get() : NULL;
    if (!plugin) {
        lua_pushnil(L);
        lua_pushstring(L,
                       get ? "got NULL from hoi_plugin"
                           : "has no symbol hoi_plugin: it is no detector plugin (core/plugin.h)");
        return 2;
    }
    push_plugin(L, plugin);
    return 1;
}

/* finite(data) -> whether the string is whole floats, all of them finite. */
static int all_finite(lua_State *L) {
    size_t size;
    const char *data = luaL_checklstring(L, 1, &size);
    bool all = size % sizeof(float) == 0;
    for (size_t i = 0; all && i < size; i += sizeof(float)) {
        float value;
        memcpy(&value, data + i, sizeof value); /* a string's bytes need not be aligned */
        all = isfinite(value);
    }
    lua_pushboolean(L, all);
    return 1;
}

/* Pushes the folder of the running program, nil where the system does not tell. */
static void push_program_folder(lua_State *L) {
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    if (size == (ssize_t)sizeof path) /* cut off */
        size = 0;
    while (size > 1 && path[size - 1] != '/')
        size--;
    if (size > 1)
        lua_pushlstring(L, path, (size_t)size - 1);
    else
        lua_pushnil(L);
}

int luaopen_hoi_detector(lua_State *L) {
    bind_class(L, call_class, NULL, NULL, release_call);
    bind_class(L, opened_class, NULL, NULL, close_opened);
    const luaL_Reg functions[] = {{"load", load}, {"finite", all_finite}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushinteger(L, HOI_PLUGIN_ABI);
    lua_setfield(L, -2, "abi");
    push_program_folder(L);
    lua_setfield(L, -2, "program_folder");
#ifdef HOI_PLUGIN_DIR
    lua_pushstring(L, HOI_PLUGIN_DIR);
    lua_setfield(L, -2, "installed_folder");
#endif
    return 1;
}
