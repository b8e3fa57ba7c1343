"""`python -m shapegan`: the command `shapegan`, for when it is not on the path."""

from shapegan.cli import main

if __name__ == "__main__":
    main(prog_name="shapegan")
