/* ops: the differentiable operations. Each returns a new tensor (one reference is the caller's) or
   NULL after hoi_fail, and is recorded where a trainable tensor can be reached. Shapes broadcast as
   in NumPy where said. Dimensions are 0-based here. */
#ifndef HOI_OPS_H
#define HOI_OPS_H

#include "core/tape.h"

/* The table of all operations: each has a partner of the same name in tests/reference.c. */
extern const hoi_operation *const hoi_operations[];
extern const int hoi_operation_count;

/* ---- pointwise (ops_pointwise.c); the two-sided ones broadcast ---- */
hoi_tensor *hoi_add(hoi_tensor *a, hoi_tensor *b);
hoi_tensor *hoi_subtract(hoi_tensor *a, hoi_tensor *b);
hoi_tensor *hoi_multiply(hoi_tensor *a, hoi_tensor *b);
hoi_tensor *hoi_divide(hoi_tensor *a, hoi_tensor *b);
hoi_tensor *hoi_maximum(hoi_tensor *a, hoi_tensor *b); /* at a tie the gradient goes to a */
hoi_tensor *hoi_minimum(hoi_tensor *a, hoi_tensor *b);
/* 1 where it holds, else 0; no gradient. */
hoi_tensor *hoi_compare(hoi_tensor *a, hoi_tensor *b, hoi_binary op);
/* condition != 0 ? a : b; broadcasting; no gradient to the condition. */
hoi_tensor *hoi_where(hoi_tensor *condition, hoi_tensor *a, hoi_tensor *b);
/* One value in, one out: see hoi_unary. The names of the table are those below. */
hoi_tensor *hoi_unary_of(hoi_tensor *x, hoi_unary op, float a, float b);
hoi_tensor *hoi_scale(hoi_tensor *x, float a, float b); /* a x + b */

/* ---- shape (ops_shape.c) ---- */
hoi_tensor *hoi_reshape(hoi_tensor *x, int rank, const int64_t *shape); /* one size may be -1 */
hoi_tensor *hoi_permute(hoi_tensor *x, const int *order);               /* order: rank places */
hoi_tensor *hoi_transpose(hoi_tensor *x); /* the last two dimensions */
hoi_tensor *hoi_expand(hoi_tensor *x, int rank, const int64_t *shape);
hoi_tensor *hoi_slice(hoi_tensor *x, int dimension, int64_t from, int64_t count);
hoi_tensor *hoi_concat(hoi_tensor *const *parts, int count, int dimension);
hoi_tensor *hoi_pad(hoi_tensor *x, int dimension, int64_t before, int64_t after); /* with zeros */
/* (m, ...) rows of x (n, ...) by index; x may be stored as F16 or BF16. The gradient adds up
   repeated rows. */
hoi_tensor *hoi_rows(hoi_tensor *x, hoi_index *index);
/* (n, ...) zeros with the rows of x (m, ...) added at index: the pullback of hoi_rows as an
   operation. */
hoi_tensor *hoi_scatter(hoi_tensor *x, hoi_index *index, int64_t n);
/* (..., m) values of x (..., cols) at index (rows * m places of a row). */
hoi_tensor *hoi_take(hoi_tensor *x, hoi_index *index, int64_t m);
/* Patches (b, places, channels * k * k) of pictures (b, channels, h, w), or (b, h, w, channels)
   where `last`; zeros outside. */
hoi_tensor *hoi_unfold(hoi_tensor *x, int kernel, int stride, int pad, bool last);

/* ---- rows and sums (ops_rows.c) ---- */
hoi_tensor *hoi_sum(hoi_tensor *x, int dimension, bool keep); /* dimension -1: all, a scalar */
hoi_tensor *hoi_mean(hoi_tensor *x, int dimension, bool keep);
hoi_tensor *hoi_max(hoi_tensor *x, int dimension, bool keep); /* ties share the gradient */
hoi_tensor *hoi_softmax(hoi_tensor *x);
hoi_tensor *hoi_log_softmax(hoi_tensor *x);
hoi_tensor *hoi_layer_norm(hoi_tensor *x, hoi_tensor *gain, hoi_tensor *bias, float eps);
hoi_tensor *hoi_normalize(hoi_tensor *x,
                          float eps); /* x / max(|x|, eps) along the last dimension */
hoi_tensor *hoi_cumsum(hoi_tensor *x);
/* Order of each row (..., cols), greatest first: places (rows * count). Not an operation; waits for
   the device. */
hoi_index *hoi_order(hoi_tensor *x, int64_t count, bool descending);
/* (k, k) -> its inverse; k <= 256. Gauss-Jordan in double on the host. Fails where singular. */
hoi_tensor *hoi_inverse(hoi_tensor *x);

/* ---- products (ops_product.c) ---- */
/* (..., m, k) x (..., k, n) -> (..., m, n): leading dimensions broadcast. */
hoi_tensor *hoi_matmul(hoi_tensor *a, hoi_tensor *b);
/* act(x W' + bias) + residual. x (..., k), W (n, k) also F16 or BF16, bias (n) or NULL, residual
   (..., n) or NULL. */
hoi_tensor *hoi_linear(hoi_tensor *x, hoi_tensor *weight, hoi_tensor *bias,
                       hoi_activation activation, hoi_tensor *residual);
/* Its shape and its record alone, for a result whose values nobody looks at: they are not computed.
   */
hoi_tensor *hoi_linear_unread(hoi_tensor *x, hoi_tensor *weight, hoi_tensor *bias,
                              hoi_activation activation, hoi_tensor *residual);

/* ---- convolutions and pools (ops_conv.c) of pictures (b, h, w, channels) ---- */
/* act(sum over windows x weight + bias + residual), (b, rows, columns, out). weight (out, k, k,
   channels), also F16 or BF16, bias (out) or NULL, residual as the result or NULL, activation
   HOI_LINEAR or HOI_RELU. Zeros `pad` wide around x. */
hoi_tensor *hoi_conv2d(hoi_tensor *x, hoi_tensor *weight, hoi_tensor *bias, int stride, int pad,
                       hoi_activation activation, hoi_tensor *residual);
/* The greatest value of each window; of equal ones the gradient goes to the first. */
hoi_tensor *hoi_max_pool(hoi_tensor *x, int kernel, int stride, int pad);
/* The mean of each window, zeros outside counted. */
hoi_tensor *hoi_mean_pool(hoi_tensor *x, int kernel, int stride, int pad);

/* ---- attention (ops_attention.c) ---- */
/* softmax(q k' / sqrt(d) + mask) v per head. q (b, n, width), k and v (b, m, width), width = heads
     d. NULL k and v: q holds all three side by side, (b, n, 3 width). mask: additive (n, m), (b, 1,
   m) or (b, n, m), or NULL; no gradient. A row whose keys are all masked gives zeros. rounds: q, k,
   v and the shares may go through as bfloat16, where that is faster; gradients do not. */
hoi_tensor *hoi_attention_of(hoi_tensor *q, hoi_tensor *k, hoi_tensor *v, int heads, bool causal,
                             hoi_tensor *mask, bool rounds);
/* The same of qkv (b, skip + n, 3 width): the first `skip` rows are attended to and ask nothing. The
   result is (b, n, width); mask (n, skip + n), (b, 1, skip + n) or (b, n, skip + n). */
hoi_tensor *hoi_attention_behind(hoi_tensor *qkv, int skip, int heads, hoi_tensor *mask);

#endif
