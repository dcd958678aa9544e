"""What the environment may say, and how each refusal reads. `ibex.settings` puts the parts together."""
