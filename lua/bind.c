/* bind: classes, options and errors of all bindings. */
#include "lua/bind.h"

#include "core/error.h"

#include <ctype.h>
#include <string.h>

/* ------------------------------------------------------------------ errors */

int bind_raise(lua_State *L) {
    return luaL_error(L, "%s", hoi_error());
}

int bind_result(lua_State *L, bool ok) {
    return ok ? 1 : bind_raise(L);
}

/* ------------------------------------------------------------------ classes */

void bind_class(lua_State *L, const char *name, const luaL_Reg *methods,
                const luaL_Reg *metamethods, lua_CFunction release) {
    if (!luaL_newmetatable(L, name)) {
        lua_pop(L, 1);
        return;
    }
    lua_newtable(L);
    if (methods)
        luaL_setfuncs(L, methods, 0);
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "release");
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_setfield(L, -2, "__methods");
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__close");
    if (metamethods)
        luaL_setfuncs(L, metamethods, 0);
    lua_pop(L, 1);
}

void **bind_new(lua_State *L, const char *name) {
    void **slot = lua_newuserdatauv(L, sizeof *slot, 0);
    *slot = NULL;
    luaL_setmetatable(L, name);
    return slot;
}

void **bind_slot(lua_State *L, int index, const char *name) {
    return luaL_checkudata(L, index, name);
}

void *bind_check(lua_State *L, int index, const char *name) {
    void **slot = bind_slot(L, index, name);
    if (!*slot)
        luaL_argerror(L, index, lua_pushfstring(L, "%s was released", name));
    return *slot;
}

/* ------------------------------------------------------------------ options */

/* Gets how many letters must be changed, added, dropped or swapped with a neighbour (optimal
   string alignment); at most `longest` letters of each word count. */
enum { longest = 63 };

static int distance(const char *a, const char *b) {
    int rows[3][longest + 1], *before = rows[0], *above = rows[1], *row = rows[2];
    int n = (int)strnlen(a, longest), m = (int)strnlen(b, longest);
    for (int j = 0; j <= m; j++)
        above[j] = before[j] = j;
    for (int i = 1; i <= n; i++) {
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            int best = above[j - 1] + (same ? 0 : 1);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        int *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[m];
}

const char *bind_nearest(const char *word, const char *const names[]) {
    const char *nearest = NULL;
    int limit = (int)(strnlen(word, longest) + 1) / 2 +
                1; /* farther than half of the word is no resemblance */
    for (size_t i = 0; names[i]; i++) {
        int d = distance(word, names[i]);
        if (d < limit) {
            limit = d;
            nearest = names[i];
        }
    }
    if (!nearest) /* a part of a name, or a name with something added */
        for (size_t i = 0; names[i] && !nearest; i++)
            if (*word && (strstr(names[i], word) || strstr(word, names[i])))
                nearest = names[i];
    return nearest;
}

const char *bind_push_unknown(lua_State *L, const char *word, const char *const names[]) {
    const char *nearest = bind_nearest(word, names);
    if (nearest)
        return lua_pushfstring(L, "unknown option '%s' (did you mean '%s'?)", word, nearest);
    if (!names[0])
        return lua_pushfstring(L, "unknown option '%s' (there are none here)", word);
    lua_pushfstring(L, "unknown option '%s' (known: %s", word, names[0]);
    for (size_t i = 1; names[i]; i++) {
        lua_pushfstring(L, ", %s", names[i]);
        lua_concat(L, 2);
    }
    lua_pushliteral(L, ")");
    lua_concat(L, 2);
    return lua_tostring(L, -1);
}

void bind_options(lua_State *L, int index, const char *const names[]) {
    if (lua_isnoneornil(L, index))
        return;
    luaL_checktype(L, index, LUA_TTABLE);
    index = lua_absindex(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_argerror(L, index,
                          lua_pushfstring(L, "option names expected as keys, got a %s",
                                          luaL_typename(L, -2)));
        const char *word = lua_tostring(L, -2);
        size_t i = 0;
        while (names[i] && strcmp(names[i], word) != 0)
            i++;
        if (!names[i])
            luaL_error(L, "%s", bind_push_unknown(L, word, names));
        lua_pop(L, 1);
    }
}

/* Pushes the option; its type. The caller pops. */
static int push_option(lua_State *L, int options, const char *key) {
    if (!lua_isnoneornil(L, options))
        return lua_getfield(L, options, key);
    lua_pushnil(L);
    return LUA_TNIL;
}

static int wrong_option(lua_State *L, const char *key, const char *wanted) {
    return luaL_error(L, "option '%s': %s expected, got %s", key, wanted, luaL_typename(L, -1));
}

double bind_number(lua_State *L, int options, const char *key, double fallback) {
    int type = push_option(L, options, key);
    if (type != LUA_TNIL && type != LUA_TNUMBER)
        wrong_option(L, key, "number");
    double value = type == LUA_TNIL ? fallback : lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

lua_Integer bind_integer(lua_State *L, int options, const char *key, lua_Integer fallback) {
    int type = push_option(L, options, key);
    int whole = 1;
    lua_Integer value = type == LUA_TNIL ? fallback : lua_tointegerx(L, -1, &whole);
    if (type != LUA_TNIL && type != LUA_TNUMBER)
        wrong_option(L, key, "integer");
    if (!whole)
        luaL_error(L, "option '%s': integer expected, got %f", key, lua_tonumber(L, -1));
    lua_pop(L, 1);
    return value;
}

bool bind_boolean(lua_State *L, int options, const char *key, bool fallback) {
    int type = push_option(L, options, key);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        wrong_option(L, key, "boolean");
    bool value = type == LUA_TNIL ? fallback : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

const char *bind_string(lua_State *L, int options, const char *key, const char *fallback) {
    int type = push_option(L, options, key);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        wrong_option(L, key, "string");
    const char *value = type == LUA_TNIL ? fallback : lua_tostring(L, -1);
    lua_pop(L, 1);
    return value;
}
