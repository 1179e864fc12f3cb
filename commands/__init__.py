"""What can be asked of Duebook. A command is a struct, the body of its request; its handler loads streams,
lets the ledger decide, and appends. No handler reads a projection to decide.
"""
