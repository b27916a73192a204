-- owlvit: OWL-ViT (Minderer et al. 2022): a detector that is CLIP's two towers and two small heads
-- on the picture's patches. Its classes are sentences. OWLv2 (2023) has a third head, which tells
-- whether there is anything, and sees pictures filled up to a square. Reads google/owlvit-* and
-- google/owlv2-* folders.
local clips <const> = require "hoi.clip"
local json <const> = require "hoi.json"
local options <const> = require "hoi.options"
local pixels <const> = require "hoi.pixels"
local safetensors <const> = require "hoi.safetensors"
local tensors <const> = require "hoi.tensor"
local weights <const> = require "hoi.weights"

local OwlVit <const> = { __name = "hoi.OwlVit" }
OwlVit.__index = OwlVit

local HEADS <const> = {
  "layer_norm", "box_head.dense0", "box_head.dense1", "box_head.dense2", "class_head.dense0",
  "class_head.logit_shift", "class_head.logit_scale",
}
local OBJECTNESS <const> = {
  "objectness_head.dense0", "objectness_head.dense1", "objectness_head.dense2",
}

-- Gets the names of a model's heads, in order.
local function head_names(heads)
  local list <const> = table.move(HEADS, 1, #HEADS, 1, {})
  return heads["objectness_head.dense0.weight"]
    and table.move(OBJECTNESS, 1, #OBJECTNESS, #list + 1, list) or list
end

-- The fixed bias of the boxes, (patches, 4): each patch guesses a box of its own size at its own
-- place.
local function box_bias(grid)
  local function logit(v)
    v = math.max(0, math.min(1, v))
    return math.log(v + 1e-4) - math.log(1 - v + 1e-4)
  end
  local rows <const> = {}
  for i = 1, grid do
    for j = 1, grid do
      rows[#rows + 1] = { logit(j / grid), logit(i / grid), logit(1 / grid), logit(1 / grid) }
    end
  end
  return tensors.tensor(rows)
end

local function assemble(clip, heads)
  local grid <const> = clip.visual.size // clip.visual.patch
  return setmetatable({ clip = clip, heads = heads, grid = grid, bias = box_bias(grid) }, OwlVit)
end

-- Heads for a tower: zeros (gains 1), to be trained.
local function new(clip)
  local d <const>, t <const> = clip.visual.width, clip.width
  local shapes <const> = {
    ["layer_norm"] = { d }, ["box_head.dense0"] = { d, d }, ["box_head.dense1"] = { d, d },
    ["box_head.dense2"] = { 4, d }, ["class_head.dense0"] = { t, d },
    ["class_head.logit_shift"] = { 1, d }, ["class_head.logit_scale"] = { 1, d },
  }
  local heads <const> = {}
  for _, name in ipairs(HEADS) do
    local shape <const> = shapes[name]
    heads[name .. ".weight"] = #shape == 1 and tensors.ones(shape) or tensors.zeros(shape)
    heads[name .. ".bias"] = tensors.zeros(shape[1])
  end
  return assemble(clip, heads)
end

-- folder: a model's; nil: the program's own, of the drawn world.
local function open(folder, given)
  local o <const> = options(given, { dtype = "stored" })
  local clip <const> = clips.open(folder or nil,
    { dtype = o.dtype, embedded = "lua/models/owlvit" })
  local file <close> = folder and weights.weights(folder)
    or safetensors.embedded "lua/models/owlvit/model.safetensors"
  local heads <const> = {}
  local function read(names)
    for _, name in ipairs(names) do
      for _, kind in ipairs { ".weight", ".bias" } do
        heads[name .. kind] = file:tensor(name .. kind)
      end
    end
  end
  read(HEADS)
  if json.decode(clip.config).model_type == "owlv2" then
    read(OBJECTNESS)
  end
  return assemble(clip, heads)
end

-- Query features (q, d) of sentences: normalised text features.
function OwlVit:queries(sentences)
  return self.clip:encode_text(sentences):normalize()
end

local function linear(self, x, name, activation)
  return x:linear(self.heads[name .. ".weight"], self.heads[name .. ".bias"],
    { activation = activation or "none" })
end

-- Logits (b, patches, queries) and boxes (b, patches, 4), centre, width and height in 0..1 of the
-- preprocessed picture, of pixels (b, 3, size, size); of OWLv2 also logits (b, patches) of there
-- being anything.
function OwlVit:forward(x, queries)
  local v <const> = self.clip.visual
  local tokens <const> = v:norm(v:blocks(v:enter(v:embed(x))))
  local patches <const> = (tokens:slice(2, 2) * tokens:slice(2, 1, 1))
    :layer_norm(self.heads["layer_norm.weight"], self.heads["layer_norm.bias"], 1e-5)
  local box = linear(self, patches, "box_head.dense0", "gelu")
  box = linear(self, linear(self, box, "box_head.dense1", "gelu"), "box_head.dense2")
  local e = linear(self, patches, "class_head.dense0")
  e = e / ((e * e):sum(-1, true):sqrt() + 1e-6)
  local q <const> = queries / ((queries * queries):sum(-1, true):sqrt() + 1e-6)
  local shift <const> = linear(self, patches, "class_head.logit_shift")
  local scale <const> = linear(self, patches, "class_head.logit_scale"):elu() + 1
  local objectness
  if self.heads["objectness_head.dense0.weight"] then
    local o <const> = linear(self, patches:detach(), "objectness_head.dense0", "gelu")
    objectness = linear(self, linear(self, o, "objectness_head.dense1", "gelu"),
      "objectness_head.dense2"):reshape(x:size(1), self.grid * self.grid)
  end
  return (e:matmul(q:transpose()) + shift) * scale, (box + self.bias):sigmoid(), objectness
end

-- Detections of an image: for each patch its best query, above a threshold; then class-wise
-- suppression is pairing's.
function OwlVit:detect(image, labels, queries, given)
  local o <const> = options(given, { score_threshold = 0.1 })
  local x <const> = pixels.of(image, self.clip.preprocess)
  local logits <const>, boxes <const> = self:forward(x, queries)
  local scores <const>, corners <const> = logits:sigmoid():totable()[1], boxes:totable()[1]
  local list <const> = {}
  -- what boxes are shares of: the picture, or the square it was filled up to
  local square <const> = self.clip.preprocess.pad and math.max(image.width, image.height)
  for p, row in ipairs(scores) do
    local best = 1
    for k, score in ipairs(row) do
      if score > row[best] then
        best = k
      end
    end
    if row[best] >= o.score_threshold then
      local cx <const>, cy <const>, w <const>, h <const> = table.unpack(corners[p])
      local function x_of(share)
        return math.max(0, math.min(image.width, share * (square or image.width)))
      end
      local function y_of(share)
        return math.max(0, math.min(image.height, share * (square or image.height)))
      end
      list[#list + 1] = {
        box = { x_of(cx - w / 2), y_of(cy - h / 2), x_of(cx + w / 2), y_of(cy + h / 2) },
        score = row[best], label = labels[best],
      }
    end
  end
  return list
end

-- List of {name, tensor} of the heads, then of the picture tower.
function OwlVit:parameters()
  local list <const> = {}
  for _, name in ipairs(head_names(self.heads)) do
    list[#list + 1] = { name .. ".weight", self.heads[name .. ".weight"] }
    list[#list + 1] = { name .. ".bias", self.heads[name .. ".bias"] }
  end
  for _, p in ipairs(self.clip:parameters "^vision_model") do
    list[#list + 1] = p
  end
  return list
end

function OwlVit:save(folder, given)
  local o <const> = options(given, { dtype = "F32" })
  local config <const> = json.decode(self.clip.config)
  local second <const> = #head_names(self.heads) > #HEADS
  config.model_type = second and "owlv2" or "owlvit"
  config.architectures = { second and "Owlv2ForObjectDetection" or "OwlViTForObjectDetection" }
  self.clip:save(folder,
    { dtype = o.dtype, prefix = config.model_type .. ".", extra = self.heads, config = config })
end

-- Lets go of the heads and of the towers under them.
function OwlVit:release()
  for _, x in pairs(self.heads) do
    x:release()
  end
  self.bias:release()
  self.clip:release()
end
OwlVit.__close = OwlVit.release

return { new = new, open = open }
