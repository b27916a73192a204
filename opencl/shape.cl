/* shape: moving values: strided copies, rows by index, values by index along a row, patches of a
 * picture. Both kernel sets. */
#define INPUT(name) __global const float *name, int name##_at
#define OUTPUT(name) __global float *name, int name##_at
#define INDEX(name) __global const int *name, int name##_at

/* Copies a block of `shape` (s0 outermost .. s5) from steps `in` to steps `out`; one work-item per
 * piece of the rows of s5. */
__kernel void strided(INPUT(x), OUTPUT(y), int8 shape, int8 in, int8 out, int rows, int piece) {
    int from = get_global_id(0) * piece, to = min(rows, from + piece);
    for (int row = from; row < to; ++row) {
        int rest = row;
        long p = x_at, q = y_at;
        int i = rest % shape.s4;
        rest /= shape.s4;
        p += (long)i * in.s4;
        q += (long)i * out.s4;
        i = rest % shape.s3;
        rest /= shape.s3;
        p += (long)i * in.s3;
        q += (long)i * out.s3;
        i = rest % shape.s2;
        rest /= shape.s2;
        p += (long)i * in.s2;
        q += (long)i * out.s2;
        i = rest % shape.s1;
        rest /= shape.s1;
        p += (long)i * in.s1 + (long)rest * in.s0;
        q += (long)i * out.s1 + (long)rest * out.s0;
        int n = shape.s5, c = 0;
        if (in.s5 == 1 && out.s5 == 1)
            for (; c + VW <= n; c += VW)
                STORE(LOAD(x + p + c), y + q + c);
        for (; c < n; ++c)
            y[q + (long)c * out.s5] = x[p + (long)c * in.s5];
    }
}

/* y (m, cols) = rows index[0 .. m) of x; type: how x is stored (0 float, 1 half, 2 bfloat16). */
__kernel void rows(__global const void *x, int x_at, INDEX(index), OUTPUT(y), int m, int cols,
                   int piece, int type) {
    int from = get_global_id(0) * piece, to = min(m, from + piece);
    for (int r = from; r < to; ++r) {
        long row = (long)index[index_at + r] * cols + x_at;
        __global float *out = y + y_at + (long)r * cols;
        int c = 0;
        if (type == 0)
            for (; c + VW <= cols; c += VW)
                STORE(LOAD((__global const float *)x + row + c), out + c);
        for (; c < cols; ++c)
            out[c] = half_or_bfloat(x, row + c, type);
    }
}

/* dx (n, cols): row i is the sum of the rows order[start[i] .. start[i + 1]) of dy. No atomics: the
 * order of the sums is fixed. */
__kernel void rows_back(INPUT(dy), INDEX(start), INDEX(order), OUTPUT(dx), int n, int cols,
                        int piece) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    for (int r = from; r < to; ++r) {
        __global float *out = dx + dx_at + (long)r * cols;
        int first = start[start_at + r], last = start[start_at + r + 1];
        for (int c = 0; c < cols; c += VW) {
            VF sum = (VF)(0.0f);
            int left = cols - c;
            for (int i = first; i < last; ++i) {
                __global const float *p = dy + dy_at + (long)order[order_at + i] * cols + c;
                sum += left >= VW ? LOAD(p) : load_tail(p, left, 0.0f);
            }
            if (left >= VW)
                STORE(sum, out + c);
            else
                store_tail(sum, out + c, left);
        }
    }
}

/* y (rows, m) = x (rows, cols) at index (rows, m). */
__kernel void take(INPUT(x), INDEX(index), OUTPUT(y), int n, int cols, int m, int piece) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    for (int r = from; r < to; ++r)
        for (int i = 0; i < m; ++i)
            y[y_at + (long)r * m + i] = x[x_at + (long)r * cols + index[index_at + r * m + i]];
}

__kernel void take_back(INPUT(dy), INDEX(index), OUTPUT(dx), int n, int cols, int m, int piece) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    for (int r = from; r < to; ++r) {
        for (int i = 0; i < cols; ++i)
            dx[dx_at + (long)r * cols + i] = 0.0f;
        for (int i = 0; i < m; ++i)
            dx[dx_at + (long)r * cols + index[index_at + r * m + i]] += dy[dy_at + (long)r * m + i];
    }
}

/* Patches: y (pictures, oh * ow, channels * k * k) from x, element (picture, channel, row, col) at
   steps (sp, sc, sh, sw); outside the picture 0. One work-item per patch. step: (sp, sc, sh, sw).
 */
__kernel void unfold(INPUT(x), OUTPUT(y), int4 step, int channels, int h, int w, int k, int stride,
                     int pad, int oh, int ow, int patches) {
    int i = get_global_id(0), picture = i / (oh * ow), row = i / ow % oh, col = i % ow;
    if (i >= patches)
        return;
    __global const float *in = x + x_at + (long)picture * step.x;
    __global float *out = y + y_at + (long)i * channels * k * k;
    for (int c = 0; c < channels; ++c)
        for (int a = 0; a < k; ++a) {
            int r = row * stride + a - pad;
            for (int b = 0; b < k; ++b) {
                int s = col * stride + b - pad;
                *out++ = r >= 0 && r < h && s >= 0 && s < w
                             ? in[(long)c * step.y + r * step.z + s * step.w]
                             : 0.0f;
            }
        }
}

/* The pullback: each value of x gathers from the patches that hold it. One work-item per (picture,
 * row) of x. */
__kernel void fold(INPUT(dy), OUTPUT(dx), int4 step, int channels, int h, int w, int k, int stride,
                   int pad, int oh, int ow, int lines) {
    int i = get_global_id(0), picture = i / h, r = i % h;
    if (i >= lines)
        return;
    __global float *out = dx + dx_at + (long)picture * step.x;
    for (int s = 0; s < w; ++s)
        for (int c = 0; c < channels; ++c) {
            float sum = 0.0f;
            for (int a = 0; a < k; ++a) {
                int y0 = r + pad - a;
                if (y0 < 0 || y0 % stride || y0 / stride >= oh)
                    continue;
                for (int b = 0; b < k; ++b) {
                    int x0 = s + pad - b;
                    if (x0 < 0 || x0 % stride || x0 / stride >= ow)
                        continue;
                    long patch = ((long)picture * oh + y0 / stride) * ow + x0 / stride;
                    sum += dy[dy_at + (patch * channels + c) * k * k + a * k + b];
                }
            }
            out[(long)c * step.y + r * step.z + s * step.w] = sum;
        }
}

/* Pictures of bytes (pictures, h, w, 3) to floats (pictures, 3, h, w): value * scale + shift of its
 * channel. */
__kernel void bytes(__global const uchar *x, int x_at, OUTPUT(y), int h, int w, float4 scale,
                    float4 shift, int lines) {
    int i = get_global_id(0), picture = i / h, r = i % h;
    if (i >= lines)
        return;
    x += x_at + (long)i * w * 3;
    __global float *out = y + y_at + (long)picture * 3 * h * w + r * w;
    for (int c = 0; c < w; ++c) {
        out[c] = fma((float)x[3 * c], scale.x, shift.x);
        out[h * w + c] = fma((float)x[3 * c + 1], scale.y, shift.y);
        out[2 * h * w + c] = fma((float)x[3 * c + 2], scale.z, shift.z);
    }
}
