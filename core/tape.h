/* tape: how a result was computed. The tape hangs from the result: there is no tape object and no
   recording mode; dropping a loss drops its history. */
#ifndef HOI_TAPE_H
#define HOI_TAPE_H

#include "core/tensor.h"

enum { HOI_INPUTS = 8, HOI_SAVED = 4, HOI_NUMBERS = 16 };

/* Places of rows or columns (0-based), on the host and on the device; counted. */
typedef struct hoi_index {
    int references;
    int count;
    int32_t *host;
    hoi_buffer *buffer;
} hoi_index;
/* Gets an index with a copy of the values. NULL after hoi_fail. */
hoi_index *hoi_index_new(hoi_device *device, int count, const int32_t *values);
void hoi_index_free(hoi_index *index);

/* Code run again inside backward (checkpoint). run returns a new reference or NULL after hoi_fail.
   again: inside backward, where nobody looks at the values of the result, only at its record. */
typedef struct hoi_block {
    hoi_tensor *(*run)(void *context, hoi_tensor *const *inputs, int count, bool again);
    void (*drop)(void *context);
    void *context;
} hoi_block;

/* What an operation is applied to. Inputs are borrowed while it runs, counted once it is recorded;
   NULL inputs are allowed where the operation says so. */
typedef struct hoi_arguments {
    hoi_tensor *in[HOI_INPUTS];
    int count;
    int64_t n[HOI_NUMBERS];
    float f[4];
    hoi_index *index;
    hoi_block *block;
} hoi_arguments;

/* One row of the table of operations. forward fills saved (references given away) with what
   pullback needs; pullback gives each wanted input its gradient with hoi_node_give. name is the
   operation's public name and its partner in tests/reference. reads tells whether pullback looks at
   the values of input i (-1: of the result); what it does not look at is not kept for it: of such
   an input only the shape and the record, of such a result nothing. NULL: it looks at all. */
typedef struct hoi_operation {
    const char *name;
    hoi_tensor *(*forward)(const hoi_arguments *a, hoi_tensor **saved);
    bool (*pullback)(hoi_node *node, hoi_tensor *dy);
    bool (*reads)(const hoi_arguments *a, int i);
} hoi_operation;

/* The reads of operations whose pullback looks at shapes alone. */
bool hoi_reads_nothing(const hoi_arguments *a, int i);

struct hoi_node {
    const hoi_operation *operation;
    uint64_t serial;
    hoi_arguments a;
    hoi_tensor *y; /* the result, as an unrecorded view; NULL where pullback does not read it */
    hoi_tensor *saved[HOI_SAVED];
    hoi_tensor *grad; /* of the result, while backward walks */
    bool used, seen;
    bool sloped;     /* grad is of what the result is the activation of */
    hoi_node *below; /* while freeing: a list instead of recursion */
    int references;  /* results that hold it (1), or backward's list */
};

/* Runs an operation and records it where a trainable tensor can be reached. NULL after hoi_fail. */
hoi_tensor *hoi_apply(const hoi_operation *operation, const hoi_arguments *a);

/* Whether input i wants a gradient, and giving it one (the reference is taken; false after
   hoi_fail, also when g is NULL). */
bool hoi_node_wants(const hoi_node *node, int i);
bool hoi_node_give(hoi_node *node, int i, hoi_tensor *g);
void hoi_node_free(hoi_node *node);
/* While backward walks: whether a single reader holds the result, and nobody else. */
bool hoi_node_alone(const hoi_node *node);

/* Walks from loss down once: each trainable leaf that was reached collects d loss / d leaf in its
   grad (added to what is there). seed: d of what follows by loss, same shape; NULL: 1, loss must be
   a single value. It consumes the record. */
bool hoi_backward(hoi_tensor *loss, hoi_tensor *seed);

/* Runs a block without keeping its inside: backward runs it again. The block is taken over (also on
   failure). It may use trainable and computed tensors that are not among its inputs; inputs and
   such computed tensors: HOI_INPUTS together. */
hoi_tensor *hoi_checkpoint(hoi_block *block, hoi_tensor *const *inputs, int count);
/* True inside backward through a checkpoint: memory is what its caller saves, so that weights laid
   out for the way back are not kept. */
bool hoi_walks_checkpoint(void);

#endif
