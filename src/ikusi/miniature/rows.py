"""The miniature's rows as people have theirs: tables of JSON lines beside folders of pictures."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ikusi import artifact, claim, disk, language
from ikusi.data.corpus import Corpus
from ikusi.miniature import corpora
from ikusi.recipe import Miniature

KIND = "miniature rows"
TABLES = {"captions": "captions", "instructions": "instructions", "questions": "benchmarks/vqa"}


def write_miniature_rows(
    folder: Path | str,
    target: str,
    source: str = "en",
    *,
    concepts: int = 40,
    captions: int = 1000,
    conversations: int = 400,
    questions: int = 100,
    image_size: int = 96,
    seed: int = 0,
) -> Path:
    """Draw the miniature's scenes and write three tables of rows about them, in two languages.

    `captions`, `instructions` (conversations) and `questions` (with several gold answers) are each
    a folder with `rows.jsonl` and `images/`; `ikusi data import table` reads them.

    Args:
        folder: what to write; nothing is done where it is already there, of the same settings.
        target: code of the target language.
        source: code of the source language.
        concepts: things that are drawn.
        captions: pictures with a caption.
        conversations: other pictures, with questions and answers.
        questions: test pictures for each way of being unseen: drawing, style, concept.
        image_size: side of each picture, in pixels.
        seed: of what is drawn.

    Returns:
        The folder.

    Raises:
        InputError: a language has no names of things or no pack, or `folder` is somebody else's.
    """
    settings = Miniature(
        concepts=concepts,
        caption_scenes=captions,
        train_scenes=conversations,
        test_scenes=questions,
        text_rows=1,
        image_size=image_size,
        seed=seed,
    )
    packs = {code: language.load(code) for code in (target, source)}
    made = artifact.fingerprint(settings, target, source, packs)
    output = claim.expect_whole(Path(folder), KIND)
    if artifact.is_current(output, made):
        return output
    with TemporaryDirectory() as drawn:
        corpora.build(settings, target, source, packs, Path(drawn))
        with artifact.write_folder(output, fingerprint=made, kind=KIND) as staging:
            for name, place in TABLES.items():
                _write_table(Corpus.open(Path(drawn) / place), staging / name)
    return output


def _write_table(corpus: Corpus, folder: Path) -> None:
    """Write a corpus as JSON lines, each with the name of its picture's file."""
    (folder / "images").mkdir(parents=True)
    disk.write_text(folder / "rows.jsonl", "".join(f"{line}\n" for line in _lines(corpus)))
    for image_id in dict.fromkeys(filter(None, corpus.image_ids)):
        (folder / "images" / f"{image_id}.png").write_bytes(corpus.image_bytes(image_id))


def _lines(corpus: Corpus) -> Iterator[str]:
    by_language = {code: corpus.table(code).to_pylist() for code in corpus.languages}
    for rows in zip(*by_language.values(), strict=True):
        first = rows[0]
        line = {"id": first["id"], "image": f"{first['image_id']}.png"}
        line |= {key: first[key] for key in ("group", "task") if first[key] is not None}
        for code, row in zip(by_language, rows, strict=True):
            line |= {f"{code}.{name}": row[name] for name in corpus.row_type.names}
        yield json.dumps(line, ensure_ascii=False)
