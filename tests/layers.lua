-- layers: who may include whom. Arrows go down only: scripts > lua > core > opencl. core/error.h
-- and core/embedded.h are the ground all stand on. A plugin knows core/plugin.h alone.
local system <const> = require "hoi.system"

local ground <const> = { ["core/error.h"] = true, ["core/embedded.h"] = true }

-- What a room may include: folders of ours, headers of others (by pattern), and single headers.
local rooms <const> = {
  opencl = { folders = { "opencl" }, others = { "^CL/" } },
  core = {
    folders = { "core", "opencl" },
    others = { "^cjson/", "^stb", "^utf8proc", "^cairo", "^chafa", "^zip%.h", "^zlib%.h",
      "^lapacke" },
  },
  lua = {
    folders = { "lua", "core" },
    headers = { ["bindings.h"] = true, ["opencl/device.h"] = true }, -- the first is made by CMake
    others = { "^lua", "^lauxlib", "^cjson/", "^histedit" },
  },
  plugins = { folders = {}, headers = { ["core/plugin.h"] = true }, others = { "." } },
}

-- Headers that belong to one room.
local owned <const> = { "^CL/", "^lua", "^lauxlib", "^lualib", "^cjson/", "^stb", "^utf8proc",
  "^cairo", "^chafa", "^histedit", "^zip%.h", "^zlib%.h", "^lapacke" }

local function any(patterns, text)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then
      return true
    end
  end
  return false
end

local function allowed(room, header, is_ours)
  if not is_ours then
    return not any(owned, header) or any(room.others, header)
  end
  if ground[header] and room ~= rooms.plugins or room.headers and room.headers[header] then
    return true
  end
  local folder = header:match "^([^/]+)/"
  for _, each in ipairs(room.folders) do
    if folder == each then
      return true
    end
  end
  return false
end

local problems, files, lines = {}, 0, 0

local function check(room, path)
  files = files + 1
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    local open, header = line:match '^%s*#%s*include%s*([<"])([^>"]+)[>"]'
    if header then
      lines = lines + 1
      if not allowed(room, header, open == '"') then
        problems[#problems + 1] = ("%s:%d: may not include %s"):format(path, number, header)
      end
    end
  end
end

local function walk(room, folder)
  for _, name in ipairs(assert(system.list(folder))) do
    local path = folder .. "/" .. name
    if system.kind(path) == "folder" then
      walk(room, path)
    elseif name:find "%.[ch]$" or name:find "%.cpp$" then
      check(room, path)
    end
  end
end

-- Lua is of lua/ and above: below, no file but C and kernels.
local function without_lua(folder)
  for _, name in ipairs(assert(system.list(folder))) do
    if name:find "%.lua$" then
      problems[#problems + 1] = ("%s/%s: no Lua below lua/"):format(folder, name)
    end
  end
end

for folder, room in pairs(rooms) do
  walk(room, folder)
end
without_lua "core"
without_lua "opencl"

table.sort(problems)
for _, problem in ipairs(problems) do
  io.stderr:write(problem, "\n")
end
print(("layers: %d files, %d includes, %d wrong"):format(files, lines, #problems))
os.exit(#problems == 0 and lines > 0)
