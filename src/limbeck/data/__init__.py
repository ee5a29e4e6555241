"""Files to records, and records to splits. Knows formats and keys; knows nothing of teachers or students."""
