"""What a server holds, measured from outside: arrivals, connections, latencies, the highest rate within a bound. Torch-free."""
