-- training: teaches a method with a data set's pictures, one batch a step. What it has reached is
-- kept in a checkpoint, so that the same call goes on from there to the same bits; what it measures
-- on its way goes to a log, a JSON value a line.
local checkpoint <const> = require "hoi.checkpoint"
local json <const> = require "hoi.json"
local make_batches <const> = require "hoi.batches"
local make_interrupt <const> = require "hoi.interrupt"
local make_method <const> = require "hoi.method"
local optim <const> = require "hoi.optim"
local progress <const> = require "hoi.progress"
local read_options <const> = require "hoi.options"
local system <const> = require "hoi.system"
local tensors <const> = require "hoi.tensor"

local training <const> = {}

-- Gets a method's option of the text "name=value"; for parsers of scripts' words.
function training.option(text)
  local name <const>, value <const> = text:match "^([%a_][%w_]*)=(.*)$"
  if not name then
    return nil, ("'%s': an option of the method wanted, as closeness=1"):format(text)
  end
  local ok <const>, decoded <const> = pcall(json.decode, value)
  if ok then
    return { name, decoded }
  end
  return { name, value }
end

-- Makes a method that is to be trained on a data set. The seed decides how it begins.
function training.method(name, clip, data, options, seed)
  tensors.seed(seed)
  local method <const> = make_method(name, clip, data.targets, options)
  if method.remember then
    method:remember(data, { pictures = math.min(#data, 2000) })
  end
  return method
end

-- The stage in which a method learns seen classes alone, where it has such a stage.
function training.seen_stage(method)
  return method.start_unseen and "seen" or "all"
end

---------------------------------------------------------------------------- what is kept

-- Raises where a checkpoint is of another training.
local function compare(path, kept, asked)
  local names <const> = {}
  for name in pairs(asked) do
    names[#names + 1] = name
  end
  for name in pairs(kept or {}) do
    names[#names + 1] = asked[name] == nil and name or nil
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local was <const>, is <const> = json.encode((kept or {})[name]), json.encode(asked[name])
    if was ~= is then
      error(("training: %s was begun with %s = %s, this is with %s; take another folder, or begin"
        .. " anew"):format(path, name, was, is), 0)
    end
  end
end

-- Leaves what a log says of steps up to the last one that was kept.
local function cut(path, last)
  if not system.kind(path) then
    return
  end
  local lines <const>, part <const> = {}, path .. ".part"
  for line in io.lines(path) do
    local ok <const>, values <const> = pcall(json.decode, line) -- the last may be half a line
    lines[#lines + 1] = ok and values.step <= last and line .. "\n" or nil
  end
  local file <const> = assert(io.open(part, "w"))
  assert(file:write(table.concat(lines)))
  assert(file:close())
  assert(os.rename(part, path))
end

local function append(path, values)
  local file <close> = assert(io.open(path, "a"))
  file:write(json.encode(values), "\n")
end

---------------------------------------------------------------------------- steps

-- Gets the rate of each step: constant and a tenth of it for the last sixth of the steps (as
-- published: 10 of 12 epochs), or half a cosine behind a short warm-up.
local function schedule(o, steps)
  if o.schedule == "cosine" then
    return optim.schedule.cosine {
      learning_rate = o.rate, steps = steps, warmup = math.min(20, steps // 10),
    }
  elseif o.schedule ~= "step" then
    error(("training: schedule '%s'; step and cosine are known"):format(o.schedule), 3)
  end
  return optim.schedule.step { learning_rate = o.rate, every = math.max(1, steps * 5 // 6) }
end

-- Gets what the frozen tower is asked for, kept on disk; false where the method does not look at
-- it. One picture at a time: its bits are the same whatever stands beside it.
function training.guidance(method)
  local o <const> = method.o
  if not (method.guide and o.guidance and o.visual_prompts) then
    return false
  end
  return {
    key = method.clip:feature_key(), make = function(images)
      local parts <const> = {}
      for i, image in ipairs(images) do
        parts[i] = method:guide { image }
      end
      return tensors.concat(parts, 1)
    end,
  }
end

-- Trains a method. way: beginning of the names of what is kept: way .. "checkpoint" and way ..
-- "log.jsonl"; false: nothing is. Gets { step, seconds, loss, values }: the steps done, the time
-- that they took, the last loss, the number of values that are trained. Ctrl-C ends it after a
-- step: then the result has stopped = true.
function training.run(method, data, given)
  local o <const> = read_options(given, {
    stage = "all", size = 8, rate = 1e-3, decay = 1e-4, schedule = "step", max_grad_norm = 0.1,
    seed = 66, detector = false, augment = true, weights = false, way = false, fresh = false,
    save_every = 200, report_every = 10, label = "train", workers = 2, from = "", "steps", "epochs",
  })
  local list <const> = method:train(o.stage)
  local batches <close> = make_batches(data, {
    size = o.size, seed = o.seed, preprocess = method.picture, detector = o.detector,
    augment = o.augment, guide = training.guidance(method), resize = method.picture.twice or false,
    broken = "skip", workers = o.workers,
  })
  local steps <const> = o.steps or batches.per_epoch and (o.epochs or 12) * batches.per_epoch
    or error("training: steps: how many, of a data set without an end?", 2)
  local what <const> = {
    method = method.name, options = method.o, clip = method.clip:fingerprint(),
    classes = tostring(method.targets), data = data.name, pictures = #data, setting = data.setting,
    boxes = o.detector and (o.detector.identity or tostring(o.detector)) or "truth", steps = steps,
    from = o.from,
  }
  for _, name in ipairs { "stage", "size", "rate", "decay", "schedule", "seed", "augment",
    "max_grad_norm", "weights" } do
    what[name] = o[name]
  end

  local adamw <const> = optim.adamw(list, { learning_rate = o.rate, weight_decay = o.decay })
  local path <const>, log <const> = o.way and o.way .. "checkpoint", o.way and o.way .. "log.jsonl"
  local state = { step = 0, seconds = 0 }
  if path and not o.fresh and system.kind(path) then
    compare(path, checkpoint.state(path).what, what)
    state = checkpoint.load(path, method:tensors(), adamw)
  else
    tensors.seed(o.seed)
  end
  if log then
    cut(log, state.step)
  end

  local rate <const>, begun <const>, first <const> = schedule(o, steps), system.now(), state.step
  local result <const> = { step = first, seconds = state.seconds, loss = state.loss, values = 0 }
  for _, p in ipairs(list) do
    result.values = result.values + p[2]:count()
  end
  local function save()
    if path then
      checkpoint.save(path, method:tensors(), adamw,
        { step = result.step, seconds = result.seconds, loss = result.loss, what = what })
    end
  end
  local stop <close> = make_interrupt()
  local bar <close> = progress(steps - first, { label = o.label })
  local window, pictures = {}, 0
  for i in bar do
    local step <const> = first + i
    local batch <const> = batches:get(step)
    for _, broken in ipairs(batch.broken) do
      io.stderr:write(("%s: left out: %s: %s\n"):format(o.label, broken.name, broken.error))
    end
    local loss <const>, parts <const> = method:loss(batch, o.weights or nil)
    loss:backward()
    adamw:step { learning_rate = rate(step - 1), max_grad_norm = o.max_grad_norm }
    parts.loss, pictures = loss:detach(), pictures + #batch
    window[#window + 1] = parts
    result.step, result.seconds = step, state.seconds + system.now() - begun
    if step % o.report_every == 0 or step == steps then
      local values <const> = training.means(window)
      window, result.loss = {}, values.loss
      values["pictures/s"] = pictures / (system.now() - begun)
      bar:set(values)
      values.step, values.seconds, values.rate = step, result.seconds, rate(step - 1)
      if log then
        append(log, values)
      end
    end
    result.stopped = stop:requested() or nil
    if result.stopped or step % o.save_every == 0 or step == steps then
      save()
    end
    if result.stopped then
      break
    end
  end
  method:freeze()
  return result
end

-- Gets the means of a list of tables of one number tensors, by name.
function training.means(list)
  local sums <const>, counts <const> = {}, {}
  for _, values in ipairs(list) do
    for name, x in pairs(values) do
      sums[name], counts[name] = (sums[name] or 0) + x:item(), (counts[name] or 0) + 1
    end
  end
  for name, count in pairs(counts) do
    sums[name] = sums[name] / count
  end
  return sums
end

return training
