"""The base of every engine's settings: how it is opened, and what it costs."""

from __future__ import annotations

from typing import ClassVar

from ikusi import catalogue
from ikusi.language import LanguagePack
from ikusi.translate.contract import SentenceEngine, Translator
from ikusi.yamlfile import Section


class Engine(Section):
    """Settings of an engine that translates whole rows.

    Attributes:
        kind: what recipes call it; a subclass gives its one value.
        implementation: `module:class` of what translates, made of these settings and the two
            language packs. It is imported when it is opened, as it may need what is not installed.
    """

    implementation: ClassVar[str]
    kind: str

    def translator(self, source: LanguagePack, target: LanguagePack) -> Translator:
        """The translator of these settings, ready to be fed.

        Raises:
            InputError: its model, program, prompt or server is not there.
        """
        made: Translator = catalogue.load(self.implementation)(self, source, target)
        return made

    def costs(self, read: int, written: int) -> tuple[float | None, float | None]:
        """Hours and money for so many tokens, as far as these settings know them."""
        return None, None


class OfSentences(Engine):
    """Settings of an engine that translates sentences, each by itself, and needs no pack."""

    def sentences(self) -> SentenceEngine:
        """The engine of these settings.

        Raises:
            InputError: its model or program is not there.
        """
        made: SentenceEngine = catalogue.load(self.implementation)(self)
        return made

    def translator(self, source: LanguagePack, target: LanguagePack) -> Translator:
        """See `Engine`."""
        from ikusi.translate.sentences import SentenceTranslator

        return SentenceTranslator(self.sentences(), source.code)
