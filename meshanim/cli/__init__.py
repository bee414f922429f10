"""The command line: arguments, progress, putting rooms together. Imported by nobody."""
