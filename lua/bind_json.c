/* bind_json: hoi.json: Lua values <-> JSON, in memory and in files. Reading: json_read.c. */
#include "lua/bind.h"
#include "lua/json_read.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { line_length = 100, indent_step = 2 };

/* json.decode(text) */
static int json_decode(lua_State *L) {
    lua_settop(L, 1);
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    json_read(L, text, size, "json");
    return 1;
}

/* ------------------------------------------------------------------ bytes that grow */

static const char text_class[] = "hoi.JsonText";

/* Owned by a userdata, so that a Lua error in the middle frees it. */
struct text {
    char *bytes;
    size_t size, capacity;
    size_t limit; /* more than this is not written any more: the line would be too long */
};

static int text_release(lua_State *L) {
    void **slot = bind_slot(L, 1, text_class);
    struct text *text = *slot;
    *slot = NULL;
    if (text)
        free(text->bytes);
    free(text);
    return 0;
}

/* Gives the bytes back at once; the collector has no idea how many there are. */
static void empty(struct text *text) {
    free(text->bytes);
    text->bytes = NULL;
    text->size = text->capacity = 0;
}

static struct text *push_text(lua_State *L) {
    void **slot = bind_new(L, text_class);
    struct text *text = *slot = calloc(1, sizeof *text);
    if (!text)
        luaL_error(L, "json: out of memory");
    text->limit = SIZE_MAX;
    return text;
}

static void reserve(lua_State *L, struct text *text, size_t more) {
    if (text->capacity - text->size >= more)
        return;
    size_t capacity = text->capacity + text->capacity / 2 + more;
    char *bytes = capacity > text->capacity ? realloc(text->bytes, capacity) : NULL;
    if (!bytes)
        luaL_error(L, "json: out of memory");
    text->bytes = bytes;
    text->capacity = capacity;
}

static bool add(lua_State *L, struct text *text, const char *bytes, size_t size) {
    reserve(L, text, size);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return text->size <= text->limit;
}

static bool add_letters(lua_State *L, struct text *text, const char *letters) {
    return add(L, text, letters, strlen(letters));
}

static bool add_line_end(lua_State *L, struct text *text, int indent) {
    reserve(L, text, (size_t)indent + 1);
    text->bytes[text->size++] = '\n';
    memset(text->bytes + text->size, ' ', (size_t)indent);
    text->size += (size_t)indent;
    return text->size <= text->limit;
}

/* Reads a whole file into a new text on the stack. */
static struct text *push_file(lua_State *L, const char *path) {
    struct text *text = push_text(L);
    FILE *file = fopen(path, "rb");
    if (!file)
        luaL_error(L, "%s: %s", path, strerror(errno));
    size_t got, capacity = 1 << 16;
    bool enough = true;
    do {
        char *bytes =
            text->capacity - text->size > 0 ? text->bytes : realloc(text->bytes, capacity *= 2);
        enough = bytes != NULL;
        if (!enough)
            break;
        text->bytes = bytes;
        text->capacity = capacity;
        got = fread(bytes + text->size, 1, capacity - text->size, file);
        text->size += got;
    } while (got > 0);
    int problem = !enough ? ENOMEM : ferror(file) ? errno : 0;
    fclose(file);
    if (problem)
        luaL_error(L, "%s: %s", path, strerror(problem));
    return text;
}

/* json.load(path) */
static int json_load(lua_State *L) {
    lua_settop(L, 1);
    const char *path = luaL_checkstring(L, 1);
    struct text *text = push_file(L, path);
    json_read(L, text->bytes, text->size, path);
    empty(text);
    return 1;
}

/* ------------------------------------------------------------------ writing */

/* Where we are in the value, for messages. */
struct path {
    const struct path *above;
    const char *name; /* NULL: a place in a list */
    lua_Integer place;
    int depth;
};

static int refuse(lua_State *L, const struct path *path, const char *what) {
    lua_pushliteral(L, "");
    for (; path->above; path = path->above) {
        if (!path->name)
            lua_pushfstring(L, "[%I]", path->place);
        else
            lua_pushfstring(L, "%s%s", path->above->above ? "." : "", path->name);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    const char *place = lua_tostring(L, -1);
    return luaL_error(L, "json: %s%s%s", place, *place ? ": " : "", what);
}

/* Bytes of the UTF-8 character at `at`; 0 when it is none. */
static size_t character_size(const unsigned char *at, size_t left) {
    size_t size = at[0] < 0x80                    ? 1
                  : at[0] >= 0xC2 && at[0] < 0xE0 ? 2
                  : (at[0] & 0xF0) == 0xE0        ? 3
                  : at[0] >= 0xF0 && at[0] < 0xF5 ? 4
                                                  : 0;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    bool too_long = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool outside = (at[0] == 0xED && at[1] >= 0xA0) || (at[0] == 0xF4 && at[1] >= 0x90);
    return too_long || outside ? 0 : size;
}

/* Bytes that are no UTF-8 (file names may hold some) become U+FFFD: the file stays readable. */
static bool write_string(lua_State *L, struct text *text, const char *string, size_t size) {
    add(L, text, "\"", 1);
    for (size_t i = 0; i < size;) {
        unsigned char letter = (unsigned char)string[i];
        size_t bytes = character_size((const unsigned char *)string + i, size - i);
        const char *short_form = letter ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", letter) : NULL;
        if (bytes == 0) {
            add_letters(L, text, "\xEF\xBF\xBD");
            bytes = 1;
        } else if (letter == '"' || letter == '\\' || (letter < 0x20 && short_form)) {
            char escape[2] = {'\\', short_form[1]};
            add(L, text, escape, 2);
        } else if (letter < 0x20 || letter == 0x7F) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", letter);
            add_letters(L, text, escape);
        } else {
            add(L, text, string + i, bytes);
        }
        i += bytes;
    }
    return add(L, text, "\"", 1);
}

/* The fewest digits that give the same number back. */
static bool write_number(lua_State *L, struct text *text, const struct path *path) {
    char digits[40];
    if (lua_isinteger(L, -1)) {
        snprintf(digits, sizeof digits, LUA_INTEGER_FMT, lua_tointeger(L, -1));
        return add_letters(L, text, digits);
    }
    double value = lua_tonumber(L, -1);
    if (!isfinite(value))
        refuse(L, path,
               isnan(value) ? "NaN can not be written" : "an infinite number can not be written");
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    if (!strpbrk(digits, ".e"))
        strcat(digits, ".0");
    return add_letters(L, text, digits);
}

enum shape { list, object };

/* Tells what the table on top is, and how many entries it has. */
static enum shape shape_of(lua_State *L, const struct path *path, lua_Integer *count) {
    lua_Integer names = 0, places = 0, last = 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            names++;
        } else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1) {
            places++;
            last = lua_tointeger(L, -2) > last ? lua_tointeger(L, -2) : last;
        } else {
            refuse(L, path,
                   lua_pushfstring(L, "keys must be names or positions from 1, found %s",
                                   luaL_tolstring(L, -2, NULL)));
        }
    }
    if (names && places)
        refuse(L, path, "a table with both names and positions can not be written");
    if (places != last)
        refuse(L, path,
               lua_pushfstring(
                   L,
                   "a list with holes (%I of %I places filled) can not be written; json.null "
                   "fills one",
                   places, last));
    *count = names + places;
    if (*count || !lua_getmetatable(L, -1))
        return places ? list : object;
    luaL_getmetatable(L, JSON_ARRAY);
    bool is_list = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_list ? list : object;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Pushes the sorted names of the table on top. */
static const char **push_sorted_names(lua_State *L, lua_Integer count) {
    const char **names = lua_newuserdatauv(L, (size_t)count * sizeof *names, 0);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1))
        names[i++] = lua_tostring(L, -2);
    qsort(names, i, sizeof *names, compare_names);
    return names;
}

static bool write_value(lua_State *L, struct text *text, const struct path *path, int indent);

/* Writes the table on top; indent: the spaces before its entries' lines, or -1 for all on one
   line. */
static bool write_table(lua_State *L, struct text *text, const struct path *path, int indent) {
    lua_Integer count;
    enum shape shape = shape_of(L, path, &count);
    if (count == 0)
        return add_letters(L, text, shape == list ? "[]" : "{}");
    int inside = indent < 0 ? -1 : indent + indent_step;
    const char **names = shape == object ? push_sorted_names(L, count) : NULL;
    int table = shape == object ? -2 : -1;
    bool fits = add(L, text, shape == list ? "[" : "{", 1);
    for (lua_Integer i = 0; i < count && fits; i++) {
        if (i)
            fits = add_letters(L, text, inside < 0 ? ", " : ",");
        if (inside >= 0)
            fits = add_line_end(L, text, inside);
        struct path here = {path, names ? names[i] : NULL, i + 1, path->depth + 1};
        if (names) {
            lua_pushstring(L, names[i]);
            write_string(L, text, lua_tostring(L, -1), lua_rawlen(L, -1));
            fits = add(L, text, ": ", 2);
            lua_rawget(L, table - 1);
        } else {
            lua_rawgeti(L, table, i + 1);
        }
        fits = fits && write_value(L, text, &here, inside);
        lua_pop(L, 1);
    }
    if (inside >= 0)
        add_line_end(L, text, indent);
    if (names)
        lua_pop(L, 1);
    return fits && add(L, text, shape == list ? "]" : "}", 1);
}

/* Writes a table on one line when it is short, else an entry a line. */
static bool write_pretty(lua_State *L, struct text *text, const struct path *path, int indent) {
    size_t start = text->size, limit = text->limit;
    text->limit = start + (size_t)(indent < line_length - 20 ? line_length - indent : 20);
    bool short_enough = write_table(L, text, path, -1);
    text->limit = limit;
    if (short_enough)
        return true;
    text->size = start;
    return write_table(L, text, path, indent);
}

static bool write_value(lua_State *L, struct text *text, const struct path *path, int indent) {
    if (path->depth > json_deepest)
        luaL_error(L, "json: nested deeper than %d levels (does a table contain itself?)",
                   json_deepest);
    luaL_checkstack(L, 8, "json: nested too deep");
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        return indent < 0 ? write_table(L, text, path, -1) : write_pretty(L, text, path, indent);
    case LUA_TSTRING:
        return write_string(L, text, lua_tostring(L, -1), lua_rawlen(L, -1));
    case LUA_TNUMBER:
        return write_number(L, text, path);
    case LUA_TBOOLEAN:
        return add_letters(L, text, lua_toboolean(L, -1) ? "true" : "false");
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, -1))
            return add_letters(L, text, "null");
        break;
    case LUA_TNIL:
        return add_letters(L, text, "null");
    default:
        break;
    }
    const char *kind = luaL_getmetafield(L, -1, "__name") == LUA_TSTRING ? lua_tostring(L, -1)
                                                                         : luaL_typename(L, -1);
    refuse(L, path, lua_pushfstring(L, "a %s can not be written", kind));
    return false;
}

/* Pushes the JSON of the value at `index`. */
static struct text *push_json(lua_State *L, int index, bool pretty) {
    struct text *text = push_text(L);
    struct path root = {NULL, NULL, 0, 0};
    lua_pushvalue(L, index);
    write_value(L, text, &root, pretty ? 0 : -1);
    lua_pop(L, 1);
    return text;
}

static bool read_pretty(lua_State *L, int index, bool fallback) {
    static const char *const names[] = {"pretty", NULL};
    bind_options(L, index, names);
    return bind_boolean(L, index, "pretty", fallback);
}

/* json.encode(value, {pretty = false}) */
static int json_encode(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    struct text *text = push_json(L, 1, read_pretty(L, 2, false));
    lua_pushlstring(L, text->bytes, text->size);
    empty(text);
    return 1;
}

/* json.save(path, value, {pretty = true}): under another name first, so that the file is the old
   or the new one, whole. */
static int json_save(lua_State *L) {
    lua_settop(L, 3);
    const char *path = luaL_checkstring(L, 1);
    luaL_argexpected(L, !lua_isnil(L, 2), 2, "value");
    struct text *text = push_json(L, 2, read_pretty(L, 3, true));
    add(L, text, "\n", 1);
    const char *draft = lua_pushfstring(L, "%s.%d.tmp", path, (int)getpid());
    FILE *file = fopen(draft, "wb");
    if (!file)
        return luaL_error(L, "%s: %s", path, strerror(errno));
    bool ok = fwrite(text->bytes, 1, text->size, file) == text->size && fflush(file) == 0 &&
              fsync(fileno(file)) == 0;
    int problem = ok ? 0 : errno;
    if (fclose(file) != 0 && !problem)
        problem = errno;
    if (!problem && rename(draft, path) != 0)
        problem = errno;
    empty(text);
    if (problem) {
        remove(draft);
        return luaL_error(L, "%s: %s", path, strerror(problem));
    }
    return 0;
}

/* json.array(list): marks a list (a new one without argument), so that it is written as [] when it
   is empty. */
static int json_array(lua_State *L) {
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_setmetatable(L, JSON_ARRAY);
    return 1;
}

int luaopen_hoi_json(lua_State *L) {
    static const luaL_Reg functions[] = {{"decode", json_decode}, {"encode", json_encode},
                                         {"load", json_load},     {"save", json_save},
                                         {"array", json_array},   {NULL, NULL}};
    bind_class(L, text_class, NULL, NULL, text_release);
    luaL_newmetatable(L, JSON_ARRAY);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
