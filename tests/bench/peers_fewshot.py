#!/usr/bin/env python3
"""Few-shot learning in PyTorch and scikit-learn, to time hoi's against: see fewshot.lua.

    python3 tests/bench/peers_fewshot.py FOLDER

Reads a case a line from standard input ("adapter", "probe", "coop", "lora"), runs it and writes one
line of JSON: seconds of a step (the probe: of a fit), and what shows that both do the same. FOLDER
holds adapter.safetensors and probe.safetensors, which fewshot.lua writes. The adapter's loop is the
published trainer's on cached features: loss, its value, a step of the optimiser. CoOp and CLIP-LoRA
run the towers as published: texts at all 77 places.
"""
import json
import sys
import time

import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

torch.set_num_threads(2)
FOLDER = sys.argv[1]
STEPS = 200


class Linear(nn.Linear):
    """With a change of rank 2 where asked, as CLIP-LoRA's: dropout .25 on what it sees."""

    def __init__(self, inputs, outputs, lora=False):
        super().__init__(inputs, outputs)
        self.requires_grad_(False)
        self.lora = lora
        if lora:
            self.down = nn.Parameter(torch.randn(2, inputs) * inputs ** -0.5)
            self.up = nn.Parameter(torch.zeros(outputs, 2))

    def forward(self, x):
        y = functional.linear(x, self.weight, self.bias)
        if self.lora:
            dropped = functional.dropout(x, 0.25)
            y = y + dropped @ self.down.T @ self.up.T * 0.5 ** 0.5
        return y


class Block(nn.Module):
    def __init__(self, width, heads, lora):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v = (Linear(width, width, lora) for _ in range(3))
        self.out, self.fc1 = Linear(width, width), Linear(width, 4 * width)
        self.fc2 = Linear(4 * width, width)

    def forward(self, x, causal):
        b, n, width = x.shape
        h = self.norm1(x)
        q, k, v = (part(h).view(b, n, self.heads, -1).transpose(1, 2)
                   for part in (self.q, self.k, self.v))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        x = x + self.out(y.transpose(1, 2).reshape(b, n, width))
        h = self.fc1(self.norm2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))


class Tower(nn.Module):
    def __init__(self, width, heads, places, joint, text, lora):
        super().__init__()
        self.text = text
        self.position = nn.Parameter(torch.randn(places, width) * 0.01)
        self.blocks = nn.ModuleList(Block(width, heads, lora) for _ in range(12))
        self.first, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, joint, bias=False)
        if not text:
            self.patches = nn.Conv2d(3, width, 16, 16, bias=False)
            self.start = nn.Parameter(torch.randn(width) * 0.01)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_("down" in name or "up" in name)

    def forward(self, x, ends=None):
        if not self.text:
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.start.expand(len(x), 1, -1), x], 1)
        x = x + self.position
        x = x if self.text else self.first(x)
        for block in self.blocks:
            x = block(x, self.text)
        x = self.last(x)
        return self.project(x[torch.arange(len(x)), ends] if self.text else x[:, 0])


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def timed(step, count):
    begun = time.perf_counter()
    for i in range(count):
        step(i)
    return (time.perf_counter() - begun) / count


class Adapter:
    def __init__(self):
        t = load_file(FOLDER + "/adapter.safetensors")
        self.x, self.text, self.labels = t["features"], t["text"], t["labels"].long()
        self.start = t["down"], t["up"]

    def run(self):
        width, hidden = self.start[1].shape
        net = nn.Sequential(nn.Linear(width, hidden, bias=False), nn.ReLU(),
                            nn.Linear(hidden, width, bias=False), nn.ReLU())
        with torch.no_grad():
            net[0].weight.copy_(self.start[0])
            net[2].weight.copy_(self.start[1])
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
        losses = []

        def step(i):
            places = torch.arange(32 * i, 32 * i + 32)
            f = self.x[places]
            logits = 100 * unit(0.2 * net(f) + 0.8 * f) @ self.text.T
            loss = functional.cross_entropy(logits, self.labels[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

        seconds = timed(step, STEPS)
        return {"seconds": seconds, "loss": sum(losses) / len(losses)}


class Probe:
    def __init__(self):
        t = load_file(FOLDER + "/probe.safetensors")
        self.x, self.labels = t["features"].numpy(), t["labels"].long().numpy()

    def fit(self, threads):
        with threadpool_limits(threads):
            model = LogisticRegression(C=0.316, max_iter=1000)
            begun = time.perf_counter()
            model.fit(self.x, self.labels)
            return time.perf_counter() - begun, model

    def run(self):
        """The best of four: one thread is faster where two wait for each other."""
        seconds, model = min((self.fit(threads) for threads in (1, 1, 1, 2)), key=lambda x: x[0])
        w = torch.from_numpy(model.coef_).double()
        logits = torch.from_numpy(self.x).double() @ w.T + torch.from_numpy(model.intercept_)
        entropy = functional.cross_entropy(logits, torch.from_numpy(self.labels), reduction="sum")
        return {"seconds": seconds, "loss": (0.316 * entropy + 0.5 * (w ** 2).sum()).item(),
                "iterations": int(model.n_iter_[0])}


class Coop:
    def __init__(self):
        self.tower = Tower(512, 8, 77, 512, True, False)
        self.contexts = nn.Parameter(torch.randn(16, 512) * 0.02)
        self.words, self.x = torch.randn(100, 77, 512) * 0.02, torch.randn(32, 512)
        self.labels, self.ends = torch.arange(32) * 3, torch.full((100,), 20)
        self.optimizer = torch.optim.SGD([self.contexts], 2e-3, 0.9, weight_decay=5e-4)

    def step(self, _):
        contexts = self.contexts.expand(100, -1, -1)
        x = torch.cat([self.words[:, :1], contexts, self.words[:, 17:]], 1)
        texts = unit(self.tower(x, self.ends))
        loss = functional.cross_entropy(100 * unit(self.x) @ texts.T, self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def run(self):
        return {"seconds": timed(self.step, 1)}


class Lora(Coop):
    def __init__(self):
        self.visual, self.text = (Tower(768, 12, 197, 512, False, True),
                                  Tower(512, 8, 77, 512, True, True))
        self.pixels, self.words = torch.randn(8, 3, 224, 224), torch.randn(10, 77, 512) * 0.02
        self.labels, self.ends = torch.arange(8), torch.full((10,), 8)
        learned = [p for tower in (self.visual, self.text) for p in tower.parameters()
                   if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learned, 2e-4, weight_decay=1e-2)

    def step(self, _):
        texts, pictures = unit(self.text(self.words, self.ends)), unit(self.visual(self.pixels))
        loss = functional.cross_entropy(100 * pictures @ texts.T, self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def main():
    kinds, made = {"adapter": Adapter, "probe": Probe, "coop": Coop, "lora": Lora}, {}
    for line in sys.stdin:
        name = line.strip()
        if name not in made:
            made.clear()                     # one model in memory at a time
            made[name] = kinds[name]()
            made[name].run()                 # once before it counts
        print(json.dumps(made[name].run()), flush=True)


main()
