-- help: what lua/types.lua, the one description of the public names, says about a name.
local embedded <const> = require "hoi.embedded"

local help <const> = {}

---------------------------------------------------------------------------- reading the description

-- Gets the depth of brackets after the letter.
local function deepen(depth, letter)
  if letter:find "[%[{(<]" then
    return depth + 1
  end
  return letter:find "[%]})>]" and depth - 1 or depth
end

-- Splits "type and the text": the type may hold spaces in brackets, beside "|" and after ":".
local function split_type(rest)
  local depth = 0
  for place = 1, #rest do
    local letter = rest:sub(place, place)
    depth = deepen(depth, letter)
    local inside = depth > 0 or rest:sub(1, place):find "[|:]%s*$" or rest:find("^%s*|", place)
    if letter == " " and not inside then
      return rest:sub(1, place - 1), (rest:sub(place):gsub("^%s*#?%s*", ""))
    end
  end
  return rest, ""
end

-- Reads "name? type text" of @param and @field.
local function read_named(rest)
  local name, optional, more = rest:match "^([%w_%.]+)(%??)%s*(.*)$"
  local kind, text = split_type(more or "")
  return { name = name or rest, optional = optional == "?", type = kind, text = text }
end

-- Reads the members of a table type: "{ size?: integer, seed?: integer }".
local function read_members(kind)
  local members, depth, start = {}, 0, 2
  for place = 1, kind:find "^{" and #kind or 0 do
    local letter = kind:sub(place, place)
    depth = deepen(depth, letter)
    if (letter == "," and depth == 1) or (letter == "}" and depth == 0) then
      local member = kind:sub(start, place - 1)
      local name, optional, rest = member:match "^%s*([%w_]+)(%??)%s*:%s*(.-)%s*$"
      if name then
        members[#members + 1] = { name = name, optional = optional == "?", type = rest, text = "" }
      end
      start = place + 1
    end
  end
  return members
end

-- Adds one comment line to the entry being read.
local function read_comment(entry, line)
  local tag, rest = line:match "^@([%w]+)%s*(.*)$"
  if not tag then
    local last = entry.last
    if last then
      last.text = (last.text .. " " .. line:gsub("^%s+", "")):gsub("^%s+", "")
    else
      entry.text[#entry.text + 1] = line
    end
  elseif tag == "param" or tag == "field" then
    entry.last = read_named(rest)
    table.insert(tag == "param" and entry.params or entry.fields, entry.last)
  elseif tag == "return" then
    local kind, text = split_type(rest)
    entry.last = { type = kind, text = text }
    table.insert(entry.returns, entry.last)
  elseif tag == "overload" then -- what calling the table takes: fun(path: string): hoi.Image
    local arguments = rest:match "^fun(%b())" or "()"
    table.move(read_members("{" .. arguments:sub(2, -2) .. "}"), 1, 9, 1, entry.params)
    entry.last = { text = "" }
  elseif tag == "class" then
    entry.class = rest:gsub("^%(%a+%)%s*", ""):match "^[%w_%.]+"
  else
    entry.last = { text = "" } -- a tag that only editors need, and what continues it
  end
end

-- Reads a description: { list of entries, classes by name }. An entry is a function, a class or a
-- described table; it knows the section it stands in.
function help.parse(description)
  local entries, classes, class_of_local = {}, {}, {}
  local section
  local function new_entry()
    return { text = {}, params = {}, fields = {}, returns = {}, section = section }
  end
  local entry = new_entry()
  local function finish_class()
    if entry.class then
      entry.name, entry.kind = entry.class, "class"
      entries[#entries + 1], classes[entry.class] = entry, entry
    end
  end
  for line in (description .. "\n"):gmatch "([^\n]*)\n" do
    local comment = line:match "^%s*%-%-%-%s?(.*)$"
    local owner, dot, method, arguments =
      line:match "^function%s+([%w_%.]-)([%.:]?)([%w_]+)%s*(%b())"
    local name = line:match "^local%s+([%w_]+)%s*=" or line:match "^([%w_%.]+)%s*="
    local title = line:match "^%-%-%-%-%-+%s+(.+)$"
    if title then
      section = title
      entry = new_entry()
    elseif comment then
      read_comment(entry, comment)
    else
      if method then
        local full = class_of_local[owner] or owner
        entry.kind, entry.owner, entry.method = "function", full, method
        entry.name = full .. dot .. method
        entry.signature = entry.name .. arguments
        entries[#entries + 1] = entry
      elseif name and entry.class then
        class_of_local[name] = entry.class
        entry.variable = name
        finish_class()
      elseif name and (#entry.text > 0 or #entry.fields > 0) then
        entry.name, entry.kind = name, "value"
        entries[#entries + 1] = entry
      else
        finish_class()
      end
      entry = new_entry()
    end
  end
  finish_class()
  return { entries = entries, classes = classes }
end

local description

-- Gets lua/types.lua as help.parse reads it.
function help.described()
  description = description or help.parse(embedded.read "lua/types.lua" or "")
  return description
end

local described <const> = help.described

---------------------------------------------------------------------------- asking

-- Gets the last part of a name: "save" of "hoi.Image:save".
local function last_part(name)
  return name:match "([^%.:]+)$"
end

-- Gets the entries that a query may mean: the exact name, with or without "hoi.", else all that end
-- with it.
function help.find(query)
  local wanted <const> = query:gsub("%s+", ""):gsub("%(.*", "")
  local exact, ending = {}, {}
  for _, entry in ipairs(described().entries) do
    local name = entry.name
    local short = name:gsub("^hoi%.", "")
    if name == wanted or short == wanted or short:gsub(":", ".") == wanted then
      exact[#exact + 1] = entry
    elseif last_part(name) == wanted then
      ending[#ending + 1] = entry
    end
  end
  return #exact > 0 and exact or ending
end

-- Gets the members of a class: its described fields, and its methods. { {name=, method=true or nil,
-- entry=}... }
function help.members(class)
  local members = {}
  local entry = described().classes[class]
  for _, field in ipairs(entry and entry.fields or {}) do
    members[#members + 1] = { name = field.name }
  end
  for _, each in ipairs(described().entries) do
    if each.kind == "function" and each.owner == class then
      members[#members + 1] = { name = each.method, method = true }
    end
  end
  return members
end

-- Gets the options that a parameter holds: the members of its type (written out, or a class) when
-- it is called `options`, or when the type is a table written out.
function help.option_members(param)
  local members = read_members(param.type)
  if #members == 0 and param.name == "options" then
    local class = described().classes[param.type:gsub("%?$", "")]
    members = class and class.fields or members
  end
  return members
end

-- Gets the option names of a function by its name as written ("hoi.pairs", "data:batches"): those
-- of its parameter `options`, or of a parameter whose type is a table written out.
function help.options(name)
  local names, seen = {}, {}
  local found = help.find(name)
  if #found == 0 then -- of what is called by a variable, only the method's name tells
    found = help.find(name:match ":([%w_]+)$" or "")
  end
  for _, entry in ipairs(found) do
    for _, param in ipairs(entry.params) do
      for _, member in ipairs(help.option_members(param)) do
        if not seen[member.name] then
          seen[member.name] = true
          names[#names + 1] = member.name
        end
      end
    end
  end
  table.sort(names)
  return names
end

-- Gets all described names, for completion after "?".
function help.names()
  local names = {}
  for _, entry in ipairs(described().entries) do
    names[#names + 1] = entry.name
  end
  table.sort(names)
  return names
end

---------------------------------------------------------------------------- printing

local WIDTH <const> = 96

-- Adds a text behind what stands on the last line, in lines of bounded width, the further ones
-- indented by `indent`.
local function add_wrapped(lines, text, indent)
  for word in text:gmatch "%S+" do
    local line = lines[#lines]
    if #line + #word >= WIDTH and #line > indent then
      lines[#lines + 1] = (" "):rep(indent) .. word
    else
      lines[#lines] = line .. (line:find "%s$" and "" or " ") .. word
    end
  end
end

local function add_rows(lines, title, rows)
  if #rows == 0 then
    return
  end
  lines[#lines + 1] = title
  local width = 0
  for _, row in ipairs(rows) do
    width = math.max(width, math.min(#row[1], 28))
  end
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("    %-" .. width .. "s  "):format(row[1])
    add_wrapped(lines, row[2], width + 6)
    lines[#lines] = lines[#lines]:gsub("%s+$", "")
  end
end

-- Gets the first sentence, or as much of it as fits on a line.
local function summary(entry)
  local text = table.concat(entry.text, " ")
  local sentence = text:match "^(.-)[%.:;]%s" or text:gsub("%.$", "")
  return #sentence <= 72 and sentence or sentence:sub(1, 69):gsub("%s+%S*$", "") .. " ..."
end

local function named_row(each)
  return { each.name .. (each.optional and "?" or ""), (each.type .. "  " .. each.text) }
end

local function entry_text(entry)
  local lines = { entry.signature or entry.name }
  for _, line in ipairs(entry.text) do
    lines[#lines + 1] = "  " .. line
  end
  local params, options, returns, fields, methods = {}, {}, {}, {}, {}
  for _, param in ipairs(entry.params) do
    local members = help.option_members(param)
    local row = named_row(param)
    params[#params + 1] = #members > 0 and { row[1], param.text } or row
    for _, member in ipairs(members) do
      options[#options + 1] = named_row(member)
    end
  end
  for _, each in ipairs(entry.returns) do
    returns[#returns + 1] = { each.type, each.text }
  end
  for _, field in ipairs(entry.fields) do
    fields[#fields + 1] = named_row(field)
  end
  if entry.kind == "class" then
    for _, each in ipairs(described().entries) do
      if each.kind == "function" and each.owner == entry.class then
        local short = each.signature:match "[%.:]([^%.:]+%(.*)$" or each.method
        methods[#methods + 1] = { short, summary(each) }
      end
    end
  end
  add_rows(lines, "  takes", params)
  add_rows(lines, "  options", options)
  add_rows(lines, "  gets", returns)
  add_rows(lines, "  fields", fields)
  add_rows(lines, "  methods", methods)
  return table.concat(lines, "\n")
end

-- Gets the help for a query; "" gets the list of hoi's functions. Also true when it was found.
function help.text(query)
  if query == "" then
    local rows = {}
    for _, entry in ipairs(described().entries) do
      if entry.name:find "^hoi%.%l[^%.:]*$" then -- classes begin with a capital letter
        rows[#rows + 1] = { entry.name, summary(entry) }
      end
    end
    table.sort(rows, function(a, b) return a[1] < b[1] end)
    local lines = {}
    add_rows(lines, "?name explains a name (?hoi.image, ?Tensor:matmul). What hoi has:", rows)
    return table.concat(lines, "\n"), true
  end
  local found = help.find(query)
  if #found == 0 then
    local similar = {}
    for _, name in ipairs(help.names()) do
      if name:lower():find(query:lower(), 1, true) then
        similar[#similar + 1] = name
      end
    end
    local some = table.concat(similar, ", ", 1, math.min(8, #similar))
    local hint = some ~= "" and "; perhaps " .. some or ""
    return ("nothing is written about '%s'%s"):format(query, hint), false
  end
  local texts = {}
  for _, entry in ipairs(found) do
    texts[#texts + 1] = entry_text(entry)
  end
  return table.concat(texts, "\n\n"), true
end

return help
