/* turn: weights (n, k) into panels by whole vectors: of their rows, for x W'; and from those of
   their columns, for y W, which a layer's pullback wants where the values as they lay were given
   up. */

/* out [n / width][k][width] = in, element (n, k) at n * lead + k; zeros past the last row. Grid:
   (panels, pieces of k, matrices). */
__kernel void pack_rows(INPUT(in), OUTPUT(out), int lead, int n, int k, int width, int piece,
                        int in_step, int out_step) {
    int c0 = get_global_id(0) * width, from = get_global_id(1) * piece, to = min(k, from + piece);
    in += in_at + (long)get_global_id(2) * in_step;
    out += out_at + (long)get_global_id(2) * out_step + (long)c0 * k;
    for (int i = from; i < to; i += VW)
        for (int c = 0; c < width; c += VW) {
            VF r[VW];
            for (int x = 0; x < VW; ++x)
                r[x] = c0 + c + x < n ? get(in + (long)(c0 + c + x) * lead + i, to - i, 0.0f)
                                      : (VF)(0.0f);
            turn_square(r);
            for (int x = 0; x < VW && i + x < to; ++x)
                STORE(r[x], out + (long)(i + x) * width + c);
        }
}

/* in [n / in_wide][k][in_wide], out [k / out_wide][n][out_wide], zeros past the last column. Grid:
   (panels of out, pieces of n); a piece is a multiple of VW. */
__kernel void turn_pack(INPUT(in), OUTPUT(out), int n, int k, int in_wide, int out_wide,
                        int piece) {
    int c0 = get_global_id(0) * out_wide, from = get_global_id(1) * piece,
        to = min(n, from + piece);
    in += in_at;
    out += out_at + (long)c0 * n;
    for (int row = from; row < to; row += VW) {
        __global const float *panel = in + (long)(row / in_wide) * in_wide * k + row % in_wide;
        for (int c = 0; c < out_wide; c += VW) {
            VF r[VW];
            for (int x = 0; x < VW; ++x)
                r[x] = c0 + c + x < k ? LOAD(panel + (long)(c0 + c + x) * in_wide) : (VF)(0.0f);
            turn_square(r);
            for (int x = 0; x < VW && row + x < to; ++x)
                STORE(r[x], out + (long)(row + x) * out_wide + c);
        }
    }
}
