"""The data root: the one place through which every file is read and written."""
