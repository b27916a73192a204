-- study_check: the pages that fewshot.lua and ablate.lua write, in a browser without a screen, 375
-- pixels wide as on a phone and 1280 wide: they render, their console stays empty, they ask for
-- nothing, nothing is wider than the screen, every number is the JSON's.
--   hoi tests/study_check.lua          (cmake --build DIR --target study_check)
local json <const> = require "hoi.json"
local browser <const> = dofile "tests/browser.lua"
local scratch <const> = dofile "tests/lua/scratch.lua"
local check <const> = browser.check

local program <const> = arg[-1]

-- What it sees of a page of results.
local SCRIPT <const> = [[
  seen.tables = all('table').map(t => [...t.querySelectorAll('tr')].map(r =>
    [...r.children].map(c => c.textContent)));
  seen.island = d.getElementById('results').textContent;
  seen.drawings = all('.plot svg').map(s => [s.getBoundingClientRect().width,
    s.getBoundingClientRect().height, s.querySelectorAll('path').length]);
  seen.text = d.querySelector('main').textContent;]]

local function cell_text(cell)
  if not cell.mean then
    return "-"
  elseif #cell.values > 1 then
    return ("%.2f ± %.2f"):format(cell.mean, cell.deviation)
  end
  return ("%.2f"):format(cell.mean)
end

-- The table of one experiment: its heading and every number.
local function check_table(seen, results, k)
  local shown <const> = seen.tables[k]
  check(#shown == #results.rows + 1, "table %d has %d rows", k, #shown)
  check(shown[1][1] == results.column_name, "table %d: %s", k, shown[1][1])
  for i, column in ipairs(results.columns) do
    check(shown[1][i + 1] == tostring(column), "table %d: column %s", k, shown[1][i + 1])
  end
  for i, row in ipairs(results.rows) do
    check(shown[i + 1][1] == row.name, "table %d: row %s", k, shown[i + 1][1])
    for j, cell in ipairs(row.cells) do
      local sum = 0
      for _, value in ipairs(cell.values) do
        sum = sum + value
      end
      check(not cell.mean or math.abs(sum / #cell.values - cell.mean) < 1e-9, "mean of %s",
        row.name)
      check(shown[i + 1][j + 1] == cell_text(cell), "table %d: %s shows %s, the JSON says %s", k,
        row.name, shown[i + 1][j + 1], cell_text(cell))
    end
  end
  for _, note in ipairs(results.notes) do
    check(seen.text:find(note, 1, true), "a note is missing: %s", note)
  end
end

local function check_page(folder, name)
  local file <close> = assert(io.open(("%s/%s.json"):format(folder, name)))
  local results <const> = json.decode(file:read "a")
  local list <const> = results.rows and { results } or results
  for _, width in ipairs { 375, 1280 } do
    local seen <const>, console <const> = browser.look(folder, name .. ".html", width, SCRIPT)
    check(seen, "%s did not render at %d pixels", name, width)
    check(#console == 0, "its console says %s", console[1])
    check(seen.screen == width and seen.wide <= width, "at %d pixels %s is %d wide", width, name,
      seen.wide)
    check(seen.outside == 0, "%d elements reach beyond %d pixels", seen.outside, width)
    check(#seen.addresses == 0, "it asks for %s", seen.addresses[1])
    check(json.encode(json.decode(seen.island)) == json.encode(results),
      "its data are not the JSON's")
    check(#seen.tables == #list and #seen.drawings == #list, "%d tables, %d drawings for %d",
      #seen.tables, #seen.drawings, #list)
    for k, one in ipairs(list) do
      check_table(seen, one, k)
      check(seen.drawings[k][1] > 250 and seen.drawings[k][1] <= width, "drawing %d is %g wide", k,
        seen.drawings[k][1])
      check(seen.drawings[k][2] > 100 and seen.drawings[k][3] > 10, "drawing %d is empty", k)
    end
    print(("study_check: %s, %d tables, %d pixels wide: as in the JSON"):format(name, #list, width))
  end
end

local folder <const> = scratch.folder()
local _ <close> = setmetatable({}, {
  __close = function()
    scratch.remove(folder)
  end,
})

local function run(script, name, words)
  local command <const> = ("'%s' scripts/%s.lua --size 3 --seeds 1,2 --views 1 --json %s/%s.json"
    .. " --html %s/%s.html --out %s/%s %s >%s/log.txt 2>&1"):format(program, script, folder, name,
    folder, name, folder, name, words, folder)
  check(os.execute(command), "failed: %s", command)
  check_page(folder, name)
end

run("fewshot", "compared", "--method zero_shot,nearest_mean,tip_adapter,clip_adapter --shots 1,2,3")
run("fewshot", "parted", "--method clip_adapter,zero_shot --shots 1 --part base")
run("ablate", "studied", "--shots 2 --epochs 1")
print(("study_check: %d checks passed"):format(browser.checks))
