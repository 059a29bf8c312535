"""``python -m modern_flask.cli`` is ``modern-flask``."""

from . import main

if __name__ == "__main__":
    main()
