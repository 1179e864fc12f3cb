"""The command line. One module per family of commands: each adds its parsers and runs what they ask for.

A command is a function from the parsed arguments to an exit status: 0 done, 1 refused or differs, 2 wrong use. What it
cannot do it raises; `main` prints that as one line.
"""
