/* shape: moving values: strided copies, rows by index, values by index along a row, patches of a
   picture. Both kernel sets. */

/* Copies a block of `shape` (s0 outermost .. s5) from steps `in` to steps `out`; rows are those of
   s5. */
__kernel void strided(INPUT(x), OUTPUT(y), int8 shape, int8 in, int8 out, int rows, int piece) {
    EACH_ROW(r, rows) {
        int rest = r;
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
        int n = shape.s5;
        EACH_COLUMN(c, n, r) {
            if (in.s5 == 1 && out.s5 == 1)
                put(get(x + p + c, n - c, 0.0f), y + q + c, n - c);
            else
                for (int k = c; k < min(n, c + VW); ++k)
                    y[q + (long)k * out.s5] = x[p + (long)k * in.s5];
        }
    }
}

/* y (m, cols) = rows index[0 .. m) of x; type: how x is stored (0 float, 1 half, 2 bfloat16). */
__kernel void rows(__global const void *x, int x_at, INDEX(index), OUTPUT(y), int m, int cols,
                   int piece, int type) {
    EACH_ROW(r, m) {
        EACH_COLUMN(c, cols, r) {
            long row = (long)index[index_at + r] * cols + x_at;
            __global float *out = y + y_at + (long)r * cols;
            if (type == 0)
                put(get((__global const float *)x + row + c, cols - c, 0.0f), out + c, cols - c);
            else
                for (int i = c; i < min(cols, c + VW); ++i)
                    out[i] = half_or_bfloat(x, row + i, type);
        }
    }
}

/* dx (n, cols): row i is the sum of the rows order[start[i] .. start[i + 1]) of dy. No atomics: the
   order of the sums is fixed. */
__kernel void rows_back(INPUT(dy), INDEX(start), INDEX(order), OUTPUT(dx), int n, int cols,
                        int piece) {
    EACH_ROW(r, n) {
        EACH_COLUMN(c, cols, r) {
            int first = start[start_at + r], last = start[start_at + r + 1];
            VF sum = (VF)(0.0f);
            for (int i = first; i < last; ++i)
                sum += get(dy + dy_at + (long)order[order_at + i] * cols + c, cols - c, 0.0f);
            put(sum, dx + dx_at + (long)r * cols + c, cols - c);
        }
    }
}

/* y (rows, m) = x (rows, cols) at index (rows, m). */
__kernel void take(INPUT(x), INDEX(index), OUTPUT(y), int n, int cols, int m, int piece) {
    EACH_ROW(r, n) {
        EACH_COLUMN(c, m, r)
            for (int i = c; i < min(m, c + VW); ++i)
                y[y_at + (long)r * m + i] = x[x_at + (long)r * cols + index[index_at + r * m + i]];
    }
}

/* The pullback: places of a row may be equal, so one work-item does all of it. */
__kernel void take_back(INPUT(dy), INDEX(index), OUTPUT(dx), int n, int cols, int m, int piece) {
    EACH_ROW(r, n)
        if (ONCE(r)) {
            for (int i = 0; i < cols; ++i)
                dx[dx_at + (long)r * cols + i] = 0.0f;
            for (int i = 0; i < m; ++i)
                dx[dx_at + (long)r * cols + index[index_at + r * m + i]] +=
                    dy[dy_at + (long)r * m + i];
        }
}

/* Patches: y (pictures, oh * ow, channels * k * k) from x, element (picture, channel, row, col) at
   steps (sp, sc, sh, sw); outside the picture 0. step: (sp, sc, sh, sw).
   */
__kernel void unfold(INPUT(x), OUTPUT(y), int4 step, int channels, int h, int w, int k, int stride,
                     int pad, int oh, int ow, int patches, int piece) {
    EACH_ROW(i, patches) {
        int picture = i / (oh * ow), row = i / ow % oh * stride - pad, col = i % ow * stride - pad;
        __global const float *in = x + x_at + (long)picture * step.x;
        __global float *out = y + y_at + (long)i * channels * k * k;
        EACH_PART(t, channels * k, i) {
            int c = t / k, r = row + t % k;
            for (int b = 0; b < k; ++b) {
                int s = col + b;
                out[t * k + b] = r >= 0 && r < h && s >= 0 && s < w
                                     ? in[(long)c * step.y + r * step.z + s * step.w]
                                     : 0.0f;
            }
        }
    }
}

/* The pullback: each value of x gathers from the patches that hold it. Rows: (picture, row) of
   x. */
__kernel void fold(INPUT(dy), OUTPUT(dx), int4 step, int channels, int h, int w, int k, int stride,
                   int pad, int oh, int ow, int lines, int piece) {
    EACH_ROW(i, lines) EACH_PART(s, w, i) {
        int picture = i / h, r = i % h;
        __global float *out = dx + dx_at + (long)picture * step.x;
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
}

/* Pictures of bytes (pictures, h, w, 3) to floats (pictures, 3, h, w): value * scale + shift of its
   channel. */
__kernel void bytes(__global const uchar *x, int x_at, OUTPUT(y), int h, int w, float4 scale,
                    float4 shift, int lines, int piece) {
    EACH_ROW(i, lines) {
        __global const uchar *in = x + x_at + (long)i * w * 3;
        __global float *out = y + y_at + (long)(i / h) * 3 * h * w + i % h * w;
        EACH_PART(c, w, i) {
            out[c] = fma((float)in[3 * c], scale.x, shift.x);
            out[h * w + c] = fma((float)in[3 * c + 1], scale.y, shift.y);
            out[2 * h * w + c] = fma((float)in[3 * c + 2], scale.z, shift.z);
        }
    }
}
