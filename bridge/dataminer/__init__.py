"""DataMiner's two ticket systems: how to read and write their tickets.

`api_client` Ticketing 2 by the routes of a user-defined API (deploy/dataminer/routes.openapi.yaml), `routes_wire` its
tickets as problems, pure · `web_client` legacy Ticketing by Web Services v1, `session` its logins, `field_values` and
`web_wire` its tickets as fields and as problems, pure · `ticket_pass` the pages of one pass over either.
"""
