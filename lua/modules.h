/* modules: what the program and the library hold for require. */
#ifndef HOI_MODULES_H
#define HOI_MODULES_H

#include <lua.h>

/* Fills package.preload with "hoi", "hoi.tensor" and so on: nothing is loaded before somebody
   requires it. */
void modules_preload(lua_State *L);

#endif
