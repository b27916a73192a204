/* bind_optim: hoi.Optimizer. */
#include "core/optim.h"
#include "lua/bind_tensor.h"

#include <string.h>

#define OPTIMIZER "hoi.Optimizer"

static int release(lua_State *L) {
    hoi_optimizer **slot = (hoi_optimizer **)bind_slot(L, 1, OPTIMIZER);
    hoi_optimizer_free(*slot);
    *slot = NULL;
    return 0;
}

/* new(kind, {betas, eps, momentum}) */
static int new_optimizer(lua_State *L) {
    static const char *const names[] = {"beta1", "beta2", "eps", "momentum", NULL};
    lua_settop(L, 2);
    const char *kind = luaL_checkstring(L, 1);
    bind_options(L, 2, names);
    double beta1 = bind_number(L, 2, "beta1", 0.9), beta2 = bind_number(L, 2, "beta2", 0.999);
    double eps = bind_number(L, 2, "eps", 1e-8), momentum = bind_number(L, 2, "momentum", 0.0);
    hoi_optimizer **slot = (hoi_optimizer **)bind_new(L, OPTIMIZER);
    hoi_optimizer *o = *slot = hoi_optimizer_new(strcmp(kind, "sgd") == 0 ? HOI_SGD : HOI_ADAMW);
    if (!o)
        return bind_raise(L);
    o->beta1 = (float)beta1;
    o->beta2 = (float)beta2;
    o->eps = (float)eps;
    o->momentum = (float)momentum;
    return 1;
}

/* add(tensor, rate factor, decay) */
static int add(lua_State *L) {
    hoi_optimizer *o = bind_check(L, 1, OPTIMIZER);
    hoi_tensor *x = bind_tensor(L, 2);
    return hoi_optimizer_add(o, x, (float)luaL_checknumber(L, 3), (float)luaL_checknumber(L, 4))
               ? 0
               : bind_raise(L);
}

/* step(rate, scale, most) */
static int step(lua_State *L) {
    hoi_optimizer *o = bind_check(L, 1, OPTIMIZER);
    float rate = (float)luaL_checknumber(L, 2), scale = (float)luaL_optnumber(L, 3, 1.0);
    return hoi_optimizer_step(o, rate, scale, (float)luaL_optnumber(L, 4, 0.0)) ? 0 : bind_raise(L);
}

static int norm(lua_State *L) {
    float value;
    if (!hoi_optimizer_norm(bind_check(L, 1, OPTIMIZER), &value))
        return bind_raise(L);
    lua_pushnumber(L, (lua_Number)value);
    return 1;
}

/* steps() -> count; steps(n) puts a saved one back */
static int steps(lua_State *L) {
    hoi_optimizer *o = bind_check(L, 1, OPTIMIZER);
    o->steps = luaL_optinteger(L, 2, o->steps);
    lua_pushinteger(L, o->steps);
    return 1;
}

/* state(i) -> first, second (nil for SGD): the running means themselves, to be saved or written */
static int state(lua_State *L) {
    hoi_optimizer *o = bind_check(L, 1, OPTIMIZER);
    lua_Integer i = luaL_checkinteger(L, 2);
    luaL_argcheck(L, i >= 1 && i <= o->count, 2, "no such parameter");
    hoi_slot *slot = &o->slots[i - 1];
    bind_tensor_push(L, hoi_tensor_ref(slot->first));
    if (!slot->second)
        return 1;
    bind_tensor_push(L, hoi_tensor_ref(slot->second));
    return 2;
}

int luaopen_hoi_optim(lua_State *L);
int luaopen_hoi_optim(lua_State *L) {
    static const luaL_Reg methods[] = {{"add", add},     {"step", step},   {"norm", norm},
                                       {"steps", steps}, {"state", state}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"new", new_optimizer}, {NULL, NULL}};
    bind_class(L, OPTIMIZER, methods, NULL, release);
    luaL_newlib(L, functions);
    return 1;
}
