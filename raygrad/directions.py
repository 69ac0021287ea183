"""What the high values of a score mean; None stands for what isn't known and has to be fitted."""

IN, OUT = "in-distribution", "out-of-distribution"
