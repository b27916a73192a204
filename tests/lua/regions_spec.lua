-- regions: ROI-Align against golden values, gradients too; what it does at the edges.
local hoi = require "hoi"
local safetensors = require "hoi.safetensors"
local says = dofile "tests/lua/expect.lua".says

local function near(wanted, got, tolerance, name)
  local gap = (wanted:reshape(-1) - got:reshape(-1)):abs():max():item()
  assert.is_true(gap <= tolerance, ("%s is off by %g"):format(name, gap))
end

-- Gets the rows (from 1) of the boxes that lie on a map, and the boxes.
local function boxes_on(file, map)
  local boxes, rows, list = file:tensor "boxes":totable(), {}, {}
  for i, place in ipairs(file:tensor "places":totable()) do
    if place == map - 1 then
      rows[#rows + 1], list[#list + 1] = i, boxes[i]
    end
  end
  return rows, list
end

describe("roi", function()
  for _, size in ipairs { 7, 1 } do
    local name = ("%dx%d"):format(size, size)

    it("equals the golden values at " .. name .. ", bins, means and gradients", function()
      local file <close> = safetensors.open "tests/golden/roi.safetensors"
      local scale = file:tensor "scale":item()
      for i = 1, 2 do
        local map = file:tensor "map":slice(1, i, i):reshape(9, 7, 5):train()
        local rows, boxes = boxes_on(file, i)
        local bins = hoi.roi(map, boxes, { size = size, scale = scale, bins = true })
        assert.are.same({ #rows, size * size, 5 }, bins.shape)
        near(file:tensor(name):rows(rows), bins, 1e-5, "bins")
        local upstream = file:tensor(name .. ".upstream"):rows(rows);
        (bins * upstream:reshape(#rows, size * size, 5)):sum():backward()
        near(file:tensor(name .. ".grad"):slice(1, i, i), map.grad, 1e-5, "gradient")
        local means = hoi.roi(map:detach(), boxes, { size = size, scale = scale })
        assert.are.same({ #rows, 5 }, means.shape)
        near(file:tensor(name .. ".mean"):rows(rows), means, 1e-5, "means")
      end
    end)
  end

  it("of a constant map is the constant, by 7 x 7 points in the map's own pixels", function()
    local map = hoi.full(3, { 4, 6, 2 })
    near(hoi.full(3, { 1, 2 }), hoi.roi(map, { { 0, 0, 6, 4 } }), 1e-6, "mean")
    local ramp = {}
    for y = 1, 4 do
      ramp[y] = {}
      for x = 1, 6 do
        ramp[y][x] = { x - 0.5, y - 0.5 } -- the centre of its cell
      end
    end
    local middle = hoi.roi(hoi.tensor(ramp), { { 1, 1, 5, 3 }, { 2.5, 1.25, 3, 2.75 } })
    near(hoi.tensor { { 3, 2 }, { 2.75, 2 } }, middle, 1e-5, "the middle of the box")
  end)

  it("gives a gradient that gradcheck accepts", function()
    local boxes = { { 0.3, 0.2, 3.1, 2.7 }, { -1, -1, 2, 2 } }
    assert.is_true(hoi.gradcheck(function(map)
      return hoi.roi(map, boxes, { size = 2 })
    end, hoi.randn { 3, 4, 2 }).ok)
  end)

  it("of no boxes is empty, of boxes without size zero: no NaN", function()
    local map = hoi.randn({ 3, 4, 2 }):train()
    local none = hoi.roi(map, {})
    assert.are.same({ 0, 2 }, none.shape)
    none:sum():backward()
    assert.are.equal(0, map.grad:abs():sum():item())
    near(hoi.zeros(2, 2), hoi.roi(map, { { 1, 1, 1, 1 }, { 3, 2, 1, 1 } }), 0, "no size")
  end)

  it("drops whole values of bins in training only where it is asked to", function()
    local map, box = hoi.ones { 3, 4, 200 }, { { 0, 0, 4, 3 } }
    hoi.seed(9)
    local dropped = hoi.roi(map, box, { size = 2, drop = 0.5, bins = true })
    local kept = dropped:gt(0):mean():item()
    assert.is_true(kept > 0.4 and kept < 0.6)
    near(hoi.full(2, { 1 }), dropped:max(), 1e-6, "kept")
    assert.are.same({ 1, 200 }, hoi.roi(map, box, { size = 2, drop = 0.5 }).shape)
  end)

  it("refuses maps, boxes and options that are none", function()
    local map = hoi.zeros { 3, 4, 2 }
    says("a map (height, width, channels) is wanted", hoi.roi, hoi.zeros { 3, 4 }, {})
    says("number 2 is a number", hoi.roi, map, { { 0, 0, 1, 1 }, 7 })
    says("box 1: number 4 is a nil", hoi.roi, map, { { 0, 0, 1 } })
    says("did you mean 'size'?", hoi.roi, map, {}, { sise = 7 })
    says("a size of at least 1", hoi.roi, map, {}, { size = 0 })
  end)
end)
