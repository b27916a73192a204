/* statistics: singular values by LAPACK. */
#include "core/statistics.h"
#include "core/error.h"

#include <lapacke.h>
#include <math.h>
#include <stdlib.h>

/* LAPACK leaves the sign of each pair of vectors open. */
static void settle_signs(int rows, int cols, int n, double *u, double *vt) {
    for (int i = 0; i < n; ++i) {
        int first = 0;
        while (first < cols - 1 && fabs(vt[(size_t)i * (size_t)cols + (size_t)first]) < 1e-6)
            ++first;
        if (vt[(size_t)i * (size_t)cols + (size_t)first] >= 0)
            continue;
        for (int c = 0; c < cols; ++c)
            vt[(size_t)i * (size_t)cols + (size_t)c] *= -1;
        for (int r = 0; r < rows; ++r)
            u[(size_t)r * (size_t)n + (size_t)i] *= -1;
    }
}

static void narrow(const double *from, size_t count, float *to) {
    for (size_t i = 0; i < count; ++i)
        to[i] = (float)from[i];
}

bool hoi_svd(int rows, int cols, const float *x, float *u, float *s, float *vt) {
    int n = rows < cols ? rows : cols;
    size_t count = (size_t)rows * (size_t)cols, left = (size_t)rows * (size_t)n,
           right = (size_t)n * (size_t)cols;
    if (n == 0)
        return true;
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(x[i]))
            return hoi_fail("svd: value %zu of a matrix %dx%d is %g; finite ones are wanted", i + 1,
                            rows, cols, (double)x[i]);
    double *room = malloc((count + left + right + (size_t)n) * sizeof *room);
    if (!room)
        return hoi_fail("svd: out of memory for a matrix %dx%d", rows, cols);
    double *wide = room, *wide_u = wide + count, *wide_vt = wide_u + left,
           *wide_s = wide_vt + right;
    for (size_t i = 0; i < count; ++i)
        wide[i] = (double)x[i];
    int status = (int)LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'S', rows, cols, wide, cols, wide_s, wide_u,
                                     n, wide_vt, cols);
    if (status == 0) {
        settle_signs(rows, cols, n, wide_u, wide_vt);
        narrow(wide_u, left, u);
        narrow(wide_s, (size_t)n, s);
        narrow(wide_vt, right, vt);
    }
    free(room);
    return status == 0 || hoi_fail("svd: LAPACK's dgesdd gave up on a matrix %dx%d (status %d)",
                                   rows, cols, status);
}
