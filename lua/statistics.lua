-- statistics: what some methods compute once over stored features, before any training: HOLa a
-- principal component analysis of descriptions, CMMP clusters of spatial codes, VDRP covariances.
local core <const> = require "hoi.statistics.core"
local read_options <const> = require "hoi.options"
local tensors <const> = require "hoi.tensor"

local statistics <const> = { svd = core.svd }

local function matrix(x, who)
  if #x.shape ~= 2 or x.shape[1] == 0 then
    error(("%s: features (n, d) are wanted, got %s"):format(who, table.concat(x.shape, "x")), 3)
  end
  return x:detach()
end

-- (d, d), around the mean, of n rows: divided by n - 1, or by n where asked for.
function statistics.covariance(x, given)
  local o <const> = read_options(given, { unbiased = true })
  x = matrix(x, "covariance")
  local rest <const> = x - x:mean(1, true)
  return rest:transpose():matmul(rest) / math.max(o.unbiased and x.shape[1] - 1 or x.shape[1], 1)
end

-- Principal components: k of them, or as many as hold a share 0 < k < 1 of the variance.
function statistics.pca(x, k)
  x = matrix(x, "pca")
  local mean <const> = x:mean(1, true)
  local u <const>, s <const>, axes <const> = core.svd(x - mean)
  local variances <const>, total = s:totable(), 0
  for i, value in ipairs(variances) do
    variances[i] = value * value / math.max(x.shape[1] - 1, 1)
    total = total + variances[i]
  end
  local wanted <const> = k or #variances
  local count, held = 0, 0
  while count < #variances and (wanted < 1 and held < wanted * total or count < wanted) do
    count = count + 1
    held = held + variances[count]
  end
  if wanted <= 0 or wanted >= 1 and count ~= wanted then
    error(("pca: %s components of a matrix %dx%d; 1 to %d can be had, or a share below 1"):format(k,
      x.shape[1], x.shape[2], #variances), 2)
  end
  return {
    mean = mean:reshape(-1), axes = axes:slice(1, 1, count),
    scores = u:slice(2, 1, count) * s:slice(1, 1, count),
    variances = table.move(variances, 1, count, 1, {}), share = total > 0 and held / total or 1,
  }
end

-- Squared distances (n, k) of rows to centres.
local function distances(x, centres)
  return (x * x):sum(2, true) - x:matmul(centres:transpose()) * 2
    + (centres * centres):sum(2):reshape(1, -1)
end

-- The first centres: each next one is drawn with a chance by its squared distance to those there
-- are (k-means++).
local function first_centres(x, k)
  local n <const> = x.shape[1]
  local chosen <const> = { math.floor(tensors.uniform { 1 }:item() * n) % n + 1 }
  local nearest
  while #chosen < k do
    local last <const> = distances(x, x:rows { chosen[#chosen] }):reshape(-1):clamp(0, math.huge)
    nearest = nearest and nearest:minimum(last) or last
    local chances <const>, sum = nearest:totable(), 0
    for _, chance in ipairs(chances) do
      sum = sum + chance
    end
    local left, place = tensors.uniform { 1 }:item() * sum, n
    for i, chance in ipairs(chances) do
      left = left - chance
      if left < 0 then
        place = i
        break
      end
    end
    chosen[#chosen + 1] = place
  end
  return x:rows(chosen)
end

-- k-means (Lloyd) until no row changes its cluster. A cluster left empty keeps its centre.
function statistics.kmeans(x, k, given)
  local o <const> = read_options(given, { iterations = 100, seed = false })
  x = matrix(x, "kmeans")
  if math.type(k) ~= "integer" or k < 1 or k > x.shape[1] then
    error(("kmeans: %s clusters of %d rows"):format(k, x.shape[1]), 2)
  end
  if o.seed then
    tensors.seed(o.seed)
  end
  local centres = first_centres(x, k)
  local labels, moved, spread = {}, true, 0
  for _ = 1, o.iterations do
    local gaps <const> = distances(x, centres)
    local found <const> = (-gaps):argmax()
    moved = false
    local sizes <const> = {}
    for i, place in ipairs(found) do
      moved = moved or labels[i] ~= place
      sizes[place] = (sizes[place] or 0) + 1
    end
    labels, spread = found, gaps:min(2):clamp(0, math.huge):sum():item()
    if not moved then
      break
    end
    local sums <const>, old <const>, rows <const> = x:scatter(labels, k), centres:totable(), {}
    local new <const> = sums:totable()
    for j = 1, k do
      rows[j] = old[j]
      if sizes[j] then
        rows[j] = new[j]
        for c, value in ipairs(new[j]) do
          new[j][c] = value / sizes[j]
        end
      end
    end
    centres = tensors.tensor(rows)
  end
  return { centres = centres, labels = labels, spread = spread, settled = not moved }
end

return statistics
