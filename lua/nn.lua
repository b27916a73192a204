-- nn: modules: tables whose tensors have dotted names, by which they are trained, frozen, saved and
-- loaded. A module's methods are the functions in its table; calling it calls its forward.
local options <const> = require "hoi.options"
local safetensors <const> = require "hoi.safetensors"
local tensors <const> = require "hoi.tensor"

local nn <const> = {}
local roles <const> = setmetatable({}, { __mode = "k" }) -- of tensors: "parameter" or "buffer"

-- Gets a tensor with memory of its own: what a module trains or loads belongs to nobody else.
local function owned(value, role)
  local given <const> = tensors.is_tensor(value) and value or tensors.tensor(value)
  local x <const> = given:detach():float() * 1
  roles[x] = role
  return x
end

function nn.parameter(value)
  return owned(value, "parameter"):train()
end

function nn.buffer(value)
  return owned(value, "buffer")
end

function nn.normal(shape, deviation)
  return nn.parameter(tensors.randn(shape, { deviation = deviation or 0.02 }))
end

local function uniform(shape, bound)
  return nn.parameter(tensors.uniform(shape, { low = -bound, high = bound }))
end

-- Glorot and Bengio 2010: as much variance forward as backward.
function nn.xavier(shape)
  return uniform(shape, (6 / (shape[1] + shape[#shape])) ^ 0.5)
end

-- He et al. 2015: keeps the variance in front of a ReLU whose negative side has this slope.
function nn.kaiming(shape, slope)
  return uniform(shape, (6 / ((1 + (slope or 0) ^ 2) * shape[#shape])) ^ 0.5)
end

local function zeros(...)
  return nn.parameter(tensors.zeros { ... })
end

---------------------------------------------------------------------------- modules

local Module <const> = { __name = "hoi.Module" }
Module.__index = Module

function nn.module(fields)
  return setmetatable(fields, Module)
end

function nn.list(n, make)
  local list <const> = {}
  for i = 1, n do
    list[i] = make(i)
  end
  return nn.module(list)
end

local function numbers_first(a, b)
  if type(a) == type(b) then
    return a < b
  end
  return type(a) == "number"
end

-- Calls visit(name, value) for a module and what is in it: tensors, modules and plain tables, in
-- the order of their names, each once.
local function walk(value, name, seen, visit)
  local table_of_ours <const> = type(value) == "table"
    and (getmetatable(value) == nil or getmetatable(value) == Module)
  if seen[value] or not (table_of_ours or roles[value]) then
    return
  end
  seen[value] = true
  visit(name, value)
  local keys <const> = {}
  for key in pairs(table_of_ours and value or {}) do
    if type(key) == "string" or math.type(key) == "integer" then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, numbers_first)
  for _, key in ipairs(keys) do
    walk(value[key], name == "" and tostring(key) or name .. "." .. key, seen, visit)
  end
end

function Module:__call(...)
  return self:forward(...)
end

function Module:__tostring()
  local list <const>, count = self:parameters(), 0
  for _, p in ipairs(list) do
    count = count + p[2]:count()
  end
  return ("Module (%d parameters, %d values)"):format(#list, count)
end

function Module:parameters(pattern)
  local list <const> = {}
  walk(self, "", {}, function(name, x)
    if roles[x] == "parameter" and (not pattern or name:find(pattern)) then
      list[#list + 1] = { name, x }
    end
  end)
  if pattern and #list == 0 then
    error(("nn: no parameter has '%s' in its name"):format(pattern), 2)
  end
  return list
end

function Module:state()
  local state <const> = {}
  walk(self, "", {}, function(name, x)
    state[name] = roles[x] and x
  end)
  return state
end

function Module:dropout(on)
  walk(self, "", {}, function(_, value)
    if getmetatable(value) == Module then
      value.drops = on
    end
  end)
  return self
end

-- The parameters a pattern names; none at all is a slip of the pen.
local function named(self, pattern)
  local list <const> = self:parameters(pattern)
  if #list == 0 and pattern then
    error(("nn: no parameter's name has '%s'; :parameters() lists them"):format(pattern), 3)
  end
  return list
end

function Module:train(pattern)
  local list <const> = named(self, pattern)
  for _, p in ipairs(list) do
    p[2]:train()
  end
  self:dropout(true)
  return list
end

function Module:freeze(pattern)
  for _, p in ipairs(named(self, pattern)) do
    p[2]:train(false)
  end
  return pattern and self or self:dropout(false)
end

function Module:save(path, metadata)
  local strings <const> = { format = "hoi-module", version = "1" }
  for key, value in pairs(metadata or {}) do
    strings[key] = tostring(value)
  end
  safetensors.save(path, self:state(), { metadata = strings })
end

function Module:load(path)
  local file <close> = safetensors.open(path)
  local state <const>, read <const>, wrong <const> = self:state(), {}, {}
  for _, name in ipairs(file:names()) do
    read[name] = file:tensor(name)
    if not state[name] then
      wrong[#wrong + 1] = ("'%s' is not in this module"):format(name)
    end
  end
  for name, x in pairs(state) do
    local wanted <const> = table.concat(x.shape, "x")
    local found <const> = read[name] and table.concat(read[name].shape, "x")
    if not found then
      wrong[#wrong + 1] = ("'%s' is missing"):format(name)
    elseif found ~= wanted then
      wrong[#wrong + 1] = ("'%s' is %s, not %s"):format(name, found, wanted)
    end
  end
  if #wrong > 0 then
    table.sort(wrong)
    error(("nn: %s is of another module: %s"):format(path, table.concat(wrong, ", ")), 2)
  end
  for name, x in pairs(state) do
    x:write(read[name])
  end
  return self
end

---------------------------------------------------------------------------- layers

local function apply_affine(self, x, activation)
  return x:linear(self.weight, self.bias or nil, { activation = activation or "none" })
end

local function affine(weight, bias)
  return nn.module { weight = weight, bias = bias, forward = apply_affine }
end

function nn.linear(width, out, given)
  local o <const> = options(given, { bias = true })
  return affine(nn.kaiming({ out, width }, 5 ^ 0.5), o.bias and uniform({ out }, width ^ -0.5))
end

local function apply_mlp(self, x)
  for i, layer in ipairs(self) do
    x = layer(x, i < #self and "relu" or "none")
  end
  return x
end

function nn.mlp(sizes)
  local mlp <const> = nn.list(#sizes - 1, function(i)
    return nn.linear(sizes[i], sizes[i + 1])
  end)
  mlp.forward = apply_mlp
  return mlp
end

local function apply_norm(self, x)
  return x:layer_norm(self.weight, self.bias)
end

function nn.norm(width)
  return nn.module {
    weight = nn.parameter(tensors.ones { width }), bias = zeros(width), forward = apply_norm,
  }
end

local function apply_conv(self, map)
  local shape <const> = map.shape
  local patches <const> = (#shape == 4 and map or map:unsqueeze(1)):unfold {
    kernel = self.kernel, pad = self.kernel // 2, channels_last = true,
  }
  shape[#shape] = self.weight:size(1)
  return apply_affine(self, patches):reshape(shape)
end

function nn.conv(channels, out, kernel)
  if kernel % 2 == 0 then
    error(("nn.conv: a kernel of %d has no middle; take an odd one"):format(kernel), 2)
  end
  local conv <const> = nn.linear(channels * kernel * kernel, out)
  conv.kernel, conv.forward = kernel, apply_conv
  return conv
end

---------------------------------------------------------------------------- attention

-- Gets the additive mask of a mask and of keys (b, m) or (m): 1 seen, 0 hidden from all queries.
local function joined(mask, keys)
  if not keys then
    return mask or nil
  end
  local hidden <const> = ((keys - 1) * 1e30):reshape(-1, 1, keys:size(-1))
  return mask and mask + hidden or hidden
end

-- Attention whose shares lose some to dropout, as PyTorch trains it; written out, as the fused
-- operation keeps no shares.
local function dropped_attention(q, k, v, heads, mask, share)
  local b <const>, n <const>, width <const> = table.unpack(q.shape)
  local function of_heads(y)
    return y:reshape(b, y:size(2), heads, width // heads):transpose(2, 3)
  end
  local scores = of_heads(q):matmul(of_heads(k):transpose()) * (width / heads) ^ -0.5
  if mask then
    scores = scores + (mask.rank == 3 and mask:unsqueeze(2) or mask)
  end
  local mixed <const> = scores:softmax():dropout(share):matmul(of_heads(v))
  return mixed:transpose(2, 3):reshape(b, n, width)
end

local function apply_attention(self, x, memory, given)
  local o <const> = options(given, { mask = false, keys = false })
  memory = memory or x
  local function pictures(y)
    return y.rank == 3 and y:size(1) or 1
  end
  local b <const> = math.max(pictures(x), pictures(memory))
  local function for_each(y) -- what all pictures of a batch share is repeated
    return y:expand(b, y:size(-2), y:size(-1))
  end
  local q <const>, k <const> = for_each(self.query(x)), for_each(self.key(memory))
  local v <const>, mask <const> = for_each(self.value(memory)), joined(o.mask, o.keys)
  local mixed
  if self.drops and self.drop > 0 then
    mixed = dropped_attention(q, k, v, self.heads, mask, self.drop)
  else
    mixed = q:attention(k, v, { heads = self.heads, mask = mask })
  end
  local y <const> = self.out(mixed)
  return x.rank == 2 and memory.rank == 2 and y:squeeze(1) or y
end

-- Vaswani et al. 2017.
function nn.attention(width, given)
  local o <const> = options(given, { heads = 1, memory_width = width, dropout = 0 })
  if width % o.heads ~= 0 then
    error(("nn.attention: a width of %d does not divide into %d heads"):format(width, o.heads), 2)
  end
  local function projection(from)
    return affine(nn.xavier { width, from }, zeros(width))
  end
  return nn.module {
    query = projection(width), key = projection(o.memory_width),
    value = projection(o.memory_width), out = projection(width),
    heads = o.heads, drop = o.dropout, drops = true, forward = apply_attention,
  }
end

local function apply_decoder(self, x, memory, given)
  local o <const> = options(given, {
    mask = false, keys = false, self_mask = false, self_keys = false,
  })
  if not memory then
    error("nn.decoder: decoder(x, memory): the memory to attend to is missing", 2)
  end
  local function dropped(y)
    return self.drops and self.drop > 0 and y:dropout(self.drop) or y
  end
  local function step(norm, f)
    if self.pre_norm then
      x = x + dropped(f(norm(x)))
    else
      x = norm(x + dropped(f(x)))
    end
  end
  if self.self_attention then
    step(self.norm1, function(y)
      return self.self_attention(y, y, { mask = o.self_mask, keys = o.self_keys })
    end)
  end
  step(self.norm2, function(y)
    return self.cross_attention(y, memory, { mask = o.mask, keys = o.keys })
  end)
  step(self.norm3, function(y)
    return self.fc2(dropped(self.fc1(y, "relu")))
  end)
  return x
end

-- A decoder layer of Vaswani et al. 2017.
function nn.decoder(width, given)
  local o <const> = options(given, {
    heads = 1, hidden = 4 * width, self_attention = true, pre_norm = false, dropout = 0.1,
    memory_width = width, attention_dropout = 0,
  })
  local own <const> = o.self_attention
  local function attention(from)
    return nn.attention(width,
      { heads = o.heads, memory_width = from, dropout = o.attention_dropout })
  end
  return nn.module {
    self_attention = own and attention(width), norm1 = own and nn.norm(width),
    cross_attention = attention(o.memory_width),
    norm2 = nn.norm(width),
    fc1 = nn.linear(width, o.hidden), fc2 = nn.linear(o.hidden, width), norm3 = nn.norm(width),
    pre_norm = o.pre_norm, drop = o.dropout, drops = true, forward = apply_decoder,
  }
end

local function apply_adapter(self, x, memory, given)
  local o <const> = given or {}
  local z = self.down(x, "relu")
  if self.decoder then
    z = self.decoder(z, memory, { mask = o.mask, keys = o.keys })
  end
  -- the scale of a channel goes into its row: x is passed over once less
  return z:linear(self.up.weight * self.scale:unsqueeze(2), self.up.bias * self.scale,
    { residual = o.residual and x or nil })
end

-- A bottleneck around a decoder layer (ADA-CM, CMMP, HOLa); gets what is to be added to x: at first
-- zeros.
function nn.adapter(width, bottleneck, given)
  local o <const> = options(given, {
    decoder = { heads = 2, hidden = 2 * bottleneck, self_attention = false }, scale = 1e-9,
  })
  return nn.module {
    down = nn.linear(width, bottleneck),
    decoder = o.decoder and nn.decoder(bottleneck, o.decoder),
    up = affine(zeros(width, bottleneck), zeros(width)),
    scale = nn.parameter(tensors.full(o.scale, { width })), forward = apply_adapter,
  }
end

return nn
