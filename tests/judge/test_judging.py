"""A judge asked over a real connection: orders, controls, every way in which servers answer."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ikusi import language
from ikusi.errors import InputError
from ikusi.judge import record, run
from ikusi.judge.asking import Sampling
from ikusi.judge.games import IDENTICAL, WRONG_PICTURE, list_games
from ikusi.judge.masking import hide_names
from ikusi.judge.record import Played
from ikusi.judgements import Judgement, append
from ikusi.judgements import read as judgements_of
from ikusi.judgements.pairs import join_pairs
from judge import served
from judge.served import MODEL, Rule, by_hash
from judgements import answered, samples

RATER = f"{MODEL} (paper, en)"


@pytest.fixture
def about(tmp_path: Path) -> run.About:
    return made(tmp_path)


def made(folder: Path, rows: int = 6, **runs: Any) -> run.About:
    corpus = answered.corpus(folder / "corpus", rows)
    one, two = (
        answered.run(folder / "measured" / name, rows=rows, **runs.get(name, {}))
        for name in ("latxa", "llama")
    )
    found = join_pairs(one, two, "wildvision", "eu", corpus)
    return run.About(found, "wildvision", language.load("eu"))


def settings(url: str, **more: Any) -> run.Settings:
    given: dict[str, Any] = {"controls": 2, "concurrency": 4, "deadline": 20.0} | more
    return run.Settings(url, MODEL, **given)


def judged(
    about: run.About, output: Path, rule: Rule, rate: float = 0.0, **more: Any
) -> tuple[run.Counts, list[Judgement], list[Played], list[dict[str, Any]]]:
    """Counts, judgements, games, and the requests that carried a game."""
    seed, kinds = more.pop("fault_seed", 0), more.pop("kinds", served.FAULTS)
    with served.server(rule, rate, seed, kinds).started() as server:
        counts = run.judge(about, settings(server.url, **more), output)
        asked = [one for one in server.requests if len(one["messages"]) == 2]
    return counts, list(judgements_of(output)), list(record.read(output)), asked


def test_each_pair_is_judged_in_both_orders_with_its_picture(
    about: run.About, tmp_path: Path
) -> None:
    rule = Rule(lambda question, one, other, seen: "A" if one.startswith("latxa") else "B")
    counts, rows, games, asked = judged(about, tmp_path / "judged", rule, controls=0)
    assert (counts.games, counts.played, counts.unanswered) == (12, 12, 0)
    sides = {(row.id, row.left, row.right): row.verdict for row in rows}
    for pair in about.pairs:
        assert sides.pop((pair.id, "latxa", "llama")) == "A"
        assert sides.pop((pair.id, "llama", "latxa")) == "B"
    assert not sides and {(row.rater, row.kind) for row in rows} == {(RATER, "model")}
    first = next(row for row in rows if row.left == "latxa")
    assert first.criteria == dict.fromkeys(("relevance", "quality", "proficiency"), "A")
    shown = {(question, picture) for question, _, _, picture in rule.seen}
    assert len(shown) == 6 and len({picture for _, picture in shown}) == 6
    assert {one.answered_as for one in games} == {f"{MODEL}-2026"}
    assert {one.system for one in games} == {"fp_1"}
    assert all(one.schema_kept and one.tokens_read == 900 for one in games)
    assert all(one["response_format"]["json_schema"]["strict"] for one in asked)


def test_controls_are_kept_from_the_judgements(about: run.About, tmp_path: Path) -> None:
    counts, rows, games, _ = judged(about, tmp_path / "judged", Rule(by_hash), controls=3)
    assert counts.games == 12 + 6 and len(rows) == 12
    same = [one for one in games if one.control == IDENTICAL]
    wrong = [one for one in games if one.control == WRONG_PICTURE]
    assert len(same) == len(wrong) == 3
    assert all(one.left == one.right and one.verdict == "tie" for one in same)
    shown = {one.id: one.picture for one in games if not one.control}
    assert all(one.picture in shown.values() and one.picture != shown[one.id] for one in wrong)


def test_each_wrong_picture_is_another_one(about: run.About) -> None:
    games = list_games(about.pairs, None, len(about.pairs), seed=3)
    wrong = [game for game in games if game.control == WRONG_PICTURE]
    assert len(wrong) == len(about.pairs)
    assert len({game.picture.digest for game in wrong if game.picture}) == len(wrong)


def test_nothing_is_asked_twice(about: run.About, tmp_path: Path) -> None:
    output = tmp_path / "judged"
    first, rows, games, _ = judged(about, output, Rule(by_hash), limit=2)
    assert first.played == len(games) == 8 and len(rows) == 4
    counts, rows, games, asked = judged(about, output, Rule(by_hash))
    assert counts.known >= 4 and len(asked) == counts.played == counts.games - counts.known
    assert len({one.key for one in games}) == len(games) and len(rows) == 12
    counts, _, _, asked = judged(about, output, Rule(by_hash))
    assert (counts.known, counts.played, asked) == (counts.games, 0, [])


def test_pairs_that_people_have_judged_come_first(about: run.About, tmp_path: Path) -> None:
    output = tmp_path / "judged"
    append(output, [samples.compared(id, "ane", "tie") for id in ("q4", "q2")])
    _, rows, _, _ = judged(about, output, Rule(by_hash), limit=2)
    assert {row.id for row in rows if row.kind == "model"} == {"q2", "q4"}


@pytest.mark.parametrize("schemas", ["kept", "ignored", "refused"])
def test_a_schema_is_sent_only_where_the_server_keeps_to_it(
    schemas: Any, about: run.About, tmp_path: Path
) -> None:
    _, rows, games, asked = judged(about, tmp_path / "judged", Rule(by_hash, schemas=schemas))
    assert len(rows) == 12 and all(row.verdict in ("A", "tie", "B") for row in rows)
    kept = schemas == "kept"
    assert all(("response_format" in one) is kept for one in asked)
    assert all(one.schema_kept is kept for one in games)


def test_fields_that_a_server_refuses_are_not_sent(about: run.About, tmp_path: Path) -> None:
    rule = Rule(by_hash, refuses=("temperature", "max_tokens", "seed"))
    _, rows, games, asked = judged(about, tmp_path / "judged", rule)
    assert len(rows) == 12
    assert games[-1].fields == {
        "max_tokens": "max_completion_tokens", "temperature": None, "seed": None,
    }  # fmt: skip
    assert asked[-1].keys() & {"temperature", "max_tokens", "seed"} == set()
    assert asked[-1]["max_completion_tokens"] == 4096


@pytest.mark.parametrize(
    ("fault", "verdict", "why"),
    [
        ("no verdict", "invalid", "answer: expected JSON"),
        ("both verdicts", "invalid", "verdict: expected it once, found it twice"),
        ("other language", "invalid", "verdict: expected A or tie or B, found beide gleich"),
        ("lacking criterion", "invalid", "quality: expected A or tie or B, found none"),
        ("cut", "invalid", "answer: expected it to end within 4096 tokens, found it cut"),
        ("null", "invalid", "answer: expected text, found none"),
        ("no choice", "invalid", "answer: expected a completion, found no choice"),
        ("declined", "refused", "content filter: answer: expected it to end by itself"),
    ],
)
def test_an_answer_without_a_verdict_is_no_tie_and_is_kept(
    fault: str, verdict: str, why: str, about: run.About, tmp_path: Path
) -> None:
    counts, rows, games, asked = judged(
        about, tmp_path / "judged", Rule(by_hash), 1.0, kinds=(fault,), limit=1, controls=0
    )
    assert {row.verdict for row in rows} == {verdict} and counts.verdicts == {verdict: 2}
    assert all(row.note.startswith(why) for row in rows)
    tries = 3 if verdict == "invalid" else 1
    assert len(asked) == 2 * tries and all(len(one.tries) == tries - 1 for one in games)
    if fault in ("no verdict", "both verdicts", "other language", "lacking criterion", "cut"):
        assert all(row.raw for row in rows)
    if tries == 3:  # another seed, and warmer
        assert sorted({one["seed"] for one in asked}) == [0, 1, 2]
        assert {one["temperature"] for one in asked if one["seed"]} == {0.3}


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (lambda text: {"message": {"content": None, "refusal": "I cannot."}}, "found a refusal"),
        (lambda text: {"finish_reason": "SAFETY"}, "ended by safety"),
    ],
)
def test_a_model_that_declines_has_refused(
    shape: Any, why: str, about: run.About, tmp_path: Path
) -> None:
    _, rows, _, _ = judged(about, tmp_path / "judged", Rule(shape=shape), limit=1, controls=0)
    assert [row.verdict for row in rows] == ["refused"] * 2
    assert all(row.note.startswith("content filter: ") and why in row.note for row in rows)


def test_a_prompt_that_is_filtered_is_refused_apart_from_other_refusals(
    about: run.About, tmp_path: Path
) -> None:
    def rule(asked: dict[str, Any], fault: str | None) -> tuple[int, dict[str, Any]]:
        text = json.dumps(asked["messages"])
        if "latxa eu 1" in text:
            return 400, {"error": {"message": "The prompt was flagged by our content filter"}}
        if "latxa eu 2" in text:
            return 400, {"error": {"message": "the prompt is longer than the context"}}
        return Rule(by_hash)(asked, fault)

    counts, rows, _, _ = judged(about, tmp_path / "judged", rule, controls=0)  # type: ignore[arg-type]
    notes = {row.id: row.note for row in rows if row.verdict == "refused"}
    assert notes == {
        "q1": "content filter: server: 400: The prompt was flagged by our content filter",
        "q2": "server: 400: the prompt is longer than the context",
    }
    assert counts.verdicts["refused"] == 4 and counts.played == 12


def test_thoughts_are_taken_off_and_kept(about: run.About, tmp_path: Path) -> None:
    rule = Rule(
        by_hash, shape=lambda text: {"message": {"content": f"<think>B is {{bad}}</think>{text}"}}
    )
    _, rows, games, _ = judged(about, tmp_path / "judged", rule, controls=0)
    assert all(row.verdict in ("A", "tie", "B") for row in rows)
    assert {one.thought for one in games} == {"B is {bad}"}


def test_grades_count_as_wins_and_ties(about: run.About, tmp_path: Path) -> None:
    rule = Rule(by_hash, label=True)
    counts, rows, _, asked = judged(about, tmp_path / "judged", rule, prompt="arena_hard")
    assert {row.rater for row in rows} == {f"{MODEL} (arena_hard, en)"}
    assert "response_format" not in asked[0]
    assert set(counts.verdicts) == {"A", "tie", "B"}


def test_the_judge_may_be_spoken_to_in_the_target_language(
    about: run.About, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, rows, _, asked = judged(about, tmp_path / "judged", Rule(by_hash), rubric="eu")
    assert {row.rater for row in rows} == {f"{MODEL} (paper, eu)"}
    assert "irizpide" in asked[0]["messages"][0]["content"]
    assert "no speaker has checked the words" in caplog.text


def test_names_of_models_are_blanked_out(tmp_path: Path) -> None:
    said = "Ni Latxa naiz, HiTZek egina. Latxa bat ikusten dut."
    about = made(tmp_path, llama={"changes": {"q1": {"prediction": said}}})
    counts, _, games, asked = judged(about, tmp_path / "judged", Rule(by_hash), controls=0)
    sent = json.dumps([one["messages"] for one in asked], ensure_ascii=False)
    assert "Ni [...] naiz, [...] egina. Latxa bat ikusten dut." in sent and "HiTZ" not in sent
    assert counts.masked == 2
    assert sorted(one.masks for one in games if one.id == "q1") == [[0, 2], [2, 0]]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("I AM CHATGPT.", "I AM [...]."),
        ("I am claude 3.5.", "I am [...]."),
        ("I am on Yogpt.", "I am on Yogpt."),
    ],
)
def test_names_are_known_however_they_are_written_and_only_as_words(text: str, hidden: str) -> None:
    assert hide_names(text)[0] == hidden


def test_other_answers_or_another_prompt_are_not_mixed_in(about: run.About, tmp_path: Path) -> None:
    output = tmp_path / "judged"
    judged(about, output, Rule(by_hash), limit=1)
    with pytest.raises(InputError, match=r"row q0: max_tokens: expected 4096, .* found 100"):
        judged(about, output, Rule(by_hash), sampling=Sampling(max_tokens=100))
    changed = replace(about.pairs[0], answers={"latxa": "another", "llama": "one"})
    with pytest.raises(InputError, match="row q0: expected the question, picture and answers"):
        judged(replace(about, pairs=[changed]), output, Rule(by_hash))


def test_a_game_that_no_answer_came_to_is_asked_the_next_time(
    about: run.About, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ikusi.server.client.TRANSPORT_RETRIES", 0)
    output = tmp_path / "judged"

    def rule(asked: dict[str, Any], fault: str | None) -> tuple[int, dict[str, Any]]:
        if "latxa eu 3" in json.dumps(asked["messages"]):
            return 500, {"error": {"message": "it broke"}}
        return Rule(by_hash)(asked, fault)

    counts, rows, _, _ = judged(about, output, rule, controls=0)  # type: ignore[arg-type]
    assert (counts.played, counts.unanswered) == (10, 2) and len(rows) == 10
    assert counts.reasons == {"server: 500: it broke": 2}
    counts, rows, _, asked = judged(about, output, Rule(by_hash), controls=0)
    assert (counts.known, counts.played) == (10, 2) == (len(rows) - 2, len(asked))


def test_what_was_played_and_not_yet_judged_is_judged_without_asking(
    about: run.About, tmp_path: Path
) -> None:
    output = tmp_path / "judged"
    _, rows, _, _ = judged(about, output, Rule(by_hash))
    table = output / "judgements.jsonl"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:5]) + lines[5][:20])  # as a killed process leaves it
    counts, again, _, _ = judged(about, output, Rule(by_hash))
    assert counts.played == 0
    assert sorted(map(Judgement.to_json, again)) == sorted(map(Judgement.to_json, rows))


@pytest.mark.slow
def test_faults_are_overcome_and_the_verdicts_are_those_of_a_good_day(tmp_path: Path) -> None:
    about = made(tmp_path, rows=20)
    _, plain, _, _ = judged(about, tmp_path / "plain", Rule(by_hash))
    kinds = tuple(one for one in served.FAULTS if one not in ("late", "declined"))
    counts, rows, _, _ = judged(
        about, tmp_path / "judged", Rule(by_hash), 0.3, kinds=kinds, sampling=Sampling(tries=6)
    )
    assert counts.unanswered == 0 and not counts.verdicts["invalid"]
    assert said(rows) == said(plain)


def said(rows: list[Judgement]) -> dict[tuple[str, str], str]:
    return {(row.id, row.left): row.verdict for row in rows}


def test_a_dry_run_says_what_is_left_and_asks_nothing(about: run.About, tmp_path: Path) -> None:
    output = tmp_path / "judged"
    found = run.estimate(about, settings("http://127.0.0.1:9"), output, 10, 100)
    assert found.requests == 16 and not found.measured and not output.exists()
    assert found.written == 16 * run.TOKENS_WRITTEN
    assert found.money == pytest.approx((found.read * 10 + found.written * 100) / 1e6)
    judged(about, output, Rule(by_hash), limit=3, controls=0)
    found = run.estimate(about, settings("http://127.0.0.1:9"), output, 10, 100)
    assert (found.requests, found.read, found.written) == (10, 9000, 400) and found.measured


@pytest.mark.slow
def test_two_judges_and_people_share_a_table(about: run.About, tmp_path: Path) -> None:
    output = tmp_path / "judged"
    judged(about, output, Rule(by_hash), prompt="paper")
    judged(about, output, Rule(by_hash, label=True), prompt="arena_hard")
    rows = list(judgements_of(output))
    assert len(rows) == 24 and len({row.rater for row in rows}) == 2


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    yield
