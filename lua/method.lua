-- method: what every method of naming interactions has in common. A method is a file in
-- lua/methods (or one of the user's) with
--   options                      a table of its defaults
--   new(clip, targets, options)  an object of fields
--   :classes()                   anything: what it knows of the targets
--   :look(image, pairs)          what it sees of a picture's pairs
--   :forward(view, pairs, classes)  logits (pairs, targets)
--   static_classes = true        its promise that classes() may be kept
local read_options <const> = require "hoi.options"
local pair_up <const> = require "hoi.pairing".pairs

local Result <const> = { __name = "hoi.Result" }

function Result:__tostring()
  local lines <const> = {
    ("%-28s %6s  %-22s %s"):format(self.image or "", "score", "human", "object"),
  }
  local function box(b)
    return ("%.0f,%.0f,%.0f,%.0f"):format(b[1], b[2], b[3], b[4])
  end
  for _, i in ipairs(self.interactions) do
    lines[#lines + 1] = ("%-28s %6.3f  %-22s %s%s"):format(
      i.verb:gsub("_", " ") .. " " .. (i.object or ""), i.score, box(i.human_box),
      box(i.object_box), i.seen == false and "  (unseen)" or "")
  end
  if #self.interactions == 0 then
    lines[#lines + 1] = "nobody does anything"
  end
  return table.concat(lines, "\n")
end

local common <const> = {}

function common:class_features()
  if self.static_classes then
    self.kept = self.kept or self:classes()
    return self.kept
  end
  return self:classes()
end

-- Scores (pairs, targets) as a list of lists, of a picture's pairs: prior^power x what the logits
-- say. compete: the logits of a pair become shares of 1 ("softmax") among the targets its object
-- allows ("valid") or among all; or each stands alone ("none": sigmoid).
function common:scores(image, pairs, given)
  local o <const> = read_options(given, { prior_power = 1, compete = "valid" })
  if #pairs == 0 then
    return {}
  end
  local prior <const> = pairs:prior(self.targets, o.prior_power)
  local logits <const> = self:forward(self:look(image, pairs), pairs, self:class_features())
  if o.compete == "none" then
    local scores <const> = logits:sigmoid():totable()
    for p, row in ipairs(scores) do
      for t in ipairs(row) do
        row[t] = row[t] * prior[p][t]
      end
    end
    return scores
  end
  local scores <const> = logits:totable()
  for p, row in ipairs(scores) do
    local most, sum = -math.huge, 0
    for t, x in ipairs(row) do
      if (o.compete == "all" or prior[p][t] > 0) and x > most then
        most = x
      end
    end
    for t, x in ipairs(row) do
      row[t] = (o.compete == "all" or prior[p][t] > 0) and math.exp(x - most) or 0
      sum = sum + row[t]
    end
    for t in ipairs(row) do
      row[t] = sum > 0 and row[t] / sum * prior[p][t] or 0
    end
  end
  return scores
end

-- The interactions of an image with its detections, best first.
function common:predict(image, detections, given)
  local o <const> = read_options(given, {
    top = 10, prior_power = 1, compete = "valid", score_threshold = 0.2, nms_threshold = 0.5,
    min_instances = 3, max_instances = 15, name = false,
  })
  local pairs <const> = pair_up(detections, {
    score_threshold = o.score_threshold, nms_threshold = o.nms_threshold,
    min_instances = o.min_instances, max_instances = o.max_instances,
    width = image.width, height = image.height,
  })
  local scores <const> = self:scores(image, pairs,
    { prior_power = o.prior_power, compete = o.compete })
  local list <const> = {}
  for p, row in ipairs(scores) do
    local human <const>, object <const> = pairs.human[p], pairs.object[p]
    for t, score in ipairs(row) do
      if score > 0 then
        local target <const> = self.targets[t]
        list[#list + 1] = {
          verb = target.verb, object = pairs.labels[object], score = score, seen = target.seen,
          human_box = pairs.boxes[human], object_box = pairs.boxes[object],
          human_score = pairs.scores[human], object_score = pairs.scores[object], order = #list,
        }
      end
    end
  end
  table.sort(list, function(a, b)
    return a.score ~= b.score and a.score > b.score or a.score == b.score and a.order < b.order
  end)
  local kept <const> = {}
  for i = 1, math.min(o.top, #list) do
    kept[i] = list[i]
    kept[i].order = nil
  end
  return setmetatable({
    image = o.name or nil, width = image.width, height = image.height,
    interactions = require "hoi.json".array(kept),
  }, Result)
end

local function load_kind(name)
  if name:find "/" or name:find "%.lua$" then
    local chunk <const> = assert(loadfile(name))
    return chunk()
  end
  local ok, kind = pcall(require, "hoi.methods." .. name)
  if not ok then
    error(("method: no '%s' among the program's methods: %s"):format(name, kind), 3)
  end
  return kind
end

-- method(name or file, clip, targets, options)
return function(name, clip, targets, given)
  local kind <const> = load_kind(name)
  local o <const> = read_options(given, kind.options or {})
  local self <const> = kind.new(clip, targets, o)
  self.name = name
  return setmetatable(self, {
    __index = function(_, key)
      local value <const> = kind[key]
      if value ~= nil then
        return value
      end
      return common[key]
    end,
    __name = "hoi.Method",
    __tostring = function()
      return ("Method %s, %d targets"):format(name, #targets)
    end,
  })
end
