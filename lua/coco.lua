-- coco: the 80 classes that most detectors know, in COCO's order; V-COCO's actions.
local names <const> = {}
for name in ([[
person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,
fire hydrant,stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,
bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,
sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,
wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,
hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,
mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,
vase,scissors,teddy bear,hair drier,toothbrush]]):gsub("\n", ""):gmatch "[^,]+" do
  names[#names + 1] = name
end
-- COCO's category ids run to 90, without these.
local gaps <const> = {
  [12] = true, [26] = true, [29] = true, [30] = true, [45] = true,
  [66] = true, [68] = true, [69] = true, [71] = true, [83] = true,
}

-- V-COCO's 24 actions with an object, in the order of its published class lists; one that has both
-- roles is called "..._with" for the instrument.
local actions <const> = {}
for name in ([[hold sit ride look hit_with hit eat eat_with jump lay talk_on_phone carry throw catch
  cut_with cut work_on_computer ski surf skateboard drink kick read snowboard]]):gmatch "%S+" do
  actions[#actions + 1] = name
end

return { names = names, gaps = gaps, actions = actions }
