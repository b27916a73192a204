-- fewshot: which pictures of a data set a few-shot experiment sees, drawn as the published code
-- draws them, and what the classifiers take of them: features, pixels, labels.
local augment <const> = require "hoi.augment"
local digest <const> = require "hoi.digest"
local progress <const> = require "hoi.progress"
local python_random <const> = require "hoi.python_random"
local read_options <const> = require "hoi.options"
local make_store <const> = require "hoi.store"
local system <const> = require "hoi.system"
local tensors <const> = require "hoi.tensor"

local fewshot <const> = {}

---------------------------------------------------------------------------- drawing

-- `shots` items of each label, labels in the order of their first appearance. A label with fewer
-- keeps all of them, or (fill) draws with replacement.
local function draw(items, shots, random, fill)
  local groups <const>, of = {}, {}
  for _, item in ipairs(items) do
    if not of[item.label] then
      of[item.label] = {}
      groups[#groups + 1] = of[item.label]
    end
    local group <const> = of[item.label]
    group[#group + 1] = item
  end
  local drawn <const> = {}
  for _, group in ipairs(groups) do
    local list = group
    if #group >= shots then
      list = random:sample(group, shots)
    elseif fill then
      list = random:choices(group, shots)
    end
    table.move(list, 1, #list, #drawn + 1, drawn)
  end
  return drawn
end

-- What each code draws, in its order: coop (CoOp, MaPLe, CLIP-Adapter): train, then at most 4 of
-- each class of val; tip (Tip-Adapter, which seeds with 1): train, val stays whole; lora
-- (CLIP-LoRA): val first, classes too small are filled up.
local protocols <const> = {
  coop = function(data, shots, random)
    local train <const> = data.drawn and data.drawn[shots] or draw(data.train, shots, random)
    return train, draw(data.val, math.min(shots, 4), random)
  end,
  tip = function(data, shots, random)
    return data.drawn and data.drawn[shots] or draw(data.train, shots, random), data.val
  end,
  lora = function(data, shots, random)
    local val <const> = draw(data.val, math.min(shots, 4), random, true)
    return data.drawn and data.drawn[shots] or draw(data.train, shots, random, true), val
  end,
}

-- Feature files may hold the shots alone, drawn by whoever made them.
local function check_drawn(data, shots)
  if #data.train == 0 and not (data.drawn and data.drawn[shots]) then
    local there <const> = {}
    for n in pairs(data.drawn or {}) do
      there[#there + 1] = n
    end
    table.sort(there)
    error(("fewshot.sample: %s has nothing to draw %d shots from%s"):format(data.name, shots,
      #there > 0 and ("; drawn already: " .. table.concat(there, ", ")) or ""), 3)
  end
end

-- The items to train and to validate with.
function fewshot.sample(data, shots, given)
  local o <const> = read_options(given, { seed = 1, protocol = "coop" })
  local protocol <const> = protocols[o.protocol]
  if not protocol then
    error(("fewshot.sample: protocol '%s': coop, tip or lora wanted"):format(o.protocol), 2)
  elseif math.type(shots) ~= "integer" or shots < 1 then
    error(("fewshot.sample: shots: a whole number from 1 on wanted, got %s"):format(shots), 2)
  end
  check_drawn(data, shots)
  local train <const>, val <const> = protocol(data, shots, python_random.new(o.seed))
  return { train = train, val = val }
end

-- The numbers of the classes of a part: the first half (and the middle one) is the base, the rest
-- is new.
function fewshot.part(count, part)
  local half <const>, list = (count + 1) // 2, {}
  if part ~= "all" and part ~= "base" and part ~= "new" then
    error(("fewshot.part: '%s': all, base or new wanted"):format(part), 2)
  end
  for class = part == "new" and half + 1 or 1, part == "base" and half or count do
    list[#list + 1] = class
  end
  return list
end

-- The items of some classes, their labels counted anew in the order of these classes.
function fewshot.only(items, classes)
  local place <const>, list = {}, {}
  for i, class in ipairs(classes) do
    place[class] = i
  end
  for _, item in ipairs(items) do
    if place[item.label] then
      local copy <const> = {}
      for key, value in pairs(item) do
        copy[key] = value
      end
      copy.label = place[item.label]
      list[#list + 1] = copy
    end
  end
  return list
end

---------------------------------------------------------------------------- what classifiers take

local CHUNK <const> = 32
local KEPT <const> = 512 -- pictures of a set that stay decoded while it is trained on

-- A text that tells what an item's picture, or its features, are.
local function identity_of(item)
  if item.row then
    return ("%s %d"):format(item.of, item.row)
  elseif item.scene then
    return ("%d %g %g %g %g"):format(item.scene, table.unpack(item.box))
  end
  return ("%s %s"):format(item.path, system.stamp(item.path))
end

local function field_of(items, name)
  local list <const> = {}
  for i, item in ipairs(items) do
    list[i] = item[name]
  end
  return list
end

local function range(first, last)
  local list <const> = {}
  for i = first, last do
    list[#list + 1] = i
  end
  return list
end

local function key_of(self, items, how)
  local parts <const> = { self.clip and self.clip:identity() or self.data.identity,
    self.data.name, how }
  for _, item in ipairs(items) do
    parts[#parts + 1] = identity_of(item)
  end
  return digest(parts)
end

-- Features (count, d) of what pixels_of(places) gives, a chunk at a time; kept on disk by the
-- model, the items and `how`.
local function encoded(self, items, count, how, pixels_of)
  local store <const> = make_store("fewshot", { key = self.clip:identity() })
  return store:tensor(key_of(self, items, how), function()
    local firsts <const>, features <const> = {}, {}
    for first = 1, count, CHUNK do
      firsts[#firsts + 1] = first
    end
    for first in progress(firsts, { label = how }) do
      local x <const> = pixels_of(range(first, math.min(count, first + CHUNK - 1)))
      features[#features + 1] = self.clip:encode_pixels(x):detach()
    end
    return #features == 1 and features[1] or tensors.concat(features, 1)
  end)
end

-- Gets a function that gets the pictures of some items; it keeps them where they are few.
local function pictures(self, items)
  local kept <const> = {}
  return function(places)
    local list <const> = {}
    for i, place in ipairs(places) do
      list[i] = kept[place] or self.data:image(items[place])
      kept[place] = #items <= KEPT and list[i] or nil
    end
    return list
  end
end

-- A set of items as classifiers take it; with a seed it is one to train with.
local function set_of(self, items, seed)
  local set <const>, n <const>, o <const> = { labels = field_of(items, "label") }, #items, self.o
  local matrix <const> = n > 0 and self.data.matrices and self.data.matrices[items[1].of]
  if matrix then
    set.features = matrix:rows(field_of(items, "row"))
    return set
  end
  local take <const> = pictures(self, items)
  function set.pixels(places, draw_number)
    if not draw_number then
      return self.clip:pixels(take(places))
    end
    local keys <const> = {}
    for i, place in ipairs(places) do
      keys[i] = draw_number << 32 | place
    end
    return augment.pixels(take(places), keys, self.clip.preprocess, seed or 0, o.least_area)
  end
  set.features = encoded(self, items, n, "features", set.pixels)
  local all -- the views, one below the other
  if seed and o.views > 0 then
    function set.views(number)
      local how <const> = ("%d views, seed %d, area %g"):format(o.views, seed, o.view_area)
      all = all or encoded(self, items, n * o.views, how, function(places)
        local of <const> = {}
        for i, place in ipairs(places) do
          of[i] = (place - 1) % n + 1
        end
        return augment.pixels(take(of), places, self.clip.preprocess, seed, o.view_area)
      end)
      local k <const> = (number - 1) % o.views
      return all:slice(1, k * n + 1, (k + 1) * n)
    end
  end
  return set
end

local Experiment <const> = { __name = "hoi.Experiment" }
Experiment.__index = Experiment

-- Gets { train, val, test, new } of a number of shots and a seed; val is nil where the data has
-- none; new: what the classes left out by part = "base" are tested on.
function Experiment:sets(shots, seed)
  local key <const> = ("%d %d"):format(shots, seed)
  if self.key == key then -- cells come draw by draw: one is held
    return self.held
  end
  local data <const> = self.data
  local drawn <const> = fewshot.sample(data, shots, { seed = seed, protocol = self.o.protocol })
  local train <const>, val <const> = fewshot.only(drawn.train, self.places),
    fewshot.only(drawn.val, self.places)
  self.test = self.test or set_of(self, fewshot.only(data.test, self.places))
  if #self.rest > 0 then
    self.new = self.new or set_of(self, fewshot.only(data.test, self.rest))
  end
  self.key, self.held = key, {
    train = set_of(self, train, seed), val = #val > 0 and set_of(self, val) or nil,
    test = self.test, new = self.new,
    identity = key_of(self, table.move(val, 1, #val, #train + 1, table.move(train, 1, #train, 1,
      {})), key_of(self, data.test, table.concat(self.places, " "))),
  }
  return self.held
end

-- (C, d): what the data says of each class in words, or else the mean of its training features.
local function texts_of(self, train)
  local text <const>, sums, words = self.data.text, nil, {}
  local function means()
    sums = sums or train.features:normalize():scatter(train.labels, #self.places):normalize()
    return sums
  end
  for i, class in ipairs(self.places) do
    local row <const> = text and text.row_of[class]
    words[i] = row and text.features:rows { row }:normalize() or means():rows { i }
  end
  return tensors.concat(words, 1)
end

-- Gets what a classifier is opened with.
function Experiment:task(shots, seed)
  return {
    classes = self.classes, clip = self.clip, templates = self.templates, seed = seed,
    text = not self.clip and texts_of(self, self:sets(shots, seed).train) or nil,
  }
end

local function numbers_of(table)
  local kept <const> = {}
  for name, value in pairs(table) do
    if type(value) == "number" and value - value == 0 then -- finite
      kept[name] = value
    end
  end
  return kept
end

-- Gets all that a result of `measure` depends on, as plain values.
function Experiment:what(method, options, shots, seed, select)
  return {
    version = require "hoi.system".version, method = method, options = options, shots = shots,
    seed = seed, select = select, part = self.o.part, templates = self.templates,
    views = { self.o.views, self.o.view_area, self.o.least_area },
    data = self:sets(shots, seed).identity,
  }
end

-- Trains a method on a draw and measures it: { accuracy, new (percent of the left-out classes'
-- pictures), and the numbers that fit gives }. select: what it chooses on, "val" or "test".
function Experiment:measure(method, options, shots, seed, given)
  local o <const> = read_options(given, { select = "val", checkpoint = false, log = false })
  local sets <const> = self:sets(shots, seed)
  local classifier <const> = require "hoi.classifier"(method, self:task(shots, seed), options)
  local chosen_on = sets.val
  if o.select == "test" then
    chosen_on = sets.test
  end
  local result <const> = numbers_of(classifier:fit(sets.train, chosen_on, {
    checkpoint = o.checkpoint, every = 10, log = o.log,
  }))
  result.accuracy = classifier:accuracy(sets.test)
  if sets.new and classifier.renew then
    result.new = classifier:renew(self.new_classes):accuracy(sets.new)
  end
  return result
end

-- experiment(data, options): a few-shot experiment on a data set. clip: whose features; none for
-- feature files.
function fewshot.experiment(data, given)
  local o <const> = read_options(given, {
    clip = false, protocol = "coop", part = "all", matched = false, templates = false, views = 10,
    view_area = 0.5, least_area = 0.08,
  })
  if not data.matrices and not o.clip then
    error(("fewshot.experiment: %s has pictures: clip is wanted"):format(data.name), 2)
  end
  local places <const>, rest, inside = {}, {}, {}
  for _, class in ipairs(fewshot.part(#data.classes, o.part)) do
    inside[class] = true
  end
  for class in ipairs(data.classes) do
    local known <const> = not o.matched or data.text and data.text.row_of[class]
    local list <const> = inside[class] and places or o.part == "base" and rest or {}
    list[#list + 1] = known and class or nil
  end
  local function names(list)
    local found <const> = {}
    for i, class in ipairs(list) do
      found[i] = data.classes[class]
    end
    return found
  end
  return setmetatable({
    data = data, o = o, clip = o.clip or nil, places = places, rest = rest,
    classes = names(places), new_classes = names(rest), templates = o.templates or data.templates,
  }, Experiment)
end

return fewshot
