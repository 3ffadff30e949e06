"""Two-way synchronisation: what follows from a change of one of two linked tickets, and the writes that carry it."""
