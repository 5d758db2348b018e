#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2) cannot read two valid files whose writer could not go back to the header:
#   1. a FLAC whose STREAMINFO tells 0 samples, "unknown" by RFC 9639, 8.2, as encoders write it to a pipe. Every
#      `blocks` and `read(n)` raises "Internal psf_fseek() failed", though the samples were decoded: soundfile seeks to
#      where it is after each read, which libsndfile cannot in such a file. Without that seek all samples come.
#   2. a CAF whose last chunk "data" has the size -1, "unknown" by Apple's specification: refused as it is opened.
# One would expect the same samples as from the file with its length. Exits 1 if it behaves otherwise than described.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/v"
"$tmp/v/bin/pip" install -q soundfile==0.14.0 numpy==2.2.6
"$tmp/v/bin/python" - <<'PYTHON'
import io
import struct
import sys

import numpy as np
import soundfile

samples = (np.sin(np.arange(16000) / 20) / 2).astype("float32")


def written(form):
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, "PCM_16", format=form)
    return bytearray(file.getvalue())


def outcome(data, read):
    try:
        return f"{read(io.BytesIO(data))} samples"
    except Exception as error:
        return f"{type(error).__name__}: {str(error).partition('<')[0]}"


def in_blocks(file):
    return sum(map(len, soundfile.blocks(file, 4000)))


class Straight(soundfile.SoundFile):
    def seekable(self):
        return False


def without_seeking(file):
    total = 0
    with Straight(file) as opened:
        while length := len(opened.read(4000)):
            total += length
    return total


flac = written("FLAC")
unknown = bytearray(flac)
unknown[21] &= 0xF0  # the upper 4 of 36 bits of "total samples"
unknown[22:26] = bytes(4)
caf = written("CAF")
at = caf.find(b"data")
streamed = bytearray(caf)
struct.pack_into(">q", streamed, at + 4, -1)

print("soundfile", soundfile.__version__, "libsndfile", soundfile.__libsndfile_version__)
results = {
    "FLAC with its length, in blocks": outcome(flac, in_blocks),
    "FLAC of unknown length, in blocks": outcome(unknown, in_blocks),
    "the same, without soundfile's seek": outcome(unknown, without_seeking),
    "CAF with its length": outcome(caf, in_blocks),
    "CAF of unknown length": outcome(streamed, in_blocks),
}
for name, result in results.items():
    print(f"{name}: {result}")
good = [result == "16000 samples" for result in results.values()]
sys.exit(good != [True, False, True, True, False])
PYTHON
