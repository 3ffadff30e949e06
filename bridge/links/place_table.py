"""Which tickets stand at which places, in some forty bytes a place and a ticket.

A place is known by a hash of 64 bits, made with a key of this process, so that nobody can make two texts meet. Most
places stand in sorted arrays; what came since stands in a dictionary beside them, and joins them once it has grown. A
ticket that changes gets a new number, and its old one is dead until the arrays are built again.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from secrets import token_bytes
from typing import Final

_FEWEST: Final = 10_000
"""Fewer new places, or dead numbers, are left as they are."""
_SHARE: Final = 8


class PlaceTable:
    """Tickets by places. A ticket and a place are named by texts, which must be unique among their kind."""

    def __init__(self) -> None:
        """Begin empty."""
        self._key = token_bytes(16)
        self._hashes, self._numbers = array("Q"), array("I")
        self._new: dict[int, tuple[int, ...]] = {}
        self._tickets: list[str] = []
        self._created = array("d")
        self._alive = bytearray()
        self._dead = 0

    def __len__(self) -> int:
        """How many tickets there are."""
        return len(self._tickets) - self._dead

    def put(self, ticket: str, name: str, places: Iterable[str], created_at: datetime | None) -> None:
        """Have a ticket stand at these places and no others. `name`: what is returned for it."""
        self.remove(ticket)
        number = len(self._tickets)
        self._tickets.append(name)
        self._created.append(math.nan if created_at is None else created_at.timestamp())
        self._alive.append(1)
        for place in {ticket, *places}:
            place_hash = self._hash(place)
            self._new[place_hash] = (*self._new.get(place_hash, ()), number)
        if len(self._new) > max(_FEWEST, len(self._hashes) // _SHARE):
            self._join()

    def remove(self, ticket: str) -> None:
        """Forget a ticket."""
        for number in self._at(ticket):
            self._alive[number] = 0
            self._dead += 1

    def find(self, place: str) -> dict[str, float]:
        """Return the tickets at a place: name → when it was made, NaN where that is not known."""
        return {self._tickets[number]: self._created[number] for number in self._at(place)}

    def _hash(self, text: str) -> int:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big")

    def _at(self, place: str) -> list[int]:
        place_hash = self._hash(place)
        numbers = list(self._new.get(place_hash, ()))
        index = bisect_left(self._hashes, place_hash)
        while index < len(self._hashes) and self._hashes[index] == place_hash:
            numbers.append(self._numbers[index])
            index += 1
        return [number for number in numbers if self._alive[number]]

    def _join(self) -> None:
        """Put what is new between what is sorted, piece by piece: a list of all would take three times the memory."""
        if self._dead > max(_FEWEST, len(self) // _SHARE):
            self._renumber()
        hashes, numbers, begin = array("Q"), array("I"), 0
        for place_hash, number in sorted((each, one) for each, found in self._new.items() for one in found):
            end = bisect_left(self._hashes, place_hash, begin)
            hashes.extend(self._hashes[begin:end])
            numbers.extend(self._numbers[begin:end])
            hashes.append(place_hash)
            numbers.append(number)
            begin = end
        hashes.extend(self._hashes[begin:])
        numbers.extend(self._numbers[begin:])
        self._hashes, self._numbers = hashes, numbers
        self._new.clear()

    def _renumber(self) -> None:
        """Forget what is dead, and give its numbers to others."""
        kept = [number for number, alive in enumerate(self._alive) if alive]
        numbers = array("I", bytes(4 * len(self._alive)))
        for place, number in enumerate(kept):
            numbers[number] = place
        entries = zip(self._hashes, self._numbers, strict=True)
        self._hashes = array("Q", (place_hash for place_hash, number in entries if self._alive[number]))
        self._numbers = array("I", (numbers[number] for number in self._numbers if self._alive[number]))
        alive = {each: tuple(numbers[one] for one in found if self._alive[one]) for each, found in self._new.items()}
        self._new = {each: found for each, found in alive.items() if found}
        self._tickets = [self._tickets[number] for number in kept]
        self._created = array("d", (self._created[number] for number in kept))
        self._alive, self._dead = bytearray(b"\1" * len(kept)), 0
