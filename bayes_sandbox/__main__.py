"""`python -m bayes_sandbox`: the command, where its script is not on the path."""

from .cli import entry

if __name__ == "__main__":
    entry()
