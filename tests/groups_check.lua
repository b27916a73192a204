-- groups_check: small sizes through the kernels of groups, forward and backward; run under
-- oclgrind, which watches every access for bounds and races.
local hoi = require "hoi"

hoi.seed(1)

local function leaf(...)
  return hoi.randn({ ... }):train()
end

local x = leaf(2, 70, 24):layer_norm(leaf(24), leaf(24))
x = x:linear(leaf(72, 24), leaf(72)):attention(nil, nil, { heads = 2, causal = true })
x = x:linear(leaf(33, 24), leaf(33))
x = (x * leaf(33) + leaf(70, 33)):softmax():normalize()
x = (x:reshape({ 140, 33 }) * leaf(140, 1)):log_softmax():rows({ 1, 3, 3, 140 })
local map = leaf(1, 7, 6, 5):conv2d(leaf(6, 3, 3, 5), leaf(6), { pad = 1 }):max_pool()
local wide = leaf(130, 9):linear(leaf(131, 9), leaf(131))
local long = leaf(9000)
local loss = x:sum() + map:sum() + wide:sum(1):max() + long:sum() + (leaf(7, 5):cumsum()):mean()
loss:backward()
local norm = (long.grad * long.grad):sum():item()
assert(math.abs(norm - 9000) < 1, norm)
print("every kernel ran: " .. loss:item())
