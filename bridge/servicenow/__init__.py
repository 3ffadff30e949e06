"""ServiceNow instances: tickets read and written by the Table API.

`client` requests pages and single tickets, `table_pages` decides which page comes next, `writer` creates, changes and
annotates. `query` builds encoded queries, `wire` makes a version 4 problem of a record, `journal` reads notes, `status`
holds what the states of the usual tables mean; these four are pure. No module here depends on Postgres.
"""
