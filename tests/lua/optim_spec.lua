-- optim: SGD, AdamW and schedules against golden values; groups, accumulation, states, errors.
local hoi = require "hoi"
local json = require "hoi.json"
local safetensors = require "hoi.safetensors"
local says = dofile "tests/lua/expect.lua".says

local function near(wanted, got, tolerance, name)
  local gap = (wanted:reshape(-1) - got:reshape(-1)):abs():max():item()
  assert.is_true(gap <= tolerance, ("%s is off by %g"):format(name, gap))
end

local function open()
  return safetensors.open "tests/golden/optim.safetensors"
end

-- Gets a leaf whose gradient is g.
local function with_gradient(g)
  local x = hoi.zeros(g.shape):train();
  (x * g):sum():backward()
  return x
end

describe("an optimizer takes the golden ten steps:", function()
  local cases = {
    sgd = { hoi.sgd, { learning_rate = 0.05, momentum = 0.9, weight_decay = 5e-4 } },
    sgd_plain = { hoi.sgd, { learning_rate = 0.05, momentum = 0, weight_decay = 0 } },
    adamw = { hoi.adamw, { learning_rate = 0.05, weight_decay = 0.01 } },
  }
  for name, case in pairs(cases) do
    it(name, function()
      local file <close> = open()
      local x, centre = file:tensor "start":train(), file:tensor "centre"
      local curve = file:tensor "curve"
      local optimizer <close> = case[1]({ { "x", x } }, case[2])
      local losses = file:tensor(name .. ".losses"):totable()
      for step = 1, 10 do
        near(file:tensor(name .. ".parameters"):slice(1, step, step), x:detach(), 1e-5, name)
        local off = (x - centre):reshape(1, 9)
        local loss = (off:matmul(curve) * off):sum() * 0.5
        assert.is_near(losses[step], loss:item(), 1e-5 * losses[1])
        loss:backward()
        near(file:tensor(name .. ".gradients"):slice(1, step, step), x.grad, 1e-4, name)
        optimizer:step()
        assert.is_nil(x.grad)
      end
      near(file:tensor(name .. ".parameters"):slice(1, 11, 11), x:detach(), 1e-5, name)
    end)
  end
end)

describe("an optimizer", function()
  local plain = { learning_rate = 1, momentum = 0, weight_decay = 0 }

  it("limits the joint length of all gradients", function()
    local file <close> = open()
    local a, b = with_gradient(file:tensor "clip.a"), with_gradient(file:tensor "clip.b")
    local optimizer <close> = hoi.sgd({ a, b }, plain)
    optimizer:step { max_grad_norm = file:tensor "clip.max_norm":item() }
    assert.is_near(file:tensor "clip.norm":item(), optimizer:grad_norm(), 1e-5)
    near(-file:tensor "clip.a.clipped", a:detach(), 1e-6, "a")
    near(-file:tensor "clip.b.clipped", b:detach(), 1e-6, "b")
  end)

  it("leaves short gradients as they are", function()
    local x = with_gradient(hoi.tensor { 0.3, -0.4 })
    local optimizer <close> = hoi.sgd({ x }, plain)
    optimizer:step { max_grad_norm = 1 }
    near(hoi.tensor { -0.3, 0.4 }, x:detach(), 1e-7, "x")
    assert.is_near(0.5, optimizer:grad_norm(), 1e-6)
  end)

  it("steps with the mean of the micro-batches that were added up", function()
    local file <close> = open()
    local pieces, x = file:tensor "accumulate.gradients", hoi.zeros({ 9 }):train()
    for i = 1, 4 do
      (x * pieces:slice(1, i, i):reshape(9)):sum():backward()
    end
    local optimizer <close> = hoi.sgd({ x }, plain)
    optimizer:step { accumulated = 4 }
    near(-file:tensor "accumulate.mean", x:detach(), 1e-6, "x")
  end)

  it("has rates and decays by name, the last group that fits", function()
    local function one()
      return with_gradient(hoi.tensor { 1 })
    end
    local parameters = {
      { "front.weight", one() }, { "front.bias", one() }, { "head.weight", one() },
    }
    for _, p in ipairs(parameters) do
      p[2]:write { 2 }
    end
    local optimizer <close> = hoi.sgd(parameters, {
      learning_rate = 0.1, momentum = 0, weight_decay = 0.5,
      groups = {
        { pattern = "^front", learning_rate = 0.01 },
        { pattern = "bias$", weight_decay = 0 },
        { pattern = "^nothing", learning_rate = 100 },
      },
    })
    optimizer:step() -- x -= rate (g + decay x)
    local function values()
      return { parameters[1][2]:item(), parameters[2][2]:item(), parameters[3][2]:item() }
    end
    for i, wanted in ipairs { 2 - 0.01 * 2, 2 - 0.01, 2 - 0.1 * 2 } do
      assert.is_near(wanted, values()[i], 1e-6)
    end
    local before = values()
    for _, p in ipairs(parameters) do
      p[2]:sum():backward()
    end
    optimizer:step { learning_rate = 0.2 } -- groups keep their share of it
    for i, wanted in ipairs { before[1] - 0.02 * (1 + 0.5 * before[1]), before[2] - 0.02,
      before[3] - 0.2 * (1 + 0.5 * before[3]) } do
      assert.is_near(wanted, values()[i], 1e-6)
    end
  end)

  it("can leave vectors without decay", function()
    local matrix, vector = with_gradient(hoi.zeros { 1, 2 }), with_gradient(hoi.zeros { 2 })
    matrix:write { { 4, 4 } }
    vector:write { 4, 4 }
    local optimizer <close> = hoi.adamw({ matrix, vector }, {
      learning_rate = 0.1, weight_decay = 0.5, decay_matrices_only = true,
    })
    optimizer:step()
    near(hoi.tensor { { 3.8, 3.8 } }, matrix:detach(), 1e-6, "matrix")
    near(hoi.tensor { 4, 4 }, vector:detach(), 0, "vector")
  end)

  it("leaves parameters without a gradient as they are", function()
    local x, still = with_gradient(hoi.tensor { 1 }), hoi.tensor({ 5 }):train()
    local optimizer <close> = hoi.adamw({ x, still }, { learning_rate = 0.1, weight_decay = 0.5 })
    optimizer:step()
    assert.are.equal(5, still:item())
    assert.is_near(-0.1, x:item(), 1e-5)
  end)

  it("goes on from its state with the same bits", function()
    for kind, make in pairs { adamw = hoi.adamw, sgd = hoi.sgd } do
      local function walk(x, optimizer, first, last)
        for step = first, last do
          (x * x * step):sum():backward()
          optimizer:step { max_grad_norm = 1 }
        end
      end
      local x, y = hoi.tensor({ 1, -2, 3 }):train(), hoi.tensor({ 1, -2, 3 }):train()
      local whole <close>, first_half = make { { "x", x } }, nil
      walk(x, whole, 1, 6)
      do
        local half <close> = make { { "x", y } }
        walk(y, half, 1, 3)
        local tensors, numbers = half:state()
        first_half = { {}, numbers }
        for name, tensor in pairs(tensors) do
          first_half[1][name] = tensor:bytes()
        end
      end
      assert.are.same({ kind = kind, steps = 3 }, first_half[2])
      local again <close> = make { { "x", y } }
      again:restore(function(name)
        return hoi.tensor(first_half[1][name], { 3 })
      end, first_half[2])
      walk(y, again, 4, 6)
      assert.is_true(x:bytes() == y:bytes())
    end
  end)

  it("refuses what it can not train, and unknown options", function()
    local x = hoi.zeros({ 2 }):train()
    says("the list of parameters is empty", hoi.adamw, {})
    says("parameters are trainable F32 leaves", hoi.adamw, { hoi.zeros { 2 } })
    says("parameters are trainable F32 leaves", hoi.adamw, { x * 2 })
    says("a parameter is in the list twice", hoi.sgd, { x, x })
    says("did you mean 'learning_rate'?", hoi.adamw, { x }, { learning_rat = 1 })
    says("did you mean 'pattern'?", hoi.adamw, { x }, { groups = { { patern = "x" } } })
    local optimizer = hoi.adamw { x }
    says("no parameter has a gradient; call backward first", optimizer.step, optimizer)
    says("no step was made yet", optimizer.grad_norm, optimizer)
    says("did you mean 'max_grad_norm'?", optimizer.step, optimizer, { max_grad_nrm = 1 })
    says("the checkpoint is of sgd, this is adamw", optimizer.restore, optimizer, nil,
      { kind = "sgd", steps = 1 })
    optimizer:release()
    optimizer:release()
    says("was released", optimizer.step, optimizer)
  end)
end)

describe("schedules", function()
  it("equal the golden rates", function()
    for name, case in pairs(json.load "tests/golden/schedule.json") do
      local rate
      if name:find "^step" then
        rate = hoi.schedule.step {
          learning_rate = case.rate, every = case.every, factor = case.factor,
        }
      else
        rate = hoi.schedule.cosine {
          learning_rate = case.rate, steps = case.total, warmup = case.warmup, floor = case.final,
        }
      end
      assert.are.equal(24, #case.rates)
      for t, wanted in ipairs(case.rates) do
        assert.is_near(wanted, rate(t - 1), 1e-12)
      end
    end
  end)

  it("can be constant, and refuse unknown options", function()
    assert.are.equal(0.3, hoi.schedule.constant(0.3)(17))
    says("did you mean 'warmup'?", hoi.schedule.cosine, { warm_up = 1 })
    says("did you mean 'factor'?", hoi.schedule.step, { facter = 1 })
  end)
end)
