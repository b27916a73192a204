-- data: pictures with annotated interactions, as lists. Each loader stands in a file of its own
-- below data/.
return {
  hicodet = require "hoi.data.hicodet",
  vcoco = require "hoi.data.vcoco",
  mini = require "hoi.data.mini",
  folder = require "hoi.data.folder",
}
