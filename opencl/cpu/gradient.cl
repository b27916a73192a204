/* gradient: C = A' B for processors, A (k, m) and B (k, n) both plain and read along their rows, as
   a weight gradient does (k: a batch's rows, thousands of them). Of some rows at a time the numbers
   are laid out for the tiles, NV vectors by MR rows of accumulators that fill the registers. The
   order of sums, and with it every bit of the result, is the same for any number of threads. */
#define PANEL (VW * NV)

/* MR numbers of a row of A into a tile's piece; READ are looked at. */
#define READ (MR == 6 ? 8 : MR)
static void turn(__global const float *in, __local float *out) {
#if MR == 6
    vstore8(vload8(0, in), 0, out); /* the next row writes over the last two */
#else
    for (int r = 0; r < MR; r += 4)
        vstore4(vload4(0, in + r), 0, out + r);
#endif
}

/* t (MR, PANEL) = the tile's piece of A times the panel's of B, over k rows; asks for `next`,
   `lead` numbers a row. */
static void tile(__local const float *a, __local const float *b, int k, __global const float *next,
                 int lead, float *t) {
    VF sums[MR * NV];
#pragma unroll
    for (int i = 0; i < MR * NV; ++i)
        sums[i] = (VF)(0.0f);
    for (int i = 0; i < k; ++i, a += MR, b += PANEL, next += lead) {
        VF column[NV];
        ASK(next);
#pragma unroll
        for (int v = 0; v < NV; ++v)
            column[v] = LOAD(b + v * VW);
#pragma unroll
        for (int r = 0; r < MR; ++r) {
            VF x = (VF)(a[r]);
#pragma unroll
            for (int v = 0; v < NV; ++v)
                sums[r * NV + v] = fma(x, column[v], sums[r * NV + v]);
        }
    }
#pragma unroll
    for (int i = 0; i < MR * NV; ++i)
        STORE(sums[i], t + i * VW);
}

/* Sums of columns, `summed` of them: of 128 rows at a time, then of those sums, so that few numbers
   ever meet a much greater one. */
static void begin_sums(__local float *part, __local float *whole, int summed) {
    for (int s = 0; s < summed; s += VW) {
        STORE((VF)(0.0f), part + s);
        STORE((VF)(0.0f), whole + s);
    }
}

static void close_part(__local float *part, __local float *whole, int summed) {
    for (int s = 0; s < summed; s += VW) {
        STORE(LOAD(whole + s) + LOAD(part + s), whole + s);
        STORE((VF)(0.0f), part + s);
    }
}

static void add_row(__global const float *in, int left, int row, __local float *part,
                    __local float *whole, int summed) {
    for (int s = 0; s < summed; s += VW)
        STORE(LOAD(part + s) + get(in + s, left - s, 0.0f), part + s);
    if (row % 128 == 127)
        close_part(part, whole, summed);
}

static void end_sums(__local float *part, __local float *whole, int summed, __global float *out) {
    close_part(part, whole, summed);
    for (int s = 0; s < summed; ++s)
        out[s] = whole[s];
}

/* sums (m) = those of A's columns, A (k, m), to the same bits as beside a product. Grid: (chunks of
   columns). */
__kernel void column_sums(__global const float *a, int a_at, __global float *sums, int sums_at,
                          int m, int k, int chunk, __local float *part, __local float *whole) {
    int from = get_global_id(0) * chunk, summed = min(chunk, m - from);
    begin_sums(part, whole, summed);
    for (int i = 0; i < k; ++i)
        add_row(a + a_at + (long)i * m + from, m - from, i, part, whole, summed);
    end_sums(part, whole, summed, sums + sums_at + from);
}

/* C (m, n) = A' B (+ C where add), and where `sums_at` is a place, the sums of A's columns there
   (m). Grid: (chunks of m, pieces of the panels, matrices). Of `depth`
   rows at a time the chunk's columns of A are laid out in `turned`, (depth + 2) * MR for a tile,
   then each panel of B in `panel` (depth * PANEL), which stays in the nearest cache while the tiles
   go through it; sums wait in C. */
__kernel void gradient(__global const float *a, int a_at, int a_row, int a_step,
                       __global const float *b, int b_at, int b_row, int b_step, __global float *c,
                       int c_at, int c_row, int c_step, int m, int n, int k, int chunk, int piece,
                       int depth, int add, __global float *sums, int sums_at,
                       __local float *turned, __local float *panel, __local float *part,
                       __local float *whole) {
    float t[MR * PANEL] __attribute__((aligned(64)));
    int r0 = get_global_id(0) * chunk, r1 = min(m, r0 + chunk), pitch = (depth + 2) * MR;
    int n0 = get_global_id(1) * piece * PANEL, n1 = min(n, n0 + piece * PANEL);
    a += a_at + (long)get_global_id(2) * a_step;
    b += b_at + (long)get_global_id(2) * b_step;
    c += c_at + (long)get_global_id(2) * c_step;
    int summed = sums_at >= 0 && n0 == 0 ? r1 - r0 : 0;
    begin_sums(part, whole, summed);
    for (int from = 0; from < max(k, 1); from += depth, add = 1) {
        int length = min(depth, k - from);
        for (int i = 0; i < length; ++i) {
            __global const float *in = a + (long)(from + i) * a_row;
            __local float *out = turned + i * MR;
            int row = r0;
            add_row(in + r0, m - r0, from + i, part, whole, summed);
            for (; row < r1 && row + READ <= m; row += MR, out += pitch)
                turn(in + row, out);
            for (; row < r1; row += MR, out += pitch)
                for (int r = 0; r < MR; ++r)
                    out[r] = row + r < m ? in[row + r] : 0.0f;
        }
        for (int c0 = n0; c0 < n1; c0 += PANEL) {
            int columns = min(PANEL, n - c0), last = c0 + PANEL >= n1;
            for (int i = 0; i < length; ++i) {
                __global const float *in = b + (long)(from + i) * b_row + c0;
                for (int v = 0; v < PANEL; v += VW)
                    STORE(get(in + v, columns - v, 0.0f), panel + i * PANEL + v);
            }
            /* while the tiles run they ask, a line of each row, for what is laid out next */
            __global const float *next_a = a + (long)(from + depth) * a_row + r0,
                                 *next_b = last ? b + (long)(from + depth) * b_row + n0
                                                : b + (long)from * b_row + c0 + PANEL;
            for (int row = r0, line = 0; row < r1; row += MR, ++line) {
                if (line < NV)
                    tile(turned + line * pitch, panel, length, next_b + line * VW, b_row, t);
                else
                    tile(turned + line * pitch, panel, length, next_a + (line - NV) * VW,
                         last ? a_row : 0, t);
                for (int r = 0; r < min(MR, r1 - row); ++r) {
                    __global float *to = c + (long)(row + r) * c_row + c0;
                    for (int v = 0; v < columns; v += VW) {
                        VF x = LOAD(t + r * PANEL + v);
                        put(add ? x + get(to + v, columns - v, 0.0f) : x, to + v, columns - v);
                    }
                }
            }
        }
    }
    end_sums(part, whole, summed, sums + sums_at + r0);
}
