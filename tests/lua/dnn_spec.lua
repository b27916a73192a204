-- dnn: each head's boxes against golden values; what is said of files that are none; the published
-- detectors on photos, where the shared data is there.
local hoi = require "hoi"
local core = require "hoi.detector.core"
local overlap = require "hoi.box".overlap
local json = require "hoi.json"
local system = require "hoi.system"
local scratch = dofile "tests/lua/scratch.lua"
local read, write = scratch.read, scratch.write

local golden = "tests/golden/dnn"
local shared = os.getenv "HOI_DATA" or "../shared/data"
local build = os.getenv "HOI_BUILD" or core.program_folder
local plugin = build .. "/plugins/dnn.so"

-- A test that needs the plugin, and files; skipped, by name, without them.
local function having(files, test)
  return function()
    for _, path in ipairs { plugin, table.unpack(files) } do
      if not system.kind(path) then
        return pending(path .. " is not there")
      end
    end
    test()
  end
end

local function says(text, options)
  local ok, message = pcall(hoi.detector, plugin, options)
  assert.is_false(ok)
  assert.is_truthy(message:find(text, 1, true), ("wanted: %s\ngot: %s"):format(text, message))
  assert.is_truthy(message:find("dnn", 1, true), message)
end

-- The picture of tests/golden_dnn.py.
local function picture(width, height)
  local bytes = {}
  for y = 0, height - 1 do
    for x = 0, width - 1 do
      bytes[#bytes + 1] = string.char(x // 8 * 53 % 256, y // 8 * 91 % 256,
        (x // 4 + y // 4) * 37 % 256)
    end
  end
  return hoi.image.new(width, height, table.concat(bytes))
end

describe("dnn", function()
  for _, head in ipairs { "yolox", "fastestdet", "yolov5", "yolov8" } do
    it("finds what " .. head .. "'s definition gives, told apart by shape", having({}, function()
      local wanted = json.load(golden .. ".json")
      local image <close> = picture(wanted.width, head == "fastestdet" and wanted.size
        or wanted.height)
      for _, asked in ipairs { "auto", head } do
        local detector <close> = hoi.detector(plugin, {
          model = ("%s_%s.onnx"):format(golden, head), labels = wanted.labels, head = asked,
          threshold = wanted.threshold, nms = wanted.nms,
        })
        assert.are.same(wanted.labels, detector.labels)
        local found = detector:detect(image)
        assert.are.equal(#wanted.detections[head], #found)
        for i, each in ipairs(wanted.detections[head]) do
          assert.are.equal(each.label, found[i].label)
          assert.is_near(each.score, found[i].score, 1e-5)
          for k = 1, 4 do
            assert.is_near(each.box[k], found[i].box[k], 2e-3)
          end
        end
      end
    end))
  end

  it("takes its options from a script's words", having({}, function()
    local arguments = require "hoi.detector_arguments"
    local parser = require "argparse" "test"
    arguments.add(parser)
    local args = parser:parse { "--detector", plugin, "--detector-model", golden .. "_yolox.onnx",
      "--detector-option", 'labels=["person", "dog", "ball"]', "--detector-option", "nms=0.3" }
    local detector <close> = arguments.open(args, nil)
    assert.are.same({ "person", "dog", "ball" }, detector.labels)
  end))

  it("keeps every box without suppression, fewer above a higher threshold", having({}, function()
    local image <close> = picture(96, 64)
    local function count(threshold, nms)
      local detector <close> = hoi.detector(plugin, {
        model = golden .. "_yolov8.onnx", labels = { "a", "b", "c" }, threshold = threshold,
        nms = nms,
      })
      return #detector:detect(image)
    end
    local all = count(0, 1)
    assert.is_true(all > 40 and all < 189) -- of 189 boxes those that reach into the picture
    assert.is_true(count(0, 0.3) < all)
    assert.is_true(count(0.5, 1) < all)
    assert.are.equal(0, count(1, 0.45))
  end))

  it("fits any picture: thin, tiny, wide", having({}, function()
    local detector <close> = hoi.detector(plugin, {
      model = golden .. "_yolox.onnx", labels = { "a", "b", "c" }, threshold = 0 })
    for _, size in ipairs { { 1, 1 }, { 1, 700 }, { 900, 2 }, { 97, 95 } } do
      local image <close> = hoi.image.new(size[1], size[2])
      for _, found in ipairs(detector:detect(image)) do
        local x1, y1, x2, y2 = table.unpack(found.box)
        assert.is_true(0 <= x1 and x1 < x2 and x2 <= size[1])
        assert.is_true(0 <= y1 and y1 < y2 and y2 <= size[2])
      end
    end
  end))

  it("says what is wrong with options, files and models", having({}, function()
    local model = golden .. "_yolox.onnx"
    says("option 'model' is missing", {})
    says("option 'model': a string wanted", { model = 7 })
    says("option 'modle' is not known (known: head, labels, model, nms, size, threshold)",
      { modle = model })
    says("option 'threshold': a number in 0..1 wanted", { model = model, threshold = 2 })
    says("option 'nms': a number in 0..1 wanted", { model = model, nms = "x" })
    says("option 'size': a multiple of 32", { model = model, size = 100 })
    says("option 'labels': a list of names wanted", { model = model, labels = { 1 } })
    says("option 'head': auto, yolox, fastestdet, yolov5 or yolov8 wanted, got 'detr'",
      { model = model, head = "detr" })
    says("nowhere.onnx: there is no such file", { model = "nowhere.onnx" })
    says("core: there is no such file, or it can not be read", { model = "core" })
    says("LICENSE: OpenCV", { model = "LICENSE" })
    says("can not read it as ONNX", { model = "LICENSE" })
    says("its input is 96 x 96 pixels: option 'size' can not change that",
      { model = model, size = 64 })
    says("it tells 3 classes apart, not COCO's 80: option 'labels'", { model = model })
    says("it tells 3 classes apart, option 'labels' names 2",
      { model = model, labels = { "a", "b" } })
    says("its output is (1, 189, 8), which is no yolov8 head's",
      { model = model, head = "yolov8", labels = { "a", "b", "c" } })
    local text, path = read(model), os.tmpname()
    finally(function() os.remove(path) end)
    for _, cut in ipairs { 0, 1, 20, #text // 2, #text - 1 } do
      write(path, text:sub(1, cut))
      says(path .. ": ", { model = path })
    end
  end))

  it("hands over what its model makes of NaN, and hoi names both", having({}, function()
    local text = read(golden .. "_yolox.onnx")
    local begin = select(2, text:find("b8J ", 1, true)) + 1 -- the biases of the smallest cells
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    write(path, text:sub(1, begin - 1) .. ("f"):pack(0 / 0) .. text:sub(begin + 4))
    local detector <close> = hoi.detector(plugin,
      { model = path, labels = { "a", "b", "c" }, threshold = 0 })
    local image <close> = picture(96, 96)
    local ok, message = pcall(detector.detect, detector, { image = image, name = "a.jpg" })
    assert.is_false(ok)
    assert.matches("detector 'dnn': picture 'a.jpg': detection %d+: box is {.*nan", message)
  end))
end)

describe("dnn on photos", function()
  local files = {
    shared .. "/coco_sample/vcoco_sample.json", shared .. "/detectors/yolox_nano.onnx",
    shared .. "/detectors/FastestDet.onnx",
  }

  -- The distinct people that V-COCO labels, by the file's name.
  local function people()
    local photos = {}
    for _, a in ipairs(json.load(files[1]).annotations) do
      local boxes = {}
      local function add(box)
        for _, other in ipairs(boxes) do
          if overlap(other, box) > 0.95 then
            return
          end
        end
        boxes[#boxes + 1] = box
      end
      for i, box in ipairs(a.boxes_h) do
        add(box)
        if a.objects[i] == 1 then
          add(a.boxes_o[i])
        end
      end
      photos[#photos + 1] = { name = a.file_name, boxes = boxes }
    end
    return photos
  end

  -- Gets AP50 of people, and how many of them a box with a score of 0.3 and more overlaps by half.
  local function measure(model)
    local detector <close> = hoi.detector(plugin, { model = model, threshold = 0.01 })
    local meter, found, count = hoi.detection_meter { "person" }, 0, 0
    finally(function() meter:release() end)
    for i, photo in ipairs(people()) do
      local image <close> = hoi.image(shared .. "/coco_sample/images/" .. photo.name)
      local list = #photo.boxes > 0 and detector:detect(image) or {} -- none labelled: not looked at
      for _, truth in ipairs(photo.boxes) do
        meter:truth(i, "person", truth)
        local seen = 0
        for _, each in ipairs(list) do
          if each.label == "person" and each.score >= 0.3 and overlap(each.box, truth) >= 0.5 then
            seen = 1
          end
        end
        found, count = found + seen, count + 1
      end
      for _, each in ipairs(list) do
        if each.label == "person" then
          meter:add(i, "person", each.score, each.box)
        end
      end
    end
    local ap = meter:result()[1]
    print(("%s: %d people, AP50 %.1f %%, %d found with 0.3 and more"):format(
      model:match "[^/]*$", count, 100 * ap, found))
    return ap, found / count
  end

  it("YOLOX-nano's people are the labelled ones", having(files, function()
    local ap, found = measure(files[2])
    assert.is_true(ap > 0.7)
    assert.is_true(found > 0.9)
  end))

  it("FastestDet's people are the labelled ones, fewer", having(files, function()
    local ap, found = measure(files[3])
    assert.is_true(ap > 0.65)
    assert.is_true(found > 0.8)
  end))
end)
