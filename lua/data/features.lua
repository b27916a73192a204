-- features: data sets of which only features are there: a file of tensors, or several .npy files
-- with one beginning, named as Tip-Adapter's caches: test_f, test_l, val_f, val_l, keys_16shots,
-- keylabels_16shots; train_f, train_l where there is more to draw from.
local benchmarks <const> = require "hoi.data.benchmarks"
local digest <const> = require "hoi.digest"
local json <const> = require "hoi.json"
local labelled <const> = require "hoi.data.labelled"
local read_options <const> = require "hoi.options"
local system <const> = require "hoi.system"
local tensors <const> = require "hoi.tensor"

local KINDS <const> = { "npy", "safetensors", "pt" }

-- Gets the one tensor of a file.
local function only(path)
  local file <close> = require "hoi.weights".weights(path)
  return file:tensor(file:names()[1])
end

-- Gets a function that gets the tensor of a name, or nil; and what must be released afterwards.
local function reader(path)
  if system.kind(path) == "file" then
    local file <const>, there <const> = require "hoi.weights".weights(path), {}
    for _, name in ipairs(file:names()) do
      there[name] = true
    end
    return function(name)
      return there[name] and file:tensor(name)
    end, file
  end
  local places <const> = { path .. "_", path:gsub("(.)/+$", "%1") .. "/" }
  return function(name)
    for _, place in ipairs(places) do
      for _, kind in ipairs(KINDS) do
        local found <const> = ("%s%s.%s"):format(place, name, kind)
        if system.kind(found) == "file" then
          return only(found)
        end
      end
    end
  end
end

-- Labels from 0 in the file, or a row with a one for each, as a list from 1.
local function labels_of(x, path, name)
  local list <const> = x.rank == 2 and x:argmax() or x:float():totable()
  for i, label in ipairs(list) do
    list[i] = x.rank == 2 and label or math.tointeger(label) and math.tointeger(label) + 1
    if not list[i] or list[i] < 1 then
      error(("data.features: %s: %s[%d]: a class number from 0 on wanted, got %s"):format(path,
        name, i, label), 0)
    end
  end
  return list
end

-- Adds a matrix and gets its items.
local function part_of(self, get, path, features, labels)
  local x <const>, l <const> = get(features), get(labels)
  if not x then
    return nil
  elseif not l then
    error(("data.features: %s: %s is there, %s is missing"):format(path, features, labels), 0)
  end
  local matrix = x:float()
  local list <const> = labels_of(l, path, labels)
  if matrix.rank == 2 and matrix:size(1) ~= #list and matrix:size(2) == #list then
    matrix = matrix:transpose() -- Tip-Adapter keeps its keys as (d, n)
  end
  if matrix.rank ~= 2 or matrix:size(1) ~= #list or self.width and matrix:size(2) ~= self.width then
    error(("data.features: %s: %s is %s, %s has %d labels%s"):format(path, features,
      table.concat(x.shape, "x"), labels, #list,
      self.width and (", other features have %d numbers"):format(self.width) or ""), 0)
  end
  self.width, self.matrices[features] = matrix:size(2), matrix
  local items <const> = {}
  for i, label in ipairs(list) do
    items[i] = { label = label, row = i, of = features }
    self.most = math.max(self.most, label)
  end
  return items
end

---------------------------------------------------------------------------- names and words

-- A name as it is compared: in small letters, without marks, spaces and what stands in brackets.
local function plain(name)
  return (name:lower():gsub("%b()", ""):gsub("[%s_%-]", ""))
end

-- Names of classes: a list, or a file: JSON list of names or of { name, synonyms }, CoOp's split.
local function names_of(names)
  if type(names) ~= "string" then
    return names
  end
  local file <const>, list = json.load(names), {}
  if file.train then
    local set <const> = require "hoi.data.classes"(names)
    return set.classes
  end
  for i, row in ipairs(file) do
    list[i] = row
  end
  if #list == 0 then
    error(("data.features: %s: neither a list of names nor a split of CoOp's"):format(names), 0)
  end
  return list
end

-- text: list of { features = (n, d) or a file, names = as above }. Gets { features, row_of }: the
-- row of each class whose name is there; the first that fits.
local function match(classes, texts)
  local row_of <const>, rows, count = {}, {}, 0
  local known <const> = {}
  for _, text in ipairs(texts) do
    local features = text.features
    features = type(features) == "string" and only(features) or features
    local names <const> = names_of(text.names)
    if #names ~= features:size(1) then
      error(("data.features: %d names, but %d rows of text features"):format(#names,
        features:size(1)), 0)
    end
    for pass = 1, 2 do -- a name before a synonym
      for i, row in ipairs(names) do
        local all <const> = type(row) == "table" and row.synonyms or {}
        local list <const> = pass == 2 and all or { type(row) == "table" and row.name or row }
        for _, name in ipairs(list) do
          known[plain(name)] = known[plain(name)] or count + i
        end
      end
    end
    rows[#rows + 1], count = features:float(), count + #names
  end
  for i, class in ipairs(classes) do
    row_of[i] = known[plain(class)]
  end
  return { features = #rows == 1 and rows[1] or tensors.concat(rows, 1), row_of = row_of }
end

---------------------------------------------------------------------------- the data set

-- A short text that tells numbers from others: their sums, along rows weighted by the row, and the
-- first of them.
local function print_of(x)
  local weights <const> = {}
  for i = 1, x:size(1) do
    weights[i] = { math.sin(i) }
  end
  local first <const> = x:slice(1, 1, 1):bytes()
  return ("%.9g %.9g %s"):format((x * x):sum():item(), (x * tensors.tensor(weights)):sum():item(),
    digest { first })
end

-- A text that tells this data set's features, words and classes from others'.
local function identity_of(self)
  local parts <const>, names <const> = { table.concat(self.classes, "\n") }, {}
  for name in pairs(self.matrices) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    parts[#parts + 1] = name .. " " .. print_of(self.matrices[name])
  end
  if self.text then
    parts[#parts + 1] = print_of(self.text.features)
    for class in ipairs(self.classes) do
      parts[#parts + 1] = tostring(self.text.row_of[class])
    end
  end
  return digest(parts)
end

local function open(path, o)
  local get <const>, _ <close> = reader(path)
  local self <const> = labelled {
    name = path:match "[^/]*$", matrices = {}, drawn = {}, most = 0,
  }
  self.test = part_of(self, get, path, "test_f", "test_l")
  if not self.test then
    error(("data.features: %s: neither a file with test_f and test_l, nor the beginning of"
      .. " %s_test_f.npy, nor a folder with test_f.npy"):format(path, path), 0)
  end
  self.val = part_of(self, get, path, "val_f", "val_l") or {}
  self.train = part_of(self, get, path, "train_f", "train_l") or {}
  for _, shots in ipairs { 1, 2, 4, 8, 16, 32 } do
    self.drawn[shots] = part_of(self, get, path, ("keys_%dshots"):format(shots),
      ("keylabels_%dshots"):format(shots))
  end
  local entry <const> = benchmarks.find(self.name:gsub("%.%w+$", ""))
  if entry then
    self.name, self.templates = entry.name, entry.templates
  end
  local names <const> = o.names and names_of(o.names)
  if names and #names < self.most then
    error(("data.features: %s: labels up to %d, but %d names"):format(path, self.most - 1, #names),
      0)
  end
  for i = 1, names and #names or self.most do
    self.classes[i] = names and names[i]:gsub("_", " ") or ("class %d"):format(i - 1)
  end
  if o.text then
    self.text = match(self.classes, o.text)
  end
  if next(self.drawn) and #self.train == 0 then
    self.note = "the shots are those that the files hold; a seed moves the methods alone"
  end
  self.most, self.width = nil, nil
  self.identity = identity_of(self)
  return self
end

return function(path, given)
  local o <const> = read_options(given, { "names", "text" })
  if type(path) ~= "string" then
    error(("data.features: a path expected, got %s"):format(type(path)), 2)
  end
  local ok, data = pcall(open, path, o)
  return ok and data or error(data, 2)
end
