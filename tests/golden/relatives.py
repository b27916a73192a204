"""CMMP and ADA-CM (trained, and without training) on the pictures of ezhoi_whole."""
import torch

import ezhoi
from ezhoi_modules import OBJECTS, VERBS, parameters
from ezhoi_whole import SIZE, VERB_WORDS, Setting, roi_mean_rows, start, token_ids
from folders import EZHOI
from towers import (blocks, causal, layer_norm, linear, text_embed, text_enter, text_leave, unit,
                    visual_enter, visual_leave)
from values import leaf, normal, write

W, D, CONTEXT, KEYS = 8, 16, 4, 9
BLOCK = "clip_head.image_encoder.transformer.resblocks."


def union_rows(p):
    """ROI means of the boxes around each pair."""
    a, b = (p["boxes"][p["pairs"][:, i]] for i in (0, 1))
    boxes = torch.cat([torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:])], 1)
    return roi_mean_rows(boxes)


def instance_tokens(s, state):
    """(pictures, most instances, w), seen (pictures, most): rows of padding come from zeros."""
    most = max(len(p["labels"]) for p in s.pictures)
    vectors, seen = torch.zeros(2, most, D + 5), torch.zeros(2, most)
    for i, p in enumerate(s.pictures):
        n = len(p["labels"])
        vectors[i, :n] = ezhoi.instance_vectors(p["scores"], p["boxes"], p["labels"], SIZE,
                                                s.objects)
        seen[i, :n] = 1
    return ezhoi.mlp(state, "priors_downproj", vectors), seen


def regions(s, state, tokens, seen):
    """Unit features of humans, others and unions of every pair, picture by picture."""
    def before(i, x):
        return x + ezhoi.adapter(state, f"{BLOCK}{i}.adaptermlp.", x, tokens, seen)

    x = visual_enter(s.pixels, s.clip, EZHOI["vision_config"])
    x = blocks(x, s.clip, "vision_model", EZHOI["vision_config"], before=before)[-1]
    maps = visual_leave(x, s.clip)[:, 1:]
    found = []
    for i, p in enumerate(s.pictures):
        each = unit(p["rows"] @ maps[i])
        found.append((each[p["pairs"][:, 0]], each[p["pairs"][:, 1]],
                      unit(union_rows(p) @ maps[i])))
    return found


def one_head(weights, name, queries, keys, added=None):
    """Attention with a single head."""
    q, k, v = (source @ w.T + b for source, w, b in zip(
        (queries, keys, keys), weights[name + ".in_proj_weight"].chunk(3),
        weights[name + ".in_proj_bias"].chunk(3)))
    scores = q @ k.transpose(-1, -2) / W ** 0.5
    if added is not None:
        scores = scores + added
    return linear(torch.softmax(scores, -1) @ v, weights, name + ".out_proj")


def read_patterns(weights, tokens, seen, masked):
    """Instance tokens read one another and the spatial patterns; masked: padding is hidden."""
    g = weights["patterns"]
    for i in (0, 1):
        g = torch.relu(linear(g, weights, f"patterns_mlp.layers.{i}"))
    g = linear(g, weights, "patterns_mlp.layers.2").expand(len(tokens), -1, -1)
    hide = ezhoi.hidden(seen)[:, 0] if masked else None
    z = tokens + one_head(weights, "decoder.self_attn", tokens, tokens, hide)
    z = layer_norm(z, weights, "decoder.norm1")
    z = layer_norm(z + one_head(weights, "decoder.multihead_attn", z, g), weights,
                   "decoder.norm2")
    widened = torch.relu(linear(z, weights, "decoder.linear1"))
    return layer_norm(z + linear(widened, weights, "decoder.linear2"), weights, "decoder.norm3")


def context_features(s, weights, ids):
    """Verb sentences behind shared learned vectors, cut to the context's length."""
    words = text_embed(ids, s.clip)
    shared = weights["context"].expand(len(ids), -1, -1)
    x = torch.cat([words[:, :1], shared, words[:, 1:-CONTEXT]], 1)
    ends = torch.zeros_like(ids)
    ends[range(len(ids)), ids.argmax(1) + CONTEXT] = 1
    x = blocks(text_enter(x, s.clip), s.clip, "text_model", EZHOI["text_config"], causal(20))[-1]
    return text_leave(x, ends, s.clip)[1]


def picture_loss(s, logits):
    prior, targets = (torch.cat([p[key] for p in s.pictures]) for key in ("prior", "targets"))
    return ezhoi.interaction_loss(torch.cat(logits), prior, targets)


def cmmp(s, state, ids, masked):
    tokens, seen = instance_tokens(s, state)
    tokens = read_patterns(state, tokens, seen, masked)
    texts = context_features(s, state, ids)
    logits = [state["scale_human"] * h @ state["human"] @ texts.T
              + state["scale_object"] * o @ state["object"] @ texts.T
              + state["scale_union"] * u @ texts.T for h, o, u in regions(s, state, tokens, seen)]
    similar = unit(texts) @ unit(s.frozen_text(ids)).T
    consistency = -torch.log_softmax(similar, 1).diagonal().mean()
    interaction = picture_loss(s, logits)
    return dict(tokens=tokens, texts=texts, logits_0=logits[0], logits_1=logits[1],
                interaction=interaction, consistency=consistency, loss=interaction + consistency)


def cache(features, keys, labels, bias=0.0):
    """Mean over each class's keys of what the features find there."""
    return (features @ keys.T + bias) @ labels / labels.sum(0)


def ada_cm(s, state, labels):
    tokens, seen = instance_tokens(s, state)
    logits = []
    for h, o, u in regions(s, state, tokens, seen):
        both = cache(torch.cat([h, o], 1), state["pair_keys"], labels, state["pair_bias"])
        whole = cache(u, state["union_keys"], labels, state["union_bias"])
        logits.append(state["scale_pair"] * both / 2 + state["scale_union"] * whole
                      + state["scale_text"] * u @ state["text"].T)
    return dict(logits_0=logits[0], logits_1=logits[1], loss=picture_loss(s, logits))


def ada_cm_free(features, pair_keys, union_keys, labels, texts, valid, both):
    """Unit features of crops against frozen caches and class texts: logits, scores (p, classes)."""
    h, o, u = features
    logits = (cache(torch.cat([h, o], 1), pair_keys, labels) / 2
              + cache(u, union_keys, labels) / 2 + u @ texts.T) / 2
    shares = torch.softmax((logits / 0.05).masked_fill(~valid, -torch.inf), 1)
    return logits, both[:, None] ** 2.8 * shares


def keep_training(tensors, case, state, run):
    """Outputs, gradients (adapters: first and last block only) and ten steps' losses."""
    out = run()
    found = torch.autograd.grad(out["loss"], state.values(), allow_unused=True)
    tensors.update({f"{case}.{key}": value for key, value in out.items()})
    for (name, value), grad in zip(state.items(), found):
        if grad is not None and not name.startswith((BLOCK + "1", BLOCK + "2")):
            tensors[f"{case}.param.{name}.grad"] = grad
        if not name.startswith((BLOCK, "priors_downproj")):
            tensors[f"{case}.param.{name}"] = value.detach().clone()
    optimizer, losses = torch.optim.AdamW(state.values(), lr=1e-3, weight_decay=1e-4), []
    for step in range(11):
        loss = run()["loss"]
        losses.append(loss.item())
        if step < 10:
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(state.values(), 0.1)
            optimizer.step()
    tensors[case + ".losses"] = losses
    print(case, [round(x, 4) for x in losses])


def shared_start():
    """Adapters and the instance MLP of ezhoi_state."""
    return {name: value for name, value in start().items()
            if name.startswith((BLOCK, "priors_downproj"))}


def make_relatives():
    s, tensors = Setting(), {}
    ids = token_ids([f"a photo of a person {words}." for words in VERB_WORDS])
    tensors["verb_ids"] = ids
    for i, p in enumerate(s.pictures):
        tensors[f"union_rows_{i}"] = union_rows(p)
    scales = {name: torch.tensor(value).float().double() for name, value in
              (("scale_human", 0.357), ("scale_object", 0.357), ("scale_pair", 2.659),
               ("scale_union", 2.659), ("scale_text", 2.659))}

    shapes = {"human": (D, D), "object": (D, D),
              **ezhoi.linear_shapes("patterns_mlp.layers.0", W, 36),
              **ezhoi.linear_shapes("patterns_mlp.layers.1", W, W),
              **ezhoi.linear_shapes("patterns_mlp.layers.2", W, W),
              **ezhoi.decoder_shapes("decoder", W, True),
              **ezhoi.linear_shapes("decoder.linear1", W, W),
              **ezhoi.linear_shapes("decoder.linear2", W, W)}
    for case, masked in (("cmmp", True), ("cmmp_released", False)):
        state = {**shared_start(), **parameters("cmmp ", shapes),
                 "patterns": leaf(normal("cmmp patterns", 10, 36)),
                 "context": leaf(normal("cmmp context", CONTEXT, D, scale=0.4))}
        state.update({name: leaf(scales[name])
                      for name in ("scale_human", "scale_object", "scale_union")})
        keep_training(tensors, case, state, lambda: cmmp(s, state, ids, masked))
    for key in [key for key in tensors if key.startswith("cmmp_released.param.")]:
        del tensors[key]                       # starts as cmmp; gradients are told once

    labels = torch.zeros(KEYS, 5)
    labels[range(KEYS), [0, 0, 1, 2, 2, 3, 3, 4, 4]] = 1
    labels[1, 4], labels[5, 1] = 1, 1          # merged pairs have two verbs
    state = {**shared_start(),
             "pair_keys": leaf(torch.cat([unit(normal("ada human", KEYS, D)),
                                          unit(normal("ada object", KEYS, D))], 1)),
             "union_keys": leaf(unit(normal("ada union", KEYS, D))),
             "text": leaf(unit(s.frozen_text(ids)).float().double()),
             "pair_bias": leaf(-torch.ones(KEYS)), "union_bias": leaf(-torch.ones(KEYS))}
    state.update({name: leaf(scales[name]) for name in ("scale_pair", "scale_union", "scale_text")})
    tensors["ada_cm.labels"] = labels
    keep_training(tensors, "ada_cm", state, lambda: ada_cm(s, state, labels))

    p = s.pictures[1]
    pairs, instances = p["pairs"], unit(normal("ada crops", 5, D))
    unions = unit(normal("ada union crops", len(pairs), D))
    pair_keys = torch.cat([unit(normal("free " + key, 15, D)) for key in ("human", "object")], 1)
    union_keys, labels = unit(normal("free union", 15, D)), torch.zeros(15, 12)
    labels[range(15), [*range(12), 0, 5, 9]] = 1
    texts = unit(s.frozen_text(s.prompt_ids))
    valid = OBJECTS[None] == p["labels"][pairs[:, 1]][:, None]
    both = p["scores"][pairs[:, 0]] * p["scores"][pairs[:, 1]]
    logits, scores = ada_cm_free((instances[pairs[:, 0]], instances[pairs[:, 1]], unions),
                                 pair_keys, union_keys, labels, texts, valid, both)
    tensors.update({"free.instances": instances, "free.unions": unions, "free.valid": valid,
                    "free.pair_keys": pair_keys, "free.union_keys": union_keys,
                    "free.labels": labels, "free.texts": texts, "free.logits": logits,
                    "free.scores": scores})
    write("relatives", tensors, verbs=VERB_WORDS)
