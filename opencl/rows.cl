/* rows: operations along the last dimension, and sums along any. Both kernel sets: who shares a row
   is said by cpu/item.cl and gpu/group.cl. */
#define ROW(p) (p + p##_at + (long)r * cols)

/* y = softmax(x), or its logarithm. A row of -inf gives zeros (-inf where logged), never NaN. */
__kernel void softmax(INPUT(x), OUTPUT(y), int rows, int cols, int piece, int logged) {
    TREE
    EACH_ROW(r, rows) {
        __global const float *in = ROW(x);
        __global float *out = ROW(y);
        VF top = (VF)(-INFINITY), sum = (VF)(0.0f);
        EACH_COLUMN(c, cols, r)
            top = fmax(top, get(in + c, cols - c, -INFINITY));
        float most = MAX_ROW(top), base = most == -INFINITY ? 0.0f : most;
        EACH_COLUMN(c, cols, r) {
            VF e = exp_v(get(in + c, cols - c, -INFINITY) - (VF)(base));
            if (!logged)
                put(e, out + c, cols - c);
            sum += e;
        }
        float total = SUM_ROW(sum), part = total > 0.0f ? 1.0f / total : 0.0f,
              shift = base + log(total > 0.0f ? total : 1.0f);
        EACH_COLUMN(c, cols, r)
            put(logged ? get(in + c, cols - c, 0.0f) - (VF)(shift)
                       : get(out + c, cols - c, 0.0f) * (VF)(part),
                out + c, cols - c);
    }
}

/* softmax: dx = y (dy - sum(dy y)); logged: dx = dy - exp(y) sum(dy) */
__kernel void softmax_back(INPUT(y), INPUT(dy), OUTPUT(dx), int rows, int cols, int piece,
                           int logged) {
    TREE
    EACH_ROW(r, rows) {
        VF sum = (VF)(0.0f);
        EACH_COLUMN(c, cols, r) {
            VF g = get(ROW(dy) + c, cols - c, 0.0f);
            sum += logged ? g : g * get(ROW(y) + c, cols - c, 0.0f);
        }
        VF total = (VF)(SUM_ROW(sum));
        EACH_COLUMN(c, cols, r) {
            VF g = get(ROW(dy) + c, cols - c, 0.0f), p = get(ROW(y) + c, cols - c, 0.0f);
            put(logged ? g - exp_v(p) * total : p * (g - total), ROW(dx) + c, cols - c);
        }
    }
}

/* y = (x - mean) / sqrt(variance + eps) * gain + bias; kept (rows, 2): mean and 1 / sqrt(variance +
   eps). */
__kernel void layer_norm(INPUT(x), INPUT(gain), INPUT(bias), OUTPUT(y), OUTPUT(kept), int rows,
                         int cols, int piece, float eps) {
    TREE
    EACH_ROW(r, rows) {
        __global const float *in = ROW(x);
        VF sum = (VF)(0.0f), square = (VF)(0.0f);
        EACH_COLUMN(c, cols, r)
            sum += get(in + c, cols - c, 0.0f);
        float mean = SUM_ROW(sum) / cols;
        EACH_COLUMN(c, cols, r) {
            VF d = get(in + c, cols - c, mean) - (VF)(mean);
            square = fma(d, d, square);
        }
        float scale = 1.0f / sqrt(SUM_ROW(square) / cols + eps);
        EACH_COLUMN(c, cols, r)
            put(fma((get(in + c, cols - c, 0.0f) - (VF)(mean)) * (VF)(scale),
                    get(gain + gain_at + c, cols - c, 0.0f),
                    get(bias + bias_at + c, cols - c, 0.0f)),
                ROW(y) + c, cols - c);
        if (ONCE(r)) {
            kept[kept_at + 2 * r] = mean;
            kept[kept_at + 2 * r + 1] = scale;
        }
    }
}

/* With g = dy gain and n = (x - mean) scale: dx = scale (g - mean(g) - n mean(g n)) */
__kernel void layer_norm_back(INPUT(x), INPUT(gain), INPUT(kept), INPUT(dy), OUTPUT(dx), int rows,
                              int cols, int piece) {
    TREE
    EACH_ROW(r, rows) {
        int at = kept_at + 2 * min(r, rows - 1); /* a group's last rows may not be there */
        float mean = kept[at], scale = kept[at + 1];
        VF first = (VF)(0.0f), second = (VF)(0.0f);
        EACH_COLUMN(c, cols, r) {
            VF g = get(ROW(dy) + c, cols - c, 0.0f) * get(gain + gain_at + c, cols - c, 0.0f);
            first += g;
            second = fma(g, (get(ROW(x) + c, cols - c, 0.0f) - (VF)(mean)) * (VF)(scale), second);
        }
        VF a = (VF)(SUM_ROW(first) / cols), b = (VF)(SUM_ROW(second) / cols);
        EACH_COLUMN(c, cols, r) {
            VF g = get(ROW(dy) + c, cols - c, 0.0f) * get(gain + gain_at + c, cols - c, 0.0f);
            VF n = (get(ROW(x) + c, cols - c, 0.0f) - (VF)(mean)) * (VF)(scale);
            put((VF)(scale) * (g - a - n * b), ROW(dx) + c, cols - c);
        }
    }
}

/* partial (pieces, 2, cols): sums of dy n and of dy over the rows of a piece. Grid: (vectors of
   columns, pieces). */
__kernel void layer_norm_sums(INPUT(x), INPUT(kept), INPUT(dy), OUTPUT(partial), int rows, int cols,
                              int piece) {
    int c = get_global_id(0) * VW, from = get_global_id(1) * piece, to = min(rows, from + piece);
    VF gain = (VF)(0.0f), bias = (VF)(0.0f);
    if (c >= cols)
        return;
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
   normalize of its own.) */
__kernel void unit_length(INPUT(x), OUTPUT(y), OUTPUT(kept), int rows, int cols, int piece,
                          float eps) {
    TREE
    EACH_ROW(r, rows) {
        VF square = (VF)(0.0f);
        EACH_COLUMN(c, cols, r) {
            VF v = get(ROW(x) + c, cols - c, 0.0f);
            square = fma(v, v, square);
        }
        float length = sqrt(SUM_ROW(square)), part = 1.0f / fmax(length, eps);
        if (ONCE(r))
            kept[kept_at + r] = length > eps ? part : -part;
        EACH_COLUMN(c, cols, r)
            put(get(ROW(x) + c, cols - c, 0.0f) * (VF)(part), ROW(y) + c, cols - c);
    }
}

/* dx = (dy - y sum(dy y)) / |x|; dy / eps where eps was taken */
__kernel void unit_length_back(INPUT(y), INPUT(kept), INPUT(dy), OUTPUT(dx), int rows, int cols,
                               int piece) {
    TREE
    EACH_ROW(r, rows) {
        float part = kept[kept_at + min(r, rows - 1)];
        VF dot = (VF)(0.0f);
        EACH_COLUMN(c, cols, r)
            dot = fma(get(ROW(dy) + c, cols - c, 0.0f), get(ROW(y) + c, cols - c, 0.0f), dot);
        float sum = SUM_ROW(dot);
        VF total = (VF)(part > 0.0f ? sum : 0.0f);
        EACH_COLUMN(c, cols, r)
            put((get(ROW(dy) + c, cols - c, 0.0f) - get(ROW(y) + c, cols - c, 0.0f) * total) *
                    (VF)(fabs(part)),
                ROW(dx) + c, cols - c);
    }
}

/* y (rows, cols): running sums of x; backward: from the end. */
__kernel void cumulate(INPUT(x), OUTPUT(y), int rows, int cols, int piece, int backward) {
    EACH_ROW(r, rows) {
        float sum = 0.0f;
        for (int c = 0; ONCE(r) && c < cols; ++c) {
            int i = backward ? cols - 1 - c : c;
            sum += ROW(x)[i];
            ROW(y)[i] = sum;
        }
    }
}

/* y (rows) = sum (op 0) or greatest (op 1) of a part of up to `length` of the n values of a row of
   x; `parts` of them a row. */
__kernel void reduce_rows(INPUT(x), OUTPUT(y), int rows, int n, int piece, int length, int parts,
                          int op, float scale) {
    TREE
    EACH_ROW(r, rows) {
        int at = r % parts * length, cols = min(length, n - at);
        __global const float *in = x + x_at + (long)(r / parts) * n + at;
        VF value = (VF)(op ? -INFINITY : 0.0f);
        EACH_COLUMN(c, cols, r) {
            VF v = get(in + c, cols - c, op ? -INFINITY : 0.0f);
            value = op ? fmax(value, v) : value + v;
        }
        float all = op ? MAX_ROW(value) : SUM_ROW(value);
        if (ONCE(r))
            y[y_at + r] = all * scale;
    }
}

/* y (outer, parts, inner) = the same over parts of n of x (outer, n, inner). Grid: (vectors of
   inner, parts, outer). */
__kernel void reduce(INPUT(x), OUTPUT(y), int n, int inner, int length, int parts, int op,
                     float scale) {
    int c = get_global_id(0) * VW, from = get_global_id(1) * length, to = min(n, from + length);
    __global const float *in = x + x_at + (long)get_global_id(2) * n * inner;
    __global float *out = y + y_at + ((long)get_global_id(2) * parts + get_global_id(1)) * inner;
    VF value = (VF)(op ? -INFINITY : 0.0f);
    if (c >= inner)
        return;
    for (int i = from; i < to; ++i) {
        VF v = get(in + (long)i * inner + c, inner - c, 0.0f);
        value = op ? fmax(value, v) : value + v;
    }
    put(value * (VF)(scale), out + c, inner - c);
}
