-- boxes: detections from a JSON file: ground truth, or what any detector wrote elsewhere. Which
-- kind of file it is shows in its content; pictures are found by the last part of their path.
-- plugins/README.md describes the options and the files.
local json <const> = require "hoi.json"
local read_options <const> = require "hoi.options"

local coco <const> = require "hoi.coco"
local overlap <const> = require "hoi.box".overlap
local coco_names <const>, coco_gaps <const> = coco.names, coco.gaps

local function fail(...)
  error(string.format(...), 0)
end

local function base_name(path)
  return path:match "[^/]*$"
end

-- Gets the number at the end of a file's name, which COCO's files share with their image ids; nil
-- without one.
local function number_of(path)
  local digits = base_name(path):gsub("%.[^.]*$", ""):match "%d+$"
  return digits and math.tointeger(tonumber(digits))
end

local function is_box(box)
  if type(box) ~= "table" or #box ~= 4 then
    return false
  end
  for _, number in ipairs(box) do
    if type(number) ~= "number" then
      return false
    end
  end
  return true
end

-- Gets base name -> entry from an iterator of (path, entry).
local function index(file, ...)
  local pictures = {}
  for path, entry in ... do
    local name = base_name(path)
    if type(entry) ~= "table" then
      fail("%s: picture '%s': a table wanted, got a %s", file, path, type(entry))
    elseif pictures[name] then
      fail("%s: two pictures are called '%s': they can not be told apart", file, name)
    end
    pictures[name] = entry
  end
  return pictures
end

---------------------------------------------------------------------------- ground truth of pairs

-- Adds a box unless it was there: one person of many pairs, drawn once for each, is one detection.
local function add(detections, box, label, score)
  for _, other in ipairs(detections) do
    if other.label == label and overlap(other.box, box) > 0.99 then
      return
    end
  end
  detections[#detections + 1] = { box = box, score = score, label = label }
end

-- Gets what reads the pairs of a picture into distinct boxes. names: object number -> name; origin:
-- the coordinates of the picture's upper left corner in the file.
local function pair_reader(names, objects_key, origin, score)
  local function shifted(box, pair)
    if not is_box(box) then
      fail("pair %d: boxes of four numbers wanted", pair)
    end
    return { box[1] - origin, box[2] - origin, box[3], box[4] }
  end
  return function(pairs_of_picture)
    local humans, objects = pairs_of_picture.boxes_h, pairs_of_picture.boxes_o
    local numbers = pairs_of_picture[objects_key]
    if type(humans) ~= "table" or type(objects) ~= "table" or type(numbers) ~= "table"
      or #humans ~= #objects or #humans ~= #numbers then
      fail("boxes_h, boxes_o and %s: lists of equal length wanted", objects_key)
    end
    local detections = {}
    for i, box in ipairs(humans) do
      add(detections, shifted(box, i), "person", score)
    end
    for i, box in ipairs(objects) do
      if not names[numbers[i]] then
        fail("pair %d: there is no object %s among its %d", i, numbers[i], #names)
      end
      add(detections, shifted(box, i), names[numbers[i]], score)
    end
    return detections
  end
end

-- Gets the distinct names in the order of the list, "person" among them.
local function labels_with_person(list)
  local labels, seen = {}, {}
  for _, name in ipairs(list) do
    if not seen[name] then
      seen[name], labels[#labels + 1] = true, name
    end
  end
  if not seen.person then
    labels[#labels + 1] = "person"
  end
  return labels
end

-- HICO-DET: annotation[i] belongs to filenames[i]; objects are counted from 0; pixels are counted
-- from 1, and a box holds the pixels x1 to x2: it begins at x1 - 1 and ends at x2.
local function read_hico(data, options)
  if type(data.objects) ~= "table" or #data.annotation ~= #data.filenames then
    fail("%s: HICO-DET: a list 'objects', and as many annotations as filenames, wanted",
      options.file)
  end
  local names = {}
  for i, name in ipairs(data.objects) do
    names[i - 1] = name
  end
  local place = 0
  return {
    labels = labels_with_person(data.objects),
    read = pair_reader(names, "object", 1, options.score),
    pictures = index(options.file, function()
      place = place + 1
      return data.filenames[place], data.annotation[place]
    end),
  }
end

-- V-COCO: objects are counted from 1, 0 is the background; a file without names has COCO's 80.
local function read_vcoco(data, options)
  local names = coco_names
  if data.objects then
    names = table.move(data.objects, 2, #data.objects, 1, {})
  end
  local place = 0
  return {
    labels = labels_with_person(names),
    read = pair_reader(names, "objects", 0, options.score),
    by_number = true,
    pictures = index(options.file, function()
      place = place + 1
      local annotation = data.annotations[place]
      if annotation and type(annotation.file_name) ~= "string" then
        fail("%s: annotation %d has no file_name", options.file, place)
      end
      return annotation and annotation.file_name, annotation
    end),
  }
end

---------------------------------------------------------------------------- detections

-- Our own: { labels = list or nil, pictures = { [file name] = list of detections } }.
local function read_own(data, options)
  local pictures = index(options.file, pairs(data.pictures))
  local labels, seen = data.labels, {}
  if not labels then
    labels = {}
    for name, detections in pairs(pictures) do
      for i, detection in ipairs(detections) do
        local label = type(detection) == "table" and detection.label
        if type(label) ~= "string" then
          fail("%s: picture '%s', detection %d: label: a name wanted", options.file, name, i)
        end
        if not seen[label] then
          seen[label], labels[#labels + 1] = true, label
        end
      end
    end
    table.sort(labels)
  end
  return {
    labels = labels,
    pictures = pictures,
    read = function(list)
      local detections = {}
      for i, detection in ipairs(list) do
        detections[i] = {
          box = detection.box,
          score = detection.score or options.score,
          label = detection.label,
          feature = detection.feature,
        }
      end
      return detections
    end,
  }
end

-- Gets what a COCO file says of its categories: labels in order, id -> name.
local function category_names(data, file)
  local labels, names = {}, {}
  if type(data) ~= "table" or type(data.categories) ~= "table" then
    fail("%s: COCO's list 'categories' of { id, name } wanted", file)
  end
  for i, category in ipairs(data.categories) do
    if type(category) ~= "table" or category.id == nil or type(category.name) ~= "string" then
      fail("%s: category %d: { id, name } wanted", file, i)
    end
    labels[i], names[category.id] = category.name, category.name
  end
  return labels, names
end

-- Gets COCO's category table: labels in order, id -> name, and file name -> image id where the file
-- tells it.
local function categories_of(file)
  local labels, names, ids = {}, {}, nil
  if not file then
    for id = 1, 90 do
      if not coco_gaps[id] then
        labels[#labels + 1] = coco_names[#labels + 1]
        names[id] = labels[#labels]
      end
    end
    return labels, names
  end
  local data = json.load(file)
  labels, names = category_names(data, file)
  if type(data.images) == "table" and #data.images > 0 then
    ids = {}
    for _, image in ipairs(data.images) do
      ids[base_name(image.file_name)] = image.id
    end
  end
  return labels, names, ids
end

-- COCO results: a list of { image_id, category_id, bbox = {x, y, width, height}, score } over all
-- pictures. A picture that it does not name has no detections.
local function read_coco(data, options)
  local labels, names, ids = categories_of(options.categories)
  local by_id = {}
  for i, result in ipairs(data) do
    if type(result) ~= "table" or result.image_id == nil or not is_box(result.bbox) then
      fail("%s: result %d: image_id and bbox = [x, y, width, height] wanted", options.file, i)
    end
    local box, name = result.bbox, names[result.category_id]
    if not name then
      fail("%s: result %d: category_id %s is not in %s: option 'categories' takes the COCO file"
        .. " that defines it", options.file, i, result.category_id,
        options.categories or "COCO's table of 80")
    end
    local list = by_id[result.image_id] or {}
    by_id[result.image_id] = list
    list[#list + 1] = {
      box = { box[1], box[2], box[1] + box[3], box[2] + box[4] },
      score = result.score,
      label = name,
    }
  end
  return {
    labels = labels,
    read = function(list)
      return list
    end,
    pictures = setmetatable({}, {
      __index = function(_, name)
        local id = number_of(name)
        if ids and not ids[name] then
          fail("'%s' is not among the images of %s", name, options.categories)
        elseif not ids and not id then
          fail("'%s' has no number to match an image_id: option 'categories' takes the COCO file"
            .. " that lists the images", name)
        end
        return by_id[ids and ids[name] or id] or {}
      end,
    }),
  }
end

-- COCO ground truth (instances_val2017.json): images { id, file_name }, annotations { image_id,
-- category_id, bbox, iscrowd }, categories { id, name }. A crowd is one box around many: left out.
local function read_instances(data, options)
  local labels, names = category_names(data, options.file)
  local by_id = {}
  for i, annotation in ipairs(data.annotations) do
    local box = type(annotation) == "table" and annotation.bbox
    if not is_box(box) or annotation.image_id == nil then
      fail("%s: annotation %d: image_id and bbox = [x, y, width, height] wanted", options.file, i)
    elseif not names[annotation.category_id] then
      fail("%s: annotation %d: category_id %s is not among its categories", options.file, i,
        annotation.category_id)
    end
    if annotation.iscrowd ~= 1 then
      local list = by_id[annotation.image_id] or {}
      by_id[annotation.image_id] = list
      list[#list + 1] = {
        box = { box[1], box[2], box[1] + box[3], box[2] + box[4] },
        score = options.score,
        label = names[annotation.category_id],
      }
    end
  end
  local place = 0
  return {
    labels = labels,
    by_number = true,
    read = function(list)
      return list
    end,
    pictures = index(options.file, function()
      place = place + 1
      local image = data.images[place]
      if image and (type(image) ~= "table" or type(image.file_name) ~= "string") then
        fail("%s: image %d has no file_name", options.file, place)
      end
      return image and image.file_name, image and (by_id[image.id] or {})
    end),
  }
end

---------------------------------------------------------------------------- the plugin

local function reader_of(data, file)
  local first = type(data) == "table" and data[1]
  if type(data) ~= "table" then
    fail("%s: holds a %s: an object or a list wanted", file, type(data))
  elseif type(data.pictures) == "table" then
    return read_own
  elseif type(data.annotation) == "table" and type(data.filenames) == "table" then
    return read_hico
  elseif type(data.annotations) == "table" and type(data.annotations[1]) == "table"
    and data.annotations[1].boxes_h then
    return read_vcoco
  elseif type(data.images) == "table" and type(data.annotations) == "table" then
    return read_instances
  elseif next(data) == nil or (type(first) == "table" and first.image_id ~= nil) then
    return read_coco
  end
  fail("%s: not known by its content: 'pictures' (hoi), a list of results (COCO), 'images' and"
    .. " 'annotations' (COCO ground truth), 'annotation' and 'filenames' (HICO-DET) or"
    .. " 'annotations' with boxes_h (V-COCO) wanted", file)
end

local option_types <const> = { file = "string", score = "number", categories = "string" }

local function check_types(options)
  for name, value in pairs(options) do
    if type(value) ~= option_types[name] then
      fail("option '%s': a %s wanted, got a %s", name, option_types[name], type(value))
    end
  end
  if not options.file then
    fail("option 'file' is missing: the JSON file with the detections")
  end
end

-- Adds what finds an entry by the number in a picture's name, for names that have nothing else in
-- common (COCO has named its pictures in two ways).
local function add_numbers(source)
  source.numbers = {}
  for name, entry in pairs(source.pictures) do
    local number = number_of(name)
    if number then
      source.numbers[number] = source.numbers[number] == nil and entry -- false: several
    end
  end
end

return {
  abi = 1,
  name = "boxes",
  labels = {}, -- the file's own

  open = function(options)
    options = read_options(options, { "file", "categories", score = 1.0 })
    check_types(options)
    local data = json.load(options.file)
    local source = reader_of(data, options.file)(data, options)
    source.file = options.file
    if source.by_number then
      add_numbers(source)
    end
    return source, source.labels
  end,

  detect = function(self, picture)
    if picture.name == "" then
      fail("the picture has no name to find it by in %s: "
        .. "detector:detect { image = image, name = path }", self.file)
    end
    local name = base_name(picture.name)
    local entry = self.pictures[name] or (self.numbers and self.numbers[number_of(name)])
    if not entry then
      local one = next(self.pictures)
      fail("not in %s, %s", self.file, one and ("whose pictures are called like '%s'"):format(one)
        or "which has no pictures")
    end
    return self.read(entry)
  end,

  close = function() end,
}
