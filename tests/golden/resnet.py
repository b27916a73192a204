"""CLIP's modified ResNet, small: weights under OpenAI's names, features and gradients."""
import importlib
import importlib.util
import sys
import types

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from values import HERE, gradients, leaf, normal, uniform, write

LAYERS, WIDTH, SIZE, OUT = (1, 2, 1, 1), 4, 96, 20  # a map of 3 x 3; heads of 64: 2; 20: as clip_quick


def norm_of(weights, name, channels):
    weights[name + ".weight"] = uniform(name + " gain", channels, low=0.5, high=1.5)
    weights[name + ".bias"] = normal(name + " bias", channels, scale=0.2)
    weights[name + ".running_mean"] = normal(name + " mean", channels, scale=0.2)
    weights[name + ".running_var"] = uniform(name + " variance", channels, low=0.5, high=2.0)


def conv_of(weights, name, norm, out, channels, kernel):
    scale = (2.0 / (channels * kernel * kernel)) ** 0.5
    weights[name + ".weight"] = normal(name, out, channels, kernel, kernel, scale=scale)
    norm_of(weights, norm, out)


def stages(weights, top, width, layers, channels, stride_first):
    """Bottleneck stages (He et al. 2016) of four times their planes; gets the last width."""
    for stage, count in enumerate(layers):
        planes = width * 2 ** stage
        for block in range(count):
            name = f"{top}layer{stage + 1}.{block}."
            conv_of(weights, name + "conv1", name + "bn1", planes, channels, 1)
            conv_of(weights, name + "conv2", name + "bn2", planes, planes, 3)
            conv_of(weights, name + "conv3", name + "bn3", 4 * planes, planes, 1)
            if block == 0 and (stage > 0 or channels != 4 * planes or stride_first):
                conv_of(weights, name + "downsample.0", name + "downsample.1", 4 * planes,
                        channels, 1)
            channels = 4 * planes
    return channels


def clip_weights():
    weights, top, half = {}, "visual.", WIDTH // 2
    for i, (out, channels) in enumerate(((half, 3), (half, half), (WIDTH, half)), 1):
        conv_of(weights, f"{top}conv{i}", f"{top}bn{i}", out, channels, 3)
    wide = stages(weights, top, WIDTH, LAYERS, WIDTH, False)
    places = (SIZE // 32) ** 2 + 1
    weights[top + "attnpool.positional_embedding"] = normal("pool places", places, wide, scale=0.3)
    for part, out in (("q", wide), ("k", wide), ("v", wide), ("c", OUT)):
        name = f"{top}attnpool.{part}_proj"
        weights[name + ".weight"] = normal(name, out, wide, scale=wide ** -0.5)
        weights[name + ".bias"] = normal(name + " bias", out, scale=0.1)
    return weights


def conv_norm(x, weights, conv, norm, stride=1, padding=0):
    """A convolution and a batch norm by its kept statistics."""
    x = F.conv2d(x, weights[conv + ".weight"], stride=stride, padding=padding)
    gain, bias, mean, variance = (weights[f"{norm}.{part}"][:, None, None] for part in
                                  ("weight", "bias", "running_mean", "running_var"))
    return (x - mean) / torch.sqrt(variance + 1e-5) * gain + bias


def clip_block(x, weights, name, stride):
    """Strides are means of windows, before the last convolution and on the way beside."""
    y = torch.relu(conv_norm(x, weights, name + "conv1", name + "bn1"))
    y = torch.relu(conv_norm(y, weights, name + "conv2", name + "bn2", padding=1))
    if stride > 1:
        y = F.avg_pool2d(y, stride)
    y = conv_norm(y, weights, name + "conv3", name + "bn3")
    if name + "downsample.0.weight" in weights:
        x = F.avg_pool2d(x, stride) if stride > 1 else x
        x = conv_norm(x, weights, name + "downsample.0", name + "downsample.1")
    return torch.relu(x + y)


def clip_map(pixels, weights):
    x = pixels
    for i in (1, 2, 3):
        x = torch.relu(conv_norm(x, weights, f"visual.conv{i}", f"visual.bn{i}",
                                 stride=2 if i == 1 else 1, padding=1))
    x = F.avg_pool2d(x, 2)
    for stage, count in enumerate(LAYERS):
        for block in range(count):
            x = clip_block(x, weights, f"visual.layer{stage + 1}.{block}.",
                           2 if stage > 0 and block == 0 else 1)
    return x


def attention_pool(x, weights):
    """Every place asks all places, the mean of them first: tokens (b, 1 + places, out)."""
    tokens = x.flatten(2).transpose(1, 2)
    tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1)
    tokens = tokens + weights["visual.attnpool.positional_embedding"]
    b, n, wide = tokens.shape

    def ask(part):
        name = f"visual.attnpool.{part}_proj"
        return tokens @ weights[name + ".weight"].T + weights[name + ".bias"]

    q, k, v = (ask(part).reshape(b, n, -1, 64).transpose(1, 2) for part in "qkv")
    mixed = torch.softmax(q @ k.transpose(2, 3) / 8, -1) @ v
    mixed = mixed.transpose(1, 2).reshape(b, n, wide)
    return mixed @ weights["visual.attnpool.c_proj.weight"].T + weights["visual.attnpool.c_proj.bias"]


def open_clip_resnet():
    """The class alone: its package imports more than is needed here."""
    folder = importlib.util.find_spec("open_clip").submodule_search_locations[0]
    package, utils = types.ModuleType("open_clip"), types.ModuleType("open_clip.utils")
    package.__path__, utils.freeze_batch_norm_2d, utils.feature_take_indices = [folder], None, None
    sys.modules["open_clip"], sys.modules["open_clip.utils"] = package, utils
    return importlib.import_module("open_clip.modified_resnet").ModifiedResNet


def make_resnet():
    pixels = normal("resnet pixels", 2, 3, SIZE, SIZE)
    weights = {key: value.half().double() for key, value in clip_weights().items()}
    weights = {key: leaf(value) for key, value in weights.items()}
    x = clip_map(pixels, weights)
    tokens = attention_pool(x, weights)

    theirs = open_clip_resnet()(list(LAYERS), OUT, WIDTH // 2, SIZE, WIDTH).eval()
    state = {key.removeprefix("visual."): value.detach() for key, value in weights.items()}
    missing = theirs.load_state_dict(state, strict=False).missing_keys
    assert all("num_batches" in key for key in missing), missing
    with torch.no_grad():
        gap = (theirs(pixels) - tokens[:, 0]).abs().max().item()
    assert gap < 1e-9, gap

    up = normal("resnet upstream", 2, OUT)
    named = ("visual.conv1.weight", "visual.layer2.0.conv2.weight", "visual.attnpool.q_proj.weight")
    grads = gradients((tokens[:, 0] * up).sum(), *(weights[name] for name in named))
    write("resnet", {"pixel_values": pixels, "map": x.permute(0, 2, 3, 1), "tokens": tokens,
                     "upstream": up,
                     **{name + ".grad": grad for name, grad in zip(named, grads)}})
    path = HERE / "resnet_weights.safetensors"
    save_file({key: value.detach().half().contiguous() for key, value in weights.items()}, path)
    path.chmod(0o644)
