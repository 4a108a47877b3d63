"""The slate board: a page to play a slate in, over the API's own contracts and nothing else."""
