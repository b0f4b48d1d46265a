#!/usr/bin/env bash
# label-studio-sdk: LabelInterface.validate_task, which is to check a task with its annotations and
# predictions against a labelling interface, raises TypeError for every task that has either key,
# even with an empty list: its own calls of validate_annotation and validate_prediction lack an
# argument. Each of the two, called on its own, works; a task without these keys is checked as well.
# So whoever writes tasks with annotations checks "data" by validate_task and the rest one by one.
# Needs Python 3 and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet label-studio-sdk==2.1.2
cat > "$folder/tasks.py" <<'PYTHON'
"""A question of two choices, a task for it, and one good and one bad annotation."""

import sys
from importlib.metadata import version

from label_studio_sdk.label_interface import LabelInterface

INTERFACE = """
<View>
  <Text name="question" value="$question"/>
  <Choices name="verdict" toName="question">
    <Choice value="accept"/><Choice value="reject"/>
  </Choices>
</View>
"""


def annotation(choice):
    region = {"id": "1", "from_name": "verdict", "to_name": "question", "type": "choices"}
    return {"result": [region | {"value": {"choices": [choice]}}]}


def outcome(check, value):
    try:
        return str(check(value))
    except TypeError as error:
        return f"TypeError: {error}"


interface = LabelInterface(INTERFACE)
task = {"data": {"question": "What is this?"}}
good, bad = annotation("accept"), annotation("perhaps")
seen = {
    "task alone": outcome(interface.validate_task, task),
    "good annotation alone": outcome(interface.validate_annotation, good),
    "bad annotation alone": outcome(interface.validate_annotation, bad),
    "task with annotations": outcome(interface.validate_task, task | {"annotations": [good]}),
    "task with no annotation": outcome(interface.validate_task, task | {"annotations": []}),
    "task with predictions": outcome(interface.validate_task, task | {"predictions": [good]}),
}
print("label-studio-sdk", version("label-studio-sdk"), "Python", sys.version.split()[0])
for name, said in seen.items():
    print(f"{name}: {said}")
together = [said for name, said in seen.items() if " with " in name]
alone = [seen[name] for name in ("task alone", "good annotation alone", "bad annotation alone")]
as_described = alone == ["True", "True", "False"] and all(
    said.startswith("TypeError: ") and "missing 1 required positional argument" in said
    for said in together
)
print("as described" if as_described else "NO LONGER AS DESCRIBED")
sys.exit(not as_described)
PYTHON
"$folder/venv/bin/python" "$folder/tasks.py"
# Seen with label-studio-sdk 2.1.2, Python 3.11.7:
#   task alone: True
#   good annotation alone: True
#   bad annotation alone: False
#   task with annotations: TypeError: LabelInterface.validate_annotation() missing 1 required
#     positional argument: 'annotation'
#   task with no annotation: the same
#   task with predictions: TypeError: LabelInterface.validate_prediction() missing 1 required
#     positional argument: 'prediction'
