"""Records and ledger rows: the contract that measuring, delivery and reporting share.

``record`` declares the fields, ``field_rules`` how a field is read, cut and added up, ``refusals`` why a line is not read.
"""

from ecoia.records.record import (
    NewerSchemaError,
    Record,
    RecordError,
    Row,
    Tokens,
    check_row,
    fold,
    in_force,
    merge_rows,
    split_by_half_hour,
)

__all__ = [
    "NewerSchemaError",
    "Record",
    "RecordError",
    "Row",
    "Tokens",
    "check_row",
    "fold",
    "in_force",
    "merge_rows",
    "split_by_half_hour",
]
