---@meta
-- types: every public name of hoi, described once: editors read it, the REPL prints it, a test compares it.

hoi = {}

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
local Detector = {}

--- Opens a detector: "owlvit" (the default of the scripts), "boxes" (from a JSON file), or one of your own.
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

---------------------------------------------------------------------------- images

--- Pictures of 8-bit RGB. `hoi.image(path)` is `hoi.image.load(path)`.
---@overload fun(path: string): hoi.Image
---@class hoi.image
hoi.image = {}

--- Gets the picture of a JPEG, PNG, BMP, GIF (its first frame) or TGA file. Grey becomes RGB, alpha is dropped, a rotation
--- noted in the file is not applied: as Pillow's convert("RGB"). Raises "image: PATH: ..." when the file is missing,
--- truncated, damaged, of another kind, or above 32767 pixels a side or 2^27 in all.
---@param path string
---@return hoi.Image
function hoi.image.load(path) end

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

--- A small drawn world of people, things and what they do: 12 things, 12 verbs, 60 classes. Picture `index` of `seed` is
--- the same whatever the order or the number of threads; nothing is stored.
---@class hoi.mini
---@field things string[] # the 12 kinds of things: "ball", "box", "chair", ...
---@field verbs string[] # the 12 verbs: "hold", "carry", "sit_on", ...
---@field classes hoi.MiniClass[] # the 60 valid pairs of verb and thing, the most frequent first
---@field words string[] # all words that captions, names and descriptions are made of, in alphabetical order
---@field settings string[] # "default", "rare_first", "non_rare_first", "unseen_verb", "unseen_object"
local mini = {}

---@class hoi.MiniClass
---@field verb string # "kick"
---@field object string # "ball"
---@field sentence string # "a person kicking a ball"
---@field names string[] # the sentence in 4 templates
---@field descriptions string[] # 3 texts on the pose, 3 on where the thing is; none says the verb's own word

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
function mini.render(kind, seed, index, options) end

--- Says for each of the 60 classes whether it is unseen in a zero-shot setting. Raises an error for an unknown setting.
---@param setting "default"|"rare_first"|"non_rare_first"|"unseen_verb"|"unseen_object"
---@return boolean[] # in the order of mini.classes
function mini.unseen(setting) end

--- Draws pictures first .. first + count - 1 into memory outside of Lua. Raises an error when there is no memory.
---@param kind "easy"|"web"|"train"|"test"
---@param seed integer
---@param first integer
---@param count integer # 1 to 65536
---@param options? { decoys?: boolean, threads?: integer, cells?: integer } # threads = 0 (default): one per processor; cells = 8 or 12: also which things fill more than 30% of each cell of such a grid
---@return hoi.MiniBatch
function mini.batch(kind, seed, first, count, options) end

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
---@param options? { iou_threshold?: number } # iou_threshold = 0.5
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
---@param options? { setting?: string } # setting = "default"; "rare_first", "non_rare_first", "unseen_object", "unseen_verb" mark unseen classes of hico, hico.verbs and mini
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

--- Adds a class at the end. A sentence alone becomes an unseen class of any object.
---@param sentence string|table # or a row
---@param description? string|string[]
---@return integer # its position
function Targets:add(sentence, description) end

--- Gets a table that json.save writes and hoi.targets reads: { name, classes }.
---@return table
function Targets:totable() end

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

--- Reads V-COCO in HICO-DET's layout: instances_vcoco_<split>.json in a folder, or a file. Verbs are V-COCO's actions;
--- "hit", "eat", "cut" with an instrument are "hit_with", "eat_with", "cut_with".
---@param path string
---@param options? { split?: "train"|"val"|"trainval"|"test", empty?: boolean, images?: string } # split = "test", empty = false
---@return hoi.Dataset
function hoi.data.vcoco(path, options) end

--- Gets pictures of the drawn world, each the same for ever: endless for training (the classes long-tailed), 700 for
--- testing, 300 others for validation. In a zero-shot setting training loses what is unseen, as data.hicodet does; to find
--- picture i it then draws all before it, once.
---@param options? { split?: "train"|"validation"|"test", setting?: string, seed?: integer, decoys?: boolean, size?: integer } # split = "test", setting = "default", seed = 66, decoys = true (hoi.mini)
---@return hoi.Dataset
function hoi.data.mini(options) end

--- Gets the pictures of a folder (jpg, jpeg, png, bmp, gif, tga), sorted by name; or a single one. They have no
--- annotations.
---@param path string
---@return hoi.Dataset
function hoi.data.folder(path) end

---------------------------------------------------------------------------- text to ids

--- Text to ids and back by CLIP's byte-level byte-pair encoding: the ids of Hugging Face's fast CLIPTokenizer, after HTML
--- references ("&amp;", "&#39;") are resolved. Lower-cased, composed (NFC), any white space is one gap.
---@class hoi.Tokenizer
---@field size integer # how many ids there are: 0 to size - 1
local Tokenizer = {}

hoi.tokenizer = {}

--- Opens the tokenizer of a Hugging Face folder: its vocab.json and merges.txt. Fails for a file that is missing or wrong.
---@param folder string
---@return hoi.Tokenizer
function hoi.tokenizer.open(folder) end

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
