-- recipes: what the papers set for a data set and a number of shots, beyond a method's defaults;
-- and short forms of it, so that comparisons on the drawn world take minutes.
local recipes <const> = {}

-- Tip-Adapter's configs: alpha taken without search, and how far the search goes.
local tip <const> = {
  imagenet = { alpha = 1.17, search_beta = 7, search_alpha = 3 },
  caltech101 = { alpha = 3, search_beta = 12, search_alpha = 5 },
  dtd = { alpha = 2, search_beta = 13, search_alpha = 13 },
  eurosat = { alpha = 2, search_beta = 12, search_alpha = 10 },
  fgvc_aircraft = { alpha = 5, search_beta = 30, search_alpha = 30 },
  food101 = { alpha = 1.17, search_beta = 10, search_alpha = 10 },
  oxford_flowers = { alpha = 10, search_beta = 50, search_alpha = 50 },
  oxford_pets = { alpha = 1.17, search_beta = 7, search_alpha = 3 },
  stanford_cars = { alpha = 3, search_beta = 20, search_alpha = 10 },
  sun397 = { alpha = 1.17, search_beta = 12, search_alpha = 10 },
  ucf101 = { alpha = 3, search_beta = 7, search_alpha = 3 },
}

local function tip_of(data)
  local row <const>, o = tip[data], {}
  for name, value in pairs(row or {}) do
    o[name] = value
  end
  o.beta = row and 1 or nil
  return o
end

-- By method: the options for a data set and a number of shots.
local published <const> = {
  coop = function(data, shots)
    local epochs <const> = shots == 1 and 50 or shots < 8 and 100 or 200
    return { epochs = data == "imagenet" and 50 or epochs }
  end,
  tip_adapter = tip_of,
  tip_adapter_f = function(data)
    local o <const> = tip_of(data)
    o.epochs = data == "eurosat" and 100 or nil
    return o
  end,
  clip_lora = function(_, shots)
    return { steps = 500 * shots }
  end,
}

-- The same with fewer steps, larger where few must do.
local short <const> = {
  coop = function()
    return { epochs = 50 }
  end,
  clip_adapter = function()
    return { epochs = 100 }
  end,
  maple = function()
    return { depth = 3 } -- all blocks of the drawn world's text tower
  end,
  clip_lora = function(_, shots)
    return { steps = 10 * shots + 40, learning_rate = 2e-3 }
  end,
}

recipes.names = { "published", "short" }

-- Gets the options of a method; kind: "published" or "short" (what it does not say is published).
function recipes.options(method, data, shots, kind)
  if kind ~= "published" and kind ~= "short" then
    error(("recipes: '%s': published or short wanted"):format(kind), 2)
  end
  local o <const> = {}
  for _, of in ipairs(kind == "short" and { published, short } or { published }) do
    for name, value in pairs(of[method] and of[method](data, shots) or {}) do
      o[name] = value
    end
  end
  return o
end

return recipes
