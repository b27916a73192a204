/* ops_pointwise: one value in, one out; two in with broadcasting. */
#include "core/error.h"
#include "core/ops_table.h"

#include <string.h>

/* ---- one value ---- */

static hoi_tensor *unary_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_tensor *x = a->in[0], *y;
    (void)saved;
    if (!hoi_wants_float(x, "pointwise") ||
        !(y = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape)))
        return NULL;
    return hoi_finish(y, launch_unary(hoi_tensor_device(x), (hoi_unary)a->n[0], a->f[0], a->f[1],
                                      hoi_tensor_span(x), hoi_tensor_span(y), hoi_tensor_count(x)));
}

static bool unary_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *x = node->a.in[0], *dx = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape);
    return dx && hoi_node_give(node, 0,
                               hoi_finish(dx, launch_unary_back(
                                                  hoi_tensor_device(x), (hoi_unary)node->a.n[0],
                                                  node->a.f[0], node->a.f[1], hoi_tensor_span(x),
                                                  hoi_tensor_span(node->y), hoi_tensor_span(dy),
                                                  hoi_tensor_span(dx), hoi_tensor_count(x))));
}

/* In the order of enum hoi_unary. */
const hoi_operation hoi_unary_operations[HOI_HALF + 1] = {
    {"scale", unary_forward, unary_pullback, NULL},
    {"exp", unary_forward, unary_pullback, NULL},
    {"log", unary_forward, unary_pullback, NULL},
    {"sqrt", unary_forward, unary_pullback, NULL},
    {"square", unary_forward, unary_pullback, NULL},
    {"abs", unary_forward, unary_pullback, NULL},
    {"quick_gelu", unary_forward, unary_pullback, NULL},
    {"gelu", unary_forward, unary_pullback, NULL},
    {"leaky_relu", unary_forward, unary_pullback, NULL},
    {"sigmoid", unary_forward, unary_pullback, NULL},
    {"tanh", unary_forward, unary_pullback, NULL},
    {"softplus", unary_forward, unary_pullback, NULL},
    {"reciprocal", unary_forward, unary_pullback, NULL},
    {"clamp", unary_forward, unary_pullback, NULL},
    {"sin", unary_forward, unary_pullback, NULL},
    {"cos", unary_forward, unary_pullback, NULL},
    {"power", unary_forward, unary_pullback, NULL},
    {"elu", unary_forward, unary_pullback, NULL},
    {"half", unary_forward, unary_pullback, NULL},
};

hoi_tensor *hoi_unary_of(hoi_tensor *x, hoi_unary op, float a, float b) {
    return hoi_apply(&hoi_unary_operations[op],
                     &(hoi_arguments){.in = {x}, .count = 1, .n = {op}, .f = {a, b}});
}

hoi_tensor *hoi_scale(hoi_tensor *x, float a, float b) {
    return hoi_unary_of(x, HOI_AFFINE, a, b);
}

/* ---- broadcasting ---- */

bool hoi_broadcast(const hoi_tensor *a, const hoi_tensor *b, const char *name, int *rank,
                   int64_t *shape) {
    char left[96], right[96];
    *rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 0; i < *rank; ++i) {
        int64_t x = i < *rank - a->rank ? 1 : a->shape[i - (*rank - a->rank)];
        int64_t y = i < *rank - b->rank ? 1 : b->shape[i - (*rank - b->rank)];
        if (x != y && x != 1 && y != 1)
            return hoi_fail(
                "%s: shapes %s and %s do not fit: each size must be equal or 1, from the last on",
                name, hoi_shape_text(a->rank, a->shape, left),
                hoi_shape_text(b->rank, b->shape, right));
        shape[i] = x == 1 ? y : x;
    }
    return true;
}

/* Views x, broadcast to `shape`, as rows of `cols` = the product of the sizes from dimension
   `split` on: possible where each part is either x's own or one repeated value. */
static bool as_operand(const hoi_tensor *x, int rank, const int64_t *shape, int split,
                       hoi_operand *out) {
    int64_t inner = 1;
    bool inner_own = true, inner_one = true, outer_own = true, outer_one = true;
    for (int i = 0; i < rank; ++i) {
        int64_t size = i < rank - x->rank ? 1 : x->shape[i - (rank - x->rank)];
        bool own = size == shape[i], one = size == 1;
        if (i < split) {
            outer_own = outer_own && own;
            outer_one = outer_one && one;
        } else {
            inner_own = inner_own && own;
            inner_one = inner_one && one;
            inner *= size;
        }
    }
    if (!(inner_own || inner_one) || !(outer_own || outer_one))
        return false;
    out->span = hoi_tensor_span(x);
    out->row = outer_own ? inner : 0;
    out->col = inner_own ? 1 : 0;
    return true;
}

hoi_tensor *hoi_combine(hoi_binary op, hoi_tensor *a, hoi_tensor *b, const char *name) {
    int rank;
    int64_t shape[HOI_RANK], rows, cols = 0;
    hoi_operand left = {0}, right = {0};
    if (!hoi_wants_float(a, name) || !hoi_wants_float(b, name) ||
        !hoi_broadcast(a, b, name, &rank, shape))
        return NULL;
    hoi_device *device = hoi_tensor_device(a);
    hoi_tensor *y = hoi_tensor_new(device, rank, shape);
    if (!y)
        return NULL;
    if (hoi_tensor_count(y) == 0)
        return y;
    /* rows of at most some thousand columns can be dealt out to work-items */
    bool fits = false;
    for (int split = 0; split <= rank; ++split) {
        hoi_operand p, q;
        int64_t width = 1;
        for (int i = split; i < rank; ++i)
            width *= shape[i];
        if (!as_operand(a, rank, shape, split, &p) || !as_operand(b, rank, shape, split, &q) ||
            (fits && cols <= 4096))
            continue;
        fits = true;
        left = p;
        right = q;
        cols = width;
    }
    if (!fits) { /* both repeat in a pattern that no two steps describe: write them out */
        hoi_tensor *wide_a = hoi_expand_plain(a, rank, shape),
                   *wide_b = hoi_expand_plain(b, rank, shape), *z = NULL;
        if (wide_a && wide_b)
            z = hoi_combine(op, wide_a, wide_b, name);
        hoi_tensor_free(wide_a);
        hoi_tensor_free(wide_b);
        hoi_tensor_free(y);
        return z;
    }
    rows = hoi_tensor_count(y) / cols;
    return hoi_finish(y, launch_binary(device, op, left, right, hoi_tensor_span(y), rows, cols));
}

static bool give_summed(hoi_node *node, int i, hoi_tensor *g) {
    return hoi_node_give(node, i, hoi_sum_to(g, node->a.in[i]));
}

static hoi_tensor *negative(hoi_tensor *x) {
    hoi_tensor *y = x ? hoi_scale(x, -1.0f, 0.0f) : NULL;
    hoi_tensor_free(x);
    return y;
}

static hoi_tensor *binary_forward(const hoi_arguments *a, hoi_tensor **saved);

static bool add_pullback(hoi_node *node, hoi_tensor *dy) {
    return (!hoi_node_wants(node, 0) || give_summed(node, 0, hoi_tensor_detach(dy))) &&
           (!hoi_node_wants(node, 1) || give_summed(node, 1, hoi_tensor_detach(dy)));
}

static bool subtract_pullback(hoi_node *node, hoi_tensor *dy) {
    return (!hoi_node_wants(node, 0) || give_summed(node, 0, hoi_tensor_detach(dy))) &&
           (!hoi_node_wants(node, 1) || give_summed(node, 1, hoi_scale(dy, -1.0f, 0.0f)));
}

static bool multiply_pullback(hoi_node *node, hoi_tensor *dy) {
    return (!hoi_node_wants(node, 0) ||
            give_summed(node, 0, hoi_combine(HOI_MULTIPLY, dy, node->a.in[1], "multiply"))) &&
           (!hoi_node_wants(node, 1) ||
            give_summed(node, 1, hoi_combine(HOI_MULTIPLY, dy, node->a.in[0], "multiply")));
}

/* Each side is read for the other's gradient. */
static bool multiply_reads(const hoi_arguments *a, int i) {
    return i >= 0 && hoi_tensor_recorded(a->in[1 - i]);
}

/* y = a / b: da = dy / b, db = -da y */
static bool divide_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *da = hoi_combine(HOI_DIVIDE, dy, node->a.in[1], "divide");
    bool ok = da != NULL;
    if (ok && hoi_node_wants(node, 1))
        ok = give_summed(node, 1, negative(hoi_combine(HOI_MULTIPLY, da, node->y, "divide")));
    if (ok && hoi_node_wants(node, 0))
        ok = give_summed(node, 0, hoi_tensor_ref(da));
    hoi_tensor_free(da);
    return ok;
}

/* The gradient goes where the value came from; at a tie to a. */
static bool extreme_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *a = node->a.in[0], *b = node->a.in[1];
    bool greater = node->a.n[0] == HOI_GREATER_OF, ok = true;
    hoi_tensor *first = hoi_combine(HOI_GREATER_EQUAL, greater ? a : b, greater ? b : a, "maximum");
    hoi_tensor *second = first ? hoi_scale(first, -1.0f, 1.0f) : NULL;
    if (!second)
        ok = false;
    if (ok && hoi_node_wants(node, 0))
        ok = give_summed(node, 0, hoi_combine(HOI_MULTIPLY, dy, first, "maximum"));
    if (ok && hoi_node_wants(node, 1))
        ok = give_summed(node, 1, hoi_combine(HOI_MULTIPLY, dy, second, "maximum"));
    hoi_tensor_free(first);
    hoi_tensor_free(second);
    return ok;
}

static bool compare_pullback(hoi_node *node, hoi_tensor *dy) {
    (void)node;
    (void)dy;
    return true; /* constant between its jumps */
}

const hoi_operation hoi_binary_operations[] = {
    {"add", binary_forward, add_pullback, hoi_reads_nothing},
    {"subtract", binary_forward, subtract_pullback, hoi_reads_nothing},
    {"multiply", binary_forward, multiply_pullback, multiply_reads},
    {"divide", binary_forward, divide_pullback, NULL},
    {"maximum", binary_forward, extreme_pullback, NULL},
    {"minimum", binary_forward, extreme_pullback, NULL},
    {"compare", binary_forward, compare_pullback, hoi_reads_nothing},
};
enum { BINARY_COMPARE = 6 };

static hoi_tensor *binary_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    int row = a->n[0] < BINARY_COMPARE ? (int)a->n[0] : BINARY_COMPARE;
    return hoi_combine((hoi_binary)a->n[0], a->in[0], a->in[1], hoi_binary_operations[row].name);
}

static hoi_tensor *two_sided(hoi_tensor *a, hoi_tensor *b, hoi_binary op) {
    int row = (int)op < BINARY_COMPARE ? (int)op : BINARY_COMPARE;
    return hoi_apply(&hoi_binary_operations[row],
                     &(hoi_arguments){.in = {a, b}, .count = 2, .n = {op}});
}

hoi_tensor *hoi_add(hoi_tensor *a, hoi_tensor *b) {
    return two_sided(a, b, HOI_ADD);
}
hoi_tensor *hoi_subtract(hoi_tensor *a, hoi_tensor *b) {
    return two_sided(a, b, HOI_SUBTRACT);
}
hoi_tensor *hoi_multiply(hoi_tensor *a, hoi_tensor *b) {
    return two_sided(a, b, HOI_MULTIPLY);
}
hoi_tensor *hoi_divide(hoi_tensor *a, hoi_tensor *b) {
    return two_sided(a, b, HOI_DIVIDE);
}
hoi_tensor *hoi_maximum(hoi_tensor *a, hoi_tensor *b) {
    return two_sided(a, b, HOI_GREATER_OF);
}
hoi_tensor *hoi_minimum(hoi_tensor *a, hoi_tensor *b) {
    return two_sided(a, b, HOI_LESS_OF);
}
hoi_tensor *hoi_compare(hoi_tensor *a, hoi_tensor *b, hoi_binary op) {
    return two_sided(a, b, op);
}

/* ---- where ---- */

static hoi_tensor *where_forward(const hoi_arguments *a, hoi_tensor **saved) {
    int rank;
    int64_t shape[HOI_RANK];
    hoi_tensor pair = {0}, *wide[3] = {NULL}, *y = NULL;
    (void)saved;
    if (!hoi_wants_float(a->in[0], "where") || !hoi_wants_float(a->in[1], "where") ||
        !hoi_wants_float(a->in[2], "where") ||
        !hoi_broadcast(a->in[1], a->in[2], "where", &pair.rank, pair.shape) ||
        !hoi_broadcast(a->in[0], &pair, "where", &rank, shape))
        return NULL;
    bool ok = true;
    for (int i = 0; ok && i < 3; ++i)
        ok = (wide[i] = hoi_expand_plain(a->in[i], rank, shape)) != NULL;
    if (ok && (y = hoi_tensor_new(hoi_tensor_device(a->in[0]), rank, shape)))
        y = hoi_finish(y, launch_choose(hoi_tensor_device(y), hoi_tensor_span(wide[0]),
                                        hoi_tensor_span(wide[1]), hoi_tensor_span(wide[2]),
                                        hoi_tensor_span(y), hoi_tensor_count(y)));
    for (int i = 0; i < 3; ++i)
        hoi_tensor_free(wide[i]);
    return y;
}

static bool where_pullback(hoi_node *node, hoi_tensor *dy) {
    bool ok = true;
    hoi_tensor *zero = hoi_tensor_full(hoi_tensor_device(dy), 0, NULL, 0.0f);
    if (!zero)
        return false;
    for (int i = 1; ok && i <= 2; ++i)
        if (hoi_node_wants(node, i)) {
            hoi_arguments a = {.in = {node->a.in[0], i == 1 ? dy : zero, i == 1 ? zero : dy},
                               .count = 3};
            ok = give_summed(node, i, where_forward(&a, NULL));
        }
    hoi_tensor_free(zero);
    return ok;
}

const hoi_operation hoi_where_operation = {"where", where_forward, where_pullback, NULL};

hoi_tensor *hoi_where(hoi_tensor *condition, hoi_tensor *a, hoi_tensor *b) {
    return hoi_apply(&hoi_where_operation, &(hoi_arguments){.in = {condition, a, b}, .count = 3});
}
