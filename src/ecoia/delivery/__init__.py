"""From the journal to MLflow: the ledger, and the metrics on the runs where people look."""
