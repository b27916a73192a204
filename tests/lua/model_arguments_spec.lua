-- The words that say which CLIP a script uses: weights alone are the same model when activation and
-- tokenizer are named.
local hoi = require "hoi"
local json = require "hoi.json"
local program = dofile "tests/lua/program.lua"
local random_clip = dofile "tests/lua/random_clip.lua"
local scratch = dofile "tests/lua/scratch.lua"

local folder, whole, bare -- of this run; a CLIP in it; the same without configuration and tokenizer

local function make_clip(path)
  local brought <close> = hoi.clip()
  random_clip(path, 96, {
    hidden_size = 128, num_attention_heads = 2, num_hidden_layers = 5, intermediate_size = 256,
    image_size = 96, patch_size = 12, hidden_act = "quick_gelu",
  }, {
    hidden_size = 64, num_attention_heads = 1, num_hidden_layers = 3, intermediate_size = 128,
    vocab_size = 538, max_position_embeddings = 24, hidden_act = "quick_gelu",
    bos_token_id = 536, eos_token_id = 537,
  }, brought.tokenizer)
end

local _, works, fails = program.caching(function()
  return folder
end)

-- The words of the bare weights with an activation.
local function named(activation, ...)
  return "--model", bare, "--activation", activation, "--tokenizer", whole, ...
end

setup(function()
  folder = scratch.folder()
  whole, bare = folder .. "/whole", folder .. "/bare/model.safetensors"
  make_clip(whole)
  scratch.copy(whole .. "/model.safetensors", bare)
  scratch.copy(whole .. "/preprocessor_config.json", folder .. "/bare/preprocessor_config.json")
  program.works("scripts/draw.lua", "--count", 2, "--out", folder .. "/drawn")
end)

teardown(function()
  scratch.remove(folder)
end)

describe("predict.lua", function()
  local function predict(out, ...)
    return "scripts/predict.lua", "--classes", "mini", "--detector", "boxes", "--detector-file",
      folder .. "/drawn.json", "--out", folder .. "/" .. out, folder .. "/drawn", ...
  end
  local function found(out)
    return scratch.read(folder .. "/" .. out .. "/predictions.json")
  end

  it("takes activation and tokenizer, and says what of them is missing", function()
    works(predict("first", "--model", whole))
    works(predict("named", named "quick_gelu"))
    works(predict("other", named "gelu"))
    assert.is_true(#json.decode(found "first")[1].interactions > 0)
    assert.is_true(found "first" == found "named")
    assert.is_false(found "first" == found "other")
    fails("nothing says whether its activation is QuickGELU or GELU", predict("x", "--model", bare))
    fails("tokenizer", predict("x", "--model", bare, "--activation", "gelu"))
  end)

  it("refuses them without --model, and an unknown activation", function()
    fails("%-%-activation gelu is about the files of %-%-model", predict("x", "--activation",
      "gelu"))
    fails("%-%-tokenizer " .. whole:gsub("%p", "%%%0") .. " is about the files of %-%-model",
      predict("x", "--tokenizer", whole))
    fails("%-%-activation.*quick_gelu", predict("x", "--model", bare, "--activation", "relu"))
  end)
end)

describe("evaluate.lua", function()
  it("takes activation and tokenizer", function()
    local function figures(...)
      works("scripts/evaluate.lua", "--boxes", "truth", "--size", 12, "--json", folder
        .. "/figures.json", ...)
      return scratch.read(folder .. "/figures.json")
    end
    local wanted = figures("--model", whole)
    assert.is_number(json.decode(wanted).truth.full)
    assert.are.equal(wanted, figures(named "quick_gelu"))
    assert.are_not.equal(wanted, figures(named "gelu"))
  end)
end)

describe("train.lua and adapt.lua", function()
  local short = { "--steps", 2, "--batch", 2, "--size", 8, "--setting", "unseen_verb", "--seed", 1 }

  it("take them, and the second stage knows them of the first", function()
    local function prompts(name, ...)
      local words = { ... }
      table.move(short, 1, #short, #words + 1, words)
      works("scripts/train.lua", "--out", folder .. "/" .. name, table.unpack(words))
      works("scripts/adapt.lua", "--from", folder .. "/" .. name, "--out", folder .. "/" .. name
        .. "-adapted", "--steps", 1, "--batch", 2)
      return { weights = hoi.weights(folder .. "/" .. name .. "-adapted/prompts.safetensors") }
    end
    local wanted, quick = prompts("first", "--model", whole), prompts("quick", named "quick_gelu")
    local other = prompts("gelu", named "gelu")
    local compared, differ = 0, 0
    for _, name in ipairs(wanted.weights:names()) do
      local bytes = wanted.weights:tensor(name):bytes()
      assert.is_true(bytes == quick.weights:tensor(name):bytes(), name)
      compared = compared + 1
      differ = differ + (bytes == other.weights:tensor(name):bytes() and 0 or 1)
    end
    assert.is_true(compared > 0 and differ > 0)
  end)
end)

describe("what is kept of features", function()
  it("is another with another activation", function()
    local quick <close> = hoi.clip(bare, { activation = "quick_gelu", tokenizer = whole })
    local gelu <close> = hoi.clip(bare, { activation = "gelu", tokenizer = whole })
    local same <close> = hoi.clip(whole)
    assert.are_not.equal(quick:feature_key(), gelu:feature_key())
    assert.are.equal(same:feature_key(), quick:feature_key())
  end)

  it("is another with another tokenizer", function()
    local two_stage = require "hoi.two_stage"
    local words = { "a dog", "a red horse" }
    local one <close> = hoi.clip(whole)
    local tokenizer <close> = hoi.tokenizer.learn({ "a dog runs", "a red horse" }, { merges = 5 })
    local other <close> = hoi.clip(whole, { tokenizer = tokenizer })
    local wanted = other:encode_text(words):bytes()
    two_stage.encode(one, words)
    assert.are_not.equal(wanted, one:encode_text(words):bytes())
    assert.are.equal(wanted, two_stage.encode(other, words):bytes())
  end)
end)
