"""What fits a budget and keeps enough: candidates, measurements, the race among them, the front. Knows bundles; trains nothing, needs no torch."""
