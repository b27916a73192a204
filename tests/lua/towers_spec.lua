-- towers: open towers: masks, weight deltas and recomputing in blocks; deep prompts between them.
local hoi = require "hoi"
local safetensors = require "hoi.safetensors"
local says = dofile "tests/lua/expect.lua".says

local golden = "tests/golden/"

local function near(wanted, got, share, name)
  assert.are.same(wanted.shape, got.shape, name)
  local gap = (wanted - got):abs():max():item()
  local scale = math.max(wanted:abs():max():item(), 1)
  assert.is_true(gap <= share * scale, ("%s is off by %g of %g"):format(name, gap, scale))
end

-- Keys (count, n) of which the first `lengths` are seen.
local function first_keys(lengths, n)
  local rows = {}
  for i, length in ipairs(lengths:totable()) do
    rows[i] = {}
    for k = 1, n do
      rows[i][k] = k <= length and 1 or 0
    end
  end
  return hoi.tensor(rows)
end

-- Runs the golden block; gets its result and the gradients of what is trainable, by name.
local function run(file, clip, options, trained)
  local x = file:tensor "x":train()
  local y = clip.visual:block(1, x, options)
  y:backward(file:tensor "upstream")
  local gradients = { x = x.grad }
  for name, tensor in pairs(trained or {}) do
    gradients[name] = tensor.grad
    tensor:clear()
  end
  return y:detach(), gradients
end

-- Runs it with recomputing off and on, asserts the same bits, gets the result and the gradients.
local function run_both(file, clip, options, trained)
  local y, gradients = run(file, clip, options, trained)
  options.recompute = true
  local again, others = run(file, clip, options, trained)
  assert.is_true(y:bytes() == again:bytes())
  for name, gradient in pairs(gradients) do
    assert.is_true(gradient:bytes() == others[name]:bytes(), name)
  end
  return y, gradients
end

describe("a block equals the golden values, recomputed or not, with", function()
  local cases = {
    plain = function()
      return {}
    end,
    causal = function()
      return { causal = true }
    end,
    mask = function(file)
      return { mask = file:tensor "mask" }
    end,
    keys = function(file)
      return { keys = file:tensor "keys" }
    end,
    lengths = function(file)
      return { keys = first_keys(file:tensor "lengths", 7) }
    end,
    mask_keys = function(file)
      return { mask = file:tensor "mask", keys = file:tensor "keys" }
    end,
  }
  for name, options in pairs(cases) do
    it(name, function()
      local clip <close> = hoi.clip(golden .. "clip_quick")
      local file <close> = safetensors.open(golden .. "blocks.safetensors")
      local y, gradients = run_both(file, clip, options(file))
      near(file:tensor(name .. ".output"), y, 1e-5, name)
      near(file:tensor(name .. ".grad"), gradients.x, 1e-5, name .. ".grad")
    end)
  end

  it("trainable weights", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local file <close> = safetensors.open(golden .. "blocks.safetensors")
    local trained = {}
    for _, p in ipairs(clip:train "^vision_model.encoder.layers.0%.") do
      trained[p[1]:match "layers%.0%.(.*)"] = p[2]
    end
    local _, gradients = run_both(file, clip, { mask = file:tensor "mask" }, trained)
    local count = 0
    for name, gradient in pairs(gradients) do
      if name:find "qkv_proj" then
        for i, letter in ipairs { "q", "k", "v" } do
          local each = "mask." .. name:gsub("qkv_proj", letter .. "_proj") .. ".grad"
          near(file:tensor(each), gradient:slice(1, 32 * i - 31, 32 * i), 1e-5, each)
        end
      elseif name ~= "x" then
        near(file:tensor("mask." .. name .. ".grad"), gradient, 1e-5, name)
      end
      count = count + 1
    end
    assert.are.equal(13, count)
  end)

  it("deltas of its weights", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local file <close> = safetensors.open(golden .. "blocks.safetensors")
    local trained = {}
    local function options()
      local deltas = {}
      for part, name in pairs {
        q = "q_proj", v = "v_proj", out = "out_proj", fc1 = "fc1", fc2 = "fc2",
      } do
        for _, side in ipairs { ".up", ".down" } do
          local key = "deltas." .. name .. side
          trained[key] = trained[key] or file:tensor(key):train()
        end
        deltas[part] = trained["deltas." .. name .. ".up"]
          :matmul(trained["deltas." .. name .. ".down"])
      end
      return deltas
    end
    local y, gradients = run(file, clip, { deltas = options() }, trained)
    near(file:tensor "deltas.output", y, 1e-5, "deltas")
    near(file:tensor "deltas.grad", gradients.x, 1e-5, "deltas.grad")
    for name in pairs(trained) do
      near(file:tensor(name .. ".grad"), gradients[name], 1e-5, name)
    end
    local again, others = run(file, clip, { deltas = options(), recompute = true }, trained)
    assert.is_true(y:bytes() == again:bytes())
    for name, gradient in pairs(gradients) do
      assert.is_true(gradient:bytes() == others[name]:bytes(), name)
    end
  end)
end)

-- MaPLe (Khattak et al. 2023): deep prompts through both towers. prompts.text and prompts.image:
-- (layers, 2, width). Gets the last tokens of texts and of pictures, and both features.
local function maple(clip, pixels, ids, ends, prompts)
  local t, v = clip.text, clip.visual
  local function layer(side, i, x)
    return prompts[side]:slice(1, i, i):expand(x:size(1), 2, x:size(3))
  end
  local function put(x, i) -- behind the start token
    return hoi.concat({ x:slice(2, 1, 1), layer("text", i, x), x:slice(2, 4) }, 2)
  end
  local words = t:enter(put(t:embed(ids), 1))
  for i = 1, t.depth do
    words = t:block(i, i == 1 and words or put(words, i))
  end
  local x = v:embed(pixels)
  x = v:enter(hoi.concat({ x, layer("image", 1, x) }, 2)) -- no position, but normed
  for i = 1, v.depth do
    x = v:block(i, i == 1 and x or hoi.concat({ x:slice(2, 1, -3), layer("image", i, x) }, 2))
  end
  local texts, pictures = t:leave(words, ends), v:leave(x:slice(2, 1, 1)):squeeze(2)
  return words, x, texts, pictures
end

describe("MaPLe's deep prompts", function()
  it("written in Lua on the open towers equal the golden values, gradients too", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local file <close> = safetensors.open(golden .. "maple.safetensors")
    local ids, ends, labels = file:tensor "input_ids":totable(), {}, file:tensor "labels":totable()
    for i, row in ipairs(ids) do
      for k, id in ipairs(row) do
        row[k] = math.tointeger(id)
        ends[i] = ends[i] or row[k] == 581 and k or nil
      end
    end
    for i, label in ipairs(labels) do
      labels[i] = math.tointeger(label) + 1
    end
    local prompts = {
      text = file:tensor "text_prompts":train(), image = file:tensor "image_prompts":train(),
    }
    local words, x, texts, pictures = maple(clip, file:tensor "pixel_values", ids, ends, prompts)
    near(file:tensor "text_hidden.2", words, 1e-5, "text_hidden.2")
    near(file:tensor "image_hidden.2", x, 1e-5, "image_hidden.2")
    near(file:tensor "text_features", texts, 1e-5, "text_features")
    near(file:tensor "image_features", pictures, 1e-5, "image_features")
    local logits = pictures:normalize():matmul(texts:normalize():transpose()) * clip:scale()
    near(file:tensor "logits", logits, 1e-5, "logits")
    local loss = hoi.losses.cross_entropy(logits, labels)
    assert.is_near(file:tensor "loss":item(), loss:item(), 1e-5)
    loss:backward()
    near(file:tensor "text_prompts.grad", prompts.text.grad, 1e-5, "text_prompts.grad")
    near(file:tensor "image_prompts.grad", prompts.image.grad, 1e-5, "image_prompts.grad")
  end)
end)

describe("open towers", function()
  it("give each picture what it would get alone", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local v, x, extra = clip.visual, hoi.randn { 3, 3, 30, 30 }, hoi.randn { 3, 4, 32 }
    local lengths = { 4, 1, 0 } -- tokens of its own that each picture has, the others are hidden
    local keys = hoi.concat({
      hoi.ones { 3, 26 }, first_keys(hoi.tensor(lengths), 4),
    }, 2)
    local all = v:enter(hoi.concat({ v:embed(x), extra }, 2))
    for i = 1, v.depth do
      all = v:block(i, all, { keys = keys })
    end
    for i, length in ipairs(lengths) do
      local one = v:embed(x:slice(1, i, i))
      if length > 0 then
        one = hoi.concat({ one, extra:slice(1, i, i):slice(2, 1, length) }, 2)
      end
      one = v:blocks(v:enter(one))
      near(one, all:slice(1, i, i):slice(2, 1, 26 + length), 1e-5, "picture " .. i)
    end
  end)

  it("read texts causally unless told otherwise", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local t = clip.text
    local x, y = hoi.randn { 1, 5, 24 }, hoi.randn { 1, 5, 24 }
    local mixed = hoi.concat({ x:slice(2, 1, 3), y:slice(2, 4) }, 2)
    local function front(tokens, options)
      return t:blocks(tokens, options):slice(2, 1, 3)
    end
    near(front(x), front(mixed), 1e-6, "the front of the text")
    local open = { causal = false }
    assert.is_true((front(x, open) - front(mixed, open)):abs():max():item() > 1e-3)
  end)

  it("run adapters of one's own between recomputed blocks, with the same bits", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local v = clip.visual
    local down, up = hoi.randn({ 8, 32 }, { deviation = 0.2 }):train(), hoi.zeros({ 32, 8 }):train()
    up:write(hoi.randn({ 32, 8 }, { deviation = 0.2 }))
    local pixels = hoi.randn { 2, 3, 30, 30 }
    local function gradients(recompute)
      local function adapt(x)
        return x + x:linear(down, nil, { activation = "relu" }):dropout(0.5):linear(up)
      end
      hoi.seed(7)
      local x = v:enter(v:embed(pixels))
      for i = 1, v.depth do
        x = recompute and hoi.checkpoint(adapt, x) or adapt(x)
        x = v:block(i, x, { recompute = recompute })
      end
      v:leave(x, { 1, 1 }):square():sum():backward()
      local result = down.grad:bytes() .. up.grad:bytes()
      down:clear()
      up:clear()
      return result
    end
    assert.is_true(gradients(false) == gradients(true))
  end)

  it("keep no second layout of a frozen weight after the way back", function()
    local weight <close> = hoi.randn { 256, 320 }
    local x <close> = hoi.randn({ 3, 320 }):train()
    local function layer(y)
      return y:linear(weight)
    end
    local function step(recompute) -- bytes that stay, and the gradient
      collectgarbage()
      local before <const> = hoi.memory().live
      local loss = (recompute and hoi.checkpoint(layer, x) or layer(x)):square():sum()
      loss:backward()
      local gradient <const> = x.grad:bytes()
      x:clear()
      loss:release()
      collectgarbage()
      return hoi.memory().live - before, gradient
    end
    layer(x):release() -- the layout of the way there is made once and stays
    local stays <const>, once = step(true)
    assert.equal(0, stays)
    local kept <const>, plain = step(false)
    assert.is_true(kept == 256 * 320 * 4 or hoi.device().kernels:find "^gpu" ~= nil)
    assert.is_true(once == plain)
    assert.equal(0, (step(true))) -- where it lies there already, it is used
  end)

  it("give tokens the same behind others that are only attended to, gradients too", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    for _, causal in ipairs { true, false } do
      local tower = causal and clip.text or clip.visual
      local first, rest = hoi.randn { 3, 2, tower.width }, hoi.randn { 3, 4, tower.width }
      local upstream, mask = hoi.randn { 3, 4, tower.width }, {}
      for i = 1, 4 do
        mask[i] = {}
        for k = 1, 6 do
          mask[i][k] = causal and k > 2 + i and -1e30 or 0
        end
      end
      local function carry(options)
        first:train():clear()
        rest:train():clear()
        local y
        if options then
          y = tower:block(1, rest, options)
        else
          y = tower:block(1, hoi.concat({ first, rest }, 2)):slice(2, 3)
        end
        y:backward(upstream)
        return { y:detach(), first.grad, rest.grad }
      end
      local whole = carry()
      local apart = carry { before = first, mask = hoi.tensor(mask) }
      local again = carry { before = first, mask = hoi.tensor(mask), recompute = true }
      for i, name in ipairs { "tokens", "gradient of those before", "gradient" } do
        near(whole[i], apart[i], 1e-5, name)
        assert.is_true(apart[i]:bytes() == again[i]:bytes(), name)
      end
    end
  end)

  it("refuse masks, keys and deltas that do not fit", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local v, x = clip.visual, hoi.zeros { 2, 7, 32 }
    says("a mask 7x6", v.block, v, 1, x, { mask = hoi.zeros { 7, 6 } })
    says("option 'keys'", v.block, v, 1, x, { keys = hoi.zeros { 7 } })
    says("option 'mask': a tensor is wanted, got table", v.block, v, 1, x, { mask = {} })
    says("option 'deltas': a table is wanted, got number", v.block, v, 1, x, { deltas = 3 })
    says("unknown option 'qq'", v.block, v, 1, x, { deltas = { qq = hoi.zeros { 32, 32 } } })
    says("32x31", v.block, v, 1, x, { deltas = { out = hoi.zeros { 32, 31 } } })
  end)

  it("give finite values where every key is hidden", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local x = hoi.randn({ 2, 7, 32 }):train()
    local y = clip.visual:block(1, x, { keys = hoi.tensor { { 0, 0, 0, 0, 0, 0, 0 },
      { 1, 0, 0, 0, 0, 0, 0 } } })
    y:sum():backward()
    for _, each in ipairs { y, x.grad } do
      local sum = each:abs():sum():item()
      assert.is_true(sum == sum and sum < math.huge)
    end
  end)
end)
