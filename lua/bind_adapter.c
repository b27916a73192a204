/* bind_adapter: hoi.adapter: CLIP-Adapter's training on features, an epoch at a time. */
#include "core/adapter.h"
#include "lua/bind_tensor.h"

/* Gets a list of places from 1; the index is freed by whoever gets it. */
static hoi_index *places_at(lua_State *L, int index) {
    int n = (int)luaL_len(L, index);
    int32_t *values = bind_memory(L, (size_t)n * sizeof *values + 1);
    for (int i = 0; i < n; ++i) {
        lua_rawgeti(L, index, i + 1);
        values[i] = (int32_t)lua_tointeger(L, -1) - 1;
        lua_pop(L, 1);
    }
    return hoi_index_new(bind_device(L), n, values);
}

static int possible(lua_State *L) {
    lua_pushboolean(L, hoi_adapter_possible(bind_device(L)));
    return 1;
}

/* train(optimizer, {features, text, down, up, alpha, scale, last_relu}, labels, places, batch, rates)
   -> sum of losses */
static int train(lua_State *L) {
    static const char *const names[] = {"features", "text",  "down",      "up",
                                        "alpha",    "scale", "last_relu", NULL};
    lua_settop(L, 6);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    hoi_optimizer *o = bind_check(L, 1, "hoi.Optimizer");
    bind_options(L, 2, names);
    hoi_adapter a = {
        bind_tensor_option(L, 2, "features"),   bind_tensor_option(L, 2, "text"),
        bind_tensor_option(L, 2, "down"),       bind_tensor_option(L, 2, "up"),
        (float)bind_number(L, 2, "alpha", 0.2), (float)bind_number(L, 2, "scale", 100.0),
        bind_boolean(L, 2, "last_relu", true)};
    if (!a.features || !a.text || !a.down || !a.up)
        return luaL_error(L, "adapter: features, text, down and up are wanted");
    int batch = (int)luaL_checkinteger(L, 5), steps = (int)luaL_len(L, 6);
    float *rates = bind_memory(L, (size_t)steps * sizeof *rates + 1);
    for (int i = 0; i < steps; ++i) {
        lua_rawgeti(L, 6, i + 1);
        rates[i] = (float)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    hoi_index *labels = places_at(L, 3), *places = labels ? places_at(L, 4) : NULL;
    hoi_tensor *loss =
        places ? hoi_adapter_train(&a, o, labels, places, batch, steps, rates) : NULL;
    hoi_index_free(labels);
    hoi_index_free(places);
    return bind_tensor_push(L, loss);
}

int luaopen_hoi_adapter(lua_State *L);
int luaopen_hoi_adapter(lua_State *L) {
    static const luaL_Reg functions[] = {{"possible", possible}, {"train", train}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
