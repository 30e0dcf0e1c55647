"""The test internet: see README.md in this folder."""
