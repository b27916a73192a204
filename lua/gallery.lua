-- gallery: one page of predictions: each picture with its boxes and what people do in it, to be
-- pointed at, tapped, filtered by verb and score. Its style and script: gallery.css, gallery.js.
local embedded <const> = require "hoi.embedded"
local json <const> = require "hoi.json"
local options <const> = require "hoi.options"
local page <const> = require "hoi.page"

local gallery <const> = {}

local function words(name)
  return page.escape((name:gsub("_", " ")))
end

-- Gets the distinct boxes of a picture's interactions, and for each interaction the places (from 1)
-- of its two.
local function boxes_of(interactions)
  local boxes <const>, places <const>, known <const> = {}, {}, {}
  local function place(box, label, score, class)
    local key <const> = table.concat(box, " ") .. " " .. label
    local at = known[key]
    if not at then
      at = #boxes + 1
      known[key] = at
      boxes[at] = {
        box = box, label = label:gsub("_", " "), score = score, class = class,
        attributes = { ["data-box"] = tostring(at) },
      }
    end
    if class == "human" then -- a person to whom others do something is a person first
      boxes[at].class = class
    end
    return at
  end
  for i, each in ipairs(interactions) do
    places[i] = {
      place(each.human_box, "person", each.human_score, "human"),
      each.object_box and place(each.object_box, each.object or "object", each.object_score,
        "object") or 0,
    }
  end
  return boxes, places
end

-- Gets the list of a picture's interactions as HTML.
local function rows_of(interactions, places)
  local out <const> = {}
  for i, each in ipairs(interactions) do
    local share <const> = ("%.0f%%"):format(100 * math.max(0, math.min(1, each.score)))
    out[i] = ('<li><button type="button" data-verb="%s" data-object="%s" data-score="%s"'
      .. ' data-boxes="%d %d" aria-pressed="false"><span class="what"><b>%s</b> %s%s</span>'
      .. '<span class="bar" aria-hidden="true"><i style="width:%s"></i></span>'
      .. '<span class="score">%.2f</span></button></li>'):format(
      page.escape(each.verb), page.escape(each.object or ""), json.encode(each.score),
      places[i][1], places[i][2], words(each.verb), words(each.object or ""),
      each.seen == false and ' <small>unseen</small>' or "", share, each.score)
  end
  return out[1] and '<ol class="found">' .. table.concat(out) .. "</ol>"
    or '<p class="nothing">nobody does anything</p>'
end

-- Gets { verb, how often } of all pictures, the most frequent first.
local function verbs_of(results)
  local counts <const>, list <const> = {}, {}
  for _, result in ipairs(results) do
    for _, each in ipairs(result.interactions) do
      if not counts[each.verb] then
        list[#list + 1] = each.verb
      end
      counts[each.verb] = (counts[each.verb] or 0) + 1
    end
  end
  table.sort(list, function(a, b)
    return counts[a] ~= counts[b] and counts[a] > counts[b] or counts[a] == counts[b] and a < b
  end)
  return list, counts
end

local CONTROLS <const> = [[
<form class="controls" autocomplete="off">
<label>verb <select id="verb"><option value="">all (%d)</option>%s</select></label>
<label>score from <input id="score" type="range" min="0" max="0.99" step="0.01" value="0">
<output id="least">0.00</output></label>
<output id="count">%s</output>
</form>
<noscript><p class="soft">Without scripts nothing can be filtered; all is here.</p></noscript>]]

local function counted(n, what)
  return ("%d %s%s"):format(n, what, n == 1 and "" or "s")
end

-- Makes the page of results as method:predict gives them (JSON text, or the list that was read from
-- it). load(result, i) gets the picture of the i-th.
function gallery.page(predictions, load, given)
  local o <const> = options(given, { title = "Who does what with what", note = "", side = 960 })
  local text <const> = type(predictions) == "string" and predictions or json.encode(predictions)
  local results <const> = json.decode(text)
  local total = 0
  for _, result in ipairs(results) do
    total = total + #result.interactions
  end
  local sheet <const> = page.new { title = o.title }
    :style(embedded.read "lua/gallery.css")
    :script(embedded.read "lua/gallery.js")
  local choices <const>, verbs <const>, counts = {}, verbs_of(results)
  for i, verb in ipairs(verbs) do
    choices[i] = ('<option value="%s">%s (%d)</option>'):format(page.escape(verb), words(verb),
      counts[verb])
  end
  if o.note ~= "" then
    sheet:add('<p class="soft">' .. page.escape(o.note) .. "</p>")
  end
  sheet:add(CONTROLS:format(total, table.concat(choices),
    counted(total, "interaction") .. " in " .. counted(#results, "picture")))
  sheet:add '<div class="photos">'
  for i, result in ipairs(results) do
    local boxes <const>, places <const> = boxes_of(result.interactions)
    local image <close> = load(result, i)
    local name <const> = result.image or ("picture %d"):format(i)
    local small <const> = image.width < 300 and image.height <= 1.5 * image.width
    sheet:picture(image, {
      class = small and "photo small" or "photo", side = o.side, alt = name, boxes = boxes,
      attributes = { ["data-image"] = name },
      inside = '<svg class="link" aria-hidden="true"><line/></svg>',
      caption = ("<h2>%s</h2>%s"):format(page.escape(name),
        rows_of(result.interactions, places)),
    })
  end
  return sheet:add "</div>":data("predictions", text)
end

return gallery
