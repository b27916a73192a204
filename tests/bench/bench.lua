-- bench: samples between two probes, and the command line of every file here.
-- What a processor gives changes from moment to moment (clock, neighbours on the same core), so a
-- sample counts as a fraction of the peak that multiply-adds in registers reach right before and
-- right after it. A sample whose two probes differ, or are far below the best ones seen, is taken
-- again. Cases take turns, so that a slow minute hits all of them alike.
local argparse <const> = require "argparse"
local device <const> = require "hoi.device"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"

local bench <const> = {}

local APART <const> = 0.10 -- how far the probes around a sample may be apart
bench.BEST_SHARE = 0.8 -- what they must reach of the best probe seen
local PROBE_MS <const> = 10
local SCALING <const> = 0.75 -- what all units together should reach of one times their number
local TRIES <const> = 3 -- how often a sample may be taken again, on average

function bench.median(values)
  local sorted <const> = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local n <const> = #sorted
  return n == 0 and 0 / 0 or (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
end

local function geometric_mean(values)
  local sum = 0
  for _, value in ipairs(values) do
    sum = sum + math.log(value)
  end
  return math.exp(sum / #values)
end

------------------------------------------------------------------------------- other programs

-- The program that runs this script, its path quoted for a shell.
function bench.program()
  local first = 0
  while arg[first - 1] do
    first = first - 1
  end
  return bench.quote(arg[first])
end

function bench.quote(text)
  return "'" .. text:gsub("'", [['\'']]) .. "'"
end

-- Gets what a command prints; raises when it fails.
function bench.output(command)
  local pipe <close> = assert(io.popen(command))
  local text <const> = pipe:read "a"
  if not pipe:close() then
    error(("bench: this failed: %s\n%s"):format(command, text), 2)
  end
  return text
end

bench.folder = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or "." -- of these files

------------------------------------------------------------------------------- sampling

local best = 0 -- the best probe of all units so far

local function probe()
  local gigaflops <const> = device.probe { milliseconds = PROBE_MS }
  best = math.max(best, gigaflops)
  return gigaflops
end

-- Gets seconds and GFLOP of one run, out of `runs` that follow each other.
local function time(case, runs)
  if case.before then
    case.before(runs)
  end
  collectgarbage()
  device.finish()
  local work = 0
  local begun <const> = system.now()
  for i = 1, runs do
    work = work + (case.run(i) or case.work or 0)
  end
  device.finish()
  return (system.now() - begun) / runs, work / runs
end

-- The kind of a case tells what its seconds become.
local value_of <const> = {
  fraction = function(_, seconds, work, peak)
    return work / seconds / peak
  end,
  per_second = function(case, seconds)
    return case.count / seconds
  end,
  milliseconds = function(_, seconds)
    return 1000 * seconds
  end,
}

local function take(case)
  local before <const> = probe()
  local seconds <const>, work <const> = time(case, case.runs)
  local after <const> = probe()
  local peak <const> = (before + after) / 2
  return {
    value = value_of[case.kind](case, seconds, work, peak), seconds = seconds, work = work,
    before = before, after = after, peak = peak,
  }
end

-- Whether a sample { before, after, peak } counts; most: the best probe seen.
function bench.calm(sample, most)
  return math.abs(sample.before - sample.after) <= APART * sample.peak
    and sample.peak >= bench.BEST_SHARE * most
end

local function keep_calm(samples)
  local kept <const> = {}
  for _, sample in ipairs(samples) do
    if bench.calm(sample, best) then
      kept[#kept + 1] = sample
    end
  end
  return kept
end

-- Runs a case until caches are warm, and finds how many runs make a sample of `seconds`.
local function warm(case, seconds)
  local most <const> = case.most_runs or 1000
  time(case, 1)
  case.runs = most > 1 and math.min(most, math.ceil(seconds / time(case, 1))) or 1
end

-- Takes samples of all cases in turn, until each has `rounds` calm ones (or its own number), or
-- TRIES times as many were taken.
local function sample_all(cases, options)
  for _, case in ipairs(cases) do
    case.wanted = math.min(options.rounds, case.most_rounds or math.huge)
    case.samples = {}
    if case.cold then
      case.runs = 1
    else
      warm(case, options.sample_seconds)
    end
  end
  for _ = 1, TRIES * options.rounds do
    local busy = false
    for _, case in ipairs(cases) do
      if #keep_calm(case.samples) < case.wanted and #case.samples < TRIES * case.wanted then
        case.samples[#case.samples + 1] = take(case)
        busy = true
      end
    end
    if not busy then
      break
    end
  end
end

local function column(samples, key)
  local list <const> = {}
  for i, sample in ipairs(samples) do
    list[i] = sample[key]
  end
  return list
end

-- Gets a case's median and prints its line. Without any calm sample, all of them count.
local function conclude(case)
  local kept <const> = keep_calm(case.samples)
  local samples <const> = #kept > 0 and kept or case.samples
  local values <const> = column(samples, "value")
  local median <const> = bench.median(values)
  local seconds <const> = bench.median(column(samples, "seconds"))
  local work <const> = bench.median(column(samples, "work"))
  io.write(("  %-31s %9.3f ms %9s %10.4g  %.4g .. %.4g  %d of %d%s\n"):format(case.label,
    1000 * seconds, case.kind == "fraction" and ("%.1f"):format(work / seconds) or "", median,
    math.min(table.unpack(values)), math.max(table.unpack(values)), #kept, #case.samples,
    #kept == 0 and " (none calm: all count)" or #kept < case.wanted and " (restless)" or ""))
  return median, #case.samples - #kept
end

-- Measures a noun; figures get the geometric means over the cases of each.
local function measure(noun, options, figures)
  local cases <const> = noun.cases(options)
  io.write(noun.name, "\n")
  sample_all(cases, options)
  local values <const> = {}
  for _, case in ipairs(cases) do
    local median <const>, dropped <const> = conclude(case)
    values[case.figure] = values[case.figure] or {}
    table.insert(values[case.figure], median)
    figures.samples_dropped = figures.samples_dropped + dropped
    figures.samples_taken = figures.samples_taken + #case.samples
  end
  for figure, list in pairs(values) do
    figures[figure] = geometric_mean(list)
  end
  for figure, value in pairs(noun.plain and noun.plain(options) or {}) do
    figures[figure] = value
  end
end

------------------------------------------------------------------------------- command line

local function parse(name, figures, nouns)
  local parser <const> = argparse(name, "Measures speed; prints a table and can write it as JSON."
    .. " Figures: " .. table.concat(figures, ", "))
  parser:option("--json", "file that gets one object: figure to number")
  parser:flag("--quick", "few and short samples: to see whether it works")
  parser:option("--rounds", "samples of each case"):convert(math.tointeger)
  parser:option("--only", "a figure, or a file of this folder; can be given again"):count "*"
  parser:option("--dtype", "of layers: float32 or bfloat16"):choices { "float32", "bfloat16" }
    :default "float32"
  local args <const> = parser:parse()
  local known <const>, wanted <const>, usual <const> = {}, {}, {}
  for _, noun in ipairs(nouns) do
    known[noun.name] = noun.figures
    for _, figure in ipairs(noun.figures) do
      known[figure] = { figure }
      if (noun.dtype or "float32") == args.dtype then
        usual[#usual + 1] = figure
      end
    end
  end
  if args.rounds and args.rounds < 1 then
    parser:error "--rounds: at least 1"
  end
  for _, word in ipairs(#args.only > 0 and args.only or usual) do
    if not known[word] then
      local names <const> = {}
      for each in pairs(known) do
        names[#names + 1] = each
      end
      table.sort(names)
      parser:error(("--only: there is no '%s'; there is %s"):format(word,
        (table.concat(names, ", "))))
    end
    for _, figure in ipairs(known[word]) do
      wanted[figure] = true
    end
  end
  return {
    json = args.json, quick = args.quick, rounds = args.rounds or (args.quick and 3 or 11),
    sample_seconds = args.quick and 0.02 or 0.05,
    wants = function(figure)
      return wanted[figure] == true
    end,
  }
end

-- Says when all units together never got near what one of them can do times their number: then
-- something else ran all the time, and no sample could show it.
local function warn(units)
  local one = 0
  for _ = 1, 5 do
    one = math.max(one, device.probe { units = 1, milliseconds = PROBE_MS })
  end
  if best > 0 and best < SCALING * units * one then
    io.write(("Beware: %d units reached at most %.2f times one of them. Something else is running,"
      .. " or they share cores.\n"):format(units, best / one))
  end
end

-- Measures the wanted figures of some nouns: the whole of a script.
function bench.main(name, nouns)
  local all <const> = {}
  for _, noun in ipairs(nouns) do
    table.move(noun.figures, 1, #noun.figures, #all + 1, all)
  end
  local options <const> = parse(name, all, nouns)
  local here <const> = device.device()
  io.write(("%s, %s (%s)\n"):format(here.platform, here.name, here.kernels))
  io.write(("  %-31s %12s %9s %10s  lowest .. highest  calm samples\n"):format("medians",
    "one run", "GFLOP/s", "value"))
  local figures <const> = { samples_taken = 0, samples_dropped = 0 }
  for _, noun in ipairs(nouns) do
    for _, figure in ipairs(noun.figures) do
      if options.wants(figure) then
        measure(noun, options, figures)
        collectgarbage()
        device.trim()
        break
      end
    end
  end
  io.write "\n"
  for _, figure in ipairs(all) do
    if figures[figure] then
      io.write(("%-30s %.4g\n"):format(figure, figures[figure]))
    elseif options.wants(figure) then
      io.write(("%-30s not measured on this device\n"):format(figure))
    end
  end
  io.write(("%d of %d samples dropped\n"):format(figures.samples_dropped, figures.samples_taken))
  warn(here.units)
  if options.json then
    json.save(options.json, figures)
  end
end

-- Declares what one file measures: { name = the file's, figures = names, cases(options) -> list of
-- { figure, label, kind, run, ... }, plain(options) -> figures without samples (may be absent) }.
-- A case: run(i) does the work or queues it (GFLOP: what it returns, or the field work), kind is
-- "fraction", "per_second" (of count) or "milliseconds"; before(runs), untimed, prepares a sample;
-- most_runs, most_rounds bound a sample and their number; cold: its first run is a sample too.
-- dtype: of layers; float32 where it is not told.
-- Run as a script, the file measures itself.
function bench.noun(noun)
  if arg[0] and arg[0]:match "([^/]*)%.lua$" == noun.name then
    bench.main(noun.name .. ".lua", { noun })
  end
  return noun
end

return bench
