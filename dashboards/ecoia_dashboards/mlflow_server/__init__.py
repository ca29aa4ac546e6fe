"""The dashboard inside MLflow's own server: ``mlflow server --app-name ecoia``, or ``ecoia-basic-auth`` where it has accounts."""
