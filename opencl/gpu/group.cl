/* group: what kernel files stand on where a work-group shares the work, as on graphics processors:
   `lanes` side by side share a row, and several rows a work-group. Put before each file of the gpu
   set, as cpu/item.cl is before those of the cpu set. */
/* For functions given local memory: PoCL 3.1 loses a local array which the compiler, seeing only
   one ever passed, names directly in a function that is not inlined. */
#define INLINED static inline __attribute__((always_inline))

/* Grid: (lanes, rows). Each pass of the loop takes as many rows as the grid has, and all
   work-items of a group make the same passes, as they meet at barriers; what is past the last row
   has no columns. */
#define EACH_ROW(r, rows)                                                                          \
    for (int r = get_global_id(1), r##_past = (rows), r##_first = r - (int)get_local_id(1);        \
         r##_first < r##_past; r += get_global_size(1), r##_first += get_global_size(1))
#define EACH_COLUMN(c, cols, r)                                                                    \
    for (int c = get_global_id(0) * VW, c##_past = r < r##_past ? (cols) : 0; c < c##_past;        \
         c += get_global_size(0) * VW)
/* The same for what is no vector. */
#define EACH_PART(i, count, r)                                                                     \
    for (int i = get_global_id(0), i##_past = r < r##_past ? (count) : 0; i < i##_past;            \
         i += get_global_size(0))
#define ONCE(r) (get_global_id(0) == 0 && r < r##_past)

/* Sums and greatest values over the lanes of a row: a tree of fixed shape. Kernels that ask for
   them have groups of at most 256 work-items, the lanes of a row all in one group. */
#define TREE __local float tree[256];
#define SUM_ROW(v) sum_lanes(sum_v(v), tree)
#define MAX_ROW(v) max_lanes(max_v(v), tree)
#define DEFINE_LANES(name, add)                                                                    \
    INLINED float name(float v, __local float *tree) {                                             \
        int lanes = get_local_size(0), lane = get_local_id(0),                                     \
            at = get_local_id(1) * lanes + lane;                                                   \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        tree[at] = v;                                                                              \
        for (int away = lanes / 2; away > 0; away /= 2) {                                          \
            barrier(CLK_LOCAL_MEM_FENCE);                                                          \
            if (lane < away)                                                                       \
                tree[at] = add(tree[at], tree[at + away]);                                         \
        }                                                                                          \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
        return tree[at - lane];                                                                    \
    }
DEFINE_LANES(sum_lanes, PLUS)
DEFINE_LANES(max_lanes, fmax)

/* Gets values i .. i + 3, as float; zeros from `left` on. */
INLINED float4 get_four(__global const void *p, long i, int left, int type, bool aligned) {
    float t[4];
    if (aligned && left >= 4)
        return type == 0 ? *(__global const float4 *)((__global const float *)p + i)
               : type == 1
                   ? vloada_half4(0, (__global const half *)p + i)
                   : as_float4(
                         convert_uint4(*(__global const ushort4 *)((__global const ushort *)p + i))
                         << 16);
    for (int j = 0; j < 4; ++j)
        t[j] = j < left ? half_or_bfloat(p, i + j, type) : 0.0f;
    return vload4(0, t);
}

/* What follows the sums: four values of C at (row, column), as gemm's flags say. */
INLINED void finish(float4 v, int row, int column, long matrix, __global float *c, int c_row,
                    int c_step, __global const float *bias, __global const float *residual,
                    __global float *before, int m, int n, float alpha, int flags) {
    long to = matrix * c_step + (long)row * c_row + column;
    int left = n - column;
    if (row >= m || left <= 0)
        return;
    v *= (float4)(alpha);
    if (flags & 1)
        v += get(bias + column, left, 0.0f);
    if (flags & 4)
        put(v, before + to, left);
    if (flags & 256)
        v += get(residual + to, left, 0.0f);
    v = activate(flags >> 4 & 15, v);
    if ((flags & 258) == 2)
        v += get(residual + to, left, 0.0f);
    if (flags & 8)
        v += get(c + to, left, 0.0f);
    put(v, c + to, left);
}
