"""Writes tests/golden/augment.json with Pillow: python3 tests/golden_augment.py (Pillow 12).

colours: ImageEnhance's brightness, contrast, color (0, 1, 2) of image_photo.png, in a given order,
as CRC-32 of the bytes. sizes: DETR's short side of 800, long side at most 1333.
"""
import json
import os
import random
import zlib

from PIL import Image, ImageEnhance

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
photo = Image.open(os.path.join(here, "image_photo.png")).convert("RGB")
kinds = [ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]
draw = random.Random(5)

colours = []
for case in range(24):
    order = draw.sample(range(3), 3)
    factors = [round(draw.uniform(0.6, 1.4), 3) for _ in range(3)]
    if case < 6:  # one alone
        factors = [f if k == case % 3 else 1 for k, f in enumerate(factors)]
    image = photo
    for k in order:
        if factors[k] != 1:
            image = kinds[k](image).enhance(factors[k])
    colours.append({"order": order, "factors": factors, "crc": zlib.crc32(image.tobytes())})


def resized(width, height, size=800, most=1333):
    short, long = float(min(width, height)), float(max(width, height))
    if long / short * size > most:
        size = int(round(most * short / long))
    if min(width, height) == size:
        return width, height
    if width < height:
        return size, int(size * height / width)
    return int(size * width / height), size


sizes = []
for _ in range(60):
    width, height = draw.randint(30, 1500), draw.randint(30, 1500)
    sizes.append([width, height, *resized(width, height)])
for width, height in [(800, 600), (600, 800), (800, 800), (640, 480), (2000, 100), (1333, 800)]:
    sizes.append([width, height, *resized(width, height)])

with open(os.path.join(here, "augment.json"), "w") as file:
    json.dump({"colours": colours, "sizes": sizes}, file, separators=(",", ":"))
    file.write("\n")
