"""Several processes that listen on one port and share one database, one journal directory and one metrics page.

    sender ─┐                     ┌─ worker 1: a whole bridge ─┐
    sender ─┼─ port, SO_REUSEPORT ┼─ worker 2: a whole bridge ─┼─ Postgres
    sender ─┘                     └─ …                        ─┘
                 parent ─── a channel to each worker

Each worker (`child`) is a bridge like any other on a shared database: all workers store notifications; one of them is
the leader, which polls, registers and reconciles, and another takes over when the leader dies. The kernel distributes
connections over the workers. The parent (`parent`) accepts no connection: it reserves the port, runs the embedded
Postgres if there is one, restarts workers, and adds up their metrics: the worker that is scraped asks the parent.

The channel (`channel`) is a pair of connected sockets; the worker's end is its standard input. It closes when either
process dies: a worker without a parent stops cleanly, and the parent replaces a worker that died. Neither death loses
a notification that was answered.
"""
