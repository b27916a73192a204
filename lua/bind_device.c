/* bind_device: hoi.device: devices, memory, profile. */
#include "lua/bind_device.h"

#include "core/tensor.h" /* launch_probe */

#include <stdlib.h>
#include <time.h>

static const char key = 0;

/* Keeps the device in the registry; closed with the state, after everything that lies on it. */
static int close_device(lua_State *L) {
    hoi_device **slot = lua_touserdata(L, 1);
    if (*slot)
        hoi_device_close(*slot);
    *slot = NULL;
    return 0;
}

static void collect(void *data) {
    lua_gc(data, LUA_GCCOLLECT);
}

static hoi_device **slot_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
    hoi_device **slot = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return slot;
}

static void main_state(lua_State *L, lua_State **main) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    *main = lua_tothread(L, -1);
    lua_pop(L, 1);
}

hoi_device *bind_device(lua_State *L) {
    hoi_device **slot = slot_of(L);
    lua_State *main;
    if (!slot) { /* through require, which makes the slot below */
        lua_getglobal(L, "require");
        lua_pushliteral(L, "hoi.device");
        lua_call(L, 1, 0);
        slot = slot_of(L);
    }
    if (!*slot) {
        *slot = hoi_device_open(NULL, getenv("HOI_PROFILE") != NULL);
        if (!*slot)
            bind_raise(L);
        main_state(L, &main);
        hoi_device_on_pressure(*slot, collect, main);
    }
    return *slot;
}

void bind_pressure(lua_State *L) {
    hoi_device **slot = slot_of(L);
    if (!slot || !*slot)
        return;
    hoi_device_memory memory = hoi_device_memory_now(*slot);
    size_t least = (size_t)256 << 20;
    if (memory.fresh > least && memory.fresh > memory.live / 4) {
        lua_gc(L, LUA_GCCOLLECT);
        hoi_device_collected(*slot);
    }
}

static void set_text(lua_State *L, const char *name, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static int device_text(lua_State *L) {
    lua_getfield(L, 1, "place");
    lua_getfield(L, 1, "name");
    lua_getfield(L, 1, "platform");
    lua_getfield(L, 1, "kind");
    lua_getfield(L, 1, "units");
    lua_getfield(L, 1, "memory");
    lua_pushfstring(L, "%d  %s, %s (%s, %d units, %d MB)", (int)lua_tointeger(L, 2),
                    lua_tostring(L, 3), lua_tostring(L, 4), lua_tostring(L, 5),
                    (int)lua_tointeger(L, 6), (int)(lua_tonumber(L, 7) / 1e6));
    return 1;
}

static void push_device(lua_State *L, const hoi_device_info *info, int place) {
    lua_createtable(L, 0, 8);
    if (place > 0)
        set_integer(L, "place", place);
    set_text(L, "name", info->name);
    set_text(L, "platform", info->platform);
    set_text(L, "version", info->version);
    set_text(L, "driver", info->driver);
    set_text(L, "kind", info->gpu ? "gpu" : info->cpu ? "cpu" : "accelerator");
    set_integer(L, "units", info->units);
    set_integer(L, "memory", (lua_Integer)info->memory);
    set_integer(L, "local_memory", (lua_Integer)info->local_memory);
}

static int devices(lua_State *L) {
    hoi_device_info *list;
    int count;
    lua_settop(L, 0);
    if (!hoi_device_list(&list, &count))
        return bind_raise(L);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; ++i) {
        push_device(L, &list[i], i + 1);
        luaL_setmetatable(L, "hoi.Device");
        lua_rawseti(L, 1, i + 1);
    }
    free(list);
    return 1;
}

static int device(lua_State *L) {
    const char *wish = luaL_optstring(L, 1, NULL);
    hoi_device **slot = slot_of(L);
    if (wish && *slot) {
        if (hoi_device_memory_now(*slot).buffers > 0)
            return luaL_error(
                L, "device: tensors are alive on %s; choose the device before the first one",
                hoi_device_describe(*slot)->name);
        hoi_device_close(*slot);
        *slot = NULL;
    }
    if (wish && setenv("HOI_DEVICE", wish, 1) != 0)
        return luaL_error(L, "device: out of host memory");
    hoi_device *opened = bind_device(L);
    lua_settop(L, 0);
    push_device(L, hoi_device_describe(opened), 0);
    set_text(L, "kernels", hoi_device_kernels(opened));
    return 1;
}

static int memory(lua_State *L) {
    hoi_device **slot = slot_of(L);
    hoi_device_memory now = {0};
    lua_settop(L, 0);
    if (*slot)
        now = hoi_device_memory_now(*slot);
    lua_createtable(L, 0, 4);
    set_integer(L, "live", (lua_Integer)now.live);
    set_integer(L, "peak", (lua_Integer)now.peak);
    set_integer(L, "kept", (lua_Integer)now.kept);
    set_integer(L, "buffers", (lua_Integer)now.buffers);
    return 1;
}

static int trim(lua_State *L) {
    hoi_device **slot = slot_of(L);
    if (*slot)
        hoi_device_trim(*slot);
    return 0;
}

static int finish(lua_State *L) {
    hoi_device **slot = slot_of(L);
    return !*slot || hoi_device_finish(*slot) ? 0 : bind_raise(L);
}

/* rows(): what was profiled since the last call of it: { {kernel=, calls=, milliseconds=,
   gigaflops=} ... } */
static int rows(lua_State *L) {
    hoi_device **slot = slot_of(L);
    hoi_profile_row *list = NULL;
    int count = 0;
    lua_settop(L, 0);
    if (*slot && !hoi_device_profile(*slot, &list, &count))
        return bind_raise(L);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; ++i) {
        lua_createtable(L, 0, 4);
        set_text(L, "kernel", list[i].kernel);
        set_integer(L, "calls", (lua_Integer)list[i].calls);
        lua_pushnumber(L, list[i].milliseconds);
        lua_setfield(L, -2, "milliseconds");
        lua_pushnumber(L, list[i].gigaflops);
        lua_setfield(L, -2, "gigaflops");
        lua_rawseti(L, 1, i + 1);
    }
    free(list);
    if (*slot)
        hoi_device_profile_reset(*slot);
    return 1;
}

/* profiling(on): opens the device anew with a profiling queue where it has none. */
static int profiling(lua_State *L) {
    hoi_device **slot = slot_of(L);
    if (*slot && hoi_device_profiling(*slot)) {
        hoi_device_profile_reset(*slot);
        return 0;
    }
    if (*slot && hoi_device_memory_now(*slot).buffers > 0)
        return luaL_error(L, "profile: the device was opened without it; start hoi with --profile");
    if (*slot)
        hoi_device_close(*slot);
    *slot = NULL;
    if (setenv("HOI_PROFILE", "1", 1) != 0)
        return luaL_error(L, "profile: out of host memory");
    bind_device(L);
    return 0;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* probe({units, milliseconds}): GFLOP/s that multiply-adds in registers reach on so many units
   (all) in about such a time (20). */
static int probe(lua_State *L) {
    static const char *const names[] = {"units", "milliseconds", NULL};
    lua_settop(L, 1);
    bind_options(L, 1, names);
    hoi_device *opened = bind_device(L);
    int all = hoi_device_describe(opened)->units;
    lua_Integer units = bind_integer(L, 1, "units", all);
    double wanted = bind_number(L, 1, "milliseconds", 20.0) * 1e-3, seconds = 0.0, flops;
    if (units < 1 || units > all)
        return luaL_error(L, "probe: option 'units': 1 to %d", all);
    if (!(wanted > 0.0 && wanted <= 10.0))
        return luaL_error(L, "probe: option 'milliseconds': more than 0, at most 10000");
    /* the first launch may build the kernel; then longer and longer ones, until what surrounds a
       launch weighs nothing */
    for (int64_t rounds = 1; seconds < wanted / 2;
         rounds = rounds == 1 ? 4096 : rounds * (seconds < wanted / 64 ? 32 : 2)) {
        if (rounds > INT32_MAX)
            return luaL_error(L, "probe: the device is too fast for so long a time");
        double begun = now();
        if (!launch_probe(opened, (int)units, rounds, &flops) || !hoi_device_finish(opened))
            return bind_raise(L);
        seconds = rounds == 1 ? 0.0 : now() - begun;
    }
    lua_pushnumber(L, flops / seconds * 1e-9);
    return 1;
}

int luaopen_hoi_device(lua_State *L);
int luaopen_hoi_device(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"devices", devices},     {"device", device}, {"memory", memory},
        {"trim", trim},           {"finish", finish}, {"rows", rows},
        {"profiling", profiling}, {"probe", probe},   {NULL, NULL}};
    if (!slot_of(L)) {
        hoi_device **slot = lua_newuserdatauv(L, sizeof *slot, 0);
        *slot = NULL;
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, close_device);
        lua_setfield(L, -2, "__gc");
        lua_setmetatable(L, -2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
    }
    if (luaL_newmetatable(L, "hoi.Device")) {
        lua_pushcfunction(L, device_text);
        lua_setfield(L, -2, "__tostring");
    }
    luaL_newlib(L, functions);
    return 1;
}
