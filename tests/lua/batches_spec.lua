-- batches: pictures for training: the same whatever the threads and the order, boxes that follow
-- what happens to the pixels, pairs and labels, broken pictures, Ctrl-C.
local hoi = require "hoi"
local json = require "hoi.json"
local system = require "hoi.system"
local scratch = dofile "tests/lua/scratch.lua"

local folder = scratch.folder() -- of this run
local preprocess = { size = 24, mean = { 0.5, 0.5, 0.5 }, std = { 0.25, 0.25, 0.25 } }

local function world(options)
  options = options or {}
  options.split = options.split or "train"
  options.size = options.size or 10
  return hoi.data.mini(options)
end

local function open(data, options)
  options = options or {}
  options.preprocess = options.preprocess or preprocess
  options.size = options.size or 4
  return hoi.batches(data, options)
end

-- Everything of a batch that a loss could see, as a text.
local function content(batch)
  local parts = { tostring(batch.step), tostring(batch.epoch) }
  for _, s in ipairs(batch) do
    parts[#parts + 1] = json.encode { s.index, s.name, s.width, s.height, s.annotations,
      s.pairs.boxes, s.pairs.human, s.pairs.object, s.pairs.labels, s.labels or false }
    parts[#parts + 1] = s.pixels:bytes()
  end
  return table.concat(parts, "\n")
end

teardown(function()
  scratch.remove(folder)
end)

describe("batches", function()
  it("are the same for any number of threads, any queue, and in any order", function()
    local wanted = {}
    do
      local batches <close> = open(world(), { workers = 1, ahead = 1 })
      for step, batch in batches:each(1, 5) do
        wanted[step] = content(batch)
      end
      assert.are.equal(5, #wanted)
    end
    local batches <close> = open(world(), { workers = 4, ahead = 5 })
    for _, step in ipairs { 4, 5, 1, 2, 2 } do
      assert.are.equal(wanted[step], content(batches:get(step)))
    end
    local other <close> = open(world(), { seed = 67 })
    assert.are_not.equal(wanted[1], content(other:get(1)))
  end)

  it("show every picture once an epoch, in another order in each", function()
    local batches <close> = open(world(), { size = 3, drop_last = false })
    assert.are.equal(4, batches.per_epoch)
    local orders = {}
    for epoch = 1, 2 do
      local order, count = {}, {}
      for step = 1, 4 do
        local batch = batches:get(4 * (epoch - 1) + step)
        assert.are.equal(epoch, batch.epoch)
        assert.are.equal(step < 4 and 3 or 1, #batch)
        for _, sample in ipairs(batch) do
          order[#order + 1], count[sample.index] = sample.index, true
        end
      end
      orders[epoch] = table.concat(order, " ")
      assert.are.equal(10, #count)
      assert.are.equal(10, #order)
    end
    assert.are_not.equal(orders[1], orders[2])
    local whole <close> = open(world(), { size = 3 })
    assert.are.equal(3, whole.per_epoch)
    local endless <close> = open(hoi.data.mini { split = "train" }, { shuffle = false, size = 3 })
    assert.is_nil(endless.per_epoch)
    assert.are.equal(4, endless:get(2)[1].index)
  end)

  it("without augmentation are the data set as it is", function()
    local data = world { split = "test", setting = "unseen_verb", size = 6 }
    local batches <close> = open(data, { size = 6, augment = false, shuffle = false,
      originals = true, images = true, targets = data.targets, seen_only = false })
    for i, sample in ipairs(batches:get(1)) do
      local item = data[i]
      assert.are.same({ item.name, 96, 96, item.identity },
        { sample.name, sample.width, sample.height, sample.identity })
      assert.are.equal(item.image:bytes(), sample.original:bytes())
      assert.are.equal(item.image:bytes(), sample.image:bytes())
      local pixels = require "hoi.pixels".of(item.image, { size = 24, warp = true,
        mean = preprocess.mean, std = preprocess.std })
      assert.are.same({ 3, 24, 24 }, sample.pixels.shape)
      assert.are.equal(pixels:bytes(), sample.pixels:bytes())
      assert.are.equal(#item.annotations, #sample.annotations)
      for k, a in ipairs(item.annotations) do
        assert.are.same({ a.human_box, a.object_box, a.verb, a.object, a.target },
          { sample.annotations[k].human_box, sample.annotations[k].object_box,
            sample.annotations[k].verb, sample.annotations[k].object,
            sample.annotations[k].target })
      end
      -- with true boxes each annotation is the label of the pair of its boxes
      local found = 0
      for _, row in ipairs(sample.labels) do
        for _, label in ipairs(row) do
          found = found + label
        end
      end
      assert.is_true(found >= #item.annotations)
    end
  end)

  it("take the boxes along: what they frame has the colours that it had", function()
    -- Pictures with one bright box: after any augmentation the bright pixels lie in it.
    local names, annotation, sizes = {}, {}, {}
    for i = 1, 12 do
      local x, y = 40 + 5 * i, 90 - 3 * i
      local rows = {}
      for row = 1, 120 do
        rows[row] = row > y and row <= y + 30
          and ("\0"):rep(3 * x) .. ("\255"):rep(90) .. ("\0"):rep(3 * (160 - x - 30))
          or ("\0"):rep(480)
      end
      names[i] = ("HICO_train2015_%08d.png"):format(i)
      hoi.image.new(160, 120, table.concat(rows)):save(folder .. "/" .. names[i])
      annotation[i] = { boxes_h = { { x + 1, y + 1, x + 30, y + 30 } },
        boxes_o = { { x + 1, y + 1, x + 30, y + 30 } }, hoi = { 0 }, object = { 0 }, verb = { 0 } }
      sizes[i] = { 160, 120 }
    end
    local list = { annotation = annotation, filenames = names, size = sizes, empty = json.array {},
      objects = { "cup" }, verbs = { "hold" }, correspondence = { { 0, 0, 0 } } }
    json.save(folder .. "/instances_train2015.json", list)
    local data = hoi.data.hicodet(folder, { split = "train" })
    for _, resize in ipairs { true, false } do
      local batches <close> = open(data, { size = 12, side = 120, resize = resize,
        preprocess = { size = 64, mean = { 0, 0, 0 }, std = { 1, 1, 1 } } })
      local moved, cut = 0, 0
      for step = 1, 4 do
        for _, sample in ipairs(batches:get(step)) do
          local pixels = sample.pixels:totable()[1]
          local a = sample.annotations[1]
          cut = cut + (a and 0 or 1)
          for row = 1, a and 64 or 0 do
            for column = 1, 64 do
              local x, y = (column - 0.5) / 64 * sample.width, (row - 0.5) / 64 * sample.height
              local b, edge = a.object_box, 3 * math.max(sample.width, sample.height) / 64
              if x > b[1] + edge and x < b[3] - edge and y > b[2] + edge and y < b[4] - edge then
                assert.is_true(pixels[row][column] > 0.4)
                moved = moved + 1
              elseif x < b[1] - edge or x > b[3] + edge or y < b[2] - edge or y > b[4] + edge then
                assert.is_true(pixels[row][column] < 0.2)
              end
            end
          end
        end
      end
      assert.is_true(moved > 500)
      assert.is_true(cut < 40)
    end
  end)

  it("label pairs by overlap, and give unseen classes no prior", function()
    local data = world { setting = "unseen_verb", size = 40 }
    local targets = data.targets
    local batches <close> = open(data, { size = 8, targets = targets })
    local positive, allowed = 0, 0
    for step = 1, 5 do
      for _, sample in ipairs(batches:get(step)) do
        local pairs = sample.pairs
        assert.are.equal(#pairs, #sample.labels)
        assert.are.same(pairs:truth(sample.annotations, targets), sample.labels)
        local full = pairs:prior(targets)
        for p, row in ipairs(sample.prior) do
          for t, value in ipairs(row) do
            assert.are.equal(targets[t].seen and full[p][t] or 0, value)
            allowed = allowed + (value > 0 and 1 or 0)
            positive = positive + sample.labels[p][t]
          end
        end
      end
    end
    assert.is_true(positive > 20 and allowed > 300)
  end)

  it("may label verbs: a verb counts where its class with the pair's object is seen", function()
    local data = world { setting = "rare_first", size = 8 }
    local verbs, known = {}, {}
    for _, row in ipairs(data.targets) do
      if not known[row.verb] then
        known[row.verb], verbs[#verbs + 1] = true, { verb = row.verb, sentence = row.verb }
      end
    end
    local batches <close> = open(data, { size = 8, targets = hoi.targets(verbs) })
    for _, sample in ipairs(batches:get(1)) do
      for p, row in ipairs(sample.prior) do
        for t, value in ipairs(row) do
          local class = data.targets:index(verbs[t].verb,
            sample.pairs.labels[sample.pairs.object[p]])
          assert.are.equal(class ~= nil and data.targets[class].seen, value > 0)
        end
      end
    end
  end)

  it("ask a detector about the picture as it was, and once", function()
    local asked, store = {}, hoi.store("batches_spec_detections", { folder = folder, limit = 1e6 })
    local detector = { name = "true", labels = { "person" } }
    function detector:has(picture) return store:has(picture.identity) end
    function detector:detect(picture)
      return store:value(picture.identity, function()
        asked[#asked + 1] = picture.name
        assert(self.name == "true" and picture.image.width == 96)
        return { { box = { 10, 10, 50, 90 }, score = 0.75, label = "person" },
          { box = { 50, 50, 90, 90 }, score = 0.5, label = "cup" } }
      end)
    end
    local batches <close> = open(world { size = 6 }, { size = 6, detector = detector })
    for step = 1, 3 do
      for _, sample in ipairs(batches:get(step)) do
        assert.is_true(#sample.pairs <= 1) -- one box may have been cut off
      end
    end
    assert.are.equal(6, #asked)
    scratch.remove(store.root)
  end)

  it("bring the changed pictures; detectors are asked about the original", function()
    local data, asked = world { size = 4 }, 0
    local detector = { detect = function(_, picture)
      asked = asked + (rawget(picture, "image") and 1 or 0) -- not read a second time
      return { { box = { 0, 0, 90, 90 }, score = 0.75, label = "person" },
        { box = { 5, 5, 90, 90 }, score = 0.5, label = "cup" } }
    end }
    local batches <close> = open(data, { detector = detector, images = true })
    for _, sample in ipairs(batches:get(1)) do
      assert.are.same({ sample.width, sample.height },
        { sample.image.width, sample.image.height })
      assert.are.equal(1, #sample.pairs)
      local pixels = require "hoi.pixels".of(sample.image, { size = 24, warp = true,
        mean = preprocess.mean, std = preprocess.std })
      assert.are.equal(pixels:bytes(), sample.pixels:bytes())
    end
    assert.are.equal(4, asked)
  end)

  it("bring guidance of the original pictures, made once and kept", function()
    local made, store = 0, hoi.store("batches_spec_guidance", { folder = folder, limit = 1e6 })
    local function make(images)
      made = made + #images
      local rows = {}
      for i, image in ipairs(images) do
        rows[i] = { { image:bytes():byte(1), image.width }, { image:bytes():byte(4), 0 } }
      end
      return hoi.tensor(rows)
    end
    local data = world { size = 5 }
    local batches <close> = open(data, { size = 5, guide = { make = make, store = store } })
    for step = 1, 3 do
      for _, sample in ipairs(batches:get(step)) do
        local bytes = data[sample.index].image:bytes()
        assert.are.same({ { bytes:byte(1), 96 }, { bytes:byte(4), 0 } },
          sample.guidance:totable())
      end
    end
    assert.are.equal(5, made)
    local said = {}
    store.say = function(text) said[#said + 1] = text end
    for _, name in ipairs(system.list(store.folder)) do -- files cut in half are made again
      local path = store.folder .. "/" .. name
      local file = assert(io.open(path, "rb"))
      local bytes = file:read "a"
      file:close()
      file = assert(io.open(path, "wb"))
      file:write(bytes:sub(1, #bytes // 2))
      file:close()
    end
    for _, sample in ipairs(batches:get(4)) do
      assert.are.equal(96.0, sample.guidance:totable()[1][2])
    end
    assert.are.same({ 10, 5 }, { made, #said })
    assert.is_truthy(said[1]:find("cut off: made again", 1, true))
    scratch.remove(store.root)
  end)

  it("of real photos have every annotated pair that a cut leaves among their labels", function()
    local file = (os.getenv "HOI_DATA" or "../shared/data") .. "/coco_sample/vcoco_sample.json"
    if not system.kind(file) then
      return pending(file .. " is not there")
    end
    local data = hoi.data.vcoco(file, { empty = true })
    local batches <close> = open(data, { size = 12, targets = data.targets,
      normalisation = "imagenet", preprocess = { size = 32 } })
    local whole = 0
    for step = 1, 2 do
      local batch = batches:get(step)
      assert.are.equal(12, #batch)
      for _, sample in ipairs(batch) do
        local short = math.min(sample.width, sample.height)
        assert.is_true(short >= 480 and short <= 800 and sample.width <= 1333)
        for _, a in ipairs(sample.annotations) do
          local found = false
          for p = 1, #sample.pairs do
            found = found or sample.labels[p][a.target] == 1
          end
          assert.is_true(found)
        end
        whole = whole + #sample.annotations
      end
    end
    assert.is_true(whole > 30)
  end)

  it("name a picture that is broken, and may go on without it", function()
    local list = { annotation = {}, filenames = {}, size = {}, empty = json.array {},
      objects = { "cup" }, verbs = { "hold" }, correspondence = { { 0, 0, 0 } } }
    for i, name in ipairs { "good.png", "absent.png", "broken.png" } do
      list.filenames[i], list.size[i] = name, { 30, 30 }
      list.annotation[i] = { boxes_h = { { 1, 1, 20, 20 } }, boxes_o = { { 5, 5, 25, 25 } },
        hoi = { 0 }, object = { 0 }, verb = { 0 } }
    end
    hoi.image.new(30, 30, ("\100"):rep(2700)):save(folder .. "/good.png")
    local file = assert(io.open(folder .. "/good.png", "rb"))
    local bytes = file:read "a"
    file:close()
    file = assert(io.open(folder .. "/broken.png", "wb"))
    file:write(bytes:sub(1, #bytes // 2))
    file:close()
    json.save(folder .. "/instances_train2015.json", list)
    local data = hoi.data.hicodet(folder, { split = "train" })
    local skip <close> = open(data, { size = 3, broken = "skip", shuffle = false })
    for step = 1, 2 do
      local batch = skip:get(step)
      assert.are.equal(1, #batch)
      assert.are.equal("good.png", batch[1].name)
      assert.are.same({ "absent.png", "broken.png" },
        { batch.broken[1].name, batch.broken[2].name })
      assert.is_truthy(batch.broken[1].error:find("none of these is there", 1, true))
      assert.is_truthy(batch.broken[2].error:find(folder .. "/broken.png", 1, true))
    end
    local raise <close> = open(data, { size = 3, shuffle = false })
    local ok, message = pcall(raise.get, raise, 1)
    assert.is_false(ok)
    assert.is_truthy(message:find("picture 'absent.png'", 1, true))
    ok = pcall(raise.get, raise, 1)
    assert.is_false(ok) -- and it starts afresh
  end)

  it("end their threads at Ctrl-C", function()
    local script = folder .. "/endless.lua"
    local file = assert(io.open(script, "w"))
    file:write [[
      local hoi = require "hoi"
      local pid = io.open "/proc/self/stat":read "n"
      local data = hoi.data.mini { split = "train" }
      local batches <close> = hoi.batches(data, { size = 8, workers = 3, shuffle = false,
        preprocess = { size = 224, mean = { 0, 0, 0 }, std = { 1, 1, 1 } } })
      os.execute("(sleep 0.3; kill -INT " .. pid .. ") &")
      for step in batches:each() do end
    ]]
    file:close()
    local out = folder .. "/said.txt"
    local _, how, status = os.execute(("timeout 20 %s/hoi %s >%s 2>&1"):format(
      os.getenv "HOI_BUILD" or "build", script, out))
    assert.are.same({ "exit", 1 }, { how, status })
    local said <close> = assert(io.open(out))
    assert.is_truthy(said:read "a":find("interrupted", 1, true))
  end)

  it("refuse what they can not mean", function()
    local function says(text, ...)
      local ok, message = pcall(...)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    says("broken: 'raise' or 'skip'", open, world(), { broken = "no" })
    says("make no batch of 20", open, world(), { size = 20 })
    says("normalisation 'none'", open, world(), { normalisation = "none" })
    says("{ size, mean, std } wanted", hoi.batches, world(), {})
    says("did you mean 'workers'", open, world(), { worker = 2 })
    local batches <close> = open(world(), { workers = 100 })
    says("100 threads, 1 to 64 wanted", batches.get, batches, 1)
    says("from 1 on wanted", batches.get, batches, 0)
    assert.are.equal("Batches of 4 from mini, 2 an epoch", tostring(batches))
  end)
end)
