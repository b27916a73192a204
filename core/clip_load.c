/* clip_load: a model of its configuration: its parameters. */
#include "core/clip.h"
#include "core/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters ---- */

static bool add_parameter(hoi_clip *clip, const char *name, hoi_tensor **slot, int rank, int64_t a,
                          int64_t b, float value) {
    hoi_parameter *grown =
        realloc(clip->parameters, (size_t)(clip->parameter_count + 1) * sizeof *grown);
    if (!grown)
        return hoi_fail("clip: out of host memory");
    clip->parameters = grown;
    hoi_parameter *p = &grown[clip->parameter_count++];
    *p = (hoi_parameter){.slot = slot, .rank = rank, .shape = {a, b}, .start = value};
    snprintf(p->name, sizeof p->name, "%s", name);
    return true;
}

static bool add_pair(hoi_clip *clip, const char *name, hoi_tensor **weight, hoi_tensor **bias,
                     int rank, int64_t a, int64_t b) {
    char text[96];
    snprintf(text, sizeof text, "%s.weight", name);
    if (!add_parameter(clip, text, weight, rank, a, b, rank == 1 ? 1.0f : 0.0f))
        return false;
    snprintf(text, sizeof text, "%s.bias", name);
    return add_parameter(clip, text, bias, 1, a, 0, 0.0f);
}

static bool add_blocks(hoi_clip *clip, hoi_tower *tower, const char *name) {
    int64_t w = tower->width, h = tower->hidden;
    char at[96];
    tower->blocks = calloc((size_t)tower->depth, sizeof *tower->blocks);
    if (!tower->blocks)
        return hoi_fail("clip: out of host memory");
    for (int i = 0; i < tower->depth; ++i) {
        hoi_tower_block *b = &tower->blocks[i];
#define AT(part) (snprintf(at, sizeof at, "%s.encoder.layers.%d.%s", name, i, part), at)
        if (!add_pair(clip, AT("layer_norm1"), &b->norm1_gain, &b->norm1_bias, 1, w, 0) ||
            !add_pair(clip, AT("self_attn.qkv_proj"), &b->qkv_weight, &b->qkv_bias, 2, 3 * w, w) ||
            !add_pair(clip, AT("self_attn.out_proj"), &b->out_weight, &b->out_bias, 2, w, w) ||
            !add_pair(clip, AT("layer_norm2"), &b->norm2_gain, &b->norm2_bias, 1, w, 0) ||
            !add_pair(clip, AT("mlp.fc1"), &b->fc1_weight, &b->fc1_bias, 2, h, w) ||
            !add_pair(clip, AT("mlp.fc2"), &b->fc2_weight, &b->fc2_bias, 2, w, h))
            return false;
#undef AT
    }
    return true;
}

static bool add_visual(hoi_clip *clip) {
    hoi_tower *v = &clip->visual;
    return add_parameter(clip, "vision_model.embeddings.class_embedding", &v->class_embedding, 1,
                         v->width, 0, 0.0f) &&
           add_parameter(clip, "vision_model.embeddings.patch_embedding.weight", &v->patch_weight,
                         2, v->width, (int64_t)3 * v->patch * v->patch, 0.0f) &&
           add_parameter(clip, "vision_model.embeddings.position_embedding.weight", &v->position, 2,
                         v->places, v->width, 0.0f) &&
           add_pair(clip, "vision_model.pre_layrnorm", &v->pre_gain, &v->pre_bias, 1, v->width,
                    0) &&
           add_blocks(clip, v, "vision_model") &&
           add_pair(clip, "vision_model.post_layernorm", &v->post_gain, &v->post_bias, 1, v->width,
                    0) &&
           add_parameter(clip, "visual_projection.weight", &v->projection, 2, clip->width, v->width,
                         0.0f);
}

static bool add_text(hoi_clip *clip) {
    hoi_tower *t = &clip->text;
    return add_parameter(clip, "text_model.embeddings.token_embedding.weight", &t->tokens, 2,
                         t->vocabulary, t->width, 0.0f) &&
           add_parameter(clip, "text_model.embeddings.position_embedding.weight", &t->position, 2,
                         t->places, t->width, 0.0f) &&
           add_blocks(clip, t, "text_model") &&
           add_pair(clip, "text_model.final_layer_norm", &t->post_gain, &t->post_bias, 1, t->width,
                    0) &&
           add_parameter(clip, "text_projection.weight", &t->projection, 2, clip->width, t->width,
                         0.0f) &&
           add_parameter(clip, "logit_scale", &clip->logit_scale, 0, 0, 0, logf(1.0f / 0.07f));
}

hoi_clip *hoi_clip_new(hoi_device *device, const char *config, const char *label) {
    hoi_clip *clip = calloc(1, sizeof *clip);
    bool ok = clip != NULL || hoi_fail("clip: out of host memory");
    if (ok) {
        clip->references = 1;
        clip->device = device;
        ok = hoi_clip_configure(clip, config, label);
    }
    if (ok && (clip->visual.depth == 0 || add_visual(clip)) && add_text(clip))
        return clip;
    hoi_clip_free(clip);
    return NULL;
}

bool hoi_parameter_multiplied(const hoi_parameter *p) {
    return p->rank == 2 && !strstr(p->name, "position_embedding") &&
           !strstr(p->name, "token_embedding");
}

bool hoi_clip_begin(hoi_clip *clip) {
    for (int i = 0; i < clip->parameter_count; ++i) {
        hoi_parameter *p = &clip->parameters[i];
        hoi_tensor_free(*p->slot);
        *p->slot = hoi_tensor_full(clip->device, p->rank, p->shape, p->start);
        if (!*p->slot)
            return false;
        (*p->slot)->storage->yields = hoi_parameter_multiplied(p);
    }
    return true;
}

hoi_clip *hoi_clip_ref(hoi_clip *clip) {
    ++clip->references;
    return clip;
}

void hoi_clip_free(hoi_clip *clip) {
    if (!clip || (clip->references > 0 && --clip->references > 0))
        return;
    for (int i = 0; i < clip->parameter_count; ++i)
        hoi_tensor_free(*clip->parameters[i].slot);
    free(clip->parameters);
    free(clip->visual.blocks);
    free(clip->text.blocks);
    free(clip);
}
