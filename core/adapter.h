/* adapter: CLIP-Adapter's training (Gao et al. 2021) on features that never change, an epoch at a
   time: image adapter without biases, classes fixed. */
#ifndef HOI_ADAPTER_H
#define HOI_ADAPTER_H

#include "core/optim.h"
#include "core/tape.h"

typedef struct hoi_adapter {
    hoi_tensor *features;  /* (n, d) */
    hoi_tensor *text;      /* (classes, d), rows of length 1 */
    hoi_tensor *down, *up; /* (hidden, d), (d, hidden): the optimizer's only parameters */
    float alpha, scale;    /* share of the adapter; factor of the cosines */
    bool last_relu;        /* a ReLU behind the second layer too */
} hoi_adapter;

/* Whether this device trains adapters so. Else: by recorded operations. */
bool hoi_adapter_possible(const hoi_device *device);
/* Takes `steps` steps of cross-entropy with the batches that lie one after the other in places:
   `batch` samples each, the last one what is left of them. labels: class of each sample; all
   0-based. Gets the sum of the steps' losses, a scalar. The same as recorded operations give, up to
   rounding. NULL after hoi_fail. */
hoi_tensor *hoi_adapter_train(const hoi_adapter *a, hoi_optimizer *o, const hoi_index *labels,
                              const hoi_index *places, int batch, int steps, const float *rates);

#endif
