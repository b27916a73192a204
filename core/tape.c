/* tape: recording, backward, checkpoints. */
#include "core/tape.h"
#include "core/error.h"
#include "core/ops.h"

#include <stdlib.h>
#include <string.h>

hoi_index *hoi_index_new(hoi_device *device, int count, const int32_t *values) {
    hoi_index *index = calloc(1, sizeof *index);
    size_t bytes = (size_t)count * sizeof *values;
    if (!index || !(index->host = malloc(bytes + 1))) {
        free(index);
        hoi_fail("index: out of host memory");
        return NULL;
    }
    memcpy(index->host, values, bytes);
    index->references = 1;
    index->count = count;
    index->buffer = hoi_buffer_new(device, bytes);
    if (!index->buffer || !hoi_buffer_write(index->buffer, 0, values, bytes)) {
        hoi_index_free(index);
        return NULL;
    }
    return index;
}

void hoi_index_free(hoi_index *index) {
    if (!index || --index->references > 0)
        return;
    hoi_buffer_free(index->buffer);
    free(index->host);
    free(index);
}

static void drop_content(hoi_node *node) {
    for (int i = 0; i < HOI_SAVED; ++i) {
        hoi_tensor_free(node->saved[i]);
        node->saved[i] = NULL;
    }
    hoi_tensor_free(node->y);
    hoi_tensor_free(node->grad);
    hoi_index_free(node->a.index);
    node->y = node->grad = NULL;
    node->a.index = NULL;
    if (node->a.block) {
        node->a.block->drop(node->a.block->context);
        free(node->a.block);
        node->a.block = NULL;
    }
}

/* Frees a node and whatever only it held, in a loop: a record may be thousands deep. */
void hoi_node_free(hoi_node *node) {
    hoi_node *list = NULL;
    if (!node || --node->references > 0)
        return;
    node->below = NULL;
    list = node;
    while (list) {
        hoi_node *next = list;
        list = next->below;
        drop_content(next);
        for (int i = 0; i < next->a.count; ++i) {
            hoi_tensor *in = next->a.in[i];
            if (in && in->references == 1 && in->node) {
                hoi_node *under = in->node;
                in->node = NULL;
                if (--under->references == 0) {
                    under->below = list;
                    list = under;
                }
            }
            hoi_tensor_free(in);
        }
        free(next);
    }
}

/* The serial only orders nodes of one record; that it is shared by all is harmless. */
static uint64_t next_serial(void) {
    static _Thread_local uint64_t serial;
    return ++serial;
}

bool hoi_reads_nothing(const hoi_arguments *a, int i) {
    (void)a;
    (void)i;
    return false;
}

/* Gets x without its memory: its shape, and its place in the record. */
static hoi_tensor *outline(const hoi_tensor *x) {
    hoi_tensor *y = malloc(sizeof *y);
    if (!y)
        return NULL;
    *y = *x;
    y->references = 1;
    y->storage = NULL;
    y->grad = NULL;
    ++y->node->references;
    return y;
}

/* Hangs the record on y; saved and the block are taken over. NULL after hoi_fail, y is then gone.
   */
static hoi_tensor *record(const hoi_operation *operation, const hoi_arguments *a,
                          hoi_tensor **saved, hoi_tensor *y) {
    hoi_node *node = calloc(1, sizeof *node);
    bool (*reads)(const hoi_arguments *, int) = operation->reads;
    bool ok = node != NULL;
    if (ok && (!reads || reads(a, -1)))
        ok = (node->y = hoi_tensor_detach(y)) != NULL;
    for (int i = 0; ok && i < a->count; ++i) {
        hoi_tensor *in = a->in[i];
        if (in && in->node && reads && !reads(a, i))
            ok = (node->a.in[i] = outline(in)) != NULL;
        else if (in)
            node->a.in[i] = hoi_tensor_ref(in);
    }
    if (!ok) {
        hoi_fail("tape: out of host memory");
        for (int i = 0; node && i < a->count; ++i)
            hoi_tensor_free(node->a.in[i]);
        if (node)
            hoi_tensor_free(node->y);
        free(node);
        hoi_tensor_free(y);
        for (int i = 0; i < HOI_SAVED; ++i)
            hoi_tensor_free(saved[i]);
        return NULL;
    }
    node->operation = operation;
    node->serial = next_serial();
    node->references = 1;
    hoi_arguments whole = *a;
    memcpy(whole.in, node->a.in, sizeof whole.in);
    node->a = whole;
    if (a->index)
        ++a->index->references;
    memcpy(node->saved, saved, HOI_SAVED * sizeof *saved);
    y->node = node;
    return y;
}

hoi_tensor *hoi_apply(const hoi_operation *operation, const hoi_arguments *a) {
    hoi_tensor *saved[HOI_SAVED] = {NULL}, *y;
    bool recorded = false;
    for (int i = 0; i < a->count; ++i)
        recorded = recorded || (a->in[i] && hoi_tensor_recorded(a->in[i]));
    y = operation->forward(a, saved);
    if (y && recorded)
        return record(operation, a, saved, y);
    for (int i = 0; i < HOI_SAVED; ++i)
        hoi_tensor_free(saved[i]);
    return y;
}

bool hoi_node_wants(const hoi_node *node, int i) {
    return node->a.in[i] && hoi_tensor_recorded(node->a.in[i]);
}

bool hoi_node_alone(const hoi_node *node) {
    return node->references == 2; /* the reader's, and that of backward's list */
}

static bool add_to(hoi_tensor **sum, hoi_tensor *g) {
    if (!*sum) {
        *sum = g;
        return true;
    }
    bool ok;
    if ((*sum)->storage->references == 1) {
        ok = launch_accumulate(hoi_tensor_device(g), 1.0f, hoi_tensor_span(g),
                               hoi_tensor_span(*sum), hoi_tensor_count(g));
    } else { /* another view may still be read: leave it alone */
        hoi_tensor *both = hoi_add(*sum, g);
        ok = both != NULL;
        if (ok) {
            hoi_tensor_free(*sum);
            *sum = both;
        }
    }
    hoi_tensor_free(g);
    return ok;
}

bool hoi_node_give(hoi_node *node, int i, hoi_tensor *g) {
    hoi_tensor *in = node->a.in[i];
    char want[96], got[96];
    if (!g)
        return false;
    if (!hoi_tensor_is(g, in->rank, in->shape)) {
        hoi_fail("tape: %s gives input %d a gradient %s, it is %s", node->operation->name, i + 1,
                 hoi_shape_text(g->rank, g->shape, got), hoi_shape_text(in->rank, in->shape, want));
        hoi_tensor_free(g);
        return false;
    }
    return add_to(in->node ? &in->node->grad : &in->grad, g);
}

typedef struct node_list {
    hoi_node **at;
    size_t count, room;
} node_list;

static bool push(node_list *list, hoi_node *node) {
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 256;
        hoi_node **grown = realloc(list->at, room * sizeof *grown);
        if (!grown)
            return hoi_fail("tape: out of host memory");
        list->at = grown;
        list->room = room;
    }
    node->seen = true;
    ++node->references;
    list->at[list->count++] = node;
    return true;
}

static int newest_first(const void *a, const void *b) {
    uint64_t x = (*(hoi_node *const *)a)->serial, y = (*(hoi_node *const *)b)->serial;
    return (x < y) - (x > y);
}

bool hoi_backward(hoi_tensor *loss, hoi_tensor *seed) {
    node_list list = {NULL, 0, 0};
    bool ok = true;
    char text[96];
    if (!hoi_tensor_recorded(loss))
        return hoi_fail("backward: no trainable tensor reaches this one");
    if (!seed && hoi_tensor_count(loss) != 1)
        return hoi_fail("backward: a loss is a single value, this is %s; use :sum() or :mean()",
                        hoi_shape_text(loss->rank, loss->shape, text));
    if (seed && !hoi_tensor_is(seed, loss->rank, loss->shape))
        return hoi_fail("backward: the seed's shape is not the loss's, %s",
                        hoi_shape_text(loss->rank, loss->shape, text));
    hoi_tensor *first =
        seed ? hoi_tensor_detach(seed) /* a view: sums never go into the caller's values */
             : hoi_tensor_full(hoi_tensor_device(loss), loss->rank, loss->shape, 1.0f);
    if (!first)
        return false;
    if (!loss->node)
        return add_to(&loss->grad, first);
    if (loss->node->used) {
        hoi_tensor_free(first);
        return hoi_fail(
            "backward: this result was walked before; its record is used up. Compute it again");
    }
    ok = add_to(&loss->node->grad, first) && (loss->node->seen || push(&list, loss->node));
    for (size_t next = 0; ok && next < list.count; ++next) {
        hoi_node *node = list.at[next];
        for (int i = 0; ok && i < node->a.count; ++i) {
            hoi_node *under = node->a.in[i] ? node->a.in[i]->node : NULL;
            if (under && under->used)
                ok = hoi_fail("backward: a part of this result was walked before; its record is "
                              "used up. Compute it again");
            else if (under && !under->seen)
                ok = push(&list, under);
        }
    }
    if (ok)
        qsort(list.at, list.count, sizeof *list.at, newest_first);
    for (size_t i = 0; i < list.count; ++i) {
        hoi_node *node = list.at[i];
        hoi_tensor *dy = node->grad;
        node->grad = NULL;
        if (ok && dy)
            ok = node->operation->pullback(node, dy);
        hoi_tensor_free(dy);
        node->used = true;
        node->seen = false;
        drop_content(node);
        /* inputs are let go here, so that memory shrinks as the walk goes down */
        for (int k = 0; k < node->a.count; ++k) {
            hoi_tensor *in = node->a.in[k];
            node->a.in[k] = NULL;
            hoi_tensor_free(in);
        }
    }
    for (size_t i = 0; i < list.count; ++i)
        hoi_node_free(list.at[i]);
    free(list.at);
    return ok;
}

/* ---- checkpoint ---- */

/* Checkpoints being walked on this thread, one inside the other. */
static _Thread_local int walking;

bool hoi_walks_checkpoint(void) {
    return walking > 0;
}

/* in: the block's inputs (n[0] of them), then what it captured, which the walk inside adds to by
   itself. A gradient that an input already has goes inside with it, so that sums have the order
   they would have without the checkpoint. */
static bool checkpoint_pullback(hoi_node *node, hoi_tensor *dy) {
    hoi_tensor *in[HOI_INPUTS] = {NULL}, *y = NULL;
    int count = (int)node->a.n[0];
    bool ok = true;
    for (int i = 0; ok && i < count; ++i) {
        hoi_tensor *outer = node->a.in[i], **grad = outer->node ? &outer->node->grad : &outer->grad;
        for (int k = 0; k < i && !in[i]; ++k)
            if (node->a.in[k] == outer)
                in[i] = hoi_tensor_ref(in[k]);
        if (in[i])
            continue;
        in[i] = hoi_tensor_detach(outer);
        ok = in[i] != NULL;
        if (ok && hoi_node_wants(node, i)) {
            in[i]->trainable = true;
            in[i]->grad = *grad;
            *grad = NULL;
        }
    }
    ++walking;
    ok = ok && (y = node->a.block->run(node->a.block->context, in, count, true)) &&
         hoi_backward(y, dy);
    --walking;
    for (int i = 0; i < count; ++i)
        if (in[i] && in[i]->grad) {
            ok = hoi_node_give(node, i, in[i]->grad) && ok;
            in[i]->grad = NULL;
        }
    hoi_tensor_free(y);
    for (int i = 0; i < count; ++i)
        hoi_tensor_free(in[i]);
    return ok;
}

static const hoi_operation checkpoint = {"checkpoint", NULL, checkpoint_pullback, NULL};

/* Adds to the inputs what was recorded before `start` and reached the block in another way: the
   walk outside has to pass it, after every block that uses it. */
static bool add_captured(hoi_tensor *inside, uint64_t start, hoi_arguments *a) {
    hoi_tensor *root[1] = {inside};
    node_list list = {NULL, 0, 0};
    bool ok = true;
    for (size_t next = 0; ok && next <= list.count;
         ++next) { /* the result first, then what it was computed from */
        hoi_tensor **in = next ? list.at[next - 1]->a.in : root;
        int count = next ? list.at[next - 1]->a.count : 1;
        for (int i = 0; ok && i < count; ++i) {
            hoi_node *under = in[i] ? in[i]->node : NULL;
            if (under && under->serial > start) {
                ok = under->seen || push(&list, under);
            } else if (under) {
                bool known = false;
                for (int k = 0; k < a->count; ++k)
                    known = known || a->in[k]->node == under;
                if (!known && a->count == HOI_INPUTS)
                    ok = hoi_fail("checkpoint: more than %d inputs and computed tensors used "
                                  "inside; join some with concat",
                                  HOI_INPUTS);
                else if (!known)
                    a->in[a->count++] = in[i];
            }
        }
    }
    for (size_t i = 0; i < list.count; ++i) {
        list.at[i]->seen = false;
        --list.at[i]->references; /* `inside` still holds it */
    }
    free(list.at);
    return ok;
}

hoi_tensor *hoi_checkpoint(hoi_block *block, hoi_tensor *const *inputs, int count) {
    hoi_arguments a = {.count = count, .n = {count}, .block = block};
    hoi_tensor *saved[HOI_SAVED] = {NULL}, *inside = NULL, *y = NULL;
    uint64_t start = next_serial();
    bool recorded = false;
    if (count > HOI_INPUTS) {
        hoi_fail("checkpoint: %d inputs; at most %d", count, HOI_INPUTS);
    } else {
        for (int i = 0; i < count; ++i)
            a.in[i] = inputs[i];
        inside = block->run(block->context, a.in, count, false);
    }
    if (inside) { /* what was recorded inside goes with `inside`; parameters it reached make y
                     recorded */
        recorded = hoi_tensor_recorded(inside);
        if (add_captured(inside, start, &a))
            y = hoi_tensor_detach(inside);
        if (y && recorded)
            y = record(&checkpoint, &a, saved, y);
        hoi_tensor_free(inside);
    }
    if (!y || !recorded) {
        block->drop(block->context);
        free(block);
    }
    return y;
}
