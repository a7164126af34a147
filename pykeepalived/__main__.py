"""`python -m pykeepalived`: the same as the console script."""

from pykeepalived.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
