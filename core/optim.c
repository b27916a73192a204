/* optim: AdamW and SGD steps. */
#include "core/optim.h"
#include "core/error.h"

#include <math.h>
#include <stdlib.h>

hoi_optimizer *hoi_optimizer_new(hoi_optimizer_kind kind) {
    hoi_optimizer *o = calloc(1, sizeof *o);
    if (!o) {
        hoi_fail("optimizer: out of host memory");
        return NULL;
    }
    o->kind = kind;
    o->beta1 = 0.9f;
    o->beta2 = 0.999f;
    o->eps = 1e-8f;
    return o;
}

bool hoi_optimizer_add(hoi_optimizer *o, hoi_tensor *x, float rate, float decay) {
    hoi_device *device = hoi_tensor_device(x);
    if (!x->trainable || x->node || x->dtype != HOI_F32)
        return hoi_fail("optimizer: parameters are trainable F32 leaves; use :train()");
    for (int i = 0; i < o->count; ++i)
        if (o->slots[i].x == x)
            return hoi_fail("optimizer: a parameter is in the list twice");
    hoi_slot *grown = realloc(o->slots, (size_t)(o->count + 1) * sizeof *grown);
    if (!grown)
        return hoi_fail("optimizer: out of host memory");
    o->slots = grown;
    hoi_slot *slot = &grown[o->count++];
    *slot = (hoi_slot){.x = hoi_tensor_ref(x), .rate = rate, .decay = decay};
    slot->first = hoi_tensor_full(device, x->rank, x->shape, 0.0f);
    if (o->kind == HOI_ADAMW)
        slot->second = hoi_tensor_full(device, x->rank, x->shape, 0.0f);
    return slot->first && (o->kind == HOI_SGD || slot->second);
}

void hoi_optimizer_free(hoi_optimizer *o) {
    if (!o)
        return;
    for (int i = 0; i < o->count; ++i) {
        hoi_tensor_free(o->slots[i].x);
        hoi_tensor_free(o->slots[i].first);
        hoi_tensor_free(o->slots[i].second);
    }
    hoi_tensor_free(o->partial);
    hoi_tensor_free(o->norm);
    free(o->slots);
    free(o);
}

/* Gets what is to be updated, parameters that have a gradient; the caller frees it. */
static hoi_update *updates(const hoi_optimizer *o, float rate, int *count) {
    hoi_update *list = malloc((size_t)(o->count > 0 ? o->count : 1) * sizeof *list);
    *count = 0;
    if (!list) {
        hoi_fail("optimizer: out of host memory");
        return NULL;
    }
    for (int i = 0; i < o->count; ++i) {
        const hoi_slot *s = &o->slots[i];
        if (s->x->grad)
            list[(*count)++] = (hoi_update){.p = hoi_tensor_span(s->x),
                                            .g = hoi_tensor_span(s->x->grad),
                                            .m = hoi_tensor_span(s->first),
                                            .v = hoi_tensor_span(s->second ? s->second : s->first),
                                            .n = hoi_tensor_count(s->x),
                                            .rate = rate * s->rate,
                                            .decay = s->decay};
    }
    if (*count > 0)
        return list;
    free(list);
    hoi_fail("optimizer: no parameter has a gradient; call backward first");
    return NULL;
}

/* norm = the length of all gradients and their common factor; stays on the device, so that no step
   waits. */
static bool measure(hoi_optimizer *o, hoi_device *device, const hoi_update *list, int count,
                    float most) {
    int64_t parts = 0;
    for (int i = 0; i < count; ++i)
        parts += launch_squares_count(list[i].n);
    if (!o->norm && !(o->norm = hoi_tensor_new(device, 1, (int64_t[]){2})))
        return false;
    if (!o->partial || hoi_tensor_count(o->partial) < parts) {
        hoi_tensor_free(o->partial);
        if (!(o->partial = hoi_tensor_new(device, 1, &parts)))
            return false;
    }
    return launch_squares(device, list, count, hoi_tensor_span(o->partial)) &&
           launch_clip_scale(device, hoi_tensor_span(o->partial), hoi_tensor_span(o->norm),
                             (int)parts, most);
}

bool hoi_optimizer_step(hoi_optimizer *o, float rate, float scale, float most) {
    int count;
    hoi_update *list = updates(o, rate, &count);
    if (!list)
        return false;
    hoi_device *device = hoi_tensor_device(o->slots[0].x);
    bool ok = true;
    if (scale != 1.0f)
        for (int i = 0; ok && i < count; ++i) /* g += (scale - 1) g */
            ok = launch_accumulate(device, scale - 1.0f, list[i].g, list[i].g, list[i].n);
    if (!ok || !measure(o, device, list, count, most)) {
        free(list);
        return false;
    }
    ++o->steps;
    hoi_adamw_step step = {.beta1 = o->beta1,
                           .beta2 = o->beta2,
                           .eps = o->eps,
                           .correction1 = (float)(1.0 - pow((double)o->beta1, (double)o->steps)),
                           .correction2 = (float)(1.0 - pow((double)o->beta2, (double)o->steps))};
    hoi_span norm = hoi_tensor_span(o->norm);
    if (o->kind == HOI_ADAMW)
        ok = launch_adamw(device, list, count, norm, &step);
    else
        for (int i = 0; ok && i < count; ++i)
            ok = launch_sgd(device, &list[i], norm, o->momentum);
    free(list);
    for (int i = 0; i < o->count; ++i) {
        hoi_tensor *x = o->slots[i].x;
        if (x->grad)
            hoi_tensor_changed(x);
        hoi_tensor_free(x->grad);
        x->grad = NULL;
    }
    return ok;
}

bool hoi_optimizer_norm(const hoi_optimizer *o, float *norm) {
    float both[2];
    if (!o->norm)
        return hoi_fail("optimizer: no step was made yet");
    if (!hoi_tensor_read(o->norm, both))
        return false;
    *norm = both[0];
    return true;
}
