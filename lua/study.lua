-- study: experiments of many cells. Each cell's result is kept in a file of its own as soon as it
-- is there, named by all that it depends on: a study that was interrupted goes on, a changed
-- setting is measured anew. And what comes out of them: tables, curves, pages.
local digest <const> = require "hoi.digest"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"

local study <const> = {}

local Study <const> = { __name = "hoi.Study" }
Study.__index = Study

-- A study whose cells are kept in a folder.
function study.open(folder)
  system.make_folder(folder)
  return setmetatable({ folder = folder, kept = 0, made = 0 }, Study)
end

-- Gets the result of the cell that `what` (plain values) says all about: as it is kept, or of
-- run(path), where path is a place for what a long run keeps on its way.
function Study:cell(what, run)
  local key <const> = digest { json.encode(what) }
  local path <const> = ("%s/%s.json"):format(self.folder, key)
  if system.kind(path) then
    local ok, file = pcall(json.load, path)
    if ok and type(file) == "table" and file.result ~= nil then
      self.kept = self.kept + 1
      return file.result, true
    end
  end
  local way <const> = ("%s/%s"):format(self.folder, key)
  local result <const> = run(way)
  json.save(path, { what = what, result = result })
  for _, name in ipairs(system.list(self.folder) or {}) do
    if name:sub(1, #key + 1) == key .. "." and not name:find "%.json$" then
      os.remove(self.folder .. "/" .. name) -- what it kept on its way
    end
  end
  self.made = self.made + 1
  return result, false
end

-- Runs a script's main to its end. Ctrl-C ends the program with 130 and a line that says that the
-- same command goes on where it was, in this folder. say(line): where that goes; default: stderr.
function study.run(main, folder, say)
  local function problem_of(problem)
    return tostring(problem):find "interrupted!" and problem or debug.traceback(problem, 2)
  end
  local ok <const>, problem <const> = xpcall(main, problem_of)
  if ok then
    return
  elseif not tostring(problem):find "interrupted!" then
    error(problem, 0)
  end
  local line <const> = ("stopped; the same command goes on where it was (%s)"):format(folder)
  if say then
    say(line)
  else
    io.stderr:write(line, "\n")
  end
  os.exit(130, true)
end

-- Gets the list of a text "1,2,4", nil and why where it is none; for parsers of scripts' words.
function study.numbers(text)
  local list <const> = {}
  for word in text:gmatch "[^,%s]+" do
    local n <const> = math.tointeger(tonumber(word))
    if not n or n < 1 then
      return nil, ("'%s': whole numbers with commas between them wanted, as 1,2,4"):format(text)
    end
    list[#list + 1] = n
  end
  return list
end

-- Gets the mean of numbers and their deviation from it (the root of the mean square, as CoOp's
-- tables give it).
function study.statistics(values)
  local sum, square = 0, 0
  for _, value in ipairs(values) do
    sum = sum + value
  end
  local mean <const> = sum / #values
  for _, value in ipairs(values) do
    square = square + (value - mean) ^ 2
  end
  return mean, math.sqrt(square / #values)
end

-- Quantiles of Student's t by degrees of freedom: 95 % of it lies between -t and t.
local STUDENT <const> = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
  2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086 }

-- Gets the mean of numbers and half the width of its 95 % confidence interval (Student's t); 0 for
-- one number, of which nobody knows how it varies.
function study.interval(values)
  local mean <const>, deviation <const> = study.statistics(values)
  local n <const> = #values
  if n < 2 then
    return mean, 0
  end
  local t <const> = STUDENT[n - 1] or 1.960 + 2.4 / (n - 1)
  return mean, t * deviation / math.sqrt(n - 1)
end

---------------------------------------------------------------------------- results
-- A table of results: { title, subtitle, column_name, columns = list of numbers or texts, rows =
-- list of { name, cells = list of { values, mean, deviation } or { text } }, notes, settings, mark,
-- measure = what is measured in percent ("accuracy"), series = what is drawn instead of the rows }.

-- Makes a cell of a table of the values of its seeds.
function study.values(values)
  local mean <const>, deviation <const> = study.statistics(values)
  return { values = values, mean = mean, deviation = deviation }
end

-- Gets a cell as it is printed; mark: what stands beside every number.
local function cell_text(cell, mark)
  if cell.text then
    return cell.text
  elseif not cell.mean then
    return "-"
  end
  local text <const> = #cell.values > 1 and ("%.2f ± %.2f"):format(cell.mean, cell.deviation)
    or ("%.2f"):format(cell.mean)
  return mark and text .. " " .. mark or text
end

local function heading_of(results)
  local row <const> = { results.column_name }
  for i, column in ipairs(results.columns) do
    row[i + 1] = tostring(column)
  end
  return row
end

local function rows_of(results)
  local rows <const> = {}
  for i, row in ipairs(results.rows) do
    rows[i] = { row.name }
    for k, cell in ipairs(row.cells) do
      rows[i][k + 1] = cell_text(cell, results.mark)
    end
  end
  return rows
end

-- Gets the results as lines of text, every column as wide as it needs.
function study.lines(results)
  local rows <const>, widths <const>, lines <const> = rows_of(results), {}, {}
  table.insert(rows, 1, heading_of(results))
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, utf8.len(cell))
    end
  end
  for k, row in ipairs(rows) do
    local cells <const> = {}
    for i, cell in ipairs(row) do
      local pad <const> = (" "):rep(widths[i] - utf8.len(cell))
      cells[i] = i == 1 and cell .. pad or pad .. cell
    end
    lines[k] = (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  for _, note in ipairs(results.notes) do
    lines[#lines + 1] = note
  end
  return table.concat(lines, "\n")
end

-- Writes the results as curves over columns that are numbers, else as bars: `path`.svg and .png.
local function plot(results, path)
  local series <const>, numeric = results.series or {}, not results.series
  for _, column in ipairs(results.columns) do
    numeric = numeric and type(column) == "number"
  end
  for i, row in ipairs(results.series and {} or results.rows) do
    series[i] = { name = row.name, x = results.columns, y = {}, deviation = {} }
    for k, cell in ipairs(row.cells) do
      series[i].y[k], series[i].deviation[k] = cell.mean or 0 / 0, cell.deviation or 0
    end
  end
  local picture <close> = require "hoi.image".plot {
    series = series, title = results.title, x_label = results.column_name,
    y_label = (results.measure or "accuracy") .. " %",
    kind = numeric and "line" or "bar", svg = path .. ".svg",
  }
  picture:save(path .. ".png")
end

local CSS <const> = [[
.plot svg { width: 100%; height: auto; max-width: 60rem; background: #fff; }
td, th { white-space: nowrap; }
pre { overflow-x: auto; font-size: .8em; }
]]

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- A drawing as it stands in a page: names in it (cairo's are the same in every drawing) get a
-- beginning of their own.
local function inline(svg, number)
  local own <const> = ("p%d-"):format(number)
  return (svg:gsub("^%s*<%?xml.-%?>%s*", ""):gsub('id="', 'id="' .. own)
    :gsub('href="#', 'href="#' .. own):gsub("url%(#", "url(#" .. own))
end

-- Writes results, each of them printed, to one page: tables, curves, settings, and the numbers as
-- JSON in the element "results". All of it lies inside.
function study.page(list, path)
  local page <const> = require "hoi.page"
  local made <const> = page.new { title = list.title or list[1].title }:style(CSS)
  for i, results in ipairs(list) do
    made:add(#list > 1 and ("<h2>%s</h2>"):format(page.escape(results.title)) or "")
    made:add("<p>" .. page.escape(results.subtitle) .. "</p>")
    made:table(rows_of(results), { head = heading_of(results) })
    for _, note in ipairs(results.notes) do
      made:add("<p>" .. page.escape(note) .. "</p>")
    end
    made:add('<div class="plot">' .. inline(read(results.drawing), i) .. "</div>")
    made:add("<details><summary>All settings</summary><pre>"
      .. page.escape(json.encode(results.settings, { pretty = true })) .. "</pre></details>")
  end
  made:data("results", #list == 1 and list[1] or table.move(list, 1, #list, 1, {}))
  system.make_folder(path:match "^(.+)/[^/]*$" or ".")
  made:save(path)
end

-- Prints results; writes results.json and the curves into a folder.
function study.report(results, folder)
  print(("\n%s\n%s"):format(results.title, results.subtitle))
  print(study.lines(results))
  local drawing <const> = ("%s/%s"):format(folder, results.measure or "accuracy")
  results.drawing = drawing .. ".svg"
  plot(results, drawing)
  json.save(folder .. "/results.json", results)
end

return study
