#!/usr/bin/env python3
"""Writes a mixed log of about SIZE bytes (suffix K, M, G) to standard output: what a host's collected logs look like when someone has put
them in one file. The same size gives the same bytes. Shares: 57 % access rows, 20 % lines of an application's own logger, 12 % gunicorn's
error log, some with tracebacks, 6 % docker JSON, 4 % journal, 1 % kernel, 0.3 % nginx errors. Deaths are rare, as they are.
usage: make_log.py SIZE > mixed.log"""
import random
import sys

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
PATHS = ["/", "/login", "/report?year=2026", "/api/v1/orders/1234567", "/static/app.4f3a9c.js", "/api/v1/users/77/settings", "/healthz"]
AGENTS = ["curl/7.88.1", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "kube-probe/1.31", "python-requests/2.32.3"]
WORDS = "order user cache query session token shipped retry queue worker payload invoice stock price email template index page".split()
TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/gunicorn/workers/sync.py", line 136, in handle
    self.handle_request(listener, req, client, addr)
  File "/srv/site/app/app.py", line 8, in app
    return view(request)
           ^^^^^^^^^^^^^
ValueError: boom
"""


def clock(second):
    return f"{10 + second // 3600 % 12:02}:{second // 60 % 60:02}:{second % 60:02}"


def piece(rng, second):
    time = clock(second)
    kind = rng.random()
    pid = rng.randrange(500, 900)
    if kind < 0.567:
        status = rng.choices([200, 304, 404, 500, 502, 504], [9000, 600, 300, 20, 3, 2])[0]
        return (f'10.0.{rng.randrange(256)}.{rng.randrange(256)} - - [22/Nov/2026:{time} +0000] "GET {rng.choice(PATHS)} HTTP/1.1" '
                f'{status} {rng.randrange(100, 90000)} "-" "{rng.choice(AGENTS)}" rt=0.{rng.randrange(1000):03}\n')
    if kind < 0.767:
        return f"2026-11-22 {time},{rng.randrange(1000):03} INFO app.{rng.choice(WORDS)} {' '.join(rng.choices(WORDS, k=9))} id={rng.randrange(10**6)}\n"
    if kind < 0.887:
        head = f"[2026-11-22 {time} +0000] [{pid}]"
        what = rng.randrange(400)
        if what == 0:
            return f"{head} [CRITICAL] WORKER TIMEOUT (pid:{pid + 1})\n"
        if what == 1:
            return f"{head} [ERROR] Error handling request /report\n{TRACEBACK}"
        if what < 10:
            return f"{head} [INFO] Worker exiting (pid: {pid})\n"
        return f"{head} [DEBUG] GET {rng.choice(PATHS)}\n"
    if kind < 0.947:
        return f'{{"log":"2026-11-22 {time} app {" ".join(rng.choices(WORDS, k=8))}\\n","stream":"stderr","time":"2026-11-22T{time}.{rng.randrange(10**9):09}Z"}}\n'
    if kind < 0.987:
        return f"Nov 22 {time} web1 app[{pid}]: {' '.join(rng.choices(WORDS, k=10))}\n"
    if kind < 0.990:
        return (f"2026/11/22 {time} [error] 748#748: *{rng.randrange(10**6)} upstream prematurely closed connection while reading response header from upstream, "
                f'client: 10.0.0.1, server: example.com, request: "GET /report HTTP/1.1", upstream: "http://127.0.0.1:8000/report", host: "example.com"\n')
    return f"[{second + 1000:5}.{rng.randrange(10**6):06}] audit: type=1400 apparmor=\"ALLOWED\" operation=\"open\" pid={pid} comm=\"app\"\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    text = sys.argv[1].upper()
    size = int(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else int(text)
    rng = random.Random(20261122)
    # In order of time, as logs are; made once and repeated, as a gigabyte of fresh random rows would take minutes.
    block = "".join(piece(rng, row // 40) for row in range(240000)).encode()
    out = sys.stdout.buffer
    while size > 0:
        out.write(block[:size])
        size -= len(block)


if __name__ == "__main__":
    main()
