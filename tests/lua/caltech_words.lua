-- caltech_words: the 52 classes of Caltech101 (CoOp's split) for whose name, or another name of the
-- same thing, ViT-B/32's embedding of "a NAME" is in Detic's lists, made into one table of words'
-- features. `hoi tests/lua/caltech_words.lua CLIP_TEXT OUT` writes OUT.safetensors and OUT.json,
-- which `fewshot.lua --text` reads; a spec takes what this file gets.
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"

-- In LVIS, by the same name and by another one.
local SAME <const> = {
  "airplane", "barrel", "butterfly", "camera", "chair", "chandelier", "crab", "cup", "dalmatian",
  "dolphin", "dragonfly", "elephant", "ferry", "flamingo", "helicopter", "lamp", "octopus",
  "pigeon", "pizza", "saxophone", "scissors", "soccer_ball", "stapler", "starfish", "stop_sign",
  "strawberry", "sunflower", "umbrella", "watch", "wheelchair", "wrench",
}
local OTHER <const> = {
  binocular = "binoculars", car_side = "car", electric_guitar = "guitar", headphone = "earphone",
  motorbike = "motorcycle", panda = "giant_panda", rooster = "cock", sea_horse = "seahorse",
  wild_cat = "cat",
}
-- Rows, from 1, among OpenImages' 500 classes (no file of names lies beside them).
local OPEN_IMAGES <const> = {
  accordion = 433, ant = 226, cannon = 28, ceiling_fan = 254, crocodile = 9, face = 280,
  kangaroo = 458, laptop = 82, leopard = 179, lobster = 245, revolver = 288, tick = 314,
}

local function only(path)
  local file <close> = hoi.weights(path)
  return file:tensor(file:names()[1]):float()
end

-- folder: where the lists lie. Gets features (52, 512) and their names, which are in order.
local function read(folder)
  local lvis <const>, row_of <const>, rows <const> =
    json.load(folder .. "/lvis1203_names.json"), {}, {}
  for i, entry in ipairs(lvis) do
    local name <const> = entry.name:gsub("_%(.*", "")
    row_of[name] = row_of[name] or i
  end
  for _, name in ipairs(SAME) do
    rows[name] = row_of[name]
  end
  for name, other in pairs(OTHER) do
    rows[name] = row_of[other]
  end
  for name, row in pairs(OPEN_IMAGES) do
    rows[name] = #lvis + row
  end
  local names <const>, places <const> = {}, {}
  for name in pairs(rows) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    places[i] = rows[name]
  end
  local all <const> = hoi.concat({ only(folder .. "/lvis1203_512.npy"),
    only(folder .. "/openimages500_512.npy") }, 1)
  return all:rows(places), names
end

if arg and arg[0] and arg[0]:find "caltech_words" then
  local folder <const>, out <const> = arg[1], arg[2]
  if not out then
    error("usage: caltech_words.lua CLIP_TEXT OUT (a folder and a beginning of names)", 0)
  end
  local features <const>, names <const> = read(folder)
  hoi.safetensors.save(out .. ".safetensors", { words = features })
  json.save(out .. ".json", names)
  print(("%s.safetensors, %s.json: words of %d classes"):format(out, out, #names))
end
return read
