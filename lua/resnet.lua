-- resnet: bottleneck ResNets (He et al. 2016) on pictures (b, height, width, channels): CLIP's
-- modified one with its attention pool, and torchvision's. Batch norms are frozen: folded into the
-- weights when these are read.
local nn <const> = require "hoi.nn"
local tensors <const> = require "hoi.tensor"

local resnet <const> = {}

local EPS <const> = 1e-5 -- of every batch norm here

---------------------------------------------------------------------------- layers

local function apply_conv(self, x, activation, residual)
  return x:conv2d(self.weight, self.bias, {
    stride = self.stride, pad = self.weight:size(2) // 2, activation = activation,
    residual = residual,
  })
end

-- Reads a convolution and the batch norm behind it; a file written by us has a bias instead.
local function read_conv(file, has, name, norm, stride)
  local weight = file:tensor(name .. ".weight"):permute(1, 3, 4, 2) -- channels last
  local bias
  if has[norm .. ".running_var"] then
    local variance <const> = file:tensor(norm .. ".running_var")
    local scale <const> = file:tensor(norm .. ".weight") / (variance + EPS):sqrt()
    bias = file:tensor(norm .. ".bias") - file:tensor(norm .. ".running_mean") * scale
    weight = weight * scale:reshape(-1, 1, 1, 1)
  else
    bias = file:tensor(name .. ".bias")
  end
  return nn.module {
    weight = nn.parameter(weight), bias = nn.parameter(bias), stride = stride or 1,
    forward = apply_conv,
  }
end

-- pool: a stride is the mean of windows before conv3 and beside, as in CLIP; else conv2 strides.
-- Maps are large and their memory is wanted again at once, so each is let go of here (a record
-- keeps what it needs), not by the collector.
local function apply_block(self, x)
  local first <close> = self.conv1(x, "relu")
  local second <close> = self.conv2(first, "relu")
  local small <close> = self.pool > 1 and second:mean_pool { kernel = self.pool } or nil
  local seen <close> = self.pool > 1 and x:mean_pool { kernel = self.pool } or nil
  local beside <close> = self.beside and self.beside(seen or x) or nil
  return self.conv3(small or second, "relu", beside or x)
end

local function read_block(file, has, name, stride, pooled)
  local function conv(place, by)
    return read_conv(file, has, name .. "conv" .. place, name .. "bn" .. place, by)
  end
  return nn.module {
    conv1 = conv(1), conv2 = conv(2, pooled and 1 or stride), conv3 = conv(3),
    beside = has[name .. "downsample.0.weight"] and read_conv(file, has, name .. "downsample.0",
      name .. "downsample.1", pooled and 1 or stride),
    pool = pooled and stride or 1, forward = apply_block,
  }
end

local function apply_trunk(self, x)
  local map = self.enter(self, x)
  for _, stage in ipairs(self.stages) do
    for _, block in ipairs(stage) do
      local before <close> = map
      map = block(before)
    end
  end
  return map
end

local function enter_clip(self, x)
  local first <close> = self.stem[1](x, "relu")
  local second <close> = self.stem[2](first, "relu")
  local third <close> = self.stem[3](second, "relu")
  return third:mean_pool()
end

local function enter_plain(self, x)
  local first <close> = self.stem[1](x, "relu")
  return first:max_pool { kernel = 3, stride = 2, pad = 1 }
end

local function set_of(file)
  local has <const> = {}
  for _, name in ipairs(file:names()) do
    has[name] = true
  end
  return has
end

-- Blocks of each stage, by the names of a file.
local function layers_of(has, prefix)
  local layers <const> = {}
  for stage = 1, 4 do
    layers[stage] = 0
    while has[("%slayer%d.%d.conv1.weight"):format(prefix, stage, layers[stage])] do
      layers[stage] = layers[stage] + 1
    end
    if layers[stage] == 0 then
      error(("resnet: no '%slayer%d.0.conv1.weight' in the file: no bottleneck ResNet of the wanted"
        .. " names"):format(prefix, stage), 3)
    end
  end
  return layers
end

local function read_trunk(file, has, prefix)
  local modified <const> = has[prefix .. "conv3.weight"]
  local trunk <const> = {
    layers = layers_of(has, prefix), stages = nn.module {}, forward = apply_trunk,
    enter = modified and enter_clip or enter_plain,
  }
  trunk.stem = nn.list(modified and 3 or 1, function(i)
    return read_conv(file, has, prefix .. "conv" .. i, prefix .. "bn" .. i, i == 1 and 2 or 1)
  end)
  for stage, count in ipairs(trunk.layers) do
    trunk.stages[stage] = nn.list(count, function(i)
      return read_block(file, has, ("%slayer%d.%d."):format(prefix, stage, i - 1),
        stage > 1 and i == 1 and 2 or 1, modified)
    end)
  end
  return nn.module(trunk):freeze()
end

-- Reads a ResNet, of 50 layers or any: (b, h, w, 3) to the last stage's map (b, h / 32, w / 32,
-- channels). The stem tells CLIP's from torchvision's.
function resnet.read(file, prefix)
  return read_trunk(file, set_of(file), prefix or "")
end

---------------------------------------------------------------------------- CLIP's tower

local Tower <const> = { __name = "hoi.ResNetTower" }
Tower.__index = Tower

-- Maps (b, grid, grid, channels) of pixels (b, 3, size, size).
function Tower:map(pixels)
  if pixels.rank ~= 4 or pixels:size(2) ~= 3 or pixels:size(3) ~= self.size
    or pixels:size(4) ~= self.size then
    error(("clip: pixels (count, 3, %d, %d) are wanted, these are %s"):format(self.size, self.size,
      table.concat(pixels.shape, "x")), 2)
  end
  return self.trunk(pixels:permute(1, 3, 4, 2))
end

-- Features of a map in the joint space by the attention pool: (b, out) as the mean of all places
-- asks for them, or with all = true (b, 1 + places, out), as each place does too.
function Tower:pool(map, all)
  local b <const>, wide <const> = map:size(1), map:size(4)
  local places <const> = map:reshape(b, -1, wide)
  local x <const> = tensors.concat({ places:mean(2, true), places }, 2) + self.attention.position
  local asking <const> = all and x or x:slice(2, 1, 1)
  local a <const> = self.attention
  local y <const> = a.out(a.query(asking):attention(a.key(x), a.value(x), { heads = self.heads }))
  return all and y or y:reshape(b, -1)
end

function Tower:forward(pixels)
  return self:pool(self:map(pixels))
end

-- Parameters by OpenAI's names (batch norms folded, so that convolutions have a bias).
function Tower:parameters()
  local list <const> = {}
  local function add(name, layer)
    list[#list + 1] = { "visual." .. name .. ".weight", layer.weight }
    list[#list + 1] = { "visual." .. name .. ".bias", layer.bias }
  end
  for i, conv in ipairs(self.trunk.stem) do
    add("conv" .. i, conv)
  end
  for s, stage in ipairs(self.trunk.stages) do
    for i, block in ipairs(stage) do
      local name <const> = ("layer%d.%d."):format(s, i - 1)
      for k = 1, 3 do
        add(name .. "conv" .. k, block["conv" .. k])
      end
      if block.beside then
        add(name .. "downsample.0", block.beside)
      end
    end
  end
  list[#list + 1] = { "visual.attnpool.positional_embedding", self.attention.position }
  for letter, part in pairs { q = "query", k = "key", v = "value", c = "out" } do
    add(("attnpool.%s_proj"):format(letter), self.attention[part])
  end
  table.sort(list, function(a, b)
    return a[1] < b[1]
  end)
  return list
end

function Tower:__tostring()
  return ("Tower (pictures, ResNet of %s blocks, width %d)"):format(
    table.concat(self.trunk.layers, " "), self.width)
end

function Tower:release()
  for _, p in ipairs(self:parameters()) do
    p[2]:release()
  end
end

local function apply_projection(self, x)
  return x:linear(self.weight, self.bias)
end

-- Reads CLIP's picture tower from a file of OpenAI's names, which begin with `prefix`.
function resnet.tower(file, prefix)
  local has <const> = set_of(file)
  local at <const> = prefix .. "attnpool."
  local function projection(letter)
    return nn.module {
      weight = nn.parameter(file:tensor(at .. letter .. "_proj.weight")),
      bias = nn.parameter(file:tensor(at .. letter .. "_proj.bias")), forward = apply_projection,
    }
  end
  local attention <const> = nn.module({
    position = nn.parameter(file:tensor(at .. "positional_embedding")), query = projection "q",
    key = projection "k", value = projection "v", out = projection "c",
  }):freeze()
  local trunk <const> = read_trunk(file, has, prefix)
  local places <const>, wide <const> = attention.position:size(1), attention.position:size(2)
  local grid <const> = math.floor((places - 1) ^ 0.5 + 0.5)
  local depth = 0
  for _, count in ipairs(trunk.layers) do
    depth = depth + count
  end
  return setmetatable({
    trunk = trunk, attention = attention, grid = grid, size = 32 * grid, patch = 32, width = wide,
    depth = depth, heads = wide // 64, out = attention.out.weight:size(1), places = places,
  }, Tower)
end

return resnet
