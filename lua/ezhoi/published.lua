-- ezhoi.published: EZ-HOI's tensors under the names of its authors' checkpoints (their state dict),
-- in both directions.
local fill <const> = require "hoi.template"
local tensors <const> = require "hoi.tensor"

local published <const> = {}

-- Lists { name, tensor, from, to }: rows from .. to of the published tensor are ours.
function published.lister(list)
  local put <const> = {}

  function put.tensor(name, x, from, to)
    list[#list + 1] = { name, x, from, to }
  end
  function put.affine(name, layer)
    put.tensor(name .. ".weight", layer.weight)
    put.tensor(name .. ".bias", layer.bias)
  end
  function put.attention(name, layer)
    local w <const> = layer.out.weight:size(1)
    for i, part in ipairs { "query", "key", "value" } do
      put.tensor(name .. ".in_proj_weight", layer[part].weight, (i - 1) * w + 1, i * w)
      put.tensor(name .. ".in_proj_bias", layer[part].bias, (i - 1) * w + 1, i * w)
    end
    put.affine(name .. ".out_proj", layer.out)
  end
  function put.decoder(name, layer)
    if layer.self_attention then
      put.attention(name .. ".self_attn", layer.self_attention)
    end
    put.attention(name .. ".multihead_attn", layer.cross_attention)
    put.affine(name .. ".linear1", layer.fc1)
    put.affine(name .. ".linear2", layer.fc2)
    for i = 1, 3 do
      if layer["norm" .. i] then
        put.affine(name .. ".norm" .. i, layer["norm" .. i])
      end
    end
  end
  function put.mlp(name, layers)
    for i, layer in ipairs(layers) do
      put.affine(("%s.layers.%d"):format(name, i - 1), layer)
    end
  end
  function put.guided(name, layer)
    put.affine(name .. ".down_proj_mem", layer.down)
    put.affine(name .. ".up_proj_mem", layer.up)
    put.decoder(name .. ".mhsa_layers.0", layer.decoder)
    if layer.guide then
      put.mlp(name .. ".down_proj_prior", layer.guide)
    end
  end
  return put
end

-- The list of what a method's module holds. The base prompts, which no checkpoint holds, have the
-- name of the list that the code keeps them in.
function published.names(method)
  local list <const>, m <const> = {}, method.module
  local put <const> = published.lister(list)
  local learner <const> = "clip_head.prompt_learner."
  put.tensor("logit_scale_HO", m.scale)
  for l, layer in ipairs(m.projections or {}) do
    put.affine(l == 1 and learner .. "proj"
      or ("%scompound_prompt_proj_vis.%d"):format(learner, l - 2), layer)
  end
  for ours, theirs in pairs {
    text_adapter = "txtcls_pt_adapter", image_adapter = "img_clip_pt_adapter",
    unseen_adapter = "unseen_pt_adapter",
  } do
    if m[ours] then
      put.guided(learner .. theirs, m[ours])
    end
  end
  if m.unused then
    put.tensor(learner .. "ctx", m.unused)
  end
  for i, layer in ipairs(m.adapters or {}) do
    local name <const> = ("clip_head.image_encoder.transformer.resblocks.%d.adaptermlp")
      :format(i - 1)
    put.tensor(name .. ".scale", layer.scale)
    put.affine(name .. ".down_proj", layer.down)
    put.affine(name .. ".up_proj", layer.up)
    put.decoder(name .. ".mhsa_layers.0", layer.decoder)
  end
  if m.inter then
    put.guided("mem_adapter", m.inter)
  end
  if m.intra then
    put.affine("vis_fuse.0", m.intra[1])
    put.affine("vis_fuse.2", m.intra[2])
  end
  if m.prior then
    put.mlp("priors_downproj", m.prior)
  end
  return list
end

-- Which targets the rows of a checkpoint are: token_prompts holds the embedded sentences.
local function classes_of(method, tokens)
  local t <const>, list <const> = method.clip.text, {}
  for i, sentence in ipairs(method.sentences) do
    list[i] = fill(method.o.template, sentence)
  end
  local ids <const>, ends <const> = method.clip:tokenize(list)
  local n <const> = #ids[1]
  for i, row in ipairs(ids) do
    for k = ends[i] + 1, n do
      row[k] = 0 -- as OpenAI's tokenizer pads
    end
  end
  local ours <const> = t:embed(ids):reshape(#list, -1)
  local theirs <const> = tokens:slice(2, 1, n):reshape(tokens:size(1), -1)
  local nearness <const> = theirs:matmul(ours:transpose()) * 2 - ours:square():sum(-1)
  local _, places <const> = nearness:topk(1)
  for i, place in ipairs(places) do
    places[i] = place[1]
  end
  return places
end

-- Fills a method from a published checkpoint: tensor(name) gets one of its tensors, or nil. Gets
-- the list of what it lacks. context: the base prompts (layers, length, width), which no checkpoint
-- holds: without them the picture tower has other prompts than the authors' had.
function published.load(method, tensor, context)
  local missing <const>, wrong <const> = {}, {}
  for _, entry in ipairs(published.names(method)) do
    local name <const>, ours <const>, from <const>, to <const> = table.unpack(entry)
    local theirs = tensor(name)
    if not theirs then
      missing[#missing + 1] = name
    else
      theirs = theirs:float()
      theirs = from and theirs:slice(1, from, to) or theirs
      if theirs:count() ~= ours:count() then
        wrong[#wrong + 1] = ("'%s' is %s, not %s"):format(name, theirs, ours)
      else
        ours:write(theirs)
      end
    end
  end
  if #wrong > 0 then
    error("ezhoi: the checkpoint is of another model: " .. table.concat(wrong, ", "), 2)
  end
  local tokens <const> = tensor "clip_head.prompt_learner.token_prompts"
  if tokens then
    local places <const> = classes_of(method, tokens)
    local same = #places == #method.chosen
    for i, place in ipairs(method.chosen) do
      same = same and places[i] == place
    end
    if not same then
      method:read_classes(places)
    end
  else
    missing[#missing + 1] = "clip_head.prompt_learner.token_prompts"
  end
  if context then
    method.module.context:write(context)
  else
    missing[#missing + 1] = "the base prompts (prompt_learner.txtcls_ctx_pt: random numbers that"
      .. " the published code does not save)"
  end
  method.kept = nil
  return missing
end

-- Fills a method from a file of the authors' (their .pt, or any file hoi.weights opens); gets what
-- it lacks.
function published.open(method, path, context)
  local file <close> = require "hoi.weights".weights(path)
  local prefix = ""
  for _, name in ipairs(file:names()) do -- "model_state_dict.", maybe "module." behind it
    prefix = name:match "^(.*)logit_scale_HO$" or prefix
  end
  return published.load(method, function(name)
    return file:shape(prefix .. name) and file:tensor(prefix .. name)
  end, context)
end

-- State dict name -> tensor of a method: what published.load reads.
function published.state(method)
  local parts <const>, state <const> = {}, {}
  for _, entry in ipairs(published.names(method)) do
    local name <const> = entry[1]
    parts[name] = parts[name] or {}
    table.insert(parts[name], entry[2]:detach())
  end
  for name, list in pairs(parts) do
    state[name] = #list == 1 and list[1] or tensors.concat(list, 1)
  end
  return state
end

return published
