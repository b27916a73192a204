-- normalisations: by which mean and deviation of the colours, in 0..1, pixels are normalised.
return {
  clip = { -- of CLIP's own training pictures
    mean = { 0.48145466, 0.4578275, 0.40821073 }, std = { 0.26862954, 0.26130258, 0.27577711 },
  },
  imagenet = { -- of ResNets and DETR
    mean = { 0.485, 0.456, 0.406 }, std = { 0.229, 0.224, 0.225 },
  },
}
