-- evaluate: how well a method names interactions: on the drawn world (without arguments: every
-- figure of the program's own models), HICO-DET, V-COCO or data of one's own.
local argparse <const> = require "argparse"
local data_arguments <const> = require "hoi.data_arguments"
local detector_arguments <const> = require "hoi.detector_arguments"
local figures_of <const> = require "hoi.figures"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local model_arguments <const> = require "hoi.model_arguments"

local parser <const> = argparse("evaluate.lua",
  "Measures how well interactions are named and boxes are found.")
model_arguments.add(parser)
data_arguments.add(parser)
parser:option("--boxes", "truth, detector or both (mini's default; else detector)")
  :choices { "truth", "detector", "both" }
detector_arguments.add(parser)
parser:flag("--cache", "keep boxes and guidance on disk, and take what is there")
parser:option("--prompts", "a trained method: its file, or a folder with prompts.safetensors")
parser:option("--method", "how interactions are named, without --prompts", "zero_shot")
parser:option("--view", "zero_shot: crop, roi or both", "crop")
parser:option("--text", "zero_shot: names, descriptions or both", "both")
parser:option("--descriptions", "a file of descriptions of the classes")
parser:option("--compete", "valid, all or none: against which classes a pair's score is a share")
parser:option("--prior-power", "weight of the detector's scores"):convert(tonumber)
parser:flag("--published", "recall levels and V-COCO's rows as the published code has them")
parser:flag("--table", "a line for each class")
parser:option("--json", "file for the figures")
parser:option("--plot", "picture of the APs by verb (.png)")
local args <const> = parser:parse()

local figures <const>, clip <const> = {}, model_arguments.open(args)
local data <const> = data_arguments.open(args, args.split or "test")
local targets <const>, drawn <const> = data.targets, args.data == "mini"
if args.descriptions then
  for i, texts in ipairs(hoi.descriptions(args.descriptions, targets)) do
    targets[i].descriptions = texts
  end
end

local method
if args.prompts then
  method = hoi.method.load(args.prompts, clip, targets)
else
  method = hoi.method(args.method, clip, targets,
    args.method == "zero_shot" and { view = args.view, text = args.text } or nil)
end

local guide <const> = args.cache and method.guide and {
  key = clip:feature_key(), make = function(images) return method:guide(images) end,
} or false

local function interactions(name, detector)
  local report <const> = hoi.evaluate(method, data, {
    detector = detector, prior_power = args.prior_power, compete = args.compete, label = name,
    published = args.published, guide = guide,
  })
  print(("\n%s, %s boxes"):format(method, detector and args.detector or "true"))
  print(report)
  figures[name] = report:totable()
  if args.table then
    print("\n" .. report:table())
  end
  if args.plot then
    report:plot():save((args.plot:gsub("%.(%w+)$", "-" .. name .. ".%1")))
  end
end

local boxes <const> = args.boxes or (drawn and "both" or "detector")
if drawn and not args.prompts and (not args.model or clip.visual.size == 96) then
  figures.retrieval = figures_of.retrieval(clip, args.plain)
end
if boxes ~= "detector" then
  if drawn and not args.prompts and args.method == "zero_shot" and args.view == "crop" then
    figures.pairs = figures_of.pairs_named(method, data)
  end
  interactions("truth")
end
if boxes ~= "truth" then
  local opened <close> = detector_arguments.open(args, targets)
  local detector <const> = args.cache and hoi.detections(opened) or opened
  interactions("detector", detector)
  if drawn then
    figures.boxes = figures_of.boxes_found(detector, data)
  end
end
if args.json then
  json.save(args.json, figures)
end
