"""The page of a run: what a report, its details and its figures look like to somebody who was not there.

Knows the nouns of a report and the files that a run leaves; measures nothing, decides nothing, needs no torch.
"""
