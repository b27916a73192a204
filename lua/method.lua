-- method: what every method of naming interactions has in common. A method is a file in
-- lua/methods (or one of the user's) with
--   options                      a table of its defaults
--   new(clip, targets, options)  an object whose fields clip, targets and o are these three
--   :classes()                   anything: what it knows of the targets
--   :look(image, pairs)          what it sees of a picture's pairs
--   :forward(view, pairs, classes)  logits (pairs, targets)
--   static_classes = true        its promise that classes() may be kept
-- One that learns has besides
--   module                       an nn.Module: all that it trains and saves
--   :loss(batch, options)        a recorded scalar, and its parts by name
--   :trains(name, what)          whether train(what) trains this parameter; what: "all" or its own
--   scoring                      { prior_power, compete } that its scores are made with
--   :extra(), :restore(extra)    what of its making a file must know beside options and classes
local json <const> = require "hoi.json"
local kinds <const> = require "hoi.kind"
local make_targets <const> = require "hoi.targets"
local read_options <const> = require "hoi.options"
local safetensors <const> = require "hoi.safetensors"
local pair_up <const> = require "hoi.pairing".pairs

local Result <const> = { __name = "hoi.Result" }

function Result:__tostring()
  local lines <const> = {
    ("%-28s %6s  %-22s %s"):format(self.image or "", "score", "human", "object"),
  }
  local function box(b)
    return ("%.0f,%.0f,%.0f,%.0f"):format(b[1], b[2], b[3], b[4])
  end
  for _, i in ipairs(self.interactions) do
    lines[#lines + 1] = ("%-28s %6.3f  %-22s %s%s"):format(
      i.verb:gsub("_", " ") .. " " .. (i.object or ""), i.score, box(i.human_box),
      box(i.object_box), i.seen == false and "  (unseen)" or "")
  end
  if #self.interactions == 0 then
    lines[#lines + 1] = "nobody does anything"
  end
  return table.concat(lines, "\n")
end

local common <const> = { scoring = { prior_power = 1, compete = "valid" } }

function common:class_features()
  if self.static_classes then
    self.kept = self.kept or self:classes()
    return self.kept
  end
  return self:classes()
end

-- Scores (pairs, targets) as a list of lists, of a picture's pairs: prior^power x what the logits
-- say. compete: the logits of a pair become shares of 1 ("softmax") among the targets its object
-- allows ("valid") or among all; or each stands alone ("none": sigmoid). sample: what of the
-- picture is at hand already (pixels, guidance), for methods that look at it.
function common:scores(image, pairs, given)
  local o <const> = read_options(given,
    { prior_power = self.scoring.prior_power, compete = self.scoring.compete, sample = false })
  if #pairs == 0 then
    return {}
  end
  local prior <const> = pairs:prior(self.targets, o.prior_power)
  local view <const> = self:look(image, pairs, o.sample or nil)
  local logits <const> = self:forward(view, pairs, self:class_features())
  if o.compete == "none" then
    local scores <const> = logits:sigmoid():totable()
    for p, row in ipairs(scores) do
      for t in ipairs(row) do
        row[t] = row[t] * prior[p][t]
      end
    end
    return scores
  end
  local scores <const> = logits:totable()
  for p, row in ipairs(scores) do
    local most, sum = -math.huge, 0
    for t, x in ipairs(row) do
      if (o.compete == "all" or prior[p][t] > 0) and x > most then
        most = x
      end
    end
    for t, x in ipairs(row) do
      row[t] = (o.compete == "all" or prior[p][t] > 0) and math.exp(x - most) or 0
      sum = sum + row[t]
    end
    for t in ipairs(row) do
      row[t] = sum > 0 and row[t] / sum * prior[p][t] or 0
    end
  end
  return scores
end

-- The interactions of an image with its detections, best first.
function common:predict(image, detections, given)
  local o <const> = read_options(given, {
    top = 10, score_threshold = 0.2, nms_threshold = 0.5, min_instances = 3, max_instances = 15,
    name = false, "prior_power", "compete",
  })
  local pairs <const> = pair_up(detections, {
    score_threshold = o.score_threshold, nms_threshold = o.nms_threshold,
    min_instances = o.min_instances, max_instances = o.max_instances,
    width = image.width, height = image.height,
  })
  local scores <const> = self:scores(image, pairs,
    { prior_power = o.prior_power, compete = o.compete })
  local list <const> = {}
  for p, row in ipairs(scores) do
    local human <const>, object <const> = pairs.human[p], pairs.object[p]
    for t, score in ipairs(row) do
      if score > 0 then
        local target <const> = self.targets[t]
        list[#list + 1] = {
          verb = target.verb, object = pairs.labels[object], score = score, seen = target.seen,
          human_box = pairs.boxes[human], object_box = pairs.boxes[object],
          human_score = pairs.scores[human], object_score = pairs.scores[object], order = #list,
        }
      end
    end
  end
  table.sort(list, function(a, b)
    return a.score ~= b.score and a.score > b.score or a.score == b.score and a.order < b.order
  end)
  local kept <const> = {}
  for i = 1, math.min(o.top, #list) do
    kept[i] = list[i]
    kept[i].order = nil
  end
  return setmetatable({
    image = o.name or nil, width = image.width, height = image.height,
    interactions = require "hoi.json".array(kept),
  }, Result)
end

-- Adds a class, for which nothing is trained. Gets its place.
function common:add_class(class)
  if self.module then
    error(("method: %s can not take classes in once it is made"):format(self.name), 2)
  end
  self.kept = nil
  return self.targets:add(class)
end

---------------------------------------------------------------------------- learning

local function learned(self)
  return self.module
    or error(("method: %s learns nothing; there is nothing to train or save"):format(self.name), 3)
end

function common:parameters(pattern)
  return learned(self):parameters(pattern)
end

-- All that a method holds, trained or not, as a list: what a checkpoint keeps.
function common:tensors()
  local list <const> = {}
  for name, x in pairs(learned(self):state()) do
    list[#list + 1] = { name, x }
  end
  table.sort(list, function(a, b)
    return a[1] < b[1]
  end)
  return list
end

function common.trains(_, _, what)
  return what == "all"
end

-- Makes trainable what the method trains under this name ("all": everything), and turns dropout on.
-- Gets the list for an optimizer.
function common:train(what)
  what = what or "all"
  local list <const> = {}
  learned(self):freeze()
  for _, p in ipairs(self.module:parameters()) do
    if self:trains(p[1], what) then
      p[2]:train()
      list[#list + 1] = p
    end
  end
  if #list == 0 then
    error(("method: %s has nothing to train as '%s'"):format(self.name, what), 2)
  end
  self.module:dropout(true)
  self.kept = nil
  return list
end

-- Ends training: nothing is recorded, nothing dropped.
function common:freeze()
  learned(self):freeze()
  self.kept = nil
  return self
end

-- Writes what was learned. metadata: further strings (setting, seed, epoch).
function common:save(path, metadata)
  local strings <const> = {}
  for key, value in pairs(metadata or {}) do
    strings[key] = tostring(value)
  end
  strings.format, strings.version, strings.method = "hoi-method", "1", self.name
  strings.clip, strings.options = self.clip:fingerprint(), json.encode(self.o)
  strings.classes = json.encode(self.targets:totable())
  strings.extra = self.extra and json.encode(self:extra()) or nil
  safetensors.save(path, learned(self):state(), { metadata = strings })
end

local NAMES <const> = { "zero_shot", "ezhoi", "cmmp", "ada_cm", "geometry" }

local function make(name, clip, targets, given)
  local kind <const> = kinds.load("methods", name, NAMES)
  local self <const> = kind.new(clip, targets, read_options(given, kind.options or {}))
  self.name = name
  return kinds.object(self, kind, common, "hoi.Method", function()
    return ("Method %s, %d targets"):format(name, #targets)
  end)
end

-- What differs between two lists of classes; nil where they are alike.
local function difference(saved, given)
  local function title(row)
    return row.verb .. (row.object and " " .. row.object or "")
      .. (row.seen == false and " (unseen)" or "")
  end
  for i = 1, math.max(#saved, #given) do
    local a <const>, b <const> = saved[i], given[i]
    if not a or not b or title(a) ~= title(b) then
      return ("class %d is '%s' there and '%s' here"):format(i, a and title(a) or "none",
        b and title(b) or "none")
    end
  end
end

local method <const> = {}

-- Opens what Method:save wrote (the file, or prompts.safetensors in a folder), with the CLIP it was
-- trained on. targets: the list it must be of (default: the file's own).
function method.load(path, clip, targets)
  if require "hoi.system".kind(path) == "folder" then
    path = path .. "/prompts.safetensors"
  end
  local file <close> = safetensors.open(path)
  local function told(key)
    return file:metadata(key)
      or error(("method: %s is no method's file of hoi's: it has no '%s'"):format(path, key), 3)
  end
  if told "format" ~= "hoi-method" then
    error(("method: %s is no method's file of hoi's but '%s'"):format(path, told "format"), 2)
  elseif told "clip" ~= clip:fingerprint() then
    error(("method: %s was trained on %s, this is %s"):format(path, told "clip",
      clip:fingerprint()), 2)
  end
  local saved <const> = make_targets(json.decode(told "classes"))
  local gap <const> = targets and difference(saved, targets)
  if gap then
    error(("method: %s is for %s, not for %s: %s"):format(path, saved, targets, gap), 2)
  end
  local self <const> = make(told "method", clip, targets or saved, json.decode(told "options"))
  if self.restore then
    self:restore(json.decode(told "extra"))
  end
  self.module:load(path)
  return self:freeze()
end

return setmetatable(method, {
  __call = function(_, name, clip, targets, given)
    return make(name, clip, targets, given)
  end,
})
