"""SQL of participants: filters, expressions and statements, read by us."""
