"""Engines that translate, a file of settings each: models here, programs, servers.

A module here that has `ENGINES` adds those; nothing else needs to know.
"""

from ikusi import catalogue
from ikusi.translate.engines.base import Engine, OfSentences


def _kind(engine: type[Engine]) -> str:
    """The name of an engine in recipes: the one value of its `kind`."""
    kind: str = engine.model_json_schema()["properties"]["kind"]["const"]
    return kind


REGISTRY: catalogue.Modules[type[Engine]] = catalogue.Modules(
    __name__, "ENGINES", "engine.kind", name=_kind
)


def list_engines() -> tuple[type[Engine], ...]:
    """The settings of all engines."""
    return tuple(REGISTRY.every.values())


def list_sentence_engines() -> tuple[type[Engine], ...]:
    """Those that translate sentences, which a round trip can use."""
    return tuple(engine for engine in list_engines() if issubclass(engine, OfSentences))
