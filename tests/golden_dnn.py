#!/usr/bin/env python3
"""Writes four tiny detectors in ONNX, one of each head that the plugin `dnn` reads, and what they
find in a made-up picture.

    pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
    python3 tests/golden_dnn.py

Writes tests/golden/dnn_{yolox,fastestdet,yolov5,yolov8}.onnx and dnn.json: the picture's size, and
for each model its detections. Decoded here from the heads' definitions, in double precision, from
what ONNX Runtime computes. Python is needed neither to build nor to test hoi.
"""
import json
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

HERE = Path(__file__).resolve().parent / "golden"
SIZE, WIDTH, HEIGHT, LABELS = 96, 96, 64, ["person", "dog", "ball"]
STRIDES = [8, 16, 32]
THRESHOLD, NMS = 0.3, 0.45
attempt = 0


class Doubtful(Exception):
    """A number so near a threshold, or scores so near each other, that rounding would decide."""


def picture(height):
    """(height, WIDTH, 3): what tests/lua/dnn_spec.lua makes by the same formula."""
    y, x = np.mgrid[:height, :WIDTH]
    red = x // 8 * 53 % 256
    green = y // 8 * 91 % 256
    blue = (x // 4 + y // 4) * 37 % 256
    return np.stack([red, green, blue], -1).astype(np.uint8)


def made_up(name, *shape, scale):
    seed = zlib.crc32(f"{name} {attempt}".encode())
    return (np.random.RandomState(seed).standard_normal(shape) * scale).astype(np.float32)


def save(name, nodes, weights, shape):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("images", TensorProto.FLOAT,
                                                    [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(w, k) for k, w in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.checker.check_model(model)
    path = HERE / f"dnn_{name}.onnx"
    onnx.save(model, path)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def pooled_heads(name, strides, channels, offset, scale):
    """Average pools and 1x1 convolutions with a sigmoid on channels from `offset` on."""
    nodes, weights, parts = [], {}, []
    for s in strides:
        weights[f"w{s}"] = made_up(f"{name} w{s}", channels, 3, 1, 1, scale=scale)
        weights[f"b{s}"] = made_up(f"{name} b{s}", channels, scale=0.3)
        nodes += [helper.make_node("AveragePool", ["images"], [f"p{s}"], kernel_shape=[s, s],
                                   strides=[s, s]),
                  helper.make_node("Conv", [f"p{s}", f"w{s}", f"b{s}"], [f"c{s}"],
                                   kernel_shape=[1, 1])]
        weights[f"shape{s}"] = np.array([1, channels, -1], np.int64)
        nodes.append(helper.make_node("Reshape", [f"c{s}", f"shape{s}"], [f"r{s}"]))
        parts.append(f"r{s}")
    nodes.append(helper.make_node("Concat", parts, ["all"], axis=2))
    nodes.append(helper.make_node("Split", ["all"], ["places", "raw"], axis=1,
                                  split=[offset, channels - offset]))
    nodes.append(helper.make_node("Sigmoid", ["raw"], ["scores"]))
    return nodes, weights


def letterboxed(image, corner):
    out = np.full((SIZE, SIZE, 3), 114, np.uint8)
    top = 0 if corner else (SIZE - HEIGHT) // 2
    out[top:top + HEIGHT] = image
    return out, top


def run(session, image, bgr, divide):
    x = image[..., ::-1] if bgr else image
    x = x.astype(np.float32).transpose(2, 0, 1)[None] / np.float32(divide)
    return session.run(None, {"images": x})[0].astype(np.float64)


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    area = lambda c: (c[2] - c[0]) * (c[3] - c[1])  # noqa: E731
    return both / (area(a) + area(b) - both) if both else 0.0


def detections(boxes, scores, top, height):
    """boxes (n, 4) cx cy w h in pixels of the model, scores (n, classes)."""
    found = []
    for (cx, cy, w, h), row in zip(boxes, scores):
        if row.max() >= THRESHOLD:
            found.append((row.max(), int(row.argmax()),
                          [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]))
    found.sort(key=lambda f: -f[0])
    gaps = np.diff(sorted(f[0] for f in found))
    if len(found) < 4 or gaps.min() < 2e-6 or np.abs(scores.max(1) - THRESHOLD).min() < 1e-4:
        raise Doubtful
    kept = []
    for score, label, box in found:
        others = [iou(box, k[2]) for k in kept if k[1] == label]
        if any(abs(o - NMS) < 1e-4 for o in others):
            raise Doubtful
        if not any(o > NMS for o in others):
            kept.append((score, label, box))
    if not 3 < len(kept) < min(len(found), 20) or len({k[1] for k in kept}) < 2:
        raise Doubtful
    out = []
    for score, label, box in kept:
        x1, y1, x2, y2 = (box[0], box[1] - top, box[2], box[3] - top)
        box = [min(max(x1, 0), WIDTH), min(max(y1, 0), height),
               min(max(x2, 0), WIDTH), min(max(y2, 0), height)]
        if box[0] < box[2] and box[1] < box[3]:
            out.append({"label": LABELS[label], "score": round(float(score), 6),
                        "box": [round(float(v), 4) for v in box]})
    return out


def yolox(image):
    n, cells = len(LABELS), sum((SIZE // s) ** 2 for s in STRIDES)
    nodes, weights = pooled_heads("yolox", STRIDES, 5 + n, 4, 0.01)
    nodes += [helper.make_node("Concat", ["places", "scores"], ["joined"], axis=1),
              helper.make_node("Transpose", ["joined"], ["output"], perm=[0, 2, 1])]
    seen, top = letterboxed(image, corner=True)
    out = run(save("yolox", nodes, weights, [1, cells, 5 + n]), seen, True, 1)[0]
    boxes, place = [], 0
    for s in STRIDES:
        for y in range(SIZE // s):
            for x in range(SIZE // s):
                dx, dy, w, h = out[place, :4]
                boxes.append([(x + dx) * s, (y + dy) * s, np.exp(w) * s, np.exp(h) * s])
                place += 1
    return detections(np.array(boxes), out[:, 4:5] * out[:, 5:], top, HEIGHT)


def fastestdet(image):
    """Sees pictures squeezed: a square one, so that no resampling comes in."""
    n, s = len(LABELS), 16
    side = SIZE // s
    weights = {"w": made_up("fastestdet w", 5 + n, 3, 1, 1, scale=2.5),
               "b": made_up("fastestdet b", 5 + n, scale=0.3)}
    nodes = [helper.make_node("AveragePool", ["images"], ["p"], kernel_shape=[s, s],
                              strides=[s, s]),
             helper.make_node("Conv", ["p", "w", "b"], ["c"], kernel_shape=[1, 1]),
             helper.make_node("Split", ["c"], ["o", "places", "k"], axis=1, split=[1, 4, n]),
             helper.make_node("Sigmoid", ["o"], ["os"]), helper.make_node("Sigmoid", ["k"], ["ks"]),
             helper.make_node("Concat", ["os", "places", "ks"], ["output"], axis=1)]
    out = run(save("fastestdet", nodes, weights, [1, 5 + n, side, side]), image, True, 255)[0]
    boxes, scores = [], []
    for y in range(side):
        for x in range(side):
            v = out[:, y, x]
            boxes.append([(x + np.tanh(v[1])) * s, (y + np.tanh(v[2])) * s,
                          SIZE / (1 + np.exp(-v[3])), SIZE / (1 + np.exp(-v[4]))])
            scores.append(v[0] ** 0.6 * v[5:] ** 0.4)
    return detections(np.array(boxes), np.array(scores), 0, SIZE)


def in_pixels(name, objectness):
    n = len(LABELS)
    channels = 4 + objectness + n
    nodes, weights = pooled_heads(name, STRIDES, channels, 4, 2.5)
    weights["scale"] = np.float32([[[SIZE / 2], [SIZE / 2], [SIZE / 3], [SIZE / 3]]])
    nodes += [helper.make_node("Sigmoid", ["places"], ["shares"]),
              helper.make_node("Mul", ["shares", "scale"], ["pixels"]),
              helper.make_node("Concat", ["pixels", "scores"], ["joined"], axis=1)]
    return nodes, weights, channels


def yolov5(image):
    nodes, weights, channels = in_pixels("yolov5", 1)
    cells = sum((SIZE // s) ** 2 for s in STRIDES)
    # three anchors in every cell: the same boxes, moved, and a little less of them
    for name, x, y, less in (("first", 0, 0, 0), ("second", 9, 5, -0.11), ("third", 30, 20, -0.23)):
        move = [x, y, 0, 0, less] + [0] * len(LABELS)
        weights[f"move {name}"] = np.float32(move)[None, :, None]
        nodes += [helper.make_node("Add", ["joined", f"move {name}"], [f"moved {name}"]),
                  helper.make_node("Transpose", [f"moved {name}"], [name], perm=[0, 2, 1])]
    nodes.append(helper.make_node("Concat", ["first", "second", "third"], ["output"], axis=1))
    seen, top = letterboxed(image, corner=False)
    out = run(save("yolov5", nodes, weights, [1, 3 * cells, channels]), seen, False, 255)[0]
    return detections(out[:, :4], out[:, 4:5] * out[:, 5:], top, HEIGHT)


def yolov8(image):
    nodes, weights, channels = in_pixels("yolov8", 0)
    cells = sum((SIZE // s) ** 2 for s in STRIDES)
    nodes[-1].output[0] = "output"
    seen, top = letterboxed(image, corner=False)
    out = run(save("yolov8", nodes, weights, [1, channels, cells]), seen, False, 255)[0].T
    return detections(out[:, :4], out[:, 4:], top, HEIGHT)


def first_clear(head, image):
    global attempt
    for attempt in range(10000):
        try:
            return head(image)
        except Doubtful:
            pass
    raise Doubtful(head.__name__)


if __name__ == "__main__":
    found = {head.__name__: first_clear(head, picture(SIZE if head is fastestdet else HEIGHT))
             for head in (yolox, fastestdet, yolov5, yolov8)}
    (HERE / "dnn.json").write_text(json.dumps(
        {"size": SIZE, "width": WIDTH, "height": HEIGHT, "labels": LABELS,
         "threshold": THRESHOLD, "nms": NMS, "detections": found}, indent=1) + "\n",
        encoding="utf-8")
    for name, list_ in found.items():
        print(f"dnn_{name}.onnx: {len(list_)} detections")
