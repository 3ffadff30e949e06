"""Simulated problems refer to the same parties, places, services and resources again and again."""

import random

from bridge.simulator.tmf656.inventory import CITIES, Inventory


def test_the_same_seed_gives_the_same_inventory() -> None:
    one, two = Inventory(random.Random(1)), Inventory(random.Random(1))
    for city in range(len(CITIES)):
        drawn, again = random.Random(city), random.Random(city)
        assert one.service(drawn, city) == two.service(again, city)
        assert one.resource(drawn, city) == two.resource(again, city)
    assert one.places == two.places


def test_what_is_referred_to_has_an_id_a_name_and_an_address() -> None:
    inventory = Inventory(random.Random(2))
    rng = random.Random(3)
    for part in (inventory.party(rng), inventory.places[0], inventory.service(rng, 0), inventory.resource(rng, 0)):
        assert part["href"].endswith(f"/{part['id']}")
        assert part["name"]
    assert len({place["id"] for place in inventory.places}) == len(CITIES)
