/* attention: softmax(Q K' scale + mask) V and its pullback for processors: one work-item per (head,
   picture), everything it touches copied once into local memory, then small matrix products of full
   vectors there. NV vectors by 6 rows of accumulators fill the registers (NV 4) or half of them (NV
   2). Rows of q, k, v, o and their gradients lie *_row apart and pictures *_step apart, heads side
   by side in a row. mask is additive, element (query, key) of a picture at query * mask_row + key +
   picture * mask_step. */
#define RPT 6
#define ZERO_ONE(r, v) VF c##r##_##v = (VF)(0.0f);
#define LOAD_ONE(unused, v) VF b##v = LOAD(b + v * VW);
#define STEP_ONE(r, v) c##r##_##v = fma(x##r, b##v, c##r##_##v);
#define KEEP_ONE(r, v)                                                                             \
    {                                                                                              \
        __local float *to = c + r * c_row + v * VW;                                                \
        STORE(more ? c##r##_##v + LOAD(to) : c##r##_##v, to);                                      \
    }
#define DEFINE_BLOCK(nv)                                                                           \
    static void block_##nv(__local const float *a, int a_row, int a_k, __local const float *b,     \
                           int b_row, int k, __local float *c, int c_row, int rows, int more) {    \
        ROWS_6(ZERO_##nv) for (int i = 0; i < k; ++i) {                                            \
            TIMES_##nv(LOAD_ONE, 0) ROWS_6(STEP_##nv) a += a_k;                                    \
            b += b_row;                                                                            \
        }                                                                                          \
        ROWS_6(KEEP_##nv)                                                                          \
    }
#define ZERO_1(r) TIMES_1(ZERO_ONE, r)
#define ZERO_2(r) TIMES_2(ZERO_ONE, r)
#define ZERO_3(r) TIMES_3(ZERO_ONE, r)
#define ZERO_4(r) TIMES_4(ZERO_ONE, r)
#define X_OF(r) VF x##r = (VF)(a[r * a_row]);
#define STEP_1(r) X_OF(r) TIMES_1(STEP_ONE, r)
#define STEP_2(r) X_OF(r) TIMES_2(STEP_ONE, r)
#define STEP_3(r) X_OF(r) TIMES_3(STEP_ONE, r)
#define STEP_4(r) X_OF(r) TIMES_4(STEP_ONE, r)
#define KEEP_1(r)                                                                                  \
    if (r < rows) {                                                                               \
        TIMES_1(KEEP_ONE, r)                                                                       \
    }
#define KEEP_2(r)                                                                                  \
    if (r < rows) {                                                                               \
        TIMES_2(KEEP_ONE, r)                                                                       \
    }
#define KEEP_3(r)                                                                                  \
    if (r < rows) {                                                                               \
        TIMES_3(KEEP_ONE, r)                                                                       \
    }
#define KEEP_4(r)                                                                                  \
    if (r < rows) {                                                                               \
        TIMES_4(KEEP_ONE, r)                                                                       \
    }
DEFINE_BLOCK(1)
DEFINE_BLOCK(2)
#if NV == 4
DEFINE_BLOCK(3)
DEFINE_BLOCK(4)
#endif

/* c (rows, columns) = or += a b; columns a multiple of VW; rows of a may be read up to 5 past the
   last. */
static void product(__local const float *a, int a_row, int a_k, int rows, __local const float *b,
                    int b_row, int columns, int k, __local float *c, int c_row, int more) {
    for (int j = 0, vectors; j < columns; j += vectors * VW) {
        int left = (columns - j) / VW; /* few vectors of accumulators keep no unit busy: 3 + 2, not
                                          4 + 1 */
        vectors = left > NV && left < 2 * NV ? (left + 1) / 2 : min(NV, left);
        for (int i = 0; i < rows; i += RPT) {
            __local const float *at = a + i * a_row;
            __local float *to = c + i * c_row + j;
            switch (vectors) {
            case 1:
                block_1(at, a_row, a_k, b + j, b_row, k, to, c_row, rows - i, more);
                break;
#if NV == 4
            case 2:
                block_2(at, a_row, a_k, b + j, b_row, k, to, c_row, rows - i, more);
                break;
            case 3:
                block_3(at, a_row, a_k, b + j, b_row, k, to, c_row, rows - i, more);
                break;
            default:
                block_4(at, a_row, a_k, b + j, b_row, k, to, c_row, rows - i, more);
#else
            default:
                block_2(at, a_row, a_k, b + j, b_row, k, to, c_row, rows - i, more);
#endif
            }
        }
    }
}

/* Copies n rows of d floats into local rows of `wide` floats, zeros behind. */
static void copy_in(__global const float *from, int row, int n, int d, __local float *to,
                    int wide) {
    for (int i = 0; i < n; ++i, from += row, to += wide) {
        int j = 0;
        for (; j + VW <= d; j += VW)
            STORE(LOAD(from + j), to + j);
        for (; j < d; ++j)
            to[j] = from[j];
        for (; j < wide; ++j)
            to[j] = 0.0f;
    }
}

static void copy_out(__local const float *from, int wide, int n, int d, __global float *to,
                     int row) {
    for (int i = 0; i < n; ++i, from += wide, to += row) {
        int j = 0;
        for (; j + VW <= d; j += VW)
            STORE(LOAD(from + j), to + j);
        for (; j < d; ++j)
            to[j] = from[j];
    }
}

/* out (d, wide) = in (n, in_wide) turned; rows of `in` up to the next multiple of VW may be read,
   columns past n become 0. */
static void turn(__local const float *in, int in_wide, int n, int d, __local float *out, int wide) {
    for (int i = 0; i < n; i += VW)
        for (int j = 0; j < d; j += VW) {
            VF r[VW];
            for (int x = 0; x < VW; ++x)
                r[x] = i + x < n ? LOAD(in + (i + x) * in_wide + j) : (VF)(0.0f);
            turn_square(r);
            for (int x = 0; x < VW && j + x < d; ++x)
                STORE(r[x], out + (j + x) * wide + i);
        }
}

/* Vector j of a row of scores that still want the factor `scale`: with the mask, over scale, added;
   columns from `end` on become -inf. */
static VF score(__local const float *s, int j, int keys, int end, float scale,
                __global const float *mask, int masked) {
    VF x = LOAD(s + j);
    if (masked)
        x = fma(j + VW <= keys ? LOAD(mask + j) : load_tail(mask + j, max(keys - j, 0), 0.0f),
                (VF)(1.0f / scale), x);
    return j + VW <= end ? x : lanes() < (VI)(end - j) ? x : (VF)(-INFINITY);
}

#define ROW_SLOTS 32 /* at least the rows of a block, a multiple of VW */
#define ROUND_UP(n, to) (((n) + (to)-1) / (to) * (to))

/* Grid: (heads, pictures, query pieces). lse (pictures, heads, queries) keeps log sum exp of each
   row, -inf where every key is masked (the row of o is then 0). flags: 1 mask, 2 causal. local:
   floats as launch.c counts them. */
__kernel void attention(__global const float *q, int q_at, int q_row, int q_step,
                        __global const float *k, int k_at, int k_row, int k_step,
                        __global const float *v, int v_at, int v_row, int v_step,
                        __global const float *mask, int mask_at, int mask_row, int mask_step,
                        __global float *o, int o_at, int o_row, int o_step, __global float *lse,
                        int lse_at, int queries, int keys, int d, int heads, int rows, float scale,
                        int flags, __local float *local_memory) {
    int h = get_global_id(0), p = get_global_id(1), first = get_global_id(2) * rows,
        last = min(queries, first + rows);
    int wide = ROUND_UP(d, VW), key_wide = ROUND_UP(keys, VW), block = 24;
    __local float *kt = local_memory, *vs = kt + wide * key_wide, *s = vs + key_wide * wide,
                  *qs = s + (block + 6) * key_wide, *greatest = qs + (block + 6) * wide,
                  *totals = greatest + ROW_SLOTS, *logs = totals + ROW_SLOTS;
    q += q_at + (long)p * q_step + h * d;
    k += k_at + (long)p * k_step + h * d;
    v += v_at + (long)p * v_step + h * d;
    o += o_at + (long)p * o_step + h * d;
    mask += mask_at + (long)p * mask_step;
    lse += lse_at + ((long)p * heads + h) * queries;
    long back = (heads - 1) * d, q_next = h + 1 < heads ? d : q_step - back,
         k_next = h + 1 < heads ? d : k_step - back, v_next = h + 1 < heads ? d : v_step - back;
    copy_in(k, k_row, keys, d, vs, wide);
    turn(vs, wide, keys, d, kt, key_wide);
    copy_in(v, v_row, keys, d, vs, wide);
    for (int i = first; i < last; i += block) {
        int n = min(block, last - i);
        int seen = (flags & 2) ? min(keys, i + n) : keys, seen_wide = ROUND_UP(seen, VW);
        copy_in(q + (long)i * q_row, q_row, n, d, qs, wide);
        product(qs, wide, 1, n, kt, key_wide, seen_wide, d, s, key_wide, 0);
        for (int r = 0; r < n; ++r) {
            __local float *row = s + r * key_wide;
            int end = (flags & 2) ? min(seen, i + r + 1) : seen;
            ask(q + (long)(i + r) * q_row, d, q_next);
            ask(k + (long)(i + r) * k_row, d, k_next);
            ask(v + (long)(i + r) * v_row, d, v_next);
            VF top = (VF)(-INFINITY);
            for (int j = 0; j < seen_wide; j += VW) {
                VF x = score(row, j, seen, end, scale, mask + (long)(i + r) * mask_row, flags & 1);
                if ((flags & 1) || j + VW > end)
                    STORE(x, row + j);
                top = top > x ? top : x;
            }
            greatest[r] = max_v(top) * scale;
        }
        for (int r = 0; r < n; ++r) { /* apart from the above, so that rows do not wait in turn */
            __local float *row = s + r * key_wide;
            float most = greatest[r];
            VF sum = (VF)(0.0f);
            VF base = (VF)(most == -INFINITY ? 0.0f : -most);
            for (int j = 0; j < seen_wide; j += VW) {
                VF e = exp_low(fma(LOAD(row + j), (VF)(scale), base));
                STORE(e, row + j);
                sum += e;
            }
            totals[r] = sum_v(sum);
        }
        product(s, key_wide, 1, n, vs, wide, wide, seen, qs, wide, 0);
        for (int r = 0; r < n; r += VW) { /* logarithms of many rows at once; a row without keys has
                                             total 0: log gives -inf */
            VF total = LOAD(totals + r);
            STORE(LOAD(greatest + r) + log(total), logs + r);
            STORE(total > (VF)(0.0f) ? (VF)(1.0f) / total : (VF)(0.0f), totals + r);
        }
        for (int r = 0; r < n; ++r) {
            lse[i + r] = greatest[r] == -INFINITY ? -INFINITY : logs[r];
            for (int j = 0; j < wide; j += VW)
                STORE(LOAD(qs + r * wide + j) * (VF)(totals[r]), qs + r * wide + j);
        }
        copy_out(qs, wide, n, d, o + (long)i * o_row, o_row);
    }
}

/* The pullback: with P = exp(S - lse), dP = dO V', dS = P (dP - rowsum(dO O)) scale: dQ = dS K, dK
   = dS' Q, dV = P' dO. Grid: (heads, pictures). dq, dk, dv are written whole. */
__kernel void
attention_back(__global const float *q, int q_at, int q_row, int q_step, __global const float *k,
               int k_at, int k_row, int k_step, __global const float *v, int v_at, int v_row,
               int v_step, __global const float *mask, int mask_at, int mask_row, int mask_step,
               __global const float *o, int o_at, int o_row, int o_step, __global const float *go,
               int go_at, __global const float *lse, int lse_at, __global float *dq, int dq_at,
               __global float *dk, int dk_at, __global float *dv, int dv_at, int queries, int keys,
               int d, int heads, int rows, float scale, int flags, __local float *local_memory) {
    int h = get_global_id(0), p = get_global_id(1);
    int wide = ROUND_UP(d, VW), key_wide = ROUND_UP(keys, VW);
    __local float *kt = local_memory, *vt = kt + wide * key_wide, *ks = vt + wide * key_wide,
                  *gk = ks + (key_wide + 6) * wide, *gv = gk + (key_wide + 6) * wide,
                  *s = gv + (key_wide + 6) * wide, *g = s + (rows + 6) * key_wide,
                  *qs = g + (rows + 6) * key_wide, *gs = qs + (rows + 6) * wide,
                  *t = gs + (rows + 6) * wide;
    q += q_at + (long)p * q_step + h * d;
    k += k_at + (long)p * k_step + h * d;
    v += v_at + (long)p * v_step + h * d;
    o += o_at + (long)p * o_step + h * d;
    go += go_at + (long)p * o_step + h * d;
    dq += dq_at + (long)p * q_step + h * d;
    dk += dk_at + (long)p * k_step + h * d;
    dv += dv_at + (long)p * v_step + h * d;
    mask += mask_at + (long)p * mask_step;
    lse += lse_at + ((long)p * heads + h) * queries;
    long back = (heads - 1) * d, q_next = h + 1 < heads ? d : q_step - back,
         k_next = h + 1 < heads ? d : k_step - back, v_next = h + 1 < heads ? d : v_step - back,
         o_next = h + 1 < heads ? d : o_step - back;
    copy_in(v, v_row, keys, d, ks, wide);
    turn(ks, wide, keys, d, vt, key_wide);
    copy_in(k, k_row, keys, d, ks, wide);
    turn(ks, wide, keys, d, kt, key_wide);
    for (int j = 0; j < keys * wide; j += VW) {
        STORE((VF)(0.0f), gk + j);
        STORE((VF)(0.0f), gv + j);
    }
    for (int i = 0; i < queries; i += rows) {
        int n = min(rows, queries - i);
        int seen = (flags & 2) ? min(keys, i + n) : keys, seen_wide = ROUND_UP(seen, VW);
        copy_in(q + (long)i * q_row, q_row, n, d, qs, wide);
        copy_in(go + (long)i * o_row, o_row, n, d, gs, wide);
        copy_in(o + (long)i * o_row, o_row, n, d, t, wide);
        product(qs, wide, 1, n, kt, key_wide, seen_wide, d, s, key_wide, 0);
        product(gs, wide, 1, n, vt, key_wide, seen_wide, d, g, key_wide, 0);
        for (int r = 0; r < n; ++r) {
            __local float *row = s + r * key_wide, *slope = g + r * key_wide;
            ask(q + (long)(i + r) * q_row, d, q_next);
            ask(k + (long)(i + r) * k_row, d, k_next);
            ask(v + (long)(i + r) * v_row, d, v_next);
            ask(o + (long)(i + r) * o_row, d, o_next);
            ask(go + (long)(i + r) * o_row, d, o_next);
            ask_to_write(dq + (long)(i + r) * q_row, d, q_next);
            ask_to_write(dk + (long)(i + r) * k_row, d, k_next);
            ask_to_write(dv + (long)(i + r) * v_row, d, v_next);
            VF dot = (VF)(0.0f);
            for (int j = 0; j < wide; j += VW)
                dot = fma(LOAD(gs + r * wide + j), LOAD(t + r * wide + j), dot);
            float sum = lse[i + r]; /* where no key is seen every e has to be 0 */
            VF base = (VF)(sum == -INFINITY ? -INFINITY : -sum), mean = (VF)(sum_v(dot));
            int end = (flags & 2) ? min(seen, i + r + 1) : seen;
            for (int j = 0; j < seen_wide; j += VW) {
                VF x = score(row, j, seen, end, scale, mask + (long)(i + r) * mask_row, flags & 1);
                VF e = exp_low(fma(x, (VF)(scale), base));
                STORE(e, row + j);
                STORE(e * (LOAD(slope + j) - mean) * (VF)(scale), slope + j);
            }
        }
        product(g, key_wide, 1, n, ks, wide, wide, seen, t, wide, 0);
        copy_out(t, wide, n, d, dq + (long)i * q_row, q_row);
        product(g, 1, key_wide, seen, qs, wide, wide, n, gk, wide, 1);
        product(s, 1, key_wide, seen, gs, wide, wide, n, gv, wide, 1);
    }
    copy_out(gk, wide, keys, d, dk, k_row);
    copy_out(gv, wide, keys, d, dv, v_row);
}
