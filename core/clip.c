/* clip: CLIP's two towers: running them. Loading is clip_load.c. */
#include "core/clip.h"
#include "core/error.h"

#include <stdlib.h>
#include <string.h>

/* Returns y after dropping x: for chains of operations. */
static hoi_tensor *then(hoi_tensor *x, hoi_tensor *y) {
    hoi_tensor_free(x);
    return y;
}

hoi_tensor *hoi_tower_embed_pixels(const hoi_tower *tower, hoi_tensor *pixels) {
    int64_t size = tower->size;
    char text[96];
    if (pixels->rank != 4 || pixels->shape[1] != 3 || pixels->shape[2] != size ||
        pixels->shape[3] != size) {
        hoi_fail("clip: pixels (count, 3, %d, %d) are wanted, these are %s", tower->size,
                 tower->size, hoi_shape_text(pixels->rank, pixels->shape, text));
        return NULL;
    }
    int64_t b = pixels->shape[0], token[3] = {1, 1, tower->width}, all[3] = {b, 1, tower->width};
    hoi_tensor *patches = hoi_unfold(pixels, tower->patch, tower->patch, 0, false);
    hoi_tensor *x =
        patches ? then(patches, hoi_linear(patches, tower->patch_weight, NULL, HOI_LINEAR, NULL))
                : NULL;
    hoi_tensor *one = x ? hoi_reshape(tower->class_embedding, 3, token) : NULL;
    hoi_tensor *first = one ? then(one, hoi_expand(one, 3, all)) : NULL;
    hoi_tensor *y = first ? hoi_concat((hoi_tensor *[]){first, x}, 2, 1) : NULL;
    hoi_tensor_free(first);
    return then(x, y);
}

hoi_tensor *hoi_tower_embed_ids(const hoi_tower *tower, hoi_index *ids, int count, int n) {
    int64_t shape[3] = {count, n, tower->width};
    if (n > tower->places) {
        hoi_fail("clip: %d tokens; this text tower reads at most %d", n, tower->places);
        return NULL;
    }
    hoi_tensor *x = hoi_rows(tower->tokens, ids);
    return x ? then(x, hoi_reshape(x, 3, shape)) : NULL;
}

hoi_tensor *hoi_tower_enter(const hoi_tower *tower, hoi_tensor *x) {
    char text[96];
    if (x->rank != 3 || x->shape[2] != tower->width) {
        hoi_fail("clip: tokens (count, n, %d) are wanted, these are %s", tower->width,
                 hoi_shape_text(x->rank, x->shape, text));
        return NULL;
    }
    int64_t n = x->shape[1], known = n < tower->places ? n : tower->places;
    hoi_tensor *position = hoi_slice(tower->position, 0, 0, known);
    if (position && known < n)
        position = then(position, hoi_pad(position, 0, 0, n - known));
    hoi_tensor *y = position ? hoi_add(x, position) : NULL;
    hoi_tensor_free(position);
    return y && tower->pre_gain
               ? then(y, hoi_layer_norm(y, tower->pre_gain, tower->pre_bias, tower->eps))
               : y;
}

/* Gets weight + delta; weight itself, counted, without one. */
static hoi_tensor *with_delta(hoi_tensor *weight, hoi_tensor *delta) {
    if (!delta)
        return hoi_tensor_ref(weight);
    return hoi_add(weight, delta);
}

/* Gets qkv + (q, k, v deltas one after the other). */
static hoi_tensor *qkv_with_deltas(const hoi_tower *tower, hoi_tensor *weight,
                                   hoi_tensor *const *deltas) {
    int64_t shape[2] = {tower->width, tower->width};
    hoi_tensor *parts[3] = {NULL}, *all = NULL, *y = NULL;
    bool ok = true;
    if (!deltas[0] && !deltas[1] && !deltas[2])
        return hoi_tensor_ref(weight);
    for (int i = 0; ok && i < 3; ++i) {
        parts[i] = deltas[i] ? hoi_tensor_ref(deltas[i])
                             : hoi_tensor_full(hoi_tensor_device(weight), 2, shape, 0.0f);
        ok = parts[i] != NULL;
    }
    if (ok && (all = hoi_concat(parts, 3, 0)))
        y = hoi_add(weight, all);
    hoi_tensor_free(all);
    for (int i = 0; i < 3; ++i)
        hoi_tensor_free(parts[i]);
    return y;
}

/* again: on the way back, which looks at no value of the result, nor at those of the activation
   where fc2 gets no gradient. */
static hoi_tensor *plain_block(const hoi_tower *tower, const hoi_tower_block *b, hoi_tensor *x,
                               const hoi_block_options *o, bool again) {
    hoi_tensor *const *deltas = o->deltas;
    hoi_tensor *qkv = qkv_with_deltas(tower, b->qkv_weight, deltas),
               *out = with_delta(b->out_weight, deltas[HOI_DELTA_OUT]);
    hoi_tensor *fc1 = with_delta(b->fc1_weight, deltas[HOI_DELTA_FC1]),
               *fc2 = with_delta(b->fc2_weight, deltas[HOI_DELTA_FC2]);
    hoi_tensor *h = NULL, *middle = NULL, *y = NULL;
    if (qkv && out && fc1 && fc2)
        h = o->before ? hoi_concat((hoi_tensor *[]){o->before, x}, 2, 1) : hoi_tensor_ref(x);
    h = h ? then(h, hoi_layer_norm(h, b->norm1_gain, b->norm1_bias, tower->eps)) : NULL;
    h = h ? then(h, hoi_linear(h, qkv, b->qkv_bias, HOI_LINEAR, NULL)) : NULL;
    if (h && o->before)
        h = then(h, hoi_attention_behind(h, (int)o->before->shape[1], tower->heads, o->mask));
    else
        h = h ? then(h,
                     hoi_attention_of(h, NULL, NULL, tower->heads, o->causal, o->mask, qkv->rounds))
              : NULL;
    middle = h ? then(h, hoi_linear(h, out, b->out_bias, HOI_LINEAR, x)) : NULL;
    h = middle ? hoi_layer_norm(middle, b->norm2_gain, b->norm2_bias, tower->eps) : NULL;
    if (h)
        h = then(h, (again && !hoi_tensor_recorded(fc2) ? hoi_linear_unread : hoi_linear)(
                        h, fc1, b->fc1_bias, tower->activation, NULL));
    if (h)
        y = then(h,
                 (again ? hoi_linear_unread : hoi_linear)(h, fc2, b->fc2_bias, HOI_LINEAR, middle));
    hoi_tensor_free(middle);
    hoi_tensor_free(qkv);
    hoi_tensor_free(out);
    hoi_tensor_free(fc1);
    hoi_tensor_free(fc2);
    return y;
}

/* A block to be run again: inputs are x and whichever of mask, before and deltas there are. */
typedef struct again {
    hoi_clip *clip;
    const hoi_tower *tower;
    int block;
    bool causal, masked, preceded;
    unsigned deltas; /* bit i: delta i is an input */
} again;

static hoi_tensor *run_block(void *context, hoi_tensor *const *inputs, int count, bool back) {
    const again *a = context;
    hoi_block_options o = {.causal = a->causal};
    int at = 1;
    if (a->masked)
        o.mask = inputs[at++];
    if (a->preceded)
        o.before = inputs[at++];
    for (int i = 0; i < HOI_DELTAS && at < count; ++i)
        if (a->deltas & 1u << i)
            o.deltas[i] = inputs[at++];
    return plain_block(a->tower, &a->tower->blocks[a->block], inputs[0], &o, back);
}

static void drop_again(void *context) {
    again *a = context;
    hoi_clip_free(a->clip);
    free(a);
}

hoi_tensor *hoi_tower_run_block(hoi_clip *clip, const hoi_tower *tower, int i, hoi_tensor *x,
                                const hoi_block_options *options) {
    static const hoi_block_options none;
    const hoi_block_options *o = options ? options : &none;
    char text[96];
    if (i < 0 || i >= tower->depth) {
        hoi_fail("clip: block %d; this tower has 1 to %d", i + 1, tower->depth);
        return NULL;
    }
    if (x->rank != 3 || x->shape[2] != tower->width) {
        hoi_fail("clip: tokens (count, n, %d) are wanted, these are %s", tower->width,
                 hoi_shape_text(x->rank, x->shape, text));
        return NULL;
    }
    if (!o->recompute)
        return plain_block(tower, &tower->blocks[i], x, o, false);
    hoi_block *block = malloc(sizeof *block);
    again *a = malloc(sizeof *a);
    if (!block || !a) {
        free(block);
        free(a);
        hoi_fail("clip: out of host memory");
        return NULL;
    }
    hoi_tensor *inputs[HOI_INPUTS] = {x};
    int count = 1;
    *a = (again){hoi_clip_ref(clip), tower, i, o->causal, o->mask != NULL, o->before != NULL, 0};
    if (o->mask)
        inputs[count++] = o->mask;
    if (o->before)
        inputs[count++] = o->before;
    for (int d = 0; d < HOI_DELTAS; ++d)
        if (o->deltas[d] && count < HOI_INPUTS) {
            a->deltas |= 1u << d;
            inputs[count++] = o->deltas[d];
        } else if (o->deltas[d]) {
            drop_again(a);
            free(block);
            hoi_fail("clip: mask, before and six deltas are too much for a block to run again");
            return NULL;
        }
    *block = (hoi_block){run_block, drop_again, a};
    return hoi_checkpoint(block, inputs, count);
}

hoi_tensor *hoi_tower_norm(const hoi_tower *tower, hoi_tensor *x) {
    return hoi_layer_norm(x, tower->post_gain, tower->post_bias, tower->eps);
}

hoi_tensor *hoi_tower_project(const hoi_tower *tower, hoi_tensor *x) {
    return hoi_linear(x, tower->projection, NULL, HOI_LINEAR, NULL);
}

hoi_tensor *hoi_tower_read(const hoi_tower *tower, hoi_tensor *x, const int32_t *places) {
    int64_t b = x->shape[0], n = x->shape[1], flat[2] = {b * n, x->shape[2]};
    int32_t *rows = malloc((size_t)b * sizeof *rows + 1);
    hoi_tensor *y = NULL;
    if (!rows) {
        hoi_fail("clip: out of host memory");
        return NULL;
    }
    for (int64_t i = 0; i < b; ++i)
        rows[i] = (int32_t)(i * n + (places ? places[i] : 0));
    hoi_index *index = hoi_index_new(hoi_tensor_device(x), (int)b, rows);
    hoi_tensor *all = index ? hoi_reshape(x, 2, flat) : NULL;
    y = all ? then(all, hoi_rows(all, index)) : NULL;
    y = y ? then(y, hoi_tower_norm(tower, y)) : NULL;
    y = y ? then(y, hoi_tower_project(tower, y)) : NULL;
    hoi_index_free(index);
    free(rows);
    return y;
}

hoi_tensor *hoi_clip_encode_pixels(hoi_clip *clip, hoi_tensor *pixels) {
    const hoi_tower *tower = &clip->visual;
    hoi_tensor *x = hoi_tower_embed_pixels(tower, pixels);
    x = x ? then(x, hoi_tower_enter(tower, x)) : NULL;
    for (int i = 0; x && i < tower->depth; ++i)
        x = then(x, hoi_tower_run_block(clip, tower, i, x, NULL));
    return x ? then(x, hoi_tower_read(tower, x, NULL)) : NULL;
}

/* One chunk of texts, cut after its own longest end token. */
static hoi_tensor *encode_chunk(hoi_clip *clip, const int32_t *ids, const int32_t *eot, int count,
                                int context) {
    const hoi_tower *tower = &clip->text;
    int n = 1;
    for (int i = 0; i < count; ++i)
        if (eot[i] + 1 > n)
            n = eot[i] + 1;
    int32_t *cut = malloc((size_t)count * (size_t)n * sizeof *cut + 1);
    if (!cut) {
        hoi_fail("clip: out of host memory");
        return NULL;
    }
    for (int i = 0; i < count; ++i)
        memcpy(cut + (size_t)i * (size_t)n, ids + (size_t)i * (size_t)context,
               (size_t)n * sizeof *cut);
    hoi_index *index = hoi_index_new(clip->device, count * n, cut);
    free(cut);
    hoi_tensor *x = index ? hoi_tower_embed_ids(tower, index, count, n) : NULL;
    hoi_index_free(index);
    x = x ? then(x, hoi_tower_enter(tower, x)) : NULL;
    for (int i = 0; x && i < tower->depth; ++i)
        x = then(x, hoi_tower_run_block(clip, tower, i, x, &(hoi_block_options){.causal = true}));
    return x ? then(x, hoi_tower_read(tower, x, eot)) : NULL;
}

hoi_tensor *hoi_clip_encode_ids(hoi_clip *clip, const int32_t *ids, const int32_t *eot, int count,
                                int context) {
    enum { CHUNK = 64 };
    int chunks = (count + CHUNK - 1) / CHUNK;
    hoi_tensor *y = NULL, **parts;
    bool ok = true;
    if (count < 1) {
        hoi_fail("clip: no text to encode");
        return NULL;
    }
    if (!(parts = calloc((size_t)chunks, sizeof(hoi_tensor *)))) {
        hoi_fail("clip: out of host memory");
        return NULL;
    }
    for (int i = 0; ok && i < chunks; ++i) {
        int from = i * CHUNK, n = count - from < CHUNK ? count - from : CHUNK;
        parts[i] = encode_chunk(clip, ids + (size_t)from * (size_t)context, eot + from, n, context);
        ok = parts[i] != NULL;
    }
    if (ok)
        y = chunks == 1 ? hoi_tensor_ref(parts[0]) : hoi_concat(parts, chunks, 0);
    for (int i = 0; i < chunks; ++i)
        hoi_tensor_free(parts[i]);
    free(parts);
    return y;
}
