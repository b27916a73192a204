/* image_show: methods of hoi.Image that show it in a terminal. */
#ifndef HOI_IMAGE_SHOW_H
#define HOI_IMAGE_SHOW_H

#include <lua.h>

/* image:preview({ columns, rows, kind }) -> text for a terminal */
int image_preview(lua_State *L);

/* image:show({ columns, rows, kind }): writes the preview to standard output; where that is no
   terminal, or hoi was built without previews, the path of a file with the picture. */
int image_show(lua_State *L);

/* __show(image): what the REPL prints: a line, below it a small preview on a terminal. */
int image_shown(lua_State *L);

#endif
