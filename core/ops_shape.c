/* ops_shape: views, moved and gathered values. */
#include "core/error.h"
#include "core/ops_table.h"

#include <stdlib.h>
#include <string.h>

hoi_tensor *hoi_finish(hoi_tensor *y, bool launched) {
    if (launched)
        return y;
    hoi_tensor_free(y);
    return NULL;
}

bool hoi_wants_float(const hoi_tensor *x, const char *name) {
    return x->dtype == HOI_F32 ||
           hoi_fail("%s: an F32 tensor is wanted, this one is stored as %s; use :float()", name,
                    hoi_dtype_name(x->dtype));
}

/* Steps of a row-major shape, put into the last places of six. */
static void steps_of(int rank, const int64_t *shape, int64_t six[HOI_STRIDED]) {
    int64_t step = 1;
    memset(six, 0, HOI_STRIDED * sizeof *six);
    for (int i = rank - 1; i >= 0; --i) {
        six[HOI_STRIDED - rank + i] = step;
        step *= shape[i];
    }
}

static void sizes_of(int rank, const int64_t *shape, int64_t six[HOI_STRIDED]) {
    for (int i = 0; i < HOI_STRIDED; ++i)
        six[i] = i < HOI_STRIDED - rank ? 1 : shape[i - (HOI_STRIDED - rank)];
}

/* ---- reshape ---- */

static hoi_tensor *reshape_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    return hoi_tensor_view(a->in[0], 0, (int)a->n[0], a->n + 1);
}

static bool reshape_pullback(hoi_node *node, hoi_tensor *dy) {
    return hoi_node_give(node, 0,
                         hoi_tensor_view(dy, 0, node->a.in[0]->rank, node->a.in[0]->shape));
}

/* ---- permute ---- */

hoi_tensor *hoi_permute_plain(hoi_tensor *x, const int *order) {
    int64_t shape[HOI_RANK], own[HOI_STRIDED], in[HOI_STRIDED] = {0}, out[HOI_STRIDED],
                                               sizes[HOI_STRIDED];
    int shift = HOI_STRIDED - x->rank;
    for (int i = 0; i < x->rank; ++i)
        shape[i] = x->shape[order[i]];
    hoi_tensor *y =
        hoi_wants_float(x, "permute") ? hoi_tensor_new(hoi_tensor_device(x), x->rank, shape) : NULL;
    if (!y)
        return NULL;
    steps_of(x->rank, x->shape, own);
    for (int i = 0; i < x->rank; ++i)
        in[shift + i] = own[shift + order[i]];
    steps_of(x->rank, shape, out);
    sizes_of(x->rank, shape, sizes);
    return hoi_finish(y, launch_strided(hoi_tensor_device(x), sizes, hoi_tensor_span(x), in,
                                        hoi_tensor_span(y), out));
}

static hoi_tensor *permute_forward(const hoi_arguments *a, hoi_tensor **saved) {
    int order[HOI_RANK];
    (void)saved;
    for (int i = 0; i < a->in[0]->rank; ++i)
        order[i] = (int)a->n[i];
    return hoi_permute_plain(a->in[0], order);
}

static bool permute_pullback(hoi_node *node, hoi_tensor *dy) {
    int back[HOI_RANK];
    for (int i = 0; i < dy->rank; ++i)
        back[node->a.n[i]] = i;
    return hoi_node_give(node, 0, hoi_permute_plain(dy, back));
}

/* ---- expand ---- */

hoi_tensor *hoi_expand_plain(hoi_tensor *x, int rank, const int64_t *shape) {
    int64_t own[HOI_STRIDED], out[HOI_STRIDED], sizes[HOI_STRIDED];
    char from[96], to[96];
    if (hoi_tensor_is(x, rank, shape))
        return hoi_tensor_detach(x);
    bool fits = rank >= x->rank;
    for (int i = 0; fits && i < x->rank; ++i)
        fits = x->shape[i] == 1 || x->shape[i] == shape[rank - x->rank + i];
    if (!fits) {
        hoi_fail("expand: %s can not be repeated to %s", hoi_shape_text(x->rank, x->shape, from),
                 hoi_shape_text(rank, shape, to));
        return NULL;
    }
    hoi_tensor *y =
        hoi_wants_float(x, "expand") ? hoi_tensor_new(hoi_tensor_device(x), rank, shape) : NULL;
    if (!y)
        return NULL;
    steps_of(x->rank, x->shape, own);
    for (int i = 0; i < x->rank; ++i)
        if (x->shape[i] == 1)
            own[HOI_STRIDED - x->rank + i] = 0;
    steps_of(rank, shape, out);
    sizes_of(rank, shape, sizes);
    return hoi_finish(y, launch_strided(hoi_tensor_device(x), sizes, hoi_tensor_span(x), own,
                                        hoi_tensor_span(y), out));
}

static hoi_tensor *expand_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    return hoi_expand_plain(a->in[0], (int)a->n[0], a->n + 1);
}

static bool expand_pullback(hoi_node *node, hoi_tensor *dy) {
    return hoi_node_give(node, 0, hoi_sum_to(hoi_tensor_detach(dy), node->a.in[0]));
}

/* ---- slice, pad, concat: a block copied between places ---- */

/* Copies `block` (a shape) from place `at` along dimension d of x to place `to` of y. The
   dimensions behind d are whole in both, so it is a matrix of long rows. */
static bool copy_block(hoi_tensor *x, int64_t at, hoi_tensor *y, int64_t to, int d,
                       const int64_t *block) {
    hoi_span from = hoi_tensor_span(x), into = hoi_tensor_span(y);
    int64_t tail = 1, outer = 1;
    for (int i = 0; i < x->rank; ++i)
        *(i < d ? &outer : &tail) *= i == d ? 1 : block[i];
    from.at += at * tail;
    into.at += to * tail;
    int64_t sizes[HOI_STRIDED] = {1, 1, 1, 1, outer, block[d] * tail};
    int64_t in[HOI_STRIDED] = {0, 0, 0, 0, x->shape[d] * tail, 1},
            out[HOI_STRIDED] = {0, 0, 0, 0, y->shape[d] * tail, 1};
    return launch_strided(hoi_tensor_device(x), sizes, from, in, into, out);
}

static hoi_tensor *slice_plain(hoi_tensor *x, int d, int64_t from, int64_t count) {
    int64_t shape[HOI_RANK];
    memcpy(shape, x->shape, sizeof shape);
    shape[d] = count;
    if (d == 0) { /* whole rows: a view */
        int64_t row = 1;
        for (int i = 1; i < x->rank; ++i)
            row *= x->shape[i];
        return hoi_tensor_view(x, from * row, x->rank, shape);
    }
    hoi_tensor *y =
        hoi_wants_float(x, "slice") ? hoi_tensor_new(hoi_tensor_device(x), x->rank, shape) : NULL;
    return y ? hoi_finish(y, copy_block(x, from, y, 0, d, shape)) : NULL;
}

static hoi_tensor *pad_plain(hoi_tensor *x, int d, int64_t before, int64_t after) {
    int64_t shape[HOI_RANK];
    memcpy(shape, x->shape, sizeof shape);
    shape[d] += before + after;
    hoi_tensor *y = hoi_wants_float(x, "pad")
                        ? hoi_tensor_full(hoi_tensor_device(x), x->rank, shape, 0.0f)
                        : NULL;
    return y ? hoi_finish(y, copy_block(x, 0, y, before, d, x->shape)) : NULL;
}

static hoi_tensor *slice_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    return slice_plain(a->in[0], (int)a->n[0], a->n[1], a->n[2]);
}

static bool slice_pullback(hoi_node *node, hoi_tensor *dy) {
    int d = (int)node->a.n[0];
    int64_t from = node->a.n[1], count = node->a.n[2];
    return hoi_node_give(node, 0, pad_plain(dy, d, from, node->a.in[0]->shape[d] - from - count));
}

static hoi_tensor *pad_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    return pad_plain(a->in[0], (int)a->n[0], a->n[1], a->n[2]);
}

static bool pad_pullback(hoi_node *node, hoi_tensor *dy) {
    int d = (int)node->a.n[0];
    return hoi_node_give(node, 0, slice_plain(dy, d, node->a.n[1], node->a.in[0]->shape[d]));
}

static hoi_tensor *concat_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_tensor *first = a->in[0];
    int d = (int)a->n[0];
    int64_t shape[HOI_RANK], at = 0;
    char left[96], right[96];
    (void)saved;
    memcpy(shape, first->shape, sizeof shape);
    shape[d] = 0;
    for (int i = 0; i < a->count; ++i) {
        hoi_tensor *part = a->in[i];
        bool fits = part->rank == first->rank;
        for (int k = 0; fits && k < part->rank; ++k)
            fits = k == d || part->shape[k] == first->shape[k];
        if (!fits) {
            hoi_fail("concat: %s does not fit beside %s along dimension %d",
                     hoi_shape_text(part->rank, part->shape, right),
                     hoi_shape_text(first->rank, first->shape, left), d + 1);
            return NULL;
        }
        if (!hoi_wants_float(part, "concat"))
            return NULL;
        shape[d] += part->shape[d];
    }
    hoi_tensor *y = hoi_tensor_new(hoi_tensor_device(first), first->rank, shape);
    bool ok = y != NULL;
    for (int i = 0; ok && i < a->count; ++i) {
        ok = copy_block(a->in[i], 0, y, at, d, a->in[i]->shape);
        at += a->in[i]->shape[d];
    }
    return hoi_finish(y, ok);
}

static bool concat_pullback(hoi_node *node, hoi_tensor *dy) {
    int d = (int)node->a.n[0];
    int64_t at = 0;
    for (int i = 0; i < node->a.count; ++i) {
        int64_t n = node->a.in[i]->shape[d];
        if (hoi_node_wants(node, i) && !hoi_node_give(node, i, slice_plain(dy, d, at, n)))
            return false;
        at += n;
    }
    return true;
}

/* ---- rows by index ---- */

static int64_t row_size(const hoi_tensor *x) {
    int64_t size = 1;
    for (int i = 1; i < x->rank; ++i)
        size *= x->shape[i];
    return size;
}

static bool index_fits(const hoi_index *index, int64_t n, const char *name) {
    for (int i = 0; i < index->count; ++i)
        if (index->host[i] < 0 || index->host[i] >= n)
            return hoi_fail("%s: place %d of 1..%lld", name, index->host[i] + 1, (long long)n);
    return true;
}

static hoi_tensor *rows_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_tensor *x = a->in[0], *y;
    int64_t shape[HOI_RANK];
    (void)saved;
    if (x->rank < 1) {
        hoi_fail("rows: a scalar has no rows");
        return NULL;
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[0] = a->index->count;
    if (!index_fits(a->index, x->shape[0], "rows") ||
        !(y = hoi_tensor_new(hoi_tensor_device(x), x->rank, shape)))
        return NULL;
    hoi_storage_type type = x->dtype == HOI_F32   ? HOI_STORED_FLOAT
                            : x->dtype == HOI_F16 ? HOI_STORED_HALF
                                                  : HOI_STORED_BFLOAT;
    return hoi_finish(y, launch_rows(hoi_tensor_device(x), hoi_tensor_span(x), type,
                                     (hoi_span){a->index->buffer, 0}, hoi_tensor_span(y), shape[0],
                                     row_size(x)));
}

/* Row i of the result is the sum of those rows of x whose index is i: the rows are sorted on the
   host, so that each sum has a fixed order. */
static hoi_tensor *scatter_plain(hoi_tensor *x, const hoi_index *index, int64_t n) {
    hoi_device *device = hoi_tensor_device(x);
    int64_t shape[HOI_RANK];
    int count = index->count;
    int32_t *table = calloc((size_t)(n + 1 + count) + 1, sizeof *table), *order;
    hoi_index *both = NULL;
    hoi_tensor *y = NULL;
    memcpy(shape, x->shape, sizeof shape);
    shape[0] = n;
    if (!table) {
        hoi_fail("rows: out of host memory");
        return NULL;
    }
    order = table + n + 1;
    for (int i = 0; i < count; ++i)
        ++table[index->host[i] + 1];
    for (int64_t i = 0; i < n; ++i)
        table[i + 1] += table[i];
    for (int i = 0; i < count; ++i) /* table[i] serves as a cursor here and is put back below */
        order[table[index->host[i]]++] = i;
    for (int64_t i = n; i > 0; --i)
        table[i] = table[i - 1];
    table[0] = 0;
    both = hoi_index_new(device, (int)n + 1 + count, table);
    if (both && (y = hoi_tensor_new(device, x->rank, shape)))
        y = hoi_finish(y, launch_rows_back(device, hoi_tensor_span(x), (hoi_span){both->buffer, 0},
                                           (hoi_span){both->buffer, n + 1}, hoi_tensor_span(y), n,
                                           row_size(x)));
    hoi_index_free(both);
    free(table);
    return y;
}

static bool rows_pullback(hoi_node *node, hoi_tensor *dy) {
    return hoi_node_give(node, 0, scatter_plain(dy, node->a.index, node->a.in[0]->shape[0]));
}

static hoi_tensor *scatter_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    if (!hoi_wants_float(a->in[0], "scatter") || !index_fits(a->index, a->n[0], "scatter"))
        return NULL;
    if (a->in[0]->rank < 1 || a->in[0]->shape[0] != a->index->count) {
        hoi_fail("scatter: %d places for %lld rows", a->index->count,
                 (long long)(a->in[0]->rank ? a->in[0]->shape[0] : 0));
        return NULL;
    }
    return scatter_plain(a->in[0], a->index, a->n[0]);
}

static bool scatter_pullback(hoi_node *node, hoi_tensor *dy) {
    return hoi_node_give(
        node, 0,
        rows_forward(&(hoi_arguments){.in = {dy}, .count = 1, .index = node->a.index}, NULL));
}

/* ---- take ---- */

/* Rows along the last dimension, however long they are. */
static int64_t last_rows(const hoi_tensor *x) {
    int64_t rows = 1;
    for (int i = 0; i < x->rank - 1; ++i)
        rows *= x->shape[i];
    return rows;
}

static hoi_tensor *take_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_tensor *x = a->in[0], *y;
    int64_t shape[HOI_RANK], m = a->n[0], cols = x->rank ? x->shape[x->rank - 1] : 0;
    (void)saved;
    if (!hoi_wants_float(x, "take"))
        return NULL;
    int64_t rows = last_rows(x);
    if (x->rank < 1 || a->index->count != rows * m) {
        hoi_fail("take: %d places; %lld rows of %lld are wanted", a->index->count, (long long)rows,
                 (long long)m);
        return NULL;
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank - 1] = m;
    if (!index_fits(a->index, cols, "take") ||
        !(y = hoi_tensor_new(hoi_tensor_device(x), x->rank, shape)))
        return NULL;
    return hoi_finish(y, launch_take(hoi_tensor_device(x), hoi_tensor_span(x),
                                     (hoi_span){a->index->buffer, 0}, hoi_tensor_span(y), rows,
                                     cols, m));
}

static bool take_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *x = node->a.in[0], *dx = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape);
    int64_t cols = x->shape[x->rank - 1];
    return dx &&
           hoi_node_give(node, 0,
                         hoi_finish(dx, launch_take_back(hoi_tensor_device(x), hoi_tensor_span(dy),
                                                         (hoi_span){node->a.index->buffer, 0},
                                                         hoi_tensor_span(dx), last_rows(x), cols,
                                                         node->a.n[0])));
}

/* ---- unfold ---- */

static void patches_of(const hoi_tensor *x, const int64_t *n, hoi_patches *p) {
    bool last = n[3] != 0;
    int b = (int)x->shape[0], c = (int)x->shape[last ? 3 : 1], h = (int)x->shape[last ? 1 : 2],
        w = (int)x->shape[last ? 2 : 3];
    *p = (hoi_patches){b, c, h, w, (int)n[0], (int)n[1], (int)n[2], {c * h * w, h * w, w, 1}};
    if (last) {
        p->step[1] = 1;
        p->step[2] = w * c;
        p->step[3] = c;
    }
}

static hoi_tensor *unfold_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_tensor *x = a->in[0], *y;
    hoi_patches p;
    char text[96];
    (void)saved;
    if (x->rank != 4 || !hoi_wants_float(x, "unfold")) {
        hoi_fail("unfold: pictures (count, channels, height, width) are wanted, this is %s",
                 hoi_shape_text(x->rank, x->shape, text));
        return NULL;
    }
    patches_of(x, a->n, &p);
    if (p.kernel < 1 || p.stride < 1 || p.pad < 0 || p.height + 2 * p.pad < p.kernel ||
        p.width + 2 * p.pad < p.kernel) {
        hoi_fail("unfold: kernel %d, stride %d, pad %d on %dx%d", p.kernel, p.stride, p.pad,
                 p.height, p.width);
        return NULL;
    }
    int oh = (p.height + 2 * p.pad - p.kernel) / p.stride + 1,
        ow = (p.width + 2 * p.pad - p.kernel) / p.stride + 1;
    int64_t shape[3] = {p.pictures, (int64_t)oh * ow, (int64_t)p.channels * p.kernel * p.kernel};
    if (!(y = hoi_tensor_new(hoi_tensor_device(x), 3, shape)))
        return NULL;
    return hoi_finish(
        y, launch_unfold(hoi_tensor_device(x), &p, hoi_tensor_span(x), hoi_tensor_span(y)));
}

static bool unfold_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *x = node->a.in[0], *dx = hoi_tensor_new(hoi_tensor_device(x), x->rank, x->shape);
    hoi_patches p;
    patches_of(x, node->a.n, &p);
    return dx &&
           hoi_node_give(node, 0,
                         hoi_finish(dx, launch_fold(hoi_tensor_device(x), &p, hoi_tensor_span(dy),
                                                    hoi_tensor_span(dx))));
}

const hoi_operation hoi_shape_operations[] = {
    {"reshape", reshape_forward, reshape_pullback, hoi_reads_nothing},
    {"permute", permute_forward, permute_pullback, hoi_reads_nothing},
    {"expand", expand_forward, expand_pullback, hoi_reads_nothing},
    {"slice", slice_forward, slice_pullback, hoi_reads_nothing},
    {"pad", pad_forward, pad_pullback, hoi_reads_nothing},
    {"concat", concat_forward, concat_pullback, hoi_reads_nothing},
    {"rows", rows_forward, rows_pullback, hoi_reads_nothing},
    {"scatter", scatter_forward, scatter_pullback, hoi_reads_nothing},
    {"take", take_forward, take_pullback, NULL},
    {"unfold", unfold_forward, unfold_pullback, NULL},
};
enum { RESHAPE, PERMUTE, EXPAND, SLICE, PAD, CONCAT, ROWS, SCATTER, TAKE, UNFOLD };

static hoi_tensor *apply(int row, const hoi_arguments *a) {
    return hoi_apply(&hoi_shape_operations[row], a);
}

hoi_tensor *hoi_reshape(hoi_tensor *x, int rank, const int64_t *shape) {
    hoi_arguments a = {.in = {x}, .count = 1, .n = {rank}};
    int64_t known = 1, count = hoi_tensor_count(x);
    int open = -1;
    char from[96], to[96];
    if (rank < 0 || rank > HOI_RANK) {
        hoi_fail("reshape: rank %d; at most %d", rank, HOI_RANK);
        return NULL;
    }
    for (int i = 0; i < rank; ++i) {
        a.n[i + 1] = shape[i];
        if (shape[i] == -1 && open < 0)
            open = i;
        else
            known *= shape[i];
    }
    if (open >= 0 && known > 0 && count % known == 0) {
        a.n[open + 1] = count / known;
        known = count;
    }
    if (known != count) {
        hoi_fail("reshape: %s has %lld elements, %s does not",
                 hoi_shape_text(x->rank, x->shape, from), (long long)count,
                 hoi_shape_text(rank, shape, to));
        return NULL;
    }
    return apply(RESHAPE, &a);
}

hoi_tensor *hoi_permute(hoi_tensor *x, const int *order) {
    hoi_arguments a = {.in = {x}, .count = 1};
    unsigned seen = 0;
    for (int i = 0; i < x->rank; ++i) {
        if (order[i] < 0 || order[i] >= x->rank || (seen & 1u << order[i])) {
            hoi_fail("permute: each of the %d dimensions must be named once", x->rank);
            return NULL;
        }
        seen |= 1u << order[i];
        a.n[i] = order[i];
    }
    return apply(PERMUTE, &a);
}

hoi_tensor *hoi_transpose(hoi_tensor *x) {
    int order[HOI_RANK];
    if (x->rank < 2) {
        hoi_fail("transpose: a matrix is wanted");
        return NULL;
    }
    for (int i = 0; i < x->rank; ++i)
        order[i] = i;
    order[x->rank - 2] = x->rank - 1;
    order[x->rank - 1] = x->rank - 2;
    return hoi_permute(x, order);
}

hoi_tensor *hoi_expand(hoi_tensor *x, int rank, const int64_t *shape) {
    hoi_arguments a = {.in = {x}, .count = 1, .n = {rank}};
    if (rank < 0 || rank > HOI_RANK) {
        hoi_fail("expand: rank %d; at most %d", rank, HOI_RANK);
        return NULL;
    }
    if (rank)
        memcpy(a.n + 1, shape, (size_t)rank * sizeof *shape);
    return apply(EXPAND, &a);
}

static bool has_dimension(const hoi_tensor *x, int d, const char *name) {
    return (d >= 0 && d < x->rank) ||
           hoi_fail("%s: dimension %d of a tensor of rank %d", name, d + 1, x->rank);
}

hoi_tensor *hoi_slice(hoi_tensor *x, int dimension, int64_t from, int64_t count) {
    if (!has_dimension(x, dimension, "slice"))
        return NULL;
    if (from < 0 || count < 0 || from + count > x->shape[dimension]) {
        hoi_fail("slice: %lld..%lld of 1..%lld", (long long)from + 1, (long long)(from + count),
                 (long long)x->shape[dimension]);
        return NULL;
    }
    return apply(SLICE, &(hoi_arguments){.in = {x}, .count = 1, .n = {dimension, from, count}});
}

hoi_tensor *hoi_pad(hoi_tensor *x, int dimension, int64_t before, int64_t after) {
    if (!has_dimension(x, dimension, "pad"))
        return NULL;
    if (before < 0 || after < 0) {
        hoi_fail("pad: %lld before, %lld after; neither may be below 0", (long long)before,
                 (long long)after);
        return NULL;
    }
    return apply(PAD, &(hoi_arguments){.in = {x}, .count = 1, .n = {dimension, before, after}});
}

hoi_tensor *hoi_concat(hoi_tensor *const *parts, int count, int dimension) {
    if (count < 1) {
        hoi_fail("concat: nothing to put together");
        return NULL;
    }
    if (!has_dimension(parts[0], dimension, "concat"))
        return NULL;
    if (count <= HOI_INPUTS) {
        hoi_arguments a = {.count = count, .n = {dimension}};
        for (int i = 0; i < count; ++i)
            a.in[i] = parts[i];
        return apply(CONCAT, &a);
    }
    /* more than a node holds: as a tree */
    hoi_tensor *groups[HOI_INPUTS] = {NULL}, *y = NULL;
    int made = 0, each = (count + HOI_INPUTS - 1) / HOI_INPUTS;
    bool ok = true;
    for (int i = 0; ok && i < count; i += each) {
        groups[made] = hoi_concat(parts + i, count - i < each ? count - i : each, dimension);
        ok = groups[made++] != NULL;
    }
    if (ok)
        y = hoi_concat(groups, made, dimension);
    for (int i = 0; i < made; ++i)
        hoi_tensor_free(groups[i]);
    return y;
}

hoi_tensor *hoi_rows(hoi_tensor *x, hoi_index *index) {
    return apply(ROWS, &(hoi_arguments){.in = {x}, .count = 1, .index = index});
}

hoi_tensor *hoi_scatter(hoi_tensor *x, hoi_index *index, int64_t n) {
    return apply(SCATTER, &(hoi_arguments){.in = {x}, .count = 1, .n = {n}, .index = index});
}

hoi_tensor *hoi_take(hoi_tensor *x, hoi_index *index, int64_t m) {
    return apply(TAKE, &(hoi_arguments){.in = {x}, .count = 1, .n = {m}, .index = index});
}

hoi_tensor *hoi_unfold(hoi_tensor *x, int kernel, int stride, int pad, bool last) {
    return apply(UNFOLD, &(hoi_arguments){.in = {x}, .count = 1, .n = {kernel, stride, pad, last}});
}
