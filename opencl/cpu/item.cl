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
#define FINISH_0(GET, PUT) FINISH(GET, PUT, 0)
#define FINISH_1(GET, PUT) FINISH(GET, PUT, 1)
#define FINISH_2(GET, PUT) FINISH(GET, PUT, 2)
#define FINISH_3(GET, PUT) FINISH(GET, PUT, 3)
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
