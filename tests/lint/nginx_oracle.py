"""Generated configurations, accepted or refused alike by nginx -t and by the linter.

usage: nginx_oracle.py TRIAGE_LINT [COUNT] [SEED]

Each snippet is a small right configuration with one thing done to it: a word dropped or doubled, a directive moved to another block, a value of the wrong
kind, a brace, a quote or a semicolon lost, an include. nginx -t judges each alone; the linter reads them all in one run. Refused is a finding of parse.*
with level error. What they disagree about is printed: the linter may accept what nginx refuses (names of added modules, values that only a
machine knows, sums over several directives), never the reverse.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

HTTP = ["sendfile on;", "tcp_nopush on;", "server_tokens off;", "keepalive_timeout 65;", "client_max_body_size 8m;", "gzip on;", "gzip_comp_level 5;",
        "proxy_read_timeout 60s;", "proxy_connect_timeout 5s;", "proxy_buffers 8 16k;", "proxy_http_version 1.1;", "log_format short '$remote_addr $status';",
        "map $http_upgrade $c { default upgrade; '' close; }", "proxy_set_header Host $host;", "types_hash_max_size 2048;", "large_client_header_buffers 4 8k;"]
SERVER = ["server_name example.org;", "root /srv/www;", "index index.html;", "access_log off;", "client_body_timeout 12s;", "send_timeout 10;", "error_page 404 /404.html;",
          "if ($request_method = POST) { return 405; }", "set $x 1;", "rewrite ^/a$ /b last;", "add_header X-A 1;", "client_header_timeout 1m30s;", "etag off;"]
LOCATION = ["proxy_pass http://127.0.0.1:8000;", "proxy_pass http://app;", "proxy_send_timeout 30s;", "proxy_buffering off;", "proxy_buffer_size 8k;", "proxy_next_upstream error timeout;",
            "proxy_request_buffering on;", "proxy_ignore_client_abort off;", "try_files $uri =404;", "return 204;", "expires 30d;", "limit_except GET { deny all; }", "proxy_next_upstream_tries 2;",
            "uwsgi_pass 127.0.0.1:9000;", "fastcgi_read_timeout 20s;", "allow 127.0.0.1;", "internal;", "proxy_redirect off;", "client_body_buffer_size 128k;"]
UPSTREAM = ["server 127.0.0.1:8000;", "server 127.0.0.1:8001 max_fails=2 fail_timeout=5s;", "keepalive 16;", "least_conn;", "keepalive_timeout 30s;", "server unix:/run/a.sock backup;"]
EVENTS = ["worker_connections 512;", "multi_accept on;", "use epoll;"]
MAIN = ["worker_processes 2;", "worker_rlimit_nofile 1024;", "error_log stderr warn;", "timer_resolution 100ms;"]
VALUES = ["1.5s", "60sec", "60S", "30m1h", "-1", "on", "off", "yes", "8x", "abc", "''", "\"60s\"", "60s 30s", "10k", "$x", "1h30m", "1m500ms", "", "'a b'", "0"]


def right(rng):
    pick = lambda lines, most: rng.sample(lines, rng.randint(1, most))
    location = [line for line in pick(LOCATION, 5)]
    passes = [line for line in location if "_pass " in line]
    for extra in passes[1:]:
        location.remove(extra)
    upstream = [UPSTREAM[0]] + [line for line in pick(UPSTREAM[1:], 2)]
    if "keepalive 16;" in upstream and "least_conn;" in upstream:
        upstream.remove("least_conn;")
    return {"main": pick(MAIN, 2), "events": pick(EVENTS, 2), "http": pick(HTTP, 4), "upstream": upstream, "server": pick(SERVER, 4), "location": location}


def text_of(parts):
    lines = parts["main"] + ["events {"] + ["  " + line for line in parts["events"]] + ["}", "http {", "  access_log off;"]
    lines += ["  " + line for line in parts["http"]] + ["  upstream app {"] + ["    " + line for line in parts["upstream"]] + ["  }", "  server {", "    listen 127.0.0.1:23080;"]
    lines += ["    " + line for line in parts["server"]] + ["    location / {"] + ["      " + line for line in parts["location"]] + ["    }", "  }", "}"]
    return "\n".join(lines) + "\n"


def spoilt(rng):
    parts = right(rng)
    kind = rng.choice(["none", "none", "move", "double", "value", "drop word", "add word", "letter", "cut", "insert", "glue"])
    where = rng.choice(list(parts))
    if kind == "move":
        line = rng.choice(rng.choice([HTTP, SERVER, LOCATION, UPSTREAM, EVENTS, MAIN]))
        parts[where].append(line)
    elif kind == "double":
        parts[where].append(rng.choice(parts[where]))
    elif kind in ("value", "drop word", "add word", "letter"):
        line = rng.randrange(len(parts[where]))
        words = parts[where][line].rstrip(";").split(" ")
        if "{" in parts[where][line]:
            return text_of(parts)
        if kind == "value" and len(words) > 1:
            words[rng.randrange(1, len(words))] = rng.choice(VALUES)
        elif kind == "drop word":
            words.pop()
        elif kind == "add word":
            words.append(rng.choice(["x", "1", "off"]))
        elif kind == "letter":
            name = words[0]
            at = rng.randrange(len(name))
            words[0] = rng.choice([name[:at] + name[at + 1:], name[:at] + name[at] + name[at:], name[:at] + "x" + name[at + 1:]])
        parts[where][line] = " ".join(words) + ";"
    text = text_of(parts)
    at = rng.randrange(len(text))
    if kind == "cut":
        marks = [i for i, c in enumerate(text) if c in ";{}'\""]
        at = rng.choice(marks)
        text = text[:at] + text[at + 1:]
    elif kind == "insert":
        text = text[:at] + rng.choice([";", "{", "}", "'", "\"", "#", "\\", " ", "\n", "${", "\t"]) + text[at:]
    elif kind == "glue":
        spots = [i for i, c in enumerate(text) if c == " "]
        at = rng.choice(spots)
        text = text[:at] + rng.choice(["\"", "'", "\"a\"", ""]) + text[at + 1:]
    return text


def main():
    lint, count, seed = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000, int(sys.argv[3]) if len(sys.argv) > 3 else 7
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not nginx:
        print("skipped: nginx is not installed")
        return 77
    rng = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="oracle-")
    try:
        judged = []
        for i in range(count):
            place = os.path.join(folder, "%05d" % i)
            os.mkdir(place)
            path = os.path.join(place, "nginx.conf")
            text = spoilt(rng)
            with open(path, "w") as file:
                file.write(text)
            answer = subprocess.run([nginx, "-t", "-q", "-e", "stderr", "-c", path, "-g", "pid %s/pid;" % place], capture_output=True, text=True)
            judged.append((answer.returncode == 0, text, answer.stderr.strip().split("\n")[0]))
        found = subprocess.run([lint, "--format", "json", "--select", "parse.*", folder], capture_output=True, text=True, cwd=folder)
        refused = {}
        for finding in json.loads(found.stdout)["findings"]:
            if finding["level"] == "error":
                refused.setdefault(int(finding["subject"]["where"].split("/")[0]), finding["message"])
        apart = {"we accept": [], "we refuse": []}
        for i, (good, text, why) in enumerate(judged):
            if good and i in refused:
                apart["we refuse"].append((i, refused[i], text))
            elif not good and i not in refused:
                apart["we accept"].append((i, why, text))
        for side, all_of in apart.items():
            for i, why, text in all_of[:40]:
                print("%s: %05d: %s" % (side, i, why))
        agreed = count - len(apart["we accept"]) - len(apart["we refuse"])
        print("%d snippets, %d accepted by nginx, %d agreed; we refuse %d that nginx accepts, we accept %d that nginx refuses" % (
            count, sum(good for good, _, _ in judged), agreed, len(apart["we refuse"]), len(apart["we accept"])))
        return 1 if apart["we refuse"] or agreed < count * 0.9 else 0
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
