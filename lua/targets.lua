-- targets: the list of what is to be told apart: rows { verb, object or nil, sentence,
-- descriptions, seen }. HICO-DET's and V-COCO's lists come with hoi, as do those of the drawn
-- world; any other is a table or a JSON file of the same form:
--   { "name": "zoo", "classes": [ { "verb": "feed", "object": "zebra",
--     "sentence": "a person feeding a zebra", "description": "a hand with hay at a muzzle" } ] }
local embedded <const> = require "hoi.embedded"
local json <const> = require "hoi.json"
local read_options <const> = require "hoi.options"
local settings <const> = require "hoi.settings"

local targets <const> = {}

---------------------------------------------------------------------------- English

-- Names that detectors and data sets have for what COCO calls otherwise.
local aliases <const> = {
  aeroplane = "airplane", plane = "airplane", motorbike = "motorcycle", bike = "bicycle",
  sofa = "couch", pottedplant = "potted plant", diningtable = "dining table",
  tvmonitor = "tv", ["tv monitor"] = "tv", television = "tv",
  cellphone = "cell phone", ["mobile phone"] = "cell phone",
  ["hair dryer"] = "hair drier", hairdrier = "hair drier", wineglass = "wine glass",
  doughnut = "donut", hotdog = "hot dog", fridge = "refrigerator", teddy = "teddy bear",
  ["computer mouse"] = "mouse", ["computer keyboard"] = "keyboard", ["remote control"] = "remote",
  human = "person", people = "person", man = "person", woman = "person",
}

local spelled <const> = {} -- name -> its one spelling

function targets.object_name(name)
  local spelling = spelled[name]
  if not spelling then
    if type(name) ~= "string" or not name:find "%S" then
      local what = type(name) == "string" and "''" or type(name)
      error(("the name of an object expected, got %s"):format(what), 2)
    end
    spelling = name:lower():gsub("[_%s]+", " "):match "^ ?(.-) ?$"
    spelling = aliases[spelling] or spelling
    spelled[name] = spelling
  end
  return spelling
end

-- "sit" -> "sitting".
local function participle(word)
  if word:find "ie$" then
    return word:sub(1, -3) .. "ying"
  elseif word:find "e$" and not word:find "[eoy]e$" then
    return word:sub(1, -2) .. "ing"
  elseif word:find "^[^aeiou]*[aeiou][^aeiouwxy]$" or word:find "^[^aeiou]*qu[aeiou][^aeiouwxy]$"
    or word == "control" then
    return word .. word:sub(-1) .. "ing"
  end
  return word .. "ing"
end

local no_article <const> = { skis = true, scissors = true, broccoli = true, food = true,
  water = true, grass = true, glasses = true, pants = true, jeans = true, shoes = true }

local function with_article(object)
  object = object:gsub("_", " ")
  if object == "person" then
    return "another person"
  elseif no_article[object] then
    return object
  elseif object:find "^[aeiou]" and not object:find "^uni" then
    return "an " .. object
  end
  return "a " .. object
end

function targets.sentence(verb, object)
  local thing = object and with_article(object)
  if verb == "no_interaction" then
    return "a person" .. (thing and " and " .. thing or "")
  end
  local word, rest = verb:match "^[_%s]*([^_%s]*)[_%s]*(.*)$"
  local parts = { "a person", participle(word), rest ~= "" and rest:gsub("_", " ") or nil }
  parts[#parts + 1] = thing
  return table.concat(parts, " ")
end

-- Gets the class that a sentence speaks of, "person feeding a robot": { verb, object, sentence }.
-- The object stands behind the last article, or it is the last word behind a word with -ing.
function targets.parse(sentence)
  local rest <const> = sentence:gsub("%s+", " "):match("^ ?(.-) ?$"):gsub("^[aA]n? ", "")
    :gsub("^person ", "")
  local verb, object
  for _, article in ipairs { " an? ", " the " } do
    local v <const>, o <const> = rest:match("^(.+)" .. article .. "(.+)$")
    if v and (not verb or #v > #verb) then
      verb, object = v, o
    end
  end
  if not verb then
    verb, object = rest:match "^(.*%S+ing) (.+)$"
  end
  return { verb = ((verb or rest):gsub(" ", "_")), object = object, sentence = "a person " .. rest }
end

---------------------------------------------------------------------------- rows

local Targets <const> = { __name = "hoi.Targets" }
Targets.__index = Targets

local fields <const> = { verb = "string", object = "string", objects = "table", sentence = "string",
  names = "table", description = "string", descriptions = "table", seen = "boolean",
  rare = "boolean" }

-- Gets a list of strings that a row's field holds (or {}), copied.
local function strings(row, key, where)
  local list = {}
  for i, text in ipairs(row[key] or {}) do
    if type(text) ~= "string" then
      error(("%s: %s[%d]: a string wanted, got %s"):format(where, key, i, type(text)), 0)
    end
    list[i] = text
  end
  return list
end

-- Gets the row with what it lacks filled in. The error has no position: the caller knows whose row
-- it is.
local function complete(row, where)
  if type(row) == "string" then
    row = { sentence = row }
  elseif type(row) ~= "table" then
    error(("%s: a table { verb, object, sentence } wanted, got %s"):format(where, type(row)), 0)
  end
  for key, value in pairs(row) do
    if not fields[key] then
      error(("%s: unknown field '%s' (known: verb, object, objects, sentence, names, description,"
        .. " descriptions, seen, rare)"):format(where, key), 0)
    elseif type(value) ~= fields[key] and not (key == "description" and type(value) == "table") then
      error(("%s: %s: a %s wanted, got %s"):format(where, key, fields[key], type(value)), 0)
    end
  end
  local verb = row.verb or row.sentence
  if not verb or not verb:find "[^_%s]" then
    error(("%s: neither verb nor sentence"):format(where), 0)
  end
  local descriptions = type(row.description) == "string" and { row.description }
    or strings(row, row.description and "description" or "descriptions", where)
  return {
    verb = verb,
    object = row.object,
    objects = row.objects and strings(row, "objects", where),
    sentence = row.sentence or targets.sentence(verb, row.object),
    names = row.names and strings(row, "names", where),
    descriptions = descriptions,
    seen = row.seen ~= false,
    rare = row.rare == true,
  }
end

-- Places by verb and by verb and object, of each list. Not in the object, whose fields are rows.
local places <const> = setmetatable({}, { __mode = "k" })

local function key_of(verb, object)
  return object and verb .. "\0" .. targets.object_name(object) or verb
end

local function append(self, row, where)
  row = complete(row, where)
  local key, place = key_of(row.verb, row.object), #self + 1
  if places[self][key] then
    error(("%s: is the same as class %d: %s%s"):format(where, places[self][key], row.verb,
      row.object and " " .. row.object or ""), 0)
  end
  places[self][key] = place
  self[place] = row
  return place
end

local function fits(row, object)
  object = targets.object_name(object)
  if row.object then
    return targets.object_name(row.object) == object
  end
  for _, name in ipairs(row.objects or {}) do
    if targets.object_name(name) == object then
      return true
    end
  end
  return not row.objects
end

function Targets:index(verb, object)
  local place = places[self][key_of(verb, object)]
  if not place and object then
    place = places[self][verb]
    place = place and fits(self[place], object) and place or nil
  end
  return place
end

function Targets:valid(object)
  local list = {}
  for i, row in ipairs(self) do
    if fits(row, object) then
      list[#list + 1] = i
    end
  end
  return list
end

function Targets:objects()
  local list, known = {}, {}
  for _, row in ipairs(self) do
    for _, name in ipairs(row.objects or { row.object }) do
      local spelling = targets.object_name(name)
      if not known[spelling] then
        known[spelling], list[#list + 1] = true, name
      end
    end
  end
  return list
end

-- What a detector must find: people, and what the interactions are done with.
function Targets:labels()
  local list = self:objects()
  for _, name in ipairs(list) do
    if targets.object_name(name) == "person" then
      return list
    end
  end
  list[#list + 1] = "person"
  return list
end

function Targets:add(what, description)
  local row = what
  if type(what) == "string" then
    row = { sentence = what, seen = false }
    row[type(description) == "table" and "descriptions" or "description"] = description
  end
  local ok, place = pcall(append, self, row, "targets:add")
  return ok and place or error(place, 2)
end

function Targets:totable()
  local classes = {}
  for i, row in ipairs(self) do
    local copy = {}
    for key, value in pairs(row) do
      copy[key] = value
    end
    copy.descriptions = row.descriptions[1] and row.descriptions or nil
    classes[i] = copy
  end
  return { name = self.name, classes = classes }
end

function Targets:__tostring()
  local unseen = 0
  for _, row in ipairs(self) do
    unseen = unseen + (row.seen and 0 or 1)
  end
  return ("Targets %s, %d classes%s"):format(self.name, #self,
    unseen > 0 and (", %d unseen"):format(unseen) or "")
end

---------------------------------------------------------------------------- lists

-- Makes the object of a list of rows; where: what messages call the list.
local function make(name, rows, where)
  local self = setmetatable({ name = name }, Targets)
  places[self] = {}
  for i, row in ipairs(rows) do
    append(self, row, ("%s: class %d"):format(where, i))
  end
  if #self == 0 then
    error(("%s: no classes"):format(where), 0)
  end
  return self
end

-- Gets the object of { name, classes } or of a plain list of rows.
local function from_table(data, where)
  if type(data) ~= "table" then
    error(("%s: a list of classes wanted, got %s"):format(where, type(data)), 0)
  end
  local rows = data.classes or data
  if type(rows) ~= "table" or (#rows == 0 and next(rows) ~= nil) then
    error(("%s: a list of classes, or { name, classes }, wanted"):format(where), 0)
  end
  return make(data.name or "own", rows, where)
end

-- Marks what the setting holds back and what is rare.
local function mark(self, setting)
  local unseen, rare = settings.unseen(self.name, setting, #self), settings.rare(self.name)
  for i, row in ipairs(self) do
    row.seen = not unseen[i]
    row.rare = rare[i] == true
  end
  return self
end

local function embedded_list(name)
  return function(setting)
    local text = embedded.read(("lua/classes/%s.json"):format(name))
    return mark(from_table(json.decode(text), name), setting)
  end
end

local known <const> = {
  hico = embedded_list "hico",
  vcoco = embedded_list "vcoco",
  mini = function(setting)
    return mark(make("mini", require "hoi.mini".classes, "mini"), setting)
  end,
}

-- HICO-DET's 117 verbs in its (alphabetical) order. A verb is unseen when all of its classes are.
known["hico.verbs"] = function(setting)
  local verbs, by_name = {}, {}
  for _, row in ipairs(known.hico(setting)) do
    local verb = by_name[row.verb]
    if not verb then
      verb = { verb = row.verb, objects = {}, seen = false }
      verb.sentence = targets.sentence(row.verb, "object")
      by_name[row.verb], verbs[#verbs + 1] = verb, verb
    end
    table.insert(verb.objects, row.object)
    verb.seen = verb.seen or row.seen
  end
  table.sort(verbs, function(a, b)
    return a.verb < b.verb
  end)
  return make("hico.verbs", verbs, "hico.verbs")
end

-- Gets a list that is not hoi's own; its classes may say themselves that they are unseen, a setting
-- (a file of ids) holds back others.
local function own_list(data, where, setting)
  local self = from_table(data, where)
  local unseen = settings.unseen(self.name, setting, #self)
  for i, row in ipairs(self) do
    row.seen = row.seen and not unseen[i]
  end
  return self
end

local function load_list(what, options)
  if type(what) == "string" and known[what] then
    return known[what](options.setting)
  elseif type(what) == "string" then
    local file = io.open(what, "rb")
    if not file then
      error(("'%s' is neither a list of hoi (hico, hico.verbs, vcoco, mini) nor a file")
        :format(what), 0)
    end
    file:close()
    return own_list(json.load(what), what, options.setting)
  end
  return own_list(what, "targets", options.setting)
end

-- Gets the list that has exactly these verbs and objects in this order, or a new one of this name;
-- for data sets that bring their own tables.
function targets.match(name, rows, setting)
  for _, list_name in ipairs { "hico", "mini" } do
    local list = known[list_name] "default"
    local same = #list == #rows
    for i, row in ipairs(list) do
      same = same and row.verb == rows[i].verb and fits(row, rows[i].object)
      if not same then
        break
      end
    end
    if same then
      return known[list_name](setting)
    end
  end
  return own_list({ name = name, classes = rows }, name, setting)
end

return setmetatable(targets, {
  __call = function(_, what, options)
    options = read_options(options, { setting = "default" })
    local ok, list = pcall(load_list, what, options)
    return ok and list or error(list, 2)
  end,
})
