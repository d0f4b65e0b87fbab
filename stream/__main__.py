"""`python -m stream` is `slipaway`."""

from stream.cli import main

if __name__ == "__main__":
    main()
