-- manual: lua/types.lua, the one description of the public names, as a page to read and search.
local embedded <const> = require "hoi.embedded"
local help <const> = require "hoi.help"
local page <const> = require "hoi.page"

local manual <const> = {}

local escape <const> = page.escape

-- Gets the place of a name in the page.
local function anchor(name)
  return (name:gsub(":", "."))
end

-- Gets a type: the classes in it lead to where they are described.
local function type_text(kind, classes)
  return (escape(kind):gsub("hoi%.[%w_%.]+", function(name)
    return classes[name] and ('<a href="#%s">%s</a>'):format(anchor(name), name)
  end))
end

-- Gets a text: what stands between backticks is code, and a link where it names an entry.
local function prose(text, known)
  return (escape(text):gsub("`([^`]+)`", function(code)
    local name <const> = code:match "^[%w_%.:]+"
    if name and known[name] then
      return ('<a href="#%s"><code>%s</code></a>'):format(anchor(name), code)
    end
    return "<code>" .. code .. "</code>"
  end))
end

-- Gets the rows { name, type, text } as a table with a title.
local function rows_text(title, rows, world)
  if #rows == 0 then
    return ""
  end
  local out <const> = {}
  for i, row in ipairs(rows) do
    out[i] = ("<tr><td><code>%s</code></td><td><code>%s</code></td><td>%s</td></tr>"):format(
      escape(row[1]), type_text(row[2], world.classes), prose(row[3], world.known))
  end
  return ('<h4>%s</h4><div class="wide"><table>%s</table></div>'):format(title, table.concat(out))
end

local function named(list, rows)
  for _, each in ipairs(list) do
    rows[#rows + 1] = { each.name .. (each.optional and "?" or ""), each.type or "", each.text }
  end
  return rows
end

-- Gets what an entry takes: its parameters, and the options that one of them holds.
local function split_parameters(entry)
  local taken, held = {}, {}
  for _, param in ipairs(entry.params) do
    local members <const> = help.option_members(param)
    named(members, held)
    named({ { name = param.name, optional = param.optional, text = param.text,
      type = #members > 0 and "table" or param.type } }, taken)
  end
  return taken, held
end

local function entry_text(entry, world)
  local taken <const>, held <const> = split_parameters(entry)
  local got <const> = {}
  for _, each in ipairs(entry.returns) do
    got[#got + 1] = { "", each.type, each.text }
  end
  return ('<article id="%s"><h3><a href="#%s"><code>%s</code></a></h3><p>%s</p>%s%s%s%s</article>')
    :format(escape(anchor(entry.name)), escape(anchor(entry.name)),
      escape(entry.signature or entry.name), prose(table.concat(entry.text, " "), world.known),
      rows_text("takes", taken, world), rows_text("options", held, world),
      rows_text("gets", got, world), rows_text("fields", named(entry.fields, {}), world))
end

-- Gets the page; every entry of the description is an article of it.
function manual.page()
  local described <const> = help.described()
  local known <const> = {}
  for _, entry in ipairs(described.entries) do
    known[entry.name] = true
  end
  local world <const> = { known = known, classes = described.classes }
  local out <const>, sections <const> = {}, {}
  for _, entry in ipairs(described.entries) do
    local title <const> = entry.section or "more"
    local section = sections[title]
    if not section then
      section = { title = title, articles = {}, links = {} }
      sections[title], sections[#sections + 1] = section, section
    end
    table.insert(section.articles, entry_text(entry, world))
    table.insert(section.links, ('<a href="#%s">%s</a>'):format(escape(anchor(entry.name)),
      escape(entry.name)))
  end
  for _, section in ipairs(sections) do
    out[#out + 1] = ("<section><h2>%s</h2><details><summary>%d names</summary><nav>%s</nav>"
      .. "</details>%s</section>"):format(escape(section.title), #section.links,
      table.concat(section.links, " "), table.concat(section.articles, "\n"))
  end
  return page.new { title = ("hoi %s: manual"):format(require "hoi.system".version) }
    :style(embedded.read "lua/manual.css"):script(embedded.read "lua/manual.js")
    :add('<p class="search"><input id="search" type="search" autocomplete="off" '
      .. 'placeholder="Search: a name, or words" aria-label="Search"> <span id="count"></span></p>')
    :add(table.concat(out, "\n"))
end

return manual
