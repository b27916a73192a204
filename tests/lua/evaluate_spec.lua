-- evaluate: means over groups, verbs measured as classes, V-COCO's roles, reports as text, data and
-- plot.
local hoi = require "hoi"
local json = require "hoi.json"
local says = dofile "tests/lua/expect.lua".says

local shared = os.getenv "HOI_DATA" or "../shared/data"

-- A method that knows the truth: score 1 for each pair's true targets, `wrong` for the others that
-- its object allows.
local function oracle(data, targets, wrong)
  local at = 0
  return { targets = targets, scores = function(_, _, pairs)
    at = at + 1
    local truth, prior = pairs:truth(data[at].annotations, targets), pairs:prior(targets)
    for p, row in ipairs(truth) do
      for t in ipairs(row) do
        row[t] = row[t] > 0 and 1 or prior[p][t] > 0 and (wrong or 0) or 0
      end
    end
    return truth
  end }
end

describe("hoi.method", function()
  it("proposes the nearest name for a method that is not there", function()
    says("no 'ez_hoi' among the program's methods (did you mean 'ezhoi'?): zero_shot, ezhoi,",
      hoi.method, "ez_hoi")
  end)
end)

describe("evaluate", function()
  it("is perfect for who knows the truth, over seen and unseen classes", function()
    local data = hoi.data.mini { size = 60, setting = "unseen_verb" }
    local report = hoi.evaluate(oracle(data, data.targets, 0.1), data, { max_instances = 100 })
    for _, r in ipairs { report, report.known_object } do
      assert.are.same({ 1, 1, 1 }, { r.full, r.seen, r.unseen })
    end
    local lines = tostring(report)
    assert.is_truthy(lines:find("100.00", 1, true))
    local count = 0
    for i = 1, #data do
      count = count + #data[i].annotations
    end
    local told = json.decode(json.encode(report:totable()))
    assert.are.equal(60, #told.classes)
    for _, class in ipairs(told.classes) do
      count = count - class.truths
      assert.are.equal(class.truths > 0, class.ap ~= nil)
    end
    assert.are.equal(0, count)
    assert.are.equal(61, select(2, report:table():gsub("\n", "")) + 1)
    assert.is_truthy(report:table():find("kick ball +unseen"))
    local plot = report:plot()
    assert.is_true(plot.width >= 480)
    local none = hoi.evaluate(oracle(data, data.targets, 0.1), hoi.data.mini { size = 3 })
    assert.is_nil(none.unseen)
  end)

  it("draws many classes as curves", function()
    local targets = hoi.targets("hico", { setting = "unseen_verb" })
    local meter <close> = hoi.meter(targets)
    for i = 1, 600 do
      meter:truth(1, i, { 0, 0, 9, 9 }, { 0, 0, 9, 9 })
      meter:add(1, i, 0.5, { 0, 0, 9, 9 }, { 0, 0, 9, i % 3 == 0 and 4 or 9 })
    end
    local report = require "hoi.report"(targets, {}, meter)
    assert.is_true(math.abs(report.full - 2 / 3) < 1e-12)
    assert.are.equal(800, report:plot().width)
  end)

  it("measures verbs as classes, by the pair's object", function()
    local data = hoi.data.mini { size = 40 }
    local verbs, known = {}, {}
    for _, row in ipairs(data.targets) do
      if not known[row.verb] then
        known[row.verb] = { verb = row.verb, sentence = row.verb, objects = {} }
        verbs[#verbs + 1] = known[row.verb]
      end
      table.insert(known[row.verb].objects, row.object)
    end
    local targets = hoi.targets(verbs)
    local report = hoi.evaluate(oracle(data, targets), data, { max_instances = 100 })
    assert.are.equal(1, report.full)
    assert.are.equal(60, #report.classes)
  end)

  it("gives 1 for V-COCO's truth in both scenarios, less for half of it", function()
    local path = shared .. "/vcoco/instances_vcoco_test.json"
    if not require "hoi.system".kind(path) then
      return pending(path .. " is not there")
    end
    local data = hoi.data.vcoco(path)
    local meter <close> = hoi.role_meter()
    local half <close> = hoi.role_meter()
    for i, item in ipairs(data) do
      meter:picture(i, item)
      half:picture(i, item)
      local said = {} -- by human box and column
      for k, a in ipairs(item.annotations) do
        said[table.concat(a.human_box, " ") .. a.verb] = true
        meter:add(i, a.verb, 1, a.human_box, a.object_box)
        if k % 2 == 0 then
          half:add(i, a.verb, 1, a.human_box, a.object_box)
        end
      end
      for _, a in ipairs(item.annotations) do -- who hits without an instrument: said so
        local other = a.verb:find "_with$" and a.verb:sub(1, -6) or a.verb .. "_with"
        local known = ("hit eat cut"):find((a.verb:gsub("_with$", "")), 1, true)
        if known and not said[table.concat(a.human_box, " ") .. other] then
          meter:add(i, other, 0.5, a.human_box)
        end
      end
    end
    for scenario = 1, 2 do
      local values, mean = meter:result { scenario = scenario }
      assert.are.equal(24, #values)
      for c, name in ipairs(meter.columns) do
        assert.is_true(values[c] > 1 - 1e-12, name)
      end
      assert.is_true(mean > 1 - 1e-12)
      local _, less = half:result { scenario = scenario }
      assert.is_true(less > 0.3 and less < 0.6)
    end
  end)

  it("keeps what a method's frozen tower says of each picture", function()
    local folder, made, seen = os.tmpname(), 0, {}
    os.remove(folder)
    local data = hoi.data.mini { size = 4 }
    local store = hoi.store("evaluate_spec", { folder = folder, limit = 1e6 })
    local method = oracle(data, data.targets)
    local scores = method.scores
    function method.scores(self, image, pairs, o)
      seen[#seen + 1] = o.sample.guidance:item()
      return scores(self, image, pairs)
    end
    local guide = { store = store, make = function(images)
      made = made + #images
      return hoi.tensor { { images[1]:bytes():byte(5000) } }
    end }
    hoi.evaluate(method, data, { guide = guide })
    method.scores, scores = nil, nil
    local again = oracle(data, data.targets)
    local plain = again.scores
    function again.scores(self, image, pairs, o)
      assert.are.equal(table.remove(seen, 1), o.sample.guidance:item())
      return plain(self, image, pairs)
    end
    hoi.evaluate(again, data, { guide = guide })
    assert.are.equal(4, made)
    assert.are.equal(0, #seen)
    for _, name in ipairs(require "hoi.system".list(store.folder)) do
      os.remove(store.folder .. "/" .. name)
    end
    for _, path in ipairs { store.folder, store.root, folder } do
      os.remove(path)
    end
    local ok, message = pcall(hoi.evaluate, again, data, { guide = {} })
    assert.is_false(ok)
    assert.is_truthy(message:find("guide: { make = function(images), key = text }", 1, true))
  end)

  it("reports V-COCO's roles", function()
    local item = { name = "a", width = 100, height = 100, annotations = {
      { human_box = { 0, 0, 40, 90 }, object_box = { 50, 50, 80, 80 }, verb = "hold",
        object = "cup" },
      { human_box = { 0, 0, 40, 90 }, object_box = { 50, 50, 80, 80 }, verb = "drink",
        object = "cup" },
    }, image = hoi.image.new(100, 100, ("\0"):rep(30000)) }
    local targets = hoi.targets "vcoco"
    for _, a in ipairs(item.annotations) do
      a.target = assert(targets:index(a.verb, a.object))
    end
    local data = { item, targets = targets, name = "one" }
    local report = hoi.evaluate(oracle(data, targets), data)
    assert.are.same({ 1, 1 }, { report.roles.scenario_1, report.roles.scenario_2 })
    assert.is_truthy(tostring(report):find("scenario 1 100.00, scenario 2 100.00", 1, true))
    local told = report:totable().roles
    assert.are.equal(24, #told.columns)
    assert.are.equal("hold", told.columns[1].name)
    assert.are.equal(1, told.columns[1].scenario_1)
    assert.is_nil(told.columns[2].scenario_1) -- nobody sits
    assert.is_truthy(report:table():find("hold +100.00 +100.00"))
    local ok, message = pcall(hoi.evaluate, oracle(data, targets), hoi.data.folder(shared))
    assert.is_false(ok)
    assert.is_truthy(message:find "no annotations")
  end)

  it("tells apart who is annotated, who does it without an object, and columns by name", function()
    local meter <close> = hoi.role_meter({ "hit", "hit_with" })
    local someone, stranger, ball = { 0, 0, 10, 20 }, { 50, 0, 60, 20 }, { 20, 0, 30, 10 }
    meter:person("a", someone, { hit = ball, hit_with = true })
    meter:person("a", stranger)
    meter:add("a", "hit", 0.5, someone, ball)
    meter:add("a", "hit", 0.9, stranger, ball) -- does not count
    meter:add("a", "hit_with", 0.5, someone, ball)
    local first, mean = meter:result()
    assert.are.same({ 1, 0 }, first)
    assert.are.equal(0.5, mean)
    assert.are.same({ 1, 1 }, (meter:result { scenario = 2 }))
    local ok, message = pcall(meter.add, meter, "a", "kick", 1, someone)
    assert.is_false(ok)
    assert.is_truthy(message:find("'kick' is none of its columns: hit, hit_with", 1, true))
    ok, message = pcall(meter.add, meter, "a", "hit", 0 / 0, someone)
    assert.is_false(ok)
    assert.is_truthy(message:find "score")
  end)
end)
