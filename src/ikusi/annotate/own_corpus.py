"""A corpus of what people gave and others accepted; with a benchmark, two corpora and its file.

A picture is held out for the benchmark by its own digest and the project's seed: it is in one of
the corpora alone, and stays there however many more are given.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ikusi import artifact, claim, disk, yamltext
from ikusi.annotate import growing
from ikusi.annotate.contributions import CHOICE, Contribution
from ikusi.annotate.deciding import Answers, Decision, count_accepted
from ikusi.annotate.project import PICTURES, Project
from ikusi.data import judged
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.images import decode_and_describe
from ikusi.data.judged import Judged
from ikusi.errors import InputError
from ikusi.recipe import OWN_BENCHMARKS

KIND = "annotate apply"
VERSION = 1  # of what is made of the same answers
HELD_OUT = "-held-out"
MARK = "# Made by Ikusi of pictures and questions that people gave."
SCORED: dict[str, dict[str, Any]] = {
    "vqa": {"scorer": "generate", "metric": "inclusion", "max_new_tokens": 64},
    "choice": {"scorer": "options", "metric": "accuracy"},
}
"""How answers to rows of a type are obtained and scored; see `ikusi.evaluate.benchmark`."""
UNREVIEWED = "not reviewed: expected somebody's verdict, found none"


def write(answers: Answers, output: Path) -> dict[str, Any]:
    """Write the corpus, and what the benchmark needs if the project is for one; returns counts.

    Beside ``output`` its held-out rows are in a folder of the same name with `-held-out`. What was
    rejected, or not reviewed, is in the quarantine of ``output``.

    Raises:
        InputError: nothing was accepted, or nothing is held out, or something else is there.
    """
    project = answers.project
    given, removed = _read_given(project)
    rows = {one.id: _judge(one, answers.decisions.get(one.id)) for one in given}
    kept = [one for one in given if not rows[one.id].reason]
    held = [one for one in kept if is_held_out(project, one.picture)]
    name = str(project.settings.get("benchmark", ""))
    _expect_rows(project, name, len(kept), len(held))
    beside = output.with_name(output.name + HELD_OUT)
    if name:
        path = claim.check_file(OWN_BENCHMARKS / f"{name}.yaml", MARK, [project.folder])
    apart = {one.id for one in held} if name else set()
    trained = [one for one in given if one.id not in apart]
    counts = Counter(_write_corpus(answers, trained, rows, output))
    if name:
        more = Counter(_write_corpus(answers, held, rows, beside))
        counts.update(more, held_out=more["rows"])
        counts["rows"] -= more["rows"]
        disk.write_text(path, _write_benchmark(project, name, beside.name))
    return {"rows_in": len(given), **counts, "withdrawn": removed}


def _read_given(project: Project) -> tuple[list[Contribution], int]:
    """The contributions of people, and the number of those removed as their givers withdrew."""
    with growing.open_answers(project) as store:
        assert store, "there are judgements"
        given = [one for one in store.contributions() if one.id in project.items]
        return given, sum(one.pictures for one in store.people().values())


def is_held_out(project: Project, picture: str) -> bool:
    """Whether a picture is for the benchmark: by the hash of the seed and of its own digest."""
    digest = hashlib.sha256(f"{project.seed} held out {Path(picture).stem}".encode()).digest()
    return int.from_bytes(digest) < float(project.settings.get("held_out", 0)) * 2**256


def _expect_rows(project: Project, name: str, kept: int, held: int) -> None:
    if name and not 0 < held < kept:
        raise InputError(
            f"{project.folder}: expected accepted rows to train on and others held out, found "
            f"{kept - held} and {held}; more pictures are needed"
        )
    if not kept:
        raise InputError(f"{project.folder}: expected rows that were accepted, found none")


class _Row(NamedTuple):
    """A contribution as a row: columns, why it is set aside (empty: it is not), its verdicts."""

    columns: dict[str, Any]
    reason: str
    judged: Judged | None


def _judge(one: Contribution, decision: Decision | None) -> _Row:
    assert one.written
    texts, right = dict(one.written.texts), one.written.right
    if decision is None:
        return _Row(make_columns(texts, right), UNREVIEWED, None)
    correction = dict(decision.correction or {})
    accepted = decision.verdict == "accept"
    verdict = "corrected" if correction else "accepted" if accepted else "rejected"
    if not decision.verdict:
        verdict = "disputed"
    record = Judged(
        id=one.id,
        verdict=verdict,
        said=dict(decision.verdicts),
        reasons=list(dict.fromkeys(decision.reasons)),
        notes=list(decision.notes),
        before={name: texts[name] for name in correction},
        after=correction,
    )
    reason = "" if verdict in ("accepted", "corrected") else f"{verdict}: {decision.in_words()}"
    return _Row(make_columns(texts | correction, right), reason, record)


def make_columns(texts: Mapping[str, str], right: str) -> dict[str, Any]:
    """The columns of a row from its texts by name.

    >>> make_columns({"question": "Zer da?", "choice 1": "bat", "choice 2": "bi"}, "choice 2")
    {'question': 'Zer da?', 'choices': ['bat', 'bi'], 'answer': 1}
    """
    if "text" in texts:
        return {"text": texts["text"]}
    if not right:
        return {"question": texts["question"], "answers": [texts["answer"]]}
    names = [name for name in texts if name.startswith(CHOICE)]
    choices = [texts[name] for name in names]
    return {"question": texts["question"], "choices": choices, "answer": names.index(right)}


def _write_corpus(
    answers: Answers, given: Sequence[Contribution], rows: Mapping[str, _Row], output: Path
) -> dict[str, int]:
    """Write some of what people gave as a corpus; returns its counts."""
    project, accepted = answers.project, count_accepted(answers)
    basis = [(one.id, one.seat, one.picture, one.written, rows[one.id]) for one in given]
    name = artifact.fingerprint(VERSION, project.settings, project.language, basis, accepted)
    if not (artifact.is_current(output, name) and Corpus.is_whole(output)):
        with artifact.write_folder(
            output,
            fingerprint=name,
            kind=KIND,
            inputs={"project": project.folder.name},
            settings={"accepted": accepted, "licences": _count_licences(given, rows)},
            reads=[project.folder],
        ) as staging:
            counts = _fill(project, given, rows, staging)
            judged.write(staging, [one for g in given if (one := rows[g.id].judged)])
            judged.add_accepted(staging, accepted)
            artifact.add_counts(staging, **counts)
    return dict((artifact.read_manifest(output) or {})["counts"])


def _count_licences(given: Sequence[Contribution], rows: Mapping[str, _Row]) -> dict[str, int]:
    counts = Counter(
        one.written.licence for one in given if one.written and not rows[one.id].reason
    )
    return dict(sorted(counts.items()))


def _fill(
    project: Project, given: Sequence[Contribution], rows: Mapping[str, _Row], staging: Path
) -> dict[str, int]:
    counts = Counter(rows=0, quarantined=0, accepted=0, corrected=0, rejected=0, disputed=0)
    counts["unreviewed"] = 0
    kind, language = str(project.settings["rows"]), project.language
    with CorpusWriter(staging, kind, [language], quarantine=True) as writer:
        for picture, source in _list_sources(given, rows).items():
            data = (project.folder / PICTURES / picture).read_bytes()
            decoded = decode_and_describe(data, name=f"{project.folder}: {picture}")[1]
            writer.add_image(Path(picture).stem, data, *decoded, source=source)
        for one in given:
            columns, reason, record = rows[one.id]
            counts[record.verdict if record else "unreviewed"] += 1
            if reason:
                writer.set_aside(one.id, reason, {"texts": {language: columns}})
            kept = not reason and writer.add_row(
                one.id, Path(one.picture).stem, {language: columns}
            )
            counts["rows" if kept else "quarantined"] += 1
    return dict(counts)


def _list_sources(given: Sequence[Contribution], rows: Mapping[str, _Row]) -> dict[str, str]:
    """Whose each picture is, and under which licence, for those of rows that are kept."""
    by_picture: dict[str, dict[str, None]] = {}
    for one in given:
        if one.written and not rows[one.id].reason:
            by_picture.setdefault(one.picture, {})[f"{one.seat}, {one.written.licence}"] = None
    return {picture: "; ".join(sources) for picture, sources in by_picture.items()}


def _write_benchmark(project: Project, name: str, corpus: str) -> str:
    """A benchmark's file, as text."""
    kind = str(project.settings["rows"])
    about = {
        "name": name,
        "title": name,
        "mirrors": "nothing published",
        "corpus": corpus,
        "row_type": kind,
        **SCORED[kind],
        "text_only": False,
        "description": "Questions that people asked about pictures of their own.",
    }
    lines = (f"{key}: {yamltext.to_line(value)}\n" for key, value in about.items())
    return f"{MARK}\n{''.join(lines)}"
