/* launch_winograd: 3 x 3 convolutions by Winograd's transform: squares in, 16 products, squares out,
   some megabytes at a time. */
#include "opencl/launch.h"
#include "opencl/machine.h"

enum { PLACES = 16, FLOATS = 1 << 21 }; /* of a chunk's squares: they should stay in a last cache */

static int64_t squares_of(const hoi_windows *w) {
    return (int64_t)w->pictures * pieces(w->rows, 2) * pieces(w->columns, 2);
}

bool launch_winograd_pays(const hoi_device *device, const hoi_windows *w) {
    return !device->set.gpu && w->kernel == 3 && w->stride == 1 && w->channels >= 128 &&
           squares_of(w) >= 32;
}

static hoi_job job(const hoi_device *device, const char *kernel, int64_t count, int64_t *piece) {
    *piece = pieces(count, (int64_t)device->info.units * 16);
    return (hoi_job){
        "cpu/winograd.cl", NULL, kernel, {pieces(count, *piece), 1, 1}, .single = true};
}

bool launch_winograd_weights(hoi_device *device, hoi_span w, hoi_span u, int n, int channels) {
    int64_t piece;
    hoi_job j = job(device, "winograd_weights", n, &piece);
    return hoi_run(device, &j, "bbiii", w, u, (int64_t)n, (int64_t)channels, piece);
}

bool launch_winograd(hoi_device *device, const hoi_windows *w, const hoi_gemm *g) {
    int64_t squares = squares_of(w), most = FLOATS / (PLACES * (int64_t)w->channels), piece;
    int down = (int)pieces(w->rows, 2), along = (int)pieces(w->columns, 2);
    cl_int8 in = {{w->height, w->width, w->channels, w->pad, down, along}};
    cl_int8 out = {{w->rows, w->columns, g->n, down, along}};
    int64_t flags = (g->bias.buffer ? 1 : 0) | (g->residual.buffer ? 2 : 0) |
                    (g->activation == HOI_RELU ? 4 : 0);
    hoi_span none = {g->c.buffer, 0};
    /* equal chunks */
    most = pieces(squares, pieces(squares, most > 64 ? most : 64));
    hoi_buffer *v = hoi_buffer_new(device, (size_t)(PLACES * most * w->channels) * sizeof(float)),
               *m = v ? hoi_buffer_new(device, (size_t)(PLACES * most * g->n) * sizeof(float))
                      : NULL;
    bool ok = m != NULL;
    for (int64_t at = 0; ok && at < squares; at += most) {
        int64_t count = squares - at < most ? squares - at : most;
        hoi_gemm part = {.m = (int)count,
                         .n = g->n,
                         .k = w->channels,
                         .count = PLACES,
                         .a = {v, 0},
                         .a_row = w->channels,
                         .a_step = count * w->channels,
                         .b = g->b,
                         .b_step = g->b_step,
                         .c = {m, 0},
                         .c_row = g->n,
                         .c_step = count * g->n,
                         .alpha = 1.0f};
        hoi_job before = job(device, "winograd_in", count, &piece);
        ok = hoi_run(device, &before, "bb8iii", g->a, part.a, &in, at, count, piece) &&
             launch_gemm(device, &part);
        hoi_job after = job(device, "winograd_out", count, &piece);
        ok = ok &&
             hoi_run(device, &after, "bbbb8iiii", part.c, g->c, g->bias.buffer ? g->bias : none,
                     g->residual.buffer ? g->residual : none, &out, at, count, piece, flags);
    }
    hoi_buffer_free(v);
    hoi_buffer_free(m);
    return ok;
}
