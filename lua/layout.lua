-- layout: what the files of a published CLIP are: Hugging Face's, open_clip's, OpenAI's. Finds the
-- weights, a configuration (or the sizes in the weights' shapes), the activation, the tokenizer.
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"
local weights <const> = require "hoi.weights".weights

local layout <const> = {}

local ACTIVATIONS <const> = { quick_gelu = true, gelu = true }

-- Which activation a checkpoint was trained with, by words of its file's or folder's name, - as _
-- and in small letters: the first that fits (open_clip's list of pretrained models).
local KNOWN <const> = {
  { { "quickgelu" }, "quick_gelu" },
  { { "openai" }, "quick_gelu" },
  { { "metaclip" }, "quick_gelu" },
  { { "dfn2b_s39b" }, "gelu" },
  { { "dfn2b" }, "quick_gelu" },
  { { "laion400m", "b_32" }, "quick_gelu" },
  { { "laion400m" }, "gelu" },
  { { "laion2b" }, "gelu" },
  { { "datacomp" }, "gelu" },
  { { "commonpool" }, "gelu" },
  { { "yfcc15m" }, "quick_gelu" },
  { { "cc12m" }, "quick_gelu" },
}

-- OpenAI's own names of its files: all of QuickGELU.
local OPENAI <const> = {
  ["RN50.pt"] = true, ["RN101.pt"] = true, ["RN50x4.pt"] = true, ["RN50x16.pt"] = true,
  ["RN50x64.pt"] = true, ["ViT-B-32.pt"] = true, ["ViT-B-16.pt"] = true, ["ViT-L-14.pt"] = true,
  ["ViT-L-14-336px.pt"] = true,
}

-- What open_clip's configurations can say that these towers do not do: field and its plain value.
local PLAIN <const> = {
  vision_cfg = {
    timm_model_name = false, attentional_pool = false, no_ln_pre = false, pool_type = "tok",
    final_ln_after_pool = false, output_tokens = false, ls_init_value = false, pos_embed_type =
    "learnable", global_average_pool = false, input_patchnorm = false,
  },
  text_cfg = {
    hf_model_name = false, embed_cls = false, no_causal_mask = false, pool_type = "argmax",
    final_ln_after_pool = false, ls_init_value = false, proj_bias = false,
  },
}

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

-- Gets a JSON file's table, nil where there is no such file.
local function read_json(path)
  local text <const> = read(path)
  if not text then
    return nil
  end
  local ok <const>, value <const> = pcall(json.decode, text)
  if not ok or type(value) ~= "table" then
    error(("clip: %s is not JSON%s"):format(path, ok and " of an object" or ": "
      .. tostring(value)), 0)
  end
  return value
end

---------------------------------------------------------------------------- names of weights

-- Gets the shortest beginning that some name has before a pattern.
local function beginning(names, pattern)
  local best
  for _, name in ipairs(names) do
    local before <const> = name:match("^(.-)" .. pattern .. "$")
    if before and (not best or #before < #best) then
      best = before
    end
  end
  return best
end

-- Whose names the weights have: {layout, prefix, visual, text} for the core.
local function names_of(file)
  local names <const> = file:names()
  local prefix = beginning(names, "text_model%.embeddings%.token_embedding%.weight")
  if prefix then
    return { layout = "huggingface", prefix = prefix, visual = "visual." }
  end
  local text <const> = beginning(names, "token_embedding%.weight")
  local visual
  for _, tower in ipairs { "visual", "image_encoder" } do
    for _, part in ipairs { "class_embedding", "attnpool%.positional_embedding" } do
      local before <const> = beginning(names, ("%s%%.%s"):format(tower, part))
      visual = visual or (before and ("%s%s."):format(before, tower))
    end
  end
  if not text or not visual then
    error(("clip: %s: no CLIP of two towers in it: %s; hoi.weights reads its parts"):format(
      file.path, visual and "a picture tower, but no 'token_embedding.weight' of a text tower"
        or text and "a text tower, but no 'visual.class_embedding' of a picture tower"
        or "neither 'text_model.embeddings.token_embedding.weight' nor 'token_embedding.weight'"),
      0)
  end
  return {
    layout = "openai", visual = visual, text = text,
    prefix = beginning(names, "logit_scale") or "",
  }
end

---------------------------------------------------------------------------- sizes by shapes

local function count(file, pattern)
  local n = 0
  while file:shape(pattern:format(n)) do
    n = n + 1
  end
  return n
end

local function heads_of(file, width)
  if width % 64 ~= 0 then
    error(("clip: %s: a width of %d is no multiple of 64, so the number of heads can not be told;"
      .. " give config = Hugging Face's config.json"):format(file.path, width), 0)
  end
  return width // 64
end

-- Gets the sizes of an array, which must be there.
local function shape(file, name)
  return file:shape(name) or error(("clip: %s: no '%s' in it"):format(file.path, name), 0)
end

local function root(file, places)
  local grid <const> = math.floor((places - 1) ^ 0.5 + 0.5)
  if grid < 1 or grid * grid + 1 ~= places then
    error(("clip: %s: %d positions are not one and those of a square"):format(file.path, places), 0)
  end
  return grid
end

-- The two towers' names in either layout.
local NAMES <const> = {
  openai = {
    block = "transformer.resblocks.%d.", first = "ln_1.weight", wide = "mlp.c_fc.weight",
    patch = "conv1.weight", image_places = "positional_embedding",
    text_places = "positional_embedding", tokens = "token_embedding.weight",
  },
  huggingface = {
    block = "encoder.layers.%d.", first = "layer_norm1.weight", wide = "mlp.fc1.weight",
    patch = "embeddings.patch_embedding.weight",
    image_places = "embeddings.position_embedding.weight",
    text_places = "embeddings.position_embedding.weight",
    tokens = "embeddings.token_embedding.weight",
  },
}

-- Gets {hidden_size, num_hidden_layers, ...} of a tower whose names begin so. heads: as a
-- configuration has them, or nil.
local function tower_sizes(file, begin, n, width, heads)
  return {
    hidden_size = width, num_hidden_layers = count(file, begin .. n.block .. n.first),
    num_attention_heads = heads or heads_of(file, width),
    intermediate_size = shape(file, begin .. n.block:format(0) .. n.wide)[1],
  }
end

local function resnet_sizes(file, visual)
  local layers <const> = {}
  for stage = 1, 4 do
    layers[stage] = count(file, ("%slayer%d.%%d.conv1.weight"):format(visual, stage))
  end
  return {
    layers = layers, hidden_size = shape(file, visual .. "layer1.0.conv1.weight")[1],
    image_size = 32 * root(file, shape(file, visual .. "attnpool.positional_embedding")[1]),
  }
end

-- Gets Hugging Face's configuration from the weights' shapes. heads: {vision =, text =} where they
-- are known.
local function infer(file, where, heads)
  local n <const> = NAMES[where.layout]
  local huggingface <const> = where.layout == "huggingface"
  local visual <const> = huggingface and where.prefix .. "vision_model." or where.visual
  local text <const> = huggingface and where.prefix .. "text_model." or where.text
  local vision
  if file:shape(where.visual .. "attnpool.positional_embedding") then
    vision = resnet_sizes(file, where.visual) -- CLIP's modified ResNet: lua/resnet.lua reads it
  else
    local kernel <const> = shape(file, visual .. n.patch)
    vision = tower_sizes(file, visual, n, kernel[1], heads.vision)
    vision.patch_size = kernel[4]
    vision.image_size = kernel[4] * root(file, shape(file, visual .. n.image_places)[1])
  end
  local tokens <const> = shape(file, text .. n.tokens)
  local reads <const> = tower_sizes(file, text, n, tokens[2], heads.text)
  reads.vocab_size, reads.max_position_embeddings = tokens[1], shape(file, text .. n.text_places)[1]
  reads.bos_token_id, reads.eos_token_id, reads.pad_token_id = tokens[1] - 2, tokens[1] - 1, 1
  local out
  if huggingface then
    out = shape(file, where.prefix .. "text_projection.weight")[1]
  else
    local plain <const> = file:shape(text .. "text_projection")
    out = plain and plain[2] or shape(file, text .. "text_projection.weight")[1]
  end
  return { model_type = "clip", projection_dim = out, vision_config = vision, text_config = reads }
end

---------------------------------------------------------------------------- activation

-- Gets an activation of what is known of a file, and how it is known; nil.
local function known_activation(file)
  if file:shape "input_resolution" and file:shape "context_length" and file:shape "vocab_size" then
    return "quick_gelu", "as in all of OpenAI's archives"
  end
  local name <const> = file.path:match "([^/]*)$"
  if OPENAI[name] then
    return "quick_gelu", ("as in all of OpenAI's files; '%s' is one"):format(name)
  end
  local near <const> = file.path:match "([^/]*/?[^/]*)$":lower():gsub("-", "_")
  for _, row in ipairs(KNOWN) do
    local fits = true
    for _, word in ipairs(row[1]) do
      fits = fits and near:find(word, 1, true)
    end
    if fits then
      return row[2], ("known of models with '%s' in their name"):format(
        table.concat(row[1], "' and '"))
    end
  end
  return nil
end

local function set_activation(config, activation)
  for _, part in ipairs { "text_config", "vision_config", "text_config_dict",
    "vision_config_dict" } do
    if type(config[part]) == "table" then
      config[part].hidden_act = activation
    end
  end
end

---------------------------------------------------------------------------- configurations

local function is_huggingface(config)
  return config ~= nil and (config.text_config ~= nil or config.vision_config ~= nil
    or config.text_config_dict ~= nil or config.projection_dim ~= nil
    or (type(config.model_type) == "string" and config.model_type:find "^owl" ~= nil)
    or config.model_type == "clip")
end

local function check_plain(path, part, section)
  for name, plain in pairs(PLAIN[part]) do
    local value <const> = section[name]
    if value ~= nil and value ~= plain and value ~= json.null then
      error(("clip: %s: model_cfg.%s.%s is %s; these towers are plain ones: read by hoi.weights"
        .. " alone"):format(path, part, name, tostring(value)), 0)
    end
  end
end

-- Reads open_clip's configuration: Hugging Face's form of it, and its preprocessing.
local function from_open_clip(path, given, file, where)
  local model <const> = given.model_cfg or given
  local vision <const>, text <const> = model.vision_cfg, model.text_cfg
  if type(vision) ~= "table" or type(text) ~= "table" then
    error(("clip: %s: no model_cfg with vision_cfg and text_cfg"):format(path), 0)
  end
  check_plain(path, "vision_cfg", vision)
  check_plain(path, "text_cfg", text)
  local heads <const> = { text = math.tointeger(text.heads) }
  if type(vision.width) == "number" and type(vision.layers) == "number" then
    heads.vision = math.tointeger(vision.width // (vision.head_width or 64))
  end
  local config <const> = infer(file, where, heads)
  set_activation(config, model.quick_gelu == true and "quick_gelu" or "gelu")
  local prepared <const> = given.preprocess_cfg or {}
  local mode <const> = prepared.resize_mode or "shortest"
  if mode ~= "shortest" and mode ~= "squash" then
    error(("clip: %s: preprocess_cfg.resize_mode is '%s'; shortest and squash are known")
      :format(path, tostring(mode)), 0)
  end
  return config, {
    image_mean = prepared.mean, image_std = prepared.std, do_center_crop = mode ~= "squash",
  }
end

-- Gets the one .pt of a folder, nil when there are none or several.
local function lone_archive(folder)
  local found
  for _, name in ipairs(system.list(folder) or {}) do
    if name:find "%.pt$" then
      if found then
        return nil
      end
      found = folder .. "/" .. name
    end
  end
  return found
end

-- Gets the parts of a folder by what its configurations are: path of the weights, configuration.
local function parts_of_folder(folder)
  local config <const> = read_json(folder .. "/config.json")
  local open_clip <const> = read_json(folder .. "/open_clip_config.json")
  if not config and not open_clip then
    return lone_archive(folder) or folder -- as scripts/fetch.lua leaves OpenAI's
  end
  if is_huggingface(config) or not open_clip then
    return folder, config
  end
  for _, name in ipairs { "open_clip_model.safetensors", "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pt" } do
    if system.kind(folder .. "/" .. name) then
      return folder .. "/" .. name, nil, open_clip
    end
  end
  return folder, nil, open_clip
end

-- Files of these names belong to the configuration beside them; any other stands alone.
local BESIDE <const> = {
  ["model.safetensors"] = "config.json", ["pytorch_model.bin"] = "config.json",
  ["model.safetensors.index.json"] = "config.json",
  ["pytorch_model.bin.index.json"] = "config.json",
  ["open_clip_model.safetensors"] = "open_clip_config.json",
  ["open_clip_pytorch_model.bin"] = "open_clip_config.json",
}

local function parts_of_file(path)
  local folder <const> = path:match "^(.*)/" or "."
  local beside <const> = BESIDE[path:match "[^/]*$"]
  local config <const> = beside and read_json(folder .. "/" .. beside)
  if beside == "open_clip_config.json" then
    return path, nil, config
  end
  return path, is_huggingface(config) and config or nil
end

-- Preprocessing as a folder has it: preprocessor_config.json, or within processor_config.json.
local function preprocessing(folder)
  local own <const> = read_json(folder .. "/preprocessor_config.json")
  local processor <const> = not own and read_json(folder .. "/processor_config.json")
  return own or (processor and processor.image_processor) or nil
end

-- Gets the path of a tokenizer in a folder, nil when there is none.
function layout.tokenizer(folder)
  local function has(name)
    return system.kind(folder .. "/" .. name) == "file"
  end
  if has "vocab.json" and has "merges.txt" then
    return folder
  end
  for _, name in ipairs { "tokenizer.json", "bpe_simple_vocab_16e6.txt.gz",
    "bpe_simple_vocab_16e6.txt" } do
    if has(name) then
      return folder .. "/" .. name
    end
  end
  return nil
end

---------------------------------------------------------------------------- the whole

-- Opens what a path names. Gets {file = the open weights, names = how they are called, config = a
-- table, label, preprocess = a table or nil, tokenizer = a path or nil, log = a line or nil}. o:
-- activation, config (a table, or a path).
function layout.open(path, o)
  local kind <const> = system.kind(path)
  if kind ~= "folder" and kind ~= "file" then
    error(("clip: %s: there is no such file or folder"):format(path), 0)
  end
  local folder <const> = kind == "folder" and path or path:match "^(.*)/" or "."
  local at, config, open_clip
  if kind == "folder" then
    at, config, open_clip = parts_of_folder(path)
  else
    at, config, open_clip = parts_of_file(path)
  end
  if o.activation and not ACTIVATIONS[o.activation] then
    error(("clip: activation '%s'; quick_gelu and gelu are known"):format(tostring(o.activation)),
      0)
  end
  local label = folder .. "/config.json"
  if type(o.config) == "string" then
    label = o.config
    config = read_json(label) or error(("clip: %s: no such file"):format(label), 0)
  elseif o.config then
    config, label = o.config, "config"
  end
  local file <const> = weights(at)
  local ok <const>, result <const> = pcall(function()
    local names <const> = names_of(file)
    local preprocess, why = preprocessing(folder), nil
    local activation = o.activation
    if config then
      if activation then
        set_activation(config, activation)
      end
    elseif open_clip then
      config, preprocess = from_open_clip(folder .. "/open_clip_config.json", open_clip, file,
        names)
      activation = activation or config.text_config.hidden_act
      why = o.activation and "as asked for" or "by open_clip_config.json"
    else
      config = infer(file, names, {})
      if activation then
        why = "as asked for"
      else
        activation, why = known_activation(file)
      end
      if not activation then
        error(("clip: %s: nothing says whether its activation is QuickGELU or GELU, and a wrong one"
          .. " costs accuracy silently; give activation = \"quick_gelu\" (OpenAI's, MetaCLIP's)"
          .. " or \"gelu\" (most of LAION's and DataComp's)"):format(file.path), 0)
      end
      label = file.path
    end
    if why then
      set_activation(config, activation)
    end
    return {
      file = file, names = names, config = config, label = label, preprocess = preprocess,
      tokenizer = layout.tokenizer(folder),
      log = why and ("clip: %s: %s, names of %s; activation %s, %s"):format(file.path,
        file.container, names.layout == "openai" and "OpenAI's" or "Hugging Face's", activation,
        why),
    }
  end)
  if not ok then
    file:release()
    error(result, 0)
  end
  return result
end

return layout
