"""The configuration for development: SQLite, a folder, and the Redis of ``dev``."""

from pathlib import Path

DATA = Path(__file__).parent / "var"
DATA.mkdir(exist_ok=True)

DATABASE_ENGINE_URL = f"sqlite+pysqlite:///{DATA / 'files.db'}"

STORAGE_VENDOR = "local"
STORAGE_FOLDER = str(DATA / "objects")

UPLOAD_LIMIT = 1024**3  # bytes
