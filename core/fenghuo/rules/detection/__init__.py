"""Which events a rule is about: conditions over the fields of one event.

A condition is a tree (`tree`) of tests of fields (`checks`); it is read from a native `where` (`where`) or from Sigma's
`detection`, told in words (`describe`), and runs as closures (`compile`), alone or with many others (`index`).
"""

from fenghuo.rules.detection.compile import compile_detection
from fenghuo.rules.detection.index import EventIndex
from fenghuo.rules.detection.tree import Every, Node, Not, Some, Test, TreeError, simplify
from fenghuo.rules.detection.view import View
from fenghuo.rules.detection.where import WhereError, read_where

__all__ = [
    "EventIndex",
    "Every",
    "Node",
    "Not",
    "Some",
    "Test",
    "TreeError",
    "View",
    "WhereError",
    "compile_detection",
    "read_where",
    "simplify",
]
