"""EZ-HOI's parts on plain tensors, by their formulas: a second writing to test hoi's against.

Weights are dicts by name as in the method's released checkpoints; `name` is where a part's begin.
"""
import math

import torch

from losses import focal_prior
from towers import layer_norm, linear, unit

HEADS = 2                      # of every small decoder layer


# ---- parameters -----------------------------------------------------------------------------


def linear_shapes(name, outputs, inputs):
    return {name + ".weight": (outputs, inputs), name + ".bias": (outputs,)}


def attention_shapes(name, width):
    return {name + ".in_proj_weight": (3 * width, width), name + ".in_proj_bias": (3 * width,),
            **linear_shapes(name + ".out_proj", width, width)}


def decoder_shapes(name, width, with_self):
    shapes = attention_shapes(name + ".self_attn", width) if with_self else {}
    shapes.update(attention_shapes(name + ".multihead_attn", width))
    shapes.update(linear_shapes(name + ".linear1", 2 * width, width))
    shapes.update(linear_shapes(name + ".linear2", width, 2 * width))
    for norm in ("norm1", "norm2", "norm3"):
        shapes.update({f"{name}.{norm}.weight": (width,), f"{name}.{norm}.bias": (width,)})
    return shapes


def mlp_shapes(name, inputs, width):
    return {**linear_shapes(name + ".layers.0", 2 * width, inputs),
            **linear_shapes(name + ".layers.1", 2 * width, 2 * width),
            **linear_shapes(name + ".layers.2", width, 2 * width)}


def bottleneck_shapes(name, outer, prior, width, with_self):
    """Prompt adapters and the memory adapter; prior: width of what the keys are made of."""
    name += "." if name else ""
    return {**linear_shapes(name + "down_proj_mem", width, outer),
            **linear_shapes(name + "up_proj_mem", outer, width),
            **mlp_shapes(name + "down_proj_prior", prior, width),
            **decoder_shapes(name + "mhsa_layers.0", width, with_self)}


def adapter_shapes(name, outer, width):
    name += "." if name else ""
    return {name + "scale": (outer,), **linear_shapes(name + "down_proj", width, outer),
            **linear_shapes(name + "up_proj", outer, width),
            **decoder_shapes(name + "mhsa_layers.0", width, False)}


def trainable_shapes(d, d_v, layers, width=64, depth=9, prompts=2):
    """Every trainable parameter; d: text and joint width, layers and d_v: of the picture tower."""
    learner = "clip_head.prompt_learner."
    shapes = {learner + "ctx": (prompts, d), **linear_shapes(learner + "proj", d_v, d)}
    for i in range(depth - 1):
        shapes.update(linear_shapes(f"{learner}compound_prompt_proj_vis.{i}", d_v, d))
    shapes.update(bottleneck_shapes(learner + "txtcls_pt_adapter", d, d, width, False))
    shapes.update(bottleneck_shapes(learner + "img_clip_pt_adapter", d_v, d, width, False))
    shapes.update(bottleneck_shapes(learner + "unseen_pt_adapter", d, d, width, True))
    for i in range(layers):
        block = f"clip_head.image_encoder.transformer.resblocks.{i}.adaptermlp"
        shapes.update(adapter_shapes(block, d_v, width))
    shapes.update(bottleneck_shapes("mem_adapter", d, d, width, True))
    shapes.update(linear_shapes("vis_fuse.0", d, 2 * d))
    shapes.update(linear_shapes("vis_fuse.2", d, d))
    shapes.update(mlp_shapes("priors_downproj", d + 5, width))
    shapes["logit_scale_HO"] = ()
    return shapes


# ---- small layers ---------------------------------------------------------------------------


def attention(weights, name, queries, keys, added=None):
    """Queries (b, n, w), keys = values (b, m, w); added to the scaled scores (b, 1, 1, m)."""
    width = queries.shape[-1]
    w, bias = weights[name + ".in_proj_weight"], weights[name + ".in_proj_bias"]
    parts = []
    for i, source in enumerate((queries, keys, keys)):
        rows = slice(i * width, (i + 1) * width)
        part = source @ w[rows].T + bias[rows]
        parts.append(part.unflatten(-1, (HEADS, width // HEADS)).transpose(1, 2))
    q, k, v = parts
    scores = q @ k.transpose(2, 3) / math.sqrt(width // HEADS)
    if added is not None:
        scores = scores + added
    mixed = (torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2)
    return linear(mixed, weights, name + ".out_proj")


def hidden(seen):
    """seen (b, m), 1 or 0, as what must be added to the scores."""
    return torch.zeros(seen.shape).masked_fill(seen == 0, -math.inf)[:, None, None]


def decoder(weights, name, z, keys, added=None):
    """Post-norm decoder layer; with self-attention if it has the weights."""
    if name + ".self_attn.in_proj_weight" in weights:
        z = layer_norm(z + attention(weights, name + ".self_attn", z, z), weights, name + ".norm1")
    z = z + attention(weights, name + ".multihead_attn", z, keys, added)
    z = layer_norm(z, weights, name + ".norm2")
    widened = torch.relu(linear(z, weights, name + ".linear1"))
    return layer_norm(z + linear(widened, weights, name + ".linear2"), weights, name + ".norm3")


def mlp(weights, name, x):
    x = torch.relu(linear(x, weights, name + ".layers.0"))
    x = torch.relu(linear(x, weights, name + ".layers.1"))
    return linear(x, weights, name + ".layers.2")


def bottleneck(weights, name, x, source, added=None):
    """x (b, n, outer) + what its narrow queries read from source (b, m, prior)."""
    keys = mlp(weights, name + "down_proj_prior", source)
    q = torch.relu(linear(x, weights, name + "down_proj_mem"))
    q = decoder(weights, name + "mhsa_layers.0", q, keys, added)
    return x + linear(q, weights, name + "up_proj_mem")


# ---- parts ----------------------------------------------------------------------------------


def adapter(weights, name, x, prior, seen):
    """What a visual layer adds to its input x (b, n, d_v); prior (b, m, w), seen (b, m)."""
    z = torch.relu(linear(x, weights, name + "down_proj"))
    z = decoder(weights, name + "mhsa_layers.0", z, prior, hidden(seen))
    return weights[name + "scale"] * linear(z, weights, name + "up_proj")


def instance_vectors(scores, boxes, labels, size, objects):
    """Score, corners over the picture's side, raw embedding of the object's sentence."""
    return torch.cat([scores[:, None], boxes / size, objects[labels]], 1)


def text_prompts(weights, name, base, descriptions):
    """Base prompts (p, d) of one layer guided by each class's own description (c, d): (c, p, d)."""
    classes = len(descriptions)
    twice = descriptions[:, None].expand(-1, len(base), -1)
    return bottleneck(weights, name, base.expand(classes, -1, -1), twice)


def unseen_prompts(weights, name, h, sentences, seen, unseen, partner, masking):
    """Prompts h (c, p, d) with the unseen rows read from their sentences (u, m, d), their related
    seen class's prompts and their own; unseen, partner: rows of h (u)."""
    source = torch.cat([sentences, h[partner].detach(), h[unseen]], 1)
    padded = torch.cat([1.0 - seen, torch.zeros(len(unseen), 2 * h.shape[1])], 1)
    if masking == "released":                    # the mask became a number and is added
        added = padded[:, None, None]
    else:
        added = hidden(1.0 - padded)
    adapted = bottleneck(weights, name, h[unseen], source, added)
    return h.index_copy(0, unseen, adapted)


def image_prompts(weights, name, prompts, guidance):
    """Projected prompts (p, d_v) of one layer and frozen patch tokens (b, m, d): (b, p, d_v)."""
    return bottleneck(weights, name, prompts.expand(len(guidance), -1, -1), unit(guidance))


def fuse(weights, name, humans, objects):
    x = torch.relu(linear(torch.cat([humans, objects], 1), weights, name + "0"))
    return torch.relu(linear(x, weights, name + "2"))


def memory(weights, name, v):
    """The pairs of one picture (p, d) read each other; keys are the queries before their ReLU."""
    z = linear(v[None], weights, name + "down_proj_mem")
    t = decoder(weights, name + "mhsa_layers.0", torch.relu(z), z)
    return v + linear(t, weights, name + "up_proj_mem")[0]


def related_seen(descriptions, unseen):
    """For each unseen class the seen one whose description is nearest."""
    similar = unit(descriptions) @ unit(descriptions).T
    similar[:, unseen] = -math.inf
    return similar[unseen].argmax(1)


def select_classes(descriptions, verbs, unseen, partner):
    """Per verb the two least similar classes (all if no more than two), and related seen ones."""
    similar = unit(descriptions) @ unit(descriptions).T
    chosen = set()
    for verb in set(verbs.tolist()):
        own = [c for c in range(len(verbs)) if verbs[c] == verb]
        if len(own) > 2:
            own = min(((a, b) for a in own for b in own if a < b),
                      key=lambda two: similar[two].item())
        chosen.update(own)
    for u, s in zip(unseen.tolist(), partner.tolist()):
        if u in chosen:
            chosen.add(s)
    return torch.tensor(sorted(chosen))


def class_logits(e, texts, scale):
    return scale / 2 * e @ texts.T


def verb_logits(e, texts, verbs, count, scale, softmax=False):
    """e (p, d), texts (n, d) of the selected classes, verbs (n): (p, count)."""
    a = class_logits(e, texts, scale)
    columns = []
    for verb in range(count):
        own = verbs == verb
        if softmax:
            columns.append(a[:, own].logsumexp(1) - a[:, ~own].logsumexp(1))
        else:
            columns.append(a[:, own].mean(1))
    return torch.stack(columns, 1)


def pairs_of(labels):
    """All (human, other) places, humans being label 0."""
    n = len(labels)
    return torch.tensor([(x, y) for x in range(n) if labels[x] == 0 for y in range(n) if y != x])


def prior_of(scores, labels, pairs, table, power=1.0):
    """(p, verbs): (score of human times score of object) ^ power where table (objects, verbs)."""
    both = (scores[pairs[:, 0]] * scores[pairs[:, 1]]) ** power
    return both[:, None] * table[labels[pairs[:, 1]]]


def iou(a, b):
    shared = (torch.minimum(a[:, None, 2:], b[:, 2:])
              - torch.maximum(a[:, None, :2], b[:, :2])).clamp(min=0).prod(-1)
    areas = [(x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b)]
    return shared / (areas[0][:, None] + areas[1] - shared)


def assign(boxes, pairs, true_humans, true_objects, true_verbs, count):
    """(p, verbs): 1 where a true pair of the verb overlaps by half on both boxes."""
    overlap = torch.minimum(iou(boxes[pairs[:, 0]], true_humans),
                            iou(boxes[pairs[:, 1]], true_objects))
    targets = torch.zeros(len(pairs), count)
    for p in range(len(pairs)):
        for g in range(len(true_verbs)):
            if overlap[p, g] >= 0.5:
                targets[p, true_verbs[g]] = 1
    return targets


# ---- losses ---------------------------------------------------------------------------------


def interaction_loss(logits, prior, targets):
    return focal_prior(logits, prior, targets, 0.5, 0.2)


def divergence(adapted, descriptions):
    """Mean entry of q (log q - log p) of cosine rows at temperature .1."""
    log_p, log_q = (torch.log_softmax(unit(x) @ unit(x).T / 0.1, 1)
                    for x in (adapted, descriptions))
    return (log_q.exp() * (log_q - log_p)).mean()


def relation_rows(reading, true_classes, verbs, objects, unseen, selected):
    """Rows of the adapted and of the description features: (seen, seen), (unseen, unseen)."""
    if reading == "released":                    # verb ids and class ids as rows of everything
        ids = [verbs[c].item() for c in true_classes]
        present = {objects[i].item() for i in ids}
        others = [u for u in unseen.tolist() if objects[u].item() in present]
        return (ids, ids), (others, others)
    place = {c: i for i, c in enumerate(selected.tolist())}
    ids = [c if c in place else next(s for s in place if verbs[s] == verbs[c])
           for c in true_classes.tolist()]
    present = {objects[c].item() for c in true_classes}
    others = [u for u in unseen.tolist() if u in place and objects[u].item() in present]
    return ([place[c] for c in ids], ids), ([place[u] for u in others], others)


def relation_loss(adapted, descriptions, rows):
    (seen_a, seen_b), (unseen_a, unseen_b) = rows
    parts = [divergence(adapted[seen_a], descriptions[seen_b])]
    if unseen_a:
        parts.append(divergence(adapted[unseen_a], descriptions[unseen_b]))
        parts.append(divergence(adapted[seen_a + unseen_a], descriptions[seen_b + unseen_b]))
    return 150 * sum(parts) / len(parts)


def closeness_loss(texts, unseen, partner):
    """unseen, partner: rows of texts."""
    near = (unit(texts[unseen]) * unit(texts[partner].detach())).sum(1)
    return (1 - near).mean()


def negatives_loss(e, texts, verbs, unseen, scale, targets):
    """Pairs with a label are pushed from unseen classes of verbs they are not labelled with."""
    a = class_logits(e, texts[unseen], scale)
    counted = (targets.sum(1, keepdim=True) > 0) & (targets[:, verbs[unseen]] == 0)
    pushed = torch.nn.functional.softplus(a)[counted]
    return pushed.mean() if len(pushed) else a.sum() * 0
