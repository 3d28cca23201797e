"""`assay show` as text: one run on about one screen."""

from __future__ import annotations

from collections.abc import Iterator

from core.cli.answer import local
from core.ledger import folder
from core.ledger.record import RunRecord
from core.project import Project
from core.report.numbers import number

TAIL = 10  # lines of the log that a run which did not finish shows


def text(project: Project, record: RunRecord) -> str:
    """Outcome, numbers, verdict, code, files, and the commands that go on from here."""
    parts = [
        _head(record),
        _facts(record),
        _numbers(record),
        _judgement(record),
        _failure(record),
        _files(project, record),
        _next(project, record),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _head(r: RunRecord) -> Iterator[str]:
    void = ", void" if r.void else ""
    yield f"{r.run}  {r.task}/{r.variant}  seed {r.seed}  {r.status}{void}"
    if r.reason:
        yield f"  {r.reason}"


def _facts(r: RunRecord) -> Iterator[str]:
    yield f"  {'kind':10}{_kind(r)}"
    yield f"  {'time':10}{local(r.timing.started)}{_durations(r)}"
    yield f"  {'budget':10}{_budget(r)}"
    if r.git and r.git.commit:
        head, branch = (r.git.head or "")[:12] or "no commit yet", r.git.branch or "no branch"
        dirty = " and changes that were not committed" if r.git.dirty else ""
        yield f"  {'code':10}{head} on {branch}{dirty}; exact tree {r.git.commit[:12]}"
        yield from (f"  {'':10}left out: {e.path} ({e.reason})" for e in r.git.excluded)
        yield from (f"  {'':10}{flag}" for flag in r.git.flags)
    else:
        yield f"  {'code':10}not in git"
    yield f"  {'device':10}{_device(r)}"
    changed = ", ".join(f"{k}={v}" for k, v in r.overrides.items())
    yield f"  {'config':10}{changed or 'as the task declares it'}"


def _kind(r: RunRecord) -> str:
    words: list[str] = [r.kind]
    words += [f"of study {r.study}"] if r.study else []
    words += [f"number {r.trial}"] if r.trial is not None else []
    words += [f"after run {r.parent}"] if r.parent else []
    words += [f"attempt {r.attempt}"] if r.attempt > 1 else []
    return ", ".join(words)


def _durations(r: RunRecord) -> str:
    parts = (("setup", r.timing.setup_s), ("train", r.timing.train_s), ("eval", r.timing.eval_s))
    return "".join(f", {name} {value:.1f} s" for name, value in parts if value is not None)


def _budget(r: RunRecord) -> str:
    allowed = f"{r.budget.limit:g} {r.budget.kind}" if r.budget.limit else "what the config says"
    used = [f"{r.budget.used_steps} steps"] if r.budget.used_steps is not None else []
    used += [f"{r.budget.used_s:.1f} s"] if r.budget.used_s is not None else []
    return f"{allowed}; used {', '.join(used)}" if used else allowed


def _device(r: RunRecord) -> str:
    parts = [r.resources.device_name or r.resources.device or "unknown"]
    parts += [f"{r.resources.threads} threads"] if r.resources.threads else []
    peaks = (("memory", r.resources.peak_rss_mib), ("GPU memory", r.resources.peak_vram_mib))
    parts += [f"{value:.0f} MiB {name}" for name, value in peaks if value is not None]
    return ", ".join(parts)


def _numbers(r: RunRecord) -> Iterator[str]:
    names = sorted({*r.metrics, *r.absent}, key=lambda n: (n != r.primary, n))
    wide = max(map(len, names), default=0)
    for name in names:
        if name in r.metrics:
            m = r.metrics[name]
            meaning = f"{'higher' if m.direction == 'max' else 'lower'} is better, {m.split}"
            step = f", step {m.step}" if m.step is not None else ""
            yield f"  {name:{wide}}  {number(m.value, m.unit):14} {meaning}{step}"
        else:
            yield f"  {name:{wide}}  {'-':14} {r.absent[name]}"


def _judgement(r: RunRecord) -> Iterator[str]:
    from core.report import table, verdict

    if r.verdict:
        clauses = verdict.tables(r.verdict, "verdict")
        yield table.text(clauses) if clauses else f"verdict: {r.verdict.verdict}"
    if r.decision:
        d = r.decision
        yield f"{d.decision} ({d.by}, {local(d.at)}): {d.reason}"
    yield from (f"{n.kind} ({n.by}, {local(n.at)}): {n.text}" for n in r.notes)


def _failure(r: RunRecord) -> Iterator[str]:
    if r.error:
        place, what = (r.error.get("file"), r.error.get("line")), r.error.get("message")
        yield f"{place[0]}:{place[1]}: {r.error.get('type')}: {what}"
    yield from (f"  | {line}" for line in r.log_tail[-TAIL:])


def _files(project: Project, r: RunRecord) -> Iterator[str]:
    found = folder(project, r.run)
    if found is None:
        yield "its folder is not on this machine"
        return
    yield from (str(found / a.path) for a in r.artifacts if a.kind in ("checkpoint", "image"))
    if (found / "log.txt").exists():
        yield str(found / "log.txt")


def _next(project: Project, r: RunRecord) -> Iterator[str]:
    if r.status not in ("running", "finished", "pruned") and folder(project, r.run):
        yield f"resume:    assay resume {r.run}"
    if r.kind != "imported":
        yield f"reproduce: assay repro {r.run}"
