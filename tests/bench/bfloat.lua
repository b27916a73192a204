-- bfloat: both towers in bfloat16 beside themselves in float: time, and how far they agree:
--     build/hoi tests/bench/encode.lua --dtype bfloat16 --json bench.json
local bench <const> = require "bench"
local hoi <const> = require "hoi"
local text <const> = require "text"
local vision <const> = require "vision"

local PICTURES <const> = 512 -- drawn ones, for agreement

local bfloat <const> = {
  name = "bfloat", dtype = "bfloat16",
  figures = {
    "encode_1_bf16_ms", "encode_1_float_ms", "encode_8_bf16_ms", "encode_8_float_ms",
    "text_600_bf16_ms", "text_600_float_ms", "bf16_picture_cosine", "bf16_text_cosine",
    "bf16_top1",
  },
}

-- The same CLIP with layers of bfloat16: by way of a folder, as a user opens one.
function bfloat.of(clip)
  local folder <const> = os.tmpname()
  os.remove(folder)
  clip:save(folder)
  local other <const> = hoi.clip(folder, { dtype = "bfloat16", tokenizer = clip.tokenizer })
  os.execute("rm -r " .. bench.quote(folder))
  return other
end

local function both(cases, options, name, clip, run, most)
  local figure <const> = { float32 = name .. "_float_ms", bfloat16 = name .. "_bf16_ms" }
  local models <const> = { float32 = clip, bfloat16 = bfloat.of(clip) }
  for _, dtype in ipairs { "bfloat16", "float32" } do
    if options.wants(figure[dtype]) then
      cases[#cases + 1] = {
        figure = figure[dtype], label = name .. ", " .. dtype, kind = "milliseconds",
        most_rounds = most, run = function()
          run(models[dtype]):release()
        end,
      }
    end
  end
end

function bfloat.cases(options)
  local cases <const> = {}
  local clip <const> = vision.new()
  for _, pictures in ipairs { 1, 8 } do
    local x <const> = hoi.randn { pictures, 3, clip.visual.size, clip.visual.size }
    both(cases, options, ("encode_%d"):format(pictures), clip, function(model)
      return model:encode_image(x)
    end)
  end
  local texter <const>, texts <const> = text.new()
  both(cases, options, "text_600", texter, function(model)
    return model:encode_text(texts)
  end, 5)
  return cases
end

local function features(clip)
  local batch <const> = hoi.mini.batch("easy", 9, 1, PICTURES)
  local images <const>, texts <const> = {}, {}
  for i = 1, PICTURES do
    images[i] = hoi.image.new(96, 96, batch:rgb(i))
  end
  for i, target in ipairs(hoi.targets "mini") do
    texts[i] = target.sentence
  end
  return clip:encode_image(images):normalize(), clip:encode_text(texts):normalize()
end

local function least_cosine(a, b)
  return 1 - (1 - (a * b):sum(2)):max():item()
end

-- On the program's own CLIP: the least cosine, and the part of pictures whose best class stays.
function bfloat.plain()
  local pictures <const>, texts <const> = features(hoi.clip(nil, { dtype = "float32" }))
  local rough_pictures <const>, rough_texts <const> = features(hoi.clip(nil,
    { dtype = "bfloat16" }))
  local wanted <const> = pictures:matmul(texts:transpose()):argmax()
  local got <const> = rough_pictures:matmul(rough_texts:transpose()):argmax()
  local same = 0
  for i = 1, PICTURES do
    same = same + (wanted[i] == got[i] and 1 or 0)
  end
  return {
    bf16_picture_cosine = least_cosine(pictures, rough_pictures),
    bf16_text_cosine = least_cosine(texts, rough_texts), bf16_top1 = same / PICTURES,
  }
end

return bench.noun(bfloat)
