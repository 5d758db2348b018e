#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): an ordinary MP3 that is read in blocks comes with other samples than one that is
# read at once, without a warning. After each read of an open file soundfile seeks to where it already is; libsndfile's
# MP3 decoder starts anew at that, without what the frames before left to it, and the start of each block but the first
# is off by as much as the sound is loud. Without that seek the blocks are the same samples.
# One would expect the same samples in either way, as from a FLAC. Exits 1 if it behaves otherwise than described.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/v"
"$tmp/v/bin/pip" install -q soundfile==0.14.0 numpy==2.2.6
"$tmp/v/bin/python" - 2> "$tmp/notes" <<'PYTHON'
import io
import sys

import numpy as np
import soundfile

RATE = 16000
tone = (np.sin(np.arange(3 * RATE) / 20) / 2).astype("float32")


class Straight(soundfile.SoundFile):
    def seekable(self):
        return False


def in_blocks(data, kind):
    parts = []
    with kind(io.BytesIO(data)) as file:
        while len(part := file.read(RATE, dtype="float32")):
            parts.append(part)
    return parts


def furthest(parts, whole):
    return [round(float(np.abs(part - whole[at * RATE :][: len(part)]).max()), 3) for at, part in enumerate(parts)]


print("soundfile", soundfile.__version__, "libsndfile", soundfile.__libsndfile_version__)
off = {}
for form in ("FLAC", "MP3"):
    written = io.BytesIO()
    soundfile.write(written, tone, RATE, format=form)
    whole, _ = soundfile.read(io.BytesIO(written.getvalue()), dtype="float32")
    for name, kind in (("in blocks", soundfile.SoundFile), ("in blocks, without the seek", Straight)):
        off[form, name] = furthest(in_blocks(written.getvalue(), kind), whole)
        print(f"{form} {name}: furthest from the whole, block by block: {off[form, name]}")
wrong = off.pop(("MP3", "in blocks"))
sys.exit(wrong[0] != 0 or max(wrong[1:]) < 0.1 or any(max(each) > 0 for each in off.values()))
PYTHON
