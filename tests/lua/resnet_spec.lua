-- resnet: CLIP's modified ResNet and torchvision's against golden values.
local hoi = require "hoi"
local json = require "hoi.json"
local resnet = require "hoi.resnet"
local safetensors = require "hoi.safetensors"
local system = require "hoi.system"
local near = dofile "tests/lua/expect.lua".near
local scratch = dofile "tests/lua/scratch.lua"

local golden = "tests/golden/"

local function length(x)
  return x:square():sum():sqrt():item()
end

local function open()
  local file <close> = safetensors.open(golden .. "resnet_weights.safetensors")
  return resnet.tower(file, "visual."), safetensors.open(golden .. "resnet.safetensors")
end

-- A folder with clip_quick's text tower and the golden ResNet.
local function make_folder(folder)
  system.make_folder(folder)
  local config = json.load(golden .. "clip_quick/config.json")
  config.vision_config = { layers = { 1, 2, 1, 1 }, hidden_size = 4, image_size = 96 }
  json.save(folder .. "/config.json", config)
  for _, name in ipairs { "vocab.json", "merges.txt" } do
    scratch.copy(golden .. "clip_quick/" .. name, folder .. "/" .. name)
  end
  local all = {}
  for _, path in ipairs { "clip_quick/model.safetensors", "resnet_weights.safetensors" } do
    local file <close> = safetensors.open(golden .. path)
    for _, name in ipairs(file:names()) do
      if not name:find "^vision_model" and name ~= "visual_projection.weight" then
        all[name] = file:tensor(name)
      end
    end
  end
  safetensors.save(folder .. "/model.safetensors", all)
end

describe("CLIP's ResNet", function()
  it("has the golden map, tokens and features", function()
    local tower, file <close> = open()
    local pixels = file:tensor "pixel_values"
    local map = tower:map(pixels)
    near(file:tensor "map", map, 1e-5, "map")
    local tokens = file:tensor "tokens"
    near(tokens, tower:pool(map, true), 1e-5, "tokens")
    near(tokens:slice(2, 1, 1):reshape(2, 20), tower:forward(pixels), 1e-5, "features")
    assert.are.same({ 96, 3, 32, 128, 2, 20, 5 },
      { tower.size, tower.grid, tower.patch, tower.width, tower.heads, tower.out, tower.depth })
  end)

  -- A folded weight is its convolution's times gain / deviation: so is the gradient, the other way.
  it("has the golden gradients of its weights", function()
    local tower, file <close> = open()
    local weights <close> = safetensors.open(golden .. "resnet_weights.safetensors")
    local named = {}
    for _, p in ipairs(tower:parameters()) do
      named[p[1]] = p[2]
      p[2]:train()
    end
    (tower:forward(file:tensor "pixel_values") * file:tensor "upstream"):sum():backward()
    local norms = {
      ["visual.conv1.weight"] = "visual.bn1",
      ["visual.layer2.0.conv2.weight"] = "visual.layer2.0.bn2",
    }
    for name, norm in pairs(norms) do
      local scale = weights:tensor(norm .. ".weight")
        / (weights:tensor(norm .. ".running_var") + 1e-5):sqrt()
      local wanted = file:tensor(name .. ".grad")
      local got = named[name].grad:permute(1, 4, 2, 3) * scale:reshape(-1, 1, 1, 1)
      assert.is_true(length(got - wanted) <= 1e-4 * length(wanted), name)
    end
    local name = "visual.attnpool.q_proj.weight"
    local wanted = file:tensor(name .. ".grad")
    assert.is_true(length(named[name].grad - wanted) <= 1e-4 * length(wanted), name)
  end)

  it("is the picture tower of a Clip, which saves and reads it", function()
    local folder, again_at = scratch.folder(), scratch.folder()
    finally(function()
      scratch.remove(folder)
      scratch.remove(again_at)
    end)
    make_folder(folder)
    local clip <close> = hoi.clip(folder)
    local file <close> = safetensors.open(golden .. "resnet.safetensors")
    local pixels, tokens = file:tensor "pixel_values", file:tensor "tokens"
    near(tokens:slice(2, 1, 1):reshape(2, 20), clip:encode_pixels(pixels), 1e-5, "features")
    near(tokens:slice(2, 2):reshape(2, 3, 3, 20), clip:encode_patches(pixels), 1e-5, "patches")
    local texts <close> = hoi.clip(golden .. "clip_quick")
    assert.is_true(texts:encode_text { "a dog" }:bytes() == clip:encode_text { "a dog" }:bytes())
    assert.are.equal(20, clip.width)
    assert.are.same({ 1, 20 }, clip:encode_image(hoi.image.new(40, 30)).shape)
    assert.are.equal(2, #clip:parameters "^visual.layer1.0.conv1")
    assert.is_truthy(tostring(clip):find("pictures 96 px, patch 32, 5 blocks of 128", 1, true))
    clip:save(again_at)
    local again <close> = hoi.clip(again_at)
    assert.is_true(clip:encode_pixels(pixels):bytes() == again:encode_pixels(pixels):bytes())
  end)

  it("says what it wants", function()
    local tower = open()
    assert.has_error(function()
      tower:map(hoi.zeros { 1, 3, 64, 64 })
    end, "clip: pixels (count, 3, 96, 96) are wanted, these are 1x3x64x64")
    local file <close> = safetensors.open(golden .. "clip_quick/model.safetensors")
    local ok, message = pcall(resnet.read, file)
    assert.is_false(ok)
    assert.is_truthy(message:find("no 'layer1.0.conv1.weight' in the file", 1, true), message)
  end)
end)
