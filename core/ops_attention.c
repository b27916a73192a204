/* ops_attention: masked attention of many heads, and its place in the table of all operations. */
#include "core/error.h"
#include "core/ops_table.h"

#include <math.h>

/* in = (q, k, v, mask); n = (heads, causal, skip, rounds). k and v NULL: q holds all three side by side, and
   its first `skip` rows are only attended to. */
static bool describe(const hoi_arguments *a, hoi_attention *d) {
    hoi_tensor *q = a->in[0], *k = a->in[1], *v = a->in[2], *mask = a->in[3];
    char left[96], right[96];
    int64_t heads = a->n[0], width;
    *d = (hoi_attention){.causal = a->n[1] != 0, .rounds = a->n[3] != 0};
    if (q->rank != 3 || (k == NULL) != (v == NULL))
        return hoi_fail("attention: q (b, n, width) with k and v, or all three side by side, are "
                        "wanted; q is %s",
                        hoi_shape_text(q->rank, q->shape, left));
    if (!hoi_wants_float(q, "attention") ||
        (k && (!hoi_wants_float(k, "attention") || !hoi_wants_float(v, "attention"))))
        return false;
    width = k ? q->shape[2] : q->shape[2] / 3;
    if (heads < 1 || width % heads != 0 || (!k && q->shape[2] % 3 != 0))
        return hoi_fail("attention: a width of %lld does not divide into %lld heads",
                        (long long)width, (long long)heads);
    if (a->n[2] != 0 && (k || d->causal || a->n[2] < 0 || a->n[2] > q->shape[1]))
        return hoi_fail("attention: %lld of %lld rows only attended to; queries, keys and values "
                        "have to be side by side, and what is seen a mask's business",
                        (long long)a->n[2], (long long)q->shape[1]);
    if (k && (k->rank != 3 || !hoi_tensor_is(v, 3, k->shape) || k->shape[0] != q->shape[0] ||
              k->shape[2] != width))
        return hoi_fail("attention: q %s and k %s do not fit: same batch, same width, v as k",
                        hoi_shape_text(q->rank, q->shape, left),
                        hoi_shape_text(k->rank, k->shape, right));
    d->pictures = (int)q->shape[0];
    d->heads = (int)heads;
    d->queries = (int)q->shape[1];
    d->keys = (int)(k ? k->shape[1] : q->shape[1]);
    d->d = (int)(width / heads);
    d->scale = 1.0f / sqrtf((float)d->d);
    d->q = (hoi_lines){hoi_tensor_span(q), q->shape[2], q->shape[1] * q->shape[2]};
    if (k) {
        d->k = (hoi_lines){hoi_tensor_span(k), width, k->shape[1] * width};
        d->v = (hoi_lines){hoi_tensor_span(v), width, k->shape[1] * width};
    } else {
        d->k = d->v = d->q;
        d->k.span.at += width;
        d->v.span.at += 2 * width;
        d->q.span.at += a->n[2] * q->shape[2];
        d->queries -= (int)a->n[2];
    }
    if (mask) {
        int64_t n = d->queries, m = d->keys, b = d->pictures;
        bool plain = mask->rank == 2 && mask->shape[0] == n && mask->shape[1] == m;
        bool each = mask->rank == 3 && mask->shape[2] == m &&
                    (mask->shape[0] == b || mask->shape[0] == 1) &&
                    (mask->shape[1] == n || mask->shape[1] == 1);
        if ((!plain && !each) || !hoi_wants_float(mask, "attention"))
            return hoi_fail(
                "attention: a mask %s; (%lld, %lld) or (%lld or 1, %lld or 1, %lld) is wanted",
                hoi_shape_text(mask->rank, mask->shape, left), (long long)n, (long long)m,
                (long long)b, (long long)n, (long long)m);
        d->mask = (hoi_lines){hoi_tensor_span(mask), m, 0};
        if (each && mask->shape[1] == 1)
            d->mask.row = 0;
        if (each && mask->shape[0] != 1)
            d->mask.step = mask->shape[1] * m;
    }
    return true;
}

static void place_result(const hoi_tensor *o, hoi_attention *d) {
    d->o = (hoi_lines){hoi_tensor_span(o), o->shape[2], o->shape[1] * o->shape[2]};
}

static hoi_tensor *attention_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_attention d;
    if (!describe(a, &d))
        return NULL;
    hoi_device *device = hoi_tensor_device(a->in[0]);
    hoi_tensor *o =
        hoi_tensor_new(device, 3, (int64_t[]){d.pictures, d.queries, (int64_t)d.heads * d.d});
    hoi_tensor *lse = hoi_tensor_new(device, 3, (int64_t[]){d.pictures, d.heads, d.queries});
    bool ok = o && lse;
    if (ok && hoi_tensor_count(o) > 0) {
        place_result(o, &d);
        d.lse = hoi_tensor_span(lse);
        ok = d.keys > 0 ? launch_attention(device, &d)
                        : launch_fill(device, hoi_tensor_span(o), hoi_tensor_count(o), 0.0f);
    }
    saved[0] = lse;
    return hoi_finish(o, ok);
}

static bool attention_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *q = node->a.in[0], *k = node->a.in[1], *v = node->a.in[2];
    hoi_device *device = hoi_tensor_device(q);
    hoi_attention d;
    if (!describe(&node->a, &d))
        return false;
    place_result(node->y, &d);
    d.lse = hoi_tensor_span(node->saved[0]);
    hoi_tensor *dq = hoi_tensor_new(device, 3, q->shape),
               *dk = k ? hoi_tensor_new(device, 3, k->shape) : NULL;
    hoi_tensor *dv = v ? hoi_tensor_new(device, 3, v->shape) : NULL;
    hoi_tensor *g[3] = {dq, dk, dv};
    bool ok = dq && (!k || (dk && dv)), empty = hoi_tensor_count(node->y) == 0 || d.keys == 0;
    if (ok && !empty && node->a.n[2]) /* skipped rows asked nothing */
        ok = launch_fill(device, hoi_tensor_span(dq), hoi_tensor_count(dq), 0.0f);
    for (int i = 0; ok && empty && i < 3; ++i) /* nothing was mixed */
        ok = !g[i] || launch_fill(device, hoi_tensor_span(g[i]), hoi_tensor_count(g[i]), 0.0f);
    if (ok && !empty) {
        hoi_span at_q = hoi_tensor_span(dq), at_k = at_q, at_v = at_q;
        if (k) {
            at_k = hoi_tensor_span(dk);
            at_v = hoi_tensor_span(dv);
        } else {
            at_k.at += (int64_t)d.heads * d.d;
            at_v.at += (int64_t)2 * d.heads * d.d;
            at_q.at += node->a.n[2] * q->shape[2];
        }
        ok = launch_attention_back(device, &d, hoi_tensor_span(dy), at_q, at_k, at_v);
    }
    for (int i = 0; i < 3; ++i) {
        if (ok && g[i] && hoi_node_wants(node, i))
            ok = hoi_node_give(node, i, g[i]);
        else
            hoi_tensor_free(g[i]);
    }
    return ok;
}

const hoi_operation hoi_attention_operation = {"attention", attention_forward, attention_pullback,
                                               NULL};

hoi_tensor *hoi_attention_of(hoi_tensor *q, hoi_tensor *k, hoi_tensor *v, int heads, bool causal,
                             hoi_tensor *mask, bool rounds) {
    return hoi_apply(
        &hoi_attention_operation,
        &(hoi_arguments){.in = {q, k, v, mask}, .count = 4, .n = {heads, causal, 0, rounds}});
}

hoi_tensor *hoi_attention_behind(hoi_tensor *qkv, int skip, int heads, hoi_tensor *mask) {
    return hoi_apply(
        &hoi_attention_operation,
        &(hoi_arguments){.in = {qkv, NULL, NULL, mask}, .count = 4, .n = {heads, 0, skip}});
}

/* ---- the table ---- */

#define U(i) &hoi_unary_operations[i]
#define B(i) &hoi_binary_operations[i]
#define S(i) &hoi_shape_operations[i]
#define R(i) &hoi_row_operations[i]
const hoi_operation *const hoi_operations[] = {
    U(0),
    U(1),
    U(2),
    U(3),
    U(4),
    U(5),
    U(6),
    U(7),
    U(8),
    U(9),
    U(10),
    U(11),
    U(12),
    U(13),
    U(14),
    U(15),
    U(16),
    U(17),
    U(18),
    B(0),
    B(1),
    B(2),
    B(3),
    B(4),
    B(5),
    B(6),
    S(0),
    S(1),
    S(2),
    S(3),
    S(4),
    S(5),
    S(6),
    S(7),
    S(8),
    S(9),
    R(0),
    R(1),
    R(2),
    R(3),
    R(4),
    R(5),
    R(6),
    R(7),
    R(8),
    &hoi_where_operation,
    &hoi_product_operations[0],
    &hoi_product_operations[1],
    &hoi_attention_operation,
    &hoi_conv_operations[0],
    &hoi_conv_operations[1],
    &hoi_conv_operations[2],
};
const int hoi_operation_count = (int)(sizeof hoi_operations / sizeof *hoi_operations);
