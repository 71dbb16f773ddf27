"""What is written of the lives of instances, on both databases."""

from dataclasses import replace

from test_states import model

from orchestrator.instances import ModelMove, ModelState
from orchestrator.instances.lives import Life, count_up, down_since, end_life, ended_lives, fall, life_of, rise
from orchestrator.instances.models import add_instance, instance, move_instance
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import supply
from orchestrator.store import open_store


def test_deaths_down_time_and_up_time_add_up_and_stay_the_models(database: str) -> None:
    store = open_store(database)
    with store.writer.begin() as rows:
        supply(rows, "infrastructure-1", "site-1", ResourceVector(computing_mcores=1))
        one = replace(model(max_shares=2), state=ModelState.PLANNED)
        add_instance(rows, one)
        assert down_since(rows) == {}, "it does not run yet"
        move_instance(rows, one.instance_id, ModelMove.START, 10)
        count_up(rows, 60, 30)  # made half a minute ago
        fall(rows, [one.instance_id], 100)
        fall(rows, [one.instance_id], 105)  # dead already
        count_up(rows, 60, 150)  # down
        assert down_since(rows) == {one.instance_id: 100}
        found = instance(rows, one.instance_id)
        assert found is not None
        assert life_of(found, 107) == Life(deaths=1, up_s=30, down_s=7)
        rise(rows, [one.instance_id], 108)
        rise(rows, [one.instance_id], 120)  # up already
        fall(rows, [one.instance_id], 200)
        rise(rows, [one.instance_id], 200)  # within the second that it died in
        count_up(rows, 60, 260)
        found = instance(rows, one.instance_id)
        assert found is not None
        assert life_of(found, 260) == Life(deaths=2, up_s=90, down_s=9)
        end_life(rows, found, 260)
        end_life(rows, found, 260)
        assert ended_lives(rows, [found.model, "nobody"]) == {found.model: Life(4, 180, 18)}
    store.close()
