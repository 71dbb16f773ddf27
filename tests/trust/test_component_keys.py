import json
import multiprocessing
import stat
from pathlib import Path

import pytest

from trust.encoding import b64url, unb64url
from trust.errors import KeyFileBroken, KeyFileUnsafe
from trust.keys import ComponentIdentity, ProofKey, ed25519_jkt, load_jwk, thumbprint


def test_thumbprint_of_the_rfc_8037_key_is_the_published_one() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert ed25519_jkt(unb64url(jwk["x"])) == thumbprint(jwk)


def test_key_file_is_made_once_with_mode_0600_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "mmf.json"
    first = ComponentIdentity.load_or_create(path, "mmf")
    again = ComponentIdentity.load_or_create(path, "mmf")
    assert first.public_bytes == again.public_bytes
    assert first.spiffe_id == "spiffe://slicing4meta.devnet/mmf"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["mmf.json"]


def _make(path: Path, results: "multiprocessing.Queue[str]") -> None:
    results.put(ComponentIdentity.load_or_create(path, "vmof").jkt)


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    workers = [context.Process(target=_make, args=(tmp_path / "vmof.json", results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = {results.get(timeout=30) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(found) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "mmf.json"
    ComponentIdentity.load_or_create(path, "mmf")
    path.chmod(mode)
    with pytest.raises(KeyFileUnsafe, match="0600"):
        ComponentIdentity.load_or_create(path, "mmf")


def test_key_file_of_another_component_or_domain_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mmf.json"
    ComponentIdentity.load_or_create(path, "mmf")
    with pytest.raises(KeyFileBroken, match="not of vmof"):
        ComponentIdentity.load_or_create(path, "vmof")
    with pytest.raises(KeyFileBroken, match="elsewhere"):
        ComponentIdentity.load_or_create(path, "mmf", "elsewhere")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"component": "mmf", "domain": "slicing4meta.devnet", "d": "AA"}']
)
def test_damaged_key_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mmf.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileBroken):
        ComponentIdentity.load_or_create(path, "mmf")
    assert path.read_text() == content


def test_key_file_whose_public_part_was_exchanged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mmf.json"
    ComponentIdentity.load_or_create(path, "mmf")
    document = json.loads(path.read_text())
    document["x"] = ProofKey.generate().jwk["x"]
    path.write_text(json.dumps(document))
    with pytest.raises(KeyFileBroken):
        ComponentIdentity.load_or_create(path, "mmf")


def test_private_parts_never_show_in_a_representation(tmp_path: Path) -> None:
    path = tmp_path / "mmf.json"
    identity = ComponentIdentity.load_or_create(path, "mmf")
    secret = json.loads(path.read_text())["d"]
    assert secret not in repr(identity) + repr(identity.key)


@pytest.mark.parametrize("name", ["", "MMF", "a/b", "a b", "-a", "../keys", "a\n"])
def test_names_that_would_not_make_a_spiffe_id_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        ComponentIdentity.generate(name)


@pytest.mark.parametrize("alg", ["EdDSA", "ES256"])
def test_public_jwk_round_trip(alg: str) -> None:
    key = ProofKey.generate(alg)  # type: ignore[arg-type]
    assert load_jwk(key.jwk)[0] == alg
    assert load_jwk(key.jwk)[2] == key.jkt


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        "text",
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "OKP", "crv": "Ed448", "x": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": 7},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
        {"kty": "EC", "crv": "P-256", "x": b64url(b"\1" * 32), "y": b64url(b"\2" * 32)},
        {"kty": "EC", "crv": "secp256k1", "x": b64url(b"\1" * 32), "y": b64url(b"\2" * 32)},
        {"kty": "OKP", "crv": "Ed25519", "x": b64url(b"\1" * 32), "d": b64url(b"\1" * 32)},
    ],
)
def test_jwk_that_cannot_prove_possession_is_refused(jwk: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load_jwk(jwk)
