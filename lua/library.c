/* library: hoi.so, what require "hoi" loads in another Lua 5.4. It holds all that the program does. */
#include "lua/modules.h"

#include <lauxlib.h>

int luaopen_hoi(lua_State *L);

/* The whole is "hoi" of package.preload, where the rooms find each other; Lua asked with its name. */
int luaopen_hoi(lua_State *L) {
    lua_settop(L, 1);
    modules_preload(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_getfield(L, -1, "hoi");
    lua_pushliteral(L, "hoi");
    lua_call(L, 1, 1);
    return 1;
}
