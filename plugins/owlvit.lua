-- owlvit: the default detector: OWL-ViT or OWLv2, whose classes are sentences. Without a folder it
-- is the small one of the drawn world inside the program.
local fill <const> = require "hoi.template"
local options <const> = require "hoi.options"
local owlvit <const> = require "hoi.owlvit"

local TEMPLATES <const> = { "a photo of a {}", "a {}" }

local function default_labels(folder)
  if not folder then
    local labels <const> = table.move(require "hoi.mini".things, 1, 12, 1, {})
    labels[#labels + 1] = "person"
    return labels
  end
  return require "hoi.coco".names
end

-- Query features of labels: the mean over templates.
local function queries(model, labels, templates)
  local sum
  for _, template in ipairs(templates) do
    local sentences <const> = {}
    for i, label in ipairs(labels) do
      sentences[i] = fill(template, (label:gsub("_", " "))):gsub("%f[%a]a ([aeiou])", "an %1")
    end
    local features <const> = model:queries(sentences)
    sum = sum and sum + features or features
  end
  return sum:normalize()
end

return {
  abi = 1,
  name = "owlvit",
  labels = {},
  open = function(given)
    local o <const> = options(given,
      { folder = false, labels = false, score = 0.1, templates = false })
    local model <const> = owlvit.open(o.folder or nil)
    local labels <const> = o.labels or default_labels(o.folder)
    local self <const> = { model = model, labels = labels, score = o.score }
    local templates <const> = o.templates or (o.folder and TEMPLATES or { TEMPLATES[1] })
    self.queries = queries(model, labels, templates)
    return self, labels
  end,
  detect = function(self, picture)
    return self.model:detect(picture.image, self.labels, self.queries,
      { score_threshold = self.score })
  end,
  close = function(self)
    self.model:release()
    self.queries:release()
  end,
}
