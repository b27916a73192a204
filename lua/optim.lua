-- optim: optimisers over named parameters, in groups by name, and schedules of the rate.
local core <const> = require "hoi.optim.core"
local options <const> = require "hoi.options"

local optim <const> = {}
local Optimizer <const> = {}
Optimizer.__index = Optimizer

-- parameters: a list of {name, tensor} as modules and models give, or of tensors.
local function named(parameters)
  local list <const> = {}
  for i, p in ipairs(parameters) do
    list[i] = type(p) == "table" and { name = p[1] or p.name, tensor = p[2] or p.tensor }
      or { name = tostring(i), tensor = p }
  end
  if #list == 0 then
    error("optimizer: the list of parameters is empty", 3)
  end
  return list
end

local function build(kind, parameters, o, core_options)
  local self <const> = setmetatable({
    kind = kind, parameters = named(parameters), learning_rate = o.learning_rate,
    core = core.new(kind, core_options),
  }, Optimizer)
  for _, p in ipairs(self.parameters) do
    local rate, decay = 1, o.weight_decay
    if o.decay_matrices_only and p.tensor.rank < 2 then
      decay = 0
    end
    for _, group in ipairs(o.groups) do
      local g <const> = options(group,
        { pattern = "", learning_rate = false, weight_decay = false })
      if p.name:find(g.pattern) then
        rate = g.learning_rate and g.learning_rate / o.learning_rate or rate
        decay = g.weight_decay or decay
      end
    end
    self.core:add(p.tensor, rate, decay)
  end
  return self
end

function optim.adamw(parameters, given)
  local o <const> = options(given, {
    learning_rate = 1e-3, weight_decay = 1e-4, betas = { 0.9, 0.999 }, eps = 1e-8,
    decay_matrices_only = false, groups = {},
  })
  return build("adamw", parameters, o, { beta1 = o.betas[1], beta2 = o.betas[2], eps = o.eps })
end

function optim.sgd(parameters, given)
  local o <const> = options(given, {
    learning_rate = 2e-3, weight_decay = 5e-4, momentum = 0.9,
    decay_matrices_only = false, groups = {},
  })
  return build("sgd", parameters, o, { momentum = o.momentum })
end

-- One step with the gradients at hand; clears them. accumulated: micro-batches that were added up
-- (their mean is taken).
function Optimizer:step(given)
  local o <const> = options(given,
    { learning_rate = self.learning_rate, max_grad_norm = 0, accumulated = 1 })
  self.core:step(o.learning_rate, 1 / o.accumulated, o.max_grad_norm)
end

-- The length of the last step's gradients before clipping; waits for the device.
function Optimizer:grad_norm()
  return self.core:norm()
end

-- What a checkpoint keeps: tensors by name, and numbers.
function Optimizer:state()
  local tensors <const> = {}
  for i, p in ipairs(self.parameters) do
    local first <const>, second <const> = self.core:state(i)
    tensors["optimizer.first." .. p.name], tensors["optimizer.second." .. p.name] = first, second
  end
  return tensors, { kind = self.kind, steps = self.core:steps() }
end

-- Puts a state back; tensor(name) gets a tensor out of the checkpoint.
function Optimizer:restore(tensor, numbers)
  if numbers.kind ~= self.kind then
    error(("optimizer: the checkpoint is of %s, this is %s"):format(numbers.kind, self.kind), 2)
  end
  for i, p in ipairs(self.parameters) do
    local first <const>, second <const> = self.core:state(i)
    first:write(tensor("optimizer.first." .. p.name))
    if second then
      second:write(tensor("optimizer.second." .. p.name))
    end
  end
  self.core:steps(numbers.steps)
end

function Optimizer:release()
  self.core:release()
end
Optimizer.__close = Optimizer.release

-- Schedules: functions of the steps done (0, 1, ...) that give the rate of the next.
optim.schedule = {}

function optim.schedule.step(given)
  local o <const> = options(given, { learning_rate = 1e-3, every = 10, factor = 0.1 })
  return function(t)
    return o.learning_rate * o.factor ^ (t // o.every)
  end
end

-- Warm-up in a straight line over `warmup` steps, then half a cosine down to floor * learning_rate
-- at `steps`.
function optim.schedule.cosine(given)
  local o <const> = options(given, { learning_rate = 1e-3, steps = 1000, warmup = 0, floor = 0 })
  return function(t)
    if t < o.warmup then
      return o.learning_rate * (t + 1) / o.warmup
    end
    local part <const> = math.min(1, (t - o.warmup) / math.max(1, o.steps - o.warmup))
    return o.learning_rate * (o.floor + (1 - o.floor) * 0.5 * (1 + math.cos(math.pi * part)))
  end
end

function optim.schedule.constant(rate)
  return function()
    return rate
  end
end

return optim
