/* clip: CLIP's two towers, open: embed, enter, block, leave. What happens between blocks (prompts,
   adapters, pair tokens) is the caller's. Every ViT size, from published files unchanged. */
#ifndef HOI_CLIP_H
#define HOI_CLIP_H

#include "core/image.h"
#include "core/ops.h"
#include "core/weights.h"

/* One pre-norm transformer block: x += out(attention(norm1 x)); x += fc2(act(fc1(norm2 x))). qkv:
   q, k, v rows one after the other. */
typedef struct hoi_tower_block {
    hoi_tensor *norm1_gain, *norm1_bias, *qkv_weight, *qkv_bias, *out_weight, *out_bias;
    hoi_tensor *norm2_gain, *norm2_bias, *fc1_weight, *fc1_bias, *fc2_weight, *fc2_bias;
} hoi_tower_block;

typedef struct hoi_tower {
    bool text;
    int width, depth, heads, hidden;
    int places;      /* positions: 1 + grid * grid, or the text's context */
    int size, patch; /* pictures: pixels on a side, of a patch */
    int vocabulary;
    hoi_activation activation;
    float eps;
    hoi_tensor *patch_weight;        /* (width, 3 * patch * patch); pictures */
    hoi_tensor *class_embedding;     /* (width); pictures */
    hoi_tensor *tokens;              /* (vocabulary, width); text */
    hoi_tensor *position;            /* (places, width) */
    hoi_tensor *pre_gain, *pre_bias; /* pictures */
    hoi_tensor *post_gain, *post_bias;
    hoi_tensor *projection; /* (out, width) */
    hoi_tower_block *blocks;
} hoi_tower;

/* A named parameter; the name is Hugging Face's, but for q_proj, k_proj, v_proj, which are one:
   qkv_proj. */
typedef struct hoi_parameter {
    char name[96];
    hoi_tensor **slot; /* NULL in it until the model is begun or filled */
    int rank;
    int64_t shape[2];
    float start; /* what training begins with */
} hoi_parameter;
/* Whether it is a product's right side; other matrices are picked from (words) or added
   (positions). Such give their memory up for their pack while nobody asks for their values. */
bool hoi_parameter_multiplied(const hoi_parameter *p);

typedef struct hoi_clip {
    int references;
    hoi_device *device;
    int width; /* of the joint space */
    hoi_tower visual, text;
    hoi_tensor *logit_scale; /* scalar: log of the factor of cosines; NULL in a detector's file
                                without one */
    hoi_preprocess preprocess;
    hoi_parameter *parameters;
    int parameter_count;
} hoi_clip;

/* Sets the sizes of a model from the text of config.json (Hugging Face's, absent values are its
   defaults); nothing is made. label: what messages call the text. */
bool hoi_clip_configure(hoi_clip *clip, const char *config, const char *label);
/* Gets a model of a configuration (hoi_clip_configure) whose parameters have shapes, but no content:
   to be begun or filled. Where vision_config has `layers`, pictures are read by a ResNet, which is
   not made here: `visual` then has no blocks. NULL after hoi_fail. */
hoi_clip *hoi_clip_new(hoi_device *device, const char *config, const char *label);
/* Gives each parameter what training begins with: zeros, gains of 1. */
bool hoi_clip_begin(hoi_clip *clip);
/* How a file names the weights. Hugging Face's names, as they are or after `prefix` ("owlvit.");
   or OpenAI's, which open_clip has too (q, k and v in one, projections the other way round), after
   `visual` ("visual.") and `text` (""), logit_scale after `prefix`. */
typedef struct hoi_clip_layout {
    bool openai;
    const char *prefix, *visual, *text;
} hoi_clip_layout;

/* What matrices are kept as: F16 or BF16 where the file has them so; all as floats; or all that are
   multiplied as BF16, whose products round the other side too (launch_bfloat). */
typedef enum hoi_clip_values { HOI_CLIP_STORED, HOI_CLIP_FLOAT, HOI_CLIP_BFLOAT } hoi_clip_values;

/* Fills every parameter from a file. Fails naming the first that is missing or of another shape. */
bool hoi_clip_fill(hoi_clip *clip, hoi_weights *file, const hoi_clip_layout *layout,
                   hoi_clip_values values);
/* Adds the same weights to a file to be written: by Hugging Face's names and shapes, their bits and
   types as they are; a ResNet's arrays as they are called, after "visual.". */
bool hoi_clip_export(const hoi_clip *clip, hoi_weights *file, const hoi_clip_layout *layout,
                     hoi_safetensors_writer *writer);
hoi_clip *hoi_clip_ref(hoi_clip *clip);
void hoi_clip_free(hoi_clip *clip);

/* Gets (b, 1 + patches, width) of pixels (b, 3, size, size): class token first, patches row by row.
   No positions yet. */
hoi_tensor *hoi_tower_embed_pixels(const hoi_tower *tower, hoi_tensor *pixels);
/* Gets (count, n, width) of token ids (count * n, row-major). n <= places. */
hoi_tensor *hoi_tower_embed_ids(const hoi_tower *tower, hoi_index *ids, int count, int n);
/* Adds the first n positions and, for pictures, normalises (ln_pre). Tokens past `places` get no
   position. x (b, n, width). */
hoi_tensor *hoi_tower_enter(const hoi_tower *tower, hoi_tensor *x);

/* What a block may be given. mask: as hoi_attention_of, over the keys of `before` and then of x.
   before: tokens (b, m, width) that stand before x and are attended to but not carried on: what
   comes out is x's alone; causal is then the mask's business. deltas: added to the weights for this
   call (low-rank learning), full-sized. */
enum {
    HOI_DELTA_Q,
    HOI_DELTA_K,
    HOI_DELTA_V,
    HOI_DELTA_OUT,
    HOI_DELTA_FC1,
    HOI_DELTA_FC2,
    HOI_DELTAS
};
typedef struct hoi_block_options {
    bool causal, recompute; /* recompute: keep only x, run the block again in backward */
    hoi_tensor *mask, *before;
    hoi_tensor *deltas[HOI_DELTAS];
} hoi_block_options;
/* Runs block i (0-based) on x (b, n, width). clip: the owner, kept while backward may need the
   block. */
hoi_tensor *hoi_tower_run_block(hoi_clip *clip, const hoi_tower *tower, int i, hoi_tensor *x,
                                const hoi_block_options *options);

/* The tower's last layer norm, and the projection into the joint space, on any (..., width). */
hoi_tensor *hoi_tower_norm(const hoi_tower *tower, hoi_tensor *x);
hoi_tensor *hoi_tower_project(const hoi_tower *tower, hoi_tensor *x);
/* Gets the features (b, out) read at a place of each row of x (b, n, width): norm and projection.
   */
hoi_tensor *hoi_tower_read(const hoi_tower *tower, hoi_tensor *x, const int32_t *places);

/* Gets (b, out) of pixels, (count, out) of texts in one go. Text is cut after the longest end token
   (exact: attention is causal) and goes through in chunks, so that memory does not grow with the
   number of texts. ids (count, context), eot (count). */
hoi_tensor *hoi_clip_encode_pixels(hoi_clip *clip, hoi_tensor *pixels);
hoi_tensor *hoi_clip_encode_ids(hoi_clip *clip, const int32_t *ids, const int32_t *eot, int count,
                                int context);

#endif
