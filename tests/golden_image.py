"""golden_image: what Pillow and torchvision's steps make of made-up pictures, for test_image.c.

    pip install pillow==12.0.0 numpy==2.4.6
    python3 tests/golden_image.py       # writes tests/golden/image_*

Pillow 13 resizes some pictures vertically first, which gives other bytes than all versions before
(and than what CLIP was trained on): hence the version.
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

GOLDEN = Path(__file__).parent / "golden"
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def made_up(kind, width, height):
    """The pictures test_image.c makes by the same formulas. (height, width, 3), uint8."""
    y, x, c = np.meshgrid(
        *(np.arange(n, dtype=np.uint32) for n in (height, width, 3)), indexing="ij"
    )
    if kind == "noise":
        value = (
            x * np.uint32(73856093) ^ y * np.uint32(19349663) ^ c * np.uint32(83492791)
        ) * np.uint32(2654435761)
        return (value >> np.uint32(24)).astype(np.uint8)
    if kind == "gradient":
        return ((x * 255 // width + y * 128 // height * (c + 1)) % 256).astype(np.uint8)
    return (((x // (2 + c) + y // 3) % 2) * 255).astype(
        np.uint8
    )  # checks of black and white: the filter overshoots


def resized(array, width, height):
    return np.asarray(Image.fromarray(array).resize((width, height), Image.BICUBIC))


def torchvision(array, size, warp):
    """torchvision's Resize and CenterCrop, or a straight resize. (size, size, 3), uint8."""
    height, width = array.shape[:2]
    if warp:
        return resized(array, size, size)
    short, long = min(width, height), max(width, height)
    new_long = int(size * long / short)
    new_width, new_height = (size, new_long) if width <= height else (new_long, size)
    image = Image.fromarray(array)
    if short != size:
        image = image.resize((new_width, new_height), Image.BICUBIC)
    left, top = int(round((new_width - size) / 2.0)), int(round((new_height - size) / 2.0))
    return np.asarray(image.crop((left, top, left + size, top + size)))


def normalized(array):
    """ToTensor and Normalize with CLIP's numbers. (3, height, width), float32."""
    value = array.astype(np.float32) / np.float32(255)
    return ((value - MEAN) / STD).transpose(2, 0, 1)


def check(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def png(path, width, height, depth, color_type, rows, chunks=b""):
    """Writes a PNG that Pillow itself can not write (16 bits a channel, 2 bits of grey)."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunks
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def files():
    """Writes one small file of each kind; what Pillow's convert("RGB") sees in each."""
    width, height = 23, 17
    rgb = made_up("gradient", width, height)
    noise = made_up("noise", width, height)
    image = Image.fromarray(rgb)
    alpha = Image.fromarray(noise[:, :, 0])
    palette = image.quantize(16)
    image.save(GOLDEN / "image_rgb.png")
    image.convert("L").save(GOLDEN / "image_gray.png")
    image.convert("1").save(GOLDEN / "image_bits.png")
    palette.save(GOLDEN / "image_palette.png")
    palette.save(GOLDEN / "image_palette_transparent.png", transparency=3)
    rgba = image.copy()
    rgba.putalpha(alpha)
    rgba.save(GOLDEN / "image_alpha.png")
    rgba.convert("LA").save(GOLDEN / "image_gray_alpha.png")
    wide = (noise.astype(">u2") * 256 + rgb).astype(">u2")
    png(GOLDEN / "image_rgb16.png", width, height, 16, 2, [row.tobytes() for row in wide])
    png(
        GOLDEN / "image_gray2.png",
        width,
        height,
        2,
        0,
        [bytes((i * 37 + y * 11) % 256 for i in range(6)) for y in range(height)],
    )
    palette.save(GOLDEN / "image_palette.gif")
    image.save(GOLDEN / "image_rgb.bmp")
    palette.save(GOLDEN / "image_palette.bmp")
    image.save(GOLDEN / "image_rgb.tga", compression="tga_rle")
    result = {}
    for path in sorted(GOLDEN.glob("image_*")):
        if path.suffix in (".png", ".gif", ".bmp", ".tga") and path.stem not in (
            "image_photo",
            "image_resized",
            "image_gray16",
        ):
            opened = Image.open(path).convert("RGB")
            result[path.name] = {
                "width": opened.width,
                "height": opened.height,
                "crc": check(np.asarray(opened)),
            }
    # Of 16-bit grey alone Pillow clips at 255, which makes nearly all of it white; we keep the
    # upper byte, as it does for 16-bit colour.
    gray = wide[:, :, 1]
    png(GOLDEN / "image_gray16.png", width, height, 16, 0, [row.tobytes() for row in gray])
    result["image_gray16.png"] = {
        "width": width,
        "height": height,
        "crc": check(np.repeat((gray >> 8).astype(np.uint8)[:, :, None], 3, 2)),
    }
    # JPEG decoders differ by little: the test allows it, so it needs the pixels themselves.
    y, x = np.mgrid[0:40, 0:56]
    photo = np.stack(
        [
            128 + 90 * np.sin(x / 9),
            128 + 80 * np.cos(y / 7),
            255 * ((x - 28) ** 2 + (y - 20) ** 2 < 200),
        ],
        2,
    )
    Image.fromarray(photo.astype(np.uint8)).save(GOLDEN / "image_photo.jpg", quality=90)
    Image.open(GOLDEN / "image_photo.jpg").convert("RGB").save(GOLDEN / "image_photo.png")
    return result


def main():
    assert PIL.__version__ == "12.0.0", "pip install pillow==12.0.0"
    resizes = []
    for kind in ("noise", "gradient", "checks"):
        for width, height, to_width, to_height in (
            (61, 47, 20, 15),
            (61, 47, 100, 90),
            (61, 47, 61, 20),
            (61, 47, 30, 47),
            (61, 47, 61, 47),
            (1, 40, 7, 9),
            (40, 1, 9, 7),
            (1, 1, 5, 3),
            (40, 30, 1, 1),
            (33, 200, 224, 224),
            (320, 214, 96, 96),
            (96, 96, 224, 224),
            (257, 129, 256, 128),
            (2, 3, 64, 65),
            (640, 480, 298, 224),
        ):
            crc = check(resized(made_up(kind, width, height), to_width, to_height))
            resizes.append(
                {"kind": kind, "from": [width, height], "to": [to_width, to_height], "crc": crc}
            )
    Image.fromarray(resized(made_up("noise", 61, 47), 40, 60)).save(GOLDEN / "image_resized.png")

    crops = []
    for box in (
        (3, 4, 30, 20),
        (2.5, 3.5, 30.5, 20.5),
        (-7.4, -3.6, 20.2, 60.7),
        (50, 40, 90.5, 70),
        (-9, -9, -2, -3),
    ):
        crops.append(
            {
                "box": box,
                "crc": check(np.asarray(Image.fromarray(made_up("noise", 61, 47)).crop(box))),
            }
        )

    cases = []
    for kind, width, height, size, warp in (
        ("noise", 61, 47, 8, False),
        ("noise", 47, 61, 8, False),
        ("gradient", 33, 33, 8, False),
        ("noise", 8, 30, 8, False),
        ("noise", 61, 47, 8, True),
    ):
        values = normalized(torchvision(made_up(kind, width, height), size, warp))
        cases.append(
            {
                "kind": kind,
                "from": [width, height],
                "size": size,
                "warp": warp,
                "values": [float(f"{v:.9g}") for v in values.ravel()],
            }
        )
    seen = []
    for width, height, size, warp in (
        (640, 480, 224, False),
        (480, 640, 224, False),
        (427, 640, 224, False),
        (500, 375, 224, False),
        (641, 223, 224, False),
        (225, 224, 224, False),
        (227, 224, 224, False),
        (224, 231, 224, False),
        (96, 96, 96, False),
        (100, 37, 224, False),
        (97, 301, 96, False),
        (640, 480, 96, True),
        (31, 97, 224, True),
        (3, 500, 32, False),
    ):
        crc = check(torchvision(made_up("noise", width, height), size, warp))
        seen.append({"from": [width, height], "size": size, "warp": warp, "crc": crc})

    golden = {"resize": resizes, "crop": crops, "preprocess": cases, "seen": seen, "files": files()}
    lines = ",\n".join(f'"{name}": ' + json.dumps(value) for name, value in golden.items())
    (GOLDEN / "image_cases.json").write_text("{" + lines + "}\n")


if __name__ == "__main__":
    main()
