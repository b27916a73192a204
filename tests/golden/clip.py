"""CLIP: features, gradients of every parameter, ten steps of training."""
import torch
from transformers import CLIPModel, CLIPTokenizer

from folders import EOT, GELU, QUICK, TEXTS, weights_of
from towers import clip_forward, contrastive, unit
from values import HERE, agree, gradients, leaf, normal, write


def token_ids(folder, context):
    """Five rows with their ends at different places; two padded with zeros as OpenAI's are."""
    tokenizer = CLIPTokenizer.from_pretrained(HERE / folder)
    ids = torch.tensor(tokenizer(TEXTS, padding="max_length", truncation=True,
                                 max_length=context)["input_ids"])
    if tokenizer.pad_token_id != EOT:
        assert tokenizer.pad_token_id == 0
    ends = ids.argmax(-1)
    for row in (1, 3):
        ids[row, ends[row] + 1:] = 0
    assert len(set(ends.tolist())) == 5 and ends.min() == 1 and ends.max() == context - 1
    return ids


def make_clip():
    for name, config in (("clip_quick", QUICK), ("clip_gelu", GELU), ("clip_half", QUICK)):
        size = config["vision_config"]["image_size"]
        pixels, ids = normal("clip pixels", 3, 3, size, size), token_ids(name, 20)
        out = clip_forward(pixels, ids, weights_of(name), config)

        reference = CLIPModel.from_pretrained(HERE / name, dtype=torch.float64,
                                              attn_implementation="sdpa").eval()
        with torch.no_grad():
            theirs = reference(input_ids=ids, pixel_values=pixels)
        agree(out["logits"], theirs.logits_per_image, name + " logits")
        agree(out["seen"][-1], theirs.vision_model_output.last_hidden_state, name + " patches")
        agree(out["text_tokens"], theirs.text_model_output.last_hidden_state, name + " text")
        agree(unit(out["text_features"]), theirs.text_embeds, name + " text features")

        tensors = {"pixel_values": pixels, "input_ids": ids}
        tensors.update({key: out[key] for key in ("image_features", "text_features",
                                                  "image_tokens", "text_tokens", "logits")})
        tensors.update({f"image_hidden.{i}": x for i, x in enumerate(out["seen"])})
        tensors.update({f"text_hidden.{i}": x for i, x in enumerate(out["read"])})
        write(name, tensors, texts=TEXTS)


def training_batch():
    return normal("clip training pixels", 5, 3, 30, 30), token_ids("clip_quick", 20)


def make_clip_gradients():
    pixels, ids = training_batch()
    pixels = leaf(pixels)
    weights = {key: leaf(value) for key, value in weights_of("clip_quick").items()}
    logits = clip_forward(pixels, ids, weights, QUICK)["logits"]
    loss = contrastive(logits)
    found = dict(zip(weights, gradients(loss, *weights.values())))

    reference = CLIPModel.from_pretrained(HERE / "clip_quick", dtype=torch.float64,
                                          attn_implementation="sdpa")
    reference(input_ids=ids, pixel_values=pixels.detach(), return_loss=True).loss.backward()
    for name, parameter in reference.named_parameters():
        agree(found[name], parameter.grad, "gradient of " + name)

    write("clip_gradients", {**found, "pixel_values": pixels, "input_ids": ids, "loss": loss,
                             "logits": logits, "pixel_values.grad": gradients(loss, pixels)[0]})


def adamw_run():
    pixels, ids = training_batch()
    weights = {key: leaf(value) for key, value in weights_of("clip_quick").items()}
    matrices = [value for value in weights.values() if value.dim() >= 2]
    others = [value for value in weights.values() if value.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                                   {"params": others, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.98), eps=1e-6)
    losses, norms, scales = [], [], []
    for step in range(11):
        loss = contrastive(clip_forward(pixels, ids, weights, QUICK)["logits"])
        losses.append(loss.item())
        scales.append(weights["logit_scale"].item())
        if step < 10:
            optimizer.zero_grad()
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(weights.values(), 1.0).item())
            optimizer.step()
    return losses, norms, scales, weights


def make_clip_adamw():
    losses, norms, scales, weights = adamw_run()
    assert losses[-1] < losses[0] / 2 and max(norms) > 1
    tensors = {name: torch.stack([value.norm(), value.sum()]) for name, value in weights.items()}
    tensors.update({"losses": losses, "gradient_norms": norms, "logit_scales": scales,
                    "final.visual_projection.weight": weights["visual_projection.weight"],
                    "final.text_projection.weight": weights["text_projection.weight"]})
    write("clip_adamw", tensors)
