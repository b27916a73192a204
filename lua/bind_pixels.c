/* bind_pixels: hoi.pixels: pictures as tensors a tower reads. */
#include "core/image.h"
#include "core/mini.h"
#include "lua/bind_tensor.h"

#include <string.h>

/* Reads {size, warp, pad, mean, std} at `index`. */
static hoi_preprocess read_preprocess(lua_State *L, int index) {
    hoi_preprocess p = {.size = 224};
    const char *const lists[2] = {"mean", "std"};
    luaL_checktype(L, index, LUA_TTABLE);
    p.size = (int)bind_integer(L, index, "size", 224);
    p.warp = bind_boolean(L, index, "warp", false);
    p.pad = bind_boolean(L, index, "pad", false);
    for (int k = 0; k < 2; ++k) {
        if (lua_getfield(L, index, lists[k]) != LUA_TTABLE)
            luaL_error(L, "pixels: '%s' is a list of three numbers", lists[k]);
        for (int c = 0; c < 3; ++c) {
            lua_rawgeti(L, -1, c + 1);
            (k ? p.std : p.mean)[c] = (float)luaL_checknumber(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    if (p.size < 1 || p.std[0] == 0.0f || p.std[1] == 0.0f || p.std[2] == 0.0f)
        luaL_error(L, "pixels: a size of at least 1 and deviations other than 0 are wanted");
    return p;
}

/* of(image or list of images, preprocess) -> (count, 3, size, size) */
static int of(lua_State *L) {
    lua_settop(L, 2);
    hoi_preprocess p = read_preprocess(L, 2);
    bool list = lua_istable(L, 1);
    int n = list ? (int)luaL_len(L, 1) : 1;
    size_t each = (size_t)3 * (size_t)p.size * (size_t)p.size;
    float *values = bind_memory(L, (size_t)n * each * sizeof *values);
    for (int i = 0; i < n; ++i) {
        if (list)
            lua_rawgeti(L, 1, i + 1);
        else
            lua_pushvalue(L, 1);
        const hoi_image *image = bind_check(L, lua_gettop(L), "hoi.Image");
        if (!hoi_image_preprocess(image, &p, values + (size_t)i * each))
            return bind_raise(L);
        lua_pop(L, 1);
    }
    return bind_tensor_push(
        L, hoi_tensor_from(bind_device(L), 4, (int64_t[]){n, 3, p.size, p.size}, values));
}

/* whole(image, preprocess) -> (1, height, width, 3): the picture as it is, channels last */
static int whole(lua_State *L) {
    lua_settop(L, 2);
    hoi_preprocess p = read_preprocess(L, 2);
    const hoi_image *image = bind_check(L, 1, "hoi.Image");
    size_t n = (size_t)image->width * (size_t)image->height * 3;
    float *values = bind_memory(L, n * sizeof *values), table[256][3];
    for (int v = 0; v < 256; ++v)
        for (int c = 0; c < 3; ++c)
            table[v][c] = ((float)v / 255.0f - p.mean[c]) / p.std[c];
    for (size_t i = 0; i < n; i += 3)
        for (size_t c = 0; c < 3; ++c)
            values[i + c] = table[image->rgb[i + c]][c];
    return bind_tensor_push(
        L,
        hoi_tensor_from(bind_device(L), 4, (int64_t[]){1, image->height, image->width, 3}, values));
}

/* crops(image, boxes, preprocess, margin, minimum) -> (boxes, 3, size, size): squares around boxes
   */
static int crops(lua_State *L) {
    lua_settop(L, 5);
    const hoi_image *image = bind_check(L, 1, "hoi.Image");
    luaL_checktype(L, 2, LUA_TTABLE);
    hoi_preprocess p = read_preprocess(L, 3);
    float margin = (float)luaL_optnumber(L, 4, 1.2);
    int minimum = (int)luaL_optinteger(L, 5, 1), n = (int)luaL_len(L, 2);
    float *boxes = bind_memory(L, (size_t)n * 4 * sizeof *boxes);
    for (int i = 0; i < n; ++i) {
        lua_rawgeti(L, 2, i + 1);
        for (int k = 0; k < 4; ++k) {
            lua_rawgeti(L, -1, k + 1);
            boxes[4 * i + k] = (float)luaL_checknumber(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    float *values =
        bind_memory(L, (size_t)n * 3 * (size_t)p.size * (size_t)p.size * sizeof *values);
    if (!hoi_image_crop_preprocess(image, n, boxes, margin, minimum, &p, values))
        return bind_raise(L);
    return bind_tensor_push(
        L, hoi_tensor_from(bind_device(L), 4, (int64_t[]){n, 3, p.size, p.size}, values));
}

/* batch(mini batch, preprocess) -> (count, 3, 96, 96): bytes go to the device and are scaled there
   */
static int batch(lua_State *L) {
    lua_settop(L, 2);
    const hoi_mini_batch *b = bind_check(L, 1, "hoi.MiniBatch");
    hoi_preprocess p = read_preprocess(L, 2);
    hoi_device *device = bind_device(L);
    float scale[3], shift[3];
    size_t bytes = (size_t)b->count * HOI_MINI_SIZE * HOI_MINI_SIZE * 3;
    for (int c = 0; c < 3; ++c) {
        scale[c] = 1.0f / (255.0f * p.std[c]);
        shift[c] = -p.mean[c] / p.std[c];
    }
    hoi_tensor *x =
        hoi_tensor_new(device, 4, (int64_t[]){b->count, 3, HOI_MINI_SIZE, HOI_MINI_SIZE});
    hoi_buffer *raw = hoi_buffer_new(device, bytes);
    bool ok = x && raw && hoi_buffer_write(raw, 0, b->rgb, bytes) &&
              launch_bytes(device, (hoi_span){raw, 0}, hoi_tensor_span(x), b->count, HOI_MINI_SIZE,
                           HOI_MINI_SIZE, scale, shift);
    hoi_buffer_free(raw);
    if (!ok) {
        hoi_tensor_free(x);
        return bind_raise(L);
    }
    return bind_tensor_push(L, x);
}

/* cells(mini batch) -> (count, grid * grid, 13) of 0 and 1: what can be seen where */
static int cells(lua_State *L) {
    const hoi_mini_batch *b = bind_check(L, 1, "hoi.MiniBatch");
    luaL_argcheck(L, b->grid > 0, 1, "this batch was made without cells");
    size_t n = (size_t)b->count * (size_t)b->grid * (size_t)b->grid * HOI_MINI_CELL_CLASSES;
    float *values = bind_memory(L, n * sizeof *values);
    for (size_t i = 0; i < n; ++i)
        values[i] = (float)b->cells[i];
    return bind_tensor_push(
        L, hoi_tensor_from(bind_device(L), 3,
                           (int64_t[]){b->count, (int64_t)b->grid * b->grid, HOI_MINI_CELL_CLASSES},
                           values));
}

int luaopen_hoi_pixels(lua_State *L);
int luaopen_hoi_pixels(lua_State *L) {
    static const luaL_Reg functions[] = {{"of", of},       {"whole", whole}, {"crops", crops},
                                         {"batch", batch}, {"cells", cells}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
