-- python_random: the numbers of Python's `random` (CPython 3.2 and later), so that subsets drawn
-- there with a seed can be drawn here: MT19937 (Matsumoto & Nishimura 1998) and what CPython makes
-- of it.
local WORD <const>, STATE <const>, MIDDLE <const> = 0xffffffff, 624, 397

local Random <const> = { __name = "hoi.PythonRandom" }
Random.__index = Random

local function from_word(seed)
  local state <const> = { [0] = seed & WORD }
  for i = 1, STATE - 1 do
    local last <const> = state[i - 1]
    state[i] = (1812433253 * (last ~ last >> 30) + i) & WORD
  end
  return state
end

-- The state of a list of 32-bit words.
local function from_words(words)
  local state <const> = from_word(19650218)
  local i, j = 1, 0
  local function turn(factor, more)
    local last <const> = state[i - 1]
    state[i] = ((state[i] ~ (last ~ last >> 30) * factor) + more) & WORD
    i = i + 1
    if i == STATE then
      state[0], i = state[STATE - 1], 1
    end
  end
  for _ = 1, math.max(STATE, #words) do
    turn(1664525, words[j + 1] + j)
    j = (j + 1) % #words
  end
  for _ = 1, STATE - 1 do
    turn(1566083941, -i)
  end
  state[0] = 0x80000000
  return state
end

local function refill(state)
  for i = 0, STATE - 1 do
    local y <const> = state[i] & 0x80000000 | state[(i + 1) % STATE] & 0x7fffffff
    state[i] = state[(i + MIDDLE) % STATE] ~ y >> 1 ~ (y & 1) * 0x9908b0df
  end
end

-- The next 32 bits.
function Random:word()
  if self.at == STATE then
    refill(self.state)
    self.at = 0
  end
  local y = self.state[self.at]
  self.at = self.at + 1
  y = y ~ y >> 11
  y = y ~ y << 7 & 0x9d2c5680
  y = y ~ y << 15 & 0xefc60000
  return y ~ y >> 18
end

-- A number in 0 .. n - 1: as many high bits as n has, until they are below n. n: 1 to 2^32 - 1.
function Random:below(n)
  local bits = 0
  while n >> bits > 0 do
    bits = bits + 1
  end
  local value
  repeat
    value = self:word() >> 32 - bits
  until value < n
  return value
end

-- A float in [0, 1) of 53 bits.
function Random:unit()
  local high <const>, low <const> = self:word() >> 5, self:word() >> 6
  return (high * 67108864.0 + low) / 9007199254740992.0
end

-- Puts a list into another order, in place.
function Random:shuffle(list)
  for i = #list, 2, -1 do
    local j <const> = self:below(i) + 1
    list[i], list[j] = list[j], list[i]
  end
  return list
end

-- k different items of a list, in the order drawn.
function Random:sample(list, k)
  local n <const>, drawn = #list, {}
  if k < 0 or k > n then
    error(("python_random: %d of %d items can not be drawn"):format(k, n), 2)
  end
  local most = 21 -- items up to which Python moves them in a pool
  if k > 5 then
    local power = 1
    while power < 3 * k do
      power = power * 4
    end
    most = most + power
  end
  if n <= most then
    local pool <const> = table.move(list, 1, n, 1, {})
    for i = 1, k do
      local j <const> = self:below(n - i + 1) + 1
      drawn[i], pool[j] = pool[j], pool[n - i + 1]
    end
    return drawn
  end
  local taken <const> = {}
  for i = 1, k do
    local j
    repeat
      j = self:below(n)
    until not taken[j]
    taken[j], drawn[i] = true, list[j + 1]
  end
  return drawn
end

-- k items of a list, with replacement.
function Random:choices(list, k)
  local drawn <const> = {}
  for i = 1, k do
    drawn[i] = list[math.floor(self:unit() * #list) + 1]
  end
  return drawn
end

local python_random <const> = {}

-- The generator after random.seed(seed).
function python_random.new(seed)
  if math.type(seed) ~= "integer" then
    error(("python_random: a whole number as seed expected, got %s"):format(seed), 2)
  end
  local words <const>, rest = {}, math.abs(seed)
  repeat
    words[#words + 1], rest = rest & WORD, rest >> 32
  until rest == 0
  return setmetatable({ state = from_words(words), at = STATE }, Random)
end

return python_random
