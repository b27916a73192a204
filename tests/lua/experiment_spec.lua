-- experiment: few-shot experiments on pictures and on features: what classifiers get, what is kept,
-- what comes out; on real CLIP features the numbers that are known of them.
local augment = require "hoi.augment"
local hoi = require "hoi"
local json = require "hoi.json"
local recipes = require "hoi.recipes"
local study = require "hoi.study"
local system = require "hoi.system"
local says = dofile "tests/lua/expect.lua".says
local scratch = dofile "tests/lua/scratch.lua"

local shared = os.getenv "HOI_DATA" or "../shared/data"
local folder = scratch.folder() -- of this run

teardown(function()
  scratch.remove(folder)
end)

describe("augmentation", function()
  it("looks at parts of at least the asked area, their sides between 3:4 and 4:3", function()
    local least, most = 1, 0
    for key = 1, 400 do
      local box = augment.part(120, 80, 0.25, augment.numbers(7, key))
      local w, h = box[3] - box[1], box[4] - box[2]
      assert.is_true(box[1] >= 0 and box[2] >= 0 and box[3] <= 120 and box[4] <= 80)
      assert.is_true(w / h > 0.72 and w / h < 1.38, w .. "x" .. h)
      least, most = math.min(least, w * h / 9600), math.max(most, w * h / 9600)
    end
    assert.is_true(least > 0.24 and least < 0.30, least)
    assert.is_true(most > 0.85, most)
  end)

  it("takes the middle where no part fits", function()
    assert.are.same({ 43, 0, 56, 10 }, augment.part(100, 10, 1, augment.numbers(1, 1)))
  end)

  it("gives the same pixels for the same key; mirrors about half, exactly", function()
    local bytes = {}
    for i = 1, 8 * 8 * 3 do
      bytes[i] = string.char(i * 37 % 256)
    end
    local image <close> = hoi.image.new(8, 8, table.concat(bytes))
    local p = { size = 8, mean = { 0, 0, 0 }, std = { 1, 1, 1 } }
    local images, keys = {}, {}
    for i = 1, 40 do
      images[i], keys[i] = image, i
    end
    local first <close> = augment.pixels(images, keys, p, 3, 1)
    local again <close> = augment.pixels(images, keys, p, 3, 1)
    assert.are.equal(first:bytes(), again:bytes())
    -- a square's whole is often the part: then the pixels are the picture's or their mirror image
    local plain, turned = hoi.clip and require "hoi.pixels".of(image, p):totable()[1], {}
    for c = 1, 3 do
      turned[c] = {}
      for y = 1, 8 do
        turned[c][y] = {}
        for x = 1, 8 do
          turned[c][y][x] = plain[c][y][9 - x]
        end
      end
    end
    local same, mirrored = 0, 0
    for _, got in ipairs(first:totable()) do
      local function equal(wanted)
        return json.encode(got) == json.encode(wanted)
      end
      same, mirrored = same + (equal(plain) and 1 or 0), mirrored + (equal(turned) and 1 or 0)
    end
    assert.is_true(same >= 5 and mirrored >= 5, ("%d plain, %d mirrored"):format(same, mirrored))
  end)
end)

describe("an experiment on pictures", function()
  it("gives features that fit the pictures, views, and the same again from the cache", function()
    local clip <close> = hoi.clip()
    local data = hoi.data.classes("mini", { size = 3 })
    local experiment = hoi.fewshot.experiment(data, { clip = clip, views = 2 })
    local sets = experiment:sets(2, 1)
    assert.are.equal(24, #sets.train.labels)
    assert.are.equal(24, #sets.val.labels)
    assert.are.equal(36, #sets.test.labels)
    assert.are.same({ 24, clip.width }, sets.train.features.shape)
    local pixels <close> = sets.train.pixels { 5, 7 }
    local direct = clip:encode_pixels(pixels):detach()
    local worst = (direct - sets.train.features:rows { 5, 7 }):abs():max():item()
    assert.is_true(worst < 1e-5, worst)
    local one, two = sets.train.views(1), sets.train.views(2)
    assert.are.same({ 24, clip.width }, one.shape)
    assert.is_true((one - two):abs():max():item() > 1e-3)
    assert.are.equal(one:bytes(), sets.train.views(3):bytes()) -- two views take turns
    local other = hoi.fewshot.experiment(data, { clip = clip, views = 2 }):sets(2, 1)
    assert.are.equal(one:bytes(), other.train.views(1):bytes())
    assert.are.equal(sets.identity, other.identity)
    assert.are_not.equal(sets.identity, experiment:sets(2, 2).identity)
    local changed <close> = sets.train.pixels({ 5, 7 }, 9)
    local repeated <close> = sets.train.pixels({ 5, 7 }, 9)
    assert.are.equal(changed:bytes(), repeated:bytes())
    assert.are.same(pixels.shape, changed.shape)
  end)

  it("parts classes in base and new", function()
    local clip <close> = hoi.clip()
    local data = hoi.data.classes("mini", { size = 2 })
    local experiment = hoi.fewshot.experiment(data, { clip = clip, part = "base", views = 0 })
    local sets = experiment:sets(1, 1)
    assert.are.same({ 6, 6 }, { #experiment.classes, #experiment.new_classes })
    assert.are.same({ 6, 12, 12 }, { #sets.train.labels, #sets.test.labels, #sets.new.labels })
    assert.are.equal(data.classes[7], experiment.new_classes[1])
    local result = experiment:measure("coop", { epochs = 1, contexts = 2 }, 1, 1)
    assert.is_true(result.accuracy >= 0 and result.new >= 0 and result.new <= 100)
  end)

  it("needs a CLIP, and says so", function()
    says("clip is wanted", hoi.fewshot.experiment, hoi.data.classes("mini", { size = 1 }))
  end)
end)

describe("an experiment on features", function()
  local function save(name, tensors)
    local path = folder .. "/" .. name
    hoi.safetensors.save(path, tensors)
    return path
  end

  it("draws from train_f, names classes, and lets class means stand in for words", function()
    local directions = hoi.tensor { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }
    local path = save("own.safetensors", {
      train_f = directions:rows { 1, 1, 2, 2, 3, 3 },
      train_l = hoi.tensor { 0, 0, 1, 1, 2, 2 },
      test_f = directions:rows { 1, 2, 3, 3 }, test_l = hoi.tensor { 0, 1, 2, 2 },
    })
    local data = hoi.data.features(path, {
      names = { "cat", "hot_dog", "bee" },
      text = { { features = hoi.tensor { { 0, 2, 0 }, { 5, 0, 0 } },
        names = { { name = "Hot-Dog (food)", synonyms = {} }, { name = "x", synonyms = { "CAT" } },
        } } },
    })
    assert.are.same({ "cat", "hot dog", "bee" }, data.classes)
    assert.are.same({ 2, 1 }, data.text.row_of)
    local experiment = hoi.fewshot.experiment(data)
    local result = experiment:measure("zero_shot", {}, 1, 1)
    assert.are.equal(100, result.accuracy)
    assert.are.same({ { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, experiment:task(1, 1).text:totable())
    assert.is_nil(experiment:sets(1, 1).val)
    assert.are.equal(100, experiment:measure("nearest_mean", {}, 2, 1).accuracy)
    local matched = hoi.fewshot.experiment(data, { matched = true })
    assert.are.same({ "cat", "hot dog" }, matched.classes)
    assert.are.equal(2, #matched:sets(1, 1).test.labels)
    says("has features alone, no pictures", data.image, data, data.test[1])
  end)

  it("says what is missing or does not fit", function()
    local two, four = hoi.zeros(2, 3), hoi.tensor { 0, 1, 1, 0 }
    says("neither a file with test_f and test_l", hoi.data.features, folder .. "/nothing")
    says("test_f is 2x3, test_l has 4 labels", hoi.data.features,
      save("bad1.safetensors", { test_f = two, test_l = four }))
    says("test_f is there, test_l is missing", hoi.data.features,
      save("bad2.safetensors", { test_f = two }))
    says("test_l[2]: a class number from 0 on wanted, got 0.5", hoi.data.features,
      save("bad3.safetensors", { test_f = two, test_l = hoi.tensor { 0, 0.5 } }))
    local path = save("good.safetensors", { test_f = two, test_l = hoi.tensor { 0, 1 } })
    says("labels up to 1, but 1 names", hoi.data.features, path, { names = { "a" } })
    says("has nothing to draw 1 shots from", hoi.fewshot.sample, hoi.data.features(path), 1)
  end)
end)

describe("recipes", function()
  it("are the papers' numbers", function()
    assert.are.equal(50, recipes.options("coop", "dtd", 1, "published").epochs)
    assert.are.equal(100, recipes.options("coop", "dtd", 4, "published").epochs)
    assert.are.equal(200, recipes.options("coop", "dtd", 16, "published").epochs)
    assert.are.equal(50, recipes.options("coop", "imagenet", 16, "published").epochs)
    assert.are.equal(8000, recipes.options("clip_lora", "dtd", 16, "published").steps)
    assert.are.same({ alpha = 2, beta = 1, epochs = 100, search_alpha = 10, search_beta = 12 },
      recipes.options("tip_adapter_f", "eurosat", 4, "published"))
    assert.are.same({}, recipes.options("tip_adapter", "mini", 4, "published"))
    says("'fast': published or short wanted", recipes.options, "coop", "dtd", 1, "fast")
  end)

  it("name options that the methods have", function()
    for _, method in ipairs(hoi.classifier.names) do
      local known = hoi.classifier.options(method)
      for _, kind in ipairs(recipes.names) do
        for name in pairs(recipes.options(method, "eurosat", 16, kind)) do
          assert.is_not_nil(known[name], method .. "." .. name)
        end
      end
    end
  end)
end)

describe("a study", function()
  it("keeps finished cells, runs changed and damaged ones, drops what was kept on the way",
    function()
      local cells, runs = study.open(folder .. "/cells"), 0
      local function run(way)
        runs = runs + 1
        local file <close> = assert(io.open(way .. ".checkpoint", "w"))
        file:write "half"
        return { accuracy = 12.5 + runs }
      end
      local result, kept = cells:cell({ method = "a", shots = 1 }, run)
      assert.are.same({ { accuracy = 13.5 }, false }, { result, kept })
      result, kept = study.open(folder .. "/cells"):cell({ shots = 1, method = "a" }, run)
      assert.are.same({ { accuracy = 13.5 }, true }, { result, kept })
      assert.are.equal(14.5, cells:cell({ method = "a", shots = 2 }, run).accuracy)
      local names = system.list(folder .. "/cells")
      assert.are.equal(2, #names)
      for _, name in ipairs(names) do
        local file <close> = assert(io.open(folder .. "/cells/" .. name, "w"))
        file:write '{ "what": '
      end
      assert.are.equal(15.5, cells:cell({ method = "a", shots = 1 }, run).accuracy)
      assert.are.same({ 3, 0 }, { cells.made, cells.kept })
    end)

  it("gives mean and deviation as CoOp's tables do", function()
    local mean, deviation = study.statistics { 90, 92, 97 }
    assert.are.equal(93, mean)
    assert.is_true(math.abs(deviation - 2.9439202887759) < 1e-12) -- numpy.std
    assert.are.same({ 5, 0 }, { study.statistics { 5 } })
  end)

  it("writes a table with what is said beside each number", function()
    local text = study.lines {
      column_name = "shots", columns = { 1, 16 }, mark = "[test]", notes = { "A note." },
      rows = { { name = "a", cells = { study.values { 50 }, study.values { 1, 3 } } },
        { name = "longer", cells = { study.values { 7.5 }, { values = {} } } } },
    }
    assert.are.equal("shots              1                  16\n"
      .. "a       50.00 [test]  2.00 ± 1.00 [test]\n"
      .. "longer   7.50 [test]                   -\n"
      .. "A note.", text)
  end)
end)

describe("real CLIP features", function()
  local features = shared .. "/clip_features/"
  local function there(name)
    local path = features .. name .. "_test_f.npy"
    return system.kind(path) == "file" or pending(path .. " is not there")
  end

  -- Nearest class mean of 16 shots: data/README.md, and numpy on the same files.
  for name, wanted in pairs { caltech101 = 91.359, oxford_pets = 74.980 } do
    it("of " .. name .. ": the nearest class mean", function()
      if not there(name) then
        return
      end
      local experiment = hoi.fewshot.experiment(hoi.data.features(features .. name))
      local found = experiment:measure("nearest_mean", {}, 16, 1).accuracy
      assert.is_true(math.abs(found - wanted) < 0.05, found)
    end)
  end

  -- By numpy: scale 100, words "a NAME", alpha 1, beta 5.5, no search. One picture is 0.06.
  it("of Caltech101 with words for 52 classes: zero-shot, Tip-Adapter by formula", function()
    local words = shared .. "/clip_text"
    if not there "caltech101" or system.kind(words) ~= "folder" then
      return system.kind(words) or pending(words .. " is not there")
    end
    local text, names = dofile "tests/lua/caltech_words.lua"(words)
    local experiment = hoi.fewshot.experiment(hoi.data.features(features .. "caltech101", {
      names = shared .. "/fewshot/split_zhou_Caltech101.json",
      text = { { features = text, names = names } },
    }), { matched = true })
    assert.are.equal(52, #experiment.classes)
    assert.are.equal(1587, #experiment:sets(1, 1).test.labels)
    local found = experiment:measure("zero_shot", {}, 1, 1).accuracy
    assert.is_true(math.abs(found - 100 * 1537 / 1587) < 1e-3, found)
    local options = { alpha = 1, beta = 5.5, search = false }
    local right = { [1] = 1542, [2] = 1544, [4] = 1549, [8] = 1549, [16] = 1550 }
    for shots, wanted in pairs(right) do
      found = experiment:measure("tip_adapter", options, shots, 1).accuracy
      assert.is_true(math.abs(found - 100 * wanted / 1587) < 1e-3,
        ("%d shots: %.2f"):format(shots, found))
    end
  end)
end)
