"""Language packs: everything that is true of one language and that no code may hold.

A pack is one YAML file: names, numbers, colours, what an answer's normaliser drops, and the
sentences that questions and statements are made of. Adding a language adds one file.
"""

import string
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from ikusi import catalogue, content, packaged, yamlfile
from ikusi.errors import InputError

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
            near = yamlfile.suggest(name, COLOURS)
            context = {"expected": "one of Ikusi's colours", "found": name, "key": (name,)}
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
                find_placeholders(template)
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
            near = yamlfile.suggest(name, known)
            context = {"expected": "a Snowball stemmer", "near": near}
            raise PydanticCustomError("expected", "{expected}", context)
    return name


Templates = Annotated[dict[str, list[str]], AfterValidator(_fields_are_named)]


class LanguagePack(BaseModel):
    """One language, as data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

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
    capitals: dict[str, str] = Field(
        default_factory=dict,
        description="Capital letters whose small letter is another than in most languages "
        "(Turkish `I` -> `ı`).",
    )
    official_letters: bool = Field(
        default=False,
        description="Whether the VQA accuracies take letters as the official code does, character "
        "by character; else marks, shapes, digits and capitals count as Unicode has them.",
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
    identifier: str | None = Field(
        default=None,
        description="File that identifies this language where the built-in identification "
        "does not know it: a list of words, a line each, or a fastText model (`.bin`, `.ftz`); "
        "relative to the pack.",
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

    @model_serializer(mode="wrap")
    def _by_content(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Name the identifier by its bytes, so that what was made with others is made anew."""
        data: dict[str, Any] = write(self)
        name = data.pop("identifier")
        return data | ({"identifier": content.hash_file(Path(name))} if name else {})

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
            near = yamlfile.suggest(key, templates)
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


def find_placeholders(template: str) -> frozenset[str]:
    """The names of the fields a template has.

    Raises:
        ValueError: a brace is not closed, or a field has no plain name.
    """
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    if not all(name.isidentifier() for name in names):
        raise ValueError(f"a field without a plain name in {template!r}")
    return frozenset(names)


def list_packs(folder: Path | None = None) -> list[str]:
    """Codes of the packs there are: in ``folder``, in ``./languages`` and in the package."""
    return _packs(folder).names()


def _packs(folder: Path | None) -> catalogue.Files:
    """The files of all packs; a person's own pack comes before the packaged one."""
    own = [Path(folder)] if folder else []
    places = [*own, Path("languages"), packaged.LANGUAGES]
    return catalogue.Files("language", places, "a language with a pack")


def load(code_or_path: str | Path, folder: Path | None = None) -> LanguagePack:
    """Read a language pack.

    Args:
        code_or_path: a code such as ``eu``, or the path of a YAML file.
        folder: where to look first for a code; then ``./languages``, then the package.

    Raises:
        InputError: there is no such pack, or a key in it is wrong.
    """
    name, packs = str(code_or_path), _packs(folder)
    path = packs.find(name)
    document = yamlfile.read(path, packs.folders)
    if path != Path(name):
        document.expect("code", name)  # corpora and results are found by it
    return _check(document)


def _check(document: yamlfile.Document) -> LanguagePack:
    pack = yamlfile.validate(LanguagePack, document, _list_known())
    for i, key in enumerate(pack.to_review):
        if key not in list_keys(document.data):
            near = yamlfile.suggest(key, list_keys(document.data))
            raise document.error(("to_review", i), "a key of this pack", key, near)
    return pack if pack.identifier is None else _with_file(pack, pack.identifier, document)


def _with_file(pack: LanguagePack, name: str, document: yamlfile.Document) -> LanguagePack:
    """The pack with the place of its identifier's file, which is beside the pack."""
    place = Path(document.where(("identifier",)).rpartition(":")[0]).parent / name
    if not place.is_file():
        raise document.error(("identifier",), "a file", f"none at {place}")
    return pack.model_copy(update={"identifier": str(place)})


@cache
def _list_known() -> frozenset[str]:
    return frozenset(yamlfile.list_field_names(LanguagePack))


def list_keys(data: Mapping[str, Any]) -> list[str]:
    """Dotted keys of a pack's two levels."""
    inner = [
        f"{key}.{name}" for key, value in data.items() if isinstance(value, dict) for name in value
    ]
    return [*data, *inner]
