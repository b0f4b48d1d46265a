"""A run of a study, or a merged model, as a release: the checkpoint as it is, and a card of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ikusi import artifact, claim, disk, jsonfile, recipe
from ikusi.publish import card, export, licences, origins, scores, snippets, texts
from ikusi.publish.licences import Terms
from ikusi.publish.scores import Score
from ikusi.publish.trained import Trained
from ikusi.recipe.folder import RESULTS
from ikusi.report import tables

KIND = "publish"
VERSION = 1  # of what a release holds of the same run
WEIGHTS = (".safetensors", ".bin")
RECIPE = "recipe.yaml"


@dataclass(frozen=True)
class Released:
    """A release that was written.

    Attributes:
        folder: where it is.
        kind: `model`, `dataset` or `study`.
        to_do: what a person still has to do before others get it, a line each.
    """

    folder: Path
    kind: str
    to_do: list[str]


def publish_model(
    run: Path,
    output: Path,
    *,
    hub_name: str | None = None,
    forms: Sequence[str] = (),
    llama_cpp: Path | None = None,
    allowed: Collection[str] = (),
) -> Released:
    """Write a release of a run; do nothing where it is there already.

    Weights are linked to the run's where the file system can, and copied where it cannot.

    Args:
        run: folder of a finished run of a study, or of a model merged in one.
        output: folder to write; its name, or that on the hub, is the model's.
        hub_name: `ORG/NAME`, where it is known.
        forms: what else goes with it, each in a folder of its name.
        llama_cpp: folder of llama.cpp, for `gguf`.
        allowed: licences whose prohibitions are set aside.

    Raises:
        InputError: `run` is none, a licence forbids the release, or a form cannot be made.
    """
    trained = Trained(run)
    name = (hub_name or output.name).rpartition("/")[2]
    terms = licences.bind(trained.list_uses(), "model", name)
    set_aside = terms.check(allowed)
    settings: dict[str, Any] = {"name": name, "hub": hub_name, "with": sorted(forms)}
    settings |= {"allowed": sorted(allowed), "texts": _list_wanted(trained)}
    made = artifact.fingerprint(VERSION, trained.fingerprint, settings, terms)
    claim.expect_whole(output, KIND, [trained.study.folder.root])
    if not artifact.is_current(output, made):
        writers = export.prepare(trained.checkpoint, forms, llama_cpp)
        with artifact.write_folder(
            output,
            fingerprint=made,
            kind=KIND,
            inputs={"run": trained.fingerprint},
            settings={"of": "model", **settings},
            reads=[trained.study.folder.root],
        ) as staging:
            _place_checkpoint(trained.checkpoint, staging)
            for form, write in writers.items():
                disk.make_folder(staging / form)
                write(staging / form, name)
            _write_texts(trained, staging, terms)
            _write_card(trained, staging, hub_name or name, terms, set_aside, forms)
    missing = _list_missing(trained, output)
    return Released(output, "model", missing)


def _place_checkpoint(checkpoint: Path, folder: Path) -> None:
    for file in sorted(path for path in checkpoint.iterdir() if path.is_file()):
        if file.suffix in WEIGHTS:
            try:
                os.link(file, folder / file.name)
                continue
            except OSError:
                pass
        shutil.copyfile(file, folder / file.name)


def _list_wanted(trained: Trained) -> dict[str, str]:
    """Texts that the bases' licences want with the release -> the licence."""
    return {text: base.licence.id for base in trained.bases for text in base.licence.texts}


def _list_missing(trained: Trained, folder: Path) -> list[str]:
    """A line for each text that a licence asks for and that neither base nor release has."""
    lines = []
    for base in trained.bases:
        for text in base.licence.texts:
            if not texts.has_text(folder, text):
                fetched = f"hf download {base.name} --include '{text}*', then publish anew"
                there = fetched if base.on_hub else f"put it into the folder of {base.name}"
                lines.append(
                    f"{text}: expected with the release, as the {base.licence.name} asks, found "
                    f"none ({there})"
                )
    return lines


def _write_texts(trained: Trained, folder: Path, terms: Terms) -> None:
    bases = {base.folder: base.licence for base in trained.bases if base.folder}
    texts.copy_texts(list(bases), folder, terms.notices)
    if attribution := trained.study.attribution():
        disk.write_text(folder / "ATTRIBUTION.md", attribution)
    # The recipe names corpora by where they lay; of these places only the last name is kept.
    shown = str(origins.strip_places(recipe.show(trained.study.recipe)))
    disk.write_text(folder / RECIPE, shown)
    if trained.evaluation is not None:
        artifact.write_json(folder / RESULTS, trained.evaluation.results)


def _write_card(
    trained: Trained,
    folder: Path,
    name: str,
    terms: Terms,
    set_aside: Sequence[str],
    forms: Sequence[str],
) -> None:
    listed = scores.list_scores(trained)
    scores.write_eval_results(folder, listed)
    target = trained.study.target
    config = jsonfile.read_plain(folder / "config.json", dict, "a model's configuration")
    usage = snippets.write_usage(
        name,
        (target.prompts.get("describe") or trained.study.source.prompts["describe"])[0],
        linear=config.get("projector_hidden_act") == "linear",
        has_llm="llm" in forms,
        has_gguf="gguf" in forms,
    )
    sections = {
        "How to use it": usage,
        "What it scores": _describe_scores(trained, listed),
        "What it learnt from": _describe_lessons(trained),
        "How it was trained": _describe_training(trained),
        "Limits": _list_limits(trained, listed),
        card.LICENCES: card.describe_terms(terms, set_aside),
        "Who made the pictures and words": trained.study.attribution(),
    }
    title = name.rpartition("/")[2]
    header = _describe(trained, title, terms, listed)
    card.write_card(folder, header, title, _summarise(trained), sections, terms.shows)


def _describe(trained: Trained, name: str, terms: Terms, listed: list[Score]) -> dict[str, Any]:
    """The header of a model's card, which the hub reads."""
    datasets = [each for lesson in trained.lessons for each in lesson.datasets]
    return {
        "language": [pack.code for pack in trained.study.languages],
        **terms.header,
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": [*(["llava"] if _is_assembled(trained) else []), "multimodal", "ikusi"],
        "base_model": list(dict.fromkeys(one.name for one in trained.bases if one.on_hub)),
        **({"base_model_relation": "merge"} if trained.merged else {}),
        "datasets": list(dict.fromkeys(datasets)),
        "model-index": scores.make_model_index(name, listed),
    }


def _is_assembled(trained: Trained) -> bool:
    return trained.study.recipe.is_assembled(trained.run.backbone)


def _summarise(trained: Trained) -> str:
    target, source = trained.study.languages
    kind, made = "model", f"It was {trained.bases[0].shown} before."
    if _is_assembled(trained):
        llm, encoder = trained.bases[:2]
        kind, made = "LLaVA", f"The LLM is {llm.shown}, the encoder is {encoder.shown}."
    return (
        f"A {kind} for {target.name}: it answers questions about pictures in {target.name} and "
        f"{source.name}. {made} It is {_name_origin(trained)} of the study "
        f"`{trained.study.recipe.name}`, whose recipe is in [{RECIPE}]({RECIPE})."
    )


def _name_origin(trained: Trained) -> str:
    """The run that it is; or how it was merged."""
    if trained.merged is None:
        return f"the run `{trained.run.name}`"
    merge = trained.study.recipe.merges[trained.merged.merge]
    how = f"by TIES, with the density {merge.density:g}, " if merge.method == "ties" else ""
    return (
        f"the merged model `{trained.name}` (the run `{trained.run.name}`, plus "
        f"{trained.merged.weight:g} times the difference `{merge.plus}` minus `{merge.minus}`, "
        f"{how}in its {' and '.join(merge.parts)}; no step of training followed)"
    )


def _describe_scores(trained: Trained, listed: list[Score]) -> str:
    if not listed:
        return f"It has no scores: {trained.not_measured}."
    mirrored = "\n".join(
        f"- {one.title}: {one.description.strip()}" for one in trained.study.benchmarks.values()
    )
    seeds = scores.describe_seeds(trained)
    return (
        f"{scores.tabulate_scores(listed)}\n\n{seeds}The intervals are bootstraps over pictures. "
        "“Guessing” is the better of chance and the best constant answer to each kind of "
        f"question. All figures, by group too, are in [{RESULTS}]({RESULTS}).\n\n{mirrored}"
    )


def _describe_lessons(trained: Trained) -> str:
    target = trained.study.target.name
    rows = [
        (
            lesson.stage,
            lesson.name,
            f"`{lesson.revision}`" if lesson.revision else "not known",
            f"{lesson.share * 100:.0f} %",
            ", then ".join(map(_name_step, lesson.made)) or "made by the study itself",
        )
        for lesson in trained.lessons
    ]
    header = ("stage", "corpus", "revision", f"rows in {target}", "made by")
    return card.tabulate(header, rows) + (
        "\n\nA revision is the fingerprint that Ikusi gives the corpus's content."
    )


def _name_step(step: origins.Step) -> str:
    settings = step["settings"]
    if step["kind"] == origins.IMPORT:
        return f"import of `{settings.get('release') or settings.get('source')}`"
    if step["kind"] == origins.TRANSLATE:
        return f"translation by {origins.name_model(settings) or settings.get('translator')}"
    return "people's judgements"


def _describe_training(trained: Trained) -> str:
    names = {pack.code: pack.name for pack in trained.study.languages}
    rows = []
    for stage, settings, summary in trained.list_stages():
        counts = summary.get("counts", {})
        by_language = ", ".join(
            f"{names.get(code, code)} {rows_}"
            for code, rows_ in counts.get("languages", {}).items()
        )
        learnt = f"{', '.join(settings.get('trainable', []))}"
        learnt += " (low-rank adapters, merged)" if settings.get("lora") else ""
        rows.append(
            (
                stage,
                learnt,
                summary.get("steps", "?"),
                settings.get("batch_size", "?"),
                f"{settings.get('optimizer')}, {settings.get('learning_rate')}",
                by_language,
                counts.get("supervised_tokens", "?"),
                f"{summary.get('seconds', 0) / 3600:.2f} on {summary.get('processes', 1)} x "
                f"{summary.get('device', '?')}",
            )
        )
    header = ("stage", "learns", "steps", "batch", "optimiser, rate", "rows", "tokens learnt")
    return card.tabulate((*header, "hours"), rows)


def _list_limits(trained: Trained, listed: list[Score]) -> str:
    return "\n".join(f"- {line}" for line in _limits(trained, listed))


def _limits(trained: Trained, listed: list[Score]) -> Iterator[str]:
    longest = trained.study.recipe.stages.instruct.max_length
    yield "It has learnt from conversations about one picture or none."
    yield f"It has learnt from conversations of at most {longest} tokens."
    yield "Whether it says what is harmful or untrue was no part of these tests."
    yield from filter(
        None, (tables.describe_overlap(trained.study, name) for name in trained.study.benchmarks)
    )
    yield from scores.list_limits(listed)
