/* adapter: a training step of CLIP-Adapter on features, for processors, in two launches: rows of
   the batch forward and backward, then both weight gradients with the optimiser's step. A work-item
   has as many rows as a vector has lanes, and most of its values lie by lanes, (values, VW): sums
   over features or classes need no fold. Classes go through in blocks, once for logits and once for
   the gradient, while they are in the cache; nothing of the size (batch, classes) is kept. WIDTH of
   features and HIDDEN of the bottleneck are multiples of 16, classes are filled up to blocks. */
#define INPUT(name) __global const float *name, int name##_at
#define OUTPUT(name) __global float *name, int name##_at
#define INLINE static __attribute__((always_inline)) inline
#define BLOCK 64
#define TEXT_ROW (WIDTH + 16) /* rows a power of two apart would share few lines of the cache */

#define CLEAR(r) VF c##r = (VF)(0.0f);
#define STEP(r) c##r = fma((VF)(a[r * a_row]), b0, c##r);
#define KEEP(r) STORE(c##r, t + r * VW);
#define ROWS_16(X) ROWS_12(X) X(12) X(13) X(14) X(15)
#define EACH_ROW JOIN(ROWS_, MR)

/* t (MR, VW) = sum over k of a(r, k) b(k, :); a(r, k) at r * a_row + k * a_step, rows of b b_step
   apart. */
INLINE void tile(__global const float *a, int a_row, int a_step, __global const float *b,
                 int b_step, int k, __global float *t) {
    EACH_ROW(CLEAR)
    for (int i = 0; i < k; ++i, a += a_step, b += b_step) {
        VF b0 = LOAD(b);
        EACH_ROW(STEP)
    }
    EACH_ROW(KEEP)
}

#define START_ONE(r, v)                                                                            \
    VF c##r##_##v = add ? (VF)(factor[r]) * LOAD(g + r * WIDTH + v * VW) : (VF)(0.0f);
#define START(r) TIMES_NV(START_ONE, r)
#define MIX_ONE(r, v) c##r##_##v = fma(x##r, b##v, c##r##_##v);
#define MIX(r)                                                                                     \
    VF x##r = (VF)(p[r]);                                                                          \
    TIMES_NV(MIX_ONE, r)
#define ROW_ONE(unused, v) VF b##v = LOAD(text + v * VW);
#define LEAVE_ONE(r, v) STORE(c##r##_##v, g + r * WIDTH + v * VW);
#define LEAVE(r) TIMES_NV(LEAVE_ONE, r)
#define EACH_HALF JOIN(ROWS_, HALF)

/* g (HALF rows, three vectors of features or one) = factor g (0 where not add) + p' text, over a
   block. */
#define GATHER(name)                                                                               \
    INLINE void name(__global const float *p, __global const float *text, bool add,                \
                     const float *factor, __global float *g) {                                     \
        EACH_HALF(START)                                                                           \
        for (int c = 0; c < BLOCK; ++c, p += VW, text += TEXT_ROW) {                               \
            TIMES_NV(ROW_ONE, 0)                                                                   \
            EACH_HALF(MIX)                                                                         \
        }                                                                                          \
        EACH_HALF(LEAVE)                                                                           \
    }
#define TIMES_NV TIMES_3
GATHER(gather_three)
#undef TIMES_NV
#define TIMES_NV TIMES_1
GATHER(gather_one)
#undef TIMES_NV

/* y (n, VW) = values by lanes of the rows of x (VW, n), and the way back. */
INLINE void to_lanes(__global const float *x, __global float *y, int n) {
    for (int r = 0; r < VW; ++r)
        for (int i = 0; i < n; ++i)
            y[i * VW + r] = x[r * n + i];
}
INLINE void to_rows(__global const float *y, __global float *x, int n) {
    for (int r = 0; r < VW; ++r)
        for (int i = 0; i < n; ++i)
            x[r * n + i] = y[i * VW + r];
}

/* z = alpha A(x) + (1 - alpha) x, A(x) = up relu(down x), behind a ReLU where last; u = scale z /
   |z|; the loss is the cross-entropy of u text' over `batch`. Gets x, hidden, go (gradient by A(x))
   and inner (by down x) of VW rows as rows; adds to losses (rows). Rows past the batch are zeros.
   room: (4 WIDTH + 2 HIDDEN + BLOCK, VW) for each work-item. */
__kernel void adapter_rows(INPUT(features), __global const int *places, int places_at,
                           __global const int *labels, int labels_at, INPUT(text), INPUT(down),
                           INPUT(up), OUTPUT(x), OUTPUT(hidden), OUTPUT(go), OUTPUT(inner),
                           OUTPUT(losses), OUTPUT(room), int batch, int classes, int last,
                           float alpha, float scale) {
    int first = get_global_id(0) * VW, own[VW];
    __global float *xs = room + room_at
                         + (long)get_global_id(0) * (4 * WIDTH + 2 * HIDDEN + BLOCK) * VW;
    __global float *us = xs + WIDTH * VW, *slope = us + WIDTH * VW, *gs = slope + WIDTH * VW;
    __global float *hs = gs + WIDTH * VW, *is = hs + HIDDEN * VW, *p = is + HIDDEN * VW;
    float share[VW], found[VW];
    x += x_at + (long)first * WIDTH;
    hidden += hidden_at + (long)first * HIDDEN;
    go += go_at + (long)first * WIDTH;
    inner += inner_at + (long)first * HIDDEN;
    text += text_at;
    down += down_at;
    up += up_at;
    for (int r = 0; r < VW; ++r) {
        bool real = first + r < batch;
        long place = real ? places[places_at + first + r] : 0;
        own[r] = real ? labels[labels_at + place] : -1;
        share[r] = real ? 1.0f / batch : 0.0f;
        found[r] = 0.0f;
        for (int i = 0; i < WIDTH; i += VW)
            STORE(real ? LOAD(features + features_at + place * WIDTH + i) : (VF)(0.0f),
                  x + r * WIDTH + i);
    }
    to_lanes(x, xs, WIDTH);
    for (int j = 0; j < HIDDEN; j += MR) {
        tile(down + (long)j * WIDTH, WIDTH, 1, xs, VW, WIDTH, hs + j * VW);
        for (int r = 0; r < MR; ++r)
            STORE(fmax(LOAD(hs + (j + r) * VW), (VF)(0.0f)), hs + (j + r) * VW);
    }
    to_rows(hs, hidden, HIDDEN);
    VF square = (VF)(0.0f);
    for (int i = 0; i < WIDTH; i += MR) {
        tile(up + (long)i * HIDDEN, HIDDEN, 1, hs, VW, HIDDEN, us + i * VW);
        for (int r = i * VW; r < (i + MR) * VW; r += VW) {
            VF y = LOAD(us + r), a = (VF)(alpha);
            if (last)
                a = y > (VF)(0.0f) ? a : (VF)(0.0f);
            STORE(a, slope + r);
            VF z = fma(a, y, (VF)(1.0f - alpha) * LOAD(xs + r));
            STORE(z, us + r);
            square = fma(z, z, square);
        }
    }
    VF inverse = (VF)(scale) / fmax(sqrt(square), (VF)(1e-12f));
    for (int i = 0; i < WIDTH * VW; i += VW)
        STORE(LOAD(us + i) * inverse, us + i);

    VF top = (VF)(-INFINITY), total = (VF)(0.0f);
    for (int c0 = 0; c0 < classes; c0 += BLOCK) {
        __global const float *block = text + (long)c0 * TEXT_ROW;
        for (int c = 0; c < BLOCK; c += MR)
            tile(block + c * TEXT_ROW, TEXT_ROW, 1, us, VW, WIDTH, p + c * VW);
        for (int r = 0; r < VW; ++r)
            if (own[r] >= c0 && own[r] < c0 + BLOCK)
                found[r] = p[(own[r] - c0) * VW + r];
        for (int c = classes - c0; c < BLOCK; ++c)
            STORE((VF)(-INFINITY), p + c * VW);
        VF now = top, sum = (VF)(0.0f);
        for (int c = 0; c < BLOCK; ++c)
            now = fmax(now, LOAD(p + c * VW));
        VF factor = exp_v(top - now); /* what was summed before shrinks as the greatest grows */
        for (int c = 0; c < BLOCK; ++c) {
            VF e = exp_v(LOAD(p + c * VW) - now);
            STORE(e, p + c * VW);
            sum += e;
        }
        total = fma(total, factor, sum);
        top = now;
        float shrinks[VW];
        STORE(factor, shrinks);
        for (int r = 0; r < VW; r += HALF)
            for (int i = 0; i < WIDTH;) {
                __global float *g = go + r * WIDTH + i;
                if (i + 3 * VW <= WIDTH) {
                    gather_three(p + r, block + i, c0 > 0, shrinks + r, g);
                    i += 3 * VW;
                } else {
                    gather_one(p + r, block + i, c0 > 0, shrinks + r, g);
                    i += VW;
                }
            }
    }
    VF part = LOAD(share), ready = part / total;
    __global float *loss = losses + losses_at + first;
    STORE(fma(log(total) + top - LOAD(found), part, LOAD(loss)), loss);

    STORE(ready, found);
    for (int r = 0; r < VW; ++r)
        for (int i = 0; i < WIDTH; i += VW) {
            VF mine = LOAD(text + (long)max(own[r], 0) * TEXT_ROW + i);
            STORE(LOAD(go + r * WIDTH + i) * (VF)(found[r]) - mine * (VF)(share[r]),
                  go + r * WIDTH + i);
        }
    to_lanes(go, gs, WIDTH);
    VF along = (VF)(0.0f);
    for (int i = 0; i < WIDTH * VW; i += VW)
        along = fma(LOAD(gs + i), LOAD(us + i), along);
    along /= (VF)(scale * scale);
    for (int i = 0; i < WIDTH * VW; i += VW)
        STORE((LOAD(gs + i) - LOAD(us + i) * along) * inverse * LOAD(slope + i), gs + i);
    to_rows(gs, go, WIDTH);
    for (int j = 0; j < HIDDEN; j += MR) {
        tile(up + j, 1, HIDDEN, gs, VW, WIDTH, is + j * VW);
        for (int r = j * VW; r < (j + MR) * VW; r += VW)
            STORE(LOAD(hs + r) > (VF)(0.0f) ? LOAD(is + r) : (VF)(0.0f), is + r);
    }
    to_rows(is, inner, HIDDEN);
}

/* Moves a piece of 16 rows and SPAN columns of p (depth, columns), with means m, v, by the gradient
   a' b: a (rows, depth), b (rows, columns). As update.cl's adamw, or sgd with momentum b1. */
#define SPAN 128
INLINE void move(int piece, __global const float *a, __global const float *b, int rows, int depth,
                 int columns, __global float *p, __global float *m, __global float *v,
                 __global float *t, int adam, float rate, float b1, float b2, float eps,
                 float decay, float c1, float c2) {
    int across = (columns + SPAN - 1) / SPAN, from = piece / across * 16;
    int left = piece % across * SPAN, right = min(columns, left + SPAN);
    for (int d = from; d < from + 16; d += MR)
        for (int k = left; k < right; k += VW) {
            tile(a + d, 1, depth, b + k, columns, rows, t);
            for (int r = 0; r < MR; ++r) {
                long at = (long)(d + r) * columns + k;
                VF g = LOAD(t + r * VW), w = LOAD(p + at), mean = LOAD(m + at);
                if (adam) {
                    mean = fma((VF)(b1), mean, (VF)(1.0f - b1) * g);
                    VF second = fma((VF)(b2), LOAD(v + at), (VF)(1.0f - b2) * g * g);
                    STORE(second, v + at);
                    w = w * (VF)(1.0f - rate * decay)
                        - (VF)(rate * c1) * mean / (sqrt(second * (VF)(c2)) + (VF)(eps));
                } else {
                    mean = fma((VF)(b1), mean, fma((VF)(decay), w, g));
                    w = fma((VF)(-rate), mean, w);
                }
                STORE(mean, m + at);
                STORE(w, p + at);
            }
        }
}

/* Both weights' step; grid: pieces of up (WIDTH, HIDDEN), then of down (HIDDEN, WIDTH). c1, c2: what
   the running means are multiplied by. room: (MR, VW) for each work-item. */
__kernel void adapter_update(INPUT(x), INPUT(hidden), INPUT(go), INPUT(inner), OUTPUT(up),
                             OUTPUT(up_first), OUTPUT(up_second), OUTPUT(down), OUTPUT(down_first),
                             OUTPUT(down_second), OUTPUT(room), int rows, int adam, float up_rate,
                             float down_rate, float b1, float b2, float eps, float up_decay,
                             float down_decay, float c1, float c2) {
    int piece = get_global_id(0), before = WIDTH / 16 * ((HIDDEN + SPAN - 1) / SPAN);
    __global float *t = room + room_at + piece * MR * VW;
    if (piece < before)
        move(piece, go + go_at, hidden + hidden_at, rows, WIDTH, HIDDEN, up + up_at,
             up_first + up_first_at, up_second + up_second_at, t, adam, up_rate, b1, b2, eps,
             up_decay, c1, c2);
    else
        move(piece - before, inner + inner_at, x + x_at, rows, HIDDEN, WIDTH, down + down_at,
             down_first + down_first_at, down_second + down_second_at, t, adam, down_rate, b1, b2,
             eps, down_decay, c1, c2);
}
