"""How well answers do: transcripts to read, and figures to compare."""
