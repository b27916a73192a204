/* clip_fill: a model's weights out of files, whatever they call them; and Hugging Face's names for
   what was read. */
#include "core/clip.h"
#include "core/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { name_size = 192 };

/* Where a parameter lies: one array, or q, k and v in three. turned: stored (in, out). */
typedef struct source {
    const hoi_entry *parts[3];
    int count;
    bool turned;
} source;

/* ---- names ---- */

/* Hugging Face's beginnings and OpenAI's, within a tower and within a block. */
static const char *const tower_names[][2] = {
    {"embeddings.class_embedding", "class_embedding"},
    {"embeddings.position_embedding.weight", "positional_embedding"},
    {"embeddings.patch_embedding.", "conv1."},
    {"embeddings.token_embedding.", "token_embedding."},
    {"pre_layrnorm.", "ln_pre."},
    {"post_layernorm.", "ln_post."},
    {"final_layer_norm.", "ln_final."}};
static const char *const block_names[][2] = {{"layer_norm1.", "ln_1."},
                                             {"layer_norm2.", "ln_2."},
                                             {"self_attn.qkv_proj.", "attn.in_proj_"},
                                             {"self_attn.out_proj.", "attn.out_proj."},
                                             {"mlp.fc1.", "mlp.c_fc."},
                                             {"mlp.fc2.", "mlp.c_proj."}};

/* Gets what follows `start` in a name, NULL when it begins otherwise. */
static const char *after(const char *name, const char *start) {
    size_t length = strlen(start);
    return strncmp(name, start, length) == 0 ? name + length : NULL;
}

static const char *replaced(const char *name, const char *const table[][2], size_t count,
                            const char **start) {
    for (size_t i = 0; i < count; ++i) {
        const char *rest = after(name, table[i][0]);
        if (rest) {
            *start = table[i][1];
            return rest;
        }
    }
    return NULL;
}

/* Writes OpenAI's name of a parameter. turned: whether it is stored the other way round. */
static void openai_name(const hoi_clip_layout *layout, const char *name, char out[name_size],
                        bool *turned) {
    const char *tower = layout->text, *start = "", *rest = after(name, "text_model.");
    int block = 0, length = 0;
    *turned = strstr(name, "_projection.weight") != NULL;
    if (!rest) {
        rest = after(name, "vision_model.");
        tower = rest ? layout->visual : tower;
    }
    if (!rest) {
        if (after(name, "visual_projection"))
            snprintf(out, name_size, "%sproj", layout->visual);
        else if (after(name, "text_projection"))
            snprintf(out, name_size, "%stext_projection", layout->text);
        else
            snprintf(out, name_size, "%s%s", layout->prefix, name);
    } else if (sscanf(rest, "encoder.layers.%d.%n", &block, &length) == 1 && length > 0) {
        rest =
            replaced(rest + length, block_names, sizeof block_names / sizeof *block_names, &start);
        snprintf(out, name_size, "%stransformer.resblocks.%d.%s%s", tower, block, start, rest);
    } else {
        rest = replaced(rest, tower_names, sizeof tower_names / sizeof *tower_names, &start);
        snprintf(out, name_size, "%s%s%s", tower, start, rest);
    }
}

static const hoi_entry *find(const hoi_weights *file, const char *prefix, const char *name) {
    char text[name_size];
    const hoi_entry *entry = hoi_weights_find(file, name);
    if (entry || !prefix)
        return entry;
    snprintf(text, sizeof text, "%s%s", prefix, name);
    return hoi_weights_find(file, text);
}

/* CLIP's files say pre_layrnorm, OWL-ViT's pre_layernorm. */
static const hoi_entry *find_either(const hoi_weights *file, const char *prefix, const char *name) {
    const hoi_entry *entry = find(file, prefix, name);
    const char *at = strstr(name, "pre_layrnorm");
    if (!entry && at) {
        char text[name_size];
        snprintf(text, sizeof text, "%.*spre_layernorm%s", (int)(at - name), name,
                 at + strlen("pre_layrnorm"));
        entry = find(file, prefix, text);
    }
    return entry;
}

static bool missing(const hoi_weights *file, const char *name, const char *layout) {
    return hoi_fail("clip: %s: no '%s' in it; is this a CLIP model of %s layout?",
                    hoi_weights_label(file), name, layout);
}

/* Writes Hugging Face's name of q, k or v (0, 1, 2). */
static void third_name(const char *name, int third, char out[name_size]) {
    const char *joined = strstr(name, "qkv_proj");
    snprintf(out, name_size, "%.*s%c_proj%s", (int)(joined - name), name, "qkv"[third],
             joined + strlen("qkv_proj"));
}

static bool is_joined(const char *name) {
    return strstr(name, "qkv_proj") != NULL;
}

static bool find_source(const hoi_weights *file, const hoi_clip_layout *layout, const char *name,
                        source *s) {
    char text[name_size];
    *s = (source){.count = 1};
    if (layout->openai) {
        openai_name(layout, name, text, &s->turned);
        s->parts[0] = hoi_weights_find(file, text);
        if (!s->parts[0] && s->turned) { /* as a layer of its own it is no longer turned */
            strncat(text, ".weight", sizeof text - strlen(text) - 1);
            s->parts[0] = hoi_weights_find(file, text);
            s->turned = false;
        }
        return s->parts[0] || missing(file, text, "OpenAI's");
    }
    s->count = is_joined(name) ? 3 : 1;
    for (int k = 0; k < s->count; ++k) {
        snprintf(text, sizeof text, "%s", name);
        if (is_joined(name))
            third_name(name, k, text);
        s->parts[k] = find_either(file, layout->prefix, text);
        if (!s->parts[k])
            return missing(file, text, "Hugging Face's");
    }
    return true;
}

/* ---- values ---- */

/* The patch kernel is stored (width, 3, patch, patch): count and first size are what must fit. */
static bool fits(const hoi_weights *file, const hoi_entry *entry, int64_t rows, int64_t count) {
    char text[96];
    bool ok = entry->rank == 0
                  ? count == 1
                  : entry->shape[0] == rows && (int64_t)hoi_entry_elements(entry) == count;
    if (entry->rank == 1 && entry->shape[0] == 1 && count == 1)
        ok = true;
    if (ok && entry->dtype != HOI_F32 && entry->dtype != HOI_F16 && entry->dtype != HOI_BF16 &&
        entry->dtype != HOI_F64)
        return hoi_fail("clip: %s: '%s' is %s; F32, F16 and BF16 are read", hoi_weights_label(file),
                        entry->name, hoi_dtype_name(entry->dtype));
    return ok || hoi_fail("clip: %s: '%s' is %s; the configuration wants %lld values in %lld rows",
                          hoi_weights_label(file), entry->name,
                          hoi_shape_text(entry->rank, entry->shape, text), (long long)count,
                          (long long)rows);
}

/* Gets (cols, rows) of (rows, cols) elements of `width` bytes; frees what it is given. */
static unsigned char *turn(unsigned char *bytes, size_t rows, size_t cols, size_t width) {
    unsigned char *out = malloc(rows * cols * width + 1);
    for (size_t i = 0; out && i < rows; ++i)
        for (size_t k = 0; k < cols; ++k)
            memcpy(out + (k * rows + i) * width, bytes + (i * cols + k) * width, width);
    if (!out)
        hoi_fail("clip: out of host memory");
    free(bytes);
    return out;
}

static int64_t count_of(const hoi_parameter *parameter) {
    int64_t count = 1;
    for (int i = 0; i < parameter->rank; ++i)
        count *= parameter->shape[i];
    return count;
}

/* What a parameter's values are read from: as floats, or with the bits and the type of the file. */
typedef struct reading {
    hoi_weights *file;
    const source *from;
    const hoi_parameter *parameter;
    bool as_floats;
} reading;

static size_t width_of(const reading *r) {
    return r->as_floats ? sizeof(float) : hoi_dtype_bytes(r->from->parts[0]->dtype);
}

/* Reads the parts one behind the other, as they lie in the file. */
static bool read_parts(void *context, unsigned char *bytes) {
    const reading *r = context;
    const source *s = r->from;
    int64_t total = count_of(r->parameter),
            rows = s->turned ? r->parameter->shape[1]
                             : (r->parameter->rank ? r->parameter->shape[0] : 1);
    size_t each = (size_t)(total / s->count) * width_of(r);
    bool ok = true;
    for (int i = 0; ok && i < s->count; ++i)
        ok = fits(r->file, s->parts[i], rows / s->count, total / s->count);
    for (int i = 0; ok && i < s->count; ++i) {
        unsigned char *at = bytes + (size_t)i * each;
        ok = r->as_floats ? hoi_weights_floats(r->file, s->parts[i], (float *)(void *)at)
                          : hoi_weights_read(r->file, s->parts[i], at);
    }
    return ok;
}

/* Gets the values as the model keeps them, to be freed. NULL after hoi_fail. */
static unsigned char *read_values(reading *r) {
    size_t count = (size_t)count_of(r->parameter), width = width_of(r);
    unsigned char *bytes = malloc(count * width + 1);
    if (!bytes) {
        hoi_fail("clip: out of host memory");
        return NULL;
    }
    if (!read_parts(r, bytes)) {
        free(bytes);
        return NULL;
    }
    size_t rows = r->from->turned ? (size_t)r->parameter->shape[1] : 1;
    return r->from->turned ? turn(bytes, rows, count / rows, width) : bytes;
}

static bool one_dtype(const source *s) {
    for (int i = 1; i < s->count; ++i)
        if (s->parts[i]->dtype != s->parts[0]->dtype)
            return false;
    return true;
}

/* What a parameter is kept as. Positions are added, not multiplied: they stay float. */
static hoi_dtype dtype_of(const hoi_parameter *p, const source *s, hoi_clip_values values,
                          bool *rounds) {
    hoi_dtype dtype = s->parts[0]->dtype;
    *rounds = false;
    if (p->rank != 2 || values == HOI_CLIP_FLOAT || strstr(p->name, "position_embedding"))
        return HOI_F32;
    if (values == HOI_CLIP_BFLOAT && hoi_parameter_multiplied(p)) {
        *rounds = true;
        return HOI_BF16;
    }
    return (dtype == HOI_F16 || dtype == HOI_BF16) && one_dtype(s) ? dtype : HOI_F32;
}

static void narrow(unsigned char *bytes, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        float value;
        memcpy(&value, bytes + (size_t)i * sizeof value, sizeof value);
        uint16_t bits = hoi_float_to_bf16(value);
        memcpy(bytes + (size_t)i * sizeof bits, &bits, sizeof bits);
    }
}

/* Gets a parameter from a file; NULL after hoi_fail. */
static hoi_tensor *read_parameter(const hoi_clip *clip, const hoi_parameter *p, hoi_weights *file,
                                  const hoi_clip_layout *layout, hoi_clip_values values) {
    source s;
    bool rounds;
    if (!find_source(file, layout, p->name, &s))
        return NULL;
    hoi_dtype dtype = dtype_of(p, &s, values, &rounds);
    bool as_it_is = dtype != HOI_F32 && dtype == s.parts[0]->dtype && one_dtype(&s),
         narrowed = dtype != HOI_F32 && !as_it_is;
    reading r = {file, &s, p, !as_it_is};
    hoi_tensor *made = NULL;
    if (narrowed || s.turned) {
        unsigned char *bytes = read_values(&r);
        if (bytes && narrowed)
            narrow(bytes, count_of(p));
        made = bytes ? hoi_tensor_stored(clip->device, p->rank, p->shape, dtype, bytes) : NULL;
        free(bytes);
    } else {
        made = hoi_tensor_read_in(clip->device, p->rank, p->shape, dtype, read_parts, &r);
    }
    if (made) {
        made->rounds = rounds;
        made->storage->yields = hoi_parameter_multiplied(p);
    }
    return made;
}

bool hoi_clip_fill(hoi_clip *clip, hoi_weights *file, const hoi_clip_layout *layout,
                   hoi_clip_values values) {
    if (values == HOI_CLIP_BFLOAT && !launch_bfloat(clip->device))
        return false;
    for (int i = 0; i < clip->parameter_count; ++i) {
        hoi_parameter *p = &clip->parameters[i];
        hoi_tensor *made = read_parameter(clip, p, file, layout, values);
        if (!made)
            return false;
        hoi_tensor_free(*p->slot);
        *p->slot = made;
    }
    return true;
}

/* ---- Hugging Face's form ---- */

/* Adds a parameter's values: the patch kernel in four dimensions, q, k and v apart. */
static bool add_values(const hoi_clip *clip, hoi_safetensors_writer *writer, const hoi_parameter *p,
                       hoi_dtype dtype, const unsigned char *bytes) {
    char name[name_size];
    int64_t patch = clip->visual.patch, shape[4] = {0};
    int rank = p->rank, count = is_joined(p->name) ? 3 : 1;
    memcpy(shape, p->shape, (size_t)rank * sizeof *shape);
    if (strstr(p->name, "patch_embedding")) {
        rank = 4;
        shape[1] = 3;
        shape[2] = shape[3] = patch;
    }
    size_t each = (size_t)(count_of(p) / count) * hoi_dtype_bytes(dtype);
    shape[0] /= count;
    for (int k = 0; k < count; ++k) {
        snprintf(name, sizeof name, "%s", p->name);
        if (count == 3)
            third_name(p->name, k, name);
        if (!hoi_safetensors_writer_add(writer, name, dtype, rank, shape, bytes + (size_t)k * each))
            return false;
    }
    return true;
}

/* The picture tower that is not the core's: Hugging Face has no names for it. */
static bool export_resnet(hoi_weights *file, const char *prefix, hoi_safetensors_writer *writer) {
    for (size_t i = 0; i < hoi_weights_count(file); ++i) {
        const hoi_entry *entry = hoi_weights_at(file, i);
        const char *rest = after(entry->name, prefix);
        char name[name_size];
        if (!rest)
            continue;
        if (snprintf(name, sizeof name, "visual.%s", rest) >= (int)sizeof name)
            return hoi_fail("clip: %s: a name of more than %d letters", hoi_weights_label(file),
                            name_size);
        void *bytes = malloc(entry->bytes + 1);
        bool ok = bytes ? hoi_weights_read(file, entry, bytes) &&
                              hoi_safetensors_writer_add(writer, name, entry->dtype, entry->rank,
                                                         entry->shape, bytes)
                        : hoi_fail("clip: out of host memory");
        free(bytes);
        if (!ok)
            return false;
    }
    return true;
}

bool hoi_clip_export(const hoi_clip *clip, hoi_weights *file, const hoi_clip_layout *layout,
                     hoi_safetensors_writer *writer) {
    for (int i = 0; i < clip->parameter_count; ++i) {
        const hoi_parameter *p = &clip->parameters[i];
        source s;
        if (!find_source(file, layout, p->name, &s))
            return false;
        reading r = {file, &s, p, !one_dtype(&s)}; /* floats: in three arrays of several types */
        unsigned char *bytes = read_values(&r);
        bool ok =
            bytes && add_values(clip, writer, p, r.as_floats ? HOI_F32 : s.parts[0]->dtype, bytes);
        free(bytes);
        if (!ok)
            return false;
    }
    return clip->visual.depth > 0 || export_resnet(file, layout->visual, writer);
}
