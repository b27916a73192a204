#!/usr/bin/env python3
"""EZ-HOI in PyTorch, to time hoi's training step and inference against. Prints JSON.

    python3 tests/bench/peers_train.py --threads 2 --classes 210 --modes paper released
    python3 tests/bench/peers_train.py --inference        # one picture, from pixels to scores
    python3 tests/bench/peers_train.py --small --check    # sizes of a toy; both writings agree

Two writings of the same step, random weights, ViT-B/16, 8 pictures with 24 pairs each:
- published: what the method's own code computes: every class at 77 tokens, a second pass of the
  text tower without prompts that nothing uses, guidance keys made anew for each of nine layers.
- shortcuts: the same loss from less work: sentences end where they end, one pass, the last text
  block for the end token only, guidance keys once; as released, no text tower at all in the step.
Instances and guidance tokens are given, as from a cache (the published step runs the detector too).
Every case runs in a process of its own: `ms` of each step, `cpu_ms` = processor time of a step, all
threads together, `memory_mb` = greatest resident size minus the loaded model's before the first.
A case that would not fit says so instead.
"""
import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers_detr import Detr  # noqa: E402

FULL = dict(d=512, heads=8, text_layers=12, context=77, words=49408, dv=768, vheads=12, layers=12,
            size=224, patch=16, width=64, depth=9, pictures=8, humans=4, others=3, sentences=8,
            verbs=117, ends=(10, 11, 12, 13))
SMALL = dict(d=32, heads=2, text_layers=3, context=20, words=300, dv=48, vheads=4, layers=4,
             size=48, patch=16, width=8, depth=3, pictures=2, humans=2, others=2, sentences=3,
             verbs=5, ends=(10, 11, 12, 13))


def mlp(inputs, width):
    return nn.Sequential(nn.Linear(inputs, 2 * width), nn.ReLU(), nn.Linear(2 * width, 2 * width),
                         nn.ReLU(), nn.Linear(2 * width, width))


class Decoder(nn.Module):
    """Post-norm decoder layer over (tokens, batch, width), two heads."""

    def __init__(self, width, with_self, dropout):
        super().__init__()
        if with_self:
            self.self_attn = nn.MultiheadAttention(width, 2, dropout)
        self.multihead_attn = nn.MultiheadAttention(width, 2, dropout)
        self.linear1, self.linear2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.with_self, self.drop = with_self, nn.Dropout(dropout)

    def forward(self, z, keys, padding=None):
        if self.with_self:
            z = self.norm1(z + self.drop(self.self_attn(z, z, z)[0]))
        z = self.norm2(z + self.drop(
            self.multihead_attn(z, keys, keys, key_padding_mask=padding)[0]))
        widened = self.drop(functional.relu(self.linear1(z)))
        return self.norm3(z + self.drop(self.linear2(widened)))


class Bottleneck(nn.Module):
    def __init__(self, outer, prior, width, with_self, dropout):
        super().__init__()
        self.down_proj_mem, self.up_proj_mem = nn.Linear(outer, width), nn.Linear(width, outer)
        self.down_proj_prior = mlp(prior, width)
        self.mhsa_layers = Decoder(width, with_self, dropout)

    def read(self, x, keys, padding=None):
        q = functional.relu(self.down_proj_mem(x))
        return x + self.up_proj_mem(self.mhsa_layers(q, keys, padding))

    def forward(self, x, prior, padding=None):
        """x (tokens, batch, outer), prior (batch, keys, prior)."""
        return self.read(x, self.down_proj_prior(prior).transpose(0, 1), padding)


class Memory(Bottleneck):
    def forward(self, v):
        z = self.down_proj_mem(v)[:, None]
        return v + self.up_proj_mem(self.mhsa_layers(functional.relu(z), z))[:, 0]


class Adapter(nn.Module):
    def __init__(self, outer, width, dropout):
        super().__init__()
        self.scale = nn.Parameter(torch.full((outer,), 0.1))
        self.down_proj, self.up_proj = nn.Linear(outer, width), nn.Linear(width, outer)
        self.mhsa_layers = Decoder(width, False, dropout)

    def forward(self, x, prior, padding):
        z = self.mhsa_layers(functional.relu(self.down_proj(x)), prior, padding)
        return self.up_proj(z) * self.scale


class Block(nn.Module):
    """CLIP's block over (tokens, batch, width)."""

    def __init__(self, width, heads):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def widen(self, x):
        h = self.c_fc(self.ln_2(x))
        return x + self.c_proj(h * torch.sigmoid(1.702 * h))

    def forward(self, x, mask=None):
        h = self.ln_1(x)
        return self.widen(x + self.attn(h, h, h, need_weights=False, attn_mask=mask)[0])

    def ends(self, x, rows):
        """Only one row of each sentence; rows (batch): the keys behind it are not seen."""
        tokens, batch, width = x.shape
        heads, h = self.attn.num_heads, self.ln_1(x)
        w, b = self.attn.in_proj_weight, self.attn.in_proj_bias
        one = torch.arange(batch)
        q = functional.linear(h[rows, one], w[:width], b[:width]).view(batch, heads, 1, -1)
        kv = functional.linear(h, w[width:], b[width:]).view(tokens, batch, 2, heads, -1)
        k, v = kv.permute(2, 1, 3, 0, 4)
        seen = torch.arange(tokens) <= rows[:, None]
        mixed = functional.scaled_dot_product_attention(q, k, v, seen[:, None, None])
        return self.widen(x[rows, one] + self.attn.out_proj(mixed.reshape(batch, width)))


class Text(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.token_embedding = nn.Embedding(s.words, s.d)
        self.positional = nn.Parameter(torch.randn(s.context, s.d) * 0.01)
        self.blocks = nn.ModuleList(Block(s.d, s.heads) for _ in range(s.text_layers))
        self.ln_final, self.projection = nn.LayerNorm(s.d), nn.Linear(s.d, s.d, bias=False)

    def forward(self, x, ends, prompts=(), first=1, last_row_only=False):
        """x (classes, tokens, d); prompts: (2, classes, d) by layer, put behind `first` tokens."""
        if prompts:
            x = torch.cat([x[:, :first], prompts[0].transpose(0, 1), x[:, first + 2:]], 1)
        tokens = x.shape[1]
        x = (x + self.positional[:tokens]).transpose(0, 1)
        mask = torch.full((tokens, tokens), -math.inf).triu(1)
        for i, block in enumerate(self.blocks):
            if 1 <= i < len(prompts):
                x = torch.cat([x[:first], prompts[i], x[first + 2:]])
            if last_row_only and i == len(self.blocks) - 1:
                return self.projection(self.ln_final(block.ends(x, ends)))
            x = block(x, mask)
        return self.projection(self.ln_final(x.transpose(0, 1))[torch.arange(len(ends)), ends])


class Vision(nn.Module):
    def __init__(self, s):
        super().__init__()
        tokens = (s.size // s.patch) ** 2 + 1
        self.conv1 = nn.Conv2d(3, s.dv, s.patch, s.patch, bias=False)
        self.first = nn.Parameter(torch.randn(s.dv) * 0.02)
        self.positional = nn.Parameter(torch.randn(tokens, s.dv) * 0.02)
        self.blocks = nn.ModuleList(Block(s.dv, s.vheads) for _ in range(s.layers))
        self.ln_pre, self.ln_post = nn.LayerNorm(s.dv), nn.LayerNorm(s.dv)
        self.projection = nn.Linear(s.dv, s.d, bias=False)

    def forward(self, pixels, prompts=(), adapters=None, prior=None, padding=None):
        """Projected patch tokens (pictures, cells, d)."""
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), 1, -1), x], 1) + self.positional
        cells = x.shape[1]
        if len(prompts):
            x = torch.cat([x, prompts[0].transpose(0, 1)], 1)
        x = self.ln_pre(x).transpose(0, 1)
        for i, block in enumerate(self.blocks):
            if 1 <= i < len(prompts):
                x = torch.cat([x[:-2], prompts[i]])
            if adapters is not None:
                x = x + adapters[i](x, prior, padding)
            x = block(x)
        return self.projection(self.ln_post(x.transpose(0, 1)))[:, 1:cells]


def roi_rows(boxes, grid, scale):
    """(boxes, 49, cells): ROI-Align 7 x 7 of a map is this times its tokens."""
    rows = torch.zeros(len(boxes), 49, grid, grid)
    for n, box in enumerate(boxes.tolist()):
        x1, y1, x2, y2 = (v * scale - 0.5 for v in box)
        across, down = (max(1, math.ceil((b - a) / 7)) for a, b in ((x1, x2), (y1, y2)))
        for place in range(49 * down * across):
            cell, sample = divmod(place, down * across)
            y = y1 + (y2 - y1) / 7 * (cell // 7 + (sample // across + 0.5) / down)
            x = x1 + (x2 - x1) / 7 * (cell % 7 + (sample % across + 0.5) / across)
            y, x = min(max(y, 0), grid - 1), min(max(x, 0), grid - 1)
            top, left = min(int(y), grid - 2), min(int(x), grid - 2)
            for i, wy in ((top, 1 - y + top), (top + 1, y - top)):
                for j, wx in ((left, 1 - x + left), (left + 1, x - left)):
                    rows[n, cell, i, j] += wy * wx / (down * across)
    return rows.flatten(2)


class Ezhoi(nn.Module):
    def __init__(self, s, classes, dropout=0.1):
        super().__init__()
        self.s, self.dropout = s, dropout
        self.vision, self.text = Vision(s), Text(s)
        for p in self.parameters():
            p.requires_grad_(False)
        self.ctx = nn.Parameter(torch.randn(2, s.d))
        self.proj = nn.ModuleList(nn.Linear(s.d, s.dv) for _ in range(s.depth))
        self.txtcls = Bottleneck(s.d, s.d, s.width, False, dropout)
        self.image = Bottleneck(s.dv, s.d, s.width, False, dropout)
        self.unseen = Bottleneck(s.d, s.d, s.width, True, dropout)
        self.adapters = nn.ModuleList(Adapter(s.dv, s.width, dropout) for _ in range(s.layers))
        self.mem = Memory(s.d, s.d, s.width, True, dropout)
        self.fuse = nn.Sequential(nn.Linear(2 * s.d, s.d), nn.ReLU(), nn.Linear(s.d, s.d),
                                  nn.ReLU())
        self.priors = mlp(s.d + 5, s.width)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.given(classes)

    def given(self, classes):
        """A made-up class list, pictures' instances, labels: everything that is data."""
        s, generator = self.s, torch.Generator().manual_seed(66)

        def rand(*shape):
            return torch.randn(*shape, generator=generator)

        n = s.humans + s.others
        self.base = [rand(2, s.d) for _ in range(s.depth)]
        self.ends = torch.tensor(s.ends)[torch.multinomial(
            torch.tensor([0.745, 0.22, 0.033, 0.002]), classes, True, generator=generator)]
        self.ends[0] = max(s.ends)
        self.ids = torch.randint(0, s.words, (classes, s.context), generator=generator)
        self.verb = torch.arange(classes) % s.verbs
        self.onehot = functional.one_hot(self.verb, s.verbs).float()
        self.described = functional.normalize(rand(classes, s.d), dim=1)
        self.hidden = torch.arange(classes)[::3]                        # the unseen classes
        self.partner = (self.hidden + 1) % classes
        self.sentences = rand(len(self.hidden), s.sentences, s.d) * 0.4
        self.padded = torch.rand(len(self.hidden), s.sentences, generator=generator) < 0.5
        self.pixels = rand(s.pictures, 3, s.size, s.size)
        self.guidance = rand(s.pictures, (s.size // s.patch) ** 2, s.d)
        corner = torch.rand(s.pictures, n, 2, generator=generator) * s.size * 0.5
        side = s.size * (0.15 + 0.3 * torch.rand(s.pictures, n, 2, generator=generator))
        boxes = torch.cat([corner, corner + side], 2)
        self.vectors = torch.cat([torch.rand(s.pictures, n, 1, generator=generator),
                                  boxes / s.size, rand(s.pictures, n, s.d) * 0.4], 2)
        self.rows = torch.stack([roi_rows(b, s.size // s.patch, 1 / s.patch) for b in boxes])
        self.pairs = torch.tensor([(x, y) for x in range(s.humans) for y in range(n) if x != y])
        shape = (s.pictures, len(self.pairs), s.verbs)
        self.prior = torch.rand(shape, generator=generator)
        self.prior *= torch.rand(shape, generator=generator) < 0.1
        self.targets = (torch.rand(shape, generator=generator) < 0.1).float()
        self.true = torch.randint(0, classes, (2 * s.pictures,), generator=generator)

    def text_prompts(self, mode, once):
        prompts, classes = [], len(self.described)
        pad = torch.cat([self.padded.float(), torch.zeros(len(self.hidden), 4)], 1)
        pad = pad if mode == "released" else pad.bool()
        if once:
            keys = self.txtcls.down_proj_prior(self.described)[None].expand(2, -1, -1)
        for base in self.base:
            x = base[:, None].expand(-1, classes, -1)
            h = (self.txtcls.read(x, keys) if once else
                 self.txtcls(x, self.described[:, None].repeat(1, 2, 1)))
            own = h[:, self.hidden]
            source = torch.cat([self.sentences, h[:, self.partner].detach().transpose(0, 1),
                                own.transpose(0, 1)], 1)
            prompts.append(h.index_copy(1, self.hidden, self.unseen(own, source, pad)))
        return prompts

    def texts(self, mode, shortcuts):
        first = self.s.context - 2 if mode == "released" else 1
        if shortcuts:
            ids = self.ids[:, :int(self.ends.max()) + 1]
            return self.text(self.text.token_embedding(ids), self.ends,
                             self.text_prompts(mode, True), first, True)
        words = self.text.token_embedding(self.ids)
        adapted = self.text(words, self.ends, self.text_prompts(mode, False), first)
        self.unused = self.text(words, self.ends)                       # the second pass
        return adapted

    def visual_prompts(self, mode, once):
        g = functional.normalize(self.guidance, dim=2)
        if once:
            keys = self.image.down_proj_prior(g).transpose(0, 1)
        prompts = []
        for base, proj in zip(self.base, self.proj):
            x = proj(base)[:, None].expand(-1, len(g), -1)
            v = self.image.read(x, keys) if once else self.image(x, g)
            prompts.append(v.half().float() if mode == "released" else v)
        return prompts

    def logits(self, texts, mode, shortcuts):
        prior = self.priors(self.vectors).transpose(0, 1)
        padding = torch.zeros(len(self.vectors), self.vectors.shape[1], dtype=torch.bool)
        maps = self.vision(self.pixels, self.visual_prompts(mode, shortcuts), self.adapters, prior,
                           padding)
        found, counts = [], self.onehot.sum(0)
        if shortcuts:
            by_verb = (self.onehot.T @ texts) / counts[:, None]
        for rows, tokens in zip(self.rows, maps):
            regions = functional.dropout(rows @ tokens, 2 * self.dropout, self.training).mean(1)
            regions = functional.normalize(regions, dim=1)
            v = self.fuse(regions[self.pairs].flatten(1))
            e = self.mem(v)
            if shortcuts:
                found.append(self.scale / 2 * e @ by_verb.T)
            else:
                found.append(self.scale / 2 * (e @ texts.T) @ self.onehot / counts)
        return torch.stack(found)

    def relation(self, texts):
        def divergence(rows):
            log_p, log_q = (functional.log_softmax(
                functional.normalize(x[rows], dim=1) @ functional.normalize(x[rows], dim=1).T / 0.1,
                1) for x in (texts, self.described))
            return functional.kl_div(log_p, log_q, reduction="sum", log_target=True) / log_p.numel()
        both = torch.cat([self.true, self.hidden])
        return 50 * sum(divergence(rows) for rows in (self.true, self.hidden, both))

    def loss(self, mode, shortcuts, texts=None):
        """texts: given where they are constants; then the relation is one too, and left out."""
        constant = texts is not None
        if not constant:
            texts = self.texts(mode, shortcuts)
        x = self.logits(texts, mode, shortcuts)[self.prior > 0]
        p, y = self.prior[self.prior > 0], self.targets[self.prior > 0]
        z = torch.log(p / (1 + torch.exp(-x) - p) + 1e-8)
        weight = (1 - y - 0.5).abs() * ((y - torch.sigmoid(z)).abs() + 1e-6) ** 0.2
        bce = functional.binary_cross_entropy_with_logits(z, y, reduction="none")
        interaction = (weight * bce).sum() / y.sum()
        return interaction if constant else interaction + self.relation(texts)


# ---- measuring ------------------------------------------------------------------------------


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def greatest_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def available_mb():
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) / 1024


def needed_mb(case, s):
    """Rough: kept activations, 17 widths a token and block of each tower, and the weights."""
    tokens = 0 if case["variant"] == "shortcuts" and case["mode"] == "released" else (
        max(s.ends) + 1 if case["variant"] == "shortcuts" else s.context)
    text = case["classes"] * tokens * s.d * s.text_layers
    vision = s.pictures * ((s.size // s.patch) ** 2 + 3) * s.dv * s.layers
    return 17 * 4 * (text + vision) / 2**20 + 1500


def timed(action):
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


def train_case(case, s):
    model = Ezhoi(s, case["classes"])
    trained = [p for p in model.parameters() if p.requires_grad]
    assert case["small"] or sum(p.numel() for p in trained) == 6_854_337      # as in the paper
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=1e-4)
    mode, shortcuts, texts = case["mode"], case["variant"] == "shortcuts", None
    if shortcuts and mode == "released":
        with torch.no_grad():
            texts = model.text(model.text.token_embedding(model.ids[:, :max(s.ends) + 1]),
                               model.ends)
    before = resident_mb()

    def step():
        optimizer.zero_grad()
        model.loss(mode, shortcuts, texts).backward()
        nn.utils.clip_grad_norm_(trained, 0.1)
        optimizer.step()

    for _ in range(case["warm"]):
        step()
    busy = time.process_time()
    ms = [timed(step) for _ in range(case["steps"])]
    busy = (time.process_time() - busy) * 1e3 / case["steps"]
    return {"ms": ms, "cpu_ms": busy, "memory_mb": greatest_mb() - before, "model_mb": before}


@torch.no_grad()
def inference_case(case, s):
    """Milliseconds of each part of one picture, and their sum as the published code runs them."""
    s.pictures = 1
    model, detr = Ezhoi(s, case["classes"]).eval(), Detr(case["small"]).eval()
    picture = torch.randn(1, 3, *((96, 128) if case["small"] else (800, 1066)))
    texts = model.texts("released", False)
    parts = {"detector": lambda: detr(picture),
             "guidance": lambda: model.vision(model.pixels),
             "text": lambda: model.texts("released", False),
             "tower_and_heads": lambda: model.logits(texts, "released", False)}
    before, found = resident_mb(), {}
    for name, part in parts.items():
        for _ in range(case["warm"]):
            part()
        found[name] = sorted(timed(part) for _ in range(case["steps"]))[case["steps"] // 2]
    return {"parts_ms": found, "ms": sum(found.values()) - found["guidance"],
            "ms_with_guidance": sum(found.values()), "memory_mb": greatest_mb() - before}


def run_case(case):
    torch.manual_seed(66)
    torch.set_num_threads(case["threads"])
    s = argparse.Namespace(**(SMALL if case["small"] else FULL))
    if case["kind"] == "step" and needed_mb(case, s) > 0.9 * available_mb():
        return {"skipped": f"needs about {needed_mb(case, s):.0f} MB, more than nine tenths of "
                           f"the {available_mb():.0f} MB there are"}
    Path("/proc/self/oom_score_adj").write_text("1000")     # if memory runs out, this goes first
    return (train_case if case["kind"] == "step" else inference_case)(case, s)


def check():
    """Without dropout the two writings give the same loss and gradients."""
    s = argparse.Namespace(**SMALL)
    for mode in ("paper", "released"):
        torch.manual_seed(1)
        model = Ezhoi(s, 13, dropout=0.0)
        trained = [p for p in model.parameters() if p.requires_grad]
        results = []
        for shortcuts in (False, True):
            texts = None
            if shortcuts and mode == "released":
                texts = model.text(model.text.token_embedding(model.ids), model.ends).detach()
            loss = model.loss(mode, shortcuts, texts)
            if texts is not None:
                loss = loss + model.relation(texts)
            results.append([loss, *torch.autograd.grad(loss, trained, allow_unused=True)])
        pairs = [[torch.zeros(1) if x is None else x for x in two] for two in zip(*results)]
        gap = max(((a - b).abs().max() / (a.abs().max() + 1e-5)).item() for a, b in pairs)
        assert gap < 1e-3, (mode, gap)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--classes", type=int, nargs="+", default=[210])
    parser.add_argument("--modes", nargs="+", default=["paper", "released"])
    parser.add_argument("--variants", nargs="+", default=["published", "shortcuts"])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warm", type=int, default=1, help="steps before the measured ones")
    parser.add_argument("--inference", action="store_true", help="a picture instead of a step")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run_case(json.loads(options.case))))
        return
    if options.check:
        check()
    cases = []
    for threads in options.threads:
        for classes in options.classes:
            common = dict(threads=threads, classes=classes, small=options.small,
                          steps=options.steps, warm=options.warm)
            if options.inference:
                cases.append(dict(kind="inference", **common))
                continue
            for mode in options.modes:
                cases += [dict(kind="step", mode=mode, variant=variant, **common)
                          for variant in options.variants]
    for case in cases:
        child = subprocess.run([sys.executable, __file__, "--case", json.dumps(case)],
                               stdout=subprocess.PIPE, text=True)
        case.update(json.loads(child.stdout) if child.returncode == 0
                    else {"skipped": f"ended with {child.returncode}"})
        print(json.dumps(case), file=sys.stderr)
    print(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
