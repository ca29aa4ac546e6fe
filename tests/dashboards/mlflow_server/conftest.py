from support.mlflow_stores import migrated

__all__ = ["migrated"]
