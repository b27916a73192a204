/* bind: what all bindings share: classes, options, errors. A userdata of ours holds exactly one
   pointer, NULL before it is filled and after release. Each lua/bind_X.c exports `int
   luaopen_hoi_X(lua_State *L)`, loaded by require "hoi.X" (where a lua/X.lua stands beside it,
   that one is "hoi.X" and the binding "hoi.X.core"). The stack rule: lua_settop(L, n) first, read
   all arguments, only then push. */
#ifndef HOI_BIND_H
#define HOI_BIND_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

/* Raises what hoi_fail said, with the Lua position. Never returns; `return bind_raise(L)` reads
   well. */
int bind_raise(lua_State *L);

/* Gets 1 (the value on top is the result) when ok, else raises what hoi_fail said. */
int bind_result(lua_State *L, bool ok);

/* Makes the metatable `name` ("hoi.Image"). __index is a table of the methods unless metamethods
   bring their own; such an __index finds the methods in the metatable's "__methods". __gc, __close
   and the method "release" are the function `release`. Both lists may be NULL and end with {NULL,
   NULL}. Pushes nothing; a second call changes nothing. */
void bind_class(lua_State *L, const char *name, const luaL_Reg *methods,
                const luaL_Reg *metamethods, lua_CFunction release);

/* Pushes a userdata of the class, holding NULL (nothing can leak), and gets its slot. */
void **bind_new(lua_State *L, const char *name);

/* Gets the pointer of the argument; raises "hoi.Image expected, got number" or "hoi.Image was
   released". */
void *bind_check(lua_State *L, int index, const char *name);

/* Gets the slot of the argument, which may hold NULL: for release functions. */
void **bind_slot(lua_State *L, int index, const char *name);

/* Checks that the argument is absent, nil or a table whose keys are all in `names` (ends with
   NULL); raises "unknown option 'sede' (did you mean 'seed'?)" otherwise. */
void bind_options(lua_State *L, int index, const char *const names[]);

/* Readers of one option out of the table at `options` (absent, nil or a table): the value, or the
   fallback when it is nil; a value of another type raises an error that names the key. A string
   lives as long as the table holds it. */
double bind_number(lua_State *L, int options, const char *key, double fallback);
lua_Integer bind_integer(lua_State *L, int options, const char *key, lua_Integer fallback);
bool bind_boolean(lua_State *L, int options, const char *key, bool fallback);
const char *bind_string(lua_State *L, int options, const char *key, const char *fallback);

/* Pushes "unknown option 'sede' (did you mean 'seed'?)", or with all names when none is near; gets
   the text. */
const char *bind_push_unknown(lua_State *L, const char *word, const char *const names[]);

/* Gets the name nearest to a mistyped word, NULL when none is near. */
const char *bind_nearest(const char *word, const char *const names[]);

/* Tells whether Ctrl-C came and Lua has not seen it yet: long C work asks, stops and returns. */
bool bind_interrupted(void);

#endif
