"""What is wrong before a run is paid for. Knows counts, answers and figures, and which of them cannot be right; asks and trains nothing itself."""
