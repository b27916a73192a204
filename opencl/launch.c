/* launch: how every kernel is set up: its file, its grid, its arguments. */
#include "opencl/launch.h"
#include "core/error.h"
#include "opencl/machine.h"

#include <stdarg.h>
#include <stdio.h>

/* One launch. groups: work-items in each dimension; flops: for the profile. Arguments by letter:
   b span (a buffer and its place), i int, l long, f float, 4 cl_int4, F cl_float4, 8 cl_int8, u ulong, m bytes of local memory. */
typedef struct job {
    const char *file, *defines, *kernel;
    int64_t grid[3];
    size_t local[3]; /* 0: one work-item per group where `single`, else the driver's choice */
    bool single;
    double flops;
} job;

static bool narrow(int64_t value, cl_int *out) {
    *out = (cl_int)value;
    return value >= INT32_MIN && value <= INT32_MAX;
}

static bool run(hoi_device *device, const job *j, const char *letters, ...) {
    cl_kernel kernel = hoi_program_kernel(device, j->file, j->defines ? j->defines : "", j->kernel);
    cl_uint at = 0;
    cl_int status = CL_SUCCESS;
    bool fits = true;
    va_list list;
    if (!kernel)
        return false;
    va_start(list, letters);
    for (const char *l = letters; *l && status == CL_SUCCESS && fits; ++l) {
        cl_int i;
        switch (*l) {
        case 'b': {
            hoi_span span = va_arg(list, hoi_span);
            status = clSetKernelArg(kernel, at++, sizeof(cl_mem), span.buffer ? &span.buffer->memory : NULL);
            fits = narrow(span.at, &i);
            if (status == CL_SUCCESS)
                status = clSetKernelArg(kernel, at++, sizeof i, &i);
            break;
        }
        case 'i':
            fits = narrow(va_arg(list, int64_t), &i);
            status = clSetKernelArg(kernel, at++, sizeof i, &i);
            break;
        case 'f': {
            cl_float f = (cl_float)va_arg(list, double);
            status = clSetKernelArg(kernel, at++, sizeof f, &f);
            break;
        }
        case 'u': {
            cl_ulong u = va_arg(list, uint64_t);
            status = clSetKernelArg(kernel, at++, sizeof u, &u);
            break;
        }
        case '4':
            status = clSetKernelArg(kernel, at++, sizeof(cl_int4), va_arg(list, const cl_int4 *));
            break;
        case 'F':
            status = clSetKernelArg(kernel, at++, sizeof(cl_float4), va_arg(list, const cl_float4 *));
            break;
        case '8':
            status = clSetKernelArg(kernel, at++, sizeof(cl_int8), va_arg(list, const cl_int8 *));
            break;
        default: status = clSetKernelArg(kernel, at++, va_arg(list, size_t), NULL);
        }
    }
    va_end(list);
    if (!fits)
        return hoi_fail("device: %s: a size or offset past 2^31 elements; use smaller tensors", j->kernel);
    if (status != CL_SUCCESS)
        return hoi_fail("device: clSetKernelArg(%s, argument %u): %s", j->kernel, at - 1, hoi_cl_name(status));
    size_t grid[3], local[3];
    for (int d = 0; d < 3; ++d) {
        if (j->grid[d] == 0)
            return true;
        grid[d] = (size_t)j->grid[d];
        local[d] = j->single ? 1 : j->local[d];
    }
    cl_event event;
    status = clEnqueueNDRangeKernel(device->queue, kernel, 3, NULL, grid, local[0] ? local : NULL, 0, NULL,
                                    device->profile ? &event : NULL);
    if (status != CL_SUCCESS)
        return hoi_fail("device: clEnqueueNDRangeKernel(%s): %s (global %zux%zux%zu, local %zux%zux%zu)", j->kernel,
                        hoi_cl_name(status), grid[0], grid[1], grid[2], local[0], local[1], local[2]);
    return !device->profile || hoi_profile_keep(device, j->kernel, j->flops, event);
}

static int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}
static int64_t pieces(int64_t n, int64_t piece) {
    return (n + piece - 1) / piece;
}

/* Values a work-item does. Processors: enough that a launch of few values is one piece, and many are dealt evenly. */
static int64_t piece_of(const hoi_device *device, int64_t n) {
    if (device->set.gpu)
        return device->set.width;
    int64_t piece = round_up(pieces(n, (int64_t)device->info.units * 8), 64);
    return piece < 1024 ? 1024 : piece;
}
static int64_t row_piece(const hoi_device *device, int64_t rows, int64_t cols) {
    if (device->set.gpu)
        return 1;
    int64_t piece = pieces(rows, (int64_t)device->info.units * 8), least = pieces(1024, cols > 0 ? cols : 1);
    return piece < least ? least : piece;
}

/* ---- matrix products ---- */

/* Tiles of accumulators that fill the registers without spilling, best first. columns: vectors of a panel. */
static const struct tile {
    int registers, columns, rows;
} tiles[] = {{32, 3, 8}, {32, 4, 6}, {32, 2, 12}, {32, 1, 12}, {16, 2, 6}, {16, 3, 4}, {16, 1, 8}};

/* The tile with the least padding for n columns; the first of the table among equals. */
static const struct tile *tile_for(const hoi_device *device, int n) {
    const struct tile *best = NULL;
    int64_t least = 0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; ++i) {
        if (tiles[i].registers != device->set.registers)
            continue;
        /* one vector of columns wastes loads: it must save a third to be chosen */
        int64_t cost = round_up(n, tiles[i].columns * device->set.width) * (tiles[i].columns == 1 ? 3 : 2);
        if (!best || cost < least) {
            best = &tiles[i];
            least = cost;
        }
    }
    return best;
}

static const struct tile *tile_of_width(const hoi_device *device, int width) {
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; ++i)
        if (tiles[i].registers == device->set.registers && tiles[i].columns * device->set.width == width)
            return &tiles[i];
    return NULL;
}

int64_t launch_pack_size(hoi_device *device, int n, int k, hoi_pack *pack) {
    pack->row = 0;
    pack->width = device->set.gpu ? 1 : tile_for(device, n)->columns * device->set.width;
    return round_up(n, pack->width) * k;
}

bool launch_pack_in_place(hoi_device *device, hoi_span in, int n, hoi_pack *pack) {
    /* whole panels only: nothing behind the last column may be read; rows 4 KB apart share too few lines of the cache */
    if (device->set.gpu || n >= 1024)
        return false;
    int width = tile_for(device, n)->columns * device->set.width;
    *pack = (hoi_pack){in, HOI_STORED_FLOAT, width, n};
    return n % width == 0;
}

bool launch_pack(hoi_device *device, hoi_span in, bool across, int lead, int n, int k, int count, int64_t in_step,
                 int64_t out_step, const hoi_pack *out) {
    int64_t panels = pieces(n, out->width), piece = device->set.gpu ? 16 : k;
    if (panels == 0 || k == 0 || count == 0)
        return true;
    while (!device->set.gpu && panels * pieces(k, piece) * count < 2 * device->info.units && piece > 64)
        piece = round_up(piece / 2, 8);
    return run(device,
               &(job){"pack.cl", NULL, out->type == HOI_STORED_FLOAT ? "pack" : "pack_short",
                      {panels, pieces(k, piece), count}, .single = !device->set.gpu},
               "bbiiiiiiii", in, out->span, (int64_t)across, (int64_t)lead, (int64_t)n, (int64_t)k, (int64_t)out->width,
               piece, in_step, out_step);
}

bool launch_gemm(hoi_device *device, const hoi_gemm *g) {
    char defines[96];
    int flags = (g->bias.buffer ? 1 : 0) | (g->residual.buffer ? 2 : 0) | (g->before.buffer ? 4 : 0) |
                (g->accumulate ? 8 : 0) | (int)g->activation << 4;
    hoi_span none = {g->c.buffer, 0};
    hoi_span bias = g->bias.buffer ? g->bias : none, residual = g->residual.buffer ? g->residual : none,
             before = g->before.buffer ? g->before : none;
    double flops = 2.0 * g->m * g->n * g->k * g->count;
    if (g->m == 0 || g->n == 0 || g->count == 0)
        return true;
    if (device->set.gpu) {
        snprintf(defines, sizeof defines, "-DA_ACROSS=%d -DB_TYPE=%d", g->a_across, (int)g->b.type);
        return run(device,
                   &(job){"gpu/gemm.cl", defines, "gemm", {round_up(g->n, 64) / 4, round_up(g->m, 64) / 4, g->count},
                          {16, 16, 1}, .flops = flops},
                   "biibibiibbbiiifi", g->a, g->a_row, g->a_step, g->b.span, g->b_step, g->c, g->c_row, g->c_step, bias,
                   residual, before, (int64_t)g->m, (int64_t)g->n, (int64_t)g->k, (double)g->alpha, (int64_t)flags);
    }
    const struct tile *tile = tile_of_width(device, g->b.width);
    int64_t panels = pieces(g->n, g->b.width), chunks = pieces(g->m, 200), tile_rows = tile->rows;
    /* equal chunks: the driver deals them out in halves; at least four times as many as there are units where rows allow it */
    while (panels * chunks * g->count < 4 * device->info.units && g->m > chunks * tile_rows * 2)
        ++chunks;
    int64_t chunk = round_up(pieces(g->m, chunks), tile_rows);
    int64_t a_tile = g->a_across ? tile_rows : tile_rows * g->a_row;
    /* A across is a weight gradient: k is a batch's rows, thousands of them, and blocks keep B's piece near */
    int64_t block = g->a_across && !g->accumulate ? 512 : g->k > 0 ? g->k : 1;
    snprintf(defines, sizeof defines, "-DNV=%d -DMR=%d -DA_ACROSS=%d -DB_TYPE=%d", tile->columns, tile->rows, g->a_across,
             (int)g->b.type);
    return run(device,
               &(job){"cpu/gemm.cl", defines, "gemm", {panels, pieces(g->m, chunk), g->count}, .single = true, .flops = flops},
               "biiibiiibiibbbiiiiifi", g->a, g->a_row, a_tile, g->a_step, g->b.span,
               g->b.row ? (int64_t)g->b.width : (int64_t)g->k * g->b.width, g->b.row ? g->b.row : (int64_t)g->b.width, g->b_step, g->c, g->c_row, g->c_step, bias, residual, before, (int64_t)g->m,
               (int64_t)g->n, (int64_t)g->k, chunk, block, (double)g->alpha, (int64_t)flags);
}

/* ---- attention ---- */

static const char *attention_defines(const hoi_device *device) {
    return device->set.registers == 16 ? "-DNV=2" : "-DNV=4";
}

bool launch_attention(hoi_device *device, const hoi_attention *a) {
    int64_t flags = (a->mask.span.buffer ? 1 : 0) | (a->causal ? 2 : 0), w = device->set.width;
    int64_t wide = round_up(a->d, w), key_wide = round_up(a->keys, w), block = 24;
    hoi_lines mask = a->mask;
    if (!mask.span.buffer)
        mask.span.buffer = a->o.span.buffer;
    double flops = 4.0 * a->pictures * a->heads * a->queries * a->keys * a->d * (a->causal ? 0.5 : 1.0);
    if (device->set.gpu)
        return run(device,
                   &(job){"gpu/attention.cl", NULL, "attention_forward",
                          {round_up(a->queries, 64) / 4, a->heads * 16, a->pictures}, {16, 16, 1}, .flops = flops},
                   "biibiibiibiibiibiiiifi", a->q.span, a->q.row, a->q.step, a->k.span, a->k.row, a->k.step, a->v.span,
                   a->v.row, a->v.step, mask.span, mask.row, mask.step, a->o.span, a->o.row, a->o.step, a->lse,
                   (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads, (double)a->scale, flags);
    /* split the queries only where heads and pictures do not feed every unit: each piece copies all keys again */
    int64_t split = 1, most = pieces(a->queries, block);
    while (split < most && a->heads * a->pictures * split < 4 * device->info.units)
        ++split;
    int64_t rows = round_up(pieces(a->queries, split), block);
    size_t local = (size_t)(2 * wide * key_wide + (block + 6) * (key_wide + wide) + 3 * 32) * sizeof(float);
    if (local > device->info.local_memory)
        return hoi_fail("device: attention over %d keys of width %d wants %zu bytes of local memory, %s has %zu", a->keys,
                        a->d, local, device->info.name, device->info.local_memory);
    return run(device,
               &(job){"cpu/attention.cl", attention_defines(device), "attention",
                      {a->heads, a->pictures, pieces(a->queries, rows)}, .single = true, .flops = flops},
               "biibiibiibiibiibiiiiifim", a->q.span, a->q.row, a->q.step, a->k.span, a->k.row, a->k.step, a->v.span,
               a->v.row, a->v.step, mask.span, mask.row, mask.step, a->o.span, a->o.row, a->o.step, a->lse,
               (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads, rows, (double)a->scale, flags, local);
}

bool launch_attention_back(hoi_device *device, const hoi_attention *a, hoi_span go, hoi_span dq, hoi_span dk, hoi_span dv) {
    int64_t flags = (a->mask.span.buffer ? 1 : 0) | (a->causal ? 2 : 0), w = device->set.width;
    int64_t wide = round_up(a->d, w), key_wide = round_up(a->keys, w);
    hoi_lines mask = a->mask;
    if (!mask.span.buffer)
        mask.span.buffer = a->o.span.buffer;
    double flops = 10.0 * a->pictures * a->heads * a->queries * a->keys * a->d * (a->causal ? 0.5 : 1.0);
    if (device->set.gpu)
        return run(device,
                   &(job){"gpu/attention.cl", NULL, "attention_back_queries",
                          {round_up(a->queries, 64) / 4, a->heads * 16, a->pictures}, {16, 16, 1},
                          .flops = flops * 0.4},
                   "biibiibiibiibiibbbiiiifi", a->q.span, a->q.row, a->q.step, a->k.span, a->k.row, a->k.step, a->v.span,
                   a->v.row, a->v.step, mask.span, mask.row, mask.step, a->o.span, a->o.row, a->o.step, go, a->lse, dq,
                   (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads, (double)a->scale, flags) &&
               run(device,
                   &(job){"gpu/attention.cl", NULL, "attention_back_keys",
                          {round_up(a->keys, 64) / 4, a->heads * 16, a->pictures}, {16, 16, 1},
                          .flops = flops * 0.6},
                   "biibiibiibiibiibbbbiiiifi", a->q.span, a->q.row, a->q.step, a->k.span, a->k.row, a->k.step, a->v.span,
                   a->v.row, a->v.step, mask.span, mask.row, mask.step, a->o.span, a->o.row, a->o.step, go, a->lse, dk, dv,
                   (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads, (double)a->scale, flags);
    int64_t rows = a->queries < 72 ? a->queries : 48;
    size_t local;
    for (;; rows = rows / 2) {
        local = (size_t)(2 * wide * key_wide + 3 * (key_wide + 6) * wide + 2 * (rows + 6) * key_wide + 3 * (rows + 6) * wide) *
                sizeof(float);
        if (local <= device->info.local_memory || rows < 12)
            break;
    }
    if (local > device->info.local_memory)
        return hoi_fail("device: attention over %d keys of width %d wants %zu bytes of local memory, %s has %zu", a->keys,
                        a->d, local, device->info.name, device->info.local_memory);
    return run(device,
               &(job){"cpu/attention.cl", attention_defines(device), "attention_back", {a->heads, a->pictures, 1},
                      .single = true, .flops = flops},
               "biibiibiibiibiibbbbbiiiiifim", a->q.span, a->q.row, a->q.step, a->k.span, a->k.row, a->k.step, a->v.span,
               a->v.row, a->v.step, mask.span, mask.row, mask.step, a->o.span, a->o.row, a->o.step, go, a->lse, dq, dk, dv,
               (int64_t)a->queries, (int64_t)a->keys, (int64_t)a->d, (int64_t)a->heads, rows, (double)a->scale, flags, local);
}

/* ---- pointwise ---- */

/* One work-item per piece of n. Graphics processors: whole groups of 64, as a driver finds none in a prime number; the items past
   the last piece do nothing. */
static job flat(const hoi_device *device, const char *file, const char *kernel, int64_t n, int64_t piece) {
    if (device->set.gpu)
        return (job){file, NULL, kernel, {round_up(pieces(n, piece), 64), 1, 1}, .local = {64, 1, 1}};
    return (job){file, NULL, kernel, {pieces(n, piece), 1, 1}, .single = true};
}

bool launch_unary(hoi_device *device, hoi_unary op, float a, float b, hoi_span x, hoi_span y, int64_t n) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "pointwise.cl", "unary", n, piece);
    return run(device, &j, "bbiiiff", x, y, n, piece, (int64_t)op, (double)a, (double)b);
}

bool launch_unary_back(hoi_device *device, hoi_unary op, float a, float b, hoi_span x, hoi_span y, hoi_span dy, hoi_span dx,
                       int64_t n) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "pointwise.cl", "unary_back", n, piece);
    return run(device, &j, "bbbbiiiff", x, y, dy, dx, n, piece, (int64_t)op, (double)a, (double)b);
}

bool launch_binary(hoi_device *device, hoi_binary op, hoi_operand a, hoi_operand b, hoi_span y, int64_t rows, int64_t cols) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "pointwise.cl", "binary", rows, piece);
    return run(device, &j, "biibiibiiii", a.span, a.row, (int64_t)a.col, b.span, b.row, (int64_t)b.col, y, rows, cols, piece,
               (int64_t)op);
}

bool launch_choose(hoi_device *device, hoi_span c, hoi_span a, hoi_span b, hoi_span y, int64_t n) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "pointwise.cl", "choose", n, piece);
    return run(device, &j, "bbbbii", c, a, b, y, n, piece);
}

bool launch_accumulate(hoi_device *device, float scale, hoi_span x, hoi_span y, int64_t n) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "pointwise.cl", "accumulate", n, piece);
    return run(device, &j, "bbiif", x, y, n, piece, (double)scale);
}

bool launch_fill(hoi_device *device, hoi_span y, int64_t n, float value) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "pointwise.cl", "fill", n, piece);
    return run(device, &j, "biif", y, n, piece, (double)value);
}

bool launch_widen(hoi_device *device, hoi_span x, hoi_storage_type type, hoi_span y, int64_t n) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "pointwise.cl", "widen", n, piece);
    return run(device, &j, "bbiii", x, y, n, piece, (int64_t)type);
}

/* ---- rows ---- */

bool launch_softmax(hoi_device *device, hoi_span x, hoi_span y, int64_t rows, int64_t cols, bool logged) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "rows.cl", "softmax", rows, piece);
    return run(device, &j, "bbiiii", x, y, rows, cols, piece, (int64_t)logged);
}

bool launch_softmax_back(hoi_device *device, hoi_span y, hoi_span dy, hoi_span dx, int64_t rows, int64_t cols, bool logged) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "rows.cl", "softmax_back", rows, piece);
    return run(device, &j, "bbbiiii", y, dy, dx, rows, cols, piece, (int64_t)logged);
}

bool launch_layer_norm(hoi_device *device, hoi_span x, hoi_span gain, hoi_span bias, hoi_span y, hoi_span kept, int64_t rows,
                       int64_t cols, float eps) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "rows.cl", "layer_norm", rows, piece);
    return run(device, &j, "bbbbbiiif", x, gain, bias, y, kept, rows, cols, piece, (double)eps);
}

bool launch_layer_norm_back(hoi_device *device, hoi_span x, hoi_span gain, hoi_span kept, hoi_span dy, hoi_span dx,
                            int64_t rows, int64_t cols) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "rows.cl", "layer_norm_back", rows, piece);
    return run(device, &j, "bbbbbiii", x, gain, kept, dy, dx, rows, cols, piece);
}

bool launch_layer_norm_sums(hoi_device *device, hoi_span x, hoi_span kept, hoi_span dy, hoi_span out, int64_t rows,
                            int64_t cols) {
    int64_t piece = 256, parts = pieces(rows, piece);
    hoi_buffer *partial = hoi_buffer_new(device, (size_t)(parts * 2 * cols) * sizeof(float));
    job j = {"rows.cl", NULL, "layer_norm_sums", {pieces(cols, device->set.width), parts, 1}, .single = !device->set.gpu};
    bool ok = partial && run(device, &j, "bbbbiii", x, kept, dy, (hoi_span){partial, 0}, rows, cols, piece) &&
              launch_reduce(device, HOI_SUM, 1.0f, (hoi_span){partial, 0}, out, 1, parts, 2 * cols);
    hoi_buffer_free(partial);
    return ok;
}

bool launch_normalize(hoi_device *device, hoi_span x, hoi_span y, hoi_span kept, int64_t rows, int64_t cols, float eps) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "rows.cl", "unit_length", rows, piece);
    return run(device, &j, "bbbiiif", x, y, kept, rows, cols, piece, (double)eps);
}

bool launch_normalize_back(hoi_device *device, hoi_span y, hoi_span kept, hoi_span dy, hoi_span dx, int64_t rows,
                           int64_t cols) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "rows.cl", "unit_length_back", rows, piece);
    return run(device, &j, "bbbbiii", y, kept, dy, dx, rows, cols, piece);
}

bool launch_cumulate(hoi_device *device, hoi_span x, hoi_span y, int64_t rows, int64_t cols, bool backward) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "rows.cl", "cumulate", rows, piece);
    return run(device, &j, "bbiiii", x, y, rows, cols, piece, (int64_t)backward);
}

bool launch_reduce(hoi_device *device, hoi_reduction op, float scale, hoi_span x, hoi_span y, int64_t outer, int64_t n,
                   int64_t inner) {
    int64_t across = inner == 1 ? 1 : pieces(inner, device->set.width), piece = n, parts = 1;
    bool ok;
    /* a long sum that few work-items would share goes in two steps; the split depends on the shape alone */
    if (n >= 1024 && across * outer < 64) {
        piece = inner == 1 ? 4096 : 256;
        parts = pieces(n, piece);
    }
    job j = {"rows.cl", NULL, "reduce", {across, parts, outer}, .single = !device->set.gpu};
    if (parts == 1)
        return run(device, &j, "bbiiiiif", x, y, n, inner, piece, parts, (int64_t)op, (double)scale);
    hoi_buffer *partial = hoi_buffer_new(device, (size_t)(outer * parts * inner) * sizeof(float));
    ok = partial &&
         run(device, &j, "bbiiiiif", x, (hoi_span){partial, 0}, n, inner, piece, parts, (int64_t)op, 1.0) &&
         launch_reduce(device, op, scale, (hoi_span){partial, 0}, y, outer, parts, inner);
    hoi_buffer_free(partial);
    return ok;
}

/* ---- moving ---- */

bool launch_strided(hoi_device *device, const int64_t shape[HOI_STRIDED], hoi_span x, const int64_t in[HOI_STRIDED],
                    hoi_span y, const int64_t out[HOI_STRIDED]) {
    cl_int8 s = {{0}}, p = {{0}}, q = {{0}};
    int64_t rows = 1;
    for (int i = 0; i < HOI_STRIDED; ++i) {
        if (!narrow(shape[i], &s.s[i]) || !narrow(in[i], &p.s[i]) || !narrow(out[i], &q.s[i]))
            return hoi_fail("device: strided copy of more than 2^31 elements; use smaller tensors");
        if (i < HOI_STRIDED - 1)
            rows *= shape[i];
    }
    if (shape[HOI_STRIDED - 1] == 0)
        return true;
    int64_t piece = row_piece(device, rows, shape[HOI_STRIDED - 1]);
    job j = flat(device, "shape.cl", "strided", rows, piece);
    return run(device, &j, "bb888ii", x, y, &s, &p, &q, rows, piece);
}

bool launch_rows(hoi_device *device, hoi_span x, hoi_storage_type type, hoi_span index, hoi_span y, int64_t m, int64_t cols) {
    int64_t piece = row_piece(device, m, cols);
    job j = flat(device, "shape.cl", "rows", m, piece);
    return run(device, &j, "bbbiiii", x, index, y, m, cols, piece, (int64_t)type);
}

bool launch_rows_back(hoi_device *device, hoi_span dy, hoi_span start, hoi_span order, hoi_span dx, int64_t n, int64_t cols) {
    int64_t piece = row_piece(device, n, cols);
    job j = flat(device, "shape.cl", "rows_back", n, piece);
    return run(device, &j, "bbbbiii", dy, start, order, dx, n, cols, piece);
}

bool launch_take(hoi_device *device, hoi_span x, hoi_span index, hoi_span y, int64_t rows, int64_t cols, int64_t m) {
    int64_t piece = row_piece(device, rows, m);
    job j = flat(device, "shape.cl", "take", rows, piece);
    return run(device, &j, "bbbiiii", x, index, y, rows, cols, m, piece);
}

bool launch_take_back(hoi_device *device, hoi_span dy, hoi_span index, hoi_span dx, int64_t rows, int64_t cols, int64_t m) {
    int64_t piece = row_piece(device, rows, cols);
    job j = flat(device, "shape.cl", "take_back", rows, piece);
    return run(device, &j, "bbbiiii", dy, index, dx, rows, cols, m, piece);
}

static int outputs(int size, const hoi_patches *p) {
    return (size + 2 * p->pad - p->kernel) / p->stride + 1;
}

bool launch_unfold(hoi_device *device, const hoi_patches *p, hoi_span x, hoi_span y) {
    int64_t oh = outputs(p->height, p), ow = outputs(p->width, p), n = oh * ow * p->pictures;
    cl_int4 step = {{p->step[0], p->step[1], p->step[2], p->step[3]}};
    job j = flat(device, "shape.cl", "unfold", n, 1);
    return run(device, &j, "bb4iiiiiiiii", x, y, &step, (int64_t)p->channels, (int64_t)p->height, (int64_t)p->width,
               (int64_t)p->kernel, (int64_t)p->stride, (int64_t)p->pad, oh, ow, n);
}

bool launch_fold(hoi_device *device, const hoi_patches *p, hoi_span dy, hoi_span dx) {
    int64_t oh = outputs(p->height, p), ow = outputs(p->width, p), n = (int64_t)p->height * p->pictures;
    cl_int4 step = {{p->step[0], p->step[1], p->step[2], p->step[3]}};
    job j = flat(device, "shape.cl", "fold", n, 1);
    return run(device, &j, "bb4iiiiiiiii", dy, dx, &step, (int64_t)p->channels, (int64_t)p->height, (int64_t)p->width,
               (int64_t)p->kernel, (int64_t)p->stride, (int64_t)p->pad, oh, ow, n);
}

bool launch_bytes(hoi_device *device, hoi_span x, hoi_span y, int pictures, int height, int width, const float scale[3],
                  const float shift[3]) {
    int64_t n = (int64_t)pictures * height;
    cl_float4 a = {{scale[0], scale[1], scale[2], 0.0f}}, b = {{shift[0], shift[1], shift[2], 0.0f}};
    job j = flat(device, "shape.cl", "bytes", n, 1);
    return run(device, &j, "bbiiFFi", x, y, (int64_t)height, (int64_t)width, &a, &b, n);
}

/* ---- training ---- */

enum { SQUARES_PIECE = 16384 };

int launch_squares_count(int64_t n) {
    return (int)pieces(n, SQUARES_PIECE);
}

bool launch_squares(hoi_device *device, hoi_span g, hoi_span partial, int64_t n, int *count) {
    *count = launch_squares_count(n);
    job j = flat(device, "update.cl", "squares", n, SQUARES_PIECE);
    return run(device, &j, "bbii", g, partial, n, (int64_t)SQUARES_PIECE);
}

bool launch_clip_scale(hoi_device *device, hoi_span partial, hoi_span norm, int n, float most) {
    job j = flat(device, "update.cl", "clip_scale", 1, 1);
    return run(device, &j, "bbif", partial, norm, (int64_t)n, (double)most);
}

bool launch_adamw(hoi_device *device, hoi_span p, hoi_span g, hoi_span m, hoi_span v, hoi_span norm, int64_t n,
                  const hoi_adamw_step *s) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "update.cl", "adamw", n, piece);
    return run(device, &j, "bbbbbiifffffff", p, g, m, v, norm, n, piece, (double)s->rate, (double)s->beta1,
               (double)s->beta2, (double)s->eps, (double)s->decay, (double)s->correction1, (double)s->correction2);
}

bool launch_sgd(hoi_device *device, hoi_span p, hoi_span g, hoi_span m, hoi_span norm, int64_t n, float rate, float momentum,
                float decay) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "update.cl", "sgd", n, piece);
    return run(device, &j, "bbbbiifff", p, g, m, norm, n, piece, (double)rate, (double)momentum, (double)decay);
}

bool launch_random(hoi_device *device, hoi_noise kind, uint64_t key, float a, float b, hoi_span y, int64_t n) {
    int64_t piece = piece_of(device, n);
    job j = flat(device, "update.cl", "random", n, piece);
    return run(device, &j, "biiuiff", y, n, piece, key, (int64_t)kind, (double)a, (double)b);
}

/* ---- measuring ---- */

bool launch_probe(hoi_device *device, int units, int64_t rounds, double *flops) {
    enum { GPU_GROUP = 256, GPU_GROUPS = 8 };
    bool gpu = device->set.gpu, few = device->set.registers == 16;
    int64_t items = units * (gpu ? (int64_t)GPU_GROUP * GPU_GROUPS : 1), width = device->set.width;
    hoi_buffer *out = hoi_buffer_new(device, (size_t)(items * width) * sizeof(float));
    job j = {"probe.cl", few ? "-DCHAINS=12" : "-DCHAINS=16", "probe", {items, 1, 1}, .single = !gpu};
    if (gpu) {
        j.local[0] = GPU_GROUP;
        j.local[1] = j.local[2] = 1;
    }
    j.flops = *flops = 2.0 * (few ? 12 : 16) * (double)(width * items * rounds);
    bool ok = out && run(device, &j, "biff", (hoi_span){out, 0}, rounds, 0.9999, 0.0001);
    hoi_buffer_free(out);
    return ok;
}
