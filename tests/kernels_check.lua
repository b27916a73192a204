-- kernels_check: small sizes through the kernels of a set, forward, backward and update; run under
-- oclgrind, which watches every access for bounds and races.
local adapter = require "hoi.adapter"
local hoi = require "hoi"

hoi.seed(1)

local function leaf(...)
  return hoi.randn({ ... }):train()
end

local x = leaf(2, 70, 24):layer_norm(leaf(24), leaf(24))
x = x:linear(leaf(72, 24), leaf(72)):attention(nil, nil, { heads = 2, causal = true })
x = x:linear(leaf(33, 24), leaf(33), { activation = "gelu" }):linear(leaf(33, 33))
x = x:linear(hoi.randn { 33, 33 }, leaf(33))
x = (x * leaf(33) + leaf(70, 33)):softmax():normalize()
x = (x:reshape({ 140, 33 }) * leaf(140, 1)):log_softmax():rows({ 1, 3, 3, 140 })
x = x:gt(-3):where(x, x:gelu()):take({ 1, 33, 2, 2 })
local map = leaf(1, 7, 6, 5):conv2d(leaf(6, 3, 3, 5), leaf(6), { pad = 1 }):max_pool()
local cells = leaf(1, 3, 8, 8):unfold { kernel = 2, stride = 2 }
local wide = leaf(130, 9):linear(leaf(131, 9), leaf(131))
local long = leaf(9000)
local loss = x:sum() + map:sum() + wide:sum(1):max() + long:sum() + (leaf(7, 5):cumsum()):mean()
  + cells:square():sum()
loss:backward()
local norm = (long.grad * long.grad):sum():item()
assert(math.abs(norm - 9000) < 1, norm)

-- what learns: both optimizers, gradients cut to a length
for _, make in ipairs { hoi.adamw, hoi.sgd } do
  local weight = leaf(11, 5)
  local optimizer = make({ weight }, { learning_rate = 0.1 })
  for _ = 1, 2 do
    hoi.losses.cross_entropy(hoi.randn({ 4, 5 }):linear(weight), { 1, 11, 3, 4 }):backward()
    optimizer:step { max_grad_norm = 0.1 }
  end
  assert(math.abs(weight:sum():item()) < 100)
end

-- 3 x 3 windows on many channels, and an adapter's steps, have kernels of their own on processors
local deep = hoi.randn({ 2, 8, 8, 128 }):conv2d(hoi.randn { 5, 3, 3, 128 }, nil, { pad = 1 })
local most = deep:abs():max():item()
assert(most < 1000, most)
if adapter.possible() then
  local down, up = leaf(4, 16), leaf(16, 4)
  local optimizer = hoi.adamw({ down, up }, { learning_rate = 0.01 })
  local losses = adapter.train(optimizer.core, {
    features = hoi.randn({ 7, 16 }):normalize(), text = hoi.randn({ 3, 16 }):normalize(),
    down = down, up = up, alpha = 0.2, scale = 10, last_relu = true,
  }, { 1, 2, 3, 1, 2, 3, 1 }, { 1, 2, 3, 4, 5, 6, 7 }, 4, { 0.01, 0.01 })
  assert(losses:item() > 0, losses:item())
end
print(("%s set: every kernel ran: %g"):format(hoi.device().kernels:match "%a+", loss:item()))
