"""Releases: what `tunec build` made, under a name that does not move, with what is needed to believe it.

A release is one commit and one annotated tag on it. The commit adds to its parent a line in registry/releases.jsonl,
one in runs.jsonl and datasets.jsonl where they are new, registry/manifests/NAME.json and an entry of CHANGELOG.md; the
files themselves stand in releases/NAME/, outside git, each with its sha256 in the manifest.

    proposing   what would be released, under which name, or why nothing may be
    making      the commit, the tag and the folder: all of them or none
    verifying   that they still are what they were
"""
