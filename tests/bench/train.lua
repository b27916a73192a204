-- train: a training step of EZ-HOI (forward, backward, AdamW) at ViT-B/16's size with random
-- weights, 8 pictures of 24 pairs, HICO-DET's classes in unseen_verb; with a Python that has torch
-- (HOI_PYTHON) the published step and one with our shortcuts beside it (peers_train.py), each in a
-- process of its own, so that the peak of its memory is its own.
--     build/hoi tests/bench/train.lua --json train.json
local argparse <const> = require "argparse"
local bench <const> = require "bench"
local device <const> = require "hoi.device"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"
local tower <const> = require "tower"

local parser <const> = argparse("train.lua", "Times a training step of EZ-HOI beside PyTorch.")
parser:option("--json", "a file for the figures")
parser:option("--steps", "measured steps", "3"):convert(math.tointeger)
parser:option("--case", "one mode alone, as a line of JSON: paper or released")
local args <const> = parser:parse()

local PICTURES <const>, HUMANS <const>, THINGS <const> = 8, 4, 3 -- 4 (4 + 3 - 1) = 24 pairs

-- Peak and present memory of this process in MB.
local function memory()
  local text <const> = assert(io.open "/proc/self/status"):read "a"
  return tonumber(text:match "VmHWM:%s+(%d+)") / 1024, tonumber(text:match "VmRSS:%s+(%d+)") / 1024
end

local function sample(method, n)
  local detections <const>, annotations <const> = {}, {}
  for i = 1, HUMANS + THINGS do
    local x <const>, y <const> = (i * 29 + n * 7) % 120, (i * 41 + n * 13) % 120
    detections[i] = { box = { x, y, x + 90, y + 100 }, score = 0.9 - 0.01 * i,
      label = i <= HUMANS and "person" or "bicycle" }
  end
  for i = 1, 2 do
    annotations[i] = { human_box = detections[i].box, object_box = detections[HUMANS + i].box,
      verb = "ride", object = "bicycle" }
  end
  return {
    pixels = hoi.randn { 3, method.picture.size, method.picture.size }, width = 224, height = 224,
    pairs = hoi.pairs(detections, { width = 224, height = 224, nms_threshold = 1 }),
    annotations = annotations, guidance = hoi.randn { 196, 512 },
  }
end

local function run(mode)
  hoi.seed(1)
  local vocabulary <const> = (os.getenv "HOI_DATA" or "../shared/data") .. "/tokenizer"
  local tokenizer <const> = system.kind(vocabulary) and hoi.tokenizer.open(vocabulary)
    or hoi.clip().tokenizer -- the drawn world's cuts sentences into a few more pieces
  local clip <const> = tower.clip({ width = 768, depth = 12, heads = 12, size = 224, patch = 16 },
    { width = 512, depth = 12, heads = 8, places = 77 }, 512, tokenizer)
  local method <const> = hoi.method("ezhoi", clip, hoi.targets("hico", { setting = "unseen_verb" }),
    { mode = mode })
  local optimizer <const> = hoi.adamw(method:train(), { learning_rate = 1e-3 })
  local batch <const> = {}
  for i = 1, PICTURES do
    batch[i] = sample(method, i)
  end
  local loss
  local function step()
    loss = method:loss(batch)
    loss:backward()
    optimizer:step { max_grad_norm = 0.1 }
    device.finish()
  end
  local _, loaded <const> = memory()
  step()
  local times <const>, peaks <const> = {}, {}
  for i = 1, args.steps do
    peaks[i] = device.probe { milliseconds = 20 }
    local from <const> = system.now()
    step()
    times[i] = system.now() - from
  end
  local most <const> = memory()
  return { mode = mode, seconds = bench.median(times), probe_gflops = bench.median(peaks),
    memory_mb = most - loaded, classes = #method.chosen, pairs = #batch[1].pairs,
    loss = loss:item() }
end

if args.case then
  io.write(json.encode(run(args.case)), "\n")
  return
end

local figures <const> = {}
local function own(mode)
  local found <const> = json.decode(bench.output(("%s %s/train.lua --case %s --steps %d"):format(
    bench.program(), bench.quote(bench.folder), mode, args.steps)))
  figures["step_" .. mode .. "_seconds"], figures["memory_" .. mode .. "_mb"] = found.seconds,
    found.memory_mb
  figures.classes, figures.pairs = found.classes, found.pairs
  print(("hoi, %-8s %7.2f s a step, %6.0f MB, %d classes, %d pairs a picture"):format(mode,
    found.seconds, found.memory_mb, found.classes, found.pairs))
  return found
end

local function peer(mode, variant)
  local cases <const> = json.decode(bench.output(("%s %s/peers_train.py --classes 210 --modes %s"
    .. " --variants %s --steps 1 --warm 1"):format(bench.quote(os.getenv "HOI_PYTHON"),
    bench.quote(bench.folder), mode, variant))).cases
  return cases[1]
end

for _, mode in ipairs { "paper", "released" } do
  own(mode)
end
if os.getenv "HOI_PYTHON" then
  figures.peers = {}
  for _, mode in ipairs { "paper", "released" } do
    local seconds <const> = figures["step_" .. mode .. "_seconds"]
    local published <const>, shortcuts <const> = peer(mode, "published"), peer(mode, "shortcuts")
    figures.peers[mode .. "_published"], figures.peers[mode .. "_shortcuts"] = published, shortcuts
    figures["step_" .. mode .. "_vs_published"] = published.ms[1] / 1e3 / seconds
    figures["step_" .. mode .. "_vs_shortcut_peer"] = shortcuts.ms[1] / 1e3 / seconds
    figures["memory_" .. mode .. "_vs_published"] = figures["memory_" .. mode .. "_mb"]
      / published.memory_mb
  end
  figures.step_vs_shortcut_peer = figures.step_paper_vs_shortcut_peer
  figures.memory_vs_published = figures.memory_paper_vs_published
  for _, name in ipairs { "step_paper_vs_published", "step_released_vs_published",
    "step_vs_shortcut_peer", "step_released_vs_shortcut_peer", "memory_vs_published" } do
    print(("%-32s %.3g"):format(name, figures[name]))
  end
else
  io.stderr:write("train: PyTorch's steps are skipped: HOI_PYTHON names no Python\n")
end
if args.json then
  json.save(args.json, figures)
end
