-- dataset: a list of pictures that are read when somebody looks at them. #data, data[i],
-- data.targets.
local system <const> = require "hoi.system"

local Dataset <const> = { __name = "hoi.Dataset" }

-- What a data set knows and does not show: { size, item }.
local hidden <const> = setmetatable({}, { __mode = "k" })

function Dataset:__len()
  return hidden[self].size
end

-- A picture { name, path, width, height, annotations }. Its `image` is loaded at the first look and
-- then kept; width and height too where the annotations do not tell them. Its `source` says where
-- the pixels come from: { path = string, upright = true where a camera's turning counts }, or
-- { kind, seed, index, decoys } of the drawn world. Its `identity` is a text that no other picture
-- has: what is kept of the picture is kept under it.
local Item <const> = { __name = "hoi.Picture" }

local sources <const> = setmetatable({}, { __mode = "k" }) -- item -> function that gets its source

local function load_image(source)
  local image <const> = require "hoi.image"
  if source.path then
    -- where boxes were drawn on a picture, they were drawn on it as it is stored
    return image.load(source.path, { upright = source.upright or false })
  end
  local truth <const> = require "hoi.mini".render(source.kind, source.seed, source.index,
    { decoys = source.decoys })
  return image.new(truth.width, truth.height, truth.rgb)
end

function Item:__index(key)
  local value
  if key == "source" then
    value = sources[self]()
  elseif key == "image" then
    value = load_image(self.source)
  elseif key == "identity" then
    local source <const> = self.source
    value = source.path and ("%s %s%s"):format(source.path, system.stamp(source.path),
      source.upright and " upright" or "")
      or ("mini %s %d %d %s"):format(source.kind, source.seed, source.index, source.decoys)
  elseif key == "width" or key == "height" then
    return self.image[key]
  end
  if value ~= nil then
    rawset(self, key, value)
  end
  return value
end

function Dataset:__index(i)
  local size <const> = hidden[self].size
  if math.type(i) ~= "integer" or i < 1 or i > size then
    return nil
  end
  local item, source = hidden[self].item(i)
  sources[item] = source
  return setmetatable(item, Item)
end

function Dataset:__tostring()
  local size <const> = hidden[self].size
  local count <const> = size == math.maxinteger and "endless" or size
  return ("Dataset %s, %s pictures"):format(self.name, count)
end

local dataset <const> = {}

-- Makes a data set of `size` pictures; item(i) gets the i-th as a table, and a function that gets
-- its source.
function dataset.new(fields, size, item)
  local self = setmetatable(fields, Dataset)
  hidden[self] = { size = size, item = item }
  return self
end

-- Gets the first pictures of a data set, as one of its own.
function dataset.first(set, count)
  local fields <const> = {}
  for key, value in pairs(set) do
    fields[key] = value
  end
  local whole <const> = hidden[set]
  return dataset.new(fields, math.min(count, whole.size), whole.item)
end

local kinds <const> = { jpg = true, jpeg = true, png = true, bmp = true, gif = true, tga = true }

-- Whether a file's name ends as those of pictures do that can be read.
function dataset.is_picture(name)
  local ending <const> = name:match "%.([^.]*)$"
  return ending ~= nil and kinds[ending:lower()] == true
end

-- Gets the folder of a path, "." where it has none.
function dataset.folder_of(path)
  return path:match "^(.*)/[^/]*$" or "."
end

-- Gets the function that gets a picture's source: the first of the paths where there is a file.
function dataset.source_of(name, paths)
  return function()
    for _, path in ipairs(paths) do
      if system.kind(path) == "file" then
        return { path = path }
      end
    end
    error(("%s: none of these is there: %s"):format(name, table.concat(paths, ", ")), 0)
  end
end

-- Raises "file: image: what is wrong". No position: the fault is the file's.
function dataset.fault(file, picture, format, ...)
  error(("%s: %s: "):format(file, picture) .. format:format(...), 0)
end

-- Gets {x1, y1, x2, y2} of a box in a file, whose pixels are counted from `origin`: an edge is
-- where a pixel begins.
function dataset.box(box, origin, file, picture, what)
  if type(box) ~= "table" or #box ~= 4 then
    dataset.fault(file, picture, "%s: [x1, y1, x2, y2] wanted", what)
  end
  for k = 1, 4 do
    if type(box[k]) ~= "number" then
      dataset.fault(file, picture, "%s: four numbers wanted, got a %s", what, type(box[k]))
    end
  end
  local x1, y1, x2, y2 = box[1] - origin, box[2] - origin, box[3], box[4]
  if not (x1 <= x2 and y1 <= y2) then
    dataset.fault(file, picture, "%s: {%g, %g, %g, %g} is turned inside out", what, box[1], box[2],
      box[3], box[4])
  end
  return { x1, y1, x2, y2 }
end

-- Gets the pictures that count and { empty, unseen }: how many were left out without any
-- interaction, and because all of theirs are unseen in this setting. Zero-shot training sees no
-- annotation of an unseen class; a picture may keep others. Everything else (training = false, or
-- `empty` for pictures without interaction) stays.
function dataset.select(pictures, targets, training, empty)
  local kept, skipped = {}, { empty = 0, unseen = 0 }
  for _, picture in ipairs(pictures) do
    local had = #picture.annotations > 0
    if training then
      local seen = {}
      for _, annotation in ipairs(picture.annotations) do
        if targets[annotation.target].seen then
          seen[#seen + 1] = annotation
        end
      end
      picture.annotations = seen
    end
    if #picture.annotations > 0 or (empty and not had) then
      kept[#kept + 1] = picture
    elseif had then
      skipped.unseen = skipped.unseen + 1
    else
      skipped.empty = skipped.empty + 1
    end
  end
  return kept, skipped
end

-- Every distinct box of a picture's truth, as detections of score 1.
function dataset.true_detections(item)
  local list <const>, known <const> = {}, {}
  local function put(box, label)
    local key <const> = ("%s %.2f %.2f %.2f %.2f"):format(label, table.unpack(box))
    if not known[key] then
      known[key] = true
      list[#list + 1] = { box = box, score = 1, label = label }
    end
  end
  for _, i in ipairs(item.instances or {}) do
    put(i.box, i.label)
  end
  if not item.instances then
    for _, a in ipairs(item.annotations) do
      put(a.human_box, "person")
      put(a.object_box, a.object)
    end
  end
  return list
end

return dataset
