-- fewshot: few-shot learning beside PyTorch and scikit-learn (peers_fewshot.py), each measured in
-- turns with the other asleep; figures are ratios, PyTorch's (scikit-learn's) seconds over hoi's.
--     build/hoi tests/bench/fewshot.lua --json fewshot.json
-- adapter: CLIP-Adapter at ImageNet's size: 1000 classes, 16 shots, width 512, batch 32, AdamW.
-- probe: 101 classes, 16 shots, width 512, C = 0.316. coop: a step of 16 contexts and 100 classes
-- through ViT-B/16's text tower, 32 features. lora: a step on 8 pictures and 10 classes through
-- both towers of ViT-B/16. HOI_PYTHON: the Python that has torch and scikit-learn.
local argparse <const> = require "argparse"
local bench <const> = require "bench"
local device <const> = require "hoi.device"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local safetensors <const> = require "hoi.safetensors"
local system <const> = require "hoi.system"
local tower <const> = require "tower"

local CLASSES <const>, SHOTS <const>, WIDTH <const>, BATCH <const> = 1000, 16, 512, 32
local EPOCHS <const>, STEPS <const> = 200, 200
local ENOUGH <const> = 0.01 -- how far losses may be apart, relative

local function named(n)
  local list <const> = {}
  for i = 1, n do
    list[i] = "class " .. i
  end
  return list
end

-- n labels, one class after the other.
local function labels_of(n, classes)
  local list <const>, plain <const> = {}, {}
  for i = 1, n do
    list[i] = (i * 7919) % classes + 1
    plain[i] = list[i] - 1
  end
  return list, hoi.tensor(plain)
end

local cases <const> = {}

-- Steps on batches one after the other, from the same weights as PyTorch's.
function cases.adapter(folder)
  local n <const> = CLASSES * SHOTS
  local features <const> = hoi.randn { n, WIDTH }:normalize()
  local text <const> = hoi.randn { CLASSES, WIDTH }:normalize()
  local labels <const>, plain <const> = labels_of(n, CLASSES)
  local set <const> = { features = features, labels = labels }
  local function new()
    return hoi.classifier("clip_adapter", { classes = named(CLASSES), text = text, scale = 100 })
  end
  local image <const> = new().module.image
  safetensors.save(folder .. "/adapter.safetensors", { features = features, text = text,
    labels = plain, down = image.down.weight, up = image.up.weight })
  local places <const>, rates <const> = {}, {}
  for i = 1, STEPS do
    places[i], rates[i] = {}, 1e-3
    for k = 1, BATCH do
      places[i][k] = (i - 1) * BATCH + k
    end
  end
  return function()
    local model <const> = new()
    local optimizer <close> = hoi.adamw(model:parameters(), { learning_rate = 1e-3,
      weight_decay = 1e-2 })
    device.finish()
    local begun <const> = system.now()
    local loss <const> = model:run_steps(set, places, rates, optimizer, 0):item()
    return { seconds = (system.now() - begun) / STEPS, loss = loss / STEPS }
  end
end

function cases.probe(folder)
  local classes <const>, n <const> = 101, 101 * SHOTS
  local labels <const>, plain <const> = labels_of(n, classes)
  local centres <const> = hoi.randn { classes, WIDTH }
  local features <const> = (centres:rows(labels) + hoi.randn { n, WIDTH } * 1.5):normalize() * 10
  safetensors.save(folder .. "/probe.safetensors", { features = features, labels = plain })
  return function() -- the best of four, as the other side's
    local model, result, seconds = nil, nil, math.huge
    for _ = 1, 4 do
      model = hoi.classifier("linear_probe", { classes = named(classes) }, { C = 0.316 })
      local begun <const> = system.now()
      result = model:fit { features = features, labels = labels }
      device.finish()
      seconds = math.min(seconds, system.now() - begun)
    end
    local w <const> = model.module.weight:detach()
    local entropy <const> = hoi.losses.cross_entropy(model:logits(features), labels,
      { reduction = "sum" })
    return { seconds = seconds, iterations = result.steps,
      loss = 0.316 * entropy:item() + 0.5 * w:square():sum():item() }
  end
end

local TEXT <const> = { width = 512, depth = 12, heads = 8, places = 77 }
local SMALL <const> = { width = 64, depth = 1, heads = 1, size = 16, patch = 16 }
local VISUAL <const> = { width = 768, depth = 12, heads = 12, size = 224, patch = 16 }

local function tokenizer()
  return hoi.tokenizer.learn({ "a photo of a class", "X X X X a photo of a class" },
    { merges = 20 })
end

local function stepper(model, x, labels, options)
  local optimizer <const> = options.optimizer(model:parameters())
  return function()
    local begun <const> = system.now()
    model.training = true
    local loss <const> = hoi.losses.cross_entropy(model:forward(x, model:classes()), labels)
    loss:backward()
    optimizer:step()
    device.finish()
    return { seconds = system.now() - begun }
  end
end

local function letters(n) -- names of one token each
  local list <const> = {}
  for i = 1, n do
    list[i] = tostring(i % 10)
  end
  return list
end

function cases.coop()
  local clip <const> = tower.clip(SMALL, TEXT, 512, tokenizer())
  local model <const> = hoi.classifier("coop", { classes = letters(100), clip = clip, scale = 100 })
  return stepper(model, hoi.randn { BATCH, 512 }, (labels_of(BATCH, 100)), { optimizer = hoi.sgd })
end

function cases.lora()
  local clip <const> = tower.clip(VISUAL, TEXT, 512, tokenizer())
  local model <const> = hoi.classifier("clip_lora", { classes = letters(10), clip = clip,
    scale = 100 })
  return stepper(model, hoi.randn { 8, 3, 224, 224 }, (labels_of(8, 10)),
    { optimizer = hoi.adamw })
end

------------------------------------------------------------------------------- the other side

-- A Python that does what it is told a line at a time, and writes lines into a file.
local function peer(folder)
  local out <const> = folder .. "/peer.txt"
  io.open(out, "w"):close()
  local python <const> = bench.quote(os.getenv "HOI_PYTHON" or "python3")
  bench.output(python .. " -c 'import torch, sklearn, safetensors'") -- or says what is missing
  local pipe <const> = assert(io.popen(("%s %s %s > %s"):format(python,
    bench.quote(bench.folder .. "/peers_fewshot.py"), bench.quote(folder), bench.quote(out)), "w"))
  local seen = 0
  return function(name)
    pipe:write(name, "\n"):flush()
    seen = seen + 1
    for _ = 1, 6000 do
      local count, last = 0, nil
      for line in io.lines(out) do
        count, last = count + 1, line
      end
      if count >= seen then
        return json.decode(last)
      end
      os.execute "sleep 0.1"
    end
    error("fewshot: PyTorch does not answer: " .. name, 0)
  end
end

local FIGURES <const> = {
  { "adapter", "adapter_vs_pytorch", "a step of CLIP-Adapter", 7 },
  { "probe", "probe_vs_sklearn", "a linear probe", 7 },
  { "coop", "coop_step_vs_pytorch", "a step of CoOp", 3 },
  { "lora", "lora_step_vs_pytorch", "a step of CLIP-LoRA", 3 },
}

local parser <const> = argparse("fewshot.lua", "Few-shot learning beside PyTorch.")
parser:option("--json", "file that gets one object: figure to number")
parser:option("--only", "adapter, probe, coop or lora; can be given again"):count "*"
local args <const> = parser:parse()

local folder <const> = os.tmpname() .. ".d"
system.make_folder(folder)
local ask <const>, figures <const> = peer(folder), {}
io.write(("%-24s %12s %12s %8s  %s\n"):format("medians", "hoi", "peer", "ratio", "losses"))
for _, row in ipairs(FIGURES) do
  local name <const>, figure <const>, label <const>, rounds <const> = table.unpack(row)
  local wanted = #args.only == 0
  for _, each in ipairs(args.only) do
    wanted = wanted or each == name
  end
  if wanted then
    hoi.seed(7)
    local run <const> = cases[name](folder)
    run()
    local ours <const>, theirs <const>, a, b = {}, {}, nil, nil
    for i = 1, rounds do
      a, b = run(), ask(name)
      os.execute "sleep 0.5" -- its threads turn on the spot for a while after their work
      ours[i], theirs[i] = a.seconds, b.seconds
    end
    local mine <const>, other <const> = bench.median(ours), bench.median(theirs)
    figures[figure] = other / mine
    io.write(("%-24s %9.3f ms %9.3f ms %8.2f  %s\n"):format(label, 1000 * mine, 1000 * other,
      other / mine, a.loss and ("%.5f, %.5f"):format(a.loss, b.loss) or ""))
    if a.iterations then
      io.write(("  %d iterations, %d\n"):format(a.iterations, b.iterations))
    end
    if a.loss and math.abs(a.loss - b.loss) > ENOUGH * math.abs(b.loss) then
      error(("fewshot: %s: the losses differ"):format(name), 0)
    end
    if name == "adapter" then
      local steps <const> = EPOCHS * CLASSES * SHOTS / BATCH
      io.write(("  %d epochs: %.1f s, %.1f s\n"):format(EPOCHS, steps * mine, steps * other))
    end
    collectgarbage()
    device.trim()
  end
end
os.execute("rm -rf " .. bench.quote(folder))
if args.json then
  json.save(args.json, figures)
end
