-- tensor: every method of hoi.Tensor once, by hand; broadcasting, printing, errors, gradients.
local hoi = require "hoi"
local safetensors = require "hoi.safetensors"
local says = dofile "tests/lua/expect.lua".says

local T = hoi.tensor -- loads the class
local meta = debug.getregistry()["hoi.Tensor"]

-- Asserts shape and values, given as nested lists or a number.
local function is(wanted, got)
  local want = T(wanted)
  assert.are.same(want.shape, got.shape)
  for i, value in ipairs(got:reshape(-1):totable()) do
    assert.is_near(want:reshape(-1):totable()[i], value, 1e-5)
  end
end

-- Gets the gradient of sum(f(x) * weight) by x.
local function gradient(f, x, weight)
  local leaf = (x * 1):train()
  local y = f(leaf);
  (weight and y * weight or y):sum():backward()
  return leaf.grad
end

-- What each method does to a tiny value.
local methods = {
  item = function()
    assert.are.equal(2.5, T(2.5):item())
    assert.are.equal(3, T({ { 3 } }):item())
    says("item: a single value is wanted, this tensor is 2", T({ 1, 2 }).item, T { 1, 2 })
  end,
  totable = function()
    assert.are.same({ { 1, 2 }, { 3, 4 } }, T({ { 1, 2 }, { 3, 4 } }):totable())
    assert.are.equal(5, T(5):totable())
    assert.are.same({}, hoi.zeros(0, 2):totable())
  end,
  bytes = function()
    assert.are.equal(string.pack("fff", 1, -2, 0.5), T({ 1, -2, 0.5 }):bytes())
    is({ { 1, -2 } }, T(string.pack("ff", 1, -2), { 1, 2 }))
    says("4 bytes for 2 floats", T, string.pack("f", 1), { 2 })
  end,
  write = function()
    local x = hoi.zeros(2, 2)
    is({ { 1, 2 }, { 3, 4 } }, x:write { { 1, 2 }, { 3, 4 } })
    is({ { 5, 6 }, { 7, 8 } }, x:write(T { 5, 6, 7, 8 }))
    is({ { 1, 1 }, { 1, 1 } }, x:write(string.pack("ffff", 1, 1, 1, 1)))
    is({ { 2, 2 }, { 2, 2 } }, x + x:detach())
    says("write: 3 values for 4", x.write, x, { 1, 2, 3 })
    x:train()
    says("only a leaf can be overwritten", meta.__methods.write, x * 2, { 1, 2, 3, 4 })
  end,
  size = function()
    local x = hoi.zeros(2, 3, 4)
    assert.are.same({ 2, 4, 4, 2 }, { x:size(1), x:size(3), x:size(-1), x:size(-3) })
    says("dimension 4 of a tensor of rank 3", x.size, x, 4)
    says("dimension -4 of a tensor of rank 3", x.size, x, -4)
    says("dimension 0 of a tensor of rank 3", x.size, x, 0)
  end,
  count = function()
    assert.are.same({ 24, 1, 0 },
      { hoi.zeros(2, 3, 4):count(), T(1):count(), hoi.zeros(0, 3):count() })
  end,
  detach = function()
    local x = T({ 1, 2 }):train()
    assert.is_true((x * 2).recorded)
    assert.is_false((x * 2):detach().recorded)
    is({ 2, 4 }, (x * 2):detach())
  end,
  float = function()
    local x = T { 1, 2 }
    assert.are.equal(x, x:float())
    local file <close> = safetensors.open "tests/golden/clip_half/model.safetensors"
    local half <close> = hoi.clip "tests/golden/clip_half"
    local weight = half:parameters "^visual_projection"[1][2]
    assert.are.equal("F16", weight.dtype)
    assert.are.equal("F32", weight:float().dtype)
    assert.is_true(weight:float():bytes() == file:tensor "visual_projection.weight":bytes())
  end,
  train = function()
    local x = T { 1, 2 }
    assert.is_false(x.trainable)
    assert.are.equal(x, x:train())
    assert.is_true(x.trainable);
    (x * x):sum():backward()
    assert.is_truthy(x.grad)
    x:train(false)
    assert.is_false(x.trainable)
    assert.is_nil(x.grad)
    x:train()
    says("only a leaf can be trained", meta.__methods.train, x * 2)
  end,
  backward = function()
    local x = T({ 3, -1 }):train()
    local loss = (x * x):sum()
    loss:backward()
    is({ 6, -2 }, x.grad);
    (x * 2):sum():backward() -- is added
    is({ 8, 0 }, x.grad)
    says("its record is used up", loss.backward, loss)
    says("a loss is a single value, this is 2", meta.__methods.backward, x * 2)
    says("no trainable tensor reaches", meta.__methods.backward, T(1))
    x:clear();
    (x * 2):backward(T { 10, 1 })
    is({ 20, 2 }, x.grad)
    says("the seed's shape is not the loss's", meta.__methods.backward, x * 2, T { 1, 1, 1 })
  end,
  clear = function()
    local x = T({ 1, 2 }):train()
    x:sum():backward()
    assert.are.equal(x, x:clear())
    assert.is_nil(x.grad)
  end,
  pow = function()
    is({ 8, 27 }, T({ 2, 3 }):pow(3))
    is({ 4, 9 }, T({ 2, 3 }) ^ 2)
    is({ 12, 27 }, gradient(function(x)
      return x ^ 3
    end, T { 2, 3 }))
  end,
  maximum = function()
    is({ 2, 5, 3 }, T({ 1, 5, 3 }):maximum(T { 2, 4, 3 }))
    is({ 2, 5 }, T({ 1, 5 }):maximum(2))
  end,
  minimum = function()
    is({ 1, 4, 3 }, T({ 1, 5, 3 }):minimum(T { 2, 4, 3 }))
    is({ 1, 2 }, T({ 1, 5 }):minimum(2))
  end,
  gt = function()
    is({ 0, 0, 1 }, T({ 1, 2, 3 }):gt(2))
    is({ 0, 1 }, T({ 1, 2 }):gt(T { 1, 1 }))
  end,
  ge = function()
    is({ 0, 1, 1 }, T({ 1, 2, 3 }):ge(2))
  end,
  eq = function()
    is({ 0, 1, 0 }, T({ 1, 2, 3 }):eq(2))
  end,
  where = function()
    is({ 10, 2 }, T({ 1, 0 }):where(10, T { 1, 2 }))
    is({ { 1, 1 }, { 0, 0 } }, T({ { 1 }, { 0 } }):where(1, T { 0, 0 }))
  end,
  exp = function()
    is({ 1, math.exp(1) }, T({ 0, 1 }):exp())
  end,
  log = function()
    is({ 0, math.log(2) }, T({ 1, 2 }):log())
  end,
  sqrt = function()
    is({ 0, 3 }, T({ 0, 9 }):sqrt())
  end,
  square = function()
    is({ 4, 9 }, T({ -2, 3 }):square())
  end,
  abs = function()
    is({ 2, 0, 3 }, T({ -2, 0, 3 }):abs())
  end,
  quick_gelu = function()
    is({ 0, 1 / (1 + math.exp(-1.702)) }, T({ 0, 1 }):quick_gelu())
  end,
  gelu = function()
    is({ 0, 0.8413447, -0.1586553 }, T({ 0, 1, -1 }):gelu())
  end,
  relu = function()
    is({ 0, 0, 2 }, T({ -1, 0, 2 }):relu())
  end,
  leaky_relu = function()
    is({ -0.01, 2 }, T({ -1, 2 }):leaky_relu())
    is({ -0.5, 2 }, T({ -1, 2 }):leaky_relu(0.5))
  end,
  sigmoid = function()
    is({ 0.5, 1, 0 }, T({ 0, 100, -100 }):sigmoid())
  end,
  tanh = function()
    is({ 0, 0.7615942, -1 }, T({ 0, 1, -50 }):tanh())
  end,
  softplus = function()
    is({ math.log(2), 100, 0 }, T({ 0, 100, -100 }):softplus())
  end,
  reciprocal = function()
    is({ 0.5, -4 }, T({ 2, -0.25 }):reciprocal())
  end,
  clamp = function()
    is({ -1, 0.5, 2 }, T({ -7, 0.5, 7 }):clamp(-1, 2))
  end,
  sin = function()
    is({ 0, math.sin(2) }, T({ 0, 2 }):sin())
  end,
  cos = function()
    is({ 1, math.cos(2) }, T({ 0, 2 }):cos())
  end,
  half = function()
    is({ 1, 1 + 2 ^ -10 }, T({ 1 + 2 ^ -12, 1 + 3 * 2 ^ -12 }):half())
  end,
  elu = function()
    is({ math.exp(-1) - 1, 0, 2 }, T({ -1, 0, 2 }):elu())
  end,
  reshape = function()
    is({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, T({ { 1, 2, 3 }, { 4, 5, 6 } }):reshape(3, 2))
    is({ { 1, 2, 3, 4 } }, T({ 1, 2, 3, 4 }):reshape { 1, -1 })
    is({ 7 }, T(7):reshape(1))
    says("has 4 elements", T({ 1, 2, 3, 4 }).reshape, T { 1, 2, 3, 4 }, 3)
  end,
  expand = function()
    is({ { 1, 2 }, { 1, 2 } }, T({ 1, 2 }):expand(2, 2))
    is({ { 1, 1 }, { 2, 2 } }, T({ { 1 }, { 2 } }):expand { 2, 2 })
    is({ 2, 2 }, gradient(function(x)
      return x:expand(2, 2)
    end, T { 1, 2 }))
    says("2 can not be repeated to 3", T({ 1, 2 }).expand, T { 1, 2 }, 3)
  end,
  transpose = function()
    is({ { 1, 3 }, { 2, 4 } }, T({ { 1, 2 }, { 3, 4 } }):transpose())
    local x = hoi.zeros(2, 3, 4)
    assert.are.same({ 2, 4, 3 }, x:transpose().shape)
    assert.are.same({ 4, 3, 2 }, x:transpose(1, 3).shape)
    assert.are.same({ 3, 2, 4 }, x:transpose(-2, -3).shape)
  end,
  permute = function()
    is({ { { 1 }, { 3 } }, { { 2 }, { 4 } } }, T({ { { 1, 2 }, { 3, 4 } } }):permute(3, 2, 1))
    local x = hoi.zeros(2, 3, 4)
    says("2 dimensions named, the tensor has 3", x.permute, x, 1, 2)
    says("each of the 3 dimensions must be named once", x.permute, x, 1, 2, 2)
  end,
  slice = function()
    local x = T { { 1, 2, 3 }, { 4, 5, 6 } }
    is({ { 4, 5, 6 } }, x:slice(1, 2, 2))
    is({ { 2, 3 }, { 5, 6 } }, x:slice(2, 2))
    is({ { 2 }, { 5 } }, x:slice(-1, -2, -2))
    assert.are.same({ 2, 0 }, x:slice(2, 4).shape)
    is({ { 0, 0, 0 }, { 0, 1, 1 } }, gradient(function(y)
      return y:slice(1, 2):slice(2, 2)
    end, x))
    says("slice: 1..4 of 1..3", x.slice, x, 2, 1, 4)
    says("slice: 0..2 of 1..3", x.slice, x, 2, 0, 2)
  end,
  pad = function()
    is({ { 0, 1, 2, 0, 0 } }, T({ { 1, 2 } }):pad(2, 1, 2))
    is({ { 1, 2 }, { 0, 0 } }, T({ { 1, 2 } }):pad(-2, 0, 1))
  end,
  rows = function()
    is({ { 3, 4 }, { 1, 2 }, { 3, 4 } }, T({ { 1, 2 }, { 3, 4 } }):rows { 2, 1, 2 })
    is({ { 1, 1 }, { 2, 2 } }, gradient(function(x)
      return x:rows { 2, 1, 2 }
    end, hoi.zeros(2, 2)))
    assert.are.same({ 0, 2 }, hoi.zeros(3, 2):rows({}).shape)
    says("place 3 of 1..2", T({ 1, 2 }).rows, T { 1, 2 }, { 3 })
    says("rows: place 0 of 1..2", T({ 1, 2 }).rows, T { 1, 2 }, { 0 })
    says("number 2 is a string", T({ 1, 2 }).rows, T { 1, 2 }, { 1, "x" })
  end,
  scatter = function()
    is({ 4, 0, 2 }, T({ 1, 2, 3 }):scatter({ 1, 3, 1 }, 3))
    says("place 4 of 1..3", T({ 1 }).scatter, T { 1 }, { 4 }, 3)
    says("2 places for 1 rows", T({ 1 }).scatter, T { 1 }, { 1, 2 }, 3)
  end,
  take = function()
    is({ { 3 }, { 4 } }, T({ { 1, 2, 3 }, { 4, 5, 6 } }):take { 3, 1 })
    is({ { 1, 3 }, { 6, 6 } }, T({ { 1, 2, 3 }, { 4, 5, 6 } }):take({ 1, 3, 3, 3 }, 2))
    is({ 0, 2 }, gradient(function(x)
      return x:take({ 2, 2 }, 2)
    end, T { 1, 2 }))
  end,
  unfold = function()
    local x = T { { { { 1, 2 }, { 3, 4 } } } } -- one channel, 2 x 2
    is({ { { 1, 2, 3, 4 } } }, x:unfold { kernel = 2 })
    is({ { { 0, 0, 0, 1 }, { 0, 0, 2, 0 }, { 0, 3, 0, 0 }, { 4, 0, 0, 0 } } },
      x:unfold { kernel = 2, stride = 2, pad = 1 })
    local last = T { { { { 1, 10 }, { 2, 20 } } } } -- 1 x 2, two channels last
    is({ { { 1, 10 }, { 2, 20 } } }, last:unfold { kernel = 1, channels_last = true })
    says("did you mean 'kernel'?", x.unfold, x, { kernal = 3 })
    says("kernel 5, stride 1, pad 0 on 2x2", x.unfold, x, { kernel = 5 })
  end,
  conv2d = function()
    local x = T { { { { 1 }, { 2 } }, { { 3 }, { 4 } } } } -- 2 x 2, one channel
    local w, b = T { { { { 1 }, { 0 } }, { { 0 }, { -1 } } } }, T { 1 }
    is({ { { { -2 } } } }, x:conv2d(w, b))
    is({ { { { 0 } } } }, x:conv2d(w, b, { activation = "relu" }))
    is({ { { { 3 } } } }, x:conv2d(w, b, { activation = "relu", residual = T { { { { 5 } } } } }))
    is({ { { { 0 }, { 1 } }, { { 1 }, { 5 } } } }, x:conv2d(w, b, { stride = 2, pad = 1 }))
    says("a bias 2 for a weight 1x2x2x1", x.conv2d, x, w, T { 1, 2 })
    says("through a weight 1x2x1x2", x.conv2d, x, w:transpose(3, 4))
    says("kernel 2, stride 0, pad 0 on 1x2x2x1", x.conv2d, x, w, b, { stride = 0 })
    says("did you mean 'relu'?", x.conv2d, x, w, b, { activation = "rel" })
    says("did you mean 'stride'?", x.conv2d, x, w, b, { strid = 2 })
  end,
  max_pool = function()
    local x = T { { { { 1 }, { 2 }, { 5 } }, { { 3 }, { -4 }, { 5 } } } } -- 2 x 3, one channel
    is({ { { { 3 } } } }, x:max_pool())
    is({ { { { 3 }, { 5 } } } }, x:max_pool { kernel = 3, stride = 2, pad = 1 })
    is({ { { { 0 }, { 0 }, { 1 } }, { { 1 }, { 0 }, { 0 } } } }, gradient(function(y)
      return y:max_pool { stride = 1 }
    end, x))
    says("a pad of 2 is more than half of the kernel, 3", x.max_pool, x, { kernel = 3, pad = 2 })
    says("max_pool: pictures (count, height, width, channels)", x.max_pool, T { 1 })
  end,
  mean_pool = function()
    local x = T { { { { 1 }, { 2 }, { 5 } }, { { 3 }, { -4 }, { 5 } } } }
    is({ { { { 0.5 }, { 2 } } } }, x:mean_pool { stride = 1 })
    is({ { { { 0.25 }, { 1.75 } }, { { 0.75 }, { 0.25 } } } }, x:mean_pool { kernel = 2, pad = 1 })
    says("did you mean 'kernel'?", x.mean_pool, x, { kernal = 3 })
  end,
  sum = function()
    local x = T { { 1, 2 }, { 3, 4 } }
    is(10, x:sum())
    is({ 4, 6 }, x:sum(1))
    is({ { 3 }, { 7 } }, x:sum(-1, true))
    is(0, hoi.zeros(0):sum())
  end,
  mean = function()
    local x = T { { 1, 2 }, { 3, 4 } }
    is(2.5, x:mean())
    is({ 1.5, 3.5 }, x:mean(2))
    is({ { 2, 3 } }, x:mean(1, true))
    is(0, hoi.zeros(0):mean())
  end,
  max = function()
    local x = T { { 1, 4 }, { 3, 2 } }
    is(4, x:max())
    is({ 3, 4 }, x:max(1))
    is({ { 4 }, { 3 } }, x:max(2, true))
    is({ 0.5, 0, 0.5 }, gradient(function(y)
      return y:max()
    end, T { 7, 1, 7 }))
  end,
  min = function()
    is(1, T({ { 1, 4 }, { 3, 2 } }):min())
    is({ 1, 2 }, T({ { 1, 4 }, { 3, 2 } }):min(2))
  end,
  softmax = function()
    is({ { 0.25, 0.75 }, { 0.5, 0.5 } }, T({ { 0, math.log(3) }, { 1000, 1000 } }):softmax())
  end,
  log_softmax = function()
    is({ math.log(0.25), math.log(0.75) }, T({ 0, math.log(3) }):log_softmax())
    is({ -200, 0 }, T({ -100, 100 }):log_softmax())
  end,
  layer_norm = function()
    is({ { -2 + 1, 2 + 1 } }, T({ { 4, 6 } }):layer_norm(T { 2, 2 }, T { 1, 1 }, 0))
    says("gain and bias of 3", hoi.zeros(2, 3).layer_norm, hoi.zeros(2, 3), T { 1 }, T { 1 })
  end,
  normalize = function()
    is({ { 0.6, 0.8 }, { 0, 0 } }, T({ { 3, 4 }, { 0, 0 } }):normalize())
  end,
  cumsum = function()
    is({ { 1, 3, 6 }, { 1, 1, 1 } }, T({ { 1, 2, 3 }, { 1, 0, 0 } }):cumsum())
  end,
  inverse = function()
    is({ { 0.5, 0 }, { 0, 0.25 } }, T({ { 2, 0 }, { 0, 4 } }):inverse())
    says("the matrix is singular", meta.__methods.inverse, T { { 1, 2 }, { 2, 4 } })
    says("a square matrix", meta.__methods.inverse, T { 1, 2 })
  end,
  pinverse = function()
    is({ { 0.5 }, { 0.5 } }, T({ { 1, 1 } }):pinverse())
    local x = hoi.randn { 3, 5 }
    is({ { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, x:matmul(x:pinverse()))
  end,
  topk = function()
    local values, places = T({ { 1, 3, 2 }, { 9, 7, 8 } }):topk(2)
    is({ { 3, 2 }, { 9, 8 } }, values)
    assert.are.same({ { 2, 3 }, { 1, 3 } }, places)
    is({ 0, 1, 1 }, gradient(function(x)
      return (x:topk(2))
    end, T { 1, 3, 2 }))
    says("topk: 3 of 2 values", T({ 1, 2 }).topk, T { 1, 2 }, 3)
  end,
  sort = function()
    local values, places = T({ 1, 3, 2, 3 }):sort()
    is({ 3, 3, 2, 1 }, values)
    assert.are.same({ 2, 4, 3, 1 }, places) -- equal values in their order
    is({ 1, 2, 3, 3 }, (T({ 1, 3, 2, 3 }):sort(true)))
  end,
  argmax = function()
    assert.are.same({ 2, 1 }, T({ { 1, 3, 2 }, { 9, 7, 9 } }):argmax())
    assert.are.equal(3, T({ 1, 2, 3 }):argmax())
  end,
  matmul = function()
    is({ { 3 }, { 7 } }, T({ { 1, 2 }, { 3, 4 } }):matmul(T { { 1 }, { 1 } }))
    local two = T { { { 1 }, { 1 } }, { { 1 }, { 2 } } }
    is({ { { 2 } }, { { 3 } } }, T({ { { 1, 1 } } }):matmul(two))
    says("matmul: 1x2 times 1x2", T({ { 1, 2 } }).matmul, T { { 1, 2 } }, T { { 1, 2 } })
    assert.are.same({ 0, 3 }, hoi.zeros(0, 2):matmul(hoi.zeros(2, 3)).shape)
  end,
  linear = function()
    local x, w, b = T { { 1, 2 } }, T { { 1, 1 }, { 1, -1 }, { 0, 2 } }, T { 0, 0, -5 }
    is({ { 3, -1, 4 } }, x:linear(w))
    is({ { 3, -1, -1 } }, x:linear(w, b))
    is({ { 3, 0, 0 } }, x:linear(w, b, { activation = "relu" }))
    is({ { 13, 10, 10 } }, x:linear(w, b, { activation = "relu", residual = T { { 10, 10, 10 } } }))
    says("a bias 2 for a weight 3x2", x.linear, x, w, T { 1, 2 })
    says("1x2 through a weight 2x3", x.linear, x, w:transpose())
    says("did you mean 'quick_gelu'?", x.linear, x, w, b, { activation = "quickgelu" })
    says("did you mean 'residual'?", x.linear, x, w, b, { residul = x })
  end,
  attention = function()
    local q, v = hoi.zeros(1, 1, 2), T { { { 2, 0 }, { 4, 8 } } }
    is({ { { 3, 4 } } }, q:attention(hoi.zeros(1, 2, 2), v))
    is({ { { 4, 8 } } }, q:attention(hoi.zeros(1, 2, 2), v, { mask = T { { -math.huge, 0 } } }))
    local all = hoi.concat({ hoi.zeros(1, 2, 4), v }, 3) -- queries, keys and values side by side
    is({ { { 2, 0 }, { 3, 4 } } }, all:attention(nil, nil, { causal = true, heads = 2 }))
    says("does not divide into 3 heads", all.attention, all, nil, nil, { heads = 3 })
    says("'mask': a tensor is wanted, got number", all.attention, all, nil, nil, { mask = 1 })
  end,
  dropout = function()
    local x = hoi.ones(1000)
    assert.are.equal(x, x:dropout(0))
    hoi.seed(3)
    local y = x:dropout(0.25)
    local kept = y:gt(0):sum():item()
    assert.is_true(kept > 700 and kept < 800)
    assert.is_near(kept / 0.75, y:sum():item(), 1e-2)
    hoi.seed(3)
    assert.is_true(y:bytes() == x:dropout(0.25):bytes())
    assert.is_false(y:bytes() == x:dropout(0.25):bytes())
    says("a probability below 1 is wanted", x.dropout, x, 1)
  end,
  unsqueeze = function()
    local x = hoi.zeros(2, 3)
    assert.are.same({ 1, 2, 3 }, x:unsqueeze(1).shape)
    assert.are.same({ 2, 3, 1 }, x:unsqueeze(3).shape)
    assert.are.same({ 2, 3, 1 }, x:unsqueeze(-1).shape)
    assert.are.same({ 2, 1, 3 }, x:unsqueeze(-2).shape)
  end,
  squeeze = function()
    assert.are.same({ 2, 3 }, hoi.zeros(2, 1, 3):squeeze(2).shape)
    assert.are.same({ 2 }, hoi.zeros(2, 1):squeeze(-1).shape)
    says("dimension 1 of Tensor 2x1 float32 is not 1", meta.__methods.squeeze, hoi.zeros(2, 1), 1)
  end,
  sparsemax = function()
    is({ { 0.75, 0.25, 0 }, { 1, 0, 0 } }, T({ { 1, 0.5, -1 }, { 5, 0, 0 } }):sparsemax())
  end,
  cosine = function()
    local a, b = T { { 1, 0 }, { 2, 2 }, { 0, 0 } }, T { { 0, 3 }, { -1, -1 }, { 1, 1 } }
    is({ 0, -1, 0 }, a:cosine(b))
  end,
  show = function()
    assert.are.equal("Tensor 2x2 float32\n          1          2\n        0.5    -0.3333",
      T({ { 1, 2 }, { 0.5, -1 / 3 } }):show())
    assert.are.equal("Tensor scalar float32  3.14159", T(math.pi):show())
    assert.are.equal("Tensor 0x3 float32", hoi.zeros(0, 3):show())
    local long = hoi.zeros(20, 20):show()
    local _, lines = long:gsub("\n", "\n")
    assert.are.equal(7, lines) -- three rows at each edge
    assert.are.equal(8, select(2, long:gsub("%.%.%.", "%0")) + 1)
    assert.are.equal(long, meta.__show(hoi.zeros(20, 20)))
  end,
  release = function()
    local x = T { 1, 2 }
    x:release()
    x:release()
    says("hoi.Tensor was released", x.sum, x)
    says("hoi.Tensor was released", function()
      return x + 1
    end)
    says("hoi.Tensor was released", function()
      return x.shape
    end)
    assert.are.equal("Tensor (released)", tostring(x))
  end,
}

describe("hoi.Tensor:", function()
  for name, check in pairs(methods) do
    it(name, check)
  end

  it("has no method that is not tried here", function()
    for name in pairs(meta.__methods) do
      assert.is_truthy(methods[name], name)
    end
    for name in pairs(methods) do
      assert.is_truthy(meta.__methods[name], name)
    end
  end)
end)

describe("tensors", function()
  it("are made of numbers, lists, sizes and chance", function()
    is(2, T(2))
    is({ { 1, 2 } }, T { { 1, 2 } })
    is({}, T {})
    assert.are.same({ 2, 0 }, T({ {}, {} }).shape)
    is({ { 7, 7 } }, hoi.full(7, { 1, 2 }))
    is({ { 0 }, { 0 } }, hoi.zeros { 2, 1 })
    is({ 1, 1 }, hoi.ones(2))
    is({ { 1, 3 }, { 2, 4 } }, hoi.concat({ T { { 1 }, { 2 } }, T { { 3 }, { 4 } } }, 2))
    is({ 1, 2, 3 }, hoi.concat { T { 1 }, T { 2, 3 } })
    local many = {}
    for i = 1, 30 do
      many[i] = T { i }
    end
    assert.are.equal(465, hoi.concat(many):sum():item())
    assert.is_true(hoi.is_tensor(T(1)))
    assert.is_false(hoi.is_tensor { 1 })
  end)

  it("refuse lists that are no box, and shapes that are none", function()
    says("lists of one length", T, { { 1, 2 }, { 3 } })
    says("lists of one length", T, { { 1 }, 2 })
    says("one is a string", T, { 1, "x" })
    says("number or nested lists", T, true)
    says("nested deeper than 6", T, { { { { { { { 1 } } } } } } })
    says("sizes are 0 or more", hoi.zeros, -1)
    says("size 1 is a number", hoi.zeros, 1.5)
    says("a shape of 7 sizes; at most 6", hoi.zeros, 1, 1, 1, 1, 1, 1, 1)
    says("fewer than 2^31", hoi.zeros, 1 << 20, 1 << 20)
    says("the list is empty", hoi.concat, {})
    says("number 2 is a number", hoi.concat, { T { 1 }, 2 })
    says("does not fit beside", hoi.concat, { hoi.zeros(2, 2), hoi.zeros(3, 3) }, 1)
    says("did you mean 'deviation'?", hoi.randn, { 2 }, { deviatoin = 1 })
    says("did you mean 'high'?", hoi.uniform, { 2 }, { hihg = 1 })
  end)

  it("of chance have the distribution asked for, the same for the same seed", function()
    hoi.seed(11)
    local normal = hoi.randn({ 20000 }, { mean = 3, deviation = 2 })
    local even = hoi.uniform({ 20000 }, { low = -1, high = 3 })
    assert.is_near(3, normal:mean():item(), 0.1)
    assert.is_near(2, (normal - 3):square():mean():sqrt():item(), 0.1)
    assert.is_near(1, even:mean():item(), 0.1)
    assert.is_true(even:min():item() >= -1 and even:max():item() < 3)
    local seed, count = hoi.seed()
    assert.are.same({ 11, 2 }, { seed, count })
    local next_one = hoi.randn({ 10 }):bytes()
    hoi.seed(11)
    assert.is_true(normal:bytes()
      == hoi.randn({ 20000 }, { mean = 3, deviation = 2 }):bytes())
    hoi.seed(11, 2)
    assert.is_true(next_one == hoi.randn({ 10 }):bytes())
    hoi.seed(11)
    local a = math.random()
    hoi.seed(11)
    assert.are.equal(a, math.random())
    hoi.seed(12)
    assert.is_false(next_one == hoi.randn({ 10 }):bytes())
  end)

  it("have fields, a length, and no others", function()
    local x = hoi.zeros(2, 3)
    assert.are.same({ { 2, 3 }, 2, "F32", false, false, 2 },
      { x.shape, x.rank, x.dtype, x.trainable, x.recorded, #x })
    assert.is_nil(x.grad)
    assert.are.equal(0, #T(1))
    x.shape[1] = 7 -- a list of one's own
    assert.are.same({ 2, 3 }, x.shape)
    says("hoi.Tensor has no 'shap'", function()
      return x.shap
    end)
    says("attempt to", function()
      x.shape = { 3, 2 }
    end)
    says("hoi.Tensor expected, got number", x.matmul, x, 3)
    says("hoi.Tensor expected, got no value", x.exp)
  end)

  it("broadcast as in NumPy, gradients too", function()
    local column, row = T { { 1 }, { 2 } }, T { 10, 20, 30 }
    is({ { 11, 21, 31 }, { 12, 22, 32 } }, column + row)
    is({ { -9, -19, -29 }, { -8, -18, -28 } }, column - row)
    is({ { 10, 20, 30 }, { 20, 40, 60 } }, column * row)
    is({ { 0.1, 0.05 }, { 0.2, 0.1 } }, column / T { 10, 20 })
    is({ { { 2, 3 } }, { { 3, 4 } } }, T { { { 1 } }, { { 2 } } } + T { { 1, 2 } })
    is({ 3, 4 }, T({ 1, 2 }) + 2)
    is({ 1, 0 }, 2 - T { 1, 2 })
    is({ 2, 1 }, 2 / T { 1, 2 })
    is({ 3, 6 }, 3 * T { 1, 2 })
    is({ -1, -2 }, -T { 1, 2 })
    is({ { 60 }, { 60 } }, gradient(function(x)
      return x * row
    end, column))
    is({ 3, 3, 3 }, gradient(function(x)
      return column * x
    end, row))
    says("shapes 2 and 3 do not fit", function()
      return T { 1, 2 } + T { 1, 2, 3 }
    end)
    says("hoi.Tensor expected, got table", function()
      return T(1) + {}
    end)
  end)

  it("print in one line", function()
    local x = hoi.zeros(2, 512)
    assert.are.equal("Tensor 2x512 float32", tostring(x))
    x:train()
    assert.are.equal("Tensor 2x512 float32 trainable", tostring(x))
    assert.are.equal("Tensor 2x512 float32 recorded", tostring(x * 2))
    assert.are.equal("Tensor scalar float32", tostring(T(3)))
  end)

  it("of zero rows, and rows of zeros, give no NaN", function()
    local function finite(f, x)
      local leaf = (x * 1):train()
      local y = f(leaf)
      y:sum():backward()
      for _, each in ipairs { y, leaf.grad } do
        local sum = each:abs():sum():item()
        assert.is_true(sum == sum and sum < math.huge)
      end
    end
    local gain, bias, weight = hoi.ones(4), hoi.zeros(4), hoi.randn { 3, 4 }
    for _, shape in ipairs { { 0, 4 }, { 3, 4 } } do
      local x = hoi.zeros(shape)
      for _, name in ipairs { "softmax", "log_softmax", "normalize", "cumsum", "sparsemax", "relu",
        "softplus", "sigmoid", "gelu", "quick_gelu", "abs", "sum", "mean" } do
        finite(function(y)
          return y[name](y)
        end, x)
      end
      finite(function(y)
        return y:layer_norm(gain, bias)
      end, x)
      finite(function(y)
        return y:linear(weight):rows {}
      end, x)
      finite(function(y)
        return y:cosine(y)
      end, x)
      finite(function(y)
        return y:linear(weight, nil, { activation = "gelu" })
      end, x)
      finite(function(y)
        return y:matmul(y:transpose())
      end, x)
    end
    finite(function(y)
      return y:attention(hoi.zeros(1, 0, 4), hoi.zeros(1, 0, 4))
    end, hoi.zeros(1, 2, 4))
    local trained = (weight * 1):train()
    hoi.zeros(0, 4):linear(trained):sum():backward()
    is({ { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } }, trained.grad)
    local right = hoi.randn({ 4, 2 }):train()
    hoi.zeros(0, 4):matmul(right):sum():backward()
    assert.are.equal(0, right.grad:abs():sum():item())
  end)
end)

describe("half", function()
  it("rounds to what a file of 16 bits holds, on the way back too", function()
    local path, list = os.tmpname(), { 0, 1 / 3, -1 / 3, 65504, 65519, -65519.9, 1e-4, 6.1e-5 }
    finally(function()
      os.remove(path)
    end)
    for i = -26, 15 do -- ties between neighbours, and what is just beside them
      for _, share in ipairs { 1 + 2 ^ -11, 1 + 3 * 2 ^ -11, 1 + 2 ^ -11 + 2 ^ -20, 1.1, -1.7 } do
        list[#list + 1] = share * 2.0 ^ i
      end
    end
    local x = hoi.tensor(list)
    hoi.safetensors.save(path, { x = x }, { dtype = "F16" })
    local file <close> = hoi.safetensors.open(path)
    local wanted = file:tensor "x":float()
    assert.is_true(wanted:bytes() == x:half():bytes())
    local leaf = hoi.zeros(x.shape):train()
    leaf:half():backward(x)
    assert.is_true(wanted:bytes() == leaf.grad:bytes())
    assert.are.same({ math.huge, -math.huge }, hoi.tensor({ 65520, -1e9 }):half():totable())
  end)
end)
