/* pointwise: one value in, one out; both kernel sets. Each work-item walks a piece of the row with
   vectors. */

/* Each operation has a loop of its own: a choice inside one loop would compute all of them for
   every value. */
#define EACH(out, expression)                                                                      \
    for (int i = from; i < to; i += VW) {                                                          \
        int left = to - i;                                                                         \
        VF v = get(x + i, left, 1.0f);                                                             \
        put(expression, out + i, left);                                                            \
    }                                                                                              \
    break;

/* The nearest number that 16 bits hold, ties to even; below their normal range steps of 2^-24. */
static VF half_v(VF x) {
    VF a = fabs(x), low = (a + (VF)(0.5f)) - (VF)(0.5f);
    VU u = AS_VU(a);
    VF high = AS_VF((u + (VU)(0xfff) + ((u >> 13) & (VU)(1))) & ~(VU)(0x1fff));
    a = a < (VF)(6.1035156e-5f) ? low : high > (VF)(65504.0f) ? (VF)(INFINITY) : high;
    return copysign(a, x);
}

/* Operations are numbered as enum hoi_unary; a, b are their own constants. */
__kernel void unary(INPUT(x), OUTPUT(y), int n, int piece, int op, float a, float b) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    VF one = (VF)(1.0f), zero = (VF)(0.0f), first = (VF)(a), second = (VF)(b);
    x += x_at;
    y += y_at;
    switch (op) {
    case 0:
        EACH(y, fma(first, v, second))
    case 1:
        EACH(y, exp_v(v))
    case 2:
        EACH(y, log(v))
    case 3:
        EACH(y, sqrt(v))
    case 4:
        EACH(y, v * v)
    case 5:
        EACH(y, fabs(v))
    case 6:
        EACH(y, activate(1, v))
    case 7:
        EACH(y, activate(2, v))
    case 8:
        EACH(y, v > zero ? v : first * v) /* relu is a = 0 */
    case 9:
        EACH(y, sigmoid_v(v))
    case 10:
        EACH(y, (one + one) * sigmoid_v(v + v) - one)
    case 11:
        EACH(y, fmax(v, zero) + log(one + exp_v(-fabs(v))))
    case 12:
        EACH(y, one / v)
    case 13:
        EACH(y, clamp(v, first, second))
    case 14:
        EACH(y, sin(v))
    case 15:
        EACH(y, cos(v))
    case 16:
        EACH(y, pow(v, first))
    case 17:
        EACH(y, v > zero ? v : exp_v(v) - one) /* elu */
    default:
        EACH(y, half_v(v))
    }
}

/* dx = dy * d operation / dx */
__kernel void unary_back(INPUT(x), INPUT(y), INPUT(dy), OUTPUT(dx), int n, int piece, int op,
                         float a, float b) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    VF one = (VF)(1.0f), zero = (VF)(0.0f), first = (VF)(a), second = (VF)(b);
    x += x_at;
    y += y_at;
    dy += dy_at;
    dx += dx_at;
#define D get(dy + i, left, 1.0f)
#define Y get(y + i, left, 1.0f)
    switch (op) {
    case 0:
        EACH(dx, D * first)
    case 1:
        EACH(dx, D * Y)
    case 2:
        EACH(dx, D / v)
    case 3:
        EACH(dx, D * (VF)(0.5f) / Y)
    case 4:
        EACH(dx, D * (v + v))
    case 5:
        EACH(dx, v > zero ? D : v < zero ? -D : zero)
    case 6:
        EACH(dx, D * activate_slope(1, v))
    case 7:
        EACH(dx, D * activate_slope(2, v))
    case 8:
        EACH(dx, v > zero ? D : first * D)
    case 9:
        EACH(dx, D * Y * (one - Y))
    case 10:
        EACH(dx, D * (one - Y * Y))
    case 11:
        EACH(dx, D * sigmoid_v(v))
    case 12:
        EACH(dx, -D * Y * Y)
    case 13:
        EACH(dx, v >= first && v <= second ? D : zero)
    case 14:
        EACH(dx, D * cos(v))
    case 15:
        EACH(dx, -D * sin(v))
    case 16:
        EACH(dx, D * first * pow(v, first - one))
    case 17:
        EACH(dx, v > zero ? D : D * (Y + one))
    default:
        EACH(dx, half_v(D))
    }
}

static VF operand(__global const float *p, int step, int left) {
    return step == 0 ? (VF)(p[0]) : get(p, left, 1.0f);
}

#define EACH_PAIR(expression)                                                                      \
    EACH_ROW(r, rows) {                                                                            \
        __global const float *p = a + a_at + (long)r * a_row, *q = b + b_at + (long)r * b_row;     \
        __global float *out = y + y_at + (long)r * cols;                                           \
        EACH_COLUMN(c, cols, r) {                                                                  \
            VF u = operand(p + c * a_col, a_col, cols - c),                                        \
               w = operand(q + c * b_col, b_col, cols - c);                                        \
            put(expression, out + c, cols - c);                                                    \
        }                                                                                          \
    }                                                                                              \
    break;

/* y (rows, cols) = a op b; an operand's element (r, c) lies at r * _row + c * _col, steps 0 or as
   in memory: broadcasting. Operations are numbered as enum hoi_binary. */
__kernel void binary(INPUT(a), int a_row, int a_col, INPUT(b), int b_row, int b_col, OUTPUT(y),
                     int rows, int cols, int piece, int op) {
    VF one = (VF)(1.0f), zero = (VF)(0.0f);
    switch (op) {
    case 0:
        EACH_PAIR(u + w)
    case 1:
        EACH_PAIR(u - w)
    case 2:
        EACH_PAIR(u * w)
    case 3:
        EACH_PAIR(u / w)
    case 4:
        EACH_PAIR(fmax(u, w))
    case 5:
        EACH_PAIR(fmin(u, w))
    case 6:
        EACH_PAIR(u > w ? one : zero)
    case 7:
        EACH_PAIR(u >= w ? one : zero)
    default:
        EACH_PAIR(u == w ? one : zero)
    }
}

/* y = c != 0 ? a : b */
__kernel void choose(INPUT(c), INPUT(a), INPUT(b), OUTPUT(y), int n, int piece) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    for (int i = from; i < to; ++i)
        y[y_at + i] = c[c_at + i] != 0.0f ? a[a_at + i] : b[b_at + i];
}

/* y += scale x */
__kernel void accumulate(INPUT(x), OUTPUT(y), int n, int piece, float scale) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    x += x_at;
    y += y_at;
    for (int i = from; i < to; i += VW)
        if (i + VW <= to)
            STORE(fma((VF)(scale), LOAD(x + i), LOAD(y + i)), y + i);
        else
            store_tail(
                fma((VF)(scale), load_tail(x + i, to - i, 0.0f), load_tail(y + i, to - i, 0.0f)),
                y + i, to - i);
}

__kernel void fill(OUTPUT(y), int n, int piece, float value) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    for (int i = from; i < to; ++i)
        y[y_at + i] = value;
}

/* y = float(x), x of half (type 1) or bfloat16 (type 2). */
__kernel void widen(__global const ushort *x, int x_at, OUTPUT(y), int n, int piece, int type) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    for (int i = from; i < to; ++i)
        y[y_at + i] = half_or_bfloat(x, x_at + i, type);
}
