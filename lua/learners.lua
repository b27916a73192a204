-- learners: what EZ-HOI and its family teach around a frozen CLIP: prompts guided by attention to
-- texts and patches, fusions of a pair's features, and scorers. Each is a module of nn, or a
-- function of tensors.
local nn <const> = require "hoi.nn"
local options <const> = require "hoi.options"
local tensors <const> = require "hoi.tensor"

local learners <const> = {}

-- A bottleneck whose way back up is zero at first: it begins as if it were not there.
local function bottleneck(width, o, self_attention)
  local small <const> = o.bottleneck
  local up <const> = nn.linear(small, width)
  up.weight, up.bias = nn.parameter(tensors.zeros(width, small)), nn.parameter(tensors.zeros(width))
  return {
    down = nn.linear(width, small), up = up,
    decoder = nn.decoder(small, {
      heads = o.heads, hidden = 2 * small, self_attention = self_attention, dropout = o.dropout,
      attention_dropout = o.attention_dropout,
    }),
  }
end

---------------------------------------------------------------------------- prompts

local function lift_guide(self, guide)
  return self.guide(guide)
end

-- x + up(decoder(ReLU(down x), memory)); without `residual` only what is to be added.
local function apply_guided(self, x, memory, given)
  local o <const> = options(given, { mask = false, keys = false, residual = true })
  local z <const> = self.decoder(self.down(x, "relu"), memory, { mask = o.mask, keys = o.keys })
  return z:linear(self.up.weight, self.up.bias, { residual = o.residual and x or nil })
end

-- Prompts that read a guide (EZ-HOI): queries are prompts, keys and values what the guide says:
-- descriptions, sentences that tell two classes apart, patches of a frozen tower.
function learners.guided(width, guide_width, given)
  local o <const> = options(given, {
    bottleneck = 64, heads = 2, dropout = 0.1, attention_dropout = 0, self_attention = false,
  })
  local parts <const> = bottleneck(width, o, o.self_attention)
  local small <const> = o.bottleneck
  parts.guide = nn.mlp { guide_width, 2 * small, 2 * small, small }
  parts.memory, parts.forward = lift_guide, apply_guided
  return nn.module(parts)
end

-- (layers * count, out) of prompts (layers, count, width).
local function apply_projections(self, prompts)
  local parts <const> = {}
  for l, layer in ipairs(self) do
    parts[l] = layer(prompts:slice(1, l, l):squeeze(1))
  end
  return tensors.concat(parts, 1)
end

-- One projection for each layer, by which prompts of the text side become those of the picture
-- side (MaPLe); all start alike but the first.
function learners.projections(layers, width, out)
  local list <const> = nn.list(layers, function()
    return nn.linear(width, out)
  end)
  for l = 3, layers do
    list[l].weight:write(list[2].weight)
    list[l].bias:write(list[2].bias)
  end
  list.forward = apply_projections
  return list
end

---------------------------------------------------------------------------- pairs

-- Tokens of instances: score, box (in shares of the picture) and the text feature of the label.
function learners.prior_tokens(width, given)
  local o <const> = options(given, { bottleneck = 64 })
  local small <const> = o.bottleneck
  return nn.mlp { 5 + width, 2 * small, 2 * small, small }
end

local function apply_intra(self, human, object)
  return self[2](self[1](tensors.concat({ human, object }, -1), "relu"), "relu")
end

-- Intra-HOI fusion: human and object of a pair become one feature.
function learners.intra_fusion(width)
  local fusion <const> = nn.mlp { 2 * width, width, width }
  fusion.forward = apply_intra
  return fusion
end

-- pairs (b, pairs, width), keys (b, pairs) of those that are there.
local function apply_inter(self, pairs, given)
  local o <const> = options(given, { keys = false })
  local z <const> = self.down(pairs)
  local t <const> = self.decoder(z:relu(), z, { keys = o.keys, self_keys = o.keys })
  return t:linear(self.up.weight, self.up.bias, { residual = pairs })
end

-- Inter-HOI fusion: the pairs of a picture attend to each other.
function learners.inter_fusion(width, given)
  local o <const> = options(given, {
    bottleneck = 64, heads = 2, dropout = 0.1, attention_dropout = 0,
  })
  local parts <const> = bottleneck(width, o, true)
  parts.forward = apply_inter
  return nn.module(parts)
end

---------------------------------------------------------------------------- classes

-- Cosines (n, n) of rows as nested lists.
local function cosines(features)
  local rows <const> = features:normalize()
  return rows:matmul(rows:transpose()):totable()
end

-- For each class that is not seen the seen one whose description is nearest: place -> place.
function learners.related(descriptions, seen)
  local near <const>, related <const> = cosines(descriptions), {}
  for u = 1, #near do
    if not seen[u] then
      for s = 1, #near do
        if seen[s] and (not related[u] or near[u][s] > near[u][related[u]]) then
          related[u] = s
        end
      end
    end
  end
  return related
end

-- The two of some classes that are described least alike (the first such two).
local function apart(near, places, most)
  if #places <= most then
    return places
  end
  local chosen, least = {}, math.huge
  for i = 1, #places do
    for k = i + 1, #places do
      local cosine <const> = near[places[i]][places[k]]
      if cosine < least then
        chosen, least = { places[i], places[k] }, cosine
      end
    end
  end
  return chosen
end

-- The class selection rule: of each group of classes (group: list, a number for each class) all
-- where there are at most two, else the two described least alike; and the related class of each
-- that is chosen. all: every class. Gets places in ascending order.
function learners.choose(descriptions, group, related, all)
  local near <const>, members <const>, chosen <const> = cosines(descriptions), {}, {}
  for place, g in ipairs(group) do
    members[g] = members[g] or {}
    table.insert(members[g], place)
  end
  for _, places in pairs(members) do
    for _, place in ipairs(all and places or apart(near, places, 2)) do
      chosen[place] = true
      if related[place] then
        chosen[related[place]] = true
      end
    end
  end
  local list <const> = {}
  for place = 1, #group do
    list[#list + 1] = chosen[place] and place or nil
  end
  return list
end

-- Mean (groups, d) of the rows of each group; group: a number for each row.
function learners.group_means(features, group, groups)
  local count <const>, weights <const> = {}, {}
  for _, g in ipairs(group) do
    count[g] = (count[g] or 0) + 1
  end
  for i, g in ipairs(group) do
    weights[i] = { 1 / count[g] }
  end
  return (features * tensors.tensor(weights)):scatter(group, groups)
end

-- The logit (pairs, groups) of what share the columns of each group have in softmax(logits) (pairs,
-- columns); the others are summed, not subtracted, so that nothing cancels.
function learners.share_logits(logits, group, groups)
  local inside <const> = {}
  for i, g in ipairs(group) do
    inside[i] = {}
    for k = 1, groups do
      inside[i][k] = k == g and 1 or 0
    end
  end
  local member <const> = tensors.tensor(inside)
  local raised <const> = (logits - logits:detach():max(-1, true)):exp()
  return (raised:matmul(member) + 1e-30):log() - (raised:matmul(1 - member) + 1e-30):log()
end

return learners
