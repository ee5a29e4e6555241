"""Open folder: one file per kind of teacher; the file's name is its public name."""
