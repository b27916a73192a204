/* ops_conv: convolutions and pools of pictures (count, height, width, channels). */
#include "core/error.h"
#include "core/ops_table.h"

/* Gets the windows of x; false where they do not fit. */
static bool windows_of(const hoi_tensor *x, int64_t kernel, int64_t stride, int64_t pad,
                       const char *name, hoi_windows *w) {
    char text[96];
    if (!hoi_wants_float(x, name))
        return false;
    if (x->rank != 4)
        return hoi_fail("%s: pictures (count, height, width, channels) are wanted, this is %s",
                        name, hoi_shape_text(x->rank, x->shape, text));
    if (kernel < 1 || stride < 1 || pad < 0 || pad >= kernel || x->shape[1] + 2 * pad < kernel ||
        x->shape[2] + 2 * pad < kernel)
        return hoi_fail("%s: kernel %lld, stride %lld, pad %lld on %s", name, (long long)kernel,
                        (long long)stride, (long long)pad, hoi_shape_text(x->rank, x->shape, text));
    *w = (hoi_windows){(int)x->shape[0],
                       (int)x->shape[1],
                       (int)x->shape[2],
                       (int)x->shape[3],
                       (int)kernel,
                       (int)stride,
                       (int)pad,
                       (int)((x->shape[1] + 2 * pad - kernel) / stride + 1),
                       (int)((x->shape[2] + 2 * pad - kernel) / stride + 1)};
    return true;
}

static int64_t places_of(const hoi_windows *w) {
    return (int64_t)w->pictures * w->rows * w->columns;
}

/* ---- conv2d: in = (x, weight (out, k, k, channels), bias, residual), n = stride, pad,
   activation ---- */

static hoi_tensor *conv_forward(const hoi_arguments *a, hoi_tensor **saved) {
    hoi_tensor *x = a->in[0], *weight = a->in[1], *bias = a->in[2], *residual = a->in[3], *y;
    char left[96], right[96];
    hoi_windows w;
    hoi_pack pack;
    hoi_buffer *made = NULL;
    (void)saved;
    if (weight->rank != 4 || weight->shape[1] != weight->shape[2] || x->rank != 4 ||
        x->shape[3] != weight->shape[3]) {
        hoi_fail("conv2d: %s through a weight %s; pictures are (count, height, width, channels), "
                 "the weight (out, k, k, channels)",
                 hoi_shape_text(x->rank, x->shape, left),
                 hoi_shape_text(weight->rank, weight->shape, right));
        return NULL;
    }
    if (!windows_of(x, weight->shape[1], a->n[0], a->n[1], "conv2d", &w) ||
        (bias && !hoi_wants_float(bias, "conv2d")) ||
        (residual && !hoi_wants_float(residual, "conv2d")))
        return NULL;
    int64_t shape[4] = {w.pictures, w.rows, w.columns, weight->shape[0]};
    if (bias && !hoi_tensor_is(bias, 1, weight->shape)) {
        hoi_fail("conv2d: a bias %s for a weight %s", hoi_shape_text(bias->rank, bias->shape, left),
                 hoi_shape_text(weight->rank, weight->shape, right));
        return NULL;
    }
    if (residual && !hoi_tensor_is(residual, 4, shape)) {
        hoi_fail("conv2d: a residual %s for a result %s",
                 hoi_shape_text(residual->rank, residual->shape, left),
                 hoi_shape_text(4, shape, right));
        return NULL;
    }
    if (a->n[2] != HOI_LINEAR && a->n[2] != HOI_RELU) {
        hoi_fail("conv2d: the activation is relu or none");
        return NULL;
    }
    hoi_device *device = hoi_tensor_device(x);
    if (!(y = hoi_tensor_new(device, 4, shape)) || hoi_tensor_count(y) == 0)
        return y;
    hoi_tensor *flat = hoi_tensor_view(
        weight, 0, 2, (int64_t[]){shape[3], (int64_t)w.kernel * w.kernel * w.channels});
    int64_t step = 0;
    bool transformed = weight->dtype == HOI_F32 && launch_winograd_pays(device, &w);
    bool ok = transformed ? hoi_tensor_pack_winograd(weight, !weight->node, &pack, &step, &made)
                          : flat && hoi_tensor_pack(flat, true, !weight->node, &pack, &made);
    if (ok) {
        hoi_gemm g = {.n = (int)shape[3],
                      .b_step = step,
                      .a = hoi_tensor_span(x),
                      .b = pack,
                      .c = hoi_tensor_span(y),
                      .c_row = shape[3],
                      .residual_first = true,
                      .activation = (hoi_activation)a->n[2],
                      .alpha = 1.0f};
        if (bias)
            g.bias = hoi_tensor_span(bias);
        if (residual)
            g.residual = hoi_tensor_span(residual);
        ok = transformed ? launch_winograd(device, &w, &g) : launch_conv(device, &w, &g);
    }
    hoi_buffer_free(made);
    hoi_tensor_free(flat);
    return hoi_finish(y, ok);
}

/* Calls visit for runs of lines (rows of places), few enough that their windows stay within some
   tens of megabytes. dz (places, out), columns: memory for the windows of a run. */
static bool for_lines(const hoi_windows *w, hoi_tensor *dz,
                      bool (*visit)(void *context, hoi_tensor *dz, hoi_tensor *columns,
                                    int64_t line, int64_t lines),
                      void *context) {
    int64_t n = dz->shape[1], k = (int64_t)w->kernel * w->kernel * w->channels,
            all = (int64_t)w->pictures * w->rows;
    int64_t each = ((int64_t)1 << 23) / (k * w->columns > 0 ? k * w->columns : 1) + 1;
    bool ok = true;
    for (int64_t line = 0; ok && line < all; line += each) {
        int64_t lines = all - line < each ? all - line : each, rows = lines * w->columns;
        hoi_tensor *part = hoi_tensor_view(dz, line * w->columns * n, 2, (int64_t[]){rows, n});
        hoi_tensor *columns = hoi_tensor_new(hoi_tensor_device(dz), 2, (int64_t[]){rows, k});
        ok = part && columns && visit(context, part, columns, line, lines);
        hoi_tensor_free(part);
        hoi_tensor_free(columns);
    }
    return ok;
}

typedef struct gradient {
    const hoi_windows *w;
    hoi_tensor *x, *dx, *dw; /* dw (out, k * k * channels) */
    hoi_pack pack;           /* the weight, to be summed over `out` */
} gradient;

static bool add_weight_part(void *context, hoi_tensor *dz, hoi_tensor *columns, int64_t line,
                            int64_t lines) {
    gradient *g = context;
    return launch_windows(hoi_tensor_device(dz), g->w, hoi_tensor_span(g->x),
                          hoi_tensor_span(columns), line * g->w->columns, lines * g->w->columns) &&
           hoi_add_product(dz, columns, g->dw, line > 0, NULL);
}

static bool add_input_part(void *context, hoi_tensor *dz, hoi_tensor *columns, int64_t line,
                           int64_t lines) {
    gradient *g = context;
    int n = (int)dz->shape[1], k = (int)columns->shape[1];
    return launch_gemm(hoi_tensor_device(dz), &(hoi_gemm){.m = (int)dz->shape[0],
                                                          .n = k,
                                                          .k = n,
                                                          .count = 1,
                                                          .a = hoi_tensor_span(dz),
                                                          .a_row = n,
                                                          .b = g->pack,
                                                          .c = hoi_tensor_span(columns),
                                                          .c_row = k,
                                                          .alpha = 1.0f}) &&
           launch_windows_back(hoi_tensor_device(dz), g->w, hoi_tensor_span(columns),
                               hoi_tensor_span(g->dx), line, lines);
}

/* With dz = dy where y > 0 (relu): dw = dz' windows, dx = what the windows dz w add up to. */
static bool conv_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *x = node->a.in[0], *weight = node->a.in[1], *dz = hoi_tensor_detach(dy);
    hoi_device *device = hoi_tensor_device(x);
    hoi_windows w;
    hoi_buffer *made = NULL;
    bool ok = dz && windows_of(x, weight->shape[1], node->a.n[0], node->a.n[1], "conv2d", &w);
    if (ok && node->a.n[2] == HOI_RELU) {
        hoi_tensor_free(dz);
        dz = hoi_tensor_new(device, dy->rank, dy->shape);
        ok = dz && launch_unary_back(device, HOI_LEAKY, 0.0f, 0.0f, hoi_tensor_span(node->y),
                                     hoi_tensor_span(node->y), hoi_tensor_span(dy),
                                     hoi_tensor_span(dz), hoi_tensor_count(dy));
    }
    if (ok && hoi_node_wants(node, 3))
        ok = hoi_node_give(node, 3, hoi_tensor_detach(dz));
    int64_t n = weight->shape[0], k = hoi_tensor_count(weight) / (n > 0 ? n : 1);
    hoi_tensor *rows =
        ok ? hoi_tensor_view(dz, 0, 2, (int64_t[]){hoi_tensor_count(dz) / (n > 0 ? n : 1), n})
           : NULL;
    ok = ok && rows;
    gradient g = {.w = &w, .x = x};
    if (ok && hoi_node_wants(node, 0)) {
        hoi_tensor *flat = hoi_tensor_view(weight, 0, 2, (int64_t[]){n, k});
        g.dx = hoi_tensor_full(device, 4, x->shape, 0.0f);
        ok = g.dx && flat && hoi_tensor_pack(flat, false, !weight->node, &g.pack, &made) &&
             for_lines(&w, rows, add_input_part, &g);
        hoi_tensor_free(flat);
        ok = hoi_node_give(node, 0, hoi_finish(g.dx, ok)) && ok;
    }
    if (ok && hoi_node_wants(node, 1)) {
        hoi_tensor *dw = places_of(&w) > 0 ? hoi_tensor_new(device, 4, weight->shape)
                                           : hoi_tensor_full(device, 4, weight->shape, 0.0f);
        g.dw = dw ? hoi_tensor_view(dw, 0, 2, (int64_t[]){n, k}) : NULL;
        ok = g.dw && for_lines(&w, rows, add_weight_part, &g);
        hoi_tensor_free(g.dw);
        ok = hoi_node_give(node, 1, hoi_finish(dw, ok)) && ok;
    }
    if (ok && hoi_node_wants(node, 2))
        ok = hoi_node_give(node, 2, hoi_sum_plain(rows, 0, false));
    hoi_buffer_free(made);
    hoi_tensor_free(rows);
    hoi_tensor_free(dz);
    return ok;
}

/* ---- pools: n = kernel, stride, pad ---- */

static hoi_tensor *pool(const hoi_arguments *a, bool most) {
    hoi_tensor *x = a->in[0], *y;
    const char *name = most ? "max_pool" : "mean_pool";
    hoi_windows w;
    if (!windows_of(x, a->n[0], a->n[1], a->n[2], name, &w))
        return NULL;
    if (2 * w.pad > w.kernel) {
        hoi_fail("%s: a pad of %d is more than half of the kernel, %d", name, w.pad, w.kernel);
        return NULL;
    }
    y = hoi_tensor_new(hoi_tensor_device(x), 4,
                       (int64_t[]){w.pictures, w.rows, w.columns, w.channels});
    if (!y || hoi_tensor_count(y) == 0)
        return y;
    return hoi_finish(
        y, launch_pool(hoi_tensor_device(x), &w, most, hoi_tensor_span(x), hoi_tensor_span(y)));
}

static hoi_tensor *max_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    return pool(a, true);
}

static hoi_tensor *mean_forward(const hoi_arguments *a, hoi_tensor **saved) {
    (void)saved;
    return pool(a, false);
}

static bool pool_pullback(hoi_node *node, hoi_tensor *dy, bool most) {
    hoi_tensor *x = node->a.in[0], *dx = hoi_tensor_new(hoi_tensor_device(x), 4, x->shape);
    hoi_windows w;
    bool ok =
        dx && windows_of(x, node->a.n[0], node->a.n[1], node->a.n[2], "pool", &w) &&
        (hoi_tensor_count(x) == 0 ||
         launch_pool_back(hoi_tensor_device(x), &w, most, hoi_tensor_span(x),
                          hoi_tensor_span(node->y), hoi_tensor_span(dy), hoi_tensor_span(dx)));
    return hoi_node_give(node, 0, hoi_finish(dx, ok)) && ok;
}

static bool max_pullback(hoi_node *node, hoi_tensor *dy) {
    return pool_pullback(node, dy, true);
}

static bool mean_pullback(hoi_node *node, hoi_tensor *dy) {
    return pool_pullback(node, dy, false);
}

const hoi_operation hoi_conv_operations[] = {{"conv2d", conv_forward, conv_pullback, NULL},
                                             {"max_pool", max_forward, max_pullback, NULL},
                                             {"mean_pool", mean_forward, mean_pullback, NULL}};

hoi_tensor *hoi_conv2d(hoi_tensor *x, hoi_tensor *weight, hoi_tensor *bias, int stride, int pad,
                       hoi_activation activation, hoi_tensor *residual) {
    return hoi_apply(&hoi_conv_operations[0], &(hoi_arguments){.in = {x, weight, bias, residual},
                                                               .count = 4,
                                                               .n = {stride, pad, activation}});
}

hoi_tensor *hoi_max_pool(hoi_tensor *x, int kernel, int stride, int pad) {
    return hoi_apply(&hoi_conv_operations[1],
                     &(hoi_arguments){.in = {x}, .count = 1, .n = {kernel, stride, pad}});
}

hoi_tensor *hoi_mean_pool(hoi_tensor *x, int kernel, int stride, int pad) {
    return hoi_apply(&hoi_conv_operations[2],
                     &(hoi_arguments){.in = {x}, .count = 1, .n = {kernel, stride, pad}});
}
