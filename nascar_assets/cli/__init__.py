"""The command line: a thin layer over the same assets, partitions and instance as the UI."""
