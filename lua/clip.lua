-- clip: a CLIP model: its two open towers, tokenizer and preprocessing. The model of the drawn
-- world comes with the program.
local core <const> = require "hoi.clip.core"
local digest <const> = require "hoi.digest"
local embedded <const> = require "hoi.embedded"
local json <const> = require "hoi.json"
local layout <const> = require "hoi.layout"
local normalisation <const> = require "hoi.normalisations".clip
local options <const> = require "hoi.options"
local records <const> = require "hoi.record"
local safetensors <const> = require "hoi.safetensors"
local system <const> = require "hoi.system"
local tokenizers <const> = require "hoi.tokenizer"
local tensors <const> = require "hoi.tensor"
local pixels <const> = require "hoi.pixels"
local resnet <const> = require "hoi.resnet"

local EMBEDDED <const> = "lua/models/clip" -- CLIP of the drawn world, inside the program
local DTYPES <const> = { stored = true, float32 = true, bfloat16 = true }

local Clip <const> = { __name = "hoi.Clip" }
Clip.__index = Clip

local function is_resnet(config)
  local vision <const> = json.decode(config).vision_config
  return type(vision) == "table" and vision.layers ~= nil
end

-- CLIP cuts its square from the middle, OWL-ViT squeezes, OWLv2 fills up; the file beside the
-- weights may say otherwise.
local function preprocessing(self, file)
  local kind <const> = json.decode(self.config).model_type
  local p <const> = {
    size = self.visual.size, warp = kind == "owlvit", pad = kind == "owlv2",
    mean = { table.unpack(normalisation.mean) }, std = { table.unpack(normalisation.std) },
  }
  if file then
    p.mean, p.std = file.image_mean or p.mean, file.image_std or p.std
    if type(file.do_center_crop) == "boolean" then
      p.warp = not file.do_center_crop
    end
    if type(file.do_pad) == "boolean" and kind == "owlv2" then
      p.pad = file.do_pad
    end
  end
  return p
end

-- visual: a ResNet's picture tower, which is not of the core.
local function assemble(self, folder, preprocessor, visual)
  self.dtype = self.dtype or "float32"
  self.visual, self.resnet = visual or core.tower(self.core, "visual"), visual ~= nil
  self.text = core.tower(self.core, "text")
  self.width = self.visual.out
  self.folder = folder
  self.preprocess = preprocessing(self, preprocessor)
  return setmetatable(self, Clip)
end

-- new{config = text or table, tokenizer =}: towers of zeros (gains 1), to be trained.
local function new(given)
  local o <const> = options(given, { config = false, tokenizer = false, preprocess = false })
  local config <const> = type(o.config) == "table" and json.encode(o.config) or o.config
  local self <const> = {
    core = core.new(config, "config"), config = config, tokenizer = o.tokenizer,
  }
  core.begin(self.core)
  return assemble(self, false, o.preprocess)
end

-- The program's own model, in its folder `inside`.
local function open_embedded(inside, dtype)
  local function part(name)
    return embedded.read(inside .. "/" .. name)
  end
  local config <const> = part "config.json"
    or error("clip: this program was built without its default model", 3)
  local self <const> = {
    core = core.new(config, inside .. "/config.json"), config = config, embedded = inside,
    dtype = dtype,
    tokenizer = tokenizers.memory(part "vocab.json", part "merges.txt"),
  }
  local file <close> = safetensors.embedded(inside .. "/model.safetensors")
  core.fill(self.core, file, { prefix = "owlvit.", dtype = dtype })
  return assemble(self, nil, json.decode(part "preprocessor_config.json"))
end

-- Gets the tokenizer that is asked for (an open one, or a path), or the one beside the weights.
local function tokenizer_of(asked, beside)
  if asked and type(asked) ~= "string" then
    return asked
  end
  local path <const> = asked or beside
  return path and tokenizers.open(path) or nil
end

-- The files of weights: one, or those of an index.
local function files_of(file)
  local list <const> = { file.path }
  if file.container == "index" then
    local folder <const>, seen <const> = file.path:match "^(.*/)" or "", {}
    for _, name in pairs(json.load(file.path).weight_map) do
      if not seen[name] then
        seen[name] = true
        list[#list + 1] = folder .. name
      end
    end
    table.sort(list)
  end
  return list
end

local function open(path, given)
  local o <const> = options(given, {
    dtype = "stored", embedded = EMBEDDED, activation = false, tokenizer = false, config = false,
  })
  if not DTYPES[o.dtype] then
    error(("clip: dtype '%s'; stored, float32 and bfloat16 are known"):format(o.dtype), 3)
  end
  if not path then
    return open_embedded(o.embedded, o.dtype)
  end
  local found <const> = layout.open(path, o)
  local file <close>, names <const> = found.file, found.names
  local config <const> = json.encode(found.config)
  local self <const> = {
    core = core.new(config, found.label), config = config, files = files_of(file), dtype = o.dtype,
    tokenizer = tokenizer_of(o.tokenizer, found.tokenizer),
  }
  core.fill(self.core, file, {
    layout = names.layout, prefix = names.prefix, visual = names.visual, text = names.text,
    dtype = o.dtype,
  })
  if found.log then
    io.stderr:write(found.log, "\n")
  end
  return assemble(self, path, found.preprocess,
    is_resnet(config) and resnet.tower(file, names.visual) or nil)
end

function Clip:__tostring()
  local v <const>, t <const> = self.visual, self.text
  local from <const> = self.folder or (self.folder == nil and "embedded" or "new")
  local pictures <const> = ("pictures %d px, patch %d, %d blocks of %d"):format(v.size, v.patch,
    v.depth, v.width)
  return ("Clip (%s; %s; text %d blocks of %d; joint width %d)"):format(from, pictures, t.depth,
    t.width, self.width)
end

local function need_tokenizer(self)
  return self.tokenizer
    or error(("clip: %s has no tokenizer beside its weights: no vocab.json and merges.txt, no"
      .. " tokenizer.json, no bpe_simple_vocab_16e6.txt.gz; put one there, or give tokenizer = its"
      .. " path"):format(self.folder), 3)
end

-- (count, width) of texts. A text too long for the tower is an error, or cut with truncate = true.
function Clip:encode_text(texts, given)
  local o <const> = options(given, { truncate = false })
  local list <const> = type(texts) == "string" and { texts } or texts
  return core.encode_text(self.core, need_tokenizer(self), list, o.truncate)
end

-- Ids and end places of texts for the open text tower.
function Clip:tokenize(texts, given)
  local o <const> = options(given, { truncate = false })
  return self.text:tokenize(need_tokenizer(self), texts, o.truncate)
end

-- Pixels (count, 3, size, size) of a list of images (or one), preprocessed as this model
-- wants them.
function Clip:pixels(images)
  return pixels.of(images, self.preprocess)
end

function Clip:encode_image(images)
  return self:encode_pixels(tensors.is_tensor(images) and images or self:pixels(images))
end

-- (count, width) of pixels, in chunks, so that memory does not grow with their number. Training
-- takes `core` in one go.
function Clip:encode_pixels(x)
  local n <const>, most <const> = x:size(1), 32
  local function encode(some)
    if self.resnet then
      return self.visual:forward(some)
    end
    return core.encode_pixels(self.core, some)
  end
  if n <= most or self.training then
    return encode(x)
  end
  local parts <const> = {}
  for i = 1, n, most do
    parts[#parts + 1] = encode(x:slice(1, i, math.min(n, i + most - 1)))
  end
  return tensors.concat(parts, 1)
end

-- The map (count, grid, grid, width) of pixels: the last block's patch tokens in the joint space.
function Clip:encode_patches(images)
  local x = tensors.is_tensor(images) and images or self:pixels(images)
  local v <const> = self.visual
  local grid <const> = v.size // v.patch
  if self.resnet then
    x = v:pool(v:map(x), true):slice(2, 2)
  else
    x = v:leave(v:blocks(v:enter(v:embed(x))):slice(2, 2))
  end
  return x:reshape(x:size(1), grid, grid, self.width)
end

-- List of {name, tensor}; with a pattern those whose name it finds.
function Clip:parameters(pattern)
  local list <const> = {}
  local function add(all)
    for _, p in ipairs(all) do
      if not pattern or p[1]:find(pattern) then
        list[#list + 1] = p
      end
    end
  end
  add(core.parameters(self.core))
  if self.resnet then
    add(self.visual:parameters())
  end
  return list
end

-- The parameters a pattern names; none at all is a slip of the pen.
local function named(self, pattern)
  local list <const> = self:parameters(pattern)
  if #list == 0 and pattern then
    error(("clip: no parameter's name has '%s'; clip:parameters() lists them"):format(pattern), 3)
  end
  return list
end

-- Marks parameters as trainable (all, or those whose name the pattern finds); gets their list.
function Clip:train(pattern)
  local list <const> = named(self, pattern)
  for _, p in ipairs(list) do
    p[2]:train()
  end
  self.training = true
  return list
end

function Clip:freeze(pattern)
  for _, p in ipairs(named(self, pattern)) do
    p[2]:train(false)
  end
end

-- The factor of cosines: exp(logit_scale), a scalar tensor.
function Clip:scale()
  return self:parameters "^logit_scale$"[1][2]:exp()
end

-- Tensors by Hugging Face's names: qkv in three, the patch kernel in four dimensions.
function Clip:tensors(prefix)
  local out <const> = {}
  for _, p in ipairs(self:parameters()) do
    local name <const>, x = p[1], p[2]
    if name:find "qkv_proj" then
      local w <const> = x:size(1) // 3
      for i, letter in ipairs { "q", "k", "v" } do
        local saved <const> = (prefix or "") .. name:gsub("qkv_proj", letter .. "_proj")
        out[saved] = x:detach():slice(1, (i - 1) * w + 1, i * w)
      end
    else
      if name:find "patch_embedding" then
        x = x:detach():reshape(self.visual.width, 3, self.visual.patch, self.visual.patch)
      elseif x.rank == 4 then -- a ResNet's convolutions
        x = x:detach():permute(1, 4, 2, 3)
      end
      local saved = name
      if prefix then
        saved = name:gsub("pre_layrnorm", "pre_layernorm")
      end
      out[(prefix or "") .. saved] = x:detach()
    end
  end
  return out
end

-- Writes a Hugging Face folder. dtype: "F32", "F16" or "BF16"; extra: further tensors of the
-- model file.
function Clip:save(folder, given)
  local o <const> = options(given, { dtype = "F32", extra = {}, prefix = false, config = false })
  system.make_folder(folder)
  local all <const> = self:tensors(o.prefix or nil)
  for name, x in pairs(o.extra) do
    all[name] = x
  end
  safetensors.save(folder .. "/model.safetensors", all,
    { dtype = o.dtype, metadata = { format = "pt" } })
  local config <const> = o.config and json.encode(o.config) or self.config
  json.save(folder .. "/config.json", json.decode(config))
  json.save(folder .. "/preprocessor_config.json", {
    size = self.preprocess.size, crop_size = self.preprocess.size, resample = 3,
    image_mean = self.preprocess.mean, image_std = self.preprocess.std,
    do_center_crop = not (self.preprocess.warp or self.preprocess.pad),
  })
  if self.tokenizer then
    self.tokenizer:save(folder)
  end
end

-- What tells features that are rounded on their way from others.
local function rounding(self)
  return self.dtype == "bfloat16" and " bfloat16" or ""
end

-- Sixteen pieces of a file, spread over it: of large ones a fraction is read.
local function pieces_of(path)
  local file <close> = assert(io.open(path, "rb"))
  local size <const>, parts <const> = file:seek "end", {}
  for i = 0, 15 do
    file:seek("set", size * i // 16)
    parts[#parts + 1] = file:read(i == 0 and 1 << 16 or 1 << 12) or ""
  end
  parts[#parts + 1] = tostring(size)
  return parts
end

-- A text that tells this model from others: its place, and pieces of its files; of one that is new
-- or was trained, all of its values.
function Clip:identity()
  local config <const> = self.config .. rounding(self)
  if self.training or self.folder == false then
    local sums <const> = {}
    for i, p in ipairs(self:parameters()) do
      sums[i] = records.checksum(p[2]:detach():float():bytes())
    end
    return ("values %s %s"):format(digest(sums), config)
  elseif not self.folder then
    return ("%s %s %s"):format(system.version, self.embedded, config)
  end
  local sums <const> = {}
  for i, path in ipairs(self.files) do
    sums[i] = digest(pieces_of(path))
  end
  return ("%s %s %s"):format(self.folder, digest(sums), config)
end

-- A text that tells this model from others wherever its folder lies: its sizes, and a hash of them
-- and of the vectors of its ends.
function Clip:fingerprint()
  if not self.mark or self.training then
    local v <const>, t <const> = self.visual, self.text
    local parts <const> = {
      ("%d %d %d %d %d %d"):format(v.size, v.patch, v.depth, v.width, t.depth, t.width),
    }
    for _, p in ipairs(self:parameters()) do
      local name <const>, x = p[1], p[2]
      local block <const> = tonumber(name:match "layers%.(%d+)%.")
      local last <const> = (name:find "^text" and t or v).depth - 1
      if x.rank <= 1 and (not block or block == last) then
        parts[#parts + 1] = x:detach():float():bytes()
      end
    end
    self.mark = ("CLIP %d px, patch %d, %d x %d; text %d x %d; %s"):format(v.size, v.patch, v.depth,
      v.width, t.depth, t.width, digest(parts):sub(1, 16))
  end
  return self.mark
end

-- A text that tells this model's features from those of others: the same weights make others with
-- another activation.
function Clip:feature_key()
  return ("%s %s%s"):format(self:fingerprint(), self.text.activation, rounding(self))
end

function Clip:release()
  for _, name in ipairs { "visual", "text", "core" } do
    self[name]:release()
  end
end
Clip.__close = Clip.release

return setmetatable({ new = new, open = open, EMBEDDED = EMBEDDED }, {
  __call = function(_, folder, given)
    return open(folder, given)
  end,
})
