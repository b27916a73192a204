-- browser: a chromium without a screen, for the checks of pages: what a page saw of another page in
-- a frame, and what its console said. Without one the check ends.
local json <const> = require "hoi.json"

local browser <const> = { checks = 0 }
local name_of_check <const> = arg[0]:match "([%w_]+)%.lua$"

local function output_of(command)
  local pipe <const> = assert(io.popen(command))
  local text <const> = pipe:read "a"
  pipe:close()
  return text
end

-- A word for the shell.
function browser.quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local quoted <const> = browser.quoted

local program
for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
  program = program or output_of("command -v " .. name):match "%S+"
end
if not program then
  io.stderr:write(name_of_check, ": no chromium here: apt install chromium\n")
  os.exit(1)
end

-- Counts what holds, and ends the check at what does not.
function browser.check(ok, text, ...)
  browser.checks = browser.checks + 1
  if not ok then
    error(("%s: " .. text):format(name_of_check, ...), 0)
  end
end

-- A page that holds the one to be looked at in a frame, tries it, and writes down what it saw.
local LOOK <const> = [[
<!doctype html><meta charset="utf-8">
<iframe id="frame" src="%s" style="border:0;width:%dpx;height:800px"></iframe>
<pre id="seen"></pre>
<script>
const frame = document.getElementById('frame');
frame.onload = () => {
  const d = frame.contentDocument, w = frame.contentWindow, all = s => [...d.querySelectorAll(s)];
  const root = d.scrollingElement;
  const seen = {
    title: d.title, wide: root.scrollWidth, screen: root.clientWidth, high: root.scrollHeight,
    outside: all('main *').filter(e => !e.closest('svg') && !e.closest('.box')
      && !e.closest('.wide') && e.getBoundingClientRect().right > root.clientWidth + 0.5).length,
    addresses: all('[src],[href]').map(e => e.getAttribute('src') || e.getAttribute('href'))
      .filter(a => !a.startsWith('data:') && !a.startsWith('#')),
  };
%s
  document.getElementById('seen').textContent = JSON.stringify(seen);
};
</script>]]

local entities <const> = { amp = "&", lt = "<", gt = ">", quot = '"', nbsp = "\u{a0}" }

-- Gets what a page looks like at a width (nil: it did not render), and the lines of its console.
-- script: what else is written into `seen`.
function browser.look(folder, name, width, script)
  local file <const> = assert(io.open(folder .. "/look.html", "wb"))
  assert(file:write(LOOK:format(name, width, script)))
  file:close()
  local command <const> = ("%s --headless --no-sandbox --disable-gpu --no-first-run"
    .. " --hide-scrollbars --disable-background-networking --disable-component-update"
    .. " --allow-file-access-from-files"
    .. " --enable-logging=stderr --virtual-time-budget=20000 --user-data-dir=%s"
    .. " --window-size=%d,900 --dump-dom %s 2>%s"):format(program, quoted(folder .. "/profile"),
    math.max(width + 40, 500), quoted("file://" .. folder .. "/look.html"),
    quoted(folder .. "/log"))
  local dom <const>, console <const> = output_of(command), {}
  for line in io.lines(folder .. "/log") do
    if line:find ":CONSOLE" then
      console[#console + 1] = line
    end
  end
  local text <const> = dom:match '<pre id="seen">(.-)</pre>' or ""
  return text ~= "" and json.decode((text:gsub("&(%a+);", entities))) or nil, console
end

return browser
