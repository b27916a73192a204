-- hoi: what require "hoi" returns. Each name is loaded from its module at its first use, so
-- starting costs nothing.
local rooms <const> = {
  { "hoi.image", "image" },
  { "hoi.mini", "mini" },
  { "hoi.tokenizer", "tokenizer" },
  { "hoi.pairing", "pairs" },
  { "hoi.meter", "meter", "detection_meter" },
  { "hoi.detector", "detector" },
  { "hoi.data", "data" },
  { "hoi.targets", "targets" },
  { "hoi.json", "json" },
  { "hoi.progress", "progress" },
  { "hoi.interrupt", "interrupt" },
  { "hoi.nn", "nn" },
  { "hoi.clip", "clip" },
  { "hoi.method", "method" },
  { "hoi.evaluate", "evaluate" },
  { "hoi.losses", "losses" },
  { "hoi.optim", "adamw", "sgd", "schedule" },
  { "hoi.tensor", "tensor", "zeros", "ones", "full", "randn", "uniform", "concat", "seed", "roi", "checkpoint", "gradcheck" },
  { "hoi.safetensors", "safetensors" },
  { "hoi.device", "device", "devices", "memory", "profile" },
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
  local field = type(module) == "table" and module[name]
  return field or module
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
