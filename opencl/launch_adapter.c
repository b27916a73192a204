/* launch_adapter: how training steps of CLIP-Adapter are set up: many in one launch. */
#include "opencl/launch.h"
#include "opencl/machine.h"

#include <stdio.h>

enum { BLOCK = 64, SPAN = 128, ROWS = 16 };

bool launch_adapter_size(const hoi_device *device, int64_t batch, hoi_adapter_size *size) {
    int64_t width = size->width = round_up(size->width, ROWS), lanes = device->set.width;
    int64_t hidden = size->hidden = round_up(size->hidden, ROWS), units = device->info.units;
    int64_t parts = width / ROWS * pieces(hidden, SPAN) + hidden / ROWS * pieces(width, SPAN);
    size->classes = round_up(size->classes, BLOCK);
    size->text_row = width + ROWS;
    size->rows = round_up(batch, lanes);
    size->room = (4 * width + 2 * hidden + BLOCK) * size->rows;
    if (size->room < parts * ROWS * lanes)
        size->room = parts * ROWS * lanes;
    size->groups = size->rows / lanes > 4 ? size->rows / lanes : 4; /* more would mostly wait */
    size->groups = units < size->groups ? units : size->groups;
    size->counters = 2 * (size->groups + 1);
    return !device->set.gpu;
}

bool launch_adapter(hoi_device *device, const hoi_adapter_steps *s) {
    const hoi_adapter_size *size = &s->size;
    char defines[96];
    bool many = device->set.registers == 32;
    snprintf(defines, sizeof defines, "-DMR=%d -DHALF=%d -DWIDTH=%d -DHIDDEN=%d", many ? 16 : 8,
             many && device->set.width >= 8 ? 8 : 4, (int)size->width, (int)size->hidden);
    hoi_job job = {"cpu/adapter.cl",
                   defines,
                   "adapter_steps",
                   {size->groups, 1, 1},
                   .single = true,
                   .flops = (double)s->count * (double)size->width *
                            (10.0 * (double)size->hidden + 4.0 * (double)s->classes)};
    return hoi_run(device, &job, "bbbbbbbbbbbbbbbbbbiiiiiifffffffff", s->features, s->places,
                   s->labels, s->text, s->up.values, s->up.first, s->up.second, s->down.values,
                   s->down.first, s->down.second, s->x, s->hidden, s->go, s->inner, s->losses,
                   s->room, s->numbers, s->counters, s->steps, s->batch, s->count, s->classes,
                   (int64_t)s->last, (int64_t)s->adam, (double)s->alpha, (double)s->scale,
                   (double)s->beta1, (double)s->beta2, (double)s->eps, (double)s->up.rate,
                   (double)s->up.decay, (double)s->down.rate, (double)s->down.decay);
}
