/* gemm: C = A B for graphics processors: PARTS * 64 squared values of C per work-group of 16x16
   work-items, in squares of 4x4 that lie 64 apart, from slabs of k in local memory, to which each
   work-item brings four values of A and of B. k is never split and each value of C is one chain of
   fma, so every bit is the same on every run.
   A_ACROSS 0: element (row, i) of A at row * a_row + i. 1: at row + i * a_row. B_ACROSS: element
   (i, column) at column * b_row + i, else at column + i * b_row. B_TYPE 0: float, 1: half,
   2: bfloat16. ALIGNED: rows of A and B begin at multiples of four values. */
#define TILE (64 * PARTS)
#define SLAB (1024 / TILE)
/* float4 from one k of a slab to the next: one more than there are keeps turned writes off each
   other's banks */
#define PITCH (TILE / 4 + 1)

/* The four values of a slab that a work-item brings: along the rows where these lie side by side in
   memory (straight), else along k (turned). */
#define ROW_OF(item, straight) ((straight) ? (item) % (TILE / 4) * 4 : (item) / (SLAB / 4))
#define K_OF(item, straight) ((straight) ? (item) / (TILE / 4) : (item) % (SLAB / 4) * 4)

/* From (rows, left) values at `at`; zeros elsewhere. */
INLINED float4 fetch(__global const void *p, long at, int step, bool straight, int rows, int left,
                     int item, int type) {
    int row = ROW_OF(item, straight), k = K_OF(item, straight);
    if (straight)
        return get_four(p, at + (long)k * step + row, k < left ? rows - row : 0, type, ALIGNED);
    return get_four(p, at + (long)row * step + k, row < rows ? left - k : 0, type, ALIGNED);
}

/* Where float4 i of the rows of a slab lies: every other eight k are shifted by two, so that a warp
   that writes 16 k of 8 rows meets each bank once. */
#define PLACE(k, i) ((k)*PITCH + ((i) ^ (k) / 8 * 2))

INLINED void keep(float4 x, __local float4 *slab, bool straight, int item) {
    int row = ROW_OF(item, straight), k = K_OF(item, straight);
    __local float *out = (__local float *)(slab + PLACE(k, row / 4));
    if (straight) {
        *(__local float4 *)out = x;
        return;
    }
    out += row % 4;
    out[0] = x.s0;
    out[PITCH * 4] = x.s1;
    out[PITCH * 8] = x.s2;
    out[PITCH * 12] = x.s3;
}

/* C (m, n) = act(alpha A B + bias) + residual (+ C where accumulate). Grid: (tiles of n, tiles
   of m, matrices) of work-groups. flags: 1 bias, 2 residual, 4 keep the value before the
   activation in `before`, 8 accumulate; activation in bits 4-7, 256: it is of the sum with the
   residual. */
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void
gemm(__global const float *a, int a_at, int a_row, int a_step, __global const void *b, int b_at,
     int b_row, int b_step, __global float *c, int c_at, int c_row, int c_step,
     __global const float *bias, int bias_at, __global const float *residual, int residual_at,
     __global float *before, int before_at, int m, int n, int k, float alpha, int flags) {
    __local float4 a_slab[2 * SLAB * PITCH], b_slab[2 * SLAB * PITCH];
    int x = get_local_id(0), y = get_local_id(1), item = y * 16 + x, now = 0;
    int r0 = get_group_id(1) * TILE, c0 = get_group_id(0) * TILE;
    long matrix = get_group_id(2),
         a_from = a_at + matrix * a_step + (long)r0 * (A_ACROSS ? 1 : a_row),
         b_from = b_at + matrix * b_step + (long)c0 * (B_ACROSS ? b_row : 1);
    float4 sum[4 * PARTS * PARTS];
    for (int i = 0; i < 4 * PARTS * PARTS; ++i)
        sum[i] = (float4)(0.0f);
    float4 next_a = fetch(a, a_from, a_row, A_ACROSS, m - r0, k, item, 0),
           next_b = fetch(b, b_from, b_row, !B_ACROSS, n - c0, k, item, B_TYPE);
    /* two slabs take turns: while one is read the next is on its way, and one barrier per
       slab is enough */
    for (int i = 0; i < k; i += SLAB, now ^= SLAB * PITCH) {
        int then = i + SLAB;
        keep(next_a, a_slab + now, A_ACROSS, item);
        keep(next_b, b_slab + now, !B_ACROSS, item);
        barrier(CLK_LOCAL_MEM_FENCE);
        next_a = fetch(a, a_from + (long)then * (A_ACROSS ? a_row : 1), a_row, A_ACROSS, m - r0,
                       k - then, item, 0);
        next_b = fetch(b, b_from + (long)then * (B_ACROSS ? 1 : b_row), b_row, !B_ACROSS, n - c0,
                       k - then, item, B_TYPE);
#pragma unroll
        for (int j = 0; j < SLAB; ++j)
#pragma unroll
            for (int u = 0; u < PARTS; ++u) {
                float4 p = a_slab[now + PLACE(j, y + 16 * u)];
#pragma unroll
                for (int w = 0; w < PARTS; ++w) {
                    float4 q = b_slab[now + PLACE(j, x + 16 * w)], *t = sum + (u * PARTS + w) * 4;
                    t[0] = fma((float4)(p.s0), q, t[0]);
                    t[1] = fma((float4)(p.s1), q, t[1]);
                    t[2] = fma((float4)(p.s2), q, t[2]);
                    t[3] = fma((float4)(p.s3), q, t[3]);
                }
            }
    }
#pragma unroll
    for (int i = 0; i < 4 * PARTS * PARTS; ++i)
        finish(sum[i], r0 + i / 4 / PARTS * 64 + y * 4 + i % 4, c0 + i / 4 % PARTS * 64 + x * 4,
               matrix, c + c_at, c_row, c_step, bias + bias_at, residual + residual_at,
               before + before_at, m, n, alpha, flags);
}
