-- detector: plugins in both languages, what hoi says about broken ones, and the plugin boxes.
local hoi = require "hoi"
local core = require "hoi.detector.core"
local says = dofile "tests/lua/expect.lua".says
local scratch = dofile "tests/lua/scratch.lua"

local build = os.getenv "HOI_BUILD" or core.program_folder
local plugins = build .. "/tests/plugins/"
local centre = build .. "/plugins/centre.so"
local corner = "plugins/corner.lua"
local shared = "../shared/data/"

local folder = scratch.folder() -- of this run

local function write(name, text)
  return scratch.write(folder .. "/" .. name, text)
end

-- Gets a picture whose pixel at column x, row y (from 0) is (x, y, 200), by way of a BMP file.
local function picture(width, height)
  local rows = {}
  for y = height - 1, 0, -1 do
    local row = {}
    for x = 0, width - 1 do
      row[#row + 1] = string.char(200, y, x)
    end
    rows[#rows + 1] = table.concat(row) .. ("\0"):rep(-width * 3 % 4)
  end
  local pixels = table.concat(rows)
  local header = string.pack("<c2I4I4I4I4i4i4I2I2I4I4i4i4I4I4", "BM", 54 + #pixels, 0, 54, 40,
    width, height, 1, 24, 0, #pixels, 2835, 2835, 0, 0)
  return hoi.image(write(("%dx%d.bmp"):format(width, height), header .. pixels))
end

-- A plugin in Lua whose detect returns what `body` says.
local function lua_plugin(name, body, more)
  return write(name .. ".lua", ([[
    local calls = 0
    return { abi = 1, name = "%s", labels = { "person", "dog" },
      open = function(options) return {} end,
      detect = function(self, picture)
        calls = calls + 1
        local box = { 0, 0, picture.width, picture.height }
        local detection = { box = box, score = 0.5, label = "person" }
        local list, map = { detection }
        %s
        return list, map
      end,
      close = function() end,
      %s }]]):format(name, body, more or ""))
end

teardown(function()
  scratch.remove(folder)
end)

describe("detector plugins", function()
  it("in C and in Lua give equal results for equal options", function()
    local image = picture(7, 5)
    for _, options in ipairs {
      { x = 0.25, y = 0.75, score = 0.125 }, { x = 0, y = 0 }, { x = 0.5, y = 0.5, score = 1 } } do
      local in_c <close> = hoi.detector(centre, options)
      local in_lua <close> = hoi.detector(corner, options)
      local result = in_c:detect(image)
      assert.are.same(result, in_lua:detect(image))
      assert.are.same(result, in_c:detect { image = image, name = "a.jpg" })
      assert.are.same({ options.x, options.y }, result[1].feature)
      assert.are.equal("float", math.type(in_lua:detect(image)[1].box[1]))
    end
    image:release()
  end)

  it("of both kinds are the same object: name, labels, detect, close, release, text", function()
    local image = picture(8, 4)
    for name, path in pairs { centre = centre, corner = corner } do
      local detector <close> = hoi.detector(path)
      assert.are.equal(name, detector.name)
      assert.are.same({ "person" }, detector.labels)
      assert.are.equal("hoi.Detector", getmetatable(detector).__name)
      assert.are.equal(("Detector %s, 1 label"):format(name), tostring(detector))
      local box = name == "centre" and { 2, 1, 6, 3 } or { 0, 0, 4, 2 }
      assert.are.same(box, detector:detect(image)[1].box)
      assert.are.equal(detector.close, detector.release)
    end
    image:release()
  end)

  it("lend C everything: labels, features, map, picture, options as JSON", function()
    local image = picture(3, 2)
    local detector <close> = hoi.detector(plugins .. "every_service.so", { folder = "x" })
    assert.are.same({ "cat", '{"folder": "x"}' }, detector.labels)
    local plain <close> = hoi.detector(plugins .. "every_service.so")
    assert.are.same({ "cat", "{}" }, plain.labels)
    local list, map = detector:detect { image = image, name = "a/b.jpg" }
    assert.are.equal(6, #list)
    for i, detection in ipairs(list) do
      local x, y = (i - 1) % 3, (i - 1) // 3
      assert.are.same({ box = { x, y, x + 1, y + 1 }, score = 2 / 16, feature = { x, y, 200 },
        label = detector.labels[y < 1 and 2 or 1] }, detection)
    end
    assert.are.equal("a/b.jpg", map.name)
    assert.are.same({ 2, 3, 3 }, map.shape)
    local red, green, blue = string.unpack("fff", map.data, 1 + 4 * 3) -- of the second pixel
    assert.are.same({ 1, 0, 200 }, { red, green, blue })
    image:release()
  end)

  it("in Lua see width, height, name and image, and may hand out features and a map", function()
    local image = picture(3, 2)
    local path = lua_plugin("seen", [[
      assert(picture.width == 3 and picture.height == 2 and picture.image.width == 3)
      detection.label, detection.feature, detection.mask = 2, { #picture.name, 1 }, "dropped"
      map = { name = "memory", shape = { 1, 1, 2 }, data = ("ff"):pack(1, 2) }
    ]])
    local detector <close> = hoi.detector(path)
    local list, map = detector:detect { image = image, name = "abc" }
    assert.are.same({ { box = { 0, 0, 3, 2 }, score = 0.5, label = "dog", feature = { 3, 1 } } },
      list)
    assert.are.same({ 1, 1, 2 }, map.shape)
    assert.are.same({ 0, 1 }, detector:detect(image)[1].feature)
    image:release()
  end)

  it("are closed once, by close, release, <close> or the collector, then detect no more", function()
    local image = picture(1, 1)
    local path = write("counted.lua", [[
      closed = 0
      return { abi = 1, name = "counted", labels = {}, open = function() return nil, { "dog" } end,
        detect = function() return {} end, close = function() closed = closed + 1 end }]])
    local detector = hoi.detector(path)
    assert.are.same({}, detector:detect(image))
    detector:close()
    detector:close()
    detector:release()
    assert.are.equal(1, _G.closed)
    says("detector 'counted' was closed", detector.detect, detector, image)
    assert.are.equal("Detector counted, 1 label (closed)", tostring(detector))
    do
      local _ <close> = hoi.detector(path)
    end
    assert.are.equal(1, _G.closed)
    _G.closed = nil

    -- The score of this one is how many are open.
    local observer <close> = hoi.detector(plugins .. "every_service.so")
    hoi.detector(plugins .. "every_service.so")
    assert.are.equal(2 / 16, observer:detect(image)[1].score)
    collectgarbage()
    collectgarbage()
    assert.are.equal(1 / 16, observer:detect(image)[1].score)
    local second = hoi.detector(plugins .. "every_service.so")
    second:close()
    says("detector 'every_service' was closed", second.detect, second, image)
    assert.are.equal(1 / 16, observer:detect(image)[1].score)
    image:release()
  end)

  it("survive being closed by their own detect", function()
    local image = picture(2, 2)
    local detector = hoi.detector(lua_plugin("closes", "suicide:close()"))
    _G.suicide = detector
    assert.are.equal(1, #detector:detect(image))
    _G.suicide = nil
    says("was closed", detector.detect, detector, image)
    image:release()
  end)

  it("tell when close fails, and count as closed", function()
    local path = write("stuck.lua", [[return { abi = 1, name = "stuck", labels = {},
      open = function() return {} end, detect = function() return {} end,
      close = function() error("the door is stuck", 0) end }]])
    local detector = hoi.detector(path)
    says("detector 'stuck': close: the door is stuck", detector.close, detector)
    detector:close()
  end)
end)

describe("hoi.detector", function()
  it("lists the places it tried", function()
    local message = says("detector 'nowhere': not found", hoi.detector, "nowhere")
    for _, place in ipairs {
      "/nowhere.lua or .so", "the plugins inside hoi", "/plugins/nowhere.lua or .so" } do
      assert.is_truthy(message:find(place, 1, true), place)
    end
    says("detector './nowhere.so': not found: there is no file ./nowhere.so", hoi.detector,
      "./nowhere.so")
  end)

  it("looks in the script's folder, in HOI_PLUGINS, inside hoi, beside the program", function()
    local function plugin(place, name)
      os.execute(("mkdir -p %s/%s"):format(folder, place))
      write(place .. "/" .. name .. ".lua", ([[return { abi = 1, name = "%s", labels = {},
        open = load "", detect = load "", close = load "" }]]):format(place))
    end
    plugin("script", "one")
    plugin("first", "one")
    plugin("first", "boxes")
    plugin("second", "one")
    plugin("second", "two")
    local script = write("script/names.lua", [[
      for _, name in ipairs(arg) do print(require "hoi".detector(name).name) end]])
    local command = ("HOI_PLUGINS=%s/first:%s/second %s/hoi %s %s 2>&1"):format(folder, folder,
      core.program_folder, script, "one boxes two centre corner")
    local output = io.popen(command):read "a"
    assert.are.equal("script\nfirst\nsecond\ncentre\ncorner\n", output)
  end)

  it("tells apart what can not be loaded, is no plugin, of another ABI, or incomplete", function()
    local message = says("is not loadable: ", hoi.detector, write("text.so", "no library"))
    assert.is_truthy(message:find("text.so", 1, true))
    says("no_symbol.so has no symbol hoi_plugin", hoi.detector, plugins .. "no_symbol.so")
    says(("wrong_abi.so has plugin ABI %d, this hoi has ABI %d"):format(core.abi + 6, core.abi),
      hoi.detector, plugins .. "wrong_abi.so")
    says("incomplete.so: member 'detect' is missing", hoi.detector, plugins .. "incomplete.so")
  end)

  it("tells the same of plugins in Lua", function()
    says("is not loadable: ", hoi.detector, write("syntax.lua", "return {"))
    says("is not loadable: ", hoi.detector, write("raises.lua", "error 'no camera'"))
    says("returned nil, it is no detector plugin", hoi.detector, write("nothing.lua", "local x"))
    says("has plugin ABI 7, this hoi has ABI 1", hoi.detector, lua_plugin("seven", "", "abi = 7"))
    says("has plugin ABI nil, this hoi has ABI 1", hoi.detector, write("none.lua", "return {}"))
    says("member 'close' is missing", hoi.detector, lua_plugin("open_door", "", "close = false"))
    says("member 'name' is missing", hoi.detector, lua_plugin("nameless", "", "name = 7"))
    says("labels: a list of names wanted, got nil", hoi.detector,
      write("unlabelled.lua", [[
        return { abi = 1, name = "x", open = print, detect = print, close = print }]]))
    says("labels: number 2 is 'a' a second time", hoi.detector,
      lua_plugin("twice", "", "labels = { 'a', 'a' }"))
    says("labels: number 1 is 1: distinct names wanted", hoi.detector,
      lua_plugin("numbers", "", "labels = { 1, 2 }"))
  end)

  it("refuses wrong arguments", function()
    says("a name wanted, got nil", hoi.detector)
    says("a name wanted, got a table", hoi.detector, {})
    says("options: a table wanted, got 'x'", hoi.detector, corner, "x")
    says("detector 'plugins/corner.lua': option 'z'", hoi.detector, corner, { z = 1 })
    says(("detector '%s': option 'z'"):format(centre), hoi.detector, centre, { z = 1 })
    says(("detector '%s': "):format(centre), hoi.detector, centre, { x = print })
    local image = picture(2, 2)
    local detector <close> = hoi.detector(corner)
    says("detector 'corner': an hoi.Image, or { image = hoi.Image, name = string }, wanted, got "
      .. "number", detector.detect, detector, 7)
    says("got image = string", detector.detect, detector, { image = "a.jpg" })
    says("got image = nil", detector.detect, detector, { name = "a.jpg" })
    says("got FILE*", detector.detect, detector, io.stdout)
    says("the picture's name: a string wanted, got number", detector.detect, detector,
      { image = image, name = 7 })
    says("with a colon", detector.detect, image)
    image:release()
    says("released", detector.detect, detector, image)
  end)
end)

describe("errors of plugins carry the detector's name:", function()
  it("in open", function()
    local faulty = plugins .. "faulty.so"
    says("faulty.so': the model's file is missing", hoi.detector, faulty, { fault = "open" })
    says("faulty.so': open got NULL and gave no reason", hoi.detector, faulty,
      { fault = "silent open" })
    says("faulty.so': failed, yet got something", hoi.detector, faulty, { fault = "open too late" })
    says("faulty.so': emit called in open", hoi.detector, faulty, { fault = "emit in open" })
    says("faulty.so': open returned labels: number 2 is 'dog' a second time", hoi.detector, faulty,
      { fault = "same labels" })
    local raising = lua_plugin("raising", "", [[
      open = function(options) return nil, options.quiet or error("no file") end]])
    says("raising.lua': ", hoi.detector, raising)
    says("no file", hoi.detector, raising)
    says("raising.lua': it is closed today", hoi.detector, raising,
      { quiet = "it is closed today" })
  end)

  -- What is wrong, in C (by the fault's name) and in Lua (by what detect does), and what is said of
  -- both.
  local faults = {
    { "nan box", "detection.box[1] = 0/0", "detection 1: box is {" },
    { "infinite box", "detection.box[4] = math.huge", "inf}: finite numbers wanted" },
    { "box inside out", "detection.box[1] = 5",
      "detection 1: box is {5, 0, 4, 3}: x1 <= x2 and y1 <= y2 wanted" },
    { "score", "detection.score = 1.5", "detection 1: score is 1.5: a number in 0..1 wanted" },
    { "nan score", "detection.score = 0/0", "nan: a number in 0..1 wanted" },
    { "label", "detection.label = 3",
      "detection 1: label is 3: a name, or a place from 1 on, among its 2 labels wanted" },
    { "negative label", "detection.label = 0", "detection 1: label is 0: a name" },
    { "nan feature", "detection.feature = { 0, 1, 0/0, 3 }", "detection 1: feature holds " },
    { "nan map",
      "map = { name = 'memory', shape = { 1, 2, 2 }, data = ('ffff'):pack(0, 1, 0/0, 3) }",
      "map 'memory': finite numbers wanted" },
    { "detect", "error('the picture is ' .. picture.width .. ' wide: too small', 0)",
      "picture 'a.jpg': the picture is 4 wide: too small" },
  }
  for _, fault in ipairs(faults) do
    it(fault[1] .. ", in both languages", function()
      local image = picture(4, 3)
      local in_c <close> = hoi.detector(plugins .. "faulty.so", { fault = fault[1] })
      local in_lua <close> = hoi.detector(lua_plugin("faulty", fault[2]))
      for _, detector in ipairs { in_c, in_lua } do
        local message = says(fault[3], detector.detect, detector, { image = image, name = "a.jpg" })
        assert.is_truthy(message:find("detector 'faulty': picture 'a.jpg': ", 1, true), message)
      end
      image:release()
    end)
  end

  it("one width of the features for all pictures, in both languages", function()
    local image = picture(4, 3)
    local in_c <close> = hoi.detector(plugins .. "faulty.so", { fault = "feature width" })
    local in_lua <close> = hoi.detector(lua_plugin("faulty",
      "detection.feature = calls == 1 and { 0 } or { 0, 1 }"))
    for _, detector in ipairs { in_c, in_lua } do
      assert.are.equal(1, #detector:detect(image)[1].feature)
      says("detection 1: feature has width 2, this detector's earlier ones have 1",
        detector.detect, detector, image)
    end
    local some <close> = hoi.detector(lua_plugin("some", [[
      list[2] = { box = { 0, 0, 1, 1 }, score = 1, label = "dog", feature = { 1 } } ]]))
    says("detection 2: feature has width 1, this detector's earlier ones have 0",
      some.detect, some, image)
    image:release()
  end)

  it("what only C can do wrong", function()
    local image = picture(4, 3)
    for fault, text in pairs {
      ["silent detect"] = "detect failed and gave no reason",
      ["two messages"] = "the cause",
      ["no detection"] = "emit called with NULL",
      ["null feature"] = "detection 1: feature of width 3 is NULL",
      ["negative width"] = "detection 1: feature of width -3",
      ["map shape"] = "map 'memory': shape 1 x 0 x 2",
      ["two maps"] = "map called twice",
      ["labels in detect"] = "labels called outside open",
    } do
      local detector <close> = hoi.detector(plugins .. "faulty.so", { fault = fault })
      says("detector 'faulty': " .. text, detector.detect, detector, image)
    end
    local sound <close> = hoi.detector(plugins .. "faulty.so")
    assert.are.same({ { box = { 0, 0, 4, 3 }, score = 0.5, label = "person" } },
      sound:detect(image))
    image:release()
  end)

  it("what only Lua can do wrong", function()
    local image = picture(4, 3)
    for body, text in pairs {
      ["list = nil"] = "detect returned nil: a list of detections wanted",
      ["list = detection"] = "detect returned a table: a list of detections wanted",
      ["list = { 7 }"] = "detection 1: 7: a table { box, score, label } wanted",
      ["detection.box = nil"] = "detection 1: box is nil: {x1, y1, x2, y2} wanted",
      ["detection.box = { 1, 2, 3 }"] = "detection 1: box is {1, 2, 3}: {x1, y1, x2, y2} wanted",
      ["detection.box[2] = '0'"] = "detection 1: box is {0, '0', 4, 3}: finite numbers wanted",
      ["detection.score = nil"] = "detection 1: score is nil",
      ["detection.label = nil"] = "detection 1: label is nil",
      ["detection.label = 'cat'"] = "detection 1: label is 'cat'",
      ["detection.label = true"] = "detection 1: label is a boolean",
      ["detection.feature = 'x'"] = "detection 1: feature is 'x': a list of numbers wanted",
      ["map = 7"] = "map: { name = string, shape = {a, b, c}, data = string of floats } wanted",
      ["map = { name = 'm', shape = { 1, 1, 2 }, data = '1234' }"] =
        "map 'm': 4 bytes of data, shape {1, 1, 2} wants 8",
      ["map = { name = 'm', shape = { 1, 1, 0.5 }, data = '' }"] = "map 'm': shape is {1, 1, 0.5}",
      ["do return nil, 'no picture today' end"] = "no picture today",
      ["error { 1 }"] = "table: ",
    } do
      local detector <close> = hoi.detector(lua_plugin("wrong", body))
      says("detector 'wrong': " .. text, detector.detect, detector, image)
    end
    image:release()
  end)
end)

describe("boxes", function()
  local image

  before_each(function()
    image = picture(6, 4)
  end)

  after_each(function()
    image:release()
  end)

  local function detect(options, name)
    local detector <close> = hoi.detector("boxes", options)
    return detector:detect { image = image, name = name }, detector.labels
  end

  it("reads our own format, and hands out copies", function()
    local file = write("own.json", [=[{ "pictures": {
      "one.jpg": [ { "box": [1, 2, 3, 4], "score": 0.5, "label": "dog", "feature": [7, 8] },
                   { "box": [0, 0, 1.5, 2], "label": "cat", "feature": [9, 10] } ],
      "sub/two.jpg": [] } }]=])
    local detector <close> = hoi.detector("boxes", { file = file, score = 0.25 })
    assert.are.same({ "cat", "dog" }, detector.labels)
    local wanted = { { box = { 1, 2, 3, 4 }, score = 0.5, label = "dog", feature = { 7, 8 } },
      { box = { 0, 0, 1.5, 2 }, score = 0.25, label = "cat", feature = { 9, 10 } } }
    local list = detector:detect { image = image, name = "some/where/one.jpg" }
    assert.are.same(wanted, list)
    list[1].box[1], list[2].label = 100, "changed"
    assert.are.same(wanted, detector:detect { image = image, name = "one.jpg" })
    assert.are.same({}, detector:detect { image = image, name = "two.jpg" })
    says("picture 'three.jpg': not in " .. file, detector.detect, detector,
      { image = image, name = "three.jpg" })
    says("the picture has no name to find it by", detector.detect, detector, image)
  end)

  it("keeps the labels of our own format, and refuses others", function()
    local file = write("labels.json", [[{ "labels": ["person", "dog"], "pictures": {
      "a.jpg": [ { "box": [1, 2, 3, 4], "score": 1, "label": "dgo" } ] } }]])
    says("detector 'boxes': picture 'a.jpg': detection 1: label is 'dgo'", detect, { file = file },
      "a.jpg")
    says("two pictures are called 'a.jpg'", hoi.detector, "boxes",
      { file = write("twice.json", [[{ "pictures": { "x/a.jpg": [], "y/a.jpg": [] } }]]) })
    says("picture 'a.jpg': a table wanted, got a number", hoi.detector, "boxes",
      { file = write("number.json", [[{ "pictures": { "a.jpg": 7 } }]]) })
    says("picture 'a.jpg', detection 1: label: a name wanted", hoi.detector, "boxes",
      { file = write("unlabelled.json", [[{ "pictures": { "a.jpg": [ 7 ] } }]]) })
  end)

  it("reads COCO results by the number in the picture's name, with COCO's own table", function()
    local file = write("results.json", [[[
      { "image_id": 165, "category_id": 90, "bbox": [10, 20, 30, 40], "score": 0.75 },
      { "image_id": 294, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5 },
      { "image_id": 165, "category_id": 13, "bbox": [0, 0, 1, 1], "score": 0.25 } ]
    ]])
    local list, labels = detect({ file = file }, "val/000000000165.jpg")
    assert.are.same({ { box = { 10, 20, 40, 60 }, score = 0.75, label = "toothbrush" },
      { box = { 0, 0, 1, 1 }, score = 0.25, label = "stop sign" } }, list)
    assert.are.equal(80, #labels)
    assert.are.equal("person", detect({ file = file }, "COCO_val2014_000000000294.jpg")[1].label)
    assert.are.same({}, detect({ file = file }, "000000000295.jpg"))
    says("'dog.jpg' has no number", detect, { file = file }, "dog.jpg")
    assert.are.same({}, detect({ file = write("no_results.json", "[]") }, "1.jpg"))
  end)

  it("reads COCO results with a category table and file names of their own", function()
    local file = write("own_results.json", [[
      [ { "image_id": 7, "category_id": 40, "bbox": [1, 1, 2, 2], "score": 1 } ] ]])
    local categories = write("categories.json", [[{ "categories": [ { "id": 40, "name": "kite" } ],
      "images": [ { "id": 7, "file_name": "train/sky.png" } ] }]])
    local list, labels = detect({ file = file, categories = categories }, "sky.png")
    assert.are.same({ { box = { 1, 1, 3, 3 }, score = 1, label = "kite" } }, list)
    assert.are.same({ "kite" }, labels)
    says("'sea.png' is not among the images of ", detect, { file = file, categories = categories },
      "sea.png")
    says("result 1: category_id 12 is not in COCO's table of 80", hoi.detector, "boxes",
      { file = write("twelve.json", [[
        [ { "image_id": 7, "category_id": 12, "bbox": [1, 1, 2, 2], "score": 1 } ] ]]) })
    for _, bbox in ipairs { "7", "[1, 2, 3]", '[1, 2, "3", 4]', "null" } do
      says("result 1: image_id and bbox", hoi.detector, "boxes", { file = write("no_box.json",
        ('[ { "image_id": 7, "category_id": 1, "bbox": %s, "score": 1 } ]'):format(bbox)) })
    end
  end)

  it("reads COCO's ground truth: every box but crowds, by name or number", function()
    local function instances(annotations, images)
      return write("instances.json", ([=[{ "info": {}, "annotations": [ %s ],
        "images": [ %s ],
        "categories": [ { "id": 18, "name": "dog" }, { "id": 1, "name": "person" } ] }]=]):format(
        annotations, images or [[{ "id": 7, "file_name": "000000000165.jpg", "width": 6 },
          { "id": 8, "file_name": "000000000294.jpg" }]]))
    end
    local file = instances [[
      { "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4.5], "iscrowd": 0 },
      { "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4.5], "iscrowd": 0 },
      { "image_id": 7, "category_id": 18, "bbox": [0, 0, 6, 4], "iscrowd": 1 },
      { "image_id": 7, "category_id": 18, "bbox": [0, 0, 1, 1] } ]]
    local list, labels = detect({ file = file, score = 0.5 }, "000000000165.jpg")
    local person = { box = { 1, 2, 4, 6.5 }, score = 0.5, label = "person" }
    assert.are.same({ person, person, { box = { 0, 0, 1, 1 }, score = 0.5, label = "dog" } }, list)
    assert.are.same({ "dog", "person" }, labels)
    assert.are.same({}, detect({ file = file }, "000000000294.jpg"))
    assert.are.equal(3, #detect({ file = file }, "COCO_val2014_000000000165.jpg"))
    says("picture '1.jpg': not in", detect, { file = file }, "1.jpg")
    local function refuses(text, ...)
      says("instances.json: " .. text, hoi.detector, "boxes", { file = instances(...) })
    end
    refuses("annotation 1: image_id and bbox", [[{ "image_id": 7, "category_id": 1 }]])
    refuses("annotation 1: category_id 2 is not among its categories",
      [[{ "image_id": 7, "category_id": 2, "bbox": [0, 0, 1, 1] }]])
    refuses("image 1 has no file_name", "", [[{ "id": 1 }]])
    says("category 1: { id, name } wanted", hoi.detector, "boxes", { file = write("nameless.json",
      [=[{ "images": [], "annotations": [], "categories": [ { "id": 1 } ] }]=]) })
  end)

  it("reads HICO-DET's ground truth: distinct boxes, pixels counted from 1", function()
    local file = write("hico.json", [=[{
      "filenames": ["a.jpg", "b.jpg"], "objects": ["person", "horse"],
      "annotation": [
        { "boxes_h": [[1, 1, 101, 200], [1, 1, 101, 200], [50, 1, 150, 200]],
          "boxes_o": [[11, 11, 60, 60], [11, 11, 60.1, 60], [1, 1, 101, 200]],
          "object": [1, 1, 0], "verb": [0, 1, 2], "hoi": [0, 1, 2] },
        { "boxes_h": [], "boxes_o": [], "object": [], "verb": [], "hoi": [] } ] }]=])
    local list, labels = detect({ file = file, score = 0.5 }, "a.jpg")
    assert.are.same({ { box = { 0, 0, 101, 200 }, score = 0.5, label = "person" },
      { box = { 49, 0, 150, 200 }, score = 0.5, label = "person" },
      { box = { 10, 10, 60, 60 }, score = 0.5, label = "horse" } }, list)
    assert.are.same({ "person", "horse" }, labels)
    assert.are.same({}, detect({ file = file }, "b.jpg"))

    local function one_pair(human, object, number)
      return write("pair.json", ([=[{ "filenames": ["a.jpg"], "objects": ["person"],
        "annotation": [ { "boxes_h": [%s], "boxes_o": [%s], "object": [%s] } ] }]=]):format(
        human, object, number))
    end
    local box = "[1, 1, 2, 2]"
    assert.are.equal(1, #detect({ file = one_pair(box, box, 0) }, "a.jpg"))
    says("pair 1: there is no object 7", detect, { file = one_pair(box, box, 7) }, "a.jpg")
    says("lists of equal length wanted", detect, { file = one_pair(box, "", "") }, "a.jpg")
    says("pair 1: boxes of four numbers", detect, { file = one_pair(box, "[1, 1, 2]", 0) }, "a.jpg")
    says("as many annotations as filenames", hoi.detector, "boxes",
      { file = write("uneven.json", [[{ "filenames": ["a"], "objects": [], "annotation": [] }]]) })
  end)

  it("reads V-COCO's layout: objects counted from 1, COCO's names where it has none", function()
    local annotations = [=["annotations": [ { "file_name": "COCO_val2014_000000000042.jpg",
      "boxes_h": [[1, 2, 30, 40]], "boxes_o": [[5, 6, 7, 8]], "actions": [0], "objects": [2] } ] ]=]
    local file = write("vcoco.json", "{" .. annotations .. "}")
    local list = detect({ file = file }, "COCO_val2014_000000000042.jpg")
    assert.are.same({ { box = { 1, 2, 30, 40 }, score = 1, label = "person" },
      { box = { 5, 6, 7, 8 }, score = 1, label = "bicycle" } }, list)
    assert.are.same(list, detect({ file = file }, "000000000042.jpg"))
    says("picture '000000000043.jpg': not in", detect, { file = file }, "000000000043.jpg")
    local named = write("named.json",
      [[{ "objects": ["background", "person", "dragon"], ]] .. annotations .. "}")
    assert.are.equal("dragon", detect({ file = named }, "000000000042.jpg")[2].label)
  end)

  it("says what is wrong with its options or its file", function()
    says("option 'file' is missing", hoi.detector, "boxes")
    says("unknown option 'flie' (did you mean 'file'?)", hoi.detector, "boxes", { flie = "x" })
    says("option 'score': a number wanted, got a string", hoi.detector, "boxes",
      { file = "x", score = "1" })
    says("not known by its content", hoi.detector, "boxes",
      { file = write("other.json", [[{ "boxes": [] }]]) })
    says(folder .. "/none.json", hoi.detector, "boxes", { file = folder .. "/none.json" })
    says("broken.json", hoi.detector, "boxes", { file = write("broken.json", [[{ "pictures": ]]) })
    says("COCO's list 'categories'", hoi.detector, "boxes",
      { file = write("list.json", "[]"), categories = write("empty.json", "{}") })
  end)

  it("reads the real V-COCO sample", function()
    local file = shared .. "coco_sample/vcoco_sample.json"
    if not io.open(file) then
      return pending("without " .. file)
    end
    local detector <close> = hoi.detector("boxes", { file = file })
    local photo = hoi.image(shared .. "coco_sample/images/000000000165.jpg")
    local counts = {}
    for _, detection in ipairs(detector:detect { image = photo, name = "000000000165.jpg" }) do
      counts[detection.label] = (counts[detection.label] or 0) + 1
    end
    assert.are.same({ person = 2, tie = 1, scissors = 1 }, counts)
    photo:release()
  end)

  it("reads the real HICO-DET test set", function()
    local file = shared .. "hicodet/instances_test2015.json"
    if not io.open(file) then
      return pending("without " .. file)
    end
    local detector <close> = hoi.detector("boxes", { file = file })
    assert.are.equal(80, #detector.labels)
    assert.are.same({ { box = { 319, 305, 359, 349 }, score = 1, label = "person" },
      { box = { 269, 302, 311, 350 }, score = 1, label = "person" },
      { box = { 147, 344, 376, 414 }, score = 1, label = "bench" } },
      detector:detect { image = image, name = "HICO_test2015_00000001.jpg" })
    assert.are.same({}, detector:detect { image = image, name = "HICO_test2015_00000154.jpg" })
  end)
end)
