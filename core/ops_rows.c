/* ops_rows: sums along a dimension, and operations along the last one. */
#include "core/error.h"
#include "core/ops_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void split_at(const hoi_tensor *x, int d, int64_t *outer, int64_t *n, int64_t *inner) {
    *outer = *inner = 1;
    *n = d < 0 ? hoi_tensor_count(x) : x->shape[d];
    for (int i = 0; d >= 0 && i < x->rank; ++i)
        *(i < d ? outer : inner) *= i == d ? 1 : x->shape[i];
}

static hoi_tensor *reduced(hoi_tensor *x, int d, bool keep, hoi_reduction op, float scale) {
    int64_t shape[HOI_RANK], outer, n, inner;
    int rank = 0;
    for (int i = 0; d >= 0 && i < x->rank; ++i)
        if (i != d)
            shape[rank++] = x->shape[i];
        else if (keep)
            shape[rank++] = 1;
    hoi_tensor *y = hoi_tensor_new(hoi_tensor_device(x), rank, shape);
    if (!y)
        return NULL;
    split_at(x, d, &outer, &n, &inner);
    return hoi_finish(y, launch_reduce(hoi_tensor_device(x), op, scale, hoi_tensor_span(x),
                                       hoi_tensor_span(y), outer, n, inner));
}

hoi_tensor *hoi_sum_plain(hoi_tensor *x, int dimension, bool keep) {
    return reduced(x, dimension, keep, HOI_SUM, 1.0f);
}

hoi_tensor *hoi_sum_to(hoi_tensor *g, const hoi_tensor *like) {
    while (g && g->rank > like->rank) {
        hoi_tensor *sum = hoi_sum_plain(g, 0, false);
        hoi_tensor_free(g);
        g = sum;
    }
    for (int i = 0; g && i < like->rank; ++i)
        if (like->shape[i] == 1 && g->shape[i] != 1) {
            hoi_tensor *sum = hoi_sum_plain(g, i, true);
            hoi_tensor_free(g);
            g = sum;
        }
    return g;
}

/* ---- sum, mean, max: n = (dimension, keep) ---- */

static hoi_tensor *sum_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    return hoi_wants_float(a->in[0], "sum")
               ? reduced(a->in[0], (int)a->n[0], a->n[1] != 0, HOI_SUM, 1.0f)
               : NULL;
}

static hoi_tensor *mean_forward(const hoi_arguments *a, hoi_tensor **saved) {
    int64_t outer, n, inner;
    (void)saved;
    split_at(a->in[0], (int)a->n[0], &outer, &n, &inner);
    return hoi_wants_float(a->in[0], "mean") ? reduced(a->in[0], (int)a->n[0], a->n[1] != 0,
                                                       HOI_SUM, 1.0f / (float)(n > 0 ? n : 1))
                                             : NULL;
}

/* Gets g (of a reduced shape) as a view with size 1 where x was reduced, so that it broadcasts
   against x. */
static hoi_tensor *as_kept(const hoi_tensor *g, const hoi_tensor *x, int d) {
    int64_t shape[HOI_RANK];
    for (int i = 0; i < x->rank; ++i)
        shape[i] = d < 0 || i == d ? 1 : x->shape[i];
    return hoi_tensor_view(g, 0, x->rank, shape);
}

static bool spread(hoi_node *node, hoi_tensor *dy, float scale) {
    hoi_tensor *x = node->a.in[0], *kept = as_kept(dy, x, (int)node->a.n[0]);
    hoi_tensor *wide = kept ? hoi_expand_plain(kept, x->rank, x->shape) : NULL, *g = wide;
    if (wide && scale != 1.0f) {
        g = hoi_scale(wide, scale, 0.0f);
        hoi_tensor_free(wide);
    }
    hoi_tensor_free(kept);
    return hoi_node_give(node, 0, g);
}

static bool sum_pullback(hoi_node *node, hoi_tensor *dy) {
    return spread(node, dy, 1.0f);
}

static bool mean_pullback(hoi_node *node, hoi_tensor *dy) {
    int64_t outer, n, inner;
    split_at(node->a.in[0], (int)node->a.n[0], &outer, &n, &inner);
    return spread(node, dy, 1.0f / (float)(n > 0 ? n : 1));
}

static hoi_tensor *max_forward(const hoi_arguments *a, hoi_tensor **saved) {
    int64_t outer, n, inner;
    (void)saved;
    split_at(a->in[0], (int)a->n[0], &outer, &n, &inner);
    if (n < 1) {
        hoi_fail("max: nothing to choose from");
        return NULL;
    }
    return hoi_wants_float(a->in[0], "max")
               ? reduced(a->in[0], (int)a->n[0], a->n[1] != 0, HOI_MAX, 1.0f)
               : NULL;
}

/* Ties share: dx = [x == y] dy / count */
static bool max_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *x = node->a.in[0], *y = NULL, *hit = NULL, *count = NULL, *g = NULL, *part = NULL,
               *dx = NULL;
    int d = (int)node->a.n[0];
    if ((y = as_kept(node->y, x, d)) && (g = as_kept(dy, x, d)) &&
        (hit = hoi_combine(HOI_EQUAL, x, y, "max")) &&
        (count = reduced(hit, d, true, HOI_SUM, 1.0f))) {
        hoi_tensor *kept = as_kept(count, x, d);
        part = kept ? hoi_combine(HOI_DIVIDE, g, kept, "max") : NULL;
        hoi_tensor_free(kept);
    }
    if (part)
        dx = hoi_combine(HOI_MULTIPLY, hit, part, "max");
    hoi_tensor_free(y);
    hoi_tensor_free(g);
    hoi_tensor_free(hit);
    hoi_tensor_free(count);
    hoi_tensor_free(part);
    return hoi_node_give(node, 0, dx);
}

/* ---- along the last dimension ---- */

static bool as_rows(const hoi_tensor *x, const char *name, int64_t *rows, int64_t *cols) {
    if (x->rank < 1)
        return hoi_fail("%s: a scalar has no last dimension", name);
    *cols = x->shape[x->rank - 1];
    *rows = *cols ? hoi_tensor_count(x) / *cols : 0;
    return hoi_wants_float(x, name);
}

static hoi_tensor *softmax_forward(const hoi_arguments *a, hoi_tensor **saved) {
    int64_t rows, cols;
    hoi_tensor *x = a->in[0], *y;
    (void)saved;
    if (!as_rows(x, "softmax", &rows, &cols) ||
        !(y = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape)))
        return NULL;
    return hoi_finish(y, launch_softmax(hoi_tensor_device(x), hoi_tensor_span(x),
                                        hoi_tensor_span(y), rows, cols, a->n[0] != 0));
}

static bool softmax_pullback(hoi_node *node, hoi_tensor *dy) {
    int64_t rows, cols;
    hoi_tensor *x = node->a.in[0], *dx = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape);
    return dx && as_rows(x, "softmax", &rows, &cols) &&
           hoi_node_give(
               node, 0,
               hoi_finish(dx, launch_softmax_back(hoi_tensor_device(x), hoi_tensor_span(node->y),
                                                  hoi_tensor_span(dy), hoi_tensor_span(dx), rows,
                                                  cols, node->a.n[0] != 0)));
}

static hoi_tensor *layer_norm_forward(const hoi_arguments *a, hoi_tensor **saved) {
    int64_t rows, cols;
    hoi_tensor *x = a->in[0], *gain = a->in[1], *bias = a->in[2], *y, *kept;
    char text[96];
    if (!as_rows(x, "layer_norm", &rows, &cols))
        return NULL;
    if (!hoi_tensor_is(gain, 1, &cols) || !hoi_tensor_is(bias, 1, &cols) ||
        !hoi_wants_float(gain, "layer_norm") || !hoi_wants_float(bias, "layer_norm")) {
        hoi_fail("layer_norm: gain and bias of %lld F32 values are wanted for %s", (long long)cols,
                 hoi_shape_text(x->rank, x->shape, text));
        return NULL;
    }
    kept = hoi_tensor_new(hoi_tensor_device(x), 2, (int64_t[]){rows, 2});
    y = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape);
    if (!kept || !y ||
        !launch_layer_norm(hoi_tensor_device(x), hoi_tensor_span(x), hoi_tensor_span(gain),
                           hoi_tensor_span(bias), hoi_tensor_span(y), hoi_tensor_span(kept), rows,
                           cols, a->f[0])) {
        hoi_tensor_free(kept);
        hoi_tensor_free(y);
        return NULL;
    }
    saved[0] = kept;
    return y;
}

static bool layer_norm_pullback(hoi_node *node, hoi_tensor *dy) {
    int64_t rows, cols;
    hoi_tensor *x = node->a.in[0], *kept = node->saved[0];
    hoi_device *device = hoi_tensor_device(x);
    if (!as_rows(x, "layer_norm", &rows, &cols))
        return false;
    if (hoi_node_wants(node, 0)) {
        hoi_tensor *dx = hoi_tensor_new(device, x->rank, x->shape);
        if (!dx || !hoi_node_give(
                       node, 0,
                       hoi_finish(dx, launch_layer_norm_back(
                                          device, hoi_tensor_span(x),
                                          hoi_tensor_span(node->a.in[1]), hoi_tensor_span(kept),
                                          hoi_tensor_span(dy), hoi_tensor_span(dx), rows, cols))))
            return false;
    }
    if (!hoi_node_wants(node, 1) && !hoi_node_wants(node, 2))
        return true;
    hoi_tensor *sums = hoi_tensor_new(device, 2, (int64_t[]){2, cols});
    bool ok =
        sums && launch_layer_norm_sums(device, hoi_tensor_span(x), hoi_tensor_span(kept),
                                       hoi_tensor_span(dy), hoi_tensor_span(sums), rows, cols);
    for (int i = 1; ok && i <= 2; ++i)
        if (hoi_node_wants(node, i))
            ok = hoi_node_give(node, i, hoi_tensor_view(sums, (i - 1) * cols, 1, &cols));
    hoi_tensor_free(sums);
    return ok;
}

static hoi_tensor *normalize_forward(const hoi_arguments *a, hoi_tensor **saved) {
    int64_t rows, cols;
    hoi_tensor *x = a->in[0], *y, *kept;
    if (!as_rows(x, "normalize", &rows, &cols))
        return NULL;
    kept = hoi_tensor_new(hoi_tensor_device(x), 1, &rows);
    y = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape);
    if (!kept || !y ||
        !launch_normalize(hoi_tensor_device(x), hoi_tensor_span(x), hoi_tensor_span(y),
                          hoi_tensor_span(kept), rows, cols, a->f[0])) {
        hoi_tensor_free(kept);
        hoi_tensor_free(y);
        return NULL;
    }
    saved[0] = kept;
    return y;
}

static bool normalize_pullback(hoi_node *node, hoi_tensor *dy) {
    int64_t rows, cols;
    hoi_tensor *x = node->a.in[0], *dx = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape);
    return dx && as_rows(x, "normalize", &rows, &cols) &&
           hoi_node_give(node, 0,
                         hoi_finish(dx, launch_normalize_back(
                                            hoi_tensor_device(x), hoi_tensor_span(node->y),
                                            hoi_tensor_span(node->saved[0]), hoi_tensor_span(dy),
                                            hoi_tensor_span(dx), rows, cols)));
}

static hoi_tensor *cumulated(hoi_tensor *x, bool backward) {
    int64_t rows, cols;
    hoi_tensor *y;
    if (!as_rows(x, "cumsum", &rows, &cols) ||
        !(y = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape)))
        return NULL;
    return hoi_finish(y, launch_cumulate(hoi_tensor_device(x), hoi_tensor_span(x),
                                         hoi_tensor_span(y), rows, cols, backward));
}

static hoi_tensor *cumsum_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    return cumulated(a->in[0], false);
}

static bool cumsum_pullback(hoi_node *node, hoi_tensor *dy) {
    return hoi_node_give(node, 0, cumulated(dy, true));
}

/* ---- inverse ---- */

/* Gauss-Jordan with row exchange; in (k, k) becomes its inverse. */
static bool invert(double *m, int k) {
    double *w = malloc((size_t)k * (size_t)k * 2 * sizeof *w);
    bool ok = w != NULL || hoi_fail("inverse: out of host memory");
    for (int i = 0; ok && i < k; ++i)
        for (int j = 0; j < 2 * k; ++j)
            w[i * 2 * k + j] = j < k ? m[i * k + j] : j - k == i ? 1.0 : 0.0;
    for (int c = 0; ok && c < k; ++c) {
        int best = c;
        for (int i = c + 1; i < k; ++i)
            if (fabs(w[i * 2 * k + c]) > fabs(w[best * 2 * k + c]))
                best = i;
        if (!(fabs(w[best * 2 * k + c]) > 1e-300)) {
            ok = hoi_fail("inverse: the matrix is singular (column %d)", c + 1);
            break;
        }
        for (int j = 0; j < 2 * k; ++j) {
            double t = w[c * 2 * k + j];
            w[c * 2 * k + j] = w[best * 2 * k + j];
            w[best * 2 * k + j] = t;
        }
        double pivot = 1.0 / w[c * 2 * k + c];
        for (int j = 0; j < 2 * k; ++j)
            w[c * 2 * k + j] *= pivot;
        for (int i = 0; i < k; ++i) {
            double factor = w[i * 2 * k + c];
            for (int j = 0; i != c && factor != 0.0 && j < 2 * k; ++j)
                w[i * 2 * k + j] -= factor * w[c * 2 * k + j];
        }
    }
    for (int i = 0; ok && i < k; ++i)
        for (int j = 0; j < k; ++j)
            m[i * k + j] = w[i * 2 * k + k + j];
    free(w);
    return ok;
}

static hoi_tensor *inverse_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_tensor *x = a->in[0], *y = NULL;
    int k = x->rank == 2 ? (int)x->shape[0] : 0;
    (void)saved;
    if (x->rank != 2 || x->shape[0] != x->shape[1] || k < 1 || k > 256) {
        hoi_fail("inverse: a square matrix of at most 256 rows is wanted");
        return NULL;
    }
    float *f = malloc((size_t)k * (size_t)k * sizeof *f);
    double *m = malloc((size_t)k * (size_t)k * sizeof *m);
    if (!f || !m) {
        hoi_fail("inverse: out of host memory");
    } else if (hoi_wants_float(x, "inverse") && hoi_tensor_read(x, f)) {
        for (int i = 0; i < k * k; ++i)
            m[i] = (double)f[i];
        if (invert(m, k)) {
            for (int i = 0; i < k * k; ++i)
                f[i] = (float)m[i];
            y = hoi_tensor_from(hoi_tensor_device(x), 2, x->shape, f);
        }
    }
    free(f);
    free(m);
    return y;
}

/* dx = -y' dy y' */
static bool inverse_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *turned = hoi_transpose(node->y), *half = turned ? hoi_matmul(turned, dy) : NULL;
    hoi_tensor *whole = half ? hoi_matmul(half, turned) : NULL,
               *dx = whole ? hoi_scale(whole, -1.0f, 0.0f) : NULL;
    hoi_tensor_free(turned);
    hoi_tensor_free(half);
    hoi_tensor_free(whole);
    return hoi_node_give(node, 0, dx);
}

/* The result is not looked at. */
static bool norm_reads(const hoi_arguments *a, int i) {
    (void)a;
    return i >= 0;
}

const hoi_operation hoi_row_operations[] = {
    {"sum", sum_forward, sum_pullback, NULL},
    {"mean", mean_forward, mean_pullback, NULL},
    {"max", max_forward, max_pullback, NULL},
    {"softmax", softmax_forward, softmax_pullback, NULL},
    {"log_softmax", softmax_forward, softmax_pullback, NULL},
    {"layer_norm", layer_norm_forward, layer_norm_pullback, norm_reads},
    {"normalize", normalize_forward, normalize_pullback, NULL},
    {"cumsum", cumsum_forward, cumsum_pullback, NULL},
    {"inverse", inverse_forward, inverse_pullback, NULL},
};
enum { SUM, MEAN, MAX, SOFTMAX, LOG_SOFTMAX, LAYER_NORM, NORMALIZE, CUMSUM, INVERSE };

static hoi_tensor *apply(int row, const hoi_arguments *a) {
    return hoi_apply(&hoi_row_operations[row], a);
}

static hoi_tensor *along(int row, hoi_tensor *x, int dimension, bool keep) {
    if (dimension < -1 || dimension >= x->rank) {
        hoi_fail("%s: dimension %d of a tensor of rank %d", hoi_row_operations[row].name,
                 dimension + 1, x->rank);
        return NULL;
    }
    return apply(row, &(hoi_arguments){.in = {x}, .count = 1, .n = {dimension, keep}});
}

hoi_tensor *hoi_sum(hoi_tensor *x, int dimension, bool keep) {
    return along(SUM, x, dimension, keep);
}
hoi_tensor *hoi_mean(hoi_tensor *x, int dimension, bool keep) {
    return along(MEAN, x, dimension, keep);
}
hoi_tensor *hoi_max(hoi_tensor *x, int dimension, bool keep) {
    return along(MAX, x, dimension, keep);
}
hoi_tensor *hoi_softmax(hoi_tensor *x) {
    return apply(SOFTMAX, &(hoi_arguments){.in = {x}, .count = 1, .n = {0}});
}
hoi_tensor *hoi_log_softmax(hoi_tensor *x) {
    return apply(LOG_SOFTMAX, &(hoi_arguments){.in = {x}, .count = 1, .n = {1}});
}
hoi_tensor *hoi_layer_norm(hoi_tensor *x, hoi_tensor *gain, hoi_tensor *bias, float eps) {
    return apply(LAYER_NORM, &(hoi_arguments){.in = {x, gain, bias}, .count = 3, .f = {eps}});
}
hoi_tensor *hoi_normalize(hoi_tensor *x, float eps) {
    return apply(NORMALIZE, &(hoi_arguments){.in = {x}, .count = 1, .f = {eps}});
}
hoi_tensor *hoi_cumsum(hoi_tensor *x) {
    return apply(CUMSUM, &(hoi_arguments){.in = {x}, .count = 1});
}
hoi_tensor *hoi_inverse(hoi_tensor *x) {
    return apply(INVERSE, &(hoi_arguments){.in = {x}, .count = 1});
}

/* ---- order ---- */

typedef struct ranked {
    float value;
    int32_t place;
} ranked;

/* Greatest first; NaN last; equal values in their order. */
static int greater_first(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (isnan(x->value) || isnan(y->value))
        return isnan(x->value) - isnan(y->value) ? isnan(x->value) - isnan(y->value)
                                                 : x->place - y->place;
    if (x->value > y->value)
        return -1;
    return x->value < y->value ? 1 : x->place - y->place;
}

hoi_index *hoi_order(hoi_tensor *x, int64_t count, bool descending) {
    int64_t rows, cols;
    hoi_index *index = NULL;
    if (!as_rows(x, "sort", &rows, &cols))
        return NULL;
    if (count < 0 || count > cols) {
        hoi_fail("topk: %lld of %lld values", (long long)count, (long long)cols);
        return NULL;
    }
    float *values = malloc((size_t)(rows * cols) * sizeof *values + 1);
    ranked *row = malloc((size_t)cols * sizeof *row + 1);
    int32_t *places = malloc((size_t)(rows * count) * sizeof *places + 1);
    if (!values || !row || !places) {
        hoi_fail("sort: out of host memory");
    } else if (hoi_tensor_read(x, values)) {
        for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < cols; ++c)
                row[c] =
                    (ranked){descending ? values[r * cols + c] : -values[r * cols + c], (int32_t)c};
            qsort(row, (size_t)cols, sizeof *row, greater_first);
            for (int64_t c = 0; c < count; ++c)
                places[r * count + c] = row[c].place;
        }
        index = hoi_index_new(hoi_tensor_device(x), (int)(rows * count), places);
    }
    free(values);
    free(row);
    free(places);
    return index;
}
