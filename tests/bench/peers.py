#!/usr/bin/env python3
"""hoi beside PyTorch, ONNX Runtime and OpenVINO on this machine's processor, in one run.

    python3 tests/bench/peers.py --json peers.json [--only CASE ...] [--quick]

Every program runs in a process of its own and is told by a line when to take a sample, so that
samples take turns; each lies between two probes of what multiply-adds in registers reach (hoi's).
Those whose probes are apart or far below the best are dropped. A peer runs at the better of one
and two threads; the long cases, texts and tuning, at two. All use the weights and inputs that hoi
wrote (peer.lua); results are compared. Figures are ratios, a peer's seconds over hoi's, with
everyone's milliseconds beside them. HOI names hoi's program (build/hoi).
Memory is what running added at most to the loaded model; hoi's counts weights laid out at their
first use.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOI = os.environ.get("HOI", str(HERE.parent.parent / "build" / "hoi"))
APART, OF_BEST = 0.10, 0.8      # as in bench.lua
ENOUGH = 1e-3                   # how far results may be apart, of the greatest value
THREADS = (1, 2)
REST = 0.3                      # seconds until a peer's threads, which turn on the spot, sleep
FP32 = ["pytorch_sdpa", "pytorch_eager", "onnxruntime", "openvino"]
BF16 = ["pytorch_bf16", "openvino_bf16"]
CASES = {                       # peers, and samples of each
    "encode_1": (FP32, 5),
    "encode_8": (FP32, 5),
    "encode_1_bf16": (BF16, 5),
    "encode_8_bf16": (BF16, 5),
    "text_600": (["pytorch_77"], 3),
    "pretrain": (["pytorch"], 7),
    "tune_fast": (["pytorch"], 3),
    "tune_lean": (["pytorch"], 3),
    "tune_text_fast": (["pytorch"], 3),
    "tune_text_lean": (["pytorch"], 3),
}


# ------------------------------------------------------------------------------- PyTorch's side

def peer(case, name, folder):
    """Answers lines as peer.lua does, and "threads N"."""
    import numpy
    import torch
    from safetensors.torch import load_file
    from torch import nn
    from torch.nn import functional

    weights = load_file(folder + "/model.safetensors")
    inputs = load_file(folder + "/inputs.safetensors")
    config = json.loads(Path(folder, "config.json").read_text())

    def quick_gelu(x):
        return x * torch.sigmoid(1.702 * x)

    class Block(nn.Module):
        def __init__(self, width, heads, causal, plain):
            super().__init__()
            self.heads, self.causal, self.plain = heads, causal, plain
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def attend(self, q, k, v):
            if not self.plain:
                return functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
            scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
            return scores.softmax(-1) @ v

        def forward(self, x):
            b, n, width = x.shape
            qkv = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            y = self.attend(qkv[0], qkv[1], qkv[2])
            x = x + self.out(y.transpose(1, 2).reshape(b, n, width))
            return x + self.fc2(quick_gelu(self.fc1(self.norm2(x))))

        def fill(self, prefix):
            def both(layer, *names):
                for part in ("weight", "bias"):
                    getattr(layer, part).copy_(torch.cat(
                        [weights[f"{prefix}{n}.{part}"] for n in names]))
            both(self.qkv, *(f"self_attn.{x}_proj" for x in "qkv"))
            both(self.out, "self_attn.out_proj")
            for own, theirs in (("norm1", "layer_norm1"), ("norm2", "layer_norm2"),
                                ("fc1", "mlp.fc1"), ("fc2", "mlp.fc2")):
                both(getattr(self, own), theirs)

    class Tower(nn.Module):
        def __init__(self, text, plain=False):
            super().__init__()
            c = config["text_config" if text else "vision_config"]
            width, places = c["hidden_size"], c.get("max_position_embeddings")
            kind = "text" if text else "vision"
            prefix = kind + "_model."
            if not text:
                places = (c["image_size"] // c["patch_size"]) ** 2 + 1
                self.patches = nn.Conv2d(3, width, c["patch_size"], c["patch_size"], bias=False)
                self.start, self.first = nn.Parameter(torch.empty(width)), nn.LayerNorm(width)
            else:
                self.words = nn.Embedding(c["vocab_size"], width)
            self.text, self.position = text, nn.Parameter(torch.empty(places, width))
            self.blocks = nn.ModuleList(
                Block(width, c["num_attention_heads"], text, plain)
                for _ in range(c["num_hidden_layers"]))
            self.last = nn.LayerNorm(width)
            self.project = nn.Linear(width, config["projection_dim"], bias=False)
            with torch.no_grad():
                e = prefix + "embeddings."
                self.position.copy_(weights[e + "position_embedding.weight"])
                pairs = [(self.last, prefix + ("final_layer_norm" if text else "post_layernorm"))]
                if text:
                    self.words.weight.copy_(weights[e + "token_embedding.weight"])
                else:
                    self.patches.weight.copy_(weights[e + "patch_embedding.weight"])
                    self.start.copy_(weights[e + "class_embedding"].reshape(-1))
                    pairs.append((self.first, prefix + "pre_layrnorm"))
                for layer, their in pairs:
                    layer.weight.copy_(weights[their + ".weight"])
                    layer.bias.copy_(weights[their + ".bias"])
                for i, block in enumerate(self.blocks):
                    block.fill(f"{prefix}encoder.layers.{i}.")
                self.project.weight.copy_(
                    weights["text_projection.weight" if text else "visual_projection.weight"])

        def enter(self, x):
            if self.text:
                return self.words(x) + self.position[:x.shape[1]]
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.start.expand(x.shape[0], 1, -1), x], 1)
            return self.first(x + self.position)

        def leave(self, x):
            return self.project(self.last(x))

        def forward(self, x, ends=None):
            x = self.enter(x)
            for block in self.blocks:
                x = block(x)
            return self.leave(x[torch.arange(len(x)), ends] if self.text else x[:, 0])

    def rows(key):
        return inputs[key].long()

    def encode():
        x = inputs["x"]
        tower = Tower(False, plain=name != "pytorch_sdpa" and name != "pytorch_bf16").eval()
        if name in ("pytorch_sdpa", "pytorch_eager"):
            return lambda threads: lambda: tower(x)
        if name == "pytorch_bf16":
            tower, x = tower.bfloat16(), x.bfloat16()
            return lambda threads: lambda: tower(x)
        file = f"{folder}/{name}.onnx"
        torch.onnx.export(tower, (x,), file, dynamo=False, opset_version=18)
        x = x.numpy()
        if name == "onnxruntime":
            import onnxruntime

            def make(threads):
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = threads
                session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
                given = {session.get_inputs()[0].name: x}
                return lambda: session.run(None, given)[0]
            return make
        import openvino

        def make(threads):
            compiled = openvino.Core().compile_model(file, "CPU", {
                "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "bf16" if "bf16" in name else "f32"})
            request = compiled.create_infer_request()
            return lambda: request.infer([x])[0]
        return make

    def text():
        """As published: every text at all places, in chunks that fit the caches."""
        tower, ids, ends = Tower(True).eval(), rows("ids"), rows("ends") - 1

        def run():
            return torch.cat([tower(ids[i:i + 50], ends[i:i + 50])
                              for i in range(0, len(ids), 50)])
        return lambda threads: run

    def pretrain():
        visual, text = Tower(False), Tower(True)
        scale = nn.Parameter(weights["logit_scale"].reshape(()).clone())
        weight, bias = nn.Parameter(inputs["weight"]), nn.Parameter(inputs["bias"])
        ids, ends, x = rows("ids"), rows("ends") - 1, inputs["x"]
        learned = [*visual.parameters(), *text.parameters(), scale, weight, bias]
        matrices = [p for p in learned if p.dim() > 1]
        others = [p for p in learned if p.dim() <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
            lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=True)
        diagonal = torch.arange(len(x))

        def run():
            y = visual.enter(x)
            for block in visual.blocks:
                y = block(y)
            pictures = functional.normalize(visual.leave(y[:, 0]), dim=-1)
            texts = functional.normalize(text(ids, ends), dim=-1)
            logits = scale.clamp(0, 4.605170186).exp() * pictures @ texts.T
            contrastive = (functional.cross_entropy(logits, diagonal)
                           + functional.cross_entropy(logits.T, diagonal)) / 2
            seen = functional.linear(visual.last(y[:, 1:]), weight, bias)
            cells = functional.binary_cross_entropy_with_logits(seen, inputs["cells"])
            loss = contrastive + len(bias) * cells
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            return loss.detach()
        return lambda threads: run

    def tune():
        """Pictures' prompts stand behind the patches, texts' behind the start token."""
        text = "ids" in inputs
        tower = Tower(text).requires_grad_(False)
        x = rows("ids") if text else inputs["x"]
        layers = sum(key.startswith("prompt") for key in inputs)
        learned = [{kind: inputs[f"{kind}{i + 1}"].requires_grad_()
                    for kind in ("prompt", "down", "up")} for i in range(layers)]
        each, many = torch.arange(len(x)), len(learned[0]["prompt"])

        def put(y, prompt, i, places):
            if text:
                return torch.cat([y[:, :1], prompt, y[:, 1 + (many if i else 0):]], 1)
            return torch.cat([y[:, :places], prompt], 1)

        def run():
            y = tower.enter(x)
            places = y.shape[1]
            for i, block in enumerate(tower.blocks):
                if i < layers:
                    one = learned[i]
                    y = block(put(y, one["prompt"].expand(len(x), -1, -1), i, places))
                    y = y + functional.linear(
                        functional.relu(functional.linear(y, one["down"])), one["up"])
                else:
                    y = block(y)
            at = y[each, rows("ends") - 1 + many] if text else y[:, 0]
            loss = tower.leave(at).square().mean()
            for one in learned:
                for p in one.values():
                    p.grad = None
            loss.backward()
            return loss.detach()
        run.gradient = lambda: learned[0]["prompt"].grad.norm().item()
        return lambda threads: run

    def resident(key):
        status = Path("/proc/self/status").read_text()
        return int(status.split(key + ":")[1].split()[0]) / 1024

    kinds = {"encode": encode, "text": text, "pretrain": pretrain, "tune": tune}
    kind = case.split("_")[0]
    grad = kind in ("pretrain", "tune")
    torch.set_grad_enabled(grad)
    make, made = kinds[kind](), {}
    weights.clear()
    Path("/proc/self/clear_refs").write_text("5")    # the peak begins anew
    loaded = resident("VmRSS")

    def prepare(threads):
        torch.set_num_threads(threads)
        if threads not in made:
            made[threads] = make(threads)
        return made[threads]

    run = prepare(THREADS[-1])
    first = {"program": name, "torch": torch.__version__}
    if "result" in inputs:
        wanted, got = inputs.pop("result").numpy(), run()
        got = got.float().numpy() if isinstance(got, torch.Tensor) else got
        first["apart"] = float(numpy.abs(got - wanted).max() / numpy.abs(wanted).max())
    print(json.dumps(first), flush=True)
    for line in sys.stdin:
        word, *number = line.split()
        count = int(number[0]) if number else 1
        if word == "threads":
            run, answer = prepare(count), {}
        elif word == "run":
            begun = time.perf_counter()
            for _ in range(count):
                run()
            answer = {"seconds": (time.perf_counter() - begun) / count}
        elif word == "memory":
            answer = {"mb": resident("VmHWM") - loaded}
        else:
            answer = {"loss": run().item(), "gradient": run.gradient()}
        print(json.dumps(answer), flush=True)


# ------------------------------------------------------------------------------- the run

class Program:
    """A child that answers lines."""

    def __init__(self, command):
        self.name = command[-2]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, cwd=HERE.parent.parent)
        self.first = self.answer()

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            sys.exit(f"peers: {self.name} ended")
        return json.loads(line)

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.answer()

    def close(self):
        self.child.stdin.close()
        self.child.wait()


class Sampler:
    """Takes samples between two probes; knows the best probe of the whole run."""

    best = 0.0

    def __init__(self, hoi, sample_seconds):
        self.hoi, self.sample_seconds = hoi, sample_seconds

    def probe(self):
        gigaflops = self.hoi.ask("probe")["gigaflops"]
        Sampler.best = max(Sampler.best, gigaflops)
        return gigaflops

    def warm(self, program, is_peer, threads):
        """Gets runs a sample; leaves a peer at its better number of threads."""
        tried = {}
        for n in threads if is_peer else (0,):
            if is_peer:
                program.ask(f"threads {n}")
            program.ask("run 1")
            tried[n] = program.ask("run 1")["seconds"]
        n = min(tried, key=tried.get)
        if len(tried) > 1:
            program.ask(f"threads {n}")
            program.ask("run 1")
        return max(1, round(self.sample_seconds / tried[n])), n

    def take(self, program, runs):
        before = self.probe()
        seconds = program.ask(f"run {runs}")["seconds"]
        time.sleep(REST)
        return seconds, before, self.probe()


def calm(samples):
    return [s for s in samples if abs(s[1] - s[2]) <= APART * (s[1] + s[2]) / 2
            and (s[1] + s[2]) / 2 >= OF_BEST * Sampler.best]


def check(case, hoi, others):
    """Ends where a program did not compute what hoi did."""
    for p in others:
        apart = p.first.get("apart")
        if apart is None:
            ours, theirs = hoi.ask("result"), p.ask("result")
            apart = max(abs(ours[key] - theirs[key]) / abs(ours[key]) for key in ours)
        p.first["apart"] = apart
        if apart > (0.1 if "bf16" in p.name else ENOUGH):
            sys.exit(f"peers: {case}: {p.name} is {apart:.2g} apart from hoi")


def measure(case, quick, figures):
    names, rounds = CASES[case]
    rounds = 2 if quick else rounds
    with tempfile.TemporaryDirectory() as folder:
        hoi = Program([HOI, str(HERE / "peer.lua"), case, folder])
        others = [Program([sys.executable, __file__, "--peer", case, name, folder])
                  for name in names]
        sampler, every = Sampler(hoi, 0.02 if quick else 0.2), [hoi, *others]
        threads = (2,) if case == "text_600" or case.startswith("tune") else THREADS
        ways = [sampler.warm(p, p is not hoi, threads) for p in every]
        samples = [[] for _ in every]
        for _ in range(2 * rounds):
            if all(len(calm(s)) >= rounds for s in samples):
                break
            for p, (runs, _), list_ in zip(every, ways, samples):
                if len(calm(list_)) < rounds:
                    list_.append(sampler.take(p, runs))
        memory = [p.ask("memory")["mb"] for p in every]
        check(case, hoi, others)
        for p in every:
            p.close()

    kept = [calm(s) or s for s in samples]
    ms = [1e3 * statistics.median(s[0] for s in list_) for list_ in kept]
    print(f"{case}")
    for i, p in enumerate(every):
        label = "hoi" if p is hoi else p.name
        figures["peers"].setdefault(case, {})[label] = {
            "ms": ms[i], "threads": ways[i][1] or None, "memory_mb": memory[i],
            "calm": len(calm(samples[i])), "samples": len(samples[i]),
            "apart": p.first.get("apart")}
        print(f"  {label:16} {ms[i]:10.2f} ms  {ms[i] / ms[0]:6.2f}  "
              f"{'' if p is hoi else str(ways[i][1]) + ' threads':10} {memory[i]:7.0f} MB  "
              f"{len(calm(samples[i]))} of {len(samples[i])} calm", flush=True)

    of = {p.name: ms[i] for i, p in enumerate(every) if p is not hoi}
    pytorch = min(v for k, v in of.items() if "pytorch" in k)
    if case.startswith("encode"):
        dtype = "bf16" if "bf16" in case else "fp32"
        figures[f"{case}_vs_best_{dtype}"] = min(of.values()) / ms[0]
        figures[case + "_fraction"] = statistics.median(
            hoi.first["gigaflop"] / s[0] / ((s[1] + s[2]) / 2) for s in kept[0])
    suffix = "_vs_published" if case == "text_600" else "_vs_pytorch"
    figures[case + suffix] = pytorch / ms[0]
    if case.startswith("tune"):
        figures[case + "_memory_ratio"] = memory[0] / memory[1]


def main():
    parser = argparse.ArgumentParser(description="Measures hoi beside its peers, in one run.")
    parser.add_argument("--json", help="a file for the figures")
    parser.add_argument("--only", action="append", choices=CASES, help="a case; can be repeated")
    parser.add_argument("--quick", action="store_true", help="few samples: does it work?")
    args = parser.parse_args()
    figures = {"peers": {}}
    for case in args.only or CASES:
        measure(case, args.quick, figures)
    figures["probe_gflops"] = Sampler.best
    for name, value in figures.items():
        if name != "peers":
            print(f"{name:32} {value:.4g}")
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n")


if sys.argv[1:2] == ["--peer"]:
    peer(*sys.argv[2:])
else:
    main()
