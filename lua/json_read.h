/* json_read: JSON text -> Lua value, with the line and column of what is wrong. */
#ifndef HOI_JSON_READ_H
#define HOI_JSON_READ_H

#include <lua.h>
#include <stddef.h>

/* The metatable of a list that may be empty. */
#define JSON_ARRAY "hoi.json.array"

enum { json_deepest = 200 }; /* levels of nesting */

/* Pushes the value of a text. Whole numbers become integers where they fit; a member that is null
   is absent, an item that is null a light userdata NULL; an empty list gets the metatable
   JSON_ARRAY. Raises "source:line:column: what was expected, found what". */
void json_read(lua_State *L, const char *text, size_t size, const char *source);

#endif
