-- The scripts that train and what they share, run as users run them, on a few drawn pictures.
local hoi = require "hoi"
local json = require "hoi.json"
local system = require "hoi.system"
local training = require "hoi.training"
local program = dofile "tests/lua/program.lua"
local scratch = dofile "tests/lua/scratch.lua"
local read = scratch.read

local folder -- of this run

local run, works, fails = program.caching(function()
  return folder
end)

local function log_of(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = json.decode(line)
  end
  return lines
end

-- The words of a short training, whose checkpoints are after steps 3 and 6.
local function train(out, ...)
  return "scripts/train.lua", "--setting", "unseen_verb", "--seed", 1, "--steps", 8, "--batch", 2,
    "--size", 8, "--save-every", 3, "--out", folder .. "/" .. out, ...
end

local function adapt(out, ...)
  return "scripts/adapt.lua", "--from", folder .. "/whole", "--steps", 8, "--batch", 2,
    "--save-every", 3, "--out", folder .. "/" .. out, ...
end

-- Gets the words that make the program send itself a signal after the n-th step.
local function stopped(signal, n)
  return "-e", ([[
    local real, steps = require "hoi.interrupt", 0
    local pid = io.open("/proc/self/stat"):read "n"
    package.loaded["hoi.interrupt"] = function()
      local held = real()
      return setmetatable({
        requested = function()
          steps = steps + 1
          if steps == %d then
            io.popen("kill -%s " .. pid):close() -- os.execute would hide Ctrl-C
            repeat until held:requested()
          end
          return held:requested()
        end,
      }, { __close = function() held:release() end })
    end
  ]]):format(n, signal)
end

-- stopped's words before others.
local function with(signal, n, ...)
  local flag, text = stopped(signal, n)
  return run(flag, text, ...)
end

setup(function()
  folder = scratch.folder()
  works(train "whole")
  works(adapt "adapted")
end)

teardown(function()
  scratch.remove(folder)
end)

describe("train.lua", function()
  it("gives the same bits when kill -9 ended it on the way, and its log once", function()
    local status = with("KILL", 5, train "killed")
    assert.are.equal(137, status)
    assert.is_nil(system.kind(folder .. "/killed/prompts.safetensors"))
    works(train "killed")
    assert.is_true(read(folder .. "/whole/prompts.safetensors")
      == read(folder .. "/killed/prompts.safetensors"))
    local log = log_of(folder .. "/killed/log.jsonl")
    assert.are.equal(8, log[#log].step)
    assert.is_number(log[1].loss)
    assert.is_number(log[1]["pictures/s"])
  end)

  it("saves at Ctrl-C and goes on from there to the same bits", function()
    local status, output = with("INT", 4, train "stopped") -- the last save was after step 3
    assert.are.equal(130, status, output)
    assert.matches("stopped after step 4", output)
    works(train "stopped")
    assert.is_true(read(folder .. "/whole/prompts.safetensors")
      == read(folder .. "/stopped/prompts.safetensors"))
  end)

  it("refuses to go on with other settings, and names what differs", function()
    fails("checkpoint was begun with rate = 0%.003, this is with 0%.002", train("whole", "--rate",
      "2e-3"))
  end)

  it("learns jointly, with other weights, other boxes and the other methods", function()
    works(train("joint", "--joint", "--boxes", "detector", "--lean", "closeness=1", "negatives=1"))
    local last = log_of(folder .. "/joint/log.jsonl")[1]
    assert.is_true(last.closeness >= 0 and last.negatives > 0)
    for _, method in ipairs { "cmmp", "ada_cm", "geometry" } do
      works(train(method, "--method", method, "--steps", 2))
    end
    fails("unknown option 'closness' %(did you mean 'closeness'%?%)", train("x", "closness=1"))
    fails("an option of the method wanted", train("x", "closeness"))
  end)
end)

describe("adapt.lua", function()
  it("teaches the unseen learners alone, from what train.lua wrote", function()
    local clip = hoi.clip()
    local before = hoi.method.load(folder .. "/whole/prompts.safetensors", clip)
    local after = hoi.method.load(folder .. "/adapted/prompts.safetensors", clip)
    local changed, same = 0, 0
    local own = {}
    for _, p in ipairs(after:parameters()) do
      own[p[1]] = p[2]
    end
    for _, p in ipairs(before:parameters()) do
      local alike = own[p[1]]:bytes() == p[2]:bytes()
      if p[1]:find "^unseen_" then
        changed = changed + (alike and 0 or 1)
      else
        assert.is_true(alike, p[1])
        same = same + 1
      end
    end
    assert.is_true(changed > 0 and same > 0)
    assert.is_table(own.unseen_prompts and own.unseen_prompts.shape)
  end)

  it("gives the same bits when kill -9 ended it on the way", function()
    local status = with("KILL", 5, adapt "adapted-again")
    assert.are.equal(137, status)
    works(adapt "adapted-again")
    assert.is_true(read(folder .. "/adapted/prompts.safetensors")
      == read(folder .. "/adapted-again/prompts.safetensors"))
  end)

  it("saves at Ctrl-C and goes on from there to the same bits", function()
    local out = folder .. "/adapted-stopped"
    local status, output = with("INT", 4, adapt "adapted-stopped") -- the last save was after step 3
    assert.are.equal(130, status, output)
    assert.matches("stopped after step 4; the same command goes on from there", output)
    assert.is_nil(system.kind(out .. "/prompts.safetensors"))
    assert.are.equal(4, require "hoi.checkpoint".state(out .. "/checkpoint").step)
    works(adapt "adapted-stopped")
    assert.is_true(read(folder .. "/adapted/prompts.safetensors")
      == read(out .. "/prompts.safetensors"))
    local log = log_of(out .. "/log.jsonl")
    assert.are.equal(8, log[#log].step)
  end)

  it("says which method has no such stage", function()
    works(train("plain", "--method", "ada_cm", "--steps", 1))
    fails("'ada_cm', which has no stage for unseen classes", "scripts/adapt.lua", "--from",
      folder .. "/plain", "--out", folder .. "/x")
  end)
end)

describe("a trained file", function()
  it("is refused with other classes, and the error names both", function()
    fails("is for Targets mini, 60 classes, 10 unseen, not for Targets mini, 60 classes:",
      "scripts/evaluate.lua", "--prompts", folder .. "/whole", "--boxes", "truth", "--size", 1)
  end)

  it("is refused with another CLIP, and the error names both", function()
    local clip = hoi.clip()
    clip:parameters "logit_scale"[1][2]:write { 1 }
    local other = folder .. "/other-clip"
    clip:save(other)
    fails("was trained on .+, this is ", "scripts/evaluate.lua", "--prompts", folder .. "/whole",
      "--model", other, "--setting", "unseen_verb", "--boxes", "truth", "--size", 1)
  end)
end)

describe("evaluate.lua", function()
  it("makes boxes and guidance again that were cut in half on disk, and says so", function()
    local cache, json_file = folder .. "/cut", folder .. "/cut.json"
    local function evaluate()
      local status, output = program.run_with({ XDG_CACHE_HOME = cache }, "scripts/evaluate.lua",
        "--prompts", folder .. "/adapted", "--setting", "unseen_verb", "--boxes", "detector",
        "--size", 4, "--cache", "--json", json_file)
      assert.are.equal(0, status, output)
      return output, read(json_file)
    end
    local output, wanted = evaluate()
    assert.is_nil(output:find("made again", 1, true))
    for _, store in ipairs { "detections", "guidance" } do
      local root = cache .. "/hoi/" .. store
      local key = root .. "/" .. system.list(root)[1]
      local names, whole = system.list(key), {}
      assert.are.equal(4, #names)
      for _, name in ipairs(names) do
        local path = key .. "/" .. name
        whole[path] = read(path)
        scratch.write(path, whole[path]:sub(1, #whole[path] // 2))
      end
      local again, figures = evaluate()
      assert.are.equal(wanted, figures)
      for path, bytes in pairs(whole) do
        assert.is_truthy(again:find(("hoi: cache: %s: cut off: made again"):format(path), 1, true),
          again)
        assert.is_true(bytes == read(path), path)
      end
      assert.is_nil(evaluate():find("made again", 1, true))
    end
  end)
end)

describe("predict.lua", function()
  it("takes a trained method, and classes that are added to it", function()
    works("scripts/draw.lua", "--count", 2, "--out", folder .. "/sheet")
    works("scripts/predict.lua", "--prompts", folder .. "/adapted", "--add",
      "person guarding a chair", "--describe", "somebody in front of a chair", "--detector",
      "boxes", "--detector-file", folder .. "/sheet.json", "--top", 1000, "--out",
      folder .. "/predicted", folder .. "/sheet")
    local added, unseen, known = 0, 0, 0
    for _, picture in ipairs(json.load(folder .. "/predicted/predictions.json")) do
      for _, i in ipairs(picture.interactions) do
        added = added + (i.verb == "guarding" and i.object == "chair" and 1 or 0)
        unseen, known = unseen + (i.seen and 0 or 1), known + (i.seen and 1 or 0)
        assert.is_true(i.score > 0 and i.score < 1)
      end
    end
    assert.is_true(added > 0 and unseen > added and known > 0)
  end)

  it("adds classes to CLIP as it is, but not to a method that can not take them", function()
    works("scripts/predict.lua", "--add", "person guarding a chair", "--out", folder .. "/zero",
      folder .. "/sheet")
    works(train("fixed", "--method", "ada_cm", "--steps", 1))
    fails("ada_cm can not take classes in", "scripts/predict.lua", "--prompts", folder .. "/fixed",
      "--add", "person guarding a chair", "--out", folder .. "/x", folder .. "/sheet")
  end)
end)

describe("plot.lua", function()
  it("draws the curves of logs and says when there is nothing to draw", function()
    local output = works("scripts/plot.lua", folder .. "/whole", folder .. "/adapted/log.jsonl",
      "--values", "loss,relation", "--out", folder .. "/plots/log.png")
    assert.matches("4 curves", output)
    assert.is_true(hoi.image(folder .. "/plots/log.png").width > 400)
    assert.matches("^<%?xml", read(folder .. "/plots/log.svg"))
    fails("none of these logs says 'none' over 'step'", "scripts/plot.lua", folder .. "/whole",
      "--values", "none", "--out", folder .. "/x.png")
  end)
end)

describe("study.lua", function()
  local function few(...)
    return "scripts/study.lua", "--settings", "unseen_verb", "--boxes", "truth", "--seeds", 1,
      "--steps", 1, "--pictures", 8, "--test", 3, "--out", folder .. "/study", ...
  end

  it("measures every rung, and keeps what is finished", function()
    local output = works(few("--html", folder .. "/pages/study.html"))
    assert.matches("11 cells measured, 0 kept", output)
    local results = json.load(folder .. "/study/results.json")
    assert.are.equal(1, #results)
    assert.are.equal(11, #results[1].rows)
    assert.are.equal(5, #results[1].rows[11].cells)
    assert.are.equal(1, #results[1].rows[11].cells[3].values)
    assert.matches("<svg", read(folder .. "/pages/study.html"))
    assert.matches("0 cells measured, 11 kept", works(few()))
    assert.are.same(results[1].rows, json.load(folder .. "/study/results.json")[1].rows)
  end)

  it("takes confidence intervals by Student's t", function()
    local study = require "hoi.study"
    local mean, half = study.interval { 1, 2, 3, 4, 5 } -- scipy.stats.t.interval
    assert.are.equal(3, mean)
    assert.is_true(math.abs(half - 1.9632432) < 1e-3)
    assert.are.same({ 7, 0 }, { study.interval { 7 } })
  end)
end)

describe("targets.parse", function()
  it("reads the verb and the object of a sentence", function()
    local function parsed(text)
      local row = hoi.targets.parse(text)
      return { row.verb, row.object or "", row.sentence }
    end
    assert.are.same({ "feeding", "robot", "a person feeding a robot" },
      parsed "person feeding a robot")
    assert.are.same({ "jumping_over", "fire hydrant", "a person jumping over the fire hydrant" },
      parsed " A person jumping over the fire  hydrant")
    assert.are.same({ "riding", "bikes", "a person riding bikes" }, parsed "a person riding bikes")
    assert.are.same({ "sleeping", "", "a person sleeping" }, parsed "person sleeping")
  end)
end)

describe("what is kept on disk", function()
  it("is made again where a file of it is cut in half, and that is said", function()
    local root = folder .. "/cache/hoi/guidance"
    local kind = system.list(root)[1]
    local name = root .. "/" .. kind .. "/" .. system.list(root .. "/" .. kind)[1]
    while system.kind(name) == "folder" do
      name = name .. "/" .. system.list(name)[1]
    end
    local bytes = read(name)
    local file <close> = assert(io.open(name, "wb"))
    file:write(bytes:sub(1, #bytes // 2))
    file:close()
    local output = works(train "mended")
    assert.matches("made again", output)
    assert.is_true(read(name) == bytes)
    assert.is_true(read(folder .. "/whole/prompts.safetensors")
      == read(folder .. "/mended/prompts.safetensors"))
  end)
end)

describe("training", function()
  it("reads options of methods", function()
    assert.are.same({ "closeness", 1 }, training.option "closeness=1")
    assert.are.same({ "mode", "released" }, training.option "mode=released")
    assert.are.same({ "unseen", false }, training.option "unseen=false")
  end)

  it("takes means of what is measured", function()
    local means = training.means { { a = hoi.tensor { 1 }, b = hoi.tensor { 5 } },
      { a = hoi.tensor { 2 } } }
    assert.are.same({ a = 1.5, b = 5 }, means)
  end)
end)
