-- detr: DETR-R50 on a picture of 640 x 480 (seen as 1066 x 800), and CLIP's ResNet-50 on 224 x 224:
-- made-up weights, from pixels to results.
local bench <const> = require "bench"
local detr <const> = require "hoi.detr"
local hoi <const> = require "hoi"
local resnet <const> = require "hoi.resnet"
local tower <const> = require "tower"

local LAYERS <const>, WIDTH <const> = { 3, 4, 6, 3 }, 64
local D <const>, HIDDEN <const>, QUERIES <const>, DEPTH <const> = 256, 2048, 100, 6
local HEIGHT <const>, LENGTH <const> = 800, 1066

-- A file of made-up weights: names, each with its shape.
local function file_of(shapes)
  local names <const> = {}
  for name in pairs(shapes) do
    names[#names + 1] = name
  end
  return {
    names = function()
      return names
    end,
    tensor = function(_, name)
      local shape <const>, values = shapes[name], 1
      for i = 2, #shape do
        values = values * shape[i]
      end
      if #shape == 1 then
        return name:find "var$" and hoi.ones(shape) or hoi.randn(shape, { deviation = 0.1 })
      end
      return hoi.randn(shape, { deviation = values ^ -0.5 })
    end,
  }
end

local function add_conv(shapes, name, norm, out, channels, kernel)
  shapes[name .. ".weight"] = { out, channels, kernel, kernel }
  for _, part in ipairs { "weight", "bias", "running_mean", "running_var" } do
    shapes[norm .. "." .. part] = { out }
  end
end

local function add_stages(shapes, prefix)
  local channels = WIDTH
  for stage, count in ipairs(LAYERS) do
    local planes <const> = WIDTH << (stage - 1)
    for block = 0, count - 1 do
      local name <const> = ("%slayer%d.%d."):format(prefix, stage, block)
      add_conv(shapes, name .. "conv1", name .. "bn1", planes, channels, 1)
      add_conv(shapes, name .. "conv2", name .. "bn2", planes, planes, 3)
      add_conv(shapes, name .. "conv3", name .. "bn3", 4 * planes, planes, 1)
      if block == 0 then
        add_conv(shapes, name .. "downsample.0", name .. "downsample.1", 4 * planes, channels, 1)
      end
      channels = 4 * planes
    end
  end
  return channels
end

local function add_affine(shapes, name, out, width)
  shapes[name .. ".weight"], shapes[name .. ".bias"] = width and { out, width } or { out }, { out }
end

local function make_detr()
  local shapes <const> = { ["query_embed.weight"] = { QUERIES, D } }
  add_conv(shapes, "backbone.0.body.conv1", "backbone.0.body.bn1", WIDTH, 3, 7)
  add_affine(shapes, "input_proj", D, add_stages(shapes, "backbone.0.body."))
  for part, attentions in pairs { encoder = { "self_attn" },
    decoder = { "self_attn", "multihead_attn" } } do
    for i = 0, DEPTH - 1 do
      local name <const> = ("transformer.%s.layers.%d."):format(part, i)
      for _, attention in ipairs(attentions) do
        shapes[name .. attention .. ".in_proj_weight"] = { 3 * D, D }
        shapes[name .. attention .. ".in_proj_bias"] = { 3 * D }
        add_affine(shapes, name .. attention .. ".out_proj", D, D)
      end
      add_affine(shapes, name .. "linear1", HIDDEN, D)
      add_affine(shapes, name .. "linear2", D, HIDDEN)
      for k = 1, #attentions + 1 do
        add_affine(shapes, name .. "norm" .. k, D)
      end
    end
  end
  add_affine(shapes, "transformer.decoder.norm", D)
  add_affine(shapes, "class_embed", 92, D)
  for i, out in ipairs { D, D, 4 } do
    add_affine(shapes, "bbox_embed.layers." .. i - 1, out, D)
  end
  return detr.read(file_of(shapes))
end

local function make_tower()
  local shapes <const> = {}
  for i, pair in ipairs { { 32, 3 }, { 32, 32 }, { 64, 32 } } do
    add_conv(shapes, "conv" .. i, "bn" .. i, pair[1], pair[2], 3)
  end
  local wide <const> = add_stages(shapes, "")
  shapes["attnpool.positional_embedding"] = { 50, wide }
  for letter, out in pairs { q = wide, k = wide, v = wide, c = 1024 } do
    add_affine(shapes, ("attnpool.%s_proj"):format(letter), out, wide)
  end
  return resnet.tower(file_of(shapes), "")
end

-- GFLOP of the stages on a map of h x w places; pooled: a stride is behind the 3 x 3 convolution.
local function stages(h, w, pooled)
  local sum, channels = 0, WIDTH
  for stage, count in ipairs(LAYERS) do
    local planes <const> = WIDTH << (stage - 1)
    for block = 1, count do
      local before <const> = h * w
      if stage > 1 and block == 1 then
        h, w = (h + 1) // 2, (w + 1) // 2
      end
      local after <const> = h * w
      sum = sum + tower.product(before, planes, channels)
        + tower.product(pooled and before or after, planes, 9 * planes)
        + tower.product(after, 4 * planes, planes)
        + (block == 1 and tower.product(after, 4 * planes, channels) or 0)
      channels = 4 * planes
    end
  end
  return sum, h * w
end

local function detr_gigaflop()
  local function attention(queries, keys)
    return tower.product(2 * queries + 2 * keys, D, D) + 2 * tower.product(queries, keys, D)
  end
  local body <const>, places <const> = stages((HEIGHT + 3) // 4, (LENGTH + 3) // 4, false)
  return tower.product((HEIGHT + 1) // 2 * ((LENGTH + 1) // 2), WIDTH, 147) + body
    + tower.product(places, D, 2048)
    + DEPTH * (attention(places, places) + 2 * tower.product(places, HIDDEN, D))
    + DEPTH * (attention(QUERIES, QUERIES) + attention(QUERIES, places)
      + 2 * tower.product(QUERIES, HIDDEN, D))
end

local function tower_gigaflop()
  local places <const>, wide <const> = 112 * 112, 2048
  return tower.product(places, 32, 27) + tower.product(places, 32, 288)
    + tower.product(places, 64, 288) + stages(56, 56, true) + tower.product(2 * 50 + 1, wide, wide)
    + 2 * tower.product(1, 50, wide) + tower.product(1, 1024, wide)
end

return bench.noun {
  name = "detr", model = make_detr, gigaflop = detr_gigaflop,
  figures = { "detr_fraction", "resnet_1_fraction", "resnet_8_fraction" },
  cases = function(options)
    local cases <const> = {}
    if options.wants "detr_fraction" then
      local model <const>, x <const> = make_detr(), hoi.randn { 1, HEIGHT, LENGTH, 3 }
      cases[1] = {
        figure = "detr_fraction", label = "DETR-R50, 1066 x 800", kind = "fraction",
        work = detr_gigaflop(),
        run = function()
          for _, y in ipairs { model:forward(x) } do
            y:release()
          end
        end,
      }
    end
    for _, pictures in ipairs { 1, 8 } do
      local figure <const> = ("resnet_%d_fraction"):format(pictures)
      if options.wants(figure) then
        local model <const>, x <const> = make_tower(), hoi.randn { pictures, 3, 224, 224 }
        cases[#cases + 1] = {
          figure = figure, label = ("CLIP ResNet-50, %d"):format(pictures), kind = "fraction",
          work = pictures * tower_gigaflop(),
          run = function()
            model:forward(x):release()
          end,
        }
      end
    end
    return cases
  end,
}
