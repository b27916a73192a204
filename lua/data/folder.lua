-- folder: pictures without annotations: those of a folder, sorted by name, or a single one.
local dataset <const> = require "hoi.data.dataset"
local system <const> = require "hoi.system"

return function(path)
  if type(path) ~= "string" then
    error(("data.folder: the path of a folder expected, got %s"):format(type(path)), 2)
  end
  local kind, paths = system.kind(path), {}
  if kind == "folder" then
    local names, message = system.list(path)
    for _, name in ipairs(names or error("data.folder: " .. message, 2)) do
      local file = path:gsub("/+$", "") .. "/" .. name
      if dataset.is_picture(name) and system.kind(file) == "file" then
        paths[#paths + 1] = file
      end
    end
  elseif kind then
    paths[1] = path
  else
    error(("data.folder: %s: there is no such folder"):format(path), 2)
  end
  return dataset.new({ name = path }, #paths, function(i)
    local file <const> = paths[i]
    local name <const> = file:match "[^/]*$"
    return { name = name, path = file, annotations = {} }, function()
      return { path = file, upright = true }
    end
  end)
end
