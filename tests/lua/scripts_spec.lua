-- The scripts, run as users run them: on a small drawn world and models of a few steps' training.
local boxes = require "hoi.detector".detector
local data = require "hoi.data"
local embedded = require "hoi.embedded"
local hoi = require "hoi"
local json = require "hoi.json"
local load_image = require "hoi.image".load
local system = require "hoi.system"
local program = dofile "tests/lua/program.lua"
local scratch = dofile "tests/lua/scratch.lua"
local run, works = program.run, program.works
local read, write = scratch.read, scratch.write

local folder = scratch.folder() -- of this run

-- Names of the files below a folder.
local function files_below(path, list)
  list = list or {}
  for _, name in ipairs(assert(system.list(path))) do
    local inner = path .. "/" .. name
    if system.kind(inner) == "folder" then
      files_below(inner, list)
    else
      list[#list + 1] = inner
    end
  end
  return list
end

local model_files = {
  "config.json", "merges.txt", "model.safetensors", "preprocessor_config.json", "vocab.json",
}

teardown(function()
  scratch.remove(folder)
end)

describe("the program", function()
  it("holds every kernel, Lua file, class list and detector of the source", function()
    local count = 0
    for _, room in ipairs { "opencl", "lua", "plugins" } do
      for _, path in ipairs(files_below(room)) do
        if path:find "%.cl$" or path:find "%.lua$" or path:find "^lua/.*%.json$" then
          count = count + 1
          assert(embedded.read(path) == read(path), path .. " is not embedded: see CMakeLists.txt")
        end
      end
    end
    assert.is_true(count > 30)
  end)
end)

describe("every script", function()
  it("has --help and refuses unknown options", function()
    for _, name in ipairs(system.list "scripts") do
      if name:find "%.lua$" then
        assert.matches("^Usage: " .. name:gsub("%p", "%%%0"), works("scripts/" .. name, "--help"))
        local status, output = run("scripts/" .. name, "--nonsense")
        assert.are_not.equal(0, status)
        assert.matches("unknown option '%-%-nonsense'", output)
      end
    end
  end)
end)

describe("draw", function()
  -- Draws and gets what hoi.data.mini says about the same pictures.
  local function draw(out, options, ...)
    local output = works("scripts/draw.lua", "--out", folder .. "/" .. out, ...)
    return data.mini(options), output
  end

  it("writes pictures and truth that the data set reads back without loss", function()
    local drawn, output = draw("sheet", { size = 7, seed = 3 }, "--count", 7, "--seed", 3)
    assert.matches("^7 pictures in " .. folder .. "/sheet, ", output)
    assert.matches("\n$", output)
    local read_back = data.hicodet(folder .. "/sheet.json",
      { empty = true, images = folder .. "/sheet" })
    assert.are.equal(7, #read_back)
    assert.are.equal("mini", read_back.targets.name)
    local pairs_found = 0
    for i = 1, 7 do
      local wanted, got = drawn[i], read_back[i]
      assert.are.equal(wanted.name .. ".png", got.name)
      assert.are.same({ 96, 96 }, { got.width, got.height })
      assert.are.same(wanted.annotations, got.annotations)
      assert.is_true(wanted.image:bytes() == got.image:bytes())
      pairs_found = pairs_found + #got.annotations
    end
    assert.is_true(pairs_found > 2)
    local truth = json.load(folder .. "/sheet.json")
    for _, place in ipairs(truth.empty) do
      assert.are.equal(0, #drawn[place + 1].annotations)
    end
    for i, picture in ipairs(truth.annotation) do
      for k, number in ipairs(picture.hoi) do
        local row = read_back.targets[number + 1]
        assert.are.equal(row.object, truth.objects[picture.object[k] + 1])
        assert.are.equal(row.verb, truth.verbs[picture.verb[k] + 1])
        local box = drawn[i].annotations[k].human_box -- its first pixel is counted from 1
        assert.are.same({ box[1] + 1, box[2] + 1, box[3], box[4] }, picture.boxes_h[k])
      end
    end
  end)

  it("is what the detector `boxes` takes", function()
    local drawn = draw("boxes", { size = 6 }, "--count", 6)
    local detector <close> = boxes("boxes", { file = folder .. "/boxes.json" })
    local seen = 0
    for i = 1, 6 do
      local item = drawn[i]
      local found = detector:detect { image = item.image, name = item.name .. ".png" }
      local function finds(label, box)
        for _, each in ipairs(found) do
          local far = 0
          for k = 1, 4 do
            far = math.max(far, math.abs(each.box[k] - box[k]))
          end
          if each.label == label and far < 1e-4 then
            return true
          end
        end
      end
      for _, a in ipairs(item.annotations) do
        seen = seen + 1
        assert.is_true(finds("person", a.human_box))
        assert.is_true(finds(a.object, a.object_box))
      end
    end
    assert.is_true(seen > 2)
  end)

  it("holds back what is unseen, of the training pictures", function()
    draw("seen", { size = 0 }, "--split", "train", "--setting", "unseen_verb", "--count", 40)
    local truth, count = json.load(folder .. "/seen.json"), 0
    for _, picture in ipairs(truth.annotation) do
      for _, verb in ipairs(picture.verb) do
        count = count + 1
        assert.are_not.equal("kick", truth.verbs[verb + 1])
        assert.are_not.equal("pull", truth.verbs[verb + 1])
      end
    end
    assert.is_true(count > 20)
  end)

  it("makes a sheet of one cell for each picture, labelled or not", function()
    local function size(labels)
      draw("cells", { size = 0 }, "--count", 4, "--labels", labels, "--plain")
      local sheet <close> = load_image(folder .. "/cells.png")
      return sheet.width, sheet.height, sheet:bytes()
    end
    local width, height, with_pairs = size "pairs"
    assert.is_true(width >= 2 * 384 and height >= 2 * 384)
    local _, _, with_things = size "things"
    assert.is_false(with_pairs == with_things)
    local bare_width, bare_height = size "none"
    assert.is_true(bare_width >= 2 * 96 and bare_width < width and bare_height < height)
  end)

  it("leaves no picture of an earlier drawing behind, and nobody else's file out", function()
    draw("again", { size = 0 }, "--count", 5)
    write(folder .. "/again/notes.png", "mine")
    draw("again", { size = 0 }, "--count", 2)
    assert.are.same({ "mini-test-00001.png", "mini-test-00002.png", "notes.png" },
      system.list(folder .. "/again"))
  end)

  it("says what is wrong with a count", function()
    local status, output = run("scripts/draw.lua", "--count", 0, "--out", folder .. "/none")
    assert.are.equal(1, status)
    assert.matches("%-%-count 0: 1 or more wanted", output)
    assert.is_nil(system.kind(folder .. "/none"))
    assert.are_not.equal(0, (run("scripts/draw.lua", "--count", "many")))
  end)
end)

describe("pretrain, and what takes its models", function()
  local clip_folder, detector_folder

  -- Trains a few steps, after the words `before`; gets exit status and output.
  local function pretrain(out, before)
    local words = before or {}
    for _, word in ipairs { "scripts/pretrain.lua", "--steps", 6, "--detector-steps", 4, "--batch",
      8, "--save-every", 3, "--seed", 1, "--out", folder .. "/" .. out } do
      words[#words + 1] = word
    end
    return run(table.unpack(words))
  end

  -- Gets the words that make the program send itself Ctrl-C in the n-th step that it makes.
  local function interrupted_in(n)
    return { "-e", ([[
      local real, steps = hoi.interrupt, 0
      local pid = io.open("/proc/self/stat"):read "n"
      hoi.interrupt = function()
        local held = real()
        return setmetatable({
          requested = function()
            steps = steps + 1
            if steps == %d then
              io.popen("kill -INT " .. pid):close()
              repeat until held:requested()
            end
            return held:requested()
          end,
        }, { __close = function() held:release() end })
      end
    ]]):format(n) }
  end

  setup(function()
    local status, output = pretrain "whole"
    assert.are.equal(0, status, output)
    clip_folder, detector_folder = folder .. "/whole/clip", folder .. "/whole/owlvit"
  end)

  it("gives the same bits when Ctrl-C stopped it on the way", function()
    local status, output = pretrain("parts", interrupted_in(4)) -- the last save was after step 3
    assert.are.equal(130, status, output)
    assert.matches("clip: stopped after step 4", output)
    assert.is_nil(system.kind(folder .. "/parts/clip"))
    status, output = pretrain("parts", interrupted_in(4)) -- 2 of CLIP's steps were left
    assert.are.equal(130, status, output)
    assert.matches("owlvit: stopped after step 2", output)
    status, output = pretrain "parts"
    assert.are.equal(0, status, output)
    for _, model in ipairs { "clip", "owlvit" } do
      for _, name in ipairs(model_files) do
        local path = "/" .. model .. "/" .. name
        assert(read(folder .. "/whole" .. path) == read(folder .. "/parts" .. path), path)
      end
    end
  end)

  it("predict: table, JSON, annotated pictures; goes on past a broken picture", function()
    works("scripts/draw.lua", "--count", 3, "--out", folder .. "/few")
    local words = { "scripts/predict.lua", "--model", clip_folder, "--classes", "mini",
      "--detector", "boxes", "--detector-file", folder .. "/few.json",
      "--out", folder .. "/predicted", folder .. "/few" }
    local output = works(table.unpack(words))
    assert.matches("mini%-test%-00001%.png", output)
    assert.matches("3 of 3 pictures", output)
    local results = json.load(folder .. "/predicted/predictions.json")
    assert.are.equal(3, #results)
    local drawn = data.mini { size = 3 }
    local shown = 0
    for i, result in ipairs(results) do
      assert.are.equal(drawn[i].name .. ".png", result.image)
      for _, found in ipairs(result.interactions) do
        shown = shown + 1
        assert.is_true(found.score > 0 and found.score <= 1)
        assert.is_truthy(drawn.targets:index(found.verb, found.object))
      end
      local picture <close> = load_image(("%s/predicted/%s.hoi.png"):format(folder, drawn[i].name))
      assert.are.equal(384, picture.width)
    end
    assert.is_true(shown > 0)

    write(folder .. "/few/broken.png", "no picture")
    local status
    status, output = run(table.unpack(words))
    assert.are.equal(1, status)
    assert.matches("3 of 4 pictures", output)
    assert.matches("failed: " .. folder .. "/few/broken%.png: ", output)
  end)

  it("predict: the same with the trained detector, one word changed", function()
    works("scripts/draw.lua", "--count", 2, "--out", folder .. "/two")
    local output = works("scripts/predict.lua", "--model", clip_folder, "--classes", "mini",
      "--detector", "owlvit", "--detector-folder", detector_folder, "--out", folder .. "/seen",
      folder .. "/two")
    assert.matches("2 of 2 pictures", output)
    assert.are.equal(2, #json.load(folder .. "/seen/predictions.json"))
  end)

  it("evaluate: figures of the drawn world, printed and as JSON", function()
    local output = works("scripts/evaluate.lua", "--model", clip_folder, "--size", 6,
      "--json", folder .. "/figures.json")
    assert.matches("mAP", output)
    assert.matches("AP50", output)
    local figures = json.load(folder .. "/figures.json")
    for _, boxes_of in ipairs { "truth", "detector" } do
      local full = figures[boxes_of].full
      assert.is_true(full >= 0 and full <= 1)
    end
    assert.is_true(figures.retrieval.text_first >= 0)
    assert.is_number(figures.boxes.person)
  end)

  it("evaluate: data of one's own, its classes one by one, a plot, boxes kept", function()
    works("scripts/draw.lua", "--count", 3, "--out", folder .. "/own")
    local truth = folder .. "/own.json"
    for _ = 1, 2 do
      local output = works("scripts/evaluate.lua", "--model", clip_folder, "--data", "folder",
        "--file", truth, "--size", 2, "--detector", "boxes", "--detector-file", truth, "--cache",
        "--table", "--plot", folder .. "/bars.png", "--json", folder .. "/figures.json")
      assert.matches("boxes boxes", output)
      assert.matches("truths", output)
      local figures = json.load(folder .. "/figures.json").detector
      assert.are.equal(60, #figures.classes)
      assert.is_true(figures.full >= 0 and figures.full <= 1)
      assert.is_true(load_image(folder .. "/bars-detector.png").width >= 400)
    end
    local _, errors = run("scripts/evaluate.lua", "--data", "vcoco")
    assert.matches("needs %-%-file", errors)
  end)

  it("evaluate: a trained method's file, which must be of this data's classes", function()
    local clip = hoi.clip(clip_folder)
    local setting = data.mini { size = 1, setting = "unseen_verb" }
    local method = hoi.method("ezhoi", clip, setting.targets)
    system.make_folder(folder .. "/trained")
    method:save(folder .. "/trained/prompts.safetensors")
    local output = works("scripts/evaluate.lua", "--model", clip_folder, "--size", 2, "--boxes",
      "truth", "--setting", "unseen_verb", "--prompts", folder .. "/trained")
    assert.matches("Method ezhoi", output)
    local _, errors = run("scripts/evaluate.lua", "--model", clip_folder, "--size", 2, "--boxes",
      "truth", "--prompts", folder .. "/trained")
    assert.matches("class %d+ is ", errors)
  end)
end)

describe("predict with what hoi brings along", function()
  it("finds the person on a chair, from the picture alone", function()
    -- The first picture of the test world: a man sitting on a chair, large.
    works("scripts/draw.lua", "--count", 1, "--out", folder .. "/chair")
    local output = works("scripts/predict.lua", "--out", folder .. "/named", folder .. "/chair")
    assert.matches("1 of 1 pictures", output)
    local result = json.load(folder .. "/named/predictions.json")[1]
    local truth = data.mini({ size = 1 })[1].annotations[1]
    assert.are.equal("chair", truth.object)
    local function inside(box, found) -- whether the middle of what was found lies in the box
      local x, y = (found[1] + found[3]) / 2, (found[2] + found[4]) / 2
      return x > box[1] and x < box[3] and y > box[2] and y < box[4]
    end
    local named = false
    for _, found in ipairs(result.interactions) do
      named = named or found.verb == truth.verb and found.object == truth.object
        and inside(truth.human_box, found.human_box) and inside(truth.object_box, found.object_box)
    end
    assert.is_true(named, output)
  end)

  it("writes a page of all pictures, with the numbers of the JSON", function()
    works("scripts/draw.lua", "--count", 2, "--out", folder .. "/pair")
    works("scripts/predict.lua", "--out", folder .. "/shown", "--html",
      folder .. "/pages/of/two.html", folder .. "/pair")
    local html = read(folder .. "/pages/of/two.html")
    local island = html:match '<script type="application/json" id="predictions">(.-)</script>'
    assert.are.equal(read(folder .. "/shown/predictions.json"), island)
    for _, result in ipairs(json.decode(island)) do
      assert.is_truthy(html:find('data-image="' .. result.image .. '"', 1, true))
      for _, each in ipairs(result.interactions) do
        assert.is_truthy(html:find(('data-score="%s"'):format(json.encode(each.score)), 1, true))
      end
    end
  end)

  it("hands the detector's options on, and says whose are unknown", function()
    works("scripts/draw.lua", "--count", 1, "--out", folder .. "/one")
    local status, output = run("scripts/predict.lua", "--detector", "boxes", "--detector-file",
      folder .. "/one.json", "--detector-option", "score=0.25", "--out", folder .. "/scored",
      folder .. "/one")
    assert.are.equal(0, status, output)
    local first = json.load(folder .. "/scored/predictions.json")[1].interactions[1]
    assert.are.equal(0.25, first.human_score)
    status, output = run("scripts/predict.lua", "--detector", "boxes", "--detector-model", "x",
      folder .. "/one")
    assert.are.equal(1, status)
    assert.matches("detector 'boxes': unknown option 'model'", output)
    status, output = run("scripts/predict.lua", "--detector-option", "score", folder .. "/one")
    assert.are_not.equal(0, status)
    assert.matches("%-%-detector%-option score: NAME=VALUE wanted", output)
  end)

  it("says that it knows drawn pictures only, when asked for more", function()
    works("scripts/draw.lua", "--count", 1, "--out", folder .. "/photo")
    local _, output = run("scripts/predict.lua", "--classes", "vcoco", "--out", folder .. "/asked",
      folder .. "/photo")
    assert.matches("only ever seen drawn pictures", output)
    assert.matches("%-%-model", output)
  end)
end)
