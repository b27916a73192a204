-- hicodet: HICO-DET, and data of one's own in its format. Two forms of annotation are read:
-- instances_*.json (annotation, filenames, size, correspondence, objects, verbs) and HAKE's table
-- of pictures by name, each with its labels.
local dataset <const> = require "hoi.data.dataset"
local json <const> = require "hoi.json"
local make_targets <const> = require "hoi.targets"
local read_options <const> = require "hoi.options"
local system <const> = require "hoi.system"

local hake <const> = "hico-det-training-set-instance-level"

---------------------------------------------------------------------------- finding the file

-- Gets the annotation file of a split in a folder.
local function find_file(folder, split)
  local places = { ("%s/instances_%s2015.json"):format(folder, split) }
  if split == "train" then
    places[2] = ("%s/%s.json"):format(folder, hake)
    places[3] = ("%s/hico-det-instance-level/%s.json"):format(folder, hake)
  end
  for _, path in ipairs(places) do
    if system.kind(path) == "file" then
      return path
    end
  end
  for _, name in ipairs(system.list(folder) or {}) do
    if name:find "%.tar%.gz$" and split == "train" then
      local archive <const> = folder .. "/" .. name
      error(("data.hicodet: %s is packed: tar -xzf %s -C %s unpacks it"):format(archive, archive,
        folder), 0)
    end
  end
  error(("data.hicodet: no annotations of split '%s': none of these is there: %s"):format(split,
    table.concat(places, ", ")), 0)
end

-- Gets where a picture may lie.
local function image_paths(folder, name, file)
  local split = name:match "^HICO_(%a+)2015" or ""
  return {
    ("%s/%s"):format(folder, name),
    ("%s/%s"):format(file:gsub("%.json$", ""), name), -- as scripts/draw.lua lays them
    ("%s/images/%s"):format(folder, name),
    ("%s/images/%s2015/%s"):format(folder, split, name),
    ("%s/hico_20160224_det/images/%s2015/%s"):format(folder, split, name),
  }
end

---------------------------------------------------------------------------- instances_*.json

local function need_list(data, key, file)
  if type(data[key]) ~= "table" then
    error(("%s: the list '%s' is missing"):format(file, key), 0)
  end
  return data[key]
end

-- Gets the targets, and the place among them of each interaction number from 0 on.
local function read_targets(data, setting, file)
  local verbs, objects = need_list(data, "verbs", file), need_list(data, "objects", file)
  local rows, numbers = {}, {}
  for i, triple in ipairs(need_list(data, "correspondence", file)) do
    local number, object, verb = triple[1], triple[2], triple[3]
    object, verb = objects[(object or -1) + 1], verbs[(verb or -1) + 1]
    if not (number and object and verb) then
      error(("%s: correspondence[%d]: [interaction, object, verb] wanted, object from 0 to %d, verb"
        .. " from 0 to %d"):format(file, i, #objects - 1, #verbs - 1), 0)
    end
    rows[i] = { verb = verb, object = object, number = number }
  end
  table.sort(rows, function(a, b)
    return a.number < b.number
  end)
  for i, row in ipairs(rows) do
    if numbers[row.number] then
      error(("%s: correspondence: interaction %d comes twice"):format(file, row.number), 0)
    end
    numbers[row.number], row.number = i, nil
  end
  return make_targets.match(file:match "([^/]*)%.json$" or "own", rows, setting), numbers
end

local function read_picture(entry, name, numbers, targets, file)
  local humans, objects, hois = entry.boxes_h, entry.boxes_o, entry.hoi
  if type(humans) ~= "table" or type(objects) ~= "table" or type(hois) ~= "table"
    or #humans ~= #objects or #humans ~= #hois then
    dataset.fault(file, name, "boxes_h, boxes_o and hoi: lists of equal length wanted")
  end
  local annotations = {}
  for i, hoi in ipairs(hois) do
    local target = numbers[hoi]
    if not target then
      dataset.fault(file, name, "pair %d: interaction %s is not in the correspondence (0 to %d)",
        i, hoi, #targets - 1)
    end
    annotations[i] = {
      human_box = dataset.box(humans[i], 1, file, name, ("pair %d: human"):format(i)),
      object_box = dataset.box(objects[i], 1, file, name, ("pair %d: object"):format(i)),
      verb = targets[target].verb,
      object = targets[target].object,
      target = target,
    }
  end
  return annotations
end

local function read_instances(data, setting, file)
  local targets, numbers = read_targets(data, setting, file)
  local names, entries, sizes = data.filenames, data.annotation, data.size or {}
  if #names ~= #entries then
    error(("%s: %d filenames, but %d annotations"):format(file, #names, #entries), 0)
  end
  local pictures = {}
  for i, name in ipairs(names) do
    local size = sizes[i] or {}
    pictures[i] = {
      name = name,
      width = size[1],
      height = size[2],
      annotations = read_picture(entries[i], name, numbers, targets, file),
    }
  end
  return pictures, targets
end

---------------------------------------------------------------------------- HAKE

local function read_labels(labels, name, targets, file)
  local annotations, width, height = {}, nil, nil
  for i, label in ipairs(labels) do
    local row = type(label) == "table" and targets[label.hoi_id]
    if not row then
      dataset.fault(file, name, "label %d: hoi_id %s is not one of 1 to %d", i, label.hoi_id,
        #targets)
    end
    width, height = label.width, label.height
    annotations[i] = {
      human_box = dataset.box(label.human_bbox, 1, file, name, ("label %d: human"):format(i)),
      object_box = dataset.box(label.object_bbox, 1, file, name, ("label %d: object"):format(i)),
      verb = row.verb,
      object = row.object,
      target = label.hoi_id,
    }
  end
  return annotations, width, height
end

local function read_hake(data, setting, file)
  local targets, pictures = make_targets("hico", { setting = setting }), {}
  for name, entry in pairs(data) do
    if type(entry) ~= "table" or type(entry.labels) ~= "table" then
      error(("%s: neither HICO-DET's form (annotation, filenames, correspondence) nor HAKE's: '%s'"
        .. " has no labels"):format(file, name), 0)
    end
    local annotations, width, height = read_labels(entry.labels, name, targets, file)
    local picture = { name = name, width = width, height = height, annotations = annotations }
    pictures[#pictures + 1] = picture
  end
  table.sort(pictures, function(a, b) -- the file's own order is lost in reading
    return a.name < b.name
  end)
  return pictures, targets
end

---------------------------------------------------------------------------- the data set

local function load_pictures(file, setting)
  if file:find "%.tar%.gz$" or file:find "%.tgz$" then
    error(("data.hicodet: %s is packed: unpack it with tar -xzf and give the .json file in it")
      :format(file), 0)
  end
  local data = json.load(file)
  if type(data) ~= "table" then
    error(("%s: an object wanted, it holds a %s"):format(file, type(data)), 0)
  end
  if type(data.annotation) == "table" and type(data.filenames) == "table" then
    return read_instances(data, setting, file)
  end
  return read_hake(data, setting, file)
end

local function open(path, options)
  local file = path
  if system.kind(path) == "folder" then
    file = find_file(path:gsub("(.)/+$", "%1"), options.split)
  end
  local pictures, targets = load_pictures(file, options.setting)
  local kept, skipped = dataset.select(pictures, targets, options.split == "train", options.empty)
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
    }, dataset.source_of(picture.name, image_paths(images, picture.name, file))
  end)
end

return function(path, options)
  options = read_options(options, { split = "test", setting = "default", empty = false, "images" })
  if type(path) ~= "string" then
    error(("data.hicodet: the path of a folder or file expected, got %s"):format(type(path)), 2)
  elseif options.split ~= "train" and options.split ~= "test" then
    error(("data.hicodet: split '%s': train or test wanted"):format(options.split), 2)
  end
  local ok, data = pcall(open, path, options)
  return ok and data or error(data, 2)
end
