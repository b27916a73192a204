"""golden_random: what Python's `random` gives after a seed, and which items the few-shot samplers of
CoOp, Tip-Adapter and CLIP-LoRA draw with it (written anew from their description), for
random_spec.lua.

    python3 tests/golden_random.py      # writes tests/golden/random.json

Any CPython from 3.2 on gives the same.
"""

import json
import random
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
SEEDS = [0, 1, 2, 3, 66, -7, 2**32 - 1, 2**32, 2**40 + 5]


def of_seed(seed):
    random.seed(seed)
    return {
        "seed": seed,
        "words": [random.getrandbits(32) for _ in range(3)],
        "later": [random.getrandbits(32) for _ in range(1300)][-2:],  # past two refills
        "units": [random.random() for _ in range(3)],
        "below": [random.randrange(n) for n in (1, 2, 3, 7, 255, 256, 257, 2**31, 2**32 - 1)],
        "sample": [
            random.sample(range(n), k)
            for n, k in ((100, 4), (30, 16), (10, 10), (21, 5), (22, 5), (85, 16), (86, 16), (1000, 9))
        ],
        "shuffle": shuffled(20),
        "choices": random.choices(range(7), k=5),
    }


def shuffled(n):
    items = list(range(n))
    random.shuffle(items)
    return items


def made_up(count, classes, step):
    """Labels 1..classes in a mixed order, class c about c times as often as class 1."""
    labels, k = [], 0
    while len(labels) < count:
        k = (k * 31 + step) % 8191
        labels.append(1 + max(k % classes, (k // classes) % classes))
    return labels


def draw(labels, places, shots, fill):
    by_label = {}
    for place in places:
        by_label.setdefault(labels[place], []).append(place)
    out = []
    for items in by_label.values():
        if len(items) >= shots:
            out += random.sample(items, shots)
        else:
            out += random.choices(items, k=shots) if fill else items
    return out


def drawn(protocol, train, val, shots, seed):
    random.seed(seed)
    few = min(shots, 4)
    if protocol == "lora":
        v = draw(val, range(len(val)), few, True)
        t = draw(train, range(len(train)), shots, True)
    else:
        t = draw(train, range(len(train)), shots, False)
        v = draw(val, range(len(val)), few, False) if protocol == "coop" else list(range(len(val)))
    return {
        "protocol": protocol, "shots": shots, "seed": seed,
        "train": [len(t), sum((i + 1) * (p + 1) for i, p in enumerate(t))] + t[:6],
        "val": [len(v), sum((i + 1) * (p + 1) for i, p in enumerate(v))] + v[:6],
    }


train, val = made_up(600, 17, 5), made_up(150, 17, 11)
(GOLDEN / "random.json").write_text(
    json.dumps(
        {
            "random": [of_seed(seed) for seed in SEEDS],
            "train": train,
            "val": val,
            "draws": [
                drawn(protocol, train, val, shots, seed)
                for protocol in ("coop", "tip", "lora")
                for shots in (1, 2, 4, 8, 16)
                for seed in (1, 2, 3)
            ],
        },
        separators=(",", ":"),
    )
    + "\n"
)
