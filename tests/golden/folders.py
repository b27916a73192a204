"""Five made-up models in Hugging Face layout: configurations, tokenizer files, weights."""
import json
import math

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, OwlViTConfig, OwlViTForObjectDetection

from values import HERE, normal

WORDS = ("a photo of person dog horse ball cup holding riding kicking on with red drawing the "
         "standing sitting board").split()
TEXTS = ["a photo of a dog", "a red ball", "", "a person riding a horse with a cup on the board",
         "the drawing of a person kicking a ball, standing on a dog with a horse, 42 cups"]


def vocabulary():
    """CLIP's order, small: 256 byte symbols, the same as word ends, merges, 2 marks."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    merges = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        left = parts[0]
        for right in parts[1:]:
            if (left, right) not in merges:
                merges.append((left, right))
            left += right
    entries = symbols + [s + "</w>" for s in symbols] + [a + b for a, b in merges]
    entries += ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(entries)) == len(entries)
    return {entry: i for i, entry in enumerate(entries)}, merges


VOCAB, MERGES = vocabulary()
SOT, EOT = VOCAB["<|startoftext|>"], VOCAB["<|endoftext|>"]


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tokenizer(folder, context, pad):
    (folder / "vocab.json").write_text(
        json.dumps(VOCAB, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES), encoding="utf-8")
    marks = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
             "unk_token": "<|endoftext|>", "pad_token": pad}
    write_json(folder / "special_tokens_map.json", marks)
    write_json(folder / "tokenizer_config.json", {
        **marks, "do_lower_case": True, "errors": "replace", "model_max_length": context,
        "tokenizer_class": "CLIPTokenizer"})


def write_preprocessor(folder, size, kind):
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    common = {"do_normalize": True, "do_resize": True, "image_mean": mean, "image_std": std,
              "resample": 3}
    square = {"height": size, "width": size}
    write_json(folder / "preprocessor_config.json", {
        "old": {**common, "crop_size": size, "do_center_crop": True, "size": size,
                "feature_extractor_type": "CLIPFeatureExtractor"},
        "new": {**common, "crop_size": square, "do_center_crop": True, "do_rescale": True,
                "rescale_factor": 1 / 255, "do_convert_rgb": True, "size": {"shortest_edge": size},
                "image_processor_type": "CLIPImageProcessor"},
        "owl": {**common, "do_center_crop": False, "do_rescale": True, "rescale_factor": 1 / 255,
                "size": square, "image_processor_type": "OwlViTImageProcessor"}}[kind])


def fill(model, seed):
    """Weights of the size that trained ones have: nothing is zero, no softmax is flat."""
    for name, parameter in model.named_parameters():
        if name.endswith("logit_scale"):
            value = torch.tensor(np.float64(np.float32(math.log(1 / 0.07))))
        elif "norm" in name or "layrnorm" in name:
            value = normal(seed + name, *parameter.shape, scale=0.15) + name.endswith("weight")
        elif name.endswith("bias"):
            value = normal(seed + name, *parameter.shape, scale=0.1)
        elif "embedding" in name and "patch" not in name:
            value = normal(seed + name, *parameter.shape, scale=0.4)
        else:
            fan_in = parameter[0].numel()
            gain = 1.6 if ".q_proj" in name or ".k_proj" in name else 1.0
            value = normal(seed + name, *parameter.shape, scale=gain * fan_in ** -0.5)
        parameter.data.copy_(value.to(torch.float32).to(parameter.dtype))


def tower(width, heads, depth, hidden, act, **rest):
    return dict(hidden_size=width, num_attention_heads=heads, num_hidden_layers=depth,
                intermediate_size=hidden, hidden_act=act, **rest)


def model_of(kind, config, seed):
    config._attn_implementation = "sdpa"     # the eager path rounds its softmax to float32
    model = kind(config).to(torch.float32)
    fill(model, seed)
    return model


# the sizes: awkward, and different wherever the file format lets them differ
QUICK = dict(
    projection_dim=20,
    text_config=tower(24, 3, 2, 96, "quick_gelu", vocab_size=len(VOCAB),
                      max_position_embeddings=20, bos_token_id=0, eos_token_id=2),
    vision_config=tower(32, 4, 2, 128, "quick_gelu", image_size=30, patch_size=6))
GELU = dict(
    projection_dim=20,
    text_config=tower(24, 2, 3, 72, "gelu", vocab_size=len(VOCAB), max_position_embeddings=20,
                      bos_token_id=SOT, eos_token_id=EOT, pad_token_id=EOT),
    vision_config=tower(32, 2, 2, 128, "gelu", image_size=32, patch_size=8))
EZHOI = dict(                                # prompts need text width = joint width, some blocks
    projection_dim=16,
    text_config=tower(16, 2, 4, 64, "quick_gelu", vocab_size=len(VOCAB),
                      max_position_embeddings=20, bos_token_id=SOT, eos_token_id=EOT),
    vision_config=tower(24, 3, 4, 96, "quick_gelu", image_size=32, patch_size=8))
OWL = dict(
    projection_dim=24,
    text_config=tower(24, 3, 2, 96, "quick_gelu", vocab_size=len(VOCAB),
                      max_position_embeddings=16, bos_token_id=SOT, eos_token_id=EOT),
    vision_config=tower(32, 4, 2, 128, "quick_gelu", image_size=32, patch_size=8))


def make_folders():
    defaults = {"hidden_act": "quick_gelu"}
    small = {part: {key: value for key, value in QUICK[part].items() if defaults.get(key) != value}
             for part in ("text_config", "vision_config")}
    top = {"architectures": ["CLIPModel"], "initializer_factor": 1.0,
           "logit_scale_init_value": 2.6592, "model_type": "clip",
           "projection_dim": QUICK["projection_dim"]}

    folder = HERE / "clip_quick"             # config.json as on the Hub: defaults are not said
    quick = model_of(CLIPModel, CLIPConfig(**QUICK), "clip_quick.")
    quick.save_pretrained(folder)
    write_json(folder / "config.json", {**top, "torch_dtype": "float32", **small})
    write_tokenizer(folder, 20, "<|endoftext|>")
    write_preprocessor(folder, 30, "old")

    folder = HERE / "clip_gelu"              # config.json as save_pretrained writes it
    model_of(CLIPModel, CLIPConfig(**GELU), "clip_gelu.").save_pretrained(folder)
    write_tokenizer(folder, 20, "<|endoftext|>")
    write_preprocessor(folder, 32, "new")

    folder = HERE / "clip_half"              # an old export: F16, position_ids, text_config_dict
    folder.mkdir(parents=True, exist_ok=True)
    half = {key: value.to(torch.float16).contiguous() for key, value in quick.state_dict().items()}
    for part, count in (("text", 20), ("vision", 26)):
        half[f"{part}_model.embeddings.position_ids"] = torch.arange(count).reshape(1, count)
    save_file(half, folder / "model.safetensors", {"format": "pt"})
    write_json(folder / "config.json", {
        **top, "torch_dtype": "float16", "text_config": QUICK["text_config"],
        "text_config_dict": small["text_config"], "vision_config": QUICK["vision_config"],
        "vision_config_dict": None})
    write_tokenizer(folder, 20, "<|endoftext|>")
    write_preprocessor(folder, 30, "old")

    folder = HERE / "clip_ezhoi"
    model_of(CLIPModel, CLIPConfig(**EZHOI), "clip_ezhoi.").save_pretrained(folder)
    write_tokenizer(folder, 20, "<|endoftext|>")
    write_preprocessor(folder, 32, "old")

    folder = HERE / "owlvit"
    model_of(OwlViTForObjectDetection, OwlViTConfig(**OWL), "owlvit.").save_pretrained(folder)
    write_tokenizer(folder, 16, "!")
    write_preprocessor(folder, 32, "owl")
    for path in HERE.glob("*/model.safetensors"):
        path.chmod(0o644)


def weights_of(folder):
    return {key: value.to(torch.float64) for key, value in
            load_file(HERE / folder / "model.safetensors").items() if "position_ids" not in key}
