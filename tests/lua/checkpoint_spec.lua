-- checkpoint: a training stopped in the middle of an epoch and resumed has the bits of one that
-- never stopped; the file is written whole or not at all; what hoi.checkpoint runs again, too.
local checkpoint = require "hoi.checkpoint"
local hoi = require "hoi"
local safetensors = require "hoi.safetensors"
local system = require "hoi.system"
local says = dofile "tests/lua/expect.lua".says
local scratch = dofile "tests/lua/scratch.lua"

local folder, program = scratch.folder(), arg[-1] -- the folder of this run

teardown(function()
  scratch.remove(folder)
end)

-- Trains a linear model with dropout on 5 batches an epoch, shuffled anew each time, up to a step;
-- goes on from the file where there is one. Gets weights, losses and the steps done here.
local function train(last, options)
  hoi.seed(options.seed or 1)
  local x, y = hoi.randn { 20, 6 }, hoi.randn { 20, 3 }
  local w, b = hoi.randn({ 3, 6 }):train(), hoi.zeros({ 3 }):train()
  local parameters = { { "model.weight", w }, { "model.bias", b } }
  local optimizer <close> = options.make(parameters, { learning_rate = 0.05 })
  local rate = hoi.schedule.cosine { learning_rate = 0.05, steps = 15, warmup = 3 }
  local state = options.path and checkpoint.load(options.path, parameters, optimizer)
    or { step = 0 }
  local losses = {}
  for step = state.step + 1, last do
    if (step - 1) % 5 == 0 then
      state.order = select(2, hoi.uniform({ 20 }):sort())
    end
    local first = (step - 1) % 5 * 4
    local rows = table.move(state.order, first + 1, first + 4, 1, {})
    local function forward(batch)
      return batch:dropout(0.4):linear(w, b)
    end
    local batch = x:rows(rows)
    local out = options.recompute and hoi.checkpoint(forward, batch) or forward(batch)
    local loss = (out - y:rows(rows)):square():mean()
    loss:backward()
    optimizer:step { learning_rate = rate(step - 1), max_grad_norm = 1 }
    losses[step] = loss:item()
  end
  if options.path then
    state.step = last
    checkpoint.save(options.path, parameters, optimizer, state)
  end
  return w:bytes() .. b:bytes(), losses
end

describe("a training", function()
  for kind, make in pairs { adamw = hoi.adamw, sgd = hoi.sgd } do
    it("stopped in the middle of an epoch goes on with the same bits: " .. kind, function()
      local whole, losses = train(15, { make = make })
      local path = folder .. "/" .. kind
      train(7, { make = make, path = path })
      hoi.seed(99)
      hoi.randn { 5 }
      local resumed, later = train(15, { make = make, path = path })
      assert.is_true(whole == resumed)
      for step = 8, 15 do
        assert.are.equal(losses[step], later[step])
      end
      assert.is_nil(later[7])
      assert.is_true(losses[15] < losses[1])
    end)
  end

  it("has the same bits each time it runs, others with another seed", function()
    local once = train(6, { make = hoi.adamw })
    assert.is_true(once == train(6, { make = hoi.adamw }))
    assert.is_false(once == train(6, { make = hoi.adamw, seed = 2 }))
  end)

  it("has the same bits whether its inside is kept or run again", function()
    assert.is_true(train(8, { make = hoi.adamw })
      == train(8, { make = hoi.adamw, recompute = true }))
  end)
end)

describe("hoi.checkpoint", function()
  it("runs again what it left out, with the same bits", function()
    local w, outer = hoi.randn({ 4, 4 }):train(), nil
    local function block(x, y) -- outer: computed, used without being named
      return (x:matmul(outer) + y):gelu():dropout(0.3) * w
    end
    local function run(call)
      hoi.seed(4)
      local x, y = hoi.randn({ 4, 4 }):train(), hoi.randn({ 4, 4 }):train()
      outer = w * 2
      local out = call(x, y)
      out:square():sum():backward()
      local result = out:bytes() .. x.grad:bytes() .. y.grad:bytes() .. w.grad:bytes()
      w:clear()
      return result, select(2, hoi.seed())
    end
    local plain, count = run(block)
    local again, count_again = run(function(...)
      return hoi.checkpoint(block, ...)
    end)
    assert.is_true(plain == again)
    assert.are.equal(count, count_again)
  end)

  it("hands errors on, and refuses what is no block", function()
    local w = hoi.randn({ 4, 4 }):train()
    says("block is lost", hoi.checkpoint, function()
      error "block is lost"
    end, w)
    says("hoi.Tensor expected, got nil", hoi.checkpoint, function() end, w)
    says("one to eight tensors are wanted", hoi.checkpoint, print)
    local calls = 0
    local y = hoi.checkpoint(function(x)
      calls = calls + 1
      if calls == 2 then
        error "lost on the way back"
      end
      return x * x
    end, w)
    says("lost on the way back", y.backward, y, hoi.ones(4, 4))
    assert.are.equal(2, calls)
  end)
end)

describe("a checkpoint file", function()
  local function model()
    local w = hoi.tensor({ { 1, 2 }, { 3, 4 } }):train()
    local parameters = { { "w", w } }
    return parameters, hoi.adamw(parameters)
  end

  it("is nil where there is none, and refused where it is another's", function()
    local parameters, optimizer = model()
    assert.is_nil(checkpoint.load(folder .. "/none", parameters, optimizer))
    local path = folder .. "/other"
    safetensors.save(path, { w = hoi.zeros(2, 2) })
    says("is no checkpoint of hoi's", checkpoint.load, path, parameters, optimizer)
    checkpoint.save(path, parameters, optimizer, { step = 3 })
    assert.are.same({ step = 3 }, checkpoint.load(path, parameters, optimizer))
    local other = { { "v", hoi.zeros({ 2, 2 }):train() } }
    says("no tensor 'weight.v'", checkpoint.load, path, other, hoi.adamw(other))
    local turned = { { "w", hoi.zeros({ 4, 1 }):train() } }
    says("'w' is 2x2, the model's is 4x1", checkpoint.load, path, turned, hoi.adamw(turned))
    says("the checkpoint is of adamw, this is sgd", checkpoint.load, path, parameters,
      hoi.sgd(parameters))
  end)

  it("survives a save that fails, and leaves nothing else behind", function()
    local parameters, optimizer = model()
    local path = folder .. "/whole"
    checkpoint.save(path, parameters, optimizer, { step = 1 })
    local before, names = scratch.read(path), system.list(folder)
    assert.is_false(pcall(checkpoint.save, path, parameters, optimizer, { step = print }))
    assert.is_false(pcall(checkpoint.save, folder .. "/none/x", parameters, optimizer, {}))
    assert.is_false(pcall(checkpoint.save, folder, parameters, optimizer, {}))
    -- another process that may not write files as long as this one
    local script = folder .. "/script.lua"
    do
      local file <close> = assert(io.open(script, "w"))
      assert(file:write(([[
        local hoi = require "hoi"
        local ok, message = pcall(require "hoi.safetensors".save, %q, { w = hoi.zeros(6000000) })
        io.stdout:write(tostring(ok), " ", tostring(message))
      ]]):format(path)))
    end
    local pipe = assert(io.popen(("trap '' XFSZ; ulimit -f 40000; '%s' %s 2>&1")
      :format(program, script)))
    local answer = pipe:read "a"
    pipe:close()
    os.remove(script)
    assert.is_truthy(answer:find("false", 1, true), answer)
    assert.is_truthy(answer:find(path, 1, true), answer)
    assert.is_true(before == scratch.read(path))
    assert.are.same(names, system.list(folder))
    assert.are.same({ step = 1 }, checkpoint.load(path, parameters, optimizer))
  end)
end)
