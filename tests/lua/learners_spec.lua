-- learners: each learner and scorer alone, against golden values: outputs, and gradients of inputs
-- and of every parameter.
local hoi = require "hoi"
local nn = require "hoi.nn"
local learners = require "hoi.learners"
local published = require "hoi.ezhoi.published"
local safetensors = require "hoi.safetensors"

local world = dofile "tests/lua/golden_world.lua"

local near, integers = world.near, world.integers
local small = { bottleneck = 12 }

local function add(options)
  options.bottleneck = 12
  return options
end

local function places(x)
  local list = integers(x)
  for i, place in ipairs(list) do
    list[i] = place + 1
  end
  return list
end

-- Runs a case: entries lists the published names of a learner's tensors; run(get) computes the
-- output, get(name) is an input, trained where the file has its gradient.
local function check(case, name_all, run)
  local file <close> = safetensors.open(world.folder .. "ezhoi_modules.safetensors")
  local has, inputs, entries = {}, {}, {}
  for _, name in ipairs(file:names()) do
    has[name] = true
  end
  if name_all then
    name_all(published.lister(entries))
  end
  world.fill(entries, function(name)
    return file:tensor(case .. ".param" .. name)
  end)
  local function get(name)
    local key = case .. "." .. name
    local x = file:tensor(key)
    if has[key .. ".grad"] then
      inputs[name] = x:train()
    end
    return x
  end
  local y = run(get)
  near(file:tensor(case .. ".output"), y:detach(), 1e-5, case .. ".output")
  y:backward(file:tensor(case .. ".upstream"))
  for name, x in pairs(inputs) do
    near(file:tensor(case .. "." .. name .. ".grad"), x.grad, 1e-4, case .. "." .. name)
  end
  for _, entry in ipairs(entries) do
    local name, x, from, to = table.unpack(entry)
    local key = ("%s.param%s.grad"):format(case, name)
    local wanted = file:tensor(key)
    local scale = math.max(wanted:abs():max():item(), 1e-2)
    wanted = (from and wanted:slice(1, from, to) or wanted):reshape(x.shape)
    local gap = (wanted - (x.grad or x * 0)):abs():max():item()
    assert.is_true(gap <= 1e-4 * scale, ("%s is off by %g of %g"):format(key, gap, scale))
  end
end

describe("alone against golden values:", function()
  it("decoder layers with and without self-attention", function()
    for case, own in pairs { decoder = false, decoder_full = true } do
      local layer = nn.decoder(12, { heads = 2, hidden = 24, self_attention = own })
      layer:dropout(false)
      check(case, function(put)
        put.decoder("", layer)
      end, function(get)
        return layer(get "x", get "keys", { keys = get "seen" })
      end)
    end
  end)

  it("the adapter of the picture tower", function()
    local layer = nn.adapter(20, 12)
    layer:dropout(false)
    check("adapter", function(put)
      put.tensor(".scale", layer.scale)
      put.affine(".down_proj", layer.down)
      put.affine(".up_proj", layer.up)
      put.decoder(".mhsa_layers.0", layer.decoder)
    end, function(get)
      local x, prior, seen = get "x", get "prior", get "seen"
      local added = layer(x:detach(), prior:detach(), { keys = seen })
      near((x + added):detach(), layer(x, prior, { keys = seen, residual = true }):detach(), 1e-6,
        "with x added")
      return layer(x, prior, { keys = seen })
    end)
  end)

  it("instance tokens", function()
    local layer = learners.prior_tokens(18, small)
    check("priors", function(put)
      put.mlp("", layer)
    end, function(get)
      return layer(get "vectors")
    end)
  end)

  it("text prompts guided by descriptions", function()
    local layer = learners.guided(18, 18, add {}):dropout(false)
    check("text_prompts", function(put)
      put.guided("", layer)
    end, function(get)
      local base, descriptions = get "base", get "descriptions"
      return layer(base:unsqueeze(1):expand(5, 2, 18), layer:memory(descriptions):unsqueeze(2))
    end)
  end)

  it("the unseen prompt learner, with its mask added and with sentences hidden", function()
    for _, mask in ipairs { "released", "boolean" } do
      local layer = learners.guided(18, 18, add { self_attention = true }):dropout(false)
      check("unseen_prompts_" .. mask, function(put)
        put.guided("", layer)
      end, function(get)
        local h, seen = get "h", get "seen"
        local unseen, partner = places(get "unseen"), places(get "partner")
        local own = h:rows(unseen)
        local memory = layer:memory(hoi.concat({
          get "sentences", h:rows(partner):detach(), own,
        }, 2))
        local options = mask == "boolean" and { keys = hoi.concat({ seen, hoi.ones(3, 4) }, 2) }
          or { mask = (1 - seen):pad(2, 0, 4):unsqueeze(2) }
        local order = { 1, 2, 3, 4, 5, 6 }
        for i, place in ipairs(unseen) do
          order[place] = 6 + i
        end
        return hoi.concat({ h, layer(own, memory, options) }, 1):rows(order)
      end)
    end
  end)

  it("visual prompts guided by patches", function()
    local layer = learners.guided(20, 18, add {}):dropout(false)
    check("image_prompts", function(put)
      put.guided("", layer)
    end, function(get)
      local memory = layer:memory((get "guidance"):normalize())
      return layer((get "prompts"):unsqueeze(1):expand(3, 2, 20), memory)
    end)
  end)

  it("intra-HOI fusion", function()
    local layer = learners.intra_fusion(18)
    check("fuse", function(put)
      put.affine(".0", layer[1])
      put.affine(".2", layer[2])
    end, function(get)
      return layer(get "humans", get "objects")
    end)
  end)

  it("inter-HOI fusion of several pairs and of one", function()
    for case, n in pairs { memory = 7, memory_one = 1 } do
      local layer = learners.inter_fusion(18, small):dropout(false)
      check(case, function(put)
        put.guided("", layer)
      end, function(get)
        return layer((get "v"):unsqueeze(1)):reshape(n, 18)
      end)
    end
  end)

  it("verb scorers", function()
    check("scorer", nil, function(get)
      local verbs = places(get "verbs")
      return (get "e"):matmul(learners.group_means(get "texts", verbs, 5):transpose())
        * ((get "scale") * 0.5)
    end)
    check("scorer_softmax", nil, function(get)
      local verbs = places(get "verbs")
      local logits = (get "e"):matmul((get "texts"):transpose()) * ((get "scale") * 0.5)
      return learners.share_logits(logits, verbs, 5)
    end)
  end)

  it("related seen classes and the class selection rule", function()
    local file <close> = safetensors.open(world.folder .. "ezhoi_modules.safetensors")
    local descriptions = file:tensor "select.descriptions"
    local unseen = places(file:tensor "select.unseen")
    local partner = places(file:tensor "select.partner")
    local verbs, seen = places(file:tensor "select.verbs"), {}
    for i = 1, #verbs do
      seen[i] = true
    end
    for _, u in ipairs(unseen) do
      seen[u] = false
    end
    local related = learners.related(descriptions, seen)
    for i, u in ipairs(unseen) do
      assert.are.equal(partner[i], related[u])
    end
    assert.is_nil(related[1])
    assert.are.same(places(file:tensor "select.output"),
      learners.choose(descriptions, verbs, related))
    assert.are.equal(12, #learners.choose(descriptions, verbs, related, true))
  end)
end)

it("learners begin as if they were not there", function()
  local x = hoi.randn { 2, 3, 18 }
  local guided = learners.guided(18, 5, add {})
  assert.is_true(x:bytes() == guided(x, guided:memory(hoi.randn { 2, 4, 5 })):bytes())
  assert.is_true(x:bytes() == learners.inter_fusion(18, small)(x):bytes())
end)

it("projections of prompts start alike but the first", function()
  local layer = learners.projections(4, 3, 5)
  local y = layer(hoi.ones { 4, 2, 3 })
  assert.are.same({ 8, 5 }, y.shape)
  assert.is_true(y:slice(1, 3, 4):bytes() == y:slice(1, 7, 8):bytes())
  assert.is_false(y:slice(1, 1, 2):bytes() == y:slice(1, 3, 4):bytes())
end)
