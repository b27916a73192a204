/* gemm: C = A B for processors: one work-item per block of C, explicit vectors, B packed into
   column panels. NV vectors by MR rows of accumulators fill the registers; A is read in place by
   broadcast; k is never split, so the order of sums, and with it every bit of the result, is the
   same for any number of threads. B_TYPE 0: float, 1: half, 2: bfloat16. */
#define PANEL (VW * NV)
#if B_TYPE == 0
#define B_ELEMENT float
#define LOAD_B(p) LOAD(p)
#elif B_TYPE == 1
#define B_ELEMENT half
#define LOAD_B(p) LOAD_HALF(p)
#else
#define B_ELEMENT ushort
#define LOAD_B(p) AS_VF(TO_VU(JOIN(vload, VW)(0, p)) << 16)
#endif
#if WINDOWS
#define A_SPACE __local
#else
#define A_SPACE __global
#endif
/* rows in threes on one pointer: an address is a pointer and a step or two, so that fewer registers
   hold them all */
#define BASE_0 q0
#define BASE_1 q0
#define BASE_2 q0
#define BASE_3 q3
#define BASE_4 q3
#define BASE_5 q3
#define BASE_6 q6
#define BASE_7 q6
#define BASE_8 q6
#define BASE_9 q9
#define BASE_10 q9
#define BASE_11 q9
#define A_AT(r) BASE_##r[(long)(r % 3) * a_row]
#define A_STEP ++q0; ++q3; ++q6; ++q9
#define A_BASES                                                                                    \
    A_SPACE const float *q0 = a, *q3 = a + 3l * a_row, *q6 = a + 6l * a_row, *q9 = a + 9l * a_row;
#if NV == 1
#define COLUMNS TIMES_1
#elif NV == 2
#define COLUMNS TIMES_2
#elif NV == 3
#define COLUMNS TIMES_3
#else
#define COLUMNS TIMES_4
#endif
#define ZERO_ONE(r, v) VF c##r##_##v = (VF)(0.0f);
#define ZERO(r) COLUMNS(ZERO_ONE, r)
#define LOAD_ONE(unused, v)                                                                        \
    VF b##v = LOAD_B(b + v * VW);                                                                  \
    ASK_NEAR(b + v * VW + 16 * PANEL);
#define STEP_ONE(r, v) c##r##_##v = fma(x##r, b##v, c##r##_##v);
#define STEP(r)                                                                                    \
    VF x##r = (VF)(A_AT(r));                                                                       \
    COLUMNS(STEP_ONE, r)
#define KEEP_ONE(r, v) STORE(c##r##_##v, t + (r * NV + v) * VW);
#define KEEP(r) COLUMNS(KEEP_ONE, r)

/* Whoever walks a panel the first time waits for memory far away: while a chunk goes through this
   panel, its tiles ask for the next one piece by piece. And the steps of a tile ask for those soon
   to come: a panel lies in the second cache, whose answers some processors wait for.

   t (rows, PANEL) = rows of A times one panel of B; asks for `next`, `lead` bytes a step. STREAM:
   also for what the next tile is written to, from `out` on, and for its residual `beside` that:
   whole rows of C lie side by side. */
#if STREAM
#define ASK_OUT                                                                                    \
    ASK_TO_WRITE(out);                                                                             \
    ASK(out + beside);                                                                             \
    out += pace;
#else
#define ASK_OUT
#endif
#define TILE(rows)                                                                                 \
    static void tile_##rows(A_SPACE const float *a, int a_row, __global const B_ELEMENT *b,        \
                            int k, __global const char *next, int lead,                            \
                            __global const char *out, long beside, int pace, float *t) {           \
        A_BASES ROWS_##rows(ZERO) for (int i = 0; i < k; ++i) {                                    \
            COLUMNS(LOAD_ONE, 0)                                                                   \
            ASK(next);                                                                             \
            next += lead;                                                                          \
            ASK_OUT                                                                                \
            ROWS_##rows(STEP) A_STEP;                                                              \
            b += PANEL;                                                                            \
        }                                                                                          \
        ROWS_##rows(KEEP)                                                                          \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
#if MR > 4
TILE(5)
TILE(6)
#endif
#if MR > 6
TILE(7)
TILE(8)
#endif
#if MR > 8
TILE(9)
TILE(10)
TILE(11)
TILE(12)
#endif
#define RUN(rows)                                                                                  \
    case rows:                                                                                     \
        tile_##rows(at, a_row, panel, length, next, lead, out, beside, pace, t);                   \
        break;

#if WINDOWS
/* Writes the values from .. from + length of the windows of places row .. row + rows of pictures x
   side by side: whole pixels; neighbours in a line of the picture are copied in one go. shape:
   height, width, channels of x, kernel, stride, pad, rows and columns of places. */
static void gather(__global const float *x, int8 shape, int row, int rows, int from, int length,
                   __local float *out) {
    int h = shape.s0, w = shape.s1, channels = shape.s2, size = shape.s3;
    /* divided once: a division is as long as the copy of a pixel */
    int pixels = length / channels, a0 = from / channels / size, b0 = from / channels % size;
    int column = row % shape.s7, line = row / shape.s7 % shape.s6;
    __global const float *picture = x + (long)(row / shape.s7 / shape.s6) * h * w * channels;
    for (int r = 0; r < rows; ++r) {
        int top = line * shape.s4 - shape.s5, left = column * shape.s4 - shape.s5;
        for (int a = a0, b = b0, rest = pixels; rest > 0; ++a, b = 0) {
            int run = min(size - b, rest), first = left + b;
            int begin = clamp(-first, 0, run), end = clamp(w - first, begin, run);
            if (top + a < 0 || top + a >= h)
                begin = end = run;
            __global const float *in = picture + ((long)(top + a) * w + first) * channels;
            int c = 0, stop = end * channels;
            for (; c < begin * channels; ++c)
                out[c] = 0.0f;
            for (; c + VW <= stop; c += VW)
                STORE(LOAD(in + c), out + c);
            if (c < stop && stop - VW >= begin * channels) { /* the last ones, some again */
                STORE(LOAD(in + stop - VW), out + stop - VW);
                c = stop;
            }
            for (; c < stop; ++c)
                out[c] = in[c];
            for (; c < run * channels; ++c)
                out[c] = 0.0f;
            out += run * channels;
            rest -= run;
        }
        if (++column == shape.s7) {
            column = 0;
            if (++line == shape.s6) {
                line = 0;
                picture += (long)h * w * channels;
            }
        }
    }
}
#define NAME conv
#define WINDOW_ARGUMENTS , int8 shape, __local float *window
#else
#define NAME gemm
#define WINDOW_ARGUMENTS
#endif

/* C (m, n) = act(alpha A B + bias) + residual (+ C where accumulate). Grid: (groups of panels of n,
   row chunks, matrices). Rows of A go through all panels of a group one after the other: fewer
   panels where they are long, as together they should stay near. A long k goes in blocks whose
   panel piece stays in the nearest cache, sums kept in C meanwhile. flags: 1 bias, 2 residual, 4
   keep the value before the activation in `before`, 8 accumulate; activation in bits 4-7, 256: it
   is of the sum with the residual. BACK: C = act'(before) alpha A B. */
__kernel void NAME(__global const float *a, int a_at, int a_row, int a_step,
                   __global const B_ELEMENT *b, int b_at, int b_step,
                   __global float *c, int c_at, int c_row, int c_step, __global const float *biases,
                   int biases_at, __global const float *residual, int residual_at,
                   __global float *before, int before_at, int m, int n, int k, int chunk, int block,
                   int group, float alpha, int flags WINDOW_ARGUMENTS) {
    float t[MR * PANEL] __attribute__((aligned(64)));
    int p0 = get_global_id(0) * group, p1 = min(p0 + group, (n + PANEL - 1) / PANEL);
    int r0 = get_global_id(1) * chunk, r1 = min(m, r0 + chunk), act = flags >> 4 & 15;
    a += a_at + (long)get_global_id(2) * a_step;
    b += b_at + (long)get_global_id(2) * b_step;
    c += c_at + (long)get_global_id(2) * c_step;
    residual += residual_at + (long)get_global_id(2) * c_step;
    before += before_at + (long)get_global_id(2) * c_step;
    /* while a chunk goes through its only panel, its tiles ask for the next one; while a tile goes
       through several, for the next tile's rows */
    int tiles = (r1 - r0 + MR - 1) / MR, lead = 0;
    if (group > 1 || STREAM)
        lead = WINDOWS ? 0 : (4 * MR + group - 1) / group;
    else
        lead = (PANEL + tiles - 1) / tiles * sizeof(B_ELEMENT);
    for (int from = 0; from < max(k, 1); from += block) {
        int length = min(block, k - from), final = from + block >= k;
        for (int row = r0; row < r1; row += MR) {
            int rows = min(MR, r1 - row);
#if WINDOWS
            __local const float *at = window;
            gather(a, shape, row, rows, from, length, window);
            a_row = length;
#else
            __global const float *at = a + (long)row * a_row + from;
#endif
            for (int p = p0; p < p1; ++p) {
                int c0 = p * PANEL, columns = min(PANEL, n - c0);
                __global const float *bias = biases + biases_at + c0;
                __global const B_ELEMENT *panel = b + ((long)p * k + from) * PANEL;
                __global const char *next = (__global const char *)(panel + (long)length * PANEL) +
                                            (long)(row - r0) / MR * lead * length;
#if !WINDOWS
                if (group > 1 || STREAM)
                    next = (__global const char *)(at + (long)MR * a_row) +
                           (long)(p - p0) * lead * length;
#endif
                int pace = (MR * PANEL * 4 + length - 1) / max(length, 1);
                __global const char *out = (__global const char *)(c + (long)(row + MR) * c_row) +
                                           (long)(p - p0) * pace * length;
                long beside = flags & 2 ? (__global const char *)residual - (__global const char *)c
                                        : 0;
#if !STREAM
                /* what the tile meets on its way out comes while it is computed: rows of C are far
                   apart, and nothing else foresees them */
                for (int r = 0; r < rows; ++r)
                    for (int v = 0; v < columns; v += 16) {
                        long to = (long)(row + r) * c_row + c0 + v;
                        ASK_TO_WRITE(c + to);
                        if (BACK)
                            ASK(before + to);
                        else if (final && flags & 2)
                            ASK(residual + to);
                    }
#endif
                switch (rows) {
                    RUN(1) RUN(2) RUN(3)
#if MR > 4
                    RUN(4) RUN(5)
#endif
#if MR > 6
                    RUN(6) RUN(7)
#endif
#if MR > 8
                    RUN(8) RUN(9) RUN(10) RUN(11)
#endif
                default:
                    JOIN(tile_, MR)(at, a_row, panel, length, next, lead, out, beside, pace, t);
                }
                /* a loop for each activation: a choice inside would compute all of them everywhere
                 */
                if (columns == PANEL)
                    WRITE_TILE(GET_WHOLE, PUT_WHOLE)
                else
                    WRITE_TILE(GET_PART, PUT_PART)
            }
        }
    }
}
