"""`ibex migrate`: deploy, status, drift, sql, resolve, new. Imports nothing of the HTTP side."""
