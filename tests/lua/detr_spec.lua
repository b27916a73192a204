-- detr: the model and the detector against golden values.
local coco = require "hoi.coco"
local detr = require "hoi.detr"
local hoi = require "hoi"
local safetensors = require "hoi.safetensors"
local expect = dofile "tests/lua/expect.lua"
local near, says = expect.near, expect.says

local golden = "tests/golden/"
local weights = golden .. "detr.pth"

-- Writes the golden weights, changed, to a new file, which goes when the test ends.
local function changed(change)
  local file <close> = hoi.weights(weights)
  local all, path = {}, os.tmpname()
  finally(function()
    os.remove(path)
  end)
  for _, name in ipairs(file:names()) do
    all[name:match "^model%.(.*)$"] = file:tensor(name)
  end
  safetensors.save(path, change(all))
  return path
end

describe("detr", function()
  it("has the golden map, memory, states, logits and boxes", function()
    local model <close> = detr.open(weights)
    local file <close> = safetensors.open(golden .. "detr.safetensors")
    local x = file:tensor "pixels"
    near(file:tensor "map", model.trunk(x), 1e-4, "map")
    near(file:tensor "memory":unsqueeze(1), (model:encode(x)), 1e-4, "memory")
    local logits, boxes, states = model:forward(x)
    near(file:tensor "states", states, 1e-4, "states")
    near(file:tensor "logits", logits, 1e-4, "logits")
    near(file:tensor "boxes", boxes, 1e-4, "boxes")
    assert.are.same({ 32, 80, "person", "toothbrush" },
      { model.width, #model.labels, model.labels[1], model.labels[80] })
  end)

  it("sees pictures in the published size, resized as Pillow does", function()
    local model <close> = detr.open(weights)
    local file <close> = safetensors.open(golden .. "detr.safetensors")
    for _, row in ipairs(file:tensor "sizes":totable()) do
      local w, h = model:size_of(math.tointeger(row[1]), math.tointeger(row[2]))
      assert.are.same({ row[3], row[4] }, { w, h })
      assert.are.equal("integer", math.type(w))
    end
    local small <close> = detr.open(weights, { short = 96, long = 130 })
    local image <close> = hoi.image(golden .. "image_photo.png")
    near(file:tensor "pixels", small:pixels(image), 1e-5, "pixels")
    local same <close> = hoi.image.new(130, 96)
    assert.are.same({ 1, 96, 130, 3 }, small:pixels(same).shape)
  end)

  it("detects with boxes in the picture's pixels and states as features", function()
    local file <close> = safetensors.open(golden .. "detr.safetensors")
    local image <close> = hoi.image(golden .. "image_photo.png")
    local detector <close> = hoi.detector("detr",
      { model = weights, short = 96, long = 130, score = 0.2 })
    local found, at = detector:detect(image), 0
    local scores, labels = file:tensor "scores":totable(), file:tensor "labels":totable()
    local corners, states = file:tensor "corners":totable(), file:tensor "states":totable()
    for i, score in ipairs(scores) do
      if score >= 0.2 then
        at = at + 1
        assert.is_near(score, found[at].score, 1e-4)
        assert.are.equal(coco.names[math.tointeger(labels[i]) + 1], found[at].label)
        for k = 1, 4 do
          assert.is_near(corners[i][k], found[at].box[k], 1e-2)
        end
        for k = 1, 32 do
          assert.is_near(states[i][k], found[at].feature[k], 1e-4)
        end
      end
    end
    assert.are.equal(at, #found)
    assert.is_true(at > 0 and at < #scores)
    local strict <close> = hoi.detector("detr",
      { model = weights, short = 96, long = 130, score = 1 })
    assert.are.same({}, strict:detect(image))
  end)

  it("reads files of 81 classes, of a prefix, and with labels of their own", function()
    local file <close> = safetensors.open(golden .. "detr.safetensors")
    local rows = {}
    for id = 1, 91 do
      rows[#rows + 1] = not coco.gaps[id] and id + 1 or nil
    end
    local path = changed(function(all)
      local named = {}
      for name, x in pairs(all) do
        named["detector." .. name] = name:find "^class_embed" and x:rows(rows) or x
      end
      return named
    end)
    local model <close> = detr.open(path)
    near(file:tensor "logits", (model:forward(file:tensor "pixels")), 1e-4, "logits")
    local own = table.move(coco.names, 1, 80, 1, {})
    own[1] = "human"
    local other <close> = detr.open(path, { labels = own })
    assert.are.equal("human", other.labels[1])
    says("the file knows 80 classes and nothing; 1 labels are given", detr.open, path,
      { labels = { "human" } })
  end)

  it("says what it wants", function()
    says("no 'transformer.decoder.norm.weight' in the file", detr.open,
      golden .. "resnet.safetensors")
    says("option 'model' is missing", hoi.detector, "detr")
    says("did you mean 'short'?", detr.open, weights, { shrt = 800 })
    local model <close> = detr.open(weights)
    says("pixels (1, height, width, 3) are wanted, these are 2x3", model.encode, model,
      hoi.zeros { 2, 3 })
  end)
end)
