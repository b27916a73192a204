-- batches: a data set in batches for training: threads read and augment the pictures ahead, boxes
-- follow, a detector's boxes become pairs. Batch number n is the same whatever was asked before it
-- and however many threads there are: who resumes asks for the next one.
local dataset <const> = require "hoi.data.dataset"
local make_detections <const> = require "hoi.detections"
local make_guidance <const> = require "hoi.guidance"
local make_loader <const> = require "hoi.loader"
local normalisations <const> = require "hoi.normalisations"
local pair_up <const> = require "hoi.pairing".pairs
local read_options <const> = require "hoi.options"
local records <const> = require "hoi.record"
require "hoi.image" -- the loader gives pictures

local Batches <const> = { __name = "hoi.Batches" }
Batches.__index = Batches

---------------------------------------------------------------------------- order

-- Gets the places of an epoch's pictures, shuffled by counters.
local function shuffled(seed, epoch, count)
  local keys <const>, order <const> = {}, {}
  for i = 1, count do
    order[i] = i
    keys[i] = records.checksum(("%d %d %d"):format(seed, epoch, i))
  end
  table.sort(order, function(a, b)
    return keys[a] < keys[b] -- no two are equal, or the place decides
      or keys[a] == keys[b] and a < b
  end)
  return order
end

-- Gets the epoch and the picture (both from 1) at a place of the endless row of all epochs.
function Batches:at(place)
  local each <const> = self.per_epoch and self.per_epoch * self.o.size or math.maxinteger
  local epoch <const>, i <const> = (place - 1) // each + 1, (place - 1) % each + 1
  if not (self.o.shuffle and self.per_epoch) then
    return epoch, i
  end
  self.orders[epoch] = self.orders[epoch] or shuffled(self.o.seed, epoch, #self.data)
  self.orders[epoch - 2] = nil
  return epoch, self.orders[epoch][i]
end

---------------------------------------------------------------------------- loading

-- Puts the picture at a place into the loader's queue. One whose file is not there is broken, too.
local function put(self, place)
  local epoch <const>, picture <const> = self:at(place)
  local item <const> = picture and self.data[picture]
  if not item then
    return { past = true } -- the last batch of an epoch is not full
  end
  local entry <const> = { item = item, picture = picture }
  local ok, message = pcall(function()
    local s <const> = item.source
    local known <const> = not self.detector
      or self.detector.has and self.detector:has(item) or false
    local guided <const> = not self.guide or self.guide:has(item)
    self.loader:put {
      path = s.path, kind = s.kind, decoys = s.decoys, seed = s.seed, index = s.index,
      augmented = self.augmented, epoch = epoch, picture = picture,
      keep_original = self.o.originals or not (known and guided), keep_changed = self.o.images,
    }
    entry.loading = true
  end)
  entry.error = not ok and message or nil
  return entry
end

-- Gets the next picture of the queue: { item, loaded }, with error where it is broken; nil where
-- the epoch had ended.
local function take(self)
  local entry <const> = table.remove(self.queue, 1)
  if entry.loading then
    entry.loaded = self.loader:take()
    entry.error = entry.loaded:error()
  end
  return not entry.past and entry or nil
end

-- Fills the queue from the place after its last one on.
local function fill(self)
  while #self.queue < self.room and self.next_place <= self.last_place do
    self.queue[#self.queue + 1] = put(self, self.next_place)
    self.next_place = self.next_place + 1
  end
end

local function start(self, place)
  if self.loader then
    self.loader:release()
  end
  local o <const>, a <const> = self.o, self.augment
  self.loader = make_loader {
    threads = o.workers, room = self.room, size = o.preprocess.size, mean = o.preprocess.mean,
    std = o.preprocess.std, seed = o.seed, flip = a.flip, jitter = a.jitter, crop = a.crop,
    side = a.side, resize = a.resize,
  }
  self.queue, self.next_place, self.last_place = {}, place, math.maxinteger
end

---------------------------------------------------------------------------- one sample

-- Gets the detections where the loaded picture has them; those that were cut off are gone.
local function moved(loaded, detections)
  local list <const> = {}
  for _, d in ipairs(detections) do
    local box <const> = loaded:box(d.box)
    if box then
      list[#list + 1] = { box = box, score = d.score, label = d.label, feature = d.feature }
    end
  end
  return list
end

local function annotations_of(self, item, loaded)
  local list <const> = {}
  for _, a in ipairs(item.annotations) do
    if loaded:keeps(a.human_box, a.object_box, self.augment.quirk) then
      list[#list + 1] = {
        human_box = loaded:box(a.human_box) or { 0, 0, 0, 0 },
        object_box = loaded:box(a.object_box) or { 0, 0, 0, 0 },
        verb = a.verb, object = a.object, target = a.target,
      }
    end
  end
  return list
end

-- Gets the prior of the pairs over other targets (or the data's own); with seen_only 0 where the
-- class of the verb and the pair's object is unseen, or none.
local function prior_of(self, pairs, targets)
  local prior <const>, seen <const> = pairs:prior(targets, self.o.prior_power), {}
  local classes <const> = self.data.targets
  for p, row in ipairs(self.o.seen_only and prior or {}) do
    local label <const> = pairs.labels[pairs.object[p]]
    if not seen[label] then
      seen[label] = {}
      for t, target in ipairs(targets) do
        local class <const> = targets == classes and t or classes:index(target.verb, label)
        seen[label][t] = class and classes[class].seen or false
      end
    end
    for t in ipairs(row) do
      row[t] = seen[label][t] and row[t] or 0
    end
  end
  return prior
end

-- Makes a sample of what was loaded: what a method's loss reads (see lua/method.lua).
local function sample_of(self, entry)
  local item <const>, loaded <const>, o <const> = entry.item, entry.loaded, self.o
  local width <const>, height <const> = loaded:size()
  -- the picture as it was; read once more only where it is asked for and was not kept
  local picture <const> = setmetatable({ name = item.name, identity = item.identity,
    image = loaded:original() }, { __index = function(_, key)
    return key == "image" and item.image or nil
  end })
  local detections <const> = self.detector and self.detector:detect(picture)
    or dataset.true_detections(item)
  local pairs <const> = pair_up(moved(loaded, detections), {
    score_threshold = o.score_threshold, nms_threshold = self.detector and o.nms_threshold or 1,
    min_instances = o.min_instances, max_instances = o.max_instances,
    width = width, height = height,
  })
  local sample <const> = {
    index = entry.picture, name = item.name, identity = item.identity,
    width = width, height = height, pixels = loaded:pixels(o.preprocess.size),
    pairs = pairs, annotations = annotations_of(self, item, loaded),
    original = o.originals and picture.image or nil, image = loaded:changed(),
  }
  if o.targets then
    sample.labels = pairs:truth(sample.annotations, o.targets, { iou_threshold = o.iou_threshold })
    sample.prior = prior_of(self, pairs, o.targets)
  end
  return sample, picture
end

---------------------------------------------------------------------------- batches

function Batches:get(step)
  local o <const> = self.o
  local first <const> = (step - 1) * o.size + 1
  if math.type(step) ~= "integer" or step < 1 then
    error("batches:get(step): a whole number from 1 on wanted", 2)
  end
  if not self.loader or self.place ~= first then
    start(self, first)
  end
  self.place = nil -- until the batch is whole: after an error the next one starts afresh
  local batch <const>, pictures <const> = { step = step, broken = {} }, {}
  batch.epoch = self:at(first)
  for _ = 1, o.size do
    fill(self)
    local entry <const> = take(self)
    if entry and entry.error and o.broken == "raise" then
      error(("batches: picture '%s': %s"):format(entry.item.name, entry.error), 2)
    elseif entry and entry.error then
      batch.broken[#batch.broken + 1] = { name = entry.item.name, error = entry.error }
    elseif entry then
      batch[#batch + 1], pictures[#batch + 1] = sample_of(self, entry)
      entry.loaded:release()
    end
  end
  for i, x in ipairs(self.guide and self.guide:of(pictures) or {}) do
    batch[i].guidance = x
  end
  self.place = first + o.size
  return batch
end

function Batches:each(first, last)
  local step, state <const> = (first or 1) - 1, self
  return function()
    step = step + 1
    if not last or step <= last then
      return step, state:get(step)
    end
  end
end

function Batches:release()
  if self.loader then
    self.loader:release()
    self.loader, self.place = nil, nil
  end
end

Batches.__close = Batches.release
Batches.__gc = Batches.release

function Batches:__tostring()
  return ("Batches of %d from %s%s"):format(self.o.size, self.data.name,
    self.per_epoch and (", %d an epoch"):format(self.per_epoch) or "")
end

---------------------------------------------------------------------------- making

local function preprocess_of(o)
  local p <const> = o.preprocess
  local norm <const> = o.normalisation and normalisations[o.normalisation] or p
  if o.normalisation and not normalisations[o.normalisation] then
    error(("batches: normalisation '%s': imagenet or clip wanted"):format(o.normalisation), 3)
  elseif type(p) ~= "table" or not p.size or not norm.mean then
    error("batches: preprocess: { size, mean, std } wanted, for instance method.picture", 3)
  end
  return { size = p.size, mean = norm.mean, std = norm.std }
end

-- batches(data, options)
return function(data, given)
  local o <const> = read_options(given, {
    size = 8, seed = 66, shuffle = true, drop_last = true, detector = false, augment = true,
    guide = false, originals = false, images = false,
    workers = 2, ahead = 3, broken = "raise", cache = true,
    score_threshold = 0.2, nms_threshold = 0.5, min_instances = 3, max_instances = 15,
    iou_threshold = 0.5, prior_power = 1, seen_only = true, "resize", "side", "targets",
    "preprocess", "normalisation",
  })
  local augment <const> = read_options(type(o.augment) == "table" and o.augment or nil,
    { flip = 0.5, jitter = 0.4, crop = 0.5, quirk = false })
  if o.broken ~= "raise" and o.broken ~= "skip" then
    error(("batches: broken: 'raise' or 'skip' wanted, got '%s'"):format(o.broken), 2)
  elseif math.type(o.size) ~= "integer" or o.size < 1 then
    error("batches: size: a whole number from 1 on wanted", 2)
  end
  o.preprocess = preprocess_of(o)
  local drawn <const> = data.name == "mini" -- its pictures are as small as towers want them
  augment.resize, augment.side = o.resize, o.side or (drawn and 96 or 800)
  if augment.resize == nil then
    augment.resize = not drawn
  end
  local self <const> = setmetatable({ data = data, o = o, augment = augment,
    augmented = o.augment ~= false, room = o.size * o.ahead, detector = o.detector,
    orders = {} }, Batches)
  if #data < math.maxinteger then
    self.per_epoch = o.drop_last and #data // o.size or (#data + o.size - 1) // o.size
    if self.per_epoch == 0 then
      error(("batches: %d pictures make no batch of %d"):format(#data, o.size), 2)
    end
  end
  if o.detector and o.cache and o.detector.identity then
    self.detector = make_detections(o.detector)
  end
  self.guide = o.guide and make_guidance(o.guide) or nil
  return self
end
