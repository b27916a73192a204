/* image_show: pictures in the terminal, or where there is none a file to look at. */
#include "lua/image_show.h"

#include "core/error.h"
#include "core/preview.h"
#include "lua/bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const IMAGE = "hoi.Image";
static const char *const names[] = {"columns", "rows", "kind", NULL};

/* Gets the terminal's size in cells; 80 x 24 where it does not tell. */
static void terminal_size(int *columns, int *rows) {
    struct winsize size;
    bool told = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    *columns = told ? size.ws_col : 80;
    *rows = told ? size.ws_row : 24;
}

static hoi_preview_kind kind_of(lua_State *L, int options) {
    static const char *const kinds[] = {"auto", "blocks", "sixel", "kitty", NULL};
    const char *kind = bind_string(L, options, "kind", "auto");
    int i = 0;
    while (kinds[i] && strcmp(kind, kinds[i]) != 0)
        i++;
    if (!kinds[i])
        luaL_error(L, "option 'kind': auto, blocks, sixel or kitty expected, got '%s'", kind);
    return (hoi_preview_kind)i;
}

static int cells(lua_State *L, int options, const char *key, int fallback) {
    lua_Integer value = bind_integer(L, options, key, fallback);
    return value >= 1 && value <= 1000 ? (int)value : 0; /* 0: refused by hoi_preview */
}

/* Pushes the preview in at most so many cells. */
static int push_preview(lua_State *L, const hoi_image *image, int columns, int rows,
                        hoi_preview_kind kind) {
    char *text;
    size_t n;
    void **slot = bind_new(L, "hoi.ImageBytes"); /* bind_image's: frees them if Lua has no memory */
    if (!hoi_preview(image, columns, rows, kind, &text, &n))
        return bind_raise(L);
    *slot = text;
    lua_pushlstring(L, text, n);
    *slot = NULL;
    free(text);
    lua_remove(L, -2);
    return 1;
}

int image_preview(lua_State *L) {
    int columns, rows;
    lua_settop(L, 2);
    const hoi_image *image = bind_check(L, 1, IMAGE);
    bind_options(L, 2, names);
    terminal_size(&columns, &rows);
    return push_preview(L, image, cells(L, 2, "columns", columns), cells(L, 2, "rows", rows - 1),
                        kind_of(L, 2));
}

/* Writes the picture to a new file; its name goes to standard output. */
static bool show_file(const hoi_image *image) {
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int length =
        snprintf(path, sizeof path, "%s/hoi-XXXXXX.png", folder && *folder ? folder : "/tmp");
    int file = length < (int)sizeof path ? mkstemps(path, 4) : -1;
    if (file < 0)
        return hoi_fail("image: no file for it in %s: %s", folder && *folder ? folder : "/tmp",
                        strerror(errno));
    close(file);
    if (!hoi_image_save(image, path))
        return false;
    puts(path);
    return true;
}

int image_show(lua_State *L) {
    lua_settop(L, 2);
    const hoi_image *image = bind_check(L, 1, IMAGE);
    bind_options(L, 2, names);
    bool asked = kind_of(L, 2) != HOI_PREVIEW_AUTOMATIC;
    if (!asked && (!isatty(STDOUT_FILENO) || !hoi_preview_possible())) {
        if (!show_file(image))
            return bind_raise(L);
    } else {
        size_t n;
        image_preview(L);
        const char *text = lua_tolstring(L, -1, &n);
        fwrite(text, 1, n, stdout);
    }
    fflush(stdout);
    return 0;
}

int image_shown(lua_State *L) {
    enum { most_columns = 60, most_rows = 16 };
    int columns, rows;
    lua_settop(L, 1);
    const hoi_image *image = *bind_slot(L, 1, IMAGE);
    luaL_tolstring(L, 1, NULL);
    if (!image || !isatty(STDOUT_FILENO) || !hoi_preview_possible())
        return 1;
    terminal_size(&columns, &rows);
    lua_pushliteral(L, "\n");
    push_preview(L, image, columns < most_columns ? columns : most_columns,
                 rows / 2 > most_rows ? most_rows
                 : rows / 2 > 1       ? rows / 2
                                      : 1,
                 HOI_PREVIEW_AUTOMATIC);
    size_t n = lua_rawlen(L, -1); /* the REPL ends the line itself */
    lua_pushlstring(L, lua_tostring(L, -1), n - 1);
    lua_remove(L, -2);
    lua_concat(L, 3);
    return 1;
}
