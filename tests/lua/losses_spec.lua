-- losses: values and gradients against tests/golden/losses.safetensors, edges and errors.
local hoi = require "hoi"
local losses = require "hoi.losses"
local safetensors = require "hoi.safetensors"
local says = dofile "tests/lua/expect.lua".says

-- Asserts that the greatest difference is within a share of the greatest value.
local function near(wanted, got, share, name)
  local gap = (wanted:reshape(-1) - got:reshape(-1)):abs():max():item()
  local scale = wanted:abs():max():item()
  assert.is_true(gap <= share * scale, ("%s is off by %g of %g"):format(name, gap, scale))
end

-- Asserts the value and the gradients by the inputs that the file has gradients of.
local function check(name, inputs, f)
  local file <close> = safetensors.open "tests/golden/losses.safetensors"
  local given, trained = {}, {}
  local known = {}
  for _, key in ipairs(file:names()) do
    known[key] = true
  end
  for i, input in ipairs(inputs) do
    given[i] = file:tensor(name .. "." .. input)
    if known[("%s.%s.grad"):format(name, input)] then
      trained[#trained + 1] = { input, given[i]:train() }
    end
  end
  assert.is_true(#trained > 0)
  local value = f(table.unpack(given))
  near(file:tensor(name), value, 1e-5, name);
  (value.rank > 0 and value:sum() or value):backward()
  for _, each in ipairs(trained) do
    near(file:tensor(("%s.%s.grad"):format(name, each[1])), each[2].grad, 1e-4,
      name .. " by " .. each[1])
  end
end

local function places(x)
  local list = x:totable()
  for i, value in ipairs(list) do
    list[i] = math.tointeger(value) + 1
  end
  return list
end

-- Corners as centre, width and height.
local function centred(boxes)
  local first, last = boxes:slice(2, 1, 2), boxes:slice(2, 3, 4)
  return hoi.concat({ (first + last) * 0.5, last - first }, 2)
end

describe("losses equal the golden values:", function()
  local cases = {
    cross_entropy = { { "logits", "labels" }, function(x, y)
      return losses.cross_entropy(x, places(y))
    end },
    cross_entropy_soft = { { "logits", "targets" }, losses.cross_entropy },
    bce = { { "logits", "targets" }, losses.binary_cross_entropy },
    bce_sum = { { "logits", "targets" }, function(x, y)
      return losses.binary_cross_entropy(x, y, { reduction = "sum" })
    end },
    bce_soft = { { "logits", "targets" }, losses.binary_cross_entropy },
    focal = { { "logits", "targets" }, losses.focal },
    focal_alpha = { { "logits", "targets" }, function(x, y)
      return losses.focal(x, y, { alpha = 0.25 })
    end },
    focal_prior = { { "logits", "prior", "targets" }, losses.focal_prior },
    focal_prior_none = { { "logits", "prior", "targets" }, losses.focal_prior },
    kl = { { "a", "b" }, function(a, b)
      return losses.kl(a, b, { temperature = 2 })
    end },
    kl_reversed = { { "a", "b" }, function(a, b)
      return losses.kl(b, a, { temperature = 2 })
    end },
    kl_sharp = { { "a", "b" }, function(a, b)
      return losses.kl(a, b, { temperature = 0.1 })
    end },
    relation = { { "a", "b" }, losses.relation },
    cosine = { { "a", "b" }, losses.cosine },
    l1 = { { "a", "b" }, losses.l1 },
    contrastive = { { "images", "texts", "logit_scale" }, function(images, texts, scale)
      return losses.contrastive(images, texts, scale:exp())
    end },
    giou = { { "a", "b" }, function(a, b)
      return losses.giou(centred(a), centred(b), { reduction = "none" })
    end },
  }
  for name, case in pairs(cases) do
    it(name, function()
      check(name, case[1], case[2])
    end)
  end

  it("and none of the file's is left out", function()
    local file <close> = safetensors.open "tests/golden/losses.safetensors"
    for _, key in ipairs(file:names()) do
      assert.is_truthy(cases[key:match "^[%w_]+"], key)
    end
  end)
end)

describe("losses", function()
  -- Asserts that neither value nor gradient is NaN or infinite; gets the value.
  local function finite(x, f)
    x:train()
    local value = f(x)
    value:backward()
    local gradient = x.grad:reshape(-1)
    for _, each in ipairs(hoi.concat { value:reshape(1), gradient }:totable()) do
      assert.is_true(each == each and math.abs(each) < math.huge)
    end
    return value:item()
  end

  it("are finite where logits are extreme", function()
    local y = hoi.tensor { { 1, 0, 1, 0, 1, 0 } }
    local function extreme()
      return hoi.tensor { { 100, 100, -100, -100, 0, 1000 } }
    end
    for _, gamma in ipairs { 0, 0.5, 1, 2, 3 } do
      finite(extreme(), function(x)
        return losses.focal(x, y, { gamma = gamma, alpha = 0.25 })
      end)
    end
    finite(extreme(), function(x)
      return losses.binary_cross_entropy(x, y)
    end)
    for _, prior in ipairs { 0, 1e-20, 0.5, 1 } do
      finite(extreme(), function(x)
        return losses.focal_prior(x, hoi.full(prior, { 1, 6 }), y)
      end)
    end
    finite(extreme(), function(x)
      return losses.cross_entropy(x, { 3 })
    end)
    finite(extreme(), function(x)
      return losses.kl(x, -x, { temperature = 0.1 })
    end)
  end)

  it("of the prior are 0 without positives, without priors and without pairs", function()
    local zeros = hoi.zeros { 3, 4 }
    assert.are.equal(0, finite(hoi.randn { 3, 4 }, function(x)
      return losses.focal_prior(x, hoi.full(0.5, { 3, 4 }), zeros)
    end))
    assert.are.equal(0, finite(hoi.randn { 3, 4 }, function(x)
      return losses.focal_prior(x, zeros, hoi.ones { 3, 4 })
    end))
    local none = hoi.zeros { 0, 4 }
    assert.are.equal(0, losses.focal_prior(none, none, none):item())
  end)

  it("of zero rows are no NaN", function()
    local x = hoi.zeros { 2, 3 }
    finite(x, function(a)
      return losses.contrastive(a, hoi.randn { 2, 3 }, 10)
    end)
    finite(hoi.zeros { 2, 3 }, function(a)
      return losses.relation(a, hoi.randn { 2, 3 })
    end)
    assert.are.equal(1, finite(hoi.zeros { 2, 3 }, function(a)
      return losses.cosine(a, hoi.randn { 2, 3 })
    end))
    finite(hoi.zeros { 2, 4 }, function(a)
      return losses.giou(a, hoi.zeros { 2, 4 })
    end)
  end)

  it("can be kept as they are, summed and meaned", function()
    local a, b = hoi.tensor { { 1, 2 }, { 3, 4 } }, hoi.tensor { { 1, 1 }, { 1, 1 } }
    assert.are.same({ { 0, 1 }, { 2, 3 } }, losses.l1(a, b, { reduction = "none" }):totable())
    assert.are.equal(6, losses.l1(a, b, { reduction = "sum" }):item())
    assert.are.equal(1.5, losses.l1(a, b):item())
    local x = hoi.zeros { 2, 4 }
    assert.are.same({ 2 }, losses.cross_entropy(x, { 1, 2 }, { reduction = "none" }).shape)
    assert.is_near(2 * math.log(4),
      losses.cross_entropy(x, { 1, 2 }, { reduction = "sum" }):item(), 1e-6)
    assert.is_near(math.log(4), losses.cross_entropy(hoi.zeros { 4, 4 }, "diagonal"):item(), 1e-6)
    assert.is_near(math.log(2), losses.binary_cross_entropy(x, x):item(), 1e-6)
  end)

  it("leave the fixed side of a relation without gradient", function()
    local a, b = hoi.randn({ 4, 3 }):train(), hoi.randn({ 4, 3 }):train()
    losses.relation(a, b):backward()
    assert.is_truthy(a.grad)
    assert.is_nil(b.grad)
    assert.are.equal(0, losses.relation(b, b):item())
  end)

  it("refuse what they do not know", function()
    local x = hoi.zeros { 2, 3 }
    says("reduction 'avg'", losses.l1, x, x, { reduction = "avg" })
    says("did you mean 'reduction'?", losses.l1, x, x, { reducton = "sum" })
    says("did you mean 'temperature'?", losses.kl, x, x, { temperatur = 2 })
    says("place 4 of", losses.cross_entropy, x, { 1, 4 })
    says("places", losses.cross_entropy, x, { 1 })
  end)
end)
