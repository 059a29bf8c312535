"""What importing the package costs."""

import subprocess
import sys

HEAVY = ("oss2", "qcloud_cos", "requests", "urllib3", "crcmod", "fastcrc", "flask")


def test_importing_imports_no_sdk():
    """The package and all its modules import neither an SDK nor requests."""
    program = (
        "import sys, importlib, pkgutil, modern_flask.storage as storage\n"
        "for module in pkgutil.iter_modules(storage.__path__):\n"
        "    importlib.import_module(f'modern_flask.storage.{module.name}')\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == "[]"


def test_opening_one_vendor_leaves_the_other_alone():
    """COS is opened without oss2, OSS without the SDK of COS."""
    program = (
        "import sys, modern_flask.storage as storage\n"
        "opened = storage.open_{0}({1!r})\n"
        "next(opened); opened.close()\n"
        "print('{2}' in sys.modules)"
    )
    cos = {"secret_id": "i", "secret_key": "k", "region": "ap-test"}
    oss = {
        "access_key_id": "i",
        "access_key_secret": "k",
        "endpoint": "oss-cn-hangzhou.aliyuncs.com",
    }

    for vendor, settings, other in (("cos", cos, "oss2"), ("oss", oss, "qcloud_cos")):
        done = subprocess.run(
            [sys.executable, "-c", program.format(vendor, settings, other)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.strip() == "False"
