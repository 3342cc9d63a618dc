"""Protocols of the internet, without input or output: a nameserver's, a mail server's."""
