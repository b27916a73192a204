-- linear_probe: logistic regression on features as they are (Radford et al. 2021, CoOp's lpclip):
-- the least of |w|^2 / 2 + C times the sum of cross-entropies, intercepts free, by L-BFGS. C is a
-- number, or searched on val as CoOp does it: powers of a hundred, then bisection of its logarithm.
local losses <const> = require "hoi.losses"
local nn <const> = require "hoi.nn"
local tensors <const> = require "hoi.tensor"

local EQUAL <const> = 1e-6 -- values of a loss this close are one in single precision
local PATIENCE <const> = 30 -- steps without a smaller slope: as far as single precision goes

local linear_probe <const> = { needs = "features" }

linear_probe.options = {
  C = "search",       -- or a number; without val 0.316, as CLIP's README has it
  iterations = 1000,
  tolerance = 1e-4,   -- of the mean loss's steepest slope
  memory = 10,        -- pairs of L-BFGS
  bisections = 8,
}

function linear_probe.new(task)
  return { module = nn.module {}, count = #task.classes }
end

-- Vector-free L-BFGS (Chen, Wang and Zhou 2014): the pairs lie in the rows of one matrix, all inner
-- products come from one product with it, and the two loops run over numbers.
-- value(x) gets a number and the slope. Gets the least x, and the iterations.
local function descend(x, value, o)
  local n <const>, m <const> = x:count(), o.memory
  local basis <const>, dots <const> = {}, {} -- {s, y} of the last m steps, inner products by name
  local f, g = value(x)
  local function dot(a, b)
    return (a * b):sum():item()
  end
  local function direction()
    local k <const> = #basis
    if k == 0 then
      return g * (-1 / math.sqrt(dot(g, g)))
    end
    local rows <const> = {}
    for i, pair in ipairs(basis) do
      rows[i], rows[k + i] = pair.s, pair.y
    end
    rows[2 * k + 1] = g:reshape(1, n)
    local all <const> = tensors.concat(rows, 1)
    -- new products: with the newest pair and with the slope
    local fresh <const> = all:linear(tensors.concat({ basis[k].s, basis[k].y, rows[2 * k + 1] }, 1))
      :totable()
    local function key(row) -- a pair's own number, so that what is known stays known
      return row <= k and basis[row].id or row <= 2 * k and -basis[row - k].id or 0
    end
    for row = 1, 2 * k + 1 do
      for column, to in ipairs { k, 2 * k, 2 * k + 1 } do
        local a <const>, b <const> = key(row), key(to)
        dots[a] = dots[a] or {}
        dots[b] = dots[b] or {}
        dots[a][b], dots[b][a] = fresh[row][column], fresh[row][column]
      end
    end
    local delta <const>, alpha <const> = {}, {}
    local function along(to) -- of the direction so far with a row
      local sum = 0
      for row = 1, 2 * k + 1 do
        sum = sum + delta[row] * dots[key(row)][key(to)]
      end
      return sum
    end
    for row = 1, 2 * k do
      delta[row] = 0
    end
    delta[2 * k + 1] = -1
    for i = k, 1, -1 do
      alpha[i] = along(i) / dots[key(i)][key(k + i)]
      delta[k + i] = delta[k + i] - alpha[i]
    end
    local curve <const> = dots[key(k)][key(2 * k)] / dots[key(2 * k)][key(2 * k)]
    for row = 1, 2 * k + 1 do
      delta[row] = delta[row] * curve
    end
    for i = 1, k do
      delta[i] = delta[i] + alpha[i] - along(k + i) / dots[key(i)][key(k + i)]
    end
    return tensors.tensor { delta }:matmul(all):reshape(x.shape)
  end
  local least, since = math.huge, 0 -- the least steepest slope so far, and how long ago
  for iteration = 1, o.iterations do
    local steepest <const> = g:abs():max():item()
    least, since = math.min(least, steepest), steepest < least and 0 or since + 1
    if steepest <= o.tolerance or since > PATIENCE then
      return x, iteration - 1
    end
    local d <const> = direction()
    local slope <const>, low, high, t = dot(g, d), 0, math.huge, 1
    local y, fy, gy
    -- A step that satisfies the weak conditions of Wolfe: where the slope would be 0 if it were
    -- linear, else by bisection. Where the values are equal in single precision, slopes tell (Hager
    -- and Zhang 2005).
    for _ = 1, 20 do
      y = x + d * t
      fy, gy = value(y)
      local ahead <const> = dot(gy, d)
      local equal <const> = fy <= f + EQUAL * math.abs(f) and ahead <= -0.9998 * slope
      if fy > f + 1e-4 * t * slope and not equal then
        high = t
      elseif ahead < 0.9 * slope then
        low = t
      else
        break
      end
      local guess <const> = ahead > slope and t * slope / (slope - ahead) or 10 * t
      if high < math.huge then
        t = guess > low and guess < high and guess or (low + high) / 2
      else
        t = math.max(2 * low, math.min(guess, 10 * low))
      end
    end
    if #basis == m then
      local gone <const> = table.remove(basis, 1)
      for _, id in ipairs { gone.id, -gone.id } do
        dots[id] = nil
      end
    end
    basis[#basis + 1] = {
      id = iteration, s = (y - x):reshape(1, n), y = (gy - g):reshape(1, n),
    }
    x, f, g = y, fy, gy
  end
  return x, o.iterations
end

-- Learns from the zero vector with one C; gets the iterations.
function linear_probe:solve(set, C)
  local n <const>, d <const> = set.features:size(1), set.features:size(2)
  local x <const> = set.features:detach()
  local decay <const> = 1 / (C * n)
  local penalty <const> = tensors.concat({ tensors.full(decay, { self.count, d }),
    tensors.zeros { self.count, 1 } }, 2)
  local function value(w)
    local leaf <const> = w:detach():train()
    local bias <const> = leaf:slice(2, d + 1, d + 1):reshape(self.count)
    local loss <const> = losses.cross_entropy(x:linear(leaf:slice(2, 1, d), bias), set.labels)
    loss:backward()
    local pull <const> = penalty * w
    return loss:item() + 0.5 * (pull * w):sum():item(), leaf.grad + pull
  end
  local whole <const>, iterations <const> = descend(tensors.zeros { self.count, d + 1 }, value,
    self.o)
  self.module.weight = nn.parameter(whole:slice(2, 1, d))
  self.module.bias = nn.parameter(whole:slice(2, d + 1, d + 1):reshape(self.count))
  self.chosen = { C = C }
  return iterations
end

function linear_probe:learn(train, val, run)
  if self.o.C ~= "search" or not val then
    return { steps = self:solve(train, self.o.C == "search" and 0.316 or self.o.C) }
  end
  local known <const> = {}
  local function accuracy(power) -- of C = 10^power
    if not known[power] then
      self:solve(train, 10 ^ power)
      known[power] = self:accuracy(val)
      if run.log then
        run.log { search = "C", value = 10 ^ power, accuracy = known[power] }
      end
    end
    return known[power]
  end
  local best = 6
  for power = 6, -6, -2 do
    best = accuracy(power) > accuracy(best) and power or best
  end
  local left, right = best - 1, best + 1
  for _ = 1, self.o.bisections do
    if accuracy(left) < accuracy(right) then
      best, left = right, 0.5 * (left + right)
    else
      best, right = left, 0.5 * (left + right)
    end
  end
  return { steps = self:solve(train, 10 ^ best) }
end

function linear_probe:classes()
  return self.module
end

function linear_probe:forward(x, module)
  return x:linear(module.weight, module.bias)
end

function linear_probe:restore(file)
  self.module.weight = nn.parameter(file:tensor "weight")
  self.module.bias = nn.parameter(file:tensor "bias")
end

return linear_probe
