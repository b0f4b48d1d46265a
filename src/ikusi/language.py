"""Language packs: everything that is true of one language and that no code may hold.

A pack is one YAML file: names, numbers, colours, what an answer's normaliser drops, and the
sentences that questions and statements are made of. Adding a language adds one file.
"""

import json
import string
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ikusi import artifact, yamlfile
from ikusi.errors import InputError

PACKAGED = Path(__file__).parent / "languages"
COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "brown",
    "black",
    "white",
    "grey",
    "pink",
)


def _zero_to_ten(words: list[str]) -> list[str]:
    if len(words) != 11:
        raise PydanticCustomError(
            "expected", "{expected}", {"expected": "the 11 words from 0 to 10"}
        )
    return words


def _all_colours(colours: dict[str, str]) -> dict[str, str]:
    for name in colours:
        if name not in COLOURS:
            near = yamlfile.nearest(name, COLOURS)
            context = {"expected": "a colour of the house", "found": name, "key": (name,)}
            raise PydanticCustomError("expected", "{expected}", context | {"near": near})
    for name in COLOURS:
        if name not in colours:
            raise PydanticCustomError(
                "expected", "{expected}", {"expected": f"a word for {name}", "found": None}
            )
    return colours


def _fields_are_named(templates: dict[str, list[str]]) -> dict[str, list[str]]:
    for task, variants in templates.items():
        for i, template in enumerate(variants):
            try:
                placeholders(template)
            except ValueError:
                context = {"expected": "text with {named} fields", "found": template}
                raise PydanticCustomError(
                    "expected", "{expected}", context | {"key": (task, i)}
                ) from None
    return templates


def _stemmer_exists(name: str) -> str:
    if name:
        import snowballstemmer

        known = snowballstemmer.algorithms()
        if name not in known:
            near = yamlfile.nearest(name, known)
            context = {"expected": "a Snowball stemmer", "near": near}
            raise PydanticCustomError("expected", "{expected}", context)
    return name


Templates = Annotated[dict[str, list[str]], AfterValidator(_fields_are_named)]


class LanguagePack(BaseModel):
    """One language, as data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    code: str = Field(
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$",
        description="BCP 47 code, as CLDR names the language.",
    )
    name: str = Field(min_length=1, description="Name of the language in English.")
    autonym: str = Field(min_length=1, description="Name of the language in itself.")
    yes: str = Field(description="The word that answers a yes/no question with yes.")
    no: str = Field(description="The word that answers a yes/no question with no.")
    and_word: str = Field(description="The word that joins the last two names of a list.")
    numbers: Annotated[list[str], AfterValidator(_zero_to_ten)] = Field(
        description="The words for 0 to 10; an answer's normaliser reads them as digits."
    )
    colours: Annotated[dict[str, str], AfterValidator(_all_colours)] = Field(
        description="The word for each colour, as one answers `What colour is it?`."
    )
    number_words: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict,
        description="Further words or phrases for numbers (other genders or cases, `none`) -> the "
        "number, for an answer's normaliser.",
    )
    yes_words: list[str] = Field(
        default_factory=list,
        description="Further words or phrases that inclusion reads as `yes`; the VQA accuracy "
        "does not.",
    )
    no_words: list[str] = Field(default_factory=list, description="The same for `no`.")
    articles: list[str] = Field(
        default_factory=list, description="Words that an answer's normaliser drops."
    )
    contractions: dict[str, str] = Field(
        default_factory=dict,
        description="Contractions written without their mark -> as they are written with it.",
    )
    stemmer: Annotated[str, AfterValidator(_stemmer_exists)] = Field(
        default="",
        description="Snowball stemmer by which the `stem` variant of inclusion compares words.",
    )
    endings: list[str] = Field(
        default_factory=list,
        description="Endings that inflection adds; the `stem` variant of inclusion takes words "
        "that differ only in these for one.",
    )
    distractors: list[str] = Field(
        default_factory=list,
        description="Codes of languages in which a model may answer although it is asked in this "
        "one.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="Single words that prompts are laid out with."
    )
    prompts: Templates = Field(
        description="Task -> its question's wordings; the first is the benchmark's, "
        "training uses all."
    )
    statements: Templates = Field(
        description="Kind of statement -> its wordings: captions, descriptions and facts."
    )
    to_review: list[str] = Field(
        default_factory=list,
        description="Dotted keys that no native speaker has checked or supplied yet.",
    )
    sources: dict[str, str] = Field(
        default_factory=dict, description="Where each part of the pack was taken from."
    )

    def ask(self, task: str, variant: int = 0, **values: object) -> str:
        """Word a question: ``variant`` 0 is the benchmark's, others go round the list.

        Raises:
            InputError: the pack has no such task, or its wording needs a value not given.
        """
        return self._fill("prompts", self.prompts, task, variant, values)

    def state(self, kind: str, variant: int = 0, **values: object) -> str:
        """Word a statement; see ``ask``."""
        return self._fill("statements", self.statements, kind, variant, values)

    def _fill(
        self,
        part: str,
        templates: Mapping[str, Sequence[str]],
        key: str,
        variant: int,
        values: Mapping[str, object],
    ) -> str:
        wordings = templates.get(key)
        if not wordings:
            near = yamlfile.nearest(key, templates)
            hint = f" (did you mean {near}?)" if near else ""
            raise InputError(f"{self.code}.yaml: {part}.{key}: expected wordings, found none{hint}")
        template = wordings[variant % len(wordings)]
        try:
            return template.format(**values)
        except KeyError as error:
            raise InputError(
                f"{self.code}.yaml: {part}.{key}: expected a value for {error.args[0]}, found none"
            ) from error

    def join(self, names: Sequence[str]) -> str:
        """Join names as a sentence does.

        >>> load("en").join(["a cat", "a hat", "a bat"])
        'a cat, a hat and a bat'
        """
        if len(names) < 2:
            return "".join(names)
        return f"{', '.join(names[:-1])} {self.and_word} {names[-1]}"


def placeholders(template: str) -> frozenset[str]:
    """The names of the fields a template has.

    Raises:
        ValueError: a brace is not closed, or a field has no plain name.
    """
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    if not all(name.isidentifier() for name in names):
        raise ValueError(f"a field without a plain name in {template!r}")
    return frozenset(names)


def available(folder: Path | None = None) -> list[str]:
    """Codes of the packs there are: in ``folder``, in ``./languages`` and in the package."""
    return sorted({file.stem for place in _places(folder) for file in place.glob("*.yaml")})


def _places(folder: Path | None) -> list[Path]:
    """Where packs are looked for; a person's own pack comes before the packaged one."""
    return ([Path(folder)] if folder else []) + [Path("languages"), PACKAGED]


def load(code_or_path: str | Path, folder: Path | None = None) -> LanguagePack:
    """Read a language pack.

    Args:
        code_or_path: a code such as ``eu``, or the path of a YAML file.
        folder: where to look first for a code; then ``./languages``, then the package.

    Raises:
        InputError: there is no such pack, or a key in it is wrong.
    """
    name = str(code_or_path)
    if name.endswith((".yaml", ".yml")):
        return _load(Path(name))
    for place in _places(folder):
        if (place / f"{name}.yaml").is_file():
            return _load(place / f"{name}.yaml")
    near = yamlfile.nearest(name, available(folder))
    hint = f" (did you mean {near}?)" if near else ""
    raise InputError(
        f"{name}: expected a language with a pack ({', '.join(available(folder))}), "
        f"found none{hint}"
    )


def _load(path: Path) -> LanguagePack:
    document = yamlfile.read(path)
    pack = yamlfile.validate(LanguagePack, document, _known())
    for i, key in enumerate(pack.to_review):
        if not _has(document.data, key):
            near = yamlfile.nearest(key, _keys(document.data))
            raise document.error(("to_review", i), "a key of this pack", key, near)
    return pack


@cache
def _known() -> frozenset[str]:
    return frozenset(yamlfile.field_names(LanguagePack))


def _keys(data: Mapping[str, Any]) -> list[str]:
    """Dotted keys of a pack's two levels."""
    inner = [
        f"{key}.{name}" for key, value in data.items() if isinstance(value, dict) for name in value
    ]
    return [*data, *inner]


def _has(data: Mapping[str, Any], key: str) -> bool:
    return key in _keys(data)


def check(pack: LanguagePack, reference: LanguagePack | None = None) -> list[str]:
    """Compare a pack with the reference (English) pack, key by key.

    Returns one line per fault: a word or sentence that is missing, a task or statement without
    counterpart, another number of wordings, other fields. An empty list means it can be used.
    """
    reference = reference or load("en")
    words = {"yes": pack.yes, "no": pack.no, "and_word": pack.and_word}
    words |= {f"numbers[{i}]": word for i, word in enumerate(pack.numbers)}
    words |= {f"colours.{name}": word for name, word in pack.colours.items()}
    words |= {f"labels.{name}": pack.labels.get(name, "") for name in reference.labels}
    messages = [
        f"{pack.code}.yaml: {key}: expected a word, found none"
        for key, word in words.items()
        if not word.strip()
    ]
    messages += [
        f"{pack.code}.yaml: articles: expected no word for a number, found {word}"
        for word in pack.articles
        if word in pack.numbers or word in pack.number_words
    ]
    for part in ("prompts", "statements"):
        messages += _check_templates(pack.code, part, getattr(pack, part), getattr(reference, part))
    return messages


def _check_templates(
    code: str, part: str, ours: Mapping[str, list[str]], theirs: Mapping[str, list[str]]
) -> list[str]:
    messages = []
    for key in sorted(set(ours) - set(theirs)):
        near = yamlfile.nearest(key, theirs)
        hint = f" (did you mean {near}?)" if near else ""
        messages.append(f"{code}.yaml: {part}.{key}: expected a known name, found {key}{hint}")
    for key, reference in theirs.items():
        wordings = ours.get(key, [])
        if len(wordings) != len(reference):
            messages.append(
                f"{code}.yaml: {part}.{key}: expected {len(reference)} wordings, "
                f"found {len(wordings)}"
            )
        for i, (wording, model) in enumerate(zip(wordings, reference, strict=False)):
            if not wording.strip():
                messages.append(f"{code}.yaml: {part}.{key}[{i}]: expected a sentence, found none")
            elif placeholders(wording) != placeholders(model):
                messages.append(
                    f"{code}.yaml: {part}.{key}[{i}]: expected {_shown(placeholders(model))}, "
                    f"found {_shown(placeholders(wording))}"
                )
    return messages


def _shown(names: Iterable[str]) -> str:
    return " ".join(f"{{{name}}}" for name in sorted(names)) or "no fields"


def write(
    pack: Mapping[str, Any],
    path: Path,
    to_review: Iterable[str],
    reference: LanguagePack | None = None,
) -> None:
    """Write a pack as YAML for a speaker to finish.

    Every key of ``to_review`` carries a comment on its line: *supply* where the pack has
    nothing, *check* where it has a draft, with the reference pack's words when one is given.

    Args:
        pack: the values, as in ``LanguagePack``; drafts may leave some empty.
        path: the file to write, atomically.
        to_review: dotted keys, such as ``prompts.left`` or ``yes``.
        reference: whose words to quote in the comments.

    Raises:
        InputError: ``to_review`` names a key that the pack does not have.
    """
    marked = sorted(set(to_review))
    values = {**pack, "to_review": marked}
    for key in marked:
        if not _has(values, key):
            raise InputError(f"{path}: to_review: expected a key of the pack, found {key}")
    order = [name for name in LanguagePack.model_fields if name in values]
    order += [name for name in values if name not in LanguagePack.model_fields]
    quoted = reference.model_dump() if reference else {}
    lines = [
        f"# Language pack: {values.get('name', values.get('code', ''))}.",
        "# A line marked `supply` or `check` waits for someone who speaks the language; words in",
        "# {braces} are filled in and must stay. When a key is right, take it off `to_review`.",
    ]
    for name in order:
        lines += _written(name, values[name], name, set(marked), quoted.get(name))
    artifact.write_text(path, "\n".join(lines) + "\n")


def _written(name: str, value: Any, key: str, marked: set[str], quoted: Any) -> list[str]:
    """The YAML lines of one key, its comment included; nested keys are indented."""
    comment = _comment(value, quoted) if key in marked else ""
    label = json.dumps(name, ensure_ascii=False) if _needs_quotes(name) else name
    if isinstance(value, Mapping) and value:
        lines = [f"{label}:{comment}"]
        for inner, item in value.items():
            words = quoted.get(inner) if isinstance(quoted, Mapping) else None
            lines += [
                f"  {line}" for line in _written(str(inner), item, f"{key}.{inner}", marked, words)
            ]
        return lines
    if isinstance(value, list) and value and key != "numbers":
        items = [f"  - {json.dumps(item, ensure_ascii=False)}" for item in value]
        return [f"{label}:{comment}", *items]
    return [f"{label}: {json.dumps(value, ensure_ascii=False)}{comment}"]


def _needs_quotes(name: str) -> bool:
    # Plain `yes` and `no` are booleans to a reader of YAML 1.1.
    return (
        not name.replace("_", "").isalnum() or name.isdigit() or name in {"yes", "no", "on", "off"}
    )


def _comment(value: Any, quoted: Any) -> str:
    empty = not value or (isinstance(value, list) and not any(value))
    words = quoted[0] if isinstance(quoted, list) and quoted else quoted
    shown = f": {words}" if isinstance(words, str) and words else ""
    return f"  # {'supply' if empty else 'check'}{shown}"
