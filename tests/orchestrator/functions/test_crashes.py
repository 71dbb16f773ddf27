"""kill -9 at random moments while services are instantiated and released: nothing lost, nothing doubled, no orphan."""

import random
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import adjusting_under_fire
import sqlalchemy as sa
import under_fire
import warming_under_fire

from orchestrator.models.manifests import manifests, services
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import virtual_pool
from orchestrator.runtime.port import RunState
from orchestrator.runtime.sandbox import SandboxRuntime
from storage import database_url
from tests.forks import FORKS

KILLS = {"sqlite": 5, "postgresql": 3}
ROLES = services()["virtual-beach-travel"].roles


def run(home: Path, database: str, until_s: float | None, name: str = "under_fire") -> bool:
    """One run of the program, killed this long after it came up; True when it finished its work."""
    ours, theirs = FORKS.Pipe(duplex=False)
    program = FORKS.Process(target=play, args=(name, home, database, theirs))
    program.start()
    theirs.close()
    with ours:
        assert ours.recv() == "up"
        if not ours.poll(until_s):
            program.kill()
            program.join()
            return False
        finished: bool = ours.recv() == "done"
    program.join(30)
    assert program.exitcode == 0
    return finished


def play(name: str, home: Path, database: str, told: Connection) -> None:
    """In a process of its own."""
    import_module(name).main(home, database, told.send)


def test_random_kills_lose_and_double_nothing(tmp_path: Path, database: str) -> None:
    chance = random.Random(7)
    kills = sum(
        not run(tmp_path, database, chance.uniform(0.05, 1.2)) for _ in range(KILLS[database.partition(":")[0]])
    )
    assert kills >= 2
    assert run(tmp_path, database, None)
    runtime = SandboxRuntime(tmp_path)
    engine = sa.create_engine(database_url(database))
    try:
        check(engine, runtime)
    finally:
        engine.dispose()
        runtime.delete_all()


def check(engine: sa.Engine, runtime: SandboxRuntime) -> None:
    kept = {str(subscription) for subscription in under_fire.KEPT}
    with engine.connect() as rows:
        shares = rows.execute(sa.text("SELECT subscription_id, state, msi_id FROM shares")).all()
        assert {share.subscription_id for share in shares if share.state == "running"} == kept
        assert len(shares) == len(under_fire.KEPT) + len(under_fire.RELEASED)
        assert {share.state for share in shares} == {"running", "released"}
        uses = rows.execute(sa.text("SELECT subscription_id, role FROM uses")).all()
        assert sorted((use.subscription_id, use.role) for use in uses) == sorted((s, r) for s in kept for r in ROLES)
        standing = rows.execute(sa.text("SELECT instance_id, supply FROM model_instances WHERE state='running'")).all()
        assert not rows.execute(sa.text("SELECT 1 FROM model_instances WHERE state IN ('planned', 'stopping')")).all()
        assert virtual_pool(rows).used == expected_use(
            len(kept), [one.instance_id for one in standing if not one.supply]
        )
    alive = {one.instance_id for one in runtime.observe() if one.state is RunState.RUNNING}
    assert alive == {one.instance_id for one in standing} == {one.instance_id for one in runtime.observe()}


def expected_use(shares: int, instances: list[str]) -> ResourceVector:
    """What the standing instances and their shares take of the site: each once."""
    known = manifests()
    used = ResourceVector()
    for instance in instances:
        used += ResourceVector.of(known[instance.rpartition("-")[0]].consumes)
    for model in ROLES.values():
        per_share = ResourceVector.of(known[model].per_share)
        if per_share.bandwidth_mbps:  # the request asks for the default 100 Mb/s
            per_share = ResourceVector.of({**per_share.amounts(), "bandwidth_mbps": 100, "spectrum_mhz": 40})
        used += (per_share - per_share.only(ResourceVector.of(known[model].supplies))) * shares
    return used


def test_random_kills_of_updates_lose_and_double_nothing(tmp_path: Path) -> None:
    """Each share ends at the size of its last update, on instances scaled for just what they serve."""
    chance = random.Random(11)
    kills = sum(not run(tmp_path, "", chance.uniform(0.1, 1.5), "adjusting_under_fire") for _ in range(KILLS["sqlite"]))
    assert kills >= 2
    assert run(tmp_path, "", None, "adjusting_under_fire")
    runtime = SandboxRuntime(tmp_path)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'db' / 'engine.db'}")
    try:
        with engine.connect() as rows:
            check_sizes(rows)
            alive = {one.instance_id for one in runtime.observe() if one.state is RunState.RUNNING}
            standing = "SELECT instance_id FROM model_instances WHERE state = 'running'"
            assert alive == set(rows.scalars(sa.text(standing)))
    finally:
        engine.dispose()
        runtime.delete_all()


def check_sizes(rows: sa.Connection) -> None:
    manifest = manifests()[adjusting_under_fire.SERVICE]
    users = {
        str(subscription): sizes[1]
        for subscription, sizes in adjusting_under_fire.USERS.items()
        if subscription not in adjusting_under_fire.RELEASED
    }
    shares = {row.subscription_id: row for row in rows.execute(sa.text("SELECT * FROM shares")).all()}
    assert {name for name, row in shares.items() if row.state == "running"} == set(users)
    assert {row.state for row in shares.values()} == {"running", "released"}
    held = rows.execute(sa.text("SELECT * FROM allocations WHERE subscription_id != ''")).all()
    per_share = manifest.per_share
    assert {row.allocation_id: (row.rendering_k, row.computing_mcores) for row in held} == {
        f"{name}/model/{part}": (count * per_share["rendering_k"] * (part == "own"),
                                 count * per_share["computing_mcores"] * (part == "site"))
        for name, count in users.items() for part in ("own", "site")
    }  # fmt: skip
    uses = rows.execute(sa.text("SELECT subscription_id, role, instance_id FROM uses")).all()
    assert sorted((use.subscription_id, use.role) for use in uses) == sorted((name, "model") for name in users)
    standing = rows.execute(sa.text("SELECT * FROM model_instances WHERE NOT supply AND state = 'running'")).all()
    assert {one.instance_id for one in standing} == {use.instance_id for use in uses}
    assert not rows.execute(sa.text("SELECT 1 FROM model_instances WHERE state IN ('planned', 'stopping')")).all()
    consumed = ResourceVector.of(manifest.consumes) * sum(one.scale for one in standing)
    needed = ResourceVector(computing_mcores=per_share["computing_mcores"] * sum(users.values()))
    assert virtual_pool(rows).used == consumed + needed
    live = rows.execute(sa.text("SELECT msi_id FROM msis WHERE state IN ('planning', 'running', 'decommission')")).all()
    assert {row.msi_id for row in live} == {row.msi_id for row in shares.values() if row.state == "running"}


def test_random_kills_of_models_started_ahead_leave_what_the_last_design_wants(tmp_path: Path) -> None:
    """Every design is carried out to its end: what it keeps runs, once, and nothing else does."""
    chance = random.Random(13)
    kills = sum(not run(tmp_path, "", chance.uniform(0.05, 0.8), "warming_under_fire") for _ in range(3))
    assert kills >= 2
    assert run(tmp_path, "", None, "warming_under_fire")
    runtime = SandboxRuntime(tmp_path)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'db' / 'engine.db'}")
    try:
        with engine.connect() as rows:
            assert not rows.execute(
                sa.text("SELECT 1 FROM model_instances WHERE state IN ('planned', 'stopping')")
            ).all()
            running = "SELECT instance_id, model, shares, supply FROM model_instances WHERE state = 'running'"
            standing = rows.execute(sa.text(running)).all()
            kept = sorted(one.model for one in standing if not one.supply)
            assert kept == sorted(warming_under_fire.KEPT)
            assert not any(one.shares for one in standing)
            assert virtual_pool(rows).used == expected_use(0, [o.instance_id for o in standing if not o.supply])
        assert {one.instance_id for one in runtime.observe()} == {one.instance_id for one in standing}
    finally:
        engine.dispose()
        runtime.delete_all()
