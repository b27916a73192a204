-- checkpoint: a training's whole state in one file, written whole or not at all: weights,
-- optimiser, generator, and whatever numbers the script needs to go on as if it had never stopped.
local json <const> = require "hoi.json"
local safetensors <const> = require "hoi.safetensors"
local system <const> = require "hoi.system"
local tensors <const> = require "hoi.tensor"

local checkpoint <const> = {}

-- parameters: list of {name, tensor}. state: a table of plain values (step, losses, ...).
function checkpoint.save(path, parameters, optimizer, state)
  local all <const> = {}
  for _, p in ipairs(parameters) do
    all["weight." .. p[1]] = p[2]
  end
  local moments <const>, numbers <const> = optimizer:state()
  for name, x in pairs(moments) do
    all[name] = x
  end
  local seed <const>, count <const> = tensors.seed()
  safetensors.save(path, all, { metadata = {
    format = "hoi-checkpoint", version = "1", state = json.encode(state),
    optimizer = json.encode(numbers), generator = json.encode { seed = seed, count = count },
  } })
end

-- Raises unless the file, open, is a checkpoint.
local function check(file, path)
  if file:metadata "format" ~= "hoi-checkpoint" then
    error(("checkpoint: %s is no checkpoint of hoi's; choose another place or delete it")
      :format(path), 3)
  end
end

-- Gets the state alone.
function checkpoint.state(path)
  local file <close> = safetensors.open(path)
  check(file, path)
  return json.decode(file:metadata "state")
end

-- Puts everything back and gets the state; nil when there is no such file.
function checkpoint.load(path, parameters, optimizer)
  if not system.kind(path) then
    return nil
  end
  local file <close> = safetensors.open(path)
  check(file, path)
  for _, p in ipairs(parameters) do
    local x <const> = file:tensor("weight." .. p[1])
    local found <const>, wanted <const> = table.concat(x.shape, "x"), table.concat(p[2].shape, "x")
    if found ~= wanted then
      error(("checkpoint: %s: '%s' is %s, the model's is %s"):format(path, p[1], found, wanted), 2)
    end
    p[2]:write(x)
  end
  optimizer:restore(function(name)
    return file:tensor(name)
  end, json.decode(file:metadata "optimizer"))
  local generator <const> = json.decode(file:metadata "generator")
  tensors.seed(generator.seed, generator.count)
  return json.decode(file:metadata "state")
end

return checkpoint
