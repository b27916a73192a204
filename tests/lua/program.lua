-- program: hoi run as users run it, in a process of its own.
local assert = require "luassert"

local program = { path = arg[-1] }

-- A word for the shell.
function program.quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs the program with words, and with variables added to the environment. Gets its status, what
-- it printed, both streams together, and how it ended: "exit", or "signal".
function program.run_with(environment, ...)
  local words = {}
  for name, value in pairs(environment) do
    words[#words + 1] = name .. "=" .. program.quoted(value)
  end
  words[#words + 1] = program.quoted(program.path)
  for _, word in ipairs { ... } do
    words[#words + 1] = program.quoted(tostring(word))
  end
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>&1 </dev/null"))
  local output = pipe:read "a"
  local _, reason, status = pipe:close()
  return status, output, reason
end

-- Runs the program with words. Gets its exit status and what it printed.
function program.run(...)
  local status, output, reason = program.run_with({}, ...)
  assert.are.equal("exit", reason, output)
  return status, output
end

-- Runs what must succeed. Gets what it printed.
function program.works(...)
  local status, output = program.run(...)
  assert.are.equal(0, status, output)
  return output
end

-- Gets run, works and fails for a spec whose caches lie in its own folder: run as above; works gets
-- what was printed by what must succeed; fails takes first what must be said by what must not.
-- where(): the folder.
function program.caching(where)
  local function run(...)
    return program.run_with({ XDG_CACHE_HOME = where() .. "/cache" }, ...)
  end
  return run, function(...)
    local status, output = run(...)
    assert.are.equal(0, status, output)
    return output
  end, function(message, ...)
    local status, output = run(...)
    assert.are_not.equal(0, status)
    assert.matches(message, output)
  end
end

return program
