"""Examples of each command, shown at the end of its `--help`."""

_EXAMPLES: dict[str, dict[str, str]] = {
    "run": {
        "run --config /etc/tmf656-bridge/bridge.toml": "by this configuration",
        "run --workers 4": "four processes on one port, where one core is not enough",
        "run --unsubscribe": "by ./bridge.toml, and leave no registration behind at any hub",
    },
    "demo": {
        "demo": "five events a second, until Ctrl-C",
        "demo --links": "a DataMiner and a ServiceNow kept in step, with people who edit both",
        "demo --rate 50 --version 5 --for 60": "a minute of a busy server that speaks version 5",
    },
    "check": {
        "check": "everything that `run` needs, as a table",
        "check --push": "also whether a notification would arrive",
        "check --write snow": "one probe ticket: made, changed, noted, ended",
        "check --json --config bridge.toml": "the same for a script; exit status 1 when anything fails",
    },
    "config": {
        "config --set": "what is set, and where; no defaults",
    },
    "status": {
        "status": "every source, and what needs a person",
        "status --json": "the same for a script",
    },
    "sync": {
        "sync snow": "what changed since the last poll",
        "sync snow --full": "everything; twice in a row shows what was deleted at the server",
        "sync snow --accept-deletions": "also what a pass held back, because it was too much at once",
    },
    "migrate": {
        "migrate": "as the owner of the database, before the processes are replaced",
        "migrate --check": "only look; exit status 1 when `migrate` has something to do",
    },
    "user add": {
        "user add anna --role operator": "asks for the password twice",
        "user add deploy --role viewer --password-file -": "reads it from standard input",
    },
    "user password": {
        "user password anna": "and logs anna out everywhere",
    },
    "user role": {
        "user role anna admin": "from the next login on",
    },
    "user remove": {
        "user remove anna": "and ends every session of anna",
    },
    "user list": {
        "user list --json": "for a script",
    },
    "links plan": {
        "links plan": "what every rule would match, create and write now; exit status 3 when that is anything",
        "links plan noc-carrier --json": "the same of one rule for a script, every ticket by its id",
    },
    "links audit": {
        "links audit": "every rule, five links a second",
        "links audit noc-carrier --rate 20 --json": "one rule, faster; exit status 3 where something differs",
        "links audit noc-carrier --resume": "go on where Ctrl-C or a source that was away ended it",
    },
    "links list": {
        "links list --behind": "where something waits to be written",
        "links list --state blocked --json": "for a script",
    },
    "links show": {
        "links show 17": "both tickets field by field, writes and conflicts; by number, key or either ticket",
    },
    "links conflicts": {
        "links conflicts": "what waits for a person",
        "links conflicts --settled": "also what was overruled or is over",
    },
    "links resolve": {
        "links resolve 17 title left": "what the left says is written to the right",
        "links resolve 17 title dismiss": "both stay as they are",
    },
    "links pause": {
        "links pause noc-carrier --reason 'carrier moves its server'": "before the next request",
        "links pause --all": "every rule",
    },
    "links resume": {
        "links resume noc-carrier": "what changed meanwhile is decided then",
    },
    "links release": {
        "links release noc-carrier": "after a look at `links plan`",
    },
    "links retry": {
        "links retry 17": "what is blocked of one link",
        "links retry --rule noc-carrier --error 'Data Policy'": "all of a rule with that in the error",
    },
    "links ignore": {
        "links ignore 17": "this ticket gets no counterpart",
        "links ignore 17 --unsettled": "a write was sent, and its target is gone for good",
    },
    "links unlink": {
        "links unlink 17": "both tickets stay as they are, and are not joined again",
    },
    "links link": {
        "links link noc-carrier 4711 SP-9": "the left one, then the right one",
    },
    "links preset": {
        "links preset": "which there are",
        "links preset ses": "as TOML, to begin with or to copy from",
    },
    "rotate-secret": {
        "rotate-secret snow": "the secret before stays accepted until the next time",
    },
    "init": {
        "init": "asks for everything, tries it, and writes ./bridge.toml",
        "init --url https://snow.example/tmf-api/serviceProblemManagement/v4 --token-file token --dsn-file dsn": (
            "asks for nothing"
        ),
    },
    "report": {
        "report": "which there are, and what can be set",
        "report time_to_resolve --set days=7": "of the last week",
        "report daily_flow --csv": "for a spreadsheet",
        "report backlog --sql": "the query itself",
    },
    "files": {
        "files ./tmf656-bridge-files": "everything, below that directory",
    },
    "callback": {
        "callback snow": "what the server should be calling",
    },
    "forget": {
        "forget demo": "shows how much there is, and asks",
        "forget snow --yes": "without asking, for a script",
    },
    "simulate": {
        "simulate --rate 5": "a well-behaved server of version 4",
        "simulate --lose 0.1 --duplicate 0.05 --forget-after 600": (
            "one that loses a tenth of its events, sends some twice and forgets a subscription after 600 deliveries"
        ),
        "simulate --kind servicenow": "incidents, problems and service problem cases, and a TMF656 gateway before them",
        "simulate --kind dataminer-api --token a-token": "tickets by the routes of a user-defined API",
    },
    "psql": {
        "psql": "a prompt",
        'psql -c "select status, count(*) from report.service_problem group by 1"': "one question",
        "psql -f query.sql": "what a file says",
    },
    "dead-letters list": {
        "dead-letters list --source snow": "those of one source",
        "dead-letters list --settled --json": "also those that were dealt with, for a script",
    },
    "dead-letters show": {
        "dead-letters show 7": "why it was not understood, and its bytes as text",
        "dead-letters show 7 --raw letter.json": "its bytes as received, into a file",
    },
    "dead-letters replay": {
        "dead-letters replay 7 8": "these two",
        "dead-letters replay --all --source snow": "every one of a source, after an update, say",
    },
    "dead-letters discard": {
        "dead-letters discard 7": "one that nothing is to be done about",
    },
}


def examples(command: str) -> str:
    """Return the examples of a command as Markdown: a list, each with what it is for."""
    shown = (f"* {purpose}: `tmf656-bridge {line}`" for line, purpose in _EXAMPLES[command].items())
    return "\n\n".join(["**Examples**", *shown])
