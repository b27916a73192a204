-- tip_adapter_f: Tip-Adapter-F (Zhang et al. 2022): Tip-Adapter whose keys are trained. The
-- published code keeps the epoch that does best on the test set; here it is the best on val, or
-- without val the last.
local classifier <const> = require "hoi.classifier"
local nn <const> = require "hoi.nn"
local tip_adapter <const> = require "hoi.classifiers.tip_adapter"

local tip_adapter_f <const> = setmetatable({ trained = true }, { __index = tip_adapter })

local own <const> = classifier.training {
  epochs = 20, batch = 256, partial = true, optimizer = "adamw", learning_rate = 1e-3, eps = 1e-4,
  weight_decay = 0.01, schedule = "cosine",
}
for name, value in pairs(tip_adapter.options) do
  own[name] = value
end
tip_adapter_f.options = own

function tip_adapter_f:learn(train, val, run)
  self:remember(train)
  self.module.keys = nn.parameter(self.module.keys)
  local result <const> = classifier.train(self, train, run, val)
  if self.o.search and val then
    self:choose(val, run.log)
  end
  return result
end

return tip_adapter_f
