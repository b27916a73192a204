/* update: optimisers' steps, gradient norms, random numbers. Both kernel sets. */

/* Kernels over a list of up to eight tensors, 0 .. 7, of n0 .. n7 values: a launch costs more than
   most of their work. Their pieces of `length` values are numbered through: FIND turns a number
   into `slot` and the first value in it. */
#define FIND_IN(i)                                                                                 \
    if (slot < 0) {                                                                                \
        int count = (n##i + length - 1) / length;                                                  \
        if (number < count)                                                                        \
            slot = i, first = number * length;                                                     \
        number -= count;                                                                           \
    }
#define FIND(which)                                                                                \
    int slot = -1, number = which, first = 0;                                                      \
    ROWS_8(FIND_IN)

/* partial (rows): sums of squares of `length` values of a gradient each. */
#define GRADIENT(i) INPUT(g##i), int n##i,
#define TAKE_GRADIENT(i)                                                                           \
    if (slot == i)                                                                                 \
        in = g##i + g##i##_at, n = n##i;
__kernel void squares(ROWS_8(GRADIENT) OUTPUT(partial), int rows, int piece, int length) {
    TREE
    EACH_ROW(r, rows) {
        FIND(r)
        __global const float *in = g0;
        int n = 0;
        ROWS_8(TAKE_GRADIENT)
        in += first;
        int cols = min(length, n - first);
        VF sum = (VF)(0.0f);
        EACH_COLUMN(c, cols, r) {
            VF v = get(in + c, cols - c, 0.0f);
            sum = fma(v, v, sum);
        }
        float all = SUM_ROW(sum);
        if (ONCE(r))
            partial[partial_at + r] = all;
    }
}

/* norm[0] = |all gradients|, norm[1] = what they are multiplied by so that it is at most `most`
   (most <= 0: 1). */
__kernel void clip_scale(INPUT(partial), OUTPUT(norm), int n, int piece, float most) {
    TREE
    EACH_ROW(r, 1) {
        VF sum = (VF)(0.0f);
        EACH_COLUMN(c, n, r)
            sum += get(partial + partial_at + c, n - c, 0.0f);
        float length = sqrt(SUM_ROW(sum));
        if (ONCE(r)) {
            norm[norm_at] = length;
            norm[norm_at + 1] = most > 0.0f && length > most ? most / (length + 1e-6f) : 1.0f;
        }
    }
}

/* AdamW: m, v running means of g, g^2; p -= rate (decay p + (m / c1) / (sqrt(v / c2) + eps)); g is
   scaled by norm[1] first. A work-item does a piece of `length` values. */
#define PARAMETER(i)                                                                               \
    OUTPUT(p##i), INPUT(g##i), OUTPUT(m##i), OUTPUT(v##i), int n##i, float rate##i, float decay##i,
#define TAKE_PARAMETER(i)                                                                          \
    if (slot == i)                                                                                 \
        p = p##i + p##i##_at, g = g##i + g##i##_at, m = m##i + m##i##_at, v = v##i + v##i##_at,    \
        n = n##i, rate = rate##i, decay = decay##i;
__kernel void adamw(ROWS_8(PARAMETER) INPUT(norm), int length, float beta1, float beta2, float eps,
                    float c1, float c2) {
    FIND(get_global_id(0))
    __global float *p = p0, *m = m0, *v = v0;
    __global const float *g = g0;
    int n = 0;
    float scale = norm[norm_at + 1], rate = 0.0f, decay = 0.0f;
    ROWS_8(TAKE_PARAMETER)
    for (int i = first; i < min(n, first + length); ++i) {
        float d = g[i] * scale;
        float a = fma(beta1, m[i], (1.0f - beta1) * d),
              b = fma(beta2, v[i], (1.0f - beta2) * d * d);
        m[i] = a;
        v[i] = b;
        float x = p[i];
        p[i] = x * (1.0f - rate * decay) - rate * (a / c1) / (sqrt(b / c2) + eps);
    }
}

/* SGD with momentum: m = momentum m + g + decay p; p -= rate m */
__kernel void sgd(OUTPUT(p), INPUT(g), OUTPUT(m), INPUT(norm), int n, int piece, float rate,
                  float momentum, float decay) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    float scale = norm[norm_at + 1];
    for (int i = from; i < to; ++i) {
        float x = p[p_at + i], d = fma(decay, x, g[g_at + i] * scale);
        float a = fma(momentum, m[m_at + i], d);
        m[m_at + i] = a;
        p[p_at + i] = fma(-rate, a, x);
    }
}

/* As core/random.h: value i of a key. */
static ulong mix_bits(ulong x) {
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9UL;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBUL;
    return x ^ (x >> 31);
}
static float unit(ulong key, ulong i) {
    return (float)(mix_bits(key + i * 0xD1342543DE82EF95UL) >> 40) * 0x1p-24f;
}

/* kind 0: uniform in [a, b); 1: normal with mean a and deviation b; 2: 0 with probability a, else 1
   / (1 - a). */
__kernel void random(OUTPUT(y), int n, int piece, ulong key, int kind, float a, float b) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    for (int i = from; i < to; ++i) {
        float value;
        if (kind == 0) {
            value = a + (b - a) * unit(key, i);
        } else if (kind == 1) {
            float u = unit(key, 2 * (ulong)i) + 0x1p-25f, w = unit(key, 2 * (ulong)i + 1);
            value = a + b * sqrt(-2.0f * log(u)) * cos(6.28318531f * w);
        } else {
            value = unit(key, i) < a ? 0.0f : 1.0f / (1.0f - a);
        }
        y[y_at + i] = value;
    }
}
