/* gemm_bf16: C = A B for processors that multiply pairs of bfloat16 and add them up as floats: both
   sides rounded, the way out in float as in gemm.cl. Compilers do not know these instructions for
   the processor that drivers name, so they are written out. TILES 1: by tiles of 16 rows of 64
   bytes (AMX); 0: by vectors (AVX-512 BF16). A lies in such tiles, [rows / 16][k / 32][16][32], B
   in panels of pairs, [n / 32][k / 2][32][2]; k is a multiple of 32. */
#define PANEL 32
#define TILE (16 * 32) /* values of a tile */

/* y = x (m, k) rounded to nearest, in tiles. Grid: (pieces of blocks of 16 rows). Rows past the
   last keep what is there: they only make rows of C that nobody reads. */
__kernel void round_rows(__global const float *x, int x_at, int x_row, __global ushort *y, int y_at,
                         int m, int k, int piece) {
    int first = get_global_id(0) * piece * 16, past = min(m, first + piece * 16);
    for (int r = first; r < past; ++r) {
        __global const float *in = x + x_at + (long)r * x_row;
        __global ushort *out = y + y_at + (long)(r / 16) * 16 * k + r % 16 * 32;
        for (int i = 0; i < k; i += 32, out += TILE) {
            float16 low = LOAD(in + i), high = LOAD(in + i + 16);
            int16 both;
            __asm__("vcvtne2ps2bf16 %1,%2,%0" : "=v"(both) : "v"(low), "v"(high));
            STORE(as_float16(both), (__global float *)out);
        }
    }
}

#if TILES
#define ROWS 32

/* t (rows, 32) = tiles of A from `a` on, those of the 16 rows after them `below` bytes later, times
   a panel; asks for `next`, `lead` lines a step. */
static void multiply(__global const ushort *a, long below, __global const ushort *b, int steps,
                     int rows, __global const char *next, int lead, float *t) {
    long line = 64, across = 4 * PANEL;
    __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3"
                     :
                     :
                     : "memory");
    for (int s = 0; s < steps; ++s, a += TILE, b += 2 * TILE) {
        for (int i = 0; i < lead; ++i, next += 64)
            ASK(next);
        __asm__ volatile("tileloadd (%0,%3,1),%%tmm4\n\t"
                         "tileloadd (%2,%4,1),%%tmm6\n\t"
                         "tdpbf16ps %%tmm6,%%tmm4,%%tmm0\n\t"
                         "tileloadd 64(%2,%4,1),%%tmm7\n\t"
                         "tdpbf16ps %%tmm7,%%tmm4,%%tmm1"
                         :
                         : "r"(a), "r"(a), "r"(b), "r"(line), "r"(across)
                         : "memory");
        if (rows > 16)
            __asm__ volatile("tileloadd (%0,%1,1),%%tmm5\n\t"
                             "tdpbf16ps %%tmm6,%%tmm5,%%tmm2\n\t"
                             "tdpbf16ps %%tmm7,%%tmm5,%%tmm3"
                             :
                             : "r"((__global const char *)a + below), "r"(line)
                             : "memory");
    }
    __asm__ volatile("tilestored %%tmm0,(%0,%1,1)\n\ttilestored %%tmm1,64(%0,%1,1)"
                     :
                     : "r"(t), "r"(across)
                     : "memory");
    if (rows > 16)
        __asm__ volatile("tilestored %%tmm2,(%0,%1,1)\n\ttilestored %%tmm3,64(%0,%1,1)"
                         :
                         : "r"(t + 16 * PANEL), "r"(across)
                         : "memory");
}
#else
#define ROWS 16

#define ZERO(r) float16 c##r##_0 = (float16)(0.0f), c##r##_1 = (float16)(0.0f);
#define ADD_PAIRS(sum, x, y) __asm__("vdpbf16ps %2,%1,%0" : "+v"(sum) : "v"(x), "v"(y))
#define STEP(r)                                                                                    \
    int16 x##r = (int16)(pairs[r * 16]);                                                           \
    ADD_PAIRS(c##r##_0, x##r, b0);                                                                 \
    ADD_PAIRS(c##r##_1, x##r, b1);
#define KEEP(r)                                                                                    \
    STORE(c##r##_0, t + r * PANEL);                                                                \
    STORE(c##r##_1, t + r * PANEL + 16);

/* t (8, 32) = half of the tiles of A from `a` on times a panel. */
static void multiply_8(__global const ushort *a, __global const ushort *b, int steps, float *t) {
    __global const int *pairs = (__global const int *)a, *panel = (__global const int *)b;
    ROWS_8(ZERO)
    for (int s = 0; s < steps; ++s, pairs += TILE / 2 - 16)
        for (int i = 0; i < 16; ++i, ++pairs, panel += PANEL) {
            int16 b0 = vload16(0, panel), b1 = vload16(1, panel);
            ROWS_8(STEP)
        }
    ROWS_8(KEEP)
}

/* As above; one tile at a time. */
static void multiply(__global const ushort *a, long below, __global const ushort *b, int steps,
                     int rows, __global const char *next, int lead, float *t) {
    for (int i = 0; i < lead * steps; ++i, next += 64)
        ASK(next);
    multiply_8(a, b, steps, t);
    if (rows > 8)
        multiply_8(a + 8 * 32, b, steps, t + 8 * PANEL);
}
#endif

/* C (m, n) = act(alpha A B + bias) + residual (+ C where accumulate), flags as gemm.cl's. Grid:
   (panels of n, row chunks). While a chunk goes through its panel, it asks for the next one. */
__kernel void gemm_bf16(__global const ushort *a, int a_at, __global const ushort *b, int b_at,
                        __global float *c, int c_at, int c_row, __global const float *biases,
                        int biases_at, __global const float *residual, int residual_at,
                        __global float *before, int before_at, int m, int n, int k, int chunk,
                        float alpha, int flags) {
    float t[ROWS * PANEL] __attribute__((aligned(64)));
    const int from = 0, final = 1, steps = k / 32;
    int c0 = get_global_id(0) * PANEL, columns = min(PANEL, n - c0), act = flags >> 4 & 15;
    int r0 = get_global_id(1) * chunk, r1 = min(m, r0 + chunk);
    int lead = PANEL / ((r1 - r0 + ROWS - 1) / ROWS) + 1;
    __global const float *bias = biases + biases_at + c0;
    __global const ushort *panel = b + b_at + (long)c0 * k;
    __global const char *next = (__global const char *)(panel + (long)PANEL * k);
    a += a_at;
    c += c_at;
    residual += residual_at;
    before += before_at;
    begin_tiles();
    for (int row = r0; row < r1; row += ROWS) {
        int rows = min(ROWS, r1 - row);
        for (int r = 0; r < rows; ++r)
            for (int v = 0; v < columns; v += 16) {
                long to = (long)(row + r) * c_row + c0 + v;
                ASK_TO_WRITE(c + to);
                if (flags & 2)
                    ASK(residual + to);
            }
        multiply(a + (long)row * k, 32l * k, panel, steps, rows, next, lead, t);
        next += (long)lead * steps * 64;
        if (columns == PANEL)
            WRITE_TILE(GET_WHOLE, PUT_WHOLE)
        else
            WRITE_TILE(GET_PART, PUT_PART)
    }
    end_tiles();
}
