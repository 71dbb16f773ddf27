"""The house's own security rules find their samples and let good code pass; what was not checked is said."""

import json
from pathlib import Path

import pytest

from scripts.own_rules import RULES, findings_in
from scripts.security import judged

FOUND = {
    "shell": ["subprocess.run(words, shell=True)", "os.system(line)"],
    "loader": ["yaml.load(text)", "pickle.loads(body)", "eval(text)"],
    "any-host": ["httpx.get(url, verify=False)", "ssl._create_unverified_context()"],
    "secret-option": ['@click.option("--password")\ndef f(): ...', 'parser.add_argument("--private-key")'],
    "secret-word": ["subprocess.run([tool, '--pass', password])", "subprocess.Popen([tool, settings.api_key])"],
    "sql": ['rows.execute(f"SELECT * FROM t WHERE id = {id_}")', 'rows.execute("SELECT " + column)'],
    "compare": ["if given_mac == due_mac: ...", "ok = password != settings.password"],
    "random": ["import random", "from random import Random"],
    "log": ['log.info("opened", token=token)', "self._log.debug(password)"],
    "jwt": ["jwt.decode(text, key, algorithms=names)"],
    "weak-hash": ["hashlib.md5(body)", 'hashlib.new(name="sha1")'],
}
PASSED = {
    "shell": "subprocess.run(words)",
    "loader": "json.loads(body)",
    "any-host": "httpx.get(url)",
    "secret-option": '@click.option("--key", type=SECRET_FILE)\n@click.option("--password-file")\ndef f(): ...',
    "secret-word": "subprocess.run([tool, '--password-file', path])",
    "sql": 'rows.execute("SELECT * FROM t WHERE id = ?", (id_,))\nrows.execute(f"DROP TABLE {TABLE}")',
    "compare": 'hmac.compare_digest(given_mac, due_mac)\nis_set = password != ""',
    "random": "import secrets",
    "log": 'log.info("opened", subscription=subscription)\nclient.token(token)',
    "jwt": "jws.parse(text, TYP)",
    "weak-hash": "hashlib.sha256(body)",
}
HERE = Path("trust/sample.py")


@pytest.mark.parametrize(("rule", "sample"), [(rule, sample) for rule, samples in FOUND.items() for sample in samples])
def test_each_rule_finds_its_samples(rule: str, sample: str) -> None:
    assert rule in {found.rule for found in findings_in(sample, HERE)}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_each_rule_lets_good_code_pass(rule: str) -> None:
    assert rule not in {found.rule for found in findings_in(PASSED[rule], HERE)}


def test_break_is_passed_only_with_its_own_reason() -> None:
    line = "subprocess.run(words, shell=True)"
    assert not list(findings_in(f"{line}  # safe: shell — words are constants of this file", HERE))
    assert len(list(findings_in(f"{line}  # safe: sql — another rule", HERE))) == 1
    assert len(list(findings_in(f"{line}  # safe: shell —", HERE))) == 1


def test_simulations_may_draw_by_random_and_nobody_else() -> None:
    assert not list(findings_in("import random", Path("orchestrator/models/terahertz_link.py")))
    assert len(list(findings_in("import random", Path("orchestrator/gateway/use.py")))) == 1


def test_advisory_is_reported_unless_it_is_explained() -> None:
    vulnerable = {"name": "web", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
    report = json.dumps({"dependencies": [vulnerable, {"name": "sound", "version": "2", "vulns": []}]})
    assert judged(report, [], ["web", "sound"]).found == ["web 1.0: PYSEC-1: raise it to 1.1"]
    explained = judged(report, ["# why", "PYSEC-1 its server is not used here"], ["web", "sound"])
    assert (explained.found, explained.unchecked) == ([], [])


def test_packages_that_nobody_could_be_asked_of_are_counted() -> None:
    skipped = json.dumps({"dependencies": [{"name": "web", "skip_reason": "not found"}]})
    assert judged(skipped, [], ["web"]).unchecked == ["web"]
    assert judged("", [], ["web", "sound"]).unchecked == ["web", "sound"]  # no network at all
