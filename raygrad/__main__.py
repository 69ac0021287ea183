"""``python -m raygrad``, for clusters on whose PATH the script isn't."""

from raygrad.cli import main

main(prog_name="raygrad")
