/* optim: AdamW and SGD with momentum over a list of trainable tensors, gradients clipped together.
   */
#ifndef HOI_OPTIM_H
#define HOI_OPTIM_H

#include "core/tensor.h"

typedef enum hoi_optimizer_kind { HOI_ADAMW, HOI_SGD } hoi_optimizer_kind;

/* One parameter with what is its own: rate is a factor of the step's rate. first, second: running
   means (SGD: first only). */
typedef struct hoi_slot {
    hoi_tensor *x, *first, *second;
    float rate, decay;
} hoi_slot;

typedef struct hoi_optimizer {
    hoi_optimizer_kind kind;
    float beta1, beta2, eps, momentum;
    int64_t steps;
    hoi_slot *slots;
    int count;
    hoi_tensor *partial, *norm; /* norm (2): length of all gradients, what they are scaled by */
} hoi_optimizer;

/* Gets an optimizer without parameters. NULL after hoi_fail. */
hoi_optimizer *hoi_optimizer_new(hoi_optimizer_kind kind);
/* Adds a trainable F32 leaf; its running means start at 0. */
bool hoi_optimizer_add(hoi_optimizer *o, hoi_tensor *x, float rate, float decay);
void hoi_optimizer_free(hoi_optimizer *o);

/* One step with the gradients collected in the parameters, which are cleared; those without one
   stay as they are. Gradients are first multiplied by scale (1 / micro-batches), then together
   clipped to the length most (0: not). AdamW: Loshchilov & Hutter 2019, algorithm 2,
   bias-corrected; SGD: m = momentum m + g + decay x, x -= rate m. The length stays on the device:
   hoi_optimizer_norm. */
bool hoi_optimizer_step(hoi_optimizer *o, float rate, float scale, float most);
/* Reads the length of the last step's gradients, before clipping (waits). */
bool hoi_optimizer_norm(const hoi_optimizer *o, float *norm);

#endif
