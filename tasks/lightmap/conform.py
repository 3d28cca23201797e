"""Proof to mypy that the module of the six functions is complete."""

from __future__ import annotations

from core.contract import Work
from tasks.lightmap import work
from tasks.lightmap.config import LightmapConfig
from tasks.lightmap.data import Day
from tasks.lightmap.model import Lightmap

_: Work[LightmapConfig, Day, Lightmap] = work
