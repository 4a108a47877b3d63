"""The ontology graph: two engines behind one protocol, its contents and people's overrides."""
