"""Apply people's verdicts: write a corpus with their corrections, or list the rows to keep.

Nothing is lost: rows that people rejected or could not agree on are in the new corpus's quarantine
with who said what and why, and `judged.jsonl` has what each corrected row was before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ikusi import artifact
from ikusi.annotate import keep_list, own_corpus
from ikusi.annotate.deciding import Answers, Decision, count_accepted, read_answers
from ikusi.annotate.parts import list_parts
from ikusi.annotate.project import OWN, Project
from ikusi.data import judged
from ikusi.data.corpus import ROWS_IN_GROUP, Corpus, CorpusWriter
from ikusi.data.judged import Judged
from ikusi.errors import InputError

KIND = "annotate apply"
VERSION = 1  # of what is made of the same answers
ACCEPTED, CORRECTED, REJECTED, DISPUTED = "accepted", "corrected", "rejected", "disputed"
_VERDICTS = {"accept": ACCEPTED, "reject": REJECTED, "": DISPUTED}
UNJUDGED = "not judged: expected somebody's verdict, found none"
KEYS = ("id", "image_id", "group", "task")

Row = Mapping[str, Any]


def apply(
    folder: Path, output: Path, corpus: Path | None = None, only_judged: bool = False
) -> dict[str, Any]:
    """Make of a project's answers what its task is for; returns counts.

    Of `validate` a corpus of rows that were accepted, corrected, or not judged; of
    `select` a file with the ids of rows to keep; of `own` a corpus of rows that were accepted or
    corrected, and a benchmark of those that are held out.

    Args:
        folder: of the project.
        output: the corpus or file to make.
        corpus: that the project was planned from, where it is no longer where it was.
        only_judged: without the rows that were not judged.

    Raises:
        InputError: nothing is judged yet, the corpus is another one now, the task makes
            nothing, or ``output`` holds something else.
    """
    answers = read_answers(folder)
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "validate": lambda: _corpus(answers, output, corpus, only_judged),
        "select": lambda: keep_list.write(answers, output),
        OWN: lambda: own_corpus.write(answers, output),
    }
    task = answers.project.task
    if task not in makers:
        expected = " or ".join(makers)
        raise InputError(f"{folder}: expected a project of {expected}, found one of {task}")
    return makers[task]()


def _corpus(
    answers: Answers, output: Path, given: Path | None, only_judged: bool
) -> dict[str, Any]:
    source, about = _open_corpus(answers.project, given), answers.project.about
    accepted = count_accepted(answers)
    basis = (dict(answers.decisions), accepted)
    name = artifact.fingerprint(VERSION, about.content, about.language, basis, only_judged)
    if not (artifact.is_current(output, name) and Corpus.is_whole(output)):
        with artifact.write_folder(
            output,
            fingerprint=name,
            kind=KIND,
            inputs={"corpus": about.content},
            settings={
                "corpus": source.folder,
                "only_judged": only_judged,
                "accepted": accepted,
            },
            reads=[source.folder, answers.project.folder],
        ) as staging:
            counts = _Applier(answers, source, staging, only_judged).run()
            judged.add_accepted(staging, accepted)
            artifact.add_counts(staging, **counts)
    return dict((artifact.read_manifest(output) or {})["counts"])


def _open_corpus(project: Project, given: Path | None) -> Corpus:
    """The corpus that a project was planned from, as it was then."""
    corpus = Corpus.open(given or Path(project.about.origin["corpus"]))
    if corpus.content(corpus.languages) != project.about.content:
        raise InputError(
            f"{corpus.folder}: expected the corpus that {project.folder} was planned from, found "
            "another, or one that has changed since; --corpus says where it is"
        )
    return corpus


class _Applier:
    """Writes a corpus as people left it, some rows at a time."""

    def __init__(self, answers: Answers, corpus: Corpus, staging: Path, only_judged: bool) -> None:
        self.answers, self.corpus, self.only_judged = answers, corpus, only_judged
        self.about = answers.project.about
        self.staging = staging
        name, languages = corpus.row_type.name, corpus.languages
        self._writer = CorpusWriter(staging, name, languages, quarantine=True)
        self._judged: list[Judged] = []
        self._counts: Counter[str] = Counter(rows_in=len(corpus), rows=0, quarantined=0)

    def run(self) -> dict[str, int]:
        """Write everything; returns the counts."""
        for start in range(0, len(self.corpus), ROWS_IN_GROUP):
            self._add(start, min(start + ROWS_IN_GROUP, len(self.corpus)))
        self._writer.link_images(self.corpus.folder)
        self._writer.close()
        judged.write(self.staging, self._judged)
        return dict(self._counts)

    def _add(self, start: int, stop: int) -> None:
        tables = {code: self.corpus.rows(code, start, stop) for code in self.corpus.languages}
        target = tables[self.about.language]
        kept, corrected = np.ones(len(target), bool), dict[int, Row]()
        for place, id in enumerate(target["id"].to_pylist()):
            decision = self.answers.decisions.get(id)
            if decision is None and not self.only_judged:
                self._counts["unjudged"] += 1
                continue
            rows = {code: table.slice(place, 1) for code, table in tables.items()}
            reason, row = self._judge(id, decision, rows) if decision else (UNJUDGED, None)
            if row is not None:
                corrected[place] = row
            if reason:
                kept[place] = False
                self._set_aside(id, reason, rows)
        if corrected:
            lines = enumerate(target.to_pylist())
            changed = [corrected.get(place, line) for place, line in lines]
            tables[self.about.language] = pa.Table.from_pylist(changed, self.corpus.row_type.schema)
        keeps = pa.array(kept)
        self._writer.add_checked({code: table.filter(keeps) for code, table in tables.items()})
        self._counts["rows"] += int(kept.sum())

    def _judge(
        self, id: str, decision: Decision, rows: Mapping[str, pa.Table]
    ) -> tuple[str, Row | None]:
        """Record a row's verdict; return why it is set aside, and the row as it was corrected.

        The reason is empty for a row that is kept, the row None if it is not, or as it was.
        """
        verdict = CORRECTED if decision.correction else _VERDICTS[decision.verdict]
        reason, row = "", None
        before: dict[str, str] = {}
        if decision.correction:
            before, row = self._correct(decision, rows)
            own = {name: value for name, value in row.items() if name not in KEYS}
            fault = self.corpus.row_type.fault(own)
            reason = f"corrected, but {fault}" if fault else ""
        elif verdict != ACCEPTED:
            reason = f"{verdict}: {decision.in_words()}"
        self._counts[verdict] += 1
        self._judged.append(
            Judged(
                id=id,
                verdict=verdict,
                said=dict(decision.verdicts),
                reasons=list(dict.fromkeys(decision.reasons)),
                notes=list(decision.notes),
                before=before,
                after=dict(decision.correction or {}),
            )
        )
        return reason, row if not reason else None

    def _correct(
        self, decision: Decision, rows: Mapping[str, pa.Table]
    ) -> tuple[dict[str, str], Row]:
        """The texts that were corrected, as they were; and the row with the corrected ones."""
        row_type, about = self.corpus.row_type, self.about
        table = rows[about.language]
        (row,) = table.to_pylist()
        source = rows[about.source_language].to_pylist()[0] if about.source_language else None
        texts, before = row_type.texts(row), {}
        for part in list_parts(row_type, row, source):
            if part.name in (decision.correction or {}):
                before[part.name] = part.text
                for place in part.places:
                    texts[place] = (decision.correction or {})[part.name]
        columns = row_type.with_texts(table, pa.array([texts], pa.list_(pa.string())))
        changed = {name: column.to_pylist()[0] for name, column in columns.items()}
        by, was = " and ".join(decision.correctors), row.get("translator")
        checked = {"translator": f"{was}, corrected by {by}" if was else by}
        return before, {**row, **changed, **checked, "flags": [], "score": None}

    def _set_aside(self, id: str, reason: str, rows: Mapping[str, pa.Table]) -> None:
        texts = {code: table.to_pylist()[0] for code, table in rows.items()}
        self._writer.set_aside(id, reason, {"texts": texts})
        self._counts["quarantined"] += 1
