-- train: teaches a method (EZ-HOI, CMMP, ADA-CM, or a file of your own) the seen classes of a data
-- set, or with --joint the unseen ones along with them. The same command goes on where it stopped.
local argparse <const> = require "argparse"
local data_arguments <const> = require "hoi.data_arguments"
local detector_arguments <const> = require "hoi.detector_arguments"
local hoi <const> = require "hoi"
local model_arguments <const> = require "hoi.model_arguments"
local training <const> = require "hoi.training"
local training_arguments <const> = require "hoi.training_arguments"

local parser <const> = argparse("train.lua", "Teaches a method what people do in pictures.")
parser:option("--out", "folder of prompts.safetensors, log.jsonl and checkpoint", "out/train")
model_arguments.add(parser)
parser:option("--method", "ezhoi, cmmp, ada_cm, geometry, or a file of your own", "ezhoi")
data_arguments.add(parser)
parser:option("--descriptions", "a file of descriptions of the classes")
parser:option("--differences", "a file of what tells unseen classes from seen ones")
parser:option("--boxes", "truth (mini's default) or detector"):choices { "truth", "detector" }
detector_arguments.add(parser)
parser:option("--seed", "of what begins at random and of the order", "66"):convert(math.tointeger)
parser:flag("--joint", "unseen classes learn along; without it adapt.lua teaches them afterwards")
training_arguments.add(parser)
local args <const> = parser:parse()

local clip <const> = model_arguments.open(args)
local data <const>, detector <close> = training_arguments.open(args)
local options <const>, targets <const> = training_arguments.options(args), data.targets
for i, texts in ipairs(args.descriptions and hoi.descriptions(args.descriptions, targets) or {}) do
  targets[i].descriptions = texts
end
options.differences = args.differences and hoi.differences(args.differences, targets)
  or options.differences
options.recompute = args.lean or options.recompute

local method <const> = training.method(args.method, clip, data, options, args.seed)
training_arguments.train(args, method, data, detector,
  args.joint and "all" or training.seen_stage(method))
