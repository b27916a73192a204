-- descriptions: what language models wrote about classes, in the published forms and in JSON.
local hoi = require "hoi"
local json = require "hoi.json"
local system = require "hoi.system"
local says = dofile "tests/lua/expect.lua".says

local shared = os.getenv "HOI_DATA" or "../shared/data"
local path = os.tmpname()

local function write(text, ending)
  local file <close> = assert(io.open(path .. (ending or ""), "wb"))
  file:write(text)
  return path .. (ending or "")
end

-- Gets the published file, nil (and pending) where it is not.
local function published(name)
  local file = shared .. "/" .. name
  return system.kind(file) == "file" and file or nil
end

teardown(function()
  os.remove(path)
  os.remove(path .. ".json")
end)

local zoo = hoi.targets { { verb = "feed", object = "zebra", description = "hay at a muzzle" },
  { verb = "hold", object = "cup", descriptions = { "a hand around a cup", "a hand" } },
  { verb = "sit_on", object = "dining_table" } }

describe("descriptions", function()
  it("are read in groups of three lines", function()
    write("1. A photo of x:\n   - Description: hay. At a muzzle: never.\n\n2. y\n - Attributes: b\n"
      .. "\n3. z\r\n  - Description:  c  d \n")
    assert.are.same({ { "hay. At a muzzle" }, { "b" }, { "c d" } }, hoi.descriptions(path, zoo))
    says("line 8: '- Description: text' of class 3 of 3", hoi.descriptions,
      write "1\n - D: a\n\n2\n - D: b\n", zoo)
  end)

  it("are read in JSON of several forms", function()
    local file = path .. ".json"
    json.save(file, { ["hold cup"] = "one", ["sit on dining table"] = { "two", "three" } })
    assert.are.same({ {}, { "one" }, { "two", "three" } }, hoi.descriptions(file, zoo))
    json.save(file, { "a", { "b", "c" }, "d" })
    assert.are.same({ { "a" }, { "b", "c" }, { "d" } }, hoi.descriptions(file, zoo))
    json.save(file, { classes = { { verb = "feed", object = "zebra", description = "e" } } })
    assert.are.same({ { "e" }, {}, {} }, hoi.descriptions(file, zoo))
    json.save(file, { ["hold bat"] = "one" })
    says("'hold bat' is none of the 3 classes", hoi.descriptions, file, zoo)
    json.save(file, { ["hold cup"] = { 1 } })
    says("text 1: a string wanted", hoi.descriptions, file, zoo)
  end)

  it("may be the targets' own, and are cut after a full stop", function()
    assert.are.same({ { "hay at a muzzle" }, { "a hand around a cup", "a hand" }, {} },
      hoi.descriptions("own", zoo))
    local mini = hoi.descriptions("own", hoi.targets "mini")
    assert.are.equal(60, #mini)
    assert.are.equal(6, #mini[60])
    write "1\n - D: One. Two two. Three.\n\n2\n - D: b\n\n3\n - D: c"
    assert.are.equal("One. Two two.", hoi.descriptions(path, zoo, { most = 15 })[1][1])
    says("a file's path", hoi.descriptions, nil, zoo)
    says("No such file", hoi.descriptions, "/nowhere.txt", zoo)
  end)

  it("of HICO-DET are read as they are published", function()
    local first, second = published "hicodet/hico_HOI_descrip.txt",
      published "hicodet/hico_HOI_descrip_2.txt"
    local cues = published "hicodet/all_act_descriptor.txt"
    if not (first and second and cues) then
      return pending(shared .. "/hicodet's descriptions are not there")
    end
    local targets = hoi.targets "hico"
    local a, b, c = hoi.descriptions(first, targets),
      hoi.descriptions(second, targets, { most = 300 }), hoi.descriptions(cues, targets)
    for i, row in ipairs(targets) do
      assert.are.equal(1, #a[i])
      assert.are.equal(1, #b[i])
      assert.is_true(#b[i][1] <= 300 and #b[i][1] > 20)
      assert.is_true(#c[i] >= 1)
      assert.is_nil(c[i][1]:find "^%d", row.sentence)
    end
    assert.is_truthy(a[1][1]:find "^In this image, a person is seen entering the airplane")
    assert.is_truthy(b[1][1]:find "^Boarding an airplane")
    assert.is_truthy(b[600][1]:find "zebra")
    assert.are.equal(5, #c[1])
    -- each text speaks of its object: they are in the right order
    local named = 0
    for i, row in ipairs(targets) do
      named = named + ((a[i][1] .. b[i][1]):lower():find(row.object:gsub("_", " "), 1, true)
        and 1 or 0)
    end
    assert.is_true(named > 560, named)
  end)

  it("of V-COCO are found by action and object", function()
    local file = published "vcoco/vcoco_HOI_descrip.txt"
    if not file then
      return pending(shared .. "/vcoco's descriptions are not there")
    end
    local targets, named = hoi.targets "vcoco", 0
    local list = hoi.descriptions(file, targets)
    for i, row in ipairs(targets) do
      assert.are.equal(1, #list[i])
      named = named + (list[i][1]:lower():find(row.object, 1, true) and 1 or 0)
    end
    assert.is_true(named > 220, named)
  end)
end)

describe("differences", function()
  it("are pairs of classes and a paragraph in sentences", function()
    local d = hoi.differences(write "1, 0\nA hand. No hay.\nA cup.\n2, 1 \nA table\n", zoo)
    assert.are.same({ class = 2, other = 1, text = "A hand. No hay. A cup.",
      sentences = { "A hand", "No hay", "A cup" } }, d[1])
    assert.are.equal(d[2], d.of[3])
    assert.are.equal(2, d.of[3].other)
    assert.is_nil(d.of[1])
    says("class 3: 0 to 2 wanted", hoi.differences, write "3, 0\nno\n", zoo)
    says("line 1: 'class, other class' wanted", hoi.differences, write "no\n", zoo)
  end)

  it("may be JSON, or what own descriptions do not share", function()
    local file = path .. ".json"
    json.save(file, { { class = "hold cup", other = 1, sentences = { "a", "b" } },
      { class = "a person feeding a zebra", other = "hold cup", text = "C. D." } })
    local d = hoi.differences(file, zoo)
    assert.are.same({ "a", "b" }, d.of[2].sentences)
    assert.are.same({ "C", "D" }, d.of[1].sentences)
    local targets = hoi.targets { { sentence = "one", descriptions = { "x", "y", "z" } },
      { sentence = "two", descriptions = { "y" } } }
    local own = hoi.differences("own", targets, { [1] = 2 })
    assert.are.same({ "x", "z" }, own[1].sentences)
    assert.are.same({ 1, 2 }, { own[1].class, own[1].other })
    says("need the related classes", hoi.differences, "own", targets)
  end)

  it("of the published settings tell unseen classes from seen ones", function()
    local counts = { rare_first = 120, non_rare_first = 120, unseen_object = 100, unseen_verb = 84 }
    local sums = { unseen_verb = { 81, 0, 3 }, rare_first = { 78, 39, 3 },
      non_rare_first = { 104, 15, 1 }, unseen_object = { 0, 77, 23 } }
    for setting, count in pairs(counts) do
      local file = published(("hicodet/zs_possibility/%s_diff.txt"):format(setting))
      if not file then
        return pending(shared .. "/hicodet/zs_possibility is not there")
      end
      local targets = hoi.targets("hico", { setting = setting })
      local list, shared_part, sentences = hoi.differences(file, targets), { 0, 0, 0 }, 0
      assert.are.equal(count, #list)
      for i, row in ipairs(targets) do
        assert.are.equal(row.seen, list.of[i] == nil)
      end
      for _, entry in ipairs(list) do
        local u, s = targets[entry.class], targets[entry.other]
        assert.is_true(s.seen)
        assert.is_true(#entry.sentences >= 2 and #entry.sentences <= 8)
        sentences = sentences + #entry.sentences
        local kind = u.object == s.object and 1 or u.verb == s.verb and 2 or 3
        shared_part[kind] = shared_part[kind] + 1
      end
      assert.are.same(sums[setting], shared_part) -- same object, same verb, neither
      assert.is_true(sentences / count > 3.2 and sentences / count < 3.4)
      local seen = hoi.differences(file:gsub("_diff", "_seen_diff"), targets)
      assert.are.equal(600 - count, #seen)
    end
    local file = published "hicodet/zs_possibility/vcoco_diff.txt"
    if file then
      local targets = hoi.targets "vcoco"
      local list = hoi.differences(file, targets)
      assert.are.equal(206, #list)
      local named = 0
      for _, entry in ipairs(list) do
        local object = targets[entry.class].object
        named = named + (entry.text:lower():find(object, 1, true) and 1 or 0)
      end
      assert.is_true(named > 195, named)
    end
  end)
end)
