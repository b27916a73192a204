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

/* norm = the length of all gradients and their common factor; stays on the device, so that no step
   waits. */
static bool measure(hoi_optimizer *o, float most) {
    hoi_device *device = NULL;
    int64_t pieces = 0;
    int at = 0;
    for (int i = 0; i < o->count; ++i)
        if (o->slots[i].x->grad) {
            device = hoi_tensor_device(o->slots[i].x);
            pieces += launch_squares_count(hoi_tensor_count(o->slots[i].x));
        }
    if (!device)
        return hoi_fail("optimizer: no parameter has a gradient; call backward first");
    if (!o->norm && !(o->norm = hoi_tensor_new(device, 1, (int64_t[]){2})))
        return false;
    if (!o->partial || hoi_tensor_count(o->partial) < pieces) {
        hoi_tensor_free(o->partial);
        if (!(o->partial = hoi_tensor_new(device, 1, &pieces)))
            return false;
    }
    for (int i = 0; i < o->count; ++i) {
        hoi_tensor *g = o->slots[i].x->grad;
        int count = 0;
        hoi_span to = hoi_tensor_span(o->partial);
        to.at += at;
        if (g && !launch_squares(device, hoi_tensor_span(g), to, hoi_tensor_count(g), &count))
            return false;
        at += count;
    }
    return launch_clip_scale(device, hoi_tensor_span(o->partial), hoi_tensor_span(o->norm), at,
                             most);
}

bool hoi_optimizer_step(hoi_optimizer *o, float rate, float scale, float most) {
    bool ok = true;
    if (scale != 1.0f)
        for (int i = 0; ok && i < o->count; ++i) {
            hoi_tensor *g = o->slots[i].x->grad;
            if (g) /* g += (scale - 1) g */
                ok = launch_accumulate(hoi_tensor_device(g), scale - 1.0f, hoi_tensor_span(g),
                                       hoi_tensor_span(g), hoi_tensor_count(g));
        }
    ok = ok && measure(o, most);
    if (!ok)
        return false;
    ++o->steps;
    hoi_adamw_step step = {.beta1 = o->beta1,
                           .beta2 = o->beta2,
                           .eps = o->eps,
                           .correction1 = (float)(1.0 - pow((double)o->beta1, (double)o->steps)),
                           .correction2 = (float)(1.0 - pow((double)o->beta2, (double)o->steps))};
    for (int i = 0; ok && i < o->count; ++i) {
        hoi_slot *s = &o->slots[i];
        hoi_tensor *x = s->x, *g = x->grad;
        if (!g)
            continue;
        hoi_device *device = hoi_tensor_device(x);
        step.rate = rate * s->rate;
        step.decay = s->decay;
        ok = o->kind == HOI_ADAMW
                 ? launch_adamw(device, hoi_tensor_span(x), hoi_tensor_span(g),
                                hoi_tensor_span(s->first), hoi_tensor_span(s->second),
                                hoi_tensor_span(o->norm), hoi_tensor_count(x), &step)
                 : launch_sgd(device, hoi_tensor_span(x), hoi_tensor_span(g),
                              hoi_tensor_span(s->first), hoi_tensor_span(o->norm),
                              hoi_tensor_count(x), step.rate, o->momentum, s->decay);
        hoi_tensor_changed(x);
        hoi_tensor_free(g);
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
