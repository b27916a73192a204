/* detection: what the bindings of detections, pairs and meters read out of Lua tables: boxes,
   lists, object names. All raise Lua errors; what they need meanwhile belongs to the collector, so
   that nothing leaks. */
#ifndef HOI_DETECTION_H
#define HOI_DETECTION_H

#include <lua.h>
#include <stddef.h>

/* Pushes memory for count * size bytes, which the collector frees, whatever error comes. */
void *detection_scratch(lua_State *L, size_t count, size_t size);

/* Gets the length of the list at a positive index; `what` names it in the error for another
   value. */
int detection_list(lua_State *L, int index, const char *what);

/* Reads the box {x1, y1, x2, y2} on top of the stack and pops it. The error: "<what> <number>:
   <key> must be ...", without number when it is 0. */
void detection_box(lua_State *L, const char *what, int number, const char *key, float *box);

/* Replaces the object name on top of the stack by its one spelling ("tv monitor" by "tv"): see
   targets.lua. */
void detection_name(lua_State *L);

/* Pops the object name on top of the stack and gets its number 0, 1, ... in the table at `names`,
   which gives them out in the order of appearance: one number for all spellings. `names` starts as
   an empty table. */
int detection_number(lua_State *L, int names);

#endif
