-- page: pages in one file: escaping, base64, pictures inside, boxes over them, data, saving.
local embedded = require "hoi.embedded"
local gallery = require "hoi.gallery"
local image = require "hoi.image"
local json = require "hoi.json"
local page = require "hoi.page"
local system = require "hoi.system"

local function count(text, what)
  local _, n = text:gsub(what, "")
  return n
end

describe("page.base64", function()
  it("gives what RFC 4648 says", function()
    for bytes, wanted in pairs {
      [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=",
      foobar = "Zm9vYmFy", ["\0\255\254"] = "AP/+", ["\xfb\xef\xbe"] = "++++",
    } do
      assert.are.equal(wanted, page.base64(bytes))
    end
  end)
end)

describe("page.escape", function()
  it("leaves nothing that could end a text or an attribute", function()
    assert.are.equal("&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt; &amp;amp;",
      page.escape [[<b a="x" c='y'> &amp;]])
    assert.are.equal("12", page.escape(12))
  end)
end)

describe("page.address", function()
  it("holds a JPEG no longer than asked for, in the picture's proportions", function()
    local large <close> = image.new(400, 200)
    local function decoded(side)
      local address = page.address(large, { side = side })
      local text = address:match "^data:image/jpeg;base64,([%w+/]+=*)$"
      assert.is_truthy(text)
      local out = {}
      local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
      for quad in text:gmatch "...." do
        local bits, pad = 0, count(quad, "=")
        for c in quad:gmatch "." do
          bits = bits << 6 | (c == "=" and 0 or alphabet:find(c, 1, true) - 1)
        end
        out[#out + 1] = string.pack(">I3", bits):sub(1, 3 - pad)
      end
      local small = image.decode(table.concat(out))
      return { small.width, small.height }
    end
    assert.are.same({ 400, 200 }, decoded(960))
    assert.are.same({ 100, 50 }, decoded(100))
    assert.are.same({ 1, 1 }, decoded(1))
  end)
end)

describe("page.island", function()
  it("can not be left by what its strings hold, and stays the same JSON", function()
    local value = { text = "</script><!-- & 'é'", list = { 1, 2.5 } }
    local text = page.island("data", value)
      :match '^<script type="application/json" id="data">(.*)</script>$'
    assert.is_nil(text:find("<", 1, true))
    assert.are.same(value, json.decode(text))
    assert.are.equal(page.island("data", json.encode(value)), page.island("data", value))
  end)
end)

describe("page.figure", function()
  it("lays boxes in percents over the picture, large ones below, labels escaped", function()
    local picture <close> = image.new(200, 100)
    local html = page.figure(picture, {
      alt = 'a "b"', caption = "<em>below</em>", class = "wide", attributes = { id = "p1" },
      boxes = {
        { box = { 50, 25, 100, 50 }, label = "a < b", score = 0.456, class = "human" },
        { box = { -20, 0, 220, 100 }, attributes = { ["data-n"] = "3" } },
        { box = { 150, 90, 200, 100 } },
      },
    })
    assert.matches('^<figure class="wide" id="p1">', html)
    assert.matches('alt="a &quot;b&quot;"', html)
    assert.matches("<figcaption><em>below</em></figcaption></figure>$", html)
    local whole = html:find('left:0.000%;top:0.000%;right:0.000%;bottom:0.000%', 1, true)
    local part = html:find('left:25.000%;top:25.000%;right:50.000%;bottom:50.000%', 1, true)
    assert.is_true(whole < part)
    assert.matches('<i class="box human" [^>]*><b>a &lt; b 0%.46</b></i>', html)
    assert.matches('<i class="box" tabindex="0" data%-n="3" [^>]*></i>', html)
    assert.matches('<i class="box late" [^>]*></i>', html)
    assert.matches('width="200" height="100"', html)
  end)
end)

describe("page.table", function()
  it("puts numbers on the right, floats with the digits asked for", function()
    local html = page.table({ { "<a>", 1, 0.5 }, { "b", 20, 1.25 } },
      { head = { "name", "n", "share" }, digits = 2 })
    for _, row in ipairs {
      '<thead><tr><th>name</th><th class="number">n</th><th class="number">share</th></tr></thead>',
      '<tr><td>&lt;a&gt;</td><td class="number">1</td><td class="number">0.50</td></tr>',
    } do
      assert.is_truthy(html:find(row, 1, true), row)
    end
    assert.are.equal(3, count(html, "<tr>"))
  end)
end)

describe("a page", function()
  it("is one file that names nothing outside itself, in the order it was written", function()
    local picture <close> = image.new(20, 10)
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local html = page.new { title = "Dogs & cats" }
      :add "<p>first</p>"
      :picture(picture, { alt = "black" })
      :table { { "a", 1 } }
      :data("numbers", { 1, 2 })
      :style ".mine { color: red; }"
      :script "document.title;"
    html:save(path)
    local text
    do
      local file <close> = io.open(path, "rb")
      text = file:read "a"
    end
    assert.are.equal(html:html(), text)
    assert.is_nil(system.kind(path .. ".part"))
    assert.are.equal(2, count(text, "Dogs &amp; cats"))
    local last = 0
    for _, piece in ipairs { "<!doctype html>", embedded.read "lua/page.css", ".mine", "<h1>",
      "<p>first</p>", "<figure>", "<table>", 'id="numbers"', "document.title;" } do
      local at = text:find(piece, last, true)
      assert.is_truthy(at, piece)
      last = at
    end
    assert.is_nil(text:find "https?:")
    for address in text:gmatch "src=\"([^\"]*)\"" do
      assert.matches("^data:", address)
    end
  end)

  it("says where it could not be written", function()
    assert.has_error(function() page.new { title = "x" }:save "nowhere/page.html" end)
    local ok, message = pcall(page.new, { titel = "x" })
    assert.is_false(ok)
    assert.matches("did you mean 'title'", message)
  end)
end)

describe("gallery", function()
  local results = {
    { image = "a<b>.jpg", width = 40, height = 20, interactions = {
      { verb = "sit_on", object = "bench", score = 0.75, human_score = 0.9, object_score = 0.5,
        human_box = { 0, 0, 20, 20 }, object_box = { 10, 10, 40, 20 } },
      { verb = "hold", object = "cup", score = 0.5, human_score = 0.9, object_score = 0.8,
        human_box = { 0, 0, 20, 20 }, object_box = { 4, 4, 8, 8 }, seen = false },
    } },
    { image = "b.jpg", width = 10, height = 10, interactions = {} },
  }

  local function load(result)
    return image.new(result.width, result.height)
  end

  it("shows each box once, each interaction with its two boxes, and the JSON itself", function()
    local text = json.encode(results)
    local html = gallery.page(text, load, { title = "T", note = "<n>" }):html()
    assert.are.equal(3, count(html, 'class="box'))
    assert.are.equal(1, count(html, 'class="box human"'))
    assert.are.equal(2, count(html, "<figure"))
    assert.are.equal(1, count(html, "nobody does anything"))
    assert.is_truthy(html:find('data-verb="sit_on" data-object="bench" data-score="0.75"'
      .. ' data-boxes="1 2"', 1, true))
    assert.is_truthy(html:find('data-boxes="1 3"', 1, true))
    assert.is_truthy(html:find("<b>sit on</b> bench</span>", 1, true))
    assert.is_truthy(html:find('<b>hold</b> cup <small>unseen</small>', 1, true))
    assert.is_truthy(html:find('<option value="hold">hold (1)</option>', 1, true))
    assert.is_truthy(html:find("2 interactions in 2 pictures", 1, true))
    assert.is_truthy(html:find("a&lt;b&gt;.jpg", 1, true))
    assert.is_truthy(html:find("&lt;n&gt;", 1, true))
    local island = html:match '<script type="application/json" id="predictions">(.-)</script>'
    assert.are.equal(text, (island:gsub("\\u003c", "<")))
  end)

  it("takes a list as well as its text, and strict options", function()
    assert.are.equal(gallery.page(results, load):html(),
      gallery.page(json.encode(results), load):html())
    assert.has_error(function() gallery.page(results, load, { titel = "x" }) end)
  end)
end)
