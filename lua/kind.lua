-- kind: what methods and classifiers are made of: a file of the program's or of the user's, which
-- returns a table of functions and defaults.
local options <const> = require "hoi.options"

local kind <const> = {}

-- Gets what a file returns: of the program's `room` ("methods") by its name, of the user's by its
-- path. names: those of the room.
function kind.load(room, name, names)
  if name:find "/" or name:find "%.lua$" then
    return assert(loadfile(name))()
  end
  local ok <const>, found <const> = pcall(require, ("hoi.%s.%s"):format(room, name))
  if ok then
    return found
  end
  if not tostring(found):find "^module '.-' not found" then
    error(found, 0)
  end
  local near <const> = options.nearest(name, names)
  error(("no '%s' among the program's %s%s: %s; a file of your own is named by its path, with '/'"
    .. " or .lua in it"):format(name, room, near and (" (did you mean '%s'?)"):format(near) or "",
    table.concat(names, ", ")), 0)
end

-- Gets an object: what its fields have not, its kind has, or `common` for all kinds. describe: its
-- line for tostring.
function kind.object(fields, own, common, class, describe)
  return setmetatable(fields, {
    __index = function(_, key)
      local value <const> = own[key]
      if value ~= nil then
        return value
      end
      return common[key]
    end,
    __name = class,
    __tostring = describe,
  })
end

return kind
