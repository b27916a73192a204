-- page_check: the page that predict writes, in a browser without a screen, 375 pixels wide as on a
-- phone and 1280 wide: it renders, its console stays empty, its numbers and boxes are those of
-- predictions.json, nothing is wider than the screen, pointing and filtering do what they say.
--   hoi tests/page_check.lua          (cmake --build DIR --target page_check)
-- Drawn pictures always; photos with YOLOX where the shared data and the plugin `dnn` are.
local json <const> = require "hoi.json"
local page <const> = require "hoi.page"
local system <const> = require "hoi.system"

local program <const> = arg[-1]
local data <const> = os.getenv "HOI_DATA" or "../shared/data"
local build <const> = os.getenv "HOI_BUILD" or program:match "^(.*)/" or "."
local browser <const> = dofile "tests/browser.lua"
local scratch <const> = dofile "tests/lua/scratch.lua"
local check <const>, quoted <const> = browser.check, browser.quoted

---------------------------------------------------------------------------- the browser

-- What it sees of predict's page.
local SCRIPT <const> = [[
  const fire = (e, kind) => e.dispatchEvent(new w.Event(kind, { bubbles: kind !== 'mouseenter' }));
  const photo = all('.photo').find(p => p.querySelector('.found'));
  const row = photo && photo.querySelector('.found button');
  const verb = d.getElementById('verb'), score = d.getElementById('score');
  const count = () => d.getElementById('count').textContent;
  Object.assign(seen, {
    island: JSON.parse(d.getElementById('predictions').textContent),
    loaded: all('.photo img').filter(i => i.complete && i.naturalWidth > 0).length,
    photos: all('.photo').map(p => ({
      image: p.dataset.image,
      size: [...p.querySelectorAll('img')].map(i => [i.width / i.height,
        i.getAttribute('width') / i.getAttribute('height')])[0],
      boxes: Object.fromEntries([...p.querySelectorAll('.box')].map(b => [b.dataset.box,
        ['left', 'top', 'right', 'bottom'].map(side => parseFloat(b.style[side]))])),
      rows: [...p.querySelectorAll('.found button')].map(r => ({ verb: r.dataset.verb,
        object: r.dataset.object, score: Number(r.dataset.score), boxes: r.dataset.boxes,
        text: r.querySelector('.score').textContent,
        words: r.querySelector('.what').textContent })),
    })),
    count: count(),
  });
  if (row) {
    fire(row, 'mouseenter');
    seen.pointed = photo.querySelectorAll('.box.lit').length;
    fire(row, 'mouseleave');
    seen.left = photo.querySelectorAll('.lit').length;
    row.click();
    seen.kept = [row.getAttribute('aria-pressed'), photo.querySelectorAll('.box.lit').length];
    row.click();
    const box = photo.querySelector('.box');
    fire(box, 'mouseenter');
    seen.of_box = photo.querySelectorAll('.found button.lit').length;
    fire(box, 'mouseleave');
    verb.value = row.dataset.verb;
    fire(verb, 'input');
    seen.filtered = [row.dataset.verb, all('.found li:not([hidden])').length, count(),
      all('.photo:not([hidden])').length];
    verb.value = '';
    score.value = '0.1';
    fire(score, 'input');
    seen.above = [all('.found li:not([hidden])').length, d.getElementById('least').textContent];
  }]]

local function look(folder, name, width)
  return browser.look(folder, name, width, SCRIPT)
end

---------------------------------------------------------------------------- one page

local function near(a, b, tolerance)
  return math.abs(a - b) <= tolerance
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for key, value in pairs(a) do
    if not same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

local function check_numbers(seen, results)
  check(#seen.photos == #results, "%d pictures on the page, %d in the JSON", #seen.photos, #results)
  check(seen.loaded == #results, "%d of %d pictures were decoded", seen.loaded, #results)
  local total = 0
  for i, result in ipairs(results) do
    local photo <const> = seen.photos[i]
    check(photo.image == result.image, "picture %d is called %s", i, photo.image)
    check(near(photo.size[1], photo.size[2], 0.02), "%s is squeezed", photo.image)
    check(near(photo.size[2], result.width / result.height, 1e-9), "%s: size", photo.image)
    check(#photo.rows == #result.interactions, "%s: %d interactions", photo.image, #photo.rows)
    for k, wanted in ipairs(result.interactions) do
      local row <const> = photo.rows[k]
      local where <const> = ("%s, interaction %d"):format(photo.image, k)
      check(row.verb == wanted.verb and row.object == wanted.object, "%s: names", where)
      check(row.score == wanted.score, "%s: score %.17g, not %.17g", where, row.score,
        wanted.score)
      check(row.text == ("%.2f"):format(wanted.score), "%s: shows %s", where, row.text)
      check(row.words:find((wanted.verb:gsub("_", " ")), 1, true), "%s: words", where)
      local places <const> = {}
      for place in row.boxes:gmatch "%d+" do
        places[#places + 1] = photo.boxes[place]
      end
      for j, box in ipairs { wanted.human_box, wanted.object_box } do
        local shares <const> = { box[1] / result.width, box[2] / result.height,
          1 - box[3] / result.width, 1 - box[4] / result.height }
        for side = 1, 4 do
          check(near(places[j][side], 100 * math.max(0, math.min(1, shares[side])), 1e-3),
            "%s: box %d", where, j)
        end
      end
      total = total + 1
    end
  end
  return total
end

local function check_page(folder, text, width)
  local results <const> = json.decode(text)
  local seen <const>, console <const> = look(folder, "page.html", width)
  check(seen, "the page did not render at %d pixels", width)
  check(#console == 0, "its console says %s", console[1])
  check(seen.screen == width and seen.wide <= width, "at %d pixels it is %d wide", width, seen.wide)
  check(seen.outside == 0, "%d elements reach beyond %d pixels", seen.outside, width)
  check(seen.high > 400, "it is %d pixels high", seen.high)
  check(#seen.addresses == 0, "it asks for %s", seen.addresses[1])
  check(same(seen.island, results), "its data are not the JSON's")
  local total <const> = check_numbers(seen, results)
  check(total > 0, "nothing was found in any picture")
  check(seen.count == ("%d interactions in %d pictures"):format(total, #results), "says %s",
    seen.count)
  check(seen.pointed == 2 and seen.left == 0, "pointing shows %d boxes, then %d", seen.pointed,
    seen.left)
  check(seen.kept[1] == "true" and seen.kept[2] == 2, "a tap keeps %d boxes", seen.kept[2])
  check(seen.of_box >= 1, "a box shows no interaction")
  local of_verb, pictures, above = 0, 0, 0
  for _, result in ipairs(results) do
    local here = 0
    for _, each in ipairs(result.interactions) do
      here = here + (each.verb == seen.filtered[1] and 1 or 0)
      above = above + (each.score >= 0.1 and 1 or 0)
    end
    of_verb, pictures = of_verb + here, pictures + (here > 0 and 1 or 0)
  end
  check(seen.filtered[2] == of_verb and seen.filtered[4] == pictures, "the filter leaves %d",
    seen.filtered[2])
  check(seen.filtered[3]:find(("^%d interaction"):format(of_verb)), "the filter says %s",
    seen.filtered[3])
  check(seen.above[1] == above and seen.above[2] == "0.10", "%d of %d above 0.1", seen.above[1],
    above)
  print(("page_check: %d pictures, %d interactions, %d pixels wide: as in the JSON"):format(
    #results, total, width))
end

local function predict(folder, words)
  local command <const> = ("%s scripts/predict.lua %s --out %s --html %s >%s 2>&1"):format(
    quoted(program), words, quoted(folder), quoted(folder .. "/page.html"),
    quoted(folder .. "/predict.log"))
  check(os.execute(command), "predict failed: %s", command)
  local file <close> = assert(io.open(folder .. "/predictions.json"))
  local text <const> = file:read "a"
  for _, width in ipairs { 375, 1280 } do
    check_page(folder, text, width)
  end
end

---------------------------------------------------------------------------- what is looked at

local folder <const> = scratch.folder()
local _ <close> = setmetatable({}, {
  __close = function()
    scratch.remove(folder)
  end,
})

-- The check must see what is wrong: an error in the console, something too wide.
page.new { title = "wrong" }:data("predictions", {}):add '<p style="width:600px">wide</p>'
  :script "throw new Error('on purpose');":save(folder .. "/wrong.html")
local _, console <const> = look(folder, "wrong.html", 375)
check(#console > 0, "an error in the console goes unseen")

check(os.execute(("%s scripts/draw.lua --count 6 --out %s >/dev/null 2>&1"):format(quoted(program),
  quoted(folder .. "/drawn"))), "draw failed")
predict(folder, quoted(folder .. "/drawn"))

local model <const> = data .. "/detectors/yolox_nano.onnx"
if system.kind(model) and system.kind(build .. "/plugins/dnn.so") then
  predict(folder, ("--detector dnn --detector-model %s --classes hico %s"):format(quoted(model),
    quoted(data .. "/coco_sample/images")))
else
  print "page_check: skipped photos: no shared data, or no plugin dnn"
end
print(("page_check: %d checks passed"):format(browser.checks))
