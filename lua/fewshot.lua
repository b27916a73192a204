-- fewshot: which pictures of a data set a few-shot experiment sees, drawn as the published code
-- draws them, and what the classifiers take of them: features, pixels, labels.
local python_random <const> = require "hoi.python_random"
local read_options <const> = require "hoi.options"

local fewshot <const> = {}

---------------------------------------------------------------------------- drawing

-- shots items of each label, labels in the order of their first appearance. A label with fewer
-- keeps all of them, or (fill) draws with replacement.
local function draw(items, shots, random, fill)
  local groups <const>, of = {}, {}
  for _, item in ipairs(items) do
    if not of[item.label] then
      of[item.label] = {}
      groups[#groups + 1] = of[item.label]
    end
    local group <const> = of[item.label]
    group[#group + 1] = item
  end
  local drawn <const> = {}
  for _, group in ipairs(groups) do
    local list = group
    if #group >= shots then
      list = random:sample(group, shots)
    elseif fill then
      list = random:choices(group, shots)
    end
    table.move(list, 1, #list, #drawn + 1, drawn)
  end
  return drawn
end

-- What each code draws, in its order: coop (CoOp, MaPLe, CLIP-Adapter): train, then at most 4 of
-- each class of val; tip (Tip-Adapter, which seeds with 1): train, val stays whole; lora
-- (CLIP-LoRA): val first, classes too small are filled up.
local protocols <const> = {
  coop = function(data, shots, random)
    local train <const> = draw(data.train, shots, random)
    return train, draw(data.val, math.min(shots, 4), random)
  end,
  tip = function(data, shots, random)
    return draw(data.train, shots, random), data.val
  end,
  lora = function(data, shots, random)
    local val <const> = draw(data.val, math.min(shots, 4), random, true)
    return draw(data.train, shots, random, true), val
  end,
}

-- The items to train and to validate with.
function fewshot.sample(data, shots, given)
  local o <const> = read_options(given, { seed = 1, protocol = "coop" })
  local protocol <const> = protocols[o.protocol]
  if not protocol then
    error(("fewshot.sample: protocol '%s': coop, tip or lora wanted"):format(o.protocol), 2)
  elseif math.type(shots) ~= "integer" or shots < 1 then
    error(("fewshot.sample: shots: a whole number from 1 on wanted, got %s"):format(shots), 2)
  end
  local train <const>, val <const> = protocol(data, shots, python_random.new(o.seed))
  return { train = train, val = val }
end

-- The numbers of the classes of a part: the first half (and the middle one) is the base, the rest
-- is new.
function fewshot.part(count, part)
  local half <const>, list = (count + 1) // 2, {}
  if part ~= "all" and part ~= "base" and part ~= "new" then
    error(("fewshot.part: '%s': all, base or new wanted"):format(part), 2)
  end
  for class = part == "new" and half + 1 or 1, part == "base" and half or count do
    list[#list + 1] = class
  end
  return list
end

-- The items of some classes, their labels counted anew in the order of these classes.
function fewshot.only(items, classes)
  local place <const>, list = {}, {}
  for i, class in ipairs(classes) do
    place[class] = i
  end
  for _, item in ipairs(items) do
    if place[item.label] then
      local copy <const> = {}
      for key, value in pairs(item) do
        copy[key] = value
      end
      copy.label = place[item.label]
      list[#list + 1] = copy
    end
  end
  return list
end

return fewshot
