"""Reduces the pictures in a folder to 128 colours each: a page of the console has few, and all of them together stay small."""

import sys
from pathlib import Path

from PIL import Image

COLOURS = 128

before = after = 0
for path in sorted(Path(sys.argv[1]).glob("*.png")):
    before += path.stat().st_size
    with Image.open(path) as picture:
        # One with a palette has been reduced already.
        if picture.mode != "P":
            picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    after += path.stat().st_size
print(f"Pictures: {after / 1e6:.1f} MB, of {before / 1e6:.1f} MB")
