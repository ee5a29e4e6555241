"""Open folder: one file per deployable format. Writing may need the train extra; loading never needs torch."""
