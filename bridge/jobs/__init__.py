"""Long-running work. A job is `run` (loop) around `run_once` (work with a small result that is logged and counted)."""
