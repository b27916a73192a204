/* winograd: convolutions of 3 x 3 kernels with 4 / 9 of the multiplications (Winograd 1980; Lavin
   and Gray 2016, F(2 x 2, 3 x 3)): squares of 4 x 4 values of x and the kernels go into a space
   where a square of 2 x 2 results is one product for each of 16 places. Processors' set. */

/* The rows of B' d, G g and A' m, for vectors or single values. */
#define INTO(d0, d1, d2, d3, t0, t1, t2, t3)                                                       \
    t0 = d0 - d2;                                                                                  \
    t1 = d1 + d2;                                                                                  \
    t2 = d2 - d1;                                                                                  \
    t3 = d1 - d3;
#define KERNEL_INTO(g0, g1, g2, t0, t1, t2, t3)                                                    \
    t0 = g0;                                                                                       \
    t1 = (VF)(0.5f) * (g0 + g1 + g2);                                                              \
    t2 = (VF)(0.5f) * (g0 - g1 + g2);                                                              \
    t3 = g2;
#define OUT_OF(m0, m1, m2, m3, t0, t1)                                                             \
    t0 = m0 + m1 + m2;                                                                             \
    t1 = m1 - m2 - m3;

/* u (16, n * channels) of w (n, 3, 3, channels). */
__kernel void winograd_weights(INPUT(w), OUTPUT(u), int n, int channels, int piece) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    long step = (long)n * channels;
    for (int i = from; i < to; ++i)
        for (int c = 0; c < channels; c += VW) {
            VF t[4][3];
            int left = channels - c;
            __global const float *in = w + w_at + (long)i * 9 * channels + c;
            __global float *out = u + u_at + (long)i * channels + c;
            for (int b = 0; b < 3; ++b) {
                VF g0 = get(in + b * channels, left, 0.0f),
                   g1 = get(in + (3 + b) * channels, left, 0.0f),
                   g2 = get(in + (6 + b) * channels, left, 0.0f);
                KERNEL_INTO(g0, g1, g2, t[0][b], t[1][b], t[2][b], t[3][b])
            }
            for (int a = 0; a < 4; ++a) {
                VF r0, r1, r2, r3;
                KERNEL_INTO(t[a][0], t[a][1], t[a][2], r0, r1, r2, r3)
                put(r0, out + (4 * a) * step, left);
                put(r1, out + (4 * a + 1) * step, left);
                put(r2, out + (4 * a + 2) * step, left);
                put(r3, out + (4 * a + 3) * step, left);
            }
        }
}

/* v (16, count, channels) of the squares first .. first + count of pictures x. shape: height,
   width, channels of x, pad, squares in a column and in a line. */
__kernel void winograd_in(INPUT(x), OUTPUT(v), int8 shape, int first, int count, int piece) {
    int from = get_global_id(0) * piece, to = min(count, from + piece), channels = shape.s2;
    long step = (long)count * channels;
    for (int i = from; i < to; ++i) {
        int at = first + i, row = at / shape.s5 % shape.s4 * 2 - shape.s3,
            col = at % shape.s5 * 2 - shape.s3;
        __global const float *in =
            x + x_at + (long)(at / shape.s5 / shape.s4) * shape.s0 * shape.s1 * channels;
        for (int c = 0; c < channels; c += VW) {
            VF t[4][4];
            int left = channels - c;
            __global float *out = v + v_at + (long)i * channels + c;
            for (int b = 0; b < 4; ++b) {
                VF d[4];
                for (int a = 0; a < 4; ++a) {
                    bool inside = row + a >= 0 && row + a < shape.s0 && col + b >= 0 &&
                                  col + b < shape.s1;
                    d[a] = inside ? get(in + ((long)(row + a) * shape.s1 + col + b) * channels + c,
                                        left, 0.0f)
                                  : (VF)(0.0f);
                }
                INTO(d[0], d[1], d[2], d[3], t[0][b], t[1][b], t[2][b], t[3][b])
            }
            for (int a = 0; a < 4; ++a) {
                VF r0, r1, r2, r3;
                INTO(t[a][0], t[a][1], t[a][2], t[a][3], r0, r1, r2, r3)
                put(r0, out + (4 * a) * step, left);
                put(r1, out + (4 * a + 1) * step, left);
                put(r2, out + (4 * a + 2) * step, left);
                put(r3, out + (4 * a + 3) * step, left);
            }
        }
    }
}

/* y (pictures, rows, columns, n) = act(what m (16, count, n) gives + bias + residual) for squares
   first .. first + count. shape: rows, columns, n, squares in a column and in a line; flags: 1
   bias, 2 residual, 4 relu. */
__kernel void winograd_out(INPUT(m), OUTPUT(y), INPUT(bias), INPUT(residual), int8 shape, int first,
                           int count, int piece, int flags) {
    int from = get_global_id(0) * piece, to = min(count, from + piece), n = shape.s2;
    long step = (long)count * n;
    for (int i = from; i < to; ++i) {
        int at = first + i, row = at / shape.s4 % shape.s3 * 2, col = at % shape.s4 * 2;
        long picture = (long)(at / shape.s4 / shape.s3) * shape.s0 * shape.s1;
        for (int c = 0; c < n; c += VW) {
            VF t[2][4], r[2];
            int left = n - c;
            __global const float *in = m + m_at + (long)i * n + c;
            VF add = flags & 1 ? get(bias + bias_at + c, left, 0.0f) : (VF)(0.0f);
            for (int b = 0; b < 4; ++b) {
                VF m0 = get(in + b * step, left, 0.0f), m1 = get(in + (4 + b) * step, left, 0.0f),
                   m2 = get(in + (8 + b) * step, left, 0.0f),
                   m3 = get(in + (12 + b) * step, left, 0.0f);
                OUT_OF(m0, m1, m2, m3, t[0][b], t[1][b])
            }
            for (int a = 0; a < 2 && row + a < shape.s0; ++a) {
                OUT_OF(t[a][0], t[a][1], t[a][2], t[a][3], r[0], r[1])
                for (int b = 0; b < 2 && col + b < shape.s1; ++b) {
                    long place = (picture + (long)(row + a) * shape.s1 + col + b) * n + c;
                    VF sum = r[b] + add;
                    if (flags & 2)
                        sum += get(residual + residual_at + place, left, 0.0f);
                    put(flags & 4 ? fmax(sum, (VF)(0.0f)) : sum, y + y_at + place, left);
                }
            }
        }
    }
}
