-- fetch and convert, run as users run them. Nothing is asked of the network: addresses of files,
-- and a proxy that is not there.
local system = require "hoi.system"
local program = dofile "tests/lua/program.lua"
local scratch = dofile "tests/lua/scratch.lua"
local read, write = scratch.read, scratch.write

local folder -- of this run

setup(function()
  folder = scratch.folder()
  write(folder .. "/from/a.bin", ("0123456789"):rep(1000))
end)

teardown(function()
  scratch.remove(folder)
end)

-- Sums of the file above: SHA-256, and git's.
local sum = "4c207598af7a20db0e3334dd044399a40e467cb81b37f7ba05a4f76dcbd8fd59"
local git = "ee7d9682800b0ffb1b201c6f8fa5630472cc7d63"

describe("fetch", function()
  local function fetch(wanted)
    return program.run("scripts/fetch.lua", "file://" .. folder .. "/from/a.bin",
      "--sha256", wanted, "--to", folder .. "/to")
  end
  local target

  setup(function()
    target = folder .. "/to/a.bin"
  end)

  it("names its models", function()
    local status, output = program.run("scripts/fetch.lua", "--list")
    assert.are.equal(0, status)
    for _, name in ipairs { "clip%-vit%-b32", "openai%-rn50", "owlvit%-b32", "owlv2%-b16",
      "yolox%-nano", "detr%-r50" } do
      assert.matches("\n" .. name .. " +%u", "\n" .. output)
    end
    status, output = program.run("scripts/fetch.lua", "clip-vitb16")
    assert.are_not.equal(0, status)
    assert.matches("did you mean 'clip%-vit%-b16'", output)
  end)

  if not os.execute "command -v curl >/dev/null" then
    return pending "skipped: curl is missing"
  end

  it("downloads, goes on where it was cut off, and does not download again", function()
    local status, output = fetch(sum)
    assert.are.equal(0, status, output)
    assert.matches("its sum is right", output)
    assert.are.equal(read(folder .. "/from/a.bin"), read(target))
    status, output = fetch(sum)
    assert.are.equal(0, status)
    assert.matches("is there, its sum is right", output)
    os.remove(target)
    write(target .. ".part", read(folder .. "/from/a.bin"):sub(1, 4321))
    status, output = fetch(git)
    assert.are.equal(0, status, output)
    assert.are.equal(read(folder .. "/from/a.bin"), read(target))
    assert.is_nil(system.kind(target .. ".part"))
  end)

  it("keeps a file of another sum aside", function()
    os.remove(target)
    local status, output = fetch(("0"):rep(64))
    assert.are.equal(1, status)
    assert.matches("its sum is " .. sum .. ", wanted 0000", output)
    assert.is_nil(system.kind(target))
    assert.are.equal("file", system.kind(target .. ".wrong"))
  end)

  it("says offline what to put where", function()
    local status, output = program.run_with({ https_proxy = "http://127.0.0.1:1", no_proxy = "" },
      "scripts/fetch.lua",
      "openai-rn50", "--to", folder .. "/offline")
    assert.are.equal(1, status)
    assert.matches("fetch: no connection", output)
    assert.matches("/RN50.pt\n    to " .. folder .. "/offline/RN50.pt\n", output, 1, true)
    assert.matches("SHA%-256 afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
      output)
    assert.matches("bpe_simple_vocab_16e6%.txt%.gz", output)
  end)
end)

describe("convert", function()
  it("writes a folder that predict's --model takes", function()
    local to = folder .. "/converted"
    local status, output = program.run("scripts/convert.lua", "tests/golden/archives/open_clip", to)
    assert.are.equal(0, status, output)
    assert.matches("activation quick_gelu, by open_clip_config%.json", output)
    assert.matches("\nClip %(" .. to:gsub("%p", "%%%0") .. "; pictures 30 px, patch 6", output)
    assert.are.same({ "config.json", "merges.txt", "model.safetensors", "preprocessor_config.json",
      "vocab.json" }, system.list(to))
    status, output = program.run("scripts/convert.lua", "tests/golden/archives/script.pt", to)
    assert.are_not.equal(0, status)
    assert.matches("give config = Hugging Face's config.json", output, 1, true)
  end)
end)
