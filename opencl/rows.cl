/* rows: operations along the last dimension, and sums along any. Both kernel sets: a work-item does
   `piece` whole rows, so the order of sums never depends on how many work-items there are. */
#define INPUT(name) __global const float *name, int name##_at
#define OUTPUT(name) __global float *name, int name##_at
#define EACH_ROW                                                                                   \
    int from = get_global_id(0) * piece, to = min(rows, from + piece);                             \
    for (int r = from; r < to; ++r)
#define ROW(p) (p + p##_at + (long)r * cols)

/* y = softmax(x), or its logarithm. A row of -inf gives zeros (-inf where logged), never NaN. */
__kernel void softmax(INPUT(x), OUTPUT(y), int rows, int cols, int piece, int logged) {
    EACH_ROW {
        __global const float *in = ROW(x);
        __global float *out = ROW(y);
        VF top = (VF)(-INFINITY), sum = (VF)(0.0f);
        for (int c = 0; c < cols; c += VW)
            top = fmax(top, get(in + c, cols - c, -INFINITY));
        float most = max_v(top), base = most == -INFINITY ? 0.0f : most;
        for (int c = 0; c < cols; c += VW) {
            VF e = exp_v(get(in + c, cols - c, -INFINITY) - (VF)(base));
            if (!logged)
                put(e, out + c, cols - c);
            sum += e;
        }
        float total = sum_v(sum), part = total > 0.0f ? 1.0f / total : 0.0f,
              shift = base + log(total > 0.0f ? total : 1.0f);
        for (int c = 0; c < cols; c += VW)
            put(logged ? get(in + c, cols - c, 0.0f) - (VF)(shift)
                       : get(out + c, cols - c, 0.0f) * (VF)(part),
                out + c, cols - c);
    }
}

/* softmax: dx = y (dy - sum(dy y)); logged: dx = dy - exp(y) sum(dy) */
__kernel void softmax_back(INPUT(y), INPUT(dy), OUTPUT(dx), int rows, int cols, int piece,
                           int logged) {
    EACH_ROW {
        VF sum = (VF)(0.0f);
        for (int c = 0; c < cols; c += VW) {
            VF g = get(ROW(dy) + c, cols - c, 0.0f);
            sum += logged ? g : g * get(ROW(y) + c, cols - c, 0.0f);
        }
        VF total = (VF)(sum_v(sum));
        for (int c = 0; c < cols; c += VW) {
            VF g = get(ROW(dy) + c, cols - c, 0.0f), p = get(ROW(y) + c, cols - c, 0.0f);
            put(logged ? g - exp_v(p) * total : p * (g - total), ROW(dx) + c, cols - c);
        }
    }
}

/* y = (x - mean) / sqrt(variance + eps) * gain + bias; kept (rows, 2): mean and 1 / sqrt(variance +
 * eps). */
__kernel void layer_norm(INPUT(x), INPUT(gain), INPUT(bias), OUTPUT(y), OUTPUT(kept), int rows,
                         int cols, int piece, float eps) {
    EACH_ROW {
        __global const float *in = ROW(x);
        VF sum = (VF)(0.0f), square = (VF)(0.0f);
        for (int c = 0; c < cols; c += VW)
            sum += get(in + c, cols - c, 0.0f);
        float mean = sum_v(sum) / cols;
        for (int c = 0; c < cols; c += VW) {
            VF d = get(in + c, cols - c, mean) - (VF)(mean);
            square = fma(d, d, square);
        }
        float scale = 1.0f / sqrt(sum_v(square) / cols + eps);
        for (int c = 0; c < cols; c += VW)
            put(fma((get(in + c, cols - c, 0.0f) - (VF)(mean)) * (VF)(scale),
                    get(gain + gain_at + c, cols - c, 0.0f),
                    get(bias + bias_at + c, cols - c, 0.0f)),
                ROW(y) + c, cols - c);
        kept[kept_at + 2 * r] = mean;
        kept[kept_at + 2 * r + 1] = scale;
    }
}

/* With g = dy gain and n = (x - mean) scale: dx = scale (g - mean(g) - n mean(g n)) */
__kernel void layer_norm_back(INPUT(x), INPUT(gain), INPUT(kept), INPUT(dy), OUTPUT(dx), int rows,
                              int cols, int piece) {
    EACH_ROW {
        float mean = kept[kept_at + 2 * r], scale = kept[kept_at + 2 * r + 1];
        VF first = (VF)(0.0f), second = (VF)(0.0f);
        for (int c = 0; c < cols; c += VW) {
            VF g = get(ROW(dy) + c, cols - c, 0.0f) * get(gain + gain_at + c, cols - c, 0.0f);
            first += g;
            second = fma(g, (get(ROW(x) + c, cols - c, 0.0f) - (VF)(mean)) * (VF)(scale), second);
        }
        VF a = (VF)(sum_v(first) / cols), b = (VF)(sum_v(second) / cols);
        for (int c = 0; c < cols; c += VW) {
            VF g = get(ROW(dy) + c, cols - c, 0.0f) * get(gain + gain_at + c, cols - c, 0.0f);
            VF n = (get(ROW(x) + c, cols - c, 0.0f) - (VF)(mean)) * (VF)(scale);
            put((VF)(scale) * (g - a - n * b), ROW(dx) + c, cols - c);
        }
    }
}

/* partial (pieces, 2, cols): sums of dy n and of dy over the rows of a piece. Grid: (vectors of
 * columns, pieces). */
__kernel void layer_norm_sums(INPUT(x), INPUT(kept), INPUT(dy), OUTPUT(partial), int rows, int cols,
                              int piece) {
    int c = get_global_id(0) * VW, from = get_global_id(1) * piece, to = min(rows, from + piece);
    VF gain = (VF)(0.0f), bias = (VF)(0.0f);
    for (int r = from; r < to; ++r) {
        VF g = get(ROW(dy) + c, cols - c, 0.0f);
        VF n = (get(ROW(x) + c, cols - c, 0.0f) - (VF)(kept[kept_at + 2 * r])) *
               (VF)(kept[kept_at + 2 * r + 1]);
        gain = fma(g, n, gain);
        bias += g;
    }
    __global float *out = partial + partial_at + (long)get_global_id(1) * 2 * cols + c;
    put(gain, out, cols - c);
    put(bias, out + cols, cols - c);
}

/* y = x / max(|x|, eps); kept (rows): 1 / max(|x|, eps), negative where eps was taken. (CL has a
 * normalize of its own.) */
__kernel void unit_length(INPUT(x), OUTPUT(y), OUTPUT(kept), int rows, int cols, int piece,
                          float eps) {
    EACH_ROW {
        VF square = (VF)(0.0f);
        for (int c = 0; c < cols; c += VW) {
            VF v = get(ROW(x) + c, cols - c, 0.0f);
            square = fma(v, v, square);
        }
        float length = sqrt(sum_v(square)), part = 1.0f / fmax(length, eps);
        kept[kept_at + r] = length > eps ? part : -part;
        for (int c = 0; c < cols; c += VW)
            put(get(ROW(x) + c, cols - c, 0.0f) * (VF)(part), ROW(y) + c, cols - c);
    }
}

/* dx = (dy - y sum(dy y)) / |x|; dy / eps where eps was taken */
__kernel void unit_length_back(INPUT(y), INPUT(kept), INPUT(dy), OUTPUT(dx), int rows, int cols,
                               int piece) {
    EACH_ROW {
        float part = kept[kept_at + r];
        VF dot = (VF)(0.0f);
        for (int c = 0; c < cols; c += VW)
            dot = fma(get(ROW(dy) + c, cols - c, 0.0f), get(ROW(y) + c, cols - c, 0.0f), dot);
        VF total = (VF)(part > 0.0f ? sum_v(dot) : 0.0f);
        for (int c = 0; c < cols; c += VW)
            put((get(ROW(dy) + c, cols - c, 0.0f) - get(ROW(y) + c, cols - c, 0.0f) * total) *
                    (VF)(fabs(part)),
                ROW(dx) + c, cols - c);
    }
}

/* y (rows, cols): running sums of x; backward: from the end. */
__kernel void cumulate(INPUT(x), OUTPUT(y), int rows, int cols, int piece, int backward) {
    EACH_ROW {
        float sum = 0.0f;
        for (int c = 0; c < cols; ++c) {
            int i = backward ? cols - 1 - c : c;
            sum += ROW(x)[i];
            ROW(y)[i] = sum;
        }
    }
}

/* y (outer, pieces, inner) = sum (op 0) or greatest (op 1) over a piece of n of x (outer, n,
   inner). Grid: (vectors of inner or 1, pieces, outer). */
__kernel void reduce(INPUT(x), OUTPUT(y), int n, int inner, int piece, int pieces, int op,
                     float scale) {
    int c = get_global_id(0) * VW, from = get_global_id(1) * piece, to = min(n, from + piece);
    __global const float *in = x + x_at + (long)get_global_id(2) * n * inner;
    __global float *out = y + y_at + ((long)get_global_id(2) * pieces + get_global_id(1)) * inner;
    float empty = op ? -INFINITY : 0.0f;
    VF value = (VF)(empty);
    if (inner == 1) {
        for (int i = from; i < to; i += VW) {
            VF v = get(in + i, to - i, empty);
            value = op ? fmax(value, v) : value + v;
        }
        out[0] = (op ? max_v(value) : sum_v(value)) * scale;
    } else {
        for (int i = from; i < to; ++i) {
            VF v = get(in + (long)i * inner + c, inner - c, 0.0f);
            value = op ? fmax(value, v) : value + v;
        }
        put(value * (VF)(scale), out + c, inner - c);
    }
}
