/* bind_regions: hoi.regions: weights that pool a map over boxes. */
#include "core/regions.h"
#include "lua/bind_tensor.h"

/* Reads a list of boxes {x1, y1, x2, y2}; memory on top of the stack. */
static float *read_boxes(lua_State *L, int index, int *count) {
    luaL_checktype(L, index, LUA_TTABLE);
    *count = (int)luaL_len(L, index);
    float *boxes = bind_memory(L, (size_t)*count * 4 * sizeof *boxes);
    for (int i = 0; i < *count; ++i) {
        if (lua_rawgeti(L, index, i + 1) != LUA_TTABLE)
            luaL_error(L, "regions: a list of boxes {x1, y1, x2, y2} is wanted, number %d is a %s",
                       i + 1, luaL_typename(L, -1));
        for (int k = 0; k < 4; ++k) {
            int number;
            lua_rawgeti(L, -1, k + 1);
            boxes[4 * i + k] = (float)lua_tonumberx(L, -1, &number);
            if (!number)
                luaL_error(L, "regions: box %d: number %d is a %s", i + 1, k + 1,
                           luaL_typename(L, -1));
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return boxes;
}

/* roi_weights(boxes, height, width, size, scale, bins) -> (n * bins, height * width) */
static int roi_weights(lua_State *L) {
    int count, height = (int)luaL_checkinteger(L, 2), width = (int)luaL_checkinteger(L, 3);
    int size = (int)luaL_checkinteger(L, 4);
    double scale = luaL_checknumber(L, 5);
    bool bins = lua_toboolean(L, 6);
    luaL_argcheck(L, height >= 1 && width >= 1 && size >= 1, 2,
                  "a map and a size of at least 1 are wanted");
    float *boxes = read_boxes(L, 1, &count);
    int64_t shape[2] = {(int64_t)count * (bins ? size * size : 1), (int64_t)height * width};
    float *weights = bind_memory(L, (size_t)(shape[0] * shape[1]) * sizeof *weights);
    hoi_roi_weights(count, boxes, height, width, size, scale, bins, weights);
    return bind_tensor_push(L, hoi_tensor_from(bind_device(L), 2, shape, weights));
}

int luaopen_hoi_regions(lua_State *L);
int luaopen_hoi_regions(lua_State *L) {
    static const luaL_Reg functions[] = {{"roi_weights", roi_weights}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
