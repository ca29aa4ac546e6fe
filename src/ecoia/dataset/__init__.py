"""The ledger as a dataset: Parquet files by quarter and month, and the manifest that says which of them count.

``place`` reads and writes files on this machine or in an object store, ``manifest`` says what the manifest holds, ``layout``
which row is in which file, ``exporting`` brings a dataset up to date, ``reading`` reads and checks one.
"""

from ecoia.dataset.exporting import Exported, export, is_up_to_date
from ecoia.dataset.manifest import MANIFEST_FILE, Manifest, Source
from ecoia.dataset.place import Place
from ecoia.dataset.reading import Dataset

__all__ = ["MANIFEST_FILE", "Dataset", "Exported", "Manifest", "Place", "Source", "export", "is_up_to_date"]
