-- fewshot: few-shot classifiers compared: every method, number of shots and seed, as a table, JSON,
-- curves and a page. What is finished stays finished: the same command goes on where it was.
local argparse <const> = require "argparse"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local recipes <const> = require "hoi.recipes"
local study <const> = require "hoi.study"

local parser <const> = argparse("fewshot.lua", "Compares few-shot classifiers.")
parser:option("--method", "all, or some with commas between them: "
  .. table.concat(hoi.classifier.names, ", ") .. ", or files of your own", "all")
parser:option("--data", "mini, a data set of CoOp's by name, a folder of class folders, a .csv file"
  .. " of path,label[,split], or a split_zhou_*.json", "mini")
parser:option("--root", "the folder of CoOp's data sets", "data")
parser:option("--split", "the split's file, where it is not in the data set's folder")
parser:option("--images", "the pictures' folder, where it is not beside the split")
parser:option("--features", "instead of --data: a file of features, or the beginning of .npy files")
parser:option("--names", "with --features: the classes' names (a JSON list, or CoOp's split)")
parser:option("--text", "with --features: words' features and their names (two files)"):args(2)
  :count "*"
parser:flag("--matched", "with --text: only classes whose name has words' features")
parser:option("--model", "a CLIP's folder; without it the small CLIP of the drawn world")
parser:option("--shots", "pictures of each class", "1,2,4,8,16"):convert(study.numbers)
parser:option("--seeds", "seeds of the draws and of the training", "1,2,3"):convert(study.numbers)
parser:option("--protocol", "how shots are drawn: coop, tip or lora", "coop")
  :choices { "coop", "tip", "lora" }
parser:option("--part", "base: train and test on the first half of the classes, test on the others"
  .. " too; all", "all"):choices { "all", "base", "new" }
parser:option("--select", "what hyper-parameters and epochs are chosen on: val, or test (as some"
  .. " published numbers are; then said beside each)", "val"):choices { "val", "test" }
parser:option("--recipe", "published settings or short trainings (default: short for mini)")
  :choices(recipes.names)
parser:option("--set", "an option of a method, as clip_adapter.alpha=0.6"):count "*"
parser:option("--template", "what is said of a class, as 'a photo of a {}.'"):count "*"
parser:flag("--ensemble", "the field's several templates, where a data set has them")
parser:option("--views", "augmented views of each training picture; 0: none", "10")
  :convert(math.tointeger)
parser:option("--size", "mini: at most so many pictures of each class in each part")
  :convert(math.tointeger)
parser:option("--out", "folder of results and finished cells (default: out/fewshot/DATA)")
parser:option("--json", "file for the numbers too")
parser:option("--html", "file for a page of table and curves")
local args <const> = parser:parse()

---------------------------------------------------------------------------- what is asked for

local function open_data()
  if args.matched and #args.text == 0 then
    parser:error "--matched: words' features are wanted too (--text FEATURES NAMES)"
  elseif args.features then
    local text
    for i, pair in ipairs(args.text) do
      text = text or {}
      text[i] = { features = pair[1], names = pair[2] }
    end
    return hoi.data.features(args.features, { names = args.names, text = text })
  end
  return hoi.data.classes(args.data, {
    root = args.root, split = args.split, images = args.images, size = args.size,
  })
end

-- { method = { option = value } } of "method.option=value" texts.
local function own_options()
  local own <const> = {}
  for _, text in ipairs(args.set) do
    local method, name, value = text:match "^(.-)%.([%w_]+)=(.*)$"
    if not method then
      parser:error(("--set %s: METHOD.OPTION=VALUE wanted"):format(text))
    end
    local ok, decoded = pcall(json.decode, value)
    own[method] = own[method] or {}
    own[method][name] = ok and decoded or not ok and value or false
  end
  return own
end

local THROUGH_TOWER <const> = { coop = true, maple = true, clip_lora = true } -- need one; slow
local data <const> = open_data()
local clip <const> = not args.features and hoi.clip(args.model) or nil
local templates = #args.template > 0 and args.template or nil
if args.ensemble then
  templates = data.ensemble
    or parser:error(("--ensemble: %s has one template; --template gives more"):format(data.name))
end
local experiment <const> = hoi.fewshot.experiment(data, {
  clip = clip, protocol = args.protocol, part = args.part, matched = args.matched,
  templates = templates, views = args.views,
})
local recipe <const> = args.recipe or (args.data == "mini" and not args.features and "short"
  or "published")
local own <const> = own_options()
local out <const> = args.out or "out/fewshot/" .. data.name:gsub("[^%w_.-]", "_")
local cells <const> = study.open(out .. "/cells")
local log <close> = assert(io.open(out .. "/log.txt", "a"))

local function say(format, ...)
  local line <const> = format:format(...)
  io.stderr:write(line, "\n")
  log:write(line, "\n")
end

-- A method's options: its defaults, over them the recipe, over that what was asked for.
local function options_of(method, shots)
  local o <const> = hoi.classifier.options(method)
  for _, more in ipairs { recipes.options(method, data.name, shots, recipe), own[method] or {} } do
    for name, value in pairs(more) do
      if o[name] == nil then
        parser:error(("%s has no option '%s'"):format(method, name))
      end
      o[name] = value
    end
  end
  return o
end

-- Those of the methods that the data allows.
local function methods_of(text)
  local list <const> = {}
  if text ~= "all" then
    for name in text:gmatch "[^,%s]+" do
      list[#list + 1] = name
    end
    return list
  end
  for _, name in ipairs(hoi.classifier.names) do
    if clip or not THROUGH_TOWER[name] then
      list[#list + 1] = name
    else
      say("%s is left out: features alone do not go through a tower", name)
    end
  end
  return list
end

---------------------------------------------------------------------------- the cells

local function run(methods)
  local results <const> = {}
  for _, shots in ipairs(args.shots) do
    for _, seed in ipairs(args.seeds) do
      for _, method in ipairs(methods) do
        results[#results + 1] = { method = method, shots = shots, seed = seed }
      end
    end
  end
  for _, cell in ipairs(results) do
    local method <const>, shots <const>, seed <const> = cell.method, cell.shots, cell.seed
    local options <const> = options_of(method, shots)
    local what <const> = experiment:what(method, options, shots, seed, args.select)
    local result, kept <const> = cells:cell(what, function(way)
      return experiment:measure(method, options, shots, seed, {
        select = args.select,
        checkpoint = THROUGH_TOWER[method] and way .. ".checkpoint" or false,
        log = function(record)
          log:write(("%s, %d shots, seed %d: %s\n"):format(method, shots, seed,
            json.encode(record)))
        end,
      })
    end)
    say("%-14s %2d shots, seed %d: %6.2f %%%s%s", method, shots, seed, result.accuracy,
      result.new and (", new %.2f %%"):format(result.new) or "",
      kept and " (kept)" or (" in %.1f s"):format(result.seconds))
    cell.result = result
  end
  return results
end

---------------------------------------------------------------------------- the table

local function values_of(results, method, shots, field)
  local list <const> = {}
  for _, cell in ipairs(results) do
    if cell.method == method and cell.shots == shots then
      list[#list + 1] = field(cell.result)
    end
  end
  return list
end

local function row_of(results, method, name, field)
  local row <const> = { name = name, cells = {} }
  for i, shots in ipairs(args.shots) do
    local values <const> = values_of(results, method, shots, field)
    row.cells[i] = #values > 0 and study.values(values) or { values = json.array() }
  end
  return row
end

local function rows_of(results, methods)
  local rows <const> = {}
  for _, method in ipairs(methods) do
    local base <const> = row_of(results, method, method, function(r) return r.accuracy end)
    rows[#rows + 1] = base
    if args.part == "base" then
      base.name = method .. ", base"
      rows[#rows + 1] = row_of(results, method, method .. ", new", function(r) return r.new end)
      rows[#rows + 1] = row_of(results, method, method .. ", harmonic mean", function(r)
        return r.new and 2 * r.accuracy * r.new / (r.accuracy + r.new)
      end)
    end
  end
  return rows
end

local function notes()
  local list <const> = {
    ("%s: percent of %d test pictures of %d classes."):format(#args.seeds == 1 and "One seed"
      or ("Mean and deviation over %d seeds"):format(#args.seeds), #experiment.test.labels,
      #experiment.classes),
  }
  if args.select == "test" then
    list[#list + 1] = "[test]: hyper-parameters and epochs were chosen on the test set."
  elseif #data.val == 0 then
    list[#list + 1] = "Nothing was chosen: there are no validation pictures."
  else
    list[#list + 1] = "Hyper-parameters and epochs were chosen on validation pictures alone."
  end
  list[#list + 1] = data.note
  if args.features and not data.text then
    list[#list + 1] = "No words' features (--text): the means of the shots stand for the classes."
  end
  return list
end

local function main()
  local methods <const>, settings = methods_of(args.method), { options = {} }
  for _, name in ipairs { "data", "features", "model", "shots", "seeds", "protocol", "part",
    "select", "views", "size", "names", "root", "split", "images" } do
    settings[name] = args[name]
  end
  settings.recipe, settings.templates = recipe, experiment.templates
  settings.clip = clip and tostring(clip) or "features alone"
  for _, method in ipairs(methods) do
    settings.options[method] = {}
    for _, shots in ipairs(args.shots) do
      settings.options[method][("%d shots"):format(shots)] = options_of(method, shots)
    end
  end
  say("%s; %s", data, settings.clip)
  log:write("settings: ", json.encode(settings), "\n")
  local cells_of <const> = run(methods)
  local results <const> = {
    title = "Few-shot classification of " .. data.name,
    subtitle = ("%s; %s; shots drawn as %s; %s settings"):format(tostring(data), settings.clip,
      args.protocol, recipe),
    column_name = "shots", columns = args.shots, rows = rows_of(cells_of, methods),
    notes = notes(), settings = settings, mark = args.select == "test" and "[test]" or nil,
  }
  study.report(results, out)
  if args.json then
    json.save(args.json, results)
  end
  if args.html then
    study.page({ results }, args.html)
  end
  say("%d cells measured, %d kept; %s/results.json, accuracy.svg, accuracy.png, log.txt",
    cells.made, cells.kept, out)
end

study.run(main, out .. "/cells", function(line) say("%s", line) end)
