/* bind_weights: hoi.weights: named arrays of any file of weights, by one class: hoi.Weights. */
#include "lua/bind_weights.h"

#include <string.h>

#include "lua/bind_tensor.h"

static int release(lua_State *L) {
    hoi_weights **slot = (hoi_weights **)bind_slot(L, 1, HOI_WEIGHTS);
    hoi_weights_close(*slot);
    *slot = NULL;
    return 0;
}

int bind_weights_push(lua_State *L, hoi_weights *(*open)(const char *text), const char *text) {
    hoi_weights **slot = (hoi_weights **)bind_new(L, HOI_WEIGHTS);
    *slot = open(text);
    return bind_result(L, *slot != NULL);
}

/* weights(path) -> file */
static int open_weights(lua_State *L) {
    return bind_weights_push(L, hoi_weights_open, luaL_checkstring(L, 1));
}

static int names(lua_State *L) {
    const hoi_weights *file = bind_check(L, 1, HOI_WEIGHTS);
    size_t n = hoi_weights_count(file);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; ++i) {
        lua_pushstring(L, hoi_weights_at(file, i)->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* metadata(key) -> text or nil; metadata() -> all of them */
static int metadata(lua_State *L) {
    lua_settop(L, 2);
    const hoi_weights *file = bind_check(L, 1, HOI_WEIGHTS);
    if (!lua_isnil(L, 2)) {
        lua_pushstring(L, hoi_weights_metadata(file, luaL_checkstring(L, 2)));
        return 1;
    }
    lua_newtable(L);
    for (size_t i = 0; i < hoi_weights_metadata_count(file); ++i) {
        const char *value, *key = hoi_weights_metadata_at(file, i, &value);
        lua_pushstring(L, value);
        lua_setfield(L, -2, key);
    }
    return 1;
}

static const hoi_entry *entry_of(lua_State *L, const hoi_weights *file) {
    const char *name = luaL_checkstring(L, 2);
    const hoi_entry *entry = hoi_weights_find(file, name);
    if (!entry)
        luaL_error(L, "weights: %s: no tensor '%s'", hoi_weights_label(file), name);
    return entry;
}

/* shape(name) -> sizes, or nil when there is no such array */
static int shape(lua_State *L) {
    const hoi_entry *entry =
        hoi_weights_find(bind_check(L, 1, HOI_WEIGHTS), luaL_checkstring(L, 2));
    if (!entry)
        return lua_pushnil(L), 1;
    lua_createtable(L, entry->rank, 0);
    for (int i = 0; i < entry->rank; ++i) {
        lua_pushinteger(L, entry->shape[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* dtype(name) -> "F32", ..., or nil */
static int dtype(lua_State *L) {
    const hoi_entry *entry =
        hoi_weights_find(bind_check(L, 1, HOI_WEIGHTS), luaL_checkstring(L, 2));
    lua_pushstring(L, entry ? hoi_dtype_name(entry->dtype) : NULL);
    return 1;
}

/* tensor(name, {dtype}) -> Tensor of floats; "stored": F16 and BF16 stay so */
static int tensor(lua_State *L) {
    static const char *const options[] = {"dtype", NULL};
    lua_settop(L, 3);
    hoi_weights *file = bind_check(L, 1, HOI_WEIGHTS);
    const hoi_entry *entry = entry_of(L, file);
    bind_options(L, 3, options);
    const char *kind = bind_string(L, 3, "dtype", "float32");
    bool stored = strcmp(kind, "stored") == 0;
    if (!stored && strcmp(kind, "float32") != 0)
        return luaL_error(L, "weights: dtype '%s'; stored and float32 are known", kind);
    if (entry->rank > HOI_RANK)
        return luaL_error(L, "weights: %s: '%s' has %d dimensions, at most %d can be used",
                          hoi_weights_label(file), entry->name, entry->rank, HOI_RANK);
    if (stored && (entry->dtype == HOI_F16 || entry->dtype == HOI_BF16)) {
        void *bytes = bind_memory(L, entry->bytes + 1);
        if (!hoi_weights_read(file, entry, bytes))
            return bind_raise(L);
        return bind_tensor_push(
            L, hoi_tensor_stored(bind_device(L), entry->rank, entry->shape, entry->dtype, bytes));
    }
    float *values = bind_memory(L, (hoi_entry_elements(entry) + 1) * sizeof *values);
    if (!hoi_weights_floats(file, entry, values))
        return bind_raise(L);
    return bind_tensor_push(L, hoi_tensor_from(bind_device(L), entry->rank, entry->shape, values));
}

/* The fields `path` and `container`, or a method. */
static int field(lua_State *L) {
    lua_settop(L, 2);
    const char *name = lua_tostring(L, 2);
    if (name && strcmp(name, "path") == 0)
        return lua_pushstring(L, hoi_weights_label(bind_check(L, 1, HOI_WEIGHTS))), 1;
    if (name && strcmp(name, "container") == 0)
        return lua_pushstring(L, hoi_weights_container(bind_check(L, 1, HOI_WEIGHTS))), 1;
    luaL_getmetafield(L, 1, "__methods");
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static int tostring(lua_State *L) {
    const hoi_weights *file = *bind_slot(L, 1, HOI_WEIGHTS);
    if (file)
        lua_pushfstring(L, "Weights (%s: %s, %d arrays)", hoi_weights_label(file),
                        hoi_weights_container(file), (int)hoi_weights_count(file));
    else
        lua_pushliteral(L, "Weights (released)");
    return 1;
}

int luaopen_hoi_weights(lua_State *L);
int luaopen_hoi_weights(lua_State *L) {
    static const luaL_Reg methods[] = {{"names", names}, {"metadata", metadata}, {"shape", shape},
                                       {"dtype", dtype}, {"tensor", tensor},     {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__index", field}, {"__tostring", tostring}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"weights", open_weights}, {NULL, NULL}};
    bind_class(L, HOI_WEIGHTS, methods, meta, release);
    luaL_newlib(L, functions);
    return 1;
}
