-- store: what is expensive to make and small to keep, on disk: one file for each thing, verified
-- when it is read, made again when it is damaged or its key has changed. Safe to delete at any
-- time.
local digest <const> = require "hoi.digest"
local json <const> = require "hoi.json"
local read_options <const> = require "hoi.options"
local records <const> = require "hoi.record"
local system <const> = require "hoi.system"

local Store <const> = { __name = "hoi.Store" }
Store.__index = Store

-- Calls f(path) for every file of a folder and its folders; the folders come after what is in them.
local function walk(folder, f)
  for _, name in ipairs(system.list(folder) or {}) do
    local path <const> = folder .. "/" .. name
    if system.kind(path) == "folder" then
      walk(path, f)
    end
    f(path)
  end
end

-- Bytes of a file; 0 for what is none.
local function size_of(path)
  return system.kind(path) == "file" and tonumber(system.stamp(path):match "^%d+") or 0
end

local function bytes_in(folder)
  local sum = 0
  walk(folder, function(path)
    sum = sum + size_of(path)
  end)
  return sum
end

function Store:path(id)
  return ("%s/%s"):format(self.folder, digest { id })
end

function Store:has(id)
  return system.kind(self:path(id)) == "file"
end

-- Drops what other keys have left in this store's folder.
local function drop_others(self)
  for _, name in ipairs(system.list(self.root) or {}) do
    local folder <const> = self.root .. "/" .. name
    if folder ~= self.folder then
      walk(folder, os.remove)
      os.remove(folder)
    end
  end
end

-- Tells whether so many bytes more may be kept; what other keys left goes first. A full store keeps
-- what it has: who walks through all pictures again and again finds a part of them, where dropping
-- the oldest would leave none.
local function fits(self, bytes)
  self.used = self.used or bytes_in(self.root)
  if self.used + bytes > self.limit then
    drop_others(self)
    self.used = bytes_in(self.root)
  end
  local room <const> = self.used + bytes <= self.limit
  if not room and not self.full then
    self.full = true
    self.say(("cache: %s is full (%.1f MB): nothing more is kept in it"):format(self.root,
      self.limit / 1e6))
  end
  return room
end

-- Keeps bytes under a name. One that can not be written is no failure.
local function keep(self, id, bytes)
  local path <const> = self:path(id)
  local before <const> = size_of(path)
  if fits(self, #bytes - before) then
    local ok = pcall(function()
      system.make_folder(self.folder)
      records.save(path, self.key .. "\n" .. id, bytes)
    end)
    self.used = self.used + (ok and size_of(path) - before or 0)
  end
end

-- Gets the bytes kept under a name, nil where there are none.
local function find(self, id)
  local bytes <const>, why <const> = records.load(self:path(id), self.key .. "\n" .. id)
  if why then
    self.say(("cache: %s: made again"):format(why))
  end
  return bytes
end

function Store:get(id, make)
  local bytes = find(self, id)
  if not bytes then
    bytes = make()
    keep(self, id, bytes)
  end
  return bytes
end

function Store:value(id, make)
  local value
  local text <const> = self:get(id, function()
    value = make()
    return json.encode(value)
  end)
  return value or json.decode(text)
end

function Store:tensor(id, make)
  local x
  local bytes <const> = self:get(id, function()
    x = make()
    return string.pack("<I4", #x.shape) .. string.pack("<" .. ("i8"):rep(#x.shape),
      table.unpack(x.shape)) .. x:bytes()
  end)
  if x then
    return x
  end
  local rank <const>, at <const> = string.unpack("<I4", bytes)
  local shape <const> = { string.unpack("<" .. ("i8"):rep(rank), bytes, at) }
  local from <const> = table.remove(shape)
  return require "hoi.tensor".tensor(bytes:sub(from), shape)
end

function Store:__tostring()
  return ("Store %s"):format(self.folder)
end

local function default_folder()
  local base <const> = os.getenv "XDG_CACHE_HOME" or ((os.getenv "HOME" or "/tmp") .. "/.cache")
  return base .. "/hoi"
end

-- store(name, { key, limit, folder, say })
return function(name, given)
  local o <const> = read_options(given, { key = "", limit = 4e9, folder = default_folder(),
    say = function(text)
      io.stderr:write("hoi: ", text, "\n")
    end })
  if type(name) ~= "string" or not name:find "^[%w_%-]+$" then
    error("store(name, options): a name of letters, digits, '_' and '-' wanted", 2)
  end
  local root <const> = o.folder .. "/" .. name
  return setmetatable({ root = root, folder = root .. "/" .. digest { o.key }, key = o.key,
    limit = o.limit, say = o.say }, Store)
end
