-- tensor: what of hoi.Tensor is written in Lua: printing, a few methods made of others, gradcheck.
local core <const> = require "hoi.tensor.core"

local tensor <const> = {
  tensor = core.tensor, full = core.full, zeros = core.zeros, ones = core.ones, randn = core.randn,
  uniform = core.uniform, concat = core.concat, seed = core.seed, checkpoint = core.checkpoint,
  is_tensor = core.is_tensor,
}

local meta <const> = debug.getregistry()["hoi.Tensor"]
local Tensor <const> = meta.__methods

function Tensor:min(dimension, keep)
  return -(-self):max(dimension, keep)
end

-- A new dimension of size 1 at a place: (2, 3):unsqueeze(1) is (1, 2, 3).
function Tensor:unsqueeze(dimension)
  local shape <const> = self.shape
  table.insert(shape, dimension < 0 and #shape + dimension + 2 or dimension, 1)
  return self:reshape(shape)
end

function Tensor:squeeze(dimension)
  local shape <const> = self.shape
  local at <const> = dimension < 0 and #shape + dimension + 1 or dimension
  if shape[at] ~= 1 then
    error(("squeeze: dimension %d of %s is not 1"):format(dimension, self), 2)
  end
  table.remove(shape, at)
  return self:reshape(shape)
end

-- Projection onto the simplex (Martins & Astudillo 2016), along the last dimension: like softmax,
-- with zeros.
function Tensor:sparsemax()
  local n <const> = self:size(-1)
  local sorted <const> = self:sort()
  local sums <const> = sorted:cumsum()
  local k = {}
  for i = 1, n do
    k[i] = i
  end
  k = core.tensor(k)
  -- 1 while the k greatest stay above the threshold
  local inside <const> = (sorted * k + 1):gt(sums)
  local count <const> = inside:sum(-1, true)
  local threshold <const> = ((sorted * inside):sum(-1, true) - 1) / count
  return (self - threshold):relu()
end

-- Cosine of the last dimension of two tensors, with broadcasting.
function Tensor:cosine(other)
  return (self:normalize() * other:normalize()):sum(-1)
end

-- Inverse of a wide (k, d) matrix from the right: (d, k), B' (B B')^-1.
function Tensor:pinverse()
  local turned <const> = self:transpose()
  return turned:matmul(self:matmul(turned):inverse())
end

local EDGE <const> = 3

local function cells(values, width)
  local out <const> = {}
  local function put(value)
    out[#out + 1] = ("%" .. width .. "s"):format(value)
  end
  for i, value in ipairs(values) do
    if #values <= 2 * EDGE + 2 or i <= EDGE or i > #values - EDGE then
      put(("%.4g"):format(value))
    elseif i == EDGE + 1 then
      put "..."
    end
  end
  return table.concat(out, " ")
end

local function lines_of(values, rank, indent, out)
  if rank == 1 then
    out[#out + 1] = indent .. cells(values, 10)
    return
  end
  for i, inner in ipairs(values) do
    if #values <= 2 * EDGE + 2 or i <= EDGE or i > #values - EDGE then
      lines_of(inner, rank - 1, indent, out)
      if rank > 2 and i < #values then
        out[#out + 1] = ""
      end
    elseif i == EDGE + 1 then
      out[#out + 1] = indent .. "       ..."
    end
  end
end

-- Several lines: the shape, then the values, three at each edge of what is long.
function meta.__show(self)
  local head <const> = tostring(self)
  if self.rank == 0 then
    return ("%s  %.6g"):format(head, self:item())
  elseif self:count() == 0 then
    return head
  end
  local out <const> = { head }
  lines_of(self:totable(), self.rank, " ", out)
  return table.concat(out, "\n")
end

function Tensor:show()
  return meta.__show(self)
end

function tensor.gradcheck(f, x, options)
  local o <const> = require "hoi.options"(options, { eps = 1e-2, samples = 64, tolerance = 1e-2 })
  local leaf <const> = x:detach():float() * 1
  leaf:train()
  local y <const> = f(leaf)
  local weight <const> = core.uniform(y.shape, { low = -1, high = 1 })
  local loss <const> = (y * weight):sum()
  loss:backward()
  local grad <const> = (leaf.grad or core.zeros(leaf.shape)):reshape(-1):totable()
  local values <const> = leaf:detach():reshape(-1):totable()
  local worst, scale = { error = 0 }, 1e-3
  for _, g in ipairs(grad) do
    scale = math.max(scale, math.abs(g))
  end
  local step <const> = math.max(1, #values // o.samples)
  local function at(i, value)
    local moved <const> = table.move(values, 1, #values, 1, {})
    moved[i] = value
    return (f(core.tensor(moved):reshape(leaf.shape)) * weight):sum():item()
  end
  for i = 1, #values, step do
    local h <const> = o.eps
    local slope <const> = (8 * (at(i, values[i] + h) - at(i, values[i] - h))
      - at(i, values[i] + 2 * h) + at(i, values[i] - 2 * h)) / (12 * h)
    local err <const> = math.abs(slope - grad[i]) / scale
    if err > worst.error then
      worst = { error = err, place = i, found = grad[i], wanted = slope }
    end
  end
  worst.ok = worst.error <= o.tolerance
  return worst
end

-- ROI-Align (aligned, adaptive sampling) as a constant matrix of interpolation weights times the
-- map, so that the gradient to the map is matmul's: map (h, w, c), boxes in the map's pixels
-- * 1 / scale -> (n, c), or (n, size * size, c) with bins = true.
function tensor.roi(map, boxes, options)
  local o <const> = require "hoi.options"(options, { size = 7, scale = 1, bins = false, drop = 0 })
  local shape <const> = map.shape
  if #shape ~= 3 then
    error(("roi: a map (height, width, channels) is wanted, this is %s"):format(map), 2)
  end
  local h <const>, w <const>, c <const> = table.unpack(shape)
  local keep <const> = o.bins or o.drop > 0
  local weights <const> = require "hoi.regions".roi_weights(boxes, h, w, o.size, o.scale, keep)
  local rows <const> = keep and o.size * o.size or 1
  local out = weights:matmul(map:reshape(h * w, c)):reshape(#boxes, rows, c)
  if o.drop > 0 then
    out = out:dropout(o.drop)
  end
  if o.bins then
    return out
  end
  return keep and out:mean(2) or out:reshape(#boxes, c)
end

return tensor
