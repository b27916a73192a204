-- packs: weights that are only multiplied give their memory up for their pack, and come back with
-- the same bits to whoever asks for their values.
local hoi = require "hoi"
local device = require "hoi.device"

local function live()
  collectgarbage()
  collectgarbage()
  return device.memory().live
end

local function bits(clip)
  local list = {}
  for i, p in ipairs(clip:parameters()) do
    list[i] = p[2]:float():bytes()
  end
  return list
end

local function pixels(clip)
  hoi.seed(5)
  return hoi.randn { 2, 3, clip.visual.size, clip.visual.size }
end

describe("Packs", function()
  it("take the place of what they hold", function()
    local clip <close> = hoi.clip(nil, { dtype = "float32" })
    local x = pixels(clip)
    local before = live()
    clip:encode_image(x):release()
    clip:encode_text { "person riding horse" }:release()
    -- padding of the last panels is all that may be more
    assert.is_true(live() <= 1.25 * before, ("%d, then %d"):format(before, live()))
  end)

  for _, dtype in ipairs { "stored", "float32" } do
    it("give the same values back (" .. dtype .. ")", function()
      local untouched <close> = hoi.clip(nil, { dtype = dtype })
      local clip <close> = hoi.clip(nil, { dtype = dtype })
      local x = pixels(clip)
      local first = clip:encode_image(x):bytes()
      clip:encode_text { "person riding horse" }:release()
      assert.are.same(bits(untouched), bits(clip))
      assert.are.equal(first, clip:encode_image(x):bytes())
    end)
  end

  it("let training go on as if nothing had been encoded before", function()
    local function steps(clip)
      local x, parameters = pixels(clip), clip:train "layers.1.*weight"
      local optimizer = hoi.adamw(parameters, { learning_rate = 1e-3 })
      for _ = 1, 2 do
        clip:encode_image(x):square():mean():backward()
        optimizer:step()
      end
      return clip:encode_image(x):bytes()
    end
    local fresh <close> = hoi.clip(nil, { dtype = "float32" })
    local used <close> = hoi.clip(nil, { dtype = "float32" })
    used:encode_image(pixels(used)):release()
    assert.are.equal(steps(fresh), steps(used))
  end)

  it("are laid out for the way back without the values, with the same bits", function()
    local function gradient(clip)
      hoi.seed(7)
      local prompt = hoi.randn({ 1, 3, clip.visual.width }):train()
      clip.visual:block(1, prompt):square():sum():backward()
      return prompt.grad:bytes()
    end
    local with_values <const>, without <const> = hoi.clip(nil, { dtype = "float32" }),
      hoi.clip(nil, { dtype = "float32" })
    for _, clip in ipairs { with_values, without } do
      clip:encode_image(pixels(clip)):release()
    end
    for _, p in ipairs(with_values:parameters()) do
      (p[2]:float() * 1):release() -- who asks for values gets them back
    end
    assert.are.equal(gradient(with_values), gradient(without))
  end)
end)
