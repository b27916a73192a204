-- progress: hoi.progress(list or iterator, options): the same items, with a bar on a terminal's
-- stderr.
local options <const> = require "hoi.options"
local system <const> = require "hoi.system"

local Progress <const> = { __name = "hoi.Progress" }
Progress.__index = Progress

local REDRAW <const> = 0.1 -- seconds between two pictures of the bar
local REPORT <const> = 10 -- seconds between two lines where there is no terminal
local MEMORY <const> = 15 -- seconds over which the rate is averaged, about

-- Gets seconds as 0:07, 12:34 or 1:02:03.
local function clock_text(seconds)
  local s <const> = math.floor(seconds + 0.5)
  if s < 3600 then
    return ("%d:%02d"):format(s // 60, s % 60)
  end
  return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60)
end

local function rate_text(rate)
  if rate >= 1 then
    return (rate >= 100 and "%.0f/s" or rate >= 10 and "%.1f/s" or "%.2f/s"):format(rate)
  end
  return ("%.1f s each"):format(1 / rate)
end

local function value_text(value)
  return math.type(value) == "float" and ("%.4g"):format(value) or tostring(value)
end

-- Gets an iterator over a list, over 1..n, or the iterator itself; the number of items when it is
-- known; and what must be closed afterwards.
local function source_of(source)
  if math.type(source) == "integer" then
    local i = 0
    return function()
      i = i + 1
      return i <= source and i or nil
    end, source
  end
  local meta <const> = debug.getmetatable(source)
  local callable <const> = type(source) == "function" or (type(meta) == "table" and meta.__call)
  local total
  if type(source) == "table" or (type(meta) == "table" and meta.__len) then
    local ok, length = pcall(function() return #source end)
    total = ok and (not callable or meta.__len) and length or nil
  end
  if callable then
    return source, total, type(meta) == "table" and meta.__close and source or nil
  end
  if type(source) ~= "table" and type(source) ~= "userdata" then
    error(("progress: a list, an iterator or a number expected, got %s"):format(type(source)), 3)
  end
  local i = 0
  return function()
    i = i + 1
    return source[i]
  end, total
end

-- Gets the next item; asking for it tells that the one before is done.
function Progress:__call()
  self:count(self.given)
  local item <const> = table.pack(self.next())
  if item[1] == nil then
    self:__close()
    return nil
  end
  self.given = self.given + 1
  return table.unpack(item, 1, item.n)
end

-- Takes how many are done, and shows it when it is time.
function Progress:count(done)
  local now <const> = self.now()
  if done > self.done then
    local passed = now - self.counted_at
    self.work, self.time = self.work + (done - self.done), self.time + passed
    if self.time > MEMORY then -- older items count half
      self.work, self.time = self.work / 2, self.time / 2
    end
    self.done, self.counted_at = done, now
  end
  if now - self.shown_at >= (self.terminal and REDRAW or REPORT) then
    self.shown_at = now
    self:write(self:line())
  end
end

-- Gets the state as a line: label, share, count, rate, time left, values.
function Progress:line()
  local parts = {}
  if self.label then
    parts[#parts + 1] = self.label
  end
  local total <const> = self.total
  if total and total > 0 then
    local share = math.min(self.done / total, 1)
    if self.terminal then
      local cells = math.floor(share * 20 + 0.5)
      parts[#parts + 1] = "[" .. ("="):rep(cells) .. (" "):rep(20 - cells) .. "]"
    end
    parts[#parts + 1] = ("%d/%d %d%%"):format(self.done, total, math.floor(share * 100))
  else
    parts[#parts + 1] = tostring(self.done)
  end
  if self.work > 0 and self.time > 0 then
    local rate = self.work / self.time
    parts[#parts + 1] = rate_text(rate)
    if total and total > self.done then
      parts[#parts + 1] = clock_text((total - self.done) / rate) .. " left"
    else
      parts[#parts + 1] = clock_text(self.now() - self.started_at)
    end
  end
  for _, name in ipairs(self.names) do
    parts[#parts + 1] = name .. " " .. value_text(self.values[name])
  end
  return table.concat(parts, "  ")
end

function Progress:write(line)
  if self.terminal then
    local _, columns = system.terminal "stderr"
    local length = utf8.len(line)
    if length and length >= columns then
      line = line:sub(1, utf8.offset(line, columns) - 1)
    end
    self.out:write("\r", line, "\27[K")
  else
    self.out:write(line, "\n")
  end
  self.out:flush()
  self.shown = true
end

-- Sets values that stand behind the bar: progress:set { loss = 0.3 }. A value stays until it is set
-- again.
function Progress:set(values)
  local names = {}
  for name in pairs(values) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if self.values[name] == nil then
      self.names[#self.names + 1] = name
    end
    self.values[name] = values[name]
  end
end

-- Ends the line and closes the source; also when the loop was left by break or an error.
function Progress:__close(problem)
  if self.closed then
    return
  end
  self.closed = true
  if self.shown then
    self:write(self:line())
    if self.terminal then
      self.out:write "\n"
    end
  end
  if self.source then
    local close <const> = debug.getmetatable(self.source).__close
    close(self.source, problem)
  end
end

Progress.release = function(self)
  self:__close()
end

-- Gets the items of a list, of 1..n, or of an iterator that needs no state, one at a time, and
-- shows how far it is.
local function new(source, given)
  local known <const> = options(given, { "label", "total", "out", "now", "terminal" })
  local iterator, total, closing = source_of(source)
  local now <const> = known.now or system.now
  local terminal = known.terminal
  if terminal == nil then
    terminal = (system.terminal "stderr")
  end
  local start <const> = now()
  local self <const> = setmetatable({
    next = iterator, total = known.total or total, source = closing, label = known.label,
    out = known.out or io.stderr, now = now, terminal = terminal,
    given = 0, done = 0, work = 0, time = 0, started_at = start, counted_at = start,
    shown_at = start, values = {}, names = {}, shown = false, closed = false,
  }, Progress)
  return self, nil, nil, self
end

return new
