"""DETR (Carion et al. 2020), small, under the names of its own file: states, logits, boxes."""
import math

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from resnet import conv_norm, conv_of, stages
from values import HERE, normal, uniform, write

D, HIDDEN, HEADS, ENCODERS, DECODERS, QUERIES = 32, 48, 8, 2, 2, 10
LAYERS, WIDTH = (2, 1, 1, 1), 4
CLASSES = 92  # COCO's category ids to 90, one more, nothing
GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHORT, LONG = 96, 130


def dense(weights, name, out, width, scale=1.0):
    weights[name + ".weight"] = normal(name, out, width, scale=scale * width ** -0.5)
    weights[name + ".bias"] = normal(name + " bias", out, scale=0.1)


def layer_weights(weights, name, attentions, norms):
    for part in attentions:
        weights[f"{name}{part}.in_proj_weight"] = normal(name + part, 3 * D, D, scale=D ** -0.5)
        weights[f"{name}{part}.in_proj_bias"] = normal(name + part + " bias", 3 * D, scale=0.1)
        dense(weights, f"{name}{part}.out_proj", D, D)
    dense(weights, name + "linear1", HIDDEN, D)
    dense(weights, name + "linear2", D, HIDDEN)
    for i in range(1, norms + 1):
        norm_weights(weights, f"{name}norm{i}")


def norm_weights(weights, name):
    weights[name + ".weight"] = uniform(name, D, low=0.5, high=1.5)
    weights[name + ".bias"] = normal(name + " bias", D, scale=0.1)


def detr_weights():
    weights, body = {}, "backbone.0.body."
    conv_of(weights, body + "conv1", body + "bn1", WIDTH, 3, 7)
    wide = stages(weights, body, WIDTH, LAYERS, WIDTH, False)
    weights["input_proj.weight"] = normal("input_proj", D, wide, 1, 1, scale=wide ** -0.5)
    weights["input_proj.bias"] = normal("input_proj bias", D, scale=0.1)
    for i in range(ENCODERS):
        layer_weights(weights, f"transformer.encoder.layers.{i}.", ("self_attn",), 2)
    for i in range(DECODERS):
        layer_weights(weights, f"transformer.decoder.layers.{i}.", ("self_attn", "multihead_attn"),
                      3)
    norm_weights(weights, "transformer.decoder.norm")
    weights["query_embed.weight"] = normal("query_embed", QUERIES, D, scale=4.0)
    dense(weights, "class_embed", CLASSES, D, scale=3.0)
    for i, out in enumerate((D, D, 4)):
        dense(weights, f"bbox_embed.layers.{i}", out, D)
    return weights


def trunk(x, weights):
    """torchvision's ResNet: the 3 x 3 convolution strides."""
    body = "backbone.0.body."
    x = torch.relu(conv_norm(x, weights, body + "conv1", body + "bn1", stride=2, padding=3))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for stage, count in enumerate(LAYERS):
        for block in range(count):
            name, stride = f"{body}layer{stage + 1}.{block}.", 2 if stage > 0 and block == 0 else 1
            y = torch.relu(conv_norm(x, weights, name + "conv1", name + "bn1"))
            y = torch.relu(conv_norm(y, weights, name + "conv2", name + "bn2", stride, 1))
            y = conv_norm(y, weights, name + "conv3", name + "bn3")
            if name + "downsample.0.weight" in weights:
                x = conv_norm(x, weights, name + "downsample.0", name + "downsample.1", stride)
            x = torch.relu(x + y)
    return x


def sine_positions(rows, columns):
    """(rows * columns, D): half for the row, half for the column; sines and cosines take turns."""
    half = D // 2

    def code(place, count):
        angle = place / (count + 1e-6) * 2 * math.pi
        return [math.cos(angle / 10000 ** ((i - 1) / half)) if i % 2
                else math.sin(angle / 10000 ** (i / half)) for i in range(half)]

    return torch.tensor([code(r, rows) + code(c, columns) for r in range(1, rows + 1)
                         for c in range(1, columns + 1)])


def attend(weights, name, query, key, value):
    """torch's own attention of one picture: (n, D), (m, D), (m, D)."""
    out, _ = F.multi_head_attention_forward(
        query[:, None], key[:, None], value[:, None], D, HEADS, weights[name + ".in_proj_weight"],
        weights[name + ".in_proj_bias"], None, None, False, 0.0, weights[name + ".out_proj.weight"],
        weights[name + ".out_proj.bias"], need_weights=False)
    return out[:, 0]


def norm(x, weights, name):
    return F.layer_norm(x, (D,), weights[name + ".weight"], weights[name + ".bias"])


def feed_forward(x, weights, name):
    h = torch.relu(F.linear(x, weights[name + "linear1.weight"], weights[name + "linear1.bias"]))
    return F.linear(h, weights[name + "linear2.weight"], weights[name + "linear2.bias"])


def detr_forward(pixels, weights):
    features = trunk(pixels, weights)
    rows, columns = features.shape[2:]
    x = F.conv2d(features, weights["input_proj.weight"], weights["input_proj.bias"])
    x = x[0].flatten(1).T
    places = sine_positions(rows, columns)
    for i in range(ENCODERS):
        name = f"transformer.encoder.layers.{i}."
        x = norm(x + attend(weights, name + "self_attn", x + places, x + places, x), weights,
                 name + "norm1")
        x = norm(x + feed_forward(x, weights, name), weights, name + "norm2")
    asked, y = weights["query_embed.weight"], torch.zeros(QUERIES, D)
    for i in range(DECODERS):
        name = f"transformer.decoder.layers.{i}."
        y = norm(y + attend(weights, name + "self_attn", y + asked, y + asked, y), weights,
                 name + "norm1")
        y = norm(y + attend(weights, name + "multihead_attn", y + asked, x + places, x), weights,
                 name + "norm2")
        y = norm(y + feed_forward(y, weights, name), weights, name + "norm3")
    y = norm(y, weights, "transformer.decoder.norm")
    logits = F.linear(y, weights["class_embed.weight"], weights["class_embed.bias"])
    h = y
    for i in range(3):
        h = F.linear(h, weights[f"bbox_embed.layers.{i}.weight"],
                     weights[f"bbox_embed.layers.{i}.bias"])
        h = torch.relu(h) if i < 2 else torch.sigmoid(h)
    used = [i for i in range(1, 91) if i not in GAPS] + [91]
    return dict(map=features, memory=x, states=y, logits=logits[:, used], boxes=h)


def target_size(width, height, short, longest):
    """The published evaluation's arithmetic."""
    least, most = min(width, height), max(width, height)
    if most / least * short > longest:
        short = round(longest * least / most)
    if least == short:
        return width, height
    if width < height:
        return short, int(short * height / width)
    return int(short * width / height), short


def make_detr():
    weights = {key: value.half().double() for key, value in detr_weights().items()}
    picture = Image.open(HERE / "image_photo.png").convert("RGB")
    size = target_size(*picture.size, SHORT, LONG)
    resized = np.asarray(picture.resize(size, Image.BICUBIC), dtype=np.float64) / 255
    pixels = torch.from_numpy((resized - MEAN) / STD)
    out = detr_forward(pixels.permute(2, 0, 1)[None], weights)
    scores, labels = torch.softmax(out["logits"], -1)[:, :-1].max(-1)
    x, y, w, h = out["boxes"].unbind(-1)
    corners = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)
    sizes = [(w, h, *target_size(w, h, 800, 1333)) for w, h in
             ((640, 480), (480, 640), (640, 427), (500, 333), (1920, 1080), (800, 800), (333, 2000),
              (1333, 800), (640, 383))]
    out["map"] = out["map"].permute(0, 2, 3, 1)
    write("detr", {"pixels": pixels[None], "scores": scores, "labels": labels,
                   "corners": corners * torch.tensor(picture.size * 2),
                   "sizes": torch.tensor(sizes), **out})
    torch.save({"model": {key: value.half().contiguous() for key, value in weights.items()}},
               HERE / "detr.pth")
