from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, model_validator

from core import config, strict_yaml
from core.config import Layer
from core.contract import Checkpoints, Metric, Task, TaskConfig, protocol, site
from core.errors import AssayError


class Inner(BaseModel):
    depth: int = 2


class Config(TaskConfig):
    lr: float = 0.1
    name: str = "a"
    sizes: list[int] = Field([1, 2])
    inner: Inner = Inner()
    folder: Path | None = None
    loaders: int = site(1)
    size: int = protocol(8)


task = Task[Config](
    name="demo",
    title="demo",
    version=1,
    config=Config,
    work="none",
    metrics=(Metric(name="m", unit="1", direction="min", doc=""),),
    primary="m",
    checkpoints=Checkpoints(best_by="m"),
)


def test_later_layers_win_and_origins_say_so() -> None:
    got = config.resolve(
        task, [Layer("study", {"lr": 0.2, "inner": {"depth": 3}}), Layer("-o", {"lr": 0.3})]
    )
    assert got.config == Config(lr=0.3, inner=Inner(depth=3))
    assert got.origins == {
        "lr": "-o",
        "name": "default",
        "sizes": "default",
        "inner.depth": "study",
        "folder": "default",
        "loaders": "default",
        "size": "default",
    }
    assert got.overrides == {"lr": 0.3, "inner.depth": 3}


def test_a_value_that_the_configs_own_rules_set_is_no_default() -> None:
    class Ruled(Config):
        @model_validator(mode="before")
        @classmethod
        def _rule(cls, values: Any) -> Any:
            return {"name": "from lr", **values} if "lr" in values else values

    got = config.resolve(task.model_copy(update={"config": Ruled}), [Layer("-o", {"lr": 0.3})])
    assert (got.origins["name"], got.overrides["name"]) == ("other settings", "from lr")
    assert got.origins["sizes"] == "default"


def test_dotted_and_nested_keys_mean_the_same() -> None:
    dotted = config.resolve(task, [Layer("x", {"inner.depth": 5})])
    nested = config.resolve(task, [Layer("x", {"inner": {"depth": 5}})])
    assert dotted.config == nested.config


def test_lists_replace() -> None:
    assert config.resolve(task, [Layer("x", {"sizes": [9]})]).config == Config(sizes=[9])


def test_an_unknown_key_names_the_closest() -> None:
    with pytest.raises(
        AssayError, match=r"no config key 'nmae' in demo \(-o\)\. Did you mean 'name'\?"
    ):
        config.resolve(task, [Layer("-o", {"nmae": "b"})])


def test_a_refused_value_names_key_value_and_origin() -> None:
    with pytest.raises(AssayError, match=r"demo: lr = 'fast' \(from -o\)"):
        config.resolve(task, [Layer("-o", {"lr": "fast"})])


def test_digest_ignores_paths_and_site_fields_only() -> None:
    base = config.digest(Config())
    assert config.digest(Config(folder=Path("elsewhere"), loaders=8)) == base
    assert config.digest(Config(lr=0.2)) != base
    assert config.digest(Config(inner=Inner(depth=3))) != base


def test_override_items_are_yaml() -> None:
    got = config.parse_overrides(["lr=1e-4", "name=on", "sizes=[3, 4]", "flag=true"])
    assert got == {"lr": 1e-4, "name": "on", "sizes": [3, 4], "flag": True}
    with pytest.raises(AssayError, match="is not key=value"):
        config.parse_overrides(["lr"])
    with pytest.raises(AssayError, match="-o lr is given twice"):
        config.parse_overrides(["lr=1", "lr=2"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.5E3", 1500.0),
        (".5", 0.5),
        ("-3", -3),
        ("1_000", 1000),
        ("true", True),
        ("~", None),
        ("on", "on"),
        ("no", "no"),
        ("07", "07"),
        ("12:30", "12:30"),
        ("2026-11-21", "2026-11-21"),
        ("e5", "e5"),
    ],
)
def test_yaml_scalars(text: str, value: object) -> None:
    assert strict_yaml.parse(text, "x") == value


def test_a_duplicate_key_is_an_error_with_its_line() -> None:
    with pytest.raises(AssayError, match=r"f\.yaml, line 2: key 'a' stands twice"):
        strict_yaml.parse("a: 1\na: 2\n", "f.yaml")


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("- 1\n")
    with pytest.raises(AssayError, match="holds list, not a mapping"):
        strict_yaml.read(tmp_path / "x.yaml")


def test_protocol_fields_are_what_makes_runs_comparable() -> None:
    assert config.protocol(Config(size=9, lr=0.5)) == {"size": 9}
