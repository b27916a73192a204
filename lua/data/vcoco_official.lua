-- vcoco_official: V-COCO as its authors publish it: per action the people of all pictures
-- (vcoco_*.json), their boxes in a file of COCO's form (instances_vcoco_all_2014.json). Boxes are
-- read as the published evaluator reads them.
local dataset <const> = require "hoi.data.dataset"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"

local official <const> = {}

function official.is(data)
  return type(data) == "table" and type(data[1]) == "table" and data[1].action_name ~= nil
end

-- Gets what a role of an action is called here; nil for the agent, and for pointing, which no
-- published figure counts.
local function verb_of(action, role)
  if role == "agent" or action.action_name == "point" then
    return nil
  end
  return action.action_name .. (role == "instr" and #action.role_name > 2 and "_with" or "")
end

local function find_instances(file)
  local folder <const> = dataset.folder_of(file)
  local places <const> = {}
  for i, place in ipairs { folder, folder .. "/.." } do
    places[i] = place .. "/instances_vcoco_all_2014.json"
    if system.kind(places[i]) == "file" then
      return places[i]
    end
  end
  error(("%s holds no boxes; they are in COCO's annotations, none of these is there: %s (or give"
    .. " the file as the option 'instances')"):format(file, table.concat(places, ", ")), 0)
end

-- Gets {x1, y1, x2, y2} of COCO's [x, y, width, height], clipped; nil when nothing is left.
local function clean(annotation, picture)
  local x1, y1, width, height = table.unpack(annotation.bbox)
  local right <const>, bottom <const> = picture.width - 1, picture.height - 1
  local x2 = math.min(math.max(x1 + math.max(0, width - 1), 0), right)
  local y2 = math.min(math.max(y1 + math.max(0, height - 1), 0), bottom)
  x1, y1 = math.min(math.max(x1, 0), right), math.min(math.max(y1, 0), bottom)
  if annotation.ignore ~= 1 and annotation.area > 0 and x2 > x1 and y2 > y1 then
    return { x1 + 0.0, y1 + 0.0, x2 + 0.0, y2 + 0.0 }
  end
end

-- Gets the pictures of the split by number, each with all its people, and all boxes { box, object,
-- person } by COCO's numbers.
local function read_boxes(actions, file)
  local coco <const>, wanted <const> = json.load(file), {}
  for _, number in ipairs(actions[1].image_id) do
    wanted[number] = true
  end
  local pictures <const>, list <const>, names <const>, boxes <const> = {}, {}, {}, {}
  for _, picture in ipairs(coco.images) do
    if wanted[picture.id] then
      list[#list + 1] = { name = picture.file_name, width = picture.width, height = picture.height,
        annotations = {}, persons = {} }
      pictures[picture.id] = list[#list]
    end
  end
  for _, category in ipairs(coco.categories) do
    names[category.id] = category.name
  end
  for _, annotation in ipairs(coco.annotations) do
    local picture <const> = pictures[annotation.image_id]
    local box <const> = picture and clean(annotation, picture)
    if box then
      local entry <const> = { box = box, object = names[annotation.category_id] }
      boxes[annotation.id] = entry
      if entry.object == "person" then
        entry.person = { box = box, roles = {} }
        picture.persons[#picture.persons + 1] = entry.person
      end
    end
  end
  for _, number in ipairs(actions[1].image_id) do
    if not pictures[number] then
      dataset.fault(file, ("picture %d"):format(number), "it is not among the images")
    end
  end
  table.sort(list, function(a, b)
    return a.name < b.name
  end)
  return pictures, list, boxes
end

-- Gets the pictures, each with its interactions and with all its people { box, actions, roles }:
-- actions[verb] = true for what one does (nil: nobody has looked), roles[verb] = the box of the
-- object, where there is one.
function official.read(actions, targets, file, instances)
  local pictures <const>, list <const>, boxes <const> =
    read_boxes(actions, instances or find_instances(file))
  for _, action in ipairs(actions) do
    local people <const> = #action.ann_id
    for i, number in ipairs(action.ann_id) do
      local entry <const> = boxes[number]
      local person <const> = entry and entry.person
      if person then
        person.actions = person.actions or {}
      end
      for r, role in ipairs(action.role_name) do
        local verb <const> = verb_of(action, role)
        if person and verb and action.label[i] == 1 then
          -- one list of numbers, role after role
          local object <const> = boxes[action.role_object_id[(r - 1) * people + i]]
          person.actions[verb] = true
          person.roles[verb] = object and object.box
          local target <const> = object and targets:index(verb, object.object)
          if target then
            table.insert(pictures[action.image_id[i]].annotations, { human_box = person.box,
              object_box = object.box, verb = verb, object = object.object, target = target })
          end
        end
      end
    end
  end
  return list
end

return official
