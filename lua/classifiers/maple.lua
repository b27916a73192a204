-- maple: MaPLe (Khattak et al. 2023): learned vectors in the first blocks of both towers; those of
-- pictures are linear in those of texts. The prompt stays "a photo of a NAME."; its first two words
-- give way to the vectors.
local classifier <const> = require "hoi.classifier"
local nn <const> = require "hoi.nn"
local tensors <const> = require "hoi.tensor"

local maple <const> = { needs = "pictures" }

maple.options = classifier.training {
  contexts = 2, depth = 9, -- vectors, and blocks they enter
  init = "a photo of a",
  recompute = false,       -- true: blocks run again in backward, for less memory
  epochs = 5, batch = 4, learning_rate = 3.5e-3,
}

local function read(self, classes)
  local prompts <const> = {}
  for i, class in ipairs(classes) do
    prompts[i] = ("%s %s."):format(self.o.init, (class:gsub("_", " ")))
  end
  self.ids, self.ends = self.task.clip:tokenize(prompts)
end

function maple.new(task, o)
  local clip <const> = classifier.wants(task, "clip", "maple")
  local text <const>, visual <const> = clip.text, clip.visual
  local most <const> = math.min(text.depth, visual.depth)
  if o.depth < 1 or o.depth > most then
    error(("maple: depth %d; 1 to %d are possible"):format(o.depth, most), 0)
  end
  local self <const> = { task = task, o = o }
  local words <const>, ends <const> = clip:tokenize { o.init }
  if ends[1] - 2 < o.contexts then
    error(("maple: '%s' has fewer than %d tokens"):format(o.init, o.contexts), 0)
  end
  local start <const> = text:embed(words):detach():slice(2, 2, o.contexts + 1):squeeze(1)
  local deep <const> = nn.linear(text.width, visual.width) -- its copies start alike
  self.module = nn.module {
    prompts = nn.list(o.depth, function(i)
      return i == 1 and nn.parameter(start) or nn.normal { o.contexts, text.width }
    end),
    couple = nn.list(o.depth, function(i)
      local layer <const> = nn.linear(text.width, visual.width)
      if i > 1 then
        layer.weight:write(deep.weight)
        layer.bias:write(deep.bias)
      end
      return layer
    end),
  }
  read(self, task.classes)
  return self
end

-- Puts the learned vectors before the names of other classes.
function maple:renew(classes)
  self.task.classes = classes
  read(self, classes)
  return self
end

-- MaPLe's checkpoint: MultiModalPromptLearner/model.pth.tar-N; its lists count from 0.
function maple:published(put)
  local prompts <const>, couple <const> = self.module.prompts, self.module.couple
  put(prompts[1], "prompt_learner%.ctx")
  for i = 1, #prompts do
    local deep <const> = ("compound_prompts_text%%.%d"):format(i - 2)
    local layer <const> = i == 1 and "prompt_learner%.proj"
      or ("compound_prompt_projections%%.%d"):format(i - 2)
    if i > 1 then
      put(prompts[i], deep)
    end
    put(couple[i].weight, layer .. "%.weight")
    put(couple[i].bias, layer .. "%.bias")
  end
end

local function spread(prompt, x)
  return prompt:unsqueeze(1):expand(x:size(1), prompt:size(1), prompt:size(2))
end

function maple:classes()
  local text <const>, n <const> = self.task.clip.text, self.o.contexts
  local prompts <const> = self.module.prompts
  local function put(x, i) -- behind the start
    return tensors.concat({ x:slice(2, 1, 1), spread(prompts[i], x), x:slice(2, n + 2) }, 2)
  end
  local x = text:enter(put(text:embed(self.ids), 1))
  for i = 1, text.depth do
    x = text:block(i, i > 1 and i <= #prompts and put(x, i) or x, { recompute = self.o.recompute })
  end
  return text:leave(x, self.ends):normalize()
end

-- Features of pixels: the vectors lie behind the patches, without positions.
function maple:encode(pixels)
  local visual <const> = self.task.clip.visual
  local prompts <const>, couple <const> = self.module.prompts, self.module.couple
  local x = visual:embed(pixels)
  local places <const> = x:size(2)
  local function put(y, i)
    return tensors.concat({ y, spread(couple[i](prompts[i]), y) }, 2)
  end
  x = visual:enter(put(x, 1))
  for i = 1, visual.depth do
    x = visual:block(i, i > 1 and i <= #prompts and put(x:slice(2, 1, places), i) or x,
      { recompute = self.o.recompute })
  end
  return visual:leave(x:slice(2, 1, 1)):squeeze(2)
end

function maple:forward(pixels, classes)
  return classifier.cosines(self:encode(pixels), classes, self.task.scale)
end

return maple
