"""Evidence by the peers, on the same posteriors, in one run: error, error quoted, densities, seconds."""
