-- statistics: singular values, principal components, covariances and clusters.
local hoi = require "hoi"

local function gap(a, b)
  return (a - b):abs():max():item()
end

local function identity(n)
  local rows = {}
  for i = 1, n do
    rows[i] = {}
    for j = 1, n do
      rows[i][j] = i == j and 1 or 0
    end
  end
  return hoi.tensor(rows)
end

describe("statistics", function()
  for _, shape in ipairs { { 7, 4 }, { 4, 7 }, { 5, 5 } } do
    it(("svd puts a matrix %dx%d together again"):format(table.unpack(shape)), function()
      local x = hoi.randn(shape)
      local u, s, axes = hoi.statistics.svd(x)
      assert.is_true(gap((u * s):matmul(axes), x) < 1e-5)
      local m = math.min(table.unpack(shape))
      assert.is_true(gap(u:transpose():matmul(u), identity(m)) < 1e-5)
      assert.is_true(gap(axes:matmul(axes:transpose()), identity(m)) < 1e-5)
      local values = s:totable()
      for i = 2, m do
        assert.is_true(values[i] <= values[i - 1])
      end
    end)
  end

  it("svd has known values and signs for a known matrix", function()
    local _, s, axes = hoi.statistics.svd(hoi.tensor { { 0, -3 }, { 2, 0 }, { 0, 0 } })
    assert.are.same({ 3, 2 }, s:totable())
    assert.is_true(gap(axes, hoi.tensor { { 0, 1 }, { 1, 0 } }) < 1e-6)
  end)

  it("svd names a number that is not finite", function()
    local ok, message = pcall(hoi.statistics.svd, hoi.tensor { { 1, 0 / 0 } })
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("value 2", 1, true))
  end)

  it("covariance equals its sum written out", function()
    local x = hoi.randn { 9, 3 }
    local rows, mean, wanted = x:totable(), { 0, 0, 0 }, {}
    for _, row in ipairs(rows) do
      for c = 1, 3 do
        mean[c] = mean[c] + row[c] / 9
      end
    end
    for a = 1, 3 do
      wanted[a] = {}
      for b = 1, 3 do
        local sum = 0
        for _, row in ipairs(rows) do
          sum = sum + (row[a] - mean[a]) * (row[b] - mean[b])
        end
        wanted[a][b] = sum / 8
      end
    end
    assert.is_true(gap(hoi.statistics.covariance(x), hoi.tensor(wanted)) < 1e-5)
    assert.is_true(gap(hoi.statistics.covariance(x, { unbiased = false }) * (9 / 8),
      hoi.tensor(wanted)) < 1e-5)
  end)

  it("pca finds the plane that points lie in, and how much of the variance it holds", function()
    local x = hoi.randn({ 40, 2 }):matmul(hoi.randn { 2, 6 }) + 5
    local plane = hoi.statistics.pca(x, 0.999)
    assert.is_true(#plane.variances <= 2 and plane.share >= 0.999)
    plane = hoi.statistics.pca(x, 2)
    assert.is_true(gap(plane.scores:matmul(plane.axes) + plane.mean, x) < 1e-4)
    local spread = hoi.statistics.covariance(plane.scores):totable()
    assert.is_true(math.abs(spread[1][1] / plane.variances[1] - 1) < 1e-4)
    assert.is_true(math.abs(spread[1][2]) < 1e-4 * spread[1][1])
    assert.is_false((pcall(hoi.statistics.pca, x, 7)))
    assert.is_false((pcall(hoi.statistics.pca, x, 0)))
  end)

  it("kmeans finds groups that lie apart, the same ones for the same seed", function()
    local places, parts = { { 0, 0 }, { 10, 0 }, { 0, 10 } }, {}
    for i = 1, 30 do
      parts[i] = hoi.randn({ 1, 2 }) * 0.1 + hoi.tensor { places[(i - 1) % 3 + 1] }
    end
    local x = hoi.concat(parts, 1)
    local found = hoi.statistics.kmeans(x, 3, { seed = 5 })
    assert.is_true(found.settled)
    for i, label in ipairs(found.labels) do
      assert.are.equal(found.labels[(i - 1) % 3 + 1], label)
    end
    local rest = x - found.centres:rows(found.labels)
    assert.is_true(math.abs((rest * rest):sum():item() - found.spread) < 1e-2)
    assert.are.same(found.labels, hoi.statistics.kmeans(x, 3, { seed = 5 }).labels)
    assert.is_false((pcall(hoi.statistics.kmeans, x, 31)))
  end)
end)
