-- layout: every published form of a CLIP gives the features of Hugging Face's, bit by bit where the
-- types are the same; what nothing says is asked for; conversions are the same model.
local hoi = require "hoi"
local json = require "hoi.json"
local safetensors = require "hoi.safetensors"
local system = require "hoi.system"
local says = dofile "tests/lua/expect.lua".says
local random_clip = dofile "tests/lua/random_clip.lua"
local scratch = dofile "tests/lua/scratch.lua"

local golden = "tests/golden/"
local archives = golden .. "archives/"
local quick_config = golden .. "clip_quick/config.json"
local texts = { "a dog", "a photo of a red horse", "" }
local folder = scratch.folder() -- of this run

local function new_folder(name)
  local path = folder .. "/" .. name
  system.make_folder(path)
  return path
end

-- What a model makes of pictures and texts, as bytes.
local function features(clip)
  local file <close> = safetensors.open(golden .. "clip_quick.safetensors")
  return clip:encode_pixels(file:tensor "pixel_values"):bytes() .. clip:encode_text(texts):bytes()
end

local function same_features(wanted, given_path, options)
  local a <close> = hoi.clip(wanted)
  local b <close> = hoi.clip(given_path, options)
  assert.is_true(features(a) == features(b), given_path)
end

-- Tensors of a Hugging Face file by OpenAI's names.
local function openai_names(file)
  local all = {}
  for _, name in ipairs(file:names()) do
    local x = file:tensor(name)
    local key = name:gsub("vision_model%.", "visual."):gsub("text_model%.", "")
      :gsub("encoder%.layers%.", "transformer.resblocks."):gsub("layer_norm(%d)", "ln_%1")
      :gsub("self_attn%.", "attn."):gsub("fc1", "c_fc"):gsub("fc2", "c_proj")
      :gsub("pre_layrnorm", "ln_pre"):gsub("post_layernorm", "ln_post")
      :gsub("final_layer_norm", "ln_final"):gsub("embeddings%.class_embedding", "class_embedding")
      :gsub("embeddings%.position_embedding%.weight", "positional_embedding")
      :gsub("embeddings%.patch_embedding", "conv1"):gsub("embeddings%.token", "token")
    if name:find "_projection%.weight$" then
      all[name:find "visual" and "visual.proj" or "text_projection"] = x:transpose()
    elseif name:find "q_proj" then
      local parts = { x }
      for i, letter in ipairs { "k", "v" } do
        parts[i + 1] = file:tensor((name:gsub("q_proj", letter .. "_proj")))
      end
      all[key:gsub("q_proj%.", "in_proj_")] = hoi.concat(parts, 1)
    elseif not name:find "[kv]_proj" then
      all[key] = x
    end
  end
  return all
end

local function make_wide(path)
  random_clip(path, 12, {
    hidden_size = 128, num_attention_heads = 2, num_hidden_layers = 1, intermediate_size = 48,
    image_size = 30, patch_size = 6, hidden_act = "gelu",
  }, {
    hidden_size = 64, num_attention_heads = 1, num_hidden_layers = 2, intermediate_size = 40,
    vocab_size = 582, max_position_embeddings = 20, hidden_act = "gelu",
  }, hoi.tokenizer.open(golden .. "clip_quick"))
end

teardown(function()
  scratch.remove(folder)
end)

describe("a clip of", function()
  it("open_clip's folder is Hugging Face's of the same weights", function()
    same_features(golden .. "clip_half", archives .. "open_clip")
    same_features(golden .. "clip_half", archives .. "open_clip/open_clip_model.safetensors")
    local clip <close> = hoi.clip(archives .. "open_clip")
    assert.are.same({
      size = 30, warp = true, pad = false, mean = { 0.5, 0.25, 0.125 }, std = { 0.5, 0.5, 0.25 },
    }, clip.preprocess)
    assert.are.equal("F16", clip:parameters "qkv_proj.weight"[1][2].dtype)
  end)

  it("an archive with OpenAI's names is Hugging Face's of the same weights", function()
    same_features(golden .. "clip_half", archives .. "state.pt", { config = quick_config })
  end)

  it("TorchScript is Hugging Face's of the same weights", function()
    same_features(golden .. "clip_quick", archives .. "script.pt", { config = quick_config })
  end)

  it("a training's checkpoint of BF16 is Hugging Face's of the same weights", function()
    local path = new_folder "bf16"
    local clip <close> = hoi.clip(golden .. "clip_quick")
    clip:save(path, { dtype = "BF16" })
    same_features(path, archives .. "epoch_3.pt", { config = quick_config })
  end)

  it("a folder of shards, with one file of a tokenizer, is that of one file", function()
    local path = new_folder "shards"
    local file <close> = safetensors.open(golden .. "clip_quick/model.safetensors")
    local shards, map = { {}, {}, {} }, {}
    for i, name in ipairs(file:names()) do
      shards[i % 3 + 1][name] = file:tensor(name)
      map[name] = ("model-0000%d-of-00003.safetensors"):format(i % 3 + 1)
    end
    for i, tensors in ipairs(shards) do
      safetensors.save(("%s/model-0000%d-of-00003.safetensors"):format(path, i), tensors)
    end
    json.save(path .. "/model.safetensors.index.json",
      { metadata = { total_size = 1 }, weight_map = map })
    scratch.copy(quick_config, path .. "/config.json")
    scratch.copy(archives .. "open_clip/tokenizer.json", path .. "/tokenizer.json")
    same_features(golden .. "clip_quick", path)
    local weights <close> = hoi.weights(path)
    assert.are.equal("index", weights.container)
    assert.are.same(file:names(), weights:names())
    json.save(path .. "/model.safetensors.index.json",
      { weight_map = { a = "../shards/model-00001-of-00003.safetensors" } })
    says("is no plain name of a file beside it", hoi.weights, path)
    json.save(path .. "/model.safetensors.index.json",
      { weight_map = { a = "model-00001-of-00003.safetensors" } })
    says("'a' is not in model-00001-of-00003.safetensors", hoi.weights, path)
  end)

  it("a folder with one .pt and no configuration is that of the .pt", function()
    local path = new_folder "lone"
    scratch.copy(archives .. "script.pt", path .. "/script.pt")
    local words = "bpe_simple_vocab_16e6.txt.gz"
    scratch.copy(archives .. words, path .. "/" .. words)
    same_features(golden .. "clip_quick", path, { config = quick_config })
    scratch.copy(archives .. "state.pt", path .. "/state.pt")
    says("no weights in the folder", hoi.clip, path, { config = quick_config })
  end)

  it("a folder with PyTorch's archive is that of safetensors", function()
    local path = new_folder "bin"
    scratch.copy(archives .. "state.pt", path .. "/pytorch_model.bin")
    for _, name in ipairs { "config.json", "vocab.json", "merges.txt" } do
      scratch.copy(golden .. "clip_quick/" .. name, path .. "/" .. name)
    end
    same_features(golden .. "clip_half", path)
  end)

  it("weights alone has the sizes that their shapes say", function()
    local path = new_folder "wide"
    make_wide(path)
    local file <close> = safetensors.open(path .. "/model.safetensors")
    local alone = path .. "/alone.safetensors"
    for _, all in ipairs { openai_names(file), false } do
      if all then
        safetensors.save(alone, all)
      else
        scratch.copy(path .. "/model.safetensors", alone)
      end
      says("nothing says whether its activation is QuickGELU or GELU", hoi.clip, alone)
      same_features(path, alone, { activation = "gelu" })
      local clip <close> = hoi.clip(alone, { activation = "quick_gelu" })
      assert.are.equal("quick_gelu", clip.visual.activation)
      assert.are.equal("quick_gelu", clip.text.activation)
      assert.are.equal(path, clip.folder:match "^(.*)/")
    end
  end)

  it("a known name has the activation that the list says", function()
    local path = new_folder "known"
    make_wide(path)
    local file <close> = safetensors.open(path .. "/model.safetensors")
    local all = openai_names(file)
    for name, activation in pairs {
      ["ViT-B-16.pt"] = "quick_gelu", ["vit_b_32-laion2b_e16-af8dbd0c.pth"] = "gelu",
      ["vit_b_32-laion400m_e32-46683a32.pt"] = "quick_gelu",
      ["vit_b_16-laion400m_e32-55e67d44.pt"] = "gelu", ["l14_metaclip.pt"] = "quick_gelu",
      ["DFN2B-CLIP-ViT-L-14-dfn2b_s39b.bin"] = "gelu",
    } do
      safetensors.save(path .. "/" .. name, all)
      local clip <close> = hoi.clip(path .. "/" .. name)
      assert.are.equal(activation, clip.text.activation, name)
    end
    for _, name in ipairs { "input_resolution", "context_length", "vocab_size" } do
      all[name] = hoi.tensor { 1 }
    end
    safetensors.save(path .. "/any.pt", all)
    local clip <close> = hoi.clip(path .. "/any.pt")
    assert.are.equal("quick_gelu", clip.visual.activation)
  end)

  it("a ResNet's tower by OpenAI's names is read as such", function()
    local path = new_folder "resnet"
    local text <close> = safetensors.open(golden .. "clip_half/model.safetensors")
    local pictures <close> = safetensors.open(golden .. "resnet_weights.safetensors")
    local all = {}
    for name, x in pairs(openai_names(text)) do
      if not name:find "^visual" then
        all[name] = x
      end
    end
    for _, name in ipairs(pictures:names()) do
      all[name] = pictures:tensor(name)
    end
    safetensors.save(path .. "/rn.pt", all)
    local config = json.load(quick_config)
    config.vision_config = { layers = { 1, 2, 1, 1 }, hidden_size = 4, image_size = 96 }
    local options = { config = config, tokenizer = golden .. "clip_quick" }
    local clip <close> = hoi.clip(path .. "/rn.pt", options)
    local file <close> = safetensors.open(golden .. "resnet.safetensors")
    local x, wanted = file:tensor "pixel_values", file:tensor "tokens":slice(2, 1, 1)
    local gap = (clip:encode_pixels(x) - wanted:reshape(2, 20)):abs():max():item()
    assert.is_true(gap <= 1e-5)
    local again <close> = hoi.clip(hoi.convert(path .. "/rn.pt", path .. "/converted", options))
    assert.is_true(clip:encode_pixels(x):bytes() == again:encode_pixels(x):bytes())
    assert.is_true(clip:encode_text(texts):bytes() == again:encode_text(texts):bytes())
  end)
end)

describe("convert", function()
  for from, options in pairs {
    ["archives/open_clip"] = {}, ["archives/state.pt"] = { config = quick_config },
    ["archives/script.pt"] = { config = quick_config },
    ["archives/epoch_3.pt"] = { config = quick_config }, clip_quick = {}, clip_gelu = {},
    clip_half = {},
  } do
    it("writes " .. from .. " as Hugging Face has it", function()
      local to = hoi.convert(golden .. from, new_folder(from:gsub("/", "_")), options)
      local source <close> = hoi.weights(golden .. from)
      local written <close> = hoi.weights(to)
      assert.are.equal("safetensors", written.container)
      local token = "text_model.embeddings.token_embedding.weight"
      local prefix = from:find "epoch" and "state_dict.module." or ""
      assert.are.equal(source:dtype(token) or source:dtype(prefix .. "token_embedding.weight"),
        written:dtype(token))
      local x = hoi.randn { 2, 3, from:find "gelu" and 32 or 30, from:find "gelu" and 32 or 30 }
      local a <close> = hoi.clip(golden .. from, options)
      local b <close> = hoi.clip(to)
      assert.is_true(a:encode_pixels(x):bytes() == b:encode_pixels(x):bytes())
      assert.is_true(a:encode_text(texts):bytes() == b:encode_text(texts):bytes())
      for _, tower in ipairs { "visual", "text" } do
        assert.are.equal(a[tower].activation, b[tower].activation)
      end
      assert.are.same(a.preprocess, b.preprocess)
      local config = json.load(to .. "/config.json")
      assert.are.equal(20, config.text_config.max_position_embeddings)
      assert.are.equal(from:find "gelu" and "gelu" or "quick_gelu", config.vision_config.hidden_act)
      assert.are.equal(3, config.vision_config.num_channels)
      assert.are.same({ "CLIPModel" }, config.architectures)
    end)
  end

  it("takes no detector", function()
    says("is no CLIP, but 'owlvit'", hoi.convert, golden .. "owlvit", folder .. "/owl")
  end)

  it("asks for a tokenizer that is not there", function()
    local path = new_folder "wordless"
    scratch.copy(archives .. "state.pt", path .. "/a.pt")
    says("has no tokenizer beside it", hoi.convert, path .. "/a.pt", path .. "/to",
      { config = quick_config })
  end)
end)

describe("prompts", function()
  it("of CoOp's and MaPLe's checkpoints are what was saved", function()
    local coop <close> = hoi.weights(archives .. "coop.pth.tar")
    local maple <close> = hoi.weights(archives .. "maple.pth.tar")
    local file <close> = safetensors.open(archives .. "prompts.safetensors")
    local count = 0
    for _, name in ipairs(file:names()) do
      local whose, rest = name:match "^(%a+)%.(.*)$"
      local given = whose == "coop" and coop or maple
      assert.are.equal(file:dtype(name), given:dtype(rest), name)
      assert.are.same(file:shape(name), given:shape(rest), name)
      assert.is_true(file:tensor(name):bytes() == given:tensor(rest):bytes(), name)
      count = count + 1
    end
    -- the scheduler, an object of a class that is passed over, has the prompts once more
    assert.are.equal(count + 1, #coop:names() + #maple:names())
    assert.are.same({ "50", "71.25" }, { coop:metadata "epoch", coop:metadata "val_result" })
    assert.are.equal("2", maple:metadata().epoch)
    assert.are.equal("F16", maple:tensor("state_dict.prompt_learner.ctx",
      { dtype = "stored" }).dtype)
    assert.is_nil(coop:shape "epoch")
    says("no tensor 'epoch'", coop.tensor, coop, "epoch")
    assert.matches("maple.pth.tar: torch, 7 arrays", tostring(maple), 1, true)
    says("a picture tower, but no 'token_embedding.weight'", hoi.clip, archives .. "maple.pth.tar",
      { activation = "quick_gelu" })
    says("no CLIP of two towers in it", hoi.clip, archives .. "coop.pth.tar")
  end)
end)

describe("a clip that nothing describes", function()
  it("is refused by what is missing", function()
    says("nowhere: there is no such file or folder", hoi.clip, "nowhere")
    says("a width of 32 is no multiple of 64", hoi.clip, archives .. "script.pt")
    says("activation 'relu'; quick_gelu and gelu are known", hoi.clip, golden .. "clip_quick",
      { activation = "relu" })
    says("nowhere.json: no such file", hoi.clip, archives .. "script.pt",
      { config = "nowhere.json" })
    local path = new_folder "strange"
    scratch.copy(archives .. "open_clip/open_clip_model.safetensors", path
      .. "/open_clip_model.safetensors")
    local config = json.load(archives .. "open_clip/open_clip_config.json")
    config.model_cfg.vision_cfg.timm_model_name = "convnext"
    json.save(path .. "/open_clip_config.json", config)
    says("model_cfg.vision_cfg.timm_model_name is convnext", hoi.clip, path)
    config.model_cfg.vision_cfg.timm_model_name = nil
    config.preprocess_cfg.resize_mode = "longest"
    json.save(path .. "/open_clip_config.json", config)
    says("resize_mode is 'longest'", hoi.clip, path)
    config.preprocess_cfg, config.model_cfg.quick_gelu = nil, nil
    json.save(path .. "/open_clip_config.json", config)
    local clip <close> = hoi.clip(path)
    assert.are.equal("gelu", clip.text.activation) -- as open_clip does
    says("has no tokenizer beside its weights", clip.encode_text, clip, "a dog")
  end)
end)

describe("a tokenizer", function()
  it("is the same from every published form", function()
    local wanted = hoi.tokenizer.open(golden .. "clip_quick")
    local text = "a photo of 42 dogs, kicking a ball &lt;3"
    for _, path in ipairs { archives .. "bpe_simple_vocab_16e6.txt.gz", archives,
      archives .. "open_clip/tokenizer.json", archives .. "open_clip" } do
      local given = hoi.tokenizer.open(path)
      assert.are.equal(wanted.size, given.size, path)
      assert.are.same(wanted:encode(text), given:encode(text), path)
    end
    says("no byte-pair encoding", hoi.tokenizer.open, quick_config)
    says("can not be read as text", hoi.tokenizer.open, archives .. "state.pt")
    says("nowhere/vocab.json", hoi.tokenizer.open, "nowhere")
  end)

  it("of OpenAI's and Hugging Face's own files gives the same ids", function()
    local data = (os.getenv "HOI_DATA" or "../shared/data") .. "/tokenizer"
    if not system.kind(data) then
      return pending("skipped: no " .. data)
    end
    local wanted = hoi.tokenizer.open(data)
    assert.are.equal(49408, wanted.size)
    for _, name in ipairs { "bpe_simple_vocab_16e6.txt.gz", "tokenizer.json" } do
      local given = hoi.tokenizer.open(data .. "/" .. name)
      assert.are.equal(49408, given.size)
      for _, text in ipairs {
        "a centered satellite photo of Annual Crop Land.", "it's   a Café! 123",
        "a photo of a yorkshire terrier, a type of pet.",
      } do
        assert.are.same(wanted:encode(text), given:encode(text))
      end
    end
    assert.are.same({ 49406, 320, 22697, 49407 }, wanted:encode "a diagram")
  end)
end)
