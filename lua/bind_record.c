/* bind_record: files that tell whether they are whole. Loaded as "hoi.record". */
#include "core/error.h"
#include "core/record.h"
#include "lua/bind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const BYTES = "hoi.RecordBytes"; /* until Lua has its own copy */

static int bytes_release(lua_State *L) {
    void **slot = bind_slot(L, 1, BYTES);
    free(*slot);
    *slot = NULL;
    return 0;
}

/* checksum(bytes): 16 letters. */
static int record_checksum(lua_State *L) {
    size_t n;
    const char *bytes = luaL_checklstring(L, 1, &n);
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, hoi_record_checksum(bytes, n));
    lua_pushstring(L, text);
    return 1;
}

/* save(path, key, bytes) */
static int record_save(lua_State *L) {
    size_t n;
    const char *path = luaL_checkstring(L, 1), *key = luaL_checkstring(L, 2);
    const char *bytes = luaL_checklstring(L, 3, &n);
    return hoi_record_save(path, key, bytes, n) ? 0 : bind_raise(L);
}

/* load(path, key): the bytes; nil where there are none under this key; nil and why when the file is
   damaged or can not be read. */
static int record_load(lua_State *L) {
    lua_settop(L, 2);
    const char *path = luaL_checkstring(L, 1), *key = luaL_checkstring(L, 2);
    unsigned char *bytes = NULL;
    size_t n = 0;
    void **slot = bind_new(L, BYTES);
    hoi_record_state state = hoi_record_load(path, key, &bytes, &n);
    if (state == HOI_RECORD_READ) {
        *slot = bytes;
        lua_pushlstring(L, (const char *)bytes, n);
        *slot = NULL;
        free(bytes);
        return 1;
    }
    lua_pushnil(L);
    if (state != HOI_RECORD_DAMAGED && state != HOI_RECORD_FAILED)
        return 1;
    lua_pushstring(L, hoi_error());
    return 2;
}

int luaopen_hoi_record(lua_State *L);
int luaopen_hoi_record(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"checksum", record_checksum}, {"save", record_save}, {"load", record_load}, {NULL, NULL}};
    bind_class(L, BYTES, NULL, NULL, bytes_release);
    luaL_newlib(L, functions);
    return 1;
}
