-- repl: what a line prints, what Tab offers, what "?" explains. No terminal is needed.
local help = require "hoi.help"
local progress = require "hoi.progress"
local repl = require "hoi.repl"
local show = require "hoi.show"
local system = require "hoi.system"

local function session(interactive)
  local env = setmetatable({}, { __index = _G })
  return repl.new { env = env, interactive = interactive }, env
end

describe("repl.step", function()
  local state, env
  before_each(function()
    state, env = session()
  end)

  local function prints(text, line)
    local result, kind = repl.step(state, line)
    assert.equal(text, result)
    return kind
  end

  it("prints the values of an expression, nothing for a statement", function()
    assert.equal("value", prints("2", "1 + 1"))
    prints("1\ta\tnil", "1, 'a', nil")
    prints("", "x = 3")
    prints("3", "x")
    prints("", "(function() end)()")
    prints("", "   ")
  end)

  it("keeps the last value in _", function()
    prints("42", "6 * 7")
    prints("43", "_ + 1")
    prints("", "y = 1")
    prints("43", "_")
  end)

  it("is silenced by a semicolon, yet keeps the value", function()
    prints("", "5 + 5;")
    prints("10", "_")
  end)

  it("goes on reading while a statement is not finished", function()
    assert.equal("more", prints("", "function double(x)"))
    assert.equal("more", prints("", "  return 2 * x"))
    assert.equal("value", prints("", "end"))
    prints("8", "double(4)")
    assert.equal("more", prints("", "{"))
    prints("{ 1, 2 }", "1, 2 }")
    assert.equal("more", prints("", "'a' .. -- a comment"))
    prints("ab", "'b'")
  end)

  it("reports an error and stays usable", function()
    local text, kind = repl.step(state, "error 'boo'")
    assert.equal("error", kind)
    assert.equal("stdin:1: boo", text)
    text, kind = repl.step(state, "x = = 1")
    assert.equal("error", kind)
    assert.matches("stdin:1: unexpected symbol", text)
    assert.is_nil(state.pending)
    prints("1", "1")
  end)

  it("shows the traceback when an error lies deeper, without its own frames", function()
    repl.step(state, "function f() error 'deep' end")
    local text = repl.step(state, "f()")
    assert.matches("^stdin:1: deep\nstack traceback:\n", text)
    assert.matches("stdin:1: in function <stdin:1>", text)
    assert.is_nil(text:find("repl", 1, true))
  end)

  it("prints an error object by its __tostring, and says what another is", function()
    assert.equal("wrapped", (repl.step(state,
      "error(setmetatable({}, { __tostring = function() return 'wrapped' end }))")))
    assert.equal("(error object is a table value)", (repl.step(state, "error {}")))
  end)

  it("survives an object that can not be printed", function()
    local text, kind = repl.step(state,
      "setmetatable({}, { __tostring = function() error 'no' end })")
    assert.equal("error", kind)
    assert.matches("no", text)
  end)

  it("warns once that a local does not survive, only a person", function()
    prints("", "local q = 1")
    state, env = session(true)
    assert.matches("a local does not survive", (repl.step(state, "local q = 1")))
    assert.equal("", (repl.step(state, "local q = 1")))
  end)

  it("tells the time of what takes long, only to a person", function()
    local time = 0
    state = repl.new { env = env, interactive = true, now = function() return time end }
    env.wait = function(seconds)
      time = time + seconds
      return "done"
    end
    assert.equal("done\n(0.75 s)", (repl.step(state, "wait(0.75)")))
    assert.equal("(2 s)", (repl.step(state, "wait(2);")))
    assert.equal("done", (repl.step(state, "wait(0.25)")))
  end)

  it("explains after a question mark", function()
    local text, kind = repl.step(state, "? json.save")
    assert.equal("help", kind)
    assert.matches("^hoi%.json%.save%(path, value, options%)\n", text)
    assert.equal(text, (repl.step(state, "?hoi.json.save")))
    assert.matches("nothing is written about 'nonsense'", (repl.step(state, "?nonsense")))
    assert.matches("\n    hoi%.progress  ", (repl.step(state, "?")))
  end)
end)

describe("repl.complete", function()
  local state, env
  before_each(function()
    state, env = session()
  end)

  local function offers(wanted, text)
    local start, list = repl.complete(state, text)
    local all = text:sub(1, start - 1)
    for i, candidate in ipairs(list) do
      list[i] = all .. candidate
    end
    assert.same(wanted, list)
  end

  it("offers globals, words of Lua and fields", function()
    env.alpha_one, env.alpha_two, env.room = 1, 2, { inside = { deep = 1 }, _hidden = 2 }
    offers({ "x = alpha_one", "x = alpha_two" }, "x = al")
    offers({ "function" }, "func")
    offers({ "room.inside" }, "room.")
    offers({ "room._hidden" }, "room._")
    offers({ "f(room.inside.deep" }, "f(room.inside.d")
    offers({}, "nothing.there.")
  end)

  it("offers methods after a colon, along __index", function()
    local base = { walk = print, height = 3 }
    local kind = setmetatable({ purr = print }, { __index = base })
    env.cat = setmetatable({ name = "x" }, { __index = kind })
    offers({ "cat:purr", "cat:walk" }, "cat:")
    offers({ "cat.height" }, "cat.h")
    offers({ "io.stdout:write" }, "io.stdout:wr")
    env.text = "abc"
    offers({ "text:find", "text:format" }, "text:f")
  end)

  it("offers methods behind an __index function, and what is written about the class", function()
    env.bar = progress({}, { terminal = false })
    offers({ "bar:set" }, "bar:se")
    env.bar = setmetatable({}, {
      __name = "hoi.Progress", __index = function() end, __methods = { other = print },
    })
    offers({ "bar:other", "bar:release", "bar:set" }, "bar:")
  end)

  it("offers the names of hoi without loading them", function()
    env.hoi = require "hoi"
    offers({ "hoi.json" }, "hoi.js")
    offers({ "hoi.json.decode" }, "hoi.json.d")
  end)

  it("offers files inside quotes", function()
    local folder = os.tmpname()
    os.remove(folder)
    system.make_folder(folder .. "/pictures")
    assert(io.open(folder .. "/one.png", "w")):close()
    offers({ "hoi.image('" .. folder .. "/one.png" }, "hoi.image('" .. folder .. "/o")
    offers({ "hoi.image(\"" .. folder .. "/pictures/" }, "hoi.image(\"" .. folder .. "/p")
    os.remove(folder .. "/one.png")
    os.remove(folder .. "/pictures")
    os.remove(folder)
  end)

  it("offers option names in the table of a function that is written about", function()
    offers({ "hoi.progress(l, { label = ", "hoi.progress(l, { total = " }, "hoi.progress(l, { ")
    offers({ "hoi.progress(f(1), { total = 3, label = " }, "hoi.progress(f(1), { total = 3, la")
    offers({ "json.save(p, v, { pretty = " }, "json.save(p, v, { p")
  end)

  it("offers written names after a question mark", function()
    offers({ "? hoi.json.save" }, "? hoi.json.s")
  end)
end)

describe("show", function()
  it("prints numbers in the fewest digits that give them back", function()
    assert.equal("0.9", show.value(string.unpack("f", string.pack("f", 0.9))))
    assert.equal("0.30000000000000004", show.value(0.1 + 0.2))
    assert.equal("2.0", show.value(2.0))
    assert.equal("3", show.value(3))
    assert.equal("-inf", show.value(-math.huge))
    assert.equal("1e+300", show.value(1e300))
  end)

  it("prints tables nested, sorted and with quotes inside", function()
    assert.equal('{ 1, "a\\n", { b = true }, [0.5] = 0, ["end"] = 2, name = "x" }',
      show.value { 1, "a\n", { b = true }, name = "x", ["end"] = 2, [0.5] = 0 })
    assert.equal("raw", show.value "raw")
    assert.equal("{}", show.value {})
  end)

  it("breaks a long table into lines", function()
    local long = ("x"):rep(50)
    assert.equal(('{\n  a = "%s",\n  b = { "%s" }\n}'):format(long, long),
      show.value { a = long, b = { long } })
  end)

  it("is bounded: many entries, deep nesting, a table in itself", function()
    local many, deep = {}, {}
    for i = 1, 10000 do
      many[i] = i
      many["k" .. i] = i
    end
    local text = show.value(many)
    assert.is_true(#text < 2000)
    assert.matches("%.%.%. 19952 more", text)
    local inner = deep
    for _ = 1, 100 do
      inner.inner = {}
      inner = inner.inner
    end
    assert.is_true(#show.value(deep) < 200)
    local loop = {}
    loop.loop = loop
    assert.equal("{ loop = <itself> }", show.value(loop))
  end)

  it("lets objects show themselves", function()
    local meta = { __tostring = function() return "Thing 3" end }
    assert.equal("Thing 3", show.value(setmetatable({}, meta)))
    assert.equal("{ Thing 3 }", show.value { setmetatable({}, meta) })
    meta.__show = function() return "Thing\n1 2 3" end
    assert.equal("Thing\n1 2 3", show.value(setmetatable({}, meta)))
  end)
end)

describe("help", function()
  local description = [[
---@meta
hoi = {}

--- Gets a thing from a file.
--- Second line.
---@param path string where it lies
---@param options? { size?: integer, kind?: "a"|"b", box?: number[], on?: fun(x: integer) } # how
---@return hoi.Thing # a new one
---@return string | nil # a warning
function hoi.thing(path, options) end

--- Some thing.
---@class hoi.Thing
---@field width integer # in pixels,
---  of the original
---@field parts { name: string }[]
local Thing = {}

--- Turns it.
---@param degrees number
function Thing:turn(degrees) end
]]

  it("reads functions, classes, fields and options", function()
    local parsed = help.parse(description)
    local names = {}
    for i, entry in ipairs(parsed.entries) do
      names[i] = entry.name
    end
    assert.same({ "hoi.thing", "hoi.Thing", "hoi.Thing:turn" }, names)
    local thing = parsed.entries[1]
    assert.equal("hoi.thing(path, options)", thing.signature)
    assert.same({ "Gets a thing from a file.", "Second line." }, thing.text)
    assert.equal("string", thing.params[1].type)
    assert.equal("where it lies", thing.params[1].text)
    assert.is_true(thing.params[2].optional)
    assert.equal("how", thing.params[2].text)
    assert.equal("hoi.Thing", thing.returns[1].type)
    assert.equal("string | nil", thing.returns[2].type)
    assert.equal("in pixels, of the original", parsed.classes["hoi.Thing"].fields[1].text)
    assert.equal("{ name: string }[]", parsed.classes["hoi.Thing"].fields[2].type)
  end)

  it("knows the options of the functions of this program", function()
    assert.same({ "label", "total" }, help.options "hoi.progress")
    assert.same({ "pretty" }, help.options "hoi.json.encode")
    assert.same({}, help.options "print")
  end)

  it("finds the members of a class", function()
    local names = {}
    for _, member in ipairs(help.members "hoi.Interrupt") do
      names[#names + 1] = member.name
    end
    table.sort(names)
    assert.same({ "release", "requested" }, names)
  end)
end)
