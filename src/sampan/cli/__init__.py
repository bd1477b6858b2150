"""The sampan command line: docker's commands, flags, output and exit codes.

Reading order: `main` (one call from words to exit code) · `table` (every command, loaded when called) · `command` (what
a command is) · `flags` (pflag's rules) · `output` (what may reach a terminal) · `commands/` (one file per command) ·
`create/` (from `run`'s hundred flags to a request body) · `attached` (talking to a container) · `formats`, `tabular`,
`template/` (how results look) · `wake` (starting the daemon on demand) · `help`, `complete`.
"""
