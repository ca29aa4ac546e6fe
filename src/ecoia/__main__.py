"""``python -m ecoia``: the command line."""

from ecoia.cli import main

if __name__ == "__main__":
    main()
