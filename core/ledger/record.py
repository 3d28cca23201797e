"""What the ledger says of one run, folded from its events: schema 1 of `assay show --json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal[
    "running",
    "finished",  # evaluated; says nothing about being good
    "failed",  # the task's code raised
    "crashed",  # a signal, or an exit without a result
    "oom",  # CUDA out of memory, MemoryError, or killed by the memory guard
    "timeout",  # total budget + grace
    "diverged",  # three non-finite losses in a row
    "pruned",
    "cancelled",
    "lost",  # started, not ended, and nobody holds its `alive` lock
]


class _Part(BaseModel):
    # A NaN that was measured stays one: it travels as the string "NaN" (the JSON itself is finite).
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Measured(_Part):
    """One metric with its meaning."""

    value: float  # "NaN", "Infinity" or "-Infinity" in JSON when it was measured and is not finite
    unit: str
    direction: Literal["max", "min"]
    split: str
    step: int | None = None  # training step of the checkpoint that was judged
    timing: bool = False


class Series(_Part):
    """A logged scalar, as a pointer into events.jsonl."""

    rows: int
    last: float | None  # None: the last value was not finite
    min: float | None
    max: float | None


class BudgetUse(_Part):
    """What training was allowed and what it used."""

    kind: str  # seconds, steps, epochs or config
    limit: float | None
    total_s: float | None = None  # wall-clock limit of the whole run
    used_s: float | None = None
    used_steps: int | None = None


class Timing(_Part):
    """Instants in UTC, durations in seconds."""

    created: str  # first attempt
    started: str  # this attempt
    ended: str | None = None
    setup_s: float | None = None
    train_s: float | None = None
    eval_s: float | None = None


class Resources(_Part):
    """What the run used."""

    device: str  # cpu, cuda
    device_name: str = ""
    threads: int
    cpu_s: float | None = None
    peak_rss_mib: float | None = None
    peak_vram_mib: float | None = None


class Excluded(_Part):
    """A file that the snapshot left out."""

    path: str
    bytes: int
    reason: str


class Git(_Part):
    """Which code ran. `commit` is the exact tree; `head` is where the branch stood."""

    commit: str | None  # snapshot commit, 40 hex; None: only the tree could be computed
    head: str | None  # None on an unborn branch
    branch: str | None  # None when detached
    dirty: bool
    code_tree: str  # tree id of the paths that decide this task's numbers
    tree: str  # tree id of the whole snapshot
    excluded: list[Excluded] = []
    submodules: dict[str, str] = {}
    flags: list[str] = []  # e.g. "merge in progress", "read-only .git"


class Env(_Part):
    """The interpreter and what it loaded."""

    digest: str  # sha256 of the installed distributions
    python: str
    torch: str | None
    cuda: str | None
    os: str


class Data(_Part):
    """One declared input, digested before the start."""

    name: str
    digest: str
    files: int
    bytes: int


class Protected(_Part):
    """Digests of what must not move between two comparable runs."""

    evaluator_digest: str
    protocol: dict[str, Any] = {}  # config keys that decide what is measured
    set_digest: str | None = None  # files that an agent session protects


class Artifact(_Part):
    """A file of the run folder."""

    kind: str  # checkpoint, image, table, log
    path: str  # relative to the run folder
    sha256: str
    bytes: int
    step: int | None = None


class ClauseResult(_Part):
    """One clause, judged. All that is needed to judge it again is here."""

    name: str
    metric: str
    unit: str
    direction: Literal["max", "min"]
    rule: str
    threshold: float
    against: str  # the yardstick of a gain or a ratio
    result: Literal["pass", "fail", "unknown"]
    reason: str  # one plain sentence
    any_of: str | None = None  # the AnyOf it belongs to
    candidate: list[float] = []
    reference: list[float] = []
    point: float | None = None  # mean, or improvement over the reference, in the metric's unit
    low: float | None = None  # one-sided 95 % bounds of the point
    high: float | None = None
    method: str = ""  # "value", "t", "paired t", "Welch t"; "": nothing to compare, see reason
    noise_sd: float | None = None  # spread between seeds, in the metric's unit
    detectable: float | None = None  # smallest true effect found with 80 % power


class Verdict(_Part):
    """A judgement of a group of runs against its yardstick."""

    verdict: Literal["pass", "fail", "inconclusive"]
    clauses: list[ClauseResult]
    candidate: list[str]  # run ids
    reference: list[str]
    criteria: list[dict[str, Any]]
    criteria_digest: str
    id: str | None = None  # of the event


class Decision(_Part):
    """What somebody made of it."""

    decision: Literal["keep", "discard"]
    by: str  # human, agent, CI
    reason: str
    verdict: str | None = None  # event id
    at: str


class Note(_Part):
    """A remark, a tag, or the mark that voids a run."""

    kind: Literal["text", "tag", "void"]
    text: str
    by: str
    at: str


class RunRecord(_Part):
    """Everything the ledger knows of one run."""

    schema_version: Literal[1] = 1
    run: str  # ULID
    task: str
    task_version: int
    primary: str | None = None  # the task's headline metric
    variant: str
    kind: Literal["run", "trial", "ablation", "confirm", "repro", "imported"]
    study: str | None
    trial: int | None
    parent: str | None  # the run this one repeats or starts from
    start_from: str | None = None  # sha256 of the checkpoint of an evaluate-only run
    attempt: int
    seed: int
    group: str  # runs of one group differ by seed alone
    comparable: str  # digest of data, budget, device class, task version and evaluator
    status: Status
    verdict: Verdict | None = None
    decision: Decision | None = None
    notes: list[Note] = []
    void: bool = False
    reason: str = ""
    error: dict[str, Any] | None = None  # type, message, file, line of the task, traceback tail
    config: dict[str, Any]
    config_digest: str
    overrides: dict[str, Any]
    origins: dict[str, str] = {}
    metrics: dict[str, Measured] = {}
    absent: dict[str, str] = {}
    series: dict[str, Series] = {}
    budget: BudgetUse
    timing: Timing
    resources: Resources
    git: Git | None  # None outside a repository
    env: Env
    data: list[Data] = []
    protected: Protected
    artifacts: list[Artifact] = []
    steps: int | None = None
    nonfinite_steps: int | None = None
    log_tail: list[str] = []
    links: dict[str, str] = {}
