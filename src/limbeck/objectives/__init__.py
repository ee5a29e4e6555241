"""Open folder: one file per distillation objective; the file's name is its public name."""
