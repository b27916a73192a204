/* bind_clip: hoi.Clip and its open towers, hoi.Tower. */
#include "core/clip.h"
#include "core/error.h"
#include "core/tokenizer.h"
#include "lua/bind_tensor.h"
#include "lua/bind_weights.h"

#include <stdlib.h>
#include <string.h>

#define CLIP "hoi.ClipCore"
#define TOWER "hoi.Tower"

/* A tower keeps its model alive. */
typedef struct tower_ref {
    hoi_clip *clip;
    hoi_tower *tower;
} tower_ref;

static int clip_release(lua_State *L) {
    hoi_clip **slot = (hoi_clip **)bind_slot(L, 1, CLIP);
    hoi_clip_free(*slot);
    *slot = NULL;
    return 0;
}

static int tower_release(lua_State *L) {
    tower_ref **slot = (tower_ref **)bind_slot(L, 1, TOWER);
    if (*slot) {
        hoi_clip_free((*slot)->clip);
        free(*slot);
    }
    *slot = NULL;
    return 0;
}

/* new(config text, label) -> clip without content */
static int new_clip(lua_State *L) {
    const char *config = luaL_checkstring(L, 1), *label = luaL_optstring(L, 2, "config.json");
    hoi_clip **slot = (hoi_clip **)bind_new(L, CLIP);
    *slot = hoi_clip_new(bind_device(L), config, label);
    return bind_result(L, *slot != NULL);
}

/* begin(clip): zeros, gains of 1 */
static int begin(lua_State *L) {
    return hoi_clip_begin(bind_check(L, 1, CLIP)) ? 0 : bind_raise(L);
}

/* Reads {layout, prefix, visual, text, dtype} at 3: how the file at 2 names its weights.
 */
static hoi_clip_layout read_layout(lua_State *L, hoi_clip_values *values) {
    static const char *const names[] = {"layout", "prefix", "visual", "text", "dtype", NULL};
    bind_options(L, 3, names);
    const char *layout = bind_string(L, 3, "layout", "huggingface");
    bool openai = strcmp(layout, "openai") == 0;
    if (!openai && strcmp(layout, "huggingface") != 0)
        luaL_error(L, "clip: layout '%s'; huggingface and openai are known", layout);
    const char *dtype = bind_string(L, 3, "dtype", "stored");
    *values = strcmp(dtype, "bfloat16") == 0  ? HOI_CLIP_BFLOAT
              : strcmp(dtype, "float32") == 0 ? HOI_CLIP_FLOAT
                                              : HOI_CLIP_STORED;
    return (hoi_clip_layout){openai, bind_string(L, 3, "prefix", ""),
                             bind_string(L, 3, "visual", "visual."), bind_string(L, 3, "text", "")};
}

/* fill(clip, file, {layout, prefix, visual, text, dtype}) */
static int fill(lua_State *L) {
    hoi_clip_values values;
    lua_settop(L, 3);
    hoi_clip *clip = bind_check(L, 1, CLIP);
    hoi_weights *file = bind_check(L, 2, HOI_WEIGHTS);
    hoi_clip_layout layout = read_layout(L, &values);
    if (!hoi_clip_fill(clip, file, &layout, values))
        return bind_raise(L);
    lua_settop(L, 1);
    return 1;
}

/* export(clip, file, {layout, prefix, visual, text}, path): the file's weights as Hugging Face's
   model.safetensors. */
static int export(lua_State *L) {
    hoi_clip_values values;
    lua_settop(L, 4);
    const hoi_clip *clip = bind_check(L, 1, CLIP);
    hoi_weights *file = bind_check(L, 2, HOI_WEIGHTS);
    hoi_clip_layout layout = read_layout(L, &values);
    const char *path = luaL_checkstring(L, 4);
    hoi_safetensors_writer *writer = hoi_safetensors_writer_new();
    bool ok = writer && hoi_safetensors_writer_metadata(writer, "format", "pt") &&
              hoi_clip_export(clip, file, &layout, writer) &&
              hoi_safetensors_writer_save(writer, path);
    hoi_safetensors_writer_free(writer);
    return ok ? 0 : bind_raise(L);
}

static int push_tower(lua_State *L, hoi_clip *clip, hoi_tower *tower) {
    tower_ref **slot = (tower_ref **)bind_new(L, TOWER);
    *slot = malloc(sizeof **slot);
    if (!*slot)
        return luaL_error(L, "clip: out of host memory");
    **slot = (tower_ref){hoi_clip_ref(clip), tower};
    return 1;
}

static int tower(lua_State *L) {
    hoi_clip *clip = bind_check(L, 1, CLIP);
    const char *name = luaL_checkstring(L, 2);
    return push_tower(L, clip, strcmp(name, "text") == 0 ? &clip->text : &clip->visual);
}

/* parameters(clip) -> list of {name, tensor} */
static int parameters(lua_State *L) {
    hoi_clip *clip = bind_check(L, 1, CLIP);
    lua_createtable(L, clip->parameter_count, 0);
    for (int i = 0; i < clip->parameter_count; ++i) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, clip->parameters[i].name);
        lua_rawseti(L, -2, 1);
        bind_tensor_push(L, hoi_tensor_ref(*clip->parameters[i].slot));
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* replace(clip, name, tensor): puts another tensor of the same shape in a parameter's place. */
static int replace(lua_State *L) {
    hoi_clip *clip = bind_check(L, 1, CLIP);
    const char *name = luaL_checkstring(L, 2);
    hoi_tensor *x = bind_tensor(L, 3);
    for (int i = 0; i < clip->parameter_count; ++i) {
        hoi_parameter *p = &clip->parameters[i];
        if (strcmp(p->name, name) != 0)
            continue;
        if (!hoi_tensor_is(x, p->rank, p->shape))
            return luaL_error(L, "clip: the tensor for '%s' has another shape", name);
        hoi_tensor_ref(x);
        hoi_tensor_free(*p->slot);
        *p->slot = x;
        return 0;
    }
    return luaL_error(L, "clip: no parameter '%s'", name);
}

/* Reads a list of texts into ids (count, context) and end places; memory stays on the stack. */
static int32_t *read_texts(lua_State *L, int index, const hoi_tokenizer *tokenizer, int context,
                           bool truncate, int *count, int32_t **eot) {
    luaL_checktype(L, index, LUA_TTABLE);
    *count = (int)luaL_len(L, index);
    if (*count < 1)
        luaL_error(L, "clip: the list of texts is empty");
    const char **texts = bind_memory(L, (size_t)*count * sizeof *texts);
    int32_t *ids = bind_memory(L, (size_t)*count * (size_t)context * sizeof *ids);
    *eot = bind_memory(L, (size_t)*count * sizeof **eot);
    for (int i = 0; i < *count; ++i) {
        if (lua_rawgeti(L, index, i + 1) != LUA_TSTRING)
            luaL_error(L, "clip: a list of texts is wanted, number %d is a %s", i + 1,
                       luaL_typename(L, -1));
        texts[i] = lua_tostring(L, -1); /* stays alive in the list */
        lua_pop(L, 1);
    }
    if (!hoi_tokenizer_batch(tokenizer, texts, (size_t)*count, context, truncate, ids, *eot))
        bind_raise(L);
    return ids;
}

/* encode_text(clip, tokenizer, texts, truncate) -> (count, width) */
static int encode_text(lua_State *L) {
    int count;
    int32_t *eot;
    lua_settop(L, 4);
    bool truncate = lua_toboolean(L, 4);
    hoi_clip *clip = bind_check(L, 1, CLIP);
    hoi_tokenizer *tokenizer = bind_check(L, 2, "hoi.Tokenizer");
    int32_t *ids = read_texts(L, 3, tokenizer, clip->text.places, truncate, &count, &eot);
    return bind_tensor_push(L, hoi_clip_encode_ids(clip, ids, eot, count, clip->text.places));
}

/* tokenize(tower, tokenizer, texts, truncate) -> ids: list of lists (opaque numbers), eot: list of
   places; all cut after the longest end. */
static int tokenize(lua_State *L) {
    int count, n = 1;
    int32_t *eot;
    lua_settop(L, 4);
    bool truncate = lua_toboolean(L, 4);
    tower_ref *t = bind_check(L, 1, TOWER);
    hoi_tokenizer *tokenizer = bind_check(L, 2, "hoi.Tokenizer");
    int32_t *ids = read_texts(L, 3, tokenizer, t->tower->places, truncate, &count, &eot);
    for (int i = 0; i < count; ++i)
        n = eot[i] + 1 > n ? eot[i] + 1 : n;
    lua_createtable(L, count, 0);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; ++i) {
        lua_createtable(L, n, 0);
        for (int k = 0; k < n; ++k) {
            lua_pushinteger(L, ids[i * t->tower->places + k]);
            lua_rawseti(L, -2, k + 1);
        }
        lua_rawseti(L, -3, i + 1);
        lua_pushinteger(L, eot[i] + 1);
        lua_rawseti(L, -2, i + 1);
    }
    return 2;
}

static int encode_pixels(lua_State *L) {
    hoi_clip *clip = bind_check(L, 1, CLIP);
    hoi_tensor *pixels = bind_tensor(L, 2);
    bind_tensor_push(L, hoi_clip_encode_pixels(clip, pixels));
    bind_pressure(L);
    return 1;
}

/* ---- towers ---- */

/* embed(x): pixels (b, 3, size, size), or lists of ids of one length. */
static int embed(lua_State *L) {
    lua_settop(L, 2);
    tower_ref *t = bind_check(L, 1, TOWER);
    if (!t->tower->text)
        return bind_tensor_push(L, hoi_tower_embed_pixels(t->tower, bind_tensor(L, 2)));
    luaL_checktype(L, 2, LUA_TTABLE);
    int count = (int)luaL_len(L, 2), n = 0;
    for (int i = 0; i < count; ++i) {
        lua_rawgeti(L, 2, i + 1);
        int length = lua_istable(L, -1) ? (int)luaL_len(L, -1) : -1;
        if (length < 1 || (i > 0 && length != n))
            return luaL_error(L, "clip: lists of ids of one length are wanted; number %d differs",
                              i + 1);
        n = length;
        lua_pop(L, 1);
    }
    if (count < 1)
        return luaL_error(L, "clip: no text to embed");
    int32_t *ids = bind_memory(L, (size_t)count * (size_t)n * sizeof *ids);
    for (int i = 0; i < count; ++i) {
        lua_rawgeti(L, 2, i + 1);
        for (int k = 0; k < n; ++k) {
            lua_rawgeti(L, -1, k + 1);
            ids[i * n + k] = (int32_t)lua_tointeger(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    hoi_index *index = hoi_index_new(bind_device(L), count * n, ids);
    hoi_tensor *x = index ? hoi_tower_embed_ids(t->tower, index, count, n) : NULL;
    hoi_index_free(index);
    return bind_tensor_push(L, x);
}

static int enter(lua_State *L) {
    tower_ref *t = bind_check(L, 1, TOWER);
    return bind_tensor_push(L, hoi_tower_enter(t->tower, bind_tensor(L, 2)));
}

/* Gets additive (b, 1, n) of keys (b, n): 1 takes part, 0 does not. The tensor is pushed. */
static hoi_tensor *key_mask(lua_State *L, hoi_tensor *keys) {
    hoi_tensor *plain = hoi_scale(keys, 1.0f, -1.0f); /* 0 or -1 */
    hoi_tensor *large = plain ? hoi_scale(plain, 1e30f, 0.0f) : NULL;
    hoi_tensor *mask =
        large && keys->rank == 2
            ? hoi_reshape(large, 3, (int64_t[]){keys->shape[0], 1, keys->shape[1]})
            : (hoi_fail("clip: option 'keys': (count, n) of 0 and 1 is wanted"), NULL);
    hoi_tensor_free(plain);
    hoi_tensor_free(large);
    bind_tensor_push(L, mask);
    return mask;
}

static void read_options(lua_State *L, int index, const hoi_tower *tower, hoi_block_options *o) {
    static const char *const names[] = {"mask",   "keys",      "before", "causal",
                                        "deltas", "recompute", NULL};
    static const char *const deltas[] = {"q", "k", "v", "out", "fc1", "fc2", NULL};
    memset(o, 0, sizeof *o);
    bind_options(L, index, names);
    o->causal = bind_boolean(L, index, "causal", tower->text);
    o->recompute = bind_boolean(L, index, "recompute", false);
    o->mask = bind_tensor_option(L, index, "mask");
    o->before = bind_tensor_option(L, index, "before");
    if (o->before && o->causal) /* only a mask can tell what stands where */
        o->causal = false;
    hoi_tensor *keys = bind_tensor_option(L, index, "keys");
    if (keys) {
        hoi_tensor *mask = key_mask(L, keys);
        o->mask =
            o->mask ? (bind_tensor_push(L, hoi_add(o->mask, mask)), bind_tensor(L, -1)) : mask;
    }
    if (lua_istable(L, index) && lua_getfield(L, index, "deltas") != LUA_TNIL) {
        if (!lua_istable(L, -1))
            luaL_error(L, "option 'deltas': a table is wanted, got %s", luaL_typename(L, -1));
        bind_options(L, lua_gettop(L), deltas);
        for (int i = 0; i < HOI_DELTAS; ++i)
            o->deltas[i] = bind_tensor_option(L, lua_gettop(L), deltas[i]);
    }
}

/* block(i, x, {mask, keys, causal, deltas, recompute}) */
static int block(lua_State *L) {
    hoi_block_options o;
    lua_settop(L, 4);
    tower_ref *t = bind_check(L, 1, TOWER);
    int i = (int)luaL_checkinteger(L, 2) - 1;
    hoi_tensor *x = bind_tensor(L, 3);
    read_options(L, 4, t->tower, &o);
    bind_tensor_push(L, hoi_tower_run_block(t->clip, t->tower, i, x, &o));
    bind_pressure(L);
    return 1;
}

/* blocks(x, options): all of them */
static int blocks(lua_State *L) {
    hoi_block_options o;
    lua_settop(L, 3);
    tower_ref *t = bind_check(L, 1, TOWER);
    hoi_tensor *x = hoi_tensor_ref(bind_tensor(L, 2));
    read_options(L, 3, t->tower, &o);
    for (int i = 0; x && i < t->tower->depth; ++i) {
        hoi_tensor *y = hoi_tower_run_block(t->clip, t->tower, i, x, &o);
        hoi_tensor_free(x);
        x = y;
    }
    bind_tensor_push(L, x);
    bind_pressure(L);
    return 1;
}

static int norm(lua_State *L) {
    tower_ref *t = bind_check(L, 1, TOWER);
    return bind_tensor_push(L, hoi_tower_norm(t->tower, bind_tensor(L, 2)));
}

static int project(lua_State *L) {
    tower_ref *t = bind_check(L, 1, TOWER);
    return bind_tensor_push(L, hoi_tower_project(t->tower, bind_tensor(L, 2)));
}

/* leave(x, eot): norm and projection of all tokens (b, n, d); with a list of places, one per row:
   (b, d). */
static int leave(lua_State *L) {
    lua_settop(L, 3);
    tower_ref *t = bind_check(L, 1, TOWER);
    hoi_tensor *x = bind_tensor(L, 2);
    if (lua_isnil(L, 3)) {
        hoi_tensor *y = hoi_tower_norm(t->tower, x), *z = y ? hoi_tower_project(t->tower, y) : NULL;
        hoi_tensor_free(y);
        return bind_tensor_push(L, z);
    }
    luaL_checktype(L, 3, LUA_TTABLE);
    int n = (int)luaL_len(L, 3);
    if (x->rank != 3 || x->shape[0] != n)
        return luaL_error(L, "clip: %d places for %d rows of tokens", n,
                          x->rank == 3 ? (int)x->shape[0] : 0);
    int32_t *places = bind_memory(L, (size_t)n * sizeof *places);
    for (int i = 0; i < n; ++i) {
        lua_rawgeti(L, 3, i + 1);
        lua_Integer place = lua_tointeger(L, -1);
        if (place < 1 || place > x->shape[1])
            return luaL_error(L, "clip: place %d of %d tokens", (int)place, (int)x->shape[1]);
        places[i] = (int32_t)place - 1;
        lua_pop(L, 1);
    }
    return bind_tensor_push(L, hoi_tower_read(t->tower, x, places));
}

static int tower_field(lua_State *L) {
    const char *name = luaL_checkstring(L, 2);
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "__methods");
    if (lua_getfield(L, -1, name) != LUA_TNIL)
        return 1;
    const tower_ref *t = bind_check(L, 1, TOWER);
    const struct {
        const char *name;
        int value;
    } fields[] = {{"width", t->tower->width},   {"depth", t->tower->depth},
                  {"heads", t->tower->heads},   {"hidden", t->tower->hidden},
                  {"places", t->tower->places}, {"size", t->tower->size},
                  {"patch", t->tower->patch},   {"vocabulary", t->tower->vocabulary},
                  {"out", t->clip->width}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; ++i)
        if (strcmp(name, fields[i].name) == 0) {
            lua_pushinteger(L, fields[i].value);
            return 1;
        }
    if (strcmp(name, "activation") == 0) {
        lua_pushstring(L, t->tower->activation == HOI_GELU ? "gelu" : "quick_gelu");
        return 1;
    }
    return luaL_error(L, "hoi.Tower has no '%s'", name);
}

static int tower_text(lua_State *L) {
    const tower_ref *t = bind_check(L, 1, TOWER);
    lua_pushfstring(L, "Tower (%s, %d blocks of width %d)", t->tower->text ? "text" : "pictures",
                    t->tower->depth, t->tower->width);
    return 1;
}

int luaopen_hoi_clip(lua_State *L);
int luaopen_hoi_clip(lua_State *L) {
    static const luaL_Reg towers[] = {
        {"embed", embed},   {"enter", enter},       {"block", block},
        {"blocks", blocks}, {"norm", norm},         {"project", project},
        {"leave", leave},   {"tokenize", tokenize}, {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__index", tower_field}, {"__tostring", tower_text}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"new", new_clip},
                                         {"begin", begin},
                                         {"fill", fill},
                                         {"export", export},
                                         {"tower", tower},
                                         {"parameters", parameters},
                                         {"replace", replace},
                                         {"encode_text", encode_text},
                                         {"encode_pixels", encode_pixels},
                                         {NULL, NULL}};
    bind_class(L, CLIP, NULL, NULL, clip_release);
    bind_class(L, TOWER, towers, meta, tower_release);
    luaL_newlib(L, functions);
    return 1;
}
