// Over 300 lines: files, servers, requests and comparison of one site are one thought.
#include "verify_site.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "base/text.hpp"
#include "model/found.hpp"
#include "model/outlook.hpp"
#include "source/live_host.hpp"
#include "verify_link.hpp"

namespace timeouts {

namespace {

using model::Outcome;

// What our own measuring adds on an idle machine: a poll, a fork, Python's start of a handler. Everything above is measured while it runs.
constexpr double quiet = 0.3;
// How late the server's close reaches the proxy in races: long enough that a request surely meets it.
constexpr double long_way = 0.6;

constexpr const char* application = R"(import asyncio, os, signal, time, urllib.parse

def note(what, name):
    fd = os.open(os.environ['VERIFY_LOG'], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(fd, ('%s %s\n' % (what, name)).encode())
    os.close(fd)

def pieces(count, gap, name):
    for number in range(count):
        if number:
            time.sleep(gap)
        yield b'0123456789'
    note('end', name)

def app(environ, start_response):
    asked = dict(urllib.parse.parse_qsl(environ.get('QUERY_STRING', '')))
    name = asked.get('id', '-')
    if name != '-':
        note('begin', name)
    if asked.get('c'):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGABRT})
    size = int(environ.get('CONTENT_LENGTH') or 0)
    while size > 0:
        got = environ['wsgi.input'].read(min(size, 65536))
        if not got:
            break
        size -= len(got)
    if asked.get('n'):
        count = int(asked['n'])
        headers = [('Content-Type', 'text/plain')]
        if asked.get('cl'):
            headers.append(('Content-Length', str(10 * count)))
        start_response('200 OK', headers)
        return pieces(count, float(asked['gap']), name)
    if asked.get('b'):
        end = time.monotonic() + float(asked['d'])
        while time.monotonic() < end:
            pass
    else:
        time.sleep(float(asked.get('d', '0')))
    if name != '-':
        note('end', name)
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '3')])
    return [b'ok\n']

async def asgi(scope, receive, send):
    if scope['type'] != 'http':
        return
    asked = dict(urllib.parse.parse_qsl(scope['query_string'].decode()))
    name = asked.get('id', '-')
    if name != '-':
        note('begin', name)
    if asked.get('b'):
        time.sleep(float(asked['d']))
    else:
        await asyncio.sleep(float(asked.get('d', '0')))
    if name != '-':
        note('end', name)
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'3')]})
    await send({'type': 'http.response.body', 'body': b'ok\n'})
)";

constexpr const char* php_application = R"(<?php
$name = $_GET['id'] ?? '-';
$note = function ($what) use ($name) { if ($name !== '-') file_put_contents(getenv('VERIFY_LOG'), "$what $name\n", FILE_APPEND); };
$note('begin');
$end = microtime(true) + (float)($_GET['d'] ?? 0);
while (microtime(true) < $end) usleep((int)min(50000, max(1, ($end - microtime(true)) * 1e6)));
$note('end');
echo "ok\n";
)";

constexpr const char* ruby_application = R"(run(lambda { |env|
  asked = env['QUERY_STRING'].to_s.split('&').map { |one| one.split('=', 2) }.to_h
  name = asked['id'] || '-'
  note = lambda { |what| File.open(ENV['VERIFY_LOG'], 'a') { |file| file.write("#{what} #{name}\n") } if name != '-' }
  note.call('begin')
  clock = lambda { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
  finish = clock.call + asked['d'].to_f
  sleep([0.05, finish - clock.call].min) while clock.call < finish
  note.call('end')
  [200, { 'content-type' => 'text/plain', 'content-length' => '3' }, ["ok\n"]]
})
)";

std::string replaced(std::string text, std::string_view what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) text.replace(at, what.size(), with);
  return text;
}

std::string number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// How late this machine is while a case runs: our own sleeps, and requests that cost nothing.
class Noise {
 public:
  Noise(std::string socket) : socket_(std::move(socket)), thread_([this] { measure(); }) {}
  ~Noise() {
    ended_ = true;
    thread_.join();
  }
  double between(double from, double to) const {
    const std::lock_guard lock(lock_);
    double most = 0;
    for (const auto& [start, end, late] : samples_) if (end >= from && start <= to) most = std::max(most, late);
    return most;
  }

 private:
  struct Sample { double start, end, late; };
  void measure() {
    while (!ended_) {
      const double start = now_s();
      sleep_s(0.05);
      double late = now_s() - start - 0.05;
      if (!socket_.empty()) {
        const double asked = now_s();
        const Seen seen = ask(socket_, {.method = "GET", .path = "/noise?d=0"}, 10);
        if (seen.status == 200) late = std::max(late, now_s() - asked - 0.005);
      }
      const std::lock_guard lock(lock_);
      samples_.push_back({start, now_s(), std::max(0.0, late)});
    }
  }
  std::string socket_;
  std::atomic<bool> ended_ = false;
  mutable std::mutex lock_;
  std::vector<Sample> samples_;
  std::thread thread_;
};

class Site {
 public:
  Site(const Plan& plan, const Tools& tools, std::string folder) : plan_(plan), tools_(tools), folder_(std::move(folder)) {}

  std::vector<Checked> run() {
    if (const std::string why = missing(); !why.empty()) return {{plan_.name, "", "", false, false, 0, why}};
    ::mkdir(folder_.c_str(), 0755);
    prefix_ = plan_.server == "gunicorn" || ruby() ? "proxy" : plan_.server == "uwsgi" ? "uwsgi" : "fastcgi";
    // The breakpoints come from the model's own reading of the files, so the files are written twice: first with one location.
    tries_ = plan_.tries;
    write();
    if (std::string why = read(); !why.empty()) return {{plan_.name, "a chain", why, false, false, 0, ""}};
    add_breakpoints();
    write();
    if (std::string why = read(); !why.empty()) return {{plan_.name, "a chain", why, false, false, 0, ""}};
    std::vector<Child> children;
    if (std::string why = start(children); !why.empty()) return {{plan_.name, "servers that run", why, false, false, 0, ""}};
    return judged(children);
  }

 private:
  std::string missing() const {
    if (tools_.nginx.empty()) return "nginx is not installed";
    if (plan_.server == "gunicorn" && plan_.gunicorn >= tools_.gunicorns.size()) return "gunicorn is not installed";
    if (plan_.server == "uwsgi" && tools_.uwsgi.empty()) return "uwsgi with its Python plugin is not installed";
    if (plan_.server == "php-fpm" && tools_.php.empty()) return "php-fpm is not installed";
    if (plan_.server == "puma" && tools_.puma.empty()) return "puma is not installed";
    if (plan_.server == "unicorn" && tools_.unicorn.empty()) return "unicorn is not installed";
    return {};
  }

  bool races() const { return plan_.keepalive > 0; }
  // What the files name; in races the way's own end, and the server listens behind it.
  std::string named_socket(int peer) const { return races() ? folder_ + "/way.sock" : own_socket(peer); }
  bool ruby() const { return plan_.server == "puma" || plan_.server == "unicorn"; }
  bool stops() const { return std::ranges::any_of(tries_, [](const Try& one) { return one.kind == Try::Kind::stop || one.kind == Try::Kind::reload; }); }
  int workers() const {
    if (plan_.workers > 0) return plan_.workers;
    return static_cast<int>(tries_.size()) + 2;
  }
  std::string log() const { return folder_ + "/seen.log"; }
  std::string own_socket(int peer) const { return folder_ + "/" + std::string(1, static_cast<char>('a' + peer)) + ".sock"; }
  std::string front() const { return folder_ + "/n.sock"; }
  std::string peer_folder(int peer) const { return folder_ + "/" + std::string(1, static_cast<char>('a' + peer)); }

  void write() {
    for (int peer = 0; peer < plan_.peers; ++peer) {
      const std::string home = peer_folder(peer);
      ::mkdir(home.c_str(), 0755);
      write_file(home + "/app.py", application);
      write_file(home + "/app.php", php_application);
      if (plan_.server == "gunicorn") {
        std::string text = "bind = \"unix:" + named_socket(peer) + "\"\nworkers = " + std::to_string(plan_.worker_class == "gthread" ? 1 : workers()) + "\nworker_class = \"" + (plan_.worker_class == "uvicorn" ? "uvicorn.workers.UvicornWorker" : plan_.worker_class) + "\"\ntimeout = " + std::to_string(plan_.timeout) +
                           "\ngraceful_timeout = " + std::to_string(plan_.graceful) + "\n";
        if (plan_.worker_class == "gthread") text += "threads = " + std::to_string(workers()) + "\n";
        if (races()) text += "keepalive = " + std::to_string(plan_.keepalive) + "\n";
        if (plan_.backlog > 0) text += "backlog = " + std::to_string(plan_.backlog) + "\n";
        write_file(home + "/gunicorn.conf.py", text);
        unit(home, "/usr/bin/gunicorn -c " + home + "/gunicorn.conf.py app:app");
      } else if (plan_.server == "uwsgi") {
        write_file(home + "/uwsgi.ini", "[uwsgi]\nmaster = true\nsocket = " + own_socket(peer) + "\nchmod-socket = 666\nprocesses = " + std::to_string(workers()) + "\nplugin = python3\nchdir = " + home + "\nmodule = app:app\nharakiri = " + std::to_string(plan_.timeout) + "\ndie-on-term = true\nworker-reload-mercy = " + std::to_string(plan_.graceful) + "\n");
        unit(home, "/usr/bin/uwsgi --ini " + home + "/uwsgi.ini");
      } else if (ruby()) {
        const bool puma = plan_.server == "puma";
        write_file(home + "/config.ru", ruby_application);
        if (puma) write_file(home + "/puma.rb", "bind 'unix://" + own_socket(peer) + "'\nworkers " + std::to_string(workers()) + "\nthreads 1, 1\nworker_shutdown_timeout " + std::to_string(plan_.graceful) + "\n");
        else write_file(home + "/unicorn.rb", "listen '" + own_socket(peer) + "'\nworker_processes " + std::to_string(workers()) + "\ntimeout " + std::to_string(plan_.timeout) + "\n");
        unit(home, puma ? "/usr/bin/puma -C " + home + "/puma.rb" : "/usr/bin/unicorn -c " + home + "/unicorn.rb");
      } else {
        write_file(home + "/pool.conf", "[global]\nerror_log = " + home + "/fpm.log\ndaemonize = no\nprocess_control_timeout = " + std::to_string(plan_.graceful) + "s\n\n[www]\nlisten = " + own_socket(peer) + "\nlisten.mode = 0666\n" + (::getuid() == 0 ? "user = root\ngroup = root\n" : "") + "pm = static\npm.max_children = " +
                                            std::to_string(workers()) + "\nrequest_terminate_timeout = " + std::to_string(plan_.timeout) + "s\nclear_env = no\n");
        unit(home, "/usr/sbin/php-fpm -F -y " + home + "/pool.conf");
      }
    }
    std::string text = std::string(::getuid() == 0 ? "user root;\n" : "") + "daemon off;\nworker_processes 1;\npid " + folder_ + "/nginx.pid;\nerror_log " + folder_ + "/error.log info;\nevents { worker_connections 256; }\nhttp {\n  access_log " + folder_ +
                       "/access.log;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) text += std::string("  ") + kind + "_temp_path " + folder_ + "/" + kind + ";\n";
    const std::size_t locations = std::max<std::size_t>(tries_.size(), 1);
    for (std::size_t i = 0; i <= locations; ++i) {
      text += "  upstream u" + std::to_string(i) + " {";
      for (int peer = 0; peer < plan_.peers; ++peer) text += " server unix:" + named_socket(peer) + ";";
      for (const std::string& line : plan_.upstream) text += " " + line;
      text += " }\n";
    }
    text += "  server {\n    listen unix:" + front() + ";\n";
    for (std::size_t i = 0; i <= locations; ++i) {
      text += "    location " + std::string(i == locations ? "/noise" : "/c" + std::to_string(i)) + " {\n      " + prefix_ + "_pass " + (prefix_ == "proxy" ? "http://" : "") + "u" + std::to_string(i) + ";\n";
      if (i < locations) for (const std::string& line : plan_.nginx) text += "      " + replaced(line, "PREFIX", prefix_) + "\n";
      if (prefix_ != "proxy")
        for (const char* name : {"QUERY_STRING $query_string", "REQUEST_METHOD $request_method", "CONTENT_TYPE $content_type", "CONTENT_LENGTH $content_length", "REQUEST_URI $request_uri", "PATH_INFO $document_uri", "SERVER_PROTOCOL $server_protocol", "REMOTE_ADDR 127.0.0.1",
                                 "SERVER_NAME verify", "SERVER_PORT 80"})
          text += "      " + prefix_ + "_param " + name + ";\n";
      if (prefix_ == "fastcgi") text += "      fastcgi_param SCRIPT_FILENAME " + peer_folder(0) + "/app.php;\n";
      text += "    }\n";
    }
    write_file(folder_ + "/nginx.conf", text + "  }\n}\n");
  }

  void unit(const std::string& home, const std::string& command) const {
    if (plan_.kill_after > 0) write_file(home + "/app.service", "[Unit]\nDescription=app\n[Service]\nExecStart=" + command + "\nTimeoutStopSec=" + std::to_string(plan_.kill_after) + "\nKillSignal=SIG" + plan_.signal + "\n" + (plan_.kill_main ? "KillMode=process\n" : ""));
  }

  // What triage-timeouts makes of these files.
  std::string read() {
    const source::LiveHost host;
    const model::Found found = model::find_files(host, {folder_}, "/");
    std::vector<model::File> files = found.files;
    deployment_ = model::deployment_of(std::move(files), host, model::locate_in(found), {tools_.nginx_version, plan_.server == "gunicorn" ? tools_.gunicorns[plan_.gunicorn].version : ""});
    chains_.clear();
    for (const model::Route& route : model::routes_of(deployment_, {})) {
      if (!base::starts_with(route.location, "location /c") || route.variants.size() != 1 || route.application == SIZE_MAX) continue;
      const auto index = base::read_number(std::string_view(route.location).substr(11));
      if (!index) continue;
      chains_.resize(std::max(chains_.size(), static_cast<std::size_t>(*index) + 1));
      if (!chains_[static_cast<std::size_t>(*index)]) chains_[static_cast<std::size_t>(*index)] = route.variants.front();
    }
    if (chains_.empty() || !chains_[0]) return "the model finds none in the files of " + folder_;
    for (const auto& chain : chains_) if (!chain) return "the model misses a location in the files of " + folder_;
    return {};
  }

  void add_breakpoints() {
    for (const std::string& method : plan_.around) {
      model::Request request;
      request.method = method;
      std::vector<double> works{0.2};
      double last = 0;
      for (const model::Interval& interval : model::outcomes(chains_[0]->chain, request)) {
        last = interval.from;
        if (interval.from > 0) { works.push_back(interval.from - 0.45); works.push_back(interval.from + 0.45); }
        if (interval.to != model::no_limit && interval.to - interval.from > 1.4) works.push_back((interval.from + interval.to) / 2);
      }
      works.push_back(last + 1.5);
      std::sort(works.begin(), works.end());
      double before = -1;
      for (const double work : works) {
        if (work < 0.1 || work > plan_.longest || work - before < 0.25) continue;
        before = work;
        Try one;
        one.method = method;
        one.work = work;
        tries_.push_back(one);
      }
    }
  }

  std::string start(std::vector<Child>& children) {
    const std::vector<std::string> environment{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "VERIFY_LOG=" + log(),
                                               "PYTHONPATH=" + (plan_.server == "gunicorn" ? tools_.gunicorns[plan_.gunicorn].folder : "")};
    for (int peer = 0; peer < plan_.peers; ++peer) {
      const std::string home = peer_folder(peer);
      std::vector<std::string> words;
      if (plan_.server == "gunicorn") words = {tools_.python, "-m", "gunicorn", "-c", home + "/gunicorn.conf.py", "-b", "unix:" + own_socket(peer), plan_.worker_class == "uvicorn" ? "app:asgi" : "app:app"};
      else if (plan_.server == "uwsgi") words = {tools_.uwsgi, "--ini", home + "/uwsgi.ini"};
      else if (plan_.server == "puma") words = {tools_.puma, "-C", home + "/puma.rb"};
      else if (plan_.server == "unicorn") words = {tools_.unicorn, "-c", home + "/unicorn.rb"};
      else { words = {tools_.php, "-F", "-y", home + "/pool.conf"}; if (::getuid() == 0) words.emplace_back("-R"); }
      auto child = Child::start(words, home, home + "/server.log", environment);
      if (!child) return child.error().answer;
      children.push_back(std::move(*child));
    }
    auto nginx = Child::start({tools_.nginx, "-p", folder_, "-c", folder_ + "/nginx.conf"}, folder_, folder_ + "/nginx.log", environment);
    if (!nginx) return nginx.error().answer;
    children.push_back(std::move(*nginx));
    for (int peer = 0; peer < plan_.peers; ++peer)
      if (!answers(own_socket(peer), 30)) return "no answer: " + base::printable(read_file(peer_folder(peer) + "/server.log"), 600);
    if (races()) way_.emplace(named_socket(0), own_socket(0), long_way);
    if (!answers(front(), 30)) return "nginx does not answer: " + base::printable(read_file(folder_ + "/nginx.log"), 600);
    // Every worker has to have started before time is measured: one answer from each peer, then a pause of what a fork takes.
    const double end = now_s() + 30;
    while (now_s() < end) {
      if (ask(front(), {.method = "GET", .path = "/noise?d=0"}, 5).status == 200) break;
    }
    settle_workers(end);
    return {};
  }

  // gunicorn and uwsgi fork their workers one by one: as many children as asked for, or the end of patience.
  void settle_workers(double end) const {
    const std::string_view line = plan_.server == "puma" ? "booted" : plan_.server == "unicorn" ? " ready\n" : "Booting worker";
    if ((plan_.server != "gunicorn" && !ruby()) || plan_.worker_class == "gthread") return;
    while (now_s() < end) {
      bool all = true;
      for (int peer = 0; peer < plan_.peers; ++peer) {
        const std::string text = read_file(peer_folder(peer) + "/server.log");
        std::size_t booted = 0;
        for (auto at = text.find(line); at != std::string::npos; at = text.find(line, at + 1)) ++booted;
        all = all && booted >= static_cast<std::size_t>(workers());
      }
      if (all) { sleep_s(0.3); return; }
      sleep_s(0.05);
    }
  }

  struct Counted { int begun = 0, ended = 0; };
  Counted counted(std::size_t number_of) const {
    Counted out;
    const std::string text = read_file(log());
    const std::string name = " q" + std::to_string(number_of);
    for (const std::string_view line : base::split(text, '\n')) {
      if (!line.ends_with(name)) continue;
      if (base::starts_with(line, "begin")) ++out.begun;
      else if (base::starts_with(line, "end")) ++out.ended;
    }
    return out;
  }

  Seen send(std::size_t i) const {
    const Try& one = tries_[i];
    std::string path = "/c" + std::to_string(i) + "?id=q" + std::to_string(i) + "&d=" + number(one.work);
    Asked_of asked;
    asked.method = one.method;
    if (one.uninterruptible) path += "&c=1";
    if (one.blocks) path += "&b=1";
    if (one.kind == Try::Kind::stream) path += "&n=" + std::to_string(one.pieces) + "&gap=" + number(one.gap) + (one.with_length ? "&cl=1" : "");
    if (one.kind == Try::Kind::upload) { asked.body = 1000 * static_cast<std::size_t>(one.pieces); asked.pieces = static_cast<std::size_t>(one.pieces); asked.pause = one.gap; }
    asked.path = path;
    return ask(front(), asked, 30);
  }

  // A connection is made and kept; when the server has closed it and the proxy does not know yet, the request comes.
  Checked race(std::size_t i) {
    const std::vector<model::Ending> may = model::raced(chains_[i]->chain, request_of(i));
    // Those of the requests before it would be taken for its own.
    for (const double end = now_s() + 15; way_->standing() > 0 && now_s() < end;) sleep_s(0.01);
    Seen first = ask(front(), {.method = "GET", .path = "/c" + std::to_string(i) + "?d=0"}, 20);
    const int before = way_->closed_by_server();
    const double end = now_s() + plan_.keepalive + 5;
    while (first.status == 200 && way_->closed_by_server() == before && way_->standing() > 0 && now_s() < end) sleep_s(0.002);
    const double start = now_s();
    const Seen seen = send(i);
    std::vector<model::Ending> said = may;
    if (said.empty()) said.emplace_back();
    for (model::Ending& one : said) one.to = 3 * long_way;  // an answer takes the long way as well
    Checked out = endings_case(i, seen, start, 0, said);
    if (first.status != 200) { out.fits = false; out.saw = "no connection was kept: " + std::to_string(first.status); }
    return out;
  }

  std::vector<Checked> judged(std::vector<Child>& children) {
    if (races()) {  // one after the other: each waits for its own connection's end
      std::vector<Checked> all;
      for (std::size_t i = 0; i < tries_.size(); ++i) all.push_back(race(i));
      return all;
    }
    std::vector<Checked> all(tries_.size());
    const bool busy = std::ranges::any_of(tries_, [](const Try& one) { return one.kind == Try::Kind::burst; });
    const Noise noise(busy || stops() ? "" : front());
    std::vector<std::thread> threads;
    std::atomic<double> told = 0;
    for (std::size_t i = 0; i < tries_.size(); ++i)
      threads.emplace_back([this, i, &all, &noise, &told] {
        if (tries_[i].kind == Try::Kind::burst) { all[i] = burst(i); return; }
        const double start = now_s();
        const Seen seen = send(i);
        if (tries_[i].kind == Try::Kind::stop || tries_[i].kind == Try::Kind::reload) all[i] = stop_case(i, seen, start, told, noise);
        else if (tries_[i].kind == Try::Kind::stream) all[i] = endings_case(i, seen, start, noise, model::streamed(chains_[i]->chain, request_of(i), stream_of(i)));
        else if (tries_[i].kind == Try::Kind::upload) all[i] = endings_case(i, seen, start, noise, model::uploaded(chains_[i]->chain, request_of(i), upload_of(i)));
        else all[i] = wait_case(i, seen, start, noise);
      });
    if (stops()) {
      sleep_s(0.5);
      const bool reload = tries_.front().kind == Try::Kind::reload;
      told = now_s();
      children.front().signal(base::signal_number(reload ? plan_.reload : plan_.signal).value_or(SIGTERM));
      if (!reload && plan_.kill_main) {
        // The workers that are left behind are what this is about: nobody else may end them.
        sleep_s(told + plan_.kill_after - now_s());
        children.front().signal(SIGKILL);
      } else if (!reload && plan_.kill_after > 0) {
        const double end = told + plan_.kill_after;
        while (now_s() < end && children.front().alive()) sleep_s(0.02);
        children.front().signal_group(SIGKILL);
      }
    }
    for (std::thread& thread : threads) thread.join();
    return all;
  }

  model::Request request_of(std::size_t i) const {
    model::Request request;
    request.method = tries_[i].method;
    request.uninterruptible = tries_[i].uninterruptible;
    request.blocks = tries_[i].blocks;
    return request;
  }
  model::Stream stream_of(std::size_t i) const {
    const Try& one = tries_[i];
    return {0, one.gap, one.gap * (one.pieces - 1), one.with_length ? model::Stream::Framing::length : model::Stream::Framing::chunks};
  }
  model::Upload upload_of(std::size_t i) const {
    const Try& one = tries_[i];
    return {1000.0 * one.pieces, one.gap * (one.pieces - 1), one.gap, one.work, 0};
  }
  std::string name_of(std::size_t i) const {
    const Try& one = tries_[i];
    std::string name = plan_.name + " " + one.method + " ";
    switch (one.kind) {
      case Try::Kind::wait: name += "work " + number(one.work) + " s"; break;
      case Try::Kind::stream: name += std::to_string(one.pieces) + " pieces, " + number(one.gap) + " s apart" + (one.with_length ? ", with a length" : ""); break;
      case Try::Kind::upload: name += "upload with pauses of " + number(one.gap) + " s"; break;
      case Try::Kind::burst: name += std::to_string(one.pieces) + " at once, " + number(one.work) + " s each"; break;
      case Try::Kind::stop: name += number(one.work) + " s, " + plan_.signal + " at 0.5 s"; break;
      case Try::Kind::race: name += "on a connection that the server has just closed"; break;
      case Try::Kind::reload: name += number(one.work) + " s, " + plan_.reload + " at 0.5 s"; break;
    }
    if (one.uninterruptible) name += " in C";
    if (one.blocks) name += " that blocks the loop";
    return name;
  }

  // The request is answered; what runs on for nobody has to end, or to be killed, before it can be counted.
  Counted settled(std::size_t i, double give) const {
    const double end = now_s() + tries_[i].work * plan_.peers + give + 1.5;
    Counted seen = counted(i);
    while (seen.ended < seen.begun && now_s() < end) {
      sleep_s(0.1);
      seen = counted(i);
    }
    return seen;
  }

  Checked wait_case(std::size_t i, const Seen& seen, double start, const Noise& noise) const {
    Checked out;
    out.name = name_of(i);
    const model::Request request = request_of(i);
    out.noise = noise.between(start, now_s());
    const Counted runs = settled(i, out.noise);
    out.noise = std::max(out.noise, noise.between(start, now_s()));
    const int killed = runs.begun - runs.ended;
    out.saw = std::to_string(seen.status) + " at " + model::seconds_text(std::round(seen.header * 100) / 100) + ", begun " + std::to_string(runs.begun) + ", killed " + std::to_string(killed);
    const auto fits = [&](double give) {
      model::Chain chain = chains_[i]->chain;
      chain.server.law.late += give;
      for (const double work : {tries_[i].work, tries_[i].work + give})
        for (const Outcome& one : model::outcomes_at(chain, request, work)) {
          const double from = one.finished ? one.from + tries_[i].work : one.from, to = one.finished ? one.to + work : one.to;
          if (one.status == seen.status && one.runs == runs.begun && one.killed == killed && seen.header >= from - 0.1 && seen.header <= to + quiet + give) return true;
        }
      return false;
    };
    for (const Outcome& one : model::outcomes_at(chains_[i]->chain, request, tries_[i].work)) {
      const double from = one.finished ? one.from + tries_[i].work : one.from, to = one.finished ? one.to + tries_[i].work : one.to;
      out.said += (out.said.empty() ? "" : " or ") + std::to_string(one.status) + " at " + (to - from < 0.005 ? model::seconds_text(from) : model::span_text(from, to)) + ", begun " + std::to_string(one.runs) + ", killed " + std::to_string(one.killed);
    }
    out.fits = fits(0);
    if (!out.fits) out.fits = out.by_noise = fits(2 * out.noise);
    return out;
  }

  Checked endings_case(std::size_t i, const Seen& seen, double start, const Noise& noise, const std::vector<model::Ending>& said) const { return endings_case(i, seen, start, noise.between(start, now_s()), said); }
  Checked endings_case(std::size_t i, const Seen& seen, double, double noise, const std::vector<model::Ending>& said) const {
    Checked out;
    out.name = name_of(i);
    out.noise = noise;
    const Try& one = tries_[i];
    const std::size_t whole_size = one.kind == Try::Kind::stream ? 10 * static_cast<std::size_t>(one.pieces) : 3;
    const bool whole = seen.status == 200 && seen.framed && seen.body.size() == whole_size;
    out.saw = std::to_string(seen.status) + (seen.status == 200 && !whole ? seen.framed ? " cut, looks whole" : " cut" : "") + " until " + model::seconds_text(std::round(seen.end * 100) / 100);
    const auto fits = [&](double give) {
      return std::ranges::any_of(said, [&](const model::Ending& end) {
        if (end.status != seen.status || seen.end < end.from - 0.1 || seen.end > end.to + quiet + give) return false;
        if (end.status != 200) return true;
        if (end.whole) return whole;
        if (whole) return false;
        return end.seen == model::Ending::Seen::corrupt || (end.seen == model::Ending::Seen::by_nobody) == seen.framed;
      });
    };
    for (const model::Ending& end : said)
      out.said += (out.said.empty() ? "" : " or ") + std::to_string(end.status) + (end.whole || end.status != 200 ? "" : end.seen == model::Ending::Seen::by_nobody ? " cut, looks whole" : " cut") + " until " + (end.to - end.from < 0.005 ? model::seconds_text(end.from) : model::span_text(end.from, end.to));
    out.fits = fits(0);
    if (!out.fits) out.fits = out.by_noise = fits(2 * out.noise);
    return out;
  }

  Checked stop_case(std::size_t i, const Seen& seen, double start, double told, const Noise& noise) const {
    const double left = tries_[i].work - (told - start);
    std::vector<model::Ending> said = tries_[i].kind == Try::Kind::reload ? model::reloaded(chains_[i]->chain, left) : model::stopped(chains_[i]->chain, chains_[i]->stopping, left);
    for (model::Ending& end : said) { end.from += told - start; end.to += told - start; }
    return endings_case(i, seen, start, noise, said);
  }

  Checked burst(std::size_t i) const {
    const Try& one = tries_[i];
    Checked out;
    out.name = name_of(i);
    std::vector<Seen> seen(static_cast<std::size_t>(one.pieces));
    std::vector<std::thread> threads;
    const auto begin = [&](std::size_t number_of) { threads.emplace_back([this, i, &each = seen[number_of]] { each = send(i); }); };
    // Those that take the workers first: who stands in the queue is only certain while nobody takes from it.
    const auto busy = static_cast<std::size_t>(plan_.workers);
    for (std::size_t k = 0; k < std::min(busy, seen.size()); ++k) begin(k);
    const double end = now_s() + 10;
    while (counted(i).begun < static_cast<int>(busy) && now_s() < end) sleep_s(0.01);
    for (std::size_t k = busy; k < seen.size(); ++k) begin(k);
    for (std::thread& thread : threads) thread.join();
    const model::BurstOutcome said = model::burst(chains_[i]->chain, {static_cast<std::size_t>(one.pieces), one.work});
    std::size_t served = 0, refused = 0, late = 0;
    const int status = said.beyond.empty() ? 0 : said.beyond.front().status;
    for (const Seen& each : seen) {
      served += each.status == 200;
      late += each.status == 504 && status != 504;
      refused += each.status == status && status != 0;
    }
    const auto text = [&](std::size_t good, std::size_t slow, std::size_t none) {
      return std::to_string(good) + " get 200" + (slow > 0 ? ", " + std::to_string(slow) + " get 504" : "") + (none > 0 ? ", " + std::to_string(none) + " get " + std::to_string(status) : "");
    };
    out.said = text(said.served, said.late, said.refused);
    out.saw = text(served, late, refused);
    out.fits = said.known && served == said.served && refused == said.refused && late == said.late;
    return out;
  }

  const Plan& plan_;
  const Tools& tools_;
  const std::string folder_;
  std::string prefix_;
  std::vector<Try> tries_;
  model::Deployment deployment_;
  std::vector<std::optional<model::Variant>> chains_;
  std::optional<Link> way_;
};

}  // namespace

Tools tools_here(const std::vector<std::string>& gunicorn_folders) {
  Tools tools;
  tools.nginx = program("nginx");
  // The Python that the installed gunicorn belongs to; several are common.
  if (const std::string script = program("gunicorn"); !script.empty()) {
    const std::string text = read_file(script);
    if (base::starts_with(text, "#!")) tools.python = std::string(base::trim(std::string_view(text).substr(2, text.find_first_of(" \n", 2) - 2)));
  }
  if (tools.python.empty() || tools.python.ends_with("/env")) tools.python = program("python3");
  tools.uwsgi = program("uwsgi_python3");
  if (tools.uwsgi.empty()) tools.uwsgi = program("uwsgi-core");
  if (tools.uwsgi.empty()) tools.uwsgi = program("uwsgi");
  tools.puma = program("puma");
  tools.unicorn = program("unicorn");
  for (const char* name : {"php-fpm", "php-fpm8.2", "php-fpm8.4", "php-fpm8.1", "php-fpm7.4"}) if (tools.php.empty()) tools.php = program(name);
  if (!tools.nginx.empty())
    if (const auto version = base::between(printed({tools.nginx, "-v"}), "nginx/", "")) tools.nginx_version = std::string(base::trim(version->substr(0, version->find_first_of(" \n"))));
  if (tools.python.empty()) return tools;
  std::vector<std::string> folders{""};
  folders.insert(folders.end(), gunicorn_folders.begin(), gunicorn_folders.end());
  for (const std::string& folder : folders) {
    const std::string first = folder.empty() ? "" : "import sys; sys.path[:0] = '" + replaced(folder, "'", "") + "'.split(':'); ";
    const std::string found = printed({tools.python, "-c", first + "import gunicorn; print(gunicorn.__version__)"});
    const std::string version(base::trim(found));
    if (!model::version_number(version)) continue;
    // Each version says itself whether the gevent that is here is new enough for it.
    const std::string worker = printed({tools.python, "-c", first + "import gunicorn.workers.ggevent; print('gevent')"});
    const std::string loops = printed({tools.python, "-W", "ignore", "-c", first + "import uvicorn, uvicorn.workers; print(uvicorn.__version__)"}), uvicorn(base::trim(loops));
    tools.gunicorns.push_back({folder, version, base::trim(worker) == "gevent", model::version_number(uvicorn) && uvicorn.size() < 20 ? uvicorn : ""});
  }
  if (!tools.uwsgi.empty() && printed({tools.uwsgi, "--plugin", "python3", "--version"}).find("2.") == std::string::npos) tools.uwsgi.clear();
  return tools;
}

std::vector<Checked> run_site(const Plan& plan, const Tools& tools, const std::string& folder) { return Site(plan, tools, folder).run(); }

}  // namespace timeouts
