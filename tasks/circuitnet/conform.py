"""Proof to mypy that the module of the six functions is complete."""

from __future__ import annotations

from core.contract import Work
from tasks.circuitnet import work
from tasks.circuitnet.config import CircuitnetConfig
from tasks.circuitnet.dataset import Data
from tasks.circuitnet.network import Network

_: Work[CircuitnetConfig, Data, Network] = work
