"""Notifications: from a posted body to a committed row and the answer."""
