"""Telling others what happened: the feed of events, and webhooks."""
