"""Open folder: one file per kind of payload; torch-free, the same code when training and when serving."""
