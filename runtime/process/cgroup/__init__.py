"""A cgroup for each session, where one may be made."""
