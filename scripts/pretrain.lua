-- pretrain: teaches a small CLIP, then an OWL-ViT detector on top of it, the drawn world from
-- nothing. Verbs are learned from captions alone: the auxiliary loss names things and people in
-- the cells of the picture, never verbs.
local argparse <const> = require "argparse"
local checkpoint <const> = require "hoi.checkpoint"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local owlvit <const> = require "hoi.owlvit"
local pixels <const> = require "hoi.pixels"
local system <const> = require "hoi.system"

local parser <const> = argparse("pretrain.lua",
  "Trains the small CLIP and the detector of the drawn world from nothing.")
parser:option("--out", "folder of the results: clip/, owlvit/, checkpoints, log.jsonl",
  "out/pretrain")
parser:option("--stage", "clip, owlvit or both", "both"):choices { "clip", "owlvit", "both" }
parser:option("--steps", "steps of the CLIP's training", "7000"):convert(math.tointeger)
parser:option("--detector-steps", "steps of the detector's training", "4000")
  :convert(math.tointeger)
parser:option("--batch", "pictures of a step", "64"):convert(math.tointeger)
parser:option("--rate", "greatest learning rate of the CLIP's training", "8e-4"):convert(tonumber)
parser:option("--seed", "seed of weights and pictures", "66"):convert(math.tointeger)
parser:option("--save-every", "steps between two checkpoints", "500"):convert(math.tointeger)
parser:flag("--fresh", "begin anew instead of going on from the checkpoints in the folder")
local args <const> = parser:parse()

local SIZE <const>, GRID <const> = 96, 8
local MEAN <const>, STD <const> = { 0.5, 0.5, 0.5 }, { 0.27, 0.27, 0.27 }
-- Share of the steps with one thing or one group in the picture: the test's pair crops look so.
local EASY <const> = 0.7
local AUXILIARY <const> = 2 -- weight of the auxiliary loss, falling to 0 at half of the steps
local FIRST <const> = 1 << 41 -- the pictures begin here: far from those of any data set

local function make_folder(path)
  local at = path:sub(1, 1) == "/" and "/" or ""
  for part in path:gmatch "[^/]+" do
    at = at .. part .. "/"
    system.make_folder(at)
  end
end
make_folder(args.out)

local function log_line(values)
  local file <close> = assert(io.open(args.out .. "/log.jsonl", "a"))
  file:write(json.encode(values), "\n")
end

-- The words of the world: captions, class names and descriptions.
local function learn_tokenizer()
  local texts <const> = {}
  for _, class in ipairs(hoi.mini.classes) do
    for _, list in ipairs { class.names, class.descriptions } do
      for _, text in ipairs(list) do
        texts[#texts + 1] = text
      end
    end
  end
  local batch <close> = hoi.mini.batch("web", args.seed, FIRST, 512)
  for part = 1, 16 do
    batch:fill("web", args.seed, FIRST + part * 512)
    table.move(batch:captions(), 1, #batch, #texts + 1, texts)
  end
  return hoi.tokenizer.learn(texts, { merges = 400 })
end

-- OpenAI's initial values; the picture's positions begin as two-dimensional waves, which they keep
-- learning from.
local function initialize(clip)
  local function normal(name, deviation)
    for _, p in ipairs(clip:parameters(name)) do
      p[2]:write(hoi.randn(p[2].shape, { deviation = deviation }))
    end
  end
  for _, name in ipairs { "text_model", "vision_model" } do -- the generator gives in this order
    local tower <const> = name == "text_model" and clip.text or clip.visual
    local w <const>, l <const> = tower.width, tower.depth
    normal("^" .. name .. ".*qkv_proj.weight", w ^ -0.5)
    normal("^" .. name .. ".*out_proj.weight", w ^ -0.5 * (2 * l) ^ -0.5)
    normal("^" .. name .. ".*fc1.weight", (2 * w) ^ -0.5)
    normal("^" .. name .. ".*fc2.weight", w ^ -0.5 * (2 * l) ^ -0.5)
  end
  normal("class_embedding", clip.visual.width ^ -0.5)
  normal("patch_embedding", (3 * clip.visual.patch ^ 2) ^ -0.5)
  normal("token_embedding", 0.02)
  normal("text_model.embeddings.position", 0.01)
  normal("visual_projection", clip.visual.width ^ -0.5)
  normal("text_projection", clip.text.width ^ -0.5)
  local w <const>, rows <const> = clip.visual.width, {}
  for i = 0, GRID * GRID do
    local row <const> = {}
    for k = 0, w // 4 - 1 do
      local speed <const> = 100 ^ (-k / (w // 4))
      local y <const>, x <const> = (i - 1) // GRID * speed, (i - 1) % GRID * speed
      for at, value in ipairs { math.sin(x), math.cos(x), math.sin(y), math.cos(y) } do
        row[(at - 1) * (w // 4) + k + 1] = i == 0 and 0 or 0.15 * value
      end
    end
    rows[i + 1] = row
  end
  clip:parameters "vision_model.embeddings.position"[1][2]:write(rows)
end

local function new_clip(tokenizer)
  return hoi.clip.new {
    tokenizer = tokenizer,
    preprocess = { image_mean = MEAN, image_std = STD },
    config = {
      model_type = "clip", architectures = { "CLIPModel" }, projection_dim = 96,
      logit_scale_init_value = 2.6592,
      text_config = {
        model_type = "clip_text_model", hidden_size = 96, intermediate_size = 384,
        num_hidden_layers = 3, num_attention_heads = 4, max_position_embeddings = 24,
        vocab_size = tokenizer.size, hidden_act = "quick_gelu",
        bos_token_id = tokenizer.size - 2, eos_token_id = tokenizer.size - 1, projection_dim = 96,
      },
      vision_config = {
        model_type = "clip_vision_model", hidden_size = 128, intermediate_size = 512,
        num_hidden_layers = 5, num_attention_heads = 4, image_size = SIZE,
        patch_size = SIZE // GRID, hidden_act = "quick_gelu", projection_dim = 96,
      },
    },
  }
end

-- Runs `step(t)`, which gets the numbers to show, for all steps that are left; saves on the way, at
-- the end and at Ctrl-C.
local function run(label, steps, parameters, optimizer, step)
  local path <const> = ("%s/%s.checkpoint"):format(args.out, label)
  local state <const> = not args.fresh and checkpoint.load(path, parameters, optimizer)
    or { step = 0, seconds = 0 }
  local stop <close> = hoi.interrupt()
  local begun <const>, first <const> = system.now(), state.step
  local function save(t)
    checkpoint.save(path, parameters, optimizer,
      { step = t, seconds = state.seconds + system.now() - begun })
  end
  local bar <close> = hoi.progress(math.max(steps - first, 0), { label = label })
  for i in bar do
    local t <const> = first + i
    local values <const> = step(t - 1, t % 20 == 0)
    if values then
      bar:set(values)
      values.stage, values.step, values.seconds = label, t, state.seconds + system.now() - begun
      log_line(values)
    end
    if stop:requested() then
      save(t)
      io.stderr:write(("%s: stopped after step %d; the same command goes on from there\n")
        :format(label, t))
      os.exit(130, true)
    elseif t % args.save_every == 0 or t == steps then
      save(t)
    end
  end
end

local function train_clip()
  hoi.seed(args.seed)
  local clip <const> = new_clip(learn_tokenizer())
  initialize(clip)
  local words <const>, visual <const>, text <const> = 13, clip.visual, clip.text
  local auxiliary <const> = {
    hoi.randn({ words, visual.width }, { deviation = 0.02 }):train(), hoi.zeros(words):train(),
  }
  local parameters <const> = clip:train()
  parameters[#parameters + 1] = { "auxiliary.weight", auxiliary[1] }
  parameters[#parameters + 1] = { "auxiliary.bias", auxiliary[2] }
  local scale <const> = clip:parameters "^logit_scale$"[1][2]
  local optimizer <const> = hoi.adamw(parameters, {
    learning_rate = args.rate, betas = { 0.9, 0.98 }, eps = 1e-6, weight_decay = 0.1,
    decay_matrices_only = true,
  })
  local rate <const> = hoi.schedule.cosine {
    learning_rate = args.rate, steps = args.steps, warmup = 100, floor = 0.02,
  }
  local batch <close> = hoi.mini.batch("easy", args.seed, FIRST, args.batch, { cells = GRID })
  run("clip", args.steps, parameters, optimizer, function(t, report)
    batch:fill(t < EASY * args.steps and "easy" or "web", args.seed, FIRST + t * args.batch)
    local ids <const>, eot <const> = clip:tokenize(batch:captions())
    local texts <const> = text:leave(text:blocks(text:enter(text:embed(ids))), eot)
    local tokens <const> = visual:embed(pixels.batch(batch, clip.preprocess))
    local x <const> = visual:blocks(visual:enter(tokens))
    local pictures <const> = visual:leave(x:slice(2, 1, 1):reshape(args.batch, visual.width))
    local factor <const> = scale:clamp(0, math.log(100)):exp()
    local contrastive <const> = hoi.losses.contrastive(pictures, texts, factor)
    local loss = contrastive
    local weight <const> = AUXILIARY * math.max(0, 1 - 2 * t / args.steps)
    if weight > 0 then -- which things, and people, fill this cell: sum over words, mean over cells
      local seen <const> = visual:norm(x:slice(2, 2)):linear(auxiliary[1], auxiliary[2])
      loss = loss + hoi.losses.binary_cross_entropy(seen, pixels.cells(batch)) * (weight * words)
    end
    loss:backward()
    optimizer:step { learning_rate = rate(t), max_grad_norm = 1 }
    return report
      and { contrastive = contrastive:item(), factor = math.exp(scale:item()), rate = rate(t) }
  end)
  clip:save(args.out .. "/clip", { dtype = "F16" })
end

-- Each true box goes to the patch that holds its centre, or the nearest free one; small boxes
-- choose first.
local function assign(boxes)
  local taken <const>, places <const>, order <const> = {}, {}, {}
  for i, b in ipairs(boxes) do
    order[i] = i
    b.area = (b.box[3] - b.box[1]) * (b.box[4] - b.box[2])
  end
  table.sort(order, function(i, j)
    local a <const>, b <const> = boxes[i].area, boxes[j].area
    return a ~= b and a < b or a == b and i < j
  end)
  for _, i in ipairs(order) do
    local box <const> = boxes[i].box
    local cx <const> = (box[1] + box[3]) / 2 / SIZE * GRID
    local cy <const> = (box[2] + box[4]) / 2 / SIZE * GRID
    local best, least
    for place = 1, GRID * GRID do
      local x <const>, y <const> = (place - 1) % GRID + 0.5, (place - 1) // GRID + 0.5
      local far <const> = (x - cx) ^ 2 + (y - cy) ^ 2
      if not taken[place] and (not least or far < least) then
        best, least = place, far
      end
    end
    taken[best] = true
    places[i] = best
  end
  return places
end

local function train_detector()
  hoi.seed(args.seed + 1)
  local clip <const> = hoi.clip(args.out .. "/clip", { dtype = "float32" })
  local detector <const> = owlvit.new(clip)
  for _, name in ipairs { "box_head.dense0", "class_head.dense0", "box_head.dense1" } do
    local x <const> = detector.heads[name .. ".weight"]
    x:write(hoi.randn(x.shape, { deviation = x:size(2) ^ -0.5 }))
  end
  -- so that at first hardly anything is seen
  detector.heads["class_head.logit_shift.bias"]:write { -0.5 }
  detector.heads["class_head.logit_scale.bias"]:write { 9 }
  local labels <const> = table.move(hoi.mini.things, 1, #hoi.mini.things, 1, {})
  labels[#labels + 1] = "person"
  local sentences <const>, place_of <const> = {}, {}
  for i, label in ipairs(labels) do
    place_of[label] = i
    sentences[i] = (label:find "^[aeiou]" and "a photo of an " or "a photo of a ") .. label
  end
  local queries <const> = detector:queries(sentences):detach()
  local parameters <const> = detector:parameters()
  for _, p in ipairs(parameters) do
    p[2]:train()
  end
  clip.training = true
  local optimizer <const> = hoi.adamw(parameters, {
    learning_rate = 1e-3, betas = { 0.9, 0.98 }, eps = 1e-6, weight_decay = 0.01,
    decay_matrices_only = true,
    groups = { { pattern = "^vision_model", learning_rate = 4e-4 } },
  })
  local rate <const> = hoi.schedule.cosine {
    learning_rate = 1e-3, steps = args.detector_steps, warmup = 100, floor = 0.01,
  }
  local batch <close> = hoi.mini.batch("test", args.seed, FIRST, args.batch)
  run("owlvit", args.detector_steps, parameters, optimizer, function(t, report)
    batch:fill("test", args.seed + 1, FIRST + t * args.batch)
    local n <const>, q <const> = GRID * GRID, #labels
    local positive <const>, truth <const>, target <const> = {}, {}, {}
    for i = 1, args.batch * n * q do
      target[i] = 0
    end
    for i = 1, args.batch do
      local picture <const> = batch:truth(i)
      local boxes <const> = {}
      for _, person in ipairs(picture.persons) do
        boxes[#boxes + 1] = { box = person.box, label = "person" }
      end
      for _, thing in ipairs(picture.things) do
        boxes[#boxes + 1] = { box = thing.box, label = thing.label }
      end
      for k, place in ipairs(assign(boxes)) do
        local row <const>, box <const> = (i - 1) * n + place, boxes[k].box
        positive[#positive + 1] = row
        truth[#truth + 1] = {
          (box[1] + box[3]) / 2 / SIZE, (box[2] + box[4]) / 2 / SIZE,
          (box[3] - box[1]) / SIZE, (box[4] - box[2]) / SIZE,
        }
        target[(row - 1) * q + place_of[boxes[k].label]] = 1
      end
    end
    local x <const>, rows <const> = pixels.batch(batch, clip.preprocess), args.batch * n
    local logits <const>, boxes <const> = detector:forward(x, queries)
    local found <const>, wanted <const> = boxes:reshape(rows, 4):rows(positive), hoi.tensor(truth)
    local class <const> = hoi.losses.focal(logits:reshape(rows, q),
      hoi.tensor(target):reshape(rows, q)) * (1 / #positive)
    local l1 <const> = hoi.losses.l1(found, wanted) * 4
    local giou <const> = hoi.losses.giou(found, wanted)
    local loss <const> = class + l1 * 5 + giou * 2
    loss:backward()
    optimizer:step { learning_rate = rate(t), max_grad_norm = 1 }
    return report
      and { class = class:item(), l1 = l1:item(), giou = giou:item(), rate = rate(t) }
  end)
  detector:save(args.out .. "/owlvit", { dtype = "F16" })
end

if args.stage ~= "owlvit" then
  train_clip()
end
if args.stage ~= "clip" then
  train_detector()
end
