-- gemm: matrix products at CLIP's shapes: x (m, k) through a weight (n, k) that is packed already,
-- and the gradient of such a weight.
local bench <const> = require "bench"
local hoi <const> = require "hoi"

-- ViT-B/16 on 1 and on 8 pictures, the text tower on 600 texts: m, n, k.
local FORWARD <const> = {
  { 197, 768, 768 }, { 197, 2304, 768 }, { 197, 3072, 768 }, { 197, 768, 3072 },
  { 1576, 768, 768 }, { 1576, 2304, 768 }, { 1576, 3072, 768 }, { 1576, 768, 3072 },
  { 9600, 512, 512 }, { 9600, 2048, 512 },
}
-- The drawn world's CLIP on 64 pictures: 65 tokens of width 128.
local SMALL <const> = {
  { 4160, 384, 128 }, { 4160, 128, 128 }, { 4160, 512, 128 }, { 4160, 128, 512 },
}
local GRADIENT <const> = { FORWARD[5], FORWARD[6], FORWARD[7], FORWARD[8] }

local function label(kind, shape)
  return ("%s %dx%dx%d"):format(kind, shape[1], shape[2], shape[3])
end

local function gigaflop(shape)
  return 2e-9 * shape[1] * shape[2] * shape[3]
end

local function forward(figure, shape)
  local m <const>, n <const>, k <const> = table.unpack(shape)
  local x <const>, w <const> = hoi.randn { m, k }, hoi.randn { n, k }
  return {
    figure = figure, label = label("product", shape), kind = "fraction", work = gigaflop(shape),
    run = function()
      x:linear(w):release()
    end,
  }
end

-- Only the walk back is timed: packing x and one product over the m rows.
local function gradient(figure, shape)
  local m <const>, n <const>, k <const> = table.unpack(shape)
  local x <const>, w <const> = hoi.randn { m, k }, hoi.randn({ n, k }):train()
  local dy <const>, results <const> = hoi.randn { m, n }, {}
  return {
    figure = figure, label = label("weight gradient", shape), kind = "fraction",
    work = gigaflop(shape),
    most_runs = 8, -- the results wait for their turn in memory
    before = function(runs)
      for i = 1, runs do
        results[i] = x:linear(w)
      end
    end,
    run = function(i)
      results[i]:backward(dy)
      results[i]:release()
      w:clear()
    end,
  }
end

return bench.noun {
  name = "gemm",
  figures = { "gemm_fraction", "gemm_small_fraction", "weight_gradient_fraction",
    "weight_gradient_small_fraction" },
  cases = function(options)
    local cases <const> = {}
    local function add(make, figure, shapes)
      for _, shape in ipairs(options.wants(figure) and shapes or {}) do
        cases[#cases + 1] = make(figure, shape)
      end
    end
    add(forward, "gemm_fraction", FORWARD)
    add(forward, "gemm_small_fraction", SMALL)
    add(gradient, "weight_gradient_fraction", GRADIENT)
    add(gradient, "weight_gradient_small_fraction", SMALL)
    return cases
  end,
}
