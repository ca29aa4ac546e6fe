"""Tracking URIs with a planted secret, in every form that a client accepts, and what of each may be shown."""

from __future__ import annotations

from ecoia.keeping.destinations import UNREADABLE as HIDDEN

SECRET = ("pl4nted", "s3cret")
"""The halves of the planted secret. Between them stands a character that some client takes as part of a password."""

_FORMS = [
    # what clients accept, and what their users believe that they accept
    ("https://someone:{}@mlflow.example/path?x=1", "https://mlflow.example/path"),
    ("https://{}:@mlflow.example", "https://mlflow.example"),
    ("https://{}@mlflow.example", "https://mlflow.example"),
    ("https://u:{}@@mlflow.example/", "https://mlflow.example/"),
    ("https://u:{}@[::1]:5000/", "https://[::1]:5000/"),
    ("https://mlflow.example/?api_key={}", "https://mlflow.example/"),
    ("https://mlflow.example/path?sig={}&se=2026", "https://mlflow.example/path"),
    ("https://mlflow.example/#token={}", "https://mlflow.example/"),
    ("https://mlflow.example/a;token={}", "https://mlflow.example/a"),
    ("https://u:{}@mlflow.example:99999/", f"https:{HIDDEN}"),
    ("https://u:{}@mlflow.example:port/", f"https:{HIDDEN}"),
    ("https://[::1?token={}", f"https:{HIDDEN}"),
    ("https://u:{}@ho\u2100st/x", f"https:{HIDDEN}"),
    ("https://h/%3Ftoken%3D{}", f"https:{HIDDEN}"),
    ("https://h/&token={}", f"https:{HIDDEN}"),
    ("https://admin:{}", f"https:{HIDDEN}"),
    ("https://u:{}@h/a b\nc", f"https:{HIDDEN}"),
    ("https://u:{}@h/%0a", f"https:{HIDDEN}"),
    ("https://u:{}@h\ud800/", f"https:{HIDDEN}"),
    ("https://u:{}\0@h/", f"https:{HIDDEN}"),
    ("HTTPS://u:{}@h/", "HTTPS://h/"),
    ("http:/u:{}@h/", HIDDEN),
    ("u:{}@h:5432/db", HIDDEN),
    ("{}:x@h", HIDDEN),
    ("{}@h", HIDDEN),
    ("mlruns?token={}", HIDDEN),
    ("token={}", HIDDEN),
    ("/dev/null/mlruns?token={}", HIDDEN),
    ("{}" + "x" * 5000, HIDDEN),
    ("file:///dev/null/x?token={}", "file:///dev/null/x"),
    ("file:///dev/null/x;token={}", f"file:{HIDDEN}"),
    ("file://u:{}@host/dev/null/x", "file://host/dev/null/x"),
    ("file:///u:{}@host/dev/null/x", f"file:{HIDDEN}"),
    ("file:///u:{}?x@host/dev/null/x", f"file:{HIDDEN}"),
    ("sqlite:////u:{}@host/ml.db", f"sqlite:{HIDDEN}"),
    ("sqlite:////dev/null/ml.db?key={}", "sqlite:////dev/null/ml.db"),
    ("sqlite+pysqlcipher://:{}@/dev/null/ml.db", f"sqlite+pysqlcipher:{HIDDEN}"),
    ("sqlite:///file:ml.db?key={}&uri=true", f"sqlite:{HIDDEN}"),
    ("postgresql://u:{}@db:5432/ml?sslmode=require&password={}", "postgresql://db:5432/ml"),
    ("postgresql:///ml?user=u&password={}&host=/var/run/postgresql", "postgresql:///ml?host=/var/run/postgresql"),
    ("postgresql://h/ml?options=-c%20password%3D{}", "postgresql://h/ml"),
    ("postgresql://h:5432/ml?password={}@x", f"postgresql:{HIDDEN}"),
    ("postgresql://u:x@h/ml?password=x@{}", f"postgresql:{HIDDEN}"),
    ("postgresql:///ml?host={}:x@h", f"postgresql:{HIDDEN}"),
    ("postgresql://{}:x@h/ml", "postgresql://h/ml"),
    ("mysql+pymysql://u:{}@h/db?ssl_key=/k&passwd={}", "mysql+pymysql://h/db"),
    (
        "mssql+pyodbc:///?odbc_connect=Server%3Dtcp:h,1433%3BDatabase%3Dml%3BPWD%3D{}",
        "mssql+pyodbc:///?database=ml&host=tcp:h,1433",
    ),
    ("databricks://{}@profile", "databricks://profile"),
    ("databricks://scope:{}", f"databricks:{HIDDEN}"),
    ("wasbs://c@account.blob.core.windows.net/x?sv=1&sig={}", "wasbs://account.blob.core.windows.net/x"),
    ("plugin://u:{}@h/", "plugin://h/"),
]
URIS = [(form.format(*["".join(SECRET)] * 2), public) for form, public in _FORMS]
for between in "/?#[]:@;&=%+ !$,\\|^~":
    # SQLAlchemy takes all but '@' as part of the password; '@' and 'name=' after a '?' or '&' can be read in two ways
    URIS.append((f"postgresql://u:{between.join(SECRET)}@db/ml", "postgresql://db/ml"))
    URIS.append((f"https://u:{between.join(SECRET)}@h/ml", f"https:{HIDDEN}" if between in "/?#" else "https://h/ml"))
