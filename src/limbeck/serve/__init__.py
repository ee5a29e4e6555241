"""Bundles behind HTTP, for many simultaneous users. Knows bundles, sockets and clients; knows nothing of torch or training."""
