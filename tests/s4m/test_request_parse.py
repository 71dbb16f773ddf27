"""`s4m request parse`: lines of text in, one answer a line out."""

import json
from pathlib import Path

from click.testing import CliRunner
from command_runner import Run

from s4m.main import cli


def test_each_line_gets_one_document_or_question_as_json(tmp_path: Path) -> None:
    words = tmp_path / "requests.txt"
    words.write_text("karaoke with five friends\n\nwhat is the weather\n", "utf-8")
    done = CliRunner().invoke(cli, ["request", "parse", str(words), "--home", str(tmp_path), "--json"])
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["text"] for one in answers] == ["karaoke with five friends", "", "what is the weather"]
    assert answers[0]["document"]["users"] == 6
    assert answers[0]["scenario"] == "social_interaction"
    assert [bool(one["question"]) for one in answers[1:]] == [True, True]


def test_people_get_a_table_and_the_standard_input_is_read() -> None:
    done = CliRunner().invoke(cli, ["request", "parse"], input="karaoke with five friends\n")
    assert done.exit_code == 0
    assert "beach-social" in done.stdout
    assert "users: 6" in done.stdout


def test_a_file_that_is_no_text_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\xff\xfe\xfa")
    answer = run("request", "parse", tmp_path / "picture")
    assert (answer.code, answer.json["code"]) == (2, "bad_input")
    assert run("request", "parse", tmp_path / "missing").code == 2


def test_a_line_too_long_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("a beach\n" + "beach " * 500, "utf-8")
    answer = run("request", "parse", tmp_path / "long")
    assert (answer.code, answer.json["code"]) == (2, "bad_input")
    assert answer.json["error"].startswith("Line 2")
