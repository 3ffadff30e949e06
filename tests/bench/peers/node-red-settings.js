// Node-RED without its editor: one flow, and the pool of connections handed to its function.
"use strict";

module.exports = {
    uiHost: "127.0.0.1",
    uiPort: Number(process.env.BENCH_PORT),
    userDir: process.env.BENCH_USER_DIR,
    flowFile: require("path").join(__dirname, "node-red-flow.json"),
    readOnly: true,
    credentialSecret: false,
    httpAdminRoot: false,
    disableEditor: true,
    telemetry: { enabled: false, updateNotification: false },
    logging: { console: { level: "info", metrics: false, audit: false } },
    functionGlobalContext: { store: require("./store.js").store },
};
