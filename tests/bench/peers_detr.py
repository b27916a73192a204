"""DETR-R50 written plainly in PyTorch: what it computes for one picture, random weights."""
import math

import torch
from torch import nn
from torch.nn import functional


class FrozenNorm(nn.Module):
    """Batch norm with fixed statistics, as the detector has it: two operations a map."""

    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = torch.ones(channels), torch.zeros(channels)
        self.mean, self.variance = torch.zeros(channels), torch.ones(channels)

    def forward(self, x):
        scale = self.weight * (self.variance + 1e-5).rsqrt()
        shift = self.bias - self.mean * scale
        return x * scale[:, None, None] + shift[:, None, None]


class Bottleneck(nn.Module):
    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn1, self.bn2, self.bn3 = (FrozenNorm(n) for n in (planes, planes, 4 * planes))
        self.downsample = None
        if stride > 1 or inputs != 4 * planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * planes, 1, stride, bias=False), FrozenNorm(4 * planes))

    def forward(self, x):
        h = functional.relu(self.bn1(self.conv1(x)))
        h = functional.relu(self.bn2(self.conv2(h)))
        h = self.bn3(self.conv3(h))
        return functional.relu(h + (x if self.downsample is None else self.downsample(x)))


def resnet50(planes, blocks):
    layers = [nn.Conv2d(3, planes, 7, 2, 3, bias=False), FrozenNorm(planes), nn.ReLU(),
              nn.MaxPool2d(3, 2, 1)]
    inputs = planes
    for stage, count in enumerate(blocks):
        width = planes * 2**stage
        for i in range(count):
            layers.append(Bottleneck(inputs, width, 2 if stage and i == 0 else 1))
            inputs = 4 * width
    return nn.Sequential(*layers), inputs


class Layer(nn.Module):
    """Post-norm layer; positions are added to queries and keys, not to values."""

    def __init__(self, d, heads, hidden, cross):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(d, heads)
        self.cross_attn = nn.MultiheadAttention(d, heads) if cross else None
        self.linear1, self.linear2 = nn.Linear(d, hidden), nn.Linear(hidden, d)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3 if cross else 2))

    def forward(self, x, places, memory=None, memory_places=None):
        q = x + places
        x = self.norms[0](x + self.self_attn(q, q, x)[0])
        if self.cross_attn is not None:
            read = self.cross_attn(x + places, memory + memory_places, memory)[0]
            x = self.norms[1](x + read)
        return self.norms[-1](x + self.linear2(functional.relu(self.linear1(x))))


def sine_places(height, width, d):
    """(height * width, 1, d): sines and cosines of row, then of column, both up to 2 pi."""
    halves = []
    for axis, count in ((0, height), (1, width)):
        place = (torch.arange(count) + 1.0) / count * 2 * math.pi
        wave = 10000 ** (2 * (torch.arange(d // 2) // 2) / (d // 2))
        angle = place[:, None] / wave
        half = torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], 2).flatten(1)
        halves.append(half[:, None].expand(-1, width, -1) if axis == 0
                      else half[None].expand(height, -1, -1))
    return torch.cat(halves, 2).flatten(0, 1)[:, None]


class Detr(nn.Module):
    def __init__(self, small=False):
        super().__init__()
        d, heads, hidden, layers, queries = (32, 2, 64, 2, 10) if small else (256, 8, 2048, 6, 100)
        self.backbone, channels = resnet50(8, (1, 1, 1, 1)) if small else resnet50(64, (3, 4, 6, 3))
        self.input_proj = nn.Conv2d(channels, d, 1)
        self.encoder = nn.ModuleList(Layer(d, heads, hidden, False) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(d, heads, hidden, True) for _ in range(layers))
        self.norm, self.queries = nn.LayerNorm(d), nn.Parameter(torch.randn(queries, 1, d))
        self.class_embed = nn.Linear(d, 81)
        self.bbox_embed = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d), nn.ReLU(),
                                        nn.Linear(d, 4))

    def forward(self, pixels):
        """Scores, labels (queries) and corners (queries, 4) of one picture, 0..1."""
        features = self.input_proj(self.backbone(pixels))
        places = sine_places(*features.shape[2:], features.shape[1])
        memory = features.flatten(2).permute(2, 0, 1)
        for layer in self.encoder:
            memory = layer(memory, places)
        x = torch.zeros_like(self.queries)
        states = []
        for layer in self.decoder:
            x = layer(x, self.queries, memory, places)
            states.append(self.norm(x))
        states = torch.stack(states)[:, :, 0]          # heads on every layer, as published
        logits, boxes = self.class_embed(states)[-1], self.bbox_embed(states).sigmoid()[-1]
        scores, labels = logits.softmax(-1)[:, :-1].max(-1)
        corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
        return scores, labels, corners
