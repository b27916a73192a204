-- detector: hoi.detector(name, options) finds a plugin, written in Lua or in C, and makes the same
-- object of both. What a plugin returns is checked here, once for both. The contract is in
-- core/plugin.h and plugins/README.md.
local core <const> = require "hoi.detector.core"
local embedded <const> = require "hoi.embedded"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"

local Detector <const> = { __name = "hoi.Detector" }
Detector.__index = Detector

-- Open detectors only: { plugin, handle, known labels, width of the features }.
local sessions <const> = setmetatable({}, { __mode = "k" })

-- Gets a short text for a value in a message.
local function show(value)
  if type(value) == "number" then
    return ("%.6g"):format(value)
  elseif type(value) == "string" then
    return ("'%s'"):format(value)
  elseif type(value) == "table" and #value > 0 and #value <= 8 then
    local items = {}
    for i, item in ipairs(value) do
      items[i] = type(item) == "table" and "{...}" or show(item)
    end
    return "{" .. table.concat(items, ", ") .. "}"
  end
  return type(value) == "nil" and "nil" or "a " .. type(value)
end

---------------------------------------------------------------------------- finding a plugin

local inside <const> = "the plugins inside hoi"

-- Gets the folders to look into, in order; `inside` stands among them.
local function places()
  local list = {}
  local script = arg and arg[0]
  if script then
    list[1] = script:match "^(.*)/[^/]*$" or "."
  end
  for folder in (os.getenv "HOI_PLUGINS" or ""):gmatch "[^:]+" do
    list[#list + 1] = folder
  end
  list[#list + 1] = inside
  list[#list + 1] = core.installed_folder
  if core.program_folder then -- the first: installed below another prefix than it was built for
    list[#list + 1] = core.program_folder .. "/../lib/hoi/plugins"
    list[#list + 1] = core.program_folder .. "/plugins"
  end
  return list
end

-- Gets the table that a chunk of Lua returns, or nil and why there is none. chunk, message: what
-- load got.
local function run(where, chunk, message)
  local ok, plugin
  if chunk then
    ok, plugin = pcall(chunk, where)
    message = not ok and tostring(plugin)
  end
  if not ok then
    return nil, ("%s is not loadable: %s"):format(where, message)
  end
  if type(plugin) ~= "table" then
    return nil, ("%s returned %s, it is no detector plugin: a table wanted"):format(
      where, show(plugin))
  end
  return plugin
end

-- Gets a plugin written in C with an `open` that takes a table, as a plugin written in Lua has.
local function load_library(path)
  local plugin, message = core.load(path)
  if not plugin then
    return nil, path .. " " .. message
  end
  local open = plugin.open
  plugin.open = open and function(options)
    return open(json.encode(options))
  end
  return plugin
end

local function load_file(path)
  if path:find "%.lua$" then
    return run(path, loadfile(path))
  end
  return load_library(path)
end

-- Gets the plugin and where it is, or nil and why it can not be used; nothing when it is not in
-- this place.
local function look(place, name)
  if place == inside then
    local path = "plugins/" .. name .. ".lua"
    local text = embedded.read(path)
    if not text then
      return nil
    end
    local plugin, message = run(path, load(text, "@" .. path))
    return plugin, message or path
  end
  for _, ending in ipairs { ".lua", ".so" } do
    local path = place .. "/" .. name .. ending
    if system.kind(path) == "file" then
      local plugin, message = load_file(path)
      return plugin, message or path
    end
  end
end

-- Gets the plugin and where it was found, or nil and why there is none.
local function find(name)
  if name:find("/", 1, true) then
    if system.kind(name) ~= "file" then
      return nil, "not found: there is no file " .. name
    end
    local plugin, message = load_file(name)
    return plugin, message or name
  end
  local tried = {}
  for _, place in ipairs(places()) do
    local plugin, where = look(place, name)
    if where then
      return plugin, where
    end
    tried[#tried + 1] = place == inside and inside or ("%s/%s.lua or .so"):format(place, name)
  end
  return nil, ("not found (a name with a slash is taken as a file). Tried:\n  %s%s"):format(
    table.concat(tried, "\n  "), name == "dnn"
    and "\nhoi builds dnn where OpenCV is installed: apt install g++ libopencv-dev" or "")
end

---------------------------------------------------------------------------- checking a plugin

-- Gets the set of the labels: name -> true, place -> name; nil and why they are none.
local function label_set(labels)
  if type(labels) ~= "table" then
    return nil, "labels: a list of names wanted, got " .. show(labels)
  end
  local known = {}
  for place, label in ipairs(labels) do
    if type(label) ~= "string" or label == "" or known[label] then
      return nil, ("labels: number %d is %s%s: distinct names wanted"):format(
        place, show(label), known[label] and " a second time" or "")
    end
    known[label], known[place] = true, label
  end
  return known
end

-- Gets nothing for a sound plugin, else what is wrong with it.
local function fault(plugin, where)
  if plugin.abi ~= core.abi then
    return ("%s has plugin ABI %s, this hoi has ABI %d: make it for this core/plugin.h"):format(
      where, show(plugin.abi), core.abi)
  end
  if type(plugin.name) ~= "string" then
    return ("%s: member 'name' is missing: a string wanted"):format(where)
  end
  for _, member in ipairs { "open", "detect", "close" } do
    if type(plugin[member]) ~= "function" then
      return ("%s: member '%s' is missing: a function wanted"):format(where, member)
    end
  end
  local known, message = label_set(plugin.labels)
  return not known and ("%s: %s"):format(where, message) or nil
end

---------------------------------------------------------------------------- checking the results

local function is_finite(value)
  return type(value) == "number" and value - value == 0 -- not so for infinities and not-a-number
end

-- Gets a fresh box of floats, or nil and what is wrong.
local function checked_box(box)
  if type(box) ~= "table" or #box ~= 4 then
    return nil, ("box is %s: {x1, y1, x2, y2} wanted"):format(show(box))
  end
  for i = 1, 4 do
    if not is_finite(box[i]) then
      return nil, ("box is %s: finite numbers wanted"):format(show(box))
    end
  end
  if box[1] > box[3] or box[2] > box[4] then
    return nil, ("box is %s: x1 <= x2 and y1 <= y2 wanted"):format(show(box))
  end
  return { box[1] + 0.0, box[2] + 0.0, box[3] + 0.0, box[4] + 0.0 }
end

-- Gets nothing when the feature is as wide as all others of this detector and finite, else what is
-- wrong.
local function feature_fault(session, feature)
  if feature ~= nil and type(feature) ~= "table" then
    return ("feature is %s: a list of numbers wanted"):format(show(feature))
  end
  local width = feature and #feature or 0
  session.width = session.width or width
  if width ~= session.width then
    return ("feature has width %d, this detector's earlier ones have %d: one width for all"):format(
      width, session.width)
  end
  for i = 1, width do
    if not is_finite(feature[i]) then
      return ("feature holds %s at %d: finite numbers wanted"):format(show(feature[i]), i)
    end
  end
end

-- Gets a fresh detection with the label's name, or nil and what is wrong.
local function checked_detection(session, detection)
  if type(detection) ~= "table" then
    return nil, ("%s: a table { box, score, label } wanted"):format(show(detection))
  end
  local box, message = checked_box(detection.box)
  if not box then
    return nil, message
  end
  local score, label, feature = detection.score, detection.label, detection.feature
  if not is_finite(score) or score < 0 or score > 1 then
    return nil, ("score is %s: a number in 0..1 wanted"):format(show(score))
  end
  local name = math.type(label) == "integer" and session.known[label] or label
  if session.known[name] ~= true then
    return nil, ("label is %s: a name, or a place from 1 on, among its %d labels wanted"):format(
      show(label), #session.known)
  end
  message = feature_fault(session, feature)
  if message then
    return nil, message
  end
  feature = session.width > 0 and feature or nil
  return { box = box, score = score + 0.0, label = name, feature = feature }
end

-- Gets the list of fresh detections, or nil and what is wrong.
local function checked_detections(session, list)
  if type(list) ~= "table" or (#list == 0 and next(list) ~= nil) then
    return nil, ("detect returned %s: a list of detections wanted"):format(show(list))
  end
  local detections = {}
  for i = 1, #list do
    local detection, message = checked_detection(session, list[i])
    if not detection then
      return nil, ("detection %d: %s"):format(i, message)
    end
    detections[i] = detection
  end
  return detections
end

-- Gets nothing for a sound map, else what is wrong with it.
local function map_fault(map)
  if type(map) ~= "table" or type(map.name) ~= "string" or type(map.data) ~= "string"
    or type(map.shape) ~= "table" or #map.shape ~= 3 then
    return "map: { name = string, shape = {a, b, c}, data = string of floats } wanted"
  end
  local bytes = 4.0
  for _, size in ipairs(map.shape) do
    if math.type(size) ~= "integer" or size < 1 then
      return ("map '%s': shape is %s: integers from 1 on wanted"):format(map.name, show(map.shape))
    end
    bytes = bytes * size
  end
  if #map.data ~= bytes then
    return ("map '%s': %d bytes of data, shape %s wants %.0f"):format(
      map.name, #map.data, show(map.shape), bytes)
  end
  return not core.finite(map.data) and ("map '%s': finite numbers wanted"):format(map.name) or nil
end

---------------------------------------------------------------------------- the object

-- Gets true and what the plugin's function returns; false and the message when it raised one, or
-- returned nil and one.
local function ask(f, ...)
  local ok, first, second = pcall(f, ...)
  if not ok then
    return false, tostring(first)
  elseif first == nil and type(second) == "string" then
    return false, second
  end
  return true, first, second
end

-- Gets the picture as plugins get it, or nil and what is wrong.
local function picture_of(value)
  local image, name = value, nil
  if type(value) == "table" then
    image, name = value.image, value.name
  end
  local class = type(image) == "userdata" and (getmetatable(image) or {}).__name or type(image)
  if class ~= "hoi.Image" then
    return nil, ("an hoi.Image, or { image = hoi.Image, name = string }, wanted, got %s%s"):format(
      image ~= value and "image = " or "", class)
  elseif name ~= nil and type(name) ~= "string" then
    return nil, "the picture's name: a string wanted, got " .. type(name)
  end
  return { width = image.width, height = image.height, name = name or "", image = image }
end

function Detector:detect(value)
  local session = sessions[self]
  if not session then
    error(getmetatable(self) == Detector and ("detector '%s' was closed"):format(self.name)
      or "an open detector wanted: detector:detect(image), with a colon", 2)
  end
  local picture, message = picture_of(value)
  if not picture then
    error(("detector '%s': %s"):format(self.name, message), 2)
  end
  local ok, list, map = ask(session.plugin.detect, session.handle, picture)
  local detections
  if ok then
    detections, message = checked_detections(session, list)
    message = message or (map ~= nil and map_fault(map)) or nil
  else
    message = list
  end
  if message then
    local where = picture.name ~= "" and ("picture '%s': "):format(picture.name) or ""
    error(("detector '%s': %s%s"):format(self.name, where, message), 2)
  end
  return detections, map
end

function Detector:close()
  local session = sessions[self]
  if session then
    sessions[self] = nil -- first: a close that fails is not tried again
    local ok, message = pcall(session.plugin.close, session.handle)
    if not ok then
      error(("detector '%s': close: %s"):format(self.name, tostring(message)), 2)
    end
  end
end

Detector.release = Detector.close
Detector.__close = Detector.close
Detector.__gc = Detector.close

function Detector:__tostring()
  local count = #self.labels
  return ("Detector %s, %d label%s%s"):format(self.name, count, count == 1 and "" or "s",
    sessions[self] and "" or " (closed)")
end

-- Gets the stamps of a file, or of the files in a folder.
local function stamps(path)
  if system.kind(path) == "file" then
    return system.stamp(path)
  end
  local list = {}
  for i, name in ipairs(system.kind(path) == "folder" and system.list(path) or {}) do
    list[i] = name .. " " .. system.stamp(path .. "/" .. name)
  end
  return table.concat(list, ", ")
end

-- Gets a text that changes with everything that detections depend on: the plugin, its options, the
-- files they name, the model inside hoi.
local function identity_of(plugin, where, options, labels)
  local parts = { plugin.name, system.version, stamps(where), table.concat(labels, ",") }
  local keys = {}
  for key in pairs(options) do
    keys[#keys + 1] = tostring(key)
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local value = options[key]
    local ok, text = pcall(json.encode, value)
    parts[#parts + 1] = ("%s = %s %s"):format(key, ok and text or tostring(value),
      type(value) == "string" and stamps(value) or "")
  end
  for _, path in ipairs { where, ("lua/models/%s/model.safetensors"):format(plugin.name) } do
    local bytes = embedded.read(path)
    parts[#parts + 1] = bytes and require "hoi.record".checksum(bytes)
  end
  return table.concat(parts, "\n")
end

-- Gets the open detector, or nil and why there is none.
local function open(name, options)
  local plugin, where = find(name)
  if not plugin then
    return nil, where
  end
  local message = fault(plugin, where)
  if message then
    return nil, message
  end
  local ok, handle, labels = ask(plugin.open, options)
  if not ok then
    return nil, handle
  end
  local known
  known, message = label_set(labels or plugin.labels)
  if not known then
    pcall(plugin.close, handle)
    return nil, "open returned " .. message
  end
  local detector = { name = plugin.name, labels = table.move(known, 1, #known, 1, {}) }
  detector.identity = identity_of(plugin, where, options, detector.labels)
  sessions[detector] = { plugin = plugin, handle = handle, known = known }
  return setmetatable(detector, Detector)
end

local function detector(name, options)
  if type(name) ~= "string" or name == "" then
    error(("hoi.detector(name, options): a name wanted, got %s"):format(show(name)), 2)
  elseif options ~= nil and type(options) ~= "table" then
    error(("hoi.detector(name, options): options: a table wanted, got %s"):format(show(options)), 2)
  end
  local opened, message = open(name, options or {})
  if not opened then
    error(("detector '%s': %s"):format(name, message), 2)
  end
  return opened
end

return { detector = detector }
