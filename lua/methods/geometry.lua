-- geometry: what boxes alone tell: a small classifier of a pair's boxes that never sees a picture.
-- What a method that looks is worth shows beside it.
local nn <const> = require "hoi.nn"
local tensors <const> = require "hoi.tensor"
local two_stage <const> = require "hoi.two_stage"

local geometry <const> = {}
geometry.static_classes = true
geometry.scoring = { prior_power = 2.8, compete = "none" }
geometry.options = {
  hidden = 128,
  things = true,  -- it is told what the object is, too
  score_by = "verb", alpha = 0.5, gamma = 0.2,
}

function geometry.new(clip, targets, o)
  local self <const> = {
    clip = clip, targets = targets, o = o, columns = two_stage.columns(targets, o.score_by),
    picture = two_stage.picture(clip, "model"), labels = targets:labels(), place = {},
  }
  for i, label in ipairs(self.labels) do
    self.place[label] = i
  end
  local inputs <const> = 8 + (o.things and #self.labels or 0)
  self.module = nn.module {
    classifier = nn.mlp { inputs, o.hidden, o.hidden, #self.columns.all },
  }
  return self
end

-- Eight numbers of a human's and an object's box, in a picture of this height.
local function numbers_of(h, o, height)
  local hw <const>, hh <const>, ow <const>, oh <const> = h[3] - h[1], h[4] - h[2], o[3] - o[1],
    o[4] - o[2]
  local both <const> = math.max(0, math.min(h[3], o[3]) - math.max(h[1], o[1]))
    * math.max(0, math.min(h[4], o[4]) - math.max(h[2], o[2]))
  return {
    math.abs(h[1] + h[3] - o[1] - o[3]) / 2 / hh, (o[2] + o[4] - h[2] - h[4]) / 2 / hh, hw / hh,
    math.log(ow / hh), math.log(oh / hh), both / (hw * hh), both / (ow * oh), hh / height,
  }
end

-- Logits (pairs, columns) of the pairs of samples with their heights.
local function score(self, samples)
  local rows <const> = {}
  for _, sample in ipairs(samples) do
    local p <const> = sample.pairs
    for k = 1, #p do
      local object <const> = p.object[k]
      local row <const> = numbers_of(p.boxes[p.human[k]], p.boxes[object], sample.height)
      for i = 1, self.o.things and #self.labels or 0 do
        row[8 + i] = self.place[p.labels[object]] == i and 1 or 0
      end
      rows[#rows + 1] = row
    end
  end
  return self.module.classifier(tensors.tensor(rows))
end

function geometry.classes()
  return false
end

function geometry:look(image, pairs)
  return score(self, { { pairs = pairs, height = image.height } })
end

function geometry:forward(logits)
  return two_stage.spread(logits, self.columns)
end

function geometry:loss(batch)
  local samples <const> = {}
  for _, sample in ipairs(batch) do
    samples[#samples + 1] = #sample.pairs > 0 and sample or nil
  end
  if #samples == 0 then
    return self.module.classifier(tensors.zeros { 1, 8 + (self.o.things and #self.labels or 0) })
      :sum() * 0, {}
  end
  local prior <const>, labels <const> = two_stage.truth({ samples = samples }, self.columns,
    self.columns.seen)
  local loss <const> = two_stage.interaction_loss(score(self, samples), prior, labels, self.o)
  return loss, { interaction = loss:detach() }
end

return geometry
