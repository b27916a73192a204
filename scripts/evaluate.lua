-- evaluate: figures of a model: on the drawn world (without arguments: the program's own, every figure), or HICO-DET's mean average
-- precision of any.
local argparse <const> = require "argparse"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local pixels <const> = require "hoi.pixels"

local parser <const> = argparse("evaluate.lua", "Measures how well interactions are named and boxes are found.")
parser:option("--model", "a Hugging Face CLIP folder; without it the small CLIP of the drawn world")
parser:option("--data", "mini or hicodet", "mini"):choices { "mini", "hicodet" }
parser:option("--file", "hicodet: instances_test2015.json, pictures beside it in images/test2015")
parser:option("--split", "mini: test or validation", "test"):choices { "test", "validation" }
parser:option("--size", "only so many pictures"):convert(math.tointeger)
parser:option("--setting", "which classes count as unseen", "default")
parser:option("--boxes", "mini: truth, detector or both", "both"):choices { "truth", "detector", "both" }
parser:option("--detector", "whose boxes", "owlvit")
parser:option("--detector-folder", "the detector's model folder (owlvit)")
parser:option("--detector-file", "the detector's file of boxes (boxes)")
parser:option("--method", "how interactions are named", "zero_shot")
parser:option("--view", "zero_shot: crop, roi or both", "crop")
parser:option("--text", "zero_shot: names, descriptions or both", "both")
parser:option("--compete", "valid, all or none: against which classes a pair's score is a share", "all")
parser:option("--prior-power", "weight of the detector's scores", "1"):convert(tonumber)
parser:flag("--plain", "mini: without decoys, sizes as in the world's first design")
parser:option("--json", "file for the figures")
local args <const> = parser:parse()

local figures <const> = {}
local clip <const> = hoi.clip(args.model)
local targets <const> = hoi.targets(args.data == "mini" and "mini" or "hico", { setting = args.setting })
local method <const> = hoi.method(args.method, clip, targets,
  args.method == "zero_shot" and { view = args.view, text = args.text } or nil)

local function detector()
  return hoi.detector(args.detector, { folder = args.detector_folder, file = args.detector_file })
end

local function interactions(name, data, boxes)
  local report <const> = hoi.evaluate(method, data, {
    detector = boxes or false, prior_power = args.prior_power, compete = args.compete, label = name,
  })
  print(("\n%s, %s boxes"):format(method, boxes and args.detector or "true"))
  print(report)
  figures[name] = {
    full = report.full, rare = report.rare, non_rare = report.non_rare, seen = report.seen, unseen = report.unseen,
    known_object_full = report.known_object.full,
  }
end

-- Of 512 captions and their pictures: how often the right text is first, and the right picture among the first five.
local function retrieval()
  local n <const>, batch <close> = 512, hoi.mini.batch("web", 66, 1 << 42, 512, { decoys = not args.plain })
  local images <const> = clip:encode_pixels(pixels.batch(batch, clip.preprocess)):normalize()
  local texts <const> = clip:encode_text(batch:captions()):normalize()
  local sims <const> = images:matmul(texts:transpose())
  local _, best <const> = sims:topk(1)
  local _, five <const> = sims:transpose():topk(5)
  local text_first, picture_five = 0, 0
  for i = 1, n do
    text_first = text_first + (best[i][1] == i and 1 or 0)
    for _, k in ipairs(five[i]) do
      picture_five = picture_five + (k == i and 1 or 0)
    end
  end
  figures.retrieval = { text_first = text_first / n, picture_in_five = picture_five / n }
  print(("captions: the right one of 512 first %.1f %%, the right picture among five %.1f %%"):format(100 * text_first / n,
    100 * picture_five / n))
end

-- Average precision at IoU 0.5 of every kind of thing and of people.
local function boxes_found(data, boxes)
  local labels <const> = boxes.labels
  local meter <const> = hoi.detection_meter(labels)
  for i in hoi.progress(#data, { label = "boxes" }) do
    local item <const> = data[i]
    for _, instance in ipairs(item.instances) do
      meter:truth(i, instance.label, instance.box)
    end
    for _, found in ipairs(boxes:detect { image = item.image, name = item.name }) do
      meter:add(i, found.label, found.score, found.box)
    end
  end
  local values <const> = meter:result()
  meter:release()
  print "\nAP50 %"
  local things, n, by_label = 0, 0, {}
  for i, label in ipairs(labels) do
    print(("  %-10s %6.1f"):format(label, 100 * values[i]))
    by_label[label] = values[i]
    if label ~= "person" and values[i] == values[i] then
      things, n = things + values[i], n + 1
    end
  end
  print(("  %-10s %6.1f"):format("things", 100 * things / n))
  figures.boxes = { things = things / n, person = by_label.person, classes = by_label }
end

if args.data == "mini" then
  local data <const> = hoi.data.mini { split = args.split, setting = args.setting, size = args.size, decoys = not args.plain }
  if not args.model or clip.visual.size == 96 then
    retrieval()
  end
  if args.boxes ~= "detector" then
    interactions("truth", data)
  end
  if args.boxes ~= "truth" then
    local boxes <close> = detector()
    interactions("detector", data, boxes)
    boxes_found(data, boxes)
  end
else
  if not args.file then
    parser:error "--data hicodet needs --file instances_test2015.json"
  end
  local boxes <close> = detector()
  interactions("detector", hoi.data.hicodet(args.file, { split = "test", setting = args.setting }), boxes)
end
if args.json then
  json.save(args.json, figures)
end
