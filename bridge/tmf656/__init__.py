"""TMF656 servers: how to request their data and how to read it.

`wire` reads the bytes of every version of the standard into one model (pure). `client` requests pages, single problems
and registrations. `page_walk` decides which page comes next and whether a pass was complete, `hub` builds and reads
registrations; neither does I/O. No module here depends on Postgres.
"""
