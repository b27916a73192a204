-- draw: draws pictures of the drawn world: a contact sheet with labels; the pictures; and what
-- happens in them, in HICO-DET's format, for plugins/boxes.lua and hoi.data.hicodet.
local argparse <const> = require "argparse"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"

local parser <const> = argparse("draw.lua",
  "Draws pictures of the drawn world. Writes OUT.png, a contact sheet; OUT/*.png, the pictures; "
    .. "and OUT.json, their pairs of people and things, in HICO-DET's format.")
parser:option("--count", "number of pictures", "48"):convert(math.tointeger)
parser:option("--split", "which pictures", "test"):choices { "test", "train", "validation" }
parser:option("--seed", "seed of the world", "66"):convert(math.tointeger)
parser:option("--setting", "zero-shot setting; of the train split it holds back what is unseen",
  "default"):choices {
  "default", "rare_first", "non_rare_first", "unseen_verb", "unseen_object",
}
parser:flag("--plain", "without decoys: people who stand near a thing and do nothing with it")
parser:option("--out", "where to: OUT.png, OUT.json, OUT/*.png", "out/sheet")
parser:option("--labels", "what the sheet shows: who does what, everything there is, or nothing",
  "pairs"):choices { "pairs", "things", "none" }
local args <const> = parser:parse()

-- Gets name -> place from 0 on.
local function numbered(names)
  local numbers <const> = {}
  for i, name in ipairs(names) do
    numbers[name] = i - 1
  end
  return numbers
end

-- Gets the box in HICO-DET's pixels, counted from 1: x1 and y1 are the first that it holds, x2 and
-- y2 the last.
local function hico_box(box)
  return { box[1] + 1, box[2] + 1, box[3], box[4] }
end

-- Gets an empty HICO-DET file of these classes: no pictures yet.
local function new_truth(targets)
  local verbs <const>, objects <const> = hoi.mini.verbs, hoi.mini.things
  local verb_number <const>, object_number <const> = numbered(verbs), numbered(objects)
  local rows <const> = {}
  for i, row in ipairs(targets) do
    rows[i] = { i - 1, object_number[row.object], verb_number[row.verb] }
  end
  local truth <const> = {
    filenames = json.array {}, size = json.array {}, annotation = json.array {},
    empty = json.array {}, objects = objects, verbs = verbs, correspondence = rows,
  }
  return truth, verb_number, object_number
end

local function add_picture(truth, verb_number, object_number, item, name)
  local lists <const> = {}
  for _, key in ipairs { "boxes_h", "boxes_o", "hoi", "object", "verb" } do
    lists[key] = json.array {}
  end
  for i, a in ipairs(item.annotations) do
    lists.boxes_h[i], lists.boxes_o[i] = hico_box(a.human_box), hico_box(a.object_box)
    lists.hoi[i], lists.object[i] = a.target - 1, object_number[a.object]
    lists.verb[i] = verb_number[a.verb]
  end
  local place <const> = #truth.filenames + 1
  truth.filenames[place], truth.size[place] = name, { item.width, item.height }
  truth.annotation[place] = lists
  if #item.annotations == 0 then
    truth.empty[#truth.empty + 1] = place - 1
  end
end

-- Gets the picture as the sheet shows it.
local function labelled(item)
  if args.labels == "things" then
    return item.image:draw(item.instances)
  elseif args.labels == "pairs" then
    return item.image:draw_interactions({ interactions = item.annotations },
      { top = #item.annotations })
  end
  return item.image
end

-- Pictures of an earlier drawing that the new file would not tell about.
local function clear(folder)
  for _, name in ipairs(assert(system.list(folder))) do
    if name:find "^mini%-%l+%-%d+%.png$" then
      assert(os.remove(folder .. "/" .. name))
    end
  end
end

local function draw()
  if args.count < 1 then
    error(("--count %d: 1 or more wanted"):format(args.count), 0)
  end
  local data <const> = hoi.data.mini {
    split = args.split, setting = args.setting, seed = args.seed, decoys = not args.plain,
    size = args.count,
  }
  local folder <const> = args.out:gsub("(.)/+$", "%1")
  system.make_folder(folder)
  clear(folder)
  local truth <const>, verb_number <const>, object_number <const> = new_truth(data.targets)
  local shown <const>, captions <const>, pairs_drawn = {}, {}, 0
  for i in hoi.progress(#data, { label = "draw" }) do
    local item <const> = data[i]
    local name <const> = item.name .. ".png"
    item.image:save(folder .. "/" .. name)
    add_picture(truth, verb_number, object_number, item, name)
    shown[i], captions[i] = labelled(item), item.caption
    pairs_drawn = pairs_drawn + #item.annotations
  end
  json.save(folder .. ".json", truth)
  hoi.image.sheet(shown, { captions = args.labels ~= "none" and captions or nil })
    :save(folder .. ".png")
  print(("%d pictures in %s, %d interactions in %s.json, sheet: %s.png"):format(#data, folder,
    pairs_drawn, folder, folder))
end

draw()
