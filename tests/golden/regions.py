"""ROI-Align (He et al. 2017) with the half-pixel shift and an adaptive number of samples."""
import math

import torch

from values import gradients, leaf, normal, write


def sample(plane, y, x):
    """Bilinear value at (y, x) of a map (height, width, channels): 0 beyond one pixel outside."""
    height, width, _ = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return torch.zeros(plane.shape[2])
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    below, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down = y - top if top < height - 1 else 0.0
    along = x - left if left < width - 1 else 0.0
    return ((1 - down) * ((1 - along) * plane[top, left] + along * plane[top, right])
            + down * ((1 - along) * plane[below, left] + along * plane[below, right]))


def roi_align(maps, places, boxes, scale, rows, columns):
    """maps (n, height, width, channels), boxes (m, 4) x1 y1 x2 y2 of pictures places (m)."""
    results = []
    for place, box in zip(places.tolist(), boxes.tolist()):
        x1, y1, x2, y2 = (value * scale - 0.5 for value in box)
        bin_height, bin_width = (y2 - y1) / rows, (x2 - x1) / columns
        down, along = max(0, math.ceil(bin_height)), max(0, math.ceil(bin_width))
        cells = []
        for row in range(rows):
            for column in range(columns):
                total = torch.zeros(maps.shape[3])
                for i in range(down):
                    for j in range(along):
                        total = total + sample(maps[int(place)],
                                               y1 + (row + (i + 0.5) / down) * bin_height,
                                               x1 + (column + (j + 0.5) / along) * bin_width)
                cells.append(total / max(1, down * along))
        results.append(torch.stack(cells).reshape(rows, columns, -1))
    return torch.stack(results)


def make_roi():
    """A map of 9 x 7 cells of 16 pixels: a picture 112 wide and 144 high."""
    maps, scale = leaf(normal("roi map", 2, 9, 7, 5)), 1 / 16
    boxes = torch.tensor([
        [0, 0, 112, 144],              # the whole picture
        [8, 8, 104, 136],              # from the middle of the first cell to that of the last
        [16, 32, 64, 80],              # cell borders
        [20.3, 11.7, 71.9, 133.3],
        [50, 60, 51.5, 60.75],         # far smaller than a cell
        [-40, -30, 60, 70],            # partly outside
        [90, 120, 200, 300],
        [300, 300, 400, 420],          # wholly outside
        [40, 40, 40, 90],              # no width: no sample, all zero
        [0, 70, 112, 72],              # flat and wide
    ]).float().double()
    places = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    tensors = {"map": maps, "map_channels_first": maps.permute(0, 3, 1, 2), "boxes": boxes,
               "places": places, "scale": scale}
    for rows, columns in ((7, 7), (2, 3), (1, 1)):
        name = f"{rows}x{columns}"
        out = roi_align(maps, places, boxes, scale, rows, columns)
        upstream = normal("roi upstream " + name, *out.shape)
        tensors.update({name: out, name + ".mean": out.mean((1, 2)), name + ".upstream": upstream,
                        name + ".grad": gradients((out * upstream).sum(), maps)[0]})
    write("roi", tensors)
