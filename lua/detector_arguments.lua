-- detector_arguments: the words that say which detector a script uses, the same for all scripts:
-- --detector NAME, --detector-model and the like for the options that plugins share, and
-- --detector-option NAME=VALUE for all others.
local detectors <const> = require "hoi.detector"
local json <const> = require "hoi.json"

local arguments <const> = {}

-- The plugins' options that have a word of their own.
local shared <const> = { "model", "folder", "file" }

-- Adds the words to an argparse parser.
function arguments.add(parser)
  parser:option("--detector", "owlvit, detr, dnn, boxes, or your own plugin", "owlvit")
  parser:option("--detector-model", "the detector's model file (detr: .pth, dnn: .onnx)")
  parser:option("--detector-folder", "the detector's model folder (owlvit)")
  parser:option("--detector-file", "the detector's file of boxes (boxes)")
  parser:option("--detector-option", "another option of the detector, NAME=VALUE; a list as JSON")
    :count "*":convert(function(text)
      local name <const>, value <const> = text:match "^([%a_][%w_]*)=(.*)$"
      if not name then
        return nil, ("--detector-option %s: NAME=VALUE wanted"):format(text)
      end
      local known <const> = { ["true"] = true, ["false"] = false }
      if known[value] ~= nil then
        return { name, known[value] }
      end
      if value:find "^%[" then
        return { name, json.decode(value) }
      end
      return { name, tonumber(value) or value }
    end)
end

-- Opens the detector that the parsed words name. One whose classes are sentences looks for what the
-- targets' interactions are done with.
function arguments.open(args, targets)
  local options <const> = {}
  for _, name in ipairs(shared) do
    options[name] = args["detector_" .. name]
  end
  for _, pair in ipairs(args.detector_option or {}) do
    options[pair[1]] = pair[2]
  end
  if args.detector == "owlvit" and options.labels == nil then
    options.labels = targets:labels()
  end
  return detectors.detector(args.detector, options)
end

return arguments
