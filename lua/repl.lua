-- repl: read, evaluate, print. Evaluation (repl.step) knows no terminal.
local complete <const> = require "hoi.complete"
local help <const> = require "hoi.help"
local show <const> = require "hoi.show"
local system <const> = require "hoi.system"

local repl <const> = {}

---------------------------------------------------------------------------- evaluation

-- Gets a new state: `env` holds the globals; `interactive` adds remarks for a person (time, hints);
-- `now` is the clock.
function repl.new(options)
  options = options or {}
  return {
    env = options.env or _G, interactive = options.interactive, now = options.now or system.now,
    hinted = false,
  }
end

-- Loads a chunk as an expression or as a statement. Gets the function; nil and the message; or nil,
-- nil when the text is the beginning of something.
local function compile(text, env)
  local chunk, as_value = load("return " .. text, "=stdin", "t", env)
  if chunk then
    return chunk
  end
  local as_statement
  chunk, as_statement = load(text, "=stdin", "t", env)
  if not chunk and not (as_value:find "<eof>$" or as_statement:find "<eof>$") then
    return nil, as_statement
  end
  return chunk
end

-- Gets the message with as much of the traceback as is the user's: none for an error in the line
-- itself.
local function trace(message)
  local meta = debug.getmetatable(message)
  if type(message) ~= "string" then
    message = type(meta) == "table" and meta.__tostring and tostring(message)
      or ("(error object is a %s value)"):format(type(message))
  end
  local lines, deeper = {}, false
  for line in debug.traceback("", 2):gmatch "\n(\t[^\n]*)" do
    if line:find("in function 'xpcall'", 1, true) then
      break
    end
    lines[#lines + 1] = line
    deeper = deeper or not (line:find "^\t%[C%]" or line:find "in main chunk$")
  end
  return deeper and message .. "\nstack traceback:\n" .. table.concat(lines, "\n") or message
end

local function values_text(values)
  local texts, several_lines = {}, false
  for i = 1, values.n do
    texts[i] = show.value(values[i])
    several_lines = several_lines or texts[i]:find "\n" ~= nil
  end
  return table.concat(texts, several_lines and "\n" or "\t")
end

-- Runs a chunk. Gets the text of its values, or the message, and which of the two.
local function run(state, chunk, silent)
  local start = state.now()
  local values = table.pack(xpcall(chunk, trace))
  local ok, text = values[1], values[2]
  if ok then
    values = table.pack(table.unpack(values, 2, values.n))
    ok, text = xpcall(values_text, trace, silent and { n = 0 } or values)
    if values.n > 0 then
      state.env._ = values[1]
    end
  end
  local elapsed = state.now() - start
  if state.interactive and elapsed > 0.5 then
    text = ("%s%s(%.3g s)"):format(text, text == "" and "" or "\n", elapsed)
  end
  return text, ok and "value" or "error"
end

-- Takes one line. Gets the text to be printed ("" for nothing) and what it is: "value", "error",
-- "help", or "more" when the statement goes on in the next line.
function repl.step(state, line)
  local query = not state.pending and line:match "^%s*%?%s*(.-)%s*$"
  if query then
    return help.text(query), "help"
  end
  local text = state.pending and state.pending .. "\n" .. line or line
  if text:find "^%s*$" then
    return "", "value"
  end
  local chunk, message = compile(text, state.env)
  if not chunk and not message then
    state.pending = text
    return "", "more"
  end
  state.pending = nil
  if not chunk then
    return message, "error"
  end
  local result, kind = run(state, chunk, text:find ";%s*$" ~= nil)
  if state.interactive and not state.hinted and text:find "^%s*local[%s]" and kind == "value" then
    state.hinted = true
    result = result .. (result == "" and "" or "\n")
      .. "(a local does not survive its line: leave the word local out)"
  end
  return result, kind
end

-- Gets what may stand at the end of the line: the place from which it is replaced, and the list.
function repl.complete(state, line)
  return complete.line(line, state.env)
end

---------------------------------------------------------------------------- terminal

local function history_file()
  local state_folder = os.getenv "XDG_STATE_HOME"
  if not state_folder or state_folder == "" then
    local home = os.getenv "HOME"
    if not home then
      return nil
    end
    state_folder = home .. "/.local/state"
  end
  local folder = state_folder .. "/hoi"
  return pcall(system.make_folder, folder) and folder .. "/history" or nil
end

-- Gets a function that reads a line (nil at the end, false after Ctrl-C) and whether a person types
-- it.
local function open_reader(state)
  if not system.terminal "stdin" then
    return function()
      return io.read "l"
    end, false
  end
  local line = require "hoi.line".open {
    history = history_file(),
    complete = function(text) return repl.complete(state, text) end,
  }
  return function(prompt)
    local text = line:read(prompt)
    if text and text:find "%S" then
      line:remember(text)
    end
    return text
  end, true
end

local function print_result(text, kind)
  if text == "" then
    return
  end
  local file = kind == "error" and io.stderr or io.stdout
  io.stdout:flush()
  file:write(text, "\n")
  file:flush()
end

-- Reads until the end of input. False when standard input was no terminal and something failed.
function repl.run()
  local state = repl.new()
  state.env.hoi = require "hoi"
  local read, failed
  read, state.interactive = open_reader(state)
  if state.interactive then
    io.stderr:write(("hoi %s (%s). ?name explains, Tab completes, Ctrl-D ends.\n"):format(
      system.version, _VERSION))
  end
  local function turn()
    local line = read(state.pending and ">> " or "> ")
    if line == false then -- Ctrl-C drops what was typed
      state.pending = nil
    elseif line then
      local text, kind = repl.step(state, line)
      failed = failed or kind == "error"
      if state.interactive and text:find "interrupted!$" then
        text = "\n" .. text -- the terminal wrote ^C
      end
      print_result(text, kind)
    end
    return line ~= nil
  end
  while true do
    local ok, going = pcall(turn)
    if not ok then -- Ctrl-C between two lines
      state.pending = nil
      print_result(tostring(going), "error")
    elseif not going then
      break
    end
  end
  if state.pending then
    print_result(select(2, load(state.pending, "=stdin")), "error")
    failed = true
  end
  if state.interactive then
    io.stdout:write "\n"
  end
  return state.interactive or not failed
end

return repl
