/* pack: a matrix into column panels for gemm: out[panel][k][width], zeros past the last column,
   element type kept. */

/* in: (rows k, cols n) when across = 0, element (k, n) at k * lead + n; (n, k) when across = 1,
   element at n * lead + k. One work-item per panel of one matrix and piece of k. The copies never
   change a value, so any element type goes through as bits. */
#define DEFINE_PACK(name, T)                                                                       \
    __kernel void name(__global const T *in, int in_at, __global T *out, int out_at, int across,   \
                       int lead, int n, int k, int width, int piece, int in_step, int out_step) {  \
        int panel = get_global_id(0), k0 = get_global_id(1) * piece, k1 = min(k, k0 + piece);      \
        int c0 = panel * width, m = min(width, n - c0);                                            \
        in += in_at + (long)get_global_id(2) * in_step;                                            \
        out += out_at + (long)get_global_id(2) * out_step + (long)panel * width * k;               \
        if (across) {                                                                              \
            for (int c = 0; c < width; c += 8)                                                     \
                for (int i = k0; i < k1; ++i)                                                      \
                    for (int d = c; d < c + 8 && d < width; ++d)                                   \
                        out[(long)i * width + d] = d < m ? in[(long)(c0 + d) * lead + i] : (T)0;   \
        } else {                                                                                   \
            for (int i = k0; i < k1; ++i)                                                          \
                for (int c = 0; c < width; ++c)                                                    \
                    out[(long)i * width + c] = c < m ? in[(long)i * lead + c0 + c] : (T)0;         \
        }                                                                                          \
    }
DEFINE_PACK(pack, uint)
DEFINE_PACK(pack_short, ushort)

/* The way back of a matrix that was packed across = 1: out (n, k). Grid as above. */
#define DEFINE_UNPACK(name, T)                                                                     \
    __kernel void name(__global const T *in, int in_at, __global T *out, int out_at, int n, int k, \
                       int width, int piece) {                                                     \
        int panel = get_global_id(0), k0 = get_global_id(1) * piece, k1 = min(k, k0 + piece);      \
        int c0 = panel * width, m = min(width, n - c0);                                            \
        in += in_at + (long)panel * width * k;                                                     \
        for (int c = 0; c < m; ++c)                                                                \
            for (int i = k0; i < k1; ++i)                                                          \
                out[out_at + (long)(c0 + c) * k + i] = in[(long)i * width + c];                    \
    }
DEFINE_UNPACK(unpack, uint)
DEFINE_UNPACK(unpack_short, ushort)
