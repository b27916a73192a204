/* modules: what the program and the library hold for require: the bindings and the embedded Lua. */
#include "lua/modules.h"

#include "bindings.h" /* made by CMake: HOI_BINDINGS(X), one X(name) for each lua/bind_name.c */
#include "core/embedded.h"

#include <lauxlib.h>
#include <string.h>

#define DECLARE(name) int luaopen_hoi_##name(lua_State *L);
HOI_BINDINGS(DECLARE)

#define ENTRY(name) {#name, luaopen_hoi_##name},
static const luaL_Reg bindings[] = {HOI_BINDINGS(ENTRY){NULL, NULL}};

/* Loader of an embedded Lua file; upvalue: its path, as in tracebacks ("lua/nn.lua"). */
static int load_embedded(lua_State *L) {
    const char *path = lua_tostring(L, lua_upvalueindex(1));
    size_t size;
    const char *text = hoi_embedded(path, &size);
    if (!text)
        return luaL_error(L, "%s is not embedded", path);
    if (luaL_loadbuffer(L, text, size, lua_pushfstring(L, "@%s", path)) != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Gets "hoi.methods.x" for "lua/methods/x.lua", pushed; NULL for another kind of file. types.lua
   is documentation. */
static const char *push_module_name(lua_State *L, const char *path) {
    size_t length = strlen(path);
    if (strncmp(path, "lua/", 4) != 0 || length < 9 || strcmp(path + length - 4, ".lua") != 0 ||
        strcmp(path, "lua/types.lua") == 0)
        return NULL;
    if (strcmp(path, "lua/hoi.lua") == 0)
        return lua_pushstring(L, "hoi");
    lua_pushlstring(L, path + 4, length - 8);
    const char *name = luaL_gsub(L, lua_tostring(L, -1), "/", ".");
    name = lua_pushfstring(L, "hoi.%s", name);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return name;
}

void modules_preload(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const luaL_Reg *binding = bindings; binding->name; binding++) {
        size_t size;
        const char *lua_file = lua_pushfstring(L, "lua/%s.lua", binding->name);
        lua_pushfstring(L, "hoi.%s%s", binding->name, hoi_embedded(lua_file, &size) ? ".core" : "");
        lua_pushcfunction(L, binding->func);
        lua_settable(L, -4);
        lua_pop(L, 1);
    }
    const char *path;
    for (size_t i = 0; (path = hoi_embedded_name(i)); i++)
        if (push_module_name(L, path)) {
            lua_pushstring(L, path);
            lua_pushcclosure(L, load_embedded, 1);
            lua_settable(L, -3);
        }
    lua_pop(L, 1);
}
