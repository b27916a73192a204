/* bind_interrupt: Ctrl-C reaches Lua as an error. See also bind_interrupted in bind.h. */
#ifndef HOI_BIND_INTERRUPT_H
#define HOI_BIND_INTERRUPT_H

#include "lua/bind.h"

/* From here Ctrl-C raises "interrupted!" in the main coroutine of L, and a second one that nobody
   heard ends the program. */
void bind_interrupt_start(lua_State *L);

/* Tells whether Ctrl-C came that Lua has not seen, and forgets it: for who answers it himself
   (line editing). */
bool bind_interrupt_take(lua_State *L);

/* Gives Ctrl-C back to the system. */
void bind_interrupt_stop(lua_State *L);

#endif
