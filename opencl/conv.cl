/* conv: pictures whose channels lie side by side, (pictures, height, width, channels): windows for
   products, pools, and their pullbacks. Both kernel sets. shape: height, width, channels of x,
   kernel, stride, pad, rows and columns of places. */
#define HEIGHT shape.s0
#define WIDTH shape.s1
#define CHANNELS shape.s2
#define KERNEL shape.s3
#define STRIDE shape.s4
#define PAD shape.s5
#define ROWS shape.s6
#define COLUMNS shape.s7

/* The corner of place i's window: its picture, row and column in x; row and column may lie
   outside. */
#define CORNER(i)                                                                                  \
    int row = (i) / COLUMNS % ROWS * STRIDE - PAD, col = (i) % COLUMNS * STRIDE - PAD;             \
    long picture = (long)((i) / COLUMNS / ROWS) * HEIGHT * WIDTH * CHANNELS;

/* y (count, kernel * kernel * channels): the windows of places first .. first + count, zeros
   outside x. */
__kernel void windows(INPUT(x), OUTPUT(y), int8 shape, int first, int count, int piece) {
    EACH_ROW(i, count) {
        CORNER(first + i)
        __global float *out = y + y_at + (long)i * KERNEL * KERNEL * CHANNELS;
        for (int a = row; a < row + KERNEL; ++a)
            for (int b = col; b < col + KERNEL; ++b, out += CHANNELS) {
                bool inside = a >= 0 && a < HEIGHT && b >= 0 && b < WIDTH;
                __global const float *in =
                    x + x_at + picture + (inside ? ((long)a * WIDTH + b) * CHANNELS : 0);
                EACH_COLUMN(c, CHANNELS, i)
                    put(inside ? get(in + c, CHANNELS - c, 0.0f) : (VF)(0.0f), out + c,
                        CHANNELS - c);
            }
    }
}

/* Adds to dx what the windows of the places in lines first .. first + count (of all pictures' rows
   of places) give: dy (count * columns, kernel * kernel * channels). Each value of x gathers, in a
   fixed order. Rows: those of x. */
__kernel void windows_back(INPUT(dy), OUTPUT(dx), int8 shape, int first, int count, int lines,
                           int piece) {
    EACH_ROW(i, lines) for (int a = 0; a < KERNEL; ++a) {
        int r = i % HEIGHT + PAD - a, line = i / HEIGHT * ROWS + r / STRIDE - first;
        if (r < 0 || r % STRIDE || r / STRIDE >= ROWS || line < 0 || line >= count)
            continue;
        EACH_PART(col, WIDTH, i)
            for (int b = 0; b < KERNEL; ++b) {
                int s = col + PAD - b;
                if (s < 0 || s % STRIDE || s / STRIDE >= COLUMNS)
                    continue;
                __global const float *in =
                    dy + dy_at +
                    (((long)line * COLUMNS + s / STRIDE) * KERNEL * KERNEL + a * KERNEL + b) *
                        CHANNELS;
                __global float *out = dx + dx_at + ((long)i * WIDTH + col) * CHANNELS;
                for (int c = 0; c < CHANNELS; c += VW)
                    put(get(out + c, CHANNELS - c, 0.0f) + get(in + c, CHANNELS - c, 0.0f), out + c,
                        CHANNELS - c);
            }
    }
}

/* y (places, channels): the greatest value of each window, or its mean, where zeros lie outside. */
__kernel void pool(INPUT(x), OUTPUT(y), int8 shape, int most, int places, int piece) {
    EACH_ROW(i, places) {
        CORNER(i)
        __global const float *in = x + x_at + picture;
        int a0 = max(row, 0), a1 = min(row + KERNEL, HEIGHT), b0 = max(col, 0),
            b1 = min(col + KERNEL, WIDTH);
        EACH_COLUMN(c, CHANNELS, i) {
            VF sum = (VF)(most ? -INFINITY : 0.0f);
            for (int a = a0; a < a1; ++a)
                for (int b = b0; b < b1; ++b) {
                    VF v = get(in + ((long)a * WIDTH + b) * CHANNELS + c, CHANNELS - c, 0.0f);
                    sum = most ? fmax(sum, v) : sum + v;
                }
            put(most ? sum : sum * (VF)(1.0f / (KERNEL * KERNEL)),
                y + y_at + (long)i * CHANNELS + c, CHANNELS - c);
        }
    }
}

/* dx of a pool: from each window that holds the value, dy where it is the first of the greatest
   ones (y), or a share of dy. One work-item per piece of x's places. */
__kernel void pool_back(INPUT(x), INPUT(y), INPUT(dy), OUTPUT(dx), int8 shape, int most, int places,
                        int piece) {
    EACH_ROW(i, places) {
        int row = i / WIDTH % HEIGHT, col = i % WIDTH, picture = i / WIDTH / HEIGHT;
        __global const float *in = x + x_at + (long)picture * HEIGHT * WIDTH * CHANNELS;
        EACH_COLUMN(c, CHANNELS, i) {
            VF sum = (VF)(0.0f);
            int left = CHANNELS - c;
            for (int a = 0; a < KERNEL; ++a)
                for (int b = 0; b < KERNEL; ++b) {
                    int r = row + PAD - a, s = col + PAD - b;
                    if (r < 0 || r % STRIDE || r / STRIDE >= ROWS || s < 0 || s % STRIDE ||
                        s / STRIDE >= COLUMNS)
                        continue;
                    long at = (((long)picture * ROWS + r / STRIDE) * COLUMNS + s / STRIDE) *
                                  CHANNELS + c;
                    VF g = get(dy + dy_at + at, left, 0.0f);
                    if (!most) {
                        sum += g * (VF)(1.0f / (KERNEL * KERNEL));
                        continue;
                    }
                    VF best = get(y + y_at + at, left, 0.0f);
                    __global const float *own = in + ((long)row * WIDTH + col) * CHANNELS + c;
                    VI mine = get(own, left, 0.0f) == best;
                    for (int k = 0; k < a * KERNEL + b; ++k) { /* those before it in the window */
                        int u = row - a + k / KERNEL, v = col - b + k % KERNEL;
                        if (u >= 0 && u < HEIGHT && v >= 0 && v < WIDTH)
                            mine &= get(in + ((long)u * WIDTH + v) * CHANNELS + c, left, 0.0f) !=
                                    best;
                    }
                    sum += mine ? g : (VF)(0.0f);
                }
            put(sum, dx + dx_at + (long)i * CHANNELS + c, left);
        }
    }
}
