-- scratch: files and folders that a spec makes and takes away again.
local system = require "hoi.system"

local scratch = {}

-- Makes an empty folder. Gets its path.
function scratch.folder()
  local path = os.tmpname()
  os.remove(path)
  system.make_folder(path)
  return path
end

function scratch.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Writes a file, and the folder it lies in. Gets its path.
function scratch.write(path, text)
  system.make_folder(path:match "^(.*)/")
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path
end

function scratch.copy(from, to)
  return scratch.write(to, scratch.read(from))
end

-- Removes a file, or a folder and all that is in it.
function scratch.remove(path)
  if system.kind(path) == "folder" then
    for _, name in ipairs(system.list(path)) do
      scratch.remove(path .. "/" .. name)
    end
  end
  assert(os.remove(path))
end

return scratch
