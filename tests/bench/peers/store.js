// What Fastify and Node-RED do with a notification: both rows in one prepared statement, so one round trip and one commit.
"use strict";

const { Pool } = require("pg");

const STATEMENT = `
    with kept as (insert into inbox (event_id, body) values ($1, $2))
    insert into problem as p (id, status, updated_at, body) values ($3, $4, $5, $6)
    on conflict (id) do update set status = excluded.status, updated_at = excluded.updated_at, body = excluded.body
    where p.updated_at <= excluded.updated_at`;

const pool = new Pool({
    host: process.env.BENCH_SOCKET_DIR,
    database: process.env.BENCH_DATABASE,
    user: "postgres",
    max: 10,
});

exports.store = (event) => {
    const problem = event.event.serviceProblem;
    return pool.query({
        name: "store",
        text: STATEMENT,
        values: [event.eventId, event, problem.id, problem.status, problem.lastUpdate, problem],
    });
};
