---@meta
-- types: every public name of hoi, described once: editors read it, the REPL prints it, a test
-- compares it with what is there.

hoi = {}

---------------------------------------------------------------------------- the program

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

--- What Lua's own library lacks (require "hoi.system"): a clock, folders, the terminal.
---@class hoi.system
---@field version string # of the program
local System = {}

--- Gets the seconds of a clock that only goes forward.
---@return number
function System.now() end

--- Tells whether a stream is a terminal.
---@param name? "stdin"|"stdout"|"stderr" # "stderr"
---@return boolean
---@return integer # its columns; 80 when it does not tell
function System.terminal(name) end

--- Gets what a path is.
---@param path string
---@return "file"|"folder"|"other"|nil # nil when there is nothing
function System.kind(path) end

--- Gets the names in a folder, sorted, without those that begin with a dot.
---@param folder string
---@return string[]? # nil when it can not be read
---@return string? # why
function System.list(folder) end

--- Makes a folder and those above it; no harm when it is there. Raises an error when it can not be made.
---@param path string
function System.make_folder(path) end

--- Gets a text that changes with a file: its size and the time of its last change. Raises an error when there is none.
---@param path string
---@return string
function System.stamp(path) end

--- Strict options for functions of one's own (require "hoi.options").
---@class hoi.options
---@overload fun(given?: table, known: table): table
local Options = {}

--- Gets the name that may have been meant. Calling `options(given, known)` gets a new table: the defaults of `known`
--- (its list part: names without a default), over them what is given; an unknown name is an error with the nearest one.
---@param word string
---@param names string[]
---@return string? # nil when none is near
function Options.nearest(word, names) end

---------------------------------------------------------------------------- images

--- Pictures of 8-bit RGB. `hoi.image(path)` is `hoi.image.load(path)`.
---@overload fun(path: string, options?: { upright?: boolean }): hoi.Image
---@class hoi.image
hoi.image = {}

--- Gets the picture of a JPEG, PNG, BMP, GIF (its first frame) or TGA file. Grey becomes RGB, alpha is dropped, as Pillow's
--- convert("RGB") does; a JPEG is turned the way its camera was held (Exif). Raises "image: PATH: ..." when the file is
--- missing, truncated, damaged, of another kind, or above 32767 pixels a side or 2^27 in all.
---@param path string
---@param options? { upright?: boolean } # upright (default true); false: pixels stay where they are stored, as data sets count them
---@return hoi.Image
function hoi.image.load(path, options) end

--- Gets the picture in the bytes of such a file. Raises like load.
---@param bytes string
---@return hoi.Image
function hoi.image.decode(bytes) end

--- Makes a picture: black, or of the given pixels. Raises when the number of bytes is not width x height x 3.
---@param width integer # pixels
---@param height integer # pixels
---@param bytes? string # rows from the top, red, green and blue byte of each pixel
---@return hoi.Image
function hoi.image.new(width, height, bytes) end

--- Makes a contact sheet: pictures in a grid, small ones enlarged by whole numbers.
---@param images hoi.Image[]
---@param options? { columns?: integer, captions?: string[] } # columns (default: about as many as rows); a caption stands below each picture, \n parts its lines
---@return hoi.Image
function hoi.image.sheet(images, options) end

--- One curve, or one set of bars.
---@class hoi.Series
---@field name? string # stands in the legend
---@field x? number[]|string[] # default 1, 2, ..; with bars the names below them, taken from the first series that has some
---@field y number[] # NaN leaves a gap
---@field deviation? number[] # a band y - deviation .. y + deviation around the curve, a whisker at a bar

--- Draws a plot. Raises when lists of one series differ in length or no value is finite.
---@param options { series: hoi.Series[], title?: string, x_label?: string, y_label?: string, width?: integer, height?: integer, kind?: "line"|"bar", svg?: string } # width (default 800), height (default 500), kind (default "line"), svg: a file that the plot is also written to
---@return hoi.Image
function hoi.image.plot(options) end

--- A picture. Its methods change nothing: what they make is a new picture.
---@class hoi.Image
---@field width integer # pixels
---@field height integer # pixels
local Image = {}

--- Gets the picture at another size, by Pillow's antialiased bicubic filter, equal to it to the byte (Pillow up to 12).
---@param width integer # pixels
---@param height integer # pixels
---@return hoi.Image
function Image:resize(width, height) end

--- Cuts out a box, its edges rounded to whole pixels; what lies outside the picture is black. Raises when the box is empty.
---@param box number[] # {x1, y1, x2, y2} in pixels
---@return hoi.Image
function Image:crop(box) end

--- Writes a .png, .jpg or .jpeg file; the file is the old or the new one, never half of it.
---@param path string
function Image:save(path) end

--- Gets the bytes of a file of the picture.
---@param kind "png"|"jpeg"
---@param options? { quality?: integer } # of a JPEG (default 95), 1 to 100
---@return string
function Image:encode(kind, options) end

--- Gets the picture as text for a terminal: kitty's protocol, sixels, or coloured Unicode blocks. Needs libchafa at build.
---@param options? { columns?: integer, rows?: integer, kind?: "auto"|"blocks"|"sixel"|"kitty" } # cells at most (default: the terminal's); kind (default "auto": what the environment says the terminal can)
---@return string
function Image:preview(options) end

--- Shows the picture in the terminal. Where standard output is none (and no kind is asked for), writes a file and its path.
---@param options? { columns?: integer, rows?: integer, kind?: "auto"|"blocks"|"sixel"|"kitty" } # as preview's
function Image:show(options) end

--- Gets the pixels: rows from the top, red, green and blue byte of each pixel.
---@return string # width x height x 3 bytes
function Image:bytes() end

--- Draws boxes with labels, such as a detector's list. Things of one label have one color unless they bring their own.
---@param items { box: number[], label?: string, score?: number, color?: string|integer }[] # box in pixels of this picture; color "#rrggbb" or a place 1..8 in the palette
---@param options? { scale?: number } # scale of the new picture (default: the smallest whole number that makes its longer side 384 pixels or more, at most 16)
---@return hoi.Image
function Image:draw(items, options) end

--- Draws the interactions of a result: human box, object box, a line between their centres, and one label for each pair
--- with a line "verb object 0.83" for each of its verbs. Labels cover none of each other while there is room.
---@param result { interactions: { verb: string, object?: string, score?: number, human_box: number[], object_box?: number[] }[] } # sorted by score
---@param options? { top?: integer, scale?: number } # top (default 10): how many interactions at most; scale as in draw
---@return hoi.Image
function Image:draw_interactions(result, options) end

--- Lets go of the pixels; later uses raise "hoi.Image was released". `<close>` and the collector do it too.
function Image:release() end

--- Pictures as the towers read them (require "hoi.pixels"). `preprocess` is clip.preprocess, or a table like it.
---@class hoi.pixels
local Pixels = {}

--- Gets preprocessed pictures; by default Pillow's bicubic filter, to the byte.
---@param images hoi.Image|hoi.Image[]
---@param preprocess { size: integer, warp?: boolean, pad?: boolean, mean: number[], std: number[] } # size = 224; warp = false: cut a square from the middle; true: squeeze; pad = true: fill up with grey, as OWLv2
---@return hoi.Tensor # (n, 3, size, size)
function Pixels.of(images, preprocess) end

--- Gets a picture as it is, its channels last: (value / 255 - mean) / std.
---@param image hoi.Image
---@param preprocess { mean: number[], std: number[] }
---@return hoi.Tensor # (1, height, width, 3)
function Pixels.whole(image, preprocess) end

--- Gets the squares around boxes of one picture, preprocessed.
---@param image hoi.Image
---@param boxes number[][] # (n, 4) x1, y1, x2, y2
---@param preprocess { size: integer, warp?: boolean, mean: number[], std: number[] } # as of's
---@param margin? number # 1.2: side of the square over the longer side of the box
---@param least? integer # 1: least side in pixels
---@return hoi.Tensor # (n, 3, size, size)
function Pixels.crops(image, boxes, preprocess, margin, least) end

--- Gets the pictures of a batch of the drawn world; their bytes are scaled on the device.
---@param batch hoi.MiniBatch
---@param preprocess { size: integer, warp?: boolean, mean: number[], std: number[] } # as of's; the size stays 96
---@return hoi.Tensor # (n, 3, 96, 96)
function Pixels.batch(batch, preprocess) end

--- Gets what can be seen where in them. Raises an error when the batch was made without cells.
---@param batch hoi.MiniBatch
---@return hoi.Tensor # (n, cells * cells, 13) of 0 and 1: the 12 things, then person
function Pixels.cells(batch) end

---------------------------------------------------------------------------- pages

--- Web pages in one file: pictures lie inside as JPEGs of bounded size, nothing is fetched; light and dark, for a phone too.
---@class hoi.page
hoi.page = {}

--- A page being written. `add` and the like return the page.
---@class hoi.Page
---@field title string
local Page = {}

--- Makes an empty page with its title as a heading.
---@param options? { title?: string }
---@return hoi.Page
function hoi.page.new(options) end

--- Gets a text as it stands between tags or in a quoted attribute.
---@param text any # tostring is called on it
---@return string
function hoi.page.escape(text) end

--- Gets bytes in base64.
---@param bytes string
---@return string
function hoi.page.base64(bytes) end

--- Gets a picture as an address that holds it (data:image/jpeg;base64,...), made smaller where its longer side is above
--- `side` pixels.
---@param image hoi.Image
---@param options? { side?: integer, quality?: integer } # side (default 960), quality of the JPEG (default 82)
---@return string
function hoi.page.address(image, options) end

--- Gets a value as JSON in a script element, for the page's scripts: `JSON.parse(document.getElementById(id).textContent)`.
---@param id string
---@param value any # a string is taken as JSON text
---@return string # HTML
function hoi.page.island(id, value) end

--- A box over a picture of a page: its label shows when the box is pointed at or tapped.
---@class hoi.PageBox
---@field box number[] # {x1, y1, x2, y2} in pixels of the picture
---@field label? string
---@field score? number
---@field class? string # of the element; "human" and "object" have colors of their own
---@field attributes? table<string, string> # of the element

--- Gets a figure: the picture, boxes over it, a caption below it.
---@param image hoi.Image
---@param options? { side?: integer, quality?: integer, boxes?: hoi.PageBox[], caption?: string, alt?: string, class?: string, attributes?: table<string, string>, inside?: string } # side, quality: as address; caption, inside (stands over the picture): HTML; alt: the picture in words
---@return string # HTML
function hoi.page.figure(image, options) end

--- Gets a table. Numbers stand on the right; the class "number" is theirs.
---@param rows (string|number)[][]
---@param options? { head?: string[], digits?: integer } # head: names of the columns; digits of numbers that are no integers (default 1)
---@return string # HTML
function hoi.page.table(rows, options) end

--- Adds HTML as it is: texts in it have gone through `hoi.page.escape`.
---@param html string
---@return hoi.Page
function Page:add(html) end

--- Adds a figure, with the options of `hoi.page.figure`.
---@param image hoi.Image
---@param options? table
---@return hoi.Page
function Page:picture(image, options) end

--- Adds a table, with the options of `hoi.page.table`.
---@param rows (string|number)[][]
---@param options? { head?: string[], digits?: integer }
---@return hoi.Page
function Page:table(rows, options) end

--- Adds data for the page's scripts: see `hoi.page.island`.
---@param id string
---@param value any
---@return hoi.Page
function Page:data(id, value) end

--- Adds to the style sheet.
---@param css string
---@return hoi.Page
function Page:style(css) end

--- Adds a script, which runs when the page is read.
---@param text string # JavaScript
---@return hoi.Page
function Page:script(text) end

--- Gets the whole page.
---@return string # HTML
function Page:html() end

--- Writes the page; the file is the old or the new one, never half of it.
---@param path string
function Page:save(path) end

--- A page of predictions (require "hoi.gallery"): pictures with boxes to point at, what people do in them, a filter by verb
--- and score.
---@class hoi.gallery
local Gallery = {}

--- Gets the page of results as `method:predict` gives them. Its numbers are those of the JSON, which lies inside.
---@param predictions string|hoi.Result[] # JSON text of the list, or the list
---@param load fun(result: hoi.Result, i: integer): hoi.Image # gets the picture of a result
---@param options? { title?: string, note?: string, side?: integer } # note: a sentence below the title; side (default 960): most pixels of a picture's longer side
---@return hoi.Page
function Gallery.page(predictions, load, options) end

---------------------------------------------------------------------------- the drawn world

--- A small drawn world of people, things and what they do: 12 things, 12 verbs, 60 classes. Picture `index` of `seed` is
--- the same whatever the order or the number of threads; nothing is stored.
---@class hoi.mini
---@field things string[] # the 12 kinds of things: "ball", "box", "chair", ...
---@field verbs string[] # the 12 verbs: "hold", "carry", "sit_on", ...
---@field classes hoi.MiniClass[] # the 60 valid pairs of verb and thing, the most frequent first
---@field words string[] # all words that captions, names and descriptions are made of, in alphabetical order
---@field settings string[] # "default", "rare_first", "non_rare_first", "unseen_verb", "unseen_object", "uc0" to "uc4"
hoi.mini = {}

--- A class of the drawn world.
---@class hoi.MiniClass
---@field verb string # "kick"
---@field object string # "ball"
---@field sentence string # "a person kicking a ball"
---@field names string[] # the sentence in 4 templates
---@field descriptions string[] # 3 texts on the pose, 3 on where the thing is; none says the verb's own word

--- A picture of the drawn world, and the truth about it.
---@class hoi.MiniPicture
---@field rgb string # (96, 96, 3) bytes, rows from the top; only from mini.render
---@field width integer # 96
---@field height integer # 96
---@field persons { box: number[], shirt: string }[] # boxes x1, y1, x2, y2 in pixels
---@field things { box: number[], label: string, color: string }[]
---@field pairs { person: integer, thing: integer, verbs: string[] }[] # positions in persons and things; all others do nothing
---@field decoys integer # groups that look like an interaction by their boxes alone
---@field caption string # what a web page might say about the picture; sometimes nothing, sometimes something wrong

--- Draws picture `index` of `seed`. Raises an error for an unknown kind or option.
---@param kind "easy"|"web"|"train"|"test" # easy: a thing, or a person and a thing, close up; web: also wide scenes; train, test: pictures for detection, whose classes have weights 1/(rank+2)^1.3 and ^0.5
---@param seed integer
---@param index integer # any integer from 0; kinds never share a picture
---@param options? { decoys?: boolean } # decoys = true (default): the full world, in which neither boxes nor names give the verb away; false: the plain one
---@return hoi.MiniPicture
function hoi.mini.render(kind, seed, index, options) end

--- Says for each of the 60 classes whether it is unseen in a zero-shot setting. Raises an error for an unknown setting.
---@param setting "default"|"rare_first"|"non_rare_first"|"unseen_verb"|"unseen_object"|"uc0"|"uc1"|"uc2"|"uc3"|"uc4"
---@return boolean[] # in the order of mini.classes
function hoi.mini.unseen(setting) end

--- Draws pictures first .. first + count - 1 into memory outside of Lua. Raises an error when there is no memory.
---@param kind "easy"|"web"|"train"|"test"
---@param seed integer
---@param first integer
---@param count integer # 1 to 65536
---@param options? { decoys?: boolean, threads?: integer, cells?: integer } # threads = 0 (default): one per processor; cells = 8 or 12: also which things fill more than 30% of each cell of such a grid
---@return hoi.MiniBatch
function hoi.mini.batch(kind, seed, first, count, options) end

--- Pictures in memory outside of Lua; #batch is their number. Released by release, by <close> or by the collector.
---@class hoi.MiniBatch
local MiniBatch = {}

--- Draws other pictures into the same memory.
---@param kind "easy"|"web"|"train"|"test"
---@param seed integer
---@param first integer
---@param options? { decoys?: boolean, threads?: integer }
---@return hoi.MiniBatch # itself
function MiniBatch:fill(kind, seed, first, options) end

--- Gets the captions of all pictures.
---@return string[]
function MiniBatch:captions() end

--- Gets the truth about picture i: what mini.render gives, without rgb.
---@param i integer # 1 to #batch
---@return hoi.MiniPicture
function MiniBatch:truth(i) end

--- Gets picture i.
---@param i integer # 1 to #batch
---@return string # (96, 96, 3) bytes
function MiniBatch:rgb(i) end

--- Gets which things can be seen where in picture i. Raises an error when the batch was made without cells.
---@param i integer # 1 to #batch
---@return string # (cells, cells, 13) bytes 0 or 1: the 12 things, then person
function MiniBatch:cells(i) end

--- Frees the memory; a second call does nothing.
function MiniBatch:release() end

---------------------------------------------------------------------------- targets

--- One class to tell from others.
---@class hoi.Target
---@field verb string # "sit_on"
---@field object? string # "chair"; nil: any
---@field objects? string[] # instead of object: those that a verb alone goes with
---@field sentence string # "a person sitting on a chair"
---@field names? string[] # the sentence in other templates
---@field descriptions string[] # what such a picture shows; may be empty
---@field seen boolean # false: held back in training
---@field rare boolean # HICO-DET: fewer than 10 training annotations

--- Gets a list of classes: one that comes with hoi ("hico": HICO-DET's 600 in its order; "hico.verbs": its 117 verbs;
--- "vcoco": 236 pairs of V-COCO's 24 actions and their objects; "mini": the 60 of the drawn world), a JSON file, or a
--- table: a list of rows or { name, classes }. A row is a table like hoi.Target, of which verb or sentence is enough
--- (`description` may stand for a single description), or just a sentence. Raises an error that names the row that is
--- wrong or comes twice.
---@param list string|table
---@param options? { setting?: string } # setting = "default"; "rare_first", "non_rare_first", "unseen_object", "unseen_verb" mark unseen classes of hico, hico.verbs and mini, "uc0" to "uc4" those of mini; or a file of ids of unseen classes, from 0 (a JSON list, or text with ranges)
---@return hoi.Targets
function hoi.targets(list, options) end

--- Gets the one spelling of an object's name, in which detectors, data sets and class lists are compared: COCO's, lower
--- case with spaces ("dining_table" and "diningtable" are "dining table"); an unknown name stays.
---@param name string
---@return string
function hoi.targets.object_name(name) end

--- Gets an English sentence for a verb and an object: "sit_on", "chair" -> "a person sitting on a chair".
---@param verb string # words joined by "_"
---@param object? string
---@return string
function hoi.targets.sentence(verb, object) end

--- Gets the class that a sentence speaks of: "person feeding a robot" -> verb "feeding", object "robot". The object stands
--- behind the last article, or it is what follows a word with -ing; without either there is none.
---@param sentence string
---@return { verb: string, object?: string, sentence: string } # a row of targets
function hoi.targets.parse(sentence) end

--- Gets the list of hoi that has exactly these verbs and objects in this order, or a new one.
---@param name string # of a new one
---@param rows { verb: string, object: string }[]
---@param setting string
---@return hoi.Targets
function hoi.targets.match(name, rows, setting) end

--- A list of classes: targets[i] is a row, #targets their number, targets.name the list's name.
---@class hoi.Targets
---@field name string
---@field [integer] hoi.Target
local Targets = {}

--- Gets the position of a class; a class of the verb alone stands in when it fits the object.
---@param verb string
---@param object? string # in any spelling
---@return integer? # nil when there is none
function Targets:index(verb, object) end

--- Gets the classes that an object can be part of.
---@param object string # in any spelling
---@return integer[] # positions
function Targets:valid(object) end

--- Gets the distinct objects of all classes, in order of appearance.
---@return string[]
function Targets:objects() end

--- Gets what a detector must find: people, and what the interactions are done with.
---@return string[]
function Targets:labels() end

--- Adds a class at the end. A sentence alone becomes an unseen class of any object.
---@param sentence string|table # or a row
---@param description? string|string[]
---@return integer # its position
function Targets:add(sentence, description) end

--- Gets a table that json.save writes and hoi.targets reads: { name, classes }.
---@return table
function Targets:totable() end

--- Reads what a language model wrote about each class: EZ-HOI's published files as they are (hico_HOI_descrip.txt,
--- hico_HOI_descrip_2.txt, vcoco_HOI_descrip.txt, all_act_descriptor.txt), or JSON: { "hold cup": text or texts }, a list by
--- class, or { classes: [ { verb, object, description } ] }. Raises an error that names file and line.
---@param path string # or "own": the descriptions that the targets bring (those of mini)
---@param targets hoi.Targets
---@param options? { most?: integer } # a longer text is cut after its last full stop within so many bytes (published: 300 for the second form)
---@return string[][] # by class: its texts; none where the file says nothing
function hoi.descriptions(path, targets, options) end

--- What tells a class from another.
---@class hoi.Difference
---@field class integer
---@field other integer # the class that it is told from: for an unseen class its related seen one
---@field text string
---@field sentences string[]

--- Reads what tells classes from others: EZ-HOI's zs_possibility/*_diff.txt, or JSON: [ { class, other, text or sentences } ]
--- with classes as "hold cup", as sentences or as places. field `of`: the entry of a class. Raises an error that names the
--- file.
---@param path string # or "own": what the descriptions of a class say that those of its related one do not
---@param targets hoi.Targets
---@param related? table<integer, integer> # with "own": the related class of each
---@return hoi.Difference[]
function hoi.differences(path, targets, related) end

--- The 80 classes that most detectors know (require "hoi.coco").
---@class hoi.coco
---@field names string[] # in COCO's order
---@field gaps table<integer, boolean> # COCO's category ids from 1 to 90 that are no class
---@field actions string[] # V-COCO's 24 actions with an object, in its order; "hit_with", "eat_with", "cut_with" for the instrument
local Coco = {}

---------------------------------------------------------------------------- data sets

--- An annotated interaction.
---@class hoi.Annotation
---@field human_box number[] # x1, y1, x2, y2 in pixels; edges, counted from 0
---@field object_box number[]
---@field verb string
---@field object string
---@field target integer # position in data.targets

--- A picture of a data set. The image is loaded at the first look at it.
---@class hoi.Picture
---@field name string
---@field path? string # data.folder
---@field image hoi.Image
---@field width integer
---@field height integer
---@field annotations hoi.Annotation[]
---@field source { path?: string, upright?: boolean, kind?: string, seed?: integer, index?: integer, decoys?: boolean } # where the pixels come from: a file, or a picture of the drawn world
---@field identity string # a text no other picture has; it changes with the file
---@field persons? { box: number[], actions?: table<string, boolean>, roles: table<string, number[]> }[] # V-COCO's own layout: everyone, what they do (nil: not looked at), and the object's box by verb
---@field caption? string # data.mini
---@field instances? { box: number[], label: string }[] # data.mini: everyone and everything, for measuring detectors

--- Pictures, as a list: #data, data[i], ipairs(data).
---@class hoi.Dataset
---@field name string
---@field targets? hoi.Targets # nil for data.folder
---@field split? string
---@field setting? string
---@field skipped? { empty: integer, unseen: integer } # pictures left out: without interaction, with unseen ones only
---@field [integer] hoi.Picture

--- Data sets.
---@class hoi.data
hoi.data = {}

--- Reads HICO-DET, or one's own data in its format. A folder holds instances_train2015.json or instances_test2015.json
--- (annotation, filenames, size, correspondence, objects, verbs), for training also HAKE's
--- hico-det-training-set-instance-level.json; a file is either. Pictures are looked for beside the file, in images/,
--- images/test2015/ and hico_20160224_det/images/test2015/. Boxes begin one pixel before the file's x1, y1, which count
--- from 1. Pictures without any interaction are left out, as in the published evaluation; in a zero-shot setting training
--- also loses all annotations of unseen classes, and the pictures that had no others. Raises an error that names file,
--- picture and pair.
---@param path string # folder or .json file
---@param options? { split?: "train"|"test", setting?: string, empty?: boolean, images?: string } # split = "test", setting = "default", empty = false: keep pictures without interaction; images: their folder
---@return hoi.Dataset
function hoi.data.hicodet(path, options) end

--- Reads V-COCO in HICO-DET's layout (instances_vcoco_<split>.json), or as its authors publish it (vcoco_<split>.json
--- with instances_vcoco_all_2014.json beside or above it): a folder of either, or a file. Verbs are V-COCO's actions;
--- "hit", "eat", "cut" with an instrument are "hit_with", "eat_with", "cut_with". In the authors' layout test pictures
--- without interaction stay: role AP counts everyone who does something.
---@param path string
---@param options? { split?: "train"|"val"|"trainval"|"test", setting?: string, empty?: boolean, images?: string, instances?: string } # split = "test", setting = "default" or a file of unseen ids, empty = false; instances: the file of COCO's boxes
---@return hoi.Dataset
function hoi.data.vcoco(path, options) end

--- Gets pictures of the drawn world, each the same for ever: endless for training (the classes long-tailed), 700 for
--- testing, 300 others for validation. In a zero-shot setting training loses what is unseen, as data.hicodet does; to find
--- picture i it then draws all before it, once.
---@param options? { split?: "train"|"validation"|"test", setting?: string, seed?: integer, decoys?: boolean, size?: integer } # split = "test", setting = "default", seed = 66, decoys = true (hoi.mini), size: only so many pictures
---@return hoi.Dataset
function hoi.data.mini(options) end

--- Gets the pictures of a folder (jpg, jpeg, png, bmp, gif, tga), sorted by name; or a single one. They have no
--- annotations.
---@param path string
---@return hoi.Dataset
function hoi.data.folder(path) end

--- A picture and the one class that it shows.
---@class hoi.ClassItem
---@field label integer # place of its class, from 1
---@field path? string # of its file
---@field scene? integer # data.classes "mini": the scene that it is cut out of
---@field box? number[] # and where
---@field row? integer # data.features: its row
---@field of? string # and of which matrix

--- Pictures, or features, with a class each, in three parts.
---@class hoi.Classes
---@field name string
---@field classes string[] # names, without underscores
---@field templates string[] # what is said of a class: "{}" stands for its name
---@field ensemble? string[] # several templates, where the field has a choice of its own (ImageNet)
---@field train hoi.ClassItem[]
---@field val hoi.ClassItem[]
---@field test hoi.ClassItem[]
---@field drawn? table<integer, hoi.ClassItem[]> # data.features: what others drew, by shots
---@field matrices? table<string, hoi.Tensor> # data.features: (n, d) by name
---@field text? { features: hoi.Tensor, row_of: integer[] } # data.features: words' features, and the row of a class
---@field identity? string # data.features: tells the numbers from others
---@field note? string # what is not as usual
local Classes = {}

--- Gets the picture of an item.
---@param item hoi.ClassItem
---@return hoi.Image
function Classes:image(item) end

--- Gets pictures with a class each. `where` is "mini" (things of the drawn world, cut out of its scenes: 12 classes of
--- 40, 20 and 50 pictures); a data set of CoOp's by name, in any spelling, in its folder below `root` (imagenet,
--- caltech101, oxford_pets, stanford_cars, oxford_flowers, food101, fgvc_aircraft, sun397, dtd, eurosat, ucf101,
--- imagenetv2, imagenet_sketch, imagenet_a, imagenet_r), or its folder, or its split_zhou_*.json; any folder of class
--- folders (below train/, val/, test/ where they are there); a .csv file of path,label[,split]. What brings no split is
--- parted as CoOp does: 50, 20 and 30 % of each class; without val 20 % of train. Raises an error that names the file.
---@param where string
---@param options? { root?: string, images?: string, split?: string, seed?: integer, size?: integer } # root = "data": the folder of the data sets; images: where the pictures of a split or CSV lie; split: the split's file; seed = 1: of a split made here; size: "mini": at most so many of each class in each part
---@return hoi.Classes
function hoi.data.classes(where, options) end

--- Gets a data set of which only features are there: a file of tensors (safetensors, PyTorch), or what the names of .npy
--- files begin with (caches/caltech101 for caches/caltech101_test_f.npy), or their folder. Names are those of
--- Tip-Adapter's caches: test_f (n, d), test_l (n, from 0), val_f, val_l, keys_16shots, keylabels_16shots (also 1, 2, 4, 8,
--- 32); train_f, train_l where there is more to draw from. Raises an error that names the file.
---@param path string
---@param options? { names?: string|string[], text?: { features: string|hoi.Tensor, names: string|any[] }[] } # names: of the classes: a list, or a file: a JSON list or CoOp's split; text: words' features with their names (or { name, synonyms }), for the classes whose names are among them
---@return hoi.Classes
function hoi.data.features(path, options) end

---------------------------------------------------------------------------- few-shot learning

--- What a few-shot experiment sees of a data set.
---@class hoi.fewshot
hoi.fewshot = {}

--- Starts a few-shot experiment: what classifiers get of a data set for a number of shots and a seed.
---@param data hoi.Classes
---@param options? { clip?: hoi.Clip, protocol?: "coop"|"tip"|"lora", part?: "all"|"base"|"new", matched?: boolean, templates?: string[], views?: integer, view_area?: number, least_area?: number } # clip: whose features; not with data.features; protocol = "coop"; part = "all"; matched (false): only classes with words' features; templates: those of the data; views = 10: augmented features of each training picture, parts of at least view_area = 0.5 of it; least_area = 0.08: of the parts that towers are trained on
---@return hoi.Experiment
function hoi.fewshot.experiment(data, options) end

--- A few-shot experiment.
---@class hoi.Experiment
---@field data hoi.Classes
---@field classes string[] # names of the classes it is about
---@field new_classes string[] # of those that part = "base" leaves out
---@field templates string[]
local Experiment = {}

--- Gets what classifiers train with, choose on and are tested on; features of pictures are kept on disk.
---@param shots integer
---@param seed integer
---@return { train: table, val: table?, test: table, new: table?, identity: string } # sets as hoi.classifier takes them; new: of the left-out classes
function Experiment:sets(shots, seed) end

--- Gets what a classifier is opened with.
---@param shots integer
---@param seed integer
---@return table # classes, clip, templates, text, seed
function Experiment:task(shots, seed) end

--- Gets all that a result of `measure` depends on, as plain values.
---@param method string
---@param options table # of the method
---@param shots integer
---@param seed integer
---@param select "val"|"test"
---@return table
function Experiment:what(method, options, shots, seed, select) end

--- Trains a method on a draw and measures it.
---@param method string
---@param options table # of the method
---@param shots integer
---@param seed integer
---@param given? { select?: "val"|"test", checkpoint?: string, log?: fun(record: table) } # select = "val": what it chooses on; checkpoint: a file to go on from
---@return table<string, number> # accuracy in percent; new: of the left-out classes; what fit gives
function Experiment:measure(method, options, shots, seed, given) end

--- Draws the items to train and to validate with, as the published code does with Python's generator: "coop" (CoOp, MaPLe,
--- CLIP-Adapter) takes `shots` of each class of train, then at most 4 of each of val; "tip" leaves val whole; "lora"
--- (CLIP-LoRA) draws val first and fills classes that are too small by drawing again.
---@param data hoi.Classes # or { train = items, val = items }
---@param shots integer
---@param options? { seed?: integer, protocol?: "coop"|"tip"|"lora" } # seed = 1, protocol = "coop"
---@return { train: hoi.ClassItem[], val: hoi.ClassItem[] }
function hoi.fewshot.sample(data, shots, options) end

--- Gets the numbers of the classes of a part: the first half (the middle one too) is the base, the rest is new.
---@param count integer # classes in all
---@param part "all"|"base"|"new"
---@return integer[]
function hoi.fewshot.part(count, part) end

--- Gets the items of some classes, as new items whose labels are counted anew in the order of these classes.
---@param items hoi.ClassItem[]
---@param classes integer[]
---@return hoi.ClassItem[]
function hoi.fewshot.only(items, classes) end

--- Studies of many cells (require "hoi.study"): each result is kept in a file of its own, so that an interrupted study goes
--- on; tables, curves and pages of results.
---@class hoi.study
local Studies = {}

--- A table of results.
---@class hoi.Results
---@field title string
---@field subtitle string
---@field column_name string
---@field columns (number|string)[]
---@field rows { name: string, cells: { values?: number[], mean?: number, deviation?: number, text?: string }[] }[]
---@field notes string[]
---@field settings table # all of them
---@field mark? string # stands beside every number
---@field measure? string # what is measured in percent (accuracy)
---@field series? hoi.Series[] # bars that are drawn instead of the rows

--- A study whose cells lie in a folder.
---@class hoi.Study
---@field made integer # cells that were run
---@field kept integer # cells that were there
local Study = {}

--- Opens a study; its folder is made.
---@param folder string
---@return hoi.Study
function Studies.open(folder) end

--- Gets the result of a cell: as it is kept, or else of `run`, which gets the beginning of a path for what it keeps on its
--- way.
---@param what table # plain values: all that the result depends on
---@param run fun(way: string): any
---@return any
---@return boolean # whether it was kept
function Study:cell(what, run) end

--- Runs a script's main to its end; raises what it raises. Ctrl-C ends the program with status 130 and a line that says that
--- the same command goes on where it was.
---@param main fun()
---@param folder string # of what is kept, for the line
---@param say? fun(line: string) # where the line goes; default: stderr
function Studies.run(main, folder, say) end

--- Gets the list of a text "1,2,4", as words of a script give it.
---@param text string
---@return integer[]? # nil where it is none
---@return string? # why
function Studies.numbers(text) end

--- Gets the mean and the deviation (the root of the mean square, as CoOp's tables have it).
---@param values number[]
---@return number
---@return number
function Studies.statistics(values) end

--- Gets the mean and half the width of its 95 % confidence interval by Student's t; 0 for one number.
---@param values number[]
---@return number
---@return number
function Studies.interval(values) end

--- Gets a cell of a table.
---@param values number[] # of its seeds
---@return { values: number[], mean: number, deviation: number }
function Studies.values(values) end

--- Gets results as lines of text.
---@param results hoi.Results
---@return string
function Studies.lines(results) end

--- Prints results; writes results.json and the curves (accuracy.svg and .png, or of its measure) into a folder.
---@param results hoi.Results
---@param folder string
function Studies.report(results, folder) end

--- Writes results that were reported to one page with nothing outside of it: tables, curves, settings; the numbers as
--- JSON in the element "results".
---@param list hoi.Results[] # and title
---@param path string
function Studies.page(list, path) end

--- What the papers set for a data set and a number of shots, beyond a method's defaults (require "hoi.recipes").
---@class hoi.recipes
---@field names string[] # "published", "short"
local Recipes = {}

--- Gets options of a method.
---@param method string
---@param data string # name of the data set
---@param shots integer
---@param kind "published"|"short" # short: trainings of minutes
---@return table
function Recipes.options(method, data, shots, kind) end

--- Python's random numbers (require "hoi.python_random"), so that what was drawn there with a seed can be drawn here.
---@class hoi.python_random
local PythonRandoms = {}

--- Makes the generator that Python has after random.seed(seed).
---@param seed integer
---@return hoi.PythonRandom
function PythonRandoms.new(seed) end

--- Python's generator.
---@class hoi.PythonRandom
local PythonRandom = {}

--- Gets the next 32 bits: getrandbits(32).
---@return integer
function PythonRandom:word() end

--- Gets a number in 0 .. n - 1: randrange(n).
---@param n integer # 1 to 2^32 - 1
---@return integer
function PythonRandom:below(n) end

--- Gets a number in [0, 1) of 53 bits: random().
---@return number
function PythonRandom:unit() end

--- Puts a list into another order, in place.
---@param list any[]
---@return any[] # the same
function PythonRandom:shuffle(list) end

--- Gets k different items in the order drawn. Raises when there are fewer.
---@param list any[]
---@param k integer
---@return any[]
function PythonRandom:sample(list, k) end

--- Gets k items, drawn with replacement.
---@param list any[]
---@param k integer
---@return any[]
function PythonRandom:choices(list, k) end

--- What a training step reads of one picture. Boxes are in pixels of the changed picture, width x height.
---@class hoi.BatchSample
---@field index integer # place in the data set
---@field name string
---@field identity string
---@field width integer
---@field height integer
---@field pixels hoi.Tensor # (3, size, size): changed, warped, normalised
---@field pairs hoi.Pairs
---@field annotations hoi.Annotation[] # those that survived a cut
---@field labels? number[][] # by pair and target, 1 or 0: with option `targets`
---@field prior? number[][] # by pair and target: with option `targets`
---@field guidance? hoi.Tensor # what guide.make says of the picture as it was
---@field original? hoi.Image # with option `originals`
---@field image? hoi.Image # with option `images`: the changed picture, before it is warped

--- A list of samples.
---@class hoi.Batch
---@field step integer
---@field epoch integer
---@field broken { name: string, error: string }[] # pictures that were left out
---@field [integer] hoi.BatchSample

--- Makes batches for training of a data set: threads read, augment, warp and normalise the pictures ahead; boxes follow;
--- boxes of a detector (asked once about each picture as it is, see hoi.detections) or the true ones become pairs. Batch
--- number n is the same whatever was asked before, for any number of threads. Augmentation as EZ-HOI's (DETR's): mirror
--- image, colours (Pillow's), a short side of 480 to 800 or a part of the picture. Raises an error for wrong options.
---@param data hoi.Dataset
---@param options { preprocess: { size: integer, mean?: number[], std?: number[] }, normalisation?: "imagenet"|"clip", size?: integer, seed?: integer, shuffle?: boolean, drop_last?: boolean, detector?: hoi.Detector|false, cache?: boolean, augment?: boolean|{ flip?: number, jitter?: number, crop?: number, quirk?: boolean }, side?: integer, resize?: boolean, guide?: { make: fun(images: hoi.Image[]): hoi.Tensor, key: string, limit?: number }, originals?: boolean, images?: boolean, targets?: hoi.Targets, seen_only?: boolean, prior_power?: number, iou_threshold?: number, workers?: integer, ahead?: integer, broken?: "raise"|"skip", score_threshold?: number, nms_threshold?: number, min_instances?: integer, max_instances?: integer } # preprocess: for instance method.picture; size = 8 pictures, seed = 66, shuffle = true, drop_last = true, detector = false: true boxes, cache = true: detections on disk; augment = true or flip = 0.5, jitter = 0.4, crop = 0.5, quirk = false: the published test of which pairs a cut loses; side = 800 (mini: 96): greatest short side; resize = true (mini: false): resized to it before the warp, as published; guide: kept on disk under key; targets: labels and prior are wanted too, seen_only = true: no prior for unseen classes; workers = 2, ahead = 3 batches; broken = "raise"
---@return hoi.Batches
function hoi.batches(data, options) end

--- Batches for training. Released by release, by <close> or by the collector.
---@class hoi.Batches
---@field per_epoch? integer # nil for data without end
local Batches = {}

--- Gets a batch. Raises an error that names a broken picture, unless those are skipped.
---@param step integer # from 1 on, over all epochs
---@return hoi.Batch
function Batches:get(step) end

--- Gets an iterator over step, batch.
---@param first? integer # 1
---@param last? integer # nil: without end
---@return fun(): integer?, hoi.Batch?
function Batches:each(first, last) end

--- Gets the epoch and the place in the data set of a place in the endless row of all epochs.
---@param place integer
---@return integer # epoch
---@return integer # picture
function Batches:at(place) end

--- Ends the threads.
function Batches:release() end

--- Opens a place on disk for what is expensive to make: a file for each thing, verified by checksum when it is read; what
--- is damaged or kept under another key is made again (the former is said on stderr). Lies in XDG_CACHE_HOME/hoi or
--- ~/.cache/hoi and is safe to delete. When the limit is reached, files of other keys go, then nothing more is kept.
---@param name string # letters, digits, "_", "-"
---@param options? { key?: string, limit?: number, folder?: string, say?: fun(text: string) } # key: all that everything in it depends on; limit = 4e9 bytes
---@return hoi.Store
function hoi.store(name, options) end

--- A place on disk.
---@class hoi.Store
---@field folder string # of this key
---@field root string # of all keys
local Store = {}

--- Gets the bytes kept under a name; else makes and keeps them.
---@param id string # any text
---@param make fun(): string
---@return string
function Store:get(id, make) end

--- Gets the tensor kept under a name; else makes and keeps it.
---@param id string
---@param make fun(): hoi.Tensor
---@return hoi.Tensor
function Store:tensor(id, make) end

--- Gets the plain value (what JSON can say) kept under a name; else makes and keeps it.
---@param id string
---@param make fun(): any
---@return any
function Store:value(id, make) end

--- Tells whether there is a file of this name.
---@param id string
---@return boolean
function Store:has(id) end

--- Gets the path of its file.
---@param id string
---@return string
function Store:path(id) end

--- Gets a detector whose answers are kept on disk, under the picture's identity and all that the detector depends on.
---@param detector hoi.Detector
---@param options? { limit?: number, folder?: string, say?: fun(text: string) } # limit = 1e9 bytes; as hoi.store's
---@return hoi.Detections
function hoi.detections(detector, options) end

--- A detector whose answers are kept.
---@class hoi.Detections
---@field detector hoi.Detector
---@field store hoi.Store
---@field name string
---@field labels string[]
local Detections = {}

--- Gets a picture's detections, without a look at it where they are known.
---@param picture hoi.Picture|{ image: hoi.Image, name: string, identity: string }
---@return hoi.Detection[]
function Detections:detect(picture) end

--- Tells whether a picture's detections are there already.
---@param picture hoi.Picture
---@return boolean
function Detections:has(picture) end

--- Closes the detector.
function Detections:close() end

--- The same.
function Detections:release() end

---------------------------------------------------------------------------- detectors

--- One thing found in a picture.
---@class hoi.Detection
---@field box number[] # {x1, y1, x2, y2} in pixels of the picture, x1 <= x2, y1 <= y2
---@field score number # 0..1
---@field label string # one of the detector's labels
---@field feature? number[] # what the detector knows of it: absent, or of one width for all of its detections

--- A tensor that a detector hands out for the whole picture.
---@class hoi.DetectionMap
---@field name string # the detector's name for it, such as "memory"
---@field shape integer[] # three sizes
---@field data string # the floats' bytes, last dimension fastest: ("f"):unpack(data)

--- What a detector written in Lua gets to see.
---@class hoi.DetectorPicture
---@field width integer # pixels
---@field height integer # pixels
---@field name string # what the script calls it, mostly a path; "" when it has no name
---@field image hoi.Image # valid during the call

--- A detector written in Lua: a file NAME.lua that returns this table (plugins/README.md). In C: core/plugin.h.
---@class hoi.DetectorPlugin
---@field abi integer # 1
---@field name string # what messages call it
---@field labels string[] # distinct names; {} when `open` returns them
---@field open fun(options: table): any, string[]? # what detect and close get as self; and the labels, if they depend on the options
---@field detect fun(self: any, picture: hoi.DetectorPicture): table[], hoi.DetectionMap? # a label is a name or a place in the labels
---@field close fun(self: any)

--- An open detector: whatever finds boxes, written in C or in Lua.
---@class hoi.Detector
---@field name string # the plugin's own name
---@field labels string[] # the names it may give
---@field identity string # a text that changes with all that its answers depend on
local Detector = {}

--- Opens a detector: "owlvit" (OWL-ViT or OWLv2; the default of the scripts), "dnn" (YOLOX, FastestDet or YOLO in an ONNX
--- file), "detr", "boxes" (from a JSON file), or one of your own. plugins/README.md tells their options.
--- Looks for NAME.lua and NAME.so in: the folder of the script, the folders of HOI_PLUGINS (colons between), the plugins
--- inside hoi, the installed plugins, the folder "plugins" beside the program. A name with a slash is a file.
--- Fails when it is not found (the message lists the places), not loadable, no plugin, of another ABI, or when its own
--- `open` fails.
---@param name string # a name or a file
---@param options? table # the detector's own; it refuses what it does not know
---@return hoi.Detector
function hoi.detector(name, options) end

--- Finds things in a picture. What the plugin returns is checked: finite numbers, boxes not inside out, scores in 0..1,
--- known labels, features of one width; an error names the detector, the picture and the detection.
---@param picture hoi.Image|{ image: hoi.Image, name?: string } # the name is needed by "boxes"; further keys are ignored
---@return hoi.Detection[] # fresh tables, in the detector's order, not suppressed
---@return hoi.DetectionMap? # where the detector has one
function Detector:detect(picture) end

--- Closes the detector; harmless when done again. A closed one refuses to detect. Also done by `<close>` and the collector.
function Detector:close() end

--- Closes the detector: the same as `close`.
function Detector:release() end

---------------------------------------------------------------------------- pairs of a picture

--- Gets the (human, object) pairs of a picture, by the rule of UPT and EZ-HOI: non-maximum suppression within each
--- label; of the humans, and likewise of the others, those with a good score, but at least the best `min_instances` and
--- at most the best `max_instances`; then each human with each other instance, humans included. Raises an error that
--- names the detection that is none.
---@param detections hoi.Detection[]
---@param options? { score_threshold?: number, nms_threshold?: number, min_instances?: integer, max_instances?: integer, human?: string, width?: number, height?: number } # score_threshold = 0.2, nms_threshold = 0.5 (an IoU), min_instances = 3 and max_instances = 15 (of humans, and of others), human = "person"; width and height of the picture in pixels: then there is a spatial code
---@return hoi.Pairs
function hoi.pairs(detections, options) end

--- The pairs of a picture: a plain table, all positions from 1. Instances are humans first, then objects, each by falling
--- score. #pairs is the number of pairs; 0 is fine everywhere.
---@class hoi.Pairs
---@field kept integer[] # (instances) their positions in the detections
---@field boxes number[][] # (instances, 4)
---@field scores number[] # (instances)
---@field labels string[] # (instances) as the detector spells them
---@field features? any[] # (instances) what the detections have as feature; nil unless all have one
---@field human integer[] # (pairs) position of the human among the instances
---@field object integer[] # (pairs) position of the object among the instances
---@field union number[][] # (pairs, 4) the smallest box around both
---@field spatial? number[][] # (pairs, 36) UPT's spatial code: 18 numbers of the two boxes and their logarithms; nil without width and height
local Pairs = {}

--- Gets what the detector already says about each target: (human score x object score)^power where the object's label is
--- the target's object (or one of its `objects`, or the target has neither), else 0.
---@param targets hoi.Targets # or any list of { verb, object }
---@param power? number # 1 (default) in training, 2.8 for prediction in the papers
---@return number[][] # (pairs, targets)
function Pairs:prior(targets, power) end

--- Gets the labels of the pairs: 1 where human and object overlap those of an annotation of that target, else 0. An
--- annotation is of each target that has its verb and whose object fits; without a verb, of its `target`.
---@param annotations hoi.Annotation[]
---@param targets hoi.Targets # or any list of { verb, object }
---@param options? { iou_threshold?: number } # iou_threshold = 0.5: both boxes overlap at least so much
---@return number[][] # (pairs, targets)
function Pairs:truth(annotations, targets, options) end

---------------------------------------------------------------------------- average precision

--- Makes an empty meter of interactions: HICO-DET's mean average precision as UPT and EZ-HOI measure it. A detection
--- belongs to the truth of its picture and class that it overlaps most (the smaller IoU of the two boxes); of those above
--- the threshold each truth's best is right, all else is wrong; AP is the mean of the greatest precision at recall 0, 0.1,
--- .. 1 and above.
---@param targets hoi.Targets|integer # the classes, or how many there are
---@param options? { iou_threshold?: number, published?: boolean } # iou_threshold = 0.5; published = false: recalls are compared as fractions; true: as the published code does, whose third level is a little more than 0.3
---@return hoi.Meter
function hoi.meter(targets, options) end

--- Average precision of interactions. Truth and detections may come in any order, and more after a result.
---@class hoi.Meter
local Meter = {}

--- Adds a true interaction.
---@param image string|integer # any name or number of the picture
---@param class integer # position of the target
---@param human_box number[] # x1, y1, x2, y2
---@param object_box number[]
function Meter:truth(image, class, human_box, object_box) end

--- Adds a detected interaction.
---@param image string|integer
---@param class integer
---@param score number # any finite number
---@param human_box number[]
---@param object_box number[]
function Meter:add(image, class, score, human_box, object_box) end

--- Gets the average precision of each class in 0 to 1; a class without detections has 0, one without truth NaN.
---@param options? { known_object?: boolean } # known_object = false; true: only pictures with a truth of the class's object count
---@return number[] # by class
---@return integer[] # the classes without truth: leave them out of a mean
function Meter:result(options) end

--- Frees the memory.
function Meter:release() end

--- Makes an empty meter of V-COCO's role average precision: by falling score a detection is right when the person that it
--- overlaps most (sides one pixel longer than the box says, IoU at least 0.5) does the column's action, the object's box fits,
--- and no better one was right of that person; those nearest to people nobody has looked at do not count. AP is the area
--- under the precision's envelope.
---@param columns? string[] # the published figures' 24 (hoi.coco's actions)
---@param options? { iou_threshold?: number } # iou_threshold = 0.5
---@return hoi.RoleMeter
function hoi.role_meter(columns, options) end

--- Role average precision. Truth and detections may come in any order. Released by release, by <close> or by the collector.
---@class hoi.RoleMeter
---@field columns string[]
local RoleMeter = {}

--- Adds a person.
---@param image string|integer # any name or number of the picture
---@param box number[]
---@param roles? table<string, number[]|true> # by column the object's box, true where there is none; nil: nobody has looked at this person
function RoleMeter:person(image, box, roles) end

--- Adds the people of a picture of V-COCO; where only pairs are known (HICO-DET's layout), the distinct human boxes: those
--- who do something without an object, and those nobody has looked at, are missing there.
---@param image string|integer
---@param item hoi.Picture
function RoleMeter:picture(image, item) end

--- Adds a detection.
---@param image string|integer
---@param column string
---@param score number
---@param human_box number[]
---@param object_box? number[] # nil: it says that there is no object
function RoleMeter:add(image, column, score, human_box, object_box) end

--- Gets the average precision of each column, NaN where nobody does its action, and their mean.
---@param options? { scenario?: 1|2, defaults?: boolean } # scenario = 1: where the true role has no object a detection must have none (or a box of zeros); 2: it may have any. defaults = false; true: each detection also counts in every other column, with score 0 and the box {0, 0, 0.1, 0.1}, as published exports have it
---@return number[]
---@return number?
function RoleMeter:result(options) end

--- Frees the memory.
function RoleMeter:release() end

--- Makes an empty meter of boxes: average precision of a detector, AP50 by default. By falling score each detection takes
--- the free truth that it overlaps most; AP is the area under the envelope of the precision (all points).
---@param labels string[]|integer # the classes, or how many there are
---@param options? { iou_threshold?: number } # iou_threshold = 0.5
---@return hoi.DetectionMeter
function hoi.detection_meter(labels, options) end

--- Average precision of boxes.
---@class hoi.DetectionMeter
local DetectionMeter = {}

--- Adds a true box.
---@param image string|integer # any name or number of the picture
---@param class string|integer # a label in any spelling, or its position
---@param box number[] # x1, y1, x2, y2
function DetectionMeter:truth(image, class, box) end

--- Adds a detected box.
---@param image string|integer
---@param class string|integer
---@param score number
---@param box number[]
function DetectionMeter:add(image, class, score, box) end

--- Gets the average precision of each class in 0 to 1; a class without detections has 0, one without truth NaN.
---@return number[] # by class
---@return integer[] # the classes without truth
function DetectionMeter:result() end

--- Frees the memory.
function DetectionMeter:release() end

---------------------------------------------------------------------------- the device

--- Gets all OpenCL devices of all platforms. None is opened. Raises an error when there is no driver.
---@return hoi.Device[]
function hoi.devices() end

--- Opens the device that computes, if that was not done, and describes it. The first tensor does it too, by --device or
--- HOI_DEVICE. Raises an error for a device that is none, and for another one while tensors are alive.
---@param wish? string # its place in hoi.devices(), a part of its name, "cpu" or "gpu"
---@return hoi.Device
function hoi.device(wish) end

--- A device.
---@class hoi.Device
---@field place? integer # in hoi.devices()
---@field name string
---@field platform string
---@field version string # of OpenCL
---@field driver string
---@field kind "cpu"|"gpu"|"accelerator"
---@field units integer # compute units
---@field memory integer # bytes
---@field local_memory integer # bytes of a work-group's own memory
---@field kernels? string # which set of kernels computes; of the open one

--- Gets the device's memory in use, without waiting. `require "hoi.device".trim()` gives back what is kept for reuse,
--- `.finish()` waits until the device has nothing left to do.
---@return { live: integer, peak: integer, kept: integer, buffers: integer } # bytes alive now, at most so far, kept for reuse; how many buffers are alive
function hoi.memory() end

--- Runs a function and gets what its kernels took. Printed, the result is a table. Raises an error when tensors are alive
--- on a device opened without --profile.
---@param f fun()
---@return { kernel: string, calls: integer, milliseconds: number, gigaflops: number }[] # gigaflops: 1e9 operations in all its calls
function hoi.profile(f) end

---------------------------------------------------------------------------- tensors

--- Makes a tensor of a number, of nested lists of numbers, or of packed floats. Raises an error for lists that are no
--- box.
---@param values number|table|string # a number gives a scalar (rank 0); a string: 4 bytes a value, with a shape
---@param shape? integer[] # only with a string
---@return hoi.Tensor
function hoi.tensor(values, shape) end

--- Makes a tensor of one value.
---@param value number
---@param shape integer[] # at most 6 sizes; 0 is a size
---@return hoi.Tensor
function hoi.full(value, shape) end

--- Makes a tensor of zeros: hoi.zeros(2, 3) or hoi.zeros { 2, 3 }.
---@param ... integer|integer[] # the sizes
---@return hoi.Tensor
function hoi.zeros(...) end

--- Makes a tensor of ones.
---@param ... integer|integer[] # the sizes
---@return hoi.Tensor
function hoi.ones(...) end

--- Makes a tensor of normal random numbers, by the seed of hoi.seed.
---@param shape integer[]
---@param options? { mean?: number, deviation?: number } # mean = 0, deviation = 1
---@return hoi.Tensor
function hoi.randn(shape, options) end

--- Makes a tensor of random numbers from low up to, not including, high. `select(2, hoi.uniform({ n }):sort())` is a
--- random order of 1..n that a checkpoint can repeat.
---@param shape integer[]
---@param options? { low?: number, high?: number } # low = 0, high = 1
---@return hoi.Tensor
function hoi.uniform(shape, options) end

--- Puts tensors one after the other along a dimension. Raises an error when their other sizes differ.
---@param tensors hoi.Tensor[]
---@param dimension? integer # 1; negative: from the end
---@return hoi.Tensor
function hoi.concat(tensors, dimension) end

--- Tells whether a value is a tensor.
---@param value any
---@return boolean
function hoi.is_tensor(value) end

--- Seeds every random number of tensors (counter-based: the same seed gives the same bits on the same device), and
--- math.random. Without arguments it gets the state, which seed(seed, count) puts back; a checkpoint keeps it, but not
--- where math.random was.
---@param seed? integer # the program begins with 66
---@param count? integer # 0: how many times random numbers were asked for since
---@return integer? seed
---@return integer? count
function hoi.seed(seed, count) end

--- Computes f(x, ...) without keeping what is inside: backward runs f again, with the same dropout and the same bits.
--- Memory for time. f may use other tensors than its arguments, trainable ones too.
---@param f fun(x: hoi.Tensor, ...: hoi.Tensor): hoi.Tensor
---@param x hoi.Tensor
---@param ... hoi.Tensor # at most 8 in all, counting computed tensors that f uses besides
---@return hoi.Tensor
function hoi.checkpoint(f, x, ...) end

--- What some methods compute once over stored features, before any training.
---@class hoi.statistics
hoi.statistics = {}

--- Gets the singular values of a matrix, in double precision (LAPACK): x = u * s times axes.
---@param x hoi.Tensor # (n, d), finite
---@return hoi.Tensor u # (n, m), m the smaller of n and d; orthonormal columns
---@return hoi.Tensor s # (m), falling
---@return hoi.Tensor axes # (m, d), orthonormal rows; the first number of each that is not small is positive
function hoi.statistics.svd(x) end

--- Gets the covariance of features around their mean.
---@param x hoi.Tensor # (n, d)
---@param options? { unbiased?: boolean } # unbiased = true: divided by n - 1; false: by n
---@return hoi.Tensor # (d, d)
function hoi.statistics.covariance(x, options) end

--- Gets the principal components of features: x is about mean + scores times axes.
---@param x hoi.Tensor # (n, d)
---@param k? number # how many; below 1: as many as hold this share of the variance; all by default
---@return { mean: hoi.Tensor, axes: hoi.Tensor, scores: hoi.Tensor, variances: number[], share: number } # mean (d), axes (k, d), scores (n, k); share of the variance they hold
function hoi.statistics.pca(x, k) end

--- Groups features by k-means (Lloyd's steps from k-means++ centres, until none changes its group).
---@param x hoi.Tensor # (n, d)
---@param k integer # groups, 1 to n
---@param options? { iterations?: integer, seed?: integer } # iterations = 100 at most; seed: as hoi.seed, else the generator goes on
---@return { centres: hoi.Tensor, labels: integer[], spread: number, settled: boolean } # centres (k, d); spread: sum of squared distances; settled: false where the iterations did not suffice
function hoi.statistics.kmeans(x, k, options) end

--- Pools a map over boxes: ROI-Align (He et al. 2017; aligned, as many samples as the box is wide), a constant matrix
--- times the map, so the gradient goes to the map. A box without size gives zeros.
---@param map hoi.Tensor # (height, width, channels)
---@param boxes number[][] # (n, 4) x1, y1, x2, y2
---@param options? { size?: integer, scale?: number, bins?: boolean, drop?: number } # size = 7: bins along each side; scale = 1: pixels of the map per unit of the boxes, so grid / width of the picture; bins = false: true keeps the bins; drop = 0: share of the bins' values that dropout makes 0
---@return hoi.Tensor # (n, channels): the mean of the bins; (n, size * size, channels) with bins
function hoi.roi(map, boxes, options) end

--- Compares the gradient of f at x with differences of f: 4 points each, on a random weighting of the result.
---@param f fun(x: hoi.Tensor): hoi.Tensor # away from bends such as relu's at 0
---@param x hoi.Tensor # stays as it is
---@param options? { eps?: number, samples?: integer, tolerance?: number } # eps = 1e-2: the step; samples = 64: so many of x's values are tried, about; tolerance = 1e-2
---@return { ok: boolean, error: number, place?: integer, found?: number, wanted?: number } # error: the worst difference, as a share of the greatest gradient; place: of x's values in a row, found by backward, wanted by differences
function hoi.gradcheck(f, x, options) end

--- Numbers in the device's memory, row-major, computed in float32. Operations return new tensors and are recorded where
--- a trainable tensor can be reached: then loss:backward() fills the gradients. + - * / ^ and unary minus go value by
--- value and broadcast as in NumPy; a number is a tensor too. Dimensions and places count from 1, negative ones from the
--- end. Released by release, by <close> or by the collector; later uses raise "hoi.Tensor was released".
---@class hoi.Tensor
---@field shape integer[] # a list of one's own
---@field rank integer # how many sizes; 0 is a scalar
---@field dtype "F32"|"F16"|"BF16" # halves only as weights of a model
---@field trainable boolean # a leaf that collects a gradient
---@field recorded boolean # a gradient can reach it
---@field grad? hoi.Tensor # of a trainable leaf, after backward
---@operator add(hoi.Tensor|number): hoi.Tensor
---@operator sub(hoi.Tensor|number): hoi.Tensor
---@operator mul(hoi.Tensor|number): hoi.Tensor
---@operator div(hoi.Tensor|number): hoi.Tensor
---@operator pow(number): hoi.Tensor
---@operator unm: hoi.Tensor
---@operator len: integer
local Tensor = {}

--- Gets the value of a tensor of one value. Waits for the device. Raises an error for more values.
---@return number
function Tensor:item() end

--- Gets the values as nested lists; a scalar as a number. Waits for the device.
---@return table|number
function Tensor:totable() end

--- Gets the values as packed floats, 4 bytes each. Waits for the device.
---@return string
function Tensor:bytes() end

--- Overwrites the values of a leaf, in place. Raises an error for a computed tensor, and when the count differs.
---@param values hoi.Tensor|table|string # as many values, the shape does not matter
---@return hoi.Tensor # itself
function Tensor:write(values) end

--- Gets the size of a dimension.
---@param dimension integer
---@return integer
function Tensor:size(dimension) end

--- Gets the number of values.
---@return integer
function Tensor:count() end

--- Gets the same values, unrecorded: gradients stop here. The memory is shared.
---@return hoi.Tensor
function Tensor:detach() end

--- Gets it as F32: itself where it is.
---@return hoi.Tensor
function Tensor:float() end

--- Makes a leaf trainable, or no more (which drops its gradient). Raises an error for computed tensors and for halves.
---@param on? boolean # true
---@return hoi.Tensor # itself
function Tensor:train(on) end

--- Walks from a loss down and adds to the gradient of every trainable leaf it was computed from. It uses the record up: a
--- second walk raises an error. Raises an error when nothing trainable is reached, and for more than one value without
--- a seed.
---@param seed? hoi.Tensor # same shape: what follows by this tensor; default: 1
function Tensor:backward(seed) end

--- Drops the gradient.
---@return hoi.Tensor # itself
function Tensor:clear() end

--- Lets go of the memory, where no other tensor shares it; harmless when done again.
function Tensor:release() end

--- Gets several lines of text: the shape, then the values, three at each edge of what is long. Waits for the device.
---@return string
function Tensor:show() end

--- Gets x ^ exponent, value by value. `x ^ 2` is the same.
---@param exponent number
---@return hoi.Tensor
function Tensor:pow(exponent) end

--- Gets the greater of each two values, broadcasting; at a tie the gradient goes to this one.
---@param other hoi.Tensor|number
---@return hoi.Tensor
function Tensor:maximum(other) end

--- Gets the smaller of each two values, broadcasting.
---@param other hoi.Tensor|number
---@return hoi.Tensor
function Tensor:minimum(other) end

--- Gets 1 where it is greater, else 0, broadcasting; no gradient.
---@param other hoi.Tensor|number
---@return hoi.Tensor
function Tensor:gt(other) end

--- Gets 1 where it is greater or equal, else 0, broadcasting; no gradient.
---@param other hoi.Tensor|number
---@return hoi.Tensor
function Tensor:ge(other) end

--- Gets 1 where both are equal, else 0, broadcasting; no gradient.
---@param other hoi.Tensor|number
---@return hoi.Tensor
function Tensor:eq(other) end

--- Chooses a where this tensor is not 0, else b; broadcasting. No gradient to this one.
---@param a hoi.Tensor|number
---@param b hoi.Tensor|number
---@return hoi.Tensor
function Tensor:where(a, b) end

--- Gets e^x.
---@return hoi.Tensor
function Tensor:exp() end

--- Gets the natural logarithm.
---@return hoi.Tensor
function Tensor:log() end

--- Gets the square root.
---@return hoi.Tensor
function Tensor:sqrt() end

--- Gets x * x.
---@return hoi.Tensor
function Tensor:square() end

--- Gets the absolute value; the slope at 0 is 0.
---@return hoi.Tensor
function Tensor:abs() end

--- Gets x * sigmoid(1.702 x): OpenAI CLIP's activation.
---@return hoi.Tensor
function Tensor:quick_gelu() end

--- Gets x times the normal distribution's share below x (Hendrycks and Gimpel 2016), by erf.
---@return hoi.Tensor
function Tensor:gelu() end

--- Gets max(x, 0).
---@return hoi.Tensor
function Tensor:relu() end

--- Gets x, or x times a slope below 0.
---@param slope? number # 0.01
---@return hoi.Tensor
function Tensor:leaky_relu(slope) end

--- Gets x, or e^x - 1 below 0.
---@return hoi.Tensor
function Tensor:elu() end

--- Rounds to the nearest value of 16 bits (ties to even), the gradient on its way back too: what a detour over float16 does.
---@return hoi.Tensor
function Tensor:half() end

--- Gets 1 / (1 + e^-x).
---@return hoi.Tensor
function Tensor:sigmoid() end

--- Gets the hyperbolic tangent.
---@return hoi.Tensor
function Tensor:tanh() end

--- Gets log(1 + e^x), without overflow.
---@return hoi.Tensor
function Tensor:softplus() end

--- Gets 1 / x.
---@return hoi.Tensor
function Tensor:reciprocal() end

--- Gets x, but at least low and at most high; no gradient where it is held.
---@param low number
---@param high number
---@return hoi.Tensor
function Tensor:clamp(low, high) end

--- Gets the sine.
---@return hoi.Tensor
function Tensor:sin() end

--- Gets the cosine of an angle. The cosine of two vectors is Tensor:cosine.
---@return hoi.Tensor
function Tensor:cos() end

--- Gets the same values in another shape. Raises an error when the count differs.
---@param ... integer|integer[] # the sizes; one may be -1: what is left
---@return hoi.Tensor
function Tensor:reshape(...) end

--- Repeats sizes of 1, and adds dimensions in front. Raises an error for other sizes that differ.
---@param ... integer|integer[] # the sizes
---@return hoi.Tensor
function Tensor:expand(...) end

--- Adds a dimension of size 1.
---@param dimension integer # its place in the result: (2, 3):unsqueeze(-1) is (2, 3, 1)
---@return hoi.Tensor
function Tensor:unsqueeze(dimension) end

--- Takes a dimension of size 1 away. Raises an error when it is not 1.
---@param dimension integer
---@return hoi.Tensor
function Tensor:squeeze(dimension) end

--- Swaps two dimensions.
---@param a? integer # the last two by default
---@param b? integer
---@return hoi.Tensor
function Tensor:transpose(a, b) end

--- Puts the dimensions in another order: dimension i of the result is the i-th named.
---@param ... integer|integer[] # each dimension once
---@return hoi.Tensor
function Tensor:permute(...) end

--- Gets a range of a dimension, both ends included. Raises an error outside of 1..size; from = to + 1 is empty.
---@param dimension integer
---@param from integer # negative: from the end
---@param to? integer # -1: the end
---@return hoi.Tensor
function Tensor:slice(dimension, from, to) end

--- Adds zeros before and behind along a dimension.
---@param dimension integer
---@param before integer
---@param after integer
---@return hoi.Tensor
function Tensor:pad(dimension, before, after) end

--- Gets rows (along dimension 1) by their places, also several times; the gradient adds up. Raises an error for a place
--- that is none.
---@param places integer[]
---@return hoi.Tensor # (#places, ...)
function Tensor:rows(places) end

--- Adds its rows up at places of a tensor of zeros: the other way of rows.
---@param places integer[] # one for each row
---@param n integer # rows of the result
---@return hoi.Tensor # (n, ...)
function Tensor:scatter(places, n) end

--- Gets m values of each row (the last dimension) by their places.
---@param places integer[] # m for each row, one row after the other
---@param m? integer # 1
---@return hoi.Tensor # (..., m)
function Tensor:take(places, m) end

--- Gets the patches of pictures side by side, so that a convolution is a linear layer. Zeros outside.
---@param options? { kernel?: integer, stride?: integer, pad?: integer, channels_last?: boolean } # kernel = 3, stride = 1, pad = 0; channels_last = false: (b, channels, h, w); true: (b, h, w, channels)
---@return hoi.Tensor # (b, places, channels * kernel * kernel)
function Tensor:unfold(options) end

--- Gets the sum: of all, or along a dimension.
---@param dimension? integer # all of them by default: a scalar
---@param keep? boolean # false: true leaves the dimension with size 1
---@return hoi.Tensor
function Tensor:sum(dimension, keep) end

--- Gets the mean; of nothing it is 0.
---@param dimension? integer
---@param keep? boolean
---@return hoi.Tensor
function Tensor:mean(dimension, keep) end

--- Gets the greatest value; ties share the gradient.
---@param dimension? integer
---@param keep? boolean
---@return hoi.Tensor
function Tensor:max(dimension, keep) end

--- Gets the smallest value.
---@param dimension? integer
---@param keep? boolean
---@return hoi.Tensor
function Tensor:min(dimension, keep) end

--- Gets the soft-max along the last dimension.
---@return hoi.Tensor # same shape
function Tensor:softmax() end

--- Gets the logarithm of the soft-max along the last dimension.
---@return hoi.Tensor # same shape
function Tensor:log_softmax() end

--- Projects the last dimension onto the simplex (Martins and Astudillo 2016): like soft-max, with zeros.
---@return hoi.Tensor # same shape
function Tensor:sparsemax() end

--- Gives the last dimension mean 0 and variance 1, then gain and bias (Ba et al. 2016).
---@param gain hoi.Tensor # (last size)
---@param bias hoi.Tensor # (last size)
---@param eps? number # 1e-5, added to the variance
---@return hoi.Tensor # same shape
function Tensor:layer_norm(gain, bias, eps) end

--- Gives the last dimension length 1; zeros stay zeros.
---@param eps? number # 1e-12: the least length that is divided by
---@return hoi.Tensor # same shape
function Tensor:normalize(eps) end

--- Gets the cosine of the last dimensions of two tensors, broadcasting; 0 where one is all zeros.
---@param other hoi.Tensor
---@return hoi.Tensor # (...)
function Tensor:cosine(other) end

--- Gets running sums along the last dimension.
---@return hoi.Tensor # same shape
function Tensor:cumsum() end

--- Gets the greatest k values of each row, in order, and their places. Waits for the device; the gradient goes to the
--- values.
---@param k integer
---@return hoi.Tensor # (..., k)
---@return table # (..., k) places
function Tensor:topk(k) end

--- Sorts each row, the greatest first; equal values keep their order. Waits for the device.
---@param ascending? boolean # false
---@return hoi.Tensor # same shape
---@return table # same shape: the places they had
function Tensor:sort(ascending) end

--- Gets the place of the greatest value of each row. Waits for the device.
---@return integer|integer[] # a list with one for each row; of a single dimension an integer
function Tensor:argmax() end

--- Multiplies matrices, the last two dimensions; those before broadcast. Raises an error when the inner sizes differ.
---@param other hoi.Tensor # (..., k, n)
---@return hoi.Tensor # (..., m, n)
function Tensor:matmul(other) end

--- Gets activation(x W' + bias) + residual in one pass. Raises an error that names the shapes when they do not fit.
---@param weight hoi.Tensor # (out, in), F16 or BF16 too
---@param bias? hoi.Tensor # (out)
---@param options? { activation?: "none"|"quick_gelu"|"gelu"|"relu", residual?: hoi.Tensor } # activation = "none"; residual (..., out)
---@return hoi.Tensor # (..., out)
function Tensor:linear(weight, bias, options) end

--- Gets activation(convolution + bias + residual) of pictures (b, h, w, channels): each kernel sees k x k places,
--- `stride` apart, with zeros `pad` wide around the picture. PyTorch's weights are w:permute(1, 3, 4, 2). Raises an error
--- that names the shapes when they do not fit.
---@param weight hoi.Tensor # (out, k, k, channels), F16 or BF16 too
---@param bias? hoi.Tensor # (out)
---@param options? { stride?: integer, pad?: integer, activation?: "none"|"relu", residual?: hoi.Tensor } # stride = 1, pad = 0, activation = "none"; residual: of the result's shape, added before the activation
---@return hoi.Tensor # (b, rows, columns, out), rows = (h + 2 pad - k) // stride + 1
function Tensor:conv2d(weight, bias, options) end

--- Gets the greatest value of each k x k window of pictures (b, h, w, channels); nothing lies outside. Of equal values
--- the first gets the gradient.
---@param options? { kernel?: integer, stride?: integer, pad?: integer } # kernel = 2, stride = kernel, pad = 0
---@return hoi.Tensor # (b, rows, columns, channels)
function Tensor:max_pool(options) end

--- Gets the mean of each k x k window of pictures (b, h, w, channels); zeros lie outside.
---@param options? { kernel?: integer, stride?: integer, pad?: integer } # kernel = 2, stride = kernel, pad = 0
---@return hoi.Tensor # (b, rows, columns, channels)
function Tensor:mean_pool(options) end

--- Gets softmax(q k' / sqrt(d) + mask) v, head by head (Vaswani et al. 2017). Keys that are all hidden give finite
--- values, no keys give zeros.
---@param k? hoi.Tensor # (b, m, width); without k and v this tensor holds all three side by side: (b, n, 3 width)
---@param v? hoi.Tensor # (b, m, width)
---@param options? { heads?: integer, causal?: boolean, mask?: hoi.Tensor } # heads = 1, causal = false; mask: added to the scores, (n, m), (b, 1, m) or (b, n, m); no gradient goes to it
---@return hoi.Tensor # (b, n, width)
function Tensor:attention(k, v, options) end

--- Makes values 0 with a probability and the others greater by 1 / (1 - probability), by the seed of hoi.seed.
---@param probability number # from 0, below 1
---@return hoi.Tensor # same shape
function Tensor:dropout(probability) end

--- Gets the inverse of a square matrix of at most 256 rows; the gradient passes. Raises an error for a singular one.
---@return hoi.Tensor
function Tensor:inverse() end

--- Gets the inverse from the right of a wide matrix (k, d), k <= 256: B' (B B')^-1.
---@return hoi.Tensor # (d, k)
function Tensor:pinverse() end

---------------------------------------------------------------------------- tensors in files

--- Named tensors in one file, of the safetensors format.
---@class hoi.safetensors
hoi.safetensors = {}

--- Opens a file and checks all of its header. Raises an error that names the file: missing, cut off, or not what it says.
---@param path string
---@return hoi.Weights
function hoi.safetensors.open(path) end

--- Opens a file inside the program.
---@param name string # "lua/models/clip/model.safetensors"
---@return hoi.Weights
function hoi.safetensors.embedded(name) end

--- Writes a file; it is the old or the new one, never half of it. The same content gives the same bytes.
---@param path string
---@param tensors table<string, hoi.Tensor>
---@param options? { dtype?: "F32"|"F16"|"BF16", metadata?: table<string, string> } # dtype = "F32": all tensors are stored so
function hoi.safetensors.save(path, tensors, options) end

--- Writes a CLIP of any published form as a Hugging Face folder: a complete config.json, model.safetensors with the same types
--- and bits under Hugging Face's names, vocab.json and merges.txt, preprocessor_config.json. Its features are the same bits. A
--- modified ResNet's arrays keep OpenAI's names: Hugging Face has none for them.
---@param from string # as hoi.clip's path
---@param to string # the folder to write
---@param options? { activation?: "quick_gelu"|"gelu", tokenizer?: string|hoi.Tokenizer, config?: string|table } # as hoi.clip's
---@return string # `to`
function hoi.convert(from, to, options) end

--- Opens named arrays, whatever file holds them, by what it begins with: safetensors; PyTorch's .pt, .bin, .pth and .pth.tar
--- (archives, the old kind, TorchScript as OpenAI publishes CLIP); NumPy's .npy and .npz; Hugging Face's index of shards; or a
--- folder with one of model.safetensors, open_clip_model.safetensors, pytorch_model.bin and their like. Nothing in a file is
--- run. Dictionaries in dictionaries become names with dots ("state_dict.prompt_learner.ctx"), plain values among them metadata
--- ("epoch"); a lone array is called "array". Raises an error that names the file and what is wrong with it.
---@param path string # of a file or folder
---@return hoi.Weights
function hoi.weights(path) end

--- An open file of named arrays. Values are read when they are asked for. Released by release, by <close> or by the
--- collector; its tensors stay.
---@class hoi.Weights
---@field path string # of the file
---@field container "safetensors"|"torch"|"torchscript"|"npy"|"npz"|"index" # what it is
local Weights = {}

--- Gets the names of all arrays, sorted.
---@return string[]
function Weights:names() end

--- Gets a string of the file's metadata; without a key all of them.
---@param key? string
---@return string|table<string, string>|nil # nil when there is none of that key
function Weights:metadata(key) end

--- Gets the sizes of an array.
---@param name string
---@return integer[]? # nil when there is none of that name
function Weights:shape(name) end

--- Gets the type of an array's elements as the file has them: "F32", "F16", "BF16", "F64", "I64", "BOOL", ...
---@param name string
---@return string? # nil when there is none of that name
function Weights:dtype(name) end

--- Reads an array as floats: halves and doubles are converted, whole numbers too (exact below 2^24). Raises an error for a name
--- that is not there.
---@param name string
---@param options? { dtype?: "float32"|"stored" } # dtype = "float32"; "stored": F16 and BF16 stay so in memory
---@return hoi.Tensor
function Weights:tensor(name, options) end

--- Closes the file; harmless when done again.
function Weights:release() end

---------------------------------------------------------------------------- modules

--- Modules of networks: tables whose tensors have dotted names. `nn.module { up = nn.linear(4, 8), forward = function(self, x) ... end }`
--- is one; its methods are the functions in it, calling it calls `forward`.
---@class hoi.nn
hoi.nn = {}

--- Makes a parameter: a trainable tensor with memory of its own.
---@param value hoi.Tensor|table|number
---@return hoi.Tensor
function hoi.nn.parameter(value) end

--- Makes a buffer: a tensor that is saved and loaded with its module, but not trained.
---@param value hoi.Tensor|table|number
---@return hoi.Tensor
function hoi.nn.buffer(value) end

--- Makes a parameter of normal random numbers.
---@param shape integer[]
---@param deviation? number # 0.02
---@return hoi.Tensor
function hoi.nn.normal(shape, deviation) end

--- Makes a parameter (out, ..., in), uniform within sqrt(6 / (in + out)) (Glorot and Bengio 2010).
---@param shape integer[]
---@return hoi.Tensor
function hoi.nn.xavier(shape) end

--- Makes a parameter (out, ..., in), uniform within sqrt(6 / ((1 + slope^2) in)) (He et al. 2015).
---@param shape integer[]
---@param slope? number # 0: of the leaky ReLU behind it; sqrt(5) is PyTorch's usual spread, 1 / sqrt(in)
---@return hoi.Tensor
function hoi.nn.kaiming(shape, slope) end

--- Makes a module of a table: parameters, buffers, modules and plain tables of them are found by their keys, "layers.2.weight";
--- other values, other tensors too, are the method's own.
---@param fields table # becomes the module
---@return hoi.Module
function hoi.nn.module(fields) end

--- Makes a module of make(1) .. make(n).
---@param n integer
---@param make fun(i: integer): any
---@return hoi.Module
function hoi.nn.list(n, make) end

--- A module.
---@class hoi.Module
---@field forward? fun(self: hoi.Module, ...: any): any # what calling the module calls
---@field drops? boolean # whether dropout is on
---@overload fun(...: any): any
local Module = {}

--- Gets the parameters whose name a pattern finds, in the order of their names, each once. Raises an error when there is none.
---@param pattern? string # a Lua pattern; default: all
---@return { [1]: string, [2]: hoi.Tensor }[] # name and tensor, as an optimizer takes them
function Module:parameters(pattern) end

--- Gets all parameters and buffers by name.
---@return table<string, hoi.Tensor>
function Module:state() end

--- Makes parameters trainable, and turns dropout on.
---@param pattern? string # a Lua pattern; default: all
---@return { [1]: string, [2]: hoi.Tensor }[] # those parameters
function Module:train(pattern) end

--- Makes parameters fixed; without a pattern it also turns dropout off.
---@param pattern? string # a Lua pattern; default: all
---@return hoi.Module # itself
function Module:freeze(pattern) end

--- Turns dropout on or off in all modules inside, for a look in between; a new module has it on.
---@param on boolean
---@return hoi.Module # itself
function Module:dropout(on) end

--- Writes parameters and buffers to a file; it is the old or the new one, never half of it.
---@param path string
---@param metadata? table<string, any> # strings; numbers become strings; format = "hoi-module" and version = "1" are added
function Module:save(path, metadata) end

--- Reads parameters and buffers from a file. Raises an error that names every tensor that is missing, too much or of another
--- shape; the module is then as it was.
---@param path string
---@return hoi.Module # itself
function Module:load(path) end

--- Makes a layer x W' + bias: weight (out, width), bias (out).
---@param width integer
---@param out integer
---@param options? { bias?: boolean } # bias = true
---@return hoi.Module # (x, activation?): x (..., width) to (..., out); activation as Tensor:linear's
function hoi.nn.linear(width, out, options) end

--- Makes linear layers with ReLU between them: nn.mlp { 36, 64, 64 }.
---@param sizes integer[]
---@return hoi.Module # (x): (..., first size) to (..., last size)
function hoi.nn.mlp(sizes) end

--- Makes a layer norm with gain (weight) and bias.
---@param width integer
---@return hoi.Module # (x): (..., width)
function hoi.nn.norm(width) end

--- Makes a convolution of maps, channels last, that keeps their size; weight (out, channels * kernel * kernel).
---@param channels integer
---@param out integer
---@param kernel integer # odd
---@return hoi.Module # (map): (h, w, channels) or (b, h, w, channels) to (..., out)
function hoi.nn.conv(channels, out, kernel) end

--- Makes attention of many heads with its four projections query, key, value, out (Vaswani et al. 2017).
---@param width integer
---@param options? { heads?: integer, memory_width?: integer, dropout?: number } # heads = 1; memory_width = width: of what is attended to; dropout = 0: of the shares of attention while training (slower)
---@return hoi.Module # (x, memory?, { mask, keys }?): x (n, width) or (b, n, width), memory (m, memory_width) or (b, m, memory_width), by default x; without a batch it is shared by all pictures; mask is added to the scores: (n, m) or (b, n, m); keys (m) or (b, m): 1 seen, 0 hidden
function hoi.nn.attention(width, options) end

--- Makes a decoder layer (Vaswani et al. 2017): attention to itself, to a memory, and an MLP with ReLU; each is added and
--- normed.
---@param width integer
---@param options? { heads?: integer, hidden?: integer, self_attention?: boolean, pre_norm?: boolean, dropout?: number, attention_dropout?: number, memory_width?: integer } # heads = 1, hidden = 4 width, self_attention = true; pre_norm = false: true norms before each step instead of behind; dropout = 0.1, attention_dropout = 0, memory_width = width
---@return hoi.Module # (x, memory, { mask, keys, self_mask, self_keys }?): as attention's; self_mask and self_keys are for its attention to itself
function hoi.nn.decoder(width, options) end

--- Makes a bottleneck adapter around a decoder layer (ADA-CM, Lei et al. 2023; CMMP and HOLa too): scale * up(decoder(ReLU(down
--- x), memory)), up is zero at first. Its result is to be added to x.
---@param width integer
---@param bottleneck integer
---@param options? { decoder?: table|false, scale?: number } # decoder = { heads = 2, hidden = 2 bottleneck, self_attention = false }: options of nn.decoder; false: none; scale = 1e-9 for each channel, trained
---@return hoi.Module # (x, memory?, { mask, keys, residual }?): x (..., n, width); memory (m, bottleneck) or (b, m, bottleneck); mask and keys as decoder's; residual = false: true adds x
function hoi.nn.adapter(width, bottleneck, options) end

---------------------------------------------------------------------------- learners

--- What EZ-HOI and its family teach around a frozen CLIP. Each is usable alone; lua/methods wires them.
---@class hoi.learners
hoi.learners = {}

--- Makes a learner of prompts that read a guide (EZ-HOI, Lei et al. 2024): x + up(decoder(ReLU(down x), memory)), up is zero at first.
--- Text prompts read descriptions, unseen ones what tells two classes apart, visual ones a frozen tower's patches.
---@param width integer # of the prompts
---@param guide_width integer
---@param options? { bottleneck?: integer, heads?: integer, dropout?: number, attention_dropout?: number, self_attention?: boolean } # bottleneck = 64, heads = 2, dropout = 0.1, attention_dropout = 0, self_attention = false: whether prompts attend to each other first
---@return hoi.Module # (x, memory, { mask, keys, residual }?): x (b, n, width), memory = learner:memory(guide) of guide (b, m, guide_width); residual = true: false gets only what is to be added
function hoi.learners.guided(width, guide_width, options) end

--- Makes one projection a layer by which prompts of the text side become those of the picture side (MaPLe, Khattak et al. 2023).
---@param layers integer
---@param width integer
---@param out integer
---@return hoi.Module # (prompts): (layers, n, width) to (layers * n, out)
function hoi.learners.projections(layers, width, out) end

--- Makes an MLP of instance tokens: score, box in shares of the picture, text feature of the label.
---@param width integer # of the text feature
---@param options? { bottleneck?: integer } # bottleneck = 64
---@return hoi.Module # (x): (..., 5 + width) to (..., bottleneck)
function hoi.learners.prior_tokens(width, options) end

--- Makes the fusion of a pair's two features.
---@param width integer
---@return hoi.Module # (human, object): (pairs, width) each, to (pairs, width)
function hoi.learners.intra_fusion(width) end

--- Makes the fusion of a picture's pairs: they attend to each other; zero at first.
---@param width integer
---@param options? { bottleneck?: integer, heads?: integer, dropout?: number, attention_dropout?: number } # as guided's
---@return hoi.Module # (pairs, { keys }?): (b, pairs, width); keys (b, pairs): 1 where there is one
function hoi.learners.inter_fusion(width, options) end

--- Gets for each unseen class the seen one whose description is nearest by cosine.
---@param descriptions hoi.Tensor # (classes, d)
---@param seen boolean[]
---@return table<integer, integer> # place of the unseen class to place of its related seen class
function hoi.learners.related(descriptions, seen) end

--- Gets the classes that speak for their groups (EZ-HOI's selection rule): all of a group of one or two, else the two described
--- least alike; and the related class of each.
---@param descriptions hoi.Tensor # (classes, d)
---@param group integer[] # of each class
---@param related table<integer, integer>
---@param all? boolean # every class
---@return integer[] # ascending places
function hoi.learners.choose(descriptions, group, related, all) end

--- Gets the mean feature of each group.
---@param features hoi.Tensor # (n, d)
---@param group integer[] # of each row
---@param groups integer
---@return hoi.Tensor # (groups, d)
function hoi.learners.group_means(features, group, groups) end

--- Gets the logits of the shares that groups of columns have in softmax(logits).
---@param logits hoi.Tensor # (pairs, columns)
---@param group integer[] # of each column
---@param groups integer
---@return hoi.Tensor # (pairs, groups): its sigmoid is the share
function hoi.learners.share_logits(logits, group, groups) end

---------------------------------------------------------------------------- losses

--- Losses: scalars made of recorded operations, so they can be weighted, added and trained, and one's own are as good.
--- None is NaN at zero positives, rows of zeros or extreme logits.
---@class hoi.losses
hoi.losses = {}

--- Gets the cross-entropy of soft-max(logits).
---@param logits hoi.Tensor # (n, classes)
---@param target integer[]|"diagonal"|hoi.Tensor # the class of each row; "diagonal": row i is class i; or probabilities (n, classes)
---@param options? { reduction?: "mean"|"sum"|"none" } # reduction = "mean" over rows
---@return hoi.Tensor # scalar; (n) with "none"
function hoi.losses.cross_entropy(logits, target, options) end

--- Gets the cross-entropy of sigmoid(logits).
---@param logits hoi.Tensor
---@param target hoi.Tensor # same shape, 0..1
---@param options? { reduction?: "mean"|"sum"|"none" } # reduction = "mean"
---@return hoi.Tensor
function hoi.losses.binary_cross_entropy(logits, target, options) end

--- Gets the focal loss (Lin et al. 2017): (1 - p_t)^gamma times the binary cross-entropy.
---@param logits hoi.Tensor
---@param target hoi.Tensor # same shape, 0 or 1
---@param options? { gamma?: number, alpha?: number, reduction?: "mean"|"sum"|"none" } # gamma = 2; alpha = -1: not weighted, else positives are weighted by alpha, negatives by 1 - alpha; reduction = "sum"
---@return hoi.Tensor
function hoi.losses.focal(logits, target, options) end

--- Gets the focal loss of prior * sigmoid(logits), of two-stage HOI detectors (UPT, Zhang et al. 2022, as used by ADA-CM
--- and EZ-HOI): over entries with a prior, divided by their positives; 0 where there is none.
---@param logits hoi.Tensor # (pairs, targets)
---@param prior hoi.Tensor # same shape: what the detector says, 0 where a target is impossible
---@param target hoi.Tensor # same shape, 0 or 1
---@param options? { alpha?: number, gamma?: number } # alpha = 0.5, gamma = 0.2
---@return hoi.Tensor # scalar
function hoi.losses.focal_prior(logits, prior, target, options) end

--- Gets the symmetric contrastive loss of n pictures and their n texts (Radford et al. 2021).
---@param images hoi.Tensor # (n, d), normalised inside
---@param texts hoi.Tensor # (n, d)
---@param scale hoi.Tensor|number # factor of the cosines: clip:scale()
---@return hoi.Tensor # scalar
function hoi.losses.contrastive(images, texts, scale) end

--- Gets the divergence KL(p | q) of p = softmax(a / temperature) from q = softmax(b / temperature): mean over rows, not
--- multiplied by temperature squared.
---@param a hoi.Tensor # (n, classes)
---@param b hoi.Tensor # (n, classes)
---@param options? { temperature?: number } # temperature = 1
---@return hoi.Tensor # scalar
function hoi.losses.kl(a, b, options) end

--- Gets how far the relations of a's rows among each other are from those of b's (EZ-HOI, HOLa): mean over the n x n
--- terms of KL(softmax(cosines of b / temperature) | softmax(cosines of a / temperature)). b gets no gradient.
---@param a hoi.Tensor # (n, d)
---@param b hoi.Tensor # (n, e)
---@param options? { temperature?: number } # temperature = 0.1
---@return hoi.Tensor # scalar
function hoi.losses.relation(a, b, options) end

--- Gets 1 - cosine of rows, the mean.
---@param a hoi.Tensor # (n, d)
---@param b hoi.Tensor # (n, d)
---@return hoi.Tensor # scalar
function hoi.losses.cosine(a, b) end

--- Gets the absolute difference.
---@param a hoi.Tensor
---@param b hoi.Tensor # same shape
---@param options? { reduction?: "mean"|"sum"|"none" } # reduction = "mean"
---@return hoi.Tensor
function hoi.losses.l1(a, b, options) end

--- Gets 1 - generalised intersection over union (Rezatofighi et al. 2019).
---@param a hoi.Tensor # (n, 4) centre, width, height
---@param b hoi.Tensor # (n, 4)
---@param options? { reduction?: "mean"|"sum"|"none" } # reduction = "mean"
---@return hoi.Tensor # scalar; (n) with "none"
function hoi.losses.giou(a, b, options) end

---------------------------------------------------------------------------- optimisers

--- Makes an AdamW optimiser (Loshchilov and Hutter 2019, algorithm 2, bias-corrected). Raises an error for an empty list, a
--- tensor that is not trainable, or one that comes twice.
---@param parameters { [1]: string, [2]: hoi.Tensor }[]|hoi.Tensor[] # as parameters and train give them
---@param options? { learning_rate?: number, weight_decay?: number, betas?: number[], eps?: number, decay_matrices_only?: boolean, groups?: { pattern: string, learning_rate?: number, weight_decay?: number }[] } # learning_rate = 1e-3, weight_decay = 1e-4, betas = { 0.9, 0.999 }, eps = 1e-8; decay_matrices_only = false: true leaves tensors of one dimension without decay; groups: others for the names a Lua pattern finds, the last that fits
---@return hoi.Optimizer
function hoi.adamw(parameters, options) end

--- Makes an SGD optimiser with momentum: m = momentum m + g + decay x; x -= rate m. Raises like adamw.
---@param parameters { [1]: string, [2]: hoi.Tensor }[]|hoi.Tensor[]
---@param options? { learning_rate?: number, weight_decay?: number, momentum?: number, decay_matrices_only?: boolean, groups?: { pattern: string, learning_rate?: number, weight_decay?: number }[] } # learning_rate = 2e-3, weight_decay = 5e-4, momentum = 0.9; the others as adamw's
---@return hoi.Optimizer
function hoi.sgd(parameters, options) end

--- An optimiser. Released by release, by <close> or by the collector.
---@class hoi.Optimizer
---@field kind "adamw"|"sgd"
---@field parameters { name: string, tensor: hoi.Tensor }[]
---@field learning_rate number # of steps that do not name one
local Optimizer = {}

--- Takes a step with the gradients at hand, and clears them; parameters without one stay as they are. Does not wait for the
--- device. Raises an error when no parameter has a gradient.
---@param options? { learning_rate?: number, max_grad_norm?: number, accumulated?: integer } # learning_rate: the optimiser's, groups keep their share of it; max_grad_norm = 0: the length of all gradients together is at most this, 0: any; accumulated = 1: so many backward passes were added up, their mean is taken
function Optimizer:step(options) end

--- Gets the length of the last step's gradients, all together, before it was limited. Waits for the device.
---@return number
function Optimizer:grad_norm() end

--- Gets what a checkpoint keeps.
---@return table<string, hoi.Tensor> # the running means, by "optimizer.first.NAME" and "optimizer.second.NAME"
---@return { kind: string, steps: integer }
function Optimizer:state() end

--- Puts a state back. Raises an error for another kind of optimiser.
---@param tensor fun(name: string): hoi.Tensor # gets one of the state's tensors
---@param numbers { kind: string, steps: integer }
function Optimizer:restore(tensor, numbers) end

--- Lets go of the running means.
function Optimizer:release() end

--- Schedules: functions of the steps done (0, 1, ...) that get the rate of the next one.
---@class hoi.schedule
hoi.schedule = {}

--- Gets a rate that is multiplied by a factor every so many steps.
---@param options? { learning_rate?: number, every?: integer, factor?: number } # learning_rate = 1e-3, every = 10, factor = 0.1
---@return fun(done: integer): number
function hoi.schedule.step(options) end

--- Gets a rate that rises in a straight line over `warmup` steps, then falls in half a cosine to floor * learning_rate at
--- `steps`, and stays there (Loshchilov and Hutter 2017).
---@param options? { learning_rate?: number, steps?: integer, warmup?: integer, floor?: number } # learning_rate = 1e-3, steps = 1000, warmup = 0, floor = 0
---@return fun(done: integer): number
function hoi.schedule.cosine(options) end

--- Gets a rate that stays.
---@param rate number
---@return fun(done: integer): number
function hoi.schedule.constant(rate) end

--- Whole trainings in files (require "hoi.checkpoint"). The function hoi.checkpoint is another thing.
---@class hoi.checkpoint
local Checkpoint = {}

--- Writes weights, the optimiser's running means and steps, the random generator (not math.random's) and a script's own
--- numbers. The file is the old or the new one, never half of it.
---@param path string
---@param parameters { [1]: string, [2]: hoi.Tensor }[]
---@param optimizer hoi.Optimizer
---@param state table # what JSON can hold: step, order of the epoch, ...
function Checkpoint.save(path, parameters, optimizer, state) end

--- Gets the state of a checkpoint alone. Raises an error for a file that is none.
---@param path string
---@return table
function Checkpoint.state(path) end

--- Puts all of it back, so that training goes on with the bits of one that never stopped. Raises an error for a file that
--- is none, or of another model or optimiser.
---@param path string
---@param parameters { [1]: string, [2]: hoi.Tensor }[]
---@param optimizer hoi.Optimizer
---@return table? # the state; nil when there is no such file
function Checkpoint.load(path, parameters, optimizer) end

---------------------------------------------------------------------------- trainings of methods

--- What scripts teach methods with (require "hoi.training"): one batch a step, a checkpoint from which the same call goes
--- on to the same bits, a log with a JSON value a line.
---@class hoi.training
local Training = {}

--- What a training has come to.
---@class hoi.TrainingResult
---@field step integer # steps done
---@field seconds number # that they took
---@field loss? number # mean of the last ones that were logged
---@field values integer # numbers that are trained
---@field stopped? boolean # true: Ctrl-C came

--- Trains a method with a data set's pictures. Raises an error where its checkpoint is of another training.
---@param method hoi.Method # one that learns
---@param data hoi.Dataset
---@param options { steps?: integer, epochs?: integer, stage?: string, size?: integer, rate?: number, decay?: number, schedule?: "step"|"cosine", max_grad_norm?: number, seed?: integer, detector?: hoi.Detector|false, augment?: table|boolean, weights?: table|false, way?: string|false, fresh?: boolean, save_every?: integer, report_every?: integer, label?: string, workers?: integer, from?: string } # steps, or epochs (12); stage = "all"; size = 8 pictures a step; rate = 1e-3; decay = 1e-4; schedule = "step": a tenth of the rate for the last sixth; max_grad_norm = 0.1; seed = 66; detector = false: true boxes; augment = true; weights: options of method:loss; way: beginning of the names of checkpoint and log.jsonl, false: neither; fresh = false; save_every = 200; report_every = 10; from: what the method was before
---@return hoi.TrainingResult
function Training.run(method, data, options) end

--- Makes a method that is to be trained on a data set; it remembers pictures where it does such a thing.
---@param name string
---@param clip hoi.Clip
---@param data hoi.Dataset
---@param options? table # the method's
---@param seed integer # decides how it begins
---@return hoi.Method
function Training.method(name, clip, data, options, seed) end

--- Gets the name of the stage in which a method learns seen classes alone ("all" where it has none).
---@param method hoi.Method
---@return string
function Training.seen_stage(method) end

--- Gets the option `guide` of hoi.batches and hoi.evaluate; false where the method does not look at the frozen tower.
---@param method hoi.Method
---@return { key: string, make: fun(images: hoi.Image[]): hoi.Tensor }|false
function Training.guidance(method) end

--- Gets { name, value } of "name=value"; nil and a message for another text.
---@param text string
---@return table?
---@return string?
function Training.option(text) end

--- Gets the means of tables of one number tensors, by name.
---@param list table<string, hoi.Tensor>[]
---@return table<string, number>
function Training.means(list) end

---------------------------------------------------------------------------- text to ids

--- Text to ids and back by CLIP's byte-level byte-pair encoding: the ids of Hugging Face's fast CLIPTokenizer, after HTML
--- references ("&amp;", "&#39;") are resolved. Lower-cased, composed (NFC), any white space is one gap.
---@class hoi.Tokenizer
---@field size integer # how many ids there are: 0 to size - 1
local Tokenizer = {}

--- Opens or learns tokenizers.
---@class hoi.tokenizer
hoi.tokenizer = {}

--- Opens CLIP's tokenizer: Hugging Face's tokenizer.json, OpenAI's merges (bpe_simple_vocab_16e6.txt, or packed as .gz), or a
--- folder with vocab.json and merges.txt or one of these. Fails for a file that is missing or wrong.
---@param path string # of a file or folder
---@return hoi.Tokenizer
function hoi.tokenizer.open(path) end

--- Makes the tokenizer of the two files' texts.
---@param vocabulary string # what vocab.json holds
---@param merges string # what merges.txt holds
---@return hoi.Tokenizer
function hoi.tokenizer.memory(vocabulary, merges) end

--- Learns a small tokenizer from texts: 68 printable ASCII characters (no capitals), inside of words and at their ends, and
--- at most `merges` merges of the pair that occurs most often; the same texts give the same tokenizer. A character it does
--- not have is read as "?". Sennrich, Haddow and Birch 2016.
---@param texts string[]
---@param options? { merges?: integer } # merges = 512: fewer are learned when no pair occurs twice any more
---@return hoi.Tokenizer # of 136 + merges + 2 ids; the last is the end token
function hoi.tokenizer.learn(texts, options) end

--- Gets the ids of a text, from the start token to the end token: as many as it takes, not filled up to CLIP's context.
--- Ids are those of the files, counted from 0. Fails for a text that is not UTF-8.
---@param text string
---@return integer[]
function Tokenizer:encode(text) end

--- Gets the text of ids: start and end tokens left out, words as they were cut, with a space between ("it 's").
--- Fails for an id out of range.
---@param ids integer[]
---@return string
function Tokenizer:decode(ids) end

--- Writes vocab.json and merges.txt, as Hugging Face reads them; makes the folder if only that is missing.
---@param folder string
function Tokenizer:save(folder) end

--- Gives the memory back; harmless when done again. Also done by `<close>` and the collector.
function Tokenizer:release() end

---------------------------------------------------------------------------- CLIP

--- Opens a CLIP from any published form, unchanged: a Hugging Face folder (one file or shards), open_clip's folder or file,
--- OpenAI's .pt (TorchScript or a plain state_dict), a training's checkpoint that holds one; any ViT size and CLIP's modified
--- ResNets (Radford et al. 2021). Sizes come from a configuration, else from the weights' shapes. The activation comes from a
--- configuration, from open_clip's list of known models by the file's name, or from the option; a line on stderr says which
--- where Hugging Face's configuration does not, and without any it is an error. Without a path: the program's own, which has
--- only seen the drawn world. `hoi.clip(path)` is `hoi.clip.open(path)`. Raises an error that names the file, and the value
--- or tensor, that is missing or wrong.
---@overload fun(path?: string, options?: { dtype?: "stored"|"float32"|"bfloat16", activation?: "quick_gelu"|"gelu", tokenizer?: string|hoi.Tokenizer, config?: string|table }): hoi.Clip
---@class hoi.clip
---@field EMBEDDED string # where the program's own lies inside of it
hoi.clip = {}

--- Opens a CLIP.
---@param path? string # of a folder or file; nil: the program's own
---@param options? { dtype?: "stored"|"float32"|"bfloat16", embedded?: string, activation?: "quick_gelu"|"gelu", tokenizer?: string|hoi.Tokenizer, config?: string|table } # dtype = "stored": matrices stay F16 or BF16 in memory where the file has them so; "float32": all can be trained; "bfloat16": layers multiply bfloat16 and add up floats, where the device is faster so (processors with AVX-512 BF16, with AMX best; tensor cores), an error that says what is missing elsewhere; embedded: another model inside the program; activation: of both towers, over what files say; tokenizer: an open one, or a path, where none lies beside the weights; config: Hugging Face's config.json for weights without one
---@return hoi.Clip
function hoi.clip.open(path, options) end

--- Makes a CLIP of zeros (gains 1), to be trained.
---@param options { config: table|string, tokenizer?: hoi.Tokenizer, preprocess?: { image_mean?: number[], image_std?: number[], do_center_crop?: boolean } } # config, preprocess: as in Hugging Face's config.json and preprocessor_config.json; what is absent is their default
---@return hoi.Clip
function hoi.clip.new(options) end

--- DETR (Carion et al. 2020): a ResNet, a transformer and learned queries. As a detector it is `hoi.detector("detr",
--- { model = ... })`; this is the model.
---@class hoi.detr
hoi.detr = {}

--- Opens DETR's own file (`detr-r50-e632da11.pth` of torch hub, UPT's tuned on HICO-DET; any number of layers, any
--- width, 8 heads). Of COCO's 92 classes the 80 used ones and nothing are kept. Raises an error that says what is missing.
---@param path string
---@param options? { short?: integer, long?: integer, labels?: string[] } # short = 800, long = 1333: pixels of a picture's sides, which see; labels: COCO's 80
---@return hoi.Detr
function hoi.detr.open(path, options) end

--- Reads DETR from an open file of its names.
---@param file table # what has :names() and :tensor(name): hoi.weights'
---@param options? { short?: integer, long?: integer, labels?: string[] } # as open's
---@return hoi.Detr
function hoi.detr.read(file, options) end

--- A DETR.
---@class hoi.Detr
---@field labels string[] # COCO's 80, or the given ones
---@field width integer # of a query's state
---@field short integer
---@field long integer
local Detr = {}

--- Gets the size a picture is seen in: the short side is `short`, unless the long one would pass `long`.
---@param width integer
---@param height integer
---@return integer # width
---@return integer # height
function Detr:size_of(width, height) end

--- Gets a picture resized (bicubic) and normalised by ImageNet's mean and deviation.
---@param image hoi.Image
---@return hoi.Tensor # (1, height, width, 3)
function Detr:pixels(image) end

--- Gets the encoder's map of pixels, and the positions of its places.
---@param pixels hoi.Tensor # (1, height, width, 3)
---@return hoi.Tensor # (1, places, width)
---@return hoi.Tensor # (1, places, width)
function Detr:encode(pixels) end

--- Gets the queries' states after the last decoder layer and its norm.
---@param memory hoi.Tensor # (1, places, width), as of encode
---@param positions hoi.Tensor # (1, places, width)
---@return hoi.Tensor # (queries, width)
function Detr:decode(memory, positions) end

--- Computes everything: encode, decode and the two heads.
---@param pixels hoi.Tensor # (1, height, width, 3)
---@return hoi.Tensor # (queries, classes + 1): logits, the last is nothing
---@return hoi.Tensor # (queries, 4): centre x, centre y, width, height in 0..1
---@return hoi.Tensor # (queries, width): states
function Detr:forward(pixels) end

--- Detects things: each query's best class, its state as the feature. Boxes may reach beyond the picture.
---@param image hoi.Image
---@param options? { score_threshold?: number } # score_threshold = 0.1
---@return table[] # { box, score, label, feature }
function Detr:detect(image, options) end

--- Lets go of its memory.
function Detr:release() end

--- Bottleneck ResNets (He et al. 2016) from files of PyTorch's names, their batch norms folded into the weights.
---@class hoi.resnet
hoi.resnet = {}

--- Reads a ResNet of any number of blocks and any width: torchvision's, or CLIP's modified one, told by its stem. Raises an
--- error for a file that holds none.
---@param file table # what has :names() and :tensor(name): hoi.weights'
---@param prefix? string # "": what its names begin with, "backbone.0.body."
---@return hoi.Module # (b, h, w, 3) to the last stage's map (b, h / 32, w / 32, channels); frozen
function hoi.resnet.read(file, prefix) end

--- Reads CLIP's picture tower from a file of OpenAI's names.
---@param file table # what has :names() and :tensor(name)
---@param prefix string # "visual."
---@return hoi.ResNetTower
function hoi.resnet.tower(file, prefix) end

--- A ResNet as CLIP's picture tower (Radford et al. 2021): `clip.visual` where `clip.resnet` is true.
---@class hoi.ResNetTower
---@field size integer # pixels on a side of a picture
---@field patch integer # pixels on a side of what one place of the map sees the middle of: 32
---@field grid integer # places on a side of the map
---@field width integer # channels of the map
---@field depth integer # blocks
---@field heads integer # of the attention pool
---@field out integer # width of the joint space
---@field places integer # 1 + grid * grid
local ResNetTower = {}

--- Gets the last stage's map of pixels. Raises an error for pixels of another size.
---@param pixels hoi.Tensor # (b, 3, size, size)
---@return hoi.Tensor # (b, grid, grid, width)
function ResNetTower:map(pixels) end

--- Reads a map by the attention pool, into the joint space: the mean of all places asks all places.
---@param map hoi.Tensor # (b, grid, grid, width)
---@param all? boolean # false: true lets every place ask too
---@return hoi.Tensor # (b, out); with all (b, 1 + grid * grid, out)
function ResNetTower:pool(map, all) end

--- Gets the features of pixels: map and pool.
---@param pixels hoi.Tensor # (b, 3, size, size)
---@return hoi.Tensor # (b, out)
function ResNetTower:forward(pixels) end

--- Lists its parameters by OpenAI's names; batch norms are folded into the convolutions before them.
---@return table # of { name, hoi.Tensor }
function ResNetTower:parameters() end

--- Lets go of its memory.
function ResNetTower:release() end

--- A CLIP: two towers into one space. Both are open: a method writes the loop over blocks itself. Released by release, by
--- <close> or by the collector.
---@class hoi.Clip
---@field visual hoi.Tower|hoi.ResNetTower # of pictures
---@field resnet boolean # true: pictures are read by CLIP's modified ResNet
---@field text hoi.Tower
---@field width integer # of the joint space
---@field tokenizer? hoi.Tokenizer
---@field preprocess { size: integer, warp: boolean, pad: boolean, mean: number[], std: number[] } # how pictures are prepared; warp: squeezed into the square instead of cut; pad: filled up to it
---@field folder? string|false # the path it was opened by; nil: the program's own; false: a new one
---@field files? string[] # of the weights, of a model that was opened
---@field config string # config.json
---@field dtype "stored"|"float32"|"bfloat16" # as it was opened
---@field training? boolean # true: pixels are encoded in one go
local Clip = {}

--- Encodes texts: cut behind the longest end token, and in chunks, so that memory does not grow with their number. Raises an
--- error for a text longer than the model's context.
---@param texts string|string[]
---@param options? { truncate?: boolean } # truncate = false: true cuts a text that is too long
---@return hoi.Tensor # (n, width), not normalised
function Clip:encode_text(texts, options) end

--- Encodes pictures.
---@param images hoi.Image|hoi.Image[]|hoi.Tensor # or their pixels
---@return hoi.Tensor # (n, width), not normalised
function Clip:encode_image(images) end

--- Encodes preprocessed pixels, 32 pictures at a time unless it is being trained.
---@param pixels hoi.Tensor # (n, 3, size, size)
---@return hoi.Tensor # (n, width)
function Clip:encode_pixels(pixels) end

--- Gets the last block's patches in the joint space: a map, as hoi.roi reads it one by one.
---@param images hoi.Image|hoi.Image[]|hoi.Tensor # or their pixels
---@return hoi.Tensor # (n, grid, grid, width)
function Clip:encode_patches(images) end

--- Preprocesses pictures as this model wants them; by default Pillow's bicubic filter, to the byte.
---@param images hoi.Image|hoi.Image[]
---@return hoi.Tensor # (n, 3, size, size)
function Clip:pixels(images) end

--- Gets the ids of texts for the open text tower.
---@param texts string[]
---@param options? { truncate?: boolean } # as encode_text's
---@return integer[][] # ids, all cut behind the longest end token
---@return integer[] # places of the end tokens, for leave
function Clip:tokenize(texts, options) end

--- Gets the factor of cosines: exp(logit_scale).
---@return hoi.Tensor # scalar
function Clip:scale() end

--- Gets the parameters whose name a pattern finds. Names are Hugging Face's, but q_proj, k_proj and v_proj are one:
--- qkv_proj (3 width, width); the patch kernel is a matrix.
---@param pattern? string # a Lua pattern; default: all
---@return { [1]: string, [2]: hoi.Tensor }[] # name and tensor
function Clip:parameters(pattern) end

--- Makes parameters trainable. Raises an error for halves: open the model with dtype = "float32".
---@param pattern? string # a Lua pattern; default: all
---@return { [1]: string, [2]: hoi.Tensor }[] # those, as an optimizer takes them
function Clip:train(pattern) end

--- Makes parameters fixed again.
---@param pattern? string # a Lua pattern; default: all
function Clip:freeze(pattern) end

--- Gets all tensors by Hugging Face's names and shapes, detached.
---@param prefix? string # put before each name; with one, names are OWL-ViT's
---@return table<string, hoi.Tensor>
function Clip:tensors(prefix) end

--- Writes a Hugging Face folder, which it makes: config.json, model.safetensors, preprocessor_config.json, and the
--- tokenizer's files.
---@param folder string
---@param options? { dtype?: "F32"|"F16"|"BF16", extra?: table<string, hoi.Tensor>, prefix?: string, config?: table } # dtype = "F32"; extra: further tensors of the model's file; prefix as in tensors; config instead of the model's own
function Clip:save(folder, options) end

--- Gets a text that tells this model from others, for what is kept on disk: its place, size, head and configuration.
---@return string
function Clip:identity() end

--- Gets a text that tells this model from others wherever its folder lies: its sizes, and a hash of its configuration and of
--- vectors at the towers' ends. Files of trained methods hold it.
---@return string
function Clip:fingerprint() end

--- Gets a text that tells this model's features from those of others, wherever its folder lies: its fingerprint, its
--- activation, and whether they are rounded to bfloat16 on their way. What is kept of features on disk is kept by it.
---@return string
function Clip:feature_key() end

--- Lets go of both towers and their weights.
function Clip:release() end

--- One of CLIP's towers, open: x = tower:embed(...), x = tower:enter(x), then tower:block(i, x) for i = 1 .. depth, then
--- tower:leave(x). Between them x is (b, n, width): prompts, adapters and tokens of one's own go in and out there.
---@class hoi.Tower
---@field width integer # of a token
---@field depth integer # blocks
---@field heads integer
---@field hidden integer # width inside of a block's MLP
---@field places integer # positions: 1 + patches, or the text's context
---@field size integer # pixels along a side; pictures
---@field patch integer # pixels along a side of a patch; pictures
---@field vocabulary integer # texts
---@field out integer # of the joint space
---@field activation "quick_gelu"|"gelu"
local Tower = {}

--- Gets tokens without positions: of pixels the class token, then the patches row by row; of ids one each.
---@param x hoi.Tensor|integer[][] # pixels (b, 3, size, size), or lists of ids of one length
---@return hoi.Tensor # (b, n, width)
function Tower:embed(x) end

--- Adds positions to the first tokens (those past `places` get none); of pictures then the first norm.
---@param x hoi.Tensor # (b, n, width)
---@return hoi.Tensor # (b, n, width)
function Tower:enter(x) end

--- Runs a block. recompute gives the same bits with less memory: the block is run again in backward.
---@param i integer # 1 to depth
---@param x hoi.Tensor # (b, n, width)
---@param options? { mask?: hoi.Tensor, keys?: hoi.Tensor, causal?: boolean, deltas?: { q?: hoi.Tensor, k?: hoi.Tensor, v?: hoi.Tensor, out?: hoi.Tensor, fc1?: hoi.Tensor, fc2?: hoi.Tensor }, before?: hoi.Tensor, recompute?: boolean } # mask: added to the scores, (n, n), (b, 1, n) or (b, n, n); before (b, m, width): tokens in front of x that are attended to, but not carried on; a mask has then m + n columns, and causal is false; keys (b, n): 1 seen, 0 hidden from all; causal: true for texts, else false; deltas: added to the weights for this call (low-rank learning), of the weights' shapes; recompute = false
---@return hoi.Tensor # (b, n, width)
function Tower:block(i, x, options) end

--- Runs all blocks, with the same options.
---@param x hoi.Tensor # (b, n, width)
---@param options? table # as block's
---@return hoi.Tensor # (b, n, width)
function Tower:blocks(x, options) end

--- Gets the last norm of tokens.
---@param x hoi.Tensor # (..., width)
---@return hoi.Tensor # (..., width)
function Tower:norm(x) end

--- Projects tokens into the joint space.
---@param x hoi.Tensor # (..., width)
---@return hoi.Tensor # (..., out)
function Tower:project(x) end

--- Gets the last norm and the projection: of all tokens, or of one each.
---@param x hoi.Tensor # (b, n, width)
---@param places? integer[] # one for each row: 1 for pictures, the end tokens for texts
---@return hoi.Tensor # (b, n, out); with places (b, out)
function Tower:leave(x, places) end

--- Gets the ids of texts, cut behind the longest end token.
---@param tokenizer hoi.Tokenizer
---@param texts string[]
---@param truncate? boolean # false: true cuts a text that is longer than the tower's places
---@return integer[][] # ids
---@return integer[] # places of the end tokens
function Tower:tokenize(tokenizer, texts, truncate) end

--- Lets go of the tower.
function Tower:release() end

---------------------------------------------------------------------------- OWL-ViT

--- A detector whose classes are sentences: OWL-ViT (Minderer et al. 2022), CLIP's towers and two small heads on the
--- patches, or OWLv2 (2023), with a third one. As a detector it is `hoi.detector "owlvit"`; this is the model, to be trained.
---@class hoi.owlvit
hoi.owlvit = {}

--- Opens an OWL-ViT or OWLv2 from a Hugging Face folder (google/owlvit-base-patch32, google/owlv2-base-patch16), or the program's own of the drawn world.
--- Raises an error that names what is missing.
---@param folder? string # nil: the program's own
---@param options? { dtype?: "stored"|"float32" } # dtype = "stored"
---@return hoi.OwlVit
function hoi.owlvit.open(folder, options) end

--- Puts heads of zeros on a CLIP's towers: at first each patch finds itself.
---@param clip hoi.Clip
---@return hoi.OwlVit
function hoi.owlvit.new(clip) end

--- An OWL-ViT.
---@class hoi.OwlVit
---@field clip hoi.Clip
---@field heads table<string, hoi.Tensor> # by Hugging Face's names: layer_norm, box_head.dense0 .. 2, class_head.dense0, class_head.logit_shift, class_head.logit_scale, OWLv2's objectness_head.dense0 .. 2, each .weight and .bias
---@field grid integer # patches along a side
---@field bias hoi.Tensor # (grid * grid, 4) added to the boxes before the sigmoid: each patch's own place
local OwlVit = {}

--- Gets the query features of sentences.
---@param sentences string[]
---@return hoi.Tensor # (q, text width of the joint space), of length 1
function OwlVit:queries(sentences) end

--- Gets each patch's logits and box.
---@param pixels hoi.Tensor # (b, 3, size, size)
---@param queries hoi.Tensor # (q, d)
---@return hoi.Tensor # (b, patches, q) logits
---@return hoi.Tensor # (b, patches, 4) centre, width and height in 0..1 of the preprocessed picture
---@return hoi.Tensor? # OWLv2: (b, patches) logits of there being anything
function OwlVit:forward(pixels, queries) end

--- Finds things in a picture: each patch's best query, where its score is good; nothing is suppressed.
---@param image hoi.Image
---@param labels string[] # what to call what the queries find
---@param queries hoi.Tensor # (#labels, d)
---@param options? { score_threshold?: number } # score_threshold = 0.1
---@return hoi.Detection[]
function OwlVit:detect(image, labels, queries, options) end

--- Gets the parameters: those of the heads, then those of the picture tower.
---@return { [1]: string, [2]: hoi.Tensor }[] # name and tensor
function OwlVit:parameters() end

--- Writes a Hugging Face folder.
---@param folder string
---@param options? { dtype?: "F32"|"F16"|"BF16" } # dtype = "F32"
function OwlVit:save(folder, options) end

--- Lets go of the heads and of the towers under them.
function OwlVit:release() end

---------------------------------------------------------------------------- methods and their measure

--- Opens a method: a way to name what the pairs of a picture do. "zero_shot", "ezhoi", "cmmp" and "ada_cm" come with hoi; a name with a slash, or
--- that ends in .lua, is a file of one's own. Raises an error when there is none, and for an option it does not have.
---@param name string # a file of lua/methods without its .lua, or a path
---@param clip hoi.Clip
---@param targets hoi.Targets
---@param options? hoi.ZeroShot # the method's own; these are zero_shot's, hoi.EzHoi, hoi.Cmmp and hoi.AdaCm tell the others'
---@return hoi.Method
function hoi.method(name, clip, targets, options) end

--- Opens what Method:save wrote. Raises an error that names both where the CLIP or the list of classes is another one.
---@param path string # the file, or the folder that holds prompts.safetensors
---@param clip hoi.Clip # the one it was trained on
---@param targets? hoi.Targets # the list it must be of; default: the file's own
---@return hoi.Method # frozen
function hoi.method.load(path, clip, targets) end

--- One picture to learn from, or what of a picture is at hand already.
---@class hoi.Sample
---@field pairs hoi.Pairs
---@field image? hoi.Image # as the tower is to see it
---@field pixels? hoi.Tensor # (3, size, size): the same warped and normalised by method.picture
---@field width? number # of the frame of all boxes; default: the image's
---@field height? number
---@field size? number # width and height in one
---@field annotations? table[] # in that frame: human_box, object_box, verb, object, target
---@field guidance? hoi.Tensor # (tokens, d): method:guide of the original picture
---@field original? hoi.Image # what is guided by where guidance is absent; default: image

--- Options of the method "ezhoi": EZ-HOI (Lei et al. 2024). A mode sets the defaults of those that say so.
---@class hoi.EzHoi
---@field mode? "paper"|"released" # "paper": as it is meant; "released": what the published code computes
---@field prompt_length? integer # 2 tokens a layer
---@field prompt_depth? integer # 9 layers, at most those of the towers
---@field adapter_width? integer # 64: of all bottlenecks
---@field dropout? number # 0.1 in the small decoder layers
---@field roi_dropout? number # 0.2 of the pooled bins
---@field alpha? number # 0.5, of the focal loss
---@field gamma? number # 0.2
---@field relation? number # 150: weight of the class-relation loss
---@field closeness? number # 0: weight of the cosine to the related seen class
---@field negatives? number # 0: weight of pairs of seen classes as negatives of unseen ones
---@field text_prompts? boolean # true; false: texts of the frozen tower
---@field descriptions? boolean # true: text prompts read them
---@field visual_prompts? boolean # true
---@field guidance? boolean # true: visual prompts read the frozen tower's patches
---@field adapters? boolean # true: in every block of the picture tower
---@field unseen? boolean # true: the unseen prompt learner
---@field intra_fusion? boolean # true; false: a pair is the mean of its two features
---@field inter_fusion? boolean # true
---@field score_by? "verb"|"class" # "verb"
---@field classes_per_verb? integer # 2: classes whose texts speak for a verb; 0: all
---@field compete? "none"|"softmax" # "none"; "softmax" over the classes that are read (the paper's equation 14)
---@field adapter_place? "before"|"after" # "before" the block
---@field scale? "plain"|"exp" # "plain": the scale of the logits is not exponentiated
---@field halved? boolean # true: logits are halved
---@field normalized? boolean # false: dot products; true: cosines
---@field unseen_in_loss? boolean # false: cells of unseen classes stay out of the interaction loss
---@field unfreeze? boolean # false; true: the picture tower's last norm, projection and positions learn too
---@field shortcuts? boolean # true; false: dead parts run too, and texts over the whole context
---@field recompute? boolean # false; true: blocks keep only their entries and run again on the way back: less memory, more time
---@field description_template? string # "a photo of {}: {}": sentence, description
---@field template? string # "a photo of {}." ("A photo of {}." as released)
---@field differences? table[]|false # false, or a list of { class, other, sentences }: what tells an unseen class from its related seen one
---@field prompt_place? "front"|"tail" # behind the start token, or (released) at the end of the context, where nothing reads them
---@field context? "trained"|"fixed" # the prompts that all classes start from (released: fixed)
---@field context_start? "tower"|"normal" # what the frozen tower has there, or (released) random numbers
---@field prompt_precision? "full"|"half" # of visual prompts (released: half)
---@field difference_mask? "hidden"|"added" # how sentences that pad a list are masked; "added" (released): 1 is added to their scores
---@field relation_rows? "classes"|"verb_ids" # "verb_ids" (released): rows of classes found by the number of the verb
---@field picture_norm? "model"|"imagenet" # mean and deviation of pictures (released: imagenet)
---@field resized? "once"|"twice" # "twice" (released): to the detector's size first
---@field class_names? "own"|"hico" # "hico" (released): V-COCO's classes get HICO-DET's names
---@field attention_dropout? number # 0 (released: 0.1)
---@field dead_weights? boolean # false; true (released): tensors that the published model has and never uses

--- An open method "ezhoi".
---@class hoi.EzHoiMethod: hoi.Method
---@field related table<integer, integer> # place of each unseen class to place of its related seen class
---@field chosen integer[] # places of the classes whose texts are read
---@field picture table # how pictures become pixels: { size, warp, mean, std, twice }
local EzHoiMethod = {}

--- Gets the loss of a batch: interaction + relation * class relations + closeness * cosine to related seen classes + negatives.
--- Pictures without pairs are skipped.
---@param batch hoi.Sample[] # batch.pixels and batch.guidance may hold all pictures' pixels (samples, 3, size, size)
---@param options? { interaction?: number, relation?: number, closeness?: number, negatives?: number } # weights this time: interaction = 1, the others as the method was opened; 0 is not computed
---@return hoi.Tensor # scalar, recorded
---@return table<string, hoi.Tensor> # the parts before their weights
function EzHoiMethod:loss(batch, options) end

--- Gets patch tokens of the frozen tower, which guide visual prompts; they may be kept on disk by clip:feature_key().
---@param images hoi.Image|hoi.Image[]|hoi.Tensor # pictures as they are, not augmented, or their pixels
---@return hoi.Tensor # (count, tokens, d)
function EzHoiMethod:guide(images) end

--- Begins the second stage: every unseen class gets prompts of its own, that start as those of its related seen class.
--- train "unseen" trains them, and the unseen prompt learner; the attention to descriptions stays as it is.
---@return hoi.EzHoiMethod # itself
function EzHoiMethod:start_unseen() end

--- Adds an unseen class, for which nothing is trained; it is scored by itself, not with others of its verb.
---@param class string|{ verb?: string, object?: string, sentence?: string, description?: string } # or its sentence
---@return integer # its place in method.targets
function EzHoiMethod:add_class(class) end

--- Reads these classes in place of those that the selection rule finds.
---@param places integer[] # ascending
---@return hoi.EzHoiMethod # itself
function EzHoiMethod:read_classes(places) end

--- Fills what is learned from a checkpoint of EZ-HOI's authors (mode "released").
---@param path string # a file that hoi.weights opens
---@param context? hoi.Tensor # (layers, length, width): the base prompts, which the published code draws at random and does not save
---@return string[] # what the file lacks
function EzHoiMethod:read_published(path, context) end

--- Options of the method "cmmp": CMMP (Lei et al. 2024).
---@class hoi.Cmmp
---@field context? integer # 24 learned vectors before each sentence, fewer where the text tower has no room for them
---@field adapter_width? integer # 64
---@field dropout? number # 0.1
---@field attention_dropout? number # 0
---@field roi_dropout? number # 0.2
---@field alpha? number # 0.5, of the focal loss
---@field gamma? number # 0.2
---@field consistency? number # 1: weight of the texts' cross-entropy
---@field template? string # "a photo of {}."
---@field score_by? "verb"|"class" # "verb"
---@field picture_norm? "model"|"imagenet" # "model"; "imagenet" as released
---@field padding? "hidden"|"seen" # "hidden"; "seen": instances read the padding of their batch, as released
---@field patterns? table|false # (n, 36) spatial patterns to begin with; false: 10 at random
---@field sentences? table<string, string>|false # of verbs
---@field recompute? boolean # false

--- Options of the method "ada_cm": ADA-CM (Lei et al. 2023); method:remember(data, { pictures, shots }) fills its memory.
---@class hoi.AdaCm
---@field training? boolean # true; false: crops meet the memory as it is, nothing is trained
---@field score_by? "verb"|"class"|false # "verb", without training "class"
---@field shots? integer # 2 remembered pairs of each verb (or class)
---@field temperature? number # 0.05: of the shares without training
---@field adapter_width? integer # 64
---@field dropout? number # 0.1
---@field attention_dropout? number # 0
---@field roi_dropout? number # 0.2
---@field alpha? number # 0.5, of the focal loss
---@field gamma? number # 0.2
---@field template? string # "a photo of {}."
---@field sentences? table<string, string>|false # of verbs
---@field picture_norm? "model"|"imagenet" # "model"; "imagenet" as released
---@field recompute? boolean # false

--- Options of the method "zero_shot": CLIP as it is.
---@class hoi.ZeroShot
---@field view? "crop"|"roi"|"both" # "crop": the square around both boxes; "roi": the patches in them, pooled; "both": the mean of their logits
---@field margin? number # 1.2: of the crop: its side over the longer side of the union box
---@field least? number # 0.42: of the crop: its least side over the picture's shorter side
---@field text? "names"|"descriptions"|"both" # "both", where a class has both
---@field templates? string[] # { "{}", "a photo of {}", "a picture of {}" }: of a class without names; {} is its sentence

--- What the file of a method returns.
---@class hoi.MethodFile
---@field options? table # its options by name with their defaults; false where there is none
---@field new fun(clip: hoi.Clip, targets: hoi.Targets, options: table): table # makes the object: at least { clip =, targets = }; what follows are its methods
---@field classes fun(self: hoi.Method): any # what it knows of the targets
---@field static_classes? boolean # true: classes() is asked once and kept
---@field look fun(self: hoi.Method, image: hoi.Image, pairs: hoi.Pairs): any # what it sees of a picture's pairs, of which there is at least one
---@field forward fun(self: hoi.Method, view: any, pairs: hoi.Pairs, classes: any): hoi.Tensor # logits (pairs, targets)
---@field module? hoi.Module # of one that learns: all that it trains and saves
---@field loss? fun(self: hoi.Method, batch: hoi.Sample[], options: table?): hoi.Tensor, table<string, hoi.Tensor> # of one that learns: a recorded scalar, and its parts by name; batch.pixels and batch.guidance may hold all pictures' pixels (samples, 3, size, size)
---@field scoring? { prior_power: number, compete: string } # what scores are made with unless said otherwise
---@field extra? fun(self: hoi.Method): table # what a file must know beside options and classes
---@field restore? fun(self: hoi.Method, extra: table) # makes of it what extra() told

--- An open method: the object that its file makes, with what all methods have.
---@class hoi.Method
---@field name string
---@field clip hoi.Clip
---@field targets hoi.Targets
local Method = {}

--- Gets the interactions in a picture. Printed, they are a table; json.save writes them; image:draw_interactions draws them.
---@param image hoi.Image
---@param detections hoi.Detection[] # as detector:detect gets them
---@param options? { top?: integer, prior_power?: number, compete?: "valid"|"all"|"none", score_threshold?: number, nms_threshold?: number, min_instances?: integer, max_instances?: integer, name?: string } # top = 10: how many at most; prior_power and compete as in scores; score_threshold = 0.2, nms_threshold = 0.5, min_instances = 3, max_instances = 15 as in hoi.pairs; name: of the picture
---@return hoi.Result
function Method:predict(image, detections, options) end

--- Gets the scores of a picture's pairs: what the detector says (Pairs:prior) times what the method says.
---@param image hoi.Image
---@param pairs hoi.Pairs
---@param options? { prior_power?: number, compete?: "valid"|"all"|"none", sample?: hoi.Sample } # by default the method's own: prior_power = 1, for ezhoi, cmmp and ada_cm 2.8; compete = "valid": the logits of a pair become shares of 1 among the targets that its object allows; "all": among all; "none": each stands alone (sigmoid), as in ezhoi, cmmp and ada_cm; sample: what of the picture is at hand already
---@return number[][] # (pairs, targets)
function Method:scores(image, pairs, options) end

--- Adds a class, for which nothing is trained. Raises an error where a method that learned has no way to take one in.
---@param class { verb?: string, object?: string, sentence?: string, description?: string, seen?: boolean }
---@return integer # its place in method.targets
function Method:add_class(class) end

--- Gets what the method knows of the targets: classes(), asked once where it may be kept.
---@return any
function Method:class_features() end

--- Gets what a method trains, by name. Raises an error where it learns nothing, as zero_shot.
---@param pattern? string # a Lua pattern; default: all
---@return { [1]: string, [2]: hoi.Tensor }[]
function Method:parameters(pattern) end

--- Gets all that a method holds by name, trained or not: what a checkpoint keeps.
---@return { [1]: string, [2]: hoi.Tensor }[]
function Method:tensors() end

--- Tells whether train(what) trains a parameter.
---@param name string # the parameter's
---@param what string # "all", or a word of the method's own
---@return boolean
function Method:trains(name, what) end

--- Makes trainable what the method trains under a word, and turns dropout on.
---@param what? string # "all"; ezhoi: "seen" leaves the unseen learners out, "unseen" trains these alone
---@return { [1]: string, [2]: hoi.Tensor }[] # for hoi.adamw
function Method:train(what) end

--- Ends training: nothing is recorded, nothing dropped.
---@return hoi.Method # itself
function Method:freeze() end

--- Writes what was learned, with the CLIP's fingerprint, the options and the classes; hoi.method.load reads it.
---@param path string
---@param metadata? table<string, any> # further strings: setting, seed, epoch, ...
function Method:save(path, metadata) end


--- The interactions of a picture; a plain table that prints as lines.
---@class hoi.Result
---@field image? string # its name
---@field width integer # pixels
---@field height integer # pixels
---@field interactions hoi.Interaction[] # by falling score

--- Somebody does something with something.
---@class hoi.Interaction
---@field verb string # the target's
---@field object string # as the detector spells it
---@field score number
---@field seen boolean # whether training knew the target
---@field human_box number[] # x1, y1, x2, y2 in pixels
---@field object_box number[]
---@field human_score number # the detector's
---@field object_score number

--- Measures how well a method names what is done: HICO-DET's mean average precision (hoi.meter), and role AP (hoi.role_meter)
--- on V-COCO; with the boxes of a detector or the true ones. A method whose targets are others than the data's (verbs, or
--- classes of its own) is measured by verb and object.
---@param method hoi.Method
---@param data hoi.Dataset # with annotations
---@param options? { detector?: hoi.Detector|hoi.Detections, prior_power?: number, compete?: "valid"|"all"|"none", score_threshold?: number, nms_threshold?: number, min_instances?: integer, max_instances?: integer, iou_threshold?: number, published?: boolean, guide?: { make: fun(images: hoi.Image[]): hoi.Tensor, key: string, limit?: number }, label?: string } # detector: whose boxes; without it the true ones, none suppressed; iou_threshold = 0.5 as in hoi.meter; published = false: as in hoi.meter and defaults of hoi.role_meter's result; guide: what a method's `guide` says of the pictures is kept on disk under key, as in hoi.batches; label = "evaluate": of the progress bar; the others as in predict
---@return hoi.Report
function hoi.evaluate(method, data, options) end

--- Mean average precision in 0..1; nil where there is no class of this kind with a truth.
---@class hoi.Figures
---@field full? number # over all classes with a truth
---@field rare? number
---@field non_rare? number
---@field seen? number
---@field unseen? number
---@field classes number[] # by class; NaN without a truth

--- What hoi.evaluate found: hoi.Figures over all pictures, and over those with a truth of the class's object. Printed, it
--- is a table in percent.
---@class hoi.Report: hoi.Figures
---@field known_object hoi.Figures
---@field targets hoi.Targets # the data's
---@field truths table<integer, integer> # how many there were, by class
---@field roles? { scenario_1: number, scenario_2: number, columns: { name: string, scenario_1: number, scenario_2: number }[] } # V-COCO's role AP
local Report = {}

--- Gets a line for each class, and for each of V-COCO's columns, as text.
---@return string
function Report:table() end

--- Gets everything as plain data for json.save; what is not a number there is absent.
---@return table
function Report:totable() end

--- Draws the mean AP of each verb's seen and unseen classes as bars; of more than 40 verbs the APs of all seen and of all
--- unseen classes as curves, best first.
---@param svg? string # a file that the plot is also written to
---@return hoi.Image
function Report:plot(svg) end

---------------------------------------------------------------------------- few-shot classifiers

--- Opens a few-shot classifier of pictures: a way to learn classes from a few examples on top of CLIP. A name with a slash, or that ends
--- in .lua, is a file of one's own. Raises an error when there is none, for an option it does not have, and where the task lacks
--- what it needs.
---@param name string # of hoi.classifier.names, or a path
---@param task hoi.ClassifierTask
---@param options? table # the classifier's own: hoi.classifier.options(name) gets them with their defaults
---@return hoi.Classifier
function hoi.classifier(name, task, options) end

--- What a few-shot classifier is to learn.
---@class hoi.ClassifierTask
---@field classes string[] # names of the classes
---@field clip? hoi.Clip # may be absent where features and text are given
---@field templates? string[] # { "a photo of a {}." }: prompts; of several, the mean counts
---@field text? hoi.Tensor # (classes, d): features of the classes; else made of clip and templates
---@field scale? number # factor of cosines; else the model's, else 100
---@field seed? integer # 1: first numbers, and the order of batches

--- Examples: for learning, for choosing hyper-parameters, or to be named.
---@class hoi.ClassifierSet
---@field features? hoi.Tensor # (n, d), as CLIP's picture tower gives them
---@field labels? integer[] # n classes, from 1
---@field pixels? fun(positions: integer[], draw?: integer): hoi.Tensor # (m, 3, size, size) of some examples; draw: augmented, the same draw in the same way
---@field views? fun(draw: integer): hoi.Tensor # (n, d): features of all examples, augmented

--- A few-shot classifier.
---@class hoi.Classifier
---@field name string
---@field needs "features"|"pictures" # what it sees of an example
---@field task hoi.ClassifierTask
---@field o table # its options
---@field module hoi.Module # what it learns
---@field chosen table<string, number> # hyper-parameters chosen on val
local Classifier = {}

--- Learns from examples. Hyper-parameters that are to be searched are chosen on val alone; without val they keep their defaults.
---@param train hoi.ClassifierSet
---@param val? hoi.ClassifierSet
---@param options? { log?: fun(record: table), checkpoint?: string, every?: integer } # log: gets { epoch, epochs, step, loss, learning_rate, accuracy } after each epoch and { search, value, accuracy } for what is tried; checkpoint: a file to go on from, written after every = 1 epochs
---@return table # loss (the last epoch's mean), steps, parameters (how many numbers it learns), seconds, and what was chosen
function Classifier:fit(train, val, options) end

--- Learns as fit does, and is what a classifier's file may replace.
---@param train hoi.ClassifierSet
---@param val? hoi.ClassifierSet
---@param run table # fit's options
---@return table
function Classifier:learn(train, val, run) end

--- Takes the training steps of one epoch; a classifier's file may have faster ones.
---@param set hoi.ClassifierSet
---@param places integer[][] # examples of each step
---@param rates number[] # of each step
---@param optimizer hoi.Optimizer
---@param first integer # steps done before
---@return hoi.Tensor # the sum of the steps' losses
function Classifier:run_steps(set, places, rates, optimizer, first) end

--- Gets what it knows of the classes.
---@return any
function Classifier:classes() end

--- Gets logits (n, classes) of features or pixels, recorded for gradients.
---@param x hoi.Tensor
---@param classes any # of classes()
---@return hoi.Tensor
function Classifier:forward(x, classes) end

--- Gets logits (n, classes) of examples, in chunks.
---@param set hoi.ClassifierSet|hoi.Tensor # a tensor: features
---@return hoi.Tensor
function Classifier:logits(set) end

--- Gets the likeliest class of each example, from 1.
---@param set hoi.ClassifierSet|hoi.Tensor
---@return integer[]
function Classifier:predict(set) end

--- Gets the percentage of examples that are named right.
---@param set hoi.ClassifierSet
---@return number
function Classifier:accuracy(set) end

--- Gets what is learned, by name.
---@return { [1]: string, [2]: hoi.Tensor }[]
function Classifier:parameters() end

--- Gets how many numbers are learned.
---@return integer
function Classifier:size() end

--- Writes what was learned as safetensors, with method, options, classes and the model's fingerprint.
---@param path string
function Classifier:save(path) end

--- Reads what the method's own code saved: CoOp's and MaPLe's model.pth.tar-N, CLIP-LoRA's lora_weights.pt. Raises an error for a
--- method without such files, and for one whose sizes or numbers are not the classifier's.
---@param path string # whatever hoi.weights opens
---@return hoi.Classifier # itself
function Classifier:read(path) end

--- Reads what was learned out of a file; hoi.classifier.load does the rest.
---@param file hoi.Weights
function Classifier:restore(file) end

--- Few-shot classifiers: CLIP-Adapter and what it is compared with.
---@class hoi.classifier
---@field names string[] # of the program's few-shot classifiers
hoi.classifier = {}

--- Opens a classifier that was saved. Raises an error when it is of other classes or of another CLIP, naming both.
---@param path string
---@param task hoi.ClassifierTask
---@return hoi.Classifier
function hoi.classifier.load(path, task) end

--- Gets a copy of a classifier's options with their defaults.
---@param name string
---@return table
function hoi.classifier.options(name) end

--- Gets features of classes (n, d): of each the normalised mean of its prompts' normalised features. Radford et al. 2021.
---@param clip hoi.Clip
---@param classes string[] # _ reads as a space
---@param templates string[] # {} stands for the class
---@return hoi.Tensor
function hoi.classifier.text(clip, classes, templates) end

--- Gets scale times the cosines of rows with class features.
---@param x hoi.Tensor # (n, d)
---@param classes hoi.Tensor # (classes, d), of length 1
---@param scale number
---@return hoi.Tensor # (n, classes)
function hoi.classifier.cosines(x, classes, scale) end

--- Gets the percentage of rows of logits whose greatest is at their label.
---@param logits hoi.Tensor # (n, classes)
---@param labels integer[]
---@return number
function hoi.classifier.accuracy(logits, labels) end

--- Gets the options of the common training steps with a classifier's own beside and over them: for the files of classifiers.
---@param own table
---@return table
function hoi.classifier.training(own) end

--- Trains a classifier's module by the common steps, cross-entropy of shuffled batches: for the files of classifiers.
---@param self hoi.Classifier
---@param set hoi.ClassifierSet
---@param run table # fit's options
---@param val? hoi.ClassifierSet # where given, the epoch that does best on it is kept
---@return { loss: number, steps: integer }
function hoi.classifier.train(self, set, run, val) end

--- Takes the steps of one epoch, recorded: what Classifier:run_steps is by default: for the files of classifiers.
---@param self hoi.Classifier
---@param set hoi.ClassifierSet
---@param places integer[][] # examples of each step
---@param rates number[]
---@param optimizer hoi.Optimizer
---@param first integer # steps done before
---@return hoi.Tensor # the sum of the steps' losses
function hoi.classifier.run_steps(self, set, places, rates, optimizer, first) end

--- Gets a field of a task, or raises an error that says who needs it: for the files of classifiers.
---@param task hoi.ClassifierTask
---@param field string
---@param name string # who needs it
---@return any
function hoi.classifier.wants(task, field, name) end
