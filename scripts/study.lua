-- study: the ladder from CLIP as it is to EZ-HOI, rung by rung, on the drawn world: in each
-- zero-shot setting, with true boxes and with the detector's, beside what boxes alone tell. What is
-- finished stays finished: the same command goes on where it was.
local argparse <const> = require "argparse"
local detector_arguments <const> = require "hoi.detector_arguments"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local study <const> = require "hoi.study"
local system <const> = require "hoi.system"
local training <const> = require "hoi.training"

local SETTINGS <const> = { "rare_first", "non_rare_first", "unseen_object", "unseen_verb" }

local function list_of(text)
  local list <const> = {}
  for word in (text == "all" and table.concat(SETTINGS, ",") or text):gmatch "[^,%s]+" do
    list[#list + 1] = word
  end
  return list
end

local parser <const> = argparse("study.lua", "Runs EZ-HOI's ladder on the drawn world.")
parser:option("--settings", "all, or some with commas between them: "
  .. table.concat(SETTINGS, ", "), "all"):convert(list_of)
parser:option("--boxes", "whose boxes to measure on: truth, detector or truth,detector",
  "truth,detector"):convert(list_of)
parser:option("--learn-from", "whose boxes to learn from: truth or detector", "truth")
  :choices { "truth", "detector" }
parser:option("--seeds", "how many", "5"):convert(math.tointeger)
parser:option("--steps", "batches of 8 pictures of each training", "500"):convert(math.tointeger)
parser:option("--pictures", "pictures to learn from", "4000"):convert(math.tointeger)
parser:option("--test", "pictures to measure on", "700"):convert(math.tointeger)
parser:option("--split", "which pictures to measure on: test or validation", "test")
parser:option("--rate", "greatest learning rate, then half a cosine", "3e-3"):convert(tonumber)
parser:flag("--quick", "250 steps, 300 test pictures")
parser:option("--model", "a CLIP's folder; without it the small CLIP of the drawn world")
detector_arguments.add(parser)
parser:option("--out", "folder of results and finished cells", "out/study")
parser:option("--json", "file for the numbers too")
parser:option("--html", "file for a page of tables and plots")
local args <const> = parser:parse()

local STEPS <const> = args.quick and 250 or args.steps
local TEST <const> = args.quick and 300 or args.test
local clip <const>, cells <const> = hoi.clip(args.model), study.open(args.out .. "/cells")

-- The rungs: name, short name, method, options. Each adds one thing; losses alone, then together.
local plain <const> = { relation = 0 }
local rungs <const> = {
  { "boxes alone", "boxes", "geometry", {} },
  { "CLIP as it is", "CLIP", "zero_shot", {} },
  { "visual side only", "visual", "ezhoi", { text_prompts = false, relation = 0 } },
  { "MaPLe", "MaPLe", "ezhoi", { descriptions = false, guidance = false, adapters = false,
    unseen = false, intra_fusion = false, inter_fusion = false, relation = 0 } },
  { "+ descriptions", "+ descr.", "ezhoi", { unseen = false, relation = 0 } },
  { "+ unseen learner, no loss", "+ unseen", "ezhoi", plain },
  { "  class relations alone", "relations", "ezhoi", { relation = 150 } },
  { "  closeness alone", "closeness", "ezhoi", { relation = 0, closeness = 1 } },
  { "  negatives alone", "negatives", "ezhoi", { relation = 0, negatives = 1 } },
  { "  relations + closeness", "both", "ezhoi", { relation = 150, closeness = 1 } },
  { "  + negatives (EZ-HOI)", "EZ-HOI", "ezhoi", { relation = 150, closeness = 1, negatives = 1 } },
}

-- Trains a rung and measures it with each kind of boxes.
local function measure(rung, setting, detector, seed, way)
  local train <const> = hoi.data.mini { split = "train", setting = setting, size = args.pictures }
  local test <const> = hoi.data.mini { split = args.split, setting = setting, size = TEST }
  local method <const> = training.method(rung[3], clip, train, rung[4], seed)
  local label <const> = ("%s, seed %d: %s"):format(setting, seed, rung[1])
  local result <const> = { seconds = 0, values = 0 }
  if method.module then
    local trained <const> = training.run(method, train, {
      steps = STEPS, rate = args.rate, schedule = "cosine", seed = seed,
      detector = args.learn_from == "detector" and detector, way = way .. ".", label = label,
    })
    if trained.stopped then
      error("interrupted!", 0)
    end
    result.seconds, result.values = trained.seconds, trained.values
  end
  local begun <const> = system.now()
  for _, boxes in ipairs(args.boxes) do
    local report <const> = hoi.evaluate(method, test, {
      detector = boxes == "detector" and detector, label = label,
      guide = method.module and training.guidance(method),
    })
    result[boxes] = { full = report.full, seen = report.seen, unseen = report.unseen }
  end
  result.seconds = result.seconds + system.now() - begun
  return result
end

local function percent(x)
  return x and ("%5.2f"):format(100 * x) or "    -" -- few pictures may have none of a group
end

-- The results of all seeds of a rung; what does not learn has one.
local function seeds_of(rung, setting, detector)
  local list <const> = {}
  for seed = 1, rung[3] == "zero_shot" and 1 or args.seeds do
    local what <const> = {
      version = 2, method = rung[3], options = rung[4], setting = setting, seed = seed,
      steps = STEPS,
      boxes = args.boxes, learn_from = args.learn_from, detector = detector.detector.identity,
      rate = args.rate, pictures = args.pictures, test = TEST, split = args.split,
      clip = clip:fingerprint(),
    }
    local result <const>, kept <const> = cells:cell(what, function(way)
      return measure(rung, setting, detector, seed, way)
    end)
    list[seed] = result
    for _, boxes in ipairs(args.boxes) do
      local r <const> = result[boxes]
      io.stderr:write(("%-15s seed %d  %-25s %-8s seen %s  unseen %s  full %s%s\n"):format(setting,
        seed, rung[1], boxes, percent(r.seen), percent(r.unseen), percent(r.full),
        kept and " (kept)" or (" in %.0f s"):format(result.seconds)))
    end
  end
  return list
end

local GROUPS <const> = { "seen", "unseen", "full" }

local function table_of(setting, boxes, measured)
  local results <const> = {
    title = ("%s, %s"):format(setting, boxes == "truth" and "true boxes" or "the detector's boxes"),
    subtitle = ("mAP %% on %d %s pictures; %d steps of 8 pictures with %s boxes, rate %g; %s")
      :format(TEST, args.split, STEPS, args.learn_from == "truth" and "true" or "the detector's",
        args.rate, tostring(clip)),
    column_name = "rung", columns = { "seen", "unseen", "full", "trained values", "seconds" },
    rows = {}, series = {}, measure = "mAP", settings = { seeds = args.seeds, rungs = {} },
    notes = { args.seeds == 1 and "One seed." or ("Mean of %d seeds and half the width of its 95 %%"
      .. " confidence interval."):format(args.seeds) },
  }
  for k, group in ipairs(GROUPS) do
    results.series[k] = { name = group, x = {}, y = {}, deviation = {} }
  end
  for i, rung in ipairs(rungs) do
    local list <const>, row <const> = measured[i], { name = rung[1], cells = {} }
    for k, group in ipairs(GROUPS) do
      local values <const>, s <const> = {}, results.series[k]
      for _, result in ipairs(list) do
        values[#values + 1] = result[boxes][group] and 100 * result[boxes][group]
      end
      local mean, half
      if #values > 0 then
        mean, half = study.interval(values)
      end
      row.cells[k] = { values = json.array(values), mean = mean, deviation = half }
      if mean then
        local n <const> = #s.x + 1
        s.x[n], s.y[n], s.deviation[n] = rung[2], mean, half
      end
    end
    row.cells[4] = { text = ("%d"):format(list[1].values) }
    row.cells[5] = { text = ("%.0f"):format(list[1].seconds) }
    results.rows[i], results.settings.rungs[rung[1]] = row, rung[4]
  end
  study.report(results, study.open(("%s/%s-%s"):format(args.out, setting, boxes)).folder)
  return results
end

local function main()
  local targets <const> = hoi.targets "mini"
  local detector <close> = hoi.detections(detector_arguments.open(args, targets))
  local list <const> = { title = "From CLIP to EZ-HOI, rung by rung" }
  for _, setting in ipairs(args.settings) do
    local measured <const> = {}
    for i, rung in ipairs(rungs) do
      measured[i] = seeds_of(rung, setting, detector)
    end
    for _, boxes in ipairs(args.boxes) do
      list[#list + 1] = table_of(setting, boxes, measured)
    end
  end
  json.save(args.json or args.out .. "/results.json", table.move(list, 1, #list, 1, {}))
  study.page(list, args.html or args.out .. "/study.html")
  print(("\n%d cells measured, %d kept; %s/study.html, results.json"):format(cells.made, cells.kept,
    args.out))
end

study.run(main, args.out .. "/cells")
