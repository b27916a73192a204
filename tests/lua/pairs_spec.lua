-- pairs: pairs of a picture, and the meters, as a script sees them.
local make_meter = require "hoi.meter".meter
local make_detection_meter = require "hoi.meter".detection_meter
local make_pairs = require "hoi.pairing".pairs
local targets = require "hoi.targets"
local says = dofile "tests/lua/expect.lua".says

describe("pairs", function()
  local detections = {
    { box = { 50, 0, 80, 40 }, score = 0.5, label = "tvmonitor", feature = { 1 } },
    { box = { 0, 0, 20, 40 }, score = 0.75, label = "person", feature = { 2 } },
    { box = { 0, 0, 20, 38 }, score = 0.5, label = "person", feature = { 3 } }, -- suppressed
    { box = { 30, 0, 45, 40 }, score = 0.25, label = "person", feature = { 4 } },
  }

  it("are plain tables with what was kept", function()
    local p = make_pairs(detections, { width = 100, height = 50 })
    assert.are.same({ 2, 4, 1 }, p.kept)
    assert.are.same({ { 0, 0, 20, 40 }, { 30, 0, 45, 40 }, { 50, 0, 80, 40 } }, p.boxes)
    assert.are.same({ 0.75, 0.25, 0.5 }, p.scores)
    assert.are.same({ "person", "person", "tvmonitor" }, p.labels)
    assert.are.same({ { 2 }, { 4 }, { 1 } }, p.features)
    assert.are.same({ 1, 1, 2, 2 }, p.human)
    assert.are.same({ 2, 3, 1, 3 }, p.object)
    assert.are.same({ 0, 0, 80, 40 }, p.union[2])
    assert.are.equal(4, #p)
    assert.are.equal(36, #p.spatial[1])
    assert.is_near(0.1, p.spatial[1][1], 1e-6)
    assert.is_near(math.log(0.1), p.spatial[1][19], 1e-5)
    assert.is_nil(make_pairs(detections).spatial)
    local without = { box = { 0, 0, 1, 1 }, score = 1, label = "cat" }
    assert.is_nil(make_pairs({ detections[1], without }).features)
  end)

  it("follow their options", function()
    local function kept(options)
      return make_pairs(detections, options).kept
    end
    assert.are.same({ 2, 3, 4, 1 }, kept { nms_threshold = 1 })
    assert.are.same({ 2, 1 }, kept { min_instances = 1, score_threshold = 0.4 })
    assert.are.same({ 2, 1 }, kept { min_instances = 0, max_instances = 1 })
    assert.are.same({ 1, 2, 4 }, kept { human = "tv" })
    assert.are.equal(0, #make_pairs({}))
    assert.are.same({}, make_pairs({}).boxes)
  end)

  it("have a prior where the object's label fits, by any spelling", function()
    local p = make_pairs(detections)
    local prior = p:prior({
      { verb = "watch", object = "tv" },
      { verb = "hug", object = "person" },
      { verb = "see" },
      { verb = "wash", objects = { "cat", "TV" } },
    }, 2)
    local people, tv1, tv2 = (0.75 * 0.25) ^ 2, (0.75 * 0.5) ^ 2, (0.25 * 0.5) ^ 2
    assert.are.same({
      { 0, people, people, 0 },
      { tv1, 0, tv1, tv1 },
      { 0, people, people, 0 },
      { tv2, 0, tv2, tv2 },
    }, prior)
    assert.are.equal(0.75 * 0.5, p:prior({ { verb = "see" } })[2][1])
    local hico = p:prior(targets "hico")
    assert.are.equal(600, #hico[1])
    local sum = 0
    for _, value in ipairs(hico[2]) do
      sum = sum + (value > 0 and 1 or 0)
    end
    assert.are.equal(4, sum)
    assert.are.same({}, make_pairs({}):prior(targets "hico"))
  end)

  it("have labels where both boxes overlap by half", function()
    local p = make_pairs(detections)
    local list = { { verb = "watch", object = "tv" }, { verb = "watch", object = "cat" },
      { verb = "see" }, { verb = "hug" } }
    local first, second, tv = { 0, 0, 20, 40 }, { 30, 0, 45, 40 }, { 50, 0, 80, 40 }
    local half, less = { 50, 0, 80, 20 }, { 50, 0, 80, 19 }
    local annotations = {
      { human_box = first, object_box = half, verb = "watch", object = "tv" },
      { human_box = first, object_box = less, verb = "see", object = "tv" },
      { human_box = second, object_box = tv, verb = "see", object = "tvmonitor" },
      { human_box = second, object_box = tv, target = 4 },
      { human_box = first, object_box = second, verb = "unknown", object = "tv" },
    }
    assert.are.same({ { 0, 0, 0, 0 }, { 1, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 1, 1 } },
      p:truth(annotations, list))
    assert.are.same({ 1, 0, 1, 0 }, p:truth(annotations, list, { iou_threshold = 0.4 })[2])
    assert.are.same({ { 0 }, { 0 }, { 0 }, { 0 } }, p:truth({}, { { verb = "see" } }))
    assert.are.same({}, make_pairs({}):truth(annotations, list))
  end)

  it("refuse what is no detection, by its place", function()
    says("detections: a list expected, got string", make_pairs, "x")
    says("detection 1: a table {box, score, label} expected, got number", make_pairs, { 1 })
    local box = { 0, 0, 1, 1 }
    local function refused(text, detection)
      says(text, make_pairs, { detection })
    end
    refused("detection 1: box must be {x1, y1, x2, y2}", { box = { 1, 2, 3 } })
    refused("detection 1: score must be a number, got nil", { box = box, label = "a" })
    refused("detection 1: label must be the name", { box = box, score = 1, label = 3 })
    refused("detection 1 of 1: score is 2", { box = box, score = 2, label = "a" })
    refused("detection 1 of 1: box {3, 0, 1, 1}", { box = { 3, 0, 1, 1 }, score = 1, label = "a" })
    says("did you mean 'nms_threshold'", make_pairs, {}, { nms_treshold = 1 })
    says("min_instances is 20", make_pairs, {}, { min_instances = 20 })
    says("both or neither", make_pairs, {}, { width = 3 })
    local p = make_pairs(detections)
    says("targets[1]: a table", p.prior, p, { "ride" })
    says("annotation 1: human_box must be", p.truth, p, { { verb = "see" } }, { { verb = "see" } })
    says("annotation 1 has no verb, and no target from 1 to 1", p.truth, p,
      { { human_box = box, object_box = box, target = 2 } }, { { verb = "see" } })
    p.human[1] = 9
    says("human[1] is no place", p.prior, p, { { verb = "see" } })
  end)
end)

describe("meters", function()
  local here, there, elsewhere = { 0, 0, 10, 10 }, { 20, 0, 30, 10 }, { 50, 0, 60, 10 }

  it("measure interactions, say which classes have no truth, and know objects", function()
    local meter <close> = make_meter { { verb = "ride", object = "horse" },
      { verb = "feed", object = "Horse" }, { verb = "see", object = "cat" }, { verb = "jump" } }
    meter:truth("a.jpg", 1, here, there)
    meter:truth("b.jpg", 2, here, there)
    meter:truth(3, 4, here, there)
    meter:add("c.jpg", 1, 0.9, here, there)
    meter:add("b.jpg", 1, 0.8, here, there)
    meter:add("a.jpg", 1, 0.7, here, there)
    meter:add(3, 4, -5.5, here, there)
    local result, missing = meter:result()
    assert.are.equal(4, #result)
    assert.is_near(1 / 3, result[1], 1e-12)
    assert.are.equal(0, result[2])
    assert.is_true(result[3] ~= result[3])
    assert.are.equal(1, result[4])
    assert.are.same({ 3 }, missing)
    assert.is_near(1 / 2, meter:result { known_object = true }[1], 1e-12)
    meter:truth("a.jpg", 1, here, elsewhere)
    meter:add("a.jpg", 1, 0.1, here, elsewhere)
    assert.is_near(6 * 0.5 / 11 + 5 * 0.5 / 11, meter:result()[1], 1e-12)
  end)

  it("measure boxes by label", function()
    local meter <close> = make_detection_meter { "person", "tv", "cat" }
    meter:truth("a.jpg", "person", here)
    meter:truth("a.jpg", "tv monitor", there)
    meter:truth("b.jpg", 1, here)
    meter:add("a.jpg", "person", 0.9, here)
    meter:add("a.jpg", "tvmonitor", 0.9, elsewhere)
    meter:add("a.jpg", 2, 0.8, there)
    local result, missing = meter:result()
    assert.are.equal(0.5, result[1])
    assert.are.equal(0.5, result[2])
    assert.are.same({ 3 }, missing)
    says("'dog' is no class of this meter", meter.add, meter, "a.jpg", "dog", 1, here)
  end)

  it("refuse what they can not count", function()
    local meter <close> = make_meter(2)
    says("class 3, one of 2", meter.truth, meter, "a", 3, here, there)
    says("object_box must be", meter.truth, meter, "a", 1, here)
    says("human_box must be", meter.add, meter, "a", 1, 0.5, 3, here)
    says("name or number of a picture", meter.truth, meter, nil, 1, here, there)
    says("a finite number wanted", meter.add, meter, "a", 1, 0 / 0, here, there)
    says("known_object", meter.result, meter, { known_object = true })
    says("unknown option 'known'", meter.result, meter, { known = true })
    says("0 classes", make_meter, 0)
    says("target 1: a table", make_meter, { "ride" })
    says("label 1: a name", make_detection_meter, { {} })
    meter:release()
    meter:release()
    says("was released", meter.result, meter)
  end)
end)
