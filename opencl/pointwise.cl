/* pointwise: one value in, one out; both kernel sets. Each work-item walks a piece of the row with vectors. */
#define INPUT(name) __global const float *name, int name##_at
#define OUTPUT(name) __global float *name, int name##_at

/* Numbered as enum hoi_unary. a, b: the operation's own constants. */
static VF apply(int op, VF x, float a, float b) {
    switch (op) {
    case 0: return fma((VF)(a), x, (VF)(b));
    case 1: return exp_v(x);
    case 2: return log(x);
    case 3: return sqrt(x);
    case 4: return x * x;
    case 5: return fabs(x);
    case 6: return activate(1, x);
    case 7: return activate(2, x);
    case 8: return x > (VF)(0.0f) ? x : (VF)(a) * x; /* relu is a = 0 */
    case 9: return sigmoid_v(x);
    case 10: return (VF)(2.0f) * sigmoid_v((VF)(2.0f) * x) - (VF)(1.0f);
    case 11: return fmax(x, (VF)(0.0f)) + log((VF)(1.0f) + exp_v(-fabs(x)));
    case 12: return (VF)(1.0f) / x;
    case 13: return clamp(x, (VF)(a), (VF)(b));
    case 14: return sin(x);
    case 15: return cos(x);
    case 16: return pow(x, (VF)(a));
    default: return x > (VF)(0.0f) ? x : exp_v(x) - (VF)(1.0f); /* elu */
    }
}

/* d apply / dx, from x and y = apply(x). */
static VF slope(int op, VF x, VF y, float a, float b) {
    VF one = (VF)(1.0f), zero = (VF)(0.0f);
    switch (op) {
    case 0: return (VF)(a);
    case 1: return y;
    case 2: return one / x;
    case 3: return (VF)(0.5f) / y;
    case 4: return x + x;
    case 5: return x > zero ? one : x < zero ? -one : zero;
    case 6: return activate_slope(1, x);
    case 7: return activate_slope(2, x);
    case 8: return x > zero ? one : (VF)(a);
    case 9: return y * (one - y);
    case 10: return one - y * y;
    case 11: return sigmoid_v(x);
    case 12: return -y * y;
    case 13: return x >= (VF)(a) && x <= (VF)(b) ? one : zero;
    case 14: return cos(x);
    case 15: return -sin(x);
    case 16: return (VF)(a) * pow(x, (VF)(a - 1.0f));
    default: return x > zero ? one : y + one;
    }
}

static VF combine(int op, VF a, VF b) {
    VF one = (VF)(1.0f), zero = (VF)(0.0f);
    switch (op) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return a / b;
    case 4: return fmax(a, b);
    case 5: return fmin(a, b);
    case 6: return pow(a, b);
    case 7: return a > b ? one : zero;
    case 8: return a >= b ? one : zero;
    default: return a == b ? one : zero;
    }
}

__kernel void unary(INPUT(x), OUTPUT(y), int n, int piece, int op, float a, float b) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    x += x_at;
    y += y_at;
    for (int i = from; i < to; i += VW)
        if (i + VW <= to)
            STORE(apply(op, LOAD(x + i), a, b), y + i);
        else
            store_tail(apply(op, load_tail(x + i, to - i, 1.0f), a, b), y + i, to - i);
}

/* dx = dy * slope */
__kernel void unary_back(INPUT(x), INPUT(y), INPUT(dy), OUTPUT(dx), int n, int piece, int op, float a, float b) {
    int from = get_global_id(0) * piece, to = min(n, from + piece);
    x += x_at;
    y += y_at;
    dy += dy_at;
    dx += dx_at;
    for (int i = from; i < to; i += VW)
        if (i + VW <= to)
            STORE(LOAD(dy + i) * slope(op, LOAD(x + i), LOAD(y + i), a, b), dx + i);
        else
            store_tail(load_tail(dy + i, to - i, 0.0f) *
                           slope(op, load_tail(x + i, to - i, 1.0f), load_tail(y + i, to - i, 1.0f), a, b),
                       dx + i, to - i);
}

static VF operand(__global const float *p, int step, int left) {
    return step == 0 ? (VF)(p[0]) : left >= VW ? LOAD(p) : load_tail(p, left, 1.0f);
}

/* y (rows, cols) = a op b; an operand's element (r, c) lies at r * _row + c * _col, steps 0 or as in memory: broadcasting. */
__kernel void binary(INPUT(a), int a_row, int a_col, INPUT(b), int b_row, int b_col, OUTPUT(y), int rows, int cols,
                     int piece, int op) {
    int from = get_global_id(0) * piece, to = min(rows, from + piece);
    for (int r = from; r < to; ++r) {
        __global const float *p = a + a_at + (long)r * a_row, *q = b + b_at + (long)r * b_row;
        __global float *out = y + y_at + (long)r * cols;
        for (int c = 0; c < cols; c += VW) {
            VF z = combine(op, operand(p + c * a_col, a_col, cols - c), operand(q + c * b_col, b_col, cols - c));
            if (c + VW <= cols)
                STORE(z, out + c);
            else
                store_tail(z, out + c, cols - c);
        }
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
            store_tail(fma((VF)(scale), load_tail(x + i, to - i, 0.0f), load_tail(y + i, to - i, 0.0f)), y + i, to - i);
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
