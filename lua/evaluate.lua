-- evaluate: how well interactions are named: HICO-DET's mean average precision, V-COCO's role AP.
local dataset <const> = require "hoi.data.dataset"
local make_guidance <const> = require "hoi.guidance"
local make_report <const> = require "hoi.report"
local make_role_meter <const> = require "hoi.role_meter"
local meters <const> = require "hoi.meter"
local pair_up <const> = require "hoi.pairing".pairs
local progress <const> = require "hoi.progress"
local read_options <const> = require "hoi.options"

-- Gets a function that tells which class of the data a method's target is with an object: the same
-- place where the lists are the same, else that of the verb and the object (a method may score
-- verbs, or have classes of its own), or nil.
local function class_of(targets, classes)
  local same = #targets == #classes
  for i, row in ipairs(classes) do
    same = same and targets[i].verb == row.verb and targets[i].object == row.object
    if not same then
      break
    end
  end
  local by_label <const> = {}
  return function(t, label)
    if same then
      return t
    end
    by_label[label] = by_label[label] or {}
    local known = by_label[label][t]
    if known == nil then
      known = classes:index(targets[t].verb, label) or false
      by_label[label][t] = known
    end
    return known or nil
  end
end

local function release_all(list)
  for _, meter in ipairs(list) do
    meter:release()
  end
end

-- Measures a method on a data set. detector: whose boxes; nil: the truth's. Gets a report.
return function(method, data, given)
  local o <const> = read_options(given, {
    detector = false, score_threshold = 0.2, nms_threshold = 0.5, "prior_power", "compete",
    min_instances = 3, max_instances = 15, iou_threshold = 0.5, published = false,
    guide = false, label = "evaluate",
  })
  local classes <const> = data.targets
    or error("evaluate: the data set has no annotations to measure against", 2)
  local place_of <const>, truths <const> = class_of(method.targets, classes), {}
  local meter <const> = meters.meter(classes,
    { iou_threshold = o.iou_threshold, published = o.published })
  local guide <const> = o.guide and make_guidance(o.guide)
  local roles <const> = classes.name == "vcoco"
    and make_role_meter(nil, { iou_threshold = o.iou_threshold }) or nil
  local open <close> = setmetatable({ meter, roles }, { __close = release_all }) -- luacheck: ignore
  for i in progress(#data, { label = o.label }) do
    local item <const> = data[i]
    for _, a in ipairs(item.annotations) do
      meter:truth(i, a.target, a.human_box, a.object_box)
      truths[a.target] = (truths[a.target] or 0) + 1
    end
    if roles then
      roles:picture(i, item)
    end
    local detections <const> = o.detector and o.detector:detect(item)
      or dataset.true_detections(item)
    local pairs <const> = pair_up(detections, {
      score_threshold = o.score_threshold, nms_threshold = o.detector and o.nms_threshold or 1,
      min_instances = o.min_instances, max_instances = o.max_instances,
      width = item.width, height = item.height,
    })
    local scores <const> = method:scores(item.image, pairs, {
      prior_power = o.prior_power, compete = o.compete,
      sample = guide and { guidance = guide:of({ item })[1] } or nil,
    })
    for p, row in ipairs(scores) do
      local human <const>, object <const> = pairs.human[p], pairs.object[p]
      for t, score in ipairs(row) do
        local class <const> = score > 0 and place_of(t, pairs.labels[object])
        if class then
          meter:add(i, class, score, pairs.boxes[human], pairs.boxes[object])
          if roles then
            roles:add(i, classes[class].verb, score, pairs.boxes[human], pairs.boxes[object])
          end
        end
      end
    end
  end
  return make_report(classes, truths, meter, roles, o.published)
end
