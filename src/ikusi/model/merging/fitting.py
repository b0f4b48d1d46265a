"""Whether three checkpoints can be added: the same tensors, shapes, architecture and tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import AutoTokenizer

from ikusi import pretrained
from ikusi.errors import InputError
from ikusi.model import hub
from ikusi.model.merging.sources import HEAD, TABLE, Part, Source
from ikusi.model.merging.tensors import FORMATS, Stored, Three

ALIKE = (
    *("model_type", "num_attention_heads", "num_key_value_heads", "head_dim"),
    *("hidden_act", "hidden_activation"),
)
"""Settings that give tensors of one shape another meaning."""


def find_pairs(run: Source, plus: Source, minus: Source, parts: Sequence[Part]) -> dict[str, Three]:
    """The tensors that are added, by their names in the run's files: of run, plus and minus.

    Raises:
        InputError: one has a part, tensor, shape, token or setting that another lacks.
    """
    pairs: dict[str, Three] = {}
    for part in parts:
        for source in (run, plus, minus):
            if part not in source.parts:
                raise InputError(f"{source.folder}: expected the part {part}, found none")
        own = _drop_tied(run, part)
        for other in (plus, minus):
            _check_settings(run, other, part)
            _check_tensors(run, other, part, own)
        for name, one in own.items():
            pairs[one.name] = (one, plus.parts[part][name], minus.parts[part][name])
    if "llm" in parts:
        _check_tokens(run, plus, minus)
    return pairs


def _drop_tied(run: Source, part: Part) -> dict[str, Stored]:
    """The run's tensors, each once, also where the table of words is the output layer too."""
    held = run.parts[part]
    return {name: one for name, one in held.items() if name != HEAD or one != held.get(TABLE)}


def _check_settings(run: Source, other: Source, part: Part) -> None:
    if part == "connector":
        return
    ours, theirs = (_find_config(one.config, part) for one in (run, other))
    for name in ALIKE:
        one, another = getattr(ours, name, None), getattr(theirs, name, None)
        if one != another:
            raise InputError(
                f"{other.folder}: {part}: {name}: expected {one}, as in {run.folder}, "
                f"found {another}"
            )


def _find_config(config: Any, part: Part) -> Any:
    return config.get_text_config() if part == "llm" else config.vision_config


def _check_tensors(run: Source, other: Source, part: Part, own: Mapping[str, Stored]) -> None:
    theirs = other.parts[part]
    tied = {HEAD} if HEAD not in own and theirs.get(HEAD) == theirs.get(TABLE) else set()
    for name in sorted((own.keys() ^ theirs.keys()) - tied):
        having, lacking = (run, other) if name in own else (other, run)
        raise InputError(
            f"{lacking.folder}: {part}: expected the tensors of {having.folder}, found no {name}"
        )
    for name, one in own.items():
        shape, wanted = theirs[name].shape, one.shape
        # Tokens that were added to a run, such as that of a picture, are the last of its table.
        grown = name in (HEAD, TABLE) and shape[1:] == wanted[1:] and shape[0] < wanted[0]
        if shape != wanted and not grown:
            raise InputError(
                f"{other.folder}: {part}: {name}: expected the shape {_write(wanted)}, as in "
                f"{run.folder}, found {_write(shape)}"
            )
        for each in (one, theirs[name]):
            if each.numbers not in FORMATS:
                raise InputError(
                    f"{each.file}: {each.name}: expected one of {', '.join(FORMATS)}, found "
                    f"{each.numbers}"
                )


def _write(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _check_tokens(run: Source, plus: Source, minus: Source) -> None:
    """The LLMs have the same tokens, and the run has them too, besides those it added."""
    table, *others = (_open_tokenizer(one) for one in (run, plus, minus))
    for source, one in zip((plus, minus), others, strict=True):
        known = table.get_vocab()
        for token, number in sorted(one.get_vocab().items(), key=lambda pair: pair[1]):
            if known.get(token) != number:
                raise InputError(
                    f"{source.folder}: tokenizer: expected the tokens of {run.folder}, found "
                    f"{token!r} as {number}, which there is {known.get(token, 'none')}"
                )
        if _list_merges(one) != _list_merges(table):
            raise InputError(
                f"{source.folder}: tokenizer: expected one that splits text as that of "
                f"{run.folder}, found another"
            )


def _open_tokenizer(source: Source) -> Any:
    with hub.guard_opening(source.folder, "a tokenizer"):
        return pretrained.load(AutoTokenizer, source.folder)


def _list_merges(tokenizer: Any) -> Any:
    """The rules by which a fast tokenizer joins letters; None where it is of another kind."""
    if not tokenizer.is_fast:
        return None
    return json.loads(tokenizer.backend_tokenizer.to_str())["model"].get("merges")
