"""The trainings of one model under several seeds, found from the folder of one of them."""

from pathlib import Path

from ikusi import recipe
from ikusi.errors import InputError
from ikusi.recipe.folder import ROWS, StudyFolder, name_evaluate_step


def find_trainings(run: Path) -> dict[int, Path]:
    """The evaluations of the run's model, as far as there are any: seed -> folder.

    ``run`` is the folder of a study's run, or of its evaluation; its own seed comes first.

    Raises:
        InputError: it is neither.
    """
    study, name = StudyFolder.around(run), run.resolve().name
    runs = recipe.load(study.recipe).runs() if study else []
    own = next((one for one in runs if one.name == name), None)
    if study is None or own is None:
        raise InputError(f"{run}: expected a run of a study, to find its other seeds, found none")
    ordered = [own, *(one for one in runs if one.model == own.model and one != own)]
    places = {one.seed: study.step(name_evaluate_step(one.name)) for one in ordered}
    return {seed: place for seed, place in places.items() if (place / ROWS).is_file()}
