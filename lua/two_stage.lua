-- two_stage: what all two-stage CLIP detectors of interactions share (UPT's frame): instances of
-- several pictures as padded tensors, their ROI features on the tower's map, what the detector says
-- beforehand, the loss of verbs, and how scores of verbs become scores of targets.
local digest <const> = require "hoi.digest"
local fill <const> = require "hoi.template"
local json <const> = require "hoi.json"
local losses <const> = require "hoi.losses"
local make_store <const> = require "hoi.store"
local nn <const> = require "hoi.nn"
local normalisations <const> = require "hoi.normalisations"
local pixels <const> = require "hoi.pixels"
local tensors <const> = require "hoi.tensor"
local spell <const> = require "hoi.targets".object_name

local two_stage <const> = {}

---------------------------------------------------------------------------- columns

local function add_objects(row, target)
  local list <const> = target.objects or (target.object and { target.object })
  if not list then
    row.objects = nil -- any object
  elseif row.objects then
    table.move(list, 1, #list, #row.objects + 1, row.objects)
  end
end

-- Columns of the logits: one for each verb, in the order of their names ("verb"), or one for each
-- target ("class"). own: set of targets that have a column of their own in either case. Gets rows
-- { verb, objects } for pairs:prior and pairs:truth, the same with seen objects only, and the
-- column of each target.
function two_stage.columns(targets, score_by, own)
  local all <const>, seen <const>, column <const>, known <const> = {}, {}, {}, {}
  local verbs <const> = {}
  local function alone(t)
    return score_by == "class" or (own and own[t])
  end
  local function add(verb)
    all[#all + 1], seen[#seen + 1] = { verb = verb, objects = {} }, { verb = verb, objects = {} }
    return #all
  end
  for t, target in ipairs(targets) do
    if not alone(t) and not known[target.verb] then
      known[target.verb], verbs[#verbs + 1] = true, target.verb
    end
  end
  table.sort(verbs)
  for _, verb in ipairs(verbs) do
    known[verb] = add(verb)
  end
  for t, target in ipairs(targets) do
    local at <const> = alone(t) and add(target.verb) or known[target.verb]
    add_objects(all[at], target)
    if target.seen ~= false then
      add_objects(seen[at], target)
    end
    column[t] = at
  end
  return { all = all, seen = seen, of = column }
end

-- One sentence for each column: what its targets say where they say one thing, else the verb with
-- "object"; given: verb -> sentence.
function two_stage.sentences(targets, columns, given)
  local list <const> = {}
  for t, target in ipairs(targets) do
    local at <const> = columns.of[t]
    local several <const> = list[at] and list[at] ~= target.sentence
    list[at] = given and given[target.verb] or several
      and require "hoi.targets".sentence(target.verb, "object") or target.sentence
  end
  return list
end

-- What is read of each column: its sentence in o.template; o.sentences: as `given` above.
function two_stage.texts(targets, columns, o)
  local list <const> = two_stage.sentences(targets, columns, o.sentences)
  for i, sentence in ipairs(list) do
    list[i] = fill(o.template, sentence)
  end
  return list
end

-- (pairs, targets) of (pairs, columns).
function two_stage.spread(logits, columns)
  return logits:transpose():rows(columns.of):transpose()
end

---------------------------------------------------------------------------- pictures

-- How pictures become pixels: always warped. norm: the model's own mean and deviation, or
-- "imagenet", with which the published codes feed CLIP. twice: first to the detector's size.
function two_stage.picture(clip, norm, twice)
  local p <const> = norm == "imagenet" and normalisations.imagenet or clip.preprocess
  return { size = clip.preprocess.size, warp = true, mean = p.mean, std = p.std, twice = twice }
end

-- The image at DETR's size: short side 800, long side at most 1333.
local function detector_sized(image)
  local w <const>, h <const> = image.width, image.height
  local short <const>, long <const> = math.min(w, h), math.max(w, h)
  local side = 800
  if long / short * side > 1333 then
    side = math.floor(1333 * short / long + 0.5)
  end
  local other <const> = math.floor(side * long / short)
  return w < h and image:resize(side, other) or image:resize(other, side)
end

-- The pixels of one sample, as the tower sees it.
local function pixels_of(sample, picture)
  local x <const> = sample.pixels
  if x then
    return x.rank == 3 and x:unsqueeze(1) or x
  end
  local image <const> = picture.twice and detector_sized(sample.image) or sample.image
  return pixels.of(image,
    { size = picture.size, warp = true, mean = picture.mean, std = picture.std })
end

local function frame(sample)
  return sample.width or sample.size or sample.image.width,
    sample.height or sample.size or sample.image.height
end

-- Makes of a list of samples { pairs, pixels or image, width, height or size, ... } those with
-- pairs, and their instances as padded tensors. batch.pixels (all samples) may hold their pixels.
-- Gets nil where no sample has a pair. features: label -> (1, d).
function two_stage.gather(batch, picture, grid, features)
  local samples <const>, places <const> = {}, {}
  for i, sample in ipairs(batch) do
    if #sample.pairs > 0 then
      samples[#samples + 1], places[#places + 1] = sample, i
    end
  end
  if #samples == 0 then
    return nil
  end
  local b <const>, n, most = #samples, 0, 0
  for _, sample in ipairs(samples) do
    n, most = math.max(n, #sample.pairs.boxes), math.max(most, #sample.pairs)
  end
  local out <const> = {
    samples = samples, count = b, instances = n, most_pairs = most, places = places, human = {},
    object = {}, pair_places = {}, first = {}, map_boxes = {}, unions = {},
  }
  local numbers <const>, keys <const>, label_rows <const>, pair_keys <const> = {}, {}, {}, {}
  local known <const>, table_of_features <const> = {}, {}
  for i, sample in ipairs(samples) do
    local width <const>, height <const> = frame(sample)
    local p <const> = sample.pairs
    keys[i], pair_keys[i] = {}, {}
    local function put(list, box)
      list[#list + 1] = {
        box[1] * grid / width, box[2] * grid / height, box[3] * grid / width,
        box[4] * grid / height,
      }
    end
    for k = 1, n do
      local box <const>, label <const> = p.boxes[k], p.labels[k]
      keys[i][k] = box and 1 or 0
      put(out.map_boxes, box or { 0, 0, 0, 0 })
      numbers[#numbers + 1] = box and { p.scores[k], box[1] / width, box[2] / height,
        box[3] / width, box[4] / height } or { 0, 0, 0, 0, 0 }
      local name <const> = label and spell(label) or "" -- padding is all zeros
      if not known[name] then
        table_of_features[#table_of_features + 1] = label and features(name)
          or features(spell(p.labels[1])) * 0
        known[name] = #table_of_features
      end
      label_rows[#label_rows + 1] = known[name]
    end
    out.first[i] = #out.human
    for k = 1, most do
      local here <const> = k <= #p
      pair_keys[i][k] = here and 1 or 0
      if here then
        out.human[#out.human + 1] = (i - 1) * n + p.human[k]
        out.object[#out.object + 1] = (i - 1) * n + p.object[k]
        out.pair_places[#out.pair_places + 1] = (i - 1) * most + k
        put(out.unions, p.union[k])
      end
    end
  end
  local x = batch.pixels
  if x and b < x:size(1) then
    x = x:rows(places)
  elseif not x then
    local parts <const> = {}
    for i, sample in ipairs(samples) do
      parts[i] = pixels_of(sample, picture)
    end
    x = tensors.concat(parts, 1)
  end
  out.pixels = x
  local objects <const> = tensors.concat(table_of_features, 1):rows(label_rows)
  out.tokens = tensors.concat({ tensors.tensor(numbers), objects }, -1):reshape(b, n, -1)
  out.keys, out.pair_keys = tensors.tensor(keys), tensors.tensor(pair_keys)
  return out
end

-- The batch of a method's one picture, and its sample. sample: what of it is at hand already.
function two_stage.one(method, image, pairs, sample)
  local s <const> = sample or {}
  local one <const> = {
    image = image, pairs = pairs, pixels = s.pixels, width = s.width, height = s.height,
    size = s.size, guidance = s.guidance, original = s.original,
  }
  return two_stage.gather({ one }, method.picture, method.grid, method.object_features), one
end

-- Pooled features (b * n, d), normalised, of n boxes of each picture (padded where it has fewer) on
-- the maps (b, grid, grid, d). drop: share of the 7 x 7 bins' values that training drops.
function two_stage.pool(maps, boxes, drop)
  local b <const>, grid <const>, d <const> = maps:size(1), maps:size(2), maps:size(4)
  local bins <const> = drop > 0
  local rows <const> = bins and 49 or 1
  local n <const> = #boxes // b
  local weights <const> = require "hoi.regions".roi_weights(boxes, grid, grid, 7, 1, bins)
  local out = weights:reshape(b, n * rows, grid * grid):matmul(maps:reshape(b, grid * grid, d))
  if bins then
    out = out:reshape(b * n, rows, d):dropout(drop):mean(2)
  end
  return out:reshape(b * n, d):normalize()
end

-- List of boxes for pool out of each picture's unions, which stand one after another in a batch.
function two_stage.padded_unions(batch)
  local boxes <const>, at = {}, 0
  for _, sample in ipairs(batch.samples) do
    for k = 1, batch.most_pairs do
      if k <= #sample.pairs then
        at = at + 1
      end
      boxes[#boxes + 1] = k <= #sample.pairs and batch.unions[at] or { 0, 0, 0, 0 }
    end
  end
  return boxes
end

-- Unit features of the humans, the others and the unions of all pairs of a batch.
function two_stage.regions(maps, batch, drop)
  local one <const> = two_stage.pool(maps, batch.map_boxes, drop)
  local union <const> = two_stage.pool(maps, two_stage.padded_unions(batch), drop)
  return one:rows(batch.human), one:rows(batch.object), union:rows(batch.pair_places)
end

---------------------------------------------------------------------------- loss

-- What is known of the pairs of a batch: prior and labels (pairs, columns), rows as in the logits.
-- rows: columns.seen or columns.all.
function two_stage.truth(batch, columns, rows)
  local prior <const>, labels <const> = {}, {}
  for _, sample in ipairs(batch.samples) do
    local given <const> = {}
    for i, a in ipairs(sample.annotations) do -- objects are not compared (UPT)
      given[i] = { verb = a.verb, human_box = a.human_box, object_box = a.object_box }
    end
    local p <const> = sample.pairs:prior(rows, 1)
    local y <const> = sample.pairs:truth(given, columns.all)
    table.move(p, 1, #p, #prior + 1, prior)
    table.move(y, 1, #y, #labels + 1, labels)
  end
  return tensors.tensor(prior), tensors.tensor(labels)
end

-- UPT's focal loss of prior * sigmoid(logits).
function two_stage.interaction_loss(logits, prior, labels, o)
  return losses.focal_prior(logits, prior, labels, { alpha = o.alpha, gamma = o.gamma })
end

---------------------------------------------------------------------------- texts

-- Features (count, d) of texts by a frozen tower, kept on disk by their ids, which are others with
-- another tokenizer.
function two_stage.encode(clip, texts)
  local ids <const> = json.encode((clip:tokenize(texts, { truncate = true })))
  return make_store("texts", { key = clip:feature_key() }):tensor(digest { ids }, function()
    return clip:encode_text(texts, { truncate = true }):detach()
  end)
end

-- A function that gets the feature (1, d), not normalised, of an object's name.
function two_stage.object_features(clip)
  local kept <const> = {}
  return function(name)
    if not kept[name] then
      local article <const> = name:find "^[aeiou]" and "an " or "a "
      kept[name] = clip:encode_text({ "a photo of " .. article .. name }, { truncate = true })
        :detach()
    end
    return kept[name]
  end
end

-- ADA-CM's tower: an adapter, that attends to the instance tokens, at the entry of every block.
function two_stage.adapters(visual, o)
  return nn.list(visual.depth, function()
    return nn.adapter(visual.width, o.adapter_width, { decoder = {
      heads = 2, hidden = 2 * o.adapter_width, self_attention = false, dropout = o.dropout,
      attention_dropout = o.attention_dropout,
    } })
  end)
end

-- The n patches of tokens (b, 1 + n + more, width), and the others.
function two_stage.patches(x, n)
  local class <const> = x:slice(2, 1, 1)
  return x:slice(2, 2, 1 + n),
    x:size(2) > 1 + n and tensors.concat({ class, x:slice(2, 2 + n) }, 2) or class
end

-- Maps (b, grid, grid, d) of entered tokens x. entry(i, x): what happens at the entry of block i.
function two_stage.maps(visual, x, entry, recompute)
  local grid <const> = visual.size // visual.patch
  for i = 1, visual.depth do
    local before
    x = entry(i, x)
    if i == visual.depth then -- the last block runs patches only
      x, before = two_stage.patches(x, grid * grid)
    end
    x = visual:block(i, x, { before = before, recompute = recompute })
  end
  local map <const> = visual:leave(x)
  return map:reshape(map:size(1), grid, grid, map:size(3))
end

return two_stage
