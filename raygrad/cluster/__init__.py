"""Everything that knows Ray: a job's pipeline from units to published files."""
