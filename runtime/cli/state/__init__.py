"""What a server keeps and how it is set: looked through, copied, put back, shown."""
