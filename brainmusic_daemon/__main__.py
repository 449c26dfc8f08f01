"""`python -m brainmusic_daemon` is the command `brainmusic`."""

from brainmusic_daemon.cli import main

if __name__ == "__main__":
    main()
