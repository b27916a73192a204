"""Made-up numbers that depend on their name alone, gradients, and the writing of one file."""
import json
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers.utils import logging

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
logging.disable_progress_bar()


def normal(name, *shape, scale=1.0):
    """Standard normal numbers that depend on the name and nothing else, rounded to float32."""
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape) * scale
    return torch.from_numpy(np.float64(np.float32(values)))


def uniform(name, *shape, low=0.0, high=1.0):
    values = np.random.RandomState(zlib.crc32(name.encode())).uniform(low, high, shape)
    return torch.from_numpy(np.float64(np.float32(values)))


def leaf(tensor):
    return tensor.detach().clone().requires_grad_(True)


def gradients(value, *leaves):
    return torch.autograd.grad(value, leaves, retain_graph=True)


def write(name, tensors, **notes):
    """One file of float32 tensors (whole numbers too: a reader of floats can read all)."""
    plain = {key: torch.as_tensor(value).detach().to(torch.float32).contiguous().clone()
             for key, value in tensors.items()}
    assert all(not torch.isnan(value).any() for value in plain.values()), name
    path = HERE / f"{name}.safetensors"
    save_file(plain, path, {"notes": json.dumps(notes, sort_keys=True)})
    path.chmod(0o644)
    print(f"{name}.safetensors: {len(plain)} tensors")


def agree(ours, theirs, what):
    gap = (ours - theirs).abs().max().item()
    assert gap < 1e-9, f"{what}: this file and transformers differ by {gap}"
