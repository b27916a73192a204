/* vector: what every kernel file stands on: a float vector of the host's width VW, and functions on
   it that need no relaxed arithmetic, so that results do not depend on flags. Put before each file
   when it is built. */
#define GLUE(a, b) a##b
#define JOIN(a, b) GLUE(a, b)
#define VF JOIN(float, VW)
#define VI JOIN(int, VW)
#define VU JOIN(uint, VW)
#define LOAD(p) JOIN(vload, VW)(0, p)
#define STORE(v, p) store_v(v, p)
#define LOAD_HALF(p) JOIN(vload_half, VW)(0, p)
#define AS_VF JOIN(as_float, VW)
#define AS_VI JOIN(as_int, VW)
#define AS_VU JOIN(as_uint, VW)
#define TO_VI JOIN(convert_int, VW)
#define TO_VU JOIN(convert_uint, VW)

/* Arguments of kernels: numbers, and the place of the first that counts. */
#define INPUT(name) __global const float *name, int name##_at
#define OUTPUT(name) __global float *name, int name##_at
#define INDEX(name) __global const int *name, int name##_at

/* Drivers split the built-in vstore16 into quarters, which a load soon after has to wait for. */
typedef VF VF_anywhere __attribute__((aligned(4)));
#define DEFINE_STORE(space)                                                                        \
    static void __attribute__((overloadable)) store_v(VF v, space float *p) {                      \
        *(space VF_anywhere *)p = v;                                                               \
    }
DEFINE_STORE(__global)
DEFINE_STORE(__local)
DEFINE_STORE(__private)

/* Repeats a macro X(a, i) for i = 0 .. n - 1; n is a literal. */
#define TIMES_1(X, a) X(a, 0)
#define TIMES_2(X, a) TIMES_1(X, a) X(a, 1)
#define TIMES_3(X, a) TIMES_2(X, a) X(a, 2)
#define TIMES_4(X, a) TIMES_3(X, a) X(a, 3)
#define ROWS_1(X) X(0)
#define ROWS_2(X) ROWS_1(X) X(1)
#define ROWS_3(X) ROWS_2(X) X(2)
#define ROWS_4(X) ROWS_3(X) X(3)
#define ROWS_5(X) ROWS_4(X) X(4)
#define ROWS_6(X) ROWS_5(X) X(5)
#define ROWS_7(X) ROWS_6(X) X(6)
#define ROWS_8(X) ROWS_7(X) X(7)
#define ROWS_9(X) ROWS_8(X) X(8)
#define ROWS_10(X) ROWS_9(X) X(9)
#define ROWS_11(X) ROWS_10(X) X(10)
#define ROWS_12(X) ROWS_11(X) X(11)

/* e^x for x of at most 88, within 2 units in the last place: x = n ln 2 + r by the magic-number
   round, a polynomial in r, n into the exponent. Below -87.3 the result is 0, so that masked scores
   (-inf) vanish; NaN stays NaN. */
static VF exp_low(VF x) {
    VF least = (VF)(-87.3f), c = least > x ? least : x;
    VF t = fma(c, (VF)(1.44269504f), (VF)(12582912.0f));
    VF n = t - (VF)(12582912.0f);
    VF r = fma(n, (VF)(-0.693145752f), c);
    r = fma(n, (VF)(-1.42860677e-6f), r);
    VF p = fma(r, (VF)(1.98412698e-4f), (VF)(1.38888889e-3f));
    p = fma(p, r, (VF)(8.33333333e-3f));
    p = fma(p, r, (VF)(4.16666667e-2f));
    p = fma(p, r, (VF)(1.66666667e-1f));
    p = fma(p, r, (VF)(0.5f));
    p = fma(p, r, (VF)(1.0f));
    p = fma(p, r, (VF)(1.0f));
    VF y = p * AS_VF((AS_VI(t) << 23) + 0x3f800000);
    return x < least ? (VF)(0.0f) : y;
}

/* The same for any x: past 88.3 the result is infinite. */
static VF exp_v(VF x) {
    return x <= (VF)(88.3f) ? exp_low(x) : x + (VF)(INFINITY);
}

static VF sigmoid_v(VF x) {
    return (VF)(1.0f) / ((VF)(1.0f) + exp_v(-x));
}

/* erf(x) by a ratio of polynomials in x^2 on |x| <= 4, outside which it is +-1 in float. */
static VF erf_v(VF x) {
    VF c = clamp(x, (VF)(-4.0f), (VF)(4.0f)), z = c * c;
    VF p = fma(z, (VF)(-2.72614225801306e-10f), (VF)(2.77068142495902e-08f));
    p = fma(p, z, (VF)(-2.10102402082508e-06f));
    p = fma(p, z, (VF)(-5.69250639462346e-05f));
    p = fma(p, z, (VF)(-7.34990630326855e-04f));
    p = fma(p, z, (VF)(-2.95459980854025e-03f));
    p = fma(p, z, (VF)(-1.60960333262415e-02f));
    VF q = fma(z, (VF)(-1.45660718464996e-05f), (VF)(-2.13374055278905e-04f));
    q = fma(q, z, (VF)(-1.68282697438203e-03f));
    q = fma(q, z, (VF)(-7.37332916720468e-03f));
    q = fma(q, z, (VF)(-1.42647390514189e-02f));
    return c * p / q;
}

/* Activations, numbered as enum hoi_activation. */
static VF activate(int kind, VF x) {
    if (kind == 1)
        return x * sigmoid_v((VF)(1.702f) * x);
    if (kind == 2)
        return (VF)(0.5f) * x * ((VF)(1.0f) + erf_v(x * (VF)(0.70710678f)));
    if (kind == 3)
        return fmax(x, (VF)(0.0f));
    return x;
}

/* d activate / dx. */
static VF activate_slope(int kind, VF x) {
    if (kind == 1) {
        VF s = sigmoid_v((VF)(1.702f) * x);
        return s * fma((VF)(1.702f) * x, (VF)(1.0f) - s, (VF)(1.0f));
    }
    if (kind == 2)
        return fma(x * (VF)(0.39894228f), exp_v((VF)(-0.5f) * x * x),
                   (VF)(0.5f) * ((VF)(1.0f) + erf_v(x * (VF)(0.70710678f))));
    if (kind == 3)
        return x > (VF)(0.0f) ? (VF)(1.0f) : (VF)(0.0f);
    return (VF)(1.0f);
}

/* Folds a vector in halves: a tree of fixed shape. */
#define DEFINE_FOLD(name, add)                                                                     \
    static float name##_4(float4 v) {                                                              \
        float2 h = add(v.lo, v.hi);                                                                \
        return add(h.x, h.y);                                                                      \
    }                                                                                              \
    static float name##_8(float8 v) {                                                              \
        return name##_4(add(v.lo, v.hi));                                                          \
    }                                                                                              \
    static float name##_16(float16 v) {                                                            \
        return name##_8(add(v.lo, v.hi));                                                          \
    }                                                                                              \
    static float name(VF v) {                                                                      \
        return JOIN(name##_, VW)(v);                                                               \
    }
#define PLUS(a, b) ((a) + (b))
DEFINE_FOLD(sum_v, PLUS)
DEFINE_FOLD(max_v, fmax)

/* n < VW floats from p, the rest filled. */
static VF load_tail(__global const float *p, int n, float fill) {
    float t[VW];
    for (int i = 0; i < VW; ++i)
        t[i] = i < n ? p[i] : fill;
    return LOAD(t);
}

static void store_tail(VF v, __global float *p, int n) {
    float t[VW];
    STORE(v, t);
    for (int i = 0; i < n; ++i)
        p[i] = t[i];
}

/* Graphics processors move a vector as one only where its place says that they may. */
#if GPU
#define LINED_UP(p) (((ulong)(p) & (sizeof(VF) - 1)) == 0)
#else
#define LINED_UP(p) false
#endif

/* A vector where at least VW floats are left, else what is left. */
static VF get(__global const float *p, int left, float fill) {
    if (LINED_UP(p) && left >= VW)
        return *(__global const VF *)p;
    return left >= VW ? LOAD(p) : load_tail(p, left, fill);
}

static void put(VF v, __global float *p, int left) {
    if (LINED_UP(p) && left >= VW)
        *(__global VF *)p = v;
    else if (left >= VW)
        STORE(v, p);
    else
        store_tail(v, p, left);
}

static float half_or_bfloat(__global const void *p, long i, int type) {
    return type == 0   ? ((__global const float *)p)[i]
           : type == 1 ? vload_half(i, (__global const half *)p)
                       : as_float((uint)((__global const ushort *)p)[i] << 16);
}
