/* fuzz_json: any bytes as JSON, as boxes, classes and annotations are read. Refusing names the
   place; nothing but Lua's own values is left. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "lua/json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int read(lua_State *L) {
    size_t size;
    const char *text = lua_tolstring(L, 1, &size);
    lua_settop(L, 1);
    json_read(L, text, size, "fuzz");
    if (lua_gettop(L) != 2)
        abort();
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    lua_State *L = luaL_newstate();
    if (!L)
        abort();
    luaL_newmetatable(L, JSON_ARRAY);
    lua_pushcfunction(L, read);
    lua_pushlstring(L, (const char *)bytes, size);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK && strncmp(lua_tostring(L, -1), "fuzz:", 5) != 0)
        abort();
    lua_close(L);
    return 0;
}
