#!/usr/bin/env python3
"""Slow: CLIP at full size. Writes Hugging Face folders of ViT-B/32, B/16 and L/14@336 with random
weights, one at a time, and compares hoi's features of two pictures and five texts with
transformers'.

    python3 tests/full_size.py [--hoi build/hoi] [--data ../shared/data] [b32 b16 l14]

Needs torch, transformers and safetensors; 2.5 GB of memory and, in the temporary folder, 1.8 GB.
Fails where a number of the features (not normalised) differs by more than 5e-5.
"""
import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

SIZES = {   # patch, pixels, picture tower's width, blocks, text tower's width, joint width
    "b32": (32, 224, 768, 12, 512, 512), "b16": (16, 224, 768, 12, 512, 512),
    "l14": (14, 336, 1024, 24, 768, 768)}
TEXTS = ["a photo of a person riding a horse", "a photo of a dog.", "", "two cups on a table, 1 spoon",
         "a centered satellite photo of annual crop land, seen from above in the early morning"]
LIMIT = 5e-5
SCRIPT = """
local hoi = require "hoi"
local clip <close> = hoi.clip(arg[1])
local given <close> = hoi.safetensors.open(arg[2])
local texts = hoi.json.decode(given:metadata "texts")
hoi.safetensors.save(arg[3], { image_features = clip:encode_pixels(given:tensor "pixel_values"),
  text_features = clip:encode_text(texts) })
print(clip)
"""


def make_model(name):
    """A model whose numbers have the sizes of a trained one's: no attention is flat."""
    patch, pixels, width, blocks, text_width, out = SIZES[name]
    config = CLIPConfig(
        projection_dim=out,
        vision_config=dict(hidden_size=width, intermediate_size=4 * width, image_size=pixels,
                           num_hidden_layers=blocks, num_attention_heads=width // 64,
                           patch_size=patch, hidden_act="quick_gelu"),
        text_config=dict(hidden_size=text_width, intermediate_size=4 * text_width,
                         num_hidden_layers=12, num_attention_heads=text_width // 64,
                         hidden_act="quick_gelu", bos_token_id=49406, eos_token_id=49407))
    torch.manual_seed(7)
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "norm" in key or "layrnorm" in key:
                value.normal_(1.0 if key.endswith("weight") else 0.0, 0.1)
            elif key.endswith("bias"):
                value.normal_(0.0, 0.05)
            elif "embedding" in key and "patch" not in key:
                value.normal_(0.0, 0.3)
            elif value.dim() > 1:
                value.normal_(0.0, value[0].numel() ** -0.5)
    return model


def check(name, hoi, data):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = make_model(name)
        model.save_pretrained(folder / "model")
        for part in ("vocab.json", "merges.txt"):
            shutil.copy(data / "tokenizer" / part, folder / "model" / part)
        tokenizer = CLIPTokenizer.from_pretrained(folder / "model")
        ids = tokenizer(TEXTS, padding="max_length", max_length=77, return_tensors="pt")["input_ids"]
        pixels = torch.randn(2, 3, SIZES[name][1], SIZES[name][1])
        with torch.no_grad():
            wanted = {
                "image_features": model.visual_projection(
                    model.vision_model(pixel_values=pixels).pooler_output),
                "text_features": model.text_projection(
                    model.text_model(input_ids=ids).pooler_output)}
        save_file({"pixel_values": pixels}, folder / "input.safetensors",
                  {"texts": json.dumps(TEXTS)})
        del model
        (folder / "run.lua").write_text(SCRIPT)
        subprocess.run([hoi, folder / "run.lua", folder / "model", folder / "input.safetensors",
                        folder / "output.safetensors"], check=True)
        given = load_file(folder / "output.safetensors")
        worst = 0.0
        for key, value in wanted.items():
            gap = (given[key] - value).abs().max().item()
            print(f"{name} {key}: greatest difference {gap:.2e}, of numbers up to "
                  f"{value.abs().max().item():.2f}")
            worst = max(worst, gap)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="b32, b16, l14 (default: all)")
    parser.add_argument("--hoi", default="build/hoi")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    if not (args.data / "tokenizer" / "vocab.json").exists():
        print(f"skipped: no {args.data}/tokenizer/vocab.json")
        return 77
    torch.set_num_threads(2)
    worst = max(check(name, args.hoi, args.data) for name in args.names or SIZES)
    print(f"greatest difference of all: {worst:.2e}, limit {LIMIT:.0e}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
