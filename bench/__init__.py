"""Measurements, by `make bench`: each figure beside a peer or the bare library in the same run."""
