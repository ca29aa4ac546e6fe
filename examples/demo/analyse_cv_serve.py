"""The digit reader as a service: FastAPI under uvicorn on the loopback, asked by concurrent clients."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import uvicorn
from analyse_cv import MODEL, SERVICE
from fastapi import Body, FastAPI

import ecoia
from ecoia_integrations.asgi import ImpactMiddleware

app = FastAPI()
app.add_middleware(ImpactMiddleware, service=SERVICE)
model, images = joblib.load(MODEL)


@app.post("/read")
def read(pages: Annotated[list[list[float]], Body()]) -> list[int]:
    """Digits of some images. The functional unit is an image read."""
    digits = model.predict(np.array(pages))
    ecoia.current().units(len(digits))
    return [int(digit) for digit in digits]


def main() -> int:
    listener = socket.create_server(("127.0.0.1", 0))  # any free port
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    clients: list[subprocess.CompletedProcess[bytes]] = []

    def ask_then_stop() -> None:
        script = Path(__file__).with_name("analyse_cv_clients.py")
        clients.append(subprocess.run([sys.executable, script, str(listener.getsockname()[1])], check=False))
        server.should_exit = True

    thread = threading.Thread(target=ask_then_stop)
    thread.start()
    server.run(sockets=[listener])
    thread.join()
    return clients[0].returncode


if __name__ == "__main__":
    sys.exit(main())
