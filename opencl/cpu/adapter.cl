/* adapter: training steps of CLIP-Adapter on features, for processors, many in one launch: a launch
   of its own for each part of a step would wait longer than it works. A part is rows of the batch
   forward and backward, as many as a vector has lanes, or a piece of both weight gradients with the
   optimiser's step. Most values lie by lanes, (values, VW): sums over features or classes need no
   fold. Classes go through in blocks, once for logits and once for the gradient, while they are in
   the cache; nothing of the size (batch, classes) is kept. WIDTH of features and HIDDEN of the
   bottleneck are multiples of 16, classes are filled up to blocks. */
#define INLINE static __attribute__((always_inline)) inline
#define BLOCK 64
#define TEXT_ROW (WIDTH + 16) /* rows a power of two apart would share few lines of the cache */

#define CLEAR(r) VF c##r = (VF)(0.0f);
#define STEP(r) c##r = fma((VF)(a[r * a_row]), b0, c##r);
#define KEEP(r) STORE(c##r, t + r * VW);
#define ROWS_16(X) ROWS_12(X) X(12) X(13) X(14) X(15)
#define EACH_TILE_ROW JOIN(ROWS_, MR)

/* t (MR, VW) = sum over k of a(r, k) b(k, :); a(r, k) at r * a_row + k * a_step, rows of b b_step
   apart. */
INLINE void tile(__global const float *a, int a_row, int a_step, __global const float *b,
                 int b_step, int k, __global float *t) {
    EACH_TILE_ROW(CLEAR)
    for (int i = 0; i < k; ++i, a += a_step, b += b_step) {
        VF b0 = LOAD(b);
        EACH_TILE_ROW(STEP)
    }
    EACH_TILE_ROW(KEEP)
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

/* What all steps share, and buffers for one. */
typedef struct task {
    __global const float *features, *text;
    __global const int *places, *labels;
    __global float *down, *up, *x, *hidden, *go, *inner, *losses, *room;
    int classes, last;
    float alpha, scale;
} task;

/* z = alpha A(x) + (1 - alpha) x, A(x) = up relu(down x), behind a ReLU where last; u = scale z /
   |z|; the loss is the cross-entropy of u text' over `batch`. Gets x, hidden, go (gradient by A(x))
   and inner (by down x) of the group's rows as rows; adds to losses (rows). Rows past the batch are
   zeros. room: (4 WIDTH + 2 HIDDEN + BLOCK, VW) for each group. */
static void pass(const task *k, int group, __global const int *places, int batch) {
    __global const float *text = k->text, *down = k->down, *up = k->up;
    int first = group * VW, classes = k->classes, last = k->last, own[VW];
    float share[VW], found[VW], alpha = k->alpha, scale = k->scale;
    __global float *xs = k->room + (long)group * (4 * WIDTH + 2 * HIDDEN + BLOCK) * VW;
    __global float *us = xs + WIDTH * VW, *slope = us + WIDTH * VW, *gs = slope + WIDTH * VW;
    __global float *hs = gs + WIDTH * VW, *is = hs + HIDDEN * VW, *p = is + HIDDEN * VW;
    __global float *x = k->x + (long)first * WIDTH, *go = k->go + (long)first * WIDTH;
    __global float *hidden = k->hidden + (long)first * HIDDEN;
    __global float *inner = k->inner + (long)first * HIDDEN;
    for (int r = 0; r < VW; ++r) {
        bool real = first + r < batch;
        long place = real ? places[first + r] : 0;
        own[r] = real ? k->labels[place] : -1;
        share[r] = real ? 1.0f / batch : 0.0f;
        found[r] = 0.0f;
        for (int i = 0; i < WIDTH; i += VW)
            STORE(real ? LOAD(k->features + place * WIDTH + i) : (VF)(0.0f),
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
    __global float *loss = k->losses + first;
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

#define SPAN 128
#define PIECES(depth, columns) ((depth) / 16 * (((columns) + SPAN - 1) / SPAN))

/* A weight (depth, columns), the optimiser's means of it, its own rate and decay. */
typedef struct weight {
    __global float *p, *m, *v;
    float rate, decay;
} weight;
typedef struct rule {
    bool adam;
    float b1, b2, eps; /* b1: momentum where not adam */
    float c1, c2;      /* what the means are multiplied by */
} rule;

/* Moves a piece of 16 rows and SPAN columns of a weight by the gradient a' b: a (rows, depth), b
   (rows, columns). As update.cl's adamw and sgd. t: room for (MR, VW). */
INLINE void move(int piece, __global const float *a, __global const float *b, int rows, int depth,
                 int columns, weight w, rule o, __global float *t) {
    int across = (columns + SPAN - 1) / SPAN, from = piece / across * 16;
    int left = piece % across * SPAN, right = min(columns, left + SPAN);
    for (int d = from; d < from + 16; d += MR)
        for (int k = left; k < right; k += VW) {
            tile(a + d, 1, depth, b + k, columns, rows, t);
            for (int r = 0; r < MR; ++r) {
                long at = (long)(d + r) * columns + k;
                VF g = LOAD(t + r * VW), p = LOAD(w.p + at), mean = LOAD(w.m + at);
                if (o.adam) {
                    mean = fma((VF)(o.b1), mean, (VF)(1.0f - o.b1) * g);
                    VF second = fma((VF)(o.b2), LOAD(w.v + at), (VF)(1.0f - o.b2) * g * g);
                    STORE(second, w.v + at);
                    p = p * (VF)(1.0f - w.rate * w.decay)
                        - (VF)(w.rate * o.c1) * mean / (sqrt(second * (VF)(o.c2)) + (VF)(o.eps));
                } else {
                    mean = fma((VF)(o.b1), mean, fma((VF)(w.decay), p, g));
                    p = fma((VF)(-w.rate), mean, p);
                }
                STORE(mean, w.m + at);
                STORE(p, w.p + at);
            }
        }
}

/* Work-groups deal out the parts of a phase: `claimed` has a counter for each group's share, which
   it takes first, so that what it moved before is near; then it helps with the others'. Nobody
   waits for a group that has not started: whoever runs can do everything. */
#define DEAL(parts, work)                                                                          \
    for (int turn = 0; turn < groups; ++turn) {                                                    \
        int share = (self + turn) % groups;                                                        \
        int from = (parts) * share / groups, count = (parts) * (share + 1) / groups - from;        \
        for (int i; (i = atomic_inc(claimed + share)) < count;) {                                  \
            int part = from + i;                                                                   \
            work;                                                                                  \
            mem_fence(CLK_GLOBAL_MEM_FENCE);                                                       \
            atomic_inc(claimed + groups);                                                          \
        }                                                                                          \
    }                                                                                              \
    while (*(volatile __global int *)(claimed + groups) < (parts))                                 \
        ;                                                                                          \
    atomic_add(claimed + groups, 0);                                                               \
    claimed += groups + 1;

/* Steps of `batch` places each, the last of what is left of `count`. numbers (steps, 3): rate, and
   what the optimiser's means are multiplied by. counters: zeros, (2 steps, groups + 1). */
__kernel void adapter_steps(INPUT(features), __global const int *places, int places_at,
                            __global const int *labels, int labels_at, INPUT(text), OUTPUT(up),
                            OUTPUT(up_first), OUTPUT(up_second), OUTPUT(down), OUTPUT(down_first),
                            OUTPUT(down_second), OUTPUT(x), OUTPUT(hidden), OUTPUT(go),
                            OUTPUT(inner), OUTPUT(losses), OUTPUT(room), INPUT(numbers),
                            __global int *counters, int counters_at, int steps, int batch,
                            int count, int classes, int last, int adam, float alpha, float scale,
                            float b1, float b2, float eps, float up_rate, float up_decay,
                            float down_rate, float down_decay) {
    int groups = get_global_size(0), self = get_global_id(0);
    __global int *claimed = counters + counters_at;
    task k = {features + features_at, text + text_at, places + places_at, labels + labels_at,
              down + down_at, up + up_at, x + x_at, hidden + hidden_at, go + go_at,
              inner + inner_at, losses + losses_at, room + room_at, classes, last, alpha, scale};
    weight a = {up + up_at, up_first + up_first_at, up_second + up_second_at, 0.0f, up_decay};
    weight b = {down + down_at, down_first + down_first_at, down_second + down_second_at, 0.0f,
                down_decay};
    for (int s = 0; s < steps; ++s) {
        int now = min(batch, count - s * batch), passes = (now + VW - 1) / VW, rows = passes * VW;
        int before = PIECES(WIDTH, HIDDEN), pieces = before + PIECES(HIDDEN, WIDTH);
        __global const float *n = numbers + numbers_at + 3 * s;
        rule o = {adam, b1, b2, eps, n[1], n[2]};
        a.rate = up_rate * n[0];
        b.rate = down_rate * n[0];
        DEAL(passes, pass(&k, part, k.places + s * batch, now))
        DEAL(pieces, if (part < before) move(part, k.go, k.hidden, rows, WIDTH, HIDDEN, a, o,
                                             k.room + part * MR * VW);
                     else move(part - before, k.inner, k.x, rows, HIDDEN, WIDTH, b, o,
                               k.room + part * MR * VW))
    }
}
