-- evaluate: figures of a model: on the drawn world (without arguments: the program's own, every
-- figure), or HICO-DET's mean average precision of any.
local argparse <const> = require "argparse"
local detector_arguments <const> = require "hoi.detector_arguments"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local pixels <const> = require "hoi.pixels"

local parser <const> = argparse("evaluate.lua",
  "Measures how well interactions are named and boxes are found.")
parser:option("--model", "a Hugging Face CLIP folder; without it the small CLIP of the drawn world")
parser:option("--data", "mini or hicodet", "mini"):choices { "mini", "hicodet" }
parser:option("--file", "hicodet: instances_test2015.json, pictures beside it in images/test2015")
parser:option("--split", "mini: test or validation", "test"):choices { "test", "validation" }
parser:option("--size", "only so many pictures"):convert(math.tointeger)
parser:option("--setting", "which classes count as unseen", "default")
parser:option("--boxes", "mini: truth, detector or both", "both")
  :choices { "truth", "detector", "both" }
detector_arguments.add(parser)
parser:option("--method", "how interactions are named", "zero_shot")
parser:option("--view", "zero_shot: crop, roi or both", "crop")
parser:option("--text", "zero_shot: names, descriptions or both", "both")
parser:option("--compete", "valid, all or none: against which classes a pair's score is a share",
  "valid")
parser:option("--prior-power", "weight of the detector's scores", "1"):convert(tonumber)
parser:flag("--plain", "mini: without decoys, sizes as in the world's first design")
parser:option("--json", "file for the figures")
local args <const> = parser:parse()

local figures <const> = {}
local clip <const> = hoi.clip(args.model)
local targets <const> = hoi.targets(args.data == "mini" and "mini" or "hico",
  { setting = args.setting })
local method <const> = hoi.method(args.method, clip, targets,
  args.method == "zero_shot" and { view = args.view, text = args.text } or nil)

local function interactions(name, data, boxes)
  local report <const> = hoi.evaluate(method, data, {
    detector = boxes or false, prior_power = args.prior_power, compete = args.compete, label = name,
  })
  print(("\n%s, %s boxes"):format(method, boxes and args.detector or "true"))
  print(report)
  figures[name] = {
    full = report.full, rare = report.rare, non_rare = report.non_rare,
    seen = report.seen, unseen = report.unseen, known_object_full = report.known_object.full,
  }
end

-- Of 512 captions and their pictures: how often the right text is first, and the right picture
-- among the first five.
local function retrieval()
  local n <const>, batch <close> = 512,
    hoi.mini.batch("web", 66, 1 << 42, 512, { decoys = not args.plain })
  local images <const> = clip:encode_pixels(pixels.batch(batch, clip.preprocess)):normalize()
  local texts <const> = clip:encode_text(batch:captions()):normalize()
  local sims <const> = images:matmul(texts:transpose())
  local _, best <const> = sims:topk(1)
  local _, five <const> = sims:transpose():topk(5)
  local text_first, picture_five = 0, 0
  for i = 1, n do
    text_first = text_first + (best[i][1] == i and 1 or 0)
    for _, k in ipairs(five[i]) do
      picture_five = picture_five + (k == i and 1 or 0)
    end
  end
  figures.retrieval = { text_first = text_first / n, picture_in_five = picture_five / n }
  print(("captions: the right one of 512 first %.1f %%, the right picture among five %.1f %%")
    :format(100 * text_first / n, 100 * picture_five / n))
end

-- Area under precision over recall of scores with their truth, ties in their order.
local function average_precision(list)
  table.sort(list, function(a, b)
    return a[1] ~= b[1] and a[1] > b[1] or a[1] == b[1] and a[3] < b[3]
  end)
  local found, sum = 0, 0
  for i, entry in ipairs(list) do
    if entry[2] then
      found = found + 1
      sum = sum + found / i
    end
  end
  return found > 0 and sum / found or nil
end

-- How well CLIP names the true pairs and the decoys by their crops, without boxes that match or a
-- thing that is told: mAP60 with all pairs against each other, mAPk among the pairs of a class's
-- thing; the share of labelled pairs whose best class is right, of all (top1) and of those its
-- thing allows (top1k); the share whose thing is named.
local function pairs_named(data)
  local entries <const>, right <const> = {}, { top1 = 0, top1k = 0, thing = 0 }
  local things <const>, sentences <const> = hoi.mini.things, {}
  for i, thing in ipairs(things) do
    sentences[i] = (thing:find "^[aeiou]" and "an " or "a ") .. thing
  end
  local thing_texts <const> = clip:encode_text(sentences):normalize():transpose()
  local classes <const> = method:class_features()
  for i = 1, #data do
    local item <const> = data[i]
    local by_pair <const> = {}
    for _, a in ipairs(item.annotations) do
      local key <const> = table.concat(a.human_box, " ") .. table.concat(a.object_box, " ")
      by_pair[key] = by_pair[key] or { union = a, object = a.object, right = {} }
      by_pair[key].right[a.target] = true
    end
    local list <const> = { union = {} }
    for _, a in pairs(by_pair) do
      list[#list + 1] = a
    end
    table.sort(list, function(a, b)
      return a.union.target < b.union.target
    end)
    for k, a in ipairs(list) do
      local h <const>, o <const> = a.union.human_box, a.union.object_box
      list.union[k] = { math.min(h[1], o[1]), math.min(h[2], o[2]), math.max(h[3], o[3]),
        math.max(h[4], o[4]) }
    end
    if #list > 0 then
      local views <const> = method:look(item.image, list)
      local logits <const> = method:forward(views, list, classes):totable()
      local named <const> = views[1]:matmul(thing_texts):argmax()
      for k, a in ipairs(list) do
        local best, known
        for t, x in ipairs(logits[k]) do
          best = (not best or x > logits[k][best]) and t or best
          if targets[t].object == a.object then
            known = (not known or x > logits[k][known]) and t or known
          end
        end
        right.top1 = right.top1 + (a.right[best] and 1 or 0)
        right.top1k = right.top1k + (a.right[known] and 1 or 0)
        local thing <const> = things[type(named) == "table" and named[k] or named]
        right.thing = right.thing + (thing == a.object and 1 or 0)
        entries[#entries + 1] = { logits = logits[k], object = a.object, right = a.right }
      end
    end
  end
  local all, known, n = 0, 0, 0
  for t, target in ipairs(targets) do
    local every <const>, same <const> = {}, {}
    for i, e in ipairs(entries) do
      every[i] = { e.logits[t], e.right[t], i }
      if e.object == target.object then
        same[#same + 1] = { e.logits[t], e.right[t], i }
      end
    end
    local ap <const> = average_precision(every)
    if ap then
      all, known, n = all + ap, known + average_precision(same), n + 1
    end
  end
  figures.pairs = {
    mAP60 = all / n, mAPk = known / n, top1 = right.top1 / #entries,
    top1k = right.top1k / #entries, thing = right.thing / #entries, count = #entries,
  }
  local p <const> = figures.pairs
  print(("true pairs (%d): mAP60 %.1f, mAPk %.1f, top1 %.1f %%, top1k %.1f %%, thing named %.1f %%")
    :format(p.count, 100 * p.mAP60, 100 * p.mAPk, 100 * p.top1, 100 * p.top1k, 100 * p.thing))
end

-- Average precision at IoU 0.5 of every kind of thing and of people.
local function boxes_found(data, boxes)
  local labels <const> = boxes.labels
  local meter <const> = hoi.detection_meter(labels)
  for i in hoi.progress(#data, { label = "boxes" }) do
    local item <const> = data[i]
    for _, instance in ipairs(item.instances) do
      meter:truth(i, instance.label, instance.box)
    end
    for _, found in ipairs(boxes:detect { image = item.image, name = item.name }) do
      meter:add(i, found.label, found.score, found.box)
    end
  end
  local values <const> = meter:result()
  meter:release()
  print "\nAP50 %"
  local things, n, by_label = 0, 0, {}
  for i, label in ipairs(labels) do
    local ap <const> = values[i]
    if ap == ap then -- NaN: no such thing in these pictures
      print(("  %-10s %6.1f"):format(label, 100 * ap))
      by_label[label] = ap
      if label ~= "person" then
        things, n = things + ap, n + 1
      end
    end
  end
  print(("  %-10s %6.1f"):format("things", 100 * things / n))
  figures.boxes = { things = things / n, person = by_label.person, classes = by_label }
end

if args.data == "mini" then
  local data <const> = hoi.data.mini {
    split = args.split, setting = args.setting, size = args.size, decoys = not args.plain,
  }
  if not args.model or clip.visual.size == 96 then
    retrieval()
  end
  if args.boxes ~= "detector" then
    if args.method == "zero_shot" and args.view == "crop" then
      pairs_named(data)
    end
    interactions("truth", data)
  end
  if args.boxes ~= "truth" then
    local boxes <close> = detector_arguments.open(args, targets)
    interactions("detector", data, boxes)
    boxes_found(data, boxes)
  end
else
  if not args.file then
    parser:error "--data hicodet needs --file instances_test2015.json"
  end
  local boxes <close> = detector_arguments.open(args, targets)
  local data <const> = hoi.data.hicodet(args.file, { split = "test", setting = args.setting })
  interactions("detector", data, boxes)
end
if args.json then
  json.save(args.json, figures)
end
