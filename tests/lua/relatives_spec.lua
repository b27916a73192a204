-- relatives: CMMP and ADA-CM, trained and without training, against golden values.
local hoi = require "hoi"
local published = require "hoi.ezhoi.published"
local safetensors = require "hoi.safetensors"

local world = dofile "tests/lua/golden_world.lua"

local golden, near = world.folder, world.near
local verbs = { "holding", "kicking", "riding", "sitting on", "standing on" }
local sentences = {}
for _, verb in ipairs(verbs) do
  sentences[verb] = "a person " .. verb
end

-- What both have of EZ-HOI, by published names.
local function shared(put, m)
  for i, layer in ipairs(m.adapters) do
    local name = ("clip_head.image_encoder.transformer.resblocks.%d.adaptermlp"):format(i - 1)
    put.tensor(name .. ".scale", layer.scale)
    put.affine(name .. ".down_proj", layer.down)
    put.affine(name .. ".up_proj", layer.up)
    put.decoder(name .. ".mhsa_layers.0", layer.decoder)
  end
  put.mlp("priors_downproj", m.prior)
end

local function fill(entries, file, case)
  local state <close> = safetensors.open(golden .. "ezhoi_state.safetensors")
  world.fill(entries, function(name)
    if name:find "^clip_head" or name:find "^priors" then
      return state:tensor(name)
    end
    return file:tensor(case .. ".param." .. name)
  end)
end

-- Compares the gradients that the file has.
local function compare(entries, file, case)
  local has, count = {}, 0
  for _, name in ipairs(file:names()) do
    has[name] = true
  end
  for _, entry in ipairs(entries) do
    local name, x, from, to = table.unpack(entry)
    local key = ("%s.param.%s.grad"):format(case, name)
    if has[key] then
      local wanted = file:tensor(key)
      local scale = math.max(wanted:abs():max():item(), 1e-4)
      wanted = (from and wanted:slice(1, from, to) or wanted):reshape(x.shape)
      local gap = (wanted - x.grad):abs():max():item()
      assert.is_true(gap <= 1e-4 * scale, ("%s is off by %g of %g"):format(key, gap, scale))
      count = count + 1
    end
  end
  assert.is_true(count > 40)
end

local function check(method, batch, entries, file, case, score)
  method:train()
  method.module:dropout(false)
  local two_stage = require "hoi.two_stage"
  local samples = two_stage.gather(batch, method.picture, method.grid, method.object_features)
  local logits, first = score(method:regions(samples)):detach(), #batch[1].pairs
  near(file:tensor(case .. ".logits_0"), logits:slice(1, 1, first), 1e-5, "logits_0")
  near(file:tensor(case .. ".logits_1"), logits:slice(1, first + 1), 1e-5, "logits_1")
  local loss = method:loss(batch)
  near(file:tensor(case .. ".loss"), loss:detach(), 1e-4, "loss")
  loss:backward()
  if case ~= "cmmp_released" then
    compare(entries, file, case)
  end
  for _, p in ipairs(method:parameters()) do
    p[2]:clear()
  end
  near(file:tensor(case .. ".losses"), world.ten_steps(method, batch), 1e-4, "losses")
end

for case, padding in pairs { cmmp = "hidden", cmmp_released = "seen" } do
  it(case .. " computes and learns the golden values", function()
    local clip <close> = hoi.clip(golden .. "clip_ezhoi")
    local whole <close> = safetensors.open(golden .. "ezhoi_whole.safetensors")
    local file <close> = safetensors.open(golden .. "relatives.safetensors")
    local targets, batch = world.read(whole)
    local method = hoi.method("cmmp", clip, targets, {
      context = 4, adapter_width = 8, sentences = sentences, padding = padding,
    })
    local m, entries = method.module, {}
    local put = published.lister(entries)
    shared(put, m)
    for _, name in ipairs { "human", "object", "patterns", "context", "scale_human",
      "scale_object", "scale_union" } do
      put.tensor(name, m[name])
    end
    put.mlp("patterns_mlp", m.lift)
    put.decoder("decoder", m.fuse)
    fill(entries, file, "cmmp")
    check(method, batch, entries, file, case, function(regions)
      local texts = method:classes()
      near(file:tensor(case .. ".texts"), texts:detach(), 1e-5, "texts")
      return method:score(regions, texts)
    end)
  end)
end

describe("ADA-CM", function()
  it("trained computes and learns the golden values", function()
    local clip <close> = hoi.clip(golden .. "clip_ezhoi")
    local whole <close> = safetensors.open(golden .. "ezhoi_whole.safetensors")
    local file <close> = safetensors.open(golden .. "relatives.safetensors")
    local targets, batch = world.read(whole)
    local method = hoi.method("ada_cm", clip, targets, { adapter_width = 8,
      sentences = sentences })
    method:restore { rows = 9 }
    local m, entries = method.module, {}
    local put = published.lister(entries)
    shared(put, m)
    for _, name in ipairs { "pair_keys", "union_keys", "pair_bias", "union_bias", "text",
      "scale_pair", "scale_union", "scale_text" } do
      put.tensor(name, m[name])
    end
    fill(entries, file, "ada_cm")
    m.labels:write(file:tensor "ada_cm.labels")
    check(method, batch, entries, file, "ada_cm", function(regions)
      return method:score(regions)
    end)
  end)

  it("without training computes the golden logits and scores", function()
    local clip <close> = hoi.clip(golden .. "clip_ezhoi")
    local whole <close> = safetensors.open(golden .. "ezhoi_whole.safetensors")
    local file <close> = safetensors.open(golden .. "relatives.safetensors")
    local targets, batch = world.read(whole)
    local method = hoi.method("ada_cm", clip, targets, { training = false })
    method:restore { rows = 15 }
    near(file:tensor "free.texts", method.module.text, 1e-5, "texts")
    for _, name in ipairs { "pair_keys", "union_keys", "labels" } do
      method.module[name]:write(file:tensor("free." .. name))
    end
    local pairs, instances = batch[2].pairs, file:tensor "free.instances"
    local regions = {
      instances:rows(pairs.human), instances:rows(pairs.object), file:tensor "free.unions",
    }
    near(file:tensor "free.logits", method:score(regions), 1e-5, "logits")
    function method:look() -- crops are given
      return regions
    end
    local image = nil
    near(file:tensor "free.scores", hoi.tensor(method:scores(image, pairs)), 1e-5, "scores")
  end)

  it("remembers pairs of the drawn world, and comes back from a file", function()
    local clip <close> = hoi.clip()
    local data = hoi.data.mini { split = "train", setting = "unseen_verb", size = 12 }
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    for _, training in ipairs { true, false } do
      local method = hoi.method("ada_cm", clip, data.targets, { training = training, shots = 1 })
      local item = data[1]
      local list = {}
      for _, one in ipairs(item.instances) do
        list[#list + 1] = { box = one.box, label = one.label, score = 1 }
      end
      assert.is_false((pcall(method.predict, method, item.image, list)))
      method:remember(data):save(path)
      local again = hoi.method.load(path, clip, data.targets)
      assert.is_true(again.module.labels:size(1) > 3)
      assert.are.same(method:freeze():predict(item.image, list).interactions,
        again:predict(item.image, list).interactions)
      assert.is_true(#again:predict(item.image, list).interactions > 0)
    end
  end)
end)

describe("CMMP and ADA-CM", function()
  -- Opens one on the golden pictures, its adapters live.
  local function open(name, clip)
    local whole <close> = safetensors.open(golden .. "ezhoi_whole.safetensors")
    local targets, batch = world.read(whole)
    hoi.seed(4)
    local method = hoi.method(name, clip, targets, { adapter_width = 8, dropout = 0,
      roi_dropout = 0, sentences = sentences, context = name == "cmmp" and 4 or nil })
    if name == "ada_cm" then
      method:restore { rows = 6 }
      for _, key in ipairs { "pair_keys", "union_keys" } do
        method.module[key]:write(hoi.randn(method.module[key].shape))
      end
      method.module.labels:write(hoi.randn({ 6, 5 }):gt(0))
    end
    for _, layer in ipairs(method.module.adapters) do
      layer.scale:write(hoi.ones(24))
      layer.up.weight:write(hoi.randn { 24, 8 })
    end
    return method, batch
  end

  it("score a picture as if it were alone, whatever is in its batch", function()
    local clip <close> = hoi.clip(golden .. "clip_ezhoi")
    local two_stage = require "hoi.two_stage"
    for _, name in ipairs { "cmmp", "ada_cm" } do
      local method, batch = open(name, clip)
      method:freeze()
      local samples = two_stage.gather(batch, method.picture, method.grid, method.object_features)
      local classes, alone = method:classes(), {}
      local together = method:forward(method:regions(samples), nil, classes)
      for i, sample in ipairs(batch) do
        local view = method:look(nil, sample.pairs,
          { size = 32, pixels = batch.pixels:slice(1, i, i) })
        alone[i] = method:forward(view, nil, classes)
      end
      near(together, hoi.concat(alone, 1), 1e-5, name)
    end
  end)

  it("have finite losses without pairs and without positives, and learn otherwise", function()
    local clip <close> = hoi.clip(golden .. "clip_ezhoi")
    for _, name in ipairs { "cmmp", "ada_cm" } do
      local method, batch = open(name, clip)
      local optimizer <close> = hoi.adamw(method:train(), { learning_rate = 1e-2 })
      local first, last
      for _ = 1, 8 do
        local loss = method:loss(batch)
        first, last = first or loss:item(), loss:item()
        loss:backward()
        optimizer:step { max_grad_norm = 0.1 }
      end
      assert.is_true(last < first)
      local none = { pairs = hoi.pairs {}, annotations = {}, size = 32 }
      batch[1].annotations, batch[2].annotations = {}, {}
      for _, given in ipairs { { none }, batch } do
        local loss = method:loss(given)
        local value = loss:item()
        assert.is_true(value == value and value < math.huge)
        loss:backward()
      end
    end
  end)

  it("fit the drawn world's small towers", function()
    local clip <close> = hoi.clip()
    local method = hoi.method("cmmp", clip, hoi.targets "mini")
    local room = method.module.context:size(1)
    assert.is_true(room >= 1 and room < 24)
    assert.are.same({ 12, clip.width }, method:freeze():classes().shape)
    local ok, message = pcall(hoi.method, "cmmp", clip, hoi.targets "mini",
      { template = "a photo of {} in the park behind the old house with a blue and green roof" })
    assert.is_false(ok)
    assert.is_truthy(message:find "leaves no room before it")
  end)

  it("come back from a file", function()
    local clip <close> = hoi.clip(golden .. "clip_ezhoi")
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    for _, name in ipairs { "cmmp", "ada_cm" } do
      local method, batch = open(name, clip)
      method:freeze():save(path)
      local again = hoi.method.load(path, clip)
      local sample = { size = 32, pixels = batch.pixels:slice(1, 2, 2) }
      local wanted = hoi.tensor(method:scores(nil, batch[2].pairs, { sample = sample }))
      assert.is_true(wanted:bytes() == hoi.tensor(again:scores(nil, batch[2].pairs,
        { sample = sample })):bytes())
    end
  end)
end)
