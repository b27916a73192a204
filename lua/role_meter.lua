-- role_meter: V-COCO's role average precision, with names for pictures and columns.
local core <const> = require "hoi.role_meter.core"
local published <const> = require "hoi.coco".actions -- the published figures' columns
local read_options <const> = require "hoi.options"

local RoleMeter <const> = { __name = "hoi.RoleMeter" }
RoleMeter.__index = RoleMeter

-- Actions that V-COCO asks for both roles of: who does one does the other.
local siblings <const> = {}
for _, verb in ipairs { "hit", "eat", "cut" } do
  siblings[verb], siblings[verb .. "_with"] = verb .. "_with", verb
end

local function column_of(self, name)
  return self.places[name]
    or error(("role meter: '%s' is none of its columns: %s"):format(tostring(name),
      table.concat(self.columns, ", ")), 3)
end

local function image_of(self, name)
  if name == nil then
    error("role meter: the name or number of a picture expected", 3)
  end
  if not self.images[name] then
    self.image_count = self.image_count + 1
    self.images[name] = self.image_count
  end
  return self.images[name]
end

-- roles: by column the object's box, or true where there is none; nil: nobody has looked.
function RoleMeter:person(image, box, roles)
  local person <const> = self.core:person(image_of(self, image), box, roles ~= nil)
  for name, role in pairs(roles or {}) do
    self.core:does(person, column_of(self, name), role ~= true and role or nil)
  end
end

function RoleMeter:add(image, column, score, human_box, object_box)
  self.core:add(image_of(self, image), column_of(self, column), score, human_box, object_box)
end

-- Adds what is known of a picture of V-COCO: its people, or, in the layout that has pairs alone,
-- the distinct human boxes of its pairs.
function RoleMeter:picture(image, item)
  local people, known = {}, {}
  for _, person in ipairs(item.persons or {}) do
    local roles = person.actions and {}
    for verb in pairs(person.actions or {}) do
      roles[verb] = person.roles[verb] or true
    end
    people[#people + 1] = { box = person.box, roles = roles }
  end
  for _, a in ipairs(item.persons and {} or item.annotations) do
    local key = table.concat(a.human_box, " ")
    if not known[key] then
      known[key] = { box = a.human_box, roles = {} }
      people[#people + 1] = known[key]
    end
    local roles, sibling = known[key].roles, siblings[a.verb]
    roles[a.verb] = a.object_box
    if sibling and self.places[sibling] then
      roles[sibling] = roles[sibling] or true
    end
  end
  for _, person in ipairs(people) do
    self:person(image, person.box, person.roles)
  end
end

function RoleMeter:result(given)
  local o <const> = read_options(given, { scenario = 1, defaults = false })
  local values, sum, count = {}, 0, 0
  for i in ipairs(self.columns) do
    local value <const> = self.core:precision(i, o.scenario, o.defaults)
    values[i] = value
    if value == value then
      sum, count = sum + value, count + 1
    end
  end
  return values, count > 0 and sum / count or nil
end

function RoleMeter:release()
  self.core:release()
end

RoleMeter.__close = RoleMeter.release

function RoleMeter:__tostring()
  return ("RoleMeter of %d columns"):format(#self.columns)
end

-- role_meter(columns, { iou_threshold }); without columns the published ones.
return function(columns, given)
  local o <const> = read_options(given, { iou_threshold = 0.5 })
  local list <const>, places <const> = table.move(columns or published, 1,
    #(columns or published), 1, {}), {}
  for i, name in ipairs(list) do
    places[name] = i
  end
  return setmetatable({ columns = list, places = places, images = {}, image_count = 0,
    core = core(#list, o.iou_threshold) }, RoleMeter)
end
