"""Sends the changes to the clients that follow /stream."""
