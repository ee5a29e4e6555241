"""Metrics as functions of numpy arrays; a metric knows answers and truths, not who gave them."""
