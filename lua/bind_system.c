/* bind_system: what Lua's own library lacks: a steady clock, folders, the terminal. */
#include "lua/bind.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* now(): seconds of a clock that only goes forward. */
static int system_now(lua_State *L) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    lua_pushnumber(L, (double)time.tv_sec + 1e-9 * (double)time.tv_nsec);
    return 1;
}

/* terminal(name): whether "stdin", "stdout" or "stderr" is one; and its columns (80 when it does
   not tell). */
static int system_terminal(lua_State *L) {
    static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
    int descriptor = luaL_checkoption(L, 1, "stderr", names);
    struct winsize size;
    lua_pushboolean(L, isatty(descriptor));
    lua_pushinteger(L, ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                                    : 80);
    return 2;
}

/* kind(path): "file", "folder" or "other"; nil when there is nothing. */
static int system_kind(lua_State *L) {
    struct stat info;
    if (stat(luaL_checkstring(L, 1), &info) != 0)
        lua_pushnil(L);
    else
        lua_pushstring(L, S_ISDIR(info.st_mode)   ? "folder"
                          : S_ISREG(info.st_mode) ? "file"
                                                  : "other");
    return 1;
}

/* stamp(path): a text that changes with the file: its size and the time of its last change. */
static int system_stamp(lua_State *L) {
    struct stat info;
    const char *path = luaL_checkstring(L, 1);
    if (stat(path, &info) != 0)
        return luaL_error(L, "%s: %s", path, strerror(errno));
    char text[96];
    snprintf(text, sizeof text, "%lld %lld.%09ld", (long long)info.st_size,
             (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    lua_pushstring(L, text);
    return 1;
}

/* list(folder): the names in it, sorted, without those that begin with a dot; nil and the reason
   when it can not be read. */
static int keep(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int system_list(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct dirent **entries;
    lua_newtable(L);
    int count = scandir(path, &entries, keep, alphasort);
    if (count < 0) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", path, strerror(errno));
        return 2;
    }
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, entries[i]->d_name);
        lua_rawseti(L, -2, i + 1);
        free(entries[i]);
    }
    free(entries);
    return 1;
}

/* make_folder(path): makes it and those above it; no harm when it is there. */
static int system_make_folder(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    for (const char *end = path;;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        lua_pushlstring(L, path, (size_t)(end - path));
        if (mkdir(lua_tostring(L, -1), 0777) != 0 && errno != EEXIST)
            return luaL_error(L, "%s: %s", lua_tostring(L, -1), strerror(errno));
        lua_pop(L, 1);
        if (!end[strspn(end, "/")])
            break;
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return luaL_error(L, "%s: there is a file of this name, a folder was wanted", path);
    return 0;
}

int luaopen_hoi_system(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"now", system_now},   {"terminal", system_terminal},       {"kind", system_kind},
        {"list", system_list}, {"make_folder", system_make_folder}, {"stamp", system_stamp},
        {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushliteral(L, HOI_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
