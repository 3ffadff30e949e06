"""Several processes that listen on one port and share one database, one journal directory and one metrics page.

    sender ─┐                     ┌─ worker 1: a whole bridge ─┐
    sender ─┼─ port, SO_REUSEPORT ┼─ worker 2: a whole bridge ─┼─ Postgres
    sender ─┘                     └─ …                        ─┘
                 parent ─── a line to each worker

Each worker (`child`) is a bridge like any other on a shared database: all of them take notifications and commit, one
leads and polls, registers and reconciles, and another takes over when that one dies. The kernel spreads connections
over them. The parent (`parent`) serves nothing: it reserves the port, runs the embedded Postgres where there is one,
starts the workers and starts them again, and adds their metrics up: a scrape reaches any worker, which asks the parent.

The line (`line`) is a pair of connected sockets, the worker's standard input. Whoever dies ends it: a worker whose
parent is gone stops cleanly, a parent whose worker is gone starts another. Nothing that was answered depends on either.
"""
