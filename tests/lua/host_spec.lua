-- host: the program itself: options, exit statuses, modules, errors; and what its own modules do.
local options = require "hoi.options"
local progress = require "hoi.progress"
local system = require "hoi.system"
local scratch = dofile "tests/lua/scratch.lua"

local program, quoted = arg[-1], dofile "tests/lua/program.lua".quoted

-- Runs the program. Gets its exit status, standard output and standard error.
local function run(arguments, input)
  local words = { quoted(program) }
  for _, argument in ipairs(arguments) do
    words[#words + 1] = quoted(argument)
  end
  local errors_path, input_path = os.tmpname(), scratch.write(os.tmpname(), input or "")
  local command = ("%s <%s 2>%s"):format(table.concat(words, " "), input_path, errors_path)
  local pipe = assert(io.popen(command))
  local output = pipe:read "a"
  local _, reason, status = pipe:close()
  assert.equal("exit", reason)
  local errors = scratch.read(errors_path)
  os.remove(errors_path)
  os.remove(input_path)
  return status, output, errors
end

local function with_file(text, f, name)
  local folder = scratch.folder()
  local path = scratch.write(folder .. "/" .. (name or "script.lua"), text)
  local ok, message = pcall(f, path, folder)
  scratch.remove(folder)
  assert(ok, message)
end

describe("the program", function()
  it("runs a script with its arguments, found in `arg` and in ...", function()
    with_file("print(#arg, arg[0], arg[1], ...)", function(path)
      local status, output, errors = run { path, "one", "two words", "-e" }
      assert.equal(0, status)
      assert.equal(("3\t%s\tone\tone\ttwo words\t-e\n"):format(path), output)
      assert.equal("", errors)
    end)
  end)

  it("ends with 0 after success, 1 after an error in a script, 2 after wrong usage", function()
    assert.equal(0, (run { "-e", "" }))
    assert.equal(1, (run { "-e", "error 'x'" }))
    assert.equal(1, (run { "-e", "x = = 1" }))
    assert.equal(1, (run { "/nonexistent.lua" }))
    assert.equal(2, (run { "--nonsense" }))
    assert.equal(2, (run { "-x" }))
    assert.equal(2, (run { "-e" }))
    assert.equal(2, (run { "--device" }))
    assert.equal(7, (run { "-e", "os.exit(7)" }))
  end)

  it("proposes the nearest name for an unknown option", function()
    local _, output, errors = run { "--devics" }
    assert.equal("", output)
    assert.matches("unknown option '%-%-devics' %(did you mean '%-%-device", errors)
    assert.matches("try 'hoi %-%-help'", errors)
    assert.matches("did you mean '%-%-help'", select(3, run { "--hlep" }))
  end)

  it("prints message and traceback of an error to standard error", function()
    local code = "local function f() error 'deep' end\nlocal function g() f() end\ng()\n"
    with_file(code, function(path)
      local status, output, errors = run { path }
      assert.equal(1, status)
      assert.equal("", output)
      assert.matches("script%.lua:1: deep\nstack traceback:", errors)
      assert.matches("script%.lua:2:", errors)
    end)
  end)

  it("honours __tostring of an error object", function()
    local code = "error(setmetatable({}, { __tostring = function() return 'an object' end }))"
    assert.matches("^hoi: an object\n", select(3, run { "-e", code }))
    assert.matches("error object is a table value", select(3, run { "-e", "error {}" }))
  end)

  it("takes the letters of lua", function()
    local _, output = run { "-e", "a = 1", "-eprint(a)", "-l", "string", "-l", "s=hoi.system", "-e",
      "print(string.rep('x', 2), s.version)" }
    assert.equal(("1\nxx\t%s\n"):format(system.version), output)
    assert.matches("^hoi [%d%.]+ %(Lua 5%.4", select(2, run { "-v" }))
    assert.matches("^hoi [%d%.]+ %(Lua 5%.4", select(2, run { "--version" }))
    assert.matches("careful", select(3, run { "-W", "-e", "warn 'careful'" }))
    assert.equal("", select(3, run { "-e", "warn 'careful'" }))
    assert.equal("from stdin\t1\n", select(2, run({ "-", "1" }, "print('from stdin', ...)")))
    assert.equal("piped\n", select(2, run({}, "print 'piped'")))
    assert.equal("x\n", select(2, run { "-e", "print 'x'", "--" }))
    assert.matches("%-%-profile", select(2, run { "--help" }))
  end)

  it("has `hoi` in -e and in the REPL, and no global of its own in scripts", function()
    assert.equal("table\n", select(2, run { "-e", "print(type(hoi))" }))
    assert.equal("table\n", select(2, run({ "-i" }, "type(hoi)")))
    with_file("print(hoi, type(require 'hoi'))", function(path)
      assert.equal("nil\ttable\n", select(2, run { "-e", "x = hoi", path }))
    end)
  end)

  it("finds modules beside the script and in HOI_PATH", function()
    with_file("return 'the module'", function(path, folder)
      local script = folder .. "/main.lua"
      local file <close> = assert(io.open(script, "w"))
      file:write "print((require 'beside'))"
      file:close()
      assert.equal("the module\n", select(2, run { script }))
      os.remove(script)
      local pipe = assert(io.popen(("HOI_PATH='%s/?.lua' %s -e 'print((require [[%s]]))'"):format(
        folder, quoted(program), path:match "([^/]+)%.lua$")))
      assert.equal("the module\n", pipe:read "a")
      pipe:close()
    end, "beside.lua")
  end)

  it("ignores environment variables after -E", function()
    local command = "LUA_INIT=\"print 'init'\" %s %s -e ''"
    local pipe = assert(io.popen(command:format(quoted(program), "")))
    assert.equal("init\n", pipe:read "a")
    pipe:close()
    pipe = assert(io.popen(command:format(quoted(program), "-E")))
    assert.equal("", pipe:read "a")
    pipe:close()
  end)

  it("hands --device and --profile on", function()
    local _, output = run { "--device", "cpu", "--profile", "-e",
      "print(os.getenv 'HOI_DEVICE', os.getenv 'HOI_PROFILE')" }
    assert.equal("cpu\t1\n", output)
    assert.equal("1\n", select(2, run { "--device=1", "-e", "print(os.getenv 'HOI_DEVICE')" }))
  end)

  it("does not touch OpenCL before it is asked to", function()
    local pipe = assert(io.popen("OCL_ICD_VENDORS=/nonexistent/ " .. quoted(program)
      .. " -e 'print(hoi.json.encode{1})'"))
    assert.equal("[1]\n", pipe:read "a")
    assert.is_true(pipe:close())
  end)

  it("loads Lua modules written in C", function()
    local status, output, errors = run { "-e",
      "local lfs = require 'lfs' print(lfs.attributes('.', 'mode'))" }
    assert.equal("", errors)
    assert.equal(0, status)
    assert.equal("directory\n", output)
  end)

  it("evaluates piped lines without prompts, and fails when one failed", function()
    local status, output, errors = run({ "-i" }, "x = 2\nx * 21\n\nif x then\n  print 'yes'\nend\n")
    assert.equal(0, status)
    assert.equal("42\nyes\n", output)
    assert.equal("", errors)
    status, output, errors = run({ "-i" }, "error 'no'\n1\n")
    assert.equal(1, status)
    assert.equal("1\n", output)
    assert.equal("stdin:1: no\n", errors)
    status, output, errors = run({ "-i" }, "for i = 1, 2 do")
    assert.equal(1, status)
    assert.equal("", output)
    assert.matches("'end' expected", errors)
  end)

  it("raises an error in Lua on Ctrl-C, which a script can hold for a while", function()
    -- The signal comes from outside a moment later: system() ignores it while it waits.
    local setup = "local pid = io.open('/proc/self/stat'):read 'n' "
      .. "local function interrupt() os.execute('(sleep 0.1; kill -INT ' .. pid .. ') &') end "
    local status, _, errors = run { "-e", setup .. "interrupt() while true do end" }
    assert.equal(1, status)
    assert.matches("interrupted!", errors)
    local output
    status, output = run { "-e", setup .. [[
      local function spin() interrupt() while true do end end
      do
        local stop <close> = hoi.interrupt()
        print(stop:requested())
        interrupt()
        while not stop:requested() do end
        print(pcall(spin))
      end
      print(pcall(spin))
    ]] }
    assert.equal(0, status)
    assert.matches("^false\nfalse\t.*interrupted!\nfalse\t.*interrupted!\n$", output)
  end)
end)

describe("hoi", function()
  it("proposes the nearest name for one it does not have", function()
    local hoi = require "hoi"
    local ok, message = pcall(function() return hoi.progres end)
    assert.is_false(ok)
    assert.matches("hoi has no 'progres' %(did you mean 'progress'%?%)", message)
  end)

  it("lists its names in order", function()
    local names = getmetatable(require "hoi").__names
    assert.is_true(#names > 10)
    for i = 2, #names do
      assert.is_true(names[i - 1] < names[i])
    end
  end)
end)

describe("options", function()
  it("puts what is given over the defaults", function()
    assert.same({ size = 3, seed = 1 }, options({ size = 3 }, { size = 64, seed = 1 }))
    assert.same({ size = 64 }, options(nil, { "kind", size = 64 }))
    assert.same({ kind = false }, options({ kind = false }, { "kind" }))
    local given = {}
    assert.are_not.equal(given, options(given, {}))
  end)

  it("refuses what is not known, with the nearest name, at the caller's line", function()
    local function load_thing(given)
      return options(given, { score_threshold = 0.2, "kind" })
    end
    local ok, message = pcall(function() load_thing { score_treshold = 1 } end)
    assert.is_false(ok)
    assert.matches("^tests/lua/host_spec%.lua:%d+: unknown option 'score_treshold' "
      .. "%(did you mean 'score_threshold'%?%)$", message)
    assert.matches("unknown option 'zzz' %(known: .*kind",
      select(2, pcall(load_thing, { zzz = 1 })))
    assert.matches("table expected, got number", select(2, pcall(load_thing, 3)))
    assert.matches("unknown option '1'", select(2, pcall(load_thing, { "kind" })))
  end)

  it("finds names that are cut, swapped or in other letters", function()
    local names = { "device", "devices", "help", "score_threshold" }
    assert.equal("device", options.nearest("devcie", names))
    assert.equal("device", options.nearest("DEVICE", names))
    assert.equal("score_threshold", options.nearest("threshold", names))
    assert.is_nil(options.nearest("xyzzy", names))
  end)
end)

describe("progress", function()
  local written, time

  local function start(source, given)
    written, time = {}, 0
    local wanted = {
      now = function() return time end,
      out = {
        write = function(self, ...)
          written[#written + 1] = table.concat { ... }
          return self
        end,
        flush = function() end,
      },
      terminal = false,
    }
    for key, value in pairs(given or {}) do
      wanted[key] = value
    end
    return progress(source, wanted)
  end

  it("gives the same items: a list's, a number's, an iterator's", function()
    local items = {}
    for item in start { "a", "b" } do items[#items + 1] = item end
    for item in start(3) do items[#items + 1] = item end
    for item, also in start((("xy"):gmatch "(.)()")) do items[#items + 1] = item .. also end
    assert.same({ "a", "b", 1, 2, 3, "x2", "y3" }, items)
    assert.same({}, written)
  end)

  it("prints a line every ten seconds where there is no terminal", function()
    local bar = start(100, { label = "epoch 1" })
    for i in bar do
      time = time + 1
      bar:set { loss = 1 / i, step = i }
    end
    assert.equal(11, #written)
    assert.equal("epoch 1  10/100 10%  1.00/s  1:30 left  loss 0.1  step 10\n", written[1])
    assert.matches("^epoch 1  100/100 100%%  1%.00/s  1:40  loss 0%.01  step 100\n$", written[11])
  end)

  it("draws a bar on a terminal, at most ten times a second", function()
    for _ in start(100, { terminal = true, label = "x" }) do
      time = time + 0.0625
    end
    assert.is_true(#written <= 55)
    assert.matches("^\rx  %[ *%]  2/100 2%%  16%.0/s  0:06 left\27%[K$", written[1])
    assert.equal("\n", written[#written])
    assert.matches("%[====================%]  100/100 100%%", written[#written - 1])
  end)

  it("knows no total of an iterator, unless it is told", function()
    local function ten()
      local i = 0
      return function()
        i = i + 1
        return i <= 30 and i or nil
      end
    end
    for _ in start(ten()) do time = time + 1 end
    assert.equal("10  1.00/s  0:10\n", written[1])
    for _ in start(ten(), { total = 60 }) do time = time + 1 end
    assert.equal("10/60 16%  1.00/s  0:50 left\n", written[1])
    local sized = setmetatable({}, { __call = ten(), __len = function() return 30 end })
    for _ in start(sized) do time = time + 1 end
    assert.equal("10/30 33%  1.00/s  0:20 left\n", written[1])
  end)

  it("closes the iterator, also when the loop is left early", function()
    local closed = 0
    local function source()
      return setmetatable({}, {
        __call = function() return 1 end,
        __close = function() closed = closed + 1 end,
      })
    end
    for _ in start(source()) do break end -- luacheck: ignore 512
    assert.equal(1, closed)
    pcall(function()
      for _ in start(source()) do error "x" end
    end)
    assert.equal(2, closed)
    do
      local bar <close> = start(source())
      bar()
    end
    assert.equal(3, closed)
  end)

  it("refuses what it can not go over, and unknown options", function()
    assert.matches("a list, an iterator or a number expected, got nil", select(2, pcall(progress)))
    assert.matches("did you mean 'label'", select(2, pcall(progress, {}, { lable = "x" })))
  end)
end)

describe("system", function()
  it("makes folders, lists them and tells what is there", function()
    local folder = os.tmpname()
    os.remove(folder)
    system.make_folder(folder .. "/a/b/")
    system.make_folder(folder .. "/a/b")
    assert.equal("folder", system.kind(folder .. "/a/b"))
    assert.is_nil(system.kind(folder .. "/c"))
    local file <close> = assert(io.open(folder .. "/0", "w"))
    file:close()
    assert.same({ "0", "a" }, system.list(folder))
    assert.equal("file", system.kind(folder .. "/0"))
    local list, message = system.list(folder .. "/none")
    assert.is_nil(list)
    assert.matches("none: No such file", message)
    assert.matches("Not a directory", select(2, pcall(system.make_folder, folder .. "/0/x")))
    assert.matches("a folder was wanted", select(2, pcall(system.make_folder, folder .. "/0")))
    for _, name in ipairs { "/a/b", "/a", "/0", "" } do
      os.remove(folder .. name)
    end
    assert.is_nil(system.kind(folder))
  end)

  it("has a clock that goes forward", function()
    local first = system.now()
    assert.is_true(system.now() >= first)
  end)
end)

describe("embedded", function()
  it("holds the Lua files, whole", function()
    local embedded = require "hoi.embedded"
    local text = embedded.read "lua/show.lua"
    assert.matches("^%-%- show: .*return show\n$", text)
    assert.is_nil(embedded.read "lua/none.lua")
    local names = embedded.list "lua/repl"
    assert.same({ "lua/repl.lua" }, names)
  end)
end)
