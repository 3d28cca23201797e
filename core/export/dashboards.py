"""Dashboards as code: a task's workspace and report in W&B, as JSON that is committed.

`build` needs no network; `publish` sends what was built, and again over what it sent before.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.contract import Task
from core.errors import AssayError, Exit
from core.export import panels
from core.export.panels import Own
from core.ledger import disk
from core.project import Project

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2.interface import Report
    from wandb_workspaces.workspaces import Workspace

FOLDER = Path("studies") / "dashboards"
SENT = "dashboards.json"  # in this clone's store: what W&B calls what was published


def workspace(task: Task[Any], studies: Sequence[Own] = ()) -> Workspace:
    """All runs of the task, grouped by study and variant, best first."""
    panels.library()
    from wandb_workspaces import workspaces as ws

    best = ws.Summary(f"best/{task.primary}")
    falls = task.metric(task.primary).direction == "max"
    return ws.Workspace(
        entity="",
        project="",
        name=f"{task.name}: review",
        sections=[ws.Section(p.name, p.panels, is_open=True) for p in panels.of(task, studies)],
        settings=ws.WorkspaceSettings(x_axis="step"),
        runset_settings=ws.RunsetSettings(
            filters=ws.And(ws.Tags().isin([task.name])),
            groupby=[ws.Config(panels.STUDY), ws.Config(panels.VARIANT)],
            order=[ws.Ordering(best, ascending=not falls)],
            pinned_columns=["summary:verdict", f"summary:best/{task.primary}"],
        ),
    )


def report(
    task: Task[Any], studies: Sequence[Own] = (), entity: str = "", project: str = ""
) -> Report:
    """The same as a page to send round. Its run set looks the project up when it has one."""
    lib = panels.library()
    runs = lib.Runset(
        entity=entity,
        project=project,
        name=task.name,
        filters=f"Tags in ['{task.name}']",
        groupby=[f"config.{panels.STUDY}", f"config.{panels.VARIANT}"],
    )
    blocks: list[Any] = [lib.P(f"{task.title}. Made by `assay wandb build`.")]
    for part in panels.of(task, studies):
        blocks += [lib.H2(part.name), lib.PanelGrid(runsets=[runs], panels=part.panels)]
    made: Report = lib.Report(
        entity=entity, project=project, title=f"{task.name}: review", blocks=blocks
    )
    return made


def built(task: Task[Any], studies: Sequence[Own] = ()) -> dict[str, Any]:
    """Both as W&B keeps them, with ids that stay the same from build to build."""
    made = {"workspace": workspace(task, studies), "report": report(task, studies)}
    dumped = {k: _dumped(v) for k, v in made.items()}
    return dict(_steady(dumped))


def _dumped(made: Any) -> dict[str, Any]:
    found: dict[str, Any] = made._to_model().model_dump(
        by_alias=True, mode="json", exclude_none=True
    )
    return found


def _steady(node: Any, counter: list[int] | None = None) -> Any:
    """The same tree with ids counted and moments left out: a build differs when the task does."""
    count = [0] if counter is None else counter
    if isinstance(node, list):
        return [_steady(one, count) for one in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key in ("createdAt", "updatedAt"):
            continue
        if key in ("__id__", "id") and value:
            count[0] += 1
            value = f"assay{count[0]:04d}"
        out[key] = _steady(value, count)
    return out


def text(project: Project, task: Task[Any]) -> str:
    """The file's content, with what the task's study files ask for."""
    content = built(task, panels.own(project, task.name))
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def check(content: str, where: str) -> None:
    """Read a file back as W&B's own models would; no network.

    Raises:
        AssayError: it is not such a file.
    """
    lib = panels.library()
    from wandb_workspaces import workspaces as ws
    from wandb_workspaces.reports.v2 import internal as reports
    from wandb_workspaces.workspaces import internal as views

    try:
        found = json.loads(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # a block that it does not know
            view = ws.Workspace._from_model(views.View.model_validate(found["workspace"]))
            odd = [p for s in view.sections for p in s.panels if isinstance(p, lib.UnknownPanel)]
            if odd:
                raise ValueError(f"a panel that W&B does not know: {odd[0]}")
            reports.ReportViewspec.model_validate(found["report"])
    except (ValueError, KeyError, TypeError, UserWarning) as error:
        first = str(error).splitlines()[0]
        raise AssayError(
            f"{where} is not a dashboard: {first}",
            "Make it again: `assay wandb build`",
            code="bad_dashboard",
        ) from error


class Published(NamedTuple):
    """Where it can be seen."""

    task: str
    workspace: str
    report: str


def publish(project: Project, task: Task[Any], entity: str, name: str) -> Published:
    """Send the task's workspace and report to W&B; those that were sent before are replaced.

    Raises:
        AssayError: W&B is not reached, or refuses.
    """
    import wandb

    file = project.store / SENT
    sent = json.loads(file.read_text()) if file.exists() else {}
    key = f"{entity}/{name}/{task.name}"
    known = sent.get(key, {})
    try:
        studies = panels.own(project, task.name)
        view: Any = workspace(task, studies)
        view.entity, view.project = entity, name
        view._internal_name, view._internal_id = known.get("name", ""), known.get("view", "")
        view = view.save() if known else view.save_as_new_view()
        page = report(task, studies, entity, name)
        page.id = known.get("report", "")
        page.save()
    except (wandb.errors.Error, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise AssayError(
            f"W&B did not take the dashboards of {task.name}: {first}",
            "See whether the team and the key are right, and publish again",
            code="not_published",
            exit_code=Exit.NOT_FINISHED,
        ) from error
    sent[key] = {"name": view._internal_name, "view": view._internal_id, "report": page.id}
    disk.replace(file, json.dumps(sent, indent=1).encode())
    return Published(task.name, view.url, page.url)
