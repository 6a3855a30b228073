"""`python -m proxy`: the same as `keybearer`."""

from proxy.cli.main import main


if __name__ == "__main__":
    main()
