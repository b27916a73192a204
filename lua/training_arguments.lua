-- training_arguments: the words of the scripts that train, the same for all of them, and what these
-- do with a method: train it, write its file, tell how it went.
local data_arguments <const> = require "hoi.data_arguments"
local detector_arguments <const> = require "hoi.detector_arguments"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"
local training <const> = require "hoi.training"

local arguments <const> = {}

-- What a second stage must know of the first: the words that say what it was taught with.
local kept <const> = {
  "model", "dtype", "activation", "tokenizer", "data", "file", "images", "split", "size",
  "setting", "plain", "boxes", "detector", "detector_model", "detector_folder", "detector_file",
  "detector_option", "seed",
}

-- Pictures of the drawn world, which has no end, and steps on them.
local MINI_PICTURES <const>, MINI_STEPS <const> = 4000, { seen = 1000, all = 1000, unseen = 200 }

-- Adds the words to an argparse parser.
function arguments.add(parser)
  parser:argument("option", "options of the method, as closeness=1 or mode=released"):args "*"
    :convert(training.option)
  parser:option("--steps", "batches to learn from"):convert(math.tointeger)
  parser:option("--epochs", "instead: how often all pictures are seen"):convert(math.tointeger)
  parser:option("--batch", "pictures of a step", "8"):convert(math.tointeger)
  parser:option("--rate", "learning rate (1e-3, as published; mini 3e-3)"):convert(tonumber)
  parser:option("--schedule", "step: a tenth of the rate for the last sixth, as published;"
    .. " cosine (mini)"):choices { "step", "cosine" }
  parser:option("--augment", "yes or no: pictures are flipped, jittered and cropped", "yes")
    :choices { "yes", "no" }
  parser:option("--save-every", "steps between two checkpoints", "200"):convert(math.tointeger)
  parser:flag("--lean", "less memory, more time: blocks run again on the way back")
  parser:flag("--fresh", "begin anew instead of going on from the checkpoint in the folder")
end

-- Gets { name = value } of the options of the method that were given.
function arguments.options(args)
  local options <const> = {}
  for _, pair in ipairs(args.option) do
    options[pair[1]] = pair[2]
  end
  return options
end

-- Gets the words of the first stage out of what its file says; those that are given now win.
function arguments.of(method_file, args)
  local file <close> = require "hoi.safetensors".open(method_file)
  local text <const> = file:metadata "words"
    or error(("%s does not say what it was trained with; train.lua writes what does"):format(
      method_file), 0)
  for name, value in pairs(json.decode(text)) do
    if args[name] == nil then
      args[name] = value
    end
  end
  return args
end

-- Opens what is learned from: the data set, and its detector or nil.
function arguments.open(args)
  local drawn <const> = args.data == "mini"
  args.size = args.size or drawn and MINI_PICTURES or nil
  args.boxes = args.boxes or drawn and "truth" or "detector"
  local data <const> = data_arguments.open(args, args.split or "train")
  return data, args.boxes == "detector" and detector_arguments.open(args, data.targets) or nil
end

-- Trains the method in one of its stages and writes OUT/prompts.safetensors; ends the program with
-- 130 where Ctrl-C came. more: further options of training.run.
function arguments.train(args, method, data, detector, stage, more)
  local drawn <const> = args.data == "mini"
  local o <const> = {
    stage = stage, size = args.batch, rate = args.rate or drawn and 3e-3 or 1e-3,
    schedule = args.schedule or drawn and "cosine" or "step", seed = args.seed,
    save_every = args.save_every, fresh = args.fresh, detector = detector or false,
    augment = args.augment == "yes",
    way = args.out .. "/", steps = args.steps, epochs = args.epochs,
  }
  if not (o.steps or o.epochs) then
    o.steps, o.epochs = drawn and MINI_STEPS[stage] or nil, 12
  end
  for name, value in pairs(more or {}) do
    o[name] = value
  end
  system.make_folder(args.out)
  local result <const> = training.run(method, data, o)
  if result.stopped then
    io.stderr:write(("stopped after step %d; the same command goes on from there\n"):format(
      result.step))
    os.exit(130, true)
  end
  local words <const> = {}
  for _, name in ipairs(kept) do
    words[name] = args[name]
  end
  local path <const> = args.out .. "/prompts.safetensors"
  method:save(path, { setting = args.setting, seed = args.seed, stage = stage, steps = result.step,
    words = json.encode(words) })
  print(("%s: %d steps in %.0f s, %d trained values, loss %.4f"):format(path, result.step,
    result.seconds, result.values, result.loss))
end

return arguments
