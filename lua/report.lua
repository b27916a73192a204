-- report: what an evaluation found: means over groups of classes, each class, V-COCO's columns; as
-- text, as plain data and as a plot.
local json <const> = require "hoi.json"

local function mean(values, choose)
  local sum, n = 0, 0
  for i, value in ipairs(values) do
    if value == value and choose(i) then -- NaN: a class without truth
      sum, n = sum + value, n + 1
    end
  end
  return n > 0 and sum / n or nil
end

local function all()
  return true
end

local groups <const> = { "full", "rare", "non_rare", "seen", "unseen" }

local function summary(values, targets)
  return {
    full = mean(values, all),
    rare = mean(values, function(i) return targets[i].rare end),
    non_rare = mean(values, function(i) return not targets[i].rare end),
    seen = mean(values, function(i) return targets[i].seen ~= false end),
    unseen = mean(values, function(i) return targets[i].seen == false end),
    classes = values,
  }
end

local Report <const> = { __name = "hoi.Report" }
Report.__index = Report

local function cell(x)
  return x and x == x and ("%.2f"):format(100 * x) or "-"
end

function Report:__tostring()
  local lines <const> = {
    ("%-14s %8s %8s %8s %8s %8s"):format("mAP %", "full", "rare", "non-rare", "seen", "unseen"),
  }
  for _, name in ipairs { "default", "known_object" } do
    local r <const>, cells <const> = name == "default" and self or self.known_object, {}
    for i, group in ipairs(groups) do
      cells[i] = ("%8s"):format(cell(r[group]))
    end
    lines[#lines + 1] = ("%-14s %s"):format(name:gsub("_", " "), table.concat(cells, " "))
  end
  if self.roles then
    lines[#lines + 1] = ("role AP %%: scenario 1 %s, scenario 2 %s"):format(
      cell(self.roles.scenario_1), cell(self.roles.scenario_2))
  end
  return table.concat(lines, "\n")
end

-- A line for each class, V-COCO's columns below them.
function Report:table()
  local lines <const> = { ("%5s %-34s %-8s %6s %8s %8s"):format("class", "verb object", "",
    "truths", "AP %", "known") }
  for i, target in ipairs(self.targets) do
    lines[#lines + 1] = ("%5d %-34s %-8s %6d %8s %8s"):format(i,
      target.verb .. " " .. (target.object or ""), (target.seen == false and "unseen" or "seen")
      .. (target.rare and " r" or ""), self.truths[i] or 0, cell(self.classes[i]),
      cell(self.known_object.classes[i]))
  end
  for i, column in ipairs(self.roles and self.roles.columns or {}) do
    lines[#lines + 1] = i == 1 and ("\n%-40s %10s %10s"):format("role", "scenario 1", "scenario 2")
      or nil
    lines[#lines + 1] = ("%-40s %10s %10s"):format(column.name, cell(column.scenario_1),
      cell(column.scenario_2))
  end
  return table.concat(lines, "\n")
end

-- NaN is nothing that JSON could say.
local function told(x)
  return x == x and x or nil
end

function Report:totable()
  local out <const> = { known_object = {}, classes = json.array {} }
  for _, group in ipairs(groups) do
    out[group], out.known_object[group] = self[group], self.known_object[group]
  end
  for i, target in ipairs(self.targets) do
    out.classes[i] = { verb = target.verb, object = target.object, seen = target.seen ~= false,
      rare = target.rare == true, truths = self.truths[i] or 0, ap = told(self.classes[i]),
      known_object = told(self.known_object.classes[i]) }
  end
  if self.roles then
    out.roles = { scenario_1 = self.roles.scenario_1, scenario_2 = self.roles.scenario_2,
      columns = json.array {} }
    for i, column in ipairs(self.roles.columns) do
      out.roles.columns[i] = { name = column.name, scenario_1 = told(column.scenario_1),
        scenario_2 = told(column.scenario_2) }
    end
  end
  return out
end

-- The mean AP of each verb's seen and unseen classes, best verbs first: names, seen, unseen.
local function by_verb(self)
  local verbs <const>, by_name <const> = {}, {}
  for i, target in ipairs(self.targets) do
    local verb = by_name[target.verb]
    if not verb then
      verb = { name = target.verb:gsub("_", " "), all = {}, seen = {}, unseen = {} }
      by_name[target.verb], verbs[#verbs + 1] = verb, verb
    end
    for _, list in ipairs { verb.all, target.seen ~= false and verb.seen or verb.unseen } do
      list[#list + 1] = self.classes[i]
    end
  end
  local shown <const> = {}
  for _, verb in ipairs(verbs) do
    verb.value = mean(verb.all, all)
    shown[#shown + 1] = verb.value and verb or nil
  end
  table.sort(shown, function(a, b)
    return a.value ~= b.value and a.value > b.value or a.value == b.value and a.name < b.name
  end)
  local names <const>, seen <const>, unseen <const> = {}, {}, {}
  for i, verb in ipairs(shown) do
    names[i] = verb.name
    seen[i] = 100 * (mean(verb.seen, all) or 0 / 0)
    unseen[i] = 100 * (mean(verb.unseen, all) or 0 / 0)
  end
  return names, seen, unseen
end

-- The APs of the chosen classes, best first, over the share of them.
local function ranked(self, name, choose)
  local values <const>, shares <const> = {}, {}
  for i, value in ipairs(self.classes) do
    if value == value and choose(i) then
      values[#values + 1] = 100 * value
    end
  end
  table.sort(values, function(a, b) return a > b end)
  for i in ipairs(values) do
    shares[i] = 100 * (i - 0.5) / #values
  end
  return #values > 0 and { name = name, x = shares, y = values } or nil
end

local MOST_BARS <const> = 40

-- Bars by verb; of many verbs curves: the share of classes that reach an AP.
function Report:plot(svg)
  local names <const>, seen <const>, unseen <const> = by_verb(self)
  local plot <const> = { y_label = "AP %", title = ("mAP %s %%"):format(cell(self.full)),
    svg = svg }
  if #names <= MOST_BARS then
    plot.kind, plot.width = "bar", math.max(800, 40 * #names)
    plot.series = { { name = "seen classes", x = names, y = seen } }
    plot.series[2] = self.unseen and { name = "unseen classes", x = names, y = unseen } or nil
  else
    plot.x_label = "classes, best first, %"
    plot.series = { ranked(self, "seen classes", function(i)
      return self.targets[i].seen ~= false
    end) }
    plot.series[#plot.series + 1] = ranked(self, "unseen classes", function(i)
      return self.targets[i].seen == false
    end)
  end
  return require "hoi.image".plot(plot)
end

-- Gets a report of what the meters hold. truths: how many by class.
return function(targets, truths, meter, roles, published)
  local report <const> = summary((meter:result()), targets)
  report.known_object = summary((meter:result { known_object = true }), targets)
  report.targets, report.truths = targets, truths
  if roles then
    local first <const>, mean_1 <const> = roles:result { scenario = 1, defaults = published }
    local second <const>, mean_2 <const> = roles:result { scenario = 2, defaults = published }
    report.roles = { scenario_1 = mean_1, scenario_2 = mean_2, columns = {} }
    for i, name in ipairs(roles.columns) do
      report.roles.columns[i] = { name = name, scenario_1 = first[i], scenario_2 = second[i] }
    end
  end
  return setmetatable(report, Report)
end
