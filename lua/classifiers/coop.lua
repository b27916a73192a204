-- coop: CoOp (Zhou et al. 2022): learned vectors in place of a prompt's words, before, behind or
-- around the class's name. Every step goes through the text tower forward and backward, cut after
-- the longest end of text; pictures are features that never change.
local classifier <const> = require "hoi.classifier"
local nn <const> = require "hoi.nn"
local tensors <const> = require "hoi.tensor"

local coop <const> = { needs = "features" }

coop.options = classifier.training {
  contexts = 16,          -- how many vectors
  init = false,           -- or words they start as: "a photo of a" (then as many as its tokens)
  class_specific = false, -- vectors of its own for each class
  position = "end",       -- where the name is: end, middle or front
  recompute = false,      -- true: blocks run again in backward, for less memory
}

-- What the prompts of a list of classes are made of: the embedded words, and for each place of each
-- prompt a row of (context vectors, then these words).
local function layout(self, classes)
  local text <const>, clip <const>, m <const> = self.task.clip.text, self.task.clip, self.contexts
  local prompts <const>, names <const> = {}, {}
  for i, class in ipairs(classes) do
    names[i] = class:gsub("_", " ")
    prompts[i] = ("%s %s."):format(self.words, names[i])
  end
  local ids <const>, ends <const> = clip:tokenize(prompts)
  local _, name_ends <const> = clip:tokenize(names)
  local n <const> = #ids[1]
  local own <const> = self.o.class_specific
  local vectors <const> = own and #classes * m or m
  local rows <const> = {}
  for i in ipairs(classes) do
    local row <const> = {}
    local function words(from, to)
      for k = from, to do
        row[#row + 1] = vectors + (i - 1) * n + k
      end
    end
    local function learned(from, to)
      for k = from, to do
        row[#row + 1] = (own and (i - 1) * m or 0) + k
      end
    end
    local first <const>, last <const> = m + 2, m + name_ends[i] - 1 -- of the name
    local before <const> = self.o.position == "end" and m
      or self.o.position == "middle" and m // 2 or 0
    words(1, 1)
    learned(1, before)
    if before < m then
      words(first, last)
      learned(before + 1, m)
    end
    words(before < m and last + 1 or first, n)
    table.move(row, 1, n, #rows + 1, rows)
  end
  self.layout = {
    words = text:embed(ids):detach():reshape(#classes * n, text.width), rows = rows, ends = ends,
    shape = { #classes, n, text.width },
  }
end

function coop.new(task, o)
  local clip <const> = classifier.wants(task, "clip", "coop")
  local width <const> = clip.text.width
  local self <const> = { task = task, o = o, contexts = o.contexts }
  if o.position ~= "end" and o.position ~= "middle" and o.position ~= "front" then
    error(("coop: position '%s'; end, middle and front are known"):format(o.position), 0)
  end
  local start
  if o.init then
    local ids <const>, ends <const> = clip:tokenize { o.init }
    self.contexts = ends[1] - 2
    start = clip.text:embed(ids):detach():slice(2, 2, ends[1] - 1):squeeze(1)
  end
  local m <const> = self.contexts
  self.words = o.init or ("X "):rep(m):sub(1, -2)
  local count <const> = o.class_specific and #task.classes * m or m
  if start and o.class_specific then
    start = start:unsqueeze(1):expand(#task.classes, m, width):reshape(count, width)
  end
  self.module = nn.module { contexts = start and nn.parameter(start) or nn.normal { count, width } }
  layout(self, task.classes)
  return self
end

-- Puts the learned vectors around the names of other classes.
function coop:renew(classes)
  if self.o.class_specific then
    error("coop: vectors of a class of its own say nothing about others", 0)
  end
  self.task.classes = classes
  layout(self, classes)
  return self
end

-- CoOp's checkpoint: prompt_learner/model.pth.tar-N.
function coop:published(put)
  put(self.module.contexts, "ctx")
end

function coop:classes()
  local text <const>, l <const> = self.task.clip.text, self.layout
  local x <const> = tensors.concat({ self.module.contexts, l.words }, 1):rows(l.rows)
  return text:leave(text:blocks(text:enter(x:reshape(l.shape)), { recompute = self.o.recompute }),
    l.ends):normalize()
end

function coop:forward(x, classes)
  return classifier.cosines(x, classes, self.task.scale)
end

return coop
