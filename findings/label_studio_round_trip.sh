#!/usr/bin/env bash
# Label Studio, asked for a project's plain JSON export, gives annotations whole but of each prediction
# only its number, so a judge model's verdicts, which are predictions, are not in the file and nothing
# says so. A snapshot by its API holds them if asked with predictions.only_id = false.
# And annotations that are imported with `created_at` and `completed_by` get the time of the import and
# whoever imports: who said it, and when, must stand among the answers themselves to come back.
# Needs Python 3 and PyPI; starts a server on this machine alone. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet label-studio==1.23.2
token=0123456789abcdef0123456789abcdef01234567
port=8097
export LABEL_STUDIO_BASE_DATA_DIR=$folder/data COLLECT_ANALYTICS=false
mkdir "$folder/data"
"$folder/venv/bin/label-studio" start --no-browser --internal-host 127.0.0.1 --port "$port" \
    --username a@example.org --password "not-a-secret-1" --user-token "$token" \
    --enable-legacy-api-token >"$folder/log" 2>&1 &
server=$!
cat > "$folder/round_trip.py" <<'PYTHON'
"""A task with an annotation of last year and a prediction, imported, then exported in two ways."""

import json
import sys
import time
import urllib.request

TOKEN, PORT = sys.argv[1:]
CONFIG = """<View><Text name="item" value="$text"/>
<Choices name="verdict" toName="item"><Choice value="A"/><Choice value="B"/></Choices></View>"""


def call(method, path, data=None):
    headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
    body = None if data is None else json.dumps(data).encode()
    address = f"http://127.0.0.1:{PORT}/api/{path}"
    request = urllib.request.Request(address, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)


def wait():
    for _ in range(300):
        try:
            return call("GET", "version")["release"]
        except OSError:
            time.sleep(1)
    sys.exit("the server did not start")


def region(choice):
    value = {"choices": [choice]}
    return {"from_name": "verdict", "to_name": "item", "type": "choices", "value": value}


release = wait()
project = call("POST", "projects", {"title": "trip", "label_config": CONFIG})["id"]
said = {"result": [region("A")], "created_at": "2025-01-01T00:00:00Z", "completed_by": 1}
judged = {"result": [region("B")], "model_version": "judge"}
task = {"data": {"text": "A or B?"}, "annotations": [said], "predictions": [judged]}
call("POST", f"projects/{project}/import", [task])
plain = call("GET", f"projects/{project}/export?exportType=JSON")[0]
options = {"serialization_options": {"predictions": {"only_id": False}}}
made = call("POST", f"projects/{project}/exports", options)["id"]
while call("GET", f"projects/{project}/exports/{made}")["status"] != "completed":
    time.sleep(1)
snapshot = call("GET", f"projects/{project}/exports/{made}/download?exportType=JSON")[0]
print("label-studio", release, "Python", sys.version.split()[0])
print("plain export, predictions:", plain["predictions"])
print("plain export, annotation's choice:", plain["annotations"][0]["result"][0]["value"]["choices"])
print("snapshot, prediction's choice:", snapshot["predictions"][0]["result"][0]["value"]["choices"])
year = plain["annotations"][0]["created_at"][:4]
print("year of the annotation, given as 2025:", "2025" if year == "2025" else "that of the import")
numbers = all(isinstance(one, int) for one in plain["predictions"])
sys.exit(not (plain["predictions"] and numbers and snapshot["predictions"][0]["result"] and year != "2025"))
PYTHON
"$folder/venv/bin/python" "$folder/round_trip.py" "$token" "$port"
