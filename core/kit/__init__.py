"""Numerics that tasks share; knows no task, no ledger, no run folder."""
