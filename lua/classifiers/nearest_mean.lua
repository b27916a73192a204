-- nearest_mean: the class whose training pictures' mean direction is nearest: what features are
-- worth without words and without training.
local classifier <const> = require "hoi.classifier"
local nn <const> = require "hoi.nn"

local nearest_mean <const> = { needs = "features", options = {} }

function nearest_mean.new()
  return {}
end

function nearest_mean:learn(train)
  local sums <const> = train.features:normalize():scatter(train.labels, #self.task.classes)
  self.module.means = nn.buffer(sums:normalize())
  return { steps = 0 }
end

function nearest_mean:classes()
  return self.module.means
end

function nearest_mean:forward(x, classes)
  return classifier.cosines(x, classes, self.task.scale)
end

function nearest_mean:restore(file)
  self.module.means = nn.buffer(file:tensor "means")
end

return nearest_mean
