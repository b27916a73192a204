"""HICO-DET's AP and V-COCO's role AP by brute force, in exact fractions."""
import json
from fractions import Fraction

import numpy as np

from values import HERE

DEFAULT_ROLE = [0, 0, 0.1, 0.1]            # what V-COCO's exports have where nothing was said


def iou(a, b, pixel):
    """pixel: what is added to every side, 0 (HICO-DET) or 1 (V-COCO)."""
    a, b = ([Fraction(x) for x in box] for box in (a, b))
    wide, high = (max(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + pixel, Fraction(0))
                  for i in (0, 1))
    areas = [(box[2] - box[0] + pixel) * (box[3] - box[1] + pixel) for box in (a, b)]
    return wide * high / (areas[0] + areas[1] - wide * high)


def falling(hits):
    """(score, right) by falling score; equal ones as they came."""
    return [right for _, right in sorted(hits, key=lambda hit: -hit[0])]


def curve(rights, truths):
    """(recall, precision) after each detection."""
    points, right = [], 0
    for count, this in enumerate(rights, 1):
        right += this
        points.append((Fraction(right, truths), Fraction(right, count)))
    return points


def eleven_points(points):
    best = [max((p for r, p in points if r >= Fraction(t, 10)), default=Fraction(0))
            for t in range(11)]
    return sum(best) / 11


def area(points):
    total, before = Fraction(0), Fraction(0)
    for i, (recall, _) in enumerate(points):
        total += (recall - before) * max(p for _, p in points[i:])
        before = recall
    return total


def hico(classes, pictures):
    """AP by class."""
    found = []
    for c in range(classes):
        hits, truths = [], 0
        for picture in pictures:
            true = [t for t in picture["truths"] if t["class"] == c]
            own = [d for d in picture["detections"] if d["class"] == c]
            truths += len(true)
            claims = {}                    # by truth: its detections
            for place, d in enumerate(own):
                overlaps = [min(iou(d["human"], t["human"], 0), iou(d["object"], t["object"], 0))
                            for t in true]
                if overlaps and max(overlaps) > Fraction(1, 2):
                    claims.setdefault(overlaps.index(max(overlaps)), []).append(place)
            best = {max(places, key=lambda place: (own[place]["score"], -place))
                    for places in claims.values()}
            hits += [(d["score"], place in best) for place, d in enumerate(own)]
        found.append(eleven_points(curve(falling(hits), truths)))
    return found


def columns_of(actions):
    return [(a, r) for a, roles in enumerate(actions) for r in range(len(roles))]


def role_ap(actions, pictures, scenario):
    """By (action, role); None where no person does the action."""
    found = []
    for a, r in columns_of(actions):
        hits, truths = [], 0
        for picture in pictures:
            people = picture["people"]
            truths += sum(a in (p["actions"] or []) for p in people)
            own = [d for d in picture["detections"] if (d["action"], d["role"]) == (a, r)]
            covered = set()
            for d in sorted(own, key=lambda d: -d["score"]):
                overlaps = [iou(p["box"], d["human"], 1) for p in people]
                near = overlaps.index(max(overlaps))
                person = people[near]
                if person["actions"] is None:
                    continue               # nobody said what this one does
                true = person["roles"].get(f"{a} {r}")
                if true:
                    fits = iou(true, d["object"], 1) >= Fraction(1, 2)
                else:
                    fits = scenario == 2 or d["object"] == [0, 0, 0, 0]
                right = (a in person["actions"] and max(overlaps) >= Fraction(1, 2) and fits
                         and near not in covered)
                if right:
                    covered.add(near)
                hits.append((d["score"], right))
        found.append(area(curve(falling(hits), truths)) if truths else None)
    return found


def with_defaults(actions, pictures):
    """Each detection says something about every column, as exports of one dict per pair do."""
    filled = []
    for picture in pictures:
        detections = []
        for d in picture["detections"]:
            for a, r in columns_of(actions):
                own = (d["action"], d["role"]) == (a, r)
                detections.append(d if own else {**d, "action": a, "role": r, "score": 0,
                                                 "object": DEFAULT_ROLE})
        filled.append({**picture, "detections": detections})
    return filled


def told(values):
    """Plain numbers, and their mean over those that there are."""
    there = [value for value in values if value is not None]
    return {"ap": [None if value is None else float(value) for value in values],
            "mean": float(sum(there) / len(there))}


class Maker:
    """Made-up boxes on a grid of quarter pixels, so that float32 holds them exactly."""

    def __init__(self, seed):
        self.random, self.scores = np.random.RandomState(seed), []

    def box(self):
        x, y = self.random.randint(0, 240, 2) / 4
        w, h = self.random.randint(60, 160, 2) / 4
        return [x, y, x + w, y + h]

    def near(self, box, most):
        moved = [v + m / 4 for v, m in zip(box, self.random.randint(-most, most + 1, 4))]
        return [min(moved[0], moved[2] - 1), min(moved[1], moved[3] - 1), moved[2], moved[3]]

    def score(self):
        """None twice."""
        while True:
            score = int(self.random.randint(1, 4096)) / 4096
            if score not in self.scores:
                self.scores.append(score)
                return score

    def chance(self, share):
        return self.random.uniform() < share

    def hico(self, classes, counts):
        pictures = []
        for picture in range(7):
            truths = [{"class": c, "human": self.box(), "object": self.box()}
                      for c in range(classes) for _ in range(counts[c][picture])]
            detections = []
            for t in truths:
                for _ in range(self.random.randint(0, 4)):
                    detections.append({"class": t["class"], "human": self.near(t["human"], 14),
                                       "object": self.near(t["object"], 14), "score": self.score()})
            for _ in range(4):                                   # and some from nowhere
                c = int(self.random.randint(classes - 1))
                detections.append({"class": c, "human": self.box(), "object": self.box(),
                                   "score": self.score()})
            self.random.shuffle(detections)
            pictures.append({"truths": truths, "detections": detections})
        return pictures

    def vcoco(self, actions):
        pictures = []
        for _ in range(8):
            people = []
            for _ in range(self.random.randint(1, 5)):
                doing = [a for a in range(len(actions)) if self.chance(0.45)]
                roles = {f"{a} {r}": self.box() for a, r in columns_of(actions)
                         if a in doing and self.chance(0.7)}
                person = {"box": self.box(), "actions": doing, "roles": roles}
                people.append(person if self.chance(0.8)
                              else {**person, "actions": None, "roles": {}})
            detections = []
            for p in people:
                for a, r in columns_of(actions):
                    doing = p["actions"] is None or a in p["actions"]
                    for _ in range(self.random.randint(0, 4) if doing or self.chance(0.3) else 0):
                        true = p["roles"].get(f"{a} {r}")
                        thing = (self.near(true, 12) if true and self.chance(0.8) else
                                 [0, 0, 0, 0] if self.chance(0.5) else self.box())
                        detections.append({"human": self.near(p["box"], 10), "action": a, "role": r,
                                           "object": thing, "score": self.score()})
            self.random.shuffle(detections)
            pictures.append({"people": people, "detections": detections})
        return pictures


def perfect_hico(pictures):
    return [{"truths": p["truths"], "detections": [{**t, "score": 0.5} for t in p["truths"]]}
            for p in pictures]


def perfect_vcoco(actions, pictures):
    """Annotated people one after another, each where no other hides it."""
    filled = []
    for picture in pictures:
        detections = [{"human": p["box"], "action": a, "role": r, "score": 0.5,
                       "object": p["roles"].get(f"{a} {r}", [0, 0, 0, 0])}
                      for p in picture["people"] if p["actions"]
                      for a, r in columns_of(actions) if a in p["actions"]]
        filled.append({"people": picture["people"], "detections": detections})
    return filled


def exact_halves():
    """Overlaps of exactly one half: wrong in HICO-DET, right in V-COCO (sides are one longer)."""
    whole, half, other = [0, 0, 8, 8], [0, 0, 8, 4], [20, 20, 40, 40]
    hico_case = [{"truths": [{"class": 0, "human": whole, "object": other}],
                  "detections": [{"class": 0, "human": half, "object": other, "score": 0.5}]}]
    longer, shorter = [0, 0, 7, 7], [0, 0, 7, 3]
    vcoco_case = [{"people": [{"box": longer, "actions": [0], "roles": {"0 0": other}}],
                   "detections": [{"human": shorter, "action": 0, "role": 0, "object": other,
                                   "score": 0.5}]}]
    return hico_case, vcoco_case


def coco_corners(box, width, height):
    """How V-COCO's evaluator makes corners of x, y, w, h."""
    x, y, w, h = box
    corners = [x, y, x + max(0, w - 1), y + max(0, h - 1)]
    return [min(limit - 1, max(0, v)) for v, limit in zip(corners, (width, height) * 2)]


def make_role_ap():
    maker = Maker(24)
    # by class: true pairs in each picture; the third has ten, so that recall meets the levels
    counts = [[1, 0, 2, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0], [2, 1, 2, 1, 2, 1, 1],
              [0, 1, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 1, 0]]
    pictures = maker.hico(5, counts)
    for picture in pictures:                                     # nothing is found of the last
        picture["detections"] = [d for d in picture["detections"] if d["class"] < 4]
    aps = hico(5, pictures)
    assert aps[4] == 0 and all(0 < ap < 1 for ap in (aps[0], aps[2]))
    assert hico(5, perfect_hico(pictures)) == [1] * 5

    actions = [["obj"], ["instr", "obj"], [], ["instr"], ["obj"]]
    scenes = maker.vcoco(actions)
    for scene in scenes:                                         # nobody does the last
        for person in scene["people"]:
            person["actions"] = person["actions"] and [a for a in person["actions"] if a != 4]
            person["roles"] = {k: v for k, v in person["roles"].items() if k[0] != "4"}
    first, second = (role_ap(actions, scenes, scenario) for scenario in (1, 2))
    assert first[-1] is None and all(a <= b for a, b in zip(first[:-1], second[:-1]))
    assert sum(a < b for a, b in zip(first[:-1], second[:-1])) >= 2
    assert all(0 < a < 1 for a in first[:-1] + second[:-1])
    perfect = perfect_vcoco(actions, scenes)
    for scenario in (1, 2):
        assert role_ap(actions, perfect, scenario) == [1] * 4 + [None]

    filled = with_defaults(actions, scenes)
    assert role_ap(actions, filled, 1) == first and role_ap(actions, filled, 2) != second
    hico_halves, vcoco_halves = exact_halves()
    assert hico(1, hico_halves) == [0] and role_ap([["obj"]], vcoco_halves, 1) == [1]
    corners = [([10.5, 20, 30, 40.25], 100, 90), ([-3, -2, 50, 95], 40, 90),
               ([5, 6, 0.5, 0], 50, 50)]
    written = {
        "hico": {"classes": 5, "pictures": pictures, "expected": told(aps)},
        "hico_halves": {"classes": 1, "pictures": hico_halves,
                        "expected": told(hico(1, hico_halves))},
        "vcoco": {"actions": actions, "columns": columns_of(actions), "pictures": scenes,
                  "scenario_1": told(first), "scenario_2": told(second),
                  "defaults_scenario_1": told(role_ap(actions, filled, 1)),
                  "defaults_scenario_2": told(role_ap(actions, filled, 2))},
        "vcoco_halves": {"actions": [["obj"]], "columns": [[0, 0]], "pictures": vcoco_halves,
                         "scenario_1": told(role_ap([["obj"]], vcoco_halves, 1))},
        "vcoco_corners": [{"box": box, "width": w, "height": h, "corners": coco_corners(box, w, h)}
                          for box, w, h in corners],
    }
    text = json.dumps(written, separators=(",", ":"))
    (HERE / "role_ap.json").write_text(text.replace('{"truths"', '\n{"truths"')
                                       .replace('{"people"', '\n{"people"') + "\n")
    print(f"role_ap.json: {len(pictures)} and {len(scenes)} pictures")
