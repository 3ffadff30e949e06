"""One source while the bridge runs: its state, its registration at the hub, and how much push is trusted."""
