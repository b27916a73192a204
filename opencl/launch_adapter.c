/* launch_adapter: how a training step of CLIP-Adapter is set up: two launches. */
#include "opencl/launch.h"
#include "opencl/machine.h"

#include <stdio.h>

enum { BLOCK = 64, SPAN = 128, ROWS = 16 };

bool launch_adapter_size(const hoi_device *device, int64_t batch, hoi_adapter_size *size) {
    int64_t width = size->width = round_up(size->width, ROWS), lanes = device->set.width;
    int64_t hidden = size->hidden = round_up(size->hidden, ROWS);
    size->classes = round_up(size->classes, BLOCK);
    size->text_row = width + ROWS;
    size->rows = round_up(batch, lanes);
    size->room = (4 * width + 2 * hidden + BLOCK) * size->rows;
    size->pieces = width / ROWS * pieces(hidden, SPAN) + hidden / ROWS * pieces(width, SPAN);
    if (size->room < size->pieces * ROWS * lanes)
        size->room = size->pieces * ROWS * lanes;
    return !device->set.gpu;
}

bool launch_adapter(hoi_device *device, const hoi_adapter_step *s) {
    const hoi_adapter_size *size = &s->size;
    const hoi_adamw_step *o = &s->step;
    char defines[96];
    double products = 2.0 * (double)s->batch * (double)(size->width * size->hidden);
    int64_t lanes = device->set.width, rows = round_up(s->batch, lanes);
    snprintf(defines, sizeof defines, "-DMR=%d -DHALF=%d -DWIDTH=%d -DHIDDEN=%d",
             device->set.registers == 32 ? 16 : 8, device->set.registers == 32 ? 8 : 4,
             (int)size->width, (int)size->hidden);
    hoi_job forth = {"cpu/adapter.cl",
                     defines,
                     "adapter_rows",
                     {rows / lanes, 1, 1},
                     .single = true,
                     .flops = 3 * products +
                              4.0 * (double)s->batch * (double)(s->classes * size->width)};
    hoi_job update = {"cpu/adapter.cl",     defines,        "adapter_update",
                      {size->pieces, 1, 1}, .single = true, .flops = 2 * products};
    return hoi_run(device, &forth, "bbbbbbbbbbbbiiiff", s->features, s->places, s->labels, s->text,
                   s->down.values, s->up.values, s->x, s->hidden, s->go, s->inner, s->losses,
                   s->room, s->batch, s->classes, (int64_t)s->last, (double)s->alpha,
                   (double)s->scale) &&
           hoi_run(device, &update, "bbbbbbbbbbbiifffffffff", s->x, s->hidden, s->go, s->inner,
                   s->up.values, s->up.first, s->up.second, s->down.values, s->down.first,
                   s->down.second, s->room, rows, (int64_t)s->adam, (double)(o->rate * s->up.rate),
                   (double)(o->rate * s->down.rate), (double)o->beta1, (double)o->beta2,
                   (double)o->eps, (double)s->up.decay, (double)s->down.decay,
                   1.0 / (double)o->correction1, 1.0 / (double)o->correction2);
}
