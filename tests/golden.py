#!/usr/bin/env python3
"""Writes the golden values of tests/golden: what towers, losses and optimisers must give.

    pip install torch==2.13.0 transformers==5.24.0 safetensors==0.8.0 numpy==2.4.6 \
        scikit-learn==1.9.1 scipy==1.17.1 pillow==13.0.0
    python3 tests/golden.py                 # all of them: ten seconds on one core
    python3 tests/golden.py losses roi      # or only these

Everything is computed in double precision from weights that fit the files exactly, by formulas
written in tests/golden/*.py from their definitions. CLIP and OWL-ViT are also run by
`transformers`, EZ-HOI by the modules of tests/bench/peers_train.py: the two must agree before a
file is written. Same versions, same bytes. tests/golden/README.md tells each file's keys and
formulas. Python is needed neither to build nor to test hoi.
"""
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "golden"))

import archives  # noqa: E402  (they lie beside the files they write)
import blocks  # noqa: E402
import clip  # noqa: E402
import detr  # noqa: E402
import ezhoi_modules  # noqa: E402
import ezhoi_whole  # noqa: E402
import fewshot  # noqa: E402
import folders  # noqa: E402
import losses  # noqa: E402
import owlv2  # noqa: E402
import owlvit  # noqa: E402
import regions  # noqa: E402
import relatives  # noqa: E402
import role_ap  # noqa: E402
import resnet  # noqa: E402
import training  # noqa: E402

MAKERS = {
    "folders": folders.make_folders,            # first: the others read these
    "clip": clip.make_clip,
    "archives": archives.make_archives,         # after these two
    "clip_gradients": clip.make_clip_gradients,
    "clip_adamw": clip.make_clip_adamw,
    "owlvit": owlvit.make_owlvit,
    "owlv2": owlv2.make_owlv2,
    "blocks": blocks.make_blocks,
    "maple": blocks.make_maple,
    "fewshot": fewshot.make_fewshot,
    "losses": losses.make_losses,
    "optim": training.make_optim,
    "schedule": training.make_schedule,
    "roi": regions.make_roi,
    "resnet": resnet.make_resnet,
    "detr": detr.make_detr,
    "ezhoi_modules": ezhoi_modules.make_ezhoi_modules,
    "ezhoi_whole": ezhoi_whole.make_ezhoi_whole,
    "relatives": relatives.make_relatives,
    "role_ap": role_ap.make_role_ap,
}

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(MAKERS)
    unknown = [name for name in wanted if name not in MAKERS]
    if unknown:
        sys.exit(f"golden.py: no {', '.join(unknown)}; there are {', '.join(MAKERS)}")
    for name in wanted:
        MAKERS[name]()
