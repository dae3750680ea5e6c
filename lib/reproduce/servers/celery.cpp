#include "reproduce/server_kind.hpp"

namespace reproduce::servers_of {

namespace {

constexpr std::string_view version[] = {"-m", "celery", "--version"};
constexpr Native settings[] = {{"workers", "worker_concurrency"}, {"timeout", "task_time_limit"}, {"max_requests", "worker_max_tasks_per_child"}};
constexpr std::string_view faults[] = {"hang", "spin", "deadlock", "leak", "eat", "eat_in_child", "fd_leak", "segfault", "ping_false_positive"};

// The broker is a folder: nothing else needs to run. Tasks are the requests of the WSGI application beside it.
constexpr const char* tasks = R"(import io, os, time, uuid
import celery
from kombu.transport import filesystem
from kombu.utils.json import dumps

# kombu 5.2.4 writes a message where it is read: a reader that is quicker takes it empty, and its worker ends. This one is complete when it appears.
def put(channel, queue, payload, **more):
    name = '%d_%s' % (time.monotonic() * 1000, uuid.uuid4())
    with open('unsent-' + name, 'w') as out:
        out.write(dumps(payload))
    os.rename('unsent-' + name, 'queue/%s.%s.msg' % (name, queue))

filesystem.Channel._put = put

app = celery.Celery('tasks', broker='filesystem://', backend='file://' + os.path.abspath('results'))
app.conf.broker_transport_options = {'data_folder_in': 'queue', 'data_folder_out': 'queue', 'polling_interval': 0.1}
app.conf.update(worker_prefetch_multiplier=1, task_default_queue='celery', broker_connection_retry=False)
app.config_from_object('settings_of_run', silent=False)

@app.task(name='request')
def request(method, target, body):
    import place
    answer = []
    path, _, query = target.partition('?')
    environ = {'REQUEST_METHOD': method, 'PATH_INFO': path, 'QUERY_STRING': query, 'wsgi.input': io.BytesIO(body.encode('latin-1'))}
    got = b''.join(place.application(environ, lambda status, headers: answer.append(status)))
    return answer[0], got.decode('latin-1')
)";

// What a web application is to a Celery worker: it sends the task of each request and waits for its end.
constexpr const char* gate = R"(import http.server, sys, time
import kombu.exceptions
import tasks

def done(result):
    for _ in range(20):
        try:
            return result.get(timeout=3600, interval=0.05)
        except (ValueError, kombu.exceptions.DecodeError):  # its file is being written
            time.sleep(0.05)
    return '500 Unreadable', ''

class Gate(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0)).decode('latin-1')
        try:
            status, text = done(tasks.request.delay(self.command, self.path, body))
        except Exception as error:
            status, text = '500 Failed', '%s: %s\n' % (type(error).__name__, error)
        code, _, words = status.partition(' ')
        out = text.encode('latin-1', 'replace')
        self.send_response(int(code), words)
        self.send_header('Content-Length', str(len(out)))
        self.end_headers()
        self.wfile.write(out)
    do_POST = do_PUT = do_GET

http.server.ThreadingHTTPServer.request_queue_size = 256
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Gate).serve_forever()
)";

Composed compose(const Asked& asked) {
  const std::string& folder = asked.site.folder;
  std::string conf;
  for (const auto& [name, value] : asked.settings) conf += name + " = " + value + "\n";
  for (const std::string& line : asked.also) conf += line + "\n";
  Composed out;
  out.words = {"-m", "celery", "-A", "tasks", "worker", "--loglevel", "INFO", "--logfile", folder + "/error.log", "--pidfile", folder + "/server.pid", "--without-gossip", "--without-mingle"};
  out.environment = {"C_FORCE_ROOT=1", "TMPDIR=" + folder};   // a message lies there while it is read
  out.files = {{"tasks.py", tasks}, {"gate.py", gate}, {"settings_of_run.py", conf}, {"place.py", wsgi_application}, {"queue/.keep", ""}, {"results/.keep", ""}};
  out.beside = {"gate.py", std::to_string(asked.site.back.port)};
  return out;
}

}  // namespace

extern const ServerKind celery = {
    .name = "celery", .programs = "/usr/bin/python3", .needs = "/usr/lib/python3/dist-packages/celery/__init__.py /usr/lib/python3/dist-packages/setproctitle", .package = "python3-celery and python3-setproctitle", .version = version,
    .on_tcp_only = true, .settings = settings, .faults = faults, .ready = " ready.", .title = "ForkPoolWorker", .compose = compose};

}  // namespace reproduce::servers_of
