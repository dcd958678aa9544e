"""Loading real sales through the public HTTP API, and comparing what the shop says afterwards."""
