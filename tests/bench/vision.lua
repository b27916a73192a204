-- vision: ViT-B/16 with random weights, from pixels to features.
local bench <const> = require "bench"
local hoi <const> = require "hoi"
local tower <const> = require "tower"

local VIT <const> = { width = 768, depth = 12, heads = 12, size = 224, patch = 16 }
local NO_TEXT <const> = { width = 64, depth = 1, heads = 1, places = 8 }
local JOINT <const> = 512

local vision <const> = {
  name = "vision",
  figures = { "encode_1_fraction", "encode_8_fraction" },
}

function vision.new()
  return tower.clip(VIT, NO_TEXT, JOINT)
end

function vision.gigaflop(pictures)
  local patches <const> = (VIT.size // VIT.patch) ^ 2
  return tower.product(pictures * patches, VIT.width, 3 * VIT.patch ^ 2)
    + tower.blocks(VIT, pictures, patches + 1) + tower.product(pictures, JOINT, VIT.width)
end

function vision.cases(options)
  local clip <const> = vision.new()
  local cases <const> = {}
  for _, pictures in ipairs { 1, 8 } do
    local figure <const> = ("encode_%d_fraction"):format(pictures)
    if options.wants(figure) then
      local x <const> = hoi.randn { pictures, 3, VIT.size, VIT.size }
      cases[#cases + 1] = {
        figure = figure, label = ("ViT-B/16, %d"):format(pictures), kind = "fraction",
        work = vision.gigaflop(pictures),
        run = function()
          clip:encode_image(x):release()
        end,
      }
    end
  end
  return cases
end

return bench.noun(vision)
