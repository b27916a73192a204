-- store: what is kept on disk comes back whole or is made again; a detector's answers are kept.
local hoi = require "hoi"
local scratch = dofile "tests/lua/scratch.lua"

local folder, said

local function open(options)
  options = options or {}
  options.folder = folder
  options.say = function(text) said[#said + 1] = text end
  return hoi.store("things", options)
end

local function change(path, f)
  scratch.write(path, f(scratch.read(path)))
end

before_each(function()
  folder, said = scratch.folder(), {}
end)

after_each(function()
  scratch.remove(folder)
end)

describe("store", function()
  it("makes a thing once", function()
    local count = 0
    local function make()
      count = count + 1
      return "number " .. count
    end
    for _ = 1, 3 do
      assert.are.equal("number 1", open():get("a", make))
    end
    assert.are.equal("number 2", open():get("b", make))
    assert.is_true(open():has "a")
    assert.is_false(open():has "c")
    assert.are.same({}, said)
  end)

  it("keeps tensors and values to the bit", function()
    local x = hoi.randn { 2, 3, 4 }
    assert.are.equal(x, open():tensor("x", function() return x end))
    local again = open():tensor("x", function() error "made again" end)
    assert.are.same({ 2, 3, 4 }, again.shape)
    assert.are.equal(x:bytes(), again:bytes())
    local value = { { box = { 1 / 3, 0.1, 2, 3 }, score = 0.1 + 0.2, label = "cup" } }
    assert.are.equal(value, open():value("v", function() return value end))
    assert.are.same(value, open():value("v", function() error "made again" end))
  end)

  it("makes again what was cut in half, and says so", function()
    local store = open()
    store:get("a", function() return ("x"):rep(1000) end)
    change(store:path "a", function(bytes) return bytes:sub(1, #bytes // 2) end)
    assert.are.equal("fresh", open():get("a", function() return "fresh" end))
    assert.are.equal(1, #said)
    assert.is_truthy(said[1]:find(store:path "a", 1, true))
    assert.is_truthy(said[1]:find("cut off: made again", 1, true))
    assert.are.equal("fresh", open():get("a", function() error "made again" end))
    change(store:path "a", function(bytes) return bytes:sub(1, -2) .. "!" end)
    assert.are.equal("third", open():get("a", function() return "third" end))
    assert.is_truthy(said[2]:find("checksum", 1, true))
  end)

  it("makes everything again when its key changes", function()
    open { key = "model 1" }:get("a", function() return "one" end)
    assert.are.equal("two", open { key = "model 2" }:get("a", function() return "two" end))
    assert.are.equal("one", open { key = "model 1" }:get("a", error))
    assert.are.same({}, said)
  end)

  it("never grows beyond its limit: other keys go first, then nothing more is kept", function()
    local function thousand() return ("x"):rep(1000) end
    local old = open { key = "old" }
    for i = 1, 3 do
      old:get(tostring(i), thousand)
    end
    local new = open { key = "new", limit = 4500 }
    new:get("1", thousand)
    assert.is_true(old:has "1")
    new:get("2", thousand) -- the old ones are in the way
    assert.is_false(old:has "1")
    new:get("3", thousand)
    new:get("4", thousand)
    assert.is_true(new:has "3")
    assert.is_false(new:has "5")
    assert.are.same({}, said)
    assert.are.equal(1000, #new:get("5", thousand))
    assert.are.equal(1000, #new:get("6", thousand))
    assert.is_false(new:has "5")
    assert.are.equal(1, #said)
    assert.is_truthy(said[1]:find("is full", 1, true))
    assert.are.equal(1000, #new:get("2", error)) -- what is there stays
  end)

  it("is no failure where nothing can be written", function()
    local store = hoi.store("things", { folder = "/proc/nowhere", say = error })
    assert.are.equal("a", store:get("a", function() return "a" end))
    assert.has_error(function() hoi.store "a/b" end)
  end)
end)

describe("detections", function()
  -- A detector that counts how often it is asked.
  local function detector(identity)
    local object = { name = "counting", labels = { "person", "cup" }, identity = identity,
      asked = 0 }
    function object.detect(_, picture)
      object.asked = object.asked + 1
      object.looked = picture.image
      return { { box = { 1 / 3, 0, 10, 10 }, score = 0.9, label = "person" } }
    end
    function object.close() object.closed = true end
    return object
  end

  local function kept(of)
    return hoi.detections(of, { folder = folder, say = function(text) said[#said + 1] = text end })
  end

  it("ask the detector once for each picture, and look at no picture that is known", function()
    local one, data = detector "one", hoi.data.mini { size = 3 }
    local first = kept(one):detect(data[1])
    assert.are.equal(1, one.asked)
    local item = data[1]
    assert.are.same(first, kept(one):detect(item))
    assert.is_nil(rawget(item, "image"))
    assert.are.equal(1, one.asked)
    assert.is_true(kept(one):has(data[1]))
    assert.is_false(kept(one):has(data[2]))
    local other = detector "other"
    kept(other):detect(data[1])
    assert.are.equal(1, other.asked)
    kept(one):close()
    assert.is_true(one.closed)
  end)

  it("are made again when their file is cut in half, and say so", function()
    local one, data = detector "one", hoi.data.mini { size = 1 }
    local store = kept(one).store
    kept(one):detect(data[1])
    change(store:path(data[1].identity), function(bytes) return bytes:sub(1, #bytes // 2) end)
    kept(one):detect(data[1])
    assert.are.equal(2, one.asked)
    assert.are.equal(1, #said)
  end)

  it("of hoi's detectors depend on options and files", function()
    local path = os.tmpname()
    local function write(list)
      require "hoi.json".save(path, { pictures = { ["a.png"] = list } })
    end
    local function identity()
      local d <close> = hoi.detector("boxes", { file = path })
      return d.identity
    end
    write { { box = { 0, 0, 1, 1 }, score = 1, label = "cup" } }
    local first = identity()
    assert.are.equal(first, identity())
    write { { box = { 0, 0, 1, 1 }, score = 1, label = "cup" },
      { box = { 0, 0, 2, 2 }, score = 1, label = "cup" } }
    assert.are_not.equal(first, identity())
    os.remove(path)
    local corner <close> = hoi.detector "corner"
    local again <close> = hoi.detector "corner"
    assert.are.equal(corner.identity, again.identity)
  end)
end)
