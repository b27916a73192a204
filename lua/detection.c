/* detection: reads boxes and object names out of Lua tables. */
#include "lua/detection.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

void *detection_scratch(lua_State *L, size_t count, size_t size) {
    if (count >= SIZE_MAX / size)
        luaL_error(L, "no memory for %I items", (lua_Integer)count);
    return lua_newuserdatauv(L, count * size + 1, 0);
}

int detection_list(lua_State *L, int index, const char *what) {
    if (!lua_istable(L, index))
        luaL_error(L, "%s: a list expected, got %s", what, luaL_typename(L, index));
    lua_Unsigned length = lua_rawlen(L, index);
    if (length > INT_MAX / 64)
        luaL_error(L, "%s: a list of %I items is too long", what, (lua_Integer)length);
    return (int)length;
}

void detection_box(lua_State *L, const char *what, int number, const char *key, float *box) {
    bool ok = lua_istable(L, -1) && lua_rawlen(L, -1) == 4;
    for (int k = 0; k < 4 && ok; k++) {
        ok = lua_rawgeti(L, -1, k + 1) == LUA_TNUMBER;
        box[k] = (float)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    if (!ok && number)
        luaL_error(L, "%s %d: %s must be {x1, y1, x2, y2}, four numbers", what, number, key);
    if (!ok)
        luaL_error(L, "%s: %s must be {x1, y1, x2, y2}, four numbers", what, key);
    lua_pop(L, 1);
}

void detection_name(lua_State *L) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "hoi.targets");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "object_name");
    lua_replace(L, -2);
    lua_insert(L, -2);
    lua_call(L, 1, 1);
}

int detection_number(lua_State *L, int names) {
    detection_name(L);
    lua_pushvalue(L, -1);
    bool known = lua_rawget(L, names) != LUA_TNIL;
    int number = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (!known) {
        lua_rawgeti(L, names,
                    1); /* how many there are: nil at first; names are strings and never meet it */
        number = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
        lua_pushinteger(L, (lua_Integer)number + 1);
        lua_rawseti(L, names, 1);
        lua_pushvalue(L, -1);
        lua_pushinteger(L, number);
        lua_rawset(L, names);
    }
    lua_pop(L, 1);
    return number;
}
