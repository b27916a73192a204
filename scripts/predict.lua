-- predict: names what people do in pictures: a table, JSON and annotated pictures.
local argparse <const> = require "argparse"
local detector_arguments <const> = require "hoi.detector_arguments"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local model_arguments <const> = require "hoi.model_arguments"
local system <const> = require "hoi.system"

local parser <const> = argparse("predict.lua", "Finds who does what with what in pictures.")
parser:argument("picture", "pictures, or folders of them"):args "+"
model_arguments.add(parser)
detector_arguments.add(parser)
parser:option("--classes",
  "hico, hico.verbs, vcoco, mini, or a JSON file of your own (default: mini; with --model hico)")
parser:option("--method", "how interactions are named: a file in lua/methods, or your own",
  "zero_shot")
parser:option("--prompts", "a trained method: its file, or a folder with prompts.safetensors")
parser:option("--add", "a further class, as 'person feeding a robot'; nothing is trained for it")
  :count "*"
parser:option("--describe", "what it looks like; the first is of the first --add"):count "*"
parser:option("--top", "interactions shown per picture", "10"):convert(math.tointeger)
parser:option("--prior-power", "weight of the detector's scores (1; trained methods 2.8)")
  :convert(tonumber)
parser:option("--score-threshold", "least score of a box", "0.2"):convert(tonumber)
parser:option("--out", "folder of the results", "out")
parser:option("--html", "write a page of all pictures, complete in this one file")
local args <const> = parser:parse()

local function pictures_of(paths)
  local list <const> = {}
  for _, path in ipairs(paths) do
    if system.kind(path) == "folder" then
      local found <const> = hoi.data.folder(path)
      for i = 1, #found do
        list[#list + 1] = found[i].path
      end
    else
      list[#list + 1] = path
    end
  end
  return list
end

local clip <const> = model_arguments.open(args)
local classes <const> = args.classes or (args.model and "hico" or "mini")
local drawn_only <const> = not args.model and classes ~= "mini"
if drawn_only then
  io.stderr:write("predict: this CLIP has only ever seen drawn pictures; for photos give --model ",
    "a folder with config.json, model.safetensors, vocab.json and merges.txt of a real one ",
    "(openai/clip-vit-base-patch16)\n")
end
local method <const> = args.prompts and hoi.method.load(args.prompts, clip)
  or hoi.method(args.method, clip, hoi.targets(classes))
for i, sentence in ipairs(args.add) do
  local row <const> = hoi.targets.parse(sentence)
  row.seen, row.description = false, args.describe[i]
  method:add_class(row)
end
local detector <close> = detector_arguments.open(args, method.targets)

system.make_folder(args.out)
local failed <const>, results <const>, seen <const> = {}, {}, {}
local pictures <const> = pictures_of(args.picture)
for _, path in ipairs(pictures) do
  local name <const> = path:match "[^/]*$"
  local ok <const>, problem <const> = pcall(function()
    local image <const> = hoi.image(path)
    local result <const> = method:predict(image, detector:detect { image = image, name = name }, {
      top = args.top, prior_power = args.prior_power, score_threshold = args.score_threshold,
      name = name,
    })
    print(result)
    results[#results + 1], seen[#seen + 1] = result, path
    local stem <const> = args.out .. "/" .. name:gsub("%.%w+$", "")
    json.save(stem .. ".json", result)
    image:draw_interactions(result, { top = math.min(args.top, 5) }):save(stem .. ".hoi.png")
  end)
  if not ok and tostring(problem):find "interrupted!" then
    error(problem, 0)
  elseif not ok then
    failed[#failed + 1] = ("%s: %s"):format(path, problem)
  end
end
json.save(args.out .. "/predictions.json", json.array(results))
if args.html then
  local folder <const> = args.html:match "^(.*)/[^/]*$"
  if folder and folder ~= "" then
    system.make_folder(folder)
  end
  local function load(_, i)
    return hoi.image(seen[i])
  end
  local file <close> = assert(io.open(args.out .. "/predictions.json"))
  require "hoi.gallery".page(file:read "a", load, {
    note = ("%sCLIP: %s. Detector: %s. Classes: %s. Method: %s."):format(
      drawn_only and "The CLIP used here has only ever seen drawn pictures: its scores on photos"
        .. " mean nothing. " or "", args.model or "the small one of the drawn world",
      table.concat({ args.detector, (args.detector_model or args.detector_folder
        or args.detector_file or ""):match "[^/]+$" }, ", "), classes, method.name),
  }):save(args.html)
end
io.stderr:write(("%d of %d pictures; results in %s\n"):format(#results, #pictures, args.out))
for _, line in ipairs(failed) do
  io.stderr:write("failed: ", line, "\n")
end
os.exit(#failed == 0 and #pictures > 0, true)
