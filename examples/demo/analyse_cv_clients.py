"""Concurrent clients of the digit reader, in a process of their own: what they use is not the service's."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

from sklearn.datasets import load_digits

REQUESTS, IMAGES_EACH, AT_ONCE = 300, 4, 8


def main(port: int) -> None:
    images = (load_digits().data / 16).tolist()

    def ask(number: int) -> int:
        start = number * IMAGES_EACH % (len(images) - IMAGES_EACH)
        body = json.dumps(images[start : start + IMAGES_EACH]).encode()
        request = Request(f"http://127.0.0.1:{port}/read", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - the loopback
            return len(json.load(answer))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(ask, range(REQUESTS)))
    print(f"analyse-cv: {len(answers)} requests from {AT_ONCE} clients at once, {sum(answers)} images read")


if __name__ == "__main__":
    main(int(sys.argv[1]))
