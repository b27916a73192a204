-- classifier: what few-shot classifiers of pictures have in common: training, measuring, files. A
-- classifier is a file in lua/classifiers (or one of the user's) with
--   options                a table of its defaults
--   needs                  "features" of pictures, or "pictures" themselves
--   new(task, options)     an object of fields; what it learns is in its field `module`
--   :classes()             what it knows of the classes, often (C, d)
--   :forward(x, classes)   logits (n, C) of features (n, d), or of pixels
--   :learn(train, val, run)   only where it does not learn by the common steps
-- Published recipes choose on the test set here and there; nothing here sees but train and val.
local checkpoint <const> = require "hoi.checkpoint"
local json <const> = require "hoi.json"
local kinds <const> = require "hoi.kind"
local losses <const> = require "hoi.losses"
local nn <const> = require "hoi.nn"
local optim <const> = require "hoi.optim"
local read_options <const> = require "hoi.options"
local fill <const> = require "hoi.template"
local mixed <const> = require "hoi.splitmix"
local safetensors <const> = require "hoi.safetensors"
local system <const> = require "hoi.system"
local tensors <const> = require "hoi.tensor"
local weights <const> = require("hoi.weights").weights

local classifier <const> = {}

classifier.names = {
  "zero_shot", "nearest_mean", "linear_probe", "clip_adapter", "tip_adapter", "tip_adapter_f",
  "coop", "maple", "clip_lora",
}

local PROMPTS <const> = { "a photo of a {}." }

-- (C, d): of each class the normalised mean of its templates' normalised features.
function classifier.text(clip, classes, templates)
  local sum
  for _, template in ipairs(templates) do
    local texts <const> = {}
    for i, name in ipairs(classes) do
      texts[i] = fill(template, (name:gsub("_", " ")))
    end
    local each <const> = clip:encode_text(texts):detach():normalize()
    sum = sum and sum + each or each
  end
  return #templates == 1 and sum or sum:normalize()
end

-- Cosines times scale: (n, C) of features (n, d) and unit class features (C, d).
function classifier.cosines(x, classes, scale)
  return (x:normalize() * scale):linear(classes)
end

----------------------------------------------------------------------------- training

-- Defaults of the common steps, with a method's own options and other defaults. schedule "epochs"
-- is CoOp's: the first epoch at warm_rate, then half a cosine, a new rate with each epoch.
function classifier.training(own)
  local o <const> = {
    epochs = 200, steps = false, -- steps: instead of epochs, as many batches
    batch = 32, partial = false, -- partial: the last batch of an epoch may be smaller
    optimizer = "sgd", learning_rate = 2e-3, weight_decay = 5e-4, momentum = 0.9, eps = 1e-8,
    schedule = "epochs", warm_rate = 1e-5, last_rate = 0, augment = true,
  }
  for name, value in pairs(own) do
    o[name] = value
  end
  return o
end

local GOLDEN <const> = 0x9E3779B97F4A7C15 -- the step of splitmix64

-- The order of n samples in an epoch: depends on the seed and the epoch alone.
local function order_of(n, seed, epoch)
  local order <const> = {}
  for i = 1, n do
    order[i] = i
  end
  local key <const> = mixed((mixed(seed + GOLDEN) ~ epoch) + GOLDEN)
  for i = n, 2, -1 do
    local k <const> = (mixed(key + i + GOLDEN) >> 1) % i + 1
    order[i], order[k] = order[k], order[i]
  end
  return order
end

-- The rate of a step (from 0) in an epoch (from 0).
local function rate_of(o, step, steps, epoch, epochs)
  if o.schedule == "epochs" then
    return epoch == 0 and o.warm_rate
      or 0.5 * o.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / epochs))
  elseif o.schedule == "cosine" then
    return o.last_rate
      + 0.5 * (o.learning_rate - o.last_rate) * (1 + math.cos(math.pi * step / steps))
  elseif o.schedule == "constant" then
    return o.learning_rate
  end
  error(("classifier: schedule '%s'; epochs, cosine and constant are known"):format(o.schedule), 0)
end

local function optimizer_of(o, parameters)
  if o.optimizer == "sgd" then
    return optim.sgd(parameters, { learning_rate = o.learning_rate, momentum = o.momentum,
      weight_decay = o.weight_decay })
  elseif o.optimizer == "adamw" then
    return optim.adamw(parameters, { learning_rate = o.learning_rate, eps = o.eps,
      weight_decay = o.weight_decay })
  end
  error(("classifier: optimizer '%s'; sgd and adamw are known"):format(o.optimizer), 0)
end

local function count_of(set)
  return set.labels and #set.labels or set.features and set.features:size(1)
    or error("classifier: a set needs labels or features", 0)
end

-- What a classifier sees of some samples: features, or pixels; draw: which augmentation.
local function seen(self, set, places, draw)
  if self.needs == "pictures" then
    if not set.pixels then
      error(("classifier: %s needs pictures; this set has features alone"):format(self.name), 0)
    end
    return set.pixels(places, draw)
  end
  return set.features:rows(places)
end

-- Batches of positions of an epoch.
local function batches(o, n, seed, epoch)
  local order <const>, list <const> = order_of(n, seed, epoch), {}
  local whole <const> = o.partial or n < o.batch
  for first = 1, whole and n or n - o.batch + 1, o.batch do
    list[#list + 1] = table.move(order, first, math.min(n, first + o.batch - 1), 1, {})
  end
  return list
end

-- Copies of parameters, under names of their own in a checkpoint.
local function copies(parameters)
  local list <const> = {}
  for i, p in ipairs(parameters) do
    list[i] = { "best." .. p[1], p[2]:detach() * 1 }
  end
  return list
end

local function write_all(to, from)
  for i, p in ipairs(to) do
    p[2]:write(from[i][2])
  end
end

-- Trains the module by the common steps: cross-entropy of batches in a shuffled order. run: log,
-- checkpoint, every, as fit gets them. val: where given, the epoch that does best on it is kept.
-- Gets the mean loss of the last epoch, and the steps.
function classifier.train(self, set, run, val)
  local o <const>, n <const> = self.o, count_of(set)
  local of_epoch <const> = #batches(o, n, 0, 0)
  local epochs <const> = o.steps and (o.steps + of_epoch - 1) // of_epoch or o.epochs
  local steps <const> = o.steps or o.epochs * of_epoch
  local parameters <const> = self.module:parameters()
  local best <const> = val and copies(parameters) or {}
  local all <const> = table.move(best, 1, #best, #parameters + 1, { table.unpack(parameters) })
  local optimizer <close> = optimizer_of(o, parameters)
  local same <const> = json.encode { self.name, o, self.task.seed, n }
  local state = run.checkpoint and checkpoint.load(run.checkpoint, all, optimizer)
  if state and state.of ~= same then
    error(("classifier: %s is of %s; this training is %s"):format(run.checkpoint, state.of, same),
      0)
  end
  state = state or { epoch = 0, step = 0, loss = 0, best = -1, of = same }
  for epoch = state.epoch, epochs - 1 do
    local list <const>, rates <const> = batches(o, n, self.task.seed, epoch), {}
    for i = #list, steps - state.step + 1, -1 do
      list[i] = nil
    end
    for i = 1, #list do
      rates[i] = rate_of(o, state.step + i - 1, steps, epoch, epochs)
    end
    local now = set
    if o.augment and set.views and self.needs == "features" then
      now = { features = set.views(epoch + 1), labels = set.labels }
    end
    local sum <const> = self:run_steps(now, list, rates, optimizer, state.step)
    state.step, state.epoch = state.step + #list, epoch + 1
    state.loss = sum:item() / #list
    local accuracy <const> = val and self:accuracy(val)
    if val and accuracy > state.best then
      state.best = accuracy
      write_all(best, parameters)
    end
    if run.log then
      run.log { epoch = epoch + 1, epochs = epochs, step = state.step, loss = state.loss,
        learning_rate = rates[#rates], accuracy = accuracy or nil }
    end
    if run.checkpoint and (state.epoch % run.every == 0 or state.epoch == epochs) then
      checkpoint.save(run.checkpoint, all, optimizer, state)
    end
  end
  if val then
    write_all(parameters, best)
  end
  return { loss = state.loss, steps = state.step }
end

----------------------------------------------------------------------------- what all have

local common <const> = {}

-- The steps of one epoch; gets the sum of their losses, a scalar. places: of the samples of each
-- step; first: how many steps were done before. A classifier may have faster ones.
function common:run_steps(set, places, rates, optimizer, first)
  local sum
  for i, batch in ipairs(places) do
    local labels <const> = {}
    for k, place in ipairs(batch) do
      labels[k] = set.labels[place]
    end
    local x <const> = seen(self, set, batch, self.o.augment and first + i or nil)
    self.training = true
    local loss <const> = losses.cross_entropy(self:forward(x, self:classes()), labels)
    self.training = false
    loss:backward()
    optimizer:step { learning_rate = rates[i] }
    sum = sum and sum + loss:detach() or loss:detach()
  end
  return sum
end

function common:learn(train, _, run)
  return classifier.train(self, train, run)
end

-- Learns from train; val, where given, is what hyper-parameters are chosen on. Gets what was done
-- and chosen.
function common:fit(train, val, given)
  local run <const> = read_options(given, { log = false, checkpoint = false, every = 1 })
  local begun <const> = system.now()
  local result <const> = self:learn(train, val, run) or {}
  for name, value in pairs(self.chosen) do
    result[name] = value
  end
  result.parameters, result.seconds = self:size(), system.now() - begun
  return result
end

local CHUNK <const> = { features = 4096, pictures = 32 }

-- (n, C) of a set, in chunks, so that memory does not grow with it. Nothing of it is recorded.
function common:logits(set)
  local given <const> = tensors.is_tensor(set) and { features = set } or set
  local n <const>, parts <const>, most <const> = count_of(given), {}, CHUNK[self.needs]
  local classes <const> = self:classes()
  for first = 1, n, most do
    local places <const> = {}
    for i = first, math.min(n, first + most - 1) do
      places[#places + 1] = i
    end
    parts[#parts + 1] = self:forward(seen(self, given, places), classes):detach()
  end
  return #parts == 1 and parts[1] or tensors.concat(parts, 1)
end

function common:predict(set)
  return self:logits(set):argmax()
end

-- Percent of right guesses among logits.
function classifier.accuracy(logits, labels)
  local right = 0
  for i, guess in ipairs(logits:argmax()) do
    right = right + (guess == labels[i] and 1 or 0)
  end
  return 100 * right / #labels
end

function common:accuracy(set)
  return classifier.accuracy(self:logits(set), set.labels)
end

function common:parameters()
  return self.module:parameters()
end

-- How many numbers it learns.
function common:size()
  local count = 0
  for _, p in ipairs(self:parameters()) do
    count = count + p[2]:count()
  end
  return count
end

classifier.run_steps = common.run_steps

----------------------------------------------------------------------------- files

local function clip_of(task)
  return task.clip and task.clip:fingerprint() or "no CLIP"
end

function common:save(path)
  safetensors.save(path, self.module:state(), { metadata = {
    format = "hoi-classifier", version = "1", method = self.name, options = json.encode(self.o),
    classes = json.encode(self.task.classes), clip = clip_of(self.task),
    chosen = json.encode(self.chosen),
  } })
end

-- Reads what the method's own code saved, whatever the kind of file (hoi.weights).
function common:read(path)
  if not self.published then
    error(("classifier: %s has no published files to read"):format(self.name), 2)
  end
  local file <close> = weights(path)
  local names <const> = file:names()
  local function find(pattern) -- the one name that ends so, if any
    for _, name in ipairs(names) do
      if name:find(pattern .. "$") then
        return file:tensor(name)
      end
    end
    error(("classifier: %s: nothing in it ends in '%s'; is it of %s?"):format(path,
      (pattern:gsub("%%", "")), self.name), 0)
  end
  local function put(to, x, name)
    if table.concat(to.shape, "x") ~= table.concat(x.shape, "x") then
      error(("classifier: %s: '%s' is %s, this %s has %s"):format(path, name,
        table.concat(x.shape, "x"), self.name, table.concat(to.shape, "x")), 0)
    end
    to:write(x)
  end
  self:published(function(to, pattern)
    local x <const> = find(pattern)
    put(to, x:count() == to:count() and x.rank > to.rank and x:reshape(to.shape) or x,
      (pattern:gsub("%%", "")))
  end, file)
  return self
end

-- What a file's tensors become: by default, the module's own of the same names and shapes.
function common:restore(file)
  local names <const>, known <const> = file:names(), self.module:state()
  for _, name in ipairs(names) do
    local x <const>, to <const> = file:tensor(name), known[name]
    if not to or table.concat(to.shape, "x") ~= table.concat(x.shape, "x") then
      error(("classifier: '%s' %s of the file is not what %s has: %s"):format(name,
        table.concat(x.shape, "x"), self.name, to and table.concat(to.shape, "x") or "nothing"), 0)
    end
    to:write(x)
    known[name] = nil
  end
  local missing <const> = next(known)
  if missing then
    error(("classifier: '%s' is missing in the file"):format(missing), 0)
  end
end

local function load_kind(name)
  return kinds.load("classifiers", name, classifier.names)
end

-- A copy of a classifier's options with their defaults.
function classifier.options(name)
  local copy <const> = {}
  for key, value in pairs(load_kind(name).options) do
    copy[key] = value
  end
  return copy
end

local function scale_of(task)
  return task.scale or task.clip and task.clip:scale():item() or 100
end

-- Opens a classifier. task: classes, and clip or text; templates, scale, seed.
local function open(name, given, given_options)
  local task <const> = read_options(given, { classes = {}, clip = false, templates = false,
    text = false, scale = false, seed = 1 })
  local kind <const> = load_kind(name)
  if #task.classes == 0 then
    error("classifier: the task has no classes", 0)
  end
  task.templates = task.templates or PROMPTS
  task.scale = scale_of(task)
  tensors.seed(task.seed)
  if not task.text and task.clip then
    task.text = classifier.text(task.clip, task.classes, task.templates)
  elseif task.text then
    task.text = task.text:detach():normalize()
  end
  local o <const> = read_options(given_options, kind.options)
  local self <const> = kinds.object({ name = name, task = task, o = o, chosen = {},
    module = nn.module {}, needs = kind.needs }, kind, common, "hoi.Classifier", function(self)
    return ("Classifier %s, %d classes, %d learned numbers"):format(name, #task.classes,
      self:size())
  end)
  for key, value in pairs(kind.new(task, o)) do
    self[key] = value
  end
  return self
end

-- What a classifier needs of its task, by name.
function classifier.wants(task, field, name)
  return task[field] or error(("%s needs %s"):format(name,
    field == "clip" and "a CLIP: task.clip" or "class features: task.text, or task.clip"), 0)
end

-- Opens a classifier that was saved, for the same task.
function classifier.load(path, task)
  local file <close> = safetensors.open(path)
  if file:metadata "format" ~= "hoi-classifier" then
    error(("classifier: %s is no classifier of hoi's"):format(path), 2)
  end
  local self <const> = open(file:metadata "method", task, json.decode(file:metadata "options"))
  local function same(what, found, wanted)
    if found ~= wanted then
      error(("classifier: %s is of %s %s; this task's is %s"):format(path, what, found, wanted), 0)
    end
  end
  same("the classes", file:metadata "classes", json.encode(task.classes))
  same("CLIP", file:metadata "clip", clip_of(self.task))
  self.chosen = json.decode(file:metadata "chosen")
  self:restore(file)
  return self
end

return setmetatable(classifier, {
  __call = function(_, name, task, given)
    return open(name, task, given)
  end,
})
