-- json: what is written comes back; what can not be read or written says where.
local json = require "hoi.json"

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

describe("json", function()
  it("gives back what was written", function()
    local value = {
      text = 'é "quoted" \\ \n\t\1 \127', list = { 1, 2.5, true, { deep = { "x" } } },
      yes = true, no = false,
      integer = 1000000000000000, negative = -3, tiny = 1e-300, third = 1 / 3, ["any key"] = "v",
    }
    assert.same(value, json.decode(json.encode(value)))
    assert.same(value, json.decode(json.encode(value, { pretty = true })))
  end)

  it("keeps large whole numbers whole", function()
    local value = json.decode "[1000000000000000, 9007199254740991, -7, 0.5, 1e2]"
    assert.equal("integer", math.type(value[1]))
    assert.equal("float", math.type(json.decode "2.0"))
    assert.equal("float", math.type(json.decode "123456789012345678901234567890"))
    assert.equal(math.mininteger, json.decode(tostring(math.mininteger)))
    assert.equal(1000000000000000, value[1])
    assert.equal(9007199254740991, value[2])
    assert.equal("integer", math.type(value[3]))
    assert.equal("float", math.type(value[4]))
    assert.equal("1000000000000000", json.encode(1000000000000000))
    assert.equal(tostring(math.maxinteger), json.encode(math.maxinteger))
  end)

  it("writes numbers in the fewest digits that give them back", function()
    assert.equal("[0.1, 2.0, 1e+300]", json.encode { 0.1, 2.0, 1e300 })
    local third = 1 / 3
    assert.equal(third, json.decode(json.encode { third })[1])
  end)

  it("tells an empty list from an empty object", function()
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json.array()))
    assert.equal("[[], {}]", json.encode(json.decode "[ [ ], { } ]"))
    local list = json.array()
    list[1] = 5
    assert.equal("[5]", json.encode(list))
  end)

  it("treats null as absent in objects and as a place holder in lists", function()
    assert.same({ b = 1 }, json.decode '{"a": null, "b": 1}')
    local list = json.decode "[1, null, 3]"
    assert.equal(3, #list)
    assert.equal(json.null, list[2])
    assert.equal("[1, null, 3]", json.encode(list))
  end)

  it("sorts names, so that the same value gives the same bytes", function()
    assert.equal('{"a": 1, "b": 2, "c": 3}', json.encode { c = 3, a = 1, b = 2 })
  end)

  it("puts short things on one line when it is to be pretty", function()
    local long = ("x"):rep(60)
    local value = { box = { 1, 2, 3, 4 }, text = long, words = { ("y"):rep(30), "z" } }
    local wanted = '{\n  "box": [1, 2, 3, 4],\n  "text": "%s",\n  "words": ["%s", "z"]\n}'
    assert.equal(wanted:format(long, ("y"):rep(30)), json.encode(value, { pretty = true }))
    assert.equal("[1, 2]", json.encode({ 1, 2 }, { pretty = true }))
  end)

  it("turns bytes that are no UTF-8 into U+FFFD", function()
    assert.equal('"a\u{FFFD}b\u{FFFD}\u{FFFD}é"', json.encode "a\xFFb\xED\xA0é")
    assert.equal('"\u{FFFD}\u{FFFD}"', json.encode "\xC0\xAF") -- an overlong slash
    assert.equal('"\u{1F600}"', json.encode "\u{1F600}")
  end)

  it("says line and column of what is wrong", function()
    local wrong = {
      ['{"a":1 "b"}'] = [[1:8: ',' or '}' expected, found "b"}]],
      ['{"a":\n  [1,\n ,2]}'] = "3:2: a value expected, found ,2]}",
      ['{"a":1,}'] = "1:8: a name in double quotes expected, found }",
      ['{"é" 1}'] = "1:6: ':' expected, found 1}",
      ["[1,2 "] = "1:6: ',' or ']' expected, found the end",
      ["[1]x"] = "1:4: nothing more expected, found x",
      [""] = "1:1: a value expected, found the end",
      ["[1e999]"] = "1:2: a number of reasonable size expected, found 1e999]",
      ["[01]"] = "1:3: ',' or ']' expected, found 1]",
      ["[1.]"] = "1:4: a digit expected after the point, found ]",
      ["[NaN]"] = "1:2: a value expected, found NaN]",
      ['["a\nb"]'] = "1:4: the text's closing quote expected, found a control character",
      ['["\\q"]'] = '1:4: one of " \\ / b f n r t u expected after \\, found q"]',
      ['["\\u12x4"]'] = '1:7: four hexadecimal digits expected after \\u, found x4"]',
      [("["):rep(100000)] = "1:201: no deeper nesting than 200 levels expected, found "
        .. ("["):rep(20),
    }
    for text, what in pairs(wrong) do
      assert.equal("json:" .. what, message(json.decode, text))
    end
  end)

  it("says where in the value something can not be written", function()
    assert.matches("list%[2%]%.score: NaN can not be written",
      message(json.encode, { list = { 1, { score = 0 / 0 } } }))
    assert.matches("infinite", message(json.encode, { math.huge }))
    assert.matches("x: a function can not be written", message(json.encode, { x = print }))
    assert.matches("a FILE%* can not be written", message(json.encode, { io.stdout }))
    assert.matches("holes", message(json.encode, { 1, nil, 3 }))
    assert.matches("both names and positions", message(json.encode, { 1, a = 2 }))
    assert.matches("positions from 1, found 1.5", message(json.encode, { [1.5] = 1 }))
    local loop = {}
    loop.loop = loop
    assert.matches("contain itself", message(json.encode, loop))
    assert.matches("did you mean 'pretty'", message(json.encode, {}, { prety = true }))
  end)

  it("saves whole files, and says what was wrong with a path", function()
    local path = os.tmpname()
    json.save(path, { 1, { a = "b" } })
    assert.same({ 1, { a = "b" } }, json.load(path))
    assert.is_false(pcall(json.save, path, { print })) -- the old file stays
    assert.same({ 1, { a = "b" } }, json.load(path))
    local file <close> = assert(io.open(path, "w"))
    file:write '{\n  "a": 1,\n  b\n}'
    file:close()
    assert.equal(path .. ":3:3: a name in double quotes expected, found b",
      message(json.load, path))
    os.remove(path)
    assert.matches("/nonexistent/file: No such file", message(json.load, "/nonexistent/file"))
    assert.matches("/nonexistent/file: No such file", message(json.save, "/nonexistent/file", {}))
  end)

  it("reads escaped characters", function()
    assert.equal('"\\/\b\f\n\r\té\u{1F600}\0x',
      json.decode [["\"\\\/\b\f\n\r\t\u00e9\ud83D\uDe00\u0000x"]])
    assert.equal("\u{FFFD}a\u{FFFD}é", json.decode [["\ud800a\udc00\u00e9"]])
    assert.equal("\u{FFFD}A", json.decode [["\ud800\u0041"]])
  end)

  it("reads a byte order mark away", function()
    assert.same({ 1 }, json.decode "\u{FEFF}[1]")
  end)
end)
