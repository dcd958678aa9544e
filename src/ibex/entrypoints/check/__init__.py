"""`ibex check`: a doctor for settings, network, database and schema."""
