/* launch_product: how matrix products and attention are set up: tiles, packs, chunks. */
#include "core/error.h"
#include "opencl/launch.h"
#include "opencl/machine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- matrix products ---- */

/* Tiles of accumulators that fill the registers without spilling, best first. columns: vectors of a
   panel. */
static const struct tile {
    int registers, columns, rows;
} tiles[] = {{32, 4, 6}, {32, 3, 8}, {32, 2, 12}, {32, 1, 12}, {16, 2, 6}, {16, 3, 4}, {16, 1, 8}};

/* The tile with the least padding for n columns; the first of the table among equals. */
static const struct tile *tile_for(const hoi_device *device, int n) {
    const struct tile *best = NULL;
    int64_t least = 0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; ++i) {
        if (tiles[i].registers != device->set.registers)
            continue;
        /* one vector of columns wastes loads: it must save a third to be chosen */
        int64_t cost =
            round_up(n, tiles[i].columns * device->set.width) * (tiles[i].columns == 1 ? 3 : 2);
        if (!best || cost < least) {
            best = &tiles[i];
            least = cost;
        }
    }
    return best;
}

static const struct tile *tile_of_width(const hoi_device *device, int width) {
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; ++i)
        if (tiles[i].registers == device->set.registers &&
            tiles[i].columns * device->set.width == width)
            return &tiles[i];
    return NULL;
}

int64_t launch_pack_size(hoi_device *device, int n, int k, hoi_pack *pack) {
    pack->row = 0;
    pack->width = tile_for(device, n)->columns * device->set.width;
    return round_up(n, pack->width) * k;
}

bool launch_pack_needless(const hoi_device *device) {
    return device->set.gpu;
}

bool launch_pack_in_place(hoi_device *device, hoi_span in, int n, hoi_pack *pack) {
    if (device->set.gpu)
        return false;
    *pack = (hoi_pack){in, HOI_STORED_FLOAT, tile_for(device, n)->columns * device->set.width, n};
    return true;
}

bool launch_pack(hoi_device *device, hoi_span in, bool across, int lead, int n, int k, int count,
                 int64_t in_step, int64_t out_step, const hoi_pack *out) {
    int64_t panels = pieces(n, out->width), piece = k;
    if (panels == 0 || k == 0 || count == 0)
        return true;
    while (panels * pieces(k, piece) * count < 2 * device->info.units && piece > 64)
        piece = round_up(piece / 2, 8);
    if (!device->set.gpu && across && out->type == HOI_STORED_FLOAT)
        return hoi_run(device,
                       &(hoi_job){"cpu/turn.cl",
                                  NULL,
                                  "pack_rows",
                                  {panels, pieces(k, piece), count},
                                  .single = true},
                       "bbiiiiiii", in, out->span, (int64_t)lead, (int64_t)n, (int64_t)k,
                       (int64_t)out->width, piece, in_step, out_step);
    return hoi_run(device,
                   &(hoi_job){"pack.cl",
                              NULL,
                              out->type == HOI_STORED_FLOAT ? "pack" : "pack_short",
                              {panels, pieces(k, piece), count},
                              .single = true},
                   "bbiiiiiiii", in, out->span, (int64_t)across, (int64_t)lead, (int64_t)n,
                   (int64_t)k, (int64_t)out->width, piece, in_step, out_step);
}

bool launch_unpack(hoi_device *device, const hoi_pack *in, int n, int k, hoi_span out) {
    hoi_span packed = in->span;
    if (in->type == HOI_STORED_PAIRS) { /* a pair is one value of twice the width */
        packed.at /= 2;
        out.at /= 2;
        k /= 2;
    }
    int64_t piece = 64;
    return hoi_run(device,
                   &(hoi_job){"pack.cl",
                              NULL,
                              in->type == HOI_STORED_FLOAT || in->type == HOI_STORED_PAIRS
                                  ? "unpack"
                                  : "unpack_short",
                              {pieces(n, in->width), pieces(k, piece), 1},
                              .single = true},
                   "bbiiii", packed, out, (int64_t)n, (int64_t)k, (int64_t)in->width, piece);
}

bool launch_turn_pack(hoi_device *device, const hoi_pack *in, int n, int k, const hoi_pack *out) {
    int64_t piece = 64;
    return hoi_run(device,
                   &(hoi_job){"cpu/turn.cl",
                              NULL,
                              "turn_pack",
                              {pieces(k, out->width), pieces(n, piece), 1},
                              .single = true},
                   "bbiiiii", in->span, out->span, (int64_t)n, (int64_t)k, (int64_t)in->width,
                   (int64_t)out->width, piece);
}

/* Of a product with A across: rows of a block, which keep a panel of B in the nearest cache (more
   where C is wide, for its sums go out and back each block); numbers of C to stay in the second. */
enum { ACROSS_DEPTH = 128, ACROSS_SUMS = 1 << 18 };

/* How such a product is dealt out: tiles of a chunk and panels of a piece, so that all units end
   together. In panels' worth of work, laying out a tile's columns of A costs about 0.2, a panel of
   B 0.5. */
static void deal(const hoi_device *device, const struct tile *tile, const hoi_gemm *g,
                 int64_t depth, int64_t *chunk, int64_t *piece) {
    int64_t panels = pieces(g->n, g->b.width), tall = pieces(g->m, tile->rows);
    int64_t most = (int64_t)device->info.local_memory / 8 / (tile->rows * depth);
    double least = INFINITY;
    if (most > 34)
        most = 34;
    for (int64_t split = 1; split <= panels; ++split)
        for (int64_t t = 1; t == 1 || (t <= most && t <= tall); ++t) {
            int64_t items = pieces(tall, t) * split * g->count, each = pieces(panels, split);
            double cost = (double)pieces(items, device->info.units) *
                          ((double)(t * each) + 0.2 * (double)t + 0.5 * (double)each);
            if (t * tile->rows * each * g->b.width > ACROSS_SUMS)
                cost *= 1.25;
            if (cost < least) {
                least = cost;
                *chunk = t * tile->rows;
                *piece = each;
            }
        }
}

static void gradient_defines(const hoi_device *device, const struct tile *tile, char text[64]) {
    snprintf(text, 64, "-DNV=%d -DMR=%d -DPREFETCH=%d", tile->columns, tile->rows,
             hoi_on_pocl(device));
}

static bool launch_gradient(hoi_device *device, const hoi_gemm *g, const struct tile *tile,
                            double flops) {
    char defines[64];
    int64_t chunk = 1, piece = 1, depth = g->n > 512 ? 2 * ACROSS_DEPTH : ACROSS_DEPTH;
    deal(device, tile, g, depth, &chunk, &piece);
    size_t totals = (size_t)round_up(chunk, device->set.width) * sizeof(float);
    gradient_defines(device, tile, defines);
    return hoi_run(
        device,
        &(hoi_job){"cpu/gradient.cl",
                   defines,
                   "gradient",
                   {pieces(g->m, chunk), pieces(pieces(g->n, g->b.width), piece), g->count},
                   .single = true,
                   .flops = flops},
        "biibiibiiiiiiiiibmmmm", g->a, g->a_row, g->a_step, g->b.span, g->b.row, g->b_step, g->c,
        g->c_row, g->c_step, (int64_t)g->m, (int64_t)g->n, (int64_t)g->k, chunk, piece, depth,
        (int64_t)g->accumulate, g->sums.buffer ? g->sums : (hoi_span){g->c.buffer, -1},
        (size_t)(chunk * (depth + 2)) * sizeof(float), (size_t)(g->b.width * depth) * sizeof(float),
        totals, totals);
}

bool launch_column_sums(hoi_device *device, hoi_span a, int k, int m, hoi_span sums) {
    char defines[64];
    const struct tile *tile = tile_for(device, m);
    int64_t width = device->set.width, chunk = 4 * width;
    size_t room = (size_t)chunk * sizeof(float);
    if (device->set.gpu)
        return launch_reduce(device, HOI_SUM, 1.0f, a, sums, 1, k, m);
    gradient_defines(device, tile, defines);
    return hoi_run(
        device,
        &(hoi_job){
            "cpu/gradient.cl", defines, "column_sums", {pieces(m, chunk), 1, 1}, .single = true},
        "bbiiimm", a, sums, (int64_t)m, (int64_t)k, chunk, room, room);
}

enum { GROUP_BYTES = 640 << 10 }; /* of panels that a row goes through: half of a second cache */

bool launch_activation_back(hoi_device *device, hoi_activation activation, hoi_span before,
                            hoi_span dy, hoi_span dx, int64_t n) {
    hoi_unary op = activation == HOI_QUICK_GELU ? HOI_QUICK_GELU_OF
                   : activation == HOI_GELU     ? HOI_GELU_OF
                                                : HOI_LEAKY;
    return launch_unary_back(device, op, 0.0f, 0.0f, before, before, dy, dx, n);
}

bool launch_gemm(hoi_device *device, const hoi_gemm *g) {
    char defines[128];
    if (g->back && (device->set.gpu || g->b.type == HOI_STORED_PAIRS)) { /* one after the other */
        hoi_gemm plain = *g;
        plain.back = false;
        plain.before.buffer = NULL;
        plain.activation = HOI_LINEAR;
        return launch_gemm(device, &plain) &&
               launch_activation_back(device, g->activation, g->before, g->c, g->c,
                                      (int64_t)g->m * g->n);
    }
    int flags = (g->bias.buffer ? 1 : 0) | (g->residual.buffer ? 2 : 0) |
                (g->before.buffer && !g->back ? 4 : 0) | (g->accumulate ? 8 : 0) |
                (int)g->activation << 4 | (g->residual.buffer && g->residual_first ? 256 : 0);
    hoi_span none = {g->c.buffer, 0};
    hoi_span bias = g->bias.buffer ? g->bias : none,
             residual = g->residual.buffer ? g->residual : none,
             before = g->before.buffer ? g->before : none;
    double flops = 2.0 * g->m * g->n * g->k * g->count;
    if (g->m == 0 || g->n == 0 || g->count == 0)
        return true;
    if (device->set.gpu && g->sums.buffer) { /* one after the other */
        hoi_gemm plain = *g;
        plain.sums.buffer = NULL;
        return launch_column_sums(device, g->a, g->k, g->m, g->sums) && launch_gemm(device, &plain);
    }
    if (device->set.gpu)
        return hoi_gemm_groups(device, g, (int64_t)flags, bias, residual, before);
    if (g->b.type == HOI_STORED_PAIRS)
        return hoi_gemm_pairs(device, g, flags, bias, residual, before);
    const struct tile *tile = tile_of_width(device, g->b.width);
    if (g->a_across)
        return launch_gradient(device, g, tile, flops);
    int64_t panels = pieces(g->n, g->b.width), chunks = pieces(g->m, 200), tile_rows = tile->rows,
            group = 1, block = g->k > 0 ? g->k : 1;
    if (g->windows) { /* as many whole pixels at once as leave room in the nearest cache */
        int64_t channels = g->windows->channels;
        block = channels < 768 ? 768 / channels * channels : channels;
        block = block < g->k ? block : g->k;
    }
    /* rows go through several panels at once where those are short, or where gathering them costs */
    while ((g->windows || g->k <= 256 || panels * g->b.width * block * 4 <= GROUP_BYTES) &&
           group < panels && 2 * group * g->b.width * block * 4 <= GROUP_BYTES &&
           pieces(panels, 2 * group) * pieces(g->m, 2 * tile_rows) * g->count >=
               4 * device->info.units)
        group *= 2;
    /* then whole rows of C lie side by side, and tiles can ask for the next ones */
    bool stream = group >= panels && g->c_row == g->n && g->n % g->b.width == 0 && block == g->k;
    panels = pieces(panels, group);
    /* equal chunks: the driver deals them out in halves; at least four times as many as there are
       units where rows allow it */
    while (panels * chunks * g->count < 4 * device->info.units && g->m > chunks * tile_rows * 2)
        ++chunks;
    int64_t chunk = round_up(pieces(g->m, chunks), tile_rows);
    cl_int8 shape = {{0}};
    size_t local = 0;
    if (g->windows) {
        const hoi_windows *w = g->windows;
        shape = (cl_int8){
            {w->height, w->width, w->channels, w->kernel, w->stride, w->pad, w->rows, w->columns}};
        local = (size_t)(tile_rows * block) * sizeof(float);
        if (local > device->info.local_memory)
            return hoi_fail("device: a convolution of %d channels wants %zu bytes of local memory, "
                            "%s has %zu",
                            w->channels, local, device->info.name, device->info.local_memory);
    }
    snprintf(defines, sizeof defines,
             "-DNV=%d -DMR=%d -DB_TYPE=%d -DPREFETCH=%d -DWINDOWS=%d -DSTREAM=%d -DBACK=%d",
             tile->columns, tile->rows, (int)g->b.type, hoi_on_pocl(device), g->windows != NULL,
             stream, g->back);
    return hoi_run(device,
                   &(hoi_job){"cpu/gemm.cl",
                              defines,
                              g->windows ? "conv" : "gemm",
                              {panels, pieces(g->m, chunk), g->count},
                              .single = true,
                              .flops = flops},
                   g->windows ? "biibibiibbbiiiiiifi8m" : "biibibiibbbiiiiiifi", g->a, g->a_row,
                   g->a_step, g->b.span, g->b_step, g->c, g->c_row, g->c_step, bias, residual,
                   before, (int64_t)g->m, (int64_t)g->n, (int64_t)g->k, chunk, block, group,
                   (double)g->alpha, (int64_t)flags, &shape, local);
}

bool launch_conv(hoi_device *device, const hoi_windows *w, const hoi_gemm *g) {
    hoi_gemm all = *g;
    int64_t places = (int64_t)w->pictures * w->rows * w->columns;
    all.m = (int)places;
    all.k = w->kernel * w->kernel * w->channels;
    all.count = 1;
    all.a_row = all.k;
    if (w->kernel == 1 && w->stride == 1 && w->pad == 0)
        return launch_gemm(device, &all);
    if (!device->set.gpu) {
        all.windows = w;
        return launch_gemm(device, &all);
    }
    /* written out some megabytes at a time */
    int64_t most = ((int64_t)1 << 23) / (all.k > 0 ? all.k : 1) + 64;
    most = most < places ? most : places;
    hoi_buffer *made = hoi_buffer_new(device, (size_t)(most * all.k) * sizeof(float));
    bool ok = made != NULL;
    for (int64_t at = 0; ok && at < places; at += most) {
        hoi_gemm part = all;
        part.m = (int)(places - at < most ? places - at : most);
        part.a = (hoi_span){made, 0};
        part.c.at += at * all.c_row;
        part.residual.at += at * all.c_row;
        part.before.at += at * all.c_row;
        ok = launch_windows(device, w, g->a, part.a, at, part.m) && launch_gemm(device, &part);
    }
    hoi_buffer_free(made);
    return ok;
}

/* ---- attention ---- */

static const char *attention_defines(const hoi_device *device) {
    return device->set.registers == 16 ? "-DNV=2 -DPREFETCH=1" : "-DNV=4 -DPREFETCH=1";
}

bool launch_attention(hoi_device *device, const hoi_attention *a) {
    int64_t flags = (a->mask.span.buffer ? 1 : 0) | (a->causal ? 2 : 0), w = device->set.width;
    int64_t wide = round_up(a->d, w), key_wide = round_up(a->keys, w), block = 24;
    hoi_lines mask = a->mask;
    if (!mask.span.buffer)
        mask.span.buffer = a->o.span.buffer;
    double flops =
        4.0 * a->pictures * a->heads * a->queries * a->keys * a->d * (a->causal ? 0.5 : 1.0);
    if (device->set.gpu)
        return hoi_run(device,
                       &(hoi_job){"gpu/attention.cl",
                                  NULL,
                                  "attention_forward",
                                  {round_up(a->queries, 64) / 4, a->heads * 16, a->pictures},
                                  {16, 16, 1},
                                  .flops = flops},
                       "biibiibiibiibiibiiiifi", a->q.span, a->q.row, a->q.step, a->k.span,
                       a->k.row, a->k.step, a->v.span, a->v.row, a->v.step, mask.span, mask.row,
                       mask.step, a->o.span, a->o.row, a->o.step, a->lse, (int64_t)a->queries,
                       (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads, (double)a->scale, flags);
    if (hoi_attention_pairs_fit(device, a))
        return hoi_attention_pairs(device, a, flops);
    /* split the queries only where heads and pictures do not feed every unit: each piece copies all
       keys again */
    int64_t split = 1, most = pieces(a->queries, block);
    while (split < most && a->heads * a->pictures * split < 4 * device->info.units)
        ++split;
    int64_t rows = round_up(pieces(a->queries, split), block);
    size_t local =
        (size_t)(2 * wide * key_wide + (block + 6) * (key_wide + wide) + 3 * 32) * sizeof(float);
    if (local > device->info.local_memory)
        return hoi_fail("device: attention over %d keys of width %d wants %zu bytes of local "
                        "memory, %s has %zu",
                        a->keys, a->d, local, device->info.name, device->info.local_memory);
    return hoi_run(device,
                   &(hoi_job){"cpu/attention.cl",
                              attention_defines(device),
                              "attention",
                              {a->heads, a->pictures, pieces(a->queries, rows)},
                              .single = true,
                              .flops = flops},
                   "biibiibiibiibiibiiiiifim", a->q.span, a->q.row, a->q.step, a->k.span, a->k.row,
                   a->k.step, a->v.span, a->v.row, a->v.step, mask.span, mask.row, mask.step,
                   a->o.span, a->o.row, a->o.step, a->lse, (int64_t)a->queries, (int64_t)a->keys,
                   (int64_t)a->d, (int64_t)a->heads, rows, (double)a->scale, flags, local);
}

bool launch_attention_back(hoi_device *device, const hoi_attention *a, hoi_span go, hoi_span dq,
                           hoi_span dk, hoi_span dv) {
    int64_t flags = (a->mask.span.buffer ? 1 : 0) | (a->causal ? 2 : 0), w = device->set.width;
    int64_t wide = round_up(a->d, w), key_wide = round_up(a->keys, w);
    hoi_lines mask = a->mask;
    if (!mask.span.buffer)
        mask.span.buffer = a->o.span.buffer;
    double flops =
        10.0 * a->pictures * a->heads * a->queries * a->keys * a->d * (a->causal ? 0.5 : 1.0);
    if (device->set.gpu)
        return hoi_run(device,
                       &(hoi_job){"gpu/attention.cl",
                                  NULL,
                                  "attention_back_queries",
                                  {round_up(a->queries, 64) / 4, a->heads * 16, a->pictures},
                                  {16, 16, 1},
                                  .flops = flops * 0.4},
                       "biibiibiibiibiibbbiiiifi", a->q.span, a->q.row, a->q.step, a->k.span,
                       a->k.row, a->k.step, a->v.span, a->v.row, a->v.step, mask.span, mask.row,
                       mask.step, a->o.span, a->o.row, a->o.step, go, a->lse, dq,
                       (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads,
                       (double)a->scale, flags) &&
               hoi_run(device,
                       &(hoi_job){"gpu/attention.cl",
                                  NULL,
                                  "attention_back_keys",
                                  {round_up(a->keys, 64) / 4, a->heads * 16, a->pictures},
                                  {16, 16, 1},
                                  .flops = flops * 0.6},
                       "biibiibiibiibiibbbbiiiifi", a->q.span, a->q.row, a->q.step, a->k.span,
                       a->k.row, a->k.step, a->v.span, a->v.row, a->v.step, mask.span, mask.row,
                       mask.step, a->o.span, a->o.row, a->o.step, go, a->lse, dk, dv,
                       (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads,
                       (double)a->scale, flags);
    int64_t rows = a->queries < 72 ? a->queries : 48;
    size_t local;
    for (;; rows = rows / 2) {
        local = (size_t)(2 * wide * key_wide + 3 * (key_wide + 6) * wide +
                         2 * (rows + 6) * key_wide + 3 * (rows + 6) * wide) *
                sizeof(float);
        if (local <= device->info.local_memory || rows < 12)
            break;
    }
    if (local > device->info.local_memory)
        return hoi_fail("device: attention over %d keys of width %d wants %zu bytes of local "
                        "memory, %s has %zu",
                        a->keys, a->d, local, device->info.name, device->info.local_memory);
    return hoi_run(device,
                   &(hoi_job){"cpu/attention.cl",
                              attention_defines(device),
                              "attention_back",
                              {a->heads, a->pictures, 1},
                              .single = true,
                              .flops = flops},
                   "biibiibiibiibiibbbbbiiiiifim", a->q.span, a->q.row, a->q.step, a->k.span,
                   a->k.row, a->k.step, a->v.span, a->v.row, a->v.step, mask.span, mask.row,
                   mask.step, a->o.span, a->o.row, a->o.step, go, a->lse, dq, dk, dv,
                   (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads, rows,
                   (double)a->scale, flags, local);
}
