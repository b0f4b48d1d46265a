"""`python -m ikusi` is `ikusi`."""

from ikusi.cli import main

if __name__ == "__main__":
    main()
