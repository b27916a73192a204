-- adapt: the unseen stage of EZ-HOI on a finished seen model: every unseen class gets prompts that
-- start as those of its related seen class; what attends to descriptions stays as it is.
local argparse <const> = require "argparse"
local hoi <const> = require "hoi"
local model_arguments <const> = require "hoi.model_arguments"
local training_arguments <const> = require "hoi.training_arguments"

local parser <const> = argparse("adapt.lua", "Teaches a trained EZ-HOI the unseen classes."
  .. " Options: the weights of its losses, relation=150 closeness=1 negatives=1.")
parser:option("--from", "folder that train.lua wrote"):count "1"
parser:option("--out", "folder of prompts.safetensors, log.jsonl and checkpoint"):count "1"
model_arguments.add(parser, "the CLIP it was trained on, where it is elsewhere now")
parser:option("--file", "its data's annotations, where they are elsewhere now")
parser:option("--images", "its data's pictures, where they are elsewhere now")
training_arguments.add(parser)
local args <const> = parser:parse()

local path <const> = args.from .. "/prompts.safetensors"
training_arguments.of(path, args)
local data <const>, detector <close> = training_arguments.open(args)
local method <const> = hoi.method.load(path, model_arguments.open(args), data.targets)
if not method.start_unseen then
  error(("adapt: %s is of '%s', which has no stage for unseen classes"):format(path, method.name),
    0)
end
method.o.recompute = args.lean or method.o.recompute
local weights <const> = { interaction = 0, relation = 150, closeness = 1, negatives = 1 }
for name, value in pairs(training_arguments.options(args)) do
  weights[name] = value
end
training_arguments.train(args, method:start_unseen(), data, detector, "unseen",
  { weights = weights, from = hoi.weights(path):metadata "classes" })
