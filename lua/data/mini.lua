-- mini: the drawn world as a data set: endless for training, fixed for testing. Picture i is the
-- same for ever.
local dataset <const> = require "hoi.data.dataset"
local make_targets <const> = require "hoi.targets"
local mini <const> = require "hoi.mini"
local read_options <const> = require "hoi.options"

-- kind: how often each class is drawn (training: long-tailed). first: validation and test pictures
-- never meet.
local splits <const> = {
  train = { kind = "train", first = 0, size = math.maxinteger },
  test = { kind = "test", first = 0, size = 700 },
  validation = { kind = "test", first = 1 << 40, size = 300 },
}

-- Gets everyone and everything in a picture: what a detector should find.
local function instances(truth)
  local list = {}
  for _, person in ipairs(truth.persons) do
    list[#list + 1] = { box = person.box, label = "person" }
  end
  for _, thing in ipairs(truth.things) do
    list[#list + 1] = { box = thing.box, label = thing.label }
  end
  return list
end

-- Gets the annotations, and how many there would be if none were held back.
local function annotations(truth, targets, training)
  local list, all = {}, 0
  for _, pair in ipairs(truth.pairs) do
    local thing = truth.things[pair.thing]
    for _, verb in ipairs(pair.verbs) do
      local target = targets:index(verb, thing.label)
      all = all + 1
      if not training or targets[target].seen then
        list[#list + 1] = {
          human_box = truth.persons[pair.person].box,
          object_box = thing.box,
          verb = verb,
          object = thing.label,
          target = target,
        }
      end
    end
  end
  return list, all
end

-- Gets a function that tells the index of the i-th picture that counts: zero-shot training leaves
-- out the pictures whose interactions are all unseen. They are found by drawing, from the first on,
-- and remembered.
local function chooser(draw, targets, zero_shot)
  if not zero_shot then
    return function(i)
      return i - 1
    end
  end
  local kept, next_index = {}, 0
  return function(i)
    while #kept < i do
      local list, all = annotations(draw(next_index), targets, true)
      if #list > 0 or all == 0 then
        kept[#kept + 1] = next_index
      end
      next_index = next_index + 1
    end
    return kept[i]
  end
end

return function(options)
  options = read_options(options,
    { split = "test", setting = "default", seed = 66, decoys = true, "size" })
  local split <const> = splits[options.split]
  if not split then
    error(("data.mini: split '%s': train, validation or test wanted"):format(options.split), 2)
  end
  local size <const> = options.size or split.size
  if math.type(size) ~= "integer" or size < 0 then
    error(("data.mini: size: a whole number from 0 on wanted, got %s"):format(size), 2)
  end
  local training <const> = options.split == "train"
  local ok, targets = pcall(make_targets, "mini", { setting = options.setting })
  if not ok then
    error(targets, 2)
  end
  local function draw(index)
    return mini.render(split.kind, options.seed, split.first + index, { decoys = options.decoys })
  end
  local index_of <const> = chooser(draw, targets, training and options.setting ~= "default")
  return dataset.new({
    name = "mini",
    split = options.split,
    setting = options.setting,
    targets = targets,
  }, size, function(i)
    local index <const> = index_of(i)
    local truth <const> = draw(index)
    return {
      name = ("mini-%s-%05d"):format(options.split, i),
      width = truth.width,
      height = truth.height,
      caption = truth.caption,
      instances = instances(truth),
      annotations = (annotations(truth, targets, training)),
    }, function()
      return { kind = split.kind, seed = options.seed, index = split.first + index,
        decoys = options.decoys }
    end
  end)
end
