/* bind_mini: hoi.mini, the drawn world: pictures with their truth and captions, classes, batches in
   C memory. */
#include "core/mini.h"
#include "lua/bind.h"

#include <string.h>

static const char *const BATCH = "hoi.MiniBatch";
enum { PICTURE_BYTES = HOI_MINI_SIZE * HOI_MINI_SIZE * 3 };

/* Gets the position of the argument among the names. */
static int check_name(lua_State *L, int index, const char *what, const char *const names[]) {
    const char *name = luaL_checkstring(L, index);
    for (int i = 0; names[i]; i++) {
        if (!strcmp(name, names[i])) {
            return i;
        }
    }
    luaL_Buffer all;
    luaL_buffinit(L, &all);
    for (int i = 0; names[i]; i++) {
        luaL_addstring(&all, i ? ", " : "");
        luaL_addstring(&all, names[i]);
    }
    luaL_pushresult(&all);
    return luaL_error(L, "mini: no %s '%s'; wanted one of %s", what, name, lua_tostring(L, -1));
}

static hoi_mini_kind check_kind(lua_State *L, int index) {
    static const char *const kinds[] = {"easy", "web", "train", "test", NULL};
    return (hoi_mini_kind)check_name(L, index, "kind of picture", kinds);
}

static int check_position(lua_State *L, int index, int count) {
    lua_Integer i = luaL_checkinteger(L, index);
    luaL_argcheck(L, i >= 1 && i <= count, index, "no such picture in the batch");
    return (int)i - 1;
}

static int integer_option(lua_State *L, int options, const char *key, lua_Integer most) {
    lua_Integer value = bind_integer(L, options, key, 0);
    if (value < 0 || value > most) {
        luaL_error(L, "option '%s': %I is out of range; wanted 0 to %I", key, (LUAI_UACINT)value,
                   (LUAI_UACINT)most);
    }
    return (int)value;
}

static void push_box(lua_State *L, const float box[4]) {
    lua_createtable(L, 4, 0);
    for (int i = 0; i < 4; i++) {
        lua_pushnumber(L, (lua_Number)box[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_string(lua_State *L, const char *key, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void push_pair(lua_State *L, const hoi_mini_scene *scene, int i) {
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, scene->pair[i].person + 1);
    lua_setfield(L, -2, "person");
    lua_pushinteger(L, scene->pair[i].thing + 1);
    lua_setfield(L, -2, "thing");
    lua_createtable(L, 2, 0);
    lua_Integer n = 0;
    for (int v = 0; v < HOI_MINI_VERBS; v++) {
        if (scene->pair[i].verbs >> v & 1u) {
            lua_pushstring(L, hoi_mini_verb(v));
            lua_rawseti(L, -2, ++n);
        }
    }
    lua_setfield(L, -2, "verbs");
}

/* Pushes the table of a picture: size, persons, things, pairs, decoys, caption. */
static void push_truth(lua_State *L, hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                       const hoi_mini_scene *scene) {
    lua_createtable(L, 0, 8);
    lua_pushinteger(L, HOI_MINI_SIZE);
    lua_setfield(L, -2, "width");
    lua_pushinteger(L, HOI_MINI_SIZE);
    lua_setfield(L, -2, "height");
    lua_pushinteger(L, scene->decoys);
    lua_setfield(L, -2, "decoys");
    lua_createtable(L, scene->persons, 0);
    for (int i = 0; i < scene->persons; i++) {
        lua_createtable(L, 0, 2);
        push_box(L, scene->person_box[i]);
        lua_setfield(L, -2, "box");
        set_string(L, "shirt", hoi_mini_color(scene->person_shirt[i]));
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "persons");
    lua_createtable(L, scene->things, 0);
    for (int i = 0; i < scene->things; i++) {
        lua_createtable(L, 0, 3);
        push_box(L, scene->thing_box[i]);
        lua_setfield(L, -2, "box");
        set_string(L, "label", hoi_mini_thing(scene->thing_kind[i]));
        set_string(L, "color", hoi_mini_color(scene->thing_color[i]));
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "things");
    lua_createtable(L, scene->pairs, 0);
    for (int i = 0; i < scene->pairs; i++) {
        push_pair(L, scene, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "pairs");
    char text[HOI_MINI_TEXT];
    lua_pushlstring(L, text, hoi_mini_caption(kind, decoys, seed, index, scene, text, sizeof text));
    lua_setfield(L, -2, "caption");
}

/* mini.render(kind, seed, index, {decoys}) */
static int mini_render(lua_State *L) {
    static const char *const names[] = {"decoys", NULL};
    lua_settop(L, 4);
    hoi_mini_kind kind = check_kind(L, 1);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 2), index = (uint64_t)luaL_checkinteger(L, 3);
    bind_options(L, 4, names);
    bool decoys = bind_boolean(L, 4, "decoys", true);
    unsigned char rgb[PICTURE_BYTES];
    hoi_mini_scene scene;
    hoi_mini_render(kind, decoys, seed, index, rgb, &scene);
    push_truth(L, kind, decoys, seed, index, &scene);
    lua_pushlstring(L, (const char *)rgb, sizeof rgb);
    lua_setfield(L, -2, "rgb");
    return 1;
}

/* mini.unseen(setting) */
static int mini_unseen(lua_State *L) {
    const char *names[16];
    int count = 0;
    while ((names[count] = hoi_mini_setting(count))) {
        count++;
    }
    lua_settop(L, 1);
    const char *setting = names[check_name(L, 1, "setting", names)];
    lua_createtable(L, HOI_MINI_CLASSES, 0);
    for (int c = 0; c < HOI_MINI_CLASSES; c++) {
        lua_pushboolean(L, hoi_mini_unseen(setting, c));
        lua_rawseti(L, -2, c + 1);
    }
    return 1;
}

static void fill(lua_State *L, hoi_mini_batch *batch, int arguments, int options) {
    hoi_mini_kind kind = check_kind(L, arguments);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, arguments + 1);
    uint64_t first = (uint64_t)luaL_checkinteger(L, arguments + 2);
    bool decoys = bind_boolean(L, options, "decoys", true);
    hoi_mini_batch_fill(batch, kind, decoys, seed, first,
                        integer_option(L, options, "threads", 64));
}

/* mini.batch(kind, seed, first, count, {decoys, threads, cells}) */
static int mini_batch(lua_State *L) {
    static const char *const names[] = {"decoys", "threads", "cells", NULL};
    lua_settop(L, 5);
    check_kind(L, 1);
    lua_Integer count = luaL_checkinteger(L, 4);
    luaL_argcheck(L, count >= 1 && count <= 65536, 4, "wanted 1 to 65536 pictures");
    bind_options(L, 5, names);
    int grid = integer_option(L, 5, "cells", HOI_MINI_SIZE);
    void **slot = bind_new(L, BATCH);
    *slot = hoi_mini_batch_new((int)count, grid);
    if (!*slot) {
        return bind_raise(L);
    }
    fill(L, *slot, 1, 5);
    return 1;
}

/* batch:fill(kind, seed, first, {decoys, threads}) */
static int batch_fill(lua_State *L) {
    static const char *const names[] = {"decoys", "threads", NULL};
    lua_settop(L, 5);
    hoi_mini_batch *batch = bind_check(L, 1, BATCH);
    bind_options(L, 5, names);
    fill(L, batch, 2, 5);
    lua_settop(L, 1);
    return 1;
}

static int batch_captions(lua_State *L) {
    lua_settop(L, 1);
    const hoi_mini_batch *b = bind_check(L, 1, BATCH);
    lua_createtable(L, b->count, 0);
    for (int i = 0; i < b->count; i++) {
        char text[HOI_MINI_TEXT];
        size_t n = hoi_mini_caption(b->kind, b->decoys, b->seed, b->first + (uint64_t)i,
                                    b->scenes + i, text, sizeof text);
        lua_pushlstring(L, text, n);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int batch_truth(lua_State *L) {
    lua_settop(L, 2);
    const hoi_mini_batch *b = bind_check(L, 1, BATCH);
    int i = check_position(L, 2, b->count);
    push_truth(L, b->kind, b->decoys, b->seed, b->first + (uint64_t)i, b->scenes + i);
    return 1;
}

static int batch_rgb(lua_State *L) {
    lua_settop(L, 2);
    const hoi_mini_batch *b = bind_check(L, 1, BATCH);
    int i = check_position(L, 2, b->count);
    lua_pushlstring(L, (const char *)b->rgb + (size_t)i * PICTURE_BYTES, PICTURE_BYTES);
    return 1;
}

static int batch_cells(lua_State *L) {
    lua_settop(L, 2);
    const hoi_mini_batch *b = bind_check(L, 1, BATCH);
    int i = check_position(L, 2, b->count);
    size_t bytes = (size_t)(b->grid * b->grid * HOI_MINI_CELL_CLASSES);
    if (!b->cells) {
        return luaL_error(L, "the batch has no cells; make it with mini.batch(..., { cells = 8 })");
    }
    lua_pushlstring(L, (const char *)b->cells + (size_t)i * bytes, bytes);
    return 1;
}

static int batch_length(lua_State *L) {
    const hoi_mini_batch *b = bind_check(L, 1, BATCH);
    lua_pushinteger(L, b->count);
    return 1;
}

static int batch_release(lua_State *L) {
    void **slot = bind_slot(L, 1, BATCH);
    hoi_mini_batch_free(*slot);
    *slot = NULL;
    return 0;
}

/* Pushes the list of what name(0), name(1), ... give until NULL. */
static void push_list(lua_State *L, const char *(*name)(int)) {
    lua_newtable(L);
    for (int k = 0; name(k); k++) {
        lua_pushstring(L, name(k));
        lua_rawseti(L, -2, k + 1);
    }
}

static void push_texts(lua_State *L, int class, int count,
                       size_t (*text)(int, int, char *, size_t)) {
    lua_createtable(L, count, 0);
    for (int k = 0; k < count; k++) {
        char bytes[HOI_MINI_TEXT];
        lua_pushlstring(L, bytes, text(class, k, bytes, sizeof bytes));
        lua_rawseti(L, -2, k + 1);
    }
}

static void push_classes(lua_State *L) {
    lua_createtable(L, HOI_MINI_CLASSES, 0);
    for (int c = 0; c < HOI_MINI_CLASSES; c++) {
        char sentence[HOI_MINI_TEXT];
        hoi_mini_sentence(c, sentence, sizeof sentence);
        lua_createtable(L, 0, 5);
        set_string(L, "verb", hoi_mini_verb(hoi_mini_class_verb(c)));
        set_string(L, "object", hoi_mini_thing(hoi_mini_class_thing(c)));
        set_string(L, "sentence", sentence);
        push_texts(L, c, HOI_MINI_NAMES, hoi_mini_name);
        lua_setfield(L, -2, "names");
        push_texts(L, c, HOI_MINI_DESCRIPTIONS, hoi_mini_description);
        lua_setfield(L, -2, "descriptions");
        lua_rawseti(L, -2, c + 1);
    }
}

int luaopen_hoi_mini(lua_State *L) {
    static const luaL_Reg methods[] = {{"fill", batch_fill},   {"captions", batch_captions},
                                       {"truth", batch_truth}, {"rgb", batch_rgb},
                                       {"cells", batch_cells}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__len", batch_length}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"render", mini_render}, {"batch", mini_batch}, {"unseen", mini_unseen}, {NULL, NULL}};
    bind_class(L, BATCH, methods, metamethods, batch_release);
    luaL_newlib(L, functions);
    push_list(L, hoi_mini_thing);
    lua_setfield(L, -2, "things");
    push_list(L, hoi_mini_verb);
    lua_setfield(L, -2, "verbs");
    push_list(L, hoi_mini_word);
    lua_setfield(L, -2, "words");
    push_list(L, hoi_mini_setting);
    lua_setfield(L, -2, "settings");
    push_classes(L);
    lua_setfield(L, -2, "classes");
    return 1;
}
