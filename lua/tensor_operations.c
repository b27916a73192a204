/* tensor_operations: every operation as a method of hoi.Tensor. Dimensions and places are 1-based
   here, negative dimensions count from the end; below this file they are 0-based. */
#include "core/ops.h"
#include "lua/bind_tensor.h"

#include <string.h>

static int optional_dimension(lua_State *L, int index, const hoi_tensor *x) {
    return lua_isnoneornil(L, index) ? -1 : bind_dimension(L, index, x);
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
            luaL_error(L, "places are integers from 1; number %I is a %s", (LUAI_UACINT)(i + 1),
                       luaL_typename(L, -1));
        values[i] = place < 1 || place > INT32_MAX ? -1 : (int32_t)(place - 1);
        lua_pop(L, 1);
    }
    hoi_index *made = hoi_index_new(bind_device(L), (int)n, values);
    if (!made)
        bind_raise(L);
    return made;
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
    return bind_tensor_give(L, f(a, b));
}

/* a op number goes through one pass: scale x + shift */
static int affine(lua_State *L, int tensor_at, float scale, float shift) {
    return bind_tensor_give(L, hoi_scale(bind_tensor(L, tensor_at), scale, shift));
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
    return bind_tensor_give(
        L, hoi_unary_of(bind_tensor(L, 1), HOI_POWER, (float)luaL_checknumber(L, 2), 0.0f));
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
    return bind_tensor_give(L, hoi_compare(a, b, op));
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
    return bind_tensor_give(L, hoi_where(c, a, b));
}

#define UNARY(name, op)                                                                            \
    static int name(lua_State *L) {                                                                \
        return bind_tensor_give(L, hoi_unary_of(bind_tensor(L, 1), op, 0, 0));                     \
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
UNARY(half, HOI_HALF)

static int leaky_relu(lua_State *L) {
    return bind_tensor_give(
        L, hoi_unary_of(bind_tensor(L, 1), HOI_LEAKY, (float)luaL_optnumber(L, 2, 0.01), 0.0f));
}

static int clamp(lua_State *L) {
    return bind_tensor_give(L, hoi_unary_of(bind_tensor(L, 1), HOI_CLAMP,
                                            (float)luaL_checknumber(L, 2),
                                            (float)luaL_checknumber(L, 3)));
}

/* ---- shape ---- */

static int reshape(lua_State *L) {
    int64_t shape[HOI_RANK];
    hoi_tensor *x = bind_tensor(L, 1);
    int rank = bind_shape(L, 2, shape);
    return bind_tensor_give(L, hoi_reshape(x, rank, shape));
}

static int expand(lua_State *L) {
    int64_t shape[HOI_RANK];
    hoi_tensor *x = bind_tensor(L, 1);
    int rank = bind_shape(L, 2, shape);
    return bind_tensor_give(L, hoi_expand(x, rank, shape));
}

static int transpose(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    int order[HOI_RANK];
    if (lua_isnoneornil(L, 2))
        return bind_tensor_give(L, hoi_transpose(x));
    int a = bind_dimension(L, 2, x), b = bind_dimension(L, 3, x);
    for (int i = 0; i < x->rank; ++i)
        order[i] = i == a ? b : i == b ? a : i;
    return bind_tensor_give(L, hoi_permute(x, order));
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
    return bind_tensor_give(L, hoi_permute(x, order));
}

/* slice(dimension, from, to): to may be negative (from the end) or absent (the end). */
static int slice(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    int d = bind_dimension(L, 2, x);
    lua_Integer from = luaL_checkinteger(L, 3), to = luaL_optinteger(L, 4, -1),
                n = (lua_Integer)x->shape[d];
    from = from < 0 ? n + from + 1 : from;
    to = to < 0 ? n + to + 1 : to;
    return bind_tensor_give(L, hoi_slice(x, d, from - 1, to - from + 1));
}

static int pad(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    return bind_tensor_give(
        L, hoi_pad(x, bind_dimension(L, 2, x), luaL_checkinteger(L, 3), luaL_checkinteger(L, 4)));
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
            return luaL_error(L, "concat: a list of tensors is wanted, number %d is a %s", i + 1,
                              luaL_typename(L, -1));
        parts[i] = *slot;
        lua_pop(L, 1);
    }
    int d = lua_isnoneornil(L, 2) ? 0 : bind_dimension(L, 2, parts[0]);
    return bind_tensor_give(L, hoi_concat(parts, n, d));
}

static int rows(lua_State *L) {
    lua_settop(L, 2);
    hoi_tensor *x = bind_tensor(L, 1);
    hoi_index *index = places(L, 2);
    hoi_tensor *y = hoi_rows(x, index);
    hoi_index_free(index);
    return bind_tensor_give(L, y);
}

static int scatter(lua_State *L) {
    lua_settop(L, 3);
    hoi_tensor *x = bind_tensor(L, 1);
    lua_Integer n = luaL_checkinteger(L, 3);
    hoi_index *index = places(L, 2);
    hoi_tensor *y = hoi_scatter(x, index, n);
    hoi_index_free(index);
    return bind_tensor_give(L, y);
}

/* take(places, m): m values of each row; the list holds rows * m places. */
static int take(lua_State *L) {
    lua_settop(L, 3);
    hoi_tensor *x = bind_tensor(L, 1);
    lua_Integer m = luaL_optinteger(L, 3, 1);
    hoi_index *index = places(L, 2);
    hoi_tensor *y = hoi_take(x, index, m);
    hoi_index_free(index);
    return bind_tensor_give(L, y);
}

static int unfold(lua_State *L) {
    static const char *const names[] = {"kernel", "stride", "pad", "channels_last", NULL};
    lua_settop(L, 2);
    hoi_tensor *x = bind_tensor(L, 1);
    bind_options(L, 2, names);
    int kernel = (int)bind_integer(L, 2, "kernel", 3);
    return bind_tensor_give(L, hoi_unfold(x, kernel, (int)bind_integer(L, 2, "stride", 1),
                                          (int)bind_integer(L, 2, "pad", 0),
                                          bind_boolean(L, 2, "channels_last", false)));
}

/* ---- rows and sums ---- */

static int sum(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    return bind_tensor_give(L, hoi_sum(x, optional_dimension(L, 2, x), lua_toboolean(L, 3)));
}
static int mean(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    return bind_tensor_give(L, hoi_mean(x, optional_dimension(L, 2, x), lua_toboolean(L, 3)));
}
static int most(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    return bind_tensor_give(L, hoi_max(x, optional_dimension(L, 2, x), lua_toboolean(L, 3)));
}
static int softmax(lua_State *L) {
    return bind_tensor_give(L, hoi_softmax(bind_tensor(L, 1)));
}
static int log_softmax(lua_State *L) {
    return bind_tensor_give(L, hoi_log_softmax(bind_tensor(L, 1)));
}
static int layer_norm(lua_State *L) {
    return bind_tensor_give(L,
                            hoi_layer_norm(bind_tensor(L, 1), bind_tensor(L, 2), bind_tensor(L, 3),
                                           (float)luaL_optnumber(L, 4, 1e-5)));
}
static int normalize(lua_State *L) {
    return bind_tensor_give(L,
                            hoi_normalize(bind_tensor(L, 1), (float)luaL_optnumber(L, 2, 1e-12)));
}
static int cumsum(lua_State *L) {
    return bind_tensor_give(L, hoi_cumsum(bind_tensor(L, 1)));
}
static int inverse(lua_State *L) {
    return bind_tensor_give(L, hoi_inverse(bind_tensor(L, 1)));
}

/* Pushes an index as nested lists of 1-based places: of the shape of x but for the last size, n. */
static void push_places(lua_State *L, const hoi_tensor *x, int depth, int64_t n,
                        const hoi_index *index, size_t *at) {
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
    return bind_tensor_give(L, hoi_matmul(bind_tensor(L, 1), bind_tensor(L, 2)));
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
    return bind_tensor_give(
        L, hoi_linear(x, w, b, (hoi_activation)activation, bind_tensor_option(L, 4, "residual")));
}

/* conv2d(weight, bias or nil, {stride, pad, activation, residual}) */
static int conv2d(lua_State *L) {
    static const char *const names[] = {"stride", "pad", "activation", "residual", NULL};
    static const char *const activations[] = {"none", "relu", NULL};
    lua_settop(L, 4);
    hoi_tensor *x = bind_tensor(L, 1), *w = bind_tensor(L, 2), *b = bind_tensor_or_nil(L, 3);
    bind_options(L, 4, names);
    const char *name = bind_string(L, 4, "activation", "none");
    bool relu = strcmp(name, "relu") == 0;
    if (!relu && strcmp(name, "none") != 0)
        return luaL_error(L, "conv2d: %s",
                          (bind_push_unknown(L, name, activations), lua_tostring(L, -1)));
    return bind_tensor_give(L, hoi_conv2d(x, w, b, (int)bind_integer(L, 4, "stride", 1),
                                          (int)bind_integer(L, 4, "pad", 0),
                                          relu ? HOI_RELU : HOI_LINEAR,
                                          bind_tensor_option(L, 4, "residual")));
}

/* max_pool, mean_pool({kernel, stride, pad}) */
static int pooled(lua_State *L, hoi_tensor *(*pool)(hoi_tensor *, int, int, int)) {
    static const char *const names[] = {"kernel", "stride", "pad", NULL};
    lua_settop(L, 2);
    hoi_tensor *x = bind_tensor(L, 1);
    bind_options(L, 2, names);
    int kernel = (int)bind_integer(L, 2, "kernel", 2);
    return bind_tensor_give(L, pool(x, kernel, (int)bind_integer(L, 2, "stride", kernel),
                                    (int)bind_integer(L, 2, "pad", 0)));
}
static int max_pool(lua_State *L) {
    return pooled(L, hoi_max_pool);
}
static int mean_pool(lua_State *L) {
    return pooled(L, hoi_mean_pool);
}

/* attention(q, k or nil, v or nil, {heads, causal, mask}) */
static int attention(lua_State *L) {
    static const char *const names[] = {"heads", "causal", "mask", NULL};
    lua_settop(L, 4);
    hoi_tensor *q = bind_tensor(L, 1), *k = bind_tensor_or_nil(L, 2), *v = bind_tensor_or_nil(L, 3);
    bind_options(L, 4, names);
    return bind_tensor_give(L, hoi_attention_of(q, k, v, (int)bind_integer(L, 4, "heads", 1),
                                                bind_boolean(L, 4, "causal", false),
                                                bind_tensor_option(L, 4, "mask"), false));
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
    hoi_tensor *mask =
        hoi_tensor_random(bind_device(L), x->rank, x->shape, HOI_DROP, bind_random_key(L), p, 0.0f);
    hoi_tensor *y = mask ? hoi_multiply(x, mask) : NULL;
    hoi_tensor_free(mask);
    return bind_tensor_give(L, y);
}

/* Adds them to the class; hoi.Tensor's module is on top of the stack and gets concat. */
void bind_tensor_operations(lua_State *L) {
    static const luaL_Reg methods[] = {{"pow", power},
                                       {"maximum", maximum},
                                       {"minimum", minimum},
                                       {"gt", greater},
                                       {"ge", at_least},
                                       {"eq", equal},
                                       {"where", where},
                                       {"exp", exponential},
                                       {"log", logarithm},
                                       {"sqrt", square_root},
                                       {"square", square},
                                       {"abs", absolute},
                                       {"quick_gelu", quick_gelu},
                                       {"gelu", gelu},
                                       {"relu", relu},
                                       {"leaky_relu", leaky_relu},
                                       {"sigmoid", sigmoid},
                                       {"tanh", tangent},
                                       {"softplus", softplus},
                                       {"reciprocal", reciprocal},
                                       {"clamp", clamp},
                                       {"sin", sine},
                                       {"cos", cosine},
                                       {"elu", elu},
                                       {"half", half},
                                       {"reshape", reshape},
                                       {"expand", expand},
                                       {"transpose", transpose},
                                       {"permute", permute},
                                       {"slice", slice},
                                       {"pad", pad},
                                       {"rows", rows},
                                       {"scatter", scatter},
                                       {"take", take},
                                       {"unfold", unfold},
                                       {"sum", sum},
                                       {"mean", mean},
                                       {"max", most},
                                       {"softmax", softmax},
                                       {"log_softmax", log_softmax},
                                       {"layer_norm", layer_norm},
                                       {"normalize", normalize},
                                       {"cumsum", cumsum},
                                       {"inverse", inverse},
                                       {"topk", topk},
                                       {"sort", sort},
                                       {"argmax", argmax},
                                       {"matmul", matmul},
                                       {"linear", linear},
                                       {"conv2d", conv2d},
                                       {"max_pool", max_pool},
                                       {"mean_pool", mean_pool},
                                       {"attention", attention},
                                       {"dropout", dropout},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__add", add},    {"__sub", subtract}, {"__mul", multiply}, {"__div", divide},
        {"__unm", negate}, {"__pow", power},    {NULL, NULL}};
    lua_pushcfunction(L, concat);
    lua_setfield(L, -2, "concat");
    luaL_getmetatable(L, HOI_TENSOR);
    luaL_setfuncs(L, metamethods, 0);
    lua_getfield(L, -1, "__methods");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 2);
}
