/* bind_tensor: hoi.Tensor: making, reading, arithmetic, and every operation as a method. Dimensions
   and places are 1-based here, negative ones count from the end; below this file they are 0-based.
   */
#include "lua/bind_tensor.h"

#include "core/error.h"
#include "core/ops.h"
#include "core/random.h"

#include <stdlib.h>
#include <string.h>

/* ---- taking and giving ---- */

hoi_tensor *bind_tensor(lua_State *L, int index) {
    return bind_check(L, index, HOI_TENSOR);
}

hoi_tensor *bind_tensor_or_nil(lua_State *L, int index) {
    return lua_isnoneornil(L, index) ? NULL : bind_tensor(L, index);
}

hoi_tensor *bind_tensor_option(lua_State *L, int options, const char *key) {
    hoi_tensor *x = NULL;
    if (!lua_istable(L, options))
        return NULL;
    if (lua_getfield(L, options, key) != LUA_TNIL) {
        void **slot = luaL_testudata(L, -1, HOI_TENSOR);
        if (!slot || !*slot)
            luaL_error(L, "option '%s': a tensor is wanted, got %s", key, luaL_typename(L, -1));
        x = *slot;
    }
    lua_pop(L, 1);
    return x;
}

hoi_tensor **bind_tensor_slot(lua_State *L) {
    bind_pressure(L);
    return (hoi_tensor **)bind_new(L, HOI_TENSOR);
}

int bind_tensor_push(lua_State *L, hoi_tensor *x) {
    if (!x)
        return bind_raise(L);
    if (luaL_getmetatable(L, HOI_TENSOR) ==
        LUA_TNIL) { /* the first tensor may come out of a file */
        lua_getglobal(L, "require");
        lua_pushliteral(L, "hoi.tensor");
        lua_call(L, 1, 0);
    }
    lua_pop(L, 1);
    *bind_new(L, HOI_TENSOR) = x; /* x leaks if this runs out of memory: the program ends then */
    return 1;
}

void *bind_memory(lua_State *L, size_t bytes) {
    return lua_newuserdatauv(L, bytes > 0 ? bytes : 1, 0);
}

/* Pushes the result of a finished operation. */
int bind_tensor_give(lua_State *L, hoi_tensor *x) {
    bind_tensor_push(L, x);
    bind_pressure(L);
    return 1;
}

int bind_shape(lua_State *L, int index, int64_t shape[HOI_RANK]) {
    bool list = lua_istable(L, index);
    int rank = list ? (int)luaL_len(L, index) : lua_gettop(L) - index + 1;
    if (rank > HOI_RANK)
        return luaL_error(L, "a shape of %d sizes; at most %d", rank, HOI_RANK);
    for (int i = 0; i < rank; ++i) {
        if (list)
            lua_rawgeti(L, index, i + 1);
        else
            lua_pushvalue(L, index + i);
        int exact;
        shape[i] = lua_tointegerx(L, -1, &exact);
        if (!exact)
            luaL_error(L, "a shape is a list of integers; size %d is a %s", i + 1,
                       luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    return rank;
}

/* A dimension as a Lua user counts: 1.., or negative from the end. Gets it 0-based. */
int bind_dimension(lua_State *L, int index, const hoi_tensor *x) {
    lua_Integer d = luaL_checkinteger(L, index);
    lua_Integer at = d < 0 ? x->rank + d : d - 1;
    if (at < 0 || at >= x->rank)
        luaL_error(L, "dimension %I of a tensor of rank %d", (LUAI_UACINT)d, x->rank);
    return (int)at;
}

/* ---- random numbers: one seed, keys counted ---- */

static const char generator_key = 0;
typedef struct generator {
    uint64_t seed, count;
} generator;

static generator *generator_of(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &generator_key) != LUA_TUSERDATA) {
        lua_pop(L, 1);
        generator *made = lua_newuserdatauv(L, sizeof *made, 0);
        *made = (generator){66, 0};
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &generator_key);
    }
    generator *g = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return g;
}

uint64_t bind_random_key(lua_State *L) {
    generator *g = generator_of(L);
    return hoi_mix(hoi_mix(g->seed) ^ ++g->count);
}

/* seed(n): also math.random; seed(n, count): puts a saved state back; seed() -> n, count */
static int seed(lua_State *L) {
    generator *g = generator_of(L);
    if (lua_isnoneornil(L, 1)) {
        lua_pushinteger(L, (lua_Integer)g->seed);
        lua_pushinteger(L, (lua_Integer)g->count);
        return 2;
    }
    g->seed = (uint64_t)luaL_checkinteger(L, 1);
    g->count = (uint64_t)luaL_optinteger(L, 2, 0);
    lua_getglobal(L, "math");
    if (lua_istable(L, -1) && lua_getfield(L, -1, "randomseed") == LUA_TFUNCTION) {
        lua_pushinteger(L, (lua_Integer)(g->seed + g->count));
        lua_call(L, 1, 0);
    }
    return 0;
}

/* ---- making ---- */

/* Reads nested lists at the top of the stack into values; checks that they are a box. */
static void read_list(lua_State *L, int depth, int rank, const int64_t *shape, float *values,
                      size_t *at) {
    if (depth == rank) {
        int number;
        values[(*at)++] = (float)lua_tonumberx(L, -1, &number);
        if (!number)
            luaL_error(L, "tensor: numbers are wanted in the lists, one is a %s",
                       luaL_typename(L, -1));
        return;
    }
    if (!lua_istable(L, -1) || (int64_t)luaL_len(L, -1) != shape[depth])
        luaL_error(L, "tensor: lists of one length are wanted at each depth: %d at depth %d",
                   (int)shape[depth], depth + 1);
    luaL_checkstack(L, 4, "tensor");
    for (int64_t i = 1; i <= shape[depth]; ++i) {
        lua_rawgeti(L, -1, i);
        read_list(L, depth + 1, rank, shape, values, at);
        lua_pop(L, 1);
    }
}

/* Reads a number or nested lists at `index`; the values' memory is on top of the stack afterwards.
   */
static float *nested(lua_State *L, int index, int *rank, int64_t shape[HOI_RANK]) {
    size_t count = 1, at = 0;
    int top = lua_gettop(L);
    *rank = 0;
    lua_pushvalue(L, index);
    while (lua_istable(L, -1)) {
        if (*rank == HOI_RANK)
            luaL_error(L, "tensor: lists nested deeper than %d", HOI_RANK);
        shape[*rank] = (int64_t)luaL_len(L, -1);
        count *= (size_t)shape[(*rank)++];
        lua_rawgeti(L, -1, 1);
    }
    lua_settop(L, top);
    float *values = bind_memory(L, count * sizeof *values);
    lua_pushvalue(L, index);
    if (count > 0)
        read_list(L, 0, *rank, shape, values, &at);
    lua_pop(L, 1);
    return values;
}

static int tensor(lua_State *L) {
    int rank;
    int64_t shape[HOI_RANK];
    lua_settop(L, 2);
    if (lua_type(L, 1) == LUA_TSTRING) { /* tensor(bytes, shape): packed floats */
        size_t size;
        const char *bytes = lua_tolstring(L, 1, &size);
        int64_t count = 1;
        rank = bind_shape(L, 2, shape);
        for (int i = 0; i < rank; ++i)
            count *= shape[i];
        if (count < 0 || (size_t)count * sizeof(float) != size)
            return luaL_error(L, "tensor: %I bytes for %I floats", (LUAI_UACINT)size,
                              (LUAI_UACINT)count);
        float *values = bind_memory(L, size);
        memcpy(values, bytes, size);
        return bind_tensor_give(L, hoi_tensor_from(bind_device(L), rank, shape, values));
    }
    lua_settop(L, 1);
    luaL_argexpected(L, lua_isnumber(L, 1) || lua_istable(L, 1), 1, "number or nested lists");
    float *values = nested(L, 1, &rank, shape);
    return bind_tensor_give(L, hoi_tensor_from(bind_device(L), rank, shape, values));
}

static int full(lua_State *L) {
    int64_t shape[HOI_RANK];
    float value = (float)luaL_checknumber(L, 1);
    int rank = bind_shape(L, 2, shape);
    return bind_tensor_give(L, hoi_tensor_full(bind_device(L), rank, shape, value));
}

static int zeros(lua_State *L) {
    int64_t shape[HOI_RANK];
    int rank = bind_shape(L, 1, shape);
    return bind_tensor_give(L, hoi_tensor_full(bind_device(L), rank, shape, 0.0f));
}

static int ones(lua_State *L) {
    int64_t shape[HOI_RANK];
    int rank = bind_shape(L, 1, shape);
    return bind_tensor_give(L, hoi_tensor_full(bind_device(L), rank, shape, 1.0f));
}

static int randn(lua_State *L) {
    static const char *const names[] = {"mean", "deviation", NULL};
    int64_t shape[HOI_RANK];
    luaL_checktype(L, 1, LUA_TTABLE);
    bind_options(L, 2, names);
    int rank = bind_shape(L, 1, shape);
    return bind_tensor_give(L, hoi_tensor_random(bind_device(L), rank, shape, HOI_NORMAL,
                                                 bind_random_key(L),
                                                 (float)bind_number(L, 2, "mean", 0.0),
                                                 (float)bind_number(L, 2, "deviation", 1.0)));
}

static int uniform(lua_State *L) {
    static const char *const names[] = {"low", "high", NULL};
    int64_t shape[HOI_RANK];
    luaL_checktype(L, 1, LUA_TTABLE);
    bind_options(L, 2, names);
    int rank = bind_shape(L, 1, shape);
    return bind_tensor_give(L, hoi_tensor_random(bind_device(L), rank, shape, HOI_UNIFORM,
                                                 bind_random_key(L),
                                                 (float)bind_number(L, 2, "low", 0.0),
                                                 (float)bind_number(L, 2, "high", 1.0)));
}

static int is_tensor(lua_State *L) {
    lua_pushboolean(L, luaL_testudata(L, 1, HOI_TENSOR) != NULL);
    return 1;
}

/* ---- reading ---- */

static float *host_values(lua_State *L, hoi_tensor *x) {
    float *values = bind_memory(L, (size_t)hoi_tensor_count(x) * sizeof *values);
    if (!hoi_tensor_read(x, values))
        bind_raise(L);
    return values;
}

static int item(lua_State *L) {
    float value;
    char text[96];
    hoi_tensor *x = bind_tensor(L, 1);
    if (hoi_tensor_count(x) != 1)
        return luaL_error(L, "item: a single value is wanted, this tensor is %s",
                          hoi_shape_text(x->rank, x->shape, text));
    if (!hoi_tensor_read(x, &value))
        return bind_raise(L);
    lua_pushnumber(L, (lua_Number)value);
    return 1;
}

static void push_nested(lua_State *L, int depth, const hoi_tensor *x, const float *values,
                        size_t *at) {
    if (depth == x->rank) {
        lua_pushnumber(L, (lua_Number)values[(*at)++]);
        return;
    }
    luaL_checkstack(L, 4, "totable");
    lua_createtable(L, (int)x->shape[depth], 0);
    for (int64_t i = 1; i <= x->shape[depth]; ++i) {
        push_nested(L, depth + 1, x, values, at);
        lua_rawseti(L, -2, i);
    }
}

static int totable(lua_State *L) {
    size_t at = 0;
    hoi_tensor *x = bind_tensor(L, 1);
    const float *values = host_values(L, x);
    push_nested(L, 0, x, values, &at);
    return 1;
}

/* bytes() -> string of packed floats */
static int bytes(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    const float *values = host_values(L, x);
    lua_pushlstring(L, (const char *)values, (size_t)hoi_tensor_count(x) * sizeof *values);
    return 1;
}

/* write(values): overwrites a leaf in place with a tensor, nested lists or packed bytes of the same
   count. */
static int write(lua_State *L) {
    lua_settop(L, 2);
    hoi_tensor *x = bind_tensor(L, 1);
    const float *values = NULL;
    int64_t count = hoi_tensor_count(x), given = -1;
    if (x->node)
        return luaL_error(L, "write: only a leaf can be overwritten, this tensor was computed");
    if (luaL_testudata(L, 2, HOI_TENSOR)) {
        hoi_tensor *from = bind_tensor(L, 2);
        given = hoi_tensor_count(from);
        values = host_values(L, from);
    } else if (lua_type(L, 2) == LUA_TSTRING) {
        size_t size;
        const char *text = lua_tolstring(L, 2, &size);
        given = (int64_t)(size / sizeof *values);
        float *copy = bind_memory(L, size);
        memcpy(copy, text, size);
        values = copy;
    } else {
        int rank;
        int64_t shape[HOI_RANK];
        values = nested(L, 2, &rank, shape);
        given = 1;
        for (int i = 0; i < rank; ++i)
            given *= shape[i];
    }
    if (given != count)
        return luaL_error(L, "write: %I values for %I", (LUAI_UACINT)given, (LUAI_UACINT)count);
    if (!hoi_tensor_write(x, values))
        return bind_raise(L);
    lua_settop(L, 1);
    return 1;
}

static int size(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    lua_pushinteger(L, (lua_Integer)x->shape[bind_dimension(L, 2, x)]);
    return 1;
}

static int count(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)hoi_tensor_count(bind_tensor(L, 1)));
    return 1;
}

static int detach(lua_State *L) {
    return bind_tensor_give(L, hoi_tensor_detach(bind_tensor(L, 1)));
}

/* float(): x as F32, x itself where it is. */
static int to_float(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    if (x->dtype == HOI_F32) {
        lua_settop(L, 1);
        return 1;
    }
    const float *values = host_values(L, x);
    return bind_tensor_give(L, hoi_tensor_from(bind_device(L), x->rank, x->shape, values));
}

/* ---- gradients ---- */

/* train(on): marks a leaf as trainable; returns it. */
static int train(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    bool on = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    if (x->node)
        return luaL_error(
            L,
            "train: only a leaf can be trained, this tensor was computed; use :detach():train()");
    if (on && x->dtype != HOI_F32)
        return luaL_error(L, "train: stored as %s; use :float():train()", hoi_dtype_name(x->dtype));
    x->trainable = on;
    if (!on) {
        hoi_tensor_free(x->grad);
        x->grad = NULL;
    }
    lua_settop(L, 1);
    return 1;
}

static int backward(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1), *from = bind_tensor_or_nil(L, 2);
    return hoi_backward(x, from) ? 0 : bind_raise(L);
}

static int clear(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    hoi_tensor_free(x->grad);
    x->grad = NULL;
    lua_settop(L, 1);
    return 1;
}

/* ---- checkpoint: a Lua function that backward runs again ---- */

typedef struct replay {
    lua_State *L;
    int function;
    generator start;
} replay;

static int call_block(lua_State *L) {
    lua_call(L, lua_gettop(L) - 1, 1);
    bind_check(L, -1, HOI_TENSOR);
    return 1;
}

static hoi_tensor *replay_run(void *context, hoi_tensor *const *inputs, int count, bool again) {
    (void)again;
    replay *r = context;
    lua_State *L = r->L;
    generator *g = generator_of(L), now = *g;
    hoi_tensor *y = NULL;
    int top = lua_gettop(L);
    *g = r->start; /* the same dropout both times */
    lua_pushcfunction(L, call_block);
    lua_rawgeti(L, LUA_REGISTRYINDEX, r->function);
    for (int i = 0; i < count; ++i)
        bind_tensor_push(L, hoi_tensor_ref(inputs[i]));
    if (lua_pcall(L, count + 1, 1, 0) == LUA_OK)
        y = hoi_tensor_ref(*(hoi_tensor **)lua_touserdata(L, -1));
    else
        hoi_fail("checkpoint: %s",
                 lua_tostring(L, -1) ? lua_tostring(L, -1) : "an error that is no string");
    if (now.count > g->count || now.seed != g->seed)
        *g = now;
    lua_settop(L, top);
    return y;
}

static void replay_drop(void *context) {
    replay *r = context;
    luaL_unref(r->L, LUA_REGISTRYINDEX, r->function);
    free(r);
}

/* checkpoint(f, x, ...) -> f(x, ...) whose inside is not kept */
static int checkpoint(lua_State *L) {
    hoi_tensor *inputs[HOI_INPUTS];
    int count = lua_gettop(L) - 1;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_argcheck(L, count >= 1 && count <= HOI_INPUTS, 2, "one to eight tensors are wanted");
    for (int i = 0; i < count; ++i)
        inputs[i] = bind_tensor(L, i + 2);
    hoi_block *block = malloc(sizeof *block);
    replay *r = malloc(sizeof *r);
    if (!block || !r) {
        free(block);
        free(r);
        return luaL_error(L, "checkpoint: out of host memory");
    }
    lua_pushvalue(L, 1);
    lua_State *main = L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    main = lua_tothread(L, -1);
    lua_pop(L, 1);
    *r = (replay){main, luaL_ref(L, LUA_REGISTRYINDEX), *generator_of(L)};
    *block = (hoi_block){replay_run, replay_drop, r};
    return bind_tensor_give(L, hoi_checkpoint(block, inputs, count));
}

/* ---- the class ---- */

static int release(lua_State *L) {
    hoi_tensor **slot = (hoi_tensor **)bind_slot(L, 1, HOI_TENSOR);
    hoi_tensor *x = *slot;
    *slot = NULL;
    hoi_tensor_free(x);
    return 0;
}

static int text(lua_State *L) {
    char shape[96];
    hoi_tensor *x = *(hoi_tensor **)bind_slot(L, 1, HOI_TENSOR);
    if (!x) {
        lua_pushliteral(L, "Tensor (released)");
        return 1;
    }
    const char *kind = x->dtype == HOI_F32   ? "float32"
                       : x->dtype == HOI_F16 ? "float16"
                                             : "bfloat16";
    lua_pushfstring(L, "Tensor %s %s%s", hoi_shape_text(x->rank, x->shape, shape), kind,
                    x->trainable ? " trainable"
                    : x->node    ? " recorded"
                                 : "");
    return 1;
}

static int length(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    lua_pushinteger(L, x->rank ? (lua_Integer)x->shape[0] : 0);
    return 1;
}

static int field(lua_State *L) {
    const char *name = luaL_checkstring(L, 2);
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "__methods");
    if (lua_getfield(L, -1, name) != LUA_TNIL)
        return 1;
    if (strcmp(name, "shape") != 0 && strcmp(name, "grad") != 0 && strcmp(name, "rank") != 0 &&
        strcmp(name, "trainable") != 0 && strcmp(name, "recorded") != 0 &&
        strcmp(name, "dtype") != 0) {
        if (lua_getfield(L, -2, "__name"), true)
            return luaL_error(L, "hoi.Tensor has no '%s'", name);
    }
    hoi_tensor *x = bind_tensor(L, 1);
    if (name[0] == 's') {
        lua_createtable(L, x->rank, 0);
        for (int i = 0; i < x->rank; ++i) {
            lua_pushinteger(L, (lua_Integer)x->shape[i]);
            lua_rawseti(L, -2, i + 1);
        }
    } else if (name[0] == 'g') {
        if (x->grad)
            return bind_tensor_push(L, hoi_tensor_ref(x->grad));
        lua_pushnil(L);
    } else if (name[0] == 't') {
        lua_pushboolean(L, x->trainable);
    } else if (name[0] == 'd') {
        lua_pushstring(L, hoi_dtype_name(x->dtype));
    } else if (strcmp(name, "rank") == 0) {
        lua_pushinteger(L, x->rank);
    } else {
        lua_pushboolean(L, hoi_tensor_recorded(x));
    }
    return 1;
}

int luaopen_hoi_tensor(lua_State *L);
int luaopen_hoi_tensor(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"item", item},   {"totable", totable},   {"bytes", bytes},   {"write", write},
        {"size", size},   {"count", count},       {"detach", detach}, {"float", to_float},
        {"train", train}, {"backward", backward}, {"clear", clear},   {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__tostring", text}, {"__len", length}, {"__index", field}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"tensor", tensor},       {"full", full},
                                         {"zeros", zeros},         {"ones", ones},
                                         {"randn", randn},         {"uniform", uniform},
                                         {"seed", seed},           {"checkpoint", checkpoint},
                                         {"is_tensor", is_tensor}, {NULL, NULL}};
    bind_class(L, HOI_TENSOR, methods, metamethods, release);
    luaL_newlib(L, functions);
    bind_tensor_operations(L);
    return 1;
}
