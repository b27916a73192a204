-- data: pictures with annotated interactions, as lists, and pictures with a class each. Each loader
-- stands in a file of its own below data/.
return {
  classes = require "hoi.data.classes",
  features = require "hoi.data.features",
  hicodet = require "hoi.data.hicodet",
  vcoco = require "hoi.data.vcoco",
  mini = require "hoi.data.mini",
  folder = require "hoi.data.folder",
}
