-- ada_cm: ADA-CM (Lei et al. 2023): pairs are named by what they share with remembered pairs of the
-- training pictures, and with texts. Trained, the memory and the texts become free tensors over an
-- adapted tower's regions; without training (training = false) crops meet the memory as it is.
local box <const> = require "hoi.box"
local learners <const> = require "hoi.learners"
local nn <const> = require "hoi.nn"
local pixels <const> = require "hoi.pixels"
local read_options <const> = require "hoi.options"
local tensors <const> = require "hoi.tensor"
local two_stage <const> = require "hoi.two_stage"

local ada_cm <const> = {}
ada_cm.static_classes = true
ada_cm.options = {
  training = true,
  score_by = false,        -- "verb", or "class" without training
  shots = 2,               -- remembered pairs of a column (8 without training, as published)
  temperature = 0.05,      -- of the shares without training
  adapter_width = 64, dropout = 0.1, attention_dropout = 0, roi_dropout = 0.2, alpha = 0.5,
  gamma = 0.2, template = "a photo of {}.", sentences = false, recompute = false,
  picture_norm = "model",  -- or "imagenet", as released
}

-- The memory of `rows` pairs; labels (rows, columns): what they are.
local function memory(self, pair_keys, union_keys, labels)
  local m <const>, rows <const> = self.module, labels:size(1)
  local hold <const> = self.o.training and nn.parameter or nn.buffer
  m.pair_keys, m.union_keys, m.labels = hold(pair_keys), hold(union_keys), nn.buffer(labels)
  if self.o.training then
    m.pair_bias, m.union_bias = hold(tensors.full(-1, { rows })), hold(tensors.full(-1, { rows }))
  end
  self.kept = nil
  return self
end

function ada_cm.new(clip, targets, o)
  local v <const>, d <const> = clip.visual, clip.width
  o.score_by = o.score_by or (o.training and "verb" or "class")
  local self <const> = {
    clip = clip, targets = targets, o = o, grid = v.size // v.patch,
    columns = two_stage.columns(targets, o.score_by),
    picture = two_stage.picture(clip, o.picture_norm),
    object_features = two_stage.object_features(clip),
    scoring = { prior_power = 2.8, compete = o.training and "none" or "valid" },
  }
  local texts <const> = two_stage.texts(targets, self.columns, o)
  local text <const> = two_stage.encode(clip, texts):normalize()
  self.module = nn.module(o.training and {
    prior = learners.prior_tokens(d, { bottleneck = o.adapter_width }),
    adapters = two_stage.adapters(v, o), text = nn.parameter(text),
    scale_pair = nn.parameter(2.659), scale_union = nn.parameter(2.659),
    scale_text = nn.parameter(2.659),
  } or { text = nn.buffer(text) })
  return memory(self, tensors.zeros { 0, 2 * d }, tensors.zeros { 0, d },
    tensors.zeros { 0, #self.columns.all })
end

-- Unit features of the squares around boxes.
local function crops(self, image, boxes)
  local x <const> = pixels.crops(image, boxes, self.clip.preprocess, 1, 1)
  return self.clip:encode_pixels(x):normalize():detach()
end

-- Remembers up to `shots` annotated pairs of each column, the first of a data set's pictures. One
-- pair that is several things is remembered as all of them.
function ada_cm:remember(data, given)
  local o <const> = read_options(given, { pictures = #data, shots = self.o.shots })
  local column <const> = {}
  for t in ipairs(self.targets) do
    column[t] = self.columns.of[t]
  end
  local count <const>, pairs_of <const>, unions <const>, labels <const> = {}, {}, {}, {}
  for i = 1, o.pictures do
    local item <const> = data[i]
    for _, a in ipairs(item.annotations) do
      local c <const> = column[a.target]
      if self.targets[a.target].seen ~= false and (count[c] or 0) < o.shots then
        count[c] = (count[c] or 0) + 1
        local row <const> = {}
        for k = 1, #self.columns.all do
          row[k] = 0
        end
        for _, b in ipairs(item.annotations) do
          if b.object == a.object and box.overlap(a.human_box, b.human_box) > 0.6
            and box.overlap(a.object_box, b.object_box) > 0.6 then
            row[column[b.target]] = 1
          end
        end
        row[c] = 1
        local three <const> = crops(self, item.image,
          { a.human_box, a.object_box, box.union(a.human_box, a.object_box) })
        pairs_of[#pairs_of + 1] = three:slice(1, 1, 2):reshape(1, -1)
        unions[#unions + 1], labels[#labels + 1] = three:slice(1, 3, 3), row
      end
    end
  end
  if #labels == 0 then
    error("ada_cm: remember: no seen class is annotated in these pictures", 2)
  end
  return memory(self, tensors.concat(pairs_of, 1), tensors.concat(unions, 1),
    tensors.tensor(labels))
end

function ada_cm:extra()
  return { rows = self.module.labels:size(1) }
end

function ada_cm:restore(extra)
  local d <const> = self.clip.width
  memory(self, tensors.zeros { extra.rows, 2 * d }, tensors.zeros { extra.rows, d },
    tensors.zeros { extra.rows, #self.columns.all })
end

-- Mean over the keys of each column of what features find there; a column without keys: 0.
local function found(self, features, keys, bias)
  local labels <const> = self.module.labels
  if labels:size(1) == 0 then
    error("ada_cm: nothing is remembered yet; call method:remember(data) first", 3)
  end
  local near <const> = features:matmul(keys:transpose())
  return (bias and near + bias or near):matmul(labels / labels:sum(1, true):maximum(1))
end

-- regions: unit features of humans, others and unions.
function ada_cm:score(regions)
  local m <const> = self.module
  local both <const> = found(self, tensors.concat({ regions[1], regions[2] }, -1), m.pair_keys,
    m.pair_bias)
  local whole <const> = found(self, regions[3], m.union_keys, m.union_bias)
  local text <const> = regions[3]:matmul(m.text:transpose())
  if self.o.training then
    return both * (m.scale_pair * 0.5) + whole * m.scale_union + text * m.scale_text
  end
  return (both * 0.5 + whole * 0.5 + text) * 0.5
end

function ada_cm:regions(samples)
  local m <const>, v <const>, o <const> = self.module, self.clip.visual, self.o
  local tokens <const> = m.prior(samples.tokens)
  local maps <const> = two_stage.maps(v, v:enter(v:embed(samples.pixels)), function(i, x)
    return m.adapters[i](x, tokens, { keys = samples.keys, residual = true })
  end, o.recompute)
  return { two_stage.regions(maps, samples, m.drops and o.roi_dropout or 0) }
end

function ada_cm:look(image, pairs, sample)
  if self.o.training then
    return self:regions(two_stage.one(self, image, pairs, sample))
  end
  local one <const> = crops(self, image, pairs.boxes)
  return { one:rows(pairs.human), one:rows(pairs.object), crops(self, image, pairs.union) }
end

function ada_cm.classes()
  return false -- texts are among the parameters
end

function ada_cm:forward(regions)
  local logits <const> = self:score(regions)
  return two_stage.spread(self.o.training and logits or logits * (1 / self.o.temperature),
    self.columns)
end

function ada_cm:loss(batch)
  if not self.o.training then
    error("ada_cm: it was opened with training = false", 2)
  end
  local samples <const> = two_stage.gather(batch, self.picture, self.grid, self.object_features)
  if not samples then
    return self.module.scale_text:sum() * 0, {}
  end
  local prior <const>, labels <const> = two_stage.truth(samples, self.columns, self.columns.seen)
  local loss <const> = two_stage.interaction_loss(self:score(self:regions(samples)), prior, labels,
    self.o)
  return loss, { interaction = loss:detach() }
end

return ada_cm
