-- ablate: the four studies of CLIP-Adapter (Gao et al. 2021) as grids: where the adapter is placed,
-- behind which layer, how wide its bottleneck is, how much of it is blended in. What is finished
-- stays finished: the same command goes on where it was.
local argparse <const> = require "argparse"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local study <const> = require "hoi.study"

local STUDIES <const> = { "placement", "insertion_layer", "hidden_size", "residual_ratio" }

local parser <const> = argparse("ablate.lua", "Runs the studies of CLIP-Adapter.")
parser:option("--study", table.concat(STUDIES, ", ") .. " or all", "all")
  :choices { "all", table.unpack(STUDIES) }
parser:option("--data", "as of fewshot.lua: mini, a name of CoOp's, a folder, a .csv or .json file",
  "mini")
parser:option("--root", "the folder of CoOp's data sets", "data")
parser:option("--model", "a CLIP's folder; without it the small CLIP of the drawn world")
parser:option("--shots", "pictures of each class", "16"):convert(study.numbers)
parser:option("--seeds", "seeds of the draws and of the training", "1,2,3"):convert(study.numbers)
parser:option("--epochs", "of each training (default: 200; mini 100, inside the tower 40)")
  :convert(math.tointeger)
parser:option("--alpha", "share of the adapter, where it is not what is studied", "0.6")
  :convert(tonumber)
parser:option("--views", "augmented views of each training picture; 0: none", "10")
  :convert(math.tointeger)
parser:option("--size", "mini: at most so many pictures of each class in each part")
  :convert(math.tointeger)
parser:option("--out", "folder of results and finished cells (default: out/ablate/DATA)")
parser:option("--json", "file for the numbers too")
parser:option("--html", "file for a page of tables and curves")
local args <const> = parser:parse()

local data <const> = hoi.data.classes(args.data, { root = args.root, size = args.size })
local clip <const> = hoi.clip(args.model)
local experiment <const> = hoi.fewshot.experiment(data, { clip = clip, views = args.views })
local out <const> = args.out or "out/ablate/" .. data.name:gsub("[^%w_.-]", "_")
local cells <const> = study.open(out .. "/cells")

-- The columns of each study: what stands above, and the options that differ.
local function insertion_layers()
  local list <const> = {}
  for i = 1, clip.visual.depth do
    list[i] = { tostring(i), { layer = i } }
  end
  list[#list + 1] = { "all", { layer = "all" } }
  list[#list + 1] = { "end", {} }
  return list
end

local function hidden_sizes()
  local list <const> = {}
  for _, reduction in ipairs { 1, 2, 4, 8, 16, 32 } do
    list[#list + 1] = { reduction == 1 and "D" or "D/" .. reduction, { reduction = reduction } }
  end
  return list
end

local function residual_ratios()
  local list <const> = {}
  for i = 0, 5 do
    list[i + 1] = { i / 5, { alpha = i / 5 } }
  end
  return list
end

local grids <const> = {
  placement = { "Where the adapter is placed", "branch", {
    { "image", { branch = "image" } }, { "text", { branch = "text" } },
    { "both", { branch = "both" } },
  } },
  insertion_layer = { "Behind which block the adapter is", "block", insertion_layers() },
  hidden_size = { "How wide the bottleneck is", "width", hidden_sizes() },
  residual_ratio = { "How much of the adapter is blended in", "alpha", residual_ratios() },
}

-- The options of a column of a study.
local function options_of(name, own)
  local o <const> = hoi.classifier.options "clip_adapter"
  o.alpha, o.beta = args.alpha, args.alpha
  o.epochs = args.epochs or args.data ~= "mini" and 200 or name == "insertion_layer" and 40 or 100
  for key, value in pairs(own) do
    o[key] = value
  end
  return o
end

local function cell(method, options, shots, seed)
  local what <const> = experiment:what(method, options, shots, seed, "val")
  return (cells:cell(what, function(way)
    return experiment:measure(method, options, shots, seed, { checkpoint = way .. ".checkpoint" })
  end))
end

local function over_seeds(method, options, shots)
  local values <const>, result = {}, nil
  for i, seed in ipairs(args.seeds) do
    result = cell(method, options, shots, seed)
    values[i] = result.accuracy
  end
  return study.values(values), result
end

local function run(name)
  local title <const>, column_name <const>, columns <const> = table.unpack(grids[name])
  local results <const> = {
    title = ("CLIP-Adapter on %s: %s"):format(data.name, title:lower()),
    subtitle = ("%s; %s"):format(data, clip), column_name = column_name, columns = {}, rows = {},
    settings = { seeds = args.seeds, shots = args.shots, options = {}, learned = {} },
  }
  local learned <const> = {}
  for _, shots in ipairs(args.shots) do
    local row <const> = { name = ("%d shots"):format(shots), cells = {} }
    local frozen <const> = { name = row.name .. ", zero-shot", cells = {} }
    local known <const> = over_seeds("zero_shot", {}, shots)
    for i, column in ipairs(columns) do
      local options <const> = options_of(name, column[2])
      local value, result <const> = over_seeds("clip_adapter", options, shots)
      row.cells[i], frozen.cells[i], results.columns[i] = value, known, column[1]
      results.settings.options[tostring(column[1])] = options
      learned[i] = ("%s: %d"):format(column[1], result.parameters)
      io.stderr:write(("%-16s %2d shots, %s %s: %.2f %%\n"):format(name, shots, column_name,
        column[1], value.mean))
    end
    results.rows[#results.rows + 1] = row
    results.rows[#results.rows + 1] = frozen
  end
  results.notes = {
    ("%s: percent of %d test pictures. Nothing was chosen on them."):format(#args.seeds == 1
      and "One seed" or ("Mean and deviation over %d seeds"):format(#args.seeds),
      #experiment.test.labels),
    "Learned numbers: " .. table.concat(learned, ", ") .. ".",
  }
  study.report(results, study.open(("%s/%s"):format(out, name)).folder)
  return results
end

local function main()
  local list <const> = { title = "CLIP-Adapter's studies on " .. data.name }
  for _, name in ipairs(args.study == "all" and STUDIES or { args.study }) do
    list[#list + 1] = run(name)
  end
  if args.json then
    json.save(args.json, #list == 1 and list[1] or table.move(list, 1, #list, 1, {}))
  end
  if args.html then
    study.page(list, args.html)
  end
  io.stderr:write(("%d cells measured, %d kept; %s\n"):format(cells.made, cells.kept, out))
end

study.run(main, out .. "/cells")
