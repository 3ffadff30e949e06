"""Two scriptable DataMiner servers: the ticket routes of a user-defined API, and legacy Ticketing by Web Services v1.

`ticket_store` the tickets · `faults` what goes wrong · `gate` what happens to every request · `routes` the routes of
deploy/dataminer/routes.openapi.yaml · `web_services`, `sessions` Web Services v1 · `field_values` its tickets as JSON ·
`lives` tickets that change · `simulator` the whole and its calls.

No code is shared with `bridge.dataminer`: each side finds the mistakes of the other.
"""
