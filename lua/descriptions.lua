-- descriptions: what language models wrote about classes: a description of each, and what tells one
-- from another. The published files of EZ-HOI are read as they are (UPT's and its kin's order of
-- classes), and plain JSON.
local coco <const> = require "hoi.coco"
local json <const> = require "hoi.json"
local make_targets <const> = require "hoi.targets"
local read_options <const> = require "hoi.options"

---------------------------------------------------------------------------- which class is meant

-- Gets the places of the classes in the order in which published files count them: HICO-DET's own;
-- V-COCO's by object, then by action.
local function published_order(targets)
  local order <const>, rank <const> = {}, {}
  for i in ipairs(targets) do
    order[i] = i
  end
  if targets.name == "vcoco" then
    for i, name in ipairs(coco.names) do
      rank[name] = i
    end
    for i, name in ipairs(coco.actions) do
      rank["a " .. name] = i
    end
    local function key(i)
      return 100 * (rank[make_targets.object_name(targets[i].object)] or 0)
        + (rank["a " .. targets[i].verb] or 0)
    end
    table.sort(order, function(a, b)
      return key(a) < key(b)
    end)
  end
  return order
end

-- Gets a function that finds the class of "hold cup", of a sentence, or of a place.
local function finder(targets, where)
  local places <const> = {}
  for i, row in ipairs(targets) do
    local name <const> = row.verb .. " " .. (row.object or "")
    places[name:gsub("_", " "):gsub(" +$", "")], places[row.sentence] = i, i
  end
  return function(name)
    local place = math.type(name) == "integer" and targets[name] and name
      or type(name) == "string" and places[name:gsub("_", " ")]
    return place or error(("%s: '%s' is none of the %d classes of %s"):format(where,
      tostring(name), #targets, targets.name), 0)
  end
end

-- Gets the place of the class that a published file numbers from 0.
local function numbered(targets, where)
  local order <const> = published_order(targets)
  return function(id)
    return order[id + 1] or error(("%s: class %d: 0 to %d wanted"):format(where, id, #order - 1), 0)
  end
end

---------------------------------------------------------------------------- texts

local function trimmed(text)
  return (text:gsub("%s+", " "):match "^ ?(.-) ?$")
end

-- Gets the sentences of a paragraph: what stands between full stops.
local function sentences_of(text)
  local list <const> = {}
  for part in (text .. "."):gmatch "([^.]*)%." do
    part = trimmed(part)
    list[#list + 1] = part ~= "" and part or nil
  end
  return list
end

-- Cuts a text after the last full stop within so many bytes.
local function shortened(text, most)
  if not most or #text <= most then
    return text
  end
  local cut <const> = text:sub(1, most)
  return cut:match "^(.*%.)" or cut
end

local function read_file(path)
  local file <const>, message <const> = io.open(path, "rb")
  if not file then
    error(message, 0)
  end
  local text <const> = file:read "a"
  file:close()
  return (text:gsub("\r\n?", "\n"))
end

local function lines_of(text)
  local list <const> = {}
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    list[#list + 1] = line
  end
  return list
end

local function list_of_texts(value, where)
  local list <const> = type(value) == "table" and value or { value }
  for i, text in ipairs(list) do
    if type(text) ~= "string" then
      error(("%s: text %d: a string wanted, got %s"):format(where, i, type(text)), 0)
    end
  end
  return list
end

---------------------------------------------------------------------------- descriptions

-- Groups of three lines: a numbered title, "- Description: text", nothing. The text ends at a
-- second colon, as it is published to be read.
local function read_groups(lines, targets, path)
  local list <const>, order <const> = {}, published_order(targets)
  for i, place in ipairs(order) do
    local text <const> = (lines[3 * i - 1] or ""):match "^[^:]*:([^:]*)"
    if not text then
      error(("%s: line %d: '- Description: text' of class %d of %d wanted"):format(path, 3 * i - 1,
        i, #order), 0)
    end
    list[place] = { trimmed(text) }
  end
  return list
end

-- Blocks under "(verb, object)": HICO-DET's verbs by name and COCO's objects, both from 0; V-COCO's
-- actions from 0 and objects from 1.
local function read_blocks(lines, targets, path)
  local verbs, shift = coco.actions, 0
  if targets.name ~= "vcoco" then
    verbs, shift = {}, 1
    for i, row in ipairs(make_targets "hico.verbs") do
      verbs[i] = row.verb
    end
  end
  local list <const>, place = {}, nil
  for i, line in ipairs(lines) do
    local verb, object = line:match "^%((%d+), *(%d+)%)"
    if verb then
      verb, object = verbs[verb + 1], coco.names[object + shift]
      place = verb and object and targets:index(verb, object)
        or error(("%s: line %d: %s: none of the classes of %s"):format(path, i, line, targets.name),
          0)
      list[place] = ""
    elseif place then
      list[place] = list[place] .. line .. " "
    end
  end
  for i, text in pairs(list) do
    list[i] = { trimmed(text) }
  end
  return list
end

-- "number, the class it is taken for", then numbered cues among other lines; where none is numbered
-- the whole text is one.
local function read_cues(lines, targets, path)
  local list <const>, said <const>, place_of <const> = {}, {}, numbered(targets, path)
  local place
  for _, line in ipairs(lines) do
    local id <const> = line:match "^(%d+), *%a"
    local cue <const> = line:match "^%d+%. *(.+)"
    if id then
      place = place_of(math.tointeger(id))
      list[place], said[place] = {}, ""
    elseif cue and place then
      table.insert(list[place], trimmed(cue))
    elseif place then
      said[place] = said[place] .. line .. " "
    end
  end
  for i, cues in pairs(list) do
    cues[1] = cues[1] or trimmed(said[i])
  end
  return list
end

-- An object { "hold cup": text or texts }, a list by class, or a class list: { classes: [ { verb,
-- object, description } ] }.
local function read_json(path, targets)
  local data <const>, list <const>, find <const> = json.load(path), {}, finder(targets, path)
  if type(data) ~= "table" then
    error(("%s: an object or a list wanted"):format(path), 0)
  end
  for _, row in ipairs(data.classes or {}) do
    local name <const> = row.object and row.verb .. " " .. row.object or row.verb or row.sentence
    list[find(name)] = list_of_texts(row.descriptions or row.description or {}, path)
  end
  for key, value in pairs(data.classes and {} or data) do
    list[find(key)] = list_of_texts(value, path)
  end
  return list
end

local function own_descriptions(targets)
  local list <const> = {}
  for i, row in ipairs(targets) do
    list[i] = table.move(row.descriptions, 1, #row.descriptions, 1, {})
  end
  return list
end

local function load_descriptions(path, targets, most)
  local list
  if path == "own" then
    list = own_descriptions(targets)
  elseif path:find "%.json$" then
    list = read_json(path, targets)
  else
    local lines <const> = lines_of(read_file(path))
    local read <const> = lines[1]:find "^%(%d+, *%d+%)" and read_blocks
      or lines[1]:find "^%d+, *%a" and read_cues or read_groups
    list = read(lines, targets, path)
  end
  for i in ipairs(targets) do
    list[i] = list[i] or {}
    for k, text in ipairs(list[i]) do
      list[i][k] = shortened(text, most)
    end
  end
  return list
end

---------------------------------------------------------------------------- differences

-- "number, number" of two classes, then a paragraph about the first.
local function read_pairs(path, targets)
  local list <const>, place_of <const> = {}, numbered(targets, path)
  for i, line in ipairs(lines_of(read_file(path))) do
    local class <const>, other <const> = line:match "^(%d+), *(%d+)%s*$"
    if class then
      list[#list + 1] = { class = place_of(math.tointeger(class)),
        other = place_of(math.tointeger(other)), text = "" }
    elseif #list > 0 then
      list[#list].text = list[#list].text .. line .. " "
    elseif line:find "%S" then
      error(("%s: line %d: 'class, other class' wanted, found '%s'"):format(path, i,
        line:sub(1, 40)), 0)
    end
  end
  return list
end

local function read_json_pairs(path, targets)
  local list <const>, find <const> = {}, finder(targets, path)
  for i, entry in ipairs(json.load(path)) do
    list[i] = { class = find(entry.class), other = find(entry.other), text = entry.text,
      sentences = entry.sentences and list_of_texts(entry.sentences, path) }
  end
  return list
end

-- What the descriptions of a class say that those of the other do not.
local function own_pairs(targets, related)
  local list <const> = {}
  for class, other in pairs(related) do
    local shared <const>, sentences <const> = {}, {}
    for _, text in ipairs(targets[other].descriptions) do
      shared[text] = true
    end
    for _, text in ipairs(targets[class].descriptions) do
      sentences[#sentences + 1] = not shared[text] and text or nil
    end
    list[#list + 1] = { class = class, other = other, sentences = sentences,
      text = table.concat(sentences, ". ") }
  end
  table.sort(list, function(a, b)
    return a.class < b.class
  end)
  return list
end

local function load_differences(path, targets, related)
  local list
  if path == "own" then
    list = own_pairs(targets, related or error("differences 'own' need the related classes", 0))
  elseif path:find "%.json$" then
    list = read_json_pairs(path, targets)
  else
    list = read_pairs(path, targets)
  end
  list.of = {}
  for _, entry in ipairs(list) do
    entry.text = trimmed(entry.text or table.concat(entry.sentences, ". "))
    entry.sentences = entry.sentences or sentences_of(entry.text)
    list.of[entry.class] = list.of[entry.class] or entry
  end
  return list
end

---------------------------------------------------------------------------- the module

local function check(path, targets, what)
  if type(path) ~= "string" or type(targets) ~= "table" or not targets[1] then
    error(("%s(path, targets): a file's path, or \"own\", and targets wanted"):format(what), 3)
  end
end

return {
  -- descriptions(path, targets, { most })
  descriptions = function(path, targets, given)
    local o <const> = read_options(given, { "most" })
    check(path, targets, "descriptions")
    local ok, list = pcall(load_descriptions, path, targets, o.most)
    return ok and list or error(list, 2)
  end,
  -- differences(path, targets, related)
  differences = function(path, targets, related)
    check(path, targets, "differences")
    local ok, list = pcall(load_differences, path, targets, related)
    return ok and list or error(list, 2)
  end,
}
