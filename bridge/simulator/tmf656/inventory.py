"""The parties, places, services and resources that simulated problems refer to."""

import random
from typing import Any

Json = dict[str, Any]

INVENTORY = "https://inventory.example/tmf-api"
"""Where the references of made-up problems point."""
CITIES = (
    ("Paris", "Île-de-France"), ("Lyon", "Auvergne-Rhône-Alpes"), ("Lille", "Hauts-de-France"), ("Zürich", "Zürich"),
    ("Genève", "Genève"), ("München", "Bayern"), ("Hamburg", "Hamburg"), ("Milano", "Lombardia"),
    ("Torino", "Piemonte"), ("Madrid", "Comunidad de Madrid"), ("Bilbao", "País Vasco"), ("Gent", "Oost-Vlaanderen"),
    ("Rotterdam", "Zuid-Holland"),
    ("Kraków", "Małopolskie"), ("Oslo", "Oslo"), ("Göteborg", "Västra Götaland"),
)  # fmt: skip
_SERVICES = (
    "Metro Ring",
    "IP-VPN",
    "Carrier Ethernet",
    "Dark Fibre",
    "Internet Access",
    "SIP Trunk",
    "5G Backhaul",
    "DWDM Wave",
)
_RESOURCES = (
    "PE router",
    "aggregation switch",
    "OLT",
    "DWDM shelf",
    "microwave link",
    "gNodeB",
    "firewall",
    "power feed",
)
_PARTIES = (
    ("Nordlicht Netze", "Supplier"), ("Transalpine Carrier", "Supplier"), ("Rhône Fibre", "Supplier"),
    ("Iberia Backbone", "Supplier"), ("Banque du Lac", "Customer"), ("Hafen Logistik", "Customer"),
    ("Ospedale San Marco", "Customer"), ("Vlaamse Media", "Customer"), ("Regional Rail", "Customer"),
    ("Field Operations", "Partner"), ("Tower Company", "Partner"), ("Network Operations Centre", "ServiceProvider"),
)  # fmt: skip


class Inventory:
    """The parties, places, services and resources that problems refer to."""

    def __init__(self, rng: random.Random) -> None:
        self.parties = [_party(number, name, role) for number, (name, role) in enumerate(_PARTIES, 1)]
        self.places = [_place(number, city, region) for number, (city, region) in enumerate(CITIES, 1)]
        self._services = [
            _references(rng, city, _SERVICES, "serviceInventory", "service", "SVC") for city in range(len(CITIES))
        ]
        self._resources = [
            _references(rng, city, _RESOURCES, "resourceInventory", "resource", "RES") for city in range(len(CITIES))
        ]

    def party(self, rng: random.Random) -> Json:
        return self.parties[rng.randrange(len(self.parties))]

    def service(self, rng: random.Random, city: int) -> Json:
        return self._services[city][rng.randrange(len(_SERVICES))]

    def resource(self, rng: random.Random, city: int) -> Json:
        return self._resources[city][rng.randrange(len(_RESOURCES))]


def _party(number: int, name: str, role: str) -> Json:
    id_ = f"ORG{number:03d}"
    href = f"{INVENTORY}/partyManagement/v4/organization/{id_}"
    return {"id": id_, "href": href, "name": name, "role": role, "@referredType": "Organization"}


def _place(number: int, city: str, region: str) -> Json:
    id_ = f"LOC{number:03d}"
    href = f"{INVENTORY}/geographicSiteManagement/v4/geographicSite/{id_}"
    return {
        "id": id_,
        "href": href,
        "name": f"{city}, {region}",
        "role": "Affected site",
        "@referredType": "GeographicSite",
    }


def _references(
    rng: random.Random, city: int, names: tuple[str, ...], api: str, resource: str, prefix: str
) -> list[Json]:
    base = f"{INVENTORY}/{api}/v4/{resource}"
    ids = [f"{prefix}{city:02d}{number:02d}{rng.randrange(100):02d}" for number in range(len(names))]
    return [
        {"id": id_, "href": f"{base}/{id_}", "name": f"{CITIES[city][0]} {name}"}
        for id_, name in zip(ids, names, strict=True)
    ]
