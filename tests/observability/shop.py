"""A service for tests in separate processes, and its clients."""

import http.client
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from werkzeug.test import Client

PROGRAM = '''
"""A shop that remembers nothing."""
from flask import request
from modern_flask import Container, create_app

def create_app_of_the_shop():
    app = create_app("shop", Container())

    @app.get("/orders/<int:number>")
    def order(number):
        return {"order": number}

    return app

app = create_app_of_the_shop()
'''

TASKS = '''
"""A shop whose work is done later."""
import os
from celery import shared_task
from modern_flask import Container, create_app

done = os.open("done", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@shared_task(name="sell")
def sell(number):
    os.write(done, b".")

app = create_app("tasks", Container())
'''


def write_shop(folder: Path) -> None:
    (folder / "shop.py").write_text(PROGRAM)
    (folder / "tasks.py").write_text(TASKS)


def ask(
    port: int, number: int, threads: int = 4, path: str = "/orders/7"
) -> Counter[int]:
    """Send ``number`` requests; how often each status came, 0 for none."""
    answers: list[int] = []

    def client(times: int) -> None:
        for _ in range(times):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                answers.append(response.status)
            except OSError:
                answers.append(0)
            finally:
                connection.close()

    shares = [number // threads + (each < number % threads) for each in range(threads)]
    run([threading.Thread(target=client, args=(share,)) for share in shares])
    return Counter(answers)


def run(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fetch(port: int, path: str, **headers: str) -> str:
    """The body of an answer, whatever its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def scrape(metrics: Any, accept: str = "") -> str:
    """The text that a scraper of ``metrics`` reads."""
    return Client(metrics.answer).get("/metrics", headers={"Accept": accept}).text
