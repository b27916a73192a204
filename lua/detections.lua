-- detections: a detector whose answers are kept on disk, each under its picture's identity.
local make_store <const> = require "hoi.store"
local read_options <const> = require "hoi.options"

local Detections <const> = { __name = "hoi.Detections" }
Detections.__index = Detections

-- Tells whether a picture's detections are there already.
function Detections:has(picture)
  return self.store:has(picture.identity)
end

-- picture: one of a data set, or { image, name, identity }; its image is looked at only when the
-- detector is asked.
function Detections:detect(picture)
  return self.store:value(picture.identity, function()
    return require "hoi.json".array((self.detector:detect { image = picture.image,
      name = picture.name }))
  end)
end

function Detections:close()
  self.detector:close()
end

Detections.release = Detections.close
Detections.__close = Detections.close

function Detections:__tostring()
  return ("Detections of %s, kept in %s"):format(self.detector, self.store.folder)
end

-- detections(detector, { limit, folder, say })
return function(detector, given)
  local o <const> = read_options(given, { limit = 1e9, "folder", "say" })
  local store <const> = make_store("detections",
    { key = detector.identity, limit = o.limit, folder = o.folder, say = o.say })
  return setmetatable({ detector = detector, store = store, name = detector.name,
    labels = detector.labels }, Detections)
end
