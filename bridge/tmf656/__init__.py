"""The remote side: what TMF656 servers say and how to ask them.

`wire` turns bytes of every version into one model (pure). `client` asks: pages, single problems, the hub. It leans on
`paging` (which page next, and was anything missed), `hub` (bodies and answers of the registration) and `auth` (who we
are), which know no HTTP library. Nothing in here knows Postgres.
"""
