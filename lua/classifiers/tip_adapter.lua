-- tip_adapter: Tip-Adapter (Zhang et al. 2022): training pictures as a cache of keys and labels:
-- logits = scale f W' + alpha exp(-beta (1 - f keys')) labels. Nothing is trained here; alpha and
-- beta are chosen on val.
local classifier <const> = require "hoi.classifier"
local nn <const> = require "hoi.nn"
local tensors <const> = require "hoi.tensor"

local tip_adapter <const> = { needs = "features" }

tip_adapter.options = {
  alpha = 1, beta = 5.5,                      -- what is taken without val
  search = true,                              -- choose both on val
  search_alpha = 3, search_beta = 7,          -- how far the search goes
  steps_alpha = 20, steps_beta = 200,
  augment_epochs = 10,                        -- augmented views a key is the mean of
}

function tip_adapter.new(task)
  classifier.wants(task, "text", "tip_adapter")
  return {}
end

-- (n, C): a row for each label, 1 at its class.
local function one_hot(labels, classes)
  local rows <const> = {}
  for i = 1, classes do
    rows[i] = {}
    for k = 1, classes do
      rows[i][k] = i == k and 1 or 0
    end
  end
  return tensors.tensor(rows):rows(labels)
end

-- Keys (n, d): the normalised mean of the views of each picture, where there are views.
function tip_adapter:remember(train)
  local sum
  for draw = 1, train.views and self.o.augment_epochs or 0 do
    sum = sum and sum + train.views(draw) or train.views(draw)
  end
  self.module.keys = nn.buffer((sum or train.features):normalize())
  self.module.values = nn.buffer(one_hot(train.labels, #self.task.classes))
end

function tip_adapter:classes()
  return self.task.text
end

local function share_of(self, name)
  return self.chosen[name] or self.o[name]
end

-- (n, C): what the cache says at this beta of cosines with its keys (n, keys).
local function recalled(self, affinity, beta)
  return (affinity * beta - beta):exp():matmul(self.module.values)
end

function tip_adapter:forward(x, classes)
  local f <const> = x:normalize()
  local said <const> = recalled(self, f:linear(self.module.keys), share_of(self, "beta"))
  return (f * self.task.scale):linear(classes) + said * share_of(self, "alpha")
end

local CHUNK <const> = 4096 -- rows of val at a time

-- What the search needs of some rows of val: cosines with the keys, zero-shot logits, labels, and
-- the logits at these.
local function part_of(self, val, first)
  local labels <const> = table.move(val.labels, first,
    math.min(#val.labels, first + CHUNK - 1), 1, {})
  local f <const> = val.features:slice(1, first, first + #labels - 1):normalize()
  local known <const> = (f * self.task.scale):linear(self.task.text)
  return { labels = labels, affinity = f:linear(self.module.keys):detach(), known = known,
    own = known:take(labels):reshape(-1) }
end

-- Chooses alpha and beta on val; the first of equals. A row is right where no logit is greater than
-- its label's; the counts of all alphas are read together.
function tip_adapter:choose(val, log)
  local o <const>, parts <const>, most = self.o, {}, -1
  for first = 1, #val.labels, CHUNK do
    parts[#parts + 1] = part_of(self, val, first)
  end
  local function alpha_of(a)
    return 0.1 + a * (o.search_alpha - 0.1) / o.steps_alpha
  end
  for b = 0, o.steps_beta - 1 do
    local beta <const>, counts <const> = 0.1 + b * (o.search_beta - 0.1) / o.steps_beta, {}
    for _, part in ipairs(parts) do
      local said <const> = recalled(self, part.affinity, beta)
      local said_own <const> = said:take(part.labels):reshape(-1)
      for a = 0, o.steps_alpha - 1 do
        local own <const> = part.own + said_own * alpha_of(a)
        local right <const> = own:ge((part.known + said * alpha_of(a)):max(-1)):sum():reshape(1)
        counts[a + 1] = counts[a + 1] and counts[a + 1] + right or right
      end
    end
    for a, right in ipairs(tensors.concat(counts, 1):totable()) do
      if right > most then
        most, self.chosen = right, { alpha = alpha_of(a - 1), beta = beta }
        if log then
          log { search = "alpha, beta", value = self.chosen, accuracy = 100 * right / #val.labels }
        end
      end
    end
  end
end

function tip_adapter:learn(train, val, run)
  self:remember(train)
  if self.o.search and val then
    self:choose(val, run.log)
  end
  return { steps = 0 }
end

function tip_adapter:restore(file)
  for _, name in ipairs { "keys", "values" } do
    local x <const> = file:tensor(name)
    self.module[name] = name == "keys" and self.trained and nn.parameter(x) or nn.buffer(x)
  end
end

return tip_adapter
