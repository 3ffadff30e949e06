// Fastify + pg: a listener as it is usually written.
"use strict";

const fastify = require("fastify");
const { store } = require("./store.js");

const app = fastify({ logger: false });
app.post("/listener/:source/:secret", async (request, reply) => {
    await store(request.body);
    return reply.code(201).send({});
});
app.listen({ host: "127.0.0.1", port: 0 }).then(() => console.log(`listening ${app.server.address().port}`));
