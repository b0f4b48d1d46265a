"""A corpus as a release: tables that loaders of data show, a card, digests, how it was made.

Rows lie in one table for each language and pictures in a table of their own, each once, however
many rows and languages show it. A killed release goes on where it was: files that are whole stay.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ikusi import artifact, claim, disk
from ikusi.data import judged, released
from ikusi.data.corpus import Corpus
from ikusi.data.judged import Judged
from ikusi.data.released import ABOUT, FORMAT, PICTURES, File, Release
from ikusi.errors import InputError
from ikusi.publish import croissant, data_card, guard, licences, origins, prompts, used
from ikusi.publish.licences import Terms, Use
from ikusi.publish.tables import Planned, plan_pictures, plan_rows, write_file
from ikusi.publish.used import Training
from ikusi.recipe.folder import StudyFolder
from ikusi.recipe.values import check_name

KIND = "publish"
VERSION = 1  # of what a release of the same corpus holds
SPLIT = "train"
WRITTEN = f"{claim.MARKER}.tables"  # in the folder that is being written: its whole files

Pictures = Literal["inline", "url"]


@dataclass(frozen=True)
class Asked:
    """Settings of a release.

    Attributes:
        name: what it will be called.
        split: of the tables.
        pictures: whether it holds them, or says where they are.
        licence: of a corpus of one's own, in its owner's words.
    """

    name: str
    split: str
    pictures: Pictures
    licence: str | None


def publish_corpus(
    corpus: Path,
    output: Path,
    *,
    hub_name: str | None = None,
    split: str | None = None,
    pictures: Pictures | None = None,
    licence: str | None = None,
    used_by: Path | None = None,
    allowed: Collection[str] = (),
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Make a release of a corpus; do nothing where it is there already.

    Args:
        corpus: its folder.
        output: folder of the release.
        hub_name: what it will be called on the hub, ORG/NAME; else as its folder is.
        split: of its tables; else the one that it was imported of, or `train`.
        pictures: `inline` for a table that holds them, `url` for one that says where they are;
            else `inline` unless a licence forbids it.
        licence: of a corpus of one's own.
        used_by: a study whose trainings read it; lists of the rows that they read go along.
        allowed: ids of licences whose refusals are known and set aside.
        progress: called with the bytes written so far.

    Returns:
        Counts: rows, languages, pictures, files, bytes; `images_without_address`, if any are
        neither in the release nor on the web.

    Raises:
        InputError: it is no corpus, a row is bad, a licence forbids the release, something private
            would be in it, or `output` is not ours.
    """
    opened, output = Corpus.open(corpus), Path(output)
    output = claim.expect_whole(output, KIND, [corpus])
    made = origins.trace(corpus)
    uses = _list_uses(corpus, made, licence)
    name = hub_name or output.name
    for part in name.split("/"):
        check_name(part, "name")
    chosen = pictures or _choose_pictures(opened, licences.bind(uses, "data", Path(name).name))
    inline = chosen == "inline" and _count_pictures(opened) > 0
    terms = licences.bind(uses, "data", Path(name).name, passes_pictures=inline)
    trainings = used.find_trainings(opened, Path(used_by)) if used_by else []
    asked = Asked(name, split or _find_split(made), chosen, licence)
    check_name(asked.split, "split")
    done = terms.check(allowed)
    read = [training.fingerprint for training in trainings]
    held = [opened.content(opened.languages), made, asked, done, _digest_judged(corpus), read]
    print_ = artifact.fingerprint(VERSION, held)
    if not artifact.is_current(output, print_):
        about: dict[str, Any] = {"kind": KIND, "settings": asked, "keep_partial": True}
        with artifact.write_folder(output, fingerprint=print_, reads=[corpus], **about) as staging:
            counts = _Maker(opened, staging, asked, made, terms, done, trainings, progress).run()
            artifact.add_counts(staging, **counts)
    return dict((artifact.read_manifest(output) or {})["counts"])


def _list_uses(corpus: Path, made: list[origins.Step], licence: str | None) -> list[Use]:
    """Things that a corpus was made of: data sets, translators, packages of the miniature."""
    uses = origins.list_uses(made, licence)
    if _find_attribution(corpus) is None:
        return uses
    from ikusi.publish.trained import list_packages  # which loads what models need

    return [*uses, *list_packages()]


def _find_attribution(corpus: Path) -> Path | None:
    """The file that names who made what is in a study's own corpus; None for other corpora."""
    study = StudyFolder.around(corpus)
    own = study is not None and study.data.resolve() in corpus.resolve().parents
    return study.attribution if study and own and study.attribution.is_file() else None


def _choose_pictures(corpus: Corpus, terms: Terms) -> Pictures:
    """Pictures go along unless a licence that is known forbids it."""
    return "url" if terms.pictures is False and _count_pictures(corpus) else "inline"


def _count_pictures(corpus: Corpus) -> int:
    return sum(groups.count for groups in corpus.image_groups)


def _find_split(made: list[origins.Step]) -> str:
    """The split that a corpus was imported of, if it was one."""
    named = [step.get("settings", {}).get("split") for step in made]
    splits = [split for split in named if isinstance(split, str) and split.isidentifier()]
    return splits[0] if splits else SPLIT


def _digest_judged(corpus: Path) -> str | None:
    path = corpus / judged.FILE
    return released.hash_plainly(path) if path.is_file() else None


class _Maker:
    """Writes the files of a release, the card last."""

    def __init__(
        self,
        corpus: Corpus,
        staging: Path,
        asked: Asked,
        made: list[origins.Step],
        terms: Terms,
        done_all_the_same: list[str],
        trainings: list[Training],
        progress: Callable[[int], None] | None,
    ) -> None:
        self.corpus, self.staging, self.asked, self.made = corpus, staging, asked, made
        self.terms, self.done_all_the_same = terms, done_all_the_same
        self.trainings = trainings
        self.report_progress = progress or (lambda _: None)
        self.files: dict[str, File] = {}
        self.used: dict[str, dict[str, int]] = {}

    def run(self) -> dict[str, int]:
        """Write everything; returns the counts."""
        disk.tidy(self.staging, "**/")
        with ExitStack() as opened:
            planned = self._plan(opened)
            self._write_tables(planned)
        self._write_judged()
        self._write_used()
        self._write_attribution()
        for name in prompts.copy_prompts(self.made, self.staging):
            self._note(name)
        release = self._describe(planned)
        artifact.write_json(self.staging / ABOUT, release)
        self._write_card(release, planned)
        (self.staging / WRITTEN).unlink(missing_ok=True)
        guard.check_folder(self.staging)
        sizes = [file.bytes for file in self.files.values()]
        counts = {"rows": release.rows, "languages": len(release.languages)}
        if unplaced := self._count_unplaced(release):
            counts["images_without_address"] = unplaced
        return counts | {"images": release.images, "files": len(sizes), "bytes": sum(sizes)}

    def _plan(self, opened: ExitStack) -> dict[str, Planned]:
        split, inline = self.asked.split, self.asked.pictures == "inline"
        codes = self.corpus.languages
        if PICTURES in codes:
            raise InputError(
                f"{self.corpus.folder}: languages: expected codes, found {PICTURES}, which is what "
                "a release calls its pictures"
            )
        planned = {code: plan_rows(self.corpus, code, split) for code in codes}
        if _count_pictures(self.corpus):
            planned[PICTURES] = plan_pictures(self.corpus, split, inline=inline, opened=opened)
        return planned

    def _write_tables(self, planned: Mapping[str, Planned]) -> None:
        """Write the tables' files; those that an earlier attempt has written whole stay."""
        whole = self._read_written()
        for table in planned.values():
            for name, parts in table.files.items():
                path, known = self.staging / name, whole.get(name)
                if known is None or not path.is_file() or path.stat().st_size != known.bytes:
                    known = write_file(path, table.schema, parts)
                    line = json.dumps([name, known.model_dump()])
                    with (self.staging / WRITTEN).open("a", encoding="utf-8") as file:
                        file.write(f"{line}\n")
                self.files[name] = known
                self.report_progress(sum(file.bytes for file in self.files.values()))

    def _count_unplaced(self, release: Release) -> int:
        """Pictures that the release neither holds nor has an address of."""
        if release.pictures == "inline":
            return 0
        tables = (pq.read_table(self.staging / name) for name in release.tables.get(PICTURES, []))
        starts = (pc.starts_with(table["source"], "http") for table in tables)
        return sum(len(column) - (pc.sum(column).as_py() or 0) for column in starts)

    def _read_written(self) -> dict[str, File]:
        """The files that an earlier attempt has noted as whole; a line may have been cut."""
        path, files = self.staging / WRITTEN, {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for line in lines:
            try:
                name, about = json.loads(line)
                files[name] = File.model_validate(about)
            except ValueError:
                continue
        return files

    def _write_judged(self) -> None:
        """Pass on what people said of rows, by code name; notes, which may name people, stay."""
        rows = judged.read(self.corpus.folder)
        if rows:
            judged.write(self.staging, map(_without_notes, rows.values()))
            self._note(judged.FILE)

    def _write_attribution(self) -> None:
        if path := _find_attribution(self.corpus.folder):
            shutil.copyfile(path, self.staging / path.name)
            self._note(path.name)

    def _write_used(self) -> None:
        """List the rows that trainings read."""
        for training in self.trainings:
            rows = training.tabulate()
            counted = rows["language"].value_counts().to_pylist()
            self.used[training.step] = {one["values"]: one["counts"] for one in counted}
            disk.make_folder((self.staging / training.file).parent)
            pq.write_table(rows, self.staging / training.file, compression="zstd")
            self._note(training.file, len(rows))

    def _note(self, name: str, rows: int | None = None) -> None:
        path = self.staging / name
        size = path.stat().st_size
        self.files[name] = File(sha256=released.hash_plainly(path), bytes=size, rows=rows)

    def _describe(self, planned: Mapping[str, Planned]) -> Release:
        return Release(
            format=FORMAT,
            kind="corpus",
            name=self.asked.name,
            row_type=self.corpus.row_type.name,
            languages=self.corpus.languages,
            split=self.asked.split,
            rows=len(self.corpus),
            images=_count_pictures(self.corpus),
            pictures=self.asked.pictures,
            accepted=judged.read_accepted(self.corpus.folder),
            made=self.made,
            used=self.used,
            tables={name: list(table.files) for name, table in planned.items()},
            files=self.files,
        )

    def _write_card(self, release: Release, planned: Mapping[str, Planned]) -> None:
        schemas = {name: table.schema for name, table in planned.items()}
        summary = data_card.summarise(release, self.corpus.row_type)
        linked = [use.licence.link or use.licence.name for use in self.terms.uses]
        artifact.write_json(
            self.staging / croissant.FILE,
            croissant.describe_release(
                release,
                schemas,
                summary=summary,
                licences=list(dict.fromkeys(linked)) or ["unknown"],
                date=datetime.now(UTC).date().isoformat(),
            ),
        )
        data_card.write_card(
            self.staging,
            release,
            self.corpus.row_type,
            self.terms,
            self.done_all_the_same,
        )


def _without_notes(row: Judged) -> Judged:
    return row.model_copy(update={"notes": []})
