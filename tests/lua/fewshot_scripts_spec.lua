-- fewshot.lua and ablate.lua, run as users run them, on a few drawn pictures and made-up features.
local hoi = require "hoi"
local json = require "hoi.json"
local system = require "hoi.system"
local program = dofile "tests/lua/program.lua"
local scratch = dofile "tests/lua/scratch.lua"
local run, works = program.run, program.works
local read = scratch.read

local folder = scratch.folder() -- of this run

-- The words of a comparison on very few pictures, with very short trainings.
local function few(out, ...)
  return "scripts/fewshot.lua", "--data", "mini", "--size", 2, "--shots", "1,2", "--seeds", "1,2",
    "--views", 1, "--set", "coop.epochs=1", "--set", "coop.contexts=2", "--set", "maple.epochs=1",
    "--set", "clip_lora.steps=2", "--set", "clip_adapter.epochs=2", "--set",
    "tip_adapter.steps_beta=3", "--set", "tip_adapter_f.steps_beta=3", "--set",
    "linear_probe.bisections=1", "--out", folder .. "/" .. out, ...
end

teardown(function()
  scratch.remove(folder)
end)

describe("fewshot.lua", function()
  local output, results

  setup(function()
    output = works(few("all", "--json", folder .. "/all.json", "--html",
      folder .. "/pages/all.html"))
    results = json.load(folder .. "/all.json")
  end)

  it("measures every method, number of shots and seed", function()
    assert.are.same({ 1, 2 }, results.columns)
    assert.are.equal(#hoi.classifier.names, #results.rows)
    for i, row in ipairs(results.rows) do
      assert.are.equal(hoi.classifier.names[i], row.name)
      for _, cell in ipairs(row.cells) do
        assert.are.equal(2, #cell.values)
        assert.are.equal((cell.values[1] + cell.values[2]) / 2, cell.mean)
        for _, value in ipairs(cell.values) do
          -- 24 pictures are tested on
          assert.is_true(math.abs(value * 24 / 100 - math.floor(value * 24 / 100 + 0.5)) < 1e-6)
        end
      end
    end
    assert.matches("36 cells measured, 0 kept", output)
  end)

  it("prints the JSON's numbers, and writes them into page and log with all settings", function()
    local page, log = read(folder .. "/pages/all.html"), read(folder .. "/all/log.txt")
    for _, row in ipairs(results.rows) do
      local line = output:match("\n" .. row.name .. " +(%d+%.%d%d ± [^\n]*)")
      for _, cell in ipairs(row.cells) do
        local text = ("%.2f ± %.2f"):format(cell.mean, cell.deviation)
        assert.is_truthy(line:find(text, 1, true), line)
        assert.is_truthy(page:find("<td>" .. text .. "</td>", 1, true), text)
      end
    end
    assert.are.equal(1, results.settings.options.coop["2 shots"].epochs)
    assert.are.equal("coop", results.settings.protocol)
    assert.is_truthy(log:find("settings: " .. json.encode(results.settings), 1, true))
    assert.is_truthy(output:find("chosen on validation pictures alone", 1, true))
    assert.matches("<svg", page)
    assert.is_nil(page:find "https?://[^w]") -- but the names of namespaces
    assert.are.equal("file", system.kind(folder .. "/all/accuracy.png"))
  end)

  it("goes on where it was: what is there is kept, a changed setting is measured anew", function()
    local again = works(few("all"))
    assert.matches("0 cells measured, 36 kept", again)
    assert.are.same(results.rows, json.load(folder .. "/all/results.json").rows)
    again = works(few("all", "--method", "coop,zero_shot", "--set", "coop.position=middle"))
    assert.matches("4 cells measured, 4 kept", again)
  end)

  it("gives the same numbers when Ctrl-C stopped it on the way", function()
    local stop = [[
      local study = require "hoi.study"
      local open, count = study.open, 0
      local pid = io.open("/proc/self/stat"):read "n"
      study.open = function(path)
        local cells = open(path)
        local cell = cells.cell
        cells.cell = function(self, what, run)
          count = count + 1
          if count == 12 then
            io.popen("kill -INT " .. pid):close()
            while true do end
          end
          return cell(self, what, run)
        end
        return cells
      end
    ]]
    local status, stopped = run("-e", stop, few "parts")
    assert.are.equal(130, status, stopped)
    assert.matches("the same command goes on where it was", stopped)
    assert.matches("25 cells measured, 11 kept", works(few "parts"))
    assert.are.same(results.rows, json.load(folder .. "/parts/results.json").rows)
  end)

  it("says beside each number that it was chosen on the test set", function()
    local text = works(few("test", "--method", "tip_adapter", "--select", "test"))
    local line = text:match "\ntip_adapter +([^\n]*%[test%])"
    local _, count = line:gsub("%[test%]", "")
    assert.are.equal(2, count)
    assert.matches("were chosen on the test set", text)
    assert.are.equal("test", json.load(folder .. "/test/results.json").settings.select)
  end)

  it("tests on the classes left out of training too", function()
    works(few("base", "--method", "coop,clip_adapter", "--part", "base"))
    local rows = json.load(folder .. "/base/results.json").rows
    assert.are.equal("coop, new", rows[2].name)
    local base, new, mean = rows[1].cells[1], rows[2].cells[1], rows[3].cells[1]
    for i, value in ipairs(mean.values) do
      local a, b = base.values[i], new.values[i]
      assert.is_true(math.abs(value - 2 * a * b / (a + b)) < 1e-9)
    end
    assert.are.same({}, rows[5].cells[1].values) -- CLIP-Adapter has no prompts to put before them
    assert.is_nil(rows[5].cells[1].mean)
  end)

  it("takes any folder of class folders, and sees when a picture in it changes", function()
    local drawn = hoi.data.classes("mini", { size = 6 })
    for i, item in ipairs(drawn.train) do
      if item.label <= 2 then
        local place = ("%s/own/%s"):format(folder, drawn.classes[item.label])
        system.make_folder(place)
        local picture <close> = drawn:image(item)
        picture:save(("%s/%03d.png"):format(place, i))
      end
    end
    local words = { "scripts/fewshot.lua", "--data", folder .. "/own", "--method",
      "zero_shot,nearest_mean", "--shots", 1, "--seeds", 1, "--out", folder .. "/own_results" }
    assert.matches("2 cells measured", works(table.unpack(words)))
    local own = json.load(folder .. "/own_results/results.json")
    assert.are.equal("Few-shot classification of own", own.title)
    assert.matches("2 classes; 6 to train, 2 to validate, 4 to test", own.subtitle)
    assert.matches("0 cells measured", works(table.unpack(words)))
    local data = hoi.data.classes(folder .. "/own")
    local picture <close> = hoi.image(data.test[1].path)
    local smaller <close> = picture:resize(9, 9)
    smaller:save(data.test[1].path)
    assert.matches("2 cells measured", works(table.unpack(words)))
    os.remove(data.test[1].path)
    assert(io.open(data.test[1].path, "w")):close()
    local status, message = run(table.unpack(words))
    assert.are_not.equal(0, status)
    assert.is_truthy(message:find(data.test[1].path, 1, true), message)
  end)

  it("takes features without pictures", function()
    hoi.seed(5)
    local function noisy(rows)
      return hoi.concat({ hoi.tensor(rows), hoi.randn({ #rows, 3 }, { deviation = 0.05 }) }, 2)
    end
    local a, b = { 1, 0 }, { 0, 1 }
    hoi.safetensors.save(folder .. "/own.safetensors", {
      train_f = noisy { a, a, b, b, a, b }, train_l = hoi.tensor { 0, 0, 1, 1, 0, 1 },
      val_f = noisy { a, b }, val_l = hoi.tensor { 0, 1 },
      test_f = noisy { a, b, b }, test_l = hoi.tensor { 0, 1, 1 },
    })
    local text = works("scripts/fewshot.lua", "--features", folder .. "/own.safetensors",
      "--shots", 2, "--seeds", 1, "--out", folder .. "/features", "--set", "clip_adapter.epochs=2")
    assert.matches("coop is left out", text)
    assert.matches("\nnearest_mean +100%.00\n", text)
    assert.matches("the means of the shots stand for the classes", text)
    assert.are.equal(6, #json.load(folder .. "/features/results.json").rows)
  end)

  it("says what it can not do", function()
    for text, words in pairs {
      ["whole numbers with commas between them wanted"] = { "--shots", "1,two" },
      ["METHOD.OPTION=VALUE wanted"] = { "--set", "epochs=3" },
      ["clip_adapter has no option 'apha'"] = { "--method", "clip_adapter", "--set",
        "clip_adapter.apha=1" },
      ["is neither a folder"] = { "--data", folder .. "/nothing" },
      ["mini has one template"] = { "--ensemble" },
      ["no 'clip_adaptor' among the program's classifiers (did you mean 'clip_adapter'?)"] = {
        "--method", "clip_adaptor" },
    } do
      local status, message = run("scripts/fewshot.lua", "--out", folder .. "/wrong",
        table.unpack(words))
      assert.are_not.equal(0, status)
      assert.is_truthy(message:find(text, 1, true), message)
    end
  end)
end)

describe("ablate.lua", function()
  it("runs the four studies; no share is zero-shot exactly, D/4 has the paper's size", function()
    local text = works("scripts/ablate.lua", "--size", 2, "--shots", 2, "--seeds", "1,2",
      "--epochs", 1, "--views", 1, "--out", folder .. "/studies", "--json",
      folder .. "/studies.json", "--html", folder .. "/studies.html")
    local list = json.load(folder .. "/studies.json")
    assert.are.equal(4, #list)
    local placement, layers, sizes, shares = table.unpack(list)
    assert.are.same({ "image", "text", "both" }, placement.columns)
    assert.are.same({ "1", "2", "3", "4", "5", "all", "end" }, layers.columns)
    assert.are.equal("D/4", sizes.columns[3])
    assert.matches("D/4: 4608", sizes.notes[2]) -- 2 x 96 x 24
    assert.are.same({ 0, 0.2, 0.4, 0.6, 0.8, 1 }, shares.columns)
    local adapted, frozen = shares.rows[1].cells[1], shares.rows[2].cells[1]
    assert.are.same(frozen.values, adapted.values)
    assert.are.equal(0.4, shares.settings.options["0.4"].alpha)
    local page = read(folder .. "/studies.html")
    for _, results in ipairs(list) do
      for _, cell in ipairs(results.rows[1].cells) do
        local number = ("%.2f ± %.2f"):format(cell.mean, cell.deviation)
        assert.is_truthy(text:find(number, 1, true))
        assert.is_truthy(page:find("<td>" .. number .. "</td>", 1, true))
      end
    end
    local again = works("scripts/ablate.lua", "--study", "residual_ratio", "--size", 2, "--shots",
      2, "--seeds", "1,2", "--epochs", 1, "--views", 1, "--out", folder .. "/studies")
    assert.matches("0 cells measured", again)
  end)
end)
