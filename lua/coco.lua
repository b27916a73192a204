-- coco: the 80 classes that most detectors know, in COCO's order.
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

return { names = names, gaps = gaps }
