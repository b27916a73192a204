-- evaluate: how well interactions are named, as HICO-DET measures it, and how well boxes are found.
local dataset <const> = require "hoi.data.dataset"
local pair_up <const> = require "hoi.pairing".pairs
local meters <const> = require "hoi.meter"
local progress <const> = require "hoi.progress"
local read_options <const> = require "hoi.options"

local function mean(values, choose)
  local sum, n = 0, 0
  for i, value in ipairs(values) do
    if value == value and (not choose or choose(i)) then
      sum, n = sum + value, n + 1
    end
  end
  return n > 0 and sum / n or nil, n
end

local function summary(values, targets)
  local function share(choose)
    return (mean(values, choose))
  end
  return {
    full = share(),
    rare = share(function(i) return targets[i].rare end),
    non_rare = share(function(i) return not targets[i].rare end),
    seen = share(function(i) return targets[i].seen ~= false end),
    unseen = share(function(i) return targets[i].seen == false end),
    classes = values,
  }
end

local Report <const> = { __name = "hoi.Report" }

function Report:__tostring()
  local lines <const> = {
    ("%-14s %8s %8s %8s %8s %8s"):format("mAP %", "full", "rare", "non-rare", "seen", "unseen"),
  }
  for _, name in ipairs { "default", "known_object" } do
    local r <const> = name == "default" and self or self.known_object
    local function cell(x)
      return x and ("%.2f"):format(100 * x) or "-"
    end
    lines[#lines + 1] = ("%-14s %8s %8s %8s %8s %8s"):format(name:gsub("_", " "), cell(r.full),
      cell(r.rare), cell(r.non_rare), cell(r.seen), cell(r.unseen))
  end
  return table.concat(lines, "\n")
end

-- Mean average precision of a method on a data set. detector: whose boxes; nil: the truth's.
-- Gets { full, rare, non_rare, seen, unseen, classes = list, known_object = the same }, in 0..1.
return function(method, data, given)
  local o <const> = read_options(given, {
    detector = false, score_threshold = 0.2, nms_threshold = 0.5, "prior_power", "compete",
    min_instances = 3, max_instances = 15, iou_threshold = 0.5,
    label = "evaluate",
  })
  local meter <close> = setmetatable({
    meters.meter(method.targets, { iou_threshold = o.iou_threshold }),
  }, {
    __close = function(t) t[1]:release() end,
  })
  local m <const> = meter[1]
  for i in progress(#data, { label = o.label }) do
    local item <const> = data[i]
    for _, a in ipairs(item.annotations) do
      m:truth(i, a.target, a.human_box, a.object_box)
    end
    local detections <const> = o.detector and o.detector:detect(item)
      or dataset.true_detections(item)
    local pairs <const> = pair_up(detections, {
      score_threshold = o.score_threshold, nms_threshold = o.detector and o.nms_threshold or 1,
      min_instances = o.min_instances, max_instances = o.max_instances,
      width = item.width, height = item.height,
    })
    local scores <const> = method:scores(item.image, pairs,
      { prior_power = o.prior_power, compete = o.compete })
    for p, row in ipairs(scores) do
      for t, score in ipairs(row) do
        if score > 0 then
          m:add(i, t, score, pairs.boxes[pairs.human[p]], pairs.boxes[pairs.object[p]])
        end
      end
    end
  end
  local report <const> = summary((m:result()), method.targets)
  report.known_object = summary((m:result { known_object = true }), method.targets)
  return setmetatable(report, Report)
end
