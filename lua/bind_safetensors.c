/* bind_safetensors: hoi.safetensors: tensors in files by name. */
#include "core/embedded.h"
#include "core/error.h"
#include "lua/bind_tensor.h"
#include "lua/bind_weights.h"

#include <stdlib.h>
#include <string.h>

/* open(path) -> hoi.Weights */
static hoi_weights *open_path(const char *path) {
    return hoi_weights_of(hoi_safetensors_open(path));
}

static int open_file(lua_State *L) {
    return bind_weights_push(L, open_path, luaL_checkstring(L, 1));
}

/* embedded(name) -> file inside the program */
static hoi_weights *open_embedded(const char *name) {
    size_t size = 0;
    const void *bytes = hoi_embedded(name, &size);
    if (!bytes) {
        hoi_fail("safetensors: no file '%s' inside this program", name);
        return NULL;
    }
    return hoi_weights_of(hoi_safetensors_open_memory(bytes, size, name));
}

static int embedded(lua_State *L) {
    return bind_weights_push(L, open_embedded, luaL_checkstring(L, 1));
}

static void narrow(float *values, size_t n, hoi_dtype dtype) {
    uint16_t *out = (uint16_t *)(void *)values; /* each value is read before its place is written */
    for (size_t i = 0; i < n; ++i) {
        uint16_t bits =
            dtype == HOI_F16 ? hoi_float_to_half(values[i]) : hoi_float_to_bf16(values[i]);
        memcpy(&out[i], &bits, sizeof bits);
    }
}

static bool add_tensor(hoi_safetensors_writer *writer, const char *name, hoi_tensor *x,
                       hoi_dtype dtype) {
    size_t n = (size_t)hoi_tensor_count(x);
    float *values = malloc(n * sizeof *values + 1);
    bool ok = values != NULL || hoi_fail("safetensors: out of host memory");
    if (ok)
        ok = hoi_tensor_read(x, values);
    if (ok && dtype != HOI_F32)
        narrow(values, n, dtype);
    ok = ok && hoi_safetensors_writer_add(writer, name, dtype, x->rank, x->shape, values);
    free(values);
    return ok;
}

/* save(path, {name = tensor}, {dtype, metadata}) */
static int save(lua_State *L) {
    static const char *const options[] = {"dtype", "metadata", NULL};
    lua_settop(L, 3);
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    bind_options(L, 3, options);
    const char *type = bind_string(L, 3, "dtype", "F32");
    hoi_dtype dtype = strcmp(type, "F16") == 0    ? HOI_F16
                      : strcmp(type, "BF16") == 0 ? HOI_BF16
                                                  : HOI_F32;
    if (dtype == HOI_F32 && strcmp(type, "F32") != 0)
        return luaL_error(L, "safetensors: dtype '%s'; F32, F16 and BF16 can be written", type);
    hoi_safetensors_writer *writer = hoi_safetensors_writer_new();
    bool ok = writer != NULL;
    for (lua_pushnil(L); ok && lua_next(L, 2); lua_pop(L, 1)) {
        void **slot = luaL_testudata(L, -1, HOI_TENSOR);
        if (lua_type(L, -2) != LUA_TSTRING || !slot || !*slot)
            ok = hoi_fail("safetensors: a table of names and tensors is wanted");
        else
            ok = add_tensor(writer, lua_tostring(L, -2), *slot, dtype);
        if (!ok)
            break;
    }
    if (ok && lua_istable(L, 3) && lua_getfield(L, 3, "metadata") == LUA_TTABLE) {
        int at = lua_gettop(L);
        for (lua_pushnil(L); ok && lua_next(L, at); lua_pop(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
                ok = hoi_fail("safetensors: metadata is a table of strings by names");
            else
                ok = hoi_safetensors_writer_metadata(writer, lua_tostring(L, -2),
                                                     lua_tostring(L, -1));
            if (!ok)
                break;
        }
    }
    ok = ok && hoi_safetensors_writer_save(writer, path);
    hoi_safetensors_writer_free(writer);
    return ok ? 0 : bind_raise(L);
}

int luaopen_hoi_safetensors(lua_State *L);
int luaopen_hoi_safetensors(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"open", open_file}, {"embedded", embedded}, {"save", save}, {NULL, NULL}};
    lua_getglobal(L, "require"); /* it brings the class of open files */
    lua_pushliteral(L, "hoi.weights");
    lua_call(L, 1, 0);
    luaL_newlib(L, functions);
    return 1;
}
