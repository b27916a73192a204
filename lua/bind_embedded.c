/* bind_embedded: the files inside the binary, seen from Lua. */
#include "core/embedded.h"
#include "lua/bind.h"

#include <string.h>

/* embedded.read(name): the bytes of a file ("lua/classes/hico.json"), nil when there is none. */
static int embedded_read(lua_State *L) {
    size_t size;
    const char *bytes = hoi_embedded(luaL_checkstring(L, 1), &size);
    if (bytes)
        lua_pushlstring(L, bytes, size);
    else
        lua_pushnil(L);
    return 1;
}

/* embedded.list(prefix): the names that begin with it, sorted. */
static int embedded_list(lua_State *L) {
    const char *prefix = luaL_optstring(L, 1, "");
    lua_newtable(L);
    lua_Integer count = 0;
    const char *name;
    for (size_t i = 0; (name = hoi_embedded_name(i)); i++)
        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            lua_pushstring(L, name);
            lua_rawseti(L, -2, ++count);
        }
    return 1;
}

int luaopen_hoi_embedded(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"read", embedded_read}, {"list", embedded_list}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
