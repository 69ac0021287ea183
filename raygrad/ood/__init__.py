"""From scores to decisions: reads tables that jobs wrote, and knows neither models nor Ray."""
