-- golden_world: the pictures, classes and comparisons of ezhoi_whole's golden values, for the
-- specs of EZ-HOI and its relatives.
local hoi = require "hoi"
local json = require "hoi.json"
local assert = require "luassert"

local world = { folder = "tests/golden/" }

function world.near(wanted, got, share, name)
  assert.are.same(wanted.shape, got.shape, name)
  local gap = (wanted - got):abs():max():item()
  local scale = math.max(wanted:abs():max():item(), 1e-3)
  assert.is_true(gap <= share * scale, ("%s is off by %g of %g"):format(name, gap, scale))
end

function world.integers(x)
  local list = x:totable()
  for i, value in ipairs(list) do
    list[i] = math.tointeger(value)
  end
  return list
end

-- The golden world: clip, targets, options and batch.
function world.read(file)
  local notes = json.decode(file:metadata "notes")
  local rows = {}
  local verbs = world.integers(file:tensor "verbs")
  local objects = world.integers(file:tensor "class_objects")
  for i, act in ipairs(notes.acts) do
    rows[i] = {
      verb = notes.verbs[verbs[i] + 1], object = notes.objects[objects[i] + 1],
      sentence = act:match "^a photo of (.*)$", description = notes.described[i],
    }
  end
  local differences = {}
  local unseen = world.integers(file:tensor "unseen")
  local partner = world.integers(file:tensor "partner")
  for i, place in ipairs(unseen) do
    rows[place + 1].seen = false
    differences[i] = { class = place + 1, other = partner[i] + 1, sentences = notes.sentences[i] }
  end
  local batch = {
    pixels = file:tensor "pixel_values", guidance = file:tensor "guidance_pixels",
  }
  for i = 0, 1 do
    local human, object, union = {}, {}, {}
    local boxes = file:tensor("boxes_" .. i):totable()
    for k, pair in ipairs(file:tensor("pairs_" .. i):totable()) do
      human[k], object[k] = math.tointeger(pair[1]) + 1, math.tointeger(pair[2]) + 1
      local h, o = boxes[human[k]], boxes[object[k]]
      union[k] = { math.min(h[1], o[1]), math.min(h[2], o[2]), math.max(h[3], o[3]),
        math.max(h[4], o[4]) }
    end
    local labels = world.integers(file:tensor("labels_" .. i))
    for k, label in ipairs(labels) do
      labels[k] = notes.objects[label + 1]
    end
    local annotations = {}
    local humans, things = file:tensor("true_humans_" .. i):totable(),
      file:tensor("true_objects_" .. i):totable()
    for k, class in ipairs(world.integers(file:tensor("true_classes_" .. i))) do
      local function box(b) -- one that is turned inside out meets nothing
        return b[1] <= b[3] and b[2] <= b[4] and b or { 900, 900, 901, 901 }
      end
      annotations[k] = {
        human_box = box(humans[k]), object_box = box(things[k]), target = class + 1,
        verb = rows[class + 1].verb, object = rows[class + 1].object,
      }
    end
    batch[i + 1] = {
      size = 32, annotations = annotations,
      pairs = setmetatable({
        boxes = boxes, scores = file:tensor("scores_" .. i):totable(), labels = labels,
        human = human, object = object, union = union,
      }, getmetatable(hoi.pairs {})),
    }
  end
  return hoi.targets { name = "golden", classes = rows }, batch, differences
end

-- Losses of ten steps of AdamW, and after them.
function world.ten_steps(method, batch)
  local optimizer <close> = hoi.adamw(method:parameters(),
    { learning_rate = 1e-3, weight_decay = 1e-4 })
  local losses = {}
  for i = 1, 11 do
    local loss = method:loss(batch)
    losses[i] = loss:item()
    loss:backward()
    optimizer:step { max_grad_norm = 0.1 }
  end
  return hoi.tensor(losses)
end

-- Fills tensors by their published names. entries: as published.names lists them; tensor(name).
function world.fill(entries, tensor)
  for _, entry in ipairs(entries) do
    local name, x, from, to = table.unpack(entry)
    local value = tensor(name)
    x:write(from and value:slice(1, from, to) or value)
  end
end

return world
