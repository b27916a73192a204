-- cache: tensors on disk by what they were made of; safe to delete at any time.
local safetensors <const> = require "hoi.safetensors"
local system <const> = require "hoi.system"

local cache <const> = {}

local MOST <const> = 64 -- files; past that the folder is emptied: they are made again in seconds

-- Where everything kept lies.
function cache.folder()
  local base <const> = os.getenv "XDG_CACHE_HOME" or ((os.getenv "HOME" or "/tmp") .. "/.cache")
  return base .. "/hoi"
end

-- FNV-1a, 64 bits, of a text, from a start.
local function fnv(text, hash)
  for i = 1, #text do
    hash = (hash ~ text:byte(i)) * 0x100000001b3
  end
  return hash
end

-- A name of 32 letters for a list of strings; each string's length is part of it.
function cache.key(parts)
  local first, second = 0xcbf29ce484222325, 0x9ae16a3b2f90404f
  for _, part in ipairs(parts) do
    local text <const> = ("%d:%s"):format(#part, part)
    first, second = fnv(text, first), fnv(text, second)
  end
  return ("%016x%016x"):format(first, second)
end

-- Gets the tensor kept under a key, or make(), which is then kept. A file that can not be read is
-- made again; one that can not be written is no failure.
function cache.tensor(key, make)
  local path <const> = ("%s/%s.safetensors"):format(cache.folder(), key)
  if system.kind(path) then
    local ok, x = pcall(function()
      local file <close> = safetensors.open(path)
      return file:tensor "value"
    end)
    if ok then
      return x
    end
  end
  local x <const> = make()
  pcall(function()
    system.make_folder(cache.folder())
    local names <const> = system.list(cache.folder()) or {}
    if #names >= MOST then
      for _, name in ipairs(names) do
        if name:find "%.safetensors$" then
          os.remove(cache.folder() .. "/" .. name)
        end
      end
    end
    safetensors.save(path, { value = x })
  end)
  return x
end

return cache
