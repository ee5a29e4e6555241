"""Open folder: one file per family of student; the file's name is its public name."""
