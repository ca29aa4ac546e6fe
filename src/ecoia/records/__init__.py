"""Records and ledger rows: the contract that measuring, delivery and reporting share.

``record`` declares the fields, ``field_rules`` how a field is read, cut and added up, ``record_ids`` what an id says, ``id_sets``
sets of ids, ``refusals`` why a line is not read. ``columns`` gives the same rows as columns of an Arrow table; it is not loaded
with the rest, as it needs pyarrow.
"""

from ecoia.records.record import (
    MOST_WINDOW_NS,
    ROW_FIELDS,
    TOLD_OR_NOT,
    NewerSchemaError,
    Record,
    RecordError,
    Row,
    Tokens,
    check_row,
    each_once,
    fold,
    in_force,
    merge_rows,
    preferred,
    row_schema,
    split_by_half_hour,
)

__all__ = [
    "MOST_WINDOW_NS",
    "ROW_FIELDS",
    "TOLD_OR_NOT",
    "NewerSchemaError",
    "Record",
    "RecordError",
    "Row",
    "Tokens",
    "check_row",
    "each_once",
    "fold",
    "in_force",
    "merge_rows",
    "preferred",
    "row_schema",
    "split_by_half_hour",
]
