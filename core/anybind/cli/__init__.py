"""The command line: one file a command. They parse, call the workflow, and print; nothing else."""
