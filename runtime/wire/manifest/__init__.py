"""Manifests: what a service or a template of one may say, in every dialect of it."""
