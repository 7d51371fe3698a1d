"""`python -m happyhorse` is `happyhorse`."""

from happyhorse.cli.app import main

if __name__ == "__main__":
    main()
