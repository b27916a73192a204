-- complete: what may follow in a line that is being typed: names, fields, methods, options, files.
local help <const> = require "hoi.help"
local system <const> = require "hoi.system"

local complete <const> = {}

local keywords <const> = { "and", "break", "do", "else", "elseif", "end", "false", "for",
  "function", "goto", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true",
  "until", "while" }

-- Reads the line up to the cursor: where an open string begins (or nil), and the innermost open
-- bracket with the name of the function whose argument it stands in.
local function scan(text)
  local open, quote, quote_start = {}, nil, nil
  local place = 1
  while place <= #text do
    local c = text:sub(place, place)
    if quote then
      if c == "\\" then
        place = place + 1
      elseif c == quote then
        quote = nil
      end
    elseif c == '"' or c == "'" then
      quote, quote_start = c, place
    elseif c:find "[({%[]" then
      local name = text:sub(1, place - 1):match "([%a_][%w_%.:]*)%s*$"
      local outer = open[#open]
      if c == "{" and not name and outer and outer.bracket == "(" then
        name = outer.name
      end
      open[#open + 1] = { bracket = c, name = name }
    elseif c:find "[)}%]]" then
      open[#open] = nil
    end
    place = place + 1
  end
  return quote and quote_start, open[#open]
end

-- Adds a name that begins with the prefix, once.
local function offer(list, seen, name, prefix)
  local hidden <const> = prefix == "" and name:sub(1, 1) == "_"
  if name:sub(1, #prefix) == prefix and not seen[name] and not hidden then
    seen[name] = true
    list[#list + 1] = name
  end
end

local function is_name(key)
  return type(key) == "string" and key:find "^[%a_][%w_]*$" ~= nil
end

local function index(value, key)
  local ok, found = pcall(function() return value[key] end)
  return ok and found or nil
end

-- Calls visit(name, value or nil) for each field of a value: its own, those along the chain of
-- __index, a class's methods behind an __index function, and what is written about its class.
local function each_field(value, visit, depth)
  if type(value) == "table" then
    for key, field in next, value do
      if is_name(key) then
        visit(key, field)
      end
    end
  end
  local meta = debug.getmetatable(value)
  if type(meta) ~= "table" or depth > 8 then
    return
  end
  for _, name in ipairs(meta.__names or {}) do
    visit(name)
  end
  for _, key in ipairs { "__index", "__methods" } do
    local behind = rawget(meta, key)
    if type(behind) == "table" and behind ~= value then
      each_field(behind, visit, depth + 1)
    end
  end
  if type(meta.__name) == "string" then
    for _, member in ipairs(help.members(meta.__name)) do
      visit(member.name, member.method and print or nil)
    end
  end
end

local function fields(value, prefix, only_callable)
  local list, seen = {}, {}
  each_field(value, function(name, field)
    local meta = debug.getmetatable(field)
    local callable = type(field) == "function" or (type(meta) == "table" and meta.__call)
    if callable or not only_callable then
      offer(list, seen, name, prefix)
    end
  end, 0)
  return list
end

local function files(prefix)
  local folder, start = prefix:match "^(.*/)(.*)$"
  local list = {}
  for _, name in ipairs(system.list(folder or ".") or {}) do
    if name:sub(1, #(start or prefix)) == (start or prefix) then
      local path = (folder or "") .. name
      list[#list + 1] = system.kind(path) == "folder" and path .. "/" or path
    end
  end
  return list
end

local function names(env, prefix)
  local list, seen = {}, {}
  for _, word in ipairs(prefix ~= "" and keywords or {}) do
    offer(list, seen, word, prefix)
  end
  each_field(env, function(name) offer(list, seen, name, prefix) end, 0)
  return list
end

local function chain(env, text)
  local base, separator, prefix = text:match "^(.*)([%.:])([%w_]*)$"
  local value = env
  for name in base:gmatch "[^%.:]+" do
    value = index(value, name)
    if value == nil then
      return #text - #prefix + 1, {}
    end
  end
  return #text - #prefix + 1, fields(value, prefix, separator == ":")
end

-- Gets what may stand in place of the end of `text` (a line up to the cursor), from which place on,
-- and the sorted list of candidates. env: the table of globals.
function complete.line(text, env)
  local question = text:match "^%s*%?%s*()"
  if question then
    local list, seen = {}, {}
    for _, name in ipairs(help.names()) do
      offer(list, seen, name, text:sub(question))
    end
    return question, list
  end
  local quote, bracket = scan(text)
  local start, list
  if quote then
    start, list = quote + 1, files(text:sub(quote + 1))
  else
    local word = text:match "[%a_][%w_%.:]*$" or ""
    if text:sub(1, #text - #word):find "[%w_%.:%)%]\"']$" then
      return #text + 1, {} -- the value before is not known without running it
    end
    start = #text - #word + 1
    if word:find "[%.:]" then
      local offset
      offset, list = chain(env, word)
      start = start + offset - 1
    else
      local in_options = bracket and bracket.bracket == "{" and bracket.name
        and text:sub(1, start - 1):find "[{,]%s*$"
      list = {}
      for _, name in ipairs(in_options and help.options(bracket.name) or {}) do
        if name:sub(1, #word) == word then
          list[#list + 1] = name .. " = "
        end
      end
      if #list == 0 then
        list = names(env, word)
      end
    end
  end
  table.sort(list)
  return start, list
end

return complete
