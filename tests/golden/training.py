"""Optimisers on a quadratic, and learning-rate schedules."""
import json
import math

import torch

from values import HERE, leaf, normal, uniform, write


def make_optim():
    """f(p) = (p - c)' A (p - c) / 2 from the same start with each optimiser, ten steps."""
    root, centre, start = normal("optim root", 9, 9), normal("optim c", 9), normal("optim p", 9)
    curve = ((root @ root.T) / 9 + 0.1 * torch.eye(9)).float().double()
    curve = (curve + curve.T) / 2
    tensors = {"curve": curve, "centre": centre, "start": start}
    for name, make in {
        "sgd": lambda p: torch.optim.SGD([p], lr=0.05, momentum=0.9, weight_decay=5e-4),
        "sgd_plain": lambda p: torch.optim.SGD([p], lr=0.05),
        "adamw": lambda p: torch.optim.AdamW([p], lr=0.05, betas=(0.9, 0.999), eps=1e-8,
                                             weight_decay=0.01),
    }.items():
        p = leaf(start)
        optimizer, path, slopes, values = make(p), [start], [], []
        for _ in range(10):
            value = 0.5 * (p - centre) @ curve @ (p - centre)
            optimizer.zero_grad()
            value.backward()
            slopes.append(p.grad.clone())
            values.append(value.item())
            optimizer.step()
            path.append(p.detach().clone())
        tensors.update({f"{name}.parameters": torch.stack(path),
                        f"{name}.gradients": torch.stack(slopes), f"{name}.losses": values})

    norm_limit, parts = 1.5, [normal("clip a", 3, 4), normal("clip b", 5)]
    total = math.sqrt(sum((part ** 2).sum().item() for part in parts))
    scale = min(1.0, norm_limit / (total + 1e-6))
    tensors.update({"clip.a": parts[0], "clip.b": parts[1], "clip.norm": total,
                    "clip.max_norm": norm_limit, "clip.a.clipped": parts[0] * scale,
                    "clip.b.clipped": parts[1] * scale})

    pieces = uniform("accumulate", 4, 9, low=-1)
    tensors.update({"accumulate.gradients": pieces, "accumulate.mean": pieces.mean(0)})
    write("optim", tensors)


def step_rate(t, rate, every, factor):
    return rate * factor ** (t // every)


def cosine_rate(t, rate, total, warmup, final):
    if t < warmup:
        return rate * (t + 1) / warmup
    progress = min(1.0, (t - warmup) / (total - warmup))
    return rate * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))


def make_schedule():
    cases = {
        "step": (step_rate, dict(rate=0.1, every=3, factor=0.1)),
        "step_slow": (step_rate, dict(rate=1e-3, every=10, factor=0.5)),
        "cosine": (cosine_rate, dict(rate=1e-3, total=20, warmup=0, final=0.0)),
        "cosine_warmup": (cosine_rate, dict(rate=8e-4, total=20, warmup=5, final=0.02)),
        "cosine_odd": (cosine_rate, dict(rate=0.3, total=7, warmup=1, final=0.1)),
    }
    written = {name: {**options, "rates": [formula(t, **options) for t in range(24)]}
               for name, (formula, options) in cases.items()}
    (HERE / "schedule.json").write_text(json.dumps(written, indent=1) + "\n")
    print(f"schedule.json: {len(written)} schedules")
