/* json_read: a strict reader (RFC 8259) straight into Lua values: no tree in between to be freed
   when Lua raises, integers of 64 bits, and the place of each error. */
#include "lua/json_read.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

struct reader {
    lua_State *L;
    const char *source, *text, *at, *end;
    int depth;
};

static void read_value(struct reader *reader);

/* ------------------------------------------------------------------ letters */

/* Raises "source:line:column: <what>, found <what is there>". */
static void refuse(const struct reader *reader, const char *what) {
    int line = 1, column = 1;
    for (const char *c = reader->text; c < reader->at; c++) {
        bool is_end = *c == '\n';
        line += is_end;
        column = is_end ? 1 : column + ((*c & 0xC0) != 0x80); /* characters, not bytes */
    }
    size_t left = (size_t)(reader->end - reader->at), shown = 0;
    while (shown < left && shown < 20 && (unsigned char)reader->at[shown] >= ' ')
        shown++;
    lua_State *L = reader->L;
    lua_pushlstring(L, reader->at, shown);
    const char *found = left == 0    ? "the end"
                        : shown == 0 ? "a control character"
                                     : lua_tostring(L, -1);
    lua_pushfstring(L, "%s:%d:%d: %s, found %s", reader->source, line, column, what, found);
    lua_error(L);
}

static void skip_blanks(struct reader *reader) {
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
        reader->at++;
}

/* Gets the next letter; 0 at the end (a zero byte in the text is no JSON either). */
static char peek(const struct reader *reader) {
    return reader->at < reader->end ? *reader->at : '\0';
}

static bool take(struct reader *reader, char letter) {
    bool is_there = peek(reader) == letter;
    reader->at += is_there;
    return is_there;
}

/* ------------------------------------------------------------------ strings */

/* Takes four hexadecimal digits. */
static unsigned read_unit(struct reader *reader) {
    unsigned unit = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        char c = peek(reader);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            refuse(reader, "four hexadecimal digits expected after \\u");
        unit = unit * 16 + digit;
    }
    return unit;
}

static void add_utf8(luaL_Buffer *buffer, unsigned code) {
    if (code < 0x80) {
        luaL_addchar(buffer, (char)code);
        return;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned lead[] = {0, 0xC0, 0xE0, 0xF0};
    luaL_addchar(buffer, (char)(lead[more] | (code >> (6 * more))));
    while (more-- > 0)
        luaL_addchar(buffer, (char)(0x80 | ((code >> (6 * more)) & 0x3F)));
}

/* Takes what follows a backslash. Half of a surrogate pair becomes U+FFFD. */
static void read_escape(struct reader *reader, luaL_Buffer *buffer) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char letter = peek(reader);
    const char *place = letter ? strchr(letters, letter) : NULL;
    if (place) {
        luaL_addchar(buffer, meanings[place - letters]);
        reader->at++;
        return;
    }
    if (!take(reader, 'u'))
        refuse(reader, "one of \" \\ / b f n r t u expected after \\");
    unsigned code = read_unit(reader);
    if (code >= 0xD800 && code < 0xDC00 && reader->end - reader->at >= 6 && reader->at[0] == '\\' &&
        reader->at[1] == 'u') {
        const char *second = reader->at;
        reader->at += 2;
        unsigned low = read_unit(reader);
        if (low >= 0xDC00 && low < 0xE000)
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        else
            reader->at = second;
    }
    add_utf8(buffer, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
}

static void read_string(struct reader *reader) {
    reader->at++; /* the quote */
    luaL_Buffer buffer;
    luaL_buffinit(reader->L, &buffer);
    while (!take(reader, '"')) {
        const char *start = reader->at;
        while (reader->at < reader->end && *reader->at != '"' && *reader->at != '\\' &&
               (unsigned char)*reader->at >= ' ')
            reader->at++;
        luaL_addlstring(&buffer, start, (size_t)(reader->at - start));
        if (take(reader, '\\'))
            read_escape(reader, &buffer);
        else if (peek(reader) != '"')
            refuse(reader, "the text's closing quote expected");
    }
    luaL_pushresult(&buffer);
}

/* ------------------------------------------------------------------ numbers and words */

static size_t take_digits(struct reader *reader) {
    const char *start = reader->at;
    while (peek(reader) >= '0' && peek(reader) <= '9')
        reader->at++;
    return (size_t)(reader->at - start);
}

static void read_number(struct reader *reader) {
    const char *start = reader->at;
    take(reader, '-');
    if (!take(reader, '0') && take_digits(reader) == 0)
        refuse(reader, "a digit expected");
    if (take(reader, '.') && take_digits(reader) == 0)
        refuse(reader, "a digit expected after the point");
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '-'))
            take(reader, '+');
        if (take_digits(reader) == 0)
            refuse(reader, "a digit expected in the exponent");
    }
    char digits[128];
    size_t size = (size_t)(reader->at - start);
    bool fits = size < sizeof digits;
    if (fits) {
        memcpy(digits, start, size);
        digits[size] = '\0';
        fits = lua_stringtonumber(reader->L, digits) && isfinite(lua_tonumber(reader->L, -1));
    }
    if (!fits) {
        reader->at = start;
        refuse(reader, "a number of reasonable size expected");
    }
}

static bool take_word(struct reader *reader, const char *word) {
    size_t size = strlen(word);
    bool is_there =
        (size_t)(reader->end - reader->at) >= size && memcmp(reader->at, word, size) == 0;
    reader->at += is_there ? size : 0;
    return is_there;
}

/* ------------------------------------------------------------------ lists and objects */

static void read_list(struct reader *reader) {
    lua_State *L = reader->L;
    lua_newtable(L);
    skip_blanks(reader);
    if (take(reader, ']')) {
        luaL_setmetatable(L, JSON_ARRAY);
        return;
    }
    for (lua_Integer place = 1;; place++) {
        read_value(reader);
        lua_rawseti(L, -2, place);
        skip_blanks(reader);
        if (take(reader, ']'))
            return;
        if (!take(reader, ','))
            refuse(reader, "',' or ']' expected");
    }
}

static void read_object(struct reader *reader) {
    lua_State *L = reader->L;
    lua_newtable(L);
    skip_blanks(reader);
    if (take(reader, '}'))
        return;
    do {
        skip_blanks(reader);
        if (peek(reader) != '"')
            refuse(reader, "a name in double quotes expected");
        read_string(reader);
        skip_blanks(reader);
        if (!take(reader, ':'))
            refuse(reader, "':' expected");
        read_value(reader);
        if (lua_islightuserdata(L, -1)) { /* null: absent, as it is for Lua */
            lua_pop(L, 1);
            lua_pushnil(L);
        }
        lua_rawset(L, -3);
        skip_blanks(reader);
    } while (take(reader, ','));
    if (!take(reader, '}'))
        refuse(reader, "',' or '}' expected");
}

static void read_nested(struct reader *reader, void (*read)(struct reader *)) {
    if (++reader->depth > json_deepest)
        refuse(reader, "no deeper nesting than 200 levels expected");
    luaL_checkstack(reader->L, 8, "JSON: nested too deep");
    reader->at++; /* the bracket */
    read(reader);
    reader->depth--;
}

static void read_value(struct reader *reader) {
    skip_blanks(reader);
    char letter = peek(reader);
    if (letter == '{')
        read_nested(reader, read_object);
    else if (letter == '[')
        read_nested(reader, read_list);
    else if (letter == '"')
        read_string(reader);
    else if (letter == '-' || (letter >= '0' && letter <= '9'))
        read_number(reader);
    else if (take_word(reader, "true"))
        lua_pushboolean(reader->L, 1);
    else if (take_word(reader, "false"))
        lua_pushboolean(reader->L, 0);
    else if (take_word(reader, "null"))
        lua_pushlightuserdata(reader->L, NULL);
    else
        refuse(reader, "a value expected");
}

void json_read(lua_State *L, const char *text, size_t size, const char *source) {
    struct reader reader = {L, source, text, text, text + size, 0};
    take_word(&reader, "\xEF\xBB\xBF"); /* a byte order mark */
    read_value(&reader);
    skip_blanks(&reader);
    if (reader.at < reader.end)
        refuse(&reader, "nothing more expected");
}
