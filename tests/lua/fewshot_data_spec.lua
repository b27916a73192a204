-- fewshot_data: Python's random numbers, the few shots drawn with them, and pictures with a class
-- each, however they lie on disk.
local data = require "hoi.data"
local fewshot = require "hoi.fewshot"
local json = require "hoi.json"
local python_random = require "hoi.python_random"
local system = require "hoi.system"
local says = dofile "tests/lua/expect.lua".says
local scratch = dofile "tests/lua/scratch.lua"

local shared = os.getenv "HOI_DATA" or "../shared/data"
local golden = json.load "tests/golden/random.json"
local folder = scratch.folder() -- of this run

local function write(name, text)
  return scratch.write(folder .. "/" .. name, text)
end

local function range(n) -- 0 .. n - 1, as Python's
  local list = {}
  for i = 1, n do
    list[i] = i - 1
  end
  return list
end

local function labels_of(items)
  local list = {}
  for i, item in ipairs(items) do
    list[i] = item.label
  end
  return list
end

teardown(function()
  scratch.remove(folder)
end)

describe("Python's random", function()
  for _, wanted in ipairs(golden.random) do
    it(("gives CPython's numbers after seed %d"):format(wanted.seed), function()
      local random = python_random.new(wanted.seed)
      local function times(n, f)
        local list = {}
        for i = 1, n do
          list[i] = f()
        end
        return list
      end
      local function word()
        return random:word()
      end
      assert.are.same(wanted.words, times(3, word))
      local later = times(1300, word)
      assert.are.same(wanted.later, { later[1299], later[1300] })
      assert.are.same(wanted.units, times(3, function() return random:unit() end))
      for i, n in ipairs { 1, 2, 3, 7, 255, 256, 257, 1 << 31, (1 << 32) - 1 } do
        assert.are.equal(wanted.below[i], random:below(n))
      end
      for i, nk in ipairs { { 100, 4 }, { 30, 16 }, { 10, 10 }, { 21, 5 }, { 22, 5 }, { 85, 16 },
        { 86, 16 }, { 1000, 9 } } do
        assert.are.same(wanted.sample[i], random:sample(range(nk[1]), nk[2]))
      end
      assert.are.same(wanted.shuffle, random:shuffle(range(20)))
      assert.are.same(wanted.choices, random:choices(range(7), 5))
    end)
  end

  it("refuses what it can not draw, and seeds that are no whole numbers", function()
    says("5 of 4 items can not be drawn", function()
      python_random.new(1):sample({ 1, 2, 3, 4 }, 5)
    end)
    says("a whole number as seed expected, got 1.5", python_random.new, 1.5)
  end)
end)

describe("few shots", function()
  local function items(labels)
    local list = {}
    for i, label in ipairs(labels) do
      list[i] = { label = label, place = i }
    end
    return list
  end
  local made_up = { train = items(golden.train), val = items(golden.val) }

  local function summary(list)
    local sum, out = 0, { #list, 0 }
    for i, item in ipairs(list) do
      sum = sum + i * item.place
      if i <= 6 then
        out[i + 2] = item.place - 1
      end
    end
    out[2] = sum
    return out
  end

  for _, wanted in ipairs(golden.draws) do
    it(("are those of %s with %d shots, seed %d"):format(wanted.protocol, wanted.shots,
      wanted.seed), function()
      local drawn = fewshot.sample(made_up, wanted.shots,
        { seed = wanted.seed, protocol = wanted.protocol })
      assert.are.same(wanted.train, summary(drawn.train))
      assert.are.same(wanted.val, summary(drawn.val))
    end)
  end

  it("say what is wrong with protocol and number", function()
    says("protocol 'cop': coop, tip or lora wanted", fewshot.sample, made_up, 1,
      { protocol = "cop" })
    says("a whole number from 1 on wanted, got 0", fewshot.sample, made_up, 0)
  end)

  it("part classes in base and new, the middle one to the base", function()
    assert.are.same({ 1, 2, 3 }, fewshot.part(5, "base"))
    assert.are.same({ 4, 5 }, fewshot.part(5, "new"))
    assert.are.same({ 1, 2, 3, 4 }, fewshot.part(4, "all"))
    says("'old': all, base or new wanted", fewshot.part, 5, "old")
    local before = items { 1, 4, 5, 2, 4 }
    local kept = fewshot.only(before, { 4, 5 })
    assert.are.equal(4, before[2].label)
    assert.are.same({ 1, 2, 1 }, labels_of(kept))
    assert.are.same({ 2, 3, 5 }, { kept[1].place, kept[2].place, kept[3].place })
  end)
end)

describe("pictures with a class each", function()
  it("come from CoOp's folders and split files, whatever the folder is called", function()
    local split = json.encode {
      train = { { "cat/1.jpg", 0, "house_cat" }, { "dog/1.jpg", 1, "dog" } },
      val = { { "dog/2.jpg", 1, "dog" } },
      test = { { "cat/3.jpg", 0, "house_cat" } },
    }
    for _, name in ipairs { "caltech-101", "Caltech101" } do
      local root, inner = folder .. "/" .. name .. "_root", name .. "_root/" .. name
      write(inner .. "/split_zhou_Caltech101.json", split)
      write(inner .. "/101_ObjectCategories/cat/1.jpg", "")
      local set = data.classes("Caltech101", { root = root })
      assert.are.equal("caltech101", set.name)
      assert.are.same({ "house cat", "dog" }, set.classes)
      assert.are.same({ "a photo of a {}." }, set.templates)
      assert.are.same({ 1, 2 }, labels_of(set.train))
      assert.are.equal(("%s/%s/101_ObjectCategories/cat/1.jpg"):format(root, name),
        set.train[1].path)
      assert.are.same(set.test, data.classes(root .. "/" .. name).test)
    end
    local alone = data.classes(folder .. "/caltech-101_root/caltech-101/split_zhou_Caltech101.json",
      { images = "/pictures" })
    assert.are.equal("/pictures/dog/2.jpg", alone.val[1].path)
  end)

  it("know the prompts of the eleven data sets", function()
    local benchmarks = require "hoi.data.benchmarks"
    for name, wanted in pairs {
      oxford_pets = "a photo of a {}, a type of pet.", dtd = "{} texture.",
      OxfordFlowers = "a photo of a {}, a type of flower.",
      FGVCAircraft = "a photo of a {}, a type of aircraft.",
      EuroSAT = "a centered satellite photo of {}.",
      ["food-101"] = "a photo of {}, a type of food.",
      UCF101 = "a photo of a person doing {}.", Flower102 = "a photo of a {}, a type of flower.",
      stanford_cars = "a photo of a {}.", SUN397 = "a photo of a {}.",
      imagenet = "a photo of a {}.",
      ["split_zhou_DescribableTextures.json"] = "{} texture.",
    } do
      assert.are.equal(wanted, benchmarks.find(name).templates[1], name)
    end
    assert.is_nil(benchmarks.find "cifar")
    assert.are.equal(15, #benchmarks.names)
    assert.are.equal(7, #benchmarks.imagenet.ensemble)
  end)

  it("of FGVCAircraft come from its lists", function()
    write("air/fgvc_aircraft/variants.txt", "747-400\nA340-300\n")
    write("air/fgvc_aircraft/images_variant_train.txt", "0001 A340-300\n0002 747-400\n")
    write("air/fgvc_aircraft/images_variant_val.txt", "0003 747-400\n")
    write("air/fgvc_aircraft/images_variant_test.txt", "0004 A340-300\n")
    local set = data.classes("fgvc_aircraft", { root = folder .. "/air" })
    assert.are.same({ "747-400", "A340-300" }, set.classes)
    assert.are.same({ 2, 1 }, labels_of(set.train))
    assert.are.equal(folder .. "/air/fgvc_aircraft/images/0004.jpg", set.test[1].path)
    write("air/fgvc_aircraft/images_variant_val.txt", "0003 Concorde\n")
    says("images_variant_val.txt:1: 'Concorde' is not in variants.txt", data.classes,
      "fgvc_aircraft", { root = folder .. "/air" })
  end)

  it("of ImageNet come from its folders, in the order of their numbers", function()
    local names = "n01 tench\nn02 great white shark\n"
    write("in/imagenet/classnames.txt", names)
    for _, name in ipairs { "train/n02/a", "train/n01/b", "val/n01/c", "val/n02/d" } do
      write("in/imagenet/images/" .. name .. ".JPEG", "")
    end
    local set = data.classes("ImageNet", { root = folder .. "/in" })
    assert.are.same({ "tench", "great white shark" }, set.classes)
    assert.are.same({ 1, 2 }, labels_of(set.train))
    assert.are.equal(0, #set.val)
    assert.matches("validation pictures are tested on", set.note)
    write("in/imagenetv2/classnames.txt", names)
    write("in/imagenetv2/imagenetv2-matched-frequency-format-val/1/x.jpeg", "")
    write("in/imagenetv2/imagenetv2-matched-frequency-format-val/0/y.jpeg", "")
    set = data.classes("imagenetv2", { root = folder .. "/in" })
    assert.are.same({ 1, 2 }, labels_of(set.test))
    assert.are.same({ "tench", "great white shark" }, set.classes)
  end)

  it("may lie in any folder of class folders: parted as CoOp parts them", function()
    for i = 1, 10 do
      write(("own/zebra_crossing/%02d.png"):format(i), "")
    end
    for i = 1, 5 do
      write(("own/ant/%02d.png"):format(i), "")
    end
    local set = data.classes(folder .. "/own")
    assert.are.same({ "ant", "zebra crossing" }, set.classes)
    local function count(list, label)
      local n = 0
      for _, item in ipairs(list) do
        n = n + (item.label == label and 1 or 0)
      end
      return n
    end
    -- Python's round(2.5) is 2
    assert.are.same({ 2, 1, 2 }, { count(set.train, 1), count(set.val, 1), count(set.test, 1) })
    assert.are.same({ 5, 2, 3 }, { count(set.train, 2), count(set.val, 2), count(set.test, 2) })
    assert.are.same(set.test, data.classes(folder .. "/own/").test)
    assert.are_not.same(set.test, data.classes(folder .. "/own", { seed = 2 }).test)
    write("own/ant2/1.png", "")
    says("class 'ant2' has 1 pictures", data.classes, folder .. "/own")
    says("neither pictures in class folders", data.classes, folder .. "/own/ant")
  end)

  it("may lie in folders of their splits", function()
    for _, name in ipairs { "train/a/1", "train/a/2", "train/a/3", "train/a/4", "train/a/5",
      "train/b/1", "test/b/2", "test/a/6" } do
      write("parts/" .. name .. ".jpg", "")
    end
    local set = data.classes(folder .. "/parts")
    assert.are.equal(5, #set.train) -- a fifth of a's five goes to val, none of b's one
    assert.are.equal(1, #set.val)
    assert.are.same({ 1, 2 }, labels_of(set.test))
  end)

  it("may stand in a CSV file", function()
    local path = write("own.csv", 'path,label,split\na/1.jpg,"cat, black",train\n'
      .. 'a/2.jpg,"the ""dog""",train\r\n\n/b/3.jpg,"cat, black",val\na/4.jpg,"the ""dog""",test\n')
    local set = data.classes(path)
    assert.are.same({ "cat, black", 'the "dog"' }, set.classes)
    assert.are.equal(folder .. "/a/1.jpg", set.train[1].path)
    assert.are.equal("/b/3.jpg", set.val[1].path)
    assert.are.same({ 2 }, labels_of(set.test))
    says(":1: path,label or path,label,split wanted", data.classes, write("bad.csv", "only\n"))
    says(":2: split 'dev'", data.classes, write("bad.csv", "a,b,train\na,b,dev\n"))
    says(":1: a quote is not closed", data.classes, write("bad.csv", 'a,"b\n'))
    says("it has none", data.classes, write("bad.csv", ""))
    local lines = {}
    for i = 1, 8 do
      lines[i] = ("%d.jpg,%s"):format(i, i % 2 == 0 and "even" or "odd")
    end
    set = data.classes(write("plain.csv", table.concat(lines, "\n")), { images = "/there" })
    assert.are.same({ 4, 2, 2 }, { #set.train, #set.val, #set.test })
    assert.matches("^/there/", set.train[1].path)
  end)

  it("say what is missing or wrong, by file", function()
    says("is neither a folder", data.classes, folder .. "/nowhere")
    says("none of these folders is there: data/caltech-101, data/Caltech101", data.classes,
      "caltech101")
    says("the list 'val' is missing", data.classes, write("bad/x.json", '{"train": []}'))
    says("train[1]: [path, label from 0, class name] wanted", data.classes,
      write("bad/x.json", '{"train": [["a", -1, "b"]], "val": [], "test": []}'))
    says("label 0 is 'c' here and 'b' before", data.classes,
      write("bad/x.json", '{"train": [["a", 0, "b"], ["a", 0, "c"]], "val": [], "test": []}'))
    system.make_folder(folder .. "/dtd")
    says("split_zhou_DescribableTextures.json is not there", data.classes, "dtd",
      { root = folder })
  end)

  it("of the drawn world: as many of each thing, apart from each other, the same for ever",
    function()
      local set = data.classes("mini", { size = 2 })
      assert.are.equal(12, #set.classes)
      assert.are.same({ 24, 24, 24 }, { #set.train, #set.val, #set.test })
      local other = data.classes("mini", { size = 2 })
      assert.are.same({ set.train, set.val, set.test }, { other.train, other.val, other.test })
      local picture <close> = set:image(set.test[3])
      local again <close> = set:image(set.test[3])
      assert.are.equal(picture:bytes(), again:bytes())
      assert.is_true(picture.width >= 8 and math.abs(picture.width - picture.height) <= 1)
      assert.is_true(set.train[1].scene ~= set.test[1].scene)
    end)

  it("of Caltech101 and Pets as CoOp splits them: sizes of its table, shots from every class",
    function()
      for name, wanted in pairs {
        Caltech101 = { 100, 4128, 1649, 2465 }, OxfordPets = { 37, 2944, 736, 3669 },
      } do
        local path = ("%s/fewshot/split_zhou_%s.json"):format(shared, name)
        if not system.kind(path) then
          return pending(path .. " is not there")
        end
        local set = data.classes(path, { images = "nowhere" })
        assert.are.same(wanted, { #set.classes, #set.train, #set.val, #set.test })
        local drawn = fewshot.sample(set, 16)
        assert.are.equal(16 * wanted[1], #drawn.train)
        assert.are.equal(4 * wanted[1], #drawn.val)
      end
    end)
end)
