-- classes: pictures that each show one class, as few-shot classification takes them: CoOp's data
-- sets, any folder of class folders, CSV files, the things of the drawn world.
local benchmarks <const> = require "hoi.data.benchmarks"
local dataset <const> = require "hoi.data.dataset"
local json <const> = require "hoi.json"
local labelled <const> = require "hoi.data.labelled"
local python_random <const> = require "hoi.python_random"
local read_options <const> = require "hoi.options"
local system <const> = require "hoi.system"

local SPLITS <const> = { "train", "val", "test" }
local LEAST <const> = 4 -- pictures of a class that a split in three takes

local function has_pictures(folder)
  for _, name in ipairs(system.list(folder) or {}) do
    if dataset.is_picture(name) then
      return true
    end
  end
  return false
end

local function folders_in(folder)
  local list <const> = {}
  for _, name in ipairs(system.list(folder) or {}) do
    if system.kind(folder .. "/" .. name) == "folder" then
      list[#list + 1] = name
    end
  end
  return list
end

local function read_lines(path)
  local file <close> = assert(io.open(path, "rb"))
  local list <const> = {}
  for line in file:lines() do
    list[#list + 1] = (line:gsub("\r$", ""))
  end
  return list
end

---------------------------------------------------------------------------- splits of our own

-- Python's round: halves to the even neighbour.
local function round(x)
  local down <const> = math.floor(x)
  local rest <const> = x - down
  if rest == 0.5 then
    return down % 2 == 0 and down or down + 1
  end
  return rest < 0.5 and down or down + 1
end

-- Items by label, labels in the order of their first appearance.
local function by_label(items)
  local groups <const>, of = {}, {}
  for _, item in ipairs(items) do
    local group = of[item.label]
    if not group then
      group = { label = item.label }
      of[item.label], groups[#groups + 1] = group, group
    end
    group[#group + 1] = item
  end
  return groups
end

-- 50 % of each class to train, 20 % to validate, the rest to test: CoOp's rule for DTD, EuroSAT
-- and Caltech101.
local function in_three(self, items, seed)
  local random <const> = python_random.new(seed)
  self.train, self.val, self.test = {}, {}, {}
  for _, group in ipairs(by_label(items)) do
    if #group < LEAST then
      error(("data.classes: %s: class '%s' has %d pictures; a split in train, val and test takes %d"
        .. " (or give folders train/, val/ and test/)"):format(self.name,
        self.classes[group.label], #group, LEAST), 0)
    end
    random:shuffle(group)
    local train <const>, val <const> = round(#group * 0.5), round(#group * 0.2)
    for i, item in ipairs(group) do
      local list <const> = i <= train and self.train or i <= train + val and self.val or self.test
      list[#list + 1] = item
    end
  end
end

-- 20 % of each class's training pictures to validate, as CoOp takes them where there is no val.
local function take_val(self, seed)
  local random <const>, train <const>, val <const> = python_random.new(seed), {}, {}
  for _, group in ipairs(by_label(self.train)) do
    local count <const> = round(#group * 0.2)
    random:shuffle(group)
    for i, item in ipairs(group) do
      local list <const> = i <= count and val or train
      list[#list + 1] = item
    end
  end
  self.train, self.val = train, val
end

-- Items with a split each (or none of them with one) -> self.train, val, test.
local function divide(self, items, seed)
  local found <const> = { train = {}, val = {}, test = {} }
  local without = 0
  for _, item in ipairs(items) do
    local list <const> = found[item.split]
    if list then
      list[#list + 1], item.split = item, nil
    else
      without = without + 1
    end
  end
  if without == #items then
    return in_three(self, items, seed)
  elseif without > 0 then
    error(("data.classes: %s: %d of %d pictures have no split"):format(self.name, without, #items),
      0)
  end
  self.train, self.val, self.test = found.train, found.val, found.test
  if #self.test == 0 then -- as ImageNet: what is there to validate with is tested on
    self.test, self.val = self.val, {}
    self.note = "no test pictures: those of val are tested on"
  end
  if #self.val == 0 and #self.train > 0 then
    take_val(self, seed)
  end
end

---------------------------------------------------------------------------- class folders, CSV

local function numbers_of(names)
  local place <const> = {}
  for i, name in ipairs(names) do
    place[name] = i
  end
  return place
end

local function spaced(name)
  return (name:gsub("_", " "))
end

local function add_folder(items, folder, label, split)
  for _, name in ipairs(system.list(folder) or {}) do
    local path <const> = folder .. "/" .. name
    if name:find "%.%w+$" and system.kind(path) == "file" then
      items[#items + 1] = { path = path, label = label, split = split }
    end
  end
end

-- folder/class/picture, or folder/train/class/picture with val and test beside it.
local function read_folders(self, folder, seed)
  local inner <const>, parts = folders_in(folder), {}
  for _, split in ipairs(SPLITS) do
    local path <const> = folder .. "/" .. split
    if system.kind(path) == "folder" and not has_pictures(path) and #folders_in(path) > 0 then
      parts[#parts + 1] = split
    end
  end
  local names <const>, seen, items = {}, {}, {}
  local function note(list)
    for _, name in ipairs(list) do
      if not seen[name] then
        seen[name], names[#names + 1] = true, name
      end
    end
  end
  if #parts == 0 then
    note(inner)
  end
  for _, split in ipairs(parts) do
    note(folders_in(folder .. "/" .. split))
  end
  table.sort(names)
  for label, name in ipairs(names) do
    self.classes[label] = spaced(name)
    if #parts == 0 then
      add_folder(items, folder .. "/" .. name, label)
    end
    for _, split in ipairs(parts) do
      add_folder(items, ("%s/%s/%s"):format(folder, split, name), label, split)
    end
  end
  if #items == 0 then
    error(("data.classes: %s: neither pictures in class folders (%s/CLASS/picture.jpg) nor a"
      .. " split_zhou_*.json"):format(folder, folder), 0)
  end
  divide(self, items, seed)
end

-- The fields of a line: commas part them, quotes hold them together, "" in quotes is a quote.
local function fields_of(line)
  local fields <const>, at = {}, 1
  while at <= #line + 1 do
    if line:sub(at, at) == '"' then
      local text, stop = "", at + 1
      while true do
        local close = line:find('"', stop, true)
        if not close then
          return nil
        end
        text = text .. line:sub(stop, close - 1)
        if line:sub(close + 1, close + 1) ~= '"' then
          at = close + 1
          break
        end
        text, stop = text .. '"', close + 2
      end
      fields[#fields + 1] = text
      if line:sub(at, at) ~= "" and line:sub(at, at) ~= "," then
        return nil
      end
      at = at + 1
    else
      local stop <const> = line:find(",", at, true) or #line + 1
      fields[#fields + 1] = line:sub(at, stop - 1):match "^%s*(.-)%s*$"
      at = stop + 1
    end
  end
  return fields
end

-- path,label[,split] in each line; a first line of these words is a heading.
local function read_csv(self, path, images, seed)
  local rows <const>, labels, items = {}, {}, {}
  for number, line in ipairs(read_lines(path)) do
    local row <const> = line ~= "" and fields_of(line)
    if row and number == 1 and row[1]:lower() == "path" and (row[2] or ""):lower() == "label" then
      goto continue -- the heading
    elseif row then
      if #row < 2 or #row > 3 or row[1] == "" or row[2] == "" then
        error(("%s:%d: path,label or path,label,split wanted"):format(path, number), 0)
      elseif row[3] and row[3] ~= "train" and row[3] ~= "val" and row[3] ~= "test" then
        error(("%s:%d: split '%s': train, val or test wanted"):format(path, number, row[3]), 0)
      end
      rows[#rows + 1] = row
      if not labels[row[2]] then
        labels[row[2]], labels[#labels + 1] = true, row[2]
      end
    elseif row == nil then
      error(("%s:%d: a quote is not closed"):format(path, number), 0)
    end
    ::continue::
  end
  if #rows == 0 then
    error(("%s: path,label lines wanted, it has none"):format(path), 0)
  end
  table.sort(labels)
  local place <const> = numbers_of(labels)
  for i, label in ipairs(labels) do
    self.classes[i] = spaced(label)
  end
  for i, row in ipairs(rows) do
    local file <const> = row[1]:find "^/" and row[1] or images .. "/" .. row[1]
    items[i] = { path = file, label = place[row[2]], split = row[3] }
  end
  divide(self, items, seed)
end

---------------------------------------------------------------------------- CoOp's data sets

-- { train, val, test }, each a list of [path, label from 0, name].
local function read_split(self, path, images)
  local file <const> = json.load(path)
  for _, split in ipairs(SPLITS) do
    if type(file) ~= "table" or type(file[split]) ~= "table" then
      error(("%s: the list '%s' is missing"):format(path, split), 0)
    end
    local list <const> = {}
    for i, row in ipairs(file[split]) do
      local name <const>, label <const> = row[1], row[2]
      if type(name) ~= "string" or math.type(label) ~= "integer" or label < 0
        or type(row[3]) ~= "string" then
        error(("%s: %s[%d]: [path, label from 0, class name] wanted"):format(path, split, i), 0)
      end
      local class <const> = spaced(row[3])
      if (self.classes[label + 1] or class) ~= class then
        error(("%s: %s[%d]: label %d is '%s' here and '%s' before"):format(path, split, i, label,
          class, self.classes[label + 1]), 0)
      end
      self.classes[label + 1] = class
      list[i] = { path = images .. "/" .. name, label = label + 1 }
    end
    self[split] = list
  end
end

-- FGVCAircraft: variants.txt, images_variant_<split>.txt of "0123456 Name of several words".
local function read_lists(self, folder, images)
  for _, name in ipairs(read_lines(folder .. "/variants.txt")) do
    if name ~= "" then
      self.classes[#self.classes + 1] = name
    end
  end
  local place <const> = numbers_of(self.classes)
  for _, split in ipairs(SPLITS) do
    local path <const> = ("%s/images_variant_%s.txt"):format(folder, split)
    for number, line in ipairs(read_lines(path)) do
      local picture, name = line:match "^(%S+)%s+(.-)%s*$"
      if picture and not place[name] then
        error(("%s:%d: '%s' is not in variants.txt"):format(path, number, name), 0)
      elseif picture then
        local list <const> = self[split]
        list[#list + 1] = { path = ("%s/%s.jpg"):format(images, picture), label = place[name] }
      end
    end
  end
end

-- ImageNet and its variants: classnames.txt of "n01440764 tench", a folder for each class.
local function read_imagenet(self, folder, images, test_only)
  local wnids, names = {}, {}
  for _, line in ipairs(read_lines(folder .. "/classnames.txt")) do
    local wnid, name = line:match "^(%S+)%s+(.-)%s*$"
    if wnid then
      wnids[#wnids + 1], names[wnid] = wnid, name
    end
  end
  local function each(part, list)
    local found <const> = folders_in(part)
    table.sort(found, function(a, b) -- ImageNetV2 counts its folders from 0
      local x <const>, y <const> = tonumber(a), tonumber(b)
      return x and y and x < y or not (x and y) and a < b
    end)
    for label, name in ipairs(found) do
      local class <const> = names[name] or names[wnids[(tonumber(name) or -1) + 1]]
      if not class then
        error(("%s: folder '%s' is not in classnames.txt"):format(part, name), 0)
      end
      self.classes[label] = class
      add_folder(list, part .. "/" .. name, label)
    end
  end
  if test_only then
    each(images, self.test)
  else
    each(images .. "/train", self.train)
    each(images .. "/val", self.test)
    self.note = "ImageNet: its validation pictures are tested on; there are none to validate with"
  end
end

local function first_there(kind, places)
  for _, place in ipairs(places) do
    if system.kind(place) == kind then
      return place
    end
  end
end

local function read_benchmark(self, entry, folder, o)
  local roots <const> = {}
  for i, name in ipairs(entry.images) do
    roots[i] = name == "" and folder or folder .. "/" .. name
  end
  local images <const> = o.images or first_there("folder", roots) or roots[1]
  self.templates, self.ensemble = entry.templates, entry.ensemble
  if entry.kind == "json" then
    local name <const> = ("split_zhou_%s.json"):format(entry.split)
    local split <const> = o.split or folder .. "/" .. name
    if system.kind(split) ~= "file" then
      error(("data.classes: %s: %s is not there; CoOp's DATASETS.md tells where it is got")
        :format(entry.name, split), 0)
    end
    read_split(self, split, images)
  elseif entry.kind == "lists" then
    read_lists(self, folder, images)
  else
    read_imagenet(self, folder, images, entry.kind == "test")
  end
end

---------------------------------------------------------------------------- finding it

local function known_folder(entry, root)
  local places <const> = {}
  for i, name in ipairs(entry.folders) do
    places[i] = root .. "/" .. name
  end
  local folder <const> = first_there("folder", places)
  if not folder then
    error(("data.classes: %s: none of these folders is there: %s (root = the folder that holds the"
      .. " data sets)"):format(entry.name, table.concat(places, ", ")), 0)
  end
  return folder
end

-- The data set that a folder's files say it is; nil when it is a folder like any other.
local function entry_of(folder)
  for _, name in ipairs(system.list(folder) or {}) do
    local entry <const> = name:find "^split_zhou_.*%.json$" and benchmarks.find(name)
    if entry then
      return entry
    end
  end
  local last <const> = benchmarks.find(folder:match "[^/]*$")
  if system.kind(folder .. "/variants.txt") == "file" then
    return benchmarks.fgvc_aircraft
  elseif last and system.kind(folder .. "/classnames.txt") == "file" then
    return last
  end
end

local function open(where, o)
  local self <const> = labelled { name = where }
  local path <const> = where:gsub("(.)/+$", "%1")
  local kind <const> = system.kind(path)
  local above <const> = path:match "^(.*)/[^/]*$" or "."
  if where == "mini" then
    return require "hoi.data.mini_things"(self, o)
  elseif kind == "file" and path:find "%.csv$" then
    read_csv(self, path, o.images or above, o.seed)
  elseif kind == "file" and path:find "%.json$" then
    local entry <const> = benchmarks.find(path:match "[^/]*$")
    self.name = entry and entry.name or path
    self.templates = entry and entry.templates or self.templates
    read_split(self, path, o.images or above)
  elseif kind == "folder" then
    local entry <const> = entry_of(path)
    self.name = entry and entry.name or path:match "[^/]*$"
    if entry then
      read_benchmark(self, entry, path, o)
    else
      read_folders(self, path, o.seed)
    end
  elseif benchmarks.find(where) then
    local entry <const> = benchmarks.find(where)
    self.name = entry.name
    read_benchmark(self, entry, known_folder(entry, o.root), o)
  else
    error(("data.classes: %s is neither a folder, a .csv or .json file, nor one of mini, %s")
      :format(where, table.concat(benchmarks.names, ", ")), 0)
  end
  return self
end

return function(where, given)
  local o <const> = read_options(given, { root = "data", seed = 1, "images", "split", "size" })
  if type(where) ~= "string" then
    error(("data.classes: a name or a path expected, got %s"):format(type(where)), 2)
  end
  local ok, data = pcall(open, where, o)
  return ok and data or error(data, 2)
end
