"""triage-lint as CI calls it: exit codes, formats, suppressions, baseline, fixes. Speaks TAP.

usage: lint_program.py TRIAGE_LINT [--approve]
"""

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

LINT = os.path.abspath(sys.argv[1])
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
GUNICORN = shutil.which("gunicorn")
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CLICOLOR_FORCE")}
results = []


def run(folder, *words):
    done = subprocess.run([LINT, *words], cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
    return done.returncode, done.stdout, done.stderr


def check(name, good, detail=""):
    results.append(good)
    print("%s %d - %s" % ("ok" if good else "not ok", len(results), name))
    if not good:
        print("# " + str(detail).replace("\n", "\n# "))


def written(folder, **files):
    for name, text in files.items():
        path = os.path.join(folder, name.replace("__", "."))
        with open(path, "w") as file:
            file.write(text)


SITE = """events {}
http {
  access_log off;
  upstream app {
    server 127.0.0.1:8000 fail_timeout=0; # one server
  }
  server {
    listen 127.0.0.1:23081;
    location / {
      proxy_pass http://localhost:8000;   # keep me
      proxy_read_timeout 1.5s;
    }
    location /app { proxy_pass http://app; }
  }
}
"""


def exit_codes(folder):
    written(folder, nginx__conf=SITE)
    check("errors give 1", run(folder)[0] == 1)
    check("--exit-zero gives 0", run(folder, "--exit-zero")[0] == 0)
    check("--fail-on a rule that is not there gives 0", run(folder, "--fail-on", "gunicorn.*")[0] == 0)
    check("--fail-on a rule that is there gives 1", run(folder, "--fail-on", "nginx.proxy-pass-localhost")[0] == 1)
    check("a wrong option gives 2", run(folder, "--nonsense")[0] == 2)
    check("a format that does not exist gives 2", run(folder, "--format", "nonsense")[0] == 2)
    check("a path that does not exist gives 3", run(folder, "/nonsense")[0] == 3)
    check("--select leaves one rule", run(folder, "--select", "nginx.proxy-pass-localhost", "--format", "gcc", ".")[1].count("\n") == 1)
    check("--ignore takes rules out", "localhost" not in run(folder, "--ignore", "proxy-pass-localhost,parse.*", "--format", "gcc", ".")[1])
    code, out, _ = run(folder, "--color", "never")
    check("text has at most 80 columns and is ASCII", out.isascii() and max(len(line) for line in out.split("\n")) <= 80, out)
    check("text shows the line and its place", "nginx.conf:10:18" in out and "proxy_pass http://localhost:8000;" in out, out)
    broken = SITE.replace("proxy_read_timeout 1.5s;", "proxy_read_timeout 5s")
    written(folder, nginx__conf=broken)
    with open(os.path.join(folder, "Dockerfile"), "wb") as file:
        file.write("FROM python:3.12\nCMD gunicorn app:app\n".encode("utf-16"))
    code, out, _ = run(folder, "--format", "gcc", "Dockerfile")
    check("what is no text is an error, not passed over", code == 1 and "Dockerfile:1:1: error" in out and "(Dockerfile)" in out, out)
    os.remove(os.path.join(folder, "Dockerfile"))
    large = os.path.join(folder, "large")
    os.makedirs(os.path.join(large, "conf.d"), exist_ok=True)
    written(large, nginx__conf="events {}\nhttp { include conf.d/*.conf; }\n" + "# \n" * (1 << 20))
    written(os.path.join(large, "conf.d"), a__conf="include conf.d/*.conf;\n", b__conf=SITE[SITE.index("  server"):SITE.rindex("}")])
    code, out, error = run(large, "--format", "gcc")
    check("what is too large is said, also in a folder", "nginx.conf" in out + error and "larger than 2 MiB" in out + error and code in (1, 3), (code, out, error))
    written(large, nginx__conf="include nginx.conf;\n")
    code, out, _ = run(folder, "--format", "gcc", "--select", "parse.include-cycle", "large/nginx.conf")
    check("an included file is shown as the others are", code == 1 and out.startswith("large/nginx.conf:1:9: error"), out)
    shutil.rmtree(large)
    code, out, _ = run(folder, "--format", "gcc")
    check("what cannot be parsed is an error", code == 1 and "parse.syntax-error" in out, out)


def formats(folder):
    written(folder, nginx__conf=SITE)
    code = run(folder)[0]
    for name in ("json", "jsonl", "sarif", "github", "gitlab", "gcc", "junit", "text"):
        answer = run(folder, "--format", name)
        check("%s has the same exit code" % name, answer[0] == code, answer[0])
    report = json.loads(run(folder, "--format", "json")[1])
    check("json is triage.report/1", report["schema"] == "triage.report/1" and report["verdict"] == "fault" and report["source"] == "files", report["verdict"])
    rules = [finding["rule"] for finding in report["findings"]]
    check("json has every finding", sorted(set(rules)) == ["nginx.fail-timeout-noop-single", "nginx.proxy-pass-localhost", "parse.bad-time-unit"], rules)
    sarif = json.loads(run(folder, "--format", "sarif")[1])["runs"][0]
    declared = [rule["id"] for rule in sarif["tool"]["driver"]["rules"]]
    check("sarif declares every rule once", len(declared) == len(set(declared)) > 70 and "chain.ghost-work" in declared)
    check("sarif results name their rule by index", all(declared[result["ruleIndex"]] == result["ruleId"] for result in sarif["results"]))
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in sarif["results"]]
    check("sarif paths are relative", uris == ["nginx.conf"] * len(rules), uris)
    check("sarif has fingerprints", all(result["partialFingerprints"] for result in sarif["results"]))
    xml.etree.ElementTree.fromstring(run(folder, "--format", "junit")[1])
    check("github has a line a finding", len([line for line in run(folder, "--format", "github")[1].split("\n") if line.startswith("::")]) == len(rules))
    issues = json.loads(run(folder, "--format", "gitlab")[1])
    check("gitlab has an issue a finding", len(issues) == len(rules) and issues[0]["location"]["path"] == "nginx.conf")
    written(folder, nginx__conf=SITE.replace("localhost", "127.0.0.1").replace("1.5s", "2s").replace(" fail_timeout=0", ""))
    empty = json.loads(run(folder, "--format", "sarif")[1])["runs"][0]
    check("sarif declares the rules without findings too", empty["results"] == [] and len(empty["tool"]["driver"]["rules"]) == len(declared))
    check("a clean file is clean", json.loads(run(folder, "--format", "json")[1])["verdict"] == "clean")


def sarif_faults(report):
    """What the schema of SARIF 2.1.0 asks of the parts that are written here."""
    faults = []

    def need(good, what):
        if not good:
            faults.append(what)

    def is_message(value):
        return isinstance(value, dict) and isinstance(value.get("text"), str) and value["text"] != ""

    def location(value, where):
        need(set(value) <= {"id", "message", "physicalLocation"}, where + " has other keys")
        need("id" not in value or (isinstance(value["id"], int) and value["id"] >= -1), where + " id")
        need("message" not in value or is_message(value["message"]), where + " message")
        place = value.get("physicalLocation")
        if place is not None:
            need(not re.match(r"[a-z]+:|/|.*\\\\", place["artifactLocation"]["uri"]), where + " uri is not relative: " + place["artifactLocation"]["uri"])
            region = place.get("region", {"startLine": 1})
            need(region["startLine"] >= 1 and region.get("startColumn", 1) >= 1, where + " region")

    levels = {"none", "note", "warning", "error"}
    need(report.get("version") == "2.1.0" and set(report) == {"$schema", "version", "runs"}, "the log's keys")
    for run_ in report["runs"]:
        need(set(run_) == {"tool", "invocations", "results", "columnKind"}, "the run's keys")
        need(run_["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}, "columnKind")
        driver = run_["tool"]["driver"]
        need(isinstance(driver["name"], str) and driver["name"], "the driver's name")
        ids = [rule["id"] for rule in driver["rules"]]
        need(len(ids) == len(set(ids)), "rules are declared twice")
        for rule in driver["rules"]:
            need(set(rule) <= {"id", "shortDescription", "fullDescription", "help", "defaultConfiguration"}, "keys of " + rule["id"])
            need(all(is_message(rule[key]) for key in ("shortDescription", "fullDescription", "help")), "texts of " + rule["id"])
            need(rule["defaultConfiguration"]["level"] in levels, "level of " + rule["id"])
        for invocation in run_["invocations"]:
            need(isinstance(invocation["executionSuccessful"], bool), "executionSuccessful")
            for one in invocation["toolExecutionNotifications"]:
                need(one["level"] in levels and is_message(one["message"]), "a notification")
        for result in run_["results"]:
            need(ids[result["ruleIndex"]] == result["ruleId"], "ruleIndex of " + result["ruleId"])
            need(result["level"] in levels and is_message(result["message"]), "level and message of " + result["ruleId"])
            need(result["occurrenceCount"] >= 1 and all(isinstance(text, str) for text in result["partialFingerprints"].values()), "fingerprints of " + result["ruleId"])
            for where in result["locations"] + result["relatedLocations"]:
                location(where, "a location of " + result["ruleId"])
    return faults


def golden(folder):
    """Everything in a SARIF file but the prose of the rules, which the cards hold: byte for byte. `--approve` writes it anew."""
    written(folder, nginx__conf=SITE, Procfile="web: gunicorn -w 2 -b 127.0.0.1:8000 -t 90 main:app\n", main__py="from fastapi import FastAPI\n\napp = FastAPI()\n")
    report = json.loads(run(folder, "--format", "sarif", "--exit-zero")[1])
    faults = sarif_faults(report)
    # Of the rules a few, so that another rule does not change the file.
    report = json.loads(run(folder, "--format", "sarif", "--exit-zero", "--select", "nginx.proxy-pass-localhost,nginx.fail-timeout-noop-single,nginx.read-timeout-zero,parse.bad-time-unit,gunicorn.asgi-app-on-wsgi-worker,chain.ghost-work")[1])
    check("sarif is as its schema asks", not faults, "\n".join(faults))
    rules = report["runs"][0]["tool"]["driver"]["rules"]
    found = {result["ruleId"] for result in report["runs"][0]["results"]}
    report["runs"][0]["tool"]["driver"]["rules"] = [rule for rule in rules if rule["id"] in found]
    for result in report["runs"][0]["results"]:
        result["ruleIndex"] = [rule["id"] for rule in report["runs"][0]["tool"]["driver"]["rules"]].index(result["ruleId"])
    text = json.dumps(report, indent=2) + "\n"
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden.sarif")
    if "--approve" in sys.argv:
        with open(path, "w") as file:
            file.write(text)
    with open(path) as file:
        kept = file.read()
    check("sarif is what it was (golden.sarif)", text == kept, "\n".join(difflib.unified_diff(kept.split("\n"), text.split("\n"), "golden.sarif", "now", lineterm="")))


def wishes(folder):
    written(folder, nginx__conf=SITE.replace("      proxy_pass http://localhost", "      # triage: ignore[nginx.proxy-pass-localhost] the host has no ::1\n      proxy_pass http://localhost"))
    out = run(folder, "--format", "gcc")[1]
    check("a comment above the line suppresses", "localhost becomes" not in out, out)
    written(folder, nginx__conf=SITE.replace("# keep me", "# triage: ignore[proxy-pass-localhost, parse.*] both"))
    out = run(folder, "--format", "gcc")[1]
    check("a comment on the line suppresses that line only", "localhost becomes" not in out and "bad-time-unit" in out, out)
    written(folder, nginx__conf="# triage: file-ignore[nginx] generated\n" + SITE)
    out = run(folder, "--format", "gcc")[1]
    check("file-ignore holds for the file and the area", "[nginx." not in out and "bad-time-unit" in out, out)
    written(folder, nginx__conf=SITE.replace("# one server", "# triage: ignore[nginx.connect-timeout-large] old"))
    check("a suppression without effect is said", "parse.unused-suppression" in run(folder, "--format", "gcc")[1])
    written(folder, nginx__conf=SITE, **{"__triage__json": "{ \"per-file-ignores\": { \"*.conf\": [\"nginx.*\", \"parse.*\"] } }"})
    check(".triage.json takes rules out by file", run(folder)[0] == 0, run(folder)[1])
    written(folder, **{"__triage__json": "{ \"per-file-ignore\": {} }"})
    code, _, error = run(folder)
    check("a misspelt key of .triage.json is an error at its place", code == 2 and ".triage.json:1:3" in error, error)
    os.remove(os.path.join(folder, ".triage.json"))
    run(folder, "--write-baseline", "known.json", "nginx.conf")
    check("what the baseline knows is not said again", run(folder, "--baseline", "known.json", "nginx.conf")[0] == 0)
    written(folder, nginx__conf="# moved\n\n" + SITE.replace("listen", "listen"))
    check("moved lines are still known", run(folder, "--baseline", "known.json", "nginx.conf")[0] == 0)
    written(folder, nginx__conf=SITE.replace("location /app { proxy_pass http://app; }", "location /b { proxy_pass http://localhost:9000; }"))
    check("a new one is said", run(folder, "--baseline", "known.json", "nginx.conf")[0] == 1)
    os.remove(os.path.join(folder, "known.json"))


def fixes(folder):
    written(folder, nginx__conf=SITE)
    out = run(folder, "--diff")[1]
    check("--diff shows and changes nothing", "-      proxy_read_timeout 1.5s;" in out and "+      proxy_read_timeout 1500ms;" in out and open(os.path.join(folder, "nginx.conf")).read() == SITE, out)
    run(folder, "--fix", ".")
    mended = open(os.path.join(folder, "nginx.conf")).read()
    wanted = SITE.replace("localhost", "127.0.0.1").replace("1.5s", "1500ms").replace(" fail_timeout=0", "")
    check("--fix mends and keeps comments and layout", mended == wanted, mended)
    run(folder, "--fix", ".")
    check("--fix again changes nothing", open(os.path.join(folder, "nginx.conf")).read() == wanted)
    check("and nothing is left to mend", run(folder)[0] == 0, run(folder)[1])
    if NGINX:
        answer = subprocess.run([NGINX, "-t", "-q", "-e", "stderr", "-c", os.path.join(folder, "nginx.conf"), "-g", "pid %s/pid;" % folder], capture_output=True, text=True)
        check("nginx accepts what was mended", answer.returncode == 0, answer.stderr)
    written(folder, gunicorn__conf__py="# mine\npreload = True  # one\nworkers = 3\n")
    run(folder, "--fix", ".")
    check("what changes behaviour is left alone by --fix", "preload = True" in open(os.path.join(folder, "gunicorn.conf.py")).read())
    run(folder, "--fix=unsafe", ".")
    check("--fix=unsafe does it", open(os.path.join(folder, "gunicorn.conf.py")).read() == "# mine\npreload_app = True  # one\nworkers = 3\n")


UNIT = """[Service]
Type=notify
User=app
KillMode=process
KillSignal=SIGINT
TimeoutStopSec=5
ExecStart=/opt/app/bin/gunicorn -b 127.0.0.1:8000 \\
  -w 4 --max-requests 1000 --reload \\
  app:app
"""
COMPOSE = """services:
  web:
    image: app   # mine
    command: ["gunicorn", "-w", "2", "--max-requests", "500", "app:app"]
  other:
    image: app
    stop_grace_period: 5s
    command: gunicorn -w 2 --max-requests=500 app:app
"""
MANIFEST = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
        - name: web
          image: app
          command: ["gunicorn", "-w", "2", "app:app"]
          lifecycle: { preStop: { exec: { command: ["sleep", "15"] } } }
"""
CONFIG = """# mine
bind = "127.0.0.1:25081"
workers = 3
max_requests = 1000  # often
graceful_timeout = 60
keep_alive = 5
"""


def repairs(folder):
    """What conditions find is mended too: safely, once, and so that both programs still take the files."""
    texts = {"app.service": UNIT, "docker-compose.yml": COMPOSE, "deploy.yaml": MANIFEST, "gunicorn.conf.py": CONFIG, "supervisord.conf": "[program:web]\ncommand=/opt/gunicorn -w 2 app:app\nuser=app\n"}
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    read = lambda: {name: open(os.path.join(folder, name)).read() for name in texts}
    found = lambda: {line.rsplit("[", 1)[-1].rstrip("]") for line in run(folder, "--format", "gcc", "--exit-zero")[1].splitlines()}
    mended_rules = {"systemd.stop-timeout-below-graceful", "systemd.killmode-process-none", "systemd.kill-signal-not-graceful", "container.stop-grace-below-graceful", "container.supervisor-stopwait",
                    "kubernetes.grace-below-prestop-plus-graceful", "gunicorn.max-requests-no-jitter"}
    before = found()
    check("what is to be mended is there", mended_rules <= before, mended_rules - before)
    code, out, _ = run(folder, "--fix", "--diff", ".")
    check("--diff changes nothing", read() == texts and code == 0)
    run(folder, "--fix", ".")
    once = read()
    check("--fix then lint finds none of them", not mended_rules & found(), mended_rules & found())
    changed = {name: sorted(set(once[name].splitlines()) - set(texts[name].splitlines())) for name in texts}
    check("--fix writes the values that the rules ask for", changed == {
        "app.service": ["  -w 4 --max-requests 1000 --max-requests-jitter 100 --reload \\", "KillMode=mixed", "KillSignal=SIGTERM", "TimeoutStopSec=65"],
        "docker-compose.yml": ["    command: [\"gunicorn\", \"-w\", \"2\", \"--max-requests\", \"500\", \"--max-requests-jitter\", \"50\", \"app:app\"]", "    command: gunicorn -w 2 --max-requests=500 --max-requests-jitter 50 app:app",
                               "    stop_grace_period: 65s"],
        "deploy.yaml": ["      terminationGracePeriodSeconds: 80"], "gunicorn.conf.py": ["max_requests_jitter = 100"], "supervisord.conf": ["stopwaitsecs=65"]}, json.dumps(changed, indent=1))
    run(folder, "--fix", ".")
    check("--fix again changes nothing", read() == once)
    run(folder, "--fix=unsafe", ".")
    twice = read()
    run(folder, "--fix=unsafe", ".")
    check("--fix=unsafe twice is as once", read() == twice and "keepalive = 5" in twice["gunicorn.conf.py"] and "--reload" not in twice["app.service"], twice)
    if GUNICORN:
        with open(os.path.join(folder, "app.py"), "w") as file:
            file.write("def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n")
        answer = subprocess.run([GUNICORN, "--check-config", "-c", "gunicorn.conf.py", "app:app"], cwd=folder, capture_output=True, text=True)
        check("gunicorn accepts what was mended", answer.returncode == 0, answer.stderr)


for part in (exit_codes, formats, golden, wishes, fixes, repairs):
    folder = tempfile.mkdtemp(prefix="lint-")
    try:
        part(folder)
    finally:
        shutil.rmtree(folder)
print("1..%d" % len(results))
sys.exit(0 if all(results) else 1)
