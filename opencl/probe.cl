/* probe: multiply-adds that never leave the registers: the most a unit of the device can do. Chains
   enough to fill its pipelines, few enough that they and the two constants fit the registers. Both
   kernel sets. */
#if CHAINS == 12
#define EACH ROWS_12
#else
#define EACH(X) ROWS_12(X) X(12) X(13) X(14) X(15)
#endif
#define BEGIN(i) VF c##i = (VF)((float)(i));
#define STEP(i) c##i = fma(c##i, x, y);
#define ADD(i) sum += c##i;

/* One vector of out for each work-item: the sum of its chains, kept so that none of them is left
   out. */
__kernel void probe(__global float *out, int out_at, int rounds, float a, float b) {
    VF x = (VF)(a), y = (VF)(b), sum = (VF)(0.0f);
    EACH(BEGIN)
    for (int i = 0; i < rounds; ++i) {
        EACH(STEP)
    }
    EACH(ADD)
    STORE(sum, out + out_at + get_global_id(0) * VW);
}
