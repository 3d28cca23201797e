from __future__ import annotations

import os

import pytest

from core.git import untracked
from core.project import Project
from tests.git.conftest import commit, held, sh, take, write


def reasons(project: Project) -> dict[str, str]:
    return {e.path: e.reason for e in take(project).excluded}


def test_a_large_untracked_file_is_left_out_and_named(repo: Project) -> None:
    (repo.root / "just.txt").write_bytes(b"x" * (5 << 20))
    (repo.root / "over.txt").write_bytes(b"x" * ((5 << 20) + 1))
    got = take(repo)
    assert [(e.path, e.bytes, e.reason) for e in got.excluded] == [
        ("over.txt", (5 << 20) + 1, "larger than 5 MiB")
    ]
    assert "just.txt" in held(repo.root, got.commit)
    assert got.flags == []


def test_a_large_file_that_git_tracks_is_in(repo: Project) -> None:
    (repo.root / "big.npy").write_bytes(b"x" * (6 << 20))
    sh(repo.root, "add", "big.npy")
    (repo.root / "big.npy").write_bytes(b"y" * (6 << 20))
    got = take(repo)
    assert got.excluded == []
    assert held(repo.root, got.commit)["big.npy"][:1] == b"y"


def test_beyond_the_total_the_largest_are_left_out(
    repo: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untracked, "MAX_TOTAL", 1000)
    for name, size in {"a_dump": 600, "m": 300, "z_code": 200}.items():
        (repo.root / f"{name}.txt").write_bytes(b"x" * size)
    assert list(reasons(repo)) == ["a_dump.txt"]


@pytest.mark.parametrize("name", ["net.safetensors", "W.PT", "data/x.npz", "corpus.tar.gz"])
def test_weights_and_data_are_left_out_whatever_their_size(repo: Project, name: str) -> None:
    write(repo.root, **{name.replace("/", "__"): "small"})
    assert reasons(repo) == {name: "weights or data"}


SECRETS = [".env", ".env.local", "deploy/prod.env", "cert.pem", "id_rsa", "id_ed25519", ".netrc"]
SECRETS += ["KEY.PEM", "gcp-credentials.json", "secrets.toml"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_left_out_and_flagged(repo: Project, name: str) -> None:
    write(repo.root, **{name.replace("/", "__"): "hunter2"})
    got = take(repo)
    assert {e.path: e.reason for e in got.excluded} == {name: "looks like a secret"}
    assert got.flags == [f"left out, looks like a secret: {name}"]
    assert name not in held(repo.root, got.commit)


@pytest.mark.parametrize("name", [".env.example", "id_map.py", "environment.py", "id_rsa.pub"])
def test_what_only_sounds_like_a_secret_is_in(repo: Project, name: str) -> None:
    write(repo.root, **{name: "x"})
    got = take(repo)
    assert (got.excluded, got.flags) == ([], [])
    assert name in held(repo.root, got.commit)


def test_a_staged_secret_and_a_filled_in_template_stay_as_in_head(repo: Project) -> None:
    write(repo.root, prod_dot_env="KEY=\n")
    commit(repo.root, "template")
    write(repo.root, prod_dot_env="KEY=hunter2\n", server_dot_pem="hunter2\n")
    sh(repo.root, "add", "-A")
    sh(repo.root, "update-index", "--skip-worktree", "prod.env")
    got = take(repo)
    files = held(repo.root, got.commit)
    assert files["prod.env"] == b"KEY=\n"
    assert "server.pem" not in files
    assert got.flags == ["left out, looks like a secret: prod.env, server.pem"]
    assert not got.dirty


def test_many_left_out_files_still_fit_a_ledger_line(repo: Project) -> None:
    for n in range(150):
        (repo.root / f"{n:03}.npy").write_bytes(b"x" * 10)
        (repo.root / f"{n:03}.pem").write_bytes(b"x")
    got = take(repo)
    assert len(got.excluded) == 101
    assert got.excluded[-1].path == "(200 more files)"
    assert sum(e.bytes for e in got.excluded) == 150 * 11
    assert got.flags == ["left out, looks like a secret: 000.pem, 001.pem, 002.pem and 147 more"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_untracked_file_that_cannot_be_read_is_left_out(repo: Project) -> None:
    write(repo.root, closed_dot_txt="x")
    (repo.root / "closed.txt").chmod(0)
    assert reasons(repo) == {"closed.txt": "cannot be read"}


def test_a_name_that_is_no_utf_8_can_be_recorded(repo: Project) -> None:
    (repo.root / os.fsdecode(b"w\xff.pt")).write_bytes(b"x")
    (repo.root / os.fsdecode(b"w\xff.py")).write_bytes(b"x")
    got = take(repo)
    assert [e.path for e in got.excluded] == ["w\\xff.pt"]
    assert got.model_dump_json()
    assert os.fsdecode(b"w\xff.py") in held(repo.root, got.commit)
