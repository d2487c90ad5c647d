"""What came of it: exit code, terminal table, failure text."""
