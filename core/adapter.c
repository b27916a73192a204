/* adapter: an epoch of CLIP-Adapter's training: what the kernels want, laid out once. */
#include "core/adapter.h"
#include "core/error.h"
#include "core/ops.h"

#include <math.h>
#include <stdlib.h>

static hoi_tensor *then(hoi_tensor *x, hoi_tensor *y) {
    hoi_tensor_free(x);
    return y;
}

/* Gets the matrix x with zeros past its own rows and columns: x itself, unrecorded, where nothing is
   added. */
static hoi_tensor *filled(const hoi_tensor *x, int64_t rows, int64_t columns) {
    hoi_tensor *y = hoi_tensor_detach(x);
    if (y && y->shape[0] < rows)
        y = then(y, hoi_pad(y, 0, 0, rows - y->shape[0]));
    if (y && y->shape[1] < columns)
        y = then(y, hoi_pad(y, 1, 0, columns - y->shape[1]));
    return y;
}

/* Writes what a matrix was filled up to back into it. */
static bool put_back(hoi_tensor *to, hoi_tensor *from) {
    hoi_tensor_changed(to);
    if (from->storage == to->storage)
        return true;
    hoi_tensor *x = hoi_slice(from, 0, 0, to->shape[0]);
    x = x ? then(x, hoi_slice(x, 1, 0, to->shape[1])) : NULL;
    bool ok = x && launch_unary(hoi_tensor_device(to), HOI_AFFINE, 1.0f, 0.0f, hoi_tensor_span(x),
                                hoi_tensor_span(to), hoi_tensor_count(to));
    hoi_tensor_free(x);
    return ok;
}

/* What an epoch keeps on the device, freed together. */
enum {
    FEATURES,
    TEXT,
    DOWN,
    DOWN_FIRST,
    DOWN_SECOND,
    UP,
    UP_FIRST,
    UP_SECOND,
    X,
    GO,
    HIDDEN,
    INNER,
    LOSSES,
    ROOM,
    ALL
};

static const hoi_slot *slot_of(const hoi_optimizer *o, const hoi_tensor *x) {
    for (int i = 0; i < o->count; ++i)
        if (o->slots[i].x == x)
            return &o->slots[i];
    return NULL;
}

static void take_weights(hoi_tensor **t, const hoi_slot *s, int64_t rows, int64_t columns) {
    t[0] = filled(s->x, rows, columns);
    t[1] = filled(s->first, rows, columns);
    t[2] = filled(s->second ? s->second : s->first, rows, columns);
}

static bool give_weights(hoi_tensor *const *t, const hoi_slot *s) {
    return put_back(s->x, t[0]) && put_back(s->first, t[1]) &&
           (!s->second || put_back(s->second, t[2]));
}

static hoi_adapter_weights weights_of(hoi_tensor *const *t, const hoi_slot *s) {
    return (hoi_adapter_weights){hoi_tensor_span(t[0]), hoi_tensor_span(t[1]),
                                 hoi_tensor_span(t[2]), s->rate, s->decay};
}

static hoi_tensor *room(hoi_device *device, int64_t count) {
    return hoi_tensor_new(device, 1, &count);
}

bool hoi_adapter_possible(const hoi_device *device) {
    return launch_adapter_size(device, 1,
                               &(hoi_adapter_size){.width = 1, .hidden = 1, .classes = 1});
}

static bool fits(const hoi_adapter *a, const hoi_optimizer *o) {
    const hoi_tensor *f = a->features, *t = a->text, *down = a->down, *up = a->up;
    if (f->dtype != HOI_F32 || t->dtype != HOI_F32)
        return hoi_fail("adapter: features and text as F32 are wanted; use :float()");
    if (f->rank != 2 || t->rank != 2 || down->rank != 2 || up->rank != 2 ||
        t->shape[1] != f->shape[1] || down->shape[1] != f->shape[1] ||
        up->shape[0] != f->shape[1] || up->shape[1] != down->shape[0])
        return hoi_fail("adapter: features (n, d), text (classes, d), down (hidden, d) and up (d, "
                        "hidden) are wanted");
    if (o->count != 2 || !slot_of(o, down) || !slot_of(o, up))
        return hoi_fail("adapter: the optimizer's parameters are not the adapter's two");
    return true;
}

/* All values from 0 to n - 1. */
static bool inside(const hoi_index *index, int64_t n, const char *what) {
    for (int i = 0; i < index->count; ++i)
        if (index->host[i] < 0 || index->host[i] >= n)
            return hoi_fail("adapter: %s %d of %d", what, (int)index->host[i] + 1, (int)n);
    return true;
}

/* Gets the numbers of `steps` steps: rate, 1 / (1 - beta1^t), 1 / (1 - beta2^t). */
static hoi_tensor *numbers_of(hoi_device *device, hoi_optimizer *o, int steps, const float *rates) {
    float *values = malloc((size_t)steps * 3 * sizeof *values + 1);
    hoi_tensor *x = NULL;
    if (!values) {
        hoi_fail("adapter: out of host memory");
        return NULL;
    }
    for (int i = 0; i < steps; ++i) {
        double t = (double)++o->steps;
        values[3 * i] = rates[i];
        values[3 * i + 1] = (float)(1.0 / (1.0 - pow((double)o->beta1, t)));
        values[3 * i + 2] = (float)(1.0 / (1.0 - pow((double)o->beta2, t)));
    }
    x = hoi_tensor_from(device, 2, (int64_t[]){steps, 3}, values);
    free(values);
    return x;
}

/* MOST steps at a time, so that the program can be interrupted. */
static bool run(const hoi_adapter *a, hoi_optimizer *o, hoi_tensor **t,
                const hoi_adapter_size *size, const hoi_index *labels, const hoi_index *places,
                int batch, int steps, const float *rates) {
    enum { MOST = 512 };
    hoi_device *device = hoi_tensor_device(a->features);
    bool adam = o->kind == HOI_ADAMW, ok = true;
    hoi_adapter_steps s = {
        .size = *size,
        .batch = batch,
        .classes = a->text->shape[0],
        .last = a->last_relu,
        .adam = adam,
        .alpha = a->alpha,
        .scale = a->scale,
        .beta1 = adam ? o->beta1 : o->momentum,
        .beta2 = o->beta2,
        .eps = o->eps,
        .features = hoi_tensor_span(t[FEATURES]),
        .text = hoi_tensor_span(t[TEXT]),
        .labels = {labels->buffer, 0},
        .down = weights_of(&t[DOWN], slot_of(o, a->down)),
        .up = weights_of(&t[UP], slot_of(o, a->up)),
        .x = hoi_tensor_span(t[X]),
        .go = hoi_tensor_span(t[GO]),
        .hidden = hoi_tensor_span(t[HIDDEN]),
        .inner = hoi_tensor_span(t[INNER]),
        .losses = hoi_tensor_span(t[LOSSES]),
        .room = hoi_tensor_span(t[ROOM]),
    };
    for (int i = 0; ok && i < steps; i += MOST) {
        s.steps = steps - i < MOST ? steps - i : MOST;
        int64_t left = places->count - (int64_t)i * batch, counters = s.steps * size->counters;
        s.count = left < s.steps * batch ? left : s.steps * batch;
        s.places = (hoi_span){places->buffer, (int64_t)i * batch};
        hoi_tensor *numbers = numbers_of(device, o, (int)s.steps, rates + i);
        hoi_tensor *zeros = hoi_tensor_full(device, 1, &counters, 0.0f); /* integers 0 as well */
        ok = numbers && zeros;
        if (ok) {
            s.numbers = hoi_tensor_span(numbers);
            s.counters = hoi_tensor_span(zeros);
            ok = launch_adapter(device, &s);
        }
        hoi_tensor_free(numbers);
        hoi_tensor_free(zeros);
    }
    return ok;
}

hoi_tensor *hoi_adapter_train(const hoi_adapter *a, hoi_optimizer *o, const hoi_index *labels,
                              const hoi_index *places, int batch, int steps, const float *rates) {
    hoi_tensor *t[ALL] = {NULL}, *loss = NULL;
    hoi_device *device = hoi_tensor_device(a->features);
    if (!fits(a, o) || !inside(labels, a->text->shape[0], "class") ||
        !inside(places, labels->count, "sample"))
        return NULL;
    if (labels->count != a->features->shape[0] || batch < 1 ||
        (int64_t)(steps - 1) * batch >= places->count || (int64_t)steps * batch < places->count) {
        hoi_fail("adapter: %d steps of %d do not fit %d places of %d samples", steps, batch,
                 places->count, (int)a->features->shape[0]);
        return NULL;
    }
    hoi_adapter_size size = {
        .width = a->features->shape[1], .hidden = a->down->shape[0], .classes = a->text->shape[0]};
    if (!launch_adapter_size(device, batch, &size)) {
        hoi_fail("adapter: this device has no kernels for it; use recorded operations");
        return NULL;
    }
    const hoi_slot *down = slot_of(o, a->down), *up = slot_of(o, a->up);
    t[FEATURES] = filled(a->features, 0, size.width);
    t[TEXT] = filled(a->text, size.classes, size.text_row);
    take_weights(&t[DOWN], down, size.hidden, size.width);
    take_weights(&t[UP], up, size.width, size.hidden);
    t[X] = room(device, size.rows * size.width);
    t[GO] = room(device, size.rows * size.width);
    t[HIDDEN] = room(device, size.rows * size.hidden);
    t[INNER] = room(device, size.rows * size.hidden);
    t[LOSSES] = hoi_tensor_full(device, 1, &size.rows, 0.0f);
    t[ROOM] = room(device, size.room);
    bool ok = true;
    for (int i = 0; i < ALL; ++i)
        ok = ok && t[i];
    ok = ok && run(a, o, t, &size, labels, places, batch, steps, rates) &&
         give_weights(&t[DOWN], down) && give_weights(&t[UP], up);
    if (ok)
        loss = hoi_sum(t[LOSSES], -1, false);
    for (int i = 0; i < ALL; ++i)
        hoi_tensor_free(t[i]);
    return loss;
}
