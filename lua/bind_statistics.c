/* bind_statistics: hoi.statistics.core: singular values of a matrix. */
#include "core/error.h"
#include "core/statistics.h"
#include "lua/bind_tensor.h"

/* svd(x (n, d)) -> (n, m), (m), (m, d), m = min(n, d) */
static int svd(lua_State *L) {
    hoi_tensor *x = bind_tensor(L, 1);
    lua_settop(L, 1);
    luaL_argcheck(L, x->rank == 2, 1, "a matrix is wanted");
    int rows = (int)x->shape[0], cols = (int)x->shape[1], n = rows < cols ? rows : cols;
    float *in = bind_memory(L, ((size_t)rows * (size_t)cols + 1) * sizeof *in);
    float *u = bind_memory(L, ((size_t)rows * (size_t)n + 1) * sizeof *u);
    float *s = bind_memory(L, ((size_t)n + 1) * sizeof *s);
    float *vt = bind_memory(L, ((size_t)n * (size_t)cols + 1) * sizeof *vt);
    if (!hoi_tensor_read(x, in) || !hoi_svd(rows, cols, in, u, s, vt))
        return bind_raise(L);
    hoi_device *device = hoi_tensor_device(x);
    bind_tensor_push(L, hoi_tensor_from(device, 2, (int64_t[]){rows, n}, u));
    bind_tensor_push(L, hoi_tensor_from(device, 1, (int64_t[]){n}, s));
    bind_tensor_push(L, hoi_tensor_from(device, 2, (int64_t[]){n, cols}, vt));
    return 3;
}

int luaopen_hoi_statistics(lua_State *L);
int luaopen_hoi_statistics(lua_State *L) {
    static const luaL_Reg functions[] = {{"svd", svd}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
