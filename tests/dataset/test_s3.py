"""A dataset in an S3-compatible store: one server, started once, that clients of S3 do not tell from another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecoia.dataset import MANIFEST_FILE, Dataset, Place
from ecoia.errors import DatasetError
from support.command_line import ecoia, fill
from support.datasets import GAPS, ROWS, exported, lines
from support.records import record

SERVER = """\
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
import time
while True:
    time.sleep(3600)
"""
SECRET = "pl4nted-s3cret"  # noqa: S105 - the server takes any


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with an empty bucket ``bucket``."""
    import boto3

    log = tmp_path_factory.mktemp("s3") / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=errors, text=True) as server,
    ):
        assert server.stdout is not None
        said = next((line for line in server.stdout if line.strip().isdecimal()), "")
        assert said, log.read_text(encoding="utf-8")
        address = f"http://127.0.0.1:{said.strip()}"
        try:
            client = boto3.client(
                "s3", endpoint_url=address, aws_access_key_id="anybody", aws_secret_access_key=SECRET, region_name="eu-west-3"
            )
            client.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
            yield address
        finally:
            server.kill()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A folder of its own in the bucket, which the usual environment opens."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{request.node.name}"


def test_it_is_exported_brought_up_to_date_and_read(store: str) -> None:
    place = Place(store)
    assert exported(place, ROWS, GAPS).written[-1] == MANIFEST_FILE
    assert lines(Dataset(store).rows()) == lines(ROWS)
    assert exported(place, ROWS[::-1], GAPS).written == ()
    assert exported(place, ROWS[:1], GAPS).written == (MANIFEST_FILE,)
    assert lines(Dataset(store).rows()) == lines(ROWS[:1])
    assert len(place.sizes()) == 4, "the others stay for a day"
    exported(place, ROWS[:1], GAPS, hours=25)
    assert len(place.sizes()) == 2


def test_commands_export_to_it_and_report_from_it(store: str, home: Path, tmp_path: Path) -> None:
    fill(home, record("2026-11-23T10:00", cpu=3_600_000_000_000, zone="FRA"))
    told = ecoia("export", "--to", store, "--from", "journal")
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[-1] == f"{store}/{MANIFEST_FILE}"
    assert "nothing was new" in ecoia("export", "--to", store, "--from", "journal").stderr
    for source in ("journal", f"parquet:{store}"):
        done = ecoia("report", "--from", source, "--quarter", "2026Q4", "--out", tmp_path / source[:3], "--format", "json")
        assert done.exit_code == 0, done.output
    assert (tmp_path / "par/rapport-2026Q4.json").read_bytes() == (tmp_path / "jou/rapport-2026Q4.json").read_bytes()


def test_what_is_missing_is_said_without_the_secret(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match="no dataset at 's3://bucket"):
        Dataset(store)
    with pytest.raises(DatasetError, match=r"cannot be written .Bucket 'no-such-bucket' not found"):
        exported(Place("s3://no-such-bucket/x"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DatasetError, match="check the address") as caught:
        exported(Place(store))
    assert SECRET not in str(caught.value)
