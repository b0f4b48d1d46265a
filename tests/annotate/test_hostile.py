"""Whatever is sent, nothing of others is seen, nothing breaks, and the answer is one plain page."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from annotate.people import Served, links, make_project
from ikusi.errors import InputError
from ikusi.web import guards
from ikusi.web.guards import Links

Serve = Callable[..., Served]
ONE, TWO = "annotator-1", "annotator-2"
MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 1234 * 1001 }}"
CONTROLS = "a\x00b\x1b[2J\x08c\u202ed\r\ne"


def places(link: str) -> list[str]:
    below = ["", "items", "done", "leave", "figures", "judgements.jsonl", "1", "1/zoom"]
    below += ["1/picture", "1/full", f"people/{ONE}/leave"]
    return [f"{link}/{place}".rstrip("/") for place in below]


@pytest.mark.slow
def test_a_wrong_link_is_one_plain_page_wherever_it_leads(serve: Serve) -> None:
    served = serve()
    served.person().begin()
    client = served.visitor()
    right = served.links[ONE]
    wrong = [
        right[:-1],
        right + "x",
        right.swapcase(),
        "/to/admin",
        f"/to/{ONE}",
        "/to/%00",
        "/to/é",
    ]
    pages = [client.get(place) for link in wrong for place in places(link)]
    pages += [
        client.post(place) for link in wrong for place in (link, f"{link}/1", f"{link}/leave")
    ]
    pages += [client.get(place) for place in ("/", "/to", "/to/", "/docs", "/openapi.json")]
    assert {page.status_code for page in pages} <= {404, 405}
    assert len({page.text for page in pages if page.status_code == 404}) == 1


@pytest.mark.slow
def test_a_thousand_wrong_links_change_nothing(serve: Serve) -> None:
    served = serve()
    client = served.visitor()
    began = time.process_time()
    assert {client.get(f"/to/{n:022}").status_code for n in range(1000)} == {404}
    assert time.process_time() - began < 20
    assert served.person().begin().status_code == 200


def test_every_known_word_is_compared_whichever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    real = guards.hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return bool(real(one, other))

    monkeypatch.setattr(guards.hmac, "compare_digest", compare)
    found = Links({"first": ONE, "second": TWO, "third": "admin"})
    assert [found.find(word) for word in ("first", "third", "none", "")] == [
        ONE,
        "admin",
        None,
        None,
    ]
    assert len(compared) == 4 * 3 and {len(digest) for digest in compared} == {32}


def test_one_person_never_sees_what_another_said(serve: Serve) -> None:
    served = serve()
    other = served.person(TWO)
    other.begin("Other name")
    other.say(1, "reject", reason="meaning", note="other note")
    person = served.person()
    person.begin()
    pages = "".join(served.visitor().get(place).text for place in places(person.link))
    assert not re.search("Other name|other note|rejected|annotator", pages)


def test_nobody_but_who_runs_it_reaches_those_pages(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    for place in ("figures", "judgements.jsonl", f"people/{ONE}/leave", f"people/{TWO}/leave"):
        assert person.get(place).status_code == 404
    assert person.client.post(f"{person.link}/people/{TWO}/leave").status_code == 404
    admin = served.person("admin")
    for place in ("items", "done", "leave"):
        assert admin.get(place).status_code == 404
    assert admin.client.post(admin.link, data={"agree": "yes"}).status_code == 404


@pytest.mark.parametrize("number", ["0", "4", "-1", "99999999999999999999", "1.0", "row-1", "1%2F"])
def test_items_of_others_have_no_number(serve: Serve, number: str) -> None:
    served = serve()
    person = served.person()
    person.begin()
    for place in ("", "/zoom", "/picture", "/full"):
        assert person.client.get(f"{person.link}/{number}{place}").status_code == 404
    form = person.form(1) | {"verdict": "accept"}
    assert person.client.post(f"{person.link}/{number}", data=form).status_code == 404
    assert list(served.store.history()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/..%2fapp.py",
        "/assets/%2e%2e/%2e%2e/task.py",
        "/assets//etc/passwd",
        "/assets/style.css/",
        "{link}/1/full/../../../links.json",
        "{link}/1/..%2f..%2flinks.json",
        "{link}/people/..%2f../leave",
        "{link}/../../links.json",
    ],
)
def test_no_path_leads_out(serve: Serve, path: str) -> None:
    served = serve()
    person = served.person("admin")
    page = person.client.get(path.replace("{link}", person.link))
    assert page.status_code in (404, 405) and "There is nothing here" in page.text


@pytest.mark.parametrize("task", ["validate", "compare"])
@pytest.mark.parametrize("text", [MARKUP, CONTROLS])
def test_no_text_becomes_markup_or_is_obeyed(serve: Serve, task: str, text: str) -> None:
    served = serve(task, texts=[text])
    for seat, verdict in ((ONE, "A"), (TWO, "A")):
        person = served.person(seat)
        person.begin(text)
        fields = {"criterion__relevance": verdict} if task == "compare" else {}
        wrong = "accept" if seat == ONE else "corrected"
        own = {"text__1": text} if wrong == "corrected" else {}
        person.say(1, "follows" if task == "compare" else wrong, note=text, **fields, **own)
        pages = [person.get(place).text for place in (1, 2, "items", "leave")]
    admin = served.person("admin")
    pages += [admin.get().text, admin.get(1).text]
    refused = person.say(1, "nonsense", note=text, criterion__relevance=text, reason=text)
    for page in [*pages, refused.text]:
        assert "<script>" not in page and "<img src=x" not in page and "1235234" not in page
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)
    if text is MARKUP:
        assert "&lt;script&gt;" in pages[0]
    rows = admin.get("judgements.jsonl").text.splitlines()
    assert len(rows) == 2


def test_long_texts_of_every_field_are_refused_in_words(serve: Serve) -> None:
    served = serve()
    person = served.person()
    page = person.begin("x" * 81)
    assert page.status_code == 422 and "at most 80 letters" in page.text
    person.begin()
    for fields in ({"note": "x" * 4001}, {"text__1": "x" * 4001}):
        page = person.say(1, "corrected" if "text__1" in fields else "accept", **fields)
        assert page.status_code == 422 and "at most 4000 letters" in page.text


@pytest.fixture
def bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(guards, "MOST_BYTES", 2000)
    served = serve()
    served.person().begin()
    return served


def test_a_body_that_says_it_is_too_large_is_not_read(bounded: Served) -> None:
    person = bounded.person()
    page = person.client.post(f"{person.link}/1", content=b"x" * 20_000)
    assert page.status_code == 413 and page.headers["x-content-type-options"] == "nosniff"


def test_a_body_that_grows_without_saying_is_cut_off(bounded: Served) -> None:
    sent = []

    def grow() -> Iterator[bytes]:
        for _ in range(200):
            sent.append(1)
            yield b"note=" + b"x" * 995

    person = bounded.person()
    kind = {"content-type": "application/x-www-form-urlencoded"}
    page = person.client.post(f"{person.link}/1", content=grow(), headers=kind)
    assert page.status_code == 413 and "This could not be taken" in page.text
    assert list(bounded.store.history()) == []


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "9" * 30, "２"])
def test_a_length_that_is_none_is_refused(serve: Serve, length: str) -> None:
    served = serve()
    client = served.visitor()
    page = client.post("/to/x", headers={b"content-length": length.encode()}, content=b"")
    assert page.status_code == 413


def test_forms_of_other_kinds_break_nothing(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    post = person.client.post
    files = {"note": ("evil.html", b"<b>", "text/html")}
    many = "&".join(f"a{n}=1" for n in range(300))
    kind = {"content-type": "application/x-www-form-urlencoded"}
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert post(f"{person.link}/1", files=files).status_code in (400, 422)
    assert post(f"{person.link}/1", content=many, headers=kind).status_code in (400, 422)
    assert post(f"{person.link}/1", content=b"--x\r\nnonsense", headers=broken).status_code in (
        400,
        422,
    )
    assert post(f"{person.link}/1", json={"verdict": "accept"}).status_code == 422
    assert (
        post(f"{person.link}/1", content=b"verdict=%ff%fe&nonce=%00", headers=kind).status_code
        == 422
    )
    assert person.client.request("PUT", f"{person.link}/1").status_code == 405
    assert list(served.store.history()) == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 404),
        ("192.168.1.7", 404),
        ("[::1]:8000", 404),
        ("localhost", 404),
        ("LOCALHOST.:80", 404),
        ("hall.example:8000", 404),
        ("evil.example", 400),
        ("evil.example:8000", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost@evil.example", 400),
        ("", 400),
        ("[::1", 400),
    ],
)
def test_only_addresses_and_names_of_this_machine_are_answered(
    tmp_path: Path, serve: Serve, host: str, status: int
) -> None:
    from ikusi.annotate.web import app

    served = serve()
    client = TestClient(app.create(served.project, served.store, hosts=["Hall.example"]))
    assert client.get("/to/x", headers={"host": host}).status_code == status


def test_every_answer_carries_the_headers_that_shut_others_out(serve: Serve) -> None:
    served = serve()
    person = served.person()
    answers = [person.get(), person.begin(), person.get("1/picture"), person.get("nothing")]
    answers.append(person.client.get("/assets/style.css"))
    answers.append(person.client.get("/", headers={"host": "evil.example"}))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'") and "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answers[0].headers["cache-control"] == answers[1].headers["cache-control"] == "no-store"
    assert answers[2].headers["cache-control"].startswith("private")
    assert "no-store" not in answers[2].headers["cache-control"]
    assert "set-cookie" not in answers[1].headers


def test_what_the_disk_refuses_is_told_and_loses_no_page(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()
    person = served.person()
    person.begin()

    def full(*_: object, **__: object) -> Future[bool]:
        future: Future[bool] = Future()
        future.set_exception(InputError("disk: expected room"))
        return future

    monkeypatch.setattr(served.store, "send", full)
    page = person.say(1, "accept")
    assert page.status_code == 503 and "Your answer could not be stored." in page.text


def test_secrets_stand_in_no_page_of_others_and_in_no_file_that_others_may_read(
    tmp_path: Path, serve: Serve
) -> None:
    served = serve()
    person = served.person()
    pages = person.get().text + person.begin().text + person.get("items").text
    for code, link in links(served.project).items():
        assert (link in pages) == (code == ONE)
    for name in ("links.json", "answers.sqlite"):
        assert (served.project.folder / name).stat().st_mode & 0o077 == 0


def test_two_servers_may_not_write_the_same_answers(tmp_path: Path) -> None:
    from ikusi import lock
    from ikusi.annotate.web import serving

    found = make_project(tmp_path / "project")
    with (
        lock.hold_lock(found.folder / lock.LOCK, found.folder, "a test"),
        pytest.raises(InputError, match="expected no other run on these answers"),
    ):
        next(serving.serve(found.folder, "127.0.0.1", 0))
