/* main: the program hoi: options, script or REPL, error printing, exit status. */
#include "lua/bind_interrupt.h"
#include "lua/modules.h"

#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { status_ok = 0, status_error = 1, status_usage = 2 };

/* The options by letter or name; `value` tells that one follows. Those with run = true are done in
   their order. */
static const char *const long_options[] = {"--device",  "--devices", "--help", "--profile",
                                           "--version", "-e",        "-l",     "-i",
                                           "-v",        "-W",        "-E",     NULL};

static const char usage_text[] =
    "usage: hoi [options] [script [args]]\n"
    "  -e CODE       run CODE (`hoi` is a global there)\n"
    "  -l NAME       require NAME into the global NAME; -l G=NAME into the global G\n"
    "  -i            enter the REPL after the script\n"
    "  -v            print the version\n"
    "  -W            turn warnings on\n"
    "  -E            ignore environment variables\n"
    "  -             run what comes from standard input\n"
    "  --            no more options\n"
    "  --device X    compute on X: a number of --devices, a part of a name, cpu or gpu (default: "
    "$HOI_DEVICE)\n"
    "  --devices     list the devices\n"
    "  --profile     print the time of each kernel at the end\n"
    "  --help        print this\n"
    "  --version     print the version\n"
    "Without a script: the REPL at a terminal, else what comes from standard input.\n"
    "Exit status: 0 success, 1 error in a script, 2 wrong usage.\n";

static const char version_text[] = "hoi " HOI_VERSION " (" LUA_RELEASE ")";

struct options {
    int script; /* place of the script in argv; argc: none */
    bool interactive, version, help, devices, profile, warnings, bare, code;
    const char *device;
};

/* ------------------------------------------------------------------ errors */

/* Message handler: the message (an object's __tostring counts) and the traceback. */
static int add_traceback(lua_State *L) {
    const char *message = lua_tostring(L, 1);
    if (!message) {
        if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
            message = lua_tostring(L, -1);
        else
            message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    }
    luaL_traceback(L, L, message, 1);
    return 1;
}

static bool report(lua_State *L, int status) {
    if (status == LUA_OK)
        return true;
    const char *message = lua_tostring(L, -1);
    fflush(stdout);
    fprintf(stderr, "hoi: %s\n", message ? message : "(error message is not a string)");
    lua_pop(L, 1);
    return false;
}

/* Calls the function below its `arguments` on the stack; Ctrl-C is an error in it. */
static bool call(lua_State *L, int arguments, int results) {
    int base = lua_gettop(L) - arguments;
    lua_pushcfunction(L, add_traceback);
    lua_insert(L, base);
    bind_interrupt_start(L);
    int status = lua_pcall(L, arguments, results, base);
    bind_interrupt_stop(L);
    lua_remove(L, base);
    return report(L, status);
}

/* Runs the chunk that luaL_load... left on the stack. */
static bool run_loaded(lua_State *L, int status) {
    return status == LUA_OK ? call(L, 0, 0) : report(L, status);
}

/* Puts "<folder of the script>/?.lua" and $HOI_PATH before package.path. */
static void extend_path(lua_State *L, const char *script, bool bare) {
    lua_getglobal(L, "package");
    const char *more = bare ? NULL : getenv("HOI_PATH");
    if (more) {
        lua_getfield(L, -1, "path");
        lua_pushfstring(L, "%s;%s", more, lua_tostring(L, -1));
        lua_setfield(L, -3, "path");
        lua_pop(L, 1);
    }
    if (script) {
        const char *slash = strrchr(script, '/');
        lua_pushlstring(L, script, slash ? (size_t)(slash - script) + 1 : 0);
        lua_getfield(L, -2, "path");
        lua_pushfstring(L, "%s?.lua;%s", slash ? lua_tostring(L, -2) : "./", lua_tostring(L, -1));
        lua_setfield(L, -4, "path");
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

/* ------------------------------------------------------------------ options */

static bool wrong_usage(const char *format, const char *word) {
    fputs("hoi: ", stderr);
    fprintf(stderr, format, word);
    const char *nearest = word[0] == '-' ? bind_nearest(word, long_options) : NULL;
    if (nearest)
        fprintf(stderr, " (did you mean '%s'?)", nearest);
    fputs("\ntry 'hoi --help'\n", stderr);
    return false;
}

/* Gets the length of `name` when the word is "--name" or "--name=value", else 0. */
static size_t matches(const char *word, const char *name) {
    size_t length = strlen(name);
    return strncmp(word, name, length) == 0 && (!word[length] || word[length] == '=') ? length : 0;
}

static bool read_long_option(struct options *options, int argc, char **argv, int *place) {
    const char *word = argv[*place];
    if (matches(word, "--device")) {
        const char *value = strchr(word, '=');
        if (!value && *place + 1 >= argc)
            return wrong_usage("'%s' needs a device", word);
        options->device = value ? value + 1 : argv[++*place];
        return true;
    }
    bool *flag = strcmp(word, "--devices") == 0   ? &options->devices
                 : strcmp(word, "--help") == 0    ? &options->help
                 : strcmp(word, "--profile") == 0 ? &options->profile
                 : strcmp(word, "--version") == 0 ? &options->version
                                                  : NULL;
    if (!flag)
        return wrong_usage("unknown option '%s'", word);
    return *flag = true;
}

/* Reads all options without doing anything; false after a message. */
static bool read_options(struct options *options, int argc, char **argv) {
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            i++;
            break;
        }
        if (word[1] == '-') {
            if (!read_long_option(options, argc, argv, &i))
                return false;
        } else if (word[1] == 'e' || word[1] == 'l') {
            options->code |= word[1] == 'e';
            if (!word[2] && (++i >= argc || (argv[i][0] == '-' && argv[i][1])))
                return wrong_usage("'%s' needs an argument", word);
        } else if (word[2] || !strchr("ivWE", word[1])) {
            return wrong_usage("unknown option '%s'", word);
        } else {
            options->interactive |= word[1] == 'i';
            options->version |= word[1] == 'v';
            options->warnings |= word[1] == 'W';
            options->bare |= word[1] == 'E';
        }
    }
    options->script = i;
    return true;
}

/* ------------------------------------------------------------------ running */

/* Runs code with the global `hoi`, as in the REPL; afterwards the global is what it was, for
   scripts have none. */
static bool run_code(lua_State *L, const char *code) {
    lua_getglobal(L, "hoi");
    lua_getglobal(L, "require");
    lua_pushliteral(L, "hoi");
    if (!call(L, 1, 1)) {
        lua_pop(L, 1);
        return false;
    }
    lua_setglobal(L, "hoi");
    bool ok = run_loaded(L, luaL_loadbuffer(L, code, strlen(code), "=(command line)"));
    lua_setglobal(L, "hoi");
    return ok;
}

/* Does what `-l name` or `-l global=name` asks. */
static bool run_require(lua_State *L, const char *name) {
    const char *equals = strchr(name, '=');
    lua_pushlstring(L, name, equals ? (size_t)(equals - name) : strlen(name));
    lua_getglobal(L, "require");
    lua_pushstring(L, equals ? equals + 1 : name);
    if (!call(L, 1, 1)) {
        lua_pop(L, 1);
        return false;
    }
    lua_setglobal(L, lua_tostring(L, -2));
    lua_pop(L, 1);
    return true;
}

static bool run_commands(lua_State *L, char **argv, int end) {
    for (int i = 1; i < end; i++) {
        if (strcmp(argv[i], "--device") == 0)
            i++;
        if (argv[i][0] != '-' || (argv[i][1] != 'e' && argv[i][1] != 'l'))
            continue;
        bool is_code = argv[i][1] == 'e';
        const char *text = argv[i][2] ? argv[i] + 2 : argv[++i];
        if (is_code ? !run_code(L, text) : !run_require(L, text))
            return false;
    }
    return true;
}

/* Honours LUA_INIT_5_4 or LUA_INIT as lua does: code, or a file name after '@'. */
static bool run_init(lua_State *L) {
    const char *text = getenv("LUA_INIT" LUA_VERSUFFIX);
    if (!text)
        text = getenv("LUA_INIT");
    if (!text)
        return true;
    if (text[0] == '@')
        return run_loaded(L, luaL_loadfile(L, text + 1));
    return run_loaded(L, luaL_loadbuffer(L, text, strlen(text), "=LUA_INIT"));
}

static bool run_script(lua_State *L, int argc, char **argv, int script) {
    const char *name = strcmp(argv[script], "-") == 0 ? NULL : argv[script];
    int status = luaL_loadfile(L, name);
    if (status != LUA_OK)
        return report(L, status);
    luaL_checkstack(L, argc - script, "too many arguments to the script");
    for (int i = script + 1; i < argc; i++)
        lua_pushstring(L, argv[i]);
    return call(L, argc - script - 1, 0);
}

/* Runs a function of an embedded module; its first result, true or false, tells success. */
static bool run_function(lua_State *L, const char *module, const char *function) {
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    if (!call(L, 1, 1))
        return false;
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
    if (!call(L, 0, 1))
        return false;
    bool ok = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return ok;
}

static bool list_devices(lua_State *L) {
    return run_loaded(
        L, luaL_loadstring(L, "for _, device in ipairs(require 'hoi.device'.devices()) do\n"
                              "  print(device)\n"
                              "end"));
}

static void push_arg(lua_State *L, int argc, char **argv, int script) {
    lua_createtable(L, argc, 1);
    int first = script < argc ? script : 0;
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - first);
    }
    lua_setglobal(L, "arg");
}

static bool run(lua_State *L, const struct options *options, int argc, char **argv) {
    bool has_script = options->script < argc;
    if (options->bare) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    }
    luaL_openlibs(L);
    modules_preload(L);
    push_arg(L, argc, argv, options->script);
    bool from_file = has_script && strcmp(argv[options->script], "-") != 0;
    extend_path(L, from_file ? argv[options->script] : NULL, options->bare);
    if (options->warnings)
        lua_warning(L, "@on", 0);
    if (options->version)
        puts(version_text);
    if (!options->bare && !run_init(L))
        return false;
    if (options->devices && !list_devices(L))
        return false;
    if (!run_commands(L, argv, options->script))
        return false;
    if (has_script && !run_script(L, argc, argv, options->script))
        return false;
    bool idle = !has_script && !options->code && !options->version && !options->devices;
    if (options->interactive || (idle && isatty(STDIN_FILENO)))
        return run_function(L, "hoi.repl", "run");
    return !idle || run_loaded(L, luaL_loadfile(L, NULL));
}

int main(int argc, char **argv) {
    struct options options = {.script = argc};
    if (!read_options(&options, argc, argv))
        return status_usage;
    if (options.help) {
        fputs(usage_text, stdout);
        return status_ok;
    }
    if ((options.device && setenv("HOI_DEVICE", options.device, 1) != 0) ||
        (options.profile && setenv("HOI_PROFILE", "1", 1) != 0)) {
        perror("hoi: environment");
        return status_error;
    }
    lua_State *L = luaL_newstate();
    if (!L) {
        fputs("hoi: not enough memory for a Lua state\n", stderr);
        return status_error;
    }
    bool ok = run(L, &options, argc, argv);
    lua_close(L);
    return ok && fflush(stdout) == 0 ? status_ok : status_error;
}
