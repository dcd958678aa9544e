"""A store's whole data as an archive, and back."""
