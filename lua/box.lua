-- box: what two boxes { x1, y1, x2, y2 } have in common.
local box <const> = {}

-- Gets the area that both cover over the area that either does; 0 where they do not touch.
function box.overlap(a, b)
  local width <const> = math.min(a[3], b[3]) - math.max(a[1], b[1])
  local height <const> = math.min(a[4], b[4]) - math.max(a[2], b[2])
  if width <= 0 or height <= 0 then
    return 0
  end
  local both <const> = width * height
  return both / ((a[3] - a[1]) * (a[4] - a[2]) + (b[3] - b[1]) * (b[4] - b[2]) - both)
end

-- Gets the smallest box around both.
function box.union(a, b)
  return { math.min(a[1], b[1]), math.min(a[2], b[2]), math.max(a[3], b[3]), math.max(a[4], b[4]) }
end

return box
