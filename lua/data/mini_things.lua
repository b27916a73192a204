-- mini_things: the things of the drawn world as pictures of one class each: cut out of scenes that
-- hoi.data.mini never shows, the same number of each kind.
local mini <const> = require "hoi.mini"

-- Where the scenes of each part begin (hoi.data.mini ends below 2^41), and pictures of each class.
local parts <const> = {
  train = { first = 1 << 41, each = 40 },
  val = { first = 1 << 42, each = 20 },
  test = { first = 1 << 43, each = 50 },
}
local SEED <const>, SCENES <const> = 66, 256
local MARGIN <const> = 1.2 -- side of the square cut out, over the longer side of the thing

-- Gets the square around a box.
local function square(box)
  local half <const> = MARGIN * math.max(box[3] - box[1], box[4] - box[2]) / 2
  local x <const>, y <const> = (box[1] + box[3]) / 2, (box[2] + box[4]) / 2
  return { x - half, y - half, x + half, y + half }
end

-- Scene after scene, the first `each` things of every kind.
local function collect(part, each, place)
  local items <const>, count <const>, missing, first = {}, {}, #mini.things, part.first
  while missing > 0 do
    local scenes <const> = mini.batch("test", SEED, first, SCENES)
    for i = 1, SCENES do
      for _, thing in ipairs(scenes:truth(i).things) do
        local label <const> = place[thing.label]
        local n <const> = (count[label] or 0) + 1
        if n <= each then
          count[label] = n
          missing = n == each and missing - 1 or missing
          items[#items + 1] = { scene = first + i - 1, box = square(thing.box), label = label }
        end
      end
    end
    scenes:release()
    first = first + SCENES
  end
  return items
end

-- Fills a data set of data.classes. size: at most so many test pictures of each class.
return function(self, o)
  local place <const> = {}
  for i, thing in ipairs(mini.things) do
    place[thing], self.classes[i] = i, thing
  end
  self.templates = { "a photo of a {}" }
  for name, part in pairs(parts) do
    self[name] = collect(part, math.min(part.each, o.size or part.each), place)
  end
  self.draw = function(item)
    local scene <const> = mini.render("test", SEED, item.scene)
    local image <close> = require "hoi.image".new(scene.width, scene.height, scene.rgb)
    return image:crop(item.box)
  end
  return self
end
