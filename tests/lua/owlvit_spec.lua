-- owlvit: heads, detection losses and their gradients against golden values; folders; detections.
local hoi = require "hoi"
local owlvit = require "hoi.owlvit"
local safetensors = require "hoi.safetensors"
local expect = dofile "tests/lua/expect.lua"
local scratch = dofile "tests/lua/scratch.lua"
local near, says = expect.near, expect.says

local golden = "tests/golden/"
local sentences = { "a dog", "a photo of a ball", "a red horse", "person", "x" }

local function length(x)
  return x:square():sum():sqrt():item()
end

local function open()
  return safetensors.open(golden .. "owlvit.safetensors")
end

local function integers(x)
  local function each(value)
    if type(value) == "table" then
      for i, inner in ipairs(value) do
        value[i] = each(inner)
      end
      return value
    end
    return math.tointeger(value)
  end
  return each(x:totable())
end

-- The golden assignment: rows of all patches (from 1) of the targets, and y (32, 5).
local function assignment(file)
  local places, labels = integers(file:tensor "target_place"), integers(file:tensor "target_labels")
  local rows, y = {}, {}
  for i = 1, 32 do
    y[i] = { 0, 0, 0, 0, 0 }
  end
  for i, place in ipairs(places) do
    rows[i] = place[1] * 16 + place[2] + 1
    y[rows[i]][labels[i] + 1] = 1
  end
  return rows, hoi.tensor(y)
end

-- The four losses of logits (2, 16, 5) and boxes (2, 16, 4), each per target.
local function losses_of(file, logits, boxes)
  local rows, y = assignment(file)
  local flat, picked = logits:reshape(32, 5), boxes:reshape(32, 4):rows(rows)
  local targets = file:tensor "target_boxes"
  return {
    focal = hoi.losses.focal(flat, y) * (1 / 5),
    focal_alpha = hoi.losses.focal(flat, y, { alpha = 0.25 }) * (1 / 5),
    l1 = hoi.losses.l1(picked, targets, { reduction = "sum" }) * (1 / 5),
    giou = hoi.losses.giou(picked, targets, { reduction = "sum" }) * (1 / 5),
  }
end

describe("owlvit", function()
  it("has the golden queries, boxes and logits", function()
    local detector <close> = owlvit.open(golden .. "owlvit")
    local file <close> = open()
    near(file:tensor "box_bias", detector.bias, 1e-5, "box_bias")
    local queries = detector:queries(sentences)
    near(file:tensor "text_embeds", queries, 1e-5, "text_embeds")
    local logits, boxes = detector:forward(file:tensor "pixel_values", queries)
    near(file:tensor "logits", logits, 1e-5, "logits")
    near(file:tensor "pred_boxes", boxes, 1e-5, "pred_boxes")
  end)

  it("has the golden losses, and their gradients by logits and boxes", function()
    local file <close> = open()
    local names = { "focal", "focal_alpha", "l1", "giou" }
    for _, name in ipairs(names) do
      local logits, boxes = file:tensor "logits":train(), file:tensor "pred_boxes":train()
      local loss = losses_of(file, logits, boxes)[name]
      assert.is_near(file:tensor(name):item(), loss:item(), 1e-5, name)
      loss:backward()
      near(file:tensor(name .. ".grad"), (logits.grad or boxes.grad), 1e-5, name .. ".grad")
    end
  end)

  it("has the golden gradient of every parameter", function()
    local detector <close> = owlvit.open(golden .. "owlvit")
    local file <close>, whole = open(), 0
    local wanted <close> = safetensors.open(golden .. "owlvit_gradients.safetensors")
    local parameters = detector.clip:train()
    for name, x in pairs(detector.heads) do
      parameters[#parameters + 1] = { name, x:train() }
    end
    local t = detector.clip.text
    local ids, ends = integers(file:tensor "input_ids"), {}
    for i, row in ipairs(ids) do
      for k, id in ipairs(row) do
        ends[i] = ends[i] or id == 581 and k or nil
      end
    end
    local queries = t:leave(t:blocks(t:enter(t:embed(ids))), ends):normalize()
    local logits, boxes = detector:forward(file:tensor "pixel_values", queries)
    local parts = losses_of(file, logits, boxes)
    local total = parts.focal + parts.l1 * 5 + parts.giou * 2
    assert.is_near(file:tensor "total":item(), total:item(), 1e-5)
    total:backward()
    local left = {}
    for _, name in ipairs(wanted:names()) do
      left[name] = wanted:tensor(name)
      whole = whole + left[name]:square():sum():item()
    end
    local function compare(name, gradient)
      local x = left[name]
      assert.is_truthy(x, name)
      local scale = name:find "k_proj.bias" and whole ^ 0.5 or length(x)
      local gap = length(gradient:reshape(-1) - x:reshape(-1)) / scale
      assert.is_true(gap <= 1e-4, ("the gradient of %s is off by %g"):format(name, gap))
      left[name] = nil
    end
    for _, p in ipairs(parameters) do
      local name, gradient = p[1], p[2].grad
      if not detector.heads[name] then
        name = "owlvit." .. name:gsub("pre_layrnorm", "pre_layernorm")
      end
      if name:find "qkv_proj" then
        local w = gradient:size(1) // 3
        for i, letter in ipairs { "q", "k", "v" } do
          compare((name:gsub("qkv_proj", letter .. "_proj")),
            gradient:slice(1, (i - 1) * w + 1, i * w))
        end
      elseif name == "owlvit.visual_projection.weight" or name == "owlvit.logit_scale" then
        assert.is_nil(gradient)
      else
        compare(name, gradient)
      end
    end
    assert.is_nil(next(left))
  end)

  it("gets the same detections from a folder it has written", function()
    local folder = scratch.folder()
    finally(function() scratch.remove(folder) end)
    local detector <close> = owlvit.open(golden .. "owlvit")
    detector:save(folder)
    local again <close> = owlvit.open(folder)
    local x = hoi.randn { 2, 3, 32, 32 }
    local logits, boxes = detector:forward(x, detector:queries(sentences))
    local others, corners = again:forward(x, again:queries(sentences))
    assert.is_true(logits:bytes() == others:bytes() and boxes:bytes() == corners:bytes())
    local original <close> = safetensors.open(golden .. "owlvit/model.safetensors")
    local file <close> = safetensors.open(folder .. "/model.safetensors")
    local names = {}
    for _, name in ipairs(original:names()) do
      if not name:find "position_ids" then
        names[#names + 1] = name
      end
    end
    assert.are.same(names, file:names())
  end)

  it("lists each patch's best query above the threshold, inside the picture", function()
    local detector <close> = owlvit.open(golden .. "owlvit")
    local pixels = {}
    hoi.seed(5)
    for i = 1, 40 * 20 * 3 do
      pixels[i] = string.char(math.random(0, 255))
    end
    local image <close> = hoi.image.new(40, 20, table.concat(pixels))
    local queries = detector:queries(sentences)
    local all = detector:detect(image, sentences, queries, { score_threshold = 0 })
    assert.are.equal(16, #all)
    local logits = detector:forward(detector.clip:pixels(image), queries)
    local best, places = logits:sigmoid():reshape(16, 5):topk(1)
    for i, found in ipairs(all) do
      assert.is_near(best:totable()[i][1], found.score, 1e-6)
      assert.are.equal(sentences[places[i][1]], found.label)
      local x1, y1, x2, y2 = table.unpack(found.box)
      assert.is_true(0 <= x1 and x1 <= x2 and x2 <= 40 and 0 <= y1 and y1 <= y2 and y2 <= 20)
    end
    local threshold = all[3].score
    local some = detector:detect(image, sentences, queries, { score_threshold = threshold })
    for _, found in ipairs(some) do
      assert.is_true(found.score >= threshold)
    end
    assert.is_true(#some >= 1 and #some <= 16)
    says("did you mean 'score_threshold'?", detector.detect, detector, image, sentences, queries,
      { score_treshold = 0.5 })
  end)

  it("begins, before it is trained, with each patch's own box and no opinion", function()
    local clip <close> = hoi.clip(golden .. "clip_gelu")
    local detector = owlvit.new(clip)
    local x = hoi.randn { 1, 3, 32, 32 }
    local logits, boxes = detector:forward(x, detector:queries { "a dog" })
    near(hoi.zeros { 1, 16, 1 }, logits, 0, "logits")
    local tenth = boxes:reshape(16, 4):slice(1, 10, 10):reshape(4) -- column 2, row 3
    near(hoi.tensor { 0.5, 0.75, 0.25, 0.25 }, tenth, 1e-3, "the box")
    local names = {}
    for i, p in ipairs(detector:parameters()) do
      names[i] = p[1]
    end
    assert.are.equal("layer_norm.weight", names[1])
    assert.are.equal("vision_model.embeddings.class_embedding", names[15])
  end)

  it("refuses folders without its heads, and unknown options", function()
    says("no tensor 'layer_norm.weight'", owlvit.open, golden .. "clip_gelu")
    says("nowhere: there is no such file or folder", owlvit.open, "nowhere")
    says("did you mean 'dtype'?", owlvit.open, golden .. "owlvit", { dtyp = "float32" })
  end)
end)

describe("owlv2", function()
  -- The golden picture: columns 1 to 40 of the photo, or a small part of it.
  local function picture(name)
    local photo <close> = hoi.image(golden .. "image_photo.png")
    return name == "tall" and photo:crop { 0, 0, 40, photo.height } or photo:crop { 3, 5, 43, 25 }
  end

  it("has the golden queries, boxes, logits and objectness of transformers", function()
    local detector <close> = owlvit.open(golden .. "owlv2")
    local file <close> = safetensors.open(golden .. "owlv2.safetensors")
    local queries = detector:queries { "a dog", "a photo of a ball", "x" }
    near(file:tensor "text_embeds", queries, 1e-5, "text_embeds")
    local pixels = hoi.concat({ file:tensor "pixel_values",
      file:tensor "prepared.tall":reshape(1, 3, 64, 64) }, 1)
    local logits, boxes, objectness = detector:forward(pixels, queries)
    near(file:tensor "logits", logits, 1e-5, "logits")
    near(file:tensor "pred_boxes", boxes, 1e-5, "pred_boxes")
    near(file:tensor "objectness_logits", objectness, 1e-5, "objectness_logits")
  end)

  it("sees pictures filled up to a square, as its authors prepare them", function()
    local detector <close> = owlvit.open(golden .. "owlv2")
    local file <close> = safetensors.open(golden .. "owlv2.safetensors")
    for _, name in ipairs { "tall", "small" } do
      local image <close> = picture(name)
      near(file:tensor("prepared." .. name):reshape(1, 3, 64, 64), detector.clip:pixels(image),
        1e-5, name)
    end
  end)

  it("finds boxes in pixels of the picture, not of its square", function()
    local detector <close> = owlvit.open(golden .. "owlv2")
    local file <close> = safetensors.open(golden .. "owlv2.safetensors")
    local image <close> = picture "tall"
    local sentences_of_it = { "a dog", "a photo of a ball", "x" }
    local found = detector:detect(image, sentences_of_it, detector:queries(sentences_of_it),
      { score_threshold = 0 })
    local boxes = file:tensor "pred_boxes":totable()[2]
    local scores = file:tensor "logits":sigmoid():totable()[2]
    assert.are.equal(16, #found)
    for i, each in ipairs(found) do
      local cx, cy, w, h = table.unpack(boxes[i])
      local side = math.max(image.width, image.height)
      local wanted = { cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2 }
      for k = 1, 4 do
        local most = k % 2 == 1 and image.width or image.height
        assert.is_near(math.max(0, math.min(most, wanted[k] * side)), each.box[k], 1e-3)
      end
      assert.is_near(math.max(table.unpack(scores[i])), each.score, 1e-5)
    end
  end)

  it("is a detector, and the same from a folder it has written", function()
    local folder = scratch.folder()
    finally(function() scratch.remove(folder) end)
    local image <close> = picture "small"
    local function detected(path)
      local detector <close> = hoi.detector("owlvit",
        { folder = path, labels = { "dog", "ball" }, score = 0 })
      return detector:detect(image)
    end
    do
      local model <close> = owlvit.open(golden .. "owlv2")
      assert.is_true(model.clip.preprocess.pad)
      model:save(folder)
      local names = {}
      for _, p in ipairs(model:parameters()) do
        names[p[1]] = true
      end
      assert.is_true(names["objectness_head.dense2.bias"])
    end
    assert.are.same(detected(golden .. "owlv2"), detected(folder))
  end)

  it("takes OWL-ViT's defaults where a folder says nothing", function()
    local clip <close> = hoi.clip.new { config = { model_type = "owlv2", projection_dim = 8,
      text_config = { hidden_size = 8, num_attention_heads = 1, num_hidden_layers = 1,
        intermediate_size = 8, vocab_size = 10 },
      vision_config = { hidden_size = 8, num_attention_heads = 1, num_hidden_layers = 1,
        intermediate_size = 8 } } }
    assert.are.same({ 768, 16, 16 }, { clip.visual.size, clip.visual.patch, clip.text.places })
    assert.are.same({ true, false }, { clip.preprocess.pad, clip.preprocess.warp })
  end)
end)
