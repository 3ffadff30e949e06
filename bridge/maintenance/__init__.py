"""Work on the whole database: leader election, retention, report summaries, source states, clock watch."""
