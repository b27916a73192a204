/* launch: how every kernel is set up: its file, its grid, its arguments. */
#include "opencl/launch.h"
#include "core/error.h"
#include "opencl/machine.h"

#include <stdarg.h>
#include <stdio.h>

static bool narrow(int64_t value, cl_int *out) {
    *out = (cl_int)value;
    return value >= INT32_MIN && value <= INT32_MAX;
}

bool hoi_run(hoi_device *device, const hoi_job *j, const char *letters, ...) {
    cl_kernel kernel = hoi_program_kernel(device, j->file, j->defines ? j->defines : "", j->kernel);
    cl_uint at = 0;
    cl_int status = CL_SUCCESS;
    bool fits = true;
    va_list list;
    if (!kernel)
        return false;
    if (j->grid[0] == 0 || j->grid[1] == 0 || j->grid[2] == 0)
        return true;
    va_start(list, letters);
    for (const char *l = letters; *l && status == CL_SUCCESS && fits; ++l) {
        cl_int i;
        switch (*l) {
        case 'b': {
            hoi_span span = va_arg(list, hoi_span);
            if (!span.buffer) {
                va_end(list);
                return hoi_fail("device: %s: argument %u has no memory", j->kernel, at);
            }
            status = clSetKernelArg(kernel, at++, sizeof(cl_mem), &span.buffer->memory);
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
            status =
                clSetKernelArg(kernel, at++, sizeof(cl_float4), va_arg(list, const cl_float4 *));
            break;
        case '8':
            status = clSetKernelArg(kernel, at++, sizeof(cl_int8), va_arg(list, const cl_int8 *));
            break;
        default:
            status = clSetKernelArg(kernel, at++, va_arg(list, size_t), NULL);
        }
    }
    va_end(list);
    if (!fits)
        return hoi_fail("device: %s: a size or offset past 2^31 elements; use smaller tensors",
                        j->kernel);
    if (status != CL_SUCCESS)
        return hoi_fail("device: clSetKernelArg(%s, argument %u): %s", j->kernel, at - 1,
                        hoi_cl_name(status));
    size_t grid[3], local[3];
    for (int d = 0; d < 3; ++d) {
        grid[d] = (size_t)j->grid[d];
        local[d] = j->single ? 1 : j->local[d];
    }
    cl_event event;
    status = clEnqueueNDRangeKernel(device->queue, kernel, 3, NULL, grid, local[0] ? local : NULL,
                                    0, NULL, device->profile ? &event : NULL);
    if (status != CL_SUCCESS)
        return hoi_fail(
            "device: clEnqueueNDRangeKernel(%s): %s (global %zux%zux%zu, local %zux%zux%zu)",
            j->kernel, hoi_cl_name(status), grid[0], grid[1], grid[2], local[0], local[1],
            local[2]);
    return !device->profile || hoi_profile_keep(device, j->kernel, j->flops, event);
}

/* Values a work-item does. Processors: enough that a launch of few values is one piece, and many
   are dealt evenly. */
static int64_t piece_of(const hoi_device *device, int64_t n) {
    if (device->set.gpu)
        return device->set.width;
    int64_t piece = round_up(pieces(n, (int64_t)device->info.units * 8), 64);
    return piece < 1024 ? 1024 : piece;
}

/* ---- pointwise ---- */

/* One work-item per piece of n. Graphics processors: whole groups of 64, as a driver finds none in
   a prime number; the items past the last piece do nothing. */
static hoi_job flat(const hoi_device *device, const char *file, const char *kernel, int64_t n,
                    int64_t piece) {
    if (device->set.gpu)
        return (hoi_job){
            file, NULL, kernel, {round_up(pieces(n, piece), 64), 1, 1}, .local = {64, 1, 1}};
    return (hoi_job){file, NULL, kernel, {pieces(n, piece), 1, 1}, .single = true};
}

/* Rows of `cols` values. Processors: *piece whole rows a work-item. Graphics processors: `lanes`
   side by side share a row, as many as it has vectors, within a group; `whole`: no more than these,
   as they add up what they find. Grids end at 65535 groups, and their loops go on. */
static hoi_job by_rows(const hoi_device *device, const char *file, const char *kernel, int64_t rows,
                       int64_t cols, bool whole, int64_t *piece) {
    int64_t lanes = 1, vectors = pieces(cols, device->set.width), most = vectors > 1024 ? 256 : 32;
    if (!device->set.gpu) {
        int64_t least = pieces(1024, cols > 0 ? cols : 1);
        *piece = pieces(rows, (int64_t)device->info.units * 8);
        *piece = *piece < least ? least : *piece;
        return (hoi_job){file, NULL, kernel, {pieces(rows, *piece), 1, 1}, .single = true};
    }
    *piece = 1;
    while (lanes < most && lanes < vectors)
        lanes *= 2;
    int64_t high = 256 / lanes, groups = pieces(rows, high),
            wide = whole ? 1 : pieces(vectors, lanes);
    return (hoi_job){
        file,
        NULL,
        kernel,
        {lanes * (wide < 1024 ? wide : 1024), high * (groups < 65535 ? groups : 65535), 1},
        .local = {(size_t)lanes, (size_t)high, 1}};
}

bool launch_unary(hoi_device *device, hoi_unary op, float a, float b, hoi_span x, hoi_span y,
                  int64_t n) {
    int64_t piece = piece_of(device, n);
    hoi_job j = flat(device, "pointwise.cl", "unary", n, piece);
    return hoi_run(device, &j, "bbiiiff", x, y, n, piece, (int64_t)op, (double)a, (double)b);
}

bool launch_unary_back(hoi_device *device, hoi_unary op, float a, float b, hoi_span x, hoi_span y,
                       hoi_span dy, hoi_span dx, int64_t n) {
    int64_t piece = piece_of(device, n);
    hoi_job j = flat(device, "pointwise.cl", "unary_back", n, piece);
    return hoi_run(device, &j, "bbbbiiiff", x, y, dy, dx, n, piece, (int64_t)op, (double)a,
                   (double)b);
}

bool launch_binary(hoi_device *device, hoi_binary op, hoi_operand a, hoi_operand b, hoi_span y,
                   int64_t rows, int64_t cols) {
    int64_t piece;
    hoi_job j = by_rows(device, "pointwise.cl", "binary", rows, cols, false, &piece);
    return hoi_run(device, &j, "biibiibiiii", a.span, a.row, (int64_t)a.col, b.span, b.row,
                   (int64_t)b.col, y, rows, cols, piece, (int64_t)op);
}

bool launch_choose(hoi_device *device, hoi_span c, hoi_span a, hoi_span b, hoi_span y, int64_t n) {
    int64_t piece = piece_of(device, n);
    hoi_job j = flat(device, "pointwise.cl", "choose", n, piece);
    return hoi_run(device, &j, "bbbbii", c, a, b, y, n, piece);
}

bool launch_accumulate(hoi_device *device, float scale, hoi_span x, hoi_span y, int64_t n) {
    int64_t piece = piece_of(device, n);
    hoi_job j = flat(device, "pointwise.cl", "accumulate", n, piece);
    return hoi_run(device, &j, "bbiif", x, y, n, piece, (double)scale);
}

bool launch_fill(hoi_device *device, hoi_span y, int64_t n, float value) {
    int64_t piece = piece_of(device, n);
    hoi_job j = flat(device, "pointwise.cl", "fill", n, piece);
    return hoi_run(device, &j, "biif", y, n, piece, (double)value);
}

bool launch_widen(hoi_device *device, hoi_span x, hoi_storage_type type, hoi_span y, int64_t n) {
    int64_t piece = piece_of(device, n);
    hoi_job j = flat(device, "pointwise.cl", "widen", n, piece);
    return hoi_run(device, &j, "bbiii", x, y, n, piece, (int64_t)type);
}

/* ---- rows ---- */

/* Sums down the columns: a work-item per vector of columns. */
static hoi_job across(const hoi_device *device, const char *kernel, int64_t cols, int64_t parts,
                      int64_t outer) {
    int64_t vectors = pieces(cols, device->set.width);
    if (device->set.gpu)
        return (hoi_job){
            "rows.cl", NULL, kernel, {round_up(vectors, 64), parts, outer}, .local = {64, 1, 1}};
    return (hoi_job){"rows.cl", NULL, kernel, {vectors, parts, outer}, .single = true};
}

bool launch_softmax(hoi_device *device, hoi_span x, hoi_span y, int64_t rows, int64_t cols,
                    bool logged) {
    int64_t piece;
    hoi_job j = by_rows(device, "rows.cl", "softmax", rows, cols, true, &piece);
    return hoi_run(device, &j, "bbiiii", x, y, rows, cols, piece, (int64_t)logged);
}

bool launch_softmax_back(hoi_device *device, hoi_span y, hoi_span dy, hoi_span dx, int64_t rows,
                         int64_t cols, bool logged) {
    int64_t piece;
    hoi_job j = by_rows(device, "rows.cl", "softmax_back", rows, cols, true, &piece);
    return hoi_run(device, &j, "bbbiiii", y, dy, dx, rows, cols, piece, (int64_t)logged);
}

bool launch_layer_norm(hoi_device *device, hoi_span x, hoi_span gain, hoi_span bias, hoi_span y,
                       hoi_span kept, int64_t rows, int64_t cols, float eps) {
    int64_t piece;
    hoi_job j = by_rows(device, "rows.cl", "layer_norm", rows, cols, true, &piece);
    return hoi_run(device, &j, "bbbbbiiif", x, gain, bias, y, kept, rows, cols, piece, (double)eps);
}

bool launch_layer_norm_back(hoi_device *device, hoi_span x, hoi_span gain, hoi_span kept,
                            hoi_span dy, hoi_span dx, int64_t rows, int64_t cols) {
    int64_t piece;
    hoi_job j = by_rows(device, "rows.cl", "layer_norm_back", rows, cols, true, &piece);
    return hoi_run(device, &j, "bbbbbiii", x, gain, kept, dy, dx, rows, cols, piece);
}

bool launch_layer_norm_sums(hoi_device *device, hoi_span x, hoi_span kept, hoi_span dy,
                            hoi_span out, int64_t rows, int64_t cols) {
    int64_t piece = device->set.gpu ? 32 : 256, parts = pieces(rows, piece);
    hoi_buffer *partial = hoi_buffer_new(device, (size_t)(parts * 2 * cols) * sizeof(float));
    hoi_job j = across(device, "layer_norm_sums", cols, parts, 1);
    bool ok =
        partial &&
        hoi_run(device, &j, "bbbbiii", x, kept, dy, (hoi_span){partial, 0}, rows, cols, piece) &&
        launch_reduce(device, HOI_SUM, 1.0f, (hoi_span){partial, 0}, out, 1, parts, 2 * cols);
    hoi_buffer_free(partial);
    return ok;
}

bool launch_normalize(hoi_device *device, hoi_span x, hoi_span y, hoi_span kept, int64_t rows,
                      int64_t cols, float eps) {
    int64_t piece;
    hoi_job j = by_rows(device, "rows.cl", "unit_length", rows, cols, true, &piece);
    return hoi_run(device, &j, "bbbiiif", x, y, kept, rows, cols, piece, (double)eps);
}

bool launch_normalize_back(hoi_device *device, hoi_span y, hoi_span kept, hoi_span dy, hoi_span dx,
                           int64_t rows, int64_t cols) {
    int64_t piece;
    hoi_job j = by_rows(device, "rows.cl", "unit_length_back", rows, cols, true, &piece);
    return hoi_run(device, &j, "bbbbiii", y, kept, dy, dx, rows, cols, piece);
}

bool launch_cumulate(hoi_device *device, hoi_span x, hoi_span y, int64_t rows, int64_t cols,
                     bool backward) {
    int64_t piece;
    hoi_job j =
        by_rows(device, "rows.cl", "cumulate", rows, device->set.gpu ? 1 : cols, true, &piece);
    return hoi_run(device, &j, "bbiiii", x, y, rows, cols, piece, (int64_t)backward);
}

bool launch_reduce(hoi_device *device, hoi_reduction op, float scale, hoi_span x, hoi_span y,
                   int64_t outer, int64_t n, int64_t inner) {
    int64_t vectors = pieces(inner, device->set.width), length = n, parts = 1, piece;
    /* a long sum that few work-items would share goes in two steps; the split depends on the shape
       alone */
    int64_t few = device->set.gpu ? 16384 : 64, longest = device->set.gpu ? 128 : 1024;
    if (inner == 1 ? n > 4096 && outer < 64 : n >= longest && vectors * outer < few) {
        length = inner == 1 ? 4096 : device->set.gpu ? 32 : 256;
        parts = pieces(n, length);
    }
    hoi_buffer *partial = NULL;
    if (parts > 1 &&
        !(partial = hoi_buffer_new(device, (size_t)(outer * parts * inner) * sizeof(float))))
        return false;
    hoi_span to = parts > 1 ? (hoi_span){partial, 0} : y;
    double by = parts > 1 ? 1.0 : (double)scale;
    bool ok;
    if (inner == 1) {
        hoi_job j = by_rows(device, "rows.cl", "reduce_rows", outer * parts, length, true, &piece);
        ok = hoi_run(device, &j, "bbiiiiiif", x, to, outer * parts, n, piece, length, parts,
                     (int64_t)op, by);
    } else {
        hoi_job j = across(device, "reduce", inner, parts, outer);
        ok = hoi_run(device, &j, "bbiiiiif", x, to, n, inner, length, parts, (int64_t)op, by);
    }
    ok = ok && (parts == 1 || launch_reduce(device, op, scale, to, y, outer, parts, inner));
    hoi_buffer_free(partial);
    return ok;
}

/* ---- moving ---- */

bool launch_strided(hoi_device *device, const int64_t shape[HOI_STRIDED], hoi_span x,
                    const int64_t in[HOI_STRIDED], hoi_span y, const int64_t out[HOI_STRIDED]) {
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
    int64_t piece;
    hoi_job j = by_rows(device, "shape.cl", "strided", rows, shape[HOI_STRIDED - 1], false, &piece);
    return hoi_run(device, &j, "bb888ii", x, y, &s, &p, &q, rows, piece);
}

bool launch_rows(hoi_device *device, hoi_span x, hoi_storage_type type, hoi_span index, hoi_span y,
                 int64_t m, int64_t cols) {
    int64_t piece;
    hoi_job j = by_rows(device, "shape.cl", "rows", m, cols, false, &piece);
    return hoi_run(device, &j, "bbbiiii", x, index, y, m, cols, piece, (int64_t)type);
}

bool launch_rows_back(hoi_device *device, hoi_span dy, hoi_span start, hoi_span order, hoi_span dx,
                      int64_t n, int64_t cols) {
    int64_t piece;
    hoi_job j = by_rows(device, "shape.cl", "rows_back", n, cols, false, &piece);
    return hoi_run(device, &j, "bbbbiii", dy, start, order, dx, n, cols, piece);
}

bool launch_take(hoi_device *device, hoi_span x, hoi_span index, hoi_span y, int64_t rows,
                 int64_t cols, int64_t m) {
    int64_t piece;
    hoi_job j = by_rows(device, "shape.cl", "take", rows, m, false, &piece);
    return hoi_run(device, &j, "bbbiiii", x, index, y, rows, cols, m, piece);
}

bool launch_take_back(hoi_device *device, hoi_span dy, hoi_span index, hoi_span dx, int64_t rows,
                      int64_t cols, int64_t m) {
    int64_t piece;
    hoi_job j =
        by_rows(device, "shape.cl", "take_back", rows, device->set.gpu ? 1 : cols, true, &piece);
    return hoi_run(device, &j, "bbbiiii", dy, index, dx, rows, cols, m, piece);
}

static int outputs(int size, const hoi_patches *p) {
    return (size + 2 * p->pad - p->kernel) / p->stride + 1;
}

bool launch_unfold(hoi_device *device, const hoi_patches *p, hoi_span x, hoi_span y) {
    int64_t oh = outputs(p->height, p), ow = outputs(p->width, p), n = oh * ow * p->pictures;
    cl_int4 step = {{p->step[0], p->step[1], p->step[2], p->step[3]}};
    int64_t piece;
    hoi_job j = by_rows(device, "shape.cl", "unfold", n,
                        (int64_t)p->channels * p->kernel * device->set.width, false, &piece);
    return hoi_run(device, &j, "bb4iiiiiiiiii", x, y, &step, (int64_t)p->channels,
                   (int64_t)p->height, (int64_t)p->width, (int64_t)p->kernel, (int64_t)p->stride,
                   (int64_t)p->pad, oh, ow, n, piece);
}

bool launch_fold(hoi_device *device, const hoi_patches *p, hoi_span dy, hoi_span dx) {
    int64_t oh = outputs(p->height, p), ow = outputs(p->width, p),
            n = (int64_t)p->height * p->pictures;
    cl_int4 step = {{p->step[0], p->step[1], p->step[2], p->step[3]}};
    int64_t piece;
    hoi_job j = by_rows(device, "shape.cl", "fold", n, (int64_t)p->width * device->set.width, false,
                        &piece);
    return hoi_run(device, &j, "bb4iiiiiiiiii", dy, dx, &step, (int64_t)p->channels,
                   (int64_t)p->height, (int64_t)p->width, (int64_t)p->kernel, (int64_t)p->stride,
                   (int64_t)p->pad, oh, ow, n, piece);
}

static cl_int8 shape_of(const hoi_windows *w) {
    return (cl_int8){
        {w->height, w->width, w->channels, w->kernel, w->stride, w->pad, w->rows, w->columns}};
}

bool launch_windows(hoi_device *device, const hoi_windows *w, hoi_span x, hoi_span y, int64_t first,
                    int64_t count) {
    cl_int8 shape = shape_of(w);
    int64_t piece;
    hoi_job j =
        by_rows(device, "conv.cl", "windows", count,
                device->set.gpu ? w->channels : (int64_t)w->kernel * w->kernel * w->channels, false,
                &piece);
    return hoi_run(device, &j, "bb8iii", x, y, &shape, first, count, piece);
}

bool launch_windows_back(hoi_device *device, const hoi_windows *w, hoi_span dy, hoi_span dx,
                         int64_t first, int64_t count) {
    cl_int8 shape = shape_of(w);
    int64_t lines = (int64_t)w->pictures * w->height;
    int64_t piece;
    hoi_job j = by_rows(device, "conv.cl", "windows_back", lines,
                        (int64_t)w->width * device->set.width, false, &piece);
    return hoi_run(device, &j, "bb8iiii", dy, dx, &shape, first, count, lines, piece);
}

bool launch_pool(hoi_device *device, const hoi_windows *w, bool most, hoi_span x, hoi_span y) {
    cl_int8 shape = shape_of(w);
    int64_t places = (int64_t)w->pictures * w->rows * w->columns, piece;
    hoi_job j = by_rows(device, "conv.cl", "pool", places, w->channels, false, &piece);
    return hoi_run(device, &j, "bb8iii", x, y, &shape, (int64_t)most, places, piece);
}

bool launch_pool_back(hoi_device *device, const hoi_windows *w, bool most, hoi_span x, hoi_span y,
                      hoi_span dy, hoi_span dx) {
    cl_int8 shape = shape_of(w);
    int64_t places = (int64_t)w->pictures * w->height * w->width, piece;
    hoi_job j = by_rows(device, "conv.cl", "pool_back", places, w->channels, false, &piece);
    return hoi_run(device, &j, "bbbb8iii", x, y, dy, dx, &shape, (int64_t)most, places, piece);
}

bool launch_bytes(hoi_device *device, hoi_span x, hoi_span y, int pictures, int height, int width,
                  const float scale[3], const float shift[3]) {
    int64_t n = (int64_t)pictures * height;
    cl_float4 a = {{scale[0], scale[1], scale[2], 0.0f}},
              b = {{shift[0], shift[1], shift[2], 0.0f}};
    int64_t piece;
    hoi_job j =
        by_rows(device, "shape.cl", "bytes", n, (int64_t)width * device->set.width, false, &piece);
    return hoi_run(device, &j, "bbiiFFii", x, y, (int64_t)height, (int64_t)width, &a, &b, n, piece);
}

/* ---- training ---- */

enum { SQUARES_PIECE = 16384, AT_ONCE = 8 };

int launch_squares_count(int64_t n) {
    return (int)pieces(n, SQUARES_PIECE);
}

/* The next tensors of a list that go into one launch; those that are missing have no values. */
static void next_updates(hoi_update next[AT_ONCE], const hoi_update *list, int count) {
    for (int i = 0; i < AT_ONCE; ++i) {
        next[i] = list[i < count ? i : 0];
        if (i >= count)
            next[i].n = 0;
    }
}

#define EIGHT(X) X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7)

bool launch_squares(hoi_device *device, const hoi_update *list, int count, hoi_span partial) {
#define GRADIENT(i) u[i].g, u[i].n
    bool ok = true;
    for (; ok && count > 0; list += AT_ONCE, count -= AT_ONCE) {
        hoi_update u[AT_ONCE];
        int64_t rows = 0, piece;
        next_updates(u, list, count);
        for (int i = 0; i < AT_ONCE; ++i)
            rows += launch_squares_count(u[i].n);
        hoi_job j = by_rows(device, "update.cl", "squares", rows, SQUARES_PIECE, true, &piece);
        ok = hoi_run(device, &j, "bibibibibibibibibiii", EIGHT(GRADIENT), partial, rows, piece,
                     (int64_t)SQUARES_PIECE);
        partial.at += rows;
    }
    return ok;
}

bool launch_clip_scale(hoi_device *device, hoi_span partial, hoi_span norm, int n, float most) {
    int64_t piece;
    hoi_job j = by_rows(device, "update.cl", "clip_scale", 1, n, true, &piece);
    return hoi_run(device, &j, "bbiif", partial, norm, (int64_t)n, piece, (double)most);
}

bool launch_adamw(hoi_device *device, const hoi_update *list, int count, hoi_span norm,
                  const hoi_adamw_step *s) {
#define PARAMETER(i) u[i].p, u[i].g, u[i].m, u[i].v, u[i].n, (double)u[i].rate, (double)u[i].decay
    bool ok = true;
    for (; ok && count > 0; list += AT_ONCE, count -= AT_ONCE) {
        hoi_update u[AT_ONCE];
        int64_t n = 0, items = 0;
        next_updates(u, list, count);
        for (int i = 0; i < AT_ONCE; ++i)
            n += u[i].n;
        int64_t piece = piece_of(device, n);
        for (int i = 0; i < AT_ONCE; ++i)
            items += pieces(u[i].n, piece);
        hoi_job j = flat(device, "update.cl", "adamw", items, 1);
        ok = hoi_run(device, &j, "bbbbiffbbbbiffbbbbiffbbbbiffbbbbiffbbbbiffbbbbiffbbbbiffbifffff",
                     EIGHT(PARAMETER), norm, piece, (double)s->beta1, (double)s->beta2,
                     (double)s->eps, (double)s->correction1, (double)s->correction2);
    }
    return ok;
}

bool launch_sgd(hoi_device *device, const hoi_update *u, hoi_span norm, float momentum) {
    int64_t piece = piece_of(device, u->n);
    hoi_job j = flat(device, "update.cl", "sgd", u->n, piece);
    return hoi_run(device, &j, "bbbbiifff", u->p, u->g, u->m, norm, u->n, piece, (double)u->rate,
                   (double)momentum, (double)u->decay);
}

bool launch_random(hoi_device *device, hoi_noise kind, uint64_t key, float a, float b, hoi_span y,
                   int64_t n) {
    int64_t piece = piece_of(device, n);
    hoi_job j = flat(device, "update.cl", "random", n, piece);
    return hoi_run(device, &j, "biiuiff", y, n, piece, key, (int64_t)kind, (double)a, (double)b);
}

/* ---- measuring ---- */

bool launch_probe(hoi_device *device, int units, int64_t rounds, double *flops) {
    enum { GPU_GROUP = 256, GPU_GROUPS = 8 };
    bool gpu = device->set.gpu, few = device->set.registers == 16;
    int64_t items = units * (gpu ? (int64_t)GPU_GROUP * GPU_GROUPS : 1), width = device->set.width;
    hoi_buffer *out = hoi_buffer_new(device, (size_t)(items * width) * sizeof(float));
    hoi_job j = {
        "probe.cl", few ? "-DCHAINS=12" : "-DCHAINS=16", "probe", {items, 1, 1}, .single = !gpu};
    if (gpu) {
        j.local[0] = GPU_GROUP;
        j.local[1] = j.local[2] = 1;
    }
    j.flops = *flops = 2.0 * (few ? 12 : 16) * (double)(width * items * rounds);
    bool ok = out && hoi_run(device, &j, "biff", (hoi_span){out, 0}, rounds, 0.9999, 0.0001);
    hoi_buffer_free(out);
    return ok;
}
