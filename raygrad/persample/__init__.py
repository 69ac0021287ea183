"""The per-sample gradient engine; needs torch alone."""
