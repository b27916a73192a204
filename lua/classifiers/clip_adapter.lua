-- clip_adapter: CLIP-Adapter (Gao et al. 2021): a bottleneck of two layers behind the pictures'
-- features, behind the classes', or both, blended with what went in: alpha A(x) + (1 - alpha) x.
-- Where the paper and its published code differ, the code is the default: no biases, a ReLU behind
-- the second layer too.
local adapters <const> = require "hoi.adapter"
local classifier <const> = require "hoi.classifier"
local nn <const> = require "hoi.nn"
local tensors <const> = require "hoi.tensor"

local clip_adapter <const> = { needs = "features" }

clip_adapter.options = classifier.training {
  branch = "image",  -- image, text or both
  layer = "end",     -- end: behind the tower; a number: behind that block of it; all: behind each
  reduction = 4,     -- width over the bottleneck's
  bias = false,
  last_relu = true,  -- the paper's formula has none
  alpha = 0.2,       -- share of the adapter; "search" among `alphas` on val, or "learned"
  beta = 0.2,        -- the same of the classes' adapter
  alphas = { 0.2, 0.4, 0.6, 0.8, 1 },
  optimizer = "adamw", learning_rate = 1e-3, weight_decay = 1e-2, schedule = "cosine",
}

local function apply(self, x)
  return self.up(self.down(x, "relu"), self.last)
end

local function adapter(width, o)
  local hidden <const> = width // o.reduction
  return nn.module {
    down = nn.linear(width, hidden, { bias = o.bias }),
    up = nn.linear(hidden, width, { bias = o.bias }),
    last = o.last_relu and "relu" or "none", forward = apply,
  }
end

-- The paper's learned share, as a small network on what goes in: sigmoid(w x + b), 0.2 at first.
local function gate(width)
  local first <const> = math.log(0.2 / 0.8)
  return nn.module {
    weight = nn.parameter(tensors.zeros { 1, width }), bias = nn.parameter { first },
    forward = function(self, x)
      return x:linear(self.weight, self.bias):sigmoid()
    end,
  }
end

local function blend(x, learned, share)
  local a <const> = type(share) == "number" and share or share(x)
  return learned(x) * a + x * (1 - a)
end

local function make(self, task, o)
  local width <const> = task.text:size(2)
  local module <const> = nn.module {}
  if o.branch ~= "text" and o.layer == "end" then
    module.image = adapter(width, o)
    module.alpha = o.alpha == "learned" and gate(width) or nil
  end
  if o.branch ~= "image" then
    module.text = adapter(width, o)
    module.beta = o.beta == "learned" and gate(width) or nil
  end
  if self.needs == "pictures" then
    local visual <const> = task.clip.visual
    module.layers = nn.module {}
    for i = 1, visual.depth do
      if o.layer == "all" or o.layer == i then
        module.layers[i] = adapter(visual.width, o)
      end
    end
  end
  return module
end

function clip_adapter.new(task, o)
  classifier.wants(task, "text", "clip_adapter")
  local self <const> = { needs = "features", alpha = o.alpha, beta = o.beta }
  if o.branch ~= "image" and o.branch ~= "text" and o.branch ~= "both" then
    error(("clip_adapter: branch '%s'; image, text and both are known"):format(o.branch), 0)
  end
  if o.layer ~= "end" then
    local depth <const> = classifier.wants(task, "clip", "clip_adapter in the tower").visual.depth
    local inside <const> = math.type(o.layer) == "integer" and o.layer >= 1 and o.layer <= depth
    if o.layer ~= "all" and not inside then
      error(("clip_adapter: layer '%s'; end, all and 1 to %d are known"):format(o.layer, depth), 0)
    elseif o.alpha == "learned" then
      error("clip_adapter: a share inside the tower is a number or 'search'", 0)
    end
    self.needs = o.branch == "text" and "features" or "pictures"
  end
  for _, share in ipairs { "alpha", "beta" } do
    if type(o[share]) ~= "number" then
      self[share] = 0.2 -- until it is chosen
    end
  end
  self.module = make(self, task, o)
  return self
end

local function share_of(self, name)
  return self.module[name] or self.chosen[name] or self[name]
end

function clip_adapter:classes()
  local text <const> = self.task.text
  return self.module.text and blend(text, self.module.text, share_of(self, "beta")):normalize()
    or text
end

-- Features of pixels, with adapters between the blocks.
local function through(self, pixels)
  local visual <const>, alpha <const> = self.task.clip.visual, share_of(self, "alpha")
  local x = visual:enter(visual:embed(pixels))
  for i = 1, visual.depth do
    x = visual:block(i, x)
    local learned <const> = self.module.layers[i]
    x = learned and blend(x, learned, alpha) or x
  end
  return visual:leave(x:slice(2, 1, 1)):squeeze(2)
end

function clip_adapter:forward(x, classes)
  local f <const> = self.needs == "pictures" and through(self, x) or x
  return classifier.cosines(self.module.image
    and blend(f, self.module.image, share_of(self, "alpha")) or f, classes, self.task.scale)
end

-- The image adapter without biases, fixed classes, features that are there: then an epoch's steps
-- are one call, more than twice as fast as recorded ones.
local function is_plain(self)
  local module <const> = self.module
  return module.image and not module.text and not module.alpha and not self.o.bias
    and self.needs == "features" and adapters.possible()
end

function clip_adapter:run_steps(set, places, rates, optimizer, first)
  if not is_plain(self) then
    return classifier.run_steps(self, set, places, rates, optimizer, first)
  end
  local flat <const> = {}
  for _, batch in ipairs(places) do
    table.move(batch, 1, #batch, #flat + 1, flat)
  end
  local image <const> = self.module.image
  return adapters.train(optimizer.core, {
    features = set.features, text = self:classes(), down = image.down.weight,
    up = image.up.weight, alpha = share_of(self, "alpha"), scale = self.task.scale,
    last_relu = self.o.last_relu,
  }, set.labels, flat, #places[1], rates)
end

-- Trains once; with shares to be searched, once for each, and keeps what does best on val.
function clip_adapter:learn(train, val, run)
  local grid = { {} }
  for _, name in ipairs { "alpha", "beta" } do
    local used <const> = self.o.branch == "both" or (name == "beta") == (self.o.branch == "text")
    if self.o[name] == "search" and used and val then
      local larger <const> = {}
      for _, chosen in ipairs(grid) do
        for _, value in ipairs(self.o.alphas) do
          larger[#larger + 1] = { alpha = chosen.alpha, [name] = value }
        end
      end
      grid = larger
    end
  end
  if #grid == 1 then
    return classifier.train(self, train, run)
  end
  local best
  for i, chosen in ipairs(grid) do
    tensors.seed(self.task.seed)
    self.module, self.chosen = make(self, self.task, self.o), chosen
    local result <const> = classifier.train(self, train, {
      log = run.log, every = run.every,
      checkpoint = run.checkpoint and ("%s.%d"):format(run.checkpoint, i),
    })
    local accuracy <const> = self:accuracy(val)
    if run.log then
      run.log { search = "alpha", value = chosen, accuracy = accuracy }
    end
    if not best or accuracy > best.accuracy then
      best = { accuracy = accuracy, module = self.module, chosen = chosen, result = result }
    end
  end
  self.module, self.chosen = best.module, best.chosen
  return best.result
end

return clip_adapter
