"""The recipe of a rehearsal; that it trains is tested beside the recipes it is for."""

from pathlib import Path

from ikusi import recipe
from ikusi.recipe import Compute, Lora, Recipe
from ikusi.study import layout

STUDY = Path(__file__).parents[1] / "recipes" / "emoji-eu.yaml"
BIG = [
    "vision=openai/clip",
    "vision_feature_layer=-9",
    "backbones={english: ORG/one, adapted: ORG/other}",
    "grid.backbones=[adapted, english]",
    "compute={parallel: ddp, processes: 8, micro_tokens: 16384, report_to: [wandb]}",
    "text_only.rows=29000",
    "stages.align.optimizer=adamw8bit",
    "stages.align.max_length=8192",
    "stages.instruct.max_length=8192",
    "stages.instruct.batch_size=128",
    "stages.instruct.max_steps=500",
    "stages.instruct.lora={rank: 64, alpha: 128, targets: [qkv_proj], quantize: nf4}",
]


def rehearsed(*changes: str) -> Recipe:
    return recipe.load(STUDY, [*changes, "rehearse=true"])


def test_its_models_ship_and_it_asks_for_no_gpu() -> None:
    little = rehearsed(*BIG)
    assert (little.name, little.vision) == ("emoji-eu-rehearsal", "miniature/encoder")
    assert little.backbones == {"english": "miniature/llama-en", "adapted": "miniature/llama-eu"}
    assert little.compute == Compute()
    assert (little.vision_feature_layer, little.text_only and little.text_only.rows) == (-2, 12)
    for stage in (little.stages.alignment, little.stages.instruct):
        assert (stage.batch_size, stage.max_steps, stage.max_length) == (4, 3, 2048)
        assert stage.precision == "fp32"
    assert little.stages.alignment.optimizer == "adamw"
    assert little.stages.instruct.lora == Lora(rank=4, alpha=8)


def test_nothing_else_changes() -> None:
    big, little = recipe.load(STUDY, BIG), rehearsed(*BIG)
    changed = {key for key in Recipe.model_fields if getattr(big, key) != getattr(little, key)}
    models = {"vision", "vision_feature_layer", "backbones"}
    measured = {"benchmark_rows", "bootstrap"}
    other = {"name", "stages", "cache_features", "compute", "text_only"}
    assert changed == other | measured | models
    assert little.runs() == big.runs()
    smaller = {"batch_size", "max_steps", "max_length", "precision", "optimizer", "lora"}
    for name in ("align", "instruct"):
        before, after = (getattr(one.stages, name).model_dump() for one in (big, little))
        assert {key for key in before if before[key] != after[key]} <= smaller
    assert little.stages.instruct.optimizer == big.stages.instruct.optimizer == "muon"


def test_pictures_of_a_whole_corpus_are_not_encoded_for_a_few_steps() -> None:
    assert [step.name for step in layout.list_steps(rehearsed()) if step.kind == "features"] == []


def test_what_is_small_already_stays() -> None:
    changes = ["stages.align.batch_size=2", "stages.align.max_steps=1", "text_only.rows=5"]
    little = rehearsed(*changes)
    align, added = little.stages.alignment, little.text_only
    assert (align.batch_size, align.max_steps, align.max_length) == (2, 1, 512)
    assert added is not None
    assert added.rows == 5


def test_an_llm_is_replaced_whatever_its_name_and_a_run_of_the_study_stays() -> None:
    backbones = "backbones={english: ORG/prune-llm, seeing: {run: english-eu000}}"
    little = rehearsed(backbones, "grid.backbones=[english, seeing]")
    assert little.backbones["english"] == "miniature/llama-en"
    assert little.find_start("seeing") == "english-eu000"


def test_a_language_without_an_llm_that_ships_is_rehearsed_with_the_english_one() -> None:
    assert set(rehearsed("language=gl").backbones.values()) == {"miniature/llama-en"}


def test_it_is_written_out_as_what_is_run(tmp_path: Path) -> None:
    """The report reads the study's own `recipe.yaml`: it must not be rehearsed once more."""
    little = rehearsed(*BIG)
    (tmp_path / "recipe.yaml").write_text(recipe.show(little), encoding="utf-8")
    assert (
        recipe.load(tmp_path / "recipe.yaml") == little == recipe.rehearse(recipe.load(STUDY, BIG))
    )
