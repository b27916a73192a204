-- fewshot: few-shot classifiers against golden PyTorch and scikit-learn: gradients of the first
-- step, losses of ten, where the numbers end; what holds by structure; files; going on.
local classifier = require "hoi.classifier"
local hoi = require "hoi"
local safetensors = require "hoi.safetensors"
local says = dofile "tests/lua/expect.lua".says

local golden = "tests/golden/"
local NAMES = { "dog", "red horse", "cup", "42" }

local function near(wanted, got, share, name)
  assert.are.same(wanted.shape, got.shape, name)
  local gap = (wanted - got):abs():max():item()
  local scale = math.max(wanted:abs():max():item(), 1e-3)
  assert.is_true(gap <= share * scale, ("%s is off by %g of %g"):format(name, gap, scale))
end

local function whole(tensor) -- labels and ids of a golden file, from 1
  local list = tensor:totable()
  for i, value in ipairs(list) do
    list[i] = math.tointeger(value) + 1
  end
  return list
end

local function temporary()
  local path = os.tmpname()
  os.remove(path)
  finally(function()
    os.remove(path)
  end)
  return path
end

-- Compares a classifier on a set with a golden case: first gradients, losses of ten steps on the
-- same batch, parameters at the end.
local function follow(file, case, model, set)
  local found, by_name = 0, {}
  for _, p in ipairs(model:parameters()) do
    p[2]:write(file:tensor(case .. ".start." .. p[1]))
    by_name[p[1]] = p[2]
    found = found + 1
  end
  for _, name in ipairs(file:names()) do
    local own = name:match("^" .. case .. "%.start%.(.*)")
    found = found - (own and by_name[own] and 1 or 0)
    assert.is_true(not own or by_name[own] ~= nil, name)
  end
  assert.are.equal(0, found)
  local x = set.features or set.pixels()
  hoi.losses.cross_entropy(model:forward(x, model:classes()), set.labels):backward()
  for name, p in pairs(by_name) do
    near(file:tensor(case .. ".grad." .. name), p.grad, 2e-5, case .. ".grad." .. name)
    p:clear()
  end
  local losses = {}
  local result = model:fit(set, nil, { log = function(record)
    losses[record.epoch] = record.loss
  end })
  assert.are.equal(10, result.steps)
  near(file:tensor(case .. ".losses"), hoi.tensor(losses), 1e-5, case .. ".losses")
  for name, p in pairs(by_name) do
    near(file:tensor(case .. ".end." .. name), p:detach(), 2e-4, case .. ".end." .. name)
  end
end

-- Options of ten steps on one batch, as the golden files were made.
local function ten(kind, own)
  local o = { epochs = 10, batch = 64, schedule = "constant", optimizer = kind,
    learning_rate = kind == "sgd" and 0.01 or 1e-3, weight_decay = kind == "sgd" and 5e-4 or 0.01 }
  for key, value in pairs(own or {}) do
    o[key] = value
  end
  return o
end

local function adapter_task(file)
  return { classes = { "a", "b", "c", "d", "e" }, text = file:tensor "text",
    scale = file:tensor "scale":item() }
end

local function adapter_set(file)
  return { features = file:tensor "x", labels = whole(file:tensor "labels") }
end

describe("CLIP-Adapter", function()
  for case, o in pairs {
    code = ten "adamw",
    paper = ten("sgd", { branch = "both", last_relu = false, alpha = 0.6, beta = 0.3 }),
    learned = ten("adamw", { branch = "both", bias = true, alpha = "learned", beta = "learned" }),
  } do
    it("learns as PyTorch: " .. case, function()
      local file <close> = safetensors.open(golden .. "fewshot_adapters.safetensors")
      local model = hoi.classifier("clip_adapter", adapter_task(file), o)
      follow(file, case, model, adapter_set(file))
    end)
  end

  it("learns as PyTorch between two blocks of the tower", function()
    local file <close> = safetensors.open(golden .. "fewshot_towers.safetensors")
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local model = hoi.classifier("clip_adapter", { classes = NAMES, clip = clip },
      ten("adamw", { layer = 1, alpha = 0.4 }))
    assert.are.equal("pictures", model.needs)
    follow(file, "inside", model, { labels = whole(file:tensor "labels"), pixels = function(places)
      return places and file:tensor "pixels":rows(places) or file:tensor "pixels"
    end })
  end)

  it("takes the same steps in two kernels as recorded, at awkward sizes", function()
    local set = { features = hoi.randn { 75, 40 }, labels = {} }
    for i = 1, 75 do
      set.labels[i] = i * 31 % 131 + 1
    end
    local task = { classes = {}, text = hoi.randn { 131, 40 }, scale = 20, seed = 4 }
    for i = 1, 131 do
      task.classes[i] = "class " .. i
    end
    for _, kind in ipairs { "sgd", "adamw" } do
      for _, last in ipairs { true, false } do
        local function learned(recorded)
          local model = hoi.classifier("clip_adapter", task, { epochs = 3, batch = 32,
            partial = true, optimizer = kind, learning_rate = 1e-2, last_relu = last, alpha = 0.5 })
          model.run_steps = recorded and classifier.run_steps or nil
          local losses = {}
          model:fit(set, nil, { log = function(record)
            losses[record.epoch] = record.loss
          end })
          local image = model.module.image
          return hoi.tensor(losses), image.down.weight:detach(), image.up.weight:detach()
        end
        local losses, down, up = learned(true)
        local fast_losses, fast_down, fast_up = learned(false)
        near(losses, fast_losses, 1e-5, kind .. " losses")
        near(down, fast_down, 2e-4, kind .. " down")
        near(up, fast_up, 2e-4, kind .. " up")
        local _, again = learned(false)
        assert.is_true(fast_down:bytes() == again:bytes())
      end
    end
  end)

  it("with alpha = 0 is zero-shot, bit by bit", function()
    local file <close> = safetensors.open(golden .. "fewshot_adapters.safetensors")
    local plain = hoi.classifier("zero_shot", adapter_task(file))
    local wanted = plain:logits(adapter_set(file)):bytes()
    for _, branch in ipairs { "image", "text", "both" } do
      local model = hoi.classifier("clip_adapter", adapter_task(file),
        { alpha = 0, beta = 0, branch = branch })
      local got = model:logits(adapter_set(file))
      if branch == "image" then
        assert.is_true(wanted == got:bytes())
      else -- the classes are normalised once more
        near(plain:logits(adapter_set(file)), got, 1e-6, branch)
      end
    end
  end)

  it("has as many numbers as the paper counts: 0.52 M at a width of 1024", function()
    for width, count in pairs { [1024] = 524288, [512] = 131072, [768] = 294912 } do
      local model = hoi.classifier("clip_adapter",
        { classes = { "a", "b" }, text = hoi.randn { 2, width } })
      assert.are.equal(count, model:size())
    end
  end)

  it("searches alpha on val alone, and keeps what does best there", function()
    local file <close> = safetensors.open(golden .. "fewshot_adapters.safetensors")
    local set, seen = adapter_set(file), {}
    local model = hoi.classifier("clip_adapter", adapter_task(file),
      ten("adamw", { alpha = "search", alphas = { 0.1, 0.9 }, learning_rate = 1e-2 }))
    local result = model:fit(set, set, { log = function(record)
      if record.search then
        seen[#seen + 1] = record
      end
    end })
    assert.are.equal(2, #seen)
    local best = seen[2].accuracy > seen[1].accuracy and seen[2] or seen[1]
    assert.are.equal(best.value.alpha, result.alpha)
    assert.are.equal(best.accuracy, model:accuracy(set))
    local blind = hoi.classifier("clip_adapter", adapter_task(file),
      ten("adamw", { alpha = "search" }))
    assert.is_nil(blind:fit(set, nil).alpha)
  end)

  it("refuses what it does not know", function()
    local file <close> = safetensors.open(golden .. "fewshot_adapters.safetensors")
    local task = adapter_task(file)
    says("branch 'sound'", hoi.classifier, "clip_adapter", task, { branch = "sound" })
    says("needs a CLIP", hoi.classifier, "clip_adapter", task, { layer = 2 })
    says("unknown option 'alhpa'", hoi.classifier, "clip_adapter", task, { alhpa = 1 })
    says("did you mean 'clip_adapter'", hoi.classifier, "clip_adaptor", task)
    says("needs class features", hoi.classifier, "zero_shot", { classes = { "a" } })
  end)
end)

describe("Tip-Adapter", function()
  it("is its formula", function()
    local file <close> = safetensors.open(golden .. "fewshot_adapters.safetensors")
    local model = hoi.classifier("tip_adapter", adapter_task(file), { alpha = 1.3, beta = 2.5 })
    model:fit({ features = file:tensor "tip.keys", labels = whole(file:tensor "tip.labels") }, nil)
    near(file:tensor "tip.logits", model:logits { features = file:tensor "x" }, 1e-6, "logits")
  end)

  it("with trained keys learns as PyTorch", function()
    local file <close> = safetensors.open(golden .. "fewshot_adapters.safetensors")
    local o = ten("adamw", { alpha = 1.3, beta = 2.5, eps = 1e-4 })
    local model = hoi.classifier("tip_adapter_f", adapter_task(file), o)
    model:remember { features = file:tensor "tip.keys", labels = whole(file:tensor "tip.labels") }
    model.module.keys = hoi.nn.parameter(model.module.keys)
    model.learn = function(self, set, _, run)
      return classifier.train(self, set, run)
    end
    follow(file, "tip_f", model, adapter_set(file))
  end)

  it("takes the mean of augmented views as keys, and chooses alpha and beta on val", function()
    local file <close> = safetensors.open(golden .. "fewshot_adapters.safetensors")
    local set = adapter_set(file)
    local model = hoi.classifier("tip_adapter", adapter_task(file),
      { augment_epochs = 2, steps_alpha = 3, steps_beta = 4 })
    local x = set.features
    local result = model:fit({ features = x, labels = set.labels, views = function(draw)
      return x + (draw == 1 and 0.5 or -0.25)
    end }, set)
    near((x * 2 + 0.25):normalize(), model.module.keys, 1e-6, "keys")
    local best, at = -1, nil
    for b = 0, 3 do
      for a = 0, 2 do
        model.chosen = { alpha = 0.1 + a * 2.9 / 3, beta = 0.1 + b * 6.9 / 4 }
        if model:accuracy(set) > best then
          best, at = model:accuracy(set), model.chosen
        end
      end
    end
    assert.is_near(at.alpha, result.alpha, 1e-9)
    assert.is_near(at.beta, result.beta, 1e-9)
  end)
end)

describe("The linear probe", function()
  for _, case in ipairs { "weak", "strong" } do
    it("finds scikit-learn's coefficients: " .. case, function()
      local file <close> = safetensors.open(golden .. "fewshot_probe.safetensors")
      local labels, classes = whole(file:tensor "labels"), { "a", "b", "c", "d", "e", "f", "g" }
      local model = hoi.classifier("linear_probe", { classes = classes },
        { C = file:tensor(case .. ".C"):item(), tolerance = 1e-7 })
      local result = model:fit({ features = file:tensor "x", labels = labels }, nil)
      assert.is_true(result.steps < 1000)
      near(file:tensor(case .. ".weight"), model.module.weight:detach(), 1e-4, "weight")
      near(file:tensor(case .. ".bias"), model.module.bias:detach(), 1e-4, "bias")
      assert.are.same(whole(file:tensor(case .. ".guesses")),
        model:predict { features = file:tensor "new" })
    end)
  end

  it("searches C on val as CoOp's script does", function()
    local file <close> = safetensors.open(golden .. "fewshot_probe.safetensors")
    local set = { features = file:tensor "x", labels = whole(file:tensor "labels") }
    local model = hoi.classifier("linear_probe",
      { classes = { "a", "b", "c", "d", "e", "f", "g" } }, { iterations = 50, bisections = 3 })
    local tried = {}
    local result = model:fit(set, set, { log = function(record)
      tried[#tried + 1] = record.value
    end })
    assert.are.same({ 1e6, 1e4, 1e2, 1, 1e-2, 1e-4, 1e-6 }, { table.unpack(tried, 1, 7) })
    assert.are.equal(100, model:accuracy(set))
    assert.is_true(result.C > 0)
  end)
end)

describe("a saved classifier", function()
  it("comes back with a CLIP that is one file of OpenAI's", function()
    local path = temporary()
    local clip <close> = hoi.clip(golden .. "archives/script.pt",
      { config = golden .. "clip_quick/config.json" })
    local task = { classes = NAMES, clip = clip }
    local model = hoi.classifier("zero_shot", task)
    model:save(path)
    near(model:classes(), hoi.classifier.load(path, task):classes(), 0, "classes")
  end)
end)

describe("CoOp", function()
  for case, o in pairs {
    coop_end = { position = "end" }, coop_middle = { position = "middle" },
    coop_front = { position = "front" }, coop_end_specific = { class_specific = true },
  } do
    it("learns as PyTorch: " .. case, function()
      local file <close> = safetensors.open(golden .. "fewshot_towers.safetensors")
      local clip <close> = hoi.clip(golden .. "clip_quick")
      o.contexts = 4
      local model = hoi.classifier("coop", { classes = NAMES, clip = clip }, ten("sgd", o))
      follow(file, case, model,
        { features = file:tensor "x", labels = whole(file:tensor "labels") })
    end)
  end

  it("that starts as words is zero-shot with these words, on any classes", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local words = "a photo of a"
    local model = hoi.classifier("coop", { classes = NAMES, clip = clip }, { init = words })
    near(classifier.text(clip, NAMES, { words .. " {}." }), model:classes():detach(), 1e-6, "text")
    model:renew { "person", "holding" }
    near(classifier.text(clip, { "person", "holding" }, { "a photo of a {}." }),
      model:classes():detach(), 1e-6, "other classes")
  end)
end)

local function pictures(file)
  return { labels = whole(file:tensor "labels"), pixels = function(places)
    return places and file:tensor "pixels":rows(places) or file:tensor "pixels"
  end }
end

describe("MaPLe", function()
  it("learns as PyTorch", function()
    local file <close> = safetensors.open(golden .. "fewshot_towers.safetensors")
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local model = hoi.classifier("maple", { classes = NAMES, clip = clip },
      ten("sgd", { depth = 2 }))
    follow(file, "maple", model, pictures(file))
  end)

  it("starts with copies of one coupling in all but the first block", function()
    local clip <close> = hoi.clip(golden .. "clip_gelu")
    local model = hoi.classifier("maple", { classes = NAMES, clip = clip }, { depth = 2 })
    local couple = model.module.couple
    assert.is_false(couple[1].weight:bytes() == couple[2].weight:bytes())
    says("depth 3", hoi.classifier, "maple", { classes = NAMES, clip = clip }, { depth = 3 })
  end)
end)

describe("CLIP-LoRA", function()
  it("learns as PyTorch", function()
    local file <close> = safetensors.open(golden .. "fewshot_towers.safetensors")
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local model = hoi.classifier("clip_lora", { classes = NAMES, clip = clip },
      ten("adamw", { dropout = 0, steps = false }))
    follow(file, "lora", model, pictures(file))
  end)

  it("without a change is the frozen model, bit by bit; folded it is what it was", function()
    local file <close> = safetensors.open(golden .. "fewshot_towers.safetensors")
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local set = pictures(file)
    local model = hoi.classifier("clip_lora", { classes = NAMES, clip = clip })
    local plain = clip:encode_image(set.pixels())
    assert.is_true(plain:bytes() == model:encode(set.pixels()):detach():bytes())
    assert.is_true(model.task.text:bytes() == model:classes():detach():bytes())
    for _, p in ipairs(model:parameters()) do
      p[2]:write(hoi.randn(p[2].shape, { deviation = 0.3 }))
    end
    local open = model:logits(set)
    model:fold()
    near(open, model:logits(set), 1e-5, "folded")
    near(model:encode(set.pixels()), clip:encode_image(set.pixels()), 0, "the model itself")
    model:unfold()
    assert.is_true(plain:bytes() == clip:encode_image(set.pixels()):bytes())
  end)

  it("has the paper's count at ViT-B/16, and drops only in training", function()
    local file <close> = safetensors.open(golden .. "fewshot_towers.safetensors")
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local model = hoi.classifier("clip_lora", { classes = NAMES, clip = clip },
      { encoder = "vision" })
    assert.are.equal(2 * 3 * 2 * 2 * 32, model:size())
    for _, p in ipairs(model:parameters()) do
      p[2]:write(hoi.randn(p[2].shape))
    end
    local set = pictures(file)
    local calm = model:logits(set):bytes()
    model.training = true
    assert.is_false(calm == model:logits(set):bytes())
    model.training = false
    assert.is_true(calm == model:logits(set):bytes())
  end)
end)

describe("A classifier", function()
  it("is saved and loaded, and refuses another task", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local other <close> = hoi.clip(golden .. "clip_half")
    local set = { features = hoi.randn { 12, 20 }, labels = { 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4 } }
    for name, o in pairs {
      zero_shot = {}, clip_adapter = { epochs = 1, branch = "both" },
      tip_adapter = { steps_alpha = 2, steps_beta = 3 },
      tip_adapter_f = { epochs = 2, search = false }, linear_probe = { C = 1 },
      coop = { epochs = 1, contexts = 4 },
    } do
      local model = hoi.classifier(name, { classes = NAMES, clip = clip }, o)
      model:fit(set, set)
      local path = temporary()
      model:save(path)
      local again = classifier.load(path, { classes = NAMES, clip = clip })
      assert.is_true(model:logits(set):bytes() == again:logits(set):bytes(), name)
      assert.are.same(model.chosen, again.chosen)
      says("is of the classes [\"dog\"", classifier.load, path,
        { classes = { "dog", "cat", "cup", "42" }, clip = clip })
      says(clip:fingerprint(), classifier.load, path, { classes = NAMES, clip = other })
      os.remove(path)
    end
  end)

  it("goes on after an interruption with the same bits", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local set = { features = hoi.randn { 40, 20 }, labels = {} }
    for i = 1, 40 do
      set.labels[i] = i % 4 + 1
    end
    local pixels = hoi.randn { 40, 3, 30, 30 }
    set.pixels = function(places)
      return pixels:rows(places)
    end
    for name, o in pairs {
      clip_adapter = { epochs = 4, batch = 8 },
      tip_adapter_f = { epochs = 4, batch = 8, steps_alpha = 2, steps_beta = 3 },
      coop = { epochs = 3, batch = 16, contexts = 4 }, clip_lora = { steps = 4, batch = 16 },
    } do
      local function new()
        return hoi.classifier(name, { classes = NAMES, clip = clip, seed = 5 }, o)
      end
      local whole_run = new()
      whole_run:fit(set, set)
      local path = temporary()
      pcall(function()
        new():fit(set, set, { checkpoint = path, log = function(record)
          if record.epoch == 2 then
            error "interrupted"
          end
        end })
      end)
      local gone_on, first = new(), nil
      gone_on:fit(set, set, { checkpoint = path, log = function(record)
        first = first or record.epoch
      end })
      assert.are.equal(2, first)
      assert.is_true(whole_run:logits(set):bytes() == gone_on:logits(set):bytes(), name)
      local changed = {}
      for key, value in pairs(o) do
        changed[key] = value
      end
      changed.learning_rate = 0.5
      says("this training is", function()
        hoi.classifier(name, { classes = NAMES, clip = clip, seed = 5 }, changed)
          :fit(set, set, { checkpoint = path })
      end)
      os.remove(path)
    end
  end)

  it("reads the files of CoOp, MaPLe and CLIP-LoRA by their names", function()
    local file <close> = safetensors.open(golden .. "fewshot_towers.safetensors")
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local task = { classes = NAMES, clip = clip }
    local function start(case, name)
      return file:tensor(case .. ".start." .. name)
    end
    local published = {
      coop = { ["state_dict.ctx"] = start("coop_end", "contexts"),
        ["state_dict.token_prefix"] = hoi.zeros { 4, 1, 24 } },
      coop_specific = { ["state_dict.ctx"] = start("coop_end_specific", "contexts")
        :reshape(4, 4, 24) },
      maple = {
        ["state_dict.prompt_learner.ctx"] = start("maple", "prompts.1"),
        ["state_dict.prompt_learner.proj.weight"] = start("maple", "couple.1.weight"),
        ["state_dict.prompt_learner.proj.bias"] = start("maple", "couple.1.bias"),
        ["state_dict.prompt_learner.compound_prompts_text.0"] = start("maple", "prompts.2"),
        ["state_dict.prompt_learner.compound_prompt_projections.0.weight"] =
          start("maple", "couple.2.weight"),
        ["state_dict.prompt_learner.compound_prompt_projections.0.bias"] =
          start("maple", "couple.2.bias"),
      },
      clip_lora = {},
    }
    for layer = 0, 3 do
      for _, part in ipairs { "q", "k", "v" } do
        local own = ("%s.%d.%s."):format(layer < 2 and "text" or "visual", layer % 2 + 1, part)
        local name = ("weights.layer_%d.%s_proj."):format(layer, part)
        published.clip_lora[name .. "w_lora_A"] = start("lora", own .. "down")
        published.clip_lora[name .. "w_lora_B"] = start("lora", own .. "up")
      end
    end
    for case, o in pairs {
      coop = { contexts = 4 }, coop_specific = { contexts = 4, class_specific = true },
      maple = { depth = 2 }, clip_lora = { dropout = 0 },
    } do
      local path = temporary()
      safetensors.save(path, published[case])
      local model = hoi.classifier(case:gsub("_specific", ""), task, o):read(path)
      local named = { coop = "coop_end", coop_specific = "coop_end_specific", clip_lora = "lora" }
      for _, p in ipairs(model:parameters()) do
        assert.is_true(start(named[case] or case, p[1]):bytes() == p[2]:bytes(), p[1])
      end
      if case == "coop" then
        says("this coop has 5x24", function()
          hoi.classifier("coop", task, { contexts = 5 }):read(path)
        end)
        says("is it of maple", function()
          hoi.classifier("maple", task, { depth = 2 }):read(path)
        end)
      end
      os.remove(path)
    end
  end)

  it("gets prompts filled and averaged", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local one = classifier.text(clip, { "red_horse" }, { "a photo of {}." })
    near(clip:encode_text { "a photo of red horse." }:normalize(), one, 1e-6, "one")
    local two = classifier.text(clip, { "dog" }, { "a photo of {}.", "holding {}" })
    near((clip:encode_text { "a photo of dog.", "holding dog" }:normalize():mean(1)):normalize()
      :unsqueeze(1), two, 1e-6, "two")
  end)
end)
