/* gemm_mma: gemm.cl's product by the tensor cores of NVIDIA's processors (mma.sync of PTX, compute
   capability 8.0 on): both sides rounded to bfloat16, sums in float. TILE = PARTS * 64 squared
   values of C per work-group of 8 warps, two by four, from slabs of 32 k in local memory. Compiled
   only where mma_trial, below, comes out right; EMULATED: plain C in place of the instruction, for
   any device, slow. Names and layouts are gemm.cl's. */
#define TILE (64 * PARTS)
#define SLAB 32
/* uints, of two k each, from one row of a slab to the next: 16, and as many more as keep the rows
   that a warp reads together off each other's banks */
#define PITCH 20

/* d += a b, (16, 8) = (16, 16) (16, 8). With g = lane / 4 and t = lane % 4 each lane holds
   a: (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8) and each one's right neighbour in a uint,
   b: (2t, g), (2t + 8, g) and each one's lower neighbour, d: (g, 2t), (g, 2t + 1), (g + 8, 2t),
   (g + 8, 2t + 1). PTX ISA, "Matrix Fragments for mma.m16n8k16". */
#if EMULATED
#define LANES __local uint lanes[256 * 6];
#define MMA(a, b, d) multiply(a, b, d, lanes)
static float upper(uint two) {
    return as_float(two & 0xffff0000u);
}
static float lower(uint two) {
    return as_float(two << 16);
}
INLINED float4 multiply(uint4 a, uint2 b, float4 d, __local uint *lanes) {
    int item = get_local_id(0), warp = item / 32 * 32, g = item % 32 / 4, t = item % 4;
    float out[4];
    vstore4(d, 0, out);
    barrier(CLK_LOCAL_MEM_FENCE);
    vstore4(a, 0, lanes + item * 6);
    vstore2(b, 0, lanes + item * 6 + 4);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < 4; ++i)
        for (int k = 0; k < 16; k += 2) {
            uint p = lanes[(warp + g * 4 + k % 8 / 2) * 6 + i / 2 + k / 8 * 2],
                 q = lanes[(warp + (t * 2 + i % 2) * 4 + k % 8 / 2) * 6 + 4 + k / 8];
            out[i] += lower(p) * lower(q) + upper(p) * upper(q);
        }
    return vload4(0, out);
}
#else
#define LANES
#define MMA(a, b, d) multiply(a, b, d)
static float4 multiply(uint4 a, uint2 b, float4 d) {
    float d0 = d.s0, d1 = d.s1, d2 = d.s2, d3 = d.s3;
    uint a0 = a.s0, a1 = a.s1, a2 = a.s2, a3 = a.s3, b0 = b.s0, b1 = b.s1;
    __asm__ volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3)
                     : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
    return (float4)(d0, d1, d2, d3);
}
#endif

/* One warp: y (16, 8) = identity times b, b (k, n) = 8 k + n: each element is its own place. */
__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void mma_trial(__global float *y,
                                                                        int y_at) {
    LANES
    int g = get_local_id(0) / 4, t = get_local_id(0) % 4;
    uint2 b;
    ushort one = 0x3f80;
    uint diagonal = 2 * t == g ? one : 2 * t + 1 == g ? (uint)one << 16 : 0;
    b.s0 = as_uint((float)(16 * t + g)) >> 16 | (as_uint((float)(16 * t + 8 + g)) & 0xffff0000u);
    b.s1 = as_uint((float)(64 + 16 * t + g)) >> 16 |
           (as_uint((float)(64 + 16 * t + 8 + g)) & 0xffff0000u);
    float4 d = MMA((uint4)(diagonal, 0, 0, diagonal), b, (float4)(0.0f));
    vstore2(d.lo, 0, y + y_at + g * 8 + 2 * t);
    vstore2(d.hi, 0, y + y_at + (g + 8) * 8 + 2 * t);
}

/* The nearest bfloat16, ties to even; NaN stays one. */
static ushort4 to_bfloat(float4 x) {
    uint4 u = as_uint4(x), near = (u + (uint4)(0x7fff) + (u >> 16 & (uint4)(1))) >> 16;
    return convert_ushort4(isnan(x) ? (uint4)(0x7fc0) : near);
}

/* The i-th four values of a slab that a work-item brings, as in gemm.cl. */
#define ROW_OF(i, straight)                                                                        \
    ((straight) ? (item + 256 * (i)) % (TILE / 4) * 4 : (item + 256 * (i)) / (SLAB / 4))
#define K_OF(i, straight)                                                                          \
    ((straight) ? (item + 256 * (i)) / (TILE / 4) : (item + 256 * (i)) % (SLAB / 4) * 4)
#define FOURS (TILE * SLAB / 1024)

INLINED void fetch(__global const void *p, long at, int step, bool straight, int rows, int left,
                   int item, int type, float4 *out) {
#pragma unroll
    for (int i = 0; i < FOURS; ++i) {
        int row = ROW_OF(i, straight), k = K_OF(i, straight);
        out[i] = straight ? get_four(p, at + (long)k * step + row, k < left ? rows - row : 0, type,
                                     ALIGNED)
                          : get_four(p, at + (long)row * step + k, row < rows ? left - k : 0, type,
                                     ALIGNED);
    }
}

/* Where a slab keeps a row. Columns of B are dealt out in pairs to two products side by side, so
   that what a lane gets of both are four neighbours of C. */
#define PLAIN(row) (row)
#define PAIRED(row) ((row) / 16 * 16 + (row) / 2 % 2 * 8 + (row) % 16 / 4 * 2 + (row) % 2)

#define DEFINE_KEEP(name, place)                                                                   \
    INLINED void name(const float4 *in, __local uint *slab, bool straight, int item) {             \
        _Pragma("unroll") for (int i = 0; i < FOURS; ++i) {                                        \
            int row = ROW_OF(i, straight), k = K_OF(i, straight);                                  \
            ushort4 x = to_bfloat(in[i]);                                                          \
            if (straight) {                                                                        \
                __local ushort *out = (__local ushort *)slab + k;                                  \
                out[place(row) * PITCH * 2] = x.s0;                                                \
                out[place(row + 1) * PITCH * 2] = x.s1;                                            \
                out[place(row + 2) * PITCH * 2] = x.s2;                                            \
                out[place(row + 3) * PITCH * 2] = x.s3;                                            \
            } else {                                                                               \
                *(__local uint2 *)(slab + place(row) * PITCH + k / 2) = as_uint2(x);               \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_KEEP(keep_a, PLAIN)
DEFINE_KEEP(keep_b, PAIRED)

/* As gemm of gemm.cl. Grid: (tiles of n, tiles of m, matrices) of work-groups. */
__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void
gemm(__global const float *a, int a_at, int a_row, int a_step, __global const void *b, int b_at,
     int b_row, int b_step, __global float *c, int c_at, int c_row, int c_step,
     __global const float *bias, int bias_at, __global const float *residual, int residual_at,
     __global float *before, int before_at, int m, int n, int k, float alpha, int flags) {
    __local uint2 a_slab[TILE * PITCH], b_slab[TILE * PITCH]; /* two slabs each: see gemm.cl */
    LANES
    int item = get_local_id(0), g = item % 32 / 4, t = item % 4, now = 0;
    int row = item / 128 * (TILE / 2) + g, column = item / 32 % 4 * (TILE / 4);
    int r0 = get_group_id(1) * TILE, c0 = get_group_id(0) * TILE;
    long matrix = get_group_id(2),
         a_from = a_at + matrix * a_step + (long)r0 * (A_ACROSS ? 1 : a_row),
         b_from = b_at + matrix * b_step + (long)c0 * (B_ACROSS ? b_row : 1);
    float4 next_a[FOURS], next_b[FOURS], sum[TILE / 32][TILE / 32];
    for (int i = 0; i < TILE / 32; ++i)
        for (int j = 0; j < TILE / 32; ++j)
            sum[i][j] = (float4)(0.0f);
    fetch(a, a_from, a_row, A_ACROSS, m - r0, k, item, 0, next_a);
    fetch(b, b_from, b_row, !B_ACROSS, n - c0, k, item, B_TYPE, next_b);
    for (int i = 0; i < k; i += SLAB, now ^= TILE * PITCH) {
        int then = i + SLAB;
        __local uint *p = (__local uint *)a_slab + now, *q = (__local uint *)b_slab + now;
        keep_a(next_a, p, A_ACROSS, item);
        keep_b(next_b, q, !B_ACROSS, item);
        barrier(CLK_LOCAL_MEM_FENCE);
        fetch(a, a_from + (long)then * (A_ACROSS ? a_row : 1), a_row, A_ACROSS, m - r0, k - then,
              item, 0, next_a);
        fetch(b, b_from + (long)then * (B_ACROSS ? 1 : b_row), b_row, !B_ACROSS, n - c0, k - then,
              item, B_TYPE, next_b);
        p += row * PITCH + t;
        q += (column + g) * PITCH + t;
#pragma unroll
        for (int s = 0; s < SLAB / 2; s += 8) {
            uint2 right[TILE / 32];
#pragma unroll
            for (int j = 0; j < TILE / 32; ++j)
                right[j] = (uint2)(q[j * 8 * PITCH + s], q[j * 8 * PITCH + s + 4]);
#pragma unroll
            for (int u = 0; u < TILE / 32; ++u) {
                __local const uint *from = p + u * 16 * PITCH + s;
                uint4 left = (uint4)(from[0], from[8 * PITCH], from[4], from[8 * PITCH + 4]);
#pragma unroll
                for (int j = 0; j < TILE / 32; ++j)
                    sum[u][j] = MMA(left, right[j], sum[u][j]);
            }
        }
    }
#pragma unroll
    for (int u = 0; u < TILE / 32; ++u)
#pragma unroll
        for (int j = 0; j < TILE / 32; j += 2)
#pragma unroll
            for (int s = 0; s < 2; ++s)
                finish(s ? (float4)(sum[u][j].hi, sum[u][j + 1].hi)
                         : (float4)(sum[u][j].lo, sum[u][j + 1].lo),
                       r0 + row + u * 16 + s * 8, c0 + column + j * 8 + t * 4, matrix, c + c_at,
                       c_row, c_step, bias + bias_at, residual + residual_at, before + before_at,
                       m, n, alpha, flags);
}
