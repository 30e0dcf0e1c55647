"""What script/bench is made of: see docs/performance.md."""
