-- zero_shot: CLIP as it is. A pair is seen through the square around its union box (view "crop"),
-- or through the pooled patches of its human and its object ("roi"), or both; a class is the mean
-- of its names and of its descriptions.
local digest <const> = require "hoi.digest"
local fill <const> = require "hoi.template"
local json <const> = require "hoi.json"
local make_store <const> = require "hoi.store"
local pixels <const> = require "hoi.pixels"
local tensors <const> = require "hoi.tensor"

local zero_shot <const> = {}
zero_shot.__index = zero_shot

zero_shot.options = {
  view = "crop",        -- crop, roi or both (their mean)
  margin = 1.2,         -- of the crop: its side over the longer side of the union box
  least = 0.42,         -- of the crop: its least side over the picture's smaller side
  text = "both",        -- names, descriptions or both (where a class has them)
  -- of a class that brings no names of its own
  templates = { "{}", "a photo of {}", "a picture of {}" },
}
zero_shot.static_classes = true -- class features depend on the model and the texts alone

local TEXTS <const> = 64

-- Texts of a target in groups that count alike.
local function groups_of(target, o)
  local names <const>, groups = {}, {}
  for i, name in ipairs(target.names or {}) do
    names[i] = name
  end
  if #names == 0 then
    for i, template in ipairs(o.templates) do
      names[i] = fill(template, target.sentence)
    end
  end
  local descriptions <const> = target.descriptions or {}
  if o.text ~= "descriptions" or #descriptions == 0 then
    groups[1] = names
  end
  if o.text ~= "names" and #descriptions > 0 then
    groups[#groups + 1] = descriptions
  end
  return groups
end

-- (targets, d): normalised features of the targets.
local function encode(self)
  local texts <const>, weights <const> = {}, {}
  for t, target in ipairs(self.targets) do
    local groups <const> = groups_of(target, self.o)
    for _, group in ipairs(groups) do
      for _, text in ipairs(group) do
        texts[#texts + 1] = text
        weights[#weights + 1] = { t, 1 / (#group * #groups) }
      end
    end
  end
  local order <const> = {} -- texts of one length go together: each chunk is cut after its longest
  for i = 1, #texts do
    order[i] = i
  end
  table.sort(order, function(a, b)
    return #texts[a] ~= #texts[b] and #texts[a] < #texts[b] or #texts[a] == #texts[b] and a < b
  end)
  local parts <const>, places <const>, shares <const> = {}, {}, {}
  for from = 1, #order, TEXTS do
    local chunk <const> = {}
    for i = from, math.min(#order, from + TEXTS - 1) do
      chunk[#chunk + 1] = texts[order[i]]
      places[#places + 1], shares[#shares + 1] = weights[order[i]][1], { weights[order[i]][2] }
    end
    parts[#parts + 1] = self.clip:encode_text(chunk, { truncate = true }):normalize()
  end
  local weighted <const> = tensors.concat(parts, 1) * tensors.tensor(shares)
  return weighted:scatter(places, #self.targets):normalize()
end

function zero_shot:classes()
  local parts <const> = { self.o.text }
  for _, target in ipairs(self.targets) do
    for _, group in ipairs(groups_of(target, self.o)) do
      parts[#parts + 1] = table.concat(group, "\n")
      parts[#parts + 1] = json.encode((self.clip:tokenize(group, { truncate = true })))
    end
  end
  return make_store("texts", { key = self.clip:identity() }):tensor(digest(parts), function()
    return encode(self)
  end)
end

local function crop_features(self, image, pairs)
  local p <const> = self.clip.preprocess
  local least <const> = math.floor(self.o.least * math.min(image.width, image.height) + 0.5)
  local parts <const> = {}
  for from = 1, #pairs, 32 do
    local boxes <const> = table.move(pairs.union, from, math.min(#pairs, from + 31), 1, {})
    local crops <const> = pixels.crops(image, boxes, p, self.o.margin, least)
    parts[#parts + 1] = self.clip:encode_pixels(crops):normalize()
  end
  return tensors.concat(parts, 1)
end

-- The map of the warped picture, pooled over each instance's box.
local function roi_features(self, image, pairs)
  local p <const>, v <const> = self.clip.preprocess, self.clip.visual
  local warped <const> = { size = p.size, warp = true, mean = p.mean, std = p.std }
  local map <const> = self.clip:encode_patches(pixels.of(image, warped))
  local grid <const> = v.size // v.patch
  local boxes <const> = {}
  for i, box in ipairs(pairs.boxes) do
    local x <const>, y <const> = grid / image.width, grid / image.height
    boxes[i] = { box[1] * x, box[2] * y, box[3] * x, box[4] * y }
  end
  local pooled <const> = tensors.roi(map:reshape(grid, grid, self.clip.width), boxes):normalize()
  return (pooled:rows(pairs.human) + pooled:rows(pairs.object)):normalize()
end

-- What the pairs of a picture look like: list of (pairs, d).
function zero_shot:look(image, pairs)
  local views <const> = {}
  if self.o.view ~= "roi" then
    views[1] = crop_features(self, image, pairs)
  end
  if self.o.view ~= "crop" then
    views[#views + 1] = roi_features(self, image, pairs)
  end
  return views
end

-- Logits (pairs, targets): factor x cosine.
function zero_shot:forward(views, _, classes)
  local turned <const> = classes:transpose()
  local sum
  for _, features in ipairs(views) do
    local logits <const> = features:matmul(turned)
    sum = sum and sum + logits or logits
  end
  return sum * (self.factor / #views)
end

function zero_shot.new(clip, targets, o)
  return { clip = clip, targets = targets, o = o, factor = clip:scale():item() }
end

return zero_shot
