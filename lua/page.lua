-- page: web pages in one file: what they show and how lies inside, nothing is fetched. Pictures are
-- JPEGs of bounded size; the style (page.css) follows the reader's light or dark setting and fits a
-- phone.
local embedded <const> = require "hoi.embedded"
local json <const> = require "hoi.json"
local options <const> = require "hoi.options"

local page <const> = {}

local Page <const> = { __name = "hoi.Page" }
Page.__index = Page

---------------------------------------------------------------------------- pieces

local entities <const> = {
  ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;",
}

-- Gets a text as it stands between tags or in a quoted attribute.
function page.escape(text)
  return (tostring(text):gsub("[&<>\"']", entities))
end

local DIGITS <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local pairs_of_digits <const> = {} -- of 12 bits

for value = 0, 4095 do
  local high <const>, low <const> = value >> 6, value & 63
  pairs_of_digits[value] = DIGITS:sub(high + 1, high + 1) .. DIGITS:sub(low + 1, low + 1)
end

function page.base64(bytes)
  local out <const> = {}
  for place = 1, #bytes - 2, 3 do
    local a <const>, b <const>, c <const> = bytes:byte(place, place + 2)
    local value <const> = a << 16 | b << 8 | c
    out[#out + 1] = pairs_of_digits[value >> 12]
    out[#out + 1] = pairs_of_digits[value & 4095]
  end
  local left <const> = #bytes % 3
  if left > 0 then
    local a <const>, b <const> = bytes:byte(-left, -1)
    local value <const> = a << 16 | (b or 0) << 8
    out[#out + 1] = pairs_of_digits[value >> 12]
    out[#out + 1] = (pairs_of_digits[value & 4095]):sub(1, left - 1) .. ("="):rep(3 - left)
  end
  return table.concat(out)
end

-- Gets the picture, no longer than `side` pixels, as an address that holds it.
function page.address(image, given)
  local o <const> = options(given, { side = 960, quality = 82 })
  local share <const> = math.min(1, o.side / math.max(image.width, image.height))
  local function encoded(small)
    return "data:image/jpeg;base64," .. page.base64(small:encode("jpeg", { quality = o.quality }))
  end
  if share == 1 then
    return encoded(image)
  end
  local small <close> = image:resize(math.max(1, math.floor(image.width * share + 0.5)),
    math.max(1, math.floor(image.height * share + 0.5)))
  return encoded(small)
end

-- Gets a value as JSON that may stand in a page: read with JSON.parse(element.textContent).
function page.island(id, value)
  local text <const> = type(value) == "string" and value or json.encode(value)
  return ('<script type="application/json" id="%s">%s</script>'):format(page.escape(id),
    (text:gsub("<", "\\u003c")))
end

-- Gets the attributes { name = value } as they stand in a tag, in the order of their names.
local function attributes_text(attributes)
  local names <const>, out <const> = {}, {}
  for name in pairs(attributes or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    out[i] = (' %s="%s"'):format(name, page.escape(attributes[name]))
  end
  return table.concat(out)
end

-- Gets a box of a picture as an element over it; its label shows when it is pointed at or tapped.
local function box_text(box, width, height)
  local function percent(value, whole)
    return ("%.3f%%"):format(100 * math.max(0, math.min(1, value / whole)))
  end
  local x1 <const>, y1 <const>, x2 <const>, y2 <const> = table.unpack(box.box)
  local classes <const> = { "box", box.class }
  if x1 > 0.6 * width then -- its label ends where the box does: it would leave the picture
    classes[#classes + 1] = "late"
  end
  local label = box.label and page.escape(box.label)
  if box.score then
    label = ("%s%s"):format(label and label .. " " or "", ("%.2f"):format(box.score))
  end
  return ('<i class="%s" tabindex="0"%s style="left:%s;top:%s;right:%s;bottom:%s">%s</i>')
    :format(page.escape(table.concat(classes, " ")), attributes_text(box.attributes),
      percent(x1, width), percent(y1, height), percent(width - x2, width),
      percent(height - y2, height), label and "<b>" .. label .. "</b>" or "")
end

-- Gets a figure: the picture, boxes over it, a caption (HTML) below it.
function page.figure(image, given)
  local o <const> = options(given, {
    side = 960, quality = 82, boxes = {}, caption = false, alt = "", class = false,
    attributes = false, inside = "",
  })
  local boxes <const>, out <const> = table.move(o.boxes, 1, #o.boxes, 1, {}), {}
  local function area(box)
    local b <const> = box.box
    return (b[3] - b[1]) * (b[4] - b[2])
  end
  table.sort(boxes, function(a, b) -- small ones on top: all can be pointed at
    return area(a) > area(b)
  end)
  for i, box in ipairs(boxes) do
    out[i] = box_text(box, image.width, image.height)
  end
  return ('<figure%s%s><div class="picture"><img width="%d" height="%d" alt="%s" src="%s">%s%s'
    .. '</div>%s</figure>'):format(o.class and (' class="%s"'):format(page.escape(o.class)) or "",
    attributes_text(o.attributes or nil), image.width, image.height, page.escape(o.alt),
    page.address(image, { side = o.side, quality = o.quality }), table.concat(out), o.inside,
    o.caption and "<figcaption>" .. o.caption .. "</figcaption>" or "")
end

-- Gets a table: rows of texts and numbers; head: the names of its columns. A cell that is a number
-- stands on the right, as does the name above a column that begins with one.
function page.table(rows, given)
  local o <const> = options(given, { head = false, digits = 1 })
  local out <const> = {}
  local function row_text(row, tag, numeric)
    local cells <const> = {}
    for i, cell in ipairs(row) do
      local number <const> = math.type(cell)
      local text <const> = number == "float" and ("%." .. o.digits .. "f"):format(cell)
        or page.escape(cell)
      cells[i] = ("<%s%s>%s</%s>"):format(tag,
        (number or numeric and numeric[i]) and ' class="number"' or "", text, tag)
    end
    return "<tr>" .. table.concat(cells) .. "</tr>"
  end
  if o.head then
    local numeric <const> = {}
    for i, cell in ipairs(rows[1] or {}) do
      numeric[i] = type(cell) == "number"
    end
    out[1] = "<thead>" .. row_text(o.head, "th", numeric) .. "</thead>"
  end
  out[#out + 1] = "<tbody>"
  for _, row in ipairs(rows) do
    out[#out + 1] = row_text(row, "td")
  end
  out[#out + 1] = "</tbody>"
  return '<div class="wide"><table>' .. table.concat(out) .. "</table></div>"
end

---------------------------------------------------------------------------- a page

-- new { title = text }: an empty page, with its title as a heading.
function page.new(given)
  local o <const> = options(given, { title = "hoi" })
  return setmetatable({ title = o.title, body = {}, styles = { embedded.read "lua/page.css" },
    scripts = {} }, Page)
end

-- Adds HTML as it is; texts in it have gone through page.escape.
function Page:add(html)
  self.body[#self.body + 1] = html
  return self
end

-- Adds a figure: see page.figure.
function Page:picture(image, given)
  return self:add(page.figure(image, given))
end

-- Adds a table: see page.table.
function Page:table(rows, given)
  return self:add(page.table(rows, given))
end

-- Adds data that the page's scripts read: see page.island.
function Page:data(id, value)
  return self:add(page.island(id, value))
end

-- Adds style sheets and scripts, each once.
function Page:style(css)
  self.styles[#self.styles + 1] = css
  return self
end

function Page:script(text)
  self.scripts[#self.scripts + 1] = text
  return self
end

-- The page may use what it holds and nothing else, which the browser sees to.
local HEAD <const> = [[
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; ]]
  .. [[style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>%s</title>
<style>
%s</style>
<main>
<h1>%s</h1>
%s
</main>
]]

-- Gets the whole text of the page.
function Page:html()
  local title <const> = page.escape(self.title)
  local text <const> = HEAD:format(title, table.concat(self.styles, "\n"), title,
    table.concat(self.body, "\n"))
  if #self.scripts == 0 then
    return text
  end
  return ("%s<script>\n%s</script>\n"):format(text, table.concat(self.scripts, "\n"))
end

-- Writes the page; the file is the old or the new one, never half of it.
function Page:save(path)
  local part <const> = path .. ".part"
  local file <const> = assert(io.open(part, "wb"))
  local ok, message = file:write(self:html())
  local closed <const>, problem <const> = file:close()
  if ok and closed then
    ok, message = os.rename(part, path)
  else
    message = message or problem
    os.remove(part)
  end
  if not (ok and closed) then
    error(("page: %s: %s"):format(path, message), 2)
  end
end

function Page:__tostring()
  return ("Page '%s', %d pieces"):format(self.title, #self.body)
end

return page
