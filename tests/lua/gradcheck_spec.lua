-- gradcheck: slopes by differences against gradients of recorded operations, right and wrong ones.
local hoi = require "hoi"
local says = dofile "tests/lua/expect.lua".says

local T = hoi.tensor

describe("gradcheck", function()
  it("accepts right gradients", function()
    hoi.seed(21)
    local gain, bias, weight = hoi.randn { 4 }, hoi.randn { 4 }, hoi.randn { 3, 4 }
    local square, keys = hoi.randn { 4, 4 }, hoi.randn { 1, 5, 4 }
    local cases = {
      arithmetic = function(x)
        return (x + 2) * x - x / (x * x + 1)
      end,
      pointwise = function(x)
        return x:sin() + x:cos() + x:tanh() + x:sigmoid() + x:softplus() + x:exp() * 0.1
      end,
      bends = function(x)
        return x:gelu() + x:quick_gelu() + x:elu() + (x * x + 1):log() + (x * x + 1):sqrt()
      end,
      roots = function(x)
        return (x * x + 1):reciprocal() + (x * x + 1) ^ 0.3 + x:square()
      end,
      rows = function(x)
        return x:softmax() * x:log_softmax() + x:normalize() + x:cumsum()
      end,
      norm = function(x)
        return x:layer_norm(gain, bias)
      end,
      products = function(x)
        return x:matmul(square):matmul(x:transpose())
      end,
      layer = function(x)
        return x:linear(weight, nil, { activation = "gelu" })
      end,
      heads = function(x)
        return x:reshape(1, 3, 4):attention(keys, keys, { heads = 2 })
      end,
      places = function(x)
        return hoi.concat({ x:rows { 3, 1, 1 }, x:slice(1, 2), x:pad(2, 1, 0):slice(2, 1, 4) }, 1)
      end,
      shapes = function(x)
        return x:reshape(2, 6):transpose():permute(2, 1):expand(2, 2, 6)
      end,
      sums = function(x)
        return x:sum(1) * x:mean(1) + x:square():sum()
      end,
      places_of_rows = function(x)
        return x:take({ 1, 4, 2, 2, 3, 1 }, 2) * x:scatter({ 2, 2, 1 }, 3):slice(2, 1, 2)
      end,
      patches = function(x)
        return x:reshape(1, 3, 4, 1):unfold { kernel = 3, pad = 1, channels_last = true }
      end,
      inverse = function(x)
        return (x:transpose():matmul(x) + square:matmul(square:transpose())):inverse()
      end,
      pinverse = function(x)
        return x:pinverse()
      end,
      checkpoint = function(x)
        return hoi.checkpoint(function(y)
          return y:gelu() * y
        end, x)
      end,
    }
    for name, f in pairs(cases) do
      local result = hoi.gradcheck(f, hoi.randn { 3, 4 })
      assert.is_true(result.ok, ("%s: %g wanted, %g found at %d"):format(name, result.wanted or 0,
        result.found or 0, result.place or 0))
    end
  end)

  it("finds a wrong gradient, and says where", function()
    local result = hoi.gradcheck(function(x)
      return x * x:detach()
    end, T { 1, 2, 3 })
    assert.is_false(result.ok)
    assert.is_true(result.error > 0.3)
    assert.is_near(result.wanted / 2, result.found, 1e-2 * math.abs(result.wanted))
    assert.is_true(result.place >= 1 and result.place <= 3)
    local none = hoi.gradcheck(function(x)
      return x:detach() * 2 + x * 0
    end, T { 1 })
    assert.is_false(none.ok)
    says("did you mean 'tolerance'?", hoi.gradcheck, math.abs, T { 1 }, { tolerence = 1 })
  end)

  it("leaves the tensor as it was", function()
    local x = T { 1, 2 }
    assert.is_true(hoi.gradcheck(function(y)
      return y:exp()
    end, x).ok)
    assert.are.same({ 1, 2 }, x:totable())
    assert.is_false(x.trainable)
  end)
end)
