"""Runs in an environment with pymicro-wakeword: what it says of recordings from stdin, for a manifest.

Of each recording (bytes of little-endian int16 behind their count as 4 bytes) one line of JSON: for every
call the sample at which its audio ends, its score in 256ths, and whether the player says "detected".
"""

import json
import struct
import sys

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures

CHUNK_BYTES = 320  # 10 ms

word = MicroWakeWord.from_config(sys.argv[1])
while head := sys.stdin.buffer.read(4):
    pcm = sys.stdin.buffer.read(struct.unpack("<I", head)[0])
    features, ends, scores, detected = MicroWakeWordFeatures(), [], [], []
    for at in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES):
        for row in features.process_streaming(pcm[at : at + CHUNK_BYTES]):
            answer = word.process_streaming(row)
            if not word._features:  # a call took the rows that it had collected
                ends.append((at + CHUNK_BYTES) // 2)
                scores.append(round(word._probabilities[-1] * 256))
                detected.append(bool(answer))
    word.reset()
    print(json.dumps({"ends": ends, "scores": scores, "detected": detected}), flush=True)
