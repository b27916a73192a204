/* bind_line: hoi.Line, the line being edited at a terminal: history and completion, by libedit. */
#include "lua/bind_interrupt.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char class_name[] = "hoi.Line";

enum { remembered_lines = 2000 };

struct line {
    EditLine *editor;
    History *history;
    char *history_file; /* NULL: none */
    char *prompt;       /* of the line being read */
    lua_State *L;       /* who reads: completion runs there */
    int complete;       /* reference of the Lua function, or LUA_NOREF */
};

static char *get_prompt(EditLine *editor) {
    struct line *line = NULL;
    el_get(editor, EL_CLIENTDATA, &line);
    return line->prompt;
}

/* ------------------------------------------------------------------ completion */

static int count_characters(const char *text, size_t size) {
    int count = 0;
    for (size_t i = 0; i < size; i++)
        count += (text[i] & 0xC0) != 0x80; /* not a continuation byte of UTF-8 */
    return count;
}

static size_t common_prefix(const char *a, const char *b) {
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    while (n && (a[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* Prints the candidates (the list on top of the stack) in columns below the line. */
static void show_candidates(lua_State *L, lua_Integer count) {
    int width = 1;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        int characters = count_characters(lua_tostring(L, -1), lua_rawlen(L, -1));
        if (characters > width)
            width = characters;
        lua_pop(L, 1);
    }
    int columns = 78 / (width + 2) > 0 ? 78 / (width + 2) : 1;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        const char *text = lua_tostring(L, -1);
        int gap = width + 2 - count_characters(text, strlen(text));
        printf("%s%s%*s", (i - 1) % columns == 0 ? "\n" : "", text, gap, "");
        lua_pop(L, 1);
    }
    printf("\n");
    fflush(stdout);
}

/* Asks complete(text before the cursor) -> start, list; replaces what is from start on by what all
   have in common. */
static unsigned char complete(EditLine *editor, int key) {
    (void)key;
    struct line *line = NULL;
    el_get(editor, EL_CLIENTDATA, &line);
    lua_State *L = line->L;
    if (line->complete == LUA_NOREF || !lua_checkstack(L, 8))
        return CC_ERROR;
    int top = lua_gettop(L);
    const LineInfo *info = el_line(editor);
    size_t size = (size_t)(info->cursor - info->buffer);
    lua_rawgeti(L, LUA_REGISTRYINDEX, line->complete);
    lua_pushlstring(L, info->buffer, size);
    lua_pushvalue(L, -1);
    lua_insert(L, top + 1); /* kept below, so that the text stays alive */
    unsigned char answer = CC_ERROR;
    if (lua_pcall(L, 1, 2, 0) == LUA_OK && lua_isinteger(L, -2) && lua_istable(L, -1)) {
        const char *text = lua_tostring(L, top + 1);
        lua_Integer start = lua_tointeger(L, -2), count = (lua_Integer)lua_rawlen(L, -1);
        if (start >= 1 && (size_t)start <= size + 1 && count > 0) {
            const char *word = text + start - 1;
            lua_rawgeti(L, -1, 1);
            char *common = strdup(lua_tostring(L, -1));
            lua_pop(L, 1);
            for (lua_Integer i = 2; common && i <= count; i++) {
                lua_rawgeti(L, -1, i);
                common[common_prefix(common, lua_tostring(L, -1))] = 0;
                lua_pop(L, 1);
            }
            if (common && strcmp(common, word) != 0 && *common) {
                el_deletestr(editor, count_characters(word, strlen(word)));
                answer = el_insertstr(editor, common) == 0 ? CC_REFRESH : CC_ERROR;
            } else if (count > 1) {
                show_candidates(L, count);
                answer = CC_REDISPLAY;
            }
            free(common);
        }
    }
    lua_settop(L, top);
    return answer;
}

/* ------------------------------------------------------------------ the class */

static int line_release(lua_State *L) {
    void **slot = bind_slot(L, 1, class_name);
    struct line *line = *slot;
    *slot = NULL;
    if (!line)
        return 0;
    if (line->editor)
        el_end(line->editor);
    if (line->history)
        history_end(line->history);
    luaL_unref(L, LUA_REGISTRYINDEX, line->complete);
    free(line->history_file);
    free(line->prompt);
    free(line);
    return 0;
}

/* line.open{history = file, complete = function}: the editor of standard input. */
static int line_open(lua_State *L) {
    static const char *const names[] = {"history", "complete", NULL};
    lua_settop(L, 1);
    bind_options(L, 1, names);
    const char *file = bind_string(L, 1, "history", NULL);
    void **slot = bind_new(L, class_name);
    struct line *line = calloc(1, sizeof *line);
    if (!line)
        return luaL_error(L, "line: out of memory");
    *slot = line;
    line->complete = LUA_NOREF;
    setlocale(LC_CTYPE, ""); /* libedit edits characters, not bytes */
    HistEvent event;
    line->editor = el_init("hoi", stdin, stdout, stderr);
    line->history = history_init();
    if (!line->editor || !line->history)
        return luaL_error(L, "line: the terminal can not be edited on");
    history(line->history, &event, H_SETSIZE, remembered_lines);
    history(line->history, &event, H_SETUNIQUE, 1);
    if (file) {
        line->history_file = strdup(file);
        history(line->history, &event, H_LOAD, file); /* there is none at the first start */
    }
    if (!lua_isnoneornil(L, 1) && lua_getfield(L, 1, "complete") == LUA_TFUNCTION)
        line->complete = luaL_ref(L, LUA_REGISTRYINDEX);
    el_set(line->editor, EL_CLIENTDATA, line);
    el_set(line->editor, EL_PROMPT, get_prompt);
    el_set(line->editor, EL_EDITOR, "emacs");
    el_set(line->editor, EL_SIGNAL, 0); /* Ctrl-C is ours: the read ends and the line is dropped */
    el_set(line->editor, EL_HIST, history, line->history);
    el_set(line->editor, EL_ADDFN, "hoi-complete", "complete the word", complete);
    el_set(line->editor, EL_BIND, "^I", "hoi-complete", NULL);
    el_set(line->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(line->editor, NULL);
    lua_settop(L, 2);
    return 1;
}

/* line:read(prompt): the line without its end; nil at the end of input; false when Ctrl-C dropped
   it. */
static int line_read(lua_State *L) {
    lua_settop(L, 2);
    struct line *line = bind_check(L, 1, class_name);
    char *prompt = strdup(luaL_optstring(L, 2, "> "));
    if (!prompt)
        return luaL_error(L, "line: out of memory");
    free(line->prompt);
    line->prompt = prompt;
    line->L = L;
    el_resize(line->editor);
    int size = 0;
    errno = 0;
    const char *text = el_gets(line->editor, &size);
    if (bind_interrupt_take(L)) {
        el_reset(line->editor);
        fputs("^C\n", stdout);
        lua_pushboolean(L, 0);
    } else if (!text || size <= 0) {
        lua_pushnil(L);
    } else {
        lua_pushlstring(L, text, (size_t)(size - (text[size - 1] == '\n')));
    }
    return 1;
}

/* line:remember(text): adds it to the history, and to the history file. */
static int line_remember(lua_State *L) {
    struct line *line = bind_check(L, 1, class_name);
    HistEvent event;
    history(line->history, &event, H_ENTER, luaL_checkstring(L, 2));
    if (line->history_file)
        history(line->history, &event, H_SAVE, line->history_file);
    return 0;
}

int luaopen_hoi_line(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"read", line_read}, {"remember", line_remember}, {NULL, NULL}};
    bind_class(L, class_name, methods, NULL, line_release);
    lua_newtable(L);
    lua_pushcfunction(L, line_open);
    lua_setfield(L, -2, "open");
    return 1;
}
