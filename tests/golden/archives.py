"""The made-up CLIPs as others publish theirs: OpenAI's archives, open_clip's folder, prompts.

Every file's values are clip_quick's (F32), clip_half's (F16) or clip_quick's rounded to BF16, so that
features must agree bit by bit with those folders'. Where open_clip is at hand it reads its folder
too, and must give the golden features.
"""
import gzip
import json
from collections import OrderedDict

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from folders import MERGES, QUICK, VOCAB, write_json
from values import HERE, normal

FOLDER = HERE / "archives"


def openai_names(weights):
    """Hugging Face's names to OpenAI's: q, k and v in one, projections the other way round."""
    out = OrderedDict()
    for name, value in weights.items():
        if name in ("visual_projection.weight", "text_projection.weight"):
            key = "visual.proj" if name.startswith("visual") else "text_projection"
            out[key] = value.T.contiguous()
            continue
        if "k_proj" in name or "v_proj" in name or "position_ids" in name:
            continue
        key = name.replace("vision_model.", "visual.").replace("text_model.", "")
        if "q_proj" in name:
            value = torch.cat([weights[name.replace("q_proj", part)]
                               for part in ("q_proj", "k_proj", "v_proj")])
        for old, new in (("encoder.layers.", "transformer.resblocks."), ("layer_norm", "ln_"),
                         ("self_attn.q_proj.", "attn.in_proj_"), ("self_attn.", "attn."),
                         ("fc1", "c_fc"), ("fc2", "c_proj"), ("pre_layrnorm", "ln_pre"),
                         ("post_layernorm", "ln_post"), ("final_ln_", "ln_final"),
                         ("embeddings.class_embedding", "class_embedding"),
                         ("embeddings.position_embedding.weight", "positional_embedding"),
                         ("embeddings.patch_embedding", "conv1"), ("embeddings.token", "token")):
            key = key.replace(old, new)
        out[key] = value
    return out


def write_open_clip(weights):
    folder = FOLDER / "open_clip"
    folder.mkdir(parents=True, exist_ok=True)
    vision, text = QUICK["vision_config"], QUICK["text_config"]
    model = {
        "embed_dim": QUICK["projection_dim"], "quick_gelu": True,
        "vision_cfg": {"image_size": vision["image_size"], "layers": vision["num_hidden_layers"],
                       "width": vision["hidden_size"], "patch_size": vision["patch_size"],
                       "head_width": vision["hidden_size"] // vision["num_attention_heads"]},
        "text_cfg": {"context_length": text["max_position_embeddings"],
                     "vocab_size": text["vocab_size"], "width": text["hidden_size"],
                     "heads": text["num_attention_heads"], "layers": text["num_hidden_layers"]}}
    write_json(folder / "open_clip_config.json", {
        "model_cfg": model, "preprocess_cfg": {
            "mean": [0.5, 0.25, 0.125], "std": [0.5, 0.5, 0.25], "interpolation": "bicubic",
            "resize_mode": "squash"}})
    save_file(weights, folder / "open_clip_model.safetensors", {"format": "pt"})
    write_json(folder / "tokenizer.json", {
        "version": "1.0", "model": {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": VOCAB,
                                    "merges": [list(merge) for merge in MERGES]}})
    try:
        from open_clip.model import CLIP
    except ImportError:
        print("archives: open_clip is not installed: its folder is not checked by it")
        return
    reader = CLIP(**model).double().eval()
    reader.load_state_dict({key: value.double() for key, value in weights.items()})
    golden = load_file(HERE / "clip_half.safetensors")
    with torch.no_grad():
        pictures = reader.encode_image(golden["pixel_values"].double())
        ids = golden["input_ids"].long()
        ends = ids.argmax(-1)
        for row, end in enumerate(ends):
            ids[row, end + 1:] = 0
        texts = reader.encode_text(ids)
    for ours, theirs in (("image_features", pictures), ("text_features", texts)):
        gap = (golden[ours] - theirs).abs().max().item()
        assert gap < 1e-6, f"{ours} of open_clip differ by {gap}"     # ours are rounded to float32


class Node(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def write_script(weights):
    """A tree of modules that has the names, kept as TorchScript keeps OpenAI's."""
    root = Node()
    for name, value in weights.items():
        *path, last = name.split(".")
        node = root
        for part in path:
            if not hasattr(node, part):
                setattr(node, part, Node())
            node = getattr(node, part)
        setattr(node, last, torch.nn.Parameter(value, requires_grad=False))
    for name, number in (("input_resolution", 30), ("context_length", 20),
                         ("vocab_size", len(VOCAB))):
        root.register_buffer(name, torch.tensor(number))
    torch.jit.trace(root, torch.zeros(1)).save(str(FOLDER / "script.pt"))


def write_prompts():
    """CoOp's checkpoint, and MaPLe's in the format that PyTorch had before 1.6."""
    coop = OrderedDict(ctx=normal("coop ctx", 4, 24), token_prefix=normal("coop prefix", 3, 1, 24),
                       token_suffix=normal("coop suffix", 3, 6, 24))
    coop = OrderedDict((key, value.float()) for key, value in coop.items())
    context = torch.nn.Parameter(coop["ctx"].clone())
    optimizer = torch.optim.SGD([context], lr=0.002, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    context.sum().backward()
    optimizer.step()
    torch.save({"state_dict": coop, "epoch": 50, "optimizer": optimizer.state_dict(),
                "scheduler": {"after_scheduler": scheduler, "last_epoch": 50},
                "val_result": np.float64(71.25)}, FOLDER / "coop.pth.tar")
    maple = OrderedDict((name, normal("maple " + name, *shape).half()) for name, shape in (
        ("prompt_learner.ctx", (2, 24)), ("prompt_learner.proj.weight", (32, 24)),
        ("prompt_learner.compound_prompts_text.0", (2, 24)),
        ("prompt_learner.compound_prompt_projections.0.weight", (32, 24)),
        ("image_encoder.class_embedding", (32,)), ("text_encoder.ln_final.weight", (24,))))
    maple["image_encoder.proj"] = normal("maple proj", 20, 32).half().T   # a view, not contiguous
    torch.save({"state_dict": maple, "epoch": 2, "val_result": None}, FOLDER / "maple.pth.tar",
               _use_new_zipfile_serialization=False)
    plain = {f"coop.state_dict.{key}": value for key, value in coop.items()}
    plain["coop.optimizer.state.0.momentum_buffer"] = \
        optimizer.state_dict()["state"][0]["momentum_buffer"].clone()
    plain.update({f"maple.state_dict.{key}": value.contiguous() for key, value in maple.items()})
    save_file(plain, FOLDER / "prompts.safetensors")


def make_archives():
    FOLDER.mkdir(parents=True, exist_ok=True)
    quick = openai_names(load_file(HERE / "clip_quick" / "model.safetensors"))
    half = openai_names(load_file(HERE / "clip_half" / "model.safetensors"))
    write_open_clip(half)
    write_script(quick)
    torch.save(OrderedDict(half, input_resolution=torch.tensor(30), context_length=torch.tensor(20),
                           vocab_size=torch.tensor(len(VOCAB))), FOLDER / "state.pt")
    torch.save({"epoch": 3, "name": "clip_quick", "state_dict": OrderedDict(
        ("module." + key, value.bfloat16()) for key, value in quick.items())},
        FOLDER / "epoch_3.pt")
    write_prompts()
    text = '"bpe_simple_vocab_16e6.txt#version: 0.2\n' + "".join(f"{a} {b}\n" for a, b in MERGES)
    (FOLDER / "bpe_simple_vocab_16e6.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    for path in FOLDER.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
