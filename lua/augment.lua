-- augment: pictures changed at random for training, as CoOp, MaPLe, CLIP-LoRA and Tip-Adapter do:
-- a random part, resized, every second one mirrored. The same key gives the same change.
local mixed <const> = require "hoi.splitmix"
local pixels <const> = require "hoi.pixels"
local tensors <const> = require "hoi.tensor"

local augment <const> = {}

-- Gets a function that gives numbers in [0, 1); they depend on the two keys alone.
function augment.numbers(seed, key)
  local start <const>, count = mixed(mixed(seed) ~ key), 0
  return function()
    count = count + 1
    return (mixed(start + count * 0xD1342543DE82EF95) >> 11) * 0x1p-53
  end
end

-- The box of a random part: its area at least `least` of the whole, its sides between 3:4 and 4:3
-- (even in their logarithm); after ten that do not fit, the middle. As torchvision's
-- RandomResizedCrop.
function augment.part(width, height, least, unit)
  for _ = 1, 10 do
    local area <const> = width * height * (least + (1 - least) * unit())
    local aspect <const> = math.exp(math.log(3 / 4) + math.log(16 / 9) * unit())
    local w <const> = math.floor(math.sqrt(area * aspect) + 0.5)
    local h <const> = math.floor(math.sqrt(area / aspect) + 0.5)
    if w > 0 and h > 0 and w <= width and h <= height then
      local x <const> = math.floor(unit() * (width - w + 1))
      local y <const> = math.floor(unit() * (height - h + 1))
      return { x, y, x + w, y + h }
    end
  end
  local w <const> = math.min(width, math.floor(height * 4 / 3 + 0.5))
  local h <const> = math.min(height, math.floor(width * 4 / 3 + 0.5))
  local x <const>, y <const> = (width - w) // 2, (height - h) // 2
  return { x, y, x + w, y + h }
end

-- Pixels (n, 3, size, size) of changed pictures; keys: an integer for each.
function augment.pixels(images, keys, preprocess, seed, least)
  local parts <const>, mirrored <const>, back <const> = {}, {}, {}
  for i, image in ipairs(images) do
    local unit <const> = augment.numbers(seed, keys[i])
    parts[i] = image:crop(augment.part(image.width, image.height, least, unit))
    mirrored[i] = { { { unit() < 0.5 and 1 or 0 } } }
  end
  local size <const> = preprocess.size
  local x <const> = pixels.of(parts, { size = size, warp = true, mean = preprocess.mean,
    std = preprocess.std })
  for i = 1, size do
    back[i] = size + 1 - i
  end
  local turned <const> = x:permute(4, 1, 2, 3):rows(back):permute(2, 3, 4, 1)
  return tensors.tensor(mirrored):reshape(#images, 1, 1, 1):where(turned, x)
end

return augment
