/* bind_weights: open files of named arrays, as other bindings take and give them. */
#ifndef HOI_BIND_WEIGHTS_H
#define HOI_BIND_WEIGHTS_H

#include "core/weights.h"
#include "lua/bind.h"

#define HOI_WEIGHTS "hoi.Weights"

/* Pushes what `open` gives for `text` (a path or name): raises what hoi_fail said when that is NULL.
 */
int bind_weights_push(lua_State *L, hoi_weights *(*open)(const char *text), const char *text);

#endif
