"""From scores to decisions: reads tables that jobs wrote, and needs neither torch nor Ray."""
