-- peer: hoi's side of peers.py: one case, run as often as a line on standard input says; every line
-- is answered by a line of JSON.
--     build/hoi tests/bench/peer.lua CASE FOLDER
-- Lines: "run N" (N times, seconds of one), "probe" (GFLOP/s of multiply-adds in registers),
-- "memory" (MB that running added at most to the loaded model). FOLDER gets what the peers need
-- to do the same, weights and inputs, and what came out here.
local bfloat <const> = require "bfloat"
local device <const> = require "hoi.device"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local pixels <const> = require "hoi.pixels"
local safetensors <const> = require "hoi.safetensors"
local step <const> = require "step"
local system <const> = require "hoi.system"
local text <const> = require "text"
local vision <const> = require "vision"

local LAYERS <const>, PROMPTS <const>, NARROW <const> = 9, 2, 64 -- of tuning

local cases <const> = {}

local function numbers(list)
  return hoi.tensor(list)
end

local function encode(pictures, open)
  return function(folder)
    local clip <const> = open(vision.new())
    local x <const> = hoi.randn { pictures, 3, clip.visual.size, clip.visual.size }
    clip:save(folder)
    safetensors.save(folder .. "/inputs.safetensors", { x = x, result = clip:encode_image(x) })
    return function()
      clip:encode_image(x):release()
    end, vision.gigaflop(pictures)
  end
end

local function as_float(clip)
  return clip
end

cases.encode_1, cases.encode_8 = encode(1, as_float), encode(8, as_float)
cases.encode_1_bf16, cases.encode_8_bf16 = encode(1, bfloat.of), encode(8, bfloat.of)

-- Sentences to features, cutting sentences into tokens included. The peers get all places.
function cases.text_600(folder)
  local clip <const>, texts <const> = text.new()
  local ids <const>, ends <const> = clip:tokenize(texts)
  for _, row in ipairs(ids) do
    for i = #row + 1, clip.text.places do
      row[i] = 0
    end
  end
  clip:save(folder)
  safetensors.save(folder .. "/inputs.safetensors", { ids = numbers(ids), ends = numbers(ends),
    result = clip:encode_text(texts) })
  return function()
    clip:encode_text(texts):release()
  end
end

-- Captions into tokens and pictures into floats included. The peer gets both as tensors.
function cases.pretrain(folder)
  local batch <const> = step.batch()
  local run <const>, clip <const>, weight <const>, bias <const> = step.stepper(batch)
  local ids <const>, ends <const> = clip:tokenize(batch:captions())
  clip:save(folder)
  local inputs <const> = {
    ids = numbers(ids), ends = numbers(ends), x = pixels.batch(batch, step.PREPROCESS),
    cells = pixels.cells(batch), weight = weight:detach() * 1, bias = bias:detach() * 1,
  }
  local _, loss <const> = run()
  inputs.result = loss
  safetensors.save(folder .. "/inputs.safetensors", inputs)
  return run
end

-- What tuning runs through: a tower, its first tokens (rows, places, width), how prompts of block i
-- come into them, and what is read at the end; `saved` gets what the peer needs for the same.
local function pictures(folder, saved)
  local clip <const> = vision.new()
  local tower <const>, count <const> = clip.visual, 8
  local x <const> = hoi.randn { count, 3, tower.size, tower.size }
  clip:save(folder)
  saved.x = x
  return tower, function()
    return tower:embed(x)
  end, function(y, prompt, _, places) -- behind the patches
    return hoi.concat({ y:slice(2, 1, places), prompt }, 2)
  end, function(y)
    return tower:leave(y:slice(2, 1, 1))
  end
end

local function sentences(folder, saved)
  local clip <const>, texts <const> = text.new()
  local tower <const> = clip.text
  local ids <const>, ends <const> = clip:tokenize(texts)
  clip:save(folder)
  saved.ids, saved.ends = numbers(ids), numbers(ends)
  for i = 1, #ends do
    ends[i] = ends[i] + PROMPTS
  end
  return tower, function()
    return tower:embed(ids)
  end, function(y, prompt, i) -- behind the start token
    return hoi.concat({ y:slice(2, 1, 1), prompt, y:slice(2, i == 1 and 2 or 2 + PROMPTS) }, 2)
  end, function(y)
    return tower:leave(y, ends)
  end
end

-- Forward and back through a frozen tower: in its first blocks two learned vectors, fresh ones in
-- each, and an adapter behind each. lean: what a block made is made again on the way back.
local function tune(subject, lean)
  return function(folder)
    local saved <const>, learned <const> = {}, {}
    local tower <const>, embed <const>, put <const>, read <const> = subject(folder, saved)
    for i = 1, LAYERS do
      learned[i] = {
        prompt = hoi.randn({ PROMPTS, tower.width }, { deviation = 0.02 }):train(),
        down = hoi.randn({ NARROW, tower.width }, { deviation = 0.02 }):train(),
        up = hoi.randn({ tower.width, NARROW }, { deviation = 0.02 }):train(),
      }
      for name, value in pairs(learned[i]) do
        saved[name .. i] = value:detach()
      end
    end
    local function run()
      local y = embed()
      local rows <const>, places <const> = y:size(1), y:size(2)
      y = tower:enter(y)
      for i = 1, tower.depth do
        local l <const> = learned[i]
        if l then
          y = put(y, l.prompt:unsqueeze(1):expand(rows, PROMPTS, tower.width), i, places)
        end
        y = tower:block(i, y, { recompute = lean })
        if l then
          y = y + y:linear(l.down):relu():linear(l.up)
        end
      end
      local loss <const> = read(y):square():mean()
      for _, l in ipairs(learned) do
        for _, value in pairs(l) do
          value:clear()
        end
      end
      loss:backward()
      return loss, learned[1].prompt.grad:square():sum():sqrt()
    end
    safetensors.save(folder .. "/inputs.safetensors", saved)
    return run
  end
end

cases.tune_fast, cases.tune_lean = tune(pictures, false), tune(pictures, true)
cases.tune_text_fast, cases.tune_text_lean = tune(sentences, false), tune(sentences, true)

------------------------------------------------------------------------------- lines

local function resident(key)
  local status <const> = assert(io.open "/proc/self/status"):read "a"
  return tonumber(status:match(key .. ":%s+(%d+)")) / 1024
end

local name <const>, folder <const> = arg[1], arg[2]
hoi.seed(1)
local run <const>, gigaflop <const> = assert(cases[name], "peer: no such case")(folder)
collectgarbage()
device.finish()
device.trim()
local refs <close> = assert(io.open("/proc/self/clear_refs", "w"))
refs:write("5"):flush() -- the peak of memory begins anew
local loaded <const> = resident "VmRSS"

local answers <const> = {}

function answers.run(times)
  collectgarbage()
  device.finish()
  local begun <const> = system.now()
  for _ = 1, times do
    run()
  end
  device.finish()
  return { seconds = (system.now() - begun) / times }
end

function answers.probe()
  return { gigaflops = device.probe { milliseconds = 10 } }
end

function answers.memory()
  return { mb = resident "VmHWM" - loaded }
end

-- Of tuning: the loss, and the size of the gradient of the first block's vectors.
function answers.result()
  local loss <const>, size <const> = run()
  return { loss = loss:item(), gradient = size:item() }
end

io.write(json.encode { program = "hoi", gigaflop = gigaflop }, "\n"):flush()
for line in io.lines() do
  local word <const>, times <const> = line:match "^(%l+) ?(%d*)$"
  io.write(json.encode(answers[word](tonumber(times) or 1)), "\n"):flush()
end
