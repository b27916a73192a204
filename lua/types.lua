---@meta
-- types: every public name of hoi, described once: editors read it, the REPL prints it, a test compares it.

hoi = {}

--- The version of the program, "major.minor.patch".
---@type string
hoi.version = nil

--- JSON for people: read, written, saved whole. In a table that was read, a whole number is an integer, a member that
--- is null is absent, an item of a list that is null is `hoi.json.null`, and an empty list stays a list.
---@class hoi.json
---@field null lightuserdata # stands for null in a list; written as null
hoi.json = {}

--- Gets the value of a text. Raises "json:line:column: ..." when it is not JSON.
---@param text string
---@return any
function hoi.json.decode(text) end

--- Gets the text of a value: names sorted, numbers in the fewest digits that give them back. An empty table is {} unless
--- it is marked by `hoi.json.array`. Bytes that are not UTF-8 become U+FFFD. Raises, with the place in the value: NaN,
--- infinity, functions, objects, a list with holes, names and positions in one table.
---@param value any
---@param options? { pretty?: boolean } # pretty (default false): an entry a line, what is short stays on one
---@return string
function hoi.json.encode(value, options) end

--- Gets the value of a file. Raises "path:line:column: ..." when it is not JSON.
---@param path string
---@return any
function hoi.json.load(path) end

--- Writes a value to a file; the file is the old or the new one, never half of it. Raises like encode.
---@param path string
---@param value any
---@param options? { pretty?: boolean } # pretty is true by default
function hoi.json.save(path, value, options) end

--- Marks a table as a list, so that it is written as [] when it is empty.
---@param list? table # a new one by default
---@return table # the same
function hoi.json.array(list) end

--- Gets the same items one at a time, for a loop, and shows on stderr how far it is: a bar with rate and time left at a
--- terminal, else a line every 10 seconds. `for x in hoi.progress(list) do`; or keep it to set values:
--- `local bar = hoi.progress(...)`, `for x in bar do ... bar:set { loss = 0.3 } end`. Leaving the loop early closes the
--- iterator where it can be closed.
---@param source any[]|integer|fun():any # a list, a number n for 1 to n, or an iterator that needs no state
---@param options? { label?: string, total?: integer } # total (default: the list's length): how many there will be
---@return hoi.Progress
function hoi.progress(source, options) end

--- A loop that shows how far it is.
---@class hoi.Progress
local Progress = {}

--- Sets values that stand behind the bar.
---@param values table<string, any>
function Progress:set(values) end

--- Ends the bar; the end of the loop does it too.
function Progress:release() end

--- Takes Ctrl-C over: while it is open (`local stop <close> = hoi.interrupt()`) the first Ctrl-C only answers
--- `stop:requested()`, so that a loop can finish its step and save; a second one raises "interrupted!" as ever.
---@return hoi.Interrupt
function hoi.interrupt() end

--- Ctrl-C, taken over.
---@class hoi.Interrupt
local Interrupt = {}

--- Tells whether Ctrl-C came.
---@return boolean
function Interrupt:requested() end

--- Gives Ctrl-C back.
function Interrupt:release() end
