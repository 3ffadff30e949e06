"""Several processes that listen on one port and share one database, one journal directory and one metrics page.

    sender ─┐                     ┌─ worker 1: a whole bridge ─┐
    sender ─┼─ port, SO_REUSEPORT ┼─ worker 2: a whole bridge ─┼─ Postgres
    sender ─┘                     └─ …                        ─┘
                 parent ─── a channel to each worker

Each worker (`child`) is a bridge like any other on a shared database; one of them leads, and another takes over when
it dies. The parent (`parent`) accepts no connection: it reserves the port, runs the embedded Postgres if there is one,
restarts workers, and adds up their metrics. The console is a process of its own (`front` keeps it, `front_child` is
it), also beside a single bridge: no sender waits while a page is drawn.

The channel (`channel`) is a pair of connected sockets; the child's end is its standard input. It closes when either
process dies: a child without a parent stops cleanly, and the parent replaces a child that died.
"""
