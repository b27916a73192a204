/* ops_product: matrix products: batched, and a layer's with bias, activation and residual in one
   pass. */
#include "core/error.h"
#include "core/ops_table.h"

#include <string.h>

/* y (count of them, m, n) = a b, where b is packed; a plain or across. Steps 0 repeat a matrix. */
static bool product(hoi_device *device, hoi_span a, bool across, int64_t a_row, int64_t a_step,
                    const hoi_pack *b, int64_t b_step, hoi_span y, int m, int n, int k, int count) {
    return launch_gemm(device, &(hoi_gemm){.m = m,
                                           .n = n,
                                           .k = k,
                                           .count = count,
                                           .a = a,
                                           .a_across = across,
                                           .a_row = a_row,
                                           .a_step = a_step,
                                           .b = *b,
                                           .b_step = b_step,
                                           .c = y,
                                           .c_row = n,
                                           .c_step = (int64_t)m * n,
                                           .alpha = 1.0f});
}

static int64_t pack_step(const hoi_pack *pack, int n, int k) {
    if (pack->row)
        return pack->row * k;
    return (n + pack->width - 1) / pack->width * (int64_t)pack->width * k;
}

/* ---- matmul ---- */

typedef struct shapes {
    int m, n, k, count;
    int rank;
    int64_t lead[HOI_RANK];
} shapes;

static bool matmul_shapes(const hoi_tensor *a, const hoi_tensor *b, shapes *s) {
    char left[96], right[96];
    hoi_tensor x = *a, y = *b;
    if (a->rank < 2 || b->rank < 2 || a->shape[a->rank - 1] != b->shape[b->rank - 2])
        return hoi_fail("matmul: %s times %s; the last size of the first must be the last but one "
                        "of the second",
                        hoi_shape_text(a->rank, a->shape, left),
                        hoi_shape_text(b->rank, b->shape, right));
    s->m = (int)a->shape[a->rank - 2];
    s->k = (int)a->shape[a->rank - 1];
    s->n = (int)b->shape[b->rank - 1];
    x.rank -= 2;
    y.rank -= 2;
    if (!hoi_wants_float(a, "matmul") || !hoi_wants_float(b, "matmul") ||
        !hoi_broadcast(&x, &y, "matmul", &s->rank, s->lead))
        return false;
    s->count = 1;
    for (int i = 0; i < s->rank; ++i)
        s->count *= (int)s->lead[i];
    return true;
}

/* Gets x with its leading dimensions repeated to s->lead: counted x itself where nothing changes,
   or where it is one matrix. */
static hoi_tensor *spread(hoi_tensor *x, const shapes *s, bool *one) {
    int64_t shape[HOI_RANK], own = hoi_tensor_count(x),
                             single = x->shape[x->rank - 2] * x->shape[x->rank - 1];
    *one = own == single;
    if (*one)
        return hoi_tensor_detach(x);
    memcpy(shape, s->lead, sizeof shape);
    shape[s->rank] = x->shape[x->rank - 2];
    shape[s->rank + 1] = x->shape[x->rank - 1];
    return hoi_expand_plain(x, s->rank + 2, shape);
}

/* c = op(a) op(b) for the matrices of two tensors; turned: (k, m) for a, (n, k) for b. */
static hoi_tensor *multiply(hoi_tensor *a, bool a_turned, hoi_tensor *b, bool b_turned,
                            const shapes *s, int m, int n, int k) {
    int64_t shape[HOI_RANK];
    bool one_a, one_b;
    hoi_tensor *x = spread(a, s, &one_a), *w = spread(b, s, &one_b), *y = NULL;
    hoi_pack pack;
    hoi_buffer *made = NULL;
    memcpy(shape, s->lead, sizeof shape);
    shape[s->rank] = m;
    shape[s->rank + 1] = n;
    if (x && w && (y = hoi_tensor_new(hoi_tensor_device(a), s->rank + 2, shape)) &&
        hoi_tensor_count(y) > 0) {
        int rows = m, count = s->count;
        if (one_b && !a_turned && !one_a) { /* one right side for all: a single tall product */
            rows = m * count;
            count = 1;
        }
        hoi_device *device = hoi_tensor_device(a);
        bool ok =
            (a_turned && !b_turned && launch_pack_in_place(device, hoi_tensor_span(w), n, &pack)) ||
            hoi_tensor_pack(w, b_turned, false, &pack, &made);
        ok = ok && product(device, hoi_tensor_span(x), a_turned, a_turned ? m : k,
                           one_a ? 0 : (int64_t)m * k, &pack, one_b ? 0 : pack_step(&pack, n, k),
                           hoi_tensor_span(y), rows, n, k, count);
        hoi_buffer_free(made);
        y = hoi_finish(y, ok);
    }
    hoi_tensor_free(x);
    hoi_tensor_free(w);
    return y;
}

static hoi_tensor *matmul_forward(const hoi_arguments *a, hoi_tensor **saved) {
    shapes s;
    (void)saved;
    return matmul_shapes(a->in[0], a->in[1], &s)
               ? multiply(a->in[0], false, a->in[1], false, &s, s.m, s.n, s.k)
               : NULL;
}

/* da = dy b', db = a' dy */
static bool matmul_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *a = node->a.in[0], *b = node->a.in[1];
    shapes s;
    if (!matmul_shapes(a, b, &s))
        return false;
    if (hoi_node_wants(node, 0)) {
        hoi_tensor *g = multiply(dy, false, b, true, &s, s.m, s.k, s.n);
        if (!hoi_node_give(node, 0, hoi_sum_to(g, a)))
            return false;
    }
    if (hoi_node_wants(node, 1)) {
        hoi_tensor *g = NULL;
        if (b->rank == 2 && s.count > 1 && hoi_tensor_count(a) == (int64_t)s.count * s.m * s.k) {
            /* one right side for all: a' dy over all rows at once */
            shapes flat = {.rank = 0, .count = 1};
            hoi_tensor *x = hoi_tensor_view(a, 0, 2, (int64_t[]){(int64_t)s.count * s.m, s.k});
            hoi_tensor *d = hoi_tensor_view(dy, 0, 2, (int64_t[]){(int64_t)s.count * s.m, s.n});
            g = x && d ? multiply(x, true, d, false, &flat, s.k, s.n, s.count * s.m) : NULL;
            hoi_tensor_free(x);
            hoi_tensor_free(d);
        } else {
            g = multiply(a, true, dy, false, &s, s.k, s.n, s.m);
            g = hoi_sum_to(g, b);
        }
        if (!hoi_node_give(node, 1, g))
            return false;
    }
    return true;
}

/* ---- linear: in = (x, weight, bias, residual), n = (activation, unread) ---- */

static hoi_tensor *linear_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_tensor *x = a->in[0], *w = a->in[1], *bias = a->in[2], *residual = a->in[3], *y,
               *before = NULL;
    char left[96], right[96];
    int64_t shape[HOI_RANK];
    hoi_pack pack;
    hoi_buffer *made = NULL;
    if (x->rank < 1 || w->rank != 2 || x->shape[x->rank - 1] != w->shape[1]) {
        hoi_fail("linear: %s through a weight %s; the weight is (out, in) and in must be the last "
                 "size of x",
                 hoi_shape_text(x->rank, x->shape, left), hoi_shape_text(w->rank, w->shape, right));
        return NULL;
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank - 1] = w->shape[0];
    if (!hoi_wants_float(x, "linear") || (bias && !hoi_wants_float(bias, "linear")) ||
        (residual && !hoi_wants_float(residual, "linear")))
        return NULL;
    if (bias && !hoi_tensor_is(bias, 1, w->shape)) {
        hoi_fail("linear: a bias %s for a weight %s", hoi_shape_text(bias->rank, bias->shape, left),
                 hoi_shape_text(w->rank, w->shape, right));
        return NULL;
    }
    if (residual && !hoi_tensor_is(residual, x->rank, shape)) {
        hoi_fail("linear: a residual %s for a result %s",
                 hoi_shape_text(residual->rank, residual->shape, left),
                 hoi_shape_text(x->rank, shape, right));
        return NULL;
    }
    hoi_device *device = hoi_tensor_device(x);
    if (!(y = hoi_tensor_new(device, x->rank, shape)) || hoi_tensor_count(y) == 0)
        return y;
    bool recorded = false;
    for (int i = 0; i < a->count; ++i)
        recorded = recorded || (a->in[i] && hoi_tensor_recorded(a->in[i]));
    if (recorded && a->n[0] != HOI_LINEAR && !(before = hoi_tensor_new(device, x->rank, shape))) {
        hoi_tensor_free(y);
        return NULL;
    }
    saved[0] = before;
    if (a->n[1] && !before)
        return y;
    bool keep = !w->node; /* a computed weight (low-rank deltas) lives for one step only */
    int n = (int)w->shape[0], k = (int)w->shape[1];
    hoi_gemm g = {.m = (int)(hoi_tensor_count(y) / n),
                  .n = n,
                  .k = k,
                  .count = 1,
                  .a = hoi_tensor_span(x),
                  .a_row = k,
                  .c = hoi_tensor_span(y),
                  .c_row = n,
                  .activation = (hoi_activation)a->n[0],
                  .alpha = 1.0f,
                  .bfloat = w->rounds};
    if (bias)
        g.bias = hoi_tensor_span(bias);
    if (residual)
        g.residual = hoi_tensor_span(residual);
    if (before)
        g.before = hoi_tensor_span(before);
    if (a->n[1]) { /* what the activation is of is all that pullback looks at */
        g.c = g.before;
        g.before = g.residual = (hoi_span){NULL, 0};
        g.activation = HOI_LINEAR;
    }
    bool ok = hoi_tensor_pack(w, true, keep, &pack, &made);
    g.b = pack;
    ok = ok && launch_gemm(device, &g);
    hoi_buffer_free(made);
    return hoi_finish(y, ok);
}

bool hoi_add_product(hoi_tensor *dz, hoi_tensor *x, hoi_tensor *dw, bool add, hoi_tensor *sums) {
    hoi_device *device = hoi_tensor_device(x);
    int rows = (int)x->shape[0], n = (int)dz->shape[1], k = (int)x->shape[1];
    hoi_gemm g = {.m = n,
                  .n = k,
                  .k = rows,
                  .count = 1,
                  .a = hoi_tensor_span(dz),
                  .a_across = true,
                  .a_row = n,
                  .c = hoi_tensor_span(dw),
                  .c_row = k,
                  .alpha = 1.0f,
                  .accumulate = add};
    if (sums)
        g.sums = hoi_tensor_span(sums);
    hoi_buffer *made = NULL;
    bool ok = launch_pack_in_place(device, hoi_tensor_span(x), k, &g.b) ||
              hoi_tensor_pack(x, false, false, &g.b, &made);
    ok = ok && launch_gemm(device, &g);
    hoi_buffer_free(made);
    return ok;
}

/* Gets dz' x, (n, k), of all rows; sums, if wanted, get those of dz's columns. */
static hoi_tensor *weight_gradient(hoi_tensor *dz, hoi_tensor *x, const int64_t *shape,
                                   hoi_tensor *sums) {
    int64_t rows = hoi_tensor_count(dz) / (shape[0] > 0 ? shape[0] : 1);
    hoi_tensor *dw = hoi_tensor_new(hoi_tensor_device(x), 2, shape),
               *left = hoi_tensor_view(dz, 0, 2, (int64_t[]){rows, shape[0]}),
               *right = hoi_tensor_view(x, 0, 2, (int64_t[]){rows, shape[1]});
    bool ok = dw && left && right && hoi_add_product(left, right, dw, false, sums);
    hoi_tensor_free(left);
    hoi_tensor_free(right);
    return hoi_finish(dw, ok);
}

/* Gets the layer whose activation x is, where nothing else got x or wants its gradient: then that
   of what the activation is of can be made at once. NULL otherwise. */
static hoi_node *behind_activation(const hoi_tensor *x) {
    hoi_node *node = x->node;
    bool alone = node && x->references == 1 && hoi_node_alone(node) && !node->grad;
    return alone && node->operation == &hoi_product_operations[1] && node->saved[0] &&
                   !hoi_node_wants(node, 3)
               ? node
               : NULL;
}

/* With dz = dy act'(before): dx = dz W, dW = dz' x, dbias = sum of dz, dresidual = dy */
static bool linear_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *x = node->a.in[0], *w = node->a.in[1], *dz = hoi_tensor_detach(dy);
    hoi_device *device = hoi_tensor_device(dy);
    int n = (int)w->shape[0], k = (int)w->shape[1], rows = 1;
    hoi_pack pack;
    hoi_buffer *made = NULL;
    bool ok = dz != NULL;
    for (int i = 0; i < x->rank - 1; ++i)
        rows *= (int)x->shape[i];
    if (ok && hoi_node_wants(node, 3))
        ok = hoi_node_give(node, 3, hoi_tensor_detach(dy));
    if (ok && node->saved[0] && !node->sloped) {
        hoi_tensor_free(dz);
        dz = hoi_tensor_new(device, dy->rank, dy->shape);
        ok = dz && launch_activation_back(device, (hoi_activation)node->a.n[0],
                                          hoi_tensor_span(node->saved[0]), hoi_tensor_span(dy),
                                          hoi_tensor_span(dz), hoi_tensor_count(dy));
    }
    if (ok && hoi_node_wants(node, 0)) {
        hoi_tensor *dx = hoi_tensor_new(device, x->rank, x->shape);
        ok = dx && hoi_tensor_pack(w, false, !w->node && !hoi_walks_checkpoint(), &pack, &made);
        if (ok) {
            hoi_gemm g = {.m = rows,
                          .n = k,
                          .k = n,
                          .count = 1,
                          .a = hoi_tensor_span(dz),
                          .a_row = n,
                          .b = pack,
                          .c = hoi_tensor_span(dx),
                          .c_row = k,
                          .alpha = 1.0f};
            hoi_node *under = behind_activation(x);
            if (under) {
                under->sloped = true;
                g.back = true;
                g.before = hoi_tensor_span(under->saved[0]);
                g.activation = (hoi_activation)under->a.n[0];
            }
            ok = launch_gemm(device, &g);
        }
        hoi_buffer_free(made);
        made = NULL;
        ok = hoi_node_give(node, 0, ok ? dx : (hoi_tensor_free(dx), NULL));
    }
    hoi_tensor *sums = NULL;
    bool weight = hoi_node_wants(node, 1) && n > 0 && k > 0;
    if (ok && hoi_node_wants(node, 2))
        ok = (sums = hoi_tensor_new(device, 1, w->shape)) != NULL;
    if (ok && sums && !weight && n > 0)
        ok = launch_column_sums(device, hoi_tensor_span(dz), rows, n, hoi_tensor_span(sums));
    if (ok && hoi_node_wants(node, 1))
        ok = hoi_node_give(node, 1, weight_gradient(dz, x, w->shape, weight ? sums : NULL));
    if (ok && sums) {
        ok = hoi_node_give(node, 2, sums);
        sums = NULL;
    }
    hoi_tensor_free(sums);
    hoi_tensor_free(dz);
    return ok;
}

/* x is read for the gradient of a weight that has one; w for that of x. */
static bool linear_reads(const hoi_arguments *a, int i) {
    return i == 1 || (i == 0 && hoi_tensor_recorded(a->in[1]));
}

/* As multiply: each side is read for the other's gradient. */
static bool matmul_reads(const hoi_arguments *a, int i) {
    return i >= 0 && hoi_tensor_recorded(a->in[1 - i]);
}

const hoi_operation hoi_product_operations[] = {
    {"matmul", matmul_forward, matmul_pullback, matmul_reads},
    {"linear", linear_forward, linear_pullback, linear_reads}};

hoi_tensor *hoi_matmul(hoi_tensor *a, hoi_tensor *b) {
    return hoi_apply(&hoi_product_operations[0], &(hoi_arguments){.in = {a, b}, .count = 2});
}

hoi_tensor *hoi_linear(hoi_tensor *x, hoi_tensor *weight, hoi_tensor *bias,
                       hoi_activation activation, hoi_tensor *residual) {
    return hoi_apply(
        &hoi_product_operations[1],
        &(hoi_arguments){.in = {x, weight, bias, residual}, .count = 4, .n = {activation}});
}

hoi_tensor *hoi_linear_unread(hoi_tensor *x, hoi_tensor *weight, hoi_tensor *bias,
                              hoi_activation activation, hoi_tensor *residual) {
    return hoi_apply(
        &hoi_product_operations[1],
        &(hoi_arguments){.in = {x, weight, bias, residual}, .count = 4, .n = {activation, 1}});
}
