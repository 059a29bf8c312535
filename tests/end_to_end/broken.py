"""Broken configurations, and the whole message for each."""

from typing import NamedTuple

from modern_flask.database.errors import WRITE_URL
from modern_flask.errors import ESCAPE_PASSWORD
from modern_flask.tasks.errors import USE_BROKER

WORKS = """\
DATABASE_ENGINE_URL = "sqlite+pysqlite:///:memory:"
REDIS_URL = "redis://127.0.0.1:1"
CELERY_BROKER_URL = "memory://"
STORAGE_VENDOR = "memory"
UPLOAD_LIMIT = 1000
"""
SECRET = "hunter2"


class Broken(NamedTuple):
    """A broken configuration and its whole message."""

    source: str
    message: str
    content: str = ""  # of the file config.py
    hidden: str = ""  # a package that is not installed


CONFIGURATIONS = {
    "no such file": Broken(
        "nowhere.py",
        """\
CONFIG_SOURCE = "nowhere.py" names a file that does not exist.
  looked in  {root}/example_service/nowhere.py and {folder}/nowhere.py
  fix      create the file, or unset CONFIG_SOURCE to use config.py
""",
    ),
    "syntax error": Broken(
        "{folder}/config.py",
        """\
The configuration is not valid Python: '(' was never closed.
  in       config.py, line 2
  fix      correct that line, or name another source in CONFIG_SOURCE
""",
        content=f'PASSWORD = "{SECRET}"\nPORT = (1 +\n',
    ),
    "exception": Broken(
        "{folder}/config.py",
        """\
The configuration raised ValueError (its message may hold a secret).
  in       config.py, line 2
""",
        content=f'PASSWORD = "{SECRET}"\nPORT = int(PASSWORD)\n',
    ),
    "JSON": Broken(
        "{folder}/config.py",
        """\
The configuration is not valid Python: it is JSON.
  in       config.py
  fix      write each key as NAME = value
""",
        content=f'{{"PASSWORD": "{SECRET}", "DEBUG": true}}\n',
    ),
    "unknown scheme": Broken(
        f"ftp://shop:{SECRET}@files/a.py",
        """\
CONFIG_SOURCE = "ftp://shop:******@files/a.py": ftp:// is not a known scheme.
  fix      use a path, or a URL with kubernetes://, https:// or http://
""",
    ),
    "404": Broken(
        f"http://shop:{SECRET}@127.0.0.1:{{port}}/404?token={SECRET}",
        """\
http://******@127.0.0.1:{port}/404?token=****** returned status 404.
  fix      check the path of CONFIG_SOURCE
""",
    ),
    "403": Broken(
        f"http://shop:{SECRET}@127.0.0.1:{{port}}/403",
        """\
http://******@127.0.0.1:{port}/403 returned status 403.
  fix      let these credentials read the file
""",
    ),
    "forbidden in the cluster": Broken(
        "kubernetes://shop/secrets/orders/config.py",
        """\
The cluster does not allow reader to read kubernetes://shop/secrets/orders/config.py.
  fix      allow get on secrets "orders" in namespace "shop" (RBAC Role)
""",
    ),
    "missing key in the ConfigMap": Broken(
        "kubernetes://shop/configmaps/orders/conf.py",
        """\
kubernetes://shop/configmaps/orders/conf.py: there is no key "conf.py".
  fix      add the key, or name config.py in CONFIG_SOURCE
""",
    ),
    "unknown vendor": Broken(
        "{folder}/config.py",
        """\
STORAGE_VENDOR = "s3" names no storage.
  set in   config.py, line 6
  fix      use cos, local, memory or oss
""",
        content=WORKS + 'STORAGE_VENDOR = "s3"\n',
    ),
    "unknown key": Broken(
        "{folder}/config.py",
        """\
REDIS_HOTS is not a known setting.
  set in   config.py, line 6
  did you mean  REDIS_HOST
""",
        content=WORKS + 'REDIS_HOTS = "localhost"\n',
    ),
    "bad database URL": Broken(
        "{folder}/config.py",
        """\
DATABASE_ENGINE_URL is not a database URL.
  set in   config.py, line 6
"""
        f"  fix      {WRITE_URL}\n",
        content=f'{WORKS}DATABASE_ENGINE_URL = "postgresql://shop:{SECRET}@db:x/a"\n',
    ),
    "bad broker": Broken(
        "{folder}/config.py",
        """\
CELERY_BROKER_URL is not a broker URL that the installed Celery can use.
  set in   config.py, line 6
"""
        f"  fix      {USE_BROKER}; {ESCAPE_PASSWORD}\n",
        content=f'{WORKS}CELERY_BROKER_URL = "nosuch://:{SECRET}@mq"\n',
    ),
    "missing extra": Broken(
        "{folder}/config.py",
        """\
storage is configured by STORAGE_VENDOR, but the package oss2 is not installed.
  set in   config.py, line 6
  fix      pip install 'modern-flask[oss]'
""",
        content=f'{WORKS}STORAGE_VENDOR = "oss"\nSTORAGE_SECRET = "{SECRET}"\n',
        hidden="oss2",
    ),
}
