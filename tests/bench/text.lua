-- text: HICO-DET's 600 classes through a text tower of ViT-B's size with random weights.
-- The fraction is of the arithmetic that was launched: text is cut after the longest end token of a
-- chunk. The work ratio is that arithmetic over the one of rows of all 77 places.
local bench <const> = require "bench"
local hoi <const> = require "hoi"
local system <const> = require "hoi.system"
local tower <const> = require "tower"

local TEXT <const> = { width = 512, depth = 12, heads = 8, places = 77 }
local NO_VISION <const> = { width = 64, depth = 1, heads = 1, size = 16, patch = 16 }
local JOINT <const> = 512
local VOCABULARY <const> = "../shared/data/tokenizer" -- seen from the repository's root

local text <const> = {}

local function sentences()
  local list <const> = {}
  for i, target in ipairs(hoi.targets "hico") do
    list[i] = target.sentence
  end
  return list
end

-- CLIP's own vocabulary where it is; else one in which every word of the sentences is one token: as
-- they are plain English, the rows are 3 % shorter then. Words are learned that come twice.
local function tokenizer_for(texts)
  if system.kind(VOCABULARY) == "folder" then
    return hoi.tokenizer.open(VOCABULARY)
  end
  local twice <const> = table.move(texts, 1, #texts, #texts + 1, { table.unpack(texts) })
  return hoi.tokenizer.learn(twice, { merges = 4000 })
end

function text.new()
  local texts <const> = sentences()
  return tower.clip(NO_VISION, TEXT, JOINT, tokenizer_for(texts)), texts
end

-- GFLOP launched by encoding the sentences, in a program without a tensor yet.
function text.launched()
  local sum = 0
  for _, row in ipairs(hoi.profile(function()
    local clip <const>, texts <const> = text.new()
    clip:encode_text(texts)
  end)) do
    sum = sum + row.gigaflops
  end
  return sum
end

local launched

-- The same, asked of a program of its own.
local function launched_elsewhere()
  if not launched then
    local code <const> = ("package.path = %q .. '/?.lua;' .. package.path\n"):format(bench.folder)
      .. "print(require 'text'.launched())"
    launched = tonumber(bench.output(("%s -e %s"):format(bench.program(), bench.quote(code))))
  end
  return launched
end

text.name = "text"
text.figures = { "text_600_fraction", "text_600_work_ratio" }

function text.cases(options)
  if not options.wants "text_600_fraction" then
    return {}
  end
  local clip <const>, texts <const> = text.new()
  return {
    {
      figure = "text_600_fraction", label = ("%d classes"):format(#texts), kind = "fraction",
      work = launched_elsewhere(), most_rounds = 5, most_runs = 1,
      run = function()
        clip:encode_text(texts):release()
      end,
    },
  }
end

function text.plain(options)
  if not options.wants "text_600_work_ratio" then
    return {}
  end
  local count <const> = #sentences()
  local whole <const> = tower.blocks(TEXT, count, TEXT.places, true)
    + tower.product(count, JOINT, TEXT.width)
  return { text_600_work_ratio = launched_elsewhere() / whole }
end

return bench.noun(text)
