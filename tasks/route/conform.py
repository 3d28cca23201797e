"""Proof to mypy that the module of the six functions is complete."""

from __future__ import annotations

from core.contract import Work
from tasks.route import work
from tasks.route.config import RouteConfig
from tasks.route.model import Model
from tasks.route.regions import Data

_: Work[RouteConfig, Data, Model] = work
