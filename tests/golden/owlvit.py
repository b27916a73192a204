"""OWL-ViT: heads, detection losses and their gradients."""
import torch
from transformers import CLIPTokenizer, OwlViTForObjectDetection

from folders import OWL, weights_of
from losses import corners, focal, giou
from towers import (blocks, causal, gelu, layer_norm, linear, text_embed, text_enter, text_leave,
                    unit, visual_enter)
from values import HERE, gradients, leaf, normal, write


def owl_forward(pixels, ids, weights):
    """Shared sentences (q, context) for all pictures."""
    vision, top = OWL["vision_config"], "owlvit."
    grid = vision["image_size"] // vision["patch_size"]
    x = blocks(visual_enter(pixels, weights, vision, top=top), weights, "owlvit.vision_model",
               vision)[-1]
    x = layer_norm(x, weights, "owlvit.vision_model.post_layernorm")
    patches = layer_norm(x[:, 1:] * x[:, :1], weights, "layer_norm")
    read = blocks(text_enter(text_embed(ids, weights, top), weights, top), weights,
                  "owlvit.text_model", OWL["text_config"], causal(ids.shape[1]))[-1]
    queries = unit(text_leave(read, ids, weights, top)[1])

    cell = torch.arange(1, grid + 1) / grid
    place = torch.stack([cell.repeat(grid), cell.repeat_interleave(grid)], 1)
    place = torch.cat([place, torch.full((grid * grid, 2), 1 / grid)], 1)
    bias = torch.log(place + 1e-4) - torch.log(1 - place + 1e-4)
    h = gelu(linear(gelu(linear(patches, weights, "box_head.dense0")), weights, "box_head.dense1"))
    boxes = torch.sigmoid(linear(h, weights, "box_head.dense2") + bias)

    classes = linear(patches, weights, "class_head.dense0")
    classes = classes / (classes.norm(dim=-1, keepdim=True) + 1e-6)
    asked = queries / (queries.norm(dim=-1, keepdim=True) + 1e-6)
    scale = torch.nn.functional.elu(linear(patches, weights, "class_head.logit_scale")) + 1
    shift = linear(patches, weights, "class_head.logit_shift")
    logits = (classes @ asked.T + shift) * scale
    return dict(image_embeds=patches, text_embeds=queries, pred_boxes=boxes, logits=logits,
                class_embeds=classes, box_bias=bias)


def make_owlvit():
    tokenizer = CLIPTokenizer.from_pretrained(HERE / "owlvit")
    ids = torch.tensor(tokenizer(["a dog", "a photo of a ball", "a red horse", "person", "x"],
                                 padding="max_length", max_length=16)["input_ids"])
    pixels = normal("owl pixels", 2, 3, 32, 32)
    weights = {key: leaf(value) for key, value in weights_of("owlvit").items()}
    out = owl_forward(pixels, ids, weights)

    reference = OwlViTForObjectDetection.from_pretrained(
        HERE / "owlvit", dtype=torch.float64, attn_implementation="sdpa").eval()
    with torch.no_grad():
        theirs = reference(input_ids=ids.repeat(2, 1), pixel_values=pixels)
    # transformers keeps the box bias and turns masked logits through float32
    for key, limit in (("image_embeds", 1e-9), ("class_embeds", 1e-9), ("pred_boxes", 1e-6),
                       ("logits", 1e-6)):
        gap = (out[key] - getattr(theirs, key).reshape(out[key].shape)).abs().max().item()
        assert gap < limit, (key, gap)

    # (picture, patch) of each target, fixed by hand; classes are places among the five sentences
    place = torch.tensor([[0, 5], [0, 10], [0, 3], [1, 0], [1, 15]])
    labels = torch.tensor([0, 3, 1, 2, 3])
    targets = torch.tensor([[0.4, 0.3, 0.3, 0.4], [0.6, 0.65, 0.2, 0.7], [0.9, 0.1, 0.08, 0.1],
                            [0.2, 0.25, 0.5, 0.3], [0.85, 0.8, 0.3, 0.4]]).float().double()
    truth = torch.zeros_like(out["logits"])
    truth[place[:, 0], place[:, 1], labels] = 1
    logits, boxes, count = out["logits"], out["pred_boxes"], len(labels)
    picked = boxes[place[:, 0], place[:, 1]]
    parts = {"focal": focal(logits, truth, 2.0).sum() / count,
             "focal_alpha": focal(logits, truth, 2.0, 0.25).sum() / count,
             "l1": (picked - targets).abs().sum() / count,
             "giou": (1 - giou(corners(picked), corners(targets))).sum() / count}
    total = parts["focal"] + 5 * parts["l1"] + 2 * parts["giou"]
    tensors = {"pixel_values": pixels, "input_ids": ids, "target_place": place,
               "target_labels": labels, "target_boxes": targets, "total": total, **out, **parts}
    for key, value in parts.items():
        wrt = logits if key.startswith("focal") else boxes
        tensors[f"{key}.grad"] = gradients(value, wrt)[0]
    write("owlvit", tensors)
    unused = ("owlvit.visual_projection.weight", "owlvit.logit_scale")
    used = [key for key in weights if key not in unused]
    write("owlvit_gradients", dict(zip(used, gradients(total, *(weights[key] for key in used)))))
