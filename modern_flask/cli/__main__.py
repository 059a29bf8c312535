"""Makes ``python -m modern_flask.cli`` the same as ``modern-flask``."""

from . import main

if __name__ == "__main__":
    main()
