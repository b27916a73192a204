/* statistics: what is computed once over stored features, on the host in double precision. */
#ifndef HOI_STATISTICS_H
#define HOI_STATISTICS_H

#include <stdbool.h>

/* x (rows, cols) = u diag(s) vt with n = min(rows, cols): u (rows, n) and vt (n, cols) have
   orthonormal columns and rows, s falls. The first entry of a row of vt that is not small is
   positive, so that the result is one. By LAPACK (dgesdd). False after hoi_fail: memory, numbers
   that are not finite. */
bool hoi_svd(int rows, int cols, const float *x, float *u, float *s, float *vt);

#endif
