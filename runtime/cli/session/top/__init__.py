"""``bulkhead top``: sessions as they run, and what to do with one."""
