"""Apache Arrow's streams of rows, which clients from 0.37 on speak, in plain Python.

Whoever is in a room may send any bytes; the libraries that read them quickly are written in C, and end the
process over some that are damaged.  Here a stream that lies about itself raises.
"""
