"""Open folder: one file per task, by the names that Hugging Face uses."""
