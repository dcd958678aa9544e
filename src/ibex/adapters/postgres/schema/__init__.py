"""What the database's schema should be, what it is, and the ledger of how it became so. Knows no alembic."""
