/* bind_tokenizer: hoi.Tokenizer, by `hoi.tokenizer.open` and `hoi.tokenizer.learn`. Whoever puts a
   hoi_tokenizer into a userdata of the class gives it away. Ids are those of the files, not
   positions: they are not shifted by one. */
#include "core/tokenizer.h"

#include "lua/bind.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char class[] = "hoi.Tokenizer";
static const char memory_class[] = "hoi.Tokenizer.Memory";

/* ------------------------------------------------------------------ what core hands out */

static int memory_free(lua_State *L) {
    void **slot = bind_slot(L, 1, memory_class);
    free(*slot);
    *slot = NULL;
    return 0;
}

/* Pushes a userdata that frees what its slot comes to hold, even when Lua runs out of memory
   meanwhile. */
static void **memory_new(lua_State *L) {
    return bind_new(L, memory_class);
}

/* ------------------------------------------------------------------ arguments */

/* Gets a text as C knows it: without zero bytes. `what` names it in the message. */
static const char *check_text(lua_State *L, int index, int argument, const char *what) {
    size_t size;
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_argerror(
            L, argument,
            lua_pushfstring(L, "%s is a %s, wanted a string", what, luaL_typename(L, index)));
    const char *text = lua_tolstring(L, index, &size);
    if (strlen(text) != size)
        luaL_argerror(
            L, argument,
            lua_pushfstring(L, "%s has a zero byte at its place %d", what, (int)strlen(text) + 1));
    return text;
}

/* Gets the list's texts in an array (pushed); they live as long as the list keeps them. */
static const char **check_texts(lua_State *L, int index, size_t *count) {
    luaL_checktype(L, index, LUA_TTABLE);
    *count = lua_rawlen(L, index);
    const char **texts = lua_newuserdatauv(L, (*count + 1) * sizeof *texts, 0);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        const char *what = lua_pushfstring(L, "text %d", (int)i + 1);
        texts[i] = check_text(L, -2, index, what);
        lua_pop(L, 2);
    }
    return texts;
}

/* Gets the list's ids in an array (pushed). */
static int *check_ids(lua_State *L, int index, int *count) {
    luaL_checktype(L, index, LUA_TTABLE);
    size_t size = lua_rawlen(L, index);
    luaL_argcheck(L, size < INT_MAX, index, "too many ids");
    int *ids = lua_newuserdatauv(L, (size + 1) * sizeof *ids, 0);
    for (size_t i = 0; i < size; i++) {
        int is_integer;
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        lua_Integer id = lua_tointegerx(L, -1, &is_integer);
        if (!is_integer || id < INT_MIN || id > INT_MAX)
            luaL_argerror(L, index,
                          lua_pushfstring(L, "id %d of the list is %s, wanted an integer",
                                          (int)i + 1, luaL_tolstring(L, -1, NULL)));
        ids[i] = (int)id;
        lua_pop(L, 1);
    }
    *count = (int)size;
    return ids;
}

/* ------------------------------------------------------------------ methods */

static int tokenizer_encode(lua_State *L) {
    lua_settop(L, 2);
    const hoi_tokenizer *tokenizer = bind_check(L, 1, class);
    const char *text = check_text(L, 2, 2, "text");
    void **memory = memory_new(L);
    int *ids, count;
    bool ok = hoi_tokenizer_encode(tokenizer, text, &ids, &count);
    *memory = ids;
    if (!ok)
        return bind_raise(L);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushinteger(L, ids[i]);
        lua_rawseti(L, -2, i + 1);
    }
    free(ids);
    *memory = NULL;
    return 1;
}

static int tokenizer_decode(lua_State *L) {
    lua_settop(L, 2);
    const hoi_tokenizer *tokenizer = bind_check(L, 1, class);
    int count;
    const int *ids = check_ids(L, 2, &count);
    void **memory = memory_new(L);
    size_t size;
    char *text = hoi_tokenizer_decode(tokenizer, ids, count, &size);
    *memory = text;
    if (!text)
        return bind_raise(L);
    lua_pushlstring(L, text, size);
    free(text);
    *memory = NULL;
    return 1;
}

static int tokenizer_save(lua_State *L) {
    lua_settop(L, 2);
    const hoi_tokenizer *tokenizer = bind_check(L, 1, class);
    if (!hoi_tokenizer_save(tokenizer, luaL_checkstring(L, 2)))
        return bind_raise(L);
    return 0;
}

static int tokenizer_release(lua_State *L) {
    void **slot = bind_slot(L, 1, class);
    hoi_tokenizer_free(*slot);
    *slot = NULL;
    return 0;
}

/* The field `size`, or a method; methods of a released one are found too, so that each can say what
   it is. */
static int tokenizer_index(lua_State *L) {
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "size") == 0) {
        lua_pushinteger(L, hoi_tokenizer_size(bind_check(L, 1, class)));
        return 1;
    }
    luaL_getmetafield(L, 1, "__methods");
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static int tokenizer_tostring(lua_State *L) {
    const hoi_tokenizer *tokenizer = *bind_slot(L, 1, class);
    if (tokenizer)
        lua_pushfstring(L, "Tokenizer of %d ids", hoi_tokenizer_size(tokenizer));
    else
        lua_pushliteral(L, "Tokenizer (released)");
    return 1;
}

/* ------------------------------------------------------------------ module */

static int open_tokenizer(lua_State *L) {
    lua_settop(L, 1);
    const char *folder = luaL_checkstring(L, 1);
    void **slot = bind_new(L, class);
    *slot = hoi_tokenizer_open(folder);
    return bind_result(L, *slot != NULL);
}

/* memory(vocabulary, merges): from the texts of the two files. */
static int memory_tokenizer(lua_State *L) {
    lua_settop(L, 2);
    const char *vocabulary = luaL_checkstring(L, 1), *merges = luaL_checkstring(L, 2);
    hoi_tokenizer **slot = (hoi_tokenizer **)bind_new(L, "hoi.Tokenizer");
    *slot = hoi_tokenizer_open_memory(vocabulary, merges);
    return bind_result(L, *slot != NULL);
}

static int learn_tokenizer(lua_State *L) {
    static const char *const options[] = {"merges", NULL};
    lua_settop(L, 2);
    bind_options(L, 2, options);
    lua_Integer merges = bind_integer(L, 2, "merges", 512);
    luaL_argcheck(L, merges >= 0 && merges <= INT_MAX, 2, "merges is out of range");
    size_t count;
    const char **texts = check_texts(L, 1, &count);
    void **slot = bind_new(L, class);
    *slot = hoi_tokenizer_learn(texts, count, (int)merges);
    return bind_result(L, *slot != NULL);
}

int luaopen_hoi_tokenizer(lua_State *L);

int luaopen_hoi_tokenizer(lua_State *L) {
    static const luaL_Reg methods[] = {{"encode", tokenizer_encode},
                                       {"decode", tokenizer_decode},
                                       {"save", tokenizer_save},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__index", tokenizer_index}, {"__tostring", tokenizer_tostring}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", open_tokenizer},
                                         {"memory", memory_tokenizer},
                                         {"learn", learn_tokenizer},
                                         {NULL, NULL}};
    bind_class(L, memory_class, NULL, NULL, memory_free);
    bind_class(L, class, methods, metamethods, tokenizer_release);
    luaL_newlib(L, functions);
    return 1;
}
