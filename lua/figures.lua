-- figures: what is measured of a model of the drawn world besides interactions: captions and
-- pictures, true pairs by their crops, boxes. Each function prints what it found and gets it.
local box <const> = require "hoi.box"
local detection_meter <const> = require "hoi.meter".detection_meter
local mini <const> = require "hoi.mini"
local pixels <const> = require "hoi.pixels"
local progress <const> = require "hoi.progress"

local figures <const> = {}

-- Of 512 captions and their pictures: how often the right text is first, and the right picture
-- among the first five.
function figures.retrieval(clip, plain)
  local n <const>, batch <close> = 512,
    mini.batch("web", 66, 1 << 42, 512, { decoys = not plain })
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
  print(("captions: the right one of 512 first %.1f %%, the right picture among five %.1f %%")
    :format(100 * text_first / n, 100 * picture_five / n))
  return { text_first = text_first / n, picture_in_five = picture_five / n }
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
function figures.pairs_named(method, data)
  local entries <const>, right <const> = {}, { top1 = 0, top1k = 0, thing = 0 }
  local things <const>, sentences <const> = mini.things, {}
  for i, thing in ipairs(things) do
    sentences[i] = (thing:find "^[aeiou]" and "an " or "a ") .. thing
  end
  local clip <const>, targets <const> = method.clip, method.targets
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
      list.union[k] = box.union(a.union.human_box, a.union.object_box)
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
  local p <const> = {
    mAP60 = all / n, mAPk = known / n, top1 = right.top1 / #entries,
    top1k = right.top1k / #entries, thing = right.thing / #entries, count = #entries,
  }
  print(("true pairs (%d): mAP60 %.1f, mAPk %.1f, top1 %.1f %%, top1k %.1f %%, thing named %.1f %%")
    :format(p.count, 100 * p.mAP60, 100 * p.mAPk, 100 * p.top1, 100 * p.top1k, 100 * p.thing))
  return p
end

-- Average precision at IoU 0.5 of every kind of thing and of people.
function figures.boxes_found(detector, data)
  local labels <const> = detector.labels
  local meter <const> = detection_meter(labels)
  for i in progress(#data, { label = "boxes" }) do
    local item <const> = data[i]
    for _, instance in ipairs(item.instances) do
      meter:truth(i, instance.label, instance.box)
    end
    for _, found in ipairs(detector:detect(item)) do
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
  return { things = things / n, person = by_label.person, classes = by_label }
end

return figures
