"""Print which words a pack takes for forms of one: `python bench/inflected_words.py eu`.

Names are the things that CLDR names by one word of the language, words those of the messages of
this machine's programs that begin alike (see answer_language.py), so that a reader can count the
pairs that are wrongly joined and wrongly kept apart.
"""

import re
import sys
from collections.abc import Iterator

from answer_language import texts

from ikusi import language
from ikusi.evaluate.normalise import Normaliser
from ikusi.miniature.words.cldr import load_locale
from ikusi.miniature.words.concepts import load_concepts

WORD = re.compile(r"[^\W\d_]+")
SHORTEST = 4


def pairs(code: str) -> Iterator[tuple[str, str]]:
    """Each name with each word that begins like it, but for the name's last vowel."""
    words = {word for text in texts(code) for word in WORD.findall(text.lower())}
    names = (load_locale(code).name(concept.emoji) or "" for concept in load_concepts())
    for name in sorted({name.lower() for name in names if WORD.fullmatch(name)}):
        beginning = name.rstrip("aeiou") if name[-2:-1] not in "aeiou" else name[:-1]
        if len(beginning) >= SHORTEST:
            yield from ((name, word) for word in sorted(words) if word.startswith(beginning))


def main(code: str) -> int:
    """Print the pairs that are joined, and those that are not."""
    normaliser = Normaliser(language.load(code))
    joined: dict[bool, list[str]] = {True: [], False: []}
    for name, word in pairs(code):
        if name != word:
            ours, theirs = normaliser.stems(name), normaliser.stems(word)
            if ours is None or theirs is None:
                print(f"{code}: expected a pack with a stemmer or endings", file=sys.stderr)
                return 1
            joined[not ours.isdisjoint(theirs)].append(f"{name}-{word}")
    for known, title in ((True, "One word"), (False, "Two words")):
        print(f"{title}: {len(joined[known])} pairs.\n{', '.join(joined[known])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
