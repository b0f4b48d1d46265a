"""Ikusi builds, measures and releases multimodal language models for low-resource languages.

The functions and classes below are the public interface; `examples/from_rows_to_figure.py` uses
them from rows of text and pictures to a figure:

- `write_miniature_rows` draws pictures with texts in two languages; `find_miniature_model` finds
  the small base models that ship with the package;
- `import_corpus` reads a data set into a `Corpus`; `MixturePart` and `Mixture` choose the language
  of each row;
- `assemble` joins a vision encoder and an LLM, `calibrate_connector` prepares what is between
  them, `train_stage` trains, `load` opens the result;
- `evaluate_model` measures a checkpoint on benchmarks, `draw_scores` draws what it returns;
- `load_language` reads a language pack. Bad input raises `InputError`.

`import ikusi` loads nothing heavy: each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ikusi.api import calibrate_connector, evaluate_model, train_stage
    from ikusi.data.corpus import Corpus
    from ikusi.data.importing import import_corpus
    from ikusi.data.mixture import Mixture, MixturePart
    from ikusi.errors import InputError
    from ikusi.language.pack import load as load_language
    from ikusi.miniature.bases.shipped import find_model as find_miniature_model
    from ikusi.miniature.rows import write_miniature_rows
    from ikusi.model.fusion import assemble, load
    from ikusi.report.scores import draw_scores
else:
    _PLACES = {
        "Corpus": "ikusi.data.corpus:Corpus",
        "InputError": "ikusi.errors:InputError",
        "Mixture": "ikusi.data.mixture:Mixture",
        "MixturePart": "ikusi.data.mixture:MixturePart",
        "assemble": "ikusi.model.fusion:assemble",
        "calibrate_connector": "ikusi.api:calibrate_connector",
        "draw_scores": "ikusi.report.scores:draw_scores",
        "evaluate_model": "ikusi.api:evaluate_model",
        "find_miniature_model": "ikusi.miniature.bases.shipped:find_model",
        "import_corpus": "ikusi.data.importing:import_corpus",
        "load": "ikusi.model.fusion:load",
        "load_language": "ikusi.language.pack:load",
        "train_stage": "ikusi.api:train_stage",
        "write_miniature_rows": "ikusi.miniature.rows:write_miniature_rows",
    }

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name not in _PLACES:
            raise AttributeError(f"module 'ikusi' has no attribute {name!r}")
        from ikusi import catalogue

        return catalogue.load(_PLACES[name])

    def __dir__() -> list[str]:
        """List the public names, those not yet imported included."""
        return sorted({*globals(), *__all__})


__all__ = [
    "Corpus",
    "InputError",
    "Mixture",
    "MixturePart",
    "assemble",
    "calibrate_connector",
    "draw_scores",
    "evaluate_model",
    "find_miniature_model",
    "import_corpus",
    "load",
    "load_language",
    "train_stage",
    "write_miniature_rows",
]
