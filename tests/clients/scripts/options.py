"""The command line that all client programs of the tests share, and their way of telling."""

import argparse


def options():
    """What this program is to do: listen, publish one message, or just come and leave."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--host')
    parser.add_argument('--port', type=int)
    parser.add_argument('--version', choices=['3.1', '3.1.1', '5'])
    parser.add_argument('--id')
    parser.add_argument('--user')
    parser.add_argument('--password')
    parser.add_argument('--durable', action='store_true')
    parser.add_argument('--will')
    parser.add_argument('--subscribe')
    parser.add_argument('--leave', action='store_true')
    parser.add_argument('--publish')
    parser.add_argument('--payload')
    parser.add_argument('--qos', type=int)
    parser.add_argument('--retain', action='store_true')
    return parser.parse_args()


def say(*words):
    """One line that the test waits for."""
    print(*words, flush=True)
