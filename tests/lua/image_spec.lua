-- image: pictures as a script sees them: fields, methods, drawing, sheets, plots, errors.
local image <const> = require "hoi.image"

local function raises(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  message = tostring(message)
  assert.is_truthy(message:find(text, 1, true), message .. " (wanted: " .. text .. ")")
end

local function with_file(suffix, f)
  local name <const> = os.tmpname()
  local ok, message = pcall(f, name .. suffix)
  os.remove(name)
  os.remove(name .. suffix)
  assert(ok, message)
end

describe("hoi.image", function()
  local black

  before_each(function()
    black = image.new(640, 480)
  end)

  it("knows its size and says so in one line", function()
    assert.are.equal("Image 640x480", tostring(black))
    assert.are.equal(640, black.width)
    assert.are.equal(480, black.height)
    assert.is_nil(black.nothing)
  end)

  it("is made of bytes and gives them back", function()
    assert.are.equal("abcdef", image.new(2, 1, "abcdef"):bytes())
    assert.are.equal(64 * 48 * 3, #black:resize(64, 48):bytes())
    raises("5 bytes found, 2 x 1 x 3 = 6 wanted", image.new, 2, 1, "abcde")
    raises("1 or more", image.new, 0, 1)
    raises("image: ", image.new, 40000, 1)
  end)

  it("saves and loads the same pixels", function()
    local small <const> = image.new(2, 2, "abcdefghijkl")
    with_file(".png", function(path)
      small:save(path)
      assert.are.equal(small:bytes(), image(path):bytes())
      assert.are.equal(small:bytes(), image.load(path):bytes())
      local file <close> = assert(io.open(path, "rb"))
      assert.are.equal(small:bytes(), image.decode(file:read "a"):bytes())
    end)
    raises("no such: No such file", image.load, "no such")
    raises("empty", image.decode, "")
    raises(".png, .jpg", small.save, small, "x.gif")
  end)

  it("is cut out with black outside", function()
    local part <const> = image.new(1, 1, "abc"):crop { -1, 0, 1, 1 }
    assert.are.equal("\0\0\0abc", part:bytes())
    raises("number 3 is a nil", black.crop, black, { 1, 2 })
    raises("{x1, y1, x2, y2} expected, got number", black.crop, black, 1)
  end)

  it("draws boxes of one label in one color", function()
    local drawn <const> = black:draw({
      { box = { 10, 10, 200, 300 }, label = "person", score = 0.934 },
      { box = { 300, 100, 500, 400 }, label = "dog", color = "#ff0000" },
      { box = { 300, 10, 350, 60 }, label = "person" },
      { box = { 600, 400, 620, 420 }, color = 3 },
    })
    local bytes <const> = drawn:bytes()
    local function pixel(x, y)
      return bytes:sub((y * 640 + x) * 3 + 1, (y * 640 + x) * 3 + 3)
    end
    assert.are.equal("\xff\0\0", pixel(300, 250))
    assert.are.equal(pixel(10, 250), pixel(300, 50))
    assert.are_not.equal(pixel(10, 250), pixel(600, 410))
    assert.are.equal(192, image.new(64, 48):draw({}, { scale = 3 }).width)
    assert.are.equal(384, image.new(96, 96):draw({}).width)
  end)

  it("says which item can not be drawn", function()
    raises("(did you mean 'scale'?)", black.draw, black, {}, { scal = 1 })
    local box <const> = { 1, 1, 2, 2 }
    raises("item 2: table expected, got number", black.draw, black, { { box = box }, 3 })
    raises("item 1: {x1, y1, x2, y2} expected, got nil", black.draw, black, { {} })
    raises("item 1: string expected, got table", black.draw, black, { { box = box, label = {} } })
    for _, color in ipairs { "#12345", "#12345g", "#0x12ab", 9, {} } do
      raises("item 1: color", black.draw, black, { { box = box, color = color } })
    end
    raises("scale -1", black.draw, black, {}, { scale = -1 })
  end)

  it("draws the interactions of a result, the first few of them", function()
    local rider <const>, horse <const> = { 250, 60, 330, 300 }, { 180, 180, 480, 460 }
    local result <const> = { interactions = {
      { verb = "ride", object = "horse", score = 0.83, human_box = rider, object_box = horse },
      { verb = "straddle", object = "horse", score = 0.71, human_box = rider, object_box = horse },
      { verb = "walk", score = 0.4, human_box = { 500, 90, 600, 400 } },
    } }
    local all <const> = black:draw_interactions(result)
    local one <const> = black:draw_interactions(result, { top = 1 })
    assert.are_not.equal(all:bytes(), one:bytes())
    assert.are_not.equal(black:bytes(), one:bytes())
    assert.are.equal(black:bytes(), black:draw_interactions(result, { top = 0 }):bytes())
    assert.are.equal(black:bytes(), black:draw_interactions({ interactions = {} }):bytes())
    raises("'interactions' expected", black.draw_interactions, black, {})
    raises("interaction 1: verb: string expected", black.draw_interactions, black,
      { interactions = { { human_box = { 1, 1, 2, 2 } } } })
    raises("interaction 1: score: number expected", black.draw_interactions, black,
      { interactions = { { verb = "a", human_box = { 1, 1, 2, 2 }, score = "x" } } })
  end)

  it("makes a sheet of pictures", function()
    local sheet <const> = image.sheet({ black, black, black },
      { columns = 3, captions = { "one", 2 } })
    assert.is_true(sheet.width > 3 * 640 and sheet.height < 2 * 480)
    raises("item 2: hoi.Image expected, got number", image.sheet, { black, 3 })
    raises("sheet of 0 pictures", image.sheet, {})
    raises("'captions': list expected", image.sheet, { black }, { captions = 3 })
  end)

  it("plots curves and bars", function()
    with_file(".svg", function(path)
      local plot <const> = image.plot {
        title = "loss", x_label = "epoch", y_label = "loss", svg = path,
        series = {
          { name = "a", y = { 1, 3, 0 / 0, 5 }, deviation = { 1, 1, 1, 1 } },
          { x = { 1, 4 }, y = { 2, 3 } },
        },
      }
      assert.are.equal("Image 800x500", tostring(plot))
      local file <close> = assert(io.open(path, "rb"))
      assert.are.equal("<?xml", file:read(5))
    end)
    local bars <const> = image.plot {
      kind = "bar", width = 300, height = 200, series = { { x = { "seen", 2 }, y = { 3, 4 } } },
    }
    assert.are.equal(300, bars.width)
    raises("series 1: 2 x, but 1 y", image.plot, { series = { { x = { 1, 2 }, y = { 1 } } } })
    raises("series 1: y: list of numbers expected, got nil", image.plot, { series = { {} } })
    raises("series 1: y: item 2: number expected", image.plot, { series = { { y = { 1, "a" } } } })
    raises("'line' or 'bar' expected, got 'bars'", image.plot, { kind = "bars", series = {} })
    raises("did you mean 'series'", image.plot, { serie = {} })
    raises("no finite value", image.plot, { series = {} })
  end)

  it("can be released, more than once", function()
    black:release()
    black:release()
    assert.are.equal("Image (released)", tostring(black))
    raises("hoi.Image was released", black.resize, black, 3, 3)
    raises("hoi.Image was released", function() return black.width end)
    raises("item 1: hoi.Image was released", image.sheet, { black })
  end)
end)

describe("a picture in the terminal", function()
  local program = arg[-1]

  -- A test that needs previews; skipped, by name, where hoi was built without them.
  local function previewed(test)
    return function()
      local dot <close> = image.new(1, 1)
      local ok, message = pcall(dot.preview, dot, { kind = "blocks" })
      if not ok and message:find("libchafa", 1, true) then
        return pending("built without libchafa")
      end
      test()
    end
  end

  local function output_of(command)
    local pipe <close> = assert(io.popen(command))
    return pipe:read "a"
  end

  local red = image.new(40, 20, ("\255\0\0"):rep(800))

  it("is blocks of its colours, in its proportions", previewed(function()
    local text = red:preview { columns = 12, rows = 12, kind = "blocks" }
    assert.are.equal(3, select(2, text:gsub("\n", ""))) -- a cell is twice as high as wide
    assert.matches("\27%[[%d;]*255;0;0", text)
    assert.are.equal(2, select(2, red:preview { columns = 80, rows = 2, kind = "blocks" }
      :gsub("\n", "")))
  end))

  it("is sixels or kitty's pixels where asked for", previewed(function()
    assert.matches("\27P[%d;]*q", red:preview { kind = "sixel" })
    assert.matches("\27_G[^\27]*f=%d+", red:preview { kind = "kitty", columns = 4, rows = 2 })
  end))

  it("is refused in no cells, and in unknown kinds", previewed(function()
    assert.has_error(function() red:preview { columns = 0 } end,
      "image: a preview of 0 x 23 cells: 1 to 1000 each expected")
    local ok, message = pcall(red.preview, red, { kind = "ascii" })
    assert.is_false(ok)
    assert.matches("option 'kind': auto, blocks, sixel or kitty expected, got 'ascii'", message)
  end))

  it("is a file where standard output is no terminal", function()
    local path = output_of(([[%s -e "require'hoi'.image.new(3, 2):show()"]]):format(program))
    path = path:match "^(%S+%.png)\n$"
    assert.is_truthy(path)
    local again <close> = image.load(path)
    os.remove(path)
    assert.are.same({ 3, 2 }, { again.width, again.height })
  end)

  it("shows itself on a terminal, also at the prompt", previewed(function()
    if output_of("command -v script") == "" then
      return pending "no program 'script' to make a terminal"
    end
    local function typed(words, lines)
      return output_of(("printf '%s' | TERM=xterm-256color script -qec \"%s %s\" /dev/null"):format(
        lines, program, words))
    end
    local shown = typed("-e 'require[[hoi]].image.new(8, 8, ([[zzz]]):rep(64)):show{ rows = 4 }'",
      "")
    assert.matches("\27%[[%d;]*122;122;122", shown)
    assert.is_nil(shown:find ".png")
    local answer = typed("-i", "hoi.image.new(8, 8, (string.char(122)):rep(192))\\n")
    assert.matches("Image 8x8\r?\n.*\27%[[%d;]*122;122;122", answer)
  end))

  it("is one line at the prompt without a terminal", function()
    assert.are.equal("Image 40x20\n",
      output_of(("echo 'hoi.image.new(40, 20)' | %s -i 2>/dev/null"):format(program)))
  end)
end)
