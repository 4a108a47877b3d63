"""The asset graph, one file for each group; every asset calls the domain and reports."""
