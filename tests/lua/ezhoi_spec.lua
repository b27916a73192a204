-- ezhoi: EZ-HOI against golden values, in both modes; what each switch does; files, stages and
-- classes that are added.
local hoi = require "hoi"
local published = require "hoi.ezhoi.published"
local safetensors = require "hoi.safetensors"

local world = dofile "tests/lua/golden_world.lua"

local golden, near, integers = world.folder, world.near, world.integers

-- The golden method: every learned tensor from the file.
local function golden_method(clip, file, options, context)
  local targets, batch, differences = world.read(file)
  options.prompt_depth, options.adapter_width = 3, 8
  options.differences = differences
  options.context = context
  local method = hoi.method("ezhoi", clip, targets, options)
  local state <close> = safetensors.open(golden .. "ezhoi_state.safetensors")
  local has = {}
  for _, name in ipairs(state:names()) do
    has[name] = true
  end
  local missing = published.load(method, function(name)
    return has[name] and state:tensor(name)
  end, file:tensor "base_prompts")
  return method, batch, missing
end

-- Compares every published tensor's gradient; those the file does not name must be exactly 0.
local function compare_gradients(method, gradients, prefix, share)
  local has, count = {}, 0
  for _, name in ipairs(gradients:names()) do
    has[name] = true
  end
  for _, entry in ipairs(published.names(method)) do
    local name, x, from, to = table.unpack(entry)
    local key = prefix .. name
    key = has[key] and key or prefix:gsub("_half", "") .. name -- rounding reaches few of them
    if has[key] then
      local wanted = gradients:tensor(key)
      local scale = math.max(wanted:abs():max():item(), 1e-3)
      wanted = from and wanted:slice(1, from, to) or wanted
      assert.is_truthy(x.grad, key)
      local gap = (wanted:reshape(x.shape) - x.grad):abs():max():item()
      assert.is_true(gap <= share * scale, ("%s is off by %g of %g"):format(key, gap, scale))
      count = count + 1
    elseif x.grad then
      assert.are.equal(0, x.grad:abs():max():item(), key)
    end
  end
  return count
end

for mode, options in pairs {
  paper = { mode = "paper" },
  paper_softmax = { mode = "paper", compete = "softmax" },
  released = { mode = "released", attention_dropout = 0, shortcuts = false },
} do
  describe("EZ-HOI " .. mode, function()
    it("computes the golden values", function()
      local clip <close> = hoi.clip(golden .. "clip_ezhoi")
      local file <close> = safetensors.open(golden .. "ezhoi_whole.safetensors")
      local gradients <close> = safetensors.open(golden .. "ezhoi_gradients.safetensors")
      local context = mode == "released" and "fixed" or "trained"
      local method, batch = golden_method(clip, file, options, context)
      local from = mode == "paper_softmax" and "paper" or mode
      method:freeze()
      local two_stage = require "hoi.two_stage"
      local samples = two_stage.gather(batch, method.picture, method.grid, method.object_features)
      local classes = method:classes()
      near(file:tensor "descriptions", method.descriptions, 1e-5, "descriptions")
      assert.are.same(integers(file:tensor "selected" + 1), method.chosen)
      near(file:tensor(from .. ".texts"), classes.features, 1e-5, "texts")
      local maps = method:maps(samples, batch)
      near(file:tensor(from .. ".map"), maps:reshape(2, 16, 16), 1e-5, "map")
      local e = method:pair_features(samples, maps)
      local first = #batch[1].pairs
      near(file:tensor(from .. ".pair_0"), e:slice(1, 1, first), 1e-5, "pair_0")
      near(file:tensor(from .. ".pair_1"), e:slice(1, first + 1), 1e-5, "pair_1")
      local logits = method:score(e, classes)
      near(file:tensor(mode .. ".logits_0"), logits:slice(1, 1, first), 1e-5, "logits_0")
      near(file:tensor(mode .. ".logits_1"), logits:slice(1, first + 1), 1e-5, "logits_1")

      method:train()
      method.module:dropout(false)
      local loss, parts = method:loss(batch)
      near(file:tensor(mode .. ".interaction"), parts.interaction, 1e-4, "interaction")
      near(file:tensor(from .. ".relation"), parts.relation * 150, 1e-4, "relation")
      near(file:tensor(mode .. ".loss"), loss:detach(), 1e-4, "loss")
      loss:backward()
      local prefix = mode == "released" and "released_half." or mode .. "."
      assert.is_true(compare_gradients(method, gradients, prefix, 1e-4) > 100)
      for l = 1, context == "trained" and 3 or 0 do
        local name = ("%s.clip_head.prompt_learner.txtcls_ctx_pt.%d"):format(mode, l - 1)
        near(gradients:tensor(name), method.module.context.grad:slice(1, l, l):squeeze(1), 1e-4,
          name)
      end
    end)

    it("loses what the golden values do in ten steps", function()
      local clip <close> = hoi.clip(golden .. "clip_ezhoi")
      local file <close> = safetensors.open(golden .. "ezhoi_whole.safetensors")
      local method, batch = golden_method(clip, file, options, "fixed")
      method:train()
      method.module:dropout(false)
      near(file:tensor(mode .. ".losses"), world.ten_steps(method, batch), 1e-4, "losses")
    end)
  end)
end
