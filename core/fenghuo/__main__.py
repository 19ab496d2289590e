"""`python -m fenghuo`: the same as the console script."""

from fenghuo.cli import main

main()
