"""Every field of a manifest in the structured form: what it may be, what it means, which releases know it.

One table: manifests are read by it, answers to older clients are cut down by it, and the JSON Schema and the
reference are written from it.  The flat form (`runtime.wire.manifest.flat`) is turned into this one.
"""
