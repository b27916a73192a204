-- bfloat: models whose layers multiply bfloat16, against the same in float; where there is none of
-- it, an error that says what is missing.
local hoi = require "hoi"
local expect = dofile "tests/lua/expect.lua"
local program = dofile "tests/lua/program.lua"

local ADVICE = 'Use dtype "stored" or "float32"'

-- Gets the program's own model in bfloat16; nil, and what is missing, where the device has none.
local function open()
  local ok, found = pcall(hoi.clip, nil, { dtype = "bfloat16" })
  if ok then
    return found
  end
  assert.is_truthy(found:find(ADVICE, 1, true), found)
  return nil, found
end

-- Features of the drawn world's easy pictures and of its classes' sentences, of length 1.
local function features(clip)
  local batch, images, texts = hoi.mini.batch("easy", 9, 1, 96), {}, {}
  for i = 1, 96 do
    images[i] = hoi.image.new(96, 96, batch:rgb(i))
  end
  for i, target in ipairs(hoi.targets "mini") do
    texts[i] = target.sentence
  end
  return clip:encode_image(images):normalize(), clip:encode_text(texts):normalize()
end

local function least_cosine(a, b)
  return 1 - (1 - (a * b):sum(2)):max():item()
end

describe("bfloat16", function()
  it("gives features that point where those of floats do, and the same classes first", function()
    local clip <close>, lacks = open()
    if not clip then
      pending(lacks)
      return
    end
    local exact <close> = hoi.clip(nil, { dtype = "float32" })
    local pictures, texts = features(exact)
    local rough_pictures, rough_texts = features(clip)
    assert.is_true((pictures - rough_pictures):abs():max():item() > 1e-6) -- it is another way
    assert.is_true(least_cosine(pictures, rough_pictures) > 0.999)
    assert.is_true(least_cosine(texts, rough_texts) > 0.999)
    local wanted = pictures:matmul(texts:transpose()):argmax()
    local got = rough_pictures:matmul(rough_texts:transpose()):argmax()
    local same = 0
    for i = 1, #wanted do
      same = same + (wanted[i] == got[i] and 1 or 0)
    end
    assert.is_true(same >= 0.95 * #wanted, ("%d of %d"):format(same, #wanted))
  end)

  it("keeps matrices as BF16, the rest as floats, features apart from those of floats", function()
    local clip <close>, lacks = open()
    if not clip then
      pending(lacks)
      return
    end
    for _, p in ipairs(clip:parameters()) do
      local exact = p[2].rank ~= 2 or p[1]:find "position_embedding"
      local kept = p[2].dtype
      assert.is_true(exact and kept == "F32" or not exact and kept ~= "F32", p[1] .. " " .. kept)
    end
    local exact <close> = hoi.clip()
    assert.are.equal(exact:fingerprint(), clip:fingerprint())
    assert.are_not.equal(exact:feature_key(), clip:feature_key())
    assert.are_not.equal(exact:identity(), clip:identity())
  end)

  it("trains prompts through frozen layers, as floats do", function()
    local clip <close>, lacks = open()
    if not clip then
      pending(lacks)
      return
    end
    local exact <close> = hoi.clip(nil, { dtype = "float32" })
    local x = hoi.randn({ 2, 65, clip.visual.width })
    local function gradient(model)
      local prompt = x:train()
      local y = model.visual:block(1, prompt)
      y:square():sum():backward()
      local g = prompt.grad
      x:clear()
      return g
    end
    local wanted, got = gradient(exact), gradient(clip)
    local cosine = (wanted * got):sum():item()
      / (wanted:square():sum():sqrt():item() * got:square():sum():sqrt():item())
    assert.is_true(cosine > 0.999, tostring(cosine))
  end)

  it("says what is missing where vectors are too narrow, and on kernels for groups", function()
    for _, variables in ipairs { { HOI_VECTOR = "8" }, { HOI_KERNELS = "gpu" } } do
      local status, output = program.run_with(variables, "-e",
        "hoi.clip(nil, { dtype = 'bfloat16' })")
      assert.are_not.equal(0, status)
      expect.says(ADVICE, error, output)
    end
  end)
end)
