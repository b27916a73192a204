-- cmmp: CMMP (Lei et al. 2024): instance tokens that have read one another and learned spatial
-- patterns go into adapters of every block; the sentences of verbs stand behind shared learned
-- vectors, held near the frozen ones.
local losses <const> = require "hoi.losses"
local nn <const> = require "hoi.nn"
local learners <const> = require "hoi.learners"
local tensors <const> = require "hoi.tensor"
local two_stage <const> = require "hoi.two_stage"

local cmmp <const> = {}
cmmp.static_classes = true
cmmp.scoring = { prior_power = 2.8, compete = "none" }
cmmp.options = {
  context = 24, -- learned vectors before each sentence; fewer where the tower has no room
  adapter_width = 64, dropout = 0.1, attention_dropout = 0, roi_dropout = 0.2,
  alpha = 0.5, gamma = 0.2, consistency = 1, template = "a photo of {}.", score_by = "verb",
  picture_norm = "model",  -- or "imagenet", as released
  padding = "hidden",      -- or "seen" (released): instances read the padding of their batch
  patterns = false,        -- (n, 36) spatial patterns to begin with; false: 10 at random
  sentences = false,       -- verb -> sentence
  recompute = false,
}

function cmmp.new(clip, targets, o)
  local v <const>, t <const>, d <const>, w <const> = clip.visual, clip.text, clip.width,
    o.adapter_width
  local self <const> = {
    clip = clip, targets = targets, o = o, grid = v.size // v.patch,
    columns = two_stage.columns(targets, o.score_by),
    picture = two_stage.picture(clip, o.picture_norm),
    object_features = two_stage.object_features(clip),
  }
  local texts <const> = two_stage.texts(targets, self.columns, o)
  self.ids, self.ends = clip:tokenize(texts, { truncate = true })
  local context <const> = math.min(o.context, t.places - #self.ids[1])
  if context < 1 then
    error(("cmmp: a sentence of %d tokens leaves no room before it; this text tower reads %d")
      :format(#self.ids[1], t.places), 3)
  end
  for i, place in ipairs(self.ends) do
    self.ends[i] = place + context
  end
  self.frozen = two_stage.encode(clip, texts):normalize()
  local small <const> = {
    heads = 1, hidden = w, dropout = o.dropout, attention_dropout = o.attention_dropout,
  }
  self.module = nn.module {
    prior = learners.prior_tokens(d, { bottleneck = w }),
    patterns = nn.parameter(o.patterns or tensors.randn { 10, 36 }),
    lift = nn.mlp { 36, w, w, w }, fuse = nn.decoder(w, small),
    adapters = two_stage.adapters(v, o), context = nn.normal({ context, t.width }, 0.02),
    human = nn.xavier { d, d }, object = nn.xavier { d, d },
    scale_human = nn.parameter(0.357), scale_object = nn.parameter(0.357),
    scale_union = nn.parameter(2.659),
  }
  return self
end

-- Features (columns, d).
function cmmp:classes()
  local t <const>, n <const> = self.clip.text, self.module.context:size(1)
  local x <const> = t:embed(self.ids)
  local context <const> = self.module.context:unsqueeze(1):expand(x:size(1), n, t.width)
  local words <const> = tensors.concat({ x:slice(2, 1, 1), context, x:slice(2, 2) }, 2)
  return t:leave(t:blocks(t:enter(words), { recompute = self.o.recompute }), self.ends)
end

-- Unit features of humans, others and unions of all pairs of a batch.
function cmmp:regions(samples)
  local m <const>, v <const>, o <const> = self.module, self.clip.visual, self.o
  local keys <const> = samples.keys
  local tokens <const> = m.fuse(m.prior(samples.tokens), m.lift(m.patterns),
    { self_keys = o.padding == "hidden" and keys or nil })
  local maps <const> = two_stage.maps(v, v:enter(v:embed(samples.pixels)), function(i, x)
    return m.adapters[i](x, tokens, { keys = keys, residual = true })
  end, o.recompute)
  return { two_stage.regions(maps, samples, m.drops and o.roi_dropout or 0) }
end

function cmmp:score(regions, texts)
  local m <const> = self.module
  local seen <const> = regions[1]:matmul(m.human) * m.scale_human
    + regions[2]:matmul(m.object) * m.scale_object + regions[3] * m.scale_union
  return seen:matmul(texts:transpose())
end

function cmmp:look(image, pairs, sample)
  return self:regions(two_stage.one(self, image, pairs, sample))
end

function cmmp:forward(regions, _, texts)
  return two_stage.spread(self:score(regions, texts), self.columns)
end

function cmmp:loss(batch)
  local texts <const> = self:classes()
  local consistency <const> = losses.cross_entropy(
    texts:normalize():matmul(self.frozen:transpose()), "diagonal")
  local samples <const> = two_stage.gather(batch, self.picture, self.grid, self.object_features)
  local interaction
  if samples then
    local prior <const>, labels <const> = two_stage.truth(samples, self.columns, self.columns.seen)
    interaction = two_stage.interaction_loss(self:score(self:regions(samples), texts), prior,
      labels, self.o)
  end
  local parts <const> = { consistency = consistency:detach() }
  parts.interaction = interaction and interaction:detach()
  local held <const> = consistency * self.o.consistency
  return interaction and interaction + held or held, parts
end

return cmmp
