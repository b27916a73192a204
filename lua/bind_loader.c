/* bind_loader: hoi.Loader, threads that load pictures, and hoi.LoadedPicture, what they give.
   Loaded as "hoi.loader"; batches.lua is its user. */
#include "core/loader.h"
#include "lua/bind_tensor.h"
#include "lua/detection.h"

#include <limits.h>

static const char *const LOADER = "hoi.Loader";
static const char *const PICTURE = "hoi.LoadedPicture";

static int loader_release(lua_State *L) {
    void **slot = bind_slot(L, 1, LOADER);
    hoi_loader_free(*slot);
    *slot = NULL;
    return 0;
}

static int picture_release(lua_State *L) {
    void **slot = bind_slot(L, 1, PICTURE);
    hoi_sample_free(*slot);
    *slot = NULL;
    return 0;
}

/* ------------------------------------------------------------------ the loader */

static int integer_option(lua_State *L, int options, const char *key, int fallback) {
    lua_Integer value = bind_integer(L, options, key, fallback);
    return value < INT_MIN ? INT_MIN : value > INT_MAX ? INT_MAX : (int)value;
}

/* Reads three numbers of the field `key` of the table at 1. */
static void read_triple(lua_State *L, const char *key, float out[3]) {
    if (lua_getfield(L, 1, key) != LUA_TTABLE)
        luaL_error(L, "loader: '%s' is a list of three numbers", key);
    for (int c = 0; c < 3; c++) {
        if (lua_rawgeti(L, -1, c + 1) != LUA_TNUMBER)
            luaL_error(L, "loader: '%s' is a list of three numbers", key);
        out[c] = (float)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* loader{ threads, room, size, mean, std, seed, flip, jitter, crop, side, resize } */
static int loader_new(lua_State *L) {
    static const char *const names[] = {"threads", "room",   "size", "mean", "std",    "seed",
                                        "flip",    "jitter", "crop", "side", "resize", NULL};
    lua_settop(L, 1);
    luaL_checktype(L, 1, LUA_TTABLE);
    bind_options(L, 1, names);
    hoi_augment augment = hoi_augment_defaults();
    hoi_loader_options o = {.threads = integer_option(L, 1, "threads", 2),
                            .room = integer_option(L, 1, "room", 16),
                            .tower = {.size = integer_option(L, 1, "size", 224), .warp = true},
                            .seed = (uint64_t)bind_integer(L, 1, "seed", 66),
                            .interrupted = bind_interrupted};
    augment.flip = (float)bind_number(L, 1, "flip", (double)augment.flip);
    augment.jitter = (float)bind_number(L, 1, "jitter", (double)augment.jitter);
    augment.crop = (float)bind_number(L, 1, "crop", (double)augment.crop);
    augment.side = integer_option(L, 1, "side", augment.side);
    augment.resize = bind_boolean(L, 1, "resize", augment.resize);
    o.augment = augment;
    read_triple(L, "mean", o.tower.mean);
    read_triple(L, "std", o.tower.std);
    void **slot = bind_new(L, LOADER);
    *slot = hoi_loader_new(&o);
    return bind_result(L, *slot != NULL);
}

/* room() */
static int loader_room(lua_State *L) {
    lua_pushinteger(L, hoi_loader_room(bind_check(L, 1, LOADER)));
    return 1;
}

/* put{ path or kind, decoys, seed, index; augmented, epoch, picture, keep_original, keep_changed } */
static int loader_put(lua_State *L) {
    static const char *const names[] = {"path",          "kind",         "decoys", "seed",
                                        "index",         "augmented",    "epoch",  "picture",
                                        "keep_original", "keep_changed", NULL};
    static const char *const kinds[] = {"easy", "web", "train", "test", NULL};
    lua_settop(L, 2);
    hoi_loader *loader = bind_check(L, 1, LOADER);
    luaL_checktype(L, 2, LUA_TTABLE);
    bind_options(L, 2, names);
    hoi_loader_job job = {.path = bind_string(L, 2, "path", NULL),
                          .decoys = bind_boolean(L, 2, "decoys", true),
                          .seed = (uint64_t)bind_integer(L, 2, "seed", 0),
                          .index = (uint64_t)bind_integer(L, 2, "index", 0),
                          .augmented = bind_boolean(L, 2, "augmented", false),
                          .epoch = (uint64_t)bind_integer(L, 2, "epoch", 0),
                          .picture = (uint64_t)bind_integer(L, 2, "picture", 0),
                          .keep_original = bind_boolean(L, 2, "keep_original", false),
                          .keep_changed = bind_boolean(L, 2, "keep_changed", false)};
    if (!job.path) {
        lua_getfield(L, 2, "kind");
        job.kind = (hoi_mini_kind)luaL_checkoption(L, -1, NULL, kinds);
    }
    return hoi_loader_put(loader, &job) ? 0 : bind_raise(L);
}

/* take(): the next picture; raises when none was put in, or at Ctrl-C. */
static int loader_take(lua_State *L) {
    lua_settop(L, 1);
    hoi_loader *loader = bind_check(L, 1, LOADER);
    void **slot = bind_new(L, PICTURE);
    *slot = hoi_loader_take(loader);
    return bind_result(L, *slot != NULL);
}

/* ------------------------------------------------------------------ a loaded picture */

/* pixels(size) -> (3, size, size) */
static int picture_pixels(lua_State *L) {
    const hoi_sample *sample = bind_check(L, 1, PICTURE);
    int64_t size = luaL_checkinteger(L, 2);
    luaL_argcheck(L, sample->pixels, 1, "this picture is broken: see its error");
    return bind_tensor_give(
        L, hoi_tensor_from(bind_device(L), 3, (int64_t[]){3, size, size}, sample->pixels));
}

/* Pushes a picture of the sample, once; nil where it was not kept. */
static int give(lua_State *L, hoi_image **image) {
    if (!*image) {
        lua_pushnil(L);
        return 1;
    }
    void **slot = bind_new(L, "hoi.Image");
    *slot = *image;
    *image = NULL;
    return 1;
}

/* original(): the picture as it was read */
static int picture_original(lua_State *L) {
    return give(L, &((hoi_sample *)bind_check(L, 1, PICTURE))->original);
}

/* changed(): the picture after the change, as the pixels show it before they are warped */
static int picture_changed(lua_State *L) {
    return give(L, &((hoi_sample *)bind_check(L, 1, PICTURE))->changed);
}

/* box({x1, y1, x2, y2}): where it lies in the changed picture; nil when nothing of it is left. */
static int picture_box(lua_State *L) {
    float in[4], out[4];
    lua_settop(L, 2);
    const hoi_sample *sample = bind_check(L, 1, PICTURE);
    detection_box(L, "loader: picture", 0, "box", in);
    if (!hoi_augment_box(&sample->where, in, out)) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 4, 0);
    for (int k = 0; k < 4; k++) {
        lua_pushnumber(L, (lua_Number)out[k]);
        lua_rawseti(L, -2, k + 1);
    }
    return 1;
}

/* keeps(human_box, object_box, quirk): whether a pair of the original survives. */
static int picture_keeps(lua_State *L) {
    float human[4], object[4], in[4];
    lua_settop(L, 4);
    const hoi_sample *sample = bind_check(L, 1, PICTURE);
    bool quirk = lua_toboolean(L, 4);
    lua_settop(L, 3);
    detection_box(L, "loader: picture", 0, "object_box", in);
    hoi_augment_box(&sample->where, in, object);
    detection_box(L, "loader: picture", 0, "human_box", in);
    hoi_augment_box(&sample->where, in, human);
    lua_pushboolean(L, hoi_augment_keeps(&sample->where, human, object, quirk));
    return 1;
}

/* size(): width, height after the change, then those of the original */
static int picture_size(lua_State *L) {
    const hoi_augmentation *where = &((hoi_sample *)bind_check(L, 1, PICTURE))->where;
    lua_pushinteger(L, where->width);
    lua_pushinteger(L, where->height);
    lua_pushinteger(L, where->original_width);
    lua_pushinteger(L, where->original_height);
    return 4;
}

/* error(): why there is no picture, nil when all is well. */
static int picture_error(lua_State *L) {
    lua_pushstring(L, ((const hoi_sample *)bind_check(L, 1, PICTURE))->error);
    return 1;
}

int luaopen_hoi_loader(lua_State *L);
int luaopen_hoi_loader(lua_State *L) {
    static const luaL_Reg loader[] = {
        {"room", loader_room}, {"put", loader_put}, {"take", loader_take}, {NULL, NULL}};
    static const luaL_Reg picture[] = {{"pixels", picture_pixels},   {"original", picture_original},
                                       {"changed", picture_changed}, {"box", picture_box},
                                       {"keeps", picture_keeps},     {"size", picture_size},
                                       {"error", picture_error},     {NULL, NULL}};
    bind_class(L, LOADER, loader, NULL, loader_release);
    bind_class(L, PICTURE, picture, NULL, picture_release);
    lua_pushcfunction(L, loader_new);
    return 1;
}
