-- types: lua/types.lua describes what is there, and nothing else; help and completion find it.
local embedded = require "hoi.embedded"
local help = require "hoi.help"
local hoi = require "hoi"
local repl = require "hoi.repl"

local described = help.parse(embedded.read "lua/types.lua")

-- The modules that scripts get by require alone.
local required = { "checkpoint", "coco", "gallery", "options", "pixels", "python_random",
  "recipes", "study", "system", "training" }

local function sorted_keys(set)
  local list = {}
  for key in pairs(set) do
    list[#list + 1] = key
  end
  table.sort(list)
  return list
end

-- Gets the names that are written about an owner: its functions; with fields also its fields.
local function written(owner, with_fields)
  local set = {}
  for _, entry in ipairs(described.entries) do
    if entry.kind == "function" and entry.owner == owner then
      set[entry.method] = true
    end
  end
  local class = with_fields and described.classes[owner]
  for _, field in ipairs(class and class.fields or {}) do
    set[field.name] = true
  end
  return sorted_keys(set)
end

-- Gets the names that a table has, without metamethods.
local function present(value)
  local set = {}
  for key in pairs(value) do
    if type(key) == "string" and not key:find "^__" then
      set[key] = true
    end
  end
  return sorted_keys(set)
end

local function is_called(value)
  local meta = debug.getmetatable(value)
  return type(value) == "function" or (meta and meta.__call) ~= nil
end

describe("lua/types.lua", function()
  it("describes every name of hoi and no other", function()
    local set = {}
    for _, entry in ipairs(described.entries) do
      local name, text = entry.name:match "^hoi%.(%l[%w_]*)$", table.concat(entry.text, " ")
      if name and not text:find(('require "hoi.%s"'):format(name), 1, true) then
        set[name] = true
      end
    end
    assert.same(present(hoi), sorted_keys(set))
  end)

  it("describes the members of every module of hoi and no other", function()
    for _, name in ipairs(present(hoi)) do
      if type(hoi[name]) == "table" then
        assert.same({ name, present(hoi[name]) }, { name, written("hoi." .. name, true) })
      end
    end
  end)

  it("describes the modules that only require gets, and says so", function()
    local set = {}
    for name, class in pairs(described.classes) do
      local module = table.concat(class.text, " "):match 'require "hoi%.(%l[%w_]*)"'
      if module and name == "hoi." .. module then
        set[module] = true
        assert.same({ module, present(require(name)) }, { module, written(name, true) })
      end
    end
    assert.same(required, sorted_keys(set))
  end)

  it("describes as a function what can be called", function()
    for _, entry in ipairs(described.entries) do
      local name = entry.name:match "^hoi%.(%l[%w_]*)$"
      if name and entry.kind == "function" then
        assert.is_true(is_called(hoi[name]), name)
      end
    end
  end)

  it("describes the methods of every class written in C and no other", function()
    for _, module in ipairs { "image", "interrupt", "meter", "mini", "safetensors", "tensor",
      "tokenizer", "clip" } do
      require("hoi." .. module)
    end
    for _, class in ipairs { "Tensor", "Image", "Tower", "Tokenizer", "Meter", "DetectionMeter",
      "MiniBatch", "Weights", "Interrupt" } do
      local methods = debug.getregistry()["hoi." .. class].__methods
      assert.same({ class, present(methods) }, { class, written("hoi." .. class) })
    end
    local methods = debug.getregistry()[getmetatable(hoi.pairs {}).__name].__index
    assert.same(present(methods), written "hoi.Pairs")
  end)

  it("describes the methods of every class written in Lua and no other", function()
    local tensor <close> = hoi.tensor { 1 }
    local optimizer <close> = hoi.sgd { tensor:train() }
    local clip <close> = hoi.clip()
    local detector <close> = hoi.detector "corner"
    local targets = hoi.targets "mini"
    local module = hoi.nn.module {}
    for class, object in pairs { Optimizer = optimizer, Clip = clip, Detector = detector,
      Targets = targets, Module = module } do
      local methods = getmetatable(object)
      assert.equal(methods, methods.__index)
      assert.same({ class, present(methods) }, { class, written("hoi." .. class) })
    end
    local method = hoi.method("zero_shot", clip, targets)
    for _, name in ipairs(written("hoi.Method", true)) do
      assert.is_not_nil(method[name], name)
    end
    local task = { classes = { "a" }, text = tensor:reshape(1, 1) }
    local classifier = hoi.classifier("zero_shot", task)
    for _, name in ipairs(written("hoi.Classifier", true)) do
      assert.is_not_nil(classifier[name], name)
    end
  end)

  it("names no class twice, and no function twice", function()
    local seen = {}
    for _, entry in ipairs(described.entries) do
      local key = entry.kind .. " " .. entry.name
      assert.is_nil(seen[key], key)
      seen[key] = true
      assert.is_not.equal("", table.concat(entry.text), key)
    end
  end)

  it("names only classes that it describes", function()
    local text = embedded.read "lua/types.lua"
    for name in text:gmatch "[^%w_](hoi%.%u%w*)%f[^%w.]" do
      assert.is_not_nil(described.classes[name], name)
    end
  end)

  it("has a @param for each argument, in their order", function()
    for _, entry in ipairs(described.entries) do
      if entry.kind == "function" then
        local names = {}
        for _, param in ipairs(entry.params) do
          names[#names + 1] = param.name
        end
        local arguments = entry.signature:match "%((.*)%)$"
        assert.same({ entry.name, arguments }, { entry.name, table.concat(names, ", ") })
      end
    end
  end)

  it("knows the options of the methods' files", function()
    local list = {}
    for _, field in ipairs(described.classes["hoi.ZeroShot"].fields) do
      list[field.name] = true
    end
    assert.same(sorted_keys(require "hoi.methods.zero_shot".options), sorted_keys(list))
    for class, method in pairs { EzHoi = "ezhoi", Cmmp = "cmmp", AdaCm = "ada_cm" } do
      list = {}
      for _, field in ipairs(described.classes["hoi." .. class].fields) do
        list[field.name] = true
      end
      local known = {}
      for key, value in pairs(require("hoi.methods." .. method).options) do
        known[type(key) == "string" and key or value] = true -- some have no default
      end
      assert.same(sorted_keys(known), sorted_keys(list))
    end
    local ezhoi = require "hoi.methods.ezhoi"
    for _, name in ipairs(written "hoi.EzHoiMethod") do
      assert.is_function(ezhoi[name], name)
    end
  end)
end)

describe("the description in the REPL", function()
  local state
  before_each(function()
    state = repl.new { env = setmetatable({ hoi = hoi }, { __index = _G }) }
  end)

  it("explains modules, what calling them takes, and methods", function()
    local text = repl.step(state, "?hoi.clip")
    assert.matches("^hoi%.clip\n", text)
    assert.matches("\n    dtype%?  ", text)
    assert.matches("\n    open%(path, options%)  ", text)
    assert.matches("^hoi%.Tensor:matmul%(other%)\n", (repl.step(state, "?Tensor.matmul")))
    assert.matches("^hoi%.pixels%.crops%(", (repl.step(state, "?pixels.crops")))
    text = repl.step(state, "?checkpoint")
    assert.matches("hoi%.checkpoint%(f, x, %.%.%.%)\n", text)
    assert.matches('require "hoi%.checkpoint"', text)
  end)

  it("completes every name after hoi.", function()
    local _, list = repl.complete(state, "hoi.")
    assert.same(present(hoi), list)
  end)

  it("completes option names inside of {", function()
    for line, wanted in pairs {
      ["hoi.pairs(list, { nms"] = { "nms_threshold = " },
      ["hoi.clip(nil, { d"] = { "dtype = " },
      ["hoi.method('zero_shot', clip, targets, { v"] = { "view = " },
      ["hoi.evaluate(method, data, { det"] = { "detector = " },
      ["method:predict(image, list, { to"] = { "top = " },
      ["hoi.data.mini { dec"] = { "decoys = " },
    } do
      local _, list = repl.complete(state, line)
      assert.same({ line, wanted }, { line, list })
    end
  end)
end)
