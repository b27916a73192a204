-- attention: softmax(Q K') V of all heads, and its pullback, which computes the scores once more.
local bench <const> = require "bench"
local hoi <const> = require "hoi"

-- pictures, tokens, heads, width
local VIT <const> = { { 1, 197, 12, 768 }, { 8, 197, 12, 768 } }
local SMALL <const> = { { 64, 65, 4, 128 } } -- the drawn world's CLIP in training

-- Products of (tokens, width) with (width, tokens): 2 forward, 5 back.
local function gigaflop(products, shape)
  local pictures <const>, tokens <const>, _ <const>, width <const> = table.unpack(shape)
  return 2e-9 * products * pictures * tokens * tokens * width
end

local function label(kind, shape)
  return ("%s %d x %d, %d heads"):format(kind, shape[1], shape[2], shape[3])
end

local function forward(figure, shape)
  local pictures <const>, tokens <const>, heads <const>, width <const> = table.unpack(shape)
  local qkv <const> = hoi.randn { pictures, tokens, 3 * width }
  return {
    figure = figure, label = label("forward", shape), kind = "fraction", work = gigaflop(2, shape),
    run = function()
      qkv:attention(nil, nil, { heads = heads }):release()
    end,
  }
end

local function back(figure, shape)
  local pictures <const>, tokens <const>, heads <const>, width <const> = table.unpack(shape)
  local qkv <const> = hoi.randn({ pictures, tokens, 3 * width }):train()
  local dy <const>, results <const> = hoi.randn { pictures, tokens, width }, {}
  return {
    figure = figure, label = label("back", shape), kind = "fraction", work = gigaflop(5, shape),
    most_runs = 32,
    before = function(runs)
      for i = 1, runs do
        results[i] = qkv:attention(nil, nil, { heads = heads })
      end
    end,
    run = function(i)
      results[i]:backward(dy)
      results[i]:release()
      qkv:clear()
    end,
  }
end

return bench.noun {
  name = "attention",
  figures = { "attention_fraction", "attention_back_fraction", "attention_small_fraction",
    "attention_small_back_fraction" },
  cases = function(options)
    local cases <const> = {}
    local function add(make, figure, shapes)
      for _, shape in ipairs(options.wants(figure) and shapes or {}) do
        cases[#cases + 1] = make(figure, shape)
      end
    end
    add(forward, "attention_fraction", VIT)
    add(back, "attention_back_fraction", VIT)
    add(forward, "attention_small_fraction", SMALL)
    add(back, "attention_small_back_fraction", SMALL)
    return cases
  end,
}
