-- clip_lora: CLIP-LoRA (Zanella and Ben Ayed 2024): changes of low rank to q, k and v in every
-- block of both towers: y = W x + alpha / sqrt(rank) B A drop(x). Folded into the weights for use.
local classifier <const> = require "hoi.classifier"
local core <const> = require "hoi.clip.core"
local fill <const> = require "hoi.template"
local nn <const> = require "hoi.nn"
local tensors <const> = require "hoi.tensor"

local clip_lora <const> = { needs = "pictures" }

clip_lora.options = classifier.training {
  rank = 2, alpha = 1, dropout = 0.25,
  encoder = "both",             -- text, vision or both
  parts = { "q", "k", "v" },    -- and "out"
  position = "all",             -- bottom, mid, up (thirds), half-bottom, half-up, top3
  steps = 8000,                 -- the paper: 500 per shot
  partial = true, optimizer = "adamw", learning_rate = 2e-4, weight_decay = 0.01,
  schedule = "cosine", last_rate = 1e-6,
}

local TOWERS <const> = { text = "text_model", visual = "vision_model" }

-- The first and last block of a position.
local function reach(position, depth)
  local third <const>, half <const> = depth // 3, depth // 2
  local places <const> = {
    all = { 1, depth }, bottom = { 1, third }, mid = { third + 1, 2 * third },
    up = { 2 * third + 1, depth }, ["half-bottom"] = { 1, half }, ["half-up"] = { half + 1, depth },
    top3 = { depth - 2, depth },
  }
  local place <const> = places[position]
    or error(("clip_lora: position '%s'; all, bottom, mid, up, half-bottom, half-up and top3 are"
      .. " known"):format(position), 0)
  return place[1], place[2]
end

-- A block's frozen weights by short names: "qkv.weight", "fc1.bias", ...
local function weights_of(clip, side)
  local blocks <const> = {}
  for _, p in ipairs(clip:parameters("^" .. TOWERS[side] .. ".encoder.layers")) do
    local i, part, kind = p[1]:match "layers%.(%d+)%.[%w_.]-([%w_]+)%.(%w+)$"
    i = math.tointeger(i) + 1
    blocks[i] = blocks[i] or {}
    blocks[i][part:gsub("_proj", "") .. "." .. kind] = { p[1], p[2] }
  end
  return blocks
end

function clip_lora.new(task, o)
  local clip <const> = classifier.wants(task, "clip", "clip_lora")
  local module <const>, frozen <const> = nn.module {}, {}
  for side in pairs(TOWERS) do
    local tower <const> = clip[side]
    local wanted <const> = o.encoder == "both" or (o.encoder == "text") == (side == "text")
    local first <const>, last <const> = reach(o.position, tower.depth)
    frozen[side] = weights_of(clip, side)
    module[side] = nn.module {}
    for i = first, wanted and last or 0 do
      module[side][i] = nn.module {}
      for _, part in ipairs(o.parts) do
        module[side][i][part] = nn.module {
          down = nn.kaiming({ o.rank, tower.width }, 5 ^ 0.5),
          up = nn.parameter(tensors.zeros { tower.width, o.rank }),
        }
      end
    end
  end
  local self <const> = { task = task, o = o, module = module, frozen = frozen,
    factor = o.alpha / math.sqrt(o.rank), needs = o.encoder == "text" and "features" or "pictures" }
  return clip_lora.renew(self, task.classes)
end

-- The same changes on another list of classes.
function clip_lora:renew(classes)
  local prompts <const> = {}
  for i, class in ipairs(classes) do
    prompts[i] = fill(self.task.templates[1], (class:gsub("_", " ")))
  end
  self.task.classes = classes
  self.ids, self.ends = self.task.clip:tokenize(prompts)
  return self
end

-- CLIP-LoRA's lora_weights.pt: layers are counted through both towers, text first.
function clip_lora:published(put, file)
  local layer = 0
  local rank <const>, alpha <const> = file:metadata "metadata.r", file:metadata "metadata.alpha"
  if rank and tonumber(rank) ~= self.o.rank or alpha and tonumber(alpha) ~= self.o.alpha then
    error(("clip_lora: the file has rank %s and alpha %s; open with these options"):format(rank,
      alpha), 0)
  end
  for _, side in ipairs { "text", "visual" } do
    for i = 1, self.task.clip[side].depth do
      for _, part in ipairs(self.module[side][i] and self.o.parts or {}) do
        local name <const> = ("layer_%d%%.%s"):format(layer, part == "out" and "proj"
          or part .. "_proj")
        put(self.module[side][i][part].down, name .. "%.w_lora_A")
        put(self.module[side][i][part].up, name .. "%.w_lora_B")
      end
      layer = layer + (self.module[side][i] and 1 or 0)
    end
  end
end

-- A's and B's of some parts as one pair: (parts * rank, width), and (places * width, parts * rank)
-- with each B at its place.
local function joined(lora, places, width)
  local down <const>, up <const> = {}, {}
  for i, part in ipairs(places) do
    if lora[part] then
      down[#down + 1] = lora[part].down
      up[#up + 1] = lora[part].up:pad(1, (i - 1) * width, (#places - i) * width)
    end
  end
  return down, #up > 0 and tensors.concat(up, 2)
end

local ATTENDED <const>, OUT <const> = { "q", "k", "v" }, { "out" }

-- base + factor B A drop(h) of those parts that have a change.
local function changed(self, base, lora, places, h)
  local down <const>, up <const> = joined(lora, places, h:size(-1))
  if not up then
    return base
  end
  local inside
  if self.training and self.o.dropout > 0 then -- each part drops for itself
    local list <const> = {}
    for i, a in ipairs(down) do
      list[i] = h:dropout(self.o.dropout):linear(a)
    end
    inside = tensors.concat(list, -1)
  else
    inside = h:linear(tensors.concat(down, 1))
  end
  return (inside * self.factor):linear(up, nil, { residual = base })
end

-- Block i on x with its changes.
local function block(self, side, i, x)
  local tower <const>, lora <const> = self.task.clip[side], self.module[side][i]
  if not lora or self.folded then
    return tower:block(i, x)
  end
  local w <const> = self.frozen[side][i]
  local function weight(name)
    return w[name .. ".weight"][2], w[name .. ".bias"][2]
  end
  local function linear(y, name, given)
    local matrix <const>, bias <const> = weight(name)
    return y:linear(matrix, bias, given)
  end
  local h <const> = x:layer_norm(weight "layer_norm1")
  local qkv <const> = changed(self, linear(h, "qkv"), lora, ATTENDED, h)
  local mixed <const> = qkv:attention(nil, nil, { heads = tower.heads, causal = side == "text" })
  local y <const> = changed(self, linear(mixed, "out", { residual = x }), lora, OUT, mixed)
  local inner <const> = linear(y:layer_norm(weight "layer_norm2"), "fc1",
    { activation = tower.activation })
  return linear(inner, "fc2", { residual = y })
end

function clip_lora:classes()
  local text <const> = self.task.clip.text
  local x = text:enter(text:embed(self.ids))
  for i = 1, text.depth do
    x = block(self, "text", i, x)
  end
  return text:leave(x, self.ends):normalize()
end

function clip_lora:encode(pixels)
  local visual <const> = self.task.clip.visual
  local x = visual:enter(visual:embed(pixels))
  for i = 1, visual.depth do
    x = block(self, "visual", i, x)
  end
  return visual:leave(x:slice(2, 1, 1)):squeeze(2)
end

function clip_lora:forward(x, classes)
  local f <const> = self.needs == "pictures" and self:encode(x) or x
  return classifier.cosines(f, classes, self.task.scale)
end

-- Writes W + factor B A into the model; unfold puts back what was there.
function clip_lora:fold()
  for side in pairs(TOWERS) do
    for i, w in pairs(self.frozen[side]) do
      for name, places in pairs { ["qkv.weight"] = ATTENDED, ["out.weight"] = OUT } do
        local lora <const>, frozen <const> = self.module[side][i], w[name]
        local down, up = {}, false
        if lora then
          down, up = joined(lora, places, self.task.clip[side].width)
        end
        if up then
          local change <const> = up:matmul(tensors.concat(down, 1)):detach() * self.factor
          core.replace(self.task.clip.core, frozen[1], frozen[2]:float() + change)
        end
      end
    end
  end
  self.folded = true
  return self
end

function clip_lora:unfold()
  for side in pairs(TOWERS) do
    for _, w in pairs(self.frozen[side]) do
      for _, name in ipairs { "qkv.weight", "out.weight" } do
        core.replace(self.task.clip.core, w[name][1], w[name][2])
      end
    end
  end
  self.folded = false
  return self
end

return clip_lora
