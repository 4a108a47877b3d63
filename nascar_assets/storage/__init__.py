"""The data root: the one place through which every file is read and written."""

from nascar_assets.storage.data_root import DataRoot, StorageFault, StoredFile, UnreadableFile

__all__ = ["DataRoot", "StorageFault", "StoredFile", "UnreadableFile"]
