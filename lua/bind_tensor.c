/* bind_tensor: hoi.Tensor: making, reading, arithmetic, and every operation as a method. Dimensions and places are 1-based
   here, negative ones count from the end; below this file they are 0-based. */
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
    if (luaL_getmetatable(L, HOI_TENSOR) == LUA_TNIL) { /* the first tensor may come out of a file */
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
static int give(lua_State *L, hoi_tensor *x) {
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
            luaL_error(L, "a shape is a list of integers; size %d is a %s", i + 1, luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    return rank;
}

/* A dimension as a Lua user counts: 1.., or negative from the end. Gets it 0-based. */
static int dimension(lua_State *L, int index, const hoi_tensor *x) {
    lua_Integer d = luaL_checkinteger(L, index);
    lua_Integer at = d < 0 ? x->rank + d : d - 1;
    if (at < 0 || at >= x->rank)
        luaL_error(L, "dimension %I of a tensor of rank %d", (LUAI_UACINT)d, x->rank);
    return (int)at;
}

static int optional_dimension(lua_State *L, int index, const hoi_tensor *x) {
    return lua_isnoneornil(L, index) ? -1 : dimension(L, index, x);
}

/* Reads a list of 1-based places; the index is freed by whoever gets it. */
static hoi_index *places(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Integer n = luaL_len(L, index);
    int32_t *values = bind_memory(L, (size_t)n * sizeof *values);
    for (lua_Integer i = 0; i < n; ++i) {
        int exact;
        lua_rawgeti(L, index, i + 1);
        lua_Integer place = lua_tointegerx(L, -1, &exact);
        if (!exact)
            luaL_error(L, "places are integers from 1; number %I is a %s", (LUAI_UACINT)(i + 1), luaL_typename(L, -1));
        values[i] = place < 1 || place > INT32_MAX ? -1 : (int32_t)(place - 1);
        lua_pop(L, 1);
    }
    hoi_index *made = hoi_index_new(bind_device(L), (int)n, values);
    if (!made)
        bind_raise(L);
    return made;
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
static void read_list(lua_State *L, int depth, int rank, const int64_t *shape, float *values, size_t *at) {
    if (depth == rank) {
        int number;
        values[(*at)++] = (float)lua_tonumberx(L, -1, &number);
        if (!number)
            luaL_error(L, "tensor: numbers are wanted in the lists, one is a %s", luaL_typename(L, -1));
        return;
    }
    if (!lua_istable(L, -1) || (int64_t)luaL_len(L, -1) != shape[depth])
        luaL_error(L, "tensor: lists of one length are wanted at each depth: %d at depth %d", (int)shape[depth], depth + 1);
    luaL_checkstack(L, 4, "tensor");
    for (int64_t i = 1; i <= shape[depth]; ++i) {
        lua_rawgeti(L, -1, i);
        read_list(L, depth + 1, rank, shape, values, at);
        lua_pop(L, 1);
    }
}

/* Reads a number or nested lists at `index`; the values' memory is on top of the stack afterwards. */
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
            return luaL_error(L, "tensor: %I bytes for %I floats", (LUAI_UACINT)size, (LUAI_UACINT)count);
        float *values = bind_memory(L, size);
        memcpy(values, bytes, size);
        return give(L, hoi_tensor_from(bind_device(L), rank, shape, values));
    }
    lua_settop(L, 1);
    luaL_argexpected(L, lua_isnumber(L, 1) || lua_istable(L, 1), 1, "number or nested lists");
    float *values = nested(L, 1, &rank, shape);
    return give(L, hoi_tensor_from(bind_device(L), rank, shape, values));
}

static int full(lua_State *L) {
    int64_t shape[HOI_RANK];
    float value = (float)luaL_checknumber(L, 1);
    int rank = bind_shape(L, 2, shape);
    return give(L, hoi_tensor_full(bind_device(L), rank, shape, value));
}

static int zeros(lua_State *L) {
    int64_t shape[HOI_RANK];
    int rank = bind_shape(L, 1, shape);
    return give(L, hoi_tensor_full(bind_device(L), rank, shape, 0.0f));
}

static int ones(lua_State *L) {
    int64_t shape[HOI_RANK];
    int rank = bind_shape(L, 1, shape);
    return give(L, hoi_tensor_full(bind_device(L), rank, shape, 1.0f));
}

static int randn(lua_State *L) {
    static const char *const names[] = {"mean", "deviation", NULL};
    int64_t shape[HOI_RANK];
    luaL_checktype(L, 1, LUA_TTABLE);
    bind_options(L, 2, names);
    int rank = bind_shape(L, 1, shape);
    return give(L, hoi_tensor_random(bind_device(L), rank, shape, HOI_NORMAL, bind_random_key(L),
                                     (float)bind_number(L, 2, "mean", 0.0), (float)bind_number(L, 2, "deviation", 1.0)));
}

static int uniform(lua_State *L) {
    static const char *const names[] = {"low", "high", NULL};
    int64_t shape[HOI_RANK];
    luaL_checktype(L, 1, LUA_TTABLE);
    bind_options(L, 2, names);
    int rank = bind_shape(L, 1, shape);
    return give(L, hoi_tensor_random(bind_device(L), rank, shape, HOI_UNIFORM, bind_random_key(L),
                                     (float)bind_number(L, 2, "low", 0.0), (float)bind_number(L, 2, "high", 1.0)));
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
        return luaL_error(L, "item: a single value is wanted, this tensor is %s", hoi_shape_text(x->rank, x->shape, text));
    if (!hoi_tensor_read(x, &value))
        return bind_raise(L);
    lua_pushnumber(L, (lua_Number)value);
    return 1;
}

static void push_nested(lua_State *L, int depth, const hoi_tensor *x, const float *values, size_t *at) {
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

/* write(values): overwrites a leaf in place with a tensor, nested lists or packed bytes of the same count. */
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
    lua_pushinteger(L, (lua_Integer)x->shape[dimension(L, 2, x)]);
    return 1;
}

static int count(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)hoi_tensor_count(bind_tensor(L, 1)));
    return 1;
}

static int detach(lua_State *L) {
    return give(L, hoi_tensor_detach(bind_tensor(L, 1)));
}

/* float(): x as F32, x itself where it is. */
static int to_float(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    if (x->dtype == HOI_F32) {
        lua_settop(L, 1);
        return 1;
    }
    const float *values = host_values(L, x);
    return give(L, hoi_tensor_from(bind_device(L), x->rank, x->shape, values));
}

/* ---- gradients ---- */

/* train(on): marks a leaf as trainable; returns it. */
static int train(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    bool on = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    if (x->node)
        return luaL_error(L, "train: only a leaf can be trained, this tensor was computed; use :detach():train()");
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

/* ---- arithmetic ---- */

/* An operand: a tensor, or a number as a new scalar at its place on the stack. */
static hoi_tensor *operand(lua_State *L, int index) {
    if (lua_type(L, index) == LUA_TNUMBER) {
        hoi_tensor *x = hoi_tensor_full(bind_device(L), 0, NULL, (float)lua_tonumber(L, index));
        bind_tensor_push(L, x);
        lua_replace(L, index);
        return x;
    }
    return bind_tensor(L, index);
}

static int binary(lua_State *L, hoi_tensor *(*f)(hoi_tensor *, hoi_tensor *)) {
    lua_settop(L, 2);
    hoi_tensor *a = operand(L, 1), *b = operand(L, 2);
    return give(L, f(a, b));
}

/* a op number goes through one pass: scale x + shift */
static int affine(lua_State *L, int tensor_at, float scale, float shift) {
    return give(L, hoi_scale(bind_tensor(L, tensor_at), scale, shift));
}

static bool number_at(lua_State *L, int index, float *value) {
    *value = (float)lua_tonumber(L, index);
    return lua_type(L, index) == LUA_TNUMBER;
}

static int add(lua_State *L) {
    float v;
    if (number_at(L, 2, &v))
        return affine(L, 1, 1.0f, v);
    if (number_at(L, 1, &v))
        return affine(L, 2, 1.0f, v);
    return binary(L, hoi_add);
}
static int subtract(lua_State *L) {
    float v;
    if (number_at(L, 2, &v))
        return affine(L, 1, 1.0f, -v);
    if (number_at(L, 1, &v))
        return affine(L, 2, -1.0f, v);
    return binary(L, hoi_subtract);
}
static int multiply(lua_State *L) {
    float v;
    if (number_at(L, 2, &v))
        return affine(L, 1, v, 0.0f);
    if (number_at(L, 1, &v))
        return affine(L, 2, v, 0.0f);
    return binary(L, hoi_multiply);
}
static int divide(lua_State *L) {
    return binary(L, hoi_divide);
}
static int negate(lua_State *L) {
    return affine(L, 1, -1.0f, 0.0f);
}
static int power(lua_State *L) {
    lua_settop(L, 2);
    return give(L, hoi_unary_of(bind_tensor(L, 1), HOI_POWER, (float)luaL_checknumber(L, 2), 0.0f));
}
static int maximum(lua_State *L) {
    return binary(L, hoi_maximum);
}
static int minimum(lua_State *L) {
    return binary(L, hoi_minimum);
}

static int compare(lua_State *L, hoi_binary op) {
    lua_settop(L, 2);
    hoi_tensor *a = operand(L, 1), *b = operand(L, 2);
    return give(L, hoi_compare(a, b, op));
}
static int greater(lua_State *L) {
    return compare(L, HOI_GREATER);
}
static int at_least(lua_State *L) {
    return compare(L, HOI_GREATER_EQUAL);
}
static int equal(lua_State *L) {
    return compare(L, HOI_EQUAL);
}

/* condition:where(a, b) */
static int where(lua_State *L) {
    lua_settop(L, 3);
    hoi_tensor *c = bind_tensor(L, 1), *a = operand(L, 2), *b = operand(L, 3);
    return give(L, hoi_where(c, a, b));
}

#define UNARY(name, op)                                              \
    static int name(lua_State *L) {                                  \
        return give(L, hoi_unary_of(bind_tensor(L, 1), op, 0, 0)); \
    }
UNARY(exponential, HOI_EXP)
UNARY(logarithm, HOI_LOG)
UNARY(square_root, HOI_SQRT)
UNARY(square, HOI_SQUARE)
UNARY(absolute, HOI_ABS)
UNARY(quick_gelu, HOI_QUICK_GELU_OF)
UNARY(gelu, HOI_GELU_OF)
UNARY(relu, HOI_LEAKY)
UNARY(sigmoid, HOI_SIGMOID)
UNARY(tangent, HOI_TANH)
UNARY(softplus, HOI_SOFTPLUS)
UNARY(reciprocal, HOI_RECIPROCAL)
UNARY(sine, HOI_SIN)
UNARY(cosine, HOI_COS)
UNARY(elu, HOI_ELU)

static int leaky_relu(lua_State *L) {
    return give(L, hoi_unary_of(bind_tensor(L, 1), HOI_LEAKY, (float)luaL_optnumber(L, 2, 0.01), 0.0f));
}

static int clamp(lua_State *L) {
    return give(L, hoi_unary_of(bind_tensor(L, 1), HOI_CLAMP, (float)luaL_checknumber(L, 2), (float)luaL_checknumber(L, 3)));
}

/* ---- shape ---- */

static int reshape(lua_State *L) {
    int64_t shape[HOI_RANK];
    hoi_tensor *x = bind_tensor(L, 1);
    int rank = bind_shape(L, 2, shape);
    return give(L, hoi_reshape(x, rank, shape));
}

static int expand(lua_State *L) {
    int64_t shape[HOI_RANK];
    hoi_tensor *x = bind_tensor(L, 1);
    int rank = bind_shape(L, 2, shape);
    return give(L, hoi_expand(x, rank, shape));
}

static int transpose(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    int order[HOI_RANK];
    if (lua_isnoneornil(L, 2))
        return give(L, hoi_transpose(x));
    int a = dimension(L, 2, x), b = dimension(L, 3, x);
    for (int i = 0; i < x->rank; ++i)
        order[i] = i == a ? b : i == b ? a : i;
    return give(L, hoi_permute(x, order));
}

static int permute(lua_State *L) {
    int64_t given[HOI_RANK];
    int order[HOI_RANK] = {0};
    hoi_tensor *x = bind_tensor(L, 1);
    int rank = bind_shape(L, 2, given);
    if (rank != x->rank)
        return luaL_error(L, "permute: %d dimensions named, the tensor has %d", rank, x->rank);
    for (int i = 0; i < rank; ++i)
        order[i] = (int)given[i] - 1;
    return give(L, hoi_permute(x, order));
}

/* slice(dimension, from, to): to may be negative (from the end) or absent (the end). */
static int slice(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    int d = dimension(L, 2, x);
    lua_Integer from = luaL_checkinteger(L, 3), to = luaL_optinteger(L, 4, -1), n = (lua_Integer)x->shape[d];
    from = from < 0 ? n + from + 1 : from;
    to = to < 0 ? n + to + 1 : to;
    return give(L, hoi_slice(x, d, from - 1, to - from + 1));
}

static int pad(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    return give(L, hoi_pad(x, dimension(L, 2, x), luaL_checkinteger(L, 3), luaL_checkinteger(L, 4)));
}

/* concat(list, dimension) */
static int concat(lua_State *L) {
    lua_settop(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    int n = (int)luaL_len(L, 1);
    hoi_tensor **parts = bind_memory(L, (size_t)(n > 0 ? n : 1) * sizeof *parts);
    if (n < 1)
        return luaL_error(L, "concat: the list is empty");
    for (int i = 0; i < n; ++i) {
        lua_rawgeti(L, 1, i + 1);
        void **slot = luaL_testudata(L, -1, HOI_TENSOR);
        if (!slot || !*slot)
            return luaL_error(L, "concat: a list of tensors is wanted, number %d is a %s", i + 1, luaL_typename(L, -1));
        parts[i] = *slot;
        lua_pop(L, 1);
    }
    int d = lua_isnoneornil(L, 2) ? 0 : dimension(L, 2, parts[0]);
    return give(L, hoi_concat(parts, n, d));
}

static int rows(lua_State *L) {
    lua_settop(L, 2);
    hoi_tensor *x = bind_tensor(L, 1);
    hoi_index *index = places(L, 2);
    hoi_tensor *y = hoi_rows(x, index);
    hoi_index_free(index);
    return give(L, y);
}

static int scatter(lua_State *L) {
    lua_settop(L, 3);
    hoi_tensor *x = bind_tensor(L, 1);
    lua_Integer n = luaL_checkinteger(L, 3);
    hoi_index *index = places(L, 2);
    hoi_tensor *y = hoi_scatter(x, index, n);
    hoi_index_free(index);
    return give(L, y);
}

/* take(places, m): m values of each row; the list holds rows * m places. */
static int take(lua_State *L) {
    lua_settop(L, 3);
    hoi_tensor *x = bind_tensor(L, 1);
    lua_Integer m = luaL_optinteger(L, 3, 1);
    hoi_index *index = places(L, 2);
    hoi_tensor *y = hoi_take(x, index, m);
    hoi_index_free(index);
    return give(L, y);
}

static int unfold(lua_State *L) {
    static const char *const names[] = {"kernel", "stride", "pad", "channels_last", NULL};
    lua_settop(L, 2);
    hoi_tensor *x = bind_tensor(L, 1);
    bind_options(L, 2, names);
    int kernel = (int)bind_integer(L, 2, "kernel", 3);
    return give(L, hoi_unfold(x, kernel, (int)bind_integer(L, 2, "stride", 1), (int)bind_integer(L, 2, "pad", 0),
                              bind_boolean(L, 2, "channels_last", false)));
}

/* ---- rows and sums ---- */

static int sum(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    return give(L, hoi_sum(x, optional_dimension(L, 2, x), lua_toboolean(L, 3)));
}
static int mean(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    return give(L, hoi_mean(x, optional_dimension(L, 2, x), lua_toboolean(L, 3)));
}
static int most(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    return give(L, hoi_max(x, optional_dimension(L, 2, x), lua_toboolean(L, 3)));
}
static int softmax(lua_State *L) {
    return give(L, hoi_softmax(bind_tensor(L, 1)));
}
static int log_softmax(lua_State *L) {
    return give(L, hoi_log_softmax(bind_tensor(L, 1)));
}
static int layer_norm(lua_State *L) {
    return give(L, hoi_layer_norm(bind_tensor(L, 1), bind_tensor(L, 2), bind_tensor(L, 3), (float)luaL_optnumber(L, 4, 1e-5)));
}
static int normalize(lua_State *L) {
    return give(L, hoi_normalize(bind_tensor(L, 1), (float)luaL_optnumber(L, 2, 1e-12)));
}
static int cumsum(lua_State *L) {
    return give(L, hoi_cumsum(bind_tensor(L, 1)));
}
static int inverse(lua_State *L) {
    return give(L, hoi_inverse(bind_tensor(L, 1)));
}

/* Pushes an index as nested lists of 1-based places: of the shape of x but for the last size, n. */
static void push_places(lua_State *L, const hoi_tensor *x, int depth, int64_t n, const hoi_index *index, size_t *at) {
    bool last = depth == x->rank - 1;
    int64_t length = last ? n : x->shape[depth];
    luaL_checkstack(L, 4, "places");
    lua_createtable(L, (int)length, 0);
    for (int64_t i = 1; i <= length; ++i) {
        if (last)
            lua_pushinteger(L, index->host[(*at)++] + 1);
        else
            push_places(L, x, depth + 1, n, index, at);
        lua_rawseti(L, -2, i);
    }
}

/* topk(k, ascending) -> values, places: the k greatest (or least) of each row, in order. */
static int ordered(lua_State *L, hoi_tensor *x, lua_Integer k, bool descending) {
    size_t at = 0;
    hoi_index *index = hoi_order(x, k, descending);
    hoi_tensor *values = index ? hoi_take(x, index, k) : NULL;
    if (!values) {
        hoi_index_free(index);
        return bind_raise(L);
    }
    bind_tensor_push(L, values);
    push_places(L, x, 0, k, index, &at);
    hoi_index_free(index);
    return 2;
}
static int topk(lua_State *L) {
    lua_settop(L, 2);
    return ordered(L, bind_tensor(L, 1), luaL_checkinteger(L, 2), true);
}
/* sort(ascending) -> values, places */
static int sort(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    bool ascending = lua_toboolean(L, 2);
    return ordered(L, x, x->rank ? (lua_Integer)x->shape[x->rank - 1] : 0, !ascending);
}

/* argmax() -> list of places, one per row (a single integer for one row) */
static int argmax(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    hoi_index *index = hoi_order(x, 1, true);
    if (!index)
        return bind_raise(L);
    if (x->rank == 1) {
        lua_pushinteger(L, index->host[0] + 1);
    } else {
        lua_createtable(L, index->count, 0);
        for (int i = 0; i < index->count; ++i) {
            lua_pushinteger(L, index->host[i] + 1);
            lua_rawseti(L, -2, i + 1);
        }
    }
    hoi_index_free(index);
    return 1;
}

/* ---- products ---- */

static int matmul(lua_State *L) {
    return give(L, hoi_matmul(bind_tensor(L, 1), bind_tensor(L, 2)));
}

/* linear(weight, bias or nil, {activation, residual}) */
static int linear(lua_State *L) {
    static const char *const names[] = {"activation", "residual", NULL};
    static const char *const activations[] = {"none", "quick_gelu", "gelu", "relu", NULL};
    lua_settop(L, 4);
    hoi_tensor *x = bind_tensor(L, 1), *w = bind_tensor(L, 2), *b = bind_tensor_or_nil(L, 3);
    bind_options(L, 4, names);
    const char *name = bind_string(L, 4, "activation", "none");
    int activation = 0;
    while (activations[activation] && strcmp(activations[activation], name) != 0)
        ++activation;
    if (!activations[activation])
        return luaL_error(L, "linear: %s",
                          (bind_push_unknown(L, name, activations), lua_tostring(L, -1)));
    return give(L, hoi_linear(x, w, b, (hoi_activation)activation, bind_tensor_option(L, 4, "residual")));
}

/* attention(q, k or nil, v or nil, {heads, causal, mask}) */
static int attention(lua_State *L) {
    static const char *const names[] = {"heads", "causal", "mask", NULL};
    lua_settop(L, 4);
    hoi_tensor *q = bind_tensor(L, 1), *k = bind_tensor_or_nil(L, 2), *v = bind_tensor_or_nil(L, 3);
    bind_options(L, 4, names);
    return give(L, hoi_attention_of(q, k, v, (int)bind_integer(L, 4, "heads", 1), bind_boolean(L, 4, "causal", false),
                                    bind_tensor_option(L, 4, "mask")));
}

/* dropout(p): values are 0 with probability p, the others grow by 1 / (1 - p). */
static int dropout(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    float p = (float)luaL_checknumber(L, 2);
    luaL_argcheck(L, p >= 0.0f && p < 1.0f, 2, "a probability below 1 is wanted");
    if (p == 0.0f) {
        lua_settop(L, 1);
        return 1;
    }
    hoi_tensor *mask = hoi_tensor_random(bind_device(L), x->rank, x->shape, HOI_DROP, bind_random_key(L), p, 0.0f);
    hoi_tensor *y = mask ? hoi_multiply(x, mask) : NULL;
    hoi_tensor_free(mask);
    return give(L, y);
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

static hoi_tensor *replay_run(void *context, hoi_tensor *const *inputs, int count) {
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
        hoi_fail("checkpoint: %s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "an error that is no string");
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
    return give(L, hoi_checkpoint(block, inputs, count));
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
    const char *kind = x->dtype == HOI_F32 ? "float32" : x->dtype == HOI_F16 ? "float16" : "bfloat16";
    lua_pushfstring(L, "Tensor %s %s%s", hoi_shape_text(x->rank, x->shape, shape), kind,
                    x->trainable ? " trainable" : x->node ? " recorded" : "");
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
        strcmp(name, "trainable") != 0 && strcmp(name, "recorded") != 0 && strcmp(name, "dtype") != 0) {
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
        {"item", item}, {"totable", totable}, {"bytes", bytes}, {"write", write}, {"size", size}, {"count", count},
        {"detach", detach}, {"float", to_float}, {"train", train}, {"backward", backward}, {"clear", clear},
        {"pow", power}, {"maximum", maximum}, {"minimum", minimum}, {"gt", greater}, {"ge", at_least}, {"eq", equal},
        {"where", where}, {"exp", exponential}, {"log", logarithm}, {"sqrt", square_root}, {"square", square},
        {"abs", absolute}, {"quick_gelu", quick_gelu}, {"gelu", gelu}, {"relu", relu}, {"leaky_relu", leaky_relu},
        {"sigmoid", sigmoid}, {"tanh", tangent}, {"softplus", softplus}, {"reciprocal", reciprocal}, {"clamp", clamp},
        {"sin", sine}, {"cos", cosine}, {"elu", elu}, {"reshape", reshape}, {"expand", expand}, {"transpose", transpose},
        {"permute", permute}, {"slice", slice}, {"pad", pad}, {"rows", rows}, {"scatter", scatter}, {"take", take},
        {"unfold", unfold}, {"sum", sum}, {"mean", mean}, {"max", most}, {"softmax", softmax},
        {"log_softmax", log_softmax}, {"layer_norm", layer_norm}, {"normalize", normalize}, {"cumsum", cumsum},
        {"inverse", inverse}, {"topk", topk}, {"sort", sort}, {"argmax", argmax}, {"matmul", matmul}, {"linear", linear},
        {"attention", attention}, {"dropout", dropout}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__add", add}, {"__sub", subtract}, {"__mul", multiply}, {"__div", divide},
                                           {"__unm", negate}, {"__pow", power}, {"__tostring", text}, {"__len", length},
                                           {"__index", field}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"tensor", tensor}, {"full", full}, {"zeros", zeros}, {"ones", ones},
                                         {"randn", randn}, {"uniform", uniform}, {"concat", concat}, {"seed", seed},
                                         {"checkpoint", checkpoint}, {"is_tensor", is_tensor}, {NULL, NULL}};
    bind_class(L, HOI_TENSOR, methods, metamethods, release);
    luaL_newlib(L, functions);
    return 1;
}
