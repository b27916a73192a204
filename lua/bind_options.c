/* bind_options: the strict option tables of functions written in Lua. */
#include "lua/bind.h"

#include <string.h>

/* Collects the names of the table at index 2: its string keys, and the strings in its list part.
   Pushes their array. */
static const char **push_names(lua_State *L) {
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
        count++;
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        int place = lua_type(L, -2) == LUA_TSTRING ? -2 : -1;
        if (lua_type(L, place) == LUA_TSTRING)
            names[i++] = lua_tostring(L, place);
    }
    names[i] = NULL;
    return names;
}

/* options(given, known): a new table: the defaults of `known`, over them what is `given` (nil or a
   table). An unknown name is an error at the place that called our caller. */
static int options_read(lua_State *L) {
    lua_remove(L, 1); /* the module itself, which is called */
    lua_settop(L, 2);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING) {
            lua_pushvalue(L, -2);
            lua_pushvalue(L, -2);
            lua_rawset(L, 3);
        }
    if (lua_isnil(L, 1))
        return 1;
    luaL_where(L, 2);
    if (lua_type(L, 1) != LUA_TTABLE) {
        lua_pushfstring(L, "options: table expected, got %s", luaL_typename(L, 1));
        lua_concat(L, 2);
        return lua_error(L);
    }
    const char **names = push_names(L);
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        const char *word =
            lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_tolstring(L, -2, NULL);
        size_t i = 0;
        while (names[i] && strcmp(names[i], word) != 0)
            i++;
        if (!names[i]) {
            lua_pushvalue(L, 4);
            bind_push_unknown(L, word, names);
            lua_concat(L, 2);
            return lua_error(L);
        }
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 3);
    }
    lua_settop(L, 3);
    return 1;
}

/* options.nearest(word, names): the name that may have been meant; nil when none is near. */
static int options_nearest(lua_State *L) {
    lua_settop(L, 2);
    const char *word = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_pushstring(L, bind_nearest(word, push_names(L)));
    return 1;
}

int luaopen_hoi_options(lua_State *L) {
    lua_newtable(L);
    lua_pushcfunction(L, options_nearest);
    lua_setfield(L, -2, "nearest");
    lua_newtable(L);
    lua_pushcfunction(L, options_read);
    lua_setfield(L, -2, "__call");
    lua_setmetatable(L, -2);
    return 1;
}
