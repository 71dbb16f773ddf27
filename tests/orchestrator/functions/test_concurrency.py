"""Purchases at once: they share, they fit, and none is lost."""

from concurrent.futures import ThreadPoolExecutor

from function_house import House


def test_ten_purchases_at_once_share_one_msi_and_its_models(house_on_each_database: House) -> None:
    house = house_on_each_database
    with ThreadPoolExecutor(10) as buyers:
        shares = list(buyers.map(house.instantiate, range(1, 11)))
    assert len({share["msi"] for share in shares}) == 1
    assert sum(not share["reused"] for share in shares) == 1
    assert len(house.rows("SELECT * FROM model_instances WHERE NOT supply")) == 7
    assert len(house.rows("SELECT * FROM uses")) == 70
    listed = house.vmof.get("/instances")["instances"]
    assert [(one["state"], one["shares"]) for one in listed] == [("running", 10)]
    grants = [held["grant"]["rendering_k"] for held in listed[0]["held"]]
    assert sorted(grants) == [400] * 10  # 4,000 K among ten who could each use 1,120 K

    with ThreadPoolExecutor(10) as buyers:
        list(buyers.map(house.release, range(1, 11)))
    assert house.rows("SELECT * FROM uses") == house.rows("SELECT * FROM allocations") == []
    assert [one["state"] for one in house.vmof.get("/instances")["instances"]] == ["gone"]
    assert len(house.runtime.observe()) == 2
