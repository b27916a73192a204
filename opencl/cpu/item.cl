/* item: what kernel files stand on where one work-item does whole rows, as on processors: `piece`
   of them, so that the order of sums never depends on how many work-items there are; and what the
   products of that set share. Put before each file of it; gpu/group.cl says the same for groups. */
#define EACH_ROW(r, rows)                                                                          \
    for (int r = get_global_id(0) * piece, r##_past = min((rows), r + piece); r < r##_past; ++r)
#define EACH_COLUMN(c, cols, r) for (int c = 0; c < (cols); c += VW)
#define EACH_PART(i, count, r) for (int i = 0; i < (count); ++i)
#define ONCE(r) true
#define TREE
#define SUM_ROW(v) sum_v(v)
#define MAX_ROW(v) max_v(v)

/* Asks for memory ahead, where the driver's compiler lets kernels do so. */
#if PREFETCH
#define ASK(p) __builtin_prefetch((const void *)(ulong)(p), 0, 2)
#define ASK_NEAR(p) __builtin_prefetch((const void *)(ulong)(p), 0, 3)
#define ASK_TO_WRITE(p) __builtin_prefetch((const void *)(ulong)(p), 1, 3)
#else
#define ASK(p)
#define ASK_NEAR(p)
#define ASK_TO_WRITE(p)
#endif

/* A vector at p: whole, or as many columns as are left of the last panel. */
#define GET_WHOLE(p) LOAD(p)
#define PUT_WHOLE(x, p) STORE(x, p)
#define GET_PART(p) (left >= VW ? LOAD(p) : load_tail(p, left, 0.0f))
#define PUT_PART(x, p)                                                                             \
    if (left >= VW)                                                                                \
        STORE(x, p);                                                                               \
    else                                                                                           \
        store_tail(x, p, left)

/* A tile's way into C, from t (rows, PANEL); what it names is gemm.cl's. */
#define EACH_VECTOR(GET, PUT, WORK)                                                                \
    for (int r = 0; r < rows; ++r) {                                                               \
        long to = (long)(row + r) * c_row + c0;                                                    \
        for (int v = 0, left = columns; v < columns; v += VW, left -= VW) {                        \
            VF x = LOAD(t + r * PANEL + v);                                                        \
            if (from > 0)                                                                          \
                x += GET(c + to + v);                                                              \
            WORK(GET, PUT)                                                                         \
            PUT(x, c + to + v);                                                                    \
        }                                                                                          \
    }                                                                                              \
    break;
#define KEEP_SUM(GET, PUT)
#define FINISH(GET, PUT, kind)                                                                     \
    x *= (VF)(alpha);                                                                              \
    if (flags & 1)                                                                                 \
        x += GET(bias + v);                                                                        \
    if (flags & 4) {                                                                               \
        PUT(x, before + to + v);                                                                   \
    }                                                                                              \
    if (flags & 256)                                                                               \
        x += GET(residual + to + v);                                                               \
    x = activate(kind, x);                                                                         \
    if ((flags & 258) == 2)                                                                        \
        x += GET(residual + to + v);                                                               \
    if (flags & 8)                                                                                 \
        x += GET(c + to + v);
/* A walk back: times the activation's slope at what it is of. */
#if BACK
#define FINISH_0(GET, PUT) x *= (VF)(alpha);
#define FINISH_1(GET, PUT) x *= (VF)(alpha) * activate_slope(1, GET(before + to + v));
#define FINISH_2(GET, PUT) x *= (VF)(alpha) * activate_slope(2, GET(before + to + v));
#define FINISH_3(GET, PUT) x *= (VF)(alpha) * activate_slope(3, GET(before + to + v));
#else
#define FINISH_0(GET, PUT) FINISH(GET, PUT, 0)
#define FINISH_1(GET, PUT) FINISH(GET, PUT, 1)
#define FINISH_2(GET, PUT) FINISH(GET, PUT, 2)
#define FINISH_3(GET, PUT) FINISH(GET, PUT, 3)
#endif
#define WRITE_TILE(GET, PUT)                                                                       \
    switch (final ? act : -1) {                                                                    \
    case -1:                                                                                       \
        EACH_VECTOR(GET, PUT, KEEP_SUM)                                                            \
    case 0:                                                                                        \
        EACH_VECTOR(GET, PUT, FINISH_0)                                                            \
    case 1:                                                                                        \
        EACH_VECTOR(GET, PUT, FINISH_1)                                                            \
    case 2:                                                                                        \
        EACH_VECTOR(GET, PUT, FINISH_2)                                                            \
    default:                                                                                       \
        EACH_VECTOR(GET, PUT, FINISH_3)                                                            \
    }

/* Turns VW rows of VW floats by zipping row i with row i + VW / 2, log2(VW) times. */
#if VW == 16
#define ZIP_LOW(a, b)                                                                              \
    (VF)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, \
         b.s7)
#define ZIP_HIGH(a, b)                                                                             \
    (VF)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, \
         b.sf)
#define ROUNDS 4
#elif VW == 8
#define ZIP_LOW(a, b) (VF)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define ZIP_HIGH(a, b) (VF)(a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define ROUNDS 3
#else
#define ZIP_LOW(a, b) (VF)(a.s0, b.s0, a.s1, b.s1)
#define ZIP_HIGH(a, b) (VF)(a.s2, b.s2, a.s3, b.s3)
#define ROUNDS 2
#endif
static void turn_square(VF r[VW]) {
    VF s[VW];
    for (int round = 0; round < ROUNDS; ++round) {
        for (int x = 0; x < VW / 2; ++x) {
            s[2 * x] = ZIP_LOW(r[x], r[x + VW / 2]);
            s[2 * x + 1] = ZIP_HIGH(r[x], r[x + VW / 2]);
        }
        for (int x = 0; x < VW; ++x)
            r[x] = s[x];
    }
}

/* Asks for a row of the head that the same unit is likely to do next. */
static void ask(__global const float *row, int d, long next) {
    for (int j = 0; j < d; j += 16)
        ASK(row + next + j);
}

static void ask_to_write(__global float *row, int d, long next) {
    for (int j = 0; j < d; j += 16)
        ASK_TO_WRITE(row + next + j);
}

/* 0, 1, 2, ... */
static VI lanes(void) {
    int t[VW];
    for (int i = 0; i < VW; ++i)
        t[i] = i;
    return JOIN(vload, VW)(0, t);
}

#if TILES
/* Eight tiles of 16 rows of 64 bytes (AMX), from begin to end. */
static void begin_tiles(void) {
    uchar shape[64] __attribute__((aligned(64)));
    for (int i = 0; i < 64; ++i)
        shape[i] = i == 0 ? 1 : i >= 16 && i < 32 && i % 2 == 0 ? 64 : i >= 48 && i < 56 ? 16 : 0;
    __asm__ volatile("ldtilecfg (%0)" : : "r"(shape) : "memory");
}

static void end_tiles(void) {
    __asm__ volatile("tilerelease" : : : "memory");
}
#else
static void begin_tiles(void) {
}

static void end_tiles(void) {
}
#endif
