"""Coverage-guided fuzzing by hand: `make fuzz TARGET=vrrp SECONDS=60`, with atheris (the Makefile installs it).

Inputs that were found to matter stay in tests/fuzz/corpus/TARGET; what breaks is written to the working directory by
libFuzzer, and belongs there too, once it is mended.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["pykeepalived"]):
    from tests.fuzz.targets import CORPUS, TARGETS


def main(words: list[str]) -> None:
    name, seconds = words[1], words[2]
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup([words[0], f"-max_total_time={seconds}", "-print_final_stats=1", str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
