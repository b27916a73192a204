"""Losses: value and gradients on made-up inputs of awkward size, formulas as in README.md."""
import torch

from towers import contrastive, unit
from values import gradients, leaf, normal, uniform, write


def focal(logits, targets, gamma, alpha=None):
    """Sigmoid focal loss of each entry (Lin et al. 2017); alpha None: no class weight."""
    p = torch.sigmoid(logits)
    missed = torch.where(targets > 0, 1 - p, p)
    entropy = torch.nn.functional.softplus(torch.where(targets > 0, -logits, logits))
    weight = 1 if alpha is None else torch.where(targets > 0, alpha, 1 - alpha)
    return weight * missed ** gamma * entropy


def corners(boxes):
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def giou(a, b):
    """Generalised IoU (Rezatofighi et al. 2019) of rows of corner boxes."""
    def area(box):
        return (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    shared, hull = shared.prod(-1), hull.prod(-1)
    union = area(a) + area(b) - shared
    return shared / union - (hull - union) / hull


def entropy(logits, targets):
    """Binary cross-entropy of each entry."""
    return torch.nn.functional.softplus(logits) - logits * targets


def focal_prior(logits, prior, targets, alpha, gamma):
    """Loss at the logit of prior * sigmoid(x), summed where prior > 0, per positive."""
    valid = prior > 0
    x, p, y = logits[valid], prior[valid], targets[valid]
    z = torch.log(p / (1 + torch.exp(-x) - p) + 1e-8)
    weight = (1 - y - alpha).abs() * ((y - torch.sigmoid(z)).abs() + 1e-6) ** gamma
    count = y.sum()
    total = (weight * entropy(z, y)).sum()
    return total / count if count > 0 else total * 0


def kl(a, b, temperature):
    """Mean over rows of KL(softmax(a / T) | softmax(b / T))."""
    log_p, log_q = (torch.log_softmax(x / temperature, -1) for x in (a, b))
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def relation(a, b, temperature):
    """Mean entry of the divergence of a's cosine similarities from b's, row by row."""
    log_p, log_q = (torch.log_softmax(unit(x) @ unit(x).T / temperature, -1) for x in (b, a))
    return (log_p.exp() * (log_p - log_q)).mean()


def make_losses():
    tensors = {}

    def add(name, function, leaves, fixed=()):
        """function(*leaves, *fixed); both are dicts of inputs to keep."""
        fixed = dict(fixed)
        leaves = {key: leaf(value) for key, value in leaves.items()}
        value = function(*leaves.values(), *fixed.values())
        tensors.update({f"{name}.{key}": x for key, x in {**leaves, **fixed}.items()})
        tensors.update({f"{name}.{key}.grad": grad for key, grad in
                        zip(leaves, gradients(value.sum(), *leaves.values()))})
        tensors[name] = value

    logits = normal("loss logits", 7, 9, scale=3)
    labels = torch.tensor([0, 8, 3, 3, 5, 1, 7])
    add("cross_entropy", lambda x, y: -torch.log_softmax(x, 1)[range(7), y].mean(),
        {"logits": logits}, {"labels": labels})
    soft = torch.softmax(normal("loss soft targets", 7, 9), 1)
    add("cross_entropy_soft", lambda x, y: -(y * torch.log_softmax(x, 1)).sum(1).mean(),
        {"logits": logits}, {"targets": soft.float().double()})

    wide = logits.clone()
    wide[0, :4] = torch.tensor([60.0, -60.0, 60.0, -60.0])       # where a naive exp overflows
    targets = (uniform("loss targets", 7, 9) < 0.3).double()
    targets[0, :4] = torch.tensor([1.0, 0.0, 0.0, 1.0])
    add("bce", lambda x, y: entropy(x, y).mean(), {"logits": wide}, {"targets": targets})
    add("bce_sum", lambda x, y: entropy(x, y).sum(), {"logits": wide}, {"targets": targets})
    add("bce_soft", lambda x, y: entropy(x, y).mean(), {"logits": wide},
        {"targets": uniform("loss soft", 7, 9)})
    add("focal", lambda x, y: focal(x, y, 2.0).sum(), {"logits": wide}, {"targets": targets})
    add("focal_alpha", lambda x, y: focal(x, y, 2.0, 0.25).sum(), {"logits": wide},
        {"targets": targets})
    prior = uniform("loss prior", 7, 9, low=0.05, high=0.95)
    prior[uniform("loss prior mask", 7, 9) < 0.4] = 0
    add("focal_prior", lambda x, p, y: focal_prior(x, p, y, 0.5, 0.2), {"logits": logits},
        {"prior": prior, "targets": targets})
    add("focal_prior_none", lambda x, p, y: focal_prior(x, p, y, 0.5, 0.2), {"logits": logits},
        {"prior": prior, "targets": torch.zeros(7, 9)})

    a, b = normal("loss a", 7, 9), normal("loss b", 7, 9)
    add("kl", lambda a, b: kl(a, b, 2.0), {"a": a, "b": b})
    add("kl_reversed", lambda a, b: kl(b, a, 2.0), {"a": a, "b": b})
    add("kl_sharp", lambda a, b: kl(a, b, 0.1), {"a": a, "b": b})
    add("relation", lambda a, b: relation(a, b, 0.1), {"a": a}, {"b": b})
    add("cosine", lambda a, b: 1 - (unit(a) * unit(b)).sum(-1).mean(), {"a": a, "b": b})
    add("l1", lambda a, b: (a - b).abs().mean(), {"a": a, "b": b})
    scale = torch.tensor(2.5)
    add("contrastive", lambda a, b, s: contrastive(s.exp() * unit(a) @ unit(b).T),
        {"images": a, "texts": b, "logit_scale": scale})

    first = torch.tensor([[0.1, 0.2, 0.6, 0.7], [0.0, 0.0, 0.3, 0.3], [0.2, 0.2, 0.8, 0.8],
                          [0.4, 0.1, 0.45, 0.9], [0.5, 0.5, 0.51, 0.52], [0.1, 0.6, 0.3, 0.9],
                          [0.05, 0.1, 0.95, 0.2]])
    second = torch.tensor([[0.2, 0.3, 0.7, 0.9], [0.6, 0.5, 0.9, 0.8], [0.3, 0.4, 0.5, 0.6],
                           [0.1, 0.4, 0.9, 0.44], [0.2, 0.1, 0.7, 0.9], [0.4, 0.1, 0.7, 0.5],
                           [0.1, 0.05, 0.2, 0.95]])   # overlap, apart, inside, crossing, around...
    first, second = first.float().double(), second.float().double()
    add("giou", lambda a, b: 1 - giou(a, b), {"a": first, "b": second})
    write("losses", tensors)
