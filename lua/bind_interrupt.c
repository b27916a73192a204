/* bind_interrupt: Ctrl-C. It raises "interrupted!" in Lua at the next instruction; a script may
   hold it to finish its step first, and long C work asks bind_interrupted. */
#include "lua/bind_interrupt.h"

#include <signal.h>

static lua_State *running;             /* whom a signal interrupts */
static volatile sig_atomic_t pending;  /* Ctrl-C came and Lua has not seen it */
static volatile sig_atomic_t holders;  /* open hoi.Interrupt objects */
static volatile sig_atomic_t requests; /* Ctrl-C while held */

bool bind_interrupted(void) {
    return pending != 0;
}

static void forget_hook(lua_State *L) {
    lua_sethook(L, NULL, 0, 0);
    pending = 0;
}

bool bind_interrupt_take(lua_State *L) {
    bool came = pending != 0;
    forget_hook(L);
    return came;
}

static void raise_in_lua(lua_State *L, lua_Debug *where) {
    (void)where;
    forget_hook(L);
    luaL_error(L, "interrupted!");
}

/* A handler must not touch the state: a debug hook, which Lua allows to be set at any moment,
   raises the error. Who does not listen (long C work) is ended by the second Ctrl-C. */
static void on_signal(int number) {
    if (holders && !requests) {
        requests = 1;
        return;
    }
    if (pending) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    pending = 1;
    lua_sethook(running, raise_in_lua, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
                1);
}

void bind_interrupt_start(lua_State *L) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    running = L;
    sigaction(SIGINT, &action, NULL);
}

void bind_interrupt_stop(lua_State *L) {
    signal(SIGINT, SIG_DFL);
    forget_hook(L);
}

/* ------------------------------------------------------------------ hoi.Interrupt */

static const char class_name[] = "hoi.Interrupt";

static int interrupt_requested(lua_State *L) {
    bind_check(L, 1, class_name);
    lua_pushboolean(L, requests != 0);
    return 1;
}

static int interrupt_release(lua_State *L) {
    void **slot = bind_slot(L, 1, class_name);
    if (*slot) {
        *slot = NULL;
        holders--;
        if (!holders)
            requests = 0;
    }
    return 0;
}

/* hoi.interrupt(): from here the first Ctrl-C only answers `requested`. */
static int interrupt_hold(lua_State *L) {
    static int held;
    *bind_new(L, class_name) = &held;
    holders++;
    return 1;
}

int luaopen_hoi_interrupt(lua_State *L) {
    static const luaL_Reg methods[] = {{"requested", interrupt_requested}, {NULL, NULL}};
    bind_class(L, class_name, methods, NULL, interrupt_release);
    lua_pushcfunction(L, interrupt_hold);
    return 1;
}
