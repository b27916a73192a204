-- data_arguments: the words that say which data set a script uses, the same for all scripts.
local data <const> = require "hoi.data"
local dataset <const> = require "hoi.data.dataset"

local arguments <const> = {}

-- Adds the words to an argparse parser.
function arguments.add(parser)
  parser:option("--data", "mini, hicodet, vcoco, or folder: data of one's own in HICO-DET's form",
    "mini"):choices { "mini", "hicodet", "vcoco", "folder" }
  parser:option("--file", "the annotations of --data: a file, or the folder that holds it")
  parser:option("--images", "the folder of the pictures, where they are not beside the annotations")
  parser:option("--split", "train, test, validation (mini), val, trainval (vcoco)")
  parser:option("--size", "only so many pictures"):convert(math.tointeger)
  parser:option("--setting", "which classes count as unseen: rare_first, non_rare_first,"
    .. " unseen_object, unseen_verb, uc0 to uc4 (mini), or a file of their ids", "default")
  parser:flag("--plain", "mini: without decoys, sizes as in the world's first design")
end

-- Opens the data set that the parsed words name.
function arguments.open(args, split)
  if args.data == "mini" then
    return data.mini {
      split = split, setting = args.setting, size = args.size, decoys = not args.plain,
    }
  elseif not args.file then
    error(("--data %s needs --file: its annotations (%s), or the folder that holds them"):format(
      args.data, args.data == "vcoco" and "instances_vcoco_test.json or vcoco_test.json"
      or "instances_test2015.json"), 0)
  end
  local open <const> = args.data == "vcoco" and data.vcoco or data.hicodet
  local set <const> = open(args.file,
    { split = split, setting = args.setting, images = args.images })
  return args.size and dataset.first(set, args.size) or set
end

return arguments
