-- show: values as the REPL prints them: nested tables, sorted and bounded; objects that show
-- themselves (__show).
local show <const> = {}

local LINE <const> = 88 -- a table is written on one line up to so many characters
local ENTRIES <const> = 24 -- so many of a table are shown
local DEPTH <const> = 6

local keywords <const> = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch "%a+" do
  keywords[word] = true
end

local function narrowed(value)
  return (string.unpack("f", string.pack("f", value)))
end

-- Gets the shortest digits that give the same number; a number that came from 32 bits (a score of a
-- tensor, say) is judged as such: 0.9, not 0.89999997615814.
local function number(value)
  if math.type(value) == "integer" or value - value ~= 0 then
    return tostring(value)
  end
  local narrow <const> = math.abs(value) < 3e38 and narrowed(value) == value
  for digits = 1, 17 do
    local text = ("%." .. digits .. "g"):format(value)
    local back = tonumber(text)
    if back == value or (narrow and narrowed(back) == value) then
      return text:find "[.en]" and text or text .. ".0"
    end
  end
end

local escapes <const> = {
  ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\",
}

local function quoted(text)
  local escaped = text:gsub('[%c"\\]', function(c)
    return escapes[c] or ("\\%d"):format(c:byte())
  end)
  return '"' .. escaped .. '"'
end

local ranks <const> = { number = "0", string = "1" }

-- Orders keys of any types: numbers by value, then names by the alphabet, then the rest.
local function before(a, b)
  local x, y = type(a), type(b)
  if x == y and (x == "number" or x == "string") then
    return a < b
  elseif x == y then
    return tostring(a) < tostring(b)
  end
  return (ranks[x] or x) < (ranks[y] or y)
end

local value_text

-- Gets the texts of a table's entries, list part first, and how many were left out.
local function entries(t, indent, above)
  local texts, left = {}, 0
  local length = rawlen(t)
  for i = 1, length do
    if #texts < ENTRIES then
      texts[#texts + 1] = value_text(rawget(t, i), indent, above)
    else
      left = left + 1
    end
  end
  local keys = {}
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= length) then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, before)
  for i, key in ipairs(keys) do
    if #texts >= ENTRIES + (length > 0 and ENTRIES or 0) then
      left = left + #keys - i + 1
      break
    end
    local plain = type(key) == "string" and key:match "^[%a_][%w_]*$" and not keywords[key]
    local name = plain and key or "[" .. value_text(key, indent, above) .. "]"
    texts[#texts + 1] = name .. " = " .. value_text(t[key], indent, above)
  end
  return texts, left
end

local function table_text(t, indent, above)
  if above[t] then
    return "<itself>"
  end
  if above.depth >= DEPTH then
    return next(t) == nil and "{}" or "{ ... }"
  end
  above[t], above.depth = true, above.depth + 1
  local inner <const> = indent .. "  "
  local texts, left = entries(t, inner, above)
  above[t], above.depth = nil, above.depth - 1
  if #texts == 0 then
    return "{}"
  end
  if left > 0 then
    texts[#texts + 1] = ("... %d more"):format(left)
  end
  local line = "{ " .. table.concat(texts, ", ") .. " }"
  if #line + #indent <= LINE and not line:find("\n", 1, true) then
    return line
  end
  return "{\n" .. inner .. table.concat(texts, ",\n" .. inner) .. "\n" .. indent .. "}"
end

function value_text(value, indent, above)
  local kind <const> = type(value)
  if kind == "number" then
    return number(value)
  elseif kind == "string" then
    return quoted(value)
  elseif kind == "table" then
    local meta = getmetatable(value)
    if type(meta) ~= "table" or not (meta.__tostring or meta.__name) then
      return table_text(value, indent, above)
    end
  end
  return tostring(value)
end

-- Gets the text of a value as the REPL prints it. A string stands as it is, an object whose
-- metatable has __show is shown by that.
function show.value(value)
  if type(value) == "string" then
    return value
  end
  local meta <const> = debug.getmetatable(value)
  if type(meta) == "table" and meta.__show then
    return meta.__show(value)
  end
  return value_text(value, "", { depth = 0 })
end

return show
