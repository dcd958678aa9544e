"""Read models: lists, statements and reports, each one statement, always within one store."""
