-- train: a training step of EZ-HOI (forward, backward, AdamW) at ViT-B/16's size with random
-- weights, 8 pictures of 24 pairs, HICO-DET's classes in unseen_verb: the 210 that are chosen or
-- all 600; and inference of one picture, DETR-R50 and both towers, texts known. With a Python that
-- has torch (HOI_PYTHON) the published way and our shortcuts in PyTorch beside it (peers_train.py).
-- Every case is a process of its own, so that the peak of its memory is its own; ours and the
-- peers' take turns. Figures: seconds of a peer over hoi's; memory: hoi's over the peer's;
-- fraction: arithmetic of forward and backward that is launched (inference: of plain convolutions)
-- over what the probes around it reach.
--     HOI_PYTHON=python3 build/hoi tests/bench/train.lua --json train.json
local argparse <const> = require "argparse"
local bench <const> = require "bench"
local detr <const> = require "detr"
local device <const> = require "hoi.device"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"
local tower <const> = require "tower"

local CASES <const> = {
  step_paper = { mode = "paper", classes = 210 },
  step_released = { mode = "released", classes = 210 },
  step_paper_600 = { mode = "paper", classes = 600 },
  step_released_600 = { mode = "released", classes = 600 },
  inference = { mode = "released", classes = 210 },
}
local ORDER <const> = { "step_paper", "step_released", "step_paper_600", "step_released_600",
  "inference" }

local parser <const> = argparse("train.lua", "Times EZ-HOI's step and inference beside PyTorch.")
parser:option("--json", "a file for the figures")
parser:option("--only", table.concat(ORDER, ", ") .. "; can be given again"):choices(ORDER)
  :count "*"
parser:flag("--quick", "one sample of each: to see whether it works")
parser:option("--rounds", "turns of hoi and its peers", "1"):convert(math.tointeger)
parser:option("--case", "one case alone, as a line of JSON"):choices(ORDER)
parser:flag("--count", "the arithmetic of the case instead of its time (start hoi with --profile)")
parser:option("--samples", "measured samples of a case", "3"):convert(math.tointeger)
local args <const> = parser:parse()

local PICTURES <const>, HUMANS <const>, THINGS <const> = 8, 4, 3 -- 4 (4 + 3 - 1) = 24 pairs
local VISUAL <const> = { width = 768, depth = 12, heads = 12, size = 224, patch = 16 }
local TEXT <const> = { width = 512, depth = 12, heads = 8, places = 77 }
local PROBE_MS <const> = 20

------------------------------------------------------------------------------- one case

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

local function make(case)
  local vocabulary <const> = (os.getenv "HOI_DATA" or "../shared/data") .. "/tokenizer"
  local tokenizer <const> = system.kind(vocabulary) and hoi.tokenizer.open(vocabulary)
    or hoi.clip().tokenizer -- the drawn world's cuts sentences into a few more pieces
  local clip <const> = tower.clip(VISUAL, TEXT, 512, tokenizer)
  return hoi.method("ezhoi", clip, hoi.targets("hico", { setting = "unseen_verb" }),
    { mode = case.mode, classes_per_verb = case.classes == 600 and 0 or 2 })
end

-- Gets two functions: forward and backward, and what an optimizer does after them.
local function stepper(method)
  local optimizer <const> = hoi.adamw(method:train(), { learning_rate = 1e-3 })
  local batch <const> = {}
  for i = 1, PICTURES do
    batch[i] = sample(method, i)
  end
  return function()
    method:loss(batch):backward()
  end, function()
    optimizer:step { max_grad_norm = 0.1 }
  end
end

-- Gets a function that sees one picture, from the detector's pixels on, and its GFLOP.
local function seer(method)
  method:freeze()
  local detector <const>, x <const> = detr.model(), hoi.randn { 1, 800, 1066, 3 }
  local one <const> = sample(method, 1)
  local pixels <const> = one.pixels:unsqueeze(1)
  local cells <const> = (VISUAL.size // VISUAL.patch) ^ 2
  local work <const> = detr.gigaflop() + 2 * tower.product(cells, VISUAL.width, 3 * 16 ^ 2)
    + tower.blocks(VISUAL, 1, cells + 1) + tower.blocks(VISUAL, 1, cells + 3)
  return function()
    local _, boxes <const> = detector:forward(x)
    boxes:totable()
    method:scores(nil, one.pairs,
      { sample = { pixels = one.pixels, width = 224, height = 224,
        guidance = method:guide(pixels) } })
  end, work
end

local function run(name)
  hoi.seed(1)
  local case <const> = CASES[name]
  local method <const> = make(case)
  local forward, after, work
  if name == "inference" then
    forward, work = seer(method)
    after = function() end
  else
    forward, after = stepper(method)
  end
  local _, loaded <const> = memory()
  forward()
  after()
  device.finish()
  if args.count then -- gigaflops of a row are its sum
    work = 0
    for _, row in ipairs(device.profile(forward)) do
      work = work + row.gigaflops
    end
    return { work = work }
  end
  local samples <const> = {}
  for i = 1, args.samples do
    collectgarbage()
    local before <const> = device.probe { milliseconds = PROBE_MS }
    local from <const> = system.now()
    forward()
    device.finish()
    local walked <const> = system.now() - from
    after()
    device.finish()
    local seconds <const> = system.now() - from
    local behind <const> = device.probe { milliseconds = PROBE_MS }
    samples[i] = { before = before, after = behind, peak = (before + behind) / 2,
      walked = walked, seconds = seconds }
  end
  local most <const> = memory()
  return { samples = samples, work = work, memory_mb = most - loaded, classes = #method.chosen }
end

if args.case then
  io.write(json.encode(run(args.case)), "\n")
  return
end

------------------------------------------------------------------------------- all cases

local python <const> = os.getenv "HOI_PYTHON"
local figures <const> = { cases = {} }

local function own(name, more)
  return json.decode(bench.output(("%s %s %s/train.lua --case %s --samples %d %s"):format(
    bench.program(), more and "--profile" or "", bench.quote(bench.folder), name,
    args.quick and 1 or name == "inference" and 3 * args.samples or args.samples, more or "")))
end

local function peer(name, variant)
  local case <const> = CASES[name]
  local what <const> = name == "inference" and "--inference"
    or ("--modes %s --variants %s"):format(case.mode, variant)
  return json.decode(bench.output(("%s %s/peers_train.py --classes %d --steps %d --warm 1 %s")
    :format(bench.quote(python), bench.quote(bench.folder), case.classes,
      variant == "published" and 1 or args.samples, what))).cases[1]
end

-- Seconds of a peer's answers, nil where it was skipped.
local function seconds_of(answers)
  local list <const> = {}
  for _, answer in ipairs(answers) do
    local ms <const> = answer.ms_with_guidance and { answer.ms_with_guidance } or answer.ms or {}
    for _, each in ipairs(ms) do
      list[#list + 1] = each / 1e3
    end
  end
  return #list > 0 and bench.median(list) or nil
end

-- Seconds of calm samples, and what part of the peak around each its arithmetic is. Without any
-- calm one there is no fraction, and all seconds count.
local function kept(samples, best, work)
  local seconds <const>, fractions <const>, all <const> = {}, {}, {}
  for i, each in ipairs(samples) do
    all[i] = each.seconds
    if bench.calm(each, best) then
      seconds[#seconds + 1] = each.seconds
      fractions[#fractions + 1] = work / each.walked / each.peak
    end
  end
  return #seconds > 0 and seconds or all, fractions
end

local function measure(name)
  local variants <const> = not python and {} or name == "inference" and { "published" }
    or { "published", "shortcuts" }
  local ours <const>, theirs <const> = { own(name) }, {}
  for _ = 1, args.quick and 1 or args.rounds do
    for _, variant in ipairs(variants) do
      theirs[variant] = theirs[variant] or {}
      table.insert(theirs[variant], peer(name, variant))
      ours[#ours + 1] = own(name)
    end
  end
  local work <const> = ours[1].work or own(name, "--count").work
  local samples <const>, most, best = {}, 0, 0
  for _, answer in ipairs(ours) do
    most = math.max(most, answer.memory_mb)
    for _, each in ipairs(answer.samples) do
      samples[#samples + 1] = each
      best = math.max(best, each.before, each.after)
    end
  end
  local seconds <const>, fractions <const> = kept(samples, best, work)
  local found <const> = { seconds = bench.median(seconds), memory_mb = most, gigaflop = work,
    fraction = #fractions > 0 and bench.median(fractions) or nil, samples = #samples,
    calm = #fractions, classes = ours[1].classes, peers = {} }
  figures.cases[name] = found
  figures[name .. "_fraction"] = found.fraction
  print(("%-18s %3d classes: %6.3f s, %5.0f MB, %4.0f GFLOP, %.2f of the peak, %d of %d calm")
    :format(name, found.classes, found.seconds, most, work, found.fraction or 0 / 0, #fractions,
      #samples))
  for _, variant in ipairs(variants) do
    local theirs_took <const>, answer <const> = seconds_of(theirs[variant]), theirs[variant][1]
    found.peers[variant] = theirs[variant]
    if theirs_took then
      figures[name .. "_vs_" .. variant] = theirs_took / found.seconds
      figures[name .. "_memory_vs_" .. variant] = most / answer.memory_mb
      print(("  PyTorch, %-9s %13.3f s, %5.0f MB: hoi %.2f times as fast, in %.2f of the memory")
        :format(variant, theirs_took, answer.memory_mb, theirs_took / found.seconds,
          most / answer.memory_mb))
    else
      print(("  PyTorch, %-9s skipped: %s"):format(variant, answer.skipped))
    end
  end
end

if not python then
  io.stderr:write("train: PyTorch is skipped: HOI_PYTHON names no Python\n")
end
for _, name in ipairs(ORDER) do
  local wanted = #args.only == 0
  for _, each in ipairs(args.only) do
    wanted = wanted or each == name
  end
  if wanted then
    measure(name)
  end
end
for figure, name in pairs { step_fraction = "step_paper_fraction",
  step_vs_shortcut_peer = "step_paper_vs_shortcuts",
  memory_vs_published = "step_paper_memory_vs_published" } do
  figures[figure] = figures[name]
end
for _, figure in ipairs { "step_paper_vs_published", "step_released_vs_published",
  "step_vs_shortcut_peer", "memory_vs_published", "step_fraction", "inference_fraction",
  "inference_vs_published" } do
  print(("%-28s %s"):format(figure, figures[figure] and ("%.3g"):format(figures[figure])
    or "not measured"))
end
if args.json then
  json.save(args.json, figures)
end
