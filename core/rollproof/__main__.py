"""`python -m rollproof` is the command line."""

from rollproof.cli.main import main

if __name__ == "__main__":
    main()
