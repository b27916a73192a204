-- data: class lists, settings and data sets, as a script sees them.
local data = require "hoi.data"
local json = require "hoi.json"
local make_meter = require "hoi.meter".meter
local settings = require "hoi.settings"
local system = require "hoi.system"
local targets = require "hoi.targets"
local says = dofile "tests/lua/expect.lua".says
local scratch = dofile "tests/lua/scratch.lua"

local shared = os.getenv "HOI_DATA" or "../shared/data"

local folder = scratch.folder() -- of this run

local function write(name, text)
  return scratch.write(folder .. "/" .. name, text)
end

-- Gets the path of a black picture.
local function picture(name, width, height)
  local pixels = ("\0"):rep(((width * 3 + 3) // 4 * 4) * height)
  return write(name, string.pack("<c2I4I4I4I4i4i4I2I2I4I4i4i4I4I4", "BM", 54 + #pixels, 0, 54, 40,
    width, height, 1, 24, 0, #pixels, 2835, 2835, 0, 0) .. pixels)
end

local function count(set)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  return n
end

teardown(function()
  scratch.remove(folder)
end)

describe("sentences", function()
  it("say verbs and objects in English", function()
    for wanted, pair in pairs {
      ["a person riding a horse"] = { "ride", "horse" },
      ["a person sitting on an airplane"] = { "sit_on", "airplane" },
      ["a person lying on a bed"] = { "lie_on", "bed" },
      ["a person cutting with scissors"] = { "cut_with", "scissors" },
      ["a person tying a tie"] = { "tie", "tie" },
      ["a person seeing a hair drier"] = { "see", "hair_drier" },
      ["a person controlling a tv"] = { "control", "tv" },
      ["a person opening a book"] = { "open", "book" },
      ["a person rowing a boat"] = { "row", "boat" },
      ["a person fixing a toaster"] = { "fix", "toaster" },
      ["a person hugging another person"] = { "hug", "person" },
      ["a person squatting"] = { "squat" },
      ["a person and a unicorn"] = { "no_interaction", "unicorn" },
    } do
      assert.are.equal(wanted, targets.sentence(pair[1], pair[2]))
    end
  end)

  it("of the lists that come with hoi have right articles", function()
    for _, name in ipairs { "hico", "vcoco", "hico.verbs" } do
      for i, row in ipairs(targets(name)) do
        local sentence = row.sentence
        assert.is_truthy(sentence:find "^a person " , sentence)
        for article, word in sentence:gmatch "%f[%a](an?) (%a+)" do
          local wanted = word:find "^[aeiou]" and "an" or "a"
          assert.are.equal(wanted, article, ("%s %d: %s"):format(name, i, sentence))
          assert.is_nil(({ skis = 1, scissors = 1, broccoli = 1 })[word], sentence)
        end
        assert.is_nil(sentence:find "[_%u]" or sentence:find "  ", sentence)
      end
    end
  end)
end)

describe("names of objects", function()
  it("have one spelling whatever the detector calls them", function()
    for name, wanted in pairs {
      dining_table = "dining table", diningtable = "dining table", ["Dining Room"] = "dining room",
      tvmonitor = "tv", aeroplane = "airplane", hair_dryer = "hair drier", zorb = "zorb",
    } do
      assert.are.equal(wanted, targets.object_name(name))
    end
    says("got nil", targets.object_name)
    says("got ''", targets.object_name, " ")
  end)
end)

describe("targets", function()
  it("are the lists of the field", function()
    assert.are.equal(600, #targets "hico")
    assert.are.equal(117, #targets "hico.verbs")
    assert.are.equal(236, #targets "vcoco")
    assert.are.equal(60, #targets "mini")
    assert.are.equal(80, #targets "hico":objects())
  end)

  it("agree with HICO-DET's own file in number and order", function()
    local path = shared .. "/hicodet/instances_test2015.json"
    if not system.kind(path) then
      return pending(path .. " is not there")
    end
    local file, list, verbs = json.load(path), targets "hico", targets "hico.verbs"
    for _, triple in ipairs(file.correspondence) do
      local row = list[triple[1] + 1]
      assert.are.equal(file.objects[triple[2] + 1], row.object)
      assert.are.equal(file.verbs[triple[3] + 1], row.verb)
      assert.are.equal(triple[3] + 1, verbs:index(row.verb, row.object))
    end
  end)

  it("find a class by verb and object, and the classes of an object", function()
    local list = targets "hico"
    local place = list:index("sit_at", "Dining Table")
    assert.are.equal("sit_at", list[place].verb)
    assert.are.equal("dining_table", list[place].object)
    assert.is_nil(list:index("ride", "clock"))
    for _, i in ipairs(list:valid "tv monitor") do
      assert.are.equal("tv", list[i].object)
    end
    assert.are.equal(4, #list:valid "tv")
    local verbs = targets "hico.verbs"
    assert.are.equal("ride", verbs[verbs:index("ride", "horse")].verb)
    assert.is_nil(verbs:index("ride", "clock"))
    assert.are.equal(4, #verbs:valid "tv")
  end)

  it("may be a table or a file, and come back from what they write", function()
    local list = targets {
      { verb = "feed", object = "zebra", description = "hay" },
      { verb = "hold", seen = false, descriptions = { "a", "b" } },
      "a person juggling",
    }
    assert.are.equal("a person feeding a zebra", list[1].sentence)
    assert.are.same({ "hay" }, list[1].descriptions)
    assert.is_false(list[2].seen)
    assert.is_nil(list[3].object)
    assert.are.same({ 1, 2, 3 }, list:valid "zebra")
    assert.are.same({ 2, 3 }, list:valid "dog")
    assert.are.equal(2, list:index("hold", "dog"))
    local path = folder .. "/zoo.json"
    json.save(path, list:totable())
    local again = targets(path)
    assert.are.same(list:totable(), again:totable())
    assert.are.equal("Targets own, 3 classes, 1 unseen", tostring(again))
  end)

  it("take new classes, unseen", function()
    local list = targets { { verb = "feed", object = "zebra" } }
    assert.are.equal(2, list:add("a person painting a fence", "a brush in the hand"))
    assert.is_false(list[2].seen)
    assert.are.same({ "a brush in the hand" }, list[2].descriptions)
    assert.are.equal(3, list:add { verb = "ride", object = "zebra" })
    assert.are.equal(3, list:index("ride", "zebra"))
    says("is the same as class 3: ride zebra", list.add, list, { verb = "ride", object = "zebra" })
    assert.are.equal(3, #list)
  end)

  it("refuse what they can not mean", function()
    says("'hicoo' is neither a list of hoi", targets, "hicoo")
    says("got nil", targets)
    says("no classes", targets, {})
    says("class 2: is the same as class 1", targets,
      { { verb = "a", object = "tv" }, { verb = "a", object = "tvmonitor" } })
    says("class 1: unknown field 'sentense'", targets, { { verb = "a", sentense = "b" } })
    says("class 1: verb: a string wanted, got number", targets, { { verb = 3 } })
    says("class 1: neither verb nor sentence", targets, { { object = "tv" } })
    says("class 1: descriptions[1]: a string wanted", targets,
      { { verb = "a", descriptions = { 4 } } })
    says("unknown option 'seting'", targets, "hico", { seting = "default" })
    says("setting 'uv' is not known (known: default,", targets, "hico", { setting = "uv" })
    says("only for hico and mini", targets, "vcoco", { setting = "unseen_verb" })
    says("zoo2.json: class 1", targets, write("zoo2.json", '[{"verb": "a", "object": 1}]'))
  end)
end)

describe("settings", function()
  it("hold back as many classes as the papers say", function()
    local hico = { 0, 120, 120, 100, 84 }
    local mini = { 0, 12, 12, 10, 10, 12, 12, 12, 12, 12 }
    for i, setting in ipairs(settings.names) do
      if hico[i] then
        assert.are.equal(hico[i], count(settings.unseen("hico", setting)))
      else
        says("give the file as the setting", targets, "hico", { setting = setting })
      end
      assert.are.equal(mini[i], count(settings.unseen("mini", setting)))
    end
    assert.are.equal(138, count(settings.rare "hico"))
  end)

  it("may be a file of ids that count from 0", function()
    local function unseen(path, list)
      local found = {}
      for i, row in ipairs(targets(list or "hico", { setting = path })) do
        found[#found + 1] = not row.seen and i - 1 or nil
      end
      return found
    end
    local text = write("own.txt", "0 3-5, 599 # and so on\n7")
    assert.are.same({ 0, 3, 4, 5, 7, 599 }, unseen(text))
    assert.are.same({ 8, 9 }, unseen(write("uc0.json", "[9, 8]")))
    assert.are.same({ 1 }, unseen(write("uc1.json", '{ "uc1": [1], "uc2": [2] }'), "vcoco"))
    assert.are.equal(6, count(settings.unseen("hico", text, 600)))
    local zoo = { { verb = "feed", object = "zebra" }, { verb = "pet", object = "zebra" },
      { verb = "ride", object = "zebra", seen = false } }
    assert.are.same({ 1, 2 }, unseen(write("one.txt", "1"), zoo))
    says("not defined for the classes 'own'", targets, zoo, { setting = "unseen_verb" })
    says("class 599: ids from 0 to 59 wanted", targets, "mini", { setting = text })
    says("found 'hold'", targets, "hico", { setting = write("wrong.txt", "hold cup") })
    says("item 1", targets, "hico", { setting = write("wrong.json", '["hold"]') })
    says("names no unseen class", targets, "hico", { setting = write("none.txt", "# none") })
    says("no file of ids", targets, "hico", { setting = folder .. "/uc9.json" })
  end)

  it("take rare classes first, or none", function()
    local rare = settings.rare "hico"
    for id in pairs(settings.unseen("hico", "rare_first")) do
      assert.is_true(rare[id])
    end
    for id in pairs(settings.unseen("hico", "non_rare_first")) do
      assert.is_nil(rare[id])
    end
  end)

  it("leave no class of an unseen object or verb", function()
    local objects, verbs = {}, {}
    for _, row in ipairs(targets("hico", { setting = "unseen_object" })) do
      objects[row.object] = objects[row.object] or row.seen
    end
    local gone = {}
    for name, seen in pairs(objects) do
      gone[#gone + 1] = not seen and name or nil
    end
    table.sort(gone)
    assert.are.same({ "baseball_bat", "clock", "dog", "elephant", "frisbee", "pizza",
      "refrigerator", "skateboard", "skis", "tennis_racket", "toothbrush", "zebra" }, gone)
    for _, row in ipairs(targets("hico.verbs", { setting = "unseen_verb" })) do
      verbs[#verbs + 1] = not row.seen and row.verb or nil
    end
    assert.are.equal(20, #verbs)
    for _, row in ipairs(targets("hico.verbs", { setting = "rare_first" })) do
      assert.is_true(row.seen)
    end
  end)
end)

describe("data.hicodet", function()
  -- Two classes, three pictures; the second has none and the third only the second class.
  local function instances(change)
    local human, object = { 1, 1, 3, 4 }, { 4, 1, 6, 4 }
    local file = {
      objects = { "person", "tv_set" },
      verbs = { "repair", "watch" },
      correspondence = { { 1, 1, 0 }, { 0, 1, 1 } },
      filenames = { "a.bmp", "b.bmp", "c.bmp" },
      size = { { 6, 4 }, { 6, 4 }, { 6, 4 } },
      annotation = {
        { boxes_h = { human, human }, boxes_o = { object, object }, hoi = { 0, 1 } },
        { boxes_h = json.array {}, boxes_o = json.array {}, hoi = json.array {} },
        { boxes_h = { human }, boxes_o = { object }, hoi = { 1 } },
      },
    }
    if change then
      change(file)
    end
    local path = folder .. "/instances_test2015.json"
    json.save(path, file)
    return path
  end

  it("reads one's own classes and pictures", function()
    local set = data.hicodet(instances())
    assert.are.equal(2, #set)
    assert.are.same({ empty = 1, unseen = 0 }, set.skipped)
    assert.are.equal("watch", set.targets[1].verb)
    assert.are.equal("a person repairing a tv set", set.targets[2].sentence)
    local item = set[1]
    assert.are.equal("a.bmp", item.name)
    assert.are.same({ 6, 4 }, { item.width, item.height })
    assert.are.same({ human_box = { 0, 0, 3, 4 }, object_box = { 3, 0, 6, 4 }, verb = "watch",
      object = "tv_set", target = 1 }, item.annotations[1])
    assert.are.equal(2, item.annotations[2].target)
    assert.is_nil(set[3])
    assert.is_nil(set[0])
    picture("a.bmp", 6, 4)
    assert.are.equal(6, item.image.width)
    assert.are.equal(item.image, item.image)
    says("c.bmp: none of these is there: " .. folder .. "/c.bmp", function()
      return set[2].image
    end)
    assert.are.equal(3, #data.hicodet(folder, { empty = true }))
    local seen = 0
    for i, one in ipairs(set) do
      seen = seen + i * #one.annotations
    end
    assert.are.equal(4, seen)
  end)

  it("says which file, picture and pair is wrong", function()
    local function wrong(text, change)
      says(text, data.hicodet, instances(change))
    end
    wrong("test2015.json: c.bmp: pair 1: interaction 7 is not in the correspondence", function(file)
      file.annotation[3].hoi[1] = 7
    end)
    wrong("a.bmp: pair 2: object: {6, 1, 4, 4} is turned inside out", function(file)
      file.annotation[1].boxes_o[2] = { 6, 1, 4, 4 }
    end)
    wrong("a.bmp: pair 1: human: [x1, y1, x2, y2] wanted", function(file)
      file.annotation[1].boxes_h[1] = { 1, 2, 3 }
    end)
    wrong("a.bmp: pair 1: human: four numbers wanted, got a string", function(file)
      file.annotation[1].boxes_h[1] = { 1, 2, 3, "4" }
    end)
    wrong("a.bmp: boxes_h, boxes_o and hoi: lists of equal length", function(file)
      file.annotation[1].hoi[3] = 1
    end)
    wrong("3 filenames, but 2 annotations", function(file)
      file.annotation[3] = nil
    end)
    wrong("the list 'correspondence' is missing", function(file)
      file.correspondence = nil
    end)
    wrong("correspondence[1]: [interaction, object, verb] wanted", function(file)
      file.correspondence[1][2] = 5
    end)
    wrong("interaction 0 comes twice", function(file)
      file.correspondence[1][1] = 0
    end)
    says("split 'val': train or test", data.hicodet, folder, { split = "val" })
    says("unknown option 'spilt'", data.hicodet, folder, { spilt = "test" })
    says("a folder or file expected, got nil", data.hicodet)
    says("a file of ids from 0", data.hicodet, instances(), { setting = "unseen_verb" })
    says("hico-det.json:1:1", data.hicodet, write("hico-det.json", "x"))
    says("neither HICO-DET's form", data.hicodet, write("hico-det.json", '{"a": {}}'))
  end)

  it("reads HAKE's training file, and leaves out what is unseen", function()
    local function label(hoi)
      return { hoi_id = hoi, human_bbox = { 1, 1, 3, 4 }, object_bbox = { 4, 1, 6, 4 }, width = 6,
        height = 4 }
    end
    local unseen, seen = 5, 4 -- inspect and fly an airplane
    local path = folder .. "/hake.json"
    json.save(path, {
      ["b.jpg"] = { labels = { label(seen), label(unseen) } },
      ["a.jpg"] = { labels = { label(unseen) } },
      ["c.jpg"] = { labels = json.array {} },
    })
    local set = data.hicodet(path, { split = "train" })
    assert.are.equal(2, #set)
    assert.are.equal("a.jpg", set[1].name)
    assert.are.equal(2, #set[2].annotations)
    assert.are.same({ 6, 4 }, { set[2].width, set[2].height })
    set = data.hicodet(path, { split = "train", setting = "unseen_verb" })
    assert.are.equal(1, #set)
    assert.are.same({ empty = 1, unseen = 1 }, set.skipped)
    assert.are.equal(1, #set[1].annotations)
    assert.are.equal(seen, set[1].annotations[1].target)
    assert.is_false(set.targets[unseen].seen)
    set = data.hicodet(path, { split = "test", setting = "unseen_verb" }) -- nothing is held back
    assert.are.equal(2, #set)
    json.save(path, { ["b.jpg"] = { labels = { label(601) } } })
    says("hake.json: b.jpg: label 1: hoi_id 601 is not one of 1 to 600", data.hicodet, path)
  end)

  it("reads HAKE's real file: its counts, its rare classes, what each setting leaves", function()
    local archive = shared .. "/hicodet/hake_hico-det-instance-level.tar.gz"
    if not system.kind(archive) or not os.execute("tar -xzf " .. archive .. " -C " .. folder) then
      return pending(archive .. " is not there, or tar")
    end
    local file = ("%s/hico-det-instance-level/%s.json"):format(folder,
      "hico-det-training-set-instance-level")
    local set, counts = data.hicodet(folder, { split = "train" }), {}
    assert.are.same({ 37633, 485 }, { #set, set.skipped.empty })
    local raw = json.load(file) -- once more, by hand
    local pictures, pairs_of = 0, 0
    for _, entry in pairs(raw) do
      pictures = pictures + 1
      for _, label in ipairs(entry.labels) do
        counts[label.hoi_id] = (counts[label.hoi_id] or 0) + 1
        pairs_of = pairs_of + 1
      end
    end
    assert.are.same({ 38118, 117654 }, { pictures, pairs_of })
    local rare = settings.rare "hico"
    for id = 1, 600 do
      assert.are.equal((counts[id] or 0) < 10, rare[id] == true, id)
    end
    for _, setting in ipairs { "unseen_verb", "rare_first" } do
      local unseen, kept, left, gone = settings.unseen("hico", setting), 0, 0, 0
      for _, entry in pairs(raw) do
        local seen = 0
        for _, label in ipairs(entry.labels) do
          seen = seen + (unseen[label.hoi_id] and 0 or 1)
        end
        kept, left = kept + (seen > 0 and 1 or 0), left + seen
        gone = gone + (seen == 0 and #entry.labels > 0 and 1 or 0)
      end
      local training, total = data.hicodet(file, { split = "train", setting = setting }), 0
      for k = 1, #training do
        for _, a in ipairs(training[k].annotations) do
          assert(training.targets[a.target].seen)
          total = total + 1
        end
      end
      assert.are.same({ kept, left, gone }, { #training, total, training.skipped.unseen })
    end
  end)

  it("says what to do with an archive", function()
    system.make_folder(folder .. "/packed")
    write("packed/hake.tar.gz", "")
    says("tar -xzf", data.hicodet, folder .. "/packed", { split = "train" })
    says("tar -xzf", data.hicodet, folder .. "/packed/hake.tar.gz", { split = "train" })
    says("no annotations of split 'test'", data.hicodet, folder .. "/packed")
  end)

  it("reads the real test set; its truth as detections is perfect", function()
    if not system.kind(shared .. "/hicodet/instances_test2015.json") then
      return pending(shared .. "/hicodet/instances_test2015.json is not there")
    end
    local set = data.hicodet(shared .. "/hicodet", { setting = "unseen_verb" })
    assert.are.equal(9546, #set)
    assert.are.equal(112, set.skipped.empty)
    assert.are.equal("Targets hico, 600 classes, 84 unseen", tostring(set.targets))
    local meter <close> = make_meter(set.targets)
    local total = 0
    for _, item in ipairs(set) do
      total = total + #item.annotations
      for _, a in ipairs(item.annotations) do
        meter:truth(item.name, a.target, a.human_box, a.object_box)
        meter:add(item.name, a.target, 1, a.human_box, a.object_box)
      end
    end
    assert.are.equal(33405, total)
    local result, missing = meter:result()
    assert.are.same({}, missing)
    for _, value in ipairs(result) do
      assert.are.equal(1, value)
    end
  end)
end)

describe("data.vcoco", function()
  it("reads V-COCO's layout", function()
    local path = folder .. "/instances_vcoco_test.json"
    local human, object, none = { 1, 1, 3, 4 }, { 4, 1, 6, 4 }, json.array {}
    json.save(path, { annotations = {
      { file_name = "a.bmp", boxes_h = { human, human }, boxes_o = { object, object },
        actions = { 5, 4 }, objects = { 33, 39 } },
      { file_name = "b.bmp", boxes_h = none, boxes_o = none, actions = none, objects = none },
    } })
    local set = data.vcoco(folder)
    assert.are.equal(1, #set)
    assert.are.equal(1, set.skipped.empty)
    local a = set[1].annotations
    assert.are.same({ "hit", "sports ball" }, { a[1].verb, a[1].object })
    assert.are.same({ "hit_with", "tennis racket" }, { a[2].verb, a[2].object })
    assert.are.same({ 4, 1, 6, 4 }, a[1].object_box)
    assert.are.equal("hit_with", set.targets[a[2].target].verb)
    picture("a.bmp", 6, 4)
    local item = set[1]
    assert.are.same({ 6, 4 }, { item.width, item.height })
    json.save(path, { annotations = { { file_name = "a.bmp", boxes_h = { human },
      boxes_o = { object }, actions = { 5 }, objects = { 2 } } } })
    says("a.bmp: pair 1: action hit with object bicycle is none of V-COCO's 236 classes",
      data.vcoco, folder)
    says("split 'dev'", data.vcoco, folder, { split = "dev" })
  end)

  it("reads the real files", function()
    for split, wanted in pairs { trainval = { 5400 - 431, 13817 }, test = { 4946 - 414, 12402 } } do
      local path = ("%s/vcoco/instances_vcoco_%s.json"):format(shared, split)
      if not system.kind(path) then
        return pending(path .. " is not there")
      end
      local set, total = data.vcoco(shared .. "/vcoco", { split = split }), 0
      for _, item in ipairs(set) do
        total = total + #item.annotations
      end
      assert.are.same(wanted, { #set, total })
    end
  end)
end)

describe("data.vcoco in its authors' layout", function()
  -- One picture of 20 x 10: two people and a stranger, a ball and a bat.
  local function files()
    json.save(folder .. "/instances_vcoco_all_2014.json", {
      images = { { id = 9, file_name = "a.bmp", width = 20, height = 10 },
        { id = 8, file_name = "other.bmp", width = 20, height = 10 } },
      categories = { { id = 1, name = "person" }, { id = 37, name = "sports ball" },
        { id = 39, name = "baseball bat" } },
      annotations = {
        { id = 1, image_id = 9, category_id = 1, bbox = { 0, 0, 5, 9 }, area = 30 },
        { id = 2, image_id = 9, category_id = 1, bbox = { 14, 2, 9, 12 }, area = 30 },
        { id = 3, image_id = 9, category_id = 1, bbox = { 7, 0, 3, 3 }, area = 9 },
        { id = 4, image_id = 9, category_id = 37, bbox = { 6, 4, 2, 2 }, area = 4 },
        { id = 5, image_id = 9, category_id = 39, bbox = { 1, 1, 1, 4 }, area = 4 }, -- 1 wide: gone
        { id = 6, image_id = 9, category_id = 39, bbox = { 1, 1, 3, 4 }, area = 9 },
        { id = 7, image_id = 8, category_id = 1, bbox = { 0, 0, 5, 9 }, area = 30 },
      },
    })
    local function action(name, roles, label, objects)
      return { action_name = name, role_name = roles, include = json.array {}, image_id = { 9, 9 },
        ann_id = { 1, 2 }, label = label, role_object_id = objects }
    end
    json.save(folder .. "/vcoco_test.json", {
      action("stand", { "agent" }, { 1, 1 }, { 1, 2 }),
      action("hit", { "agent", "instr", "obj" }, { 1, 0 }, { 1, 2, 6, 0, 4, 0 }),
      action("kick", { "agent", "obj" }, { 0, 1 }, { 1, 2, 0, 0 }),
      action("point", { "agent", "instr" }, { 1, 0 }, { 1, 2, 4, 0 }),
    })
    return folder .. "/vcoco_test.json"
  end

  it("reads people, what they do and with what", function()
    local set = data.vcoco(files())
    assert.are.equal(1, #set)
    local item = set[1]
    assert.are.same({ "a.bmp", 20, 10 }, { item.name, item.width, item.height })
    local people = item.persons
    assert.are.same({ 0, 0, 4, 8 }, people[1].box)
    assert.are.same({ 14, 2, 19, 9 }, people[2].box) -- cut off at the picture's edge
    assert.are.same({ hit = true, hit_with = true }, people[1].actions)
    assert.are.same({ hit = { 6, 4, 7, 5 }, hit_with = { 1, 1, 3, 4 } }, people[1].roles)
    assert.are.same({ kick = true }, people[2].actions)
    assert.are.same({}, people[2].roles)
    assert.is_nil(people[3].actions) -- a stranger nobody has looked at
    local a = item.annotations
    assert.are.same({ "hit_with", "baseball bat", "hit", "sports ball" },
      { a[1].verb, a[1].object, a[2].verb, a[2].object })
    assert.are.equal("hit", set.targets[a[2].target].verb)
  end)

  it("is found in a folder, and its boxes are asked for by name", function()
    files()
    os.remove(folder .. "/instances_vcoco_test.json")
    assert.are.equal(1, #data.vcoco(folder))
    local boxes = folder .. "/instances_vcoco_all_2014.json"
    assert(os.rename(boxes, folder .. "/boxes.json"))
    says("holds no boxes", data.vcoco, folder)
    assert.are.equal(1, #data.vcoco(folder, { instances = folder .. "/boxes.json" }))
    os.remove(folder .. "/vcoco_test.json")
    says("none of these is there", data.vcoco, folder)
  end)
end)

describe("data.folder", function()
  it("lists pictures by name and nothing else", function()
    system.make_folder(folder .. "/pictures")
    picture("pictures/b.BMP", 3, 2)
    picture("pictures/a.bmp", 5, 4)
    write("pictures/notes.txt", "x")
    local set = data.folder(folder .. "/pictures/")
    assert.are.equal(2, #set)
    assert.are.same({ "a.bmp", "b.BMP" }, { set[1].name, set[2].name })
    assert.are.equal(folder .. "/pictures/a.bmp", set[1].path)
    assert.are.equal(5, set[1].width)
    assert.are.same({}, set[1].annotations)
    assert.are.equal(1, #data.folder(folder .. "/pictures/a.bmp"))
    says("there is no such folder", data.folder, folder .. "/nowhere")
  end)
end)

describe("a picture of a data set", function()
  it("has an identity of its own, and says where its pixels come from", function()
    local path = picture("one.bmp", 3, 2)
    local one = data.folder(path)[1]
    assert.are.equal(path, one.source.path)
    local before = one.identity
    picture("one.bmp", 4, 2)
    assert.are_not.equal(before, data.folder(path)[1].identity)
    local set = data.mini { split = "validation", seed = 5 }
    assert.are.same({ kind = "test", seed = 5, index = (1 << 40) + 1, decoys = true },
      set[2].source)
    assert.are.equal(set[2].identity, data.mini { split = "validation", seed = 5 }[2].identity)
    assert.are_not.equal(set[2].identity, set[3].identity)
    assert.are_not.equal(set[2].identity, data.mini { split = "validation" }[2].identity)
  end)
end)

describe("data.mini", function()
  it("is fixed for testing and endless for training", function()
    local test, again = data.mini { size = 40 }, data.mini { size = 40 }
    assert.are.equal(40, #test)
    assert.are.equal(700, #data.mini())
    assert.are.equal(math.maxinteger, #data.mini { split = "train" })
    assert.are.same(test[7].annotations, again[7].annotations)
    local validation, train = data.mini { split = "validation" }, data.mini { split = "train" }
    local pairs_found = 0
    for i = 1, 40 do
      local item = test[i]
      pairs_found = pairs_found + #item.annotations
      for _, a in ipairs(item.annotations) do
        assert.are.equal(a.verb, test.targets[a.target].verb)
        assert.are.equal(a.object, test.targets[a.target].object)
        assert.is_true(a.human_box[1] < a.human_box[3] and a.object_box[4] <= 96)
      end
      assert.are_not.same(item.instances, validation[i].instances)
      assert.are_not.same(item.instances, train[i].instances)
    end
    assert.is_true(pairs_found > 20)
    assert.are.equal("person", test[1].instances[1].label)
    assert.are.equal(96, test[1].image.width)
    assert.is_string(train[1000000].caption)
    assert.is_nil(test[41])
    assert.are_not.same(test[1].instances, data.mini({ seed = 67 })[1].instances)
  end)

  it("holds unseen classes back in training only", function()
    local all = data.mini { split = "train" }
    local train = data.mini { split = "train", setting = "unseen_verb" }
    local unseen, next_place = 0, 1
    for i = 1, 200 do
      local had, left = 0, 0
      for _, a in ipairs(all[i].annotations) do
        had = had + 1
        left = left + (train.targets[a.target].seen and 1 or 0)
      end
      unseen = unseen + had - left
      if had == 0 or left > 0 then
        local item = train[next_place]
        assert.are.same(all[i].instances, item.instances)
        assert.are.equal(left, #item.annotations)
        next_place = next_place + 1
      end
    end
    assert.is_true(unseen > 0 and next_place < 201)
    local found = false
    local test = data.mini { setting = "unseen_verb", size = 100 }
    for _, item in ipairs(test) do
      for _, a in ipairs(item.annotations) do
        found = found or not test.targets[a.target].seen
      end
    end
    assert.is_true(found)
    says("split 'dev'", data.mini, { split = "dev" })
    says("setting 'uv' is not known", data.mini, { setting = "uv" })
    says("size: a whole number", data.mini, { size = 1.5 })
    says("did you mean 'decoys'", data.mini, { decoy = true })
  end)
end)
