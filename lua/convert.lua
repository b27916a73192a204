-- convert: any published CLIP as a Hugging Face folder: complete config.json, model.safetensors
-- with the same bits, tokenizer, preprocessing.
local core <const> = require "hoi.clip.core"
local json <const> = require "hoi.json"
local layout <const> = require "hoi.layout"
local normalisation <const> = require "hoi.normalisations".clip
local options <const> = require "hoi.options"
local system <const> = require "hoi.system"
local tokenizers <const> = require "hoi.tokenizer"

local TYPES <const> = { F32 = "float32", F16 = "float16", BF16 = "bfloat16", F64 = "float64" }

local function tower_config(tower)
  return {
    hidden_size = tower.width, intermediate_size = tower.hidden,
    num_hidden_layers = tower.depth, num_attention_heads = tower.heads,
    hidden_act = tower.activation, layer_norm_eps = 1e-5, attention_dropout = 0.0,
    initializer_range = 0.02, initializer_factor = 1.0,
  }
end

-- Adds to a table what it has not.
local function complete(given, all)
  for name, value in pairs(all) do
    if given[name] == nil then
      given[name] = value
    end
  end
  return given
end

-- Gets the configuration with every value said. A ResNet's stays: Hugging Face has none.
local function complete_config(given, model, dtype)
  local text <const> = core.tower(model, "text")
  local reads <const> = complete(tower_config(text), {
    model_type = "clip_text_model", vocab_size = text.vocabulary,
    max_position_embeddings = text.places, projection_dim = text.out, pad_token_id = 1,
    bos_token_id = text.vocabulary - 2, eos_token_id = text.vocabulary - 1,
  })
  local config <const> = complete({
    text_config = complete(given.text_config_dict or given.text_config or {}, reads),
    vision_config = given.vision_config_dict or given.vision_config or {},
  }, given)
  config.text_config_dict, config.vision_config_dict = nil, nil
  if not config.vision_config.layers then
    local visual <const> = core.tower(model, "visual")
    complete(config.vision_config, complete(tower_config(visual), {
      model_type = "clip_vision_model", image_size = visual.size, patch_size = visual.patch,
      num_channels = 3, projection_dim = visual.out,
    }))
  end
  return complete(config, {
    model_type = "clip", architectures = { "CLIPModel" }, projection_dim = text.out,
    logit_scale_init_value = 2.6592, initializer_factor = 1.0, torch_dtype = dtype,
  })
end

local function complete_preprocessing(given, size)
  local square <const> = { height = size, width = size }
  local warp <const> = given.do_center_crop == false
  return {
    image_processor_type = "CLIPImageProcessor", do_resize = true, do_center_crop = not warp,
    do_rescale = true, rescale_factor = 1 / 255, do_normalize = true, do_convert_rgb = true,
    resample = 3, size = warp and square or { shortest_edge = size }, crop_size = square,
    image_mean = given.image_mean or normalisation.mean,
    image_std = given.image_std or normalisation.std,
  }
end

-- Writes what `from` is as a folder; gets its path.
local function convert(from, to, given)
  local o <const> = options(given, { activation = false, tokenizer = false, config = false })
  local found <const> = layout.open(from, o)
  local file <close>, names <const> = found.file, found.names
  if found.config.model_type ~= nil and found.config.model_type ~= "clip" then
    error(("convert: %s is no CLIP, but '%s': Hugging Face's form already"):format(from,
      found.config.model_type), 2)
  end
  local model <close> = core.new(json.encode(found.config), found.label)
  local tokens <const> = names.layout == "openai" and names.text .. "token_embedding.weight"
    or names.prefix .. "text_model.embeddings.token_embedding.weight"
  local config <const> = complete_config(found.config, model, TYPES[file:dtype(tokens)])
  local tokenizer <const> = type(o.tokenizer) == "userdata" and o.tokenizer
    or tokenizers.open(o.tokenizer or found.tokenizer
      or error(("convert: %s has no tokenizer beside it: put bpe_simple_vocab_16e6.txt.gz or"
        .. " vocab.json and merges.txt there, or give tokenizer = its path"):format(from), 2))
  system.make_folder(to)
  core.export(model, file, {
    layout = names.layout, prefix = names.prefix, visual = names.visual, text = names.text,
  }, to .. "/model.safetensors")
  json.save(to .. "/config.json", config)
  json.save(to .. "/preprocessor_config.json", complete_preprocessing(found.preprocess or {},
    config.vision_config.image_size))
  tokenizer:save(to)
  if found.log then
    io.stderr:write(found.log, "\n")
  end
  return to
end

return { convert = convert }
