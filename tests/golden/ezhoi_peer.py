"""Gives tests/bench/peers_train.py's modules the weights and data of ezhoi_whole: both writings of
EZ-HOI, this folder's formulas and torch's own layers, must agree."""
import argparse
import re
import sys

import torch

import ezhoi
from folders import EZHOI
from values import HERE, agree

sys.path.insert(0, str(HERE.parent / "bench"))
import peers_train  # noqa: E402

TOWERS = {"text": "text_model", "vision": "vision_model"}
PLACES = {"clip_head.prompt_learner.": "", "txtcls_pt_adapter": "txtcls",
          "img_clip_pt_adapter": "image", "unseen_pt_adapter": "unseen", "mem_adapter": "mem",
          "vis_fuse": "fuse", "priors_downproj": "priors", "logit_scale_HO": "scale",
          "mhsa_layers.0": "mhsa_layers"}


def peer_name(name):
    """The peer's name of a parameter of the released checkpoints."""
    name = re.sub(r"^clip_head\.image_encoder.*resblocks\.(\d+)\.adaptermlp", r"adapters.\1", name)
    name = re.sub(r"prompt_learner\.proj\.", "prompt_learner.proj.0.", name)
    name = re.sub(r"compound_prompt_proj_vis\.(\d+)", lambda m: f"proj.{int(m[1]) + 1}", name)
    for old, new in PLACES.items():
        name = name.replace(old, new)
    return re.sub(r"(down_proj_prior|priors)\.layers\.(\d)", lambda m: f"{m[1]}.{2 * int(m[2])}",
                  name)


def tower_weights(clip, model):
    """The frozen towers by the peer's names."""
    found = {}
    for tower, top in TOWERS.items():
        for i in range(len(getattr(model, tower).blocks)):
            theirs, ours = f"{top}.encoder.layers.{i}.", f"{tower}.blocks.{i}."
            for kind in ("weight", "bias"):
                found[f"{ours}attn.in_proj_{kind}"] = torch.cat(
                    [clip[f"{theirs}self_attn.{part}_proj.{kind}"] for part in "qkv"])
                for old, new in (("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"),
                                 ("layer_norm2", "ln_2"), ("mlp.fc1", "c_fc"),
                                 ("mlp.fc2", "c_proj")):
                    found[f"{ours}{new}.{kind}"] = clip[f"{theirs}{old}.{kind}"]
    for kind in ("weight", "bias"):
        found["text.ln_final." + kind] = clip["text_model.final_layer_norm." + kind]
        found["vision.ln_pre." + kind] = clip["vision_model.pre_layrnorm." + kind]
        found["vision.ln_post." + kind] = clip["vision_model.post_layernorm." + kind]
    text, vision = "text_model.embeddings.", "vision_model.embeddings."
    return {**found, "text.token_embedding.weight": clip[text + "token_embedding.weight"],
            "text.positional": clip[text + "position_embedding.weight"],
            "text.projection.weight": clip["text_projection.weight"],
            "vision.conv1.weight": clip[vision + "patch_embedding.weight"],
            "vision.first": clip[vision + "class_embedding"],
            "vision.positional": clip[vision + "position_embedding.weight"],
            "vision.projection.weight": clip["visual_projection.weight"]}


@torch.no_grad()
def check_peer(s, state, verbs, outputs):
    """outputs: by mode what ezhoi_whole found; the second picture, which has no padding."""
    text, vision = EZHOI["text_config"], EZHOI["vision_config"]
    sizes = argparse.Namespace(
        d=text["hidden_size"], heads=text["num_attention_heads"], words=text["vocab_size"],
        text_layers=text["num_hidden_layers"], context=text["max_position_embeddings"],
        dv=vision["hidden_size"], vheads=vision["num_attention_heads"],
        layers=vision["num_hidden_layers"], size=vision["image_size"], patch=vision["patch_size"],
        width=8, depth=len(s.base), pictures=1, humans=2, others=3, sentences=3, verbs=5,
        ends=(10, 11, 12, 13))
    model, p = peers_train.Ezhoi(sizes, len(s.selected), dropout=0.0), s.pictures[1]
    model.load_state_dict({**tower_weights(s.clip, model),
                           **{peer_name(name): value for name, value in state.items()}})
    model.base, model.ids = list(s.base), s.prompt_ids[s.selected]
    model.ends, model.described = model.ids.argmax(1), s.descriptions[s.selected]
    model.onehot = torch.nn.functional.one_hot(verbs[s.selected], 5).double()
    model.hidden, model.partner = s.unseen_rows, s.partner_rows
    model.sentences, model.padded = s.sentences[s.kept], s.seen[s.kept] == 0
    model.pixels, model.guidance, model.pairs = s.pixels[1:], s.guidance[1:], p["pairs"]
    model.vectors = ezhoi.instance_vectors(p["scores"], p["boxes"], p["labels"], sizes.size,
                                           s.objects)[None]
    grid = sizes.size // sizes.patch
    model.rows = peers_train.roi_rows(p["boxes"], grid, 1 / sizes.patch)[None]
    for mode, out in outputs.items():
        texts = model.texts(mode, False)
        agree(texts, out["texts"], mode + " texts of the peer")
        agree(model.logits(texts, mode, False)[0], out["logits_1"], mode + " logits of the peer")
    agree(model.texts("paper", True), outputs["paper"]["texts"], "texts of the peer's shortcuts")
