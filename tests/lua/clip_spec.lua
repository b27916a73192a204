-- clip: both towers against golden values: features, hidden states, gradients, training; folders.
local hoi = require "hoi"
local json = require "hoi.json"
local safetensors = require "hoi.safetensors"
local system = require "hoi.system"
local expect = dofile "tests/lua/expect.lua"
local scratch = dofile "tests/lua/scratch.lua"
local near, says = expect.near, expect.says

local golden = "tests/golden/"
local folder = scratch.folder() -- of this run, for what is saved

local function same_bits(a, b)
  assert.are.same(a.shape, b.shape)
  assert.is_true(a:bytes() == b:bytes())
end

local function length(x)
  return x:square():sum():sqrt():item()
end

-- Gets ids as lists of integers, and the place of each row's first greatest: its end.
local function read_ids(tensor)
  local ids, ends = tensor:totable(), {}
  for i, row in ipairs(ids) do
    ends[i] = 1
    for k, id in ipairs(row) do
      row[k] = math.tointeger(id)
      ends[i] = row[k] > row[ends[i]] and k or ends[i]
    end
  end
  return ids, ends
end

-- The parameters by Hugging Face's names, and what `value(tensor)` gets of them: q, k and v apart.
local function by_name(parameters, value)
  local out = {}
  for _, p in ipairs(parameters) do
    local x = value(p[2])
    if p[1]:find "qkv_proj" then
      local w = x:size(1) // 3
      for i, letter in ipairs { "q", "k", "v" } do
        out[(p[1]:gsub("qkv_proj", letter .. "_proj"))] = x:slice(1, (i - 1) * w + 1, i * w)
      end
    else
      out[p[1]] = x
    end
  end
  return out
end

local function contrastive(clip, pixels, ids, ends)
  local t = clip.text
  local texts = t:leave(t:blocks(t:enter(t:embed(ids))), ends)
  return hoi.losses.contrastive(clip:encode_pixels(pixels), texts, clip:scale())
end

local function copy_file(name, from, to)
  local source <close> = assert(io.open(from .. "/" .. name, "rb"))
  local target <close> = assert(io.open(to .. "/" .. name, "wb"))
  assert(target:write(source:read "a"))
end

local function new_folder(name)
  local path = folder .. "/" .. name
  system.make_folder(path)
  return path
end

teardown(function()
  scratch.remove(folder)
end)

for _, name in ipairs { "clip_quick", "clip_gelu", "clip_half" } do
  describe(name, function()
    it("has the golden picture features, after every block and of every patch", function()
      local clip <close> = hoi.clip(golden .. name)
      local file <close> = safetensors.open(golden .. name .. ".safetensors")
      local pixels, v = file:tensor "pixel_values", clip.visual
      local x = v:enter(v:embed(pixels))
      near(file:tensor "image_hidden.0", x, 1e-5, "image_hidden.0")
      for i = 1, v.depth do
        x = v:block(i, x)
        near(file:tensor("image_hidden." .. i), x, 1e-5, "image_hidden." .. i)
      end
      local tokens = file:tensor "image_tokens"
      near(tokens, v:leave(x), 1e-5, "image_tokens")
      near(tokens, v:project(v:norm(x)), 1e-5, "image_tokens")
      local grid = v.size // v.patch
      near(tokens:slice(2, 2):reshape(3, grid, grid, clip.width), clip:encode_patches(pixels), 1e-5,
        "patches")
      near(file:tensor "image_features", clip:encode_pixels(pixels), 1e-5, "image_features")
      near(file:tensor "image_features", clip:encode_image(pixels), 1e-5, "image_features")
      near(file:tensor "image_features", v:leave(v:blocks(v:enter(v:embed(pixels))), { 1, 1, 1 }),
        1e-5, "image_features")
    end)

    it("has the golden text features, after every block, of ids and of texts", function()
      local clip <close> = hoi.clip(golden .. name)
      local file <close> = safetensors.open(golden .. name .. ".safetensors")
      local ids, ends = read_ids(file:tensor "input_ids")
      local t = clip.text
      local x = t:enter(t:embed(ids))
      near(file:tensor "text_hidden.0", x, 1e-5, "text_hidden.0")
      for i = 1, t.depth do
        x = t:block(i, x)
        near(file:tensor("text_hidden." .. i), x, 1e-5, "text_hidden." .. i)
      end
      near(file:tensor "text_tokens", t:norm(x), 1e-5, "text_tokens")
      near(file:tensor "text_features", t:leave(x, ends), 1e-5, "text_features")
      local texts = json.decode(file:metadata "notes").texts
      says("the context is 20", clip.encode_text, clip, texts)
      texts[5] = nil -- is longer; its ids were cut
      local features = clip:encode_text(texts)
      near(file:tensor "text_features":slice(1, 1, 4), features, 1e-5, "text_features")
      local cosines = clip:encode_pixels(file:tensor "pixel_values"):normalize()
        :matmul(features:normalize():transpose())
      near(file:tensor "logits":slice(2, 1, 4), cosines * clip:scale(), 1e-4, "logits")
    end)
  end)
end

describe("a clip", function()
  it("keeps halves as halves in memory, and widens them when asked to", function()
    local half <close> = hoi.clip(golden .. "clip_half")
    local wide <close> = hoi.clip(golden .. "clip_half", { dtype = "float32" })
    local halves = 0
    for i, p in ipairs(half:parameters()) do
      local is_half = p[2].dtype == "F16"
      halves = halves + (is_half and 1 or 0)
      assert.is_true(is_half or p[2].rank < 2 or p[1]:find "position_embedding" ~= nil, p[1])
      assert.are.equal("F32", wide:parameters()[i][2].dtype)
    end
    assert.is_true(halves > 10)
    local pixels = hoi.randn { 1, 3, 30, 30 }
    near(wide:encode_pixels(pixels), half:encode_pixels(pixels), 1e-6, "features")
    says("use :float():train()", half.train, half)
  end)

  it("that was trained is another: nothing kept of its classes is taken for its own", function()
    local clip <close> = hoi.clip()
    local targets = hoi.targets "mini"
    local identity, fingerprint = clip:identity(), clip:fingerprint()
    local classes = hoi.method("zero_shot", clip, targets):classes()
    local bias = clip:train "^text_model.final_layer_norm.bias"[1][2]
    bias:write(bias:detach() + hoi.randn(bias.shape))
    assert.are_not.equal(identity, clip:identity())
    assert.are_not.equal(fingerprint, clip:fingerprint())
    local again = hoi.method("zero_shot", clip, targets):classes()
    assert.is_true((classes - again):abs():max():item() > 1e-2)
  end)

  it("cuts texts behind the longest end, which changes nothing", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local texts = { "a dog", "a photo of a red horse", "" }
    local ids, ends = clip:tokenize(texts)
    local longest = math.max(table.unpack(ends))
    assert.is_true(longest < clip.text.places)
    for i, row in ipairs(ids) do
      assert.are.equal(longest, #row)
      while #row < clip.text.places do
        row[#row + 1] = 7 + i
      end
    end
    local t = clip.text
    near(t:leave(t:blocks(t:enter(t:embed(ids))), ends), clip:encode_text(texts), 1e-6, "features")
    same_bits(clip:encode_text "a dog", clip:encode_text { "a dog" })
  end)

  it("encodes many texts and pictures in chunks that equal all at once", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local texts, words = {}, { "dog", "red ball", "horse and a cup", "x" }
    for i = 1, 150 do
      texts[i] = ("a %s %d"):format(words[i % 4 + 1], i)
    end
    local chunked, t = clip:encode_text(texts), clip.text
    local ids, ends = clip:tokenize(texts)
    near(t:leave(t:blocks(t:enter(t:embed(ids))), ends), chunked, 1e-6, "texts")
    near(clip:encode_text(texts[137]), chunked:slice(1, 137, 137), 1e-6, "one text")
    local pixels = hoi.randn { 70, 3, 30, 30 }
    local pictures = clip:encode_pixels(pixels)
    assert.are.same({ 70, 20 }, pictures.shape)
    near(clip:encode_pixels(pixels:slice(1, 65, 70)), pictures:slice(1, 65, 70), 1e-6, "pictures")
  end)

  it("has the golden gradient of every parameter under the contrastive loss", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local file <close> = safetensors.open(golden .. "clip_gradients.safetensors")
    local ids, ends = read_ids(file:tensor "input_ids")
    local parameters = clip:train()
    local pixels = file:tensor "pixel_values":train()
    local loss = contrastive(clip, pixels, ids, ends)
    assert.is_near(file:tensor "loss":item(), loss:item(), 1e-5)
    loss:backward()
    local gradients, wanted, whole = by_name(parameters, function(x)
      return x.grad
    end), {}, 0
    gradients["pixel_values.grad"] = pixels.grad
    for _, name in ipairs(file:names()) do
      if name ~= "pixel_values" and name ~= "input_ids" and name ~= "logits" and name ~= "loss" then
        wanted[name] = file:tensor(name)
        whole = whole + wanted[name]:square():sum():item()
      end
    end
    for name, x in pairs(wanted) do
      assert.is_truthy(gradients[name], name)
      local scale = name:find "k_proj.bias" and whole ^ 0.5 or length(x)
      local gap = length(gradients[name]:reshape(-1) - x:reshape(-1)) / scale
      assert.is_true(gap <= 1e-4, ("the gradient of %s is off by %g"):format(name, gap))
      gradients[name] = nil
    end
    assert.is_nil(next(gradients))
  end)

  it("takes the golden ten steps of AdamW", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local batch <close> = safetensors.open(golden .. "clip_gradients.safetensors")
    local file <close> = safetensors.open(golden .. "clip_adamw.safetensors")
    local ids, ends = read_ids(batch:tensor "input_ids")
    local pixels, parameters = batch:tensor "pixel_values", clip:train()
    local optimizer <close> = hoi.adamw(parameters, {
      learning_rate = 1e-3, betas = { 0.9, 0.98 }, eps = 1e-6, weight_decay = 0.1,
      decay_matrices_only = true,
    })
    local losses, norms = file:tensor "losses":totable(), file:tensor "gradient_norms":totable()
    local scales = file:tensor "logit_scales":totable()
    for step = 1, 11 do
      local loss = contrastive(clip, pixels, ids, ends)
      assert.is_near(losses[step], loss:item(), 1e-5)
      assert.is_near(scales[step], math.log(clip:scale():item()), 1e-5)
      if step <= 10 then
        loss:backward()
        optimizer:step { max_grad_norm = 1 }
        assert.is_near(norms[step], optimizer:grad_norm(), 1e-4 * norms[step])
      end
    end
    local count = 0
    for name, x in pairs(by_name(parameters, function(x)
      return x:detach()
    end)) do
      local norm, sum = table.unpack(file:tensor(name):totable())
      assert.is_near(norm, length(x), 1e-4 * norm + 1e-5, name)
      assert.is_near(sum, x:sum():item(), 1e-4 * norm + 1e-4, name)
      count = count + 1
    end
    assert.are.equal(#file:names() - 5, count)
    for _, name in ipairs { "visual_projection.weight", "text_projection.weight" } do
      near(file:tensor("final." .. name), clip:parameters(name)[1][2]:detach(), 1e-5, name)
    end
  end)

  it("trains in part: what is frozen gets no gradient", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local part = clip:train "^text_model.encoder.layers.1.mlp"
    assert.are.equal(4, #part)
    local t = clip.text
    local ids, ends = clip:tokenize { "a dog", "a red horse" }
    local front = t:block(1, t:enter(t:embed(ids)))
    assert.is_false(front.recorded)
    t:leave(t:block(2, front), ends):sum():backward()
    for _, p in ipairs(clip:parameters()) do
      assert.are.equal(p[1]:find "^text_model.encoder.layers.1.mlp" ~= nil, p[2].grad ~= nil, p[1])
    end
    clip:freeze "fc1"
    assert.is_false(clip:parameters "layers.1.mlp.fc1.weight"[1][2].trainable)
    assert.is_true(clip:parameters "text_model.encoder.layers.1.mlp.fc2.weight"[1][2].trainable)
  end)

  it("prints itself and its towers in a line", function()
    local clip <close> = hoi.clip(golden .. "clip_gelu")
    assert.are.equal("Clip (tests/golden/clip_gelu; pictures 32 px, patch 8, 2 blocks of 32; "
      .. "text 3 blocks of 24; joint width 20)", tostring(clip))
    assert.are.equal("Tower (text, 3 blocks of width 24)", tostring(clip.text))
    local v = clip.visual
    assert.are.same({ 32, 2, 2, 128, 17, 32, 8, 20, "gelu" }, {
      v.width, v.depth, v.heads, v.hidden, v.places, v.size, v.patch, v.out, v.activation,
    })
    local t = clip.text
    assert.are.same({ 24, 2, 72, 20, 582 }, { t.width, t.heads, t.hidden, t.places, t.vocabulary })
  end)
end)

describe("a saved clip", function()
  local pixels, texts = { 2, 3, 30, 30 }, { "a dog", "a photo of a red horse" }

  for _, case in ipairs {
    { "clip_quick", "F32", "stored" }, { "clip_half", "F16", "stored" },
    { "clip_half", "F16", "float32" },
  } do
    it(("of %s has the same features again as %s, %s"):format(table.unpack(case)), function()
      local path = new_folder(case[1] .. case[3])
      local clip <close> = hoi.clip(golden .. case[1], { dtype = case[3] })
      clip:save(path, { dtype = case[2] })
      local again <close> = hoi.clip(path, { dtype = case[3] })
      local x = hoi.randn(pixels)
      same_bits(clip:encode_pixels(x), again:encode_pixels(x))
      same_bits(clip:encode_text(texts), again:encode_text(texts))
      assert.are.same(clip.preprocess, again.preprocess)
      local file <close> = safetensors.open(path .. "/model.safetensors")
      local original <close> = safetensors.open(golden .. case[1] .. "/model.safetensors")
      local names = {}
      for _, name in ipairs(original:names()) do
        if not name:find "position_ids" then
          names[#names + 1] = name
          assert.are.same(original:tensor(name).shape, file:tensor(name).shape, name)
        end
      end
      assert.are.same(names, file:names())
    end)
  end

  it("of narrower numbers has nearly the same features", function()
    local path = new_folder "narrow"
    local clip <close> = hoi.clip(golden .. "clip_quick")
    clip:save(path, { dtype = "BF16" })
    local again <close> = hoi.clip(path)
    assert.are.equal("BF16", again:parameters "visual_projection"[1][2].dtype)
    local x = hoi.randn(pixels)
    local cosines = clip:encode_pixels(x):cosine(again:encode_pixels(x))
    assert.is_true(cosines:min():item() > 0.999)
  end)
end)

describe("a clip's folder that is not right is refused by name:", function()
  local function prepare(name)
    local path = new_folder(name)
    for _, file in ipairs { "config.json", "vocab.json", "merges.txt", "model.safetensors" } do
      copy_file(file, golden .. "clip_quick", path)
    end
    return path
  end
  -- Writes the weights anew, changed by change(tensors).
  local function rewrite(path, change)
    local file <close> = safetensors.open(golden .. "clip_quick/model.safetensors")
    local all = {}
    for _, name in ipairs(file:names()) do
      all[name] = file:tensor(name)
    end
    change(all)
    safetensors.save(path .. "/model.safetensors", all)
  end

  it("no folder, no configuration, no weights", function()
    says("nowhere: there is no such file or folder", hoi.clip, "nowhere")
    local path = prepare "empty"
    os.remove(path .. "/config.json")
    says("a width of 32 is no multiple of 64", hoi.clip, path)
    os.remove(path .. "/model.safetensors")
    says("no weights in the folder: model.safetensors, ", hoi.clip, path)
  end)

  it("no tokenizer, which only texts need", function()
    local path = prepare "wordless"
    os.remove(path .. "/merges.txt")
    local clip <close> = hoi.clip(path)
    assert.are.same({ 1, 20 }, clip:encode_pixels(hoi.zeros { 1, 3, 30, 30 }).shape)
    says("has no tokenizer beside its weights: no vocab.json", clip.encode_text, clip, "a dog")
  end)

  it("a tensor missing", function()
    local path = prepare "missing"
    rewrite(path, function(all)
      all["text_model.encoder.layers.1.self_attn.v_proj.bias"] = nil
    end)
    says("no 'text_model.encoder.layers.1.self_attn.v_proj.bias' in it", hoi.clip, path)
  end)

  it("a tensor of another shape", function()
    local path = prepare "shape"
    rewrite(path, function(all)
      all["visual_projection.weight"] = hoi.zeros { 20, 31 }
    end)
    says("'visual_projection.weight' is 20x31", hoi.clip, path)
    rewrite(path, function(all)
      all["visual_projection.weight"] = all["visual_projection.weight"]:transpose()
    end)
    says("'visual_projection.weight' is 32x20", hoi.clip, path)
  end)

  it("a configuration that is no JSON or says what is not known", function()
    local path = prepare "config"
    local function configure(text)
      local file <close> = assert(io.open(path .. "/config.json", "w"))
      assert(file:write(text))
    end
    configure "{"
    says("config.json is not JSON", hoi.clip, path)
    configure '{"vision_config": {"hidden_act": "swish"}}'
    says("vision_config.hidden_act is 'swish'", hoi.clip, path)
    configure '{"text_config": {"num_hidden_layers": "many"}}'
    says("text_config.num_hidden_layers is not a positive number", hoi.clip, path)
    configure '{"vision_config": {"image_size": 30, "patch_size": 7}}'
    says("image_size 30, patch_size 7", hoi.clip, path)
  end)
end)

describe("a clip refuses", function()
  it("what does not fit its towers", function()
    local clip <close> = hoi.clip(golden .. "clip_quick")
    local v, t = clip.visual, clip.text
    says("these are 1x3x32x32", clip.encode_pixels, clip, hoi.zeros { 1, 3, 32, 32 })
    says("these are 2x24", v.enter, v, hoi.zeros { 2, 24 })
    says("block 3; this tower has 1 to 2", v.block, v, 3, hoi.zeros { 1, 7, 32 })
    says("block 0", v.block, v, 0, hoi.zeros { 1, 7, 32 })
    says("tokens (count, n, 32) are wanted", v.block, v, 1, hoi.zeros { 1, 7, 24 })
    says("lists of ids of one length", t.embed, t, { { 1, 2 }, { 1 } })
    says("no text to embed", t.embed, t, {})
    local long = table.pack(("x"):rep(21):byte(1, 21))
    says("21 tokens; this text tower reads at most 20", t.embed, t, { long })
    says("place 600 of 1..582", t.embed, t, { { 599 } })
    says("2 places for 1 rows", v.leave, v, hoi.zeros { 1, 7, 32 }, { 1, 2 })
    says("place 8 of 7 tokens", v.leave, v, hoi.zeros { 1, 7, 32 }, { 8 })
    says("the list of texts is empty", clip.encode_text, clip, {})
    says("number 2 is a number", clip.encode_text, clip, { "a", 2 })
    says("hoi.Tower has no 'depht'", function()
      return v.depht
    end)
  end)

  it("unknown options, and to work once it is released", function()
    says("did you mean 'dtype'?", hoi.clip, golden .. "clip_quick", { dtyp = "stored" })
    says("stored, float32 and bfloat16 are known", hoi.clip, golden .. "clip_quick",
      { dtype = "half" })
    local clip = hoi.clip(golden .. "clip_quick")
    local v = clip.visual
    says("did you mean 'recompute'?", v.block, v, 1, hoi.zeros { 1, 7, 32 }, { recompte = true })
    clip:release()
    clip:release()
    says("hoi.ClipCore was released", clip.encode_pixels, clip, hoi.zeros { 1, 3, 30, 30 })
    says("hoi.Tower was released", v.embed, v, hoi.zeros { 1, 3, 30, 30 })
  end)
end)
