"""Runs that are sent to W&B, as they go on and afterwards, to a fake on loopback.

What is tested is W&B's own client, talking to a server that answers as its queries ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from core import events
from core.ledger import Ledger
from core.project import Project
from tests import toy
from tests.export import fake, reading
from tests.export.test_wandb import picture


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake.Fake]:
    """The only host that can be reached; what is wanted of others is counted."""
    with fake.serving() as made:
        monkeypatch.setenv("WANDB_BASE_URL", made.url)
        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        monkeypatch.delenv("WANDB_MODE", raising=False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, made.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1")
        yield made
        assert made.other == []


def holds_the_run(server: fake.Fake, project: Project, run: str) -> None:
    """Its curve to the bit, its config, its numbers, its picture and its checkpoint."""
    folder = project.run_dir(run)
    rows = [row for row in server.rows(run) if "error" in row]
    expected = events.series(folder / "events.jsonl")["error"]
    assert [(row["_step"], row["error"]) for row in rows] == expected
    buckets = server.sent("upsertBucket")
    assert {one["name"] for one in buckets} == {run}
    kept = {k: v for one in buckets for k, v in one.items() if v is not None}  # as W&B keeps them
    config = json.loads(kept["config"])
    assert config["lr"]["value"] == 0.1
    assert config["assay"]["value"]["run"] == run
    assert "toy" in kept["tags"]
    assert any(told.get("complete") and told["exitcode"] == 0 for _, told in server.streams)
    numbers = json.loads(server.files["/storage/wandb-summary.json"])
    assert numbers["best/error"] == Ledger(project).find(run).metrics["error"].value
    pictures = [data for path, data in server.files.items() if path.endswith(".png")]
    assert (folder / "images/fit.png").read_bytes() in pictures
    checkpoint = (folder / "checkpoints/best.ckpt").read_bytes()
    assert checkpoint in server.files.values()
    (model,) = [
        a["input"]
        for a in server.sent("createArtifact(")
        if a["input"]["artifactTypeName"] == "model"
    ]
    assert model["artifactCollectionName"] == "toy-ckpt"


def test_an_online_run_arrives_whole(project: Project, server: fake.Fake) -> None:
    picture(project)
    toy.assay(project.root, "run", "toy", "--wandb", "auto", check=True)
    reading.settled(project)
    record = Ledger(project).find("@last")
    told = json.loads((project.run_dir(record.run) / "export/exported.json").read_text())
    assert told["warnings"] == []
    assert told["wandb"]["mode"] == "online"
    assert told["wandb"]["lacks"] == []
    assert told["wandb"]["why"] == "there is an API key"
    holds_the_run(server, project, record.run)


@pytest.mark.slow
def test_what_was_kept_offline_is_sent_and_marked_past_a_run_that_is_not_taken(
    project: Project, server: fake.Fake
) -> None:
    picture(project)
    for seed in ("0", "1"):
        toy.assay(project.root, "run", "toy", "--seed", seed, "--wandb", "offline", check=True)
    reading.settled(project)
    assert server.asked == []  # offline is offline, key or not
    bad, good = (r.run for r in Ledger(project).records())
    (file,) = project.run_dir(bad).glob("wandb/offline-run-*/run-*.wandb")
    file.write_bytes(b"no such file")
    done = toy.assay(project.root, "wandb", "sync")
    assert done.returncode == 5
    assert f"1 of 2 runs were not sent: {bad}" in done.stderr
    holds_the_run(server, project, good)
    (mark,) = Ledger(project).find(good).notes
    assert (mark.kind, mark.text) == ("tag", "wandb")
    left = toy.assay(project.root, "wandb", "sync", "--dry-run", "--json", check=True)
    assert json.loads(left.stdout)["data"]["unsent"] == [bad]
