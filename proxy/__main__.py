"""`python -m playhead.proxy`: the command line where the `playhead` script is not on the path."""

from .cli import main

if __name__ == "__main__":
    main()
