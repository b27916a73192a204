/* clip_config: the sizes of a model, from Hugging Face's config.json. */
#include "core/clip.h"
#include "core/error.h"

#include <cjson/cJSON.h>
#include <string.h>

/* Far above every true model, and no product of them overflows. */
enum { size_limit = 1 << 20, grid_limit = 4096, depth_limit = 1024 };

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
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1) || item->valuedouble > size_limit) {
        r->ok = hoi_fail("clip: %s: %s%s is not a positive number up to %d", r->label, r->path,
                         name, size_limit);
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

static bool check_depth(const hoi_tower *tower, const char *label) {
    return tower->depth <= depth_limit ||
           hoi_fail("clip: %s: %d blocks, at most %d can be", label, tower->depth, depth_limit);
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
    return r.ok && check_depth(t, label);
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
    if (r.ok && v->size / v->patch > grid_limit)
        r.ok = hoi_fail("clip: %s: image_size %d in patches of %d: more than %d on a side", label,
                        v->size, v->patch, grid_limit);
    v->places = r.ok ? 1 + (v->size / v->patch) * (v->size / v->patch) : 1;
    return r.ok && check_depth(v, label) && read_text_config(clip, top, label, owl);
}

bool hoi_clip_configure(hoi_clip *clip, const char *config, const char *label) {
    cJSON *top = cJSON_Parse(config);
    bool ok = cJSON_IsObject(top) ? read_config(clip, top, label)
                                  : hoi_fail("clip: %s is not JSON", label);
    cJSON_Delete(top);
    clip->preprocess = (hoi_preprocess){clip->visual.size,
                                        false,
                                        {0.48145466f, 0.4578275f, 0.40821073f},
                                        {0.26862954f, 0.26130258f, 0.27577711f},
                                        false};
    return ok;
}
