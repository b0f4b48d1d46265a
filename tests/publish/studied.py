"""A study with one run that has a real model: the folder as a study leaves it."""

from pathlib import Path

import torch
from transformers import Qwen2Config, SiglipVisionConfig

from compare.studies import Folder, even
from ikusi import artifact
from ikusi.data.corpus import CorpusWriter
from ikusi.model import fusion
from model.families import tokenizer
from model.pairs import llm, tower

RUN = "english-eu020"
LLM, ENCODER = "Llama-3.1-tiny", "encoder"
TRANSLATOR = "HiTZ/Latxa-Llama-3.1-70B-Instruct"


def make_study(root: Path) -> Path:
    """A measured run of a study whose captions were imported and translated; its folder.

    The bases lie in `root/bases`, the captions in `root/corpora`.
    """
    bases, corpora = root / "bases", root / "corpora"
    save_bases(bases)
    _write_captions(corpora / "cc3m", "data import", {"source": "cc3m", "path": None})
    translated: dict[str, object] = {
        "corpus": str(corpora / "cc3m"),
        "language": "eu",
        "translator": "chat",
    }
    translated["engine"] = {"model": TRANSLATOR}
    _write_captions(corpora / "cc3m-eu", "translate", translated)
    study = Folder(
        root / "study",
        [
            f"vision={bases / ENCODER}",
            f"backbones.english={bases / LLM}",
            f"stages.align.corpus={corpora / 'cc3m-eu'}",
            f"stages.instruct.corpus={corpora / 'cc3m-eu'}",
            "grid.ratios=[0.2]",
            "image_aspect=pad",
        ],
        name="emoji-eu-quick",
        pictures=6,
    )
    study.draw()
    asked = study.path / "data" / "benchmarks"
    _say_where_from(asked / "vqa", "data import", {"source": "vqav2_eu"})
    _say_where_from(asked / "aokvqa", "translate", {**translated, "corpus": str(asked / "capqa")})
    _say_where_from(asked / "capqa", "data import", {"release": "hub:org/capqa-eu@0123abc"})
    study.measure(
        lambda run, bench, code: 0.1 if bench == "miniature/capqa" else even(run, bench, code)
    )
    study.train()
    run = study.path / "instruct" / RUN
    # As a training leaves it: the checkpoint is listed in the manifest.
    fuse(bases, run / "checkpoint")
    manifest = artifact.read_manifest(run) or {}
    files = {
        f"checkpoint/{path.name}": path.stat().st_size for path in (run / "checkpoint").iterdir()
    }
    artifact.write_json(run / "manifest.json", {**manifest, "files": manifest["files"] | files})
    return run


def save_bases(bases: Path, name: str = LLM) -> None:
    """A vision encoder and an LLM as people have them, each in a folder of its own."""
    words = tokenizer("chatml")
    fusion.save(llm(Qwen2Config, len(words), initializer_range=0.3), words, bases / name)
    encoder = tower(SiglipVisionConfig)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    encoder.save_pretrained(bases / ENCODER)


def fuse(bases: Path, folder: Path, name: str = LLM) -> None:
    """A LLaVA whose logits are far apart, and hang on the picture."""
    model, processor = fusion.assemble(bases / ENCODER, bases / name, aspect="pad")
    with torch.no_grad():
        for parameter in fusion.list_connector_parameters(model):
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    fusion.save(model, processor, folder)


def _write_captions(folder: Path, kind: str, settings: dict[str, object]) -> None:
    with (
        artifact.write_folder(
            folder, fingerprint=artifact.fingerprint(kind), kind=kind, settings=settings
        ) as staging,
        CorpusWriter(staging, "caption", ["en", "eu"]) as writer,
    ):
        for number in range(3):
            text = {"text": f"A dog, {number}."}
            writer.add_row(str(number), None, {"en": text, "eu": text})


def _say_where_from(corpus: Path, kind: str, settings: dict[str, object]) -> None:
    record = {"kind": kind, "fingerprint": "0", "inputs": {}, "counts": {}, "files": {}}
    artifact.write_json(corpus / "manifest.json", record | {"settings": settings})
