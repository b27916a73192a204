/* attention: softmax(Q K' scale + mask) V and its pullback for graphics processors: a work-group
   of 16x16 work-items takes 64 rows of one head of one picture and walks over the other side 64
   rows at a time, so neither the keys nor the width have a limit. A tile of 64x64 scores is 4x4
   values per work-item, as in gemm.cl; it is computed again wherever it is needed and never
   leaves local memory. All sums have a fixed order.
   Rows of q, k, v, o and their gradients lie *_row apart and pictures *_step apart, heads side
   by side in a row. mask is additive, element (query, key) of a picture at query * mask_row +
   key + picture * mask_step. flags: 1 mask, 2 causal. */
#define TILE 64
#define SLAB 16
/* float4 from one row of 64 floats to the next: 16, and one more that keeps turned writes off each
   other's banks */
#define PITCH 17
#define GROUP __attribute__((reqd_work_group_size(16, 16, 1)))

/* Where float4 i of a k of a turned slab lies: every other eight k are shifted, as in gemm.cl. */
#define PLACE(k, i) ((k)*PITCH + ((i) ^ (k) / 8 * 2))

/* slab[k][row] = from[row][k]: 16 k of up to 64 rows, zeros elsewhere. */
INLINED void copy_turned(__global const float *from, int step, int rows, int left,
                         __local float4 *slab, int item) {
    int row = item / 4, k = item % 4 * 4;
    __local float *out = (__local float *)(slab + PLACE(k, row / 4)) + row % 4;
    float4 v = row < rows && k < left ? get(from + (long)row * step + k, left - k, 0.0f)
                                      : (float4)(0.0f);
    out[0] = v.s0;
    out[PITCH * 4] = v.s1;
    out[PITCH * 8] = v.s2;
    out[PITCH * 12] = v.s3;
}

/* slab[k][column] = from[k][column]: up to 16 k, zeros elsewhere. */
INLINED void copy_straight(__global const float *from, int step, int left, int columns,
                           __local float4 *slab, int item) {
    int column = item % 16 * 4, k = item / 16;
    slab[k * PITCH + item % 16] =
        column < columns && k < left ? get(from + (long)k * step + column, columns - column, 0.0f)
                                     : (float4)(0.0f);
}

static void zero(float4 t[4]) {
    t[0] = t[1] = t[2] = t[3] = (float4)(0.0f);
}

/* t += p q: four rows by four columns. */
static void add_outer(float4 p, float4 q, float4 t[4]) {
    t[0] = fma((float4)(p.s0), q, t[0]);
    t[1] = fma((float4)(p.s1), q, t[1]);
    t[2] = fma((float4)(p.s2), q, t[2]);
    t[3] = fma((float4)(p.s3), q, t[3]);
}

/* t (64, 64) = a b' of up to 64 rows of d values each. Its first barrier also ends whatever read
   local memory before. */
INLINED void dots(__global const float *a, int a_step, int a_rows, __global const float *b,
                  int b_step, int b_rows, int d, __local float4 *a_slab, __local float4 *b_slab,
                  float4 t[4]) {
    int x = get_local_id(0), y = get_local_id(1), item = y * 16 + x;
    zero(t);
    for (int k = 0; k < d; k += SLAB) {
        barrier(CLK_LOCAL_MEM_FENCE);
        copy_turned(a + k, a_step, a_rows, d - k, a_slab, item);
        copy_turned(b + k, b_step, b_rows, d - k, b_slab, item);
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int i = 0; i < SLAB; ++i)
            add_outer(a_slab[PLACE(i, y)], b_slab[PLACE(i, x)], t);
    }
}

/* t (64, 64) += w b, w (64, n) in local memory, b n rows of up to 64 columns. */
INLINED void add_product(__local const float4 *w, __global const float *b, int b_step, int n,
                         int columns, __local float4 *slab, float4 t[4]) {
    int x = get_local_id(0), y = get_local_id(1), item = y * 16 + x;
    for (int k = 0; k < n; k += SLAB) {
        barrier(CLK_LOCAL_MEM_FENCE);
        copy_straight(b + (long)k * b_step, b_step, n - k, columns, slab, item);
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int i = 0; i < SLAB; i += 4) {
            float4 q0 = slab[i * PITCH + x], q1 = slab[(i + 1) * PITCH + x],
                   q2 = slab[(i + 2) * PITCH + x], q3 = slab[(i + 3) * PITCH + x];
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                float4 p = w[(y * 4 + r) * PITCH + (k + i) / 4];
                t[r] = fma((float4)(p.s0), q0, t[r]);
                t[r] = fma((float4)(p.s1), q1, t[r]);
                t[r] = fma((float4)(p.s2), q2, t[r]);
                t[r] = fma((float4)(p.s3), q3, t[r]);
            }
        }
    }
}

/* t (64, 64) += w' b, w (n, 64) in local memory, b n rows of up to 64 columns. */
INLINED void add_product_across(__local const float4 *w, __global const float *b, int b_step, int n,
                                int columns, __local float4 *slab, float4 t[4]) {
    int x = get_local_id(0), y = get_local_id(1), item = y * 16 + x;
    for (int k = 0; k < n; k += SLAB) {
        barrier(CLK_LOCAL_MEM_FENCE);
        copy_straight(b + (long)k * b_step, b_step, n - k, columns, slab, item);
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int i = 0; i < SLAB; ++i)
            add_outer(w[(k + i) * PITCH + y], slab[i * PITCH + x], t);
    }
}

/* Scales and masks this work-item's tile of dots: scores of queries `query`.. with keys `key`..;
   -inf where a query may not look, and outside (queries, keys). */
static void finish_scores(float4 t[4], int query, int key, int queries, int keys,
                          __global const float *mask, int mask_row, float scale, int flags) {
    for (int r = 0; r < 4; ++r) {
        int end = (flags & 2) ? min(keys, query + r + 1) : keys;
        int left = query + r < queries ? end - key : 0;
        float4 s = t[r] * (float4)(scale);
        if ((flags & 1) && left > 0) {
            __global const float *at = mask + (long)(query + r) * mask_row + key;
            s += get(at, left, 0.0f);
        }
        t[r] = (int4)(0, 1, 2, 3) < (int4)(left) ? s : (float4)(-INFINITY);
    }
}

/* t = P of the pullback, exp(score - lse); 0 for a query that sees no key. base: lse of the
   picture's head. */
static void weights_again(float4 t[4], int query, int queries, __global const float *base) {
    for (int r = 0; r < 4; ++r) {
        float least = query + r < queries ? base[query + r] : -INFINITY;
        t[r] = least == -INFINITY ? (float4)(0.0f) : exp_v(t[r] - (float4)(least));
    }
}

/* out[row] = sum of a * b along each of up to 64 rows of d values; 16 work-items share a row. */
INLINED void row_dots(__global const float *a, __global const float *b, int step, int rows, int d,
                      __local float *partial, __local float *out) {
    int x = get_local_id(0), y = get_local_id(1), item = y * 16 + x;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int row = y; row < TILE; row += 16) {
        float s = 0.0f;
        if (row < rows)
            for (int i = x; i < d; i += 16)
                s = fma(a[(long)row * step + i], b[(long)row * step + i], s);
        partial[row * 17 + x] = s;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < TILE) {
        float s = 0.0f;
        for (int i = 0; i < 16; ++i)
            s += partial[item * 17 + i];
        out[item] = s;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* Writes this work-item's tile at row `row`, column `column` of a (rows, columns) matrix. */
static void place(float4 t[4], int row, int column, int rows, int columns, __global float *out,
                  int step) {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
        __global float *to = out + (long)(row + r) * step + column;
        if (row + r < rows && column < columns)
            put(t[r], to, columns - column);
    }
}

/* Four rows' values at `at` of rows of 17. */
INLINED void lay(__local float *p, int row, int at, float4 v) {
    p[row * 17 + at] = v.s0;
    p[(row + 1) * 17 + at] = v.s1;
    p[(row + 2) * 17 + at] = v.s2;
    p[(row + 3) * 17 + at] = v.s3;
}
INLINED float4 four(__local const float *p, int row, int at) {
    return (float4)(p[row * 17 + at], p[(row + 1) * 17 + at], p[(row + 2) * 17 + at],
                    p[(row + 3) * 17 + at]);
}

/* Grid: (tiles of queries, heads, pictures) of work-groups. lse (pictures, heads, queries) keeps
   log sum exp of each row, -inf where every key is masked (the row of o is then 0). Not named
   "attention": Oclgrind counts the local memory of every kernel whose name begins so. */
__kernel GROUP void attention_forward(__global const float *q, int q_at, int q_row, int q_step,
                                      __global const float *k, int k_at, int k_row, int k_step,
                                      __global const float *v, int v_at, int v_row, int v_step,
                                      __global const float *mask, int mask_at, int mask_row,
                                      int mask_step, __global float *o, int o_at, int o_row,
                                      int o_step, __global float *lse, int lse_at, int queries,
                                      int keys, int d, int heads, float scale, int flags) {
    __local float4 a_slab[SLAB * PITCH], b_slab[SLAB * PITCH], w[TILE * PITCH];
    __local float *tops = (__local float *)w;
    int first = get_group_id(0) * TILE, h = get_group_id(1), p = get_group_id(2);
    int x = get_local_id(0), row = get_local_id(1) * 4, column = x * 4;
    int rows = min(TILE, queries - first);
    int seen = (flags & 2) ? min(keys, first + rows) : keys;
    q += q_at + (long)p * q_step + h * d + (long)first * q_row;
    k += k_at + (long)p * k_step + h * d;
    v += v_at + (long)p * v_step + h * d;
    o += o_at + (long)p * o_step + h * d;
    mask += mask_at + (long)p * mask_step;
    lse += lse_at + ((long)p * heads + h) * queries;
    for (int c = 0; c < d; c += TILE) {
        float4 t[4], out[4], top = (float4)(-INFINITY), sum = (float4)(0.0f), base;
        zero(out);
        for (int j = 0; j < seen; j += TILE) {
            dots(q, q_row, rows, k + (long)j * k_row, k_row, seen - j, d, a_slab, b_slab, t);
            finish_scores(t, first + row, j + column, queries, keys, mask, mask_row, scale, flags);
            /* where these keys hold a greater score, what was summed so far shrinks */
            lay(tops, row, x, (float4)(max_v(t[0]), max_v(t[1]), max_v(t[2]), max_v(t[3])));
            barrier(CLK_LOCAL_MEM_FENCE);
            float4 more = top;
            for (int i = 0; i < 16; ++i)
                more = fmax(more, four(tops, row, i));
            barrier(CLK_LOCAL_MEM_FENCE);
            base = more == (float4)(-INFINITY) ? (float4)(0.0f) : more;
            float4 rest = exp_v(top - base);
            top = more;
            w[row * PITCH + x] = t[0] = exp_v(t[0] - (float4)(base.s0));
            w[(row + 1) * PITCH + x] = t[1] = exp_v(t[1] - (float4)(base.s1));
            w[(row + 2) * PITCH + x] = t[2] = exp_v(t[2] - (float4)(base.s2));
            w[(row + 3) * PITCH + x] = t[3] = exp_v(t[3] - (float4)(base.s3));
            sum = fma(sum, rest, (float4)(sum_v(t[0]), sum_v(t[1]), sum_v(t[2]), sum_v(t[3])));
            out[0] *= (float4)(rest.s0);
            out[1] *= (float4)(rest.s1);
            out[2] *= (float4)(rest.s2);
            out[3] *= (float4)(rest.s3);
            add_product(w, v + (long)j * v_row + c, v_row, min(TILE, seen - j), d - c, b_slab, out);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        lay(tops, row, x, sum);
        barrier(CLK_LOCAL_MEM_FENCE);
        sum = (float4)(0.0f);
        for (int i = 0; i < 16; ++i)
            sum += four(tops, row, i);
        float4 part = sum > (float4)(0.0f) ? (float4)(1.0f) / sum : (float4)(0.0f);
        out[0] *= (float4)(part.s0);
        out[1] *= (float4)(part.s1);
        out[2] *= (float4)(part.s2);
        out[3] *= (float4)(part.s3);
        place(out, first + row, c + column, queries, d, o, o_row);
        if (c == 0 && x == 0 && row < rows)
            put(sum > (float4)(0.0f) ? top + log(sum) : (float4)(-INFINITY), lse + first + row,
                rows - row);
    }
}

/* The pullback: with P = exp(S - lse), dP = dO V', dS = P (dP - rowsum(dO O)) scale: dQ = dS K,
   dK = dS' Q, dV = P' dO. */

/* dq, written whole. Grid: (tiles of queries, heads, pictures) of work-groups. */
__kernel GROUP void attention_back_queries(__global const float *q, int q_at, int q_row, int q_step,
                                           __global const float *k, int k_at, int k_row, int k_step,
                                           __global const float *v, int v_at, int v_row, int v_step,
                                           __global const float *mask, int mask_at, int mask_row,
                                           int mask_step, __global const float *o, int o_at,
                                           int o_row, int o_step, __global const float *go,
                                           int go_at, __global const float *lse, int lse_at,
                                           __global float *dq, int dq_at, int queries, int keys,
                                           int d, int heads, float scale, int flags) {
    __local float4 a_slab[SLAB * PITCH], b_slab[SLAB * PITCH], w[TILE * PITCH];
    __local float mean[TILE];
    int first = get_group_id(0) * TILE, h = get_group_id(1), p = get_group_id(2);
    int x = get_local_id(0), row = get_local_id(1) * 4, column = x * 4;
    int rows = min(TILE, queries - first);
    int seen = (flags & 2) ? min(keys, first + rows) : keys;
    q += q_at + (long)p * q_step + h * d + (long)first * q_row;
    k += k_at + (long)p * k_step + h * d;
    v += v_at + (long)p * v_step + h * d;
    o += o_at + (long)p * o_step + h * d + (long)first * o_row;
    go += go_at + (long)p * o_step + h * d + (long)first * o_row;
    dq += dq_at + (long)p * q_step + h * d;
    mask += mask_at + (long)p * mask_step;
    lse += lse_at + ((long)p * heads + h) * queries;
    row_dots(go, o, o_row, rows, d, (__local float *)w, mean);
    for (int c = 0; c < d; c += TILE) {
        float4 t[4], g[4], out[4];
        zero(out);
        for (int j = 0; j < seen; j += TILE) {
            dots(q, q_row, rows, k + (long)j * k_row, k_row, seen - j, d, a_slab, b_slab, t);
            dots(go, o_row, rows, v + (long)j * v_row, v_row, seen - j, d, a_slab, b_slab, g);
            finish_scores(t, first + row, j + column, queries, keys, mask, mask_row, scale, flags);
            weights_again(t, first + row, queries, lse);
            for (int r = 0; r < 4; ++r)
                w[(row + r) * PITCH + x] =
                    t[r] * (g[r] - (float4)(mean[row + r])) * (float4)(scale);
            add_product(w, k + (long)j * k_row + c, k_row, min(TILE, seen - j), d - c, b_slab, out);
        }
        place(out, first + row, c + column, queries, d, dq, q_row);
    }
}

/* dk and dv, written whole. Grid: (tiles of keys, heads, pictures) of work-groups. */
__kernel GROUP void attention_back_keys(__global const float *q, int q_at, int q_row, int q_step,
                                        __global const float *k, int k_at, int k_row, int k_step,
                                        __global const float *v, int v_at, int v_row, int v_step,
                                        __global const float *mask, int mask_at, int mask_row,
                                        int mask_step, __global const float *o, int o_at, int o_row,
                                        int o_step, __global const float *go, int go_at,
                                        __global const float *lse, int lse_at, __global float *dk,
                                        int dk_at, __global float *dv, int dv_at, int queries,
                                        int keys, int d, int heads, float scale, int flags) {
    __local float4 a_slab[SLAB * PITCH], b_slab[SLAB * PITCH], w[TILE * PITCH];
    __local float mean[TILE];
    int first = get_group_id(0) * TILE, h = get_group_id(1), p = get_group_id(2);
    int x = get_local_id(0), row = get_local_id(1) * 4, column = x * 4;
    int some = min(TILE, keys - first);
    q += q_at + (long)p * q_step + h * d;
    k += k_at + (long)p * k_step + h * d + (long)first * k_row;
    v += v_at + (long)p * v_step + h * d + (long)first * v_row;
    o += o_at + (long)p * o_step + h * d;
    go += go_at + (long)p * o_step + h * d;
    dk += dk_at + (long)p * k_step + h * d;
    dv += dv_at + (long)p * v_step + h * d;
    mask += mask_at + (long)p * mask_step;
    lse += lse_at + ((long)p * heads + h) * queries;
    for (int c = 0; c < d; c += TILE) {
        float4 t[4], g[4], key_sum[4], value_sum[4];
        zero(key_sum);
        zero(value_sum);
        /* where causal, queries before the first key of this tile do not see it */
        for (int i = (flags & 2) ? first : 0; i < queries; i += TILE) {
            __global const float *qs = q + (long)i * q_row, *gs = go + (long)i * o_row;
            int rows = min(TILE, queries - i);
            row_dots(gs, o + (long)i * o_row, o_row, rows, d, (__local float *)w, mean);
            dots(qs, q_row, rows, k, k_row, some, d, a_slab, b_slab, t);
            finish_scores(t, i + row, first + column, queries, keys, mask, mask_row, scale, flags);
            weights_again(t, i + row, queries, lse);
            for (int r = 0; r < 4; ++r)
                w[(row + r) * PITCH + x] = t[r];
            add_product_across(w, gs + c, o_row, rows, d - c, b_slab, value_sum);
            dots(gs, o_row, rows, v, v_row, some, d, a_slab, b_slab, g);
            for (int r = 0; r < 4; ++r)
                w[(row + r) * PITCH + x] =
                    t[r] * (g[r] - (float4)(mean[row + r])) * (float4)(scale);
            add_product_across(w, qs + c, q_row, rows, d - c, b_slab, key_sum);
        }
        place(key_sum, first + row, c + column, keys, d, dk, k_row);
        place(value_sum, first + row, c + column, keys, d, dv, v_row);
    }
}
