-- ezhoi: EZ-HOI (Lei et al. 2024): prompts of both towers, guided by descriptions and by a frozen
-- tower's patches, taught on seen classes; unseen classes learn from their related seen ones. Two
-- modes: "paper", as it is meant, and "released", what the published code computes.
local json <const> = require "hoi.json"
local learners <const> = require "hoi.learners"
local losses <const> = require "hoi.ezhoi.losses"
local nn <const> = require "hoi.nn"
local read_options <const> = require "hoi.options"
local tensors <const> = require "hoi.tensor"
local texts <const> = require "hoi.ezhoi.texts"
local two_stage <const> = require "hoi.two_stage"

local ezhoi <const> = {}
ezhoi.static_classes = true -- the texts do not depend on the picture
ezhoi.scoring = { prior_power = 2.8, compete = "none" }

-- What the two modes differ in; any of these may be given beside the mode.
local modes <const> = {
  paper = {
    prompt_place = "front",       -- behind the start token, so that the end token reads them
    context = "trained",          -- the prompts all classes start from
    context_start = "tower",      -- they begin as what the frozen tower has at those places
    prompt_precision = "full",
    difference_mask = "hidden",   -- sentences that pad a list are no keys
    relation_rows = "classes",
    picture_norm = "model", resized = "once", class_names = "own",
    attention_dropout = 0, dead_weights = false, template = "a photo of {}.",
  },
  released = {
    prompt_place = "tail",        -- behind the end token: they reach nothing
    context = "fixed", context_start = "normal",
    prompt_precision = "half",    -- prompts of the picture tower go through 16 bits
    difference_mask = "added",    -- the mask is added: 1 for sentences that pad a list
    relation_rows = "verb_ids",   -- rows of classes found by the number of the verb
    picture_norm = "imagenet", resized = "twice", class_names = "hico",
    attention_dropout = 0.1, dead_weights = true, template = "A photo of {}.",
  },
}

ezhoi.options = {
  mode = "paper", prompt_length = 2, prompt_depth = 9, adapter_width = 64, dropout = 0.1,
  roi_dropout = 0.2, alpha = 0.5, gamma = 0.2,
  relation = 150, closeness = 0, negatives = 0, -- weights of the losses
  text_prompts = true,     -- false: texts of the frozen tower
  descriptions = true,     -- text prompts read them
  visual_prompts = true, guidance = true, -- the latter read the frozen tower's patches
  adapters = true, unseen = true, intra_fusion = true, inter_fusion = true,
  score_by = "verb",       -- or "class"
  classes_per_verb = 2,    -- that speak for it; 0: all
  compete = "none",        -- "softmax" over the classes that are read (the paper's equation 14)
  adapter_place = "before", -- or "after" the block (the paper's equation 8)
  scale = "plain",         -- or "exp"
  halved = true, normalized = false, unseen_in_loss = false, unfreeze = false,
  shortcuts = true,        -- false: dead parts run too, texts over the whole context
  recompute = false,       -- keep only the entries of blocks for the way back
  description_template = "a photo of {}: {}",
  differences = false,     -- list of { class, other, sentences }: what tells a class from another
  "prompt_place", "context", "context_start", "prompt_precision", "difference_mask",
  "relation_rows", "picture_norm", "resized", "class_names", "attention_dropout", "dead_weights",
  "template",
}

local known <const> = {
  prompt_place = { front = true, tail = true }, context = { trained = true, fixed = true },
  context_start = { tower = true, normal = true }, prompt_precision = { full = true, half = true },
  difference_mask = { hidden = true, added = true }, scale = { plain = true, exp = true },
  relation_rows = { classes = true, verb_ids = true }, compete = { none = true, softmax = true },
  picture_norm = { model = true, imagenet = true }, resized = { once = true, twice = true },
  class_names = { own = true, hico = true }, adapter_place = { before = true, after = true },
  score_by = { verb = true, class = true },
}

local function resolve(given)
  local o <const> = read_options(given, given)
  local mode <const> = modes[o.mode]
    or error(("ezhoi: mode '%s'; paper and released are known"):format(o.mode), 4)
  for key, value in pairs(mode) do
    if o[key] == nil then
      o[key] = value
    end
  end
  for key, values in pairs(known) do
    if not values[o[key]] then
      local names <const> = {}
      for name in pairs(values) do
        names[#names + 1] = name
      end
      table.sort(names)
      error(("ezhoi: %s = '%s'; %s are known"):format(key, o[key], table.concat(names, " and ")),
        4)
    end
  end
  return o
end

---------------------------------------------------------------------------- classes

-- What is known of the classes: features (classes, d) of those that are read, and of the columns of
-- the logits.
function ezhoi:classes()
  local o <const> = self.o
  local dead <const> = o.shortcuts and o.prompt_place == "tail"
  local features
  if not o.text_prompts or dead then
    self.frozen = self.frozen or texts.read(self):detach()
    features = self.frozen
  else
    features = texts.read(self, texts.prompts(self))
  end
  local unit <const> = o.normalized and features:normalize() or features
  return {
    features = features, unit = unit,
    columns = learners.group_means(unit, self.column_of, #self.columns.all),
  }
end

---------------------------------------------------------------------------- pictures

-- Patch tokens (count, tokens, d) of pictures (or their pixels) by the frozen tower.
function ezhoi:guide(images)
  local map <const> = self.clip:encode_patches(images)
  return map:reshape(map:size(1), -1, self.clip.width):detach()
end

local function guidance_of(self, samples, given)
  local x <const> = given.guidance
  if x and x.rank == 4 then -- pixels of the batch
    return self:guide(#samples.places < x:size(1) and x:rows(samples.places) or x)
  end
  local parts <const> = {}
  for i, sample in ipairs(samples.samples) do
    local image <const> = sample.guidance or sample.original or sample.image or error(
      "ezhoi: a sample without its picture and without guidance; make batches with originals ="
      .. " true, or with guide", 0)
    local tokens <const> = sample.guidance or self:guide(image)
    parts[i] = tokens:reshape(1, -1, self.clip.width)
  end
  return tensors.concat(parts, 1)
end

-- (pictures, layers * length, width)
local function visual_prompts(self, samples, given)
  local m <const>, o <const>, b <const> = self.module, self.o, samples.count
  local x = m.projections(m.context:slice(1, 1, self.visual_depth))
  x = x:unsqueeze(1):expand(b, x:size(1), x:size(2))
  if o.guidance then
    x = m.image_adapter(x, m.image_adapter:memory(guidance_of(self, samples, given):normalize()))
  end
  return o.prompt_precision == "half" and x:half() or x
end

local function enter(self, x)
  local own <const>, v <const> = self.module.picture, self.clip.visual
  if own then -- its positions are trained: what they have moved is added
    x = x + (own.positions - self.frozen_positions):pad(1, 0, x:size(2) - own.positions:size(1))
  end
  return v:enter(x)
end

local function leave(self, x)
  local own <const>, v <const> = self.module.picture, self.clip.visual
  return own and x:layer_norm(own.norm.weight, own.norm.bias):linear(own.projection) or v:leave(x)
end

-- Maps (pictures, grid, grid, d) of the prompted and adapted tower.
function ezhoi:maps(samples, given)
  local m <const>, o <const>, v <const> = self.module, self.o, self.clip.visual
  local p <const>, grid <const> = o.prompt_length, v.size // v.patch
  local prior <const> = o.adapters and m.prior(samples.tokens)
  local prompts <const> = o.visual_prompts and visual_prompts(self, samples, given or {})
  local function prompt(l)
    return prompts:slice(2, (l - 1) * p + 1, l * p)
  end
  local function adapted(x, l)
    return m.adapters[l](x, prior, { keys = samples.keys, residual = true })
  end
  local x = v:embed(samples.pixels)
  x = enter(self, prompts and tensors.concat({ x, prompt(1) }, 2) or x)
  for l = 1, v.depth do
    if prompts and l > 1 and l <= self.visual_depth then
      x = tensors.concat({ x:slice(2, 1, -p - 1), prompt(l) }, 2)
    end
    x = o.adapters and o.adapter_place == "before" and adapted(x, l) or x
    local before
    if l == v.depth then -- the last block runs patches only
      x, before = two_stage.patches(x, grid * grid)
    end
    x = v:block(l, x, { before = before, recompute = o.recompute })
    x = o.adapters and o.adapter_place == "after" and adapted(x, l) or x
  end
  local map <const> = leave(self, x)
  return map:reshape(samples.count, grid, grid, self.clip.width)
end

-- Features (pairs, d) of all pairs, one picture's after another.
function ezhoi:pair_features(samples, maps)
  local m <const>, o <const>, b <const> = self.module, self.o, samples.count
  local one <const> = two_stage.pool(maps, samples.map_boxes, m.drops and o.roi_dropout or 0)
  local human <const>, object <const> = one:rows(samples.human), one:rows(samples.object)
  local e = o.intra_fusion and m.intra(human, object) or (human + object) * 0.5
  if o.inter_fusion then
    local n <const>, d <const> = samples.most_pairs, e:size(2)
    local padded <const> = e:scatter(samples.pair_places, b * n):reshape(b, n, d)
    e = m.inter(padded, { keys = samples.pair_keys }):reshape(b * n, d):rows(samples.pair_places)
  end
  return o.normalized and e:normalize() or e
end

-- The factor of the logits.
function ezhoi:scale()
  local scale <const> = self.module.scale
  return (self.o.scale == "exp" and scale:exp() or scale) * (self.o.halved and 0.5 or 1)
end

-- Logits (pairs, columns).
function ezhoi:score(e, classes)
  local o <const>, scale <const> = self.o, self:scale()
  if o.compete == "softmax" then
    return learners.share_logits(e:matmul(classes.unit:transpose()) * scale, self.column_of,
      #self.columns.all)
  end
  return e:matmul(classes.columns:transpose()) * scale
end

function ezhoi:look(image, pairs, sample)
  local samples <const>, one <const> = two_stage.one(self, image, pairs, sample)
  return self:pair_features(samples, self:maps(samples, one))
end

function ezhoi:forward(e, _, classes)
  return two_stage.spread(self:score(e, classes), self.columns)
end

---------------------------------------------------------------------------- losses

-- The loss of a batch of samples, and its parts. Weights may be given for this time; those of 0 are
-- not computed.
function ezhoi:loss(batch, given)
  local o <const> = read_options(given, {
    interaction = 1, relation = self.o.relation, closeness = self.o.closeness,
    negatives = self.o.negatives,
  })
  local classes <const> = self:classes()
  local looks <const> = o.interaction ~= 0 or o.negatives ~= 0
  local samples <const> = looks
    and two_stage.gather(batch, self.picture, self.grid, self.object_features)
  local parts <const>, total = {}, nil
  local function add(name, loss)
    if o[name] ~= 0 then
      parts[name] = loss:detach()
      total = total and total + loss * o[name] or loss * o[name]
    end
  end
  if samples then
    local e <const> = self:pair_features(samples, self:maps(samples, batch))
    local rows <const> = self.o.unseen_in_loss and self.columns.all or self.columns.seen
    local prior <const>, labels <const> = two_stage.truth(samples, self.columns, rows)
    if o.interaction ~= 0 then
      add("interaction",
        two_stage.interaction_loss(self:score(e, classes), prior, labels, self.o))
    end
    if o.negatives ~= 0 and #self.unseen > 0 then
      add("negatives", losses.negatives(self, e, classes, prior, labels))
    end
  else
    add("interaction", self.module.scale:sum() * 0)
  end
  local dead <const> = self.o.shortcuts and self.o.prompt_place == "tail"
  if o.relation ~= 0 and self.o.text_prompts and not dead then -- else a constant
    add("relation", losses.relation(self, classes.features, batch))
  end
  if o.closeness ~= 0 then
    add("closeness", losses.closeness(self, classes.features))
  end
  return total or self.module.scale:sum() * 0, parts
end

---------------------------------------------------------------------------- unseen classes

-- What each stage trains: "all" together; "seen": nothing of the unseen learners; "unseen": these
-- alone, with the weights of all cross-attention to descriptions frozen.
function ezhoi.trains(_, name, what)
  local own <const> = name:find "^unseen_" ~= nil
  if what == "unseen" then
    return own
  elseif what ~= "all" and what ~= "seen" then
    error(("ezhoi: train '%s'; all, seen and unseen are known"):format(what), 3)
  end
  return what == "all" or not own
end

-- Begins the second stage: every unseen class gets prompts of its own, which start as those of its
-- related seen class.
function ezhoi:start_unseen()
  local layers <const>, p <const> = self.text_depth, self.o.prompt_length
  if #self.unseen == 0 then
    error("ezhoi: start_unseen: no class is unseen in this list", 2)
  elseif not self.o.text_prompts or self.o.prompt_place == "tail" then
    error("ezhoi: start_unseen: the end token reads no prompts with text_prompts = false or"
      .. " prompt_place = 'tail' (mode released); a second stage would change nothing", 2)
  end
  self:freeze()
  local prompts <const> = texts.prompts(self):reshape(layers * #self.chosen, p, -1)
  local start <const> = prompts:rows(texts.places(self.partner, layers, #self.chosen))
  self.started = {}
  for i, row in ipairs(self.unseen) do
    self.started[i] = self.chosen[row]
  end
  self.module.unseen_prompts = nn.parameter(start:reshape(layers, #self.started, p, -1))
  return self
end

-- A new unseen class, with nothing trained for it: { verb =, object =, sentence =, description = },
-- or a sentence. It is scored by itself, not with others of its verb. Gets its place.
function ezhoi:add_class(class)
  local row <const> = type(class) == "string" and { sentence = class } or class
  row.seen = false
  local place <const> = self.targets:add(row)
  self.added = self.added or {}
  self.added[place] = true
  if self.given_classes then
    table.insert(self.given_classes, place)
  end
  texts.prepare(self)
  return place
end

-- Fills what is learned from a checkpoint of the method's authors (a file that hoi.weights opens;
-- mode = "released"). Gets the list of what it lacks: the base prompts at least, which the
-- published code draws at random and does not save. context: these, (layers, length, width), where
-- one has them.
function ezhoi:read_published(path, context)
  return require "hoi.ezhoi.published".open(self, path, context)
end

-- Reads these classes (ascending places) in place of those that the selection rule finds.
function ezhoi:read_classes(places)
  self.given_classes = places
  texts.prepare(self)
  return self
end

function ezhoi:extra()
  local added <const> = {}
  for place in pairs(self.added or {}) do
    added[#added + 1] = place
  end
  table.sort(added)
  return {
    added = json.array(added), started = self.started and json.array(self.started),
    given_classes = self.given_classes and json.array(self.given_classes),
  }
end

function ezhoi:restore(extra)
  for _, place in ipairs(extra.added) do
    self.added = self.added or {}
    self.added[place] = true
  end
  self.given_classes = extra.given_classes
  if self.added or self.given_classes then
    texts.prepare(self)
  end
  if extra.started then
    self.started = extra.started
    self.module.unseen_prompts = nn.parameter(tensors.zeros { self.text_depth, #extra.started,
      self.o.prompt_length, self.clip.text.width })
  end
end

---------------------------------------------------------------------------- making

local function visual_parts(clip)
  local function frozen(pattern)
    return clip:parameters(pattern)[1][2]
  end
  local norm <const> = nn.norm(clip.visual.width)
  norm.weight:write(frozen "^vision_model.post_layernorm.weight")
  norm.bias:write(frozen "^vision_model.post_layernorm.bias")
  return nn.module {
    norm = norm, projection = nn.parameter(frozen "^visual_projection"),
    positions = nn.parameter(frozen "^vision_model.embeddings.position_embedding"),
  }
end

-- Tensors that the published model has and never uses.
local function add_dead_weights(m, sizes, o)
  local small <const>, d <const> = o.adapter_width, sizes.width
  m.unused = nn.normal({ o.prompt_length, sizes.text.width }, 0.02)
  for _, part in ipairs { m.text_adapter, m.image_adapter, table.unpack(m.adapters or {}) } do
    part.decoder.norm1 = nn.norm(small)
  end
  m.inter.guide = nn.mlp { d, 2 * small, 2 * small, small }
end

-- All that is learned around towers of these sizes: a CLIP, or { visual = { width, depth }, text =
-- { width, depth }, width }. start: the prompts (layers, length, width) that classes start from.
function ezhoi.learned(sizes, o, start)
  local v <const>, t <const>, d <const> = sizes.visual, sizes.text, sizes.width
  local function small(self_attention)
    return {
      bottleneck = o.adapter_width, dropout = o.dropout, attention_dropout = o.attention_dropout,
      self_attention = self_attention,
    }
  end
  local dead <const> = o.dead_weights
  local m <const> = nn.module {
    context = o.context == "trained" and nn.parameter(start) or nn.buffer(start),
    projections = o.visual_prompts
      and learners.projections(math.min(o.prompt_depth, v.depth), t.width, v.width) or nil,
    text_adapter = (dead or (o.text_prompts and o.descriptions))
      and learners.guided(t.width, d, small(false)) or nil,
    image_adapter = (dead or (o.visual_prompts and o.guidance))
      and learners.guided(v.width, d, small(false)) or nil,
    unseen_adapter = (dead or (o.text_prompts and o.unseen))
      and learners.guided(t.width, d, small(true)) or nil,
    prior = o.adapters and learners.prior_tokens(d, { bottleneck = o.adapter_width }) or nil,
    adapters = o.adapters and two_stage.adapters(v, o) or nil,
    intra = o.intra_fusion and learners.intra_fusion(d) or nil,
    inter = (dead or o.inter_fusion) and learners.inter_fusion(d, small()) or nil,
    scale = nn.parameter(math.log(1 / 0.07)),
  }
  if dead then
    add_dead_weights(m, sizes, o)
  end
  return m
end

function ezhoi.new(clip, targets, given)
  local o <const> = resolve(given)
  local v <const>, t <const> = clip.visual, clip.text
  local self <const> = {
    clip = clip, targets = targets, o = o, grid = v.size // v.patch,
    visual_depth = math.min(o.prompt_depth, v.depth),
    text_depth = math.min(o.prompt_depth, t.depth),
    picture = two_stage.picture(clip, o.picture_norm, o.resized == "twice"),
    object_features = two_stage.object_features(clip),
  }
  texts.prepare(self)
  local layers <const> = math.max(self.visual_depth, self.text_depth)
  self.module = ezhoi.learned(clip, o, o.context_start == "tower" and texts.start(self, layers)
    or tensors.randn { layers, o.prompt_length, t.width })
  if o.unfreeze then
    self.module.picture = visual_parts(clip)
    self.frozen_positions = self.module.picture.positions:detach() * 1
  end
  return self
end

return ezhoi
