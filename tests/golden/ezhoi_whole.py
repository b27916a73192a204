"""EZ-HOI whole on clip_ezhoi: two pictures, twelve classes, as released and as the paper has it."""
import math

import torch
from transformers import CLIPTokenizer

import ezhoi
import ezhoi_peer
from ezhoi_modules import OBJECTS, UNSEEN, VERBS, parameters
from folders import EZHOI, weights_of
from regions import roi_align
from towers import (blocks, causal, linear, text_embed, text_enter, text_leave, unit, visual_enter,
                    visual_leave)
from values import HERE, agree, leaf, normal, uniform, write

LEARNER = "clip_head.prompt_learner."
BASE = LEARNER + "txtcls_ctx_pt."
DEPTH, WIDTH, SIZE, GRID = 3, 8, 32, 4
VERB_WORDS = ["holding", "kicking", "riding", "sitting on", "standing on"]
OBJECT_WORDS = ["person", "ball", "dog", "horse"]
ACTS = [f"a photo of a person {VERB_WORDS[v]} a {OBJECT_WORDS[o]}" for v, o in zip(VERBS, OBJECTS)]
TOLD = ["the ball on the board", "a red ball kicking", "sitting on a ball", "with a red board",
        "holding the dog with", "a dog sitting", "riding with the dog", "the horse with a cup",
        "a person on the horse", "a horse and board", "standing the red horse", "person with"]
SENTENCES = [["a person standing on the ball", "a cup on the board", "the drawing of a ball"],
             ["riding a red dog"], ["the horse with a person on the horse", "a person riding"]]


class Half(torch.autograd.Function):
    """Rounds to fp16 as a cast does; backward rounds the gradient too, or lets it pass."""

    @staticmethod
    def forward(ctx, x, both):
        ctx.both = both
        return x.float().half().to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        return (grad.float().half().to(grad.dtype) if ctx.both else grad), None


def roi_mean_rows(boxes):
    """(n, cells): the mean over 7 x 7 bins of ROI-Align is this times the map's tokens."""
    cells = torch.eye(GRID * GRID).reshape(1, GRID, GRID, -1)
    places = torch.zeros(len(boxes), dtype=torch.long)
    return roi_align(cells, places, boxes, GRID / SIZE, 7, 7).mean((1, 2))


def token_ids(texts):
    tokenizer = CLIPTokenizer.from_pretrained(HERE / "clip_ezhoi")
    return torch.tensor(tokenizer(texts, padding="max_length", truncation=True,
                                  max_length=20)["input_ids"])


class Setting:
    """Everything that is not learned."""

    def __init__(self):
        self.clip = weights_of("clip_ezhoi")
        self.prompt_ids = token_ids([act.replace("a photo", "A photo", 1) + "." for act in ACTS])
        self.description_ids = token_ids([f"{a}: {t}" for a, t in zip(ACTS, TOLD)])
        self.object_ids = token_ids([f"a photo of a {word}" for word in OBJECT_WORDS])
        self.descriptions = unit(self.frozen_text(self.description_ids))
        self.objects = self.frozen_text(self.object_ids)
        self.sentence_ids = torch.stack([
            token_ids([*texts, *[""] * (3 - len(texts))]) for texts in SENTENCES])
        self.seen = torch.tensor([[1.0] * len(t) + [0.0] * (3 - len(t)) for t in SENTENCES])
        self.sentences = torch.stack([self.frozen_text(ids) for ids in self.sentence_ids])
        self.sentences = self.sentences * self.seen[:, :, None]
        self.partner = ezhoi.related_seen(self.descriptions, UNSEEN)
        self.selected = ezhoi.select_classes(self.descriptions, VERBS, UNSEEN, self.partner)
        self.base = normal("ezhoi base prompts 5", DEPTH, 2, 16)
        place = {c: i for i, c in enumerate(self.selected.tolist())}
        self.kept = torch.tensor([i for i, u in enumerate(UNSEEN.tolist()) if u in place])
        self.unseen_rows = torch.tensor([place[u] for u in UNSEEN[self.kept].tolist()])
        self.partner_rows = torch.tensor([place[s] for s in self.partner[self.kept].tolist()])

        self.pixels = normal("ezhoi pixels", 2, 3, SIZE, SIZE)
        self.guidance_pixels = normal("ezhoi guidance", 2, 3, SIZE, SIZE)
        frozen = blocks(visual_enter(self.guidance_pixels, self.clip, EZHOI["vision_config"]),
                        self.clip, "vision_model", EZHOI["vision_config"])[-1]
        self.guidance = visual_leave(frozen, self.clip)[:, 1:]
        self.full = torch.zeros(4, 5)
        self.full[OBJECTS, VERBS] = 1
        self.table = self.full.clone()
        self.table[OBJECTS[UNSEEN], VERBS[UNSEEN]] = 0
        self.pictures = [self.picture(0, [0, 0, 1], [[0, 1, 3, 0], [1, 2, 1, 0.5], [1, 0, 11, 9]]),
                         self.picture(1, [0, 0, 1, 2, 3], [[0, 2, 0, 0.4], [1, 4, 10, 0.8],
                                                           [0, 3, 4, 0.3], [1, 3, 5, 1.0]])]
        self.true_classes = torch.cat([p["true_classes"] for p in self.pictures])

    def frozen_text(self, ids):
        read = blocks(text_enter(text_embed(ids, self.clip), self.clip), self.clip, "text_model",
                      EZHOI["text_config"], causal(20))[-1]
        return text_leave(read, ids, self.clip)[1]

    def picture(self, place, labels, truth):
        """truth: human, other, class, how far off in pixels the true boxes are."""
        name, labels = f"ezhoi picture {place}", torch.tensor(labels)
        corner = uniform(name + " corner", len(labels), 2, high=18)
        side = uniform(name + " side", len(labels), 2, low=5, high=13)
        boxes = torch.cat([corner, corner + side], 1)
        pairs = ezhoi.pairs_of(labels)
        scores = uniform(name + " scores", len(labels), low=0.3)
        shift = torch.tensor([t[3] for t in truth])[:, None]
        shift = shift * uniform(name + " shift", len(truth), 4, low=-1, high=1).sign()
        # unseen classes are no annotations
        ids = torch.tensor([t[2] for t in truth])
        keep = torch.tensor([i for i, c in enumerate(ids.tolist()) if c not in UNSEEN])
        made = dict(labels=labels, boxes=boxes, scores=scores, pairs=pairs,
                    true_classes=ids[keep])
        for key, part in (("true_humans", 0), ("true_objects", 1)):
            near = boxes[torch.tensor([t[part] for t in truth])] + shift
            made[key] = near[keep].float().double()
        made["prior"] = ezhoi.prior_of(scores, labels, pairs, self.table)
        made["targets"] = ezhoi.assign(boxes, pairs, made["true_humans"], made["true_objects"],
                                       VERBS[made["true_classes"]], 5)
        made["rows"] = roi_mean_rows(boxes)
        return made


def bases(s, state):
    """Base prompts, as given or as trained."""
    return [state.get(f"{BASE}{i}", base) for i, base in enumerate(s.base)]


def text_features(s, state, mode):
    """Adapted features of the selected classes."""
    prompts = []
    for base in bases(s, state):
        h = ezhoi.text_prompts(state, LEARNER + "txtcls_pt_adapter.", base,
                               s.descriptions[s.selected])
        prompts.append(ezhoi.unseen_prompts(
            state, LEARNER + "unseen_pt_adapter.", h, s.sentences[s.kept], s.seen[s.kept],
            s.unseen_rows, s.partner_rows, "released" if mode == "released" else "boolean"))
    first = 18 if mode == "released" else 1

    def put(x, layer):
        return torch.cat([x[:, :first], prompts[layer], x[:, first + 2:]], 1)

    ids = s.prompt_ids[s.selected]
    words = put(text_embed(ids, s.clip), 0)
    read = blocks(text_enter(words, s.clip), s.clip, "text_model", EZHOI["text_config"],
                  causal(20), lambda i, x: put(x, i) if 1 <= i < DEPTH else x)
    return text_leave(read[-1], ids, s.clip)[1]


def visual_prompts(s, state, mode, half_grad):
    """(depth, pictures, 2, d_v)"""
    layers = []
    for i, base in enumerate(bases(s, state)):
        part = "proj" if i == 0 else f"compound_prompt_proj_vis.{i - 1}"
        projected = linear(base, state, LEARNER + part)
        v = ezhoi.image_prompts(state, LEARNER + "img_clip_pt_adapter.", projected, s.guidance)
        layers.append(Half.apply(v, half_grad) if mode == "released" else v)
    return torch.stack(layers)


def visual_map(s, state, prompts):
    """Projected patch tokens (pictures, cells, d) of the prompted and adapted tower."""
    most = max(len(p["labels"]) for p in s.pictures)
    vectors, seen = torch.zeros(2, most, 21), torch.zeros(2, most)
    for i, p in enumerate(s.pictures):
        n = len(p["labels"])
        vectors[i, :n] = ezhoi.instance_vectors(p["scores"], p["boxes"], p["labels"], SIZE,
                                                s.objects)
        seen[i, :n] = 1
    prior = ezhoi.mlp(state, "priors_downproj", vectors)

    def before(i, x):
        if 1 <= i < DEPTH:
            x = torch.cat([x[:, :-2], prompts[i]], 1)
        name = f"clip_head.image_encoder.transformer.resblocks.{i}.adaptermlp."
        return x + ezhoi.adapter(state, name, x, prior, seen)

    x = visual_enter(s.pixels, s.clip, EZHOI["vision_config"], prompts[0])
    x = blocks(x, s.clip, "vision_model", EZHOI["vision_config"], before=before)[-1]
    return visual_leave(x, s.clip)[:, 1:1 + GRID * GRID]


def forward(s, state, mode, softmax=False, half_grad=False):
    """Everything of one step by name, without the optional losses."""
    out = {"texts": text_features(s, state, mode),
           "visual_prompts": visual_prompts(s, state, mode, half_grad)}
    out["map"] = visual_map(s, state, out["visual_prompts"])
    scale, verbs, fused = state["logit_scale_HO"], VERBS[s.selected], []
    for i, p in enumerate(s.pictures):
        regions = unit(p["rows"] @ out["map"][i])
        v = ezhoi.fuse(state, "vis_fuse.", regions[p["pairs"][:, 0]], regions[p["pairs"][:, 1]])
        e = ezhoi.memory(state, "mem_adapter.", v)
        logits = ezhoi.verb_logits(e, out["texts"], verbs, 5, scale, softmax)
        final = ezhoi.prior_of(p["scores"], p["labels"], p["pairs"], s.full, 2.8)
        fused.append(e)
        out.update({f"regions_{i}": regions, f"fused_{i}": v, f"pair_{i}": e,
                    f"logits_{i}": logits, f"final_{i}": final * torch.sigmoid(logits)})
    prior, targets = (torch.cat([p[key] for p in s.pictures]) for key in ("prior", "targets"))
    logits = torch.cat([out["logits_0"], out["logits_1"]])
    out["interaction"] = ezhoi.interaction_loss(logits, prior, targets)
    reading = "released" if mode == "released" else "right"
    rows = ezhoi.relation_rows(reading, s.true_classes, VERBS, OBJECTS, UNSEEN, s.selected)
    out["relation"] = ezhoi.relation_loss(out["texts"], s.descriptions, rows)
    out["closeness"] = ezhoi.closeness_loss(out["texts"], s.unseen_rows, s.partner_rows)
    out["negatives"] = ezhoi.negatives_loss(torch.cat(fused), out["texts"], verbs, s.unseen_rows,
                                            scale, targets * (prior > 0))
    return out


def start():
    shapes = ezhoi.trainable_shapes(16, 24, 4, WIDTH, DEPTH)
    state = parameters("ezhoi state ", {key: shape for key, shape in shapes.items() if shape})
    state["logit_scale_HO"] = leaf(torch.tensor(math.log(1 / 0.07)).float().double())
    return state


# name: mode, softmax, weight of closeness and of negatives; `option`: of what else differs
RUNS = {"released": ("released", False, 0.0, None),
        "released_half": ("released", False, 0.0, "half gradient"),
        "paper": ("paper", False, 0.0, None), "paper_softmax": ("paper", True, 0.0, None),
        "paper_trained": ("paper", False, 0.0, "trained base"),
        "paper_all": ("paper", False, 1.0, None)}
SAID = {"released_half": (), "paper_trained": (), "paper_all": (), "paper_softmax": (
    "logits_0", "logits_1", "final_0", "final_1", "interaction")}    # else as `released`, `paper`


def total(out, weight):
    loss = out["interaction"] + out["relation"]
    return loss + weight * (out["closeness"] + out["negatives"]) if weight else loss


def named_gradients(loss, state):
    """Of the parameters that have any: the others' are zero and not kept."""
    found = torch.autograd.grad(loss, state.values(), retain_graph=True, allow_unused=True)
    return {name: grad for name, grad in zip(state, found)
            if grad is not None and grad.abs().max() > 0}


def with_bases(s, state):
    return {**state, **{f"{BASE}{i}": leaf(base) for i, base in enumerate(s.base)}}


def train(s, mode, softmax, weight, option):
    state = with_bases(s, start()) if option == "trained base" else start()
    optimizer = torch.optim.AdamW(state.values(), lr=1e-3, weight_decay=1e-4)
    losses, norms = [], []
    for step in range(11):
        loss = total(forward(s, state, mode, softmax, option == "half gradient"), weight)
        losses.append(loss.item())
        if step < 10:
            optimizer.zero_grad()
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(state.values(), 0.1).item())
            optimizer.step()
    return losses, norms


def check_counts():
    """Trainable parameters at real sizes, which the paper and the released code agree on."""
    for model, sizes, count in (("ViT-B/16", (512, 768, 12), 6_854_337),
                                ("ViT-L/14@336", (768, 1024, 24), 14_076_353)):
        found = sum(math.prod(shape) for shape in ezhoi.trainable_shapes(*sizes).values())
        assert found == count, (model, found)
        print(f"{model}: {found:,} trainable parameters")


def check_half(prompts):
    """No rounded value is so near the middle of two halves that float32 could fall elsewhere."""
    near = prompts.float().half().double()
    beyond = torch.nextafter(near.half(), (near + near.sign()).half()).double()
    margin = (0.5 - (prompts - near).abs() / (beyond - near).abs()).abs().min().item()
    assert margin > 2e-3, margin


def make_ezhoi_whole():
    check_counts()
    s, state = Setting(), start()
    tensors = {key: getattr(s, key) for key in (
        "prompt_ids", "description_ids", "object_ids", "sentence_ids", "descriptions", "objects",
        "sentences", "partner", "selected", "guidance", "full", "table")}
    tensors.update({"pixel_values": s.pixels, "guidance_pixels": s.guidance_pixels,
                    "base_prompts": s.base, "sentences.seen": s.seen, "verbs": VERBS,
                    "class_objects": OBJECTS, "unseen": UNSEEN})
    for i, p in enumerate(s.pictures):
        tensors.update({f"{key}_{i}": value for key, value in p.items()})
    assert sum(p["targets"][p["prior"] > 0].sum() for p in s.pictures) >= 4
    check_half(visual_prompts(s, state, "paper", False))

    found = {}
    for run, (mode, softmax, weight, option) in RUNS.items():
        own = with_bases(s, state) if mode == "paper" else state     # gradients of these too
        out = forward(s, own, mode, softmax, option == "half gradient")
        loss = total(out, weight)
        losses, norms = train(s, mode, softmax, weight, option)
        assert losses[10] < losses[0] and max(norms) > 0.1
        tensors.update({f"{run}.{key}": out[key] for key in SAID.get(run, out)})
        tensors.update({f"{run}.loss": loss, f"{run}.losses": losses,
                        f"{run}.gradient_norms": norms})
        grads = named_gradients(loss, own)
        if option == "half gradient":                       # elsewhere they are as in `released`
            grads = {key: value for key, value in grads.items() if key.startswith(LEARNER)}
        if option != "trained base":                        # as in `paper`
            found.update({f"{run}.{key}": value for key, value in grads.items()})
        print(run, [round(x, 4) for x in losses], "norm", round(norms[0], 3))
        if run == "paper":
            for part in ("relation", "closeness", "negatives"):
                found.update({f"{part}.{key}": value
                              for key, value in named_gradients(out[part], own).items()})

    ezhoi_peer.check_peer(s, state, VERBS, {mode: forward(s, state, mode)
                                            for mode in ("released", "paper")})
    plain = s.frozen_text(s.prompt_ids)[s.selected]
    agree(tensors["released.texts"], plain, "released prompts behind the end")
    assert (tensors["paper.texts"] - plain).abs().max() > 0.1
    assert not any(key.startswith("released." + LEARNER + part) for key in found
                   for part in ("txtcls", "unseen", "ctx"))
    write("ezhoi_whole", tensors, acts=ACTS, described=TOLD, sentences=SENTENCES,
          verbs=VERB_WORDS, objects=OBJECT_WORDS)
    write("ezhoi_state", state)
    write("ezhoi_gradients", found)
