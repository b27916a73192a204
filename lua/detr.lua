-- detr: DETR (Carion et al. 2020): a ResNet, a transformer whose decoder asks the picture's map
-- with learned queries, and two heads on each query's state. Reads the files of torch hub and UPT.
local coco <const> = require "hoi.coco"
local imagenet <const> = require "hoi.normalisations".imagenet
local options <const> = require "hoi.options"
local pixels <const> = require "hoi.pixels"
local resnet <const> = require "hoi.resnet"
local tensors <const> = require "hoi.tensor"
local weights <const> = require "hoi.weights".weights

local Detr <const> = { __name = "hoi.Detr" }
Detr.__index = Detr

local HEADS <const> = 8 -- of every attention; nothing in a file tells it
local KEPT_POSITIONS <const> = 16 -- map sizes whose positions are remembered

---------------------------------------------------------------------------- reading

-- Gets what all names of DETR begin with in a file: "", "model.", "detector.", ...
local function prefix_of(file)
  for _, name in ipairs(file:names()) do
    local prefix <const> = name:match "^(.*)transformer%.decoder%.norm%.weight$"
    if prefix then
      return prefix
    end
  end
  error("detr: no 'transformer.decoder.norm.weight' in the file; DETR's own is wanted"
    .. " (detr-r50-e632da11.pth of torch hub, or one tuned from it)", 4)
end

local function count_layers(file, prefix)
  local count = 0
  for _, name in ipairs(file:names()) do
    local place <const> = name:sub(1, #prefix) == prefix and name:match("^(%d+)%.", #prefix + 1)
    count = place and math.max(count, place + 1) or count
  end
  return math.tointeger(count)
end

local function affine_reader(file, prefix)
  return function(name, reshaped)
    local weight <const> = file:tensor(prefix .. name .. ".weight")
    return {
      weight = reshaped and weight:reshape(weight:size(1), -1) or weight,
      bias = file:tensor(prefix .. name .. ".bias"),
    }
  end
end

local function read_attention(file, prefix, affine, name)
  local weight <const> = file:tensor(prefix .. name .. ".in_proj_weight")
  local bias <const> = file:tensor(prefix .. name .. ".in_proj_bias")
  local d <const> = weight:size(2)
  local parts <const> = { out = affine(name .. ".out_proj") }
  for i, part in ipairs { "query", "key", "value" } do
    parts[part] = {
      weight = weight:slice(1, (i - 1) * d + 1, i * d),
      bias = bias:slice(1, (i - 1) * d + 1, i * d),
    }
  end
  return parts
end

local function read_layers(file, prefix, name, attentions)
  local affine <const> = affine_reader(file, prefix)
  local layers <const> = {}
  for i = 1, count_layers(file, prefix .. name) do
    local at <const> = ("%s%d."):format(name, i - 1)
    local layer <const> = { linear1 = affine(at .. "linear1"), linear2 = affine(at .. "linear2") }
    for k, attention in ipairs(attentions) do
      layer[attention] = read_attention(file, prefix, affine, at .. attention)
      layer[k] = affine(at .. "norm" .. k)
    end
    layer[#attentions + 1] = affine(at .. "norm" .. #attentions + 1)
    layers[i] = layer
  end
  return layers
end

-- COCO's file knows 92 classes by their category ids, with gaps; of these the used ones and the
-- last, nothing, are kept.
local function read_classes(affine, given)
  local head <const> = affine "class_embed"
  local count <const> = head.weight:size(1)
  local labels <const> = given or coco.names
  if count == 92 and not given then
    local rows <const> = {}
    for id = 1, 90 do
      if not coco.gaps[id] then
        rows[#rows + 1] = id + 1
      end
    end
    rows[#rows + 1] = 92
    head.weight, head.bias = head.weight:rows(rows), head.bias:rows(rows)
  elseif count ~= #labels + 1 then
    error(("detr: the file knows %d classes and nothing; %d labels are given (option 'labels')")
      :format(count - 1, #labels), 4)
  end
  return head, labels
end

local function read(file, given)
  local o <const> = options(given, { short = 800, long = 1333, labels = false })
  local prefix <const> = prefix_of(file)
  local affine <const> = affine_reader(file, prefix)
  local self <const> = {
    short = o.short, long = o.long, positions = {}, kept = 0,
    trunk = resnet.read(file, prefix .. "backbone.0.body."),
    input = affine("input_proj", true), query = file:tensor(prefix .. "query_embed.weight"),
    encoder = read_layers(file, prefix, "transformer.encoder.layers.", { "self_attn" }),
    decoder = read_layers(file, prefix, "transformer.decoder.layers.",
      { "self_attn", "multihead_attn" }),
    norm = affine "transformer.decoder.norm", box = {},
  }
  for i = 1, count_layers(file, prefix .. "bbox_embed.layers.") do
    self.box[i] = affine("bbox_embed.layers." .. i - 1)
  end
  self.class, self.labels = read_classes(affine, o.labels)
  self.width = self.query:size(2)
  return setmetatable(self, Detr)
end

local function open(path, given)
  local file <close> = weights(path)
  return read(file, given)
end

---------------------------------------------------------------------------- computing

local function linear(layer, x, activation, residual)
  return x:linear(layer.weight, layer.bias, { activation = activation, residual = residual })
end

local function norm(layer, x)
  return x:layer_norm(layer.weight, layer.bias, 1e-5)
end

-- Half of the width for the row, half for the column: angles of falling frequency, their sines and
-- cosines in turns.
local function codes(count, half)
  local rows <const> = {}
  for place = 1, count do
    local angle <const>, row <const> = place / (count + 1e-6) * 2 * math.pi, {}
    for i = 0, half - 1 do
      local at <const> = angle / 10000 ^ (2 * (i // 2) / half)
      row[i + 1] = i % 2 == 0 and math.sin(at) or math.cos(at)
    end
    rows[place] = row
  end
  return tensors.tensor(rows)
end

local function positions_of(self, h, w)
  local key <const> = ("%dx%d"):format(h, w)
  if not self.positions[key] then
    if self.kept == KEPT_POSITIONS then
      self.positions, self.kept = {}, 0
    end
    local half <const> = self.width // 2
    self.positions[key] = tensors.concat({
      codes(h, half):reshape(h, 1, half):expand(h, w, half),
      codes(w, half):reshape(1, w, half):expand(h, w, half),
    }, 3):reshape(1, h * w, self.width)
    self.kept = self.kept + 1
  end
  return self.positions[key]
end

-- x + attention(query, key, value), normed: all (1, n, d).
local function attend(a, layer, x, query, key, value)
  local q <close> = linear(a.query, query)
  local k <close> = linear(a.key, key)
  local v <close> = linear(a.value, value)
  local mixed <close> = q:attention(k, v, { heads = HEADS })
  local sum <close> = linear(a.out, mixed, "none", x)
  return norm(layer, sum)
end

local function feed_forward(layer, place, x)
  local hidden <close> = linear(layer.linear1, x, "relu")
  local sum <close> = linear(layer.linear2, hidden, "none", x)
  return norm(layer[place], sum)
end

-- The encoder's map (1, h * w, d) of pixels (1, height, width, 3), and its positions.
function Detr:encode(x)
  if x.rank ~= 4 or x:size(1) ~= 1 or x:size(4) ~= 3 then
    error(("detr: pixels (1, height, width, 3) are wanted, these are %s"):format(
      table.concat(x.shape, "x")), 2)
  end
  local map <close> = self.trunk(x)
  local places <const> = positions_of(self, map:size(2), map:size(3))
  local y = linear(self.input, map:reshape(1, -1, map:size(4)))
  for _, layer in ipairs(self.encoder) do
    local placed <const> = y + places
    y = feed_forward(layer, 2, attend(layer.self_attn, layer[1], y, placed, placed, y))
  end
  return y, places
end

-- The decoder's last states (queries, d) of an encoded map.
function Detr:decode(memory, places)
  local placed <const> = memory + places
  local asked <const> = self.query:unsqueeze(1)
  local y = asked * 0
  for _, layer in ipairs(self.decoder) do
    local named <const> = y + asked
    y = attend(layer.self_attn, layer[1], y, named, named, y)
    y = attend(layer.multihead_attn, layer[2], y, y + asked, placed, memory)
    y = feed_forward(layer, 3, y)
  end
  return norm(self.norm, y):reshape(-1, self.width)
end

-- Logits (queries, classes + 1), boxes (queries, 4): centre, width and height in 0..1, and states
-- (queries, d) of pixels (1, height, width, 3).
function Detr:forward(x)
  local states <const> = self:decode(self:encode(x))
  local box = states
  for i, layer in ipairs(self.box) do
    box = linear(layer, box, i < #self.box and "relu" or "none")
  end
  return linear(self.class, states), box:sigmoid(), states
end

-- Rounds half to even, as Python does.
local function rounded(x)
  local low <const> = math.floor(x)
  local more <const> = x - low
  return math.tointeger((more > 0.5 or more == 0.5 and low % 2 == 1) and low + 1 or low)
end

-- Width and height for a picture: its short side becomes `short`, unless the long one would pass
-- `long`.
function Detr:size_of(width, height)
  local least <const>, most <const> = math.min(width, height), math.max(width, height)
  local short <const> = most / least * self.short > self.long and rounded(self.long * least / most)
    or self.short
  if least == short then
    return width, height
  elseif width < height then
    return short, short * height // width
  end
  return short * width // height, short
end

-- Pixels (1, height, width, 3) of an image: bicubic, by ImageNet's mean and deviation.
function Detr:pixels(image)
  local width <const>, height <const> = self:size_of(image.width, image.height)
  if width == image.width and height == image.height then
    return pixels.whole(image, imagenet)
  end
  local resized <close> = image:resize(width, height)
  return pixels.whole(resized, imagenet)
end

-- Detections of an image, each query's best class that reaches the threshold, with its state as
-- the feature. Boxes may reach beyond the picture.
function Detr:detect(image, given)
  local o <const> = options(given, { score_threshold = 0.1 })
  local logits <const>, boxes <const>, states <const> = self:forward(self:pixels(image))
  local best <const>, places <const> = logits:softmax():slice(2, 1, #self.labels):topk(1)
  local scores <const>, corners <const> = best:totable(), boxes:totable()
  local kept <const>, list <const> = {}, {}
  for i, score in ipairs(scores) do
    if score[1] >= o.score_threshold then
      local cx <const>, cy <const>, w <const>, h <const> = table.unpack(corners[i])
      kept[#kept + 1] = i
      list[#list + 1] = {
        box = {
          (cx - w / 2) * image.width, (cy - h / 2) * image.height,
          (cx + w / 2) * image.width, (cy + h / 2) * image.height,
        },
        score = score[1], label = self.labels[places[i][1]],
      }
    end
  end
  for i, feature in ipairs(#kept > 0 and states:rows(kept):totable() or {}) do
    list[i].feature = feature
  end
  return list
end

-- Lets go of all tensors.
function Detr:release()
  local function drop(value)
    if tensors.is_tensor(value) then
      value:release()
    elseif type(value) == "table" then
      for _, inner in pairs(value) do
        drop(inner)
      end
    end
  end
  for _, part in ipairs { "trunk", "input", "query", "encoder", "decoder", "norm", "box", "class",
    "positions" } do
    drop(self[part])
  end
end
Detr.__close = Detr.release

return { open = open, read = read }
