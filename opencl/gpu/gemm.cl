/* gemm: C = A B for graphics processors: 64x64 values of C per work-group of 16x16 work-items,
   4x4 values each, from slabs of 16 values of k in local memory. k is never split and each value
   of C is one chain of fma, so every bit is the same on every run.
   A_ACROSS 0: element (row, i) of A at row * a_row + i. 1: at row + i * a_row.
   B is packed one column wide: element (i, column) at column * k + i. B_TYPE 0: float, 1: half,
   2: bfloat16. */
#define TILE 64
#define SLAB 16
/* float4 from one k of a slab to the next: 16, and one more that keeps turned writes off each
   other's banks */
#define PITCH 17
#if B_TYPE == 0
#define B_ELEMENT float
#elif B_TYPE == 1
#define B_ELEMENT half
#else
#define B_ELEMENT ushort
#endif

/* The i-th of the four values a work-item brings into a slab. Turned (rows lie along k in
   memory): neighbours read 8 values of a row, one whole memory sector, and a warp writes 8 k by
   4 rows, 32 banks. Straight: neighbours follow each other in both. */
#define TURNED_ROW(i) (item / 8 + 32 * ((i) % 2))
#define TURNED_K(i) (item % 8 + 8 * ((i) / 2))
#if A_ACROSS
#define A_ROW(i) (item % TILE)
#define A_K(i) (item / TILE + 4 * (i))
#define A_PLACE(row, k) ((long)(k)*a_row + (row))
#else
#define A_ROW(i) TURNED_ROW(i)
#define A_K(i) TURNED_K(i)
#define A_PLACE(row, k) ((long)(row)*a_row + (k))
#endif

/* Gets this work-item's values of a slab of A, `rows` by `left` of which exist; zeros elsewhere. */
static float4 fetch_a(__global const float *a, int a_row, int rows, int left, int item) {
    float x[4];
    for (int i = 0; i < 4; ++i)
        x[i] = A_ROW(i) < rows && A_K(i) < left ? a[A_PLACE(A_ROW(i), A_K(i))] : 0.0f;
    return vload4(0, x);
}

static float4 fetch_b(__global const B_ELEMENT *b, int k, int columns, int left, int item) {
    float x[4];
    for (int i = 0; i < 4; ++i)
        x[i] = TURNED_ROW(i) < columns && TURNED_K(i) < left
                   ? half_or_bfloat(b, (long)TURNED_ROW(i) * k + TURNED_K(i), B_TYPE)
                   : 0.0f;
    return vload4(0, x);
}

static void keep_a(float4 x, __local float *slab, int item) {
    float t[4];
    vstore4(x, 0, t);
    for (int i = 0; i < 4; ++i)
        slab[A_K(i) * PITCH * 4 + A_ROW(i)] = t[i];
}

static void keep_b(float4 x, __local float *slab, int item) {
    float t[4];
    vstore4(x, 0, t);
    for (int i = 0; i < 4; ++i)
        slab[TURNED_K(i) * PITCH * 4 + TURNED_ROW(i)] = t[i];
}

static float4 part(__global const float *p, int left) {
    return left >= 4 ? vload4(0, p) : load_tail(p, left, 0.0f);
}

static void place(float4 x, __global float *p, int left) {
    if (left >= 4)
        vstore4(x, 0, p);
    else
        store_tail(x, p, left);
}

/* C (m, n) = act(alpha A B + bias) + residual (+ C where accumulate). Grid: (tiles of n, tiles
   of m, matrices) of work-groups. flags: 1 bias, 2 residual, 4 keep the value before the
   activation in `before`, 8 accumulate; activation in bits 4-7, 256: it is of the sum with the
   residual. */
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void
gemm(__global const float *a, int a_at, int a_row, int a_step, __global const B_ELEMENT *b,
     int b_at, int b_step, __global float *c, int c_at, int c_row, int c_step,
     __global const float *bias, int bias_at, __global const float *residual, int residual_at,
     __global float *before, int before_at, int m, int n, int k, float alpha, int flags) {
    __local float4 a_slab[2 * SLAB * PITCH], b_slab[2 * SLAB * PITCH];
    int x = get_local_id(0), y = get_local_id(1), item = y * 16 + x;
    int r0 = get_group_id(1) * TILE, c0 = get_group_id(0) * TILE, act = flags >> 4 & 15, now = 0;
    long matrix = get_group_id(2);
    a += a_at + matrix * a_step + A_PLACE(r0, 0);
    b += b_at + matrix * b_step + (long)c0 * k;
    float4 sum[4] = {(float4)(0.0f), (float4)(0.0f), (float4)(0.0f), (float4)(0.0f)};
    float4 next_a = fetch_a(a, a_row, m - r0, k, item), next_b = fetch_b(b, k, n - c0, k, item);
    /* two slabs take turns: while one is read the next is on its way, and one barrier per
       slab is enough */
    for (int i = 0; i < k; i += SLAB, now ^= SLAB * PITCH) {
        keep_a(next_a, (__local float *)(a_slab + now), item);
        keep_b(next_b, (__local float *)(b_slab + now), item);
        barrier(CLK_LOCAL_MEM_FENCE);
        next_a = fetch_a(a + A_PLACE(0, i + SLAB), a_row, m - r0, k - i - SLAB, item);
        next_b = fetch_b(b + i + SLAB, k, n - c0, k - i - SLAB, item);
#pragma unroll
        for (int j = 0; j < SLAB; ++j) {
            float4 p = a_slab[now + j * PITCH + y], q = b_slab[now + j * PITCH + x];
            sum[0] = fma((float4)(p.s0), q, sum[0]);
            sum[1] = fma((float4)(p.s1), q, sum[1]);
            sum[2] = fma((float4)(p.s2), q, sum[2]);
            sum[3] = fma((float4)(p.s3), q, sum[3]);
        }
    }
    int column = c0 + x * 4, left = n - column;
    if (left <= 0)
        return;
    c += c_at + matrix * c_step;
    residual += residual_at + matrix * c_step;
    before += before_at + matrix * c_step;
#pragma unroll
    for (int r = 0; r < 4; ++r) {
        if (r0 + y * 4 + r >= m)
            continue;
        long to = (long)(r0 + y * 4 + r) * c_row + column;
        float4 v = sum[r] * (float4)(alpha);
        if (flags & 1)
            v += part(bias + bias_at + column, left);
        if (flags & 4)
            place(v, before + to, left);
        if (flags & 256)
            v += part(residual + to, left);
        v = activate(act, v);
        if ((flags & 258) == 2)
            v += part(residual + to, left);
        if (flags & 8)
            v += part(c + to, left);
        place(v, c + to, left);
    }
}
