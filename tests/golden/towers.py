"""CLIP's two towers, written from their definition on plain tensors."""
import math

import torch


def layer_norm(x, weights, name):
    centred = x - x.mean(-1, keepdim=True)
    scale = torch.sqrt((centred ** 2).mean(-1, keepdim=True) + 1e-5)
    return centred / scale * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, weights, name):
    bias = weights.get(name + ".bias")
    product = x @ weights[name + ".weight"].T
    return product if bias is None else product + bias


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def activation(x, kind):
    return x * torch.sigmoid(1.702 * x) if kind == "quick_gelu" else gelu(x)


def causal(n):
    return torch.full((n, n), -math.inf).triu(1)


def block(x, weights, name, heads, act, mask=None, deltas=None):
    """Pre-norm transformer block. mask is added to scores (b, heads, n, n); deltas adds to weights,
    by the last part of their names, as in {"q_proj": (width, width)}."""
    b, n, width = x.shape

    def dense(h, part):
        y = linear(h, weights, f"{name}.{part}")
        delta = (deltas or {}).get(part.split(".")[1])
        return y if delta is None else y + h @ delta.T

    h = layer_norm(x, weights, name + ".layer_norm1")
    q, k, v = (dense(h, "self_attn." + part).reshape(b, n, heads, width // heads).transpose(1, 2)
               for part in ("q_proj", "k_proj", "v_proj"))
    scores = q @ k.transpose(2, 3) / math.sqrt(width // heads)
    if mask is not None:
        scores = scores + mask
    mixed = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(b, n, width)
    x = x + dense(mixed, "self_attn.out_proj")
    h = layer_norm(x, weights, name + ".layer_norm2")
    return x + dense(activation(dense(h, "mlp.fc1"), act), "mlp.fc2")


def visual_enter(pixels, weights, config, prompts=None, top=""):
    """Patches, class token, positions, then any prompts behind the patches, then the first norm."""
    p, name = config["patch_size"], top + "vision_model."
    b, _, size, _ = pixels.shape
    cells = pixels.reshape(b, 3, size // p, p, size // p, p).permute(0, 2, 4, 1, 3, 5)
    kernel = weights[name + "embeddings.patch_embedding.weight"]
    patches = cells.reshape(b, (size // p) ** 2, 3 * p * p) @ kernel.flatten(1).T
    first = weights[name + "embeddings.class_embedding"].expand(b, 1, -1)
    x = torch.cat([first, patches], 1) + weights[name + "embeddings.position_embedding.weight"]
    if prompts is not None:
        x = torch.cat([x, prompts.expand(b, -1, -1)], 1)
    return layer_norm(x, weights, name + ("pre_layernorm" if top else "pre_layrnorm"))


def text_embed(ids, weights, top=""):
    return weights[top + "text_model.embeddings.token_embedding.weight"][ids]


def text_enter(x, weights, top=""):
    return x + weights[top + "text_model.embeddings.position_embedding.weight"][:x.shape[1]]


def blocks(x, weights, name, config, mask=None, before=None):
    """The state before the first and after each block; before(i, x) may change its input."""
    states = [x]
    for i in range(config["num_hidden_layers"]):
        if before:
            x = before(i, x)
        x = block(x, weights, f"{name}.encoder.layers.{i}", config["num_attention_heads"],
                  config["hidden_act"], mask)
        states.append(x)
    return states


def text_leave(x, ids, weights, top=""):
    normed = layer_norm(x, weights, top + "text_model.final_layer_norm")
    pooled = normed[torch.arange(len(ids)), ids.argmax(-1)]
    return normed, linear(pooled, weights, top + "text_projection")


def visual_leave(x, weights, top=""):
    """Norm and projection of every token; token 0 is the picture's feature."""
    return linear(layer_norm(x, weights, top + "vision_model.post_layernorm"), weights,
                  top + "visual_projection")


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def clip_forward(pixels, ids, weights, config):
    seen = blocks(visual_enter(pixels, weights, config["vision_config"]), weights, "vision_model",
                  config["vision_config"])
    read = blocks(text_enter(text_embed(ids, weights), weights), weights, "text_model",
                  config["text_config"], causal(ids.shape[1]))
    tokens = visual_leave(seen[-1], weights)
    text_tokens, text_features = text_leave(read[-1], ids, weights)
    logits = weights["logit_scale"].exp() * unit(tokens[:, 0]) @ unit(text_features).T
    return dict(seen=seen, read=read, image_tokens=tokens, image_features=tokens[:, 0],
                text_tokens=text_tokens, text_features=text_features, logits=logits)


def contrastive(logits):
    """Cross-entropy of the diagonal over rows and over columns, halved."""
    rows, columns = torch.log_softmax(logits, 1), torch.log_softmax(logits, 0)
    return -(rows.diagonal().mean() + columns.diagonal().mean()) / 2
