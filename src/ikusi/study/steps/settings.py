"""Parts that the settings of every kind of step have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ikusi.recipe import Compute
from ikusi.yamlfile import Section

if TYPE_CHECKING:
    from ikusi.study.contents import Contents


class Settings(Section):
    """All that a step's function is given, and what follows from it.

    The fields are what the step's fingerprint knows of the recipe: as plain JSON values they stand
    in its manifest and in the file that its processes read, which they are checked against.

    Attributes:
        function: the name of the step's function, in `ikusi.study.steps`.
        computes: it runs a model, on what the recipe says; it goes on from what a killed attempt
            left in its folder, where others start from an empty one.
        shared: several processes may work on it together.
    """

    function: ClassVar[str]
    computes: ClassVar[bool] = True
    shared: ClassVar[bool] = False

    def inputs(self) -> tuple[str, ...]:
        """Names of the steps whose folders it reads."""
        return ()

    def reads(self, contents: Contents) -> dict[str, str]:
        """Fingerprints of what it reads besides: name -> content."""
        return {}

    def runs_on(self, compute: Compute) -> dict[str, Any]:
        """The settings of what it runs on, as plain values; no part of its fingerprint."""
        if not self.computes:
            return {}
        alone = set() if self.shared else {"parallel", "processes", "micro_tokens", "report_to"}
        return compute.model_dump(mode="json", exclude=alone)


class Bilingual(Settings):
    """Settings of a step that needs the packs of both languages.

    Attributes:
        language_code: the target language.
        source_code: the language that the data comes from.
    """

    language_code: str
    source_code: str

    @property
    def languages(self) -> tuple[str, str]:
        """Both, the target language first."""
        return self.language_code, self.source_code
