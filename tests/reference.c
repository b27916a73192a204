/* reference: every operation once more, from its definition. */
#include "tests/reference.h"
#include "tests/reference_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t array_count(const array *x) {
    int64_t count = 1;
    for (int i = 0; i < x->rank; ++i)
        count *= x->shape[i];
    return count;
}

array array_new(int rank, const int64_t *shape) {
    array x = {.rank = rank};
    for (int i = 0; i < rank; ++i)
        x.shape[i] = shape[i];
    x.at = calloc((size_t)array_count(&x) + 1, sizeof *x.at);
    if (!x.at)
        abort(); /* of no use without */
    return x;
}

/* Gets the coordinates of element i. */
static void locate(const array *x, int64_t i, int64_t *at) {
    for (int d = x->rank - 1; d >= 0; --d) {
        at[d] = i % x->shape[d];
        i /= x->shape[d];
    }
}

/* Gets the element of x at coordinates of `rank` dimensions to which x is broadcast: its
   dimensions are the last of them, those of size 1 repeat. */
static int64_t place(const array *x, const int64_t *at, int rank) {
    int64_t place = 0;
    for (int d = 0; d < x->rank; ++d)
        place = place * x->shape[d] + (x->shape[d] == 1 ? 0 : at[rank - x->rank + d]);
    return place;
}

/* Gets the shape that `count` arrays broadcast to. */
static array broadcast(const array *in, int count) {
    array y = {0};
    for (int i = 0; i < count; ++i)
        if (in[i].rank > y.rank)
            y.rank = in[i].rank;
    for (int d = 0; d < y.rank; ++d) {
        y.shape[d] = 1;
        for (int i = 0; i < count; ++i) {
            int own = d - (y.rank - in[i].rank);
            if (own >= 0 && in[i].shape[own] != 1)
                y.shape[d] = in[i].shape[own];
        }
    }
    return array_new(y.rank, y.shape);
}

/* ------------------------------------------------------------------ one value */

static double relu(double x) {
    return x > 0 ? x : 0;
}
static double quick_gelu(double x) {
    return x / (1 + exp(-1.702 * x));
}
static double gelu(double x) {
    return x * 0.5 * erfc(-x / sqrt(2.0));
}

#define ONE_VALUE(name, formula)                                                                   \
    static void forward_##name(const reference_call *c, array *y) {                                \
        double a = c->f[0], b = c->f[1];                                                           \
        *y = array_new(c->in[0].rank, c->in[0].shape);                                             \
        for (int64_t i = 0; i < array_count(y); ++i) {                                             \
            double x = c->in[0].at[i];                                                             \
            y->at[i] = formula;                                                                    \
        }                                                                                          \
        (void)a;                                                                                   \
        (void)b;                                                                                   \
    }
ONE_VALUE(scale, a *x + b)
ONE_VALUE(exp, exp(x))
ONE_VALUE(log, log(x))
ONE_VALUE(sqrt, sqrt(x))
ONE_VALUE(square, x *x)
ONE_VALUE(abs, fabs(x))
ONE_VALUE(quick_gelu, quick_gelu(x))
ONE_VALUE(gelu, gelu(x))
ONE_VALUE(leaky_relu, x > 0 ? x : a * x)
ONE_VALUE(sigmoid, 1 / (1 + exp(-x)))
ONE_VALUE(tanh, tanh(x))
ONE_VALUE(softplus, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))
ONE_VALUE(reciprocal, 1 / x)
ONE_VALUE(clamp, x<a ? a : x> b ? b : x)
ONE_VALUE(sin, sin(x))
ONE_VALUE(cos, cos(x))
ONE_VALUE(power, pow(x, a))
ONE_VALUE(elu, x > 0 ? x : expm1(x))
ONE_VALUE(half, x) /* nearly: a step has no slope; tensor_spec checks each bit */

/* ------------------------------------------------------------------ two and three values */

#define TWO_VALUES(name, formula)                                                                  \
    static void forward_##name(const reference_call *c, array *y) {                                \
        int64_t at[REFERENCE_RANK];                                                                \
        *y = broadcast(c->in, 2);                                                                  \
        for (int64_t i = 0; i < array_count(y); ++i) {                                             \
            locate(y, i, at);                                                                      \
            double a = c->in[0].at[place(&c->in[0], at, y->rank)];                                 \
            double b = c->in[1].at[place(&c->in[1], at, y->rank)];                                 \
            y->at[i] = formula;                                                                    \
        }                                                                                          \
    }
TWO_VALUES(add, a + b)
TWO_VALUES(subtract, a - b)
TWO_VALUES(multiply, a *b)
TWO_VALUES(divide, a / b)
TWO_VALUES(maximum, a > b ? a : b)
TWO_VALUES(minimum, a < b ? a : b)
TWO_VALUES(compare, c->n[0] == HOI_GREATER ? a > b : c->n[0] == HOI_GREATER_EQUAL ? a >= b : a == b)

static void forward_where(const reference_call *c, array *y) {
    int64_t at[REFERENCE_RANK];
    *y = broadcast(c->in, 3);
    for (int64_t i = 0; i < array_count(y); ++i) {
        locate(y, i, at);
        const array *from = &c->in[c->in[0].at[place(&c->in[0], at, y->rank)] != 0 ? 1 : 2];
        y->at[i] = from->at[place(from, at, y->rank)];
    }
}

/* ------------------------------------------------------------------ shape */

static void forward_reshape(const reference_call *c, array *y) {
    *y = array_new((int)c->n[0], c->n + 1);
    for (int64_t i = 0; i < array_count(y); ++i)
        y->at[i] = c->in[0].at[i];
}

static void forward_permute(const reference_call *c, array *y) {
    const array *x = &c->in[0];
    int64_t shape[REFERENCE_RANK] = {0}, at[REFERENCE_RANK] = {0}, from[REFERENCE_RANK] = {0};
    for (int d = 0; d < x->rank; ++d)
        shape[d] = x->shape[c->n[d]];
    *y = array_new(x->rank, shape);
    for (int64_t i = 0; i < array_count(y); ++i) {
        locate(y, i, at);
        for (int d = 0; d < x->rank; ++d)
            from[c->n[d]] = at[d];
        y->at[i] = x->at[place(x, from, x->rank)];
    }
}

static void forward_expand(const reference_call *c, array *y) {
    int64_t at[REFERENCE_RANK];
    *y = array_new((int)c->n[0], c->n + 1);
    for (int64_t i = 0; i < array_count(y); ++i) {
        locate(y, i, at);
        y->at[i] = c->in[0].at[place(&c->in[0], at, y->rank)];
    }
}

static void forward_slice(const reference_call *c, array *y) {
    const array *x = &c->in[0];
    array like = *x;
    int64_t at[REFERENCE_RANK];
    like.shape[c->n[0]] = c->n[2];
    *y = array_new(like.rank, like.shape);
    for (int64_t i = 0; i < array_count(y); ++i) {
        locate(y, i, at);
        at[c->n[0]] += c->n[1];
        y->at[i] = x->at[place(x, at, x->rank)];
    }
}

static void forward_pad(const reference_call *c, array *y) {
    array like = c->in[0];
    int64_t at[REFERENCE_RANK];
    like.shape[c->n[0]] += c->n[1] + c->n[2];
    *y = array_new(like.rank, like.shape);
    for (int64_t i = 0; i < array_count(&c->in[0]); ++i) {
        locate(&c->in[0], i, at);
        at[c->n[0]] += c->n[1];
        y->at[place(y, at, y->rank)] = c->in[0].at[i];
    }
}

static void forward_concat(const reference_call *c, array *y) {
    array like = c->in[0];
    int64_t at[REFERENCE_RANK], before = 0;
    for (int i = 1; i < c->count; ++i)
        like.shape[c->n[0]] += c->in[i].shape[c->n[0]];
    *y = array_new(like.rank, like.shape);
    for (int i = 0; i < c->count; ++i) {
        for (int64_t k = 0; k < array_count(&c->in[i]); ++k) {
            locate(&c->in[i], k, at);
            at[c->n[0]] += before;
            y->at[place(y, at, y->rank)] = c->in[i].at[k];
        }
        before += c->in[i].shape[c->n[0]];
    }
}

/* Elements of one step along the first dimension. */
static int64_t row_size(const array *x) {
    int64_t size = 1;
    for (int d = 1; d < x->rank; ++d)
        size *= x->shape[d];
    return size;
}

static void forward_rows(const reference_call *c, array *y) {
    array like = c->in[0];
    int64_t size = row_size(&like);
    like.shape[0] = c->index_count;
    *y = array_new(like.rank, like.shape);
    for (int r = 0; r < c->index_count; ++r)
        for (int64_t i = 0; i < size; ++i)
            y->at[r * size + i] = c->in[0].at[c->index[r] * size + i];
}

static void forward_scatter(const reference_call *c, array *y) {
    array like = c->in[0];
    int64_t size = row_size(&like);
    like.shape[0] = c->n[0];
    *y = array_new(like.rank, like.shape);
    for (int r = 0; r < c->index_count; ++r)
        for (int64_t i = 0; i < size; ++i)
            y->at[c->index[r] * size + i] += c->in[0].at[r * size + i];
}

static void forward_take(const reference_call *c, array *y) {
    array like = c->in[0];
    int64_t cols = like.shape[like.rank - 1];
    like.shape[like.rank - 1] = c->n[0];
    *y = array_new(like.rank, like.shape);
    for (int64_t i = 0; i < array_count(y); ++i)
        y->at[i] = c->in[0].at[i / c->n[0] * cols + c->index[i]];
}

/* n: kernel, stride, pad, whether the channels come last. */
static void forward_unfold(const reference_call *c, array *y) {
    const array *x = &c->in[0];
    bool last = c->n[3] != 0;
    int64_t k = c->n[0], stride = c->n[1], pad = c->n[2];
    int64_t channels = x->shape[last ? 3 : 1], h = x->shape[last ? 1 : 2],
            w = x->shape[last ? 2 : 3];
    int64_t rows = (h + 2 * pad - k) / stride + 1, cols = (w + 2 * pad - k) / stride + 1, i = 0;
    *y = array_new(3, (int64_t[]){x->shape[0], rows * cols, channels * k * k});
    for (int64_t b = 0; b < x->shape[0]; ++b)
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t s = 0; s < cols; ++s)
                for (int64_t channel = 0; channel < channels; ++channel)
                    for (int64_t u = 0; u < k; ++u)
                        for (int64_t v = 0; v < k; ++v, ++i) {
                            int64_t row = r * stride + u - pad, col = s * stride + v - pad;
                            int64_t in_order[4] = {b, channel, row, col};
                            int64_t channel_last[4] = {b, row, col, channel};
                            if (row >= 0 && row < h && col >= 0 && col < w)
                                y->at[i] = x->at[place(x, last ? channel_last : in_order, 4)];
                        }
}

/* ------------------------------------------------------------------ sums and rows */

/* y = the sum or the greatest along dimension n[0] (-1: all), kept with size 1 where n[1]. */
static void reduce(const reference_call *c, array *y, bool greatest) {
    const array *x = &c->in[0];
    int64_t at[REFERENCE_RANK] = {0};
    array kept = *x, shape = {0};
    for (int d = 0; d < x->rank; ++d) {
        bool gone = c->n[0] < 0 || c->n[0] == d;
        if (gone)
            kept.shape[d] = 1;
        if (!gone || (c->n[0] >= 0 && c->n[1]))
            shape.shape[shape.rank++] = kept.shape[d];
    }
    *y = array_new(shape.rank, shape.shape);
    for (int64_t i = 0; greatest && i < array_count(y); ++i)
        y->at[i] = -INFINITY;
    for (int64_t i = 0; i < array_count(x); ++i) {
        locate(x, i, at);
        double *to = &y->at[place(&kept, at, x->rank)];
        *to = greatest ? fmax(*to, x->at[i]) : *to + x->at[i];
    }
}

static void forward_sum(const reference_call *c, array *y) {
    reduce(c, y, false);
}
static void forward_max(const reference_call *c, array *y) {
    reduce(c, y, true);
}
static void forward_mean(const reference_call *c, array *y) {
    const array *x = &c->in[0];
    reduce(c, y, false);
    for (int64_t i = 0; i < array_count(y); ++i)
        y->at[i] /= (double)(c->n[0] < 0 ? array_count(x) : x->shape[c->n[0]]);
}

#define EACH_ROW(x)                                                                                \
    int64_t cols = (x).shape[(x).rank - 1], rows = cols ? array_count(&(x)) / cols : 0;            \
    *y = array_new((x).rank, (x).shape);                                                           \
    for (int64_t r = 0; r < rows; ++r)

/* A row of -inf: zeros. */
static void softmax_row(const double *x, double *y, int64_t n) {
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; ++i)
        most = fmax(most, x[i]);
    for (int64_t i = 0; i < n; ++i)
        sum += y[i] = most == -INFINITY ? 0 : exp(x[i] - most);
    for (int64_t i = 0; i < n; ++i)
        y[i] = sum > 0 ? y[i] / sum : 0;
}

static void forward_softmax(const reference_call *c, array *y) {
    EACH_ROW(c->in[0]) softmax_row(c->in[0].at + r * cols, y->at + r * cols, cols);
}

static void forward_log_softmax(const reference_call *c, array *y) {
    EACH_ROW(c->in[0]) {
        const double *x = c->in[0].at + r * cols;
        double most = -INFINITY, sum = 0;
        for (int64_t i = 0; i < cols; ++i)
            most = fmax(most, x[i]);
        for (int64_t i = 0; i < cols; ++i)
            sum += exp(x[i] - most);
        for (int64_t i = 0; i < cols; ++i)
            y->at[r * cols + i] = most == -INFINITY ? -INFINITY : x[i] - most - log(sum);
    }
}

static void forward_layer_norm(const reference_call *c, array *y) {
    EACH_ROW(c->in[0]) {
        const double *x = c->in[0].at + r * cols;
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < cols; ++i)
            mean += x[i] / (double)cols;
        for (int64_t i = 0; i < cols; ++i)
            variance += (x[i] - mean) * (x[i] - mean) / (double)cols;
        for (int64_t i = 0; i < cols; ++i)
            y->at[r * cols + i] =
                (x[i] - mean) / sqrt(variance + c->f[0]) * c->in[1].at[i] + c->in[2].at[i];
    }
}

static void forward_normalize(const reference_call *c, array *y) {
    EACH_ROW(c->in[0]) {
        const double *x = c->in[0].at + r * cols;
        double square = 0;
        for (int64_t i = 0; i < cols; ++i)
            square += x[i] * x[i];
        for (int64_t i = 0; i < cols; ++i)
            y->at[r * cols + i] = x[i] / fmax(sqrt(square), c->f[0]);
    }
}

static void forward_cumsum(const reference_call *c, array *y) {
    EACH_ROW(c->in[0])
    for (int64_t i = 0; i < cols; ++i)
        for (int64_t k = 0; k <= i; ++k)
            y->at[r * cols + i] += c->in[0].at[r * cols + k];
}

/* c (n, n) = a b */
static void square_product(const double *a, const double *b, double *c, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) {
            c[i * n + j] = 0;
            for (int64_t k = 0; k < n; ++k)
                c[i * n + j] += a[i * n + k] * b[k * n + j];
        }
}

/* Newton's iteration Y <- Y (2 - X Y), which starts at X' / (|X|_1 |X|_inf) and doubles the
   right digits. */
static void forward_inverse(const reference_call *c, array *y) {
    const array *x = &c->in[0];
    int64_t n = x->shape[0];
    double rows = 0, cols = 0, far = 1;
    array xy = array_new(2, x->shape), next = array_new(2, x->shape);
    *y = array_new(2, x->shape);
    for (int64_t i = 0; i < n; ++i) {
        double row = 0, col = 0;
        for (int64_t j = 0; j < n; ++j) {
            row += fabs(x->at[i * n + j]);
            col += fabs(x->at[j * n + i]);
        }
        rows = fmax(rows, row);
        cols = fmax(cols, col);
    }
    for (int64_t i = 0; i < n * n; ++i)
        y->at[i] = x->at[i % n * n + i / n] / (rows * cols);
    for (int step = 0; step < 100 && far > 1e-13; ++step) {
        square_product(x->at, y->at, xy.at, n);
        far = 0;
        for (int64_t i = 0; i < n * n; ++i) {
            double one = i % n == i / n;
            far = fmax(far, fabs(xy.at[i] - one));
            xy.at[i] = 2 * one - xy.at[i];
        }
        square_product(y->at, xy.at, next.at, n);
        memcpy(y->at, next.at, (size_t)(n * n) * sizeof *y->at);
    }
    free(xy.at);
    free(next.at);
}

/* ------------------------------------------------------------------ products */

static void forward_matmul(const reference_call *c, array *y) {
    array lead[2] = {c->in[0], c->in[1]}, wide;
    int64_t m = c->in[0].shape[c->in[0].rank - 2], k = c->in[0].shape[c->in[0].rank - 1];
    int64_t n = c->in[1].shape[c->in[1].rank - 1], at[REFERENCE_RANK] = {0};
    lead[0].rank -= 2;
    lead[1].rank -= 2;
    wide = broadcast(lead, 2);
    free(wide.at);
    int64_t count = array_count(&wide);
    array shape = wide;
    shape.shape[shape.rank++] = m;
    shape.shape[shape.rank++] = n;
    *y = array_new(shape.rank, shape.shape);
    for (int64_t p = 0; p < count; ++p) {
        locate(&wide, p, at);
        const double *a = c->in[0].at + place(&lead[0], at, wide.rank) * m * k;
        const double *b = c->in[1].at + place(&lead[1], at, wide.rank) * k * n;
        for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j)
                for (int64_t q = 0; q < k; ++q)
                    y->at[(p * m + i) * n + j] += a[i * k + q] * b[q * n + j];
    }
}

/* in: x, weight, bias, residual; n: activation. */
static void forward_linear(const reference_call *c, array *y) {
    const array *x = &c->in[0], *w = &c->in[1];
    array shape = *x;
    int64_t n = w->shape[0], k = w->shape[1];
    shape.shape[x->rank - 1] = n;
    *y = array_new(shape.rank, shape.shape);
    for (int64_t i = 0; i < array_count(y); ++i) {
        const double *row = x->at + i / n * k, *weight = w->at + i % n * k;
        double sum = c->in[2].at ? c->in[2].at[i % n] : 0;
        for (int64_t q = 0; q < k; ++q)
            sum += row[q] * weight[q];
        if (c->n[0] == HOI_QUICK_GELU)
            sum = quick_gelu(sum);
        if (c->n[0] == HOI_GELU)
            sum = gelu(sum);
        if (c->n[0] == HOI_RELU)
            sum = relu(sum);
        y->at[i] = sum + (c->in[3].at ? c->in[3].at[i] : 0);
    }
}

/* Gets the shape (pictures, rows, columns, out) of windows of x. */
static array windows(const array *x, int64_t kernel, int64_t stride, int64_t pad, int64_t out) {
    return array_new(4, (int64_t[]){x->shape[0], (x->shape[1] + 2 * pad - kernel) / stride + 1,
                                    (x->shape[2] + 2 * pad - kernel) / stride + 1, out});
}

/* Gets where value (picture, row, column, channel) of x is; -1 outside. */
static int64_t pixel(const array *x, int64_t picture, int64_t row, int64_t column,
                     int64_t channel) {
    if (row < 0 || row >= x->shape[1] || column < 0 || column >= x->shape[2])
        return -1;
    return ((picture * x->shape[1] + row) * x->shape[2] + column) * x->shape[3] + channel;
}

/* in: x, weight, bias, residual; n: stride, pad, activation. */
static void forward_conv2d(const reference_call *c, array *y) {
    const array *x = &c->in[0], *w = &c->in[1];
    int64_t at[4], k = w->shape[1], channels = w->shape[3];
    *y = windows(x, k, c->n[0], c->n[1], w->shape[0]);
    for (int64_t i = 0; i < array_count(y); ++i) {
        double sum = c->in[2].at ? c->in[2].at[i % w->shape[0]] : 0;
        locate(y, i, at);
        for (int64_t u = 0; u < k; ++u)
            for (int64_t v = 0; v < k; ++v)
                for (int64_t q = 0; q < channels; ++q) {
                    int64_t p = pixel(x, at[0], at[1] * c->n[0] + u - c->n[1],
                                      at[2] * c->n[0] + v - c->n[1], q);
                    if (p >= 0)
                        sum += x->at[p] * w->at[((at[3] * k + u) * k + v) * channels + q];
                }
        sum += c->in[3].at ? c->in[3].at[i] : 0;
        y->at[i] = c->n[2] == HOI_RELU ? relu(sum) : sum;
    }
}

/* n: kernel, stride, pad. */
static void pool(const reference_call *c, array *y, bool greatest) {
    const array *x = &c->in[0];
    int64_t at[4], k = c->n[0];
    *y = windows(x, k, c->n[1], c->n[2], x->rank == 4 ? x->shape[3] : 0);
    for (int64_t i = 0; i < array_count(y); ++i) {
        double sum = 0, most = -INFINITY;
        locate(y, i, at);
        for (int64_t u = 0; u < k * k; ++u) {
            int64_t p = pixel(x, at[0], at[1] * c->n[1] + u / k - c->n[2],
                              at[2] * c->n[1] + u % k - c->n[2], at[3]);
            sum += p >= 0 ? x->at[p] : 0;
            most = p >= 0 && x->at[p] > most ? x->at[p] : most;
        }
        y->at[i] = greatest ? most : sum / (double)(k * k);
    }
}
static void forward_max_pool(const reference_call *c, array *y) {
    pool(c, y, true);
}
static void forward_mean_pool(const reference_call *c, array *y) {
    pool(c, y, false);
}

/* in: q, k, v, mask, or q, k and v side by side in the first; n: heads, causal. */
static void forward_attention(const reference_call *c, array *y) {
    const array *q = &c->in[0], *k = &c->in[1], *v = &c->in[2], *mask = &c->in[3];
    bool apart = k->at != NULL;
    int64_t pictures = q->shape[0], skip = c->n[2], queries = q->shape[1] - skip,
            keys = apart ? k->shape[1] : q->shape[1], heads = c->n[0];
    int64_t row = q->shape[2], width = apart ? row : row / 3, d = width / heads;
    *y = array_new(3, (int64_t[]){pictures, queries, width});
    array scores = array_new(1, &keys), share = array_new(1, &keys);
    for (int64_t p = 0; p < pictures; ++p)
        for (int64_t h = 0; h < heads; ++h)
            for (int64_t i = 0; i < queries; ++i) {
                const double *query = q->at + (p * q->shape[1] + skip + i) * row + h * d;
                for (int64_t j = 0; j < keys; ++j) {
                    const double *key =
                        (apart ? k->at : q->at + width) + (p * keys + j) * row + h * d;
                    double sum = 0;
                    for (int64_t e = 0; e < d; ++e)
                        sum += query[e] * key[e];
                    sum /= sqrt((double)d);
                    if (mask->at)
                        sum += mask->at[place(mask, (int64_t[]){p, i, j}, 3)];
                    scores.at[j] = c->n[1] && j > i ? -INFINITY : sum;
                }
                softmax_row(scores.at, share.at, keys);
                for (int64_t j = 0; j < keys; ++j) {
                    const double *value =
                        (apart ? v->at : q->at + 2 * width) + (p * keys + j) * row + h * d;
                    for (int64_t e = 0; e < d; ++e)
                        y->at[(p * queries + i) * width + h * d + e] += share.at[j] * value[e];
                }
            }
    free(scores.at);
    free(share.at);
}

/* ------------------------------------------------------------------ the table */

#define ROW(name, list, ...)                                                                       \
    {                                                                                              \
#name, forward_##name, list##_cases, (int)(sizeof list##_cases / sizeof *list##_cases),    \
            __VA_ARGS__                                                                            \
    }
const reference references[] = {
    ROW(scale, scale, HOI_AFFINE, false, 0),
    ROW(exp, value, HOI_EXP, false, 0),
    ROW(log, positive, HOI_LOG, false, 0),
    ROW(sqrt, positive, HOI_SQRT, false, 0),
    ROW(square, value, HOI_SQUARE, false, 0),
    ROW(abs, value, HOI_ABS, true, 0),
    ROW(quick_gelu, value, HOI_QUICK_GELU_OF, false, 0),
    ROW(gelu, value, HOI_GELU_OF, false, 0),
    ROW(leaky_relu, leaky, HOI_LEAKY, true, 0),
    ROW(sigmoid, value, HOI_SIGMOID, false, 0),
    ROW(tanh, value, HOI_TANH, false, 0),
    ROW(softplus, value, HOI_SOFTPLUS, false, 0),
    ROW(reciprocal, reciprocal, HOI_RECIPROCAL, false, 0),
    ROW(clamp, clamp, HOI_CLAMP, true, 0),
    ROW(sin, value, HOI_SIN, false, 0),
    ROW(cos, value, HOI_COS, false, 0),
    ROW(power, power, HOI_POWER, false, 0),
    ROW(elu, value, HOI_ELU, true, 0),
    ROW(half, value, HOI_HALF, false, 0),
    ROW(add, pair, HOI_ADD, false, 0),
    ROW(subtract, pair, HOI_SUBTRACT, false, 0),
    ROW(multiply, pair, HOI_MULTIPLY, false, 0),
    ROW(divide, quotient, HOI_DIVIDE, false, 0),
    ROW(maximum, extreme, HOI_GREATER_OF, true, 0),
    ROW(minimum, extreme, HOI_LESS_OF, true, 0),
    ROW(compare, compare, 0, false, 3),
    ROW(where, where, 0, false, 1),
    ROW(reshape, reshape, 0, false, 0),
    ROW(permute, permute, 0, false, 0),
    ROW(expand, expand, 0, false, 0),
    ROW(slice, slice, 0, false, 0),
    ROW(pad, pad, 0, false, 0),
    ROW(concat, concat, 0, false, 0),
    ROW(rows, rows, 0, false, 0),
    ROW(scatter, scatter, 0, false, 0),
    ROW(take, take, 0, false, 0),
    ROW(unfold, unfold, 0, false, 0),
    ROW(sum, sum, 0, false, 0),
    ROW(sum, empty_sum, 0, false, 0),
    ROW(mean, sum, 0, false, 0),
    ROW(max, max, 0, true, 0),
    ROW(softmax, row, 0, false, 0),
    ROW(log_softmax, row, 1, false, 0),
    ROW(layer_norm, layer_norm, 0, false, 0),
    ROW(normalize, normalize, 0, false, 0),
    ROW(cumsum, cumsum, 0, false, 0),
    ROW(inverse, inverse, 0, false, 0),
    ROW(matmul, matmul, 0, false, 0),
    ROW(linear, linear, 0, true, 0),
    ROW(conv2d, conv2d, 0, true, 0),
    ROW(max_pool, pool, 0, true, 0),
    ROW(mean_pool, pool, 0, false, 0),
    ROW(attention, attention, 0, false, 8),
};
const int reference_count = (int)(sizeof references / sizeof *references);
