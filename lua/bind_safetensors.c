/* bind_safetensors: hoi.safetensors: tensors in files by name. */
#include "core/embedded.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "lua/bind_tensor.h"

#include <stdlib.h>
#include <string.h>

#define FILE_CLASS "hoi.Safetensors"

static int release(lua_State *L) {
    hoi_safetensors **slot = (hoi_safetensors **)bind_slot(L, 1, FILE_CLASS);
    hoi_safetensors_close(*slot);
    *slot = NULL;
    return 0;
}

/* open(path) -> file; open(nil, bytes, label): bytes of the program itself, alive for ever (light
   userdata and size). */
static int open_file(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    hoi_safetensors **slot = (hoi_safetensors **)bind_new(L, FILE_CLASS);
    *slot = hoi_safetensors_open(path);
    return bind_result(L, *slot != NULL);
}

/* embedded(name) -> file inside the program */
static int embedded(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    size_t size = 0;
    const void *bytes = hoi_embedded(name, &size);
    if (!bytes)
        return luaL_error(L, "safetensors: no file '%s' inside this program", name);
    hoi_safetensors **slot = (hoi_safetensors **)bind_new(L, FILE_CLASS);
    *slot = hoi_safetensors_open_memory(bytes, size, name);
    return bind_result(L, *slot != NULL);
}

static int names(lua_State *L) {
    hoi_safetensors *file = bind_check(L, 1, FILE_CLASS);
    size_t n = hoi_safetensors_count(file);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; ++i) {
        lua_pushstring(L, hoi_safetensors_at(file, i)->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int metadata(lua_State *L) {
    lua_pushstring(L,
                   hoi_safetensors_metadata(bind_check(L, 1, FILE_CLASS), luaL_checkstring(L, 2)));
    return 1;
}

/* file:tensor(name) -> Tensor of floats; integers become floats too (exact below 2^24) */
static int tensor(lua_State *L) {
    hoi_safetensors *file = bind_check(L, 1, FILE_CLASS);
    const char *name = luaL_checkstring(L, 2);
    const hoi_entry *entry = hoi_safetensors_find(file, name);
    if (!entry)
        return luaL_error(L, "safetensors: %s: no tensor '%s'", hoi_safetensors_label(file), name);
    if (entry->rank > HOI_RANK)
        return luaL_error(L, "safetensors: %s: '%s' has %d dimensions, at most %d can be used",
                          hoi_safetensors_label(file), name, entry->rank, HOI_RANK);
    size_t n = hoi_entry_elements(entry);
    float *values = bind_memory(L, n * sizeof *values);
    if (entry->dtype == HOI_I64 || entry->dtype == HOI_I32) {
        size_t width = hoi_dtype_bytes(entry->dtype);
        for (size_t i = 0; i < n; ++i) {
            int64_t wide = 0;
            int32_t narrow = 0;
            memcpy(width == 8 ? (void *)&wide : (void *)&narrow,
                   (const char *)entry->data + i * width, width);
            values[i] = width == 8 ? (float)wide : (float)narrow;
        }
    } else if (!hoi_entry_floats(entry, values)) {
        return bind_raise(L);
    }
    return bind_tensor_push(L, hoi_tensor_from(bind_device(L), entry->rank, entry->shape, values));
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
    static const luaL_Reg methods[] = {
        {"names", names}, {"metadata", metadata}, {"tensor", tensor}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"open", open_file}, {"embedded", embedded}, {"save", save}, {NULL, NULL}};
    bind_class(L, FILE_CLASS, methods, NULL, release);
    luaL_newlib(L, functions);
    return 1;
}
