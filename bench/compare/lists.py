"""Lists of numbers on the command line: `--clients 64,256 1000`."""

import argparse


def numbers(text):
    return [int(part) for part in text.split(",") if part]


class Flatten(argparse.Action):
    """Lists of lists as one list: `64,256 1000`."""

    def __call__(self, parser, namespace, values, option=None):
        setattr(namespace, self.dest, [number for part in values for number in part])
