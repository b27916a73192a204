/* attention_bf16: softmax(scale Q K') V for processors that multiply tiles of bfloat16 (AMX): Q, K,
   V and the shares rounded, sums, exponentials and the way out in float. Without a mask; d is a
   multiple of 32. One work-item per (head, picture); rows lie as in attention.cl. */
#define ROWS 16 /* queries at a time: a tile's */

/* 32 floats as bfloat16, in order. */
static VF rounded(VF low, VF high) {
    VF both;
    __asm__("vcvtne2ps2bf16 %1,%2,%0" : "=v"(both) : "v"(low), "v"(high));
    return both;
}

/* Values i of two rows of 16 side by side, as bfloat16: what tiles sum over lies in pairs. */
static VF paired(VF first, VF second) {
    VI order = lanes() | (lanes() + 16) << 16; /* 0, 16, 1, 17, ... of both */
    VF both = rounded(first, second), out;
    __asm__("vpermw %1,%2,%0" : "=v"(out) : "v"(both), "v"(order));
    return out;
}

/* c (16, 32) = sum over `steps` of tiles a (16, 32 bfloat16) and b (16 pairs, 32 columns); rows lie
   *_row bytes apart, the next tile of a is 64 bytes on, of b 16 rows. */
static void multiply(__local const char *a, long a_row, __local const char *b, long b_row,
                     int steps, __local char *c, long c_row) {
    __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1" : : : "memory");
    for (int s = 0; s < steps; ++s, a += 64, b += 16 * b_row)
        __asm__ volatile("tileloadd (%0,%2,1),%%tmm4\n\t"
                         "tileloadd (%1,%3,1),%%tmm6\n\t"
                         "tileloadd 64(%1,%3,1),%%tmm7\n\t"
                         "tdpbf16ps %%tmm6,%%tmm4,%%tmm0\n\t"
                         "tdpbf16ps %%tmm7,%%tmm4,%%tmm1"
                         :
                         : "r"(a), "r"(b), "r"(a_row), "r"(b_row)
                         : "memory");
    __asm__ volatile("tilestored %%tmm0,(%0,%1,1)\n\ttilestored %%tmm1,64(%0,%1,1)"
                     :
                     : "r"(c), "r"(c_row)
                     : "memory");
}

/* Grid: (heads, pictures). local: floats as launch_bfloat.c counts them. */
__kernel void attention_bf16(__global const float *q, int q_at, int q_row, int q_step,
                             __global const float *k, int k_at, int k_row, int k_step,
                             __global const float *v, int v_at, int v_row, int v_step,
                             __global float *o, int o_at, int o_row, int o_step,
                             __global float *lse, int lse_at, int queries, int keys, int d,
                             int heads, float scale, __local float *local_memory) {
    int h = get_global_id(0), p = get_global_id(1), pairs = d / 2, wide = (keys + 31) / 32 * 32;
    __local float *kt = local_memory, *vs = kt + pairs * wide, *qs = vs + pairs * wide,
                  *ps = qs + ROWS * pairs, *s = ps + ROWS * wide / 2, *os = s + ROWS * wide;
    float greatest[ROWS], totals[ROWS];
    q += q_at + (long)p * q_step + h * d;
    k += k_at + (long)p * k_step + h * d;
    v += v_at + (long)p * v_step + h * d;
    o += o_at + (long)p * o_step + h * d;
    lse += lse_at + ((long)p * heads + h) * queries;
    long back = (heads - 1) * d, q_next = h + 1 < heads ? d : q_step - back,
         k_next = h + 1 < heads ? d : k_step - back, v_next = h + 1 < heads ? d : v_step - back;
    for (int i = 0; i < wide; ++i) /* K in pairs along its rows, then turned */
        for (int c = 0; c < d; c += 32) {
            __global const float *in = k + (long)min(i, keys - 1) * k_row + c;
            STORE(rounded(LOAD(in), LOAD(in + 16)), vs + i * pairs + c / 2);
        }
    for (int i = 0; i < wide; i += 16)
        for (int c = 0; c < pairs; c += 16) {
            VF r[16];
            for (int x = 0; x < 16; ++x)
                r[x] = LOAD(vs + (i + x) * pairs + c);
            turn_square(r);
            for (int x = 0; x < 16; ++x)
                STORE(r[x], kt + (c + x) * wide + i);
        }
    for (int i = 0; i < wide; i += 2) /* V in pairs of its rows; zeros past the last */
        for (int c = 0; c < d; c += 16) {
            VF first = i < keys ? LOAD(v + (long)i * v_row + c) : (VF)(0.0f),
               second = i + 1 < keys ? LOAD(v + (long)(i + 1) * v_row + c) : (VF)(0.0f);
            STORE(paired(first, second), vs + i / 2 * d + c);
        }
    begin_tiles();
    for (int i = 0; i < queries; i += ROWS) {
        int n = min(ROWS, queries - i);
        for (int r = 0; r < n; ++r)
            for (int c = 0; c < d; c += 32) {
                __global const float *in = q + (long)(i + r) * q_row + c;
                STORE(rounded(LOAD(in), LOAD(in + 16)), qs + r * pairs + c / 2);
            }
        for (int j = 0; j < wide; j += 32)
            multiply((__local const char *)qs, 4 * pairs, (__local const char *)(kt + j), 4 * wide,
                     d / 32, (__local char *)(s + j), 4 * wide);
        for (int r = 0; r < n; ++r) {
            ask(q + (long)(i + r) * q_row, d, q_next);
            ask(k + (long)(i + r) * k_row, d, k_next);
            ask(v + (long)(i + r) * v_row, d, v_next);
            VF top = (VF)(-INFINITY);
            for (int j = 0; j < wide; j += 16) { /* keys past the last repeat it */
                VF x = LOAD(s + r * wide + j);
                top = top > x ? top : x;
            }
            greatest[r] = max_v(top) * scale;
        }
        for (int r = 0; r < n; ++r) {
            VF base = (VF)(-greatest[r]), sum = (VF)(0.0f);
            for (int j = 0; j < wide; j += 32) {
                VF e = exp_low(fma(LOAD(s + r * wide + j), (VF)(scale), base)),
                   f = exp_low(fma(LOAD(s + r * wide + j + 16), (VF)(scale), base));
                if (j + 32 > keys) {
                    e = lanes() < (VI)(keys - j) ? e : (VF)(0.0f);
                    f = lanes() < (VI)(keys - j - 16) ? f : (VF)(0.0f);
                }
                sum += e + f;
                STORE(rounded(e, f), ps + (r * wide + j) / 2);
            }
            totals[r] = sum_v(sum);
        }
        for (int c = 0; c < d; c += 32)
            multiply((__local const char *)ps, 2 * wide, (__local const char *)(vs + c), 4 * d,
                     wide / 32, (__local char *)(os + c), 4 * d);
        for (int r = 0; r < n; ++r) {
            VF part = (VF)(1.0f / totals[r]);
            lse[i + r] = greatest[r] + log(totals[r]);
            for (int c = 0; c < d; c += 16)
                STORE(LOAD(os + r * d + c) * part, o + (long)(i + r) * o_row + c);
        }
    }
    end_tiles();
}
