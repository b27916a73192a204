-- nn: modules: names, training, freezing, files; what each layer computes.
local hoi = require "hoi"
local nn = require "hoi.nn"
local safetensors = require "hoi.safetensors"
local expect = dofile "tests/lua/expect.lua"
local near, says = expect.near, expect.says

local T = hoi.tensor

local function names_of(list)
  local names = {}
  for i, p in ipairs(list) do
    names[i] = p[1]
  end
  return names
end

-- Gets a path that is removed after the test.
local function temporary()
  local path = os.tmpname()
  finally(function()
    os.remove(path)
  end)
  return path
end

describe("a module", function()
  local function sample()
    local shared = nn.parameter { 1, 2 }
    return nn.module {
      scale = nn.parameter { 0.5, 2 }, bank = nn.buffer(hoi.ones(2, 2)),
      other = shared, tied = shared,
      layers = nn.list(2, function(i)
        return nn.linear(2, i)
      end),
      plain = { nn.parameter(7), deeper = { x = nn.parameter { 1 } } },
      cache = hoi.zeros(3), title = "not a tensor", count = 3,
      forward = function(self, x, factor)
        return x * self.scale * factor
      end,
    }
  end

  it("has its parameters by dotted names, in order, each once", function()
    local m = sample()
    local names = {
      "layers.1.bias", "layers.1.weight", "layers.2.bias", "layers.2.weight", "other", "plain.1",
      "plain.deeper.x", "scale",
    }
    assert.are.same(names, names_of(m:parameters()))
    assert.are.same({ "layers.2.bias", "layers.2.weight" }, names_of(m:parameters "^layers%.2"))
    assert.are.same({ "bias", "weight" }, names_of(m.layers[1]:parameters()))
    assert.are.same({ 2, 2 }, m:state().bank.shape)
    assert.is_nil(m:state().cache)
    says("no parameter has 'layer.3' in its name", m.parameters, m, "layer.3")
    assert.are.equal("Module (8 parameters, 15 values)", tostring(m))
    m.late = nn.parameter { 1 }
    assert.are.equal(9, #m:parameters())
    m.itself = m
    assert.are.equal(9, #m:parameters())
  end)

  it("has ten things of a list in their order", function()
    local list = nn.list(11, function()
      return nn.parameter(0)
    end)
    local names = names_of(list:parameters())
    assert.are.same({ "1", "2", "9", "10", "11" },
      { names[1], names[2], names[9], names[10], names[11] })
  end)

  it("calls its forward when it is called", function()
    near(T { 5, 40 }, sample()(T { 1, 2 }, 10):detach(), 0)
  end)

  it("owns its tensors: what it was made of stays", function()
    local features = hoi.ones(2, 2)
    local trained, kept = nn.parameter(features), nn.buffer(features)
    trained:write { { 5, 5 }, { 5, 5 } }
    kept:write { { 6, 6 }, { 6, 6 } }
    near(hoi.ones(2, 2), features, 0)
    assert.is_true(trained.trainable)
    assert.is_false(kept.trainable)
    local computed = nn.parameter(trained * 2)
    assert.is_false((computed:detach()).recorded)
    near(hoi.full(10, { 2, 2 }), computed:detach(), 0)
  end)

  it("trains and freezes what a pattern finds", function()
    local m = sample()
    assert.are.equal(m, m:freeze())
    for _, p in ipairs(m:parameters()) do
      assert.is_false(p[2].trainable)
    end
    assert.are.same({ "layers.1.bias", "layers.2.bias" }, names_of(m:train "bias$"))
    for _, p in ipairs(m:parameters()) do
      assert.are.equal(p[1]:find "bias$" ~= nil, p[2].trainable)
    end
    assert.are.equal(8, #m:train())
    m:freeze "^scale"
    assert.is_false(m.scale.trainable)
    assert.is_true(m.other.trainable)
    assert.is_false(m.bank.trainable)
    says("no parameter has 'scael'", m.freeze, m, "scael")
  end)

  it("comes back from a file as it was, buffers too, with its metadata", function()
    local path, m, again = temporary(), sample(), sample()
    m:save(path, { kind = "sample", epoch = 3 })
    again.bank:write { { 0, 0 }, { 0, 0 } }
    assert.are.equal(again, again:load(path))
    local state, other = m:state(), again:state()
    for name, x in pairs(state) do
      assert.is_true(x:bytes() == other[name]:bytes(), name)
    end
    near(T { 1, 2 }, again.tied:detach(), 0)
    local file <close> = safetensors.open(path)
    assert.are.same({ "hoi-module", "1", "sample", "3" }, { file:metadata "format",
      file:metadata "version", file:metadata "kind", file:metadata "epoch" })
    assert.are.equal(9, #file:names())
  end)

  it("refuses the file of another module, names what differs, and stays as it is", function()
    local path = temporary()
    nn.module { same = nn.parameter { 9, 9 }, wide = nn.parameter { 1, 2, 3 },
      extra = nn.parameter { 1 }, more = nn.buffer { 1 } }:save(path)
    local m = nn.module { same = nn.parameter { 1, 1 }, wide = nn.parameter { { 1, 2, 3 } },
      absent = nn.parameter { 1 } }
    says(path .. " is of another module: 'absent' is missing, 'extra' is not in this module, "
      .. "'more' is not in this module, 'wide' is 3, not 1x3", m.load, m, path)
    near(T { 1, 1 }, m.same:detach(), 0)
    says("nowhere", m.load, m, "/nowhere/at/all")
  end)

  it("drops only in training", function()
    local m = nn.module { inner = nn.decoder(4, { dropout = 0.5 }) }
    local x, memory = hoi.randn { 3, 4 }, hoi.randn { 2, 4 }
    local function same()
      return m.inner(x, memory):bytes() == m.inner(x, memory):bytes()
    end
    assert.is_false(same())
    assert.are.equal(m, m:dropout(false))
    assert.is_true(same())
    m:train()
    assert.is_false(same())
    m:freeze "norm"
    assert.is_false(same())
    m:freeze()
    assert.is_true(same())
  end)
end)

describe("initial values", function()
  it("are spread as their sources say", function()
    hoi.seed(2)
    local function deviation(x)
      return (x:detach() - x:detach():mean()):square():mean():sqrt():item()
    end
    local normal = nn.normal({ 100, 100 }, 0.3)
    assert.is_true(normal.trainable)
    assert.is_near(0.3, deviation(normal), 0.01)
    assert.is_near(0.02, deviation(nn.normal { 100, 100 }), 1e-3)
    for _, case in ipairs {
      { nn.xavier { 50, 150 }, (6 / 200) ^ 0.5 }, { nn.kaiming { 50, 150 }, (6 / 150) ^ 0.5 },
      { nn.kaiming({ 50, 150 }, 5 ^ 0.5), 150 ^ -0.5 },
      { nn.linear(150, 50).weight, 150 ^ -0.5 },
    } do
      local bound = case[1]:detach():abs():max():item()
      assert.is_true(bound <= case[2] * 1.0001 and bound > case[2] * 0.98)
    end
    assert.is_true(nn.linear(150, 50).bias:detach():abs():max():item() <= 150 ^ -0.5)
  end)
end)

describe("layers", function()
  it("linear: x W' + bias, or without", function()
    local layer = nn.linear(2, 3)
    layer.weight:write { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    layer.bias:write { 1, 0, -1 }
    near(T { { 4, 7, 10 } }, layer(T { { 1, 1 } }):detach(), 1e-6)
    near(T { { { 3, 6, 9 } } }, layer(T { { { 2, 0 } } }):detach(), 1e-6)
    local bare = nn.linear(2, 3, { bias = false })
    assert.are.same({ "weight" }, names_of(bare:parameters()))
    near(hoi.zeros(1, 3), bare(hoi.zeros(1, 2)):detach(), 0)
    says("did you mean 'bias'?", nn.linear, 2, 3, { bais = true })
  end)

  it("mlp: ReLU between, not behind", function()
    local mlp = nn.mlp { 4, 5, 6, 3 }
    assert.are.equal(6, #mlp:parameters())
    local x = hoi.randn { 7, 4 }
    near(mlp[3](mlp[2](mlp[1](x):relu()):relu()):detach(), mlp(x):detach(), 1e-6)
    assert.is_true(mlp(x):min():item() < 0)
  end)

  it("norm: mean 0 and deviation 1, then gain and bias", function()
    local norm = nn.norm(4)
    local y = norm(hoi.randn { 5, 4 }):detach()
    near(hoi.zeros { 5 }, y:mean(2), 1e-5)
    near(hoi.ones { 5 }, y:square():mean(2), 1e-3)
    norm.weight:write { 0, 0, 0, 0 }
    norm.bias:write { 1, 2, 3, 4 }
    near(T { { 1, 2, 3, 4 } }, norm(hoi.randn { 1, 4 }):detach(), 0)
  end)

  it("conv: sums over the neighbours of maps, channels last, zeros outside", function()
    local conv = nn.conv(2, 3, 3)
    local map = hoi.randn { 4, 5, 2 }
    local weight, bias = conv.weight:detach():reshape(3, 2, 3, 3):totable(), conv.bias:totable()
    local values, wanted = map:totable(), {}
    for y = 1, 4 do
      wanted[y] = {}
      for x = 1, 5 do
        wanted[y][x] = {}
        for o = 1, 3 do
          local sum = bias[o]
          for dy = -1, 1 do
            for dx = -1, 1 do
              local cell = values[y + dy] and values[y + dy][x + dx]
              for c = 1, cell and 2 or 0 do
                sum = sum + weight[o][c][dy + 2][dx + 2] * cell[c]
              end
            end
          end
          wanted[y][x][o] = sum
        end
      end
    end
    near(T(wanted), conv(map):detach(), 1e-5)
    near(T { wanted, wanted }, conv(map:expand(2, 4, 5, 2)):detach(), 1e-5)
    local point = nn.conv(2, 3, 1)
    near(map:linear(point.weight:detach(), point.bias:detach()), point(map):detach(), 1e-5)
    says("a kernel of 2 has no middle", nn.conv, 2, 3, 2)
    assert.is_true(hoi.gradcheck(function(x)
      return conv(x)
    end, map).ok)
  end)

  it("learn what no single linear layer can", function()
    hoi.seed(3)
    local mlp, x = nn.mlp { 2, 16, 1 }, T { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } }
    local y = T { { 0 }, { 1 }, { 1 }, { 0 } }
    local optimizer <close> = hoi.adamw(mlp:parameters(), { learning_rate = 0.05 })
    for _ = 1, 150 do
      hoi.losses.binary_cross_entropy(mlp(x), y):backward()
      optimizer:step()
    end
    assert.are.same({ { 0 }, { 1 }, { 1 }, { 0 } }, mlp(x):gt(0):totable())
  end)
end)

-- softmax(q k' / sqrt(d) + mask) v of one head, written out.
local function one_head(q, k, v, mask)
  local scores = q:matmul(k:transpose()) * q:size(-1) ^ -0.5
  return (mask and scores + mask or scores):softmax():matmul(v)
end

describe("attention", function()
  it("mixes the values of the keys that are like the query, head by head", function()
    local a = nn.attention(6, { heads = 2, memory_width = 5 })
    local x, memory, mask = hoi.randn { 3, 6 }, hoi.randn { 4, 5 }, hoi.randn { 3, 4 }
    local q, k, v = a.query(x), a.key(memory), a.value(memory)
    local function both(m)
      local heads = {}
      for i = 1, 2 do
        local from, to = 3 * i - 2, 3 * i
        heads[i] = one_head(q:slice(2, from, to), k:slice(2, from, to), v:slice(2, from, to), m)
      end
      return a.out(hoi.concat(heads, 2)):detach()
    end
    near(both(), a(x, memory):detach(), 1e-5)
    near(both(mask), a(x, memory, { mask = mask }):detach(), 1e-5)
    local keys = T { 1, 0, 1, 1 }
    local hidden = (keys - 1) * 1e30
    near(both(hidden), a(x, memory, { keys = keys }):detach(), 1e-5)
    near(both(mask + hidden), a(x, memory, { keys = keys, mask = mask }):detach(), 1e-5)
    near(a(x, memory):detach(), a(x, memory, { keys = hoi.ones(4) }):detach(), 0)
  end)

  it("gives each picture of a batch what it would get alone, shared or its own memory", function()
    local a = nn.attention(4, { heads = 2 })
    local x, memory = hoi.randn { 3, 5, 4 }, hoi.randn { 3, 6, 4 }
    local keys = T { { 1, 1, 1, 1, 1, 1 }, { 1, 1, 0, 0, 0, 0 }, { 0, 1, 0, 1, 0, 1 } }
    local all = a(x, memory, { keys = keys })
    assert.are.same({ 3, 5, 4 }, all.shape)
    for i = 1, 3 do
      local own, wanted = { keys = keys:slice(1, i, i) }, all:slice(1, i, i):detach()
      near(wanted, a(x:slice(1, i, i), memory:slice(1, i, i), own):detach(), 1e-6)
    end
    near(a(x:slice(1, 2, 2), memory:slice(1, 2, 2):slice(2, 1, 2)):detach(),
      all:slice(1, 2, 2):detach(), 1e-6)
    local shared = memory:slice(1, 1, 1):squeeze(1)
    near(a(x:slice(1, 3, 3):squeeze(1), shared):detach(),
      a(x, shared):detach():slice(1, 3, 3):squeeze(1), 1e-6)
    local queries = x:slice(1, 1, 1):squeeze(1)
    near(a(queries, memory:slice(1, 2, 2):squeeze(1)):detach(),
      a(queries, memory):detach():slice(1, 2, 2):squeeze(1), 1e-6)
    near(a(x, x):detach(), a(x):detach(), 0)
  end)

  it("is finite without keys, without queries, and with all keys hidden", function()
    local a = nn.attention(4)
    for _, case in ipairs {
      { hoi.randn { 2, 4 }, hoi.zeros(0, 4) }, { hoi.zeros(0, 4), hoi.randn { 3, 4 } },
      { hoi.randn { 2, 4 }, hoi.randn { 3, 4 }, { keys = hoi.zeros(3) } },
    } do
      local y = a(table.unpack(case))
      assert.are.same(case[1].shape, y.shape)
      y:sum():backward()
      for _, p in ipairs(a:parameters()) do
        local sum = p[2].grad:abs():sum():item()
        assert.is_true(sum == sum and sum < math.huge, p[1])
        p[2]:clear()
      end
    end
    says("a width of 4 does not divide into 3 heads", nn.attention, 4, { heads = 3 })
    says("did you mean 'heads'?", nn.attention, 4, { haeds = 2 })
    says("did you mean 'mask'?", a, hoi.zeros(2, 4), nil, { masc = 1 })
  end)
end)

describe("a decoder layer", function()
  local x, memory = { 3, 4 }, { 5, 4 }

  it("attends to itself, to the memory, and thinks; each step is added and normed", function()
    local d = nn.decoder(4, { heads = 2, hidden = 7, dropout = 0 })
    assert.are.same({ 7, 4 }, d.fc1.weight.shape)
    local y, m = hoi.randn(x), hoi.randn(memory)
    local own = T { { 1, 0, 1 } }
    local a = d.norm1(y + d.self_attention(y, y, { keys = own }))
    local b = d.norm2(a + d.cross_attention(a, m))
    local c = d.norm3(b + d.fc2(d.fc1(b):relu()))
    near(c:detach(), d(y, m, { self_keys = own }):detach(), 1e-6)
  end)

  it("can norm in front, and leave out attending to itself", function()
    local d = nn.decoder(4, { pre_norm = true, self_attention = false, dropout = 0 })
    assert.are.same({ 16, 4 }, d.fc1.weight.shape)
    assert.is_false(pcall(d.parameters, d, "self_attention"))
    assert.is_false(pcall(d.parameters, d, "norm1"))
    local y, m, keys = hoi.randn(x), hoi.randn(memory), T { 1, 1, 0, 0, 1 }
    local b = y + d.cross_attention(d.norm2(y), m, { keys = keys })
    local c = b + d.fc2(d.fc1(d.norm3(b)):relu())
    near(c:detach(), d(y, m, { keys = keys }):detach(), 1e-6)
    says("the memory to attend to is missing", d, y)
    says("did you mean 'keys'?", d, y, m, { kyes = keys })
    says("did you mean 'pre_norm'?", nn.decoder, 4, { prenorm = true })
  end)

  it("trains all of its parameters", function()
    local d = nn.decoder(4, { heads = 2 })
    d(hoi.randn { 2, 3, 4 }, hoi.randn(memory)):square():sum():backward()
    for _, p in ipairs(d:parameters()) do
      assert.is_truthy(p[2].grad, p[1])
    end
  end)
end)

describe("an adapter", function()
  it("adds nothing at first, and then learns", function()
    hoi.seed(8)
    local a = nn.adapter(6, 4, { scale = 0.5 })
    local x, memory = hoi.randn { 2, 3, 6 }, hoi.randn { 5, 4 }
    near(hoi.zeros { 2, 3, 6 }, a(x, memory):detach(), 0)
    local wanted = hoi.randn { 2, 3, 6 }
    local optimizer <close> = hoi.adamw(a:parameters(), { learning_rate = 0.02 })
    local first, last
    for _ = 1, 60 do
      local loss = (a(x, memory) - wanted):square():mean()
      loss:backward()
      optimizer:step()
      last = loss:item()
      first = first or last
    end
    assert.is_true(last < 0.5 * first)
  end)

  it("has a scale of 1e-9 for each channel, and a decoder of the options given, or none", function()
    local a = nn.adapter(6, 4)
    near(hoi.full(1, { 6 }), a.scale:detach() * 1e9, 1e-6)
    assert.are.same({ 8, 4 }, a.decoder.fc1.weight.shape)
    assert.is_false(a.decoder.self_attention)
    local with = nn.adapter(6, 4, { decoder = { self_attention = true, memory_width = 3 } })
    assert.are.same({ 4, 3 }, with.decoder.cross_attention.key.weight.shape)
    assert.are.same({ 7, 6 }, with(hoi.zeros(7, 6), hoi.zeros(2, 3)).shape)
    local plain = nn.adapter(6, 4, { decoder = false, scale = 1 })
    assert.are.same({ "down.bias", "down.weight", "scale", "up.bias", "up.weight" },
      names_of(plain:parameters()))
    local x = hoi.randn { 3, 6 }
    plain.up.weight:write(hoi.randn { 6, 4 })
    near(plain.up(plain.down(x):relu()):detach(), plain(x):detach(), 1e-6)
    says("did you mean 'decoder'?", nn.adapter, 6, 4, { decode = false })
    says("did you mean 'heads'?", nn.adapter, 6, 4, { decoder = { haeds = 2 } })
  end)
end)

describe("twenty lines of Lua", function()
  it("train a linear probe", function()
    local clip <close> = hoi.clip "tests/golden/clip_gelu"
    hoi.seed(66)
    local function examples(count) -- features (count, width) of noise, and its colour
      local images, labels = {}, {}
      for i = 1, count do
        local bytes, color = {}, math.random(3)
        for k = 1, 32 * 32 * 3 do
          bytes[k] = string.char(math.random(0, (k - color) % 3 == 0 and 255 or 128))
        end
        images[i], labels[i] = hoi.image.new(32, 32, table.concat(bytes)), color
      end
      return clip:encode_image(images):normalize(), labels
    end
    local features, labels = examples(48)
    local probe = hoi.nn.linear(clip.width, 3)
    local optimizer <close> = hoi.adamw(probe:parameters(), { learning_rate = 0.3 })
    for _ = 1, 60 do
      hoi.losses.cross_entropy(probe(features), labels):backward()
      optimizer:step()
    end
    local right, unknown, truth = 0, examples(30)
    for i, guess in ipairs(probe(unknown):argmax()) do
      right = right + (guess == truth[i] and 1 or 0)
    end
    assert.is_true(right >= 27, right .. " of 30 right")
  end)

  it("a pattern that names no parameter is an error, of modules and of CLIP", function()
    for _, owner in ipairs { hoi.nn.linear(2, 3), hoi.clip() } do
      for _, what in ipairs { "train", "freeze" } do
        local ok, message = pcall(owner[what], owner, "wieght")
        assert.is_false(ok)
        assert.is_truthy(tostring(message):find("'wieght'", 1, true), what)
      end
    end
  end)
end)
