-- hoi: what require "hoi" returns. Each name is loaded from its module at its first use, so
-- starting costs nothing.
local rooms <const> = {
  { "hoi.classifier", "classifier" },
  { "hoi.batches", "batches" },
  { "hoi.clip", "clip" },
  { "hoi.convert", "convert" },
  { "hoi.data", "data" },
  { "hoi.descriptions", "descriptions", "differences" },
  { "hoi.detections", "detections" },
  { "hoi.detector", "detector" },
  { "hoi.detr", "detr" },
  { "hoi.device", "device", "devices", "memory", "profile" },
  { "hoi.evaluate", "evaluate" },
  { "hoi.fewshot", "fewshot" },
  { "hoi.image", "image" },
  { "hoi.interrupt", "interrupt" },
  { "hoi.json", "json" },
  { "hoi.learners", "learners" },
  { "hoi.losses", "losses" },
  { "hoi.meter", "meter", "detection_meter" },
  { "hoi.method", "method" },
  { "hoi.mini", "mini" },
  { "hoi.nn", "nn" },
  { "hoi.optim", "adamw", "sgd", "schedule" },
  { "hoi.pairing", "pairs" },
  { "hoi.progress", "progress" },
  { "hoi.resnet", "resnet" },
  { "hoi.role_meter", "role_meter" },
  { "hoi.safetensors", "safetensors" },
  { "hoi.store", "store" },
  { "hoi.owlvit", "owlvit" },
  { "hoi.page", "page" },
  { "hoi.statistics", "statistics" },
  { "hoi.targets", "targets" },
  { "hoi.tensor", "tensor", "full", "zeros", "ones", "randn", "uniform", "concat", "seed",
    "checkpoint", "is_tensor", "roi", "gradcheck" },
  { "hoi.tokenizer", "tokenizer" },
  { "hoi.weights", "weights" },
}

local module_of <const>, names <const> = {}, { "version" }
for _, room in ipairs(rooms) do
  for i = 2, #room do
    module_of[room[i]] = room[1]
    names[#names + 1] = room[i]
  end
end
table.sort(names)

local hoi <const> = { version = require "hoi.system".version }

-- Gets the value of a name: the module's field of that name, else the module itself.
local function load_name(name)
  local module <const> = require(module_of[name])
  return type(module) == "table" and rawget(module, name) or module
end

return setmetatable(hoi, {
  __names = names,
  __show = function()
    return (require "hoi.help".text "")
  end,
  __index = function(_, name)
    if not module_of[name] then
      local near = require "hoi.options".nearest(tostring(name), names)
      local hint = near and (" (did you mean '%s'?)"):format(near) or ""
      error(("hoi has no '%s'%s"):format(name, hint), 2)
    end
    local value <const> = load_name(name)
    hoi[name] = value
    return value
  end,
  __pairs = function()
    local i = 0
    return function()
      i = i + 1
      local name = names[i]
      return name, name and hoi[name]
    end
  end,
})
