"""Asking a source: polls, reconciles and single problems, page by page into the one door."""
