"""`make docs`: writes the blocks of the reference that come from the code."""

from tests.docs.fields import UNSAID
from tests.docs.reference import pages

for path, text, wanted in pages():
    if text != wanted:
        path.write_text(wanted)
        print(f"rewrote {path.name}")
    for number, line in enumerate(wanted.splitlines(), 1):
        if line.rstrip().endswith(f"| {UNSAID} |"):
            print(f"{path.name}:{number}: say what this means: {line}")
