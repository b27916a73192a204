-- digest: a short name for all that something was made of.

-- FNV-1a, 64 bits, of a text, from a start.
local function fnv(text, hash)
  for i = 1, #text do
    hash = (hash ~ text:byte(i)) * 0x100000001b3
  end
  return hash
end

-- Gets 32 letters for a list of strings; each string's length is part of it.
return function(parts)
  local first, second = 0xcbf29ce484222325, 0x9ae16a3b2f90404f
  for _, part in ipairs(parts) do
    local text <const> = ("%d:%s"):format(#part, part)
    first, second = fnv(text, first), fnv(text, second)
  end
  return ("%016x%016x"):format(first, second)
end
