-- plot: curves out of logs, JSON values a line: the numbers that were logged over the steps.
local argparse <const> = require "argparse"
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"

local parser <const> = argparse("plot.lua", "Draws the curves of logs (log.jsonl).")
parser:argument("log", "logs, or folders that hold log.jsonl"):args "+"
parser:option("--values", "what to draw: names in the log with commas between them", "loss")
parser:option("--over", "what it is drawn over", "step")
parser:option("--title", "what stands above", "")
parser:option("--out", "the picture (.png; the same as .svg beside it)", "out/log.png")
local args <const> = parser:parse()

-- Gets the points of a value of a log, in their order.
local function points(path, name)
  local x <const>, y <const> = {}, {}
  for line in io.lines(path) do
    local ok <const>, values <const> = pcall(json.decode, line) -- the last may be half a line
    if ok and values[args.over] and values[name] then
      x[#x + 1], y[#y + 1] = values[args.over], values[name]
    end
  end
  return x, y
end

local series <const> = {}
for _, log in ipairs(args.log) do
  local folder <const> = system.kind(log) == "folder"
  local path <const> = folder and log .. "/log.jsonl" or log
  local short <const> = (folder and log or log:match "^(.*)/[^/]*$" or log):match "[^/]+$" or log
  for name in args.values:gmatch "[^,%s]+" do
    local x <const>, y <const> = points(path, name)
    if #x > 0 then
      series[#series + 1] = { name = #args.log > 1 and short .. " " .. name or name, x = x, y = y }
    end
  end
end
if #series == 0 then
  error(("plot: none of these logs says '%s' over '%s'"):format(args.values, args.over), 0)
end
system.make_folder(args.out:match "^(.+)/[^/]*$" or ".")
local picture <close> = hoi.image.plot {
  series = series, title = args.title, x_label = args.over, y_label = args.values:gsub(",", ", "),
  svg = args.out:gsub("%.%w+$", "") .. ".svg",
}
picture:save(args.out)
print(("%s: %d curves"):format(args.out, #series))
