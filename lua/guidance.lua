-- guidance: what a frozen tower says of pictures as they are, kept on disk under their identity.
local make_store <const> = require "hoi.store"

local Guidance <const> = { __name = "hoi.Guidance" }
Guidance.__index = Guidance

function Guidance:has(picture)
  return self.store:has(picture.identity)
end

-- Gets a tensor for each picture { identity, image }; those that are not there are made in one go.
-- An image is looked at only for that.
function Guidance:of(pictures)
  local missing <const>, place <const>, list <const> = {}, {}, {}
  for _, picture in ipairs(pictures) do
    if not self:has(picture) then
      missing[#missing + 1] = picture.image
      place[picture] = #missing
    end
  end
  local made <const> = #missing > 0 and self.make(missing) or nil
  for i, picture in ipairs(pictures) do
    list[i] = self.store:tensor(picture.identity, function()
      local at <const> = place[picture] -- none: its file was there, but damaged
      local x <const> = at and made:slice(1, at, at) or self.make { picture.image }
      return x:squeeze(1)
    end)
  end
  return list
end

-- guidance{ make, key, limit, store }: make(images) gets a tensor whose first dimension counts
-- them.
return function(o)
  if type(o) ~= "table" or type(o.make) ~= "function" or not (o.key or o.store) then
    error("guide: { make = function(images), key = text } wanted", 3)
  end
  return setmetatable({ make = o.make, store = o.store or make_store("guidance",
    { key = o.key, limit = o.limit or 20e9 }) }, Guidance)
end
