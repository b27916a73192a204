"""One block with masks and weight deltas, and MaPLe's deep prompts through both towers."""
import math

import torch
from transformers import CLIPTokenizer

from folders import QUICK, weights_of
from towers import (block, blocks, causal, text_embed, text_enter, text_leave, unit, visual_enter,
                    visual_leave)
from values import HERE, gradients, leaf, normal, uniform, write

BLOCK = "vision_model.encoder.layers.0"
HEADS = QUICK["vision_config"]["num_attention_heads"]


def make_blocks():
    weights = weights_of("clip_quick")
    x, upstream = leaf(normal("block x", 2, 7, 32)), normal("block upstream", 2, 7, 32)
    mask = normal("block mask", 7, 7)
    mask[uniform("block holes", 7, 7) < 0.3] = -math.inf
    mask.fill_diagonal_(0.5)
    mask[:, 0] = 0.25                         # every query keeps a key, with either key mask too
    lengths = torch.tensor([7, 4])
    keys = torch.tensor([[1, 0, 1, 1, 0, 1, 1], [1, 1, 0, 0, 1, 0, 1]])
    hide = torch.zeros(2, 1, 1, 7).masked_fill(keys[:, None, None] == 0, -math.inf)
    short = torch.zeros(2, 1, 1, 7).masked_fill(
        torch.arange(7) >= lengths[:, None, None, None], -math.inf)
    tensors = {"x": x, "upstream": upstream, "mask": mask, "keys": keys, "lengths": lengths}

    for name, added in (("plain", None), ("causal", causal(7)), ("mask", mask), ("keys", hide),
                        ("lengths", short), ("mask_keys", mask + hide)):
        out = block(x, weights, BLOCK, HEADS, "quick_gelu", added)
        tensors[name + ".output"] = out
        tensors[name + ".grad"] = gradients((out * upstream).sum(), x)[0]

    deltas, leaves = {}, {}
    for part, outputs, inputs in (("q_proj", 32, 32), ("v_proj", 32, 32), ("out_proj", 32, 32),
                                  ("fc1", 128, 32), ("fc2", 32, 128)):
        down = leaf(normal(f"delta {part} down", 3, inputs, scale=inputs ** -0.5))
        up = leaf(normal(f"delta {part} up", outputs, 3, scale=0.5))
        deltas[part] = up @ down
        leaves.update({f"deltas.{part}.down": down, f"deltas.{part}.up": up})
    out = block(x, weights, BLOCK, HEADS, "quick_gelu", deltas=deltas)
    tensors.update({"deltas.output": out, **leaves})
    found = gradients((out * upstream).sum(), x, *leaves.values())
    tensors["deltas.grad"] = found[0]
    tensors.update({key + ".grad": value for key, value in zip(leaves, found[1:])})

    frozen = {key: value for key, value in weights.items() if key.startswith(BLOCK)}
    frozen = {key: leaf(value) for key, value in frozen.items()}     # every weight of the block
    loss = (block(x, frozen, BLOCK, HEADS, "quick_gelu", mask) * upstream).sum()
    tensors.update({"mask." + key[len(BLOCK) + 1:] + ".grad": value
                    for key, value in zip(frozen, gradients(loss, *frozen.values()))})
    write("blocks", tensors)


def make_maple():
    weights = weights_of("clip_quick")
    tokenizer = CLIPTokenizer.from_pretrained(HERE / "clip_quick")
    ids = torch.tensor(tokenizer(
        ["a photo of a dog.", "a photo of a cup.", "a photo of a red horse.", "a photo of a 42."],
        padding="max_length", max_length=20)["input_ids"])
    pixels, labels = normal("maple pixels", 3, 3, 30, 30), torch.tensor([2, 0, 3])
    text = leaf(normal("maple text prompts", 2, 2, 24, scale=0.4))
    image = leaf(normal("maple image prompts", 2, 2, 32, scale=0.4))

    def put_text(i, x):
        prompts = text[i].expand(len(x), -1, -1)
        return x if i == 0 else torch.cat([x[:, :1], prompts, x[:, 3:]], 1)

    def put_image(i, x):
        prompts = image[i].expand(len(x), -1, -1)
        return x if i == 0 else torch.cat([x[:, :-2], prompts], 1)

    words = text_embed(ids, weights)
    words = torch.cat([words[:, :1], text[0].expand(4, -1, -1), words[:, 3:]], 1)
    read = blocks(text_enter(words, weights), weights, "text_model", QUICK["text_config"],
                  causal(20), put_text)
    text_features = text_leave(read[-1], ids, weights)[1]
    seen = blocks(visual_enter(pixels, weights, QUICK["vision_config"], image[0]), weights,
                  "vision_model", QUICK["vision_config"], before=put_image)
    image_features = visual_leave(seen[-1], weights)[:, 0]
    logits = weights["logit_scale"].exp() * unit(image_features) @ unit(text_features).T
    loss = -torch.log_softmax(logits, 1)[range(3), labels].mean()
    found = gradients(loss, text, image)
    write("maple", {"pixel_values": pixels, "input_ids": ids, "labels": labels,
                    "text_prompts": text, "image_prompts": image, "text_hidden.2": read[-1],
                    "image_hidden.2": seen[-1], "text_features": text_features,
                    "image_features": image_features, "logits": logits, "loss": loss,
                    "text_prompts.grad": found[0], "image_prompts.grad": found[1]})
