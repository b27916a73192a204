/* clip_load: a model of its configuration: sizes and parameters. */
#include "core/clip.h"
#include "core/error.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- configuration ---- */

typedef struct reader {
    const char *label;
    const cJSON *section; /* text_config, vision_config or the top; NULL: all defaults */
    const char *path;
    bool ok;
} reader;

static int integer_of(reader *r, const char *name, int fallback) {
    const cJSON *item = r->section ? cJSON_GetObjectItemCaseSensitive(r->section, name) : NULL;
    if (!item || cJSON_IsNull(item))
        return fallback;
    if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > 1e8) {
        r->ok = hoi_fail("clip: %s: %s%s is not a positive number", r->label, r->path, name);
        return fallback;
    }
    return item->valueint;
}

static double number_of(reader *r, const char *name, double fallback) {
    const cJSON *item = r->section ? cJSON_GetObjectItemCaseSensitive(r->section, name) : NULL;
    if (!item || cJSON_IsNull(item))
        return fallback;
    if (!cJSON_IsNumber(item)) {
        r->ok = hoi_fail("clip: %s: %s%s is not a number", r->label, r->path, name);
        return fallback;
    }
    return item->valuedouble;
}

static hoi_activation activation_of(reader *r) {
    const cJSON *item =
        r->section ? cJSON_GetObjectItemCaseSensitive(r->section, "hidden_act") : NULL;
    const char *name = cJSON_GetStringValue(item);
    if (!item || (name && strcmp(name, "quick_gelu") == 0))
        return HOI_QUICK_GELU;
    if (name && strcmp(name, "gelu") == 0)
        return HOI_GELU;
    r->ok = hoi_fail("clip: %s: %shidden_act is '%s'; quick_gelu and gelu are known", r->label,
                     r->path, name ? name : "?");
    return HOI_QUICK_GELU;
}

/* Older files keep the true values in NAME_dict. */
static const cJSON *section_of(const cJSON *top, const char *name, const char *older) {
    const cJSON *section = cJSON_GetObjectItemCaseSensitive(top, older);
    if (!cJSON_IsObject(section))
        section = cJSON_GetObjectItemCaseSensitive(top, name);
    return cJSON_IsObject(section) ? section : NULL;
}

static bool read_text_config(hoi_clip *clip, const cJSON *top, const char *label, bool owl) {
    hoi_tower *t = &clip->text;
    reader r = {label, section_of(top, "text_config", "text_config_dict"), "text_config.", true};
    t->text = true;
    t->width = integer_of(&r, "hidden_size", 512);
    t->hidden = integer_of(&r, "intermediate_size", 2048);
    t->depth = integer_of(&r, "num_hidden_layers", 12);
    t->heads = integer_of(&r, "num_attention_heads", 8);
    t->places = integer_of(&r, "max_position_embeddings", owl ? 16 : 77);
    t->vocabulary = integer_of(&r, "vocab_size", 49408);
    t->eps = (float)number_of(&r, "layer_norm_eps", 1e-5);
    t->activation = activation_of(&r);
    if (r.ok && t->width % t->heads != 0)
        r.ok = hoi_fail("clip: %s: text_config: hidden_size %d does not divide into %d heads",
                        label, t->width, t->heads);
    return r.ok;
}

static bool read_config(hoi_clip *clip, const cJSON *top, const char *label) {
    hoi_tower *v = &clip->visual;
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(top, "model_type");
    const char *name = cJSON_GetStringValue(kind) ? cJSON_GetStringValue(kind) : "";
    bool owl2 = strcmp(name, "owlv2") == 0, owl = owl2 || strcmp(name, "owlvit") == 0;
    reader r = {label, top, "", true};
    clip->width = integer_of(&r, "projection_dim", 512);
    r = (reader){label, section_of(top, "vision_config", "vision_config_dict"), "vision_config.",
                 r.ok};
    if (cJSON_GetObjectItemCaseSensitive(r.section, "layers"))
        return read_text_config(clip, top, label, owl) && r.ok;
    v->width = integer_of(&r, "hidden_size", 768);
    v->hidden = integer_of(&r, "intermediate_size", 3072);
    v->depth = integer_of(&r, "num_hidden_layers", 12);
    v->heads = integer_of(&r, "num_attention_heads", 12);
    v->size = integer_of(&r, "image_size", owl ? 768 : 224);
    v->patch = integer_of(&r, "patch_size", owl2 ? 16 : 32);
    v->eps = (float)number_of(&r, "layer_norm_eps", 1e-5);
    v->activation = activation_of(&r);
    if (r.ok && (v->size % v->patch != 0 || v->width % v->heads != 0 ||
                 integer_of(&r, "num_channels", 3) != 3))
        r.ok = hoi_fail("clip: %s: image_size %d, patch_size %d, hidden_size %d, "
                        "num_attention_heads %d: sizes must divide, "
                        "channels be 3",
                        label, v->size, v->patch, v->width, v->heads);
    v->places = r.ok ? 1 + (v->size / v->patch) * (v->size / v->patch) : 1;
    return r.ok && read_text_config(clip, top, label, owl);
}

/* ---- parameters ---- */

static bool add_parameter(hoi_clip *clip, const char *name, hoi_tensor **slot, int rank, int64_t a,
                          int64_t b, float value) {
    hoi_parameter *grown =
        realloc(clip->parameters, (size_t)(clip->parameter_count + 1) * sizeof *grown);
    if (!grown)
        return hoi_fail("clip: out of host memory");
    clip->parameters = grown;
    snprintf(grown[clip->parameter_count].name, sizeof grown->name, "%s", name);
    grown[clip->parameter_count++].slot = slot;
    *slot = hoi_tensor_full(clip->device, rank, (int64_t[]){a, b}, value);
    return *slot != NULL;
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
    cJSON *top = cJSON_Parse(config);
    hoi_clip *clip = calloc(1, sizeof *clip);
    bool ok = clip != NULL || hoi_fail("clip: out of host memory");
    if (ok && !cJSON_IsObject(top))
        ok = hoi_fail("clip: %s is not JSON", label);
    if (ok) {
        clip->references = 1;
        clip->device = device;
        ok = read_config(clip, top, label);
        clip->preprocess = (hoi_preprocess){clip->visual.size,
                                            false,
                                            {0.48145466f, 0.4578275f, 0.40821073f},
                                            {0.26862954f, 0.26130258f, 0.27577711f},
                                            false};
    }
    cJSON_Delete(top);
    if (ok && (clip->visual.depth == 0 || add_visual(clip)) && add_text(clip))
        return clip;
    hoi_clip_free(clip);
    return NULL;
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
