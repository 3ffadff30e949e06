"""How fast the bridge is, as ratios against peers that do the same work on the same machine in the same run.

    python -m tests.bench               the short form: all but measures 8, 9 and 10, under ten minutes on 2 cores
    python -m tests.bench --long        measures 6 to 11 at full size: an hour, and some 20 GB of disk
    python -m tests.bench --only 1,2    some measures, nothing written
    python -m tests.bench --page        write the table into docs/performance.md, from the last results
    TMF656_BRIDGE_PURE=1 …              the bridge in pure Python, where it would be compiled

Absolute rates say more about the machine than about the program, so every figure with a bound is a ratio of two sides
that took turns: each round measures every side once, the ratio is taken within the round, and the median of the rounds
counts. CPU seconds per 1,000 notifications stand beside the rates; they are steadier where the machine is shared.

What makes it fair
    the payload    every side gets the same notifications, byte for byte (`notification`), from the same client
                   (`load`: a process of its own), 64 keep-alive connections, answered 201 with `{}`
    the server     one Postgres, started here from the bridge's own binaries, with the settings that `postgres` lists:
                   fsync, synchronous_commit and full_page_writes on; all sides connect through its Unix socket
    the durability every side answers after its commit; one commit a request is what the peers do, group commit is what
                   the bridge does, and that is the difference that is measured
    the work       pgbench runs the statements that the bridge needs for one notification, on the bridge's own tables,
                   each for one row, prepared. Fastify and Node-RED do less: one inbox row and one upsert, in one
                   prepared statement, which is the fastest way they have. The bare aiohttp app has the same
                   routes, reads the body, and gives the same answer; it uses uvloop too. Every request goes
                   through aiohttp there, as it did in the bridge before `bridge.web.listener.fast_path`
    the processes  the bridge has one worker less than there are cores, 1 to 4 (`--workers`): Postgres is on the same
                   machine. Every peer is one process, as it comes. What two workers bring is a measure of its own;
                   starts and the memory of ten minutes are measured with one
    dlt            merges the same 10,000 problems, without child tables (`max_table_nesting` 0), as that is faster
    what counts    after each slice every event that the bridge answered is looked for in `report.notification`;
                   one that is not there ends the run
"""
