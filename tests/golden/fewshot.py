"""Few-shot classifiers: gradients of the first step, losses of ten, and where the numbers end."""
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import CLIPTokenizer

from folders import QUICK, weights_of
from towers import (activation, blocks, causal, layer_norm, linear, text_embed, text_enter,
                    text_leave, unit, visual_enter, visual_leave)
from values import HERE, gradients, leaf, normal, uniform, write

NAMES = ["dog", "red horse", "cup", "42"]
STEPS = 10


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=5e-4)


def adamw(parameters, eps=1e-8, lr=1e-3):
    return torch.optim.AdamW(parameters, lr=lr, eps=eps, weight_decay=0.01)


def entropy(logits, labels):
    return -torch.log_softmax(logits, 1)[range(len(labels)), labels].mean()


def train(case, start, loss_of, make_optimizer):
    """Ten steps on the same batch; keys: CASE.start.NAME, CASE.grad.NAME, CASE.end.NAME, CASE.losses."""
    leaves = {name: leaf(value) for name, value in start.items()}
    tensors = {f"{case}.start.{name}": value for name, value in start.items()}
    found = gradients(loss_of(leaves), *leaves.values())
    tensors.update({f"{case}.grad.{name}": value for name, value in zip(leaves, found)})
    optimizer, values = make_optimizer(list(leaves.values())), []
    for _ in range(STEPS):
        loss = loss_of(leaves)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    tensors.update({f"{case}.end.{name}": value for name, value in leaves.items()})
    tensors[f"{case}.losses"] = values
    return tensors


def adapters():
    x, labels = normal("adapter x", 12, 20), torch.arange(12) * 7 % 5
    text = unit(normal("adapter text", 5, 20)).float().double()
    tensors = {"x": x, "labels": labels, "text": text, "scale": 10.0}

    def start(name, *sides, bias=False, width=20):
        found = {}
        for side in sides:
            for layer, rows, columns in (("down", width // 4, width), ("up", width, width // 4)):
                found[f"{side}.{layer}.weight"] = uniform(
                    f"{name} {side} {layer}", rows, columns, low=-0.5, high=0.5)
                if bias:
                    found[f"{side}.{layer}.bias"] = normal(f"{name} {side} {layer} b", rows, scale=0.1)
        return found

    def apply(p, side, y, last):
        h = linear(torch.relu(linear(y, p, side + ".down")), p, side + ".up")
        return torch.relu(h) if last else h

    def code(p):
        f = 0.2 * apply(p, "image", x, True) + 0.8 * x
        return entropy(10 * unit(f) @ text.T, labels)

    def paper(p):
        f = 0.6 * apply(p, "image", x, False) + 0.4 * x
        w = 0.3 * apply(p, "text", text, False) + 0.7 * text
        return entropy(10 * unit(f) @ unit(w).T, labels)

    def learned(p):
        a, b = torch.sigmoid(linear(x, p, "alpha")), torch.sigmoid(linear(text, p, "beta"))
        f = a * apply(p, "image", x, True) + (1 - a) * x
        w = b * apply(p, "text", text, True) + (1 - b) * text
        return entropy(10 * unit(f) @ unit(w).T, labels)

    tensors.update(train("code", start("code", "image"), code, adamw))
    tensors.update(train("paper", start("paper", "image", "text"), paper, sgd))
    gates = {f"{side}.{kind}": normal(f"gate {side} {kind}", *shape, scale=0.3)
             for side in ("alpha", "beta") for kind, shape in (("weight", (1, 20)), ("bias", (1,)))}
    tensors.update(train("learned", {**start("learned", "image", "text", bias=True), **gates},
                         learned, adamw))

    keys, slots = unit(normal("tip keys", 15, 20)).float().double(), torch.arange(15) % 5
    values = torch.nn.functional.one_hot(slots, 5).double()

    def tip(p, a=1.3, b=2.5):
        f = unit(x)
        return 10 * f @ text.T + a * torch.exp(-b * (1 - f @ p["keys"].T)) @ values

    tensors.update({"tip.keys": keys, "tip.labels": slots, "tip.logits": tip({"keys": keys})})
    tensors.update(train("tip_f", {"keys": keys}, lambda p: entropy(tip(p), labels),
                         lambda p: adamw(p, eps=1e-4)))
    write("fewshot_adapters", tensors)


def layer_block(x, p, name, heads, act, change, mask=None):
    """A block whose projections may be changed: change(part, input) is added to their outputs."""
    b, n, width = x.shape
    h = layer_norm(x, p, name + ".layer_norm1")
    q, k, v = ((linear(h, p, f"{name}.self_attn.{part}_proj") + change(part, h))
               .reshape(b, n, heads, width // heads).transpose(1, 2) for part in "qkv")
    scores = q @ k.transpose(2, 3) / (width // heads) ** 0.5
    mixed = torch.softmax(scores if mask is None else scores + mask, -1) @ v
    x = x + linear(mixed.transpose(1, 2).reshape(b, n, width), p, name + ".self_attn.out_proj")
    h = linear(layer_norm(x, p, name + ".layer_norm2"), p, name + ".mlp.fc1")
    return x + linear(activation(h, act), p, name + ".mlp.fc2")


def through_towers():
    weights, tokenizer = weights_of("clip_quick"), CLIPTokenizer.from_pretrained(HERE / "clip_quick")
    vision, words = QUICK["vision_config"], QUICK["text_config"]
    scale, table = weights["logit_scale"].exp(), weights["text_model.embeddings.token_embedding.weight"]
    pixels, labels = normal("fewshot pixels", 6, 3, 30, 30), torch.tensor([0, 1, 2, 3, 1, 0])
    x = normal("fewshot x", 6, 20)
    tensors = {"pixels": pixels, "labels": labels, "x": x}

    def ids_of(texts):
        return torch.tensor(tokenizer(texts, padding="max_length", max_length=20)["input_ids"])

    def read(rows, ids, before=None):
        states = blocks(text_enter(rows, weights), weights, "text_model", words, causal(20), before)
        return unit(text_leave(states[-1], ids, weights)[1])

    def coop(position, specific):
        ids = ids_of([" ".join(["X"] * 4) + f" {name}." for name in NAMES])
        lengths = [len(tokenizer(name)["input_ids"]) - 2 for name in NAMES]
        before = {"end": 4, "middle": 2, "front": 0}[position]

        def loss(p):
            rows = []
            for i, length in enumerate(lengths):
                own = p["contexts"][4 * i:4 * i + 4] if specific else p["contexts"]
                fixed = table[ids[i]]
                rows.append(torch.cat([fixed[:1], own[:before], fixed[5:5 + length], own[before:],
                                       fixed[5 + length:]]))
            return entropy(scale * unit(x) @ read(torch.stack(rows), ids).T, labels)

        count = 16 if specific else 4
        case = f"coop_{position}" + ("_specific" if specific else "")
        return train(case, {"contexts": normal(case, count, 24, scale=0.3)}, loss, sgd)

    for position, specific in (("end", False), ("middle", False), ("front", False), ("end", True)):
        tensors.update(coop(position, specific))

    ids = ids_of([f"a photo of a {name}." for name in NAMES])

    def maple(p):
        def put_text(i, y):
            prompts = p[f"prompts.{i + 1}"].expand(len(y), -1, -1)
            return torch.cat([y[:, :1], prompts, y[:, 3:]], 1)

        def image(i):
            return linear(p[f"prompts.{i + 1}"], p, f"couple.{i + 1}")

        def put_image(i, y):
            return y if i == 0 else torch.cat([y[:, :-2], image(i).expand(len(y), -1, -1)], 1)

        text = read(put_text(0, text_embed(ids, weights)), ids,
                    lambda i, y: y if i == 0 else put_text(i, y))
        seen = blocks(visual_enter(pixels, weights, vision, image(0)), weights, "vision_model",
                      vision, before=put_image)
        return entropy(scale * unit(visual_leave(seen[-1], weights)[:, 0]) @ text.T, labels)

    start = {}
    for i in (1, 2):
        start[f"prompts.{i}"] = normal(f"maple few {i}", 2, 24, scale=0.3)
        start[f"couple.{i}.weight"] = normal(f"maple couple {i}", 32, 24, scale=0.2)
        start[f"couple.{i}.bias"] = normal(f"maple bias {i}", 32, scale=0.1)
    tensors.update(train("maple", start, maple, sgd))

    def lora(p):
        def run(side, y, config, name, mask):
            for i in range(config["num_hidden_layers"]):
                def change(part, h):
                    key = f"{side}.{i + 1}.{part}"
                    return h @ p[key + ".down"].T @ p[key + ".up"].T / 2 ** 0.5
                y = layer_block(y, weights, f"{name}.encoder.layers.{i}",
                                config["num_attention_heads"], config["hidden_act"], change, mask)
            return y
        text = run("text", text_enter(text_embed(ids, weights), weights), words, "text_model",
                   causal(20))
        seen = run("visual", visual_enter(pixels, weights, vision), vision, "vision_model", None)
        return entropy(scale * unit(visual_leave(seen, weights)[:, 0])
                       @ unit(text_leave(text, ids, weights)[1]).T, labels)

    start = {}
    for side, width in (("text", 24), ("visual", 32)):
        for i in (1, 2):
            for part in "qkv":
                key = f"{side}.{i}.{part}"
                start[key + ".down"] = normal("lora down " + key, 2, width, scale=0.2)
                start[key + ".up"] = normal("lora up " + key, width, 2, scale=0.2)
    tensors.update(train("lora", start, lora, adamw))

    def inside(p):
        def adapt(y):
            h = torch.relu(linear(y, p, "layers.1.down"))
            return 0.4 * torch.relu(linear(h, p, "layers.1.up")) + 0.6 * y
        seen = blocks(visual_enter(pixels, weights, vision), weights, "vision_model", vision,
                      before=lambda i, y: adapt(y) if i == 1 else y)
        text = read(text_embed(ids, weights), ids)
        return entropy(scale * unit(visual_leave(seen[-1], weights)[:, 0]) @ text.T, labels)

    start = {"layers.1.down.weight": normal("inside down", 8, 32, scale=0.2),
             "layers.1.up.weight": normal("inside up", 32, 8, scale=0.3)}
    tensors.update(train("inside", start, inside, adamw))
    write("fewshot_towers", tensors)


def probe():
    """scikit-learn's logistic regression, run until its slope is nearly none."""
    centres, labels = normal("probe centres", 7, 24), torch.arange(56) % 7
    x = unit(centres[labels] + 1.2 * normal("probe noise", 56, 24)).float().double()
    tensors = {"x": x, "labels": labels, "new": unit(normal("probe new", 40, 24))}
    for name, c in (("weak", 0.316), ("strong", 100.0)):
        model = LogisticRegression(C=c, max_iter=10000, tol=1e-10).fit(x.numpy(), labels.numpy())
        tensors[f"{name}.C"] = c
        tensors[f"{name}.weight"] = torch.from_numpy(model.coef_)
        tensors[f"{name}.bias"] = torch.from_numpy(model.intercept_)
        guesses = model.predict(np.float64(np.float32(tensors["new"].numpy())))
        tensors[f"{name}.guesses"] = torch.from_numpy(guesses)
    write("fewshot_probe", tensors)


def make_fewshot():
    adapters()
    through_towers()
    probe()
