-- vcoco: V-COCO, in HICO-DET's layout (instances_vcoco_*.json): per picture boxes_h, boxes_o,
-- actions (from 0), objects (from 1: 0 is the background) and file_name; or as its authors publish
-- it (vcoco_official.lua).
local coco <const> = require "hoi.coco"
local dataset <const> = require "hoi.data.dataset"
local json <const> = require "hoi.json"
local make_targets <const> = require "hoi.targets"
local official <const> = require "hoi.data.vcoco_official"
local read_options <const> = require "hoi.options"
local system <const> = require "hoi.system"

local actions <const>, objects <const> = coco.actions, coco.names
local splits <const> = { train = true, val = true, trainval = true, test = true }

local function image_paths(folder, name)
  local part = name:match "^COCO_(%a+2014)_" or ""
  return {
    ("%s/%s"):format(folder, name),
    ("%s/images/%s"):format(folder, name),
    ("%s/%s/%s"):format(folder, part, name),
    ("%s/mscoco2014/%s/%s"):format(folder, part, name),
  }
end

local function read_picture(entry, name, targets, file)
  local numbers = { entry.boxes_h, entry.boxes_o, entry.actions, entry.objects }
  for i = 1, 4 do
    if type(numbers[i]) ~= "table" or #numbers[i] ~= #numbers[1] then
      dataset.fault(file, name,
        "boxes_h, boxes_o, actions and objects: lists of equal length wanted")
    end
  end
  local annotations = {}
  for i, action in ipairs(entry.actions) do
    local verb, object = actions[action + 1], objects[entry.objects[i]]
    local target = verb and object and targets:index(verb, object)
    if not target then
      dataset.fault(file, name, "pair %d: action %s with object %s is none of V-COCO's %d classes",
        i, verb or action, object or entry.objects[i], #targets)
    end
    annotations[i] = {
      human_box = dataset.box(entry.boxes_h[i], 0, file, name, ("pair %d: human"):format(i)),
      object_box = dataset.box(entry.boxes_o[i], 0, file, name, ("pair %d: object"):format(i)),
      verb = verb,
      object = object,
      target = target,
    }
  end
  return annotations
end

local function read_instances(data, targets, file)
  local pictures = {}
  if type(data) ~= "table" or type(data.annotations) ~= "table" then
    error(("%s: the list 'annotations' is missing"):format(file), 0)
  end
  for i, entry in ipairs(data.annotations) do
    local name = entry.file_name
    if type(name) ~= "string" then
      dataset.fault(file, ("annotations[%d]"):format(i), "file_name is missing")
    end
    pictures[i] = { name = name, annotations = read_picture(entry, name, targets, file) }
  end
  return pictures
end

-- Gets the annotation file of a split in a folder: either layout's.
local function find_file(folder, split)
  local places <const> = { "%s/instances_vcoco_%s.json", "%s/vcoco_%s.json",
    "%s/vcoco/vcoco_%s.json", "%s/data/vcoco/vcoco_%s.json" }
  for i, place in ipairs(places) do
    places[i] = place:format(folder, split)
    if system.kind(places[i]) == "file" then
      return places[i]
    end
  end
  error(("data.vcoco: no annotations of split '%s': none of these is there: %s"):format(split,
    table.concat(places, ", ")), 0)
end

local function open(path, options)
  local file = path
  if system.kind(path) == "folder" then
    file = find_file(path:gsub("(.)/+$", "%1"), options.split)
  end
  local data, targets = json.load(file), make_targets("vcoco", { setting = options.setting })
  local whole <const> = official.is(data)
  local pictures <const> = (whole and official.read or read_instances)(data, targets, file,
    options.instances)
  -- published measures count whoever does something, with or without an object
  local empty <const> = options.empty or whole and options.split == "test"
  local kept, skipped = dataset.select(pictures, targets, options.split ~= "test", empty)
  local images <const> = options.images or dataset.folder_of(file)
  return dataset.new({
    name = file,
    split = options.split,
    setting = options.setting,
    targets = targets,
    skipped = skipped,
  }, #kept, function(i)
    local picture <const> = kept[i]
    return {
      name = picture.name,
      width = picture.width,
      height = picture.height,
      annotations = picture.annotations,
      persons = picture.persons,
    }, dataset.source_of(picture.name, image_paths(images, picture.name))
  end)
end

return function(path, options)
  options = read_options(options,
    { split = "test", setting = "default", empty = false, "images", "instances" })
  if type(path) ~= "string" then
    error(("data.vcoco: the path of a folder or file expected, got %s"):format(type(path)), 2)
  elseif not splits[options.split] then
    error(("data.vcoco: split '%s': train, val, trainval or test wanted"):format(options.split), 2)
  end
  local ok, data = pcall(open, path, options)
  return ok and data or error(data, 2)
end
