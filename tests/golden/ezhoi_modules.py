"""Every part of EZ-HOI alone: inputs, parameters, outputs, gradients of sum(output * upstream)."""
import torch

import ezhoi
from towers import unit
from values import agree, gradients, leaf, normal, uniform, write

D, D_V, WIDTH = 18, 20, 12


def parameters(seed, shapes):
    """Leaves of trained size: no branch is zero as it would be at the start of training."""
    made = {}
    for name, shape in shapes.items():
        if "norm" in name or name.split(".")[-1] == "scale":
            value = normal(seed + name, *shape, scale=0.15) + name.endswith("weight")
        elif len(shape) == 1:
            value = normal(seed + name, *shape, scale=0.1)
        else:
            value = normal(seed + name, *shape, scale=1.3 * shape[1] ** -0.5)
        made[name] = leaf(value.float().double())
    return made


def add(tensors, case, output, weights=None, inputs=None, fixed=None):
    """Keeps a case; inputs and weights get gradients, fixed ones none."""
    weights, inputs = weights or {}, inputs or {}
    upstream = normal(case + " upstream", *output.shape)
    tensors.update({f"{case}.output": output, f"{case}.upstream": upstream})
    tensors.update({f"{case}.{key}": value for key, value in (fixed or {}).items()})
    leaves = {f"{case}.{key}": value for key, value in inputs.items()}
    leaves.update({f"{case}.param.{key}": value for key, value in weights.items()})
    found = torch.autograd.grad((output * upstream).sum(), leaves.values(), allow_unused=True)
    for (key, value), grad in zip(leaves.items(), found):
        tensors[key] = value
        tensors[key + ".grad"] = torch.zeros_like(value) if grad is None else grad


def check_layers(cross, full, x, keys, seen):
    """The same two layers by torch's own modules."""
    hide = seen == 0
    theirs = torch.nn.MultiheadAttention(WIDTH, ezhoi.HEADS, batch_first=True)
    theirs.load_state_dict({key[15:]: value for key, value in cross.items()
                            if key.startswith("multihead_attn.")})
    agree(ezhoi.attention(cross, "multihead_attn", x, keys, ezhoi.hidden(seen)),
          theirs(x, keys, keys, key_padding_mask=hide)[0], "attention")
    layer = torch.nn.TransformerDecoderLayer(WIDTH, ezhoi.HEADS, 2 * WIDTH, 0.0, batch_first=True)
    layer.load_state_dict(full)
    agree(ezhoi.decoder({"l." + key: value for key, value in full.items()}, "l", x, keys,
                        ezhoi.hidden(seen)),
          layer(x, keys, memory_key_padding_mask=hide), "decoder layer")


def layers(tensors):
    x, keys = leaf(normal("ez x", 3, 5, WIDTH)), leaf(normal("ez keys", 3, 7, WIDTH))
    seen = torch.ones(3, 7)
    seen[0, 5:], seen[2, 1:] = 0, 0
    made = {}
    for case, with_self in (("decoder", False), ("decoder_full", True)):
        named = parameters("ez " + case, ezhoi.decoder_shapes("l", WIDTH, with_self))
        made[case] = {key[2:]: value for key, value in named.items()}
        output = ezhoi.decoder(named, "l", x, keys, ezhoi.hidden(seen))
        add(tensors, case, output, made[case], {"x": x, "keys": keys}, {"seen": seen})
    check_layers(made["decoder"], made["decoder_full"], x, keys, seen)


def visual(tensors):
    x, prior = leaf(normal("ez tokens", 2, 9, D_V)), leaf(normal("ez prior", 2, 4, WIDTH))
    seen = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0]])
    weights = parameters("ez adapter ", ezhoi.adapter_shapes("", D_V, WIDTH))
    add(tensors, "adapter", ezhoi.adapter(weights, "", x, prior, seen), weights,
        {"x": x, "prior": prior}, {"seen": seen})

    weights = parameters("ez priors ", ezhoi.mlp_shapes("p", D + 5, WIDTH))
    scores, labels = uniform("ez scores", 5), torch.tensor([0, 0, 2, 1, 2])
    boxes, objects = some_boxes("ez instance", 5), normal("ez objects", 3, D)
    vectors = leaf(ezhoi.instance_vectors(scores, boxes, labels, 32, objects).float().double())
    add(tensors, "priors", ezhoi.mlp(weights, "p", vectors),
        {key[2:]: value for key, value in weights.items()}, {"vectors": vectors},
        {"scores": scores, "labels": labels, "boxes": boxes, "objects": objects, "size": 32.0})

    prompts, guidance = leaf(normal("ez P", 2, D_V)), leaf(normal("ez guidance", 3, 6, D))
    weights = parameters("ez image ", ezhoi.bottleneck_shapes("", D_V, D, WIDTH, False))
    add(tensors, "image_prompts", ezhoi.image_prompts(weights, "", prompts, guidance), weights,
        {"prompts": prompts, "guidance": guidance})


def textual(tensors):
    base = leaf(normal("ez base", 2, D))
    descriptions = leaf(unit(normal("ez described", 5, D)).float().double())
    weights = parameters("ez text ", ezhoi.bottleneck_shapes("", D, D, WIDTH, False))
    add(tensors, "text_prompts", ezhoi.text_prompts(weights, "", base, descriptions), weights,
        {"base": base, "descriptions": descriptions})

    h = leaf(normal("ez h", 6, 2, D))
    sentences, seen = normal("ez sentences", 3, 4, D), torch.ones(3, 4)
    seen[0, 2:], seen[2, 3:] = 0, 0
    sentences = sentences * seen[:, :, None]
    unseen, partner = torch.tensor([1, 2, 5]), torch.tensor([3, 0, 3])
    weights = parameters("ez unseen ", ezhoi.bottleneck_shapes("", D, D, WIDTH, True))
    for masking in ("released", "boolean"):
        output = ezhoi.unseen_prompts(weights, "", h, sentences, seen, unseen, partner, masking)
        add(tensors, "unseen_prompts_" + masking, output, weights, {"h": h},
            {"sentences": sentences, "seen": seen, "unseen": unseen, "partner": partner})


def pair_heads(tensors):
    humans, objects = leaf(normal("ez humans", 7, D)), leaf(normal("ez things", 7, D))
    weights = parameters("ez fuse ", {**ezhoi.linear_shapes("f.0", D, 2 * D),
                                      **ezhoi.linear_shapes("f.2", D, D)})
    add(tensors, "fuse", ezhoi.fuse(weights, "f.", humans, objects),
        {key[2:]: value for key, value in weights.items()},
        {"humans": humans, "objects": objects})

    weights = parameters("ez memory ", ezhoi.bottleneck_shapes("", D, D, WIDTH, True))
    for case, pairs in (("memory", 7), ("memory_one", 1)):
        v = leaf(normal("ez " + case, pairs, D))
        add(tensors, case, ezhoi.memory(weights, "", v), weights, {"v": v})


def some_boxes(name, count):
    """Corner boxes in a picture of 32 pixels."""
    start = uniform(name + " corner", count, 2, high=20)
    return torch.cat([start, start + uniform(name + " side", count, 2, low=3, high=12)], 1)


VERBS = torch.tensor([0, 1, 3, 4, 0, 3, 2, 0, 2, 3, 4, 0])     # of twelve classes
OBJECTS = torch.tensor([1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 0])
UNSEEN = torch.tensor([3, 6, 8])


def classes(tensors):
    descriptions = unit(normal("ez class descriptions", 12, D)).float().double()
    partner = ezhoi.related_seen(descriptions, UNSEEN)
    selected = ezhoi.select_classes(descriptions, VERBS, UNSEEN, partner)
    tensors.update({"select.descriptions": descriptions, "select.verbs": VERBS,
                    "select.unseen": UNSEEN, "select.partner": partner,
                    "select.output": selected})

    e, texts = leaf(normal("ez e", 7, D)), leaf(normal("ez texts", len(selected), D))
    scale, verbs = leaf(torch.tensor(0.7)), VERBS[selected]
    for case, softmax in (("scorer", False), ("scorer_softmax", True)):
        output = ezhoi.verb_logits(e, texts, verbs, 5, scale, softmax)
        add(tensors, case, output, None, {"e": e, "texts": texts, "scale": scale},
            {"verbs": verbs})

    adapted = leaf(normal("ez adapted", len(selected), D))
    true_classes = torch.tensor([0, 10, 7, 7, 1, 5, 4])
    tensors.update({"relation.adapted": adapted, "relation.descriptions": descriptions,
                    "relation.true_classes": true_classes, "relation.verbs": VERBS,
                    "relation.objects": OBJECTS, "relation.unseen": UNSEEN,
                    "relation.selected": selected})
    for case, reading, given in (("released", "released", UNSEEN), ("right", "right", UNSEEN),
                                 ("right_seen", "right", UNSEEN[:0])):
        rows = ezhoi.relation_rows(reading, true_classes, VERBS, OBJECTS, given, selected)
        loss = ezhoi.relation_loss(adapted, descriptions, rows)
        tensors.update({f"relation.{case}": loss,
                        f"relation.{case}.grad": gradients(loss, adapted)[0]})
        for name, (a, b) in zip(("seen", "unseen"), rows):
            if a:
                tensors.update({f"relation.{case}.{name}_adapted": torch.tensor(a),
                                f"relation.{case}.{name}_described": torch.tensor(b)})
    assert not set(true_classes.tolist()) <= set(selected.tolist())

    place = {c: i for i, c in enumerate(selected.tolist())}
    own = [u for u in UNSEEN.tolist() if u in place]
    assert len(own) > 1
    unseen = torch.tensor([place[u] for u in own])
    partner = torch.tensor([place[partner[UNSEEN.tolist().index(u)].item()] for u in own])
    loss = ezhoi.closeness_loss(adapted, unseen, partner)
    tensors.update({"closeness": loss, "closeness.adapted": adapted, "closeness.unseen": unseen,
                    "closeness.partner": partner,
                    "closeness.adapted.grad": gradients(loss, adapted)[0]})
    targets = torch.zeros(7, 5)
    targets[1, 2], targets[2, 0], targets[2, 4], targets[5, 1] = 1, 1, 1, 1
    loss = ezhoi.negatives_loss(e, texts, verbs, unseen, scale, targets)
    found = gradients(loss, e, texts, scale)
    tensors.update({"negatives": loss, "negatives.e": e, "negatives.texts": texts,
                    "negatives.scale": scale, "negatives.verbs": verbs,
                    "negatives.unseen": unseen, "negatives.targets": targets,
                    "negatives.e.grad": found[0], "negatives.texts.grad": found[1],
                    "negatives.scale.grad": found[2]})


def pairing(tensors):
    """Two humans and three things: pairs, prior, assignment, loss, scores."""
    labels = torch.tensor([0, 0, 2, 1, 3])
    boxes = some_boxes("ez pair", 5)
    scores = uniform("ez pair scores", 5, low=0.2)
    full = torch.zeros(4, 5)
    full[OBJECTS, VERBS] = 1
    table = full.clone()
    table[OBJECTS[UNSEEN], VERBS[UNSEEN]] = 0
    pairs = ezhoi.pairs_of(labels)
    prior = ezhoi.prior_of(scores, labels, pairs, table)

    places = torch.tensor([[0, 3], [0, 3], [1, 2], [1, 0], [0, 4]])    # near these detections
    shift = uniform("ez true shift", 5, 2, 4, low=-1.2, high=1.2)
    truth = boxes[places] + shift
    truth[4, 1] += 6                                                   # too far: no match
    verbs = torch.tensor([1, 3, 0, 0, 2])
    targets = ezhoi.assign(boxes, pairs, truth[:, 0], truth[:, 1], verbs, 5)
    overlap = torch.minimum(ezhoi.iou(boxes[pairs[:, 0]], truth[:, 0]),
                            ezhoi.iou(boxes[pairs[:, 1]], truth[:, 1]))
    assert (overlap - 0.5).abs().min() > 1e-3 and 2 < targets.sum() < 8
    logits = leaf(normal("ez pair logits", len(pairs), 5, scale=2))
    loss = ezhoi.interaction_loss(logits, prior, targets)
    score = ezhoi.prior_of(scores, labels, pairs, full, 2.8) * torch.sigmoid(logits)
    tensors.update({
        "pairs.labels": labels, "pairs.boxes": boxes, "pairs.scores": scores, "pairs.full": full,
        "pairs.table": table, "pairs.output": pairs, "pairs.prior": prior,
        "pairs.true_humans": truth[:, 0], "pairs.true_objects": truth[:, 1],
        "pairs.true_verbs": verbs, "pairs.targets": targets, "pairs.logits": logits,
        "pairs.loss": loss, "pairs.logits.grad": gradients(loss, logits)[0],
        "pairs.final": score})


def make_ezhoi_modules():
    tensors = {}
    for part in (layers, visual, textual, pair_heads, classes, pairing):
        part(tensors)
    write("ezhoi_modules", tensors)
