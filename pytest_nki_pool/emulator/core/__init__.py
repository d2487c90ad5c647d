"""What both dialects share: memory, access patterns, dtypes, engine operations, generations and errors."""
