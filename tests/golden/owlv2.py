"""OWLv2: a small made-up model in a folder as the Hub has them, what transformers makes of it, and
pictures as its authors prepare them."""
import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection

from folders import EOT, SOT, VOCAB, model_of, tower, write_json, write_tokenizer
from values import HERE, normal, write

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
SIZE = 64
TEXT = tower(16, 2, 1, 32, "quick_gelu", vocab_size=len(VOCAB), max_position_embeddings=16,
             bos_token_id=SOT, eos_token_id=EOT)
VISION = tower(16, 2, 1, 32, "quick_gelu", image_size=SIZE, patch_size=16)
# what is transformers' default for OWLv2 (and no other model) is not said
UNSAID = ("hidden_act", "patch_size", "max_position_embeddings")


def prepared(rgb):
    """(3, SIZE, SIZE) of (height, width, 3) bytes: grey on the right and below up to a square,
    scikit-image's resize with anti-aliasing, CLIP's normalisation. transformers' processor for
    OWLv2 does the same; its newer versions fill up with black instead."""
    height, width = rgb.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 0.5)
    square[:height, :width] = rgb / 255
    factor = side / SIZE
    sigma = max(0, (factor - 1) / 2)
    blurred = ndimage.gaussian_filter(square, (sigma, sigma, 0), mode="mirror")
    out = ndimage.zoom(blurred, (1 / factor, 1 / factor, 1), order=1, mode="mirror", grid_mode=True)
    assert out.shape == (SIZE, SIZE, 3)
    return torch.from_numpy(((out - MEAN) / STD).transpose(2, 0, 1).copy())


def same_as_transformers(rgb):
    """Checks `prepared` against transformers' own processor, told to fill up with grey."""
    from transformers import Owlv2ImageProcessorPil

    processor = Owlv2ImageProcessorPil(size={"height": SIZE, "width": SIZE})
    pad = processor.pad
    processor.pad = lambda image, constant_value=0.5: pad(image, 0.5)
    theirs = processor(Image.fromarray(rgb), return_tensors="pt")["pixel_values"][0]
    gap = (prepared(rgb) - theirs).abs().max().item()
    assert gap < 1e-5, gap


def make_owlv2():
    folder = HERE / "owlv2"
    config = Owlv2Config(projection_dim=16, text_config=TEXT, vision_config=VISION)
    model = model_of(Owlv2ForObjectDetection, config, "owlv2.")
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    write_json(folder / "config.json", {
        "architectures": ["Owlv2ForObjectDetection"], "model_type": "owlv2", "projection_dim": 16,
        "text_config": {k: v for k, v in TEXT.items() if k not in UNSAID},
        "vision_config": {k: v for k, v in VISION.items() if k not in UNSAID}})
    write_tokenizer(folder, 16, "!")
    write_json(folder / "preprocessor_config.json", {
        "do_normalize": True, "do_pad": True, "do_rescale": True, "do_resize": True,
        "image_mean": MEAN, "image_std": STD, "image_processor_type": "Owlv2ImageProcessor",
        "resample": 2, "rescale_factor": 1 / 255, "size": {"height": SIZE, "width": SIZE}})

    photo = np.array(Image.open(HERE / "image_photo.png").convert("RGB"))
    pictures = {"tall": np.ascontiguousarray(photo[:, :40]),      # made smaller
                "small": np.ascontiguousarray(photo[5:25, 3:43])}  # made larger
    for rgb in pictures.values():
        same_as_transformers(rgb)
    ids = torch.tensor(CLIPTokenizer.from_pretrained(folder)(
        ["a dog", "a photo of a ball", "x"], padding="max_length", max_length=16)["input_ids"])
    pixels = torch.stack([normal("owlv2 pixels", 3, SIZE, SIZE), prepared(pictures["tall"])])
    double = Owlv2ForObjectDetection.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="sdpa").eval()
    with torch.no_grad():
        out = double(input_ids=ids.repeat(2, 1), pixel_values=pixels)
    write("owlv2", {
        "pixel_values": pixels[:1], "logits": out.logits, "pred_boxes": out.pred_boxes,
        "objectness_logits": out.objectness_logits,
        "text_embeds": out.text_embeds.reshape(2, 3, 16)[0],
        **{f"prepared.{name}": prepared(rgb) for name, rgb in pictures.items()}})
