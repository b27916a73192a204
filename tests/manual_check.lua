-- manual_check: the manual in a browser without a screen, 375 and 1280 pixels wide: it renders, its
-- console stays empty, it fetches nothing, every described name is there once, every link inside
-- leads somewhere, searching narrows it.
--   hoi tests/manual_check.lua          (cmake --build DIR --target manual_check)
local help <const> = require "hoi.help"
local browser <const> = dofile "tests/browser.lua"
local scratch <const> = dofile "tests/lua/scratch.lua"
local check <const> = browser.check

local SCRIPT <const> = [[
  const field = d.getElementById('search'), ids = all('article').map(a => a.id);
  const type = text => {
    field.value = text;
    field.dispatchEvent(new w.Event('input', { bubbles: true }));
    return all('article').filter(a => a.offsetHeight > 0).map(a => a.id);
  };
  Object.assign(seen, {
    articles: ids.length, different: new Set(ids).size,
    lost: all('a[href^="#"]').map(a => a.getAttribute('href').slice(1))
      .filter(id => !d.getElementById(id)),
    found: type('exif camera'), count: d.getElementById('count').textContent,
    nothing: type('no such words').length,
    shown: type('').length,
  });
]]

local folder <const> = scratch.folder()
require "hoi.manual".page():save(folder .. "/manual.html")
local names <const> = {}
for _, entry in ipairs(help.described().entries) do
  names[entry.name] = true
end
local known = 0
for _ in pairs(names) do
  known = known + 1
end
local ok <const>, message <const> = pcall(function()
  for _, width in ipairs { 375, 1280 } do
    local seen <const>, console <const> = browser.look(folder, "manual.html", width, SCRIPT)
    check(seen, "%d pixels: the page does not render", width)
    check(#console == 0, "%d pixels: the console says %s", width, console[1])
    check(#seen.addresses == 0, "%d pixels: it fetches %s", width, seen.addresses[1])
    check(seen.wide <= seen.screen and seen.outside == 0, "%d pixels: it is wider", width)
    check(seen.different == known and seen.articles >= known, "%d articles, %d of them different,"
      .. " for %d names", seen.articles, seen.different, known)
    check(#seen.lost == 0, "a link leads to #%s, which is not there", seen.lost[1])
    check(#seen.found > 0 and seen.found[1]:find "image", "no article tells of Exif")
    check(seen.count == ("%d of %d"):format(#seen.found, seen.articles), "it counts %s", seen.count)
    check(seen.nothing == 0 and seen.shown == seen.articles, "searching hides wrongly")
  end
end)
scratch.remove(folder)
if not ok then
  error(message, 0)
end
print(("manual_check: %d checks"):format(browser.checks))
