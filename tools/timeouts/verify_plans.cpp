#include "verify_plans.hpp"

#include <random>

namespace timeouts {

namespace {

Try waits(const char* method, double work) { Try one; one.method = method; one.work = work; return one; }
Try in_c(double work) { Try one; one.work = work; one.uninterruptible = true; return one; }
Try blocking(double work) { Try one; one.work = work; one.blocks = true; return one; }
Try streams(double gap, int pieces, bool length = false) { Try one; one.kind = Try::Kind::stream; one.gap = gap; one.pieces = pieces; one.with_length = length; return one; }
Try uploads(double gap, int pieces) { Try one; one.kind = Try::Kind::upload; one.method = "POST"; one.gap = gap; one.pieces = pieces; return one; }
Try together(int requests, double work) { Try one; one.kind = Try::Kind::burst; one.pieces = requests; one.work = work; return one; }
Try stopped_at(double work) { Try one; one.kind = Try::Kind::stop; one.work = work; return one; }
Try raced_by(const char* method) { Try one; one.kind = Try::Kind::race; one.method = method; return one; }
Try reloaded_at(double work) { Try one; one.kind = Try::Kind::reload; one.work = work; return one; }

void gunicorn_plans(const std::string& version, bool gevent, const std::string& uvicorn, std::size_t index, std::vector<Plan>& all) {
  const auto add = [&](const std::string& name, auto&& fill) {
    Plan plan;
    plan.name = "gunicorn " + version + " " + name;
    plan.gunicorn = index;
    fill(plan);
    all.push_back(std::move(plan));
  };
  add("sync, timeout 2 < read 6", [](Plan& p) { p.timeout = 2; p.nginx = {"PREFIX_read_timeout 6s;"}; p.around = {"GET"}; p.tries = {in_c(5), waits("POST", 3.6)}; });
  add("sync, read 1.5 < timeout 3", [](Plan& p) { p.timeout = 3; p.nginx = {"PREFIX_read_timeout 1500ms;"}; p.around = {"GET", "POST"}; });
  add("gthread, timeout 2, read 4", [](Plan& p) { p.worker_class = "gthread"; p.timeout = 2; p.nginx = {"PREFIX_read_timeout 4s;"}; p.around = {"GET"}; p.tries = {waits("POST", 3.3)}; });
  // What blocks stands alone: another request of the same worker would die with it.
  if (gevent) add("gevent, timeout 2", [](Plan& p) { p.worker_class = "gevent"; p.timeout = 2; p.nginx = {"PREFIX_read_timeout 9s;"}; p.tries = {waits("GET", 3.6), waits("GET", 0.3)}; });
  if (gevent) add("gevent, timeout 2, a blocked loop", [](Plan& p) { p.worker_class = "gevent"; p.timeout = 2; p.nginx = {"PREFIX_read_timeout 9s;"}; p.tries = {blocking(5)}; });
  if (!uvicorn.empty()) {
    const auto loop = [](Plan& p) { p.worker_class = "uvicorn"; p.workers = 3; p.timeout = 3; p.graceful = 2; p.nginx = {"PREFIX_read_timeout 9s;"}; };
    add("uvicorn " + uvicorn + ", timeout 3", [&](Plan& p) { loop(p); p.tries = {waits("GET", 5), waits("GET", 0.4)}; });
    add("uvicorn " + uvicorn + ", timeout 3, a blocked loop", [&](Plan& p) { loop(p); p.workers = 1; p.tries = {blocking(6)}; });
    add("uvicorn " + uvicorn + ", TERM, graceful 2", [&](Plan& p) { loop(p); p.kill_after = 9; p.tries = {stopped_at(1.5), stopped_at(4.5)}; });
    add("uvicorn " + uvicorn + ", INT", [&](Plan& p) { loop(p); p.kill_after = 9; p.signal = "INT"; p.tries = {stopped_at(3)}; });
  }
  add("2 servers, read 1", [](Plan& p) { p.peers = 2; p.timeout = 20; p.nginx = {"PREFIX_read_timeout 1s;"}; p.around = {"GET"}; p.tries = {waits("POST", 2), waits("PUT", 2.6), waits("DELETE", 2.6)}; });
  add("2 servers, timeout 1 kills", [](Plan& p) { p.peers = 2; p.timeout = 1; p.nginx = {"PREFIX_read_timeout 8s;"}; p.tries = {waits("GET", 5), waits("POST", 5), waits("GET", 0.4)}; });
  add("2 servers, one try", [](Plan& p) { p.peers = 2; p.timeout = 20; p.nginx = {"PREFIX_read_timeout 1s;", "PREFIX_next_upstream_tries 1;"}; p.around = {"GET"}; });
  add("2 servers, next error only", [](Plan& p) { p.peers = 2; p.timeout = 20; p.nginx = {"PREFIX_read_timeout 1s;", "PREFIX_next_upstream error;"}; p.tries = {waits("GET", 2), waits("GET", 0.3)}; });
  add("2 servers, next within 0.5", [](Plan& p) { p.peers = 2; p.timeout = 20; p.nginx = {"PREFIX_read_timeout 1s;", "PREFIX_next_upstream_timeout 500ms;"}; p.tries = {waits("GET", 2), waits("GET", 0.4)}; });
  add("2 servers, POST allowed", [](Plan& p) { p.peers = 2; p.timeout = 20; p.nginx = {"PREFIX_read_timeout 1s;", "PREFIX_next_upstream error timeout non_idempotent;"}; p.tries = {waits("POST", 2.6)}; });
  add("read 0", [](Plan& p) { p.nginx = {"PREFIX_read_timeout 0;"}; p.tries = {waits("GET", 0.5)}; });
  add("streams, read 1", [](Plan& p) { p.timeout = 20; p.nginx = {"PREFIX_read_timeout 1s;"}; p.tries = {streams(0.5, 6), streams(1.8, 3), streams(0.4, 4, true)}; });
  add("streams, timeout 2", [](Plan& p) { p.timeout = 2; p.nginx = {"PREFIX_read_timeout 2s;"}; p.tries = {streams(0.5, 10), streams(0.5, 3)}; });
  add("streams, timeout 2, HTTP/1.1", [](Plan& p) { p.timeout = 2; p.nginx = {"PREFIX_read_timeout 2s;", "PREFIX_http_version 1.1;"}; p.tries = {streams(0.5, 10)}; });
  add("uploads", [](Plan& p) { p.timeout = 2; p.nginx = {"PREFIX_read_timeout 5s;", "client_body_timeout 2s;"}; p.tries = {uploads(1, 5), uploads(3.2, 3)}; });
  add("uploads, unbuffered", [](Plan& p) { p.timeout = 2; p.nginx = {"PREFIX_read_timeout 9s;", "PREFIX_request_buffering off;"}; p.tries = {uploads(0.25, 3), uploads(1, 6)}; });
  add("a full queue", [](Plan& p) { p.workers = 1; p.backlog = 1; p.nginx = {"PREFIX_read_timeout 20s;"}; p.tries = {together(6, 1.5)}; });
  add("a queue behind one worker, read 2", [](Plan& p) { p.workers = 1; p.nginx = {"PREFIX_read_timeout 2s;", "PREFIX_connect_timeout 1s;"}; p.tries = {together(3, 1.4)}; });
  add("TERM, graceful 2", [](Plan& p) { p.graceful = 2; p.kill_after = 9; p.nginx = {"PREFIX_read_timeout 20s;"}; p.tries = {stopped_at(1.5), stopped_at(4.5)}; });
  add("TERM, killed after 1", [](Plan& p) { p.graceful = 9; p.kill_after = 1; p.nginx = {"PREFIX_read_timeout 20s;"}; p.tries = {stopped_at(1), stopped_at(4)}; });
  add("TERM, killed after 1, KillMode=process", [](Plan& p) { p.graceful = 9; p.kill_after = 1; p.kill_main = true; p.nginx = {"PREFIX_read_timeout 20s;"}; p.tries = {stopped_at(1), stopped_at(4)}; });
  add("gthread, INT, graceful 2", [](Plan& p) { p.worker_class = "gthread"; p.graceful = 2; p.kill_after = 9; p.signal = "INT"; p.nginx = {"PREFIX_read_timeout 20s;"}; p.tries = {stopped_at(1.5), stopped_at(4.5)}; });
  const auto kept = [](Plan& p) {
    p.worker_class = "gthread";
    p.keepalive = 1;
    p.upstream = {"keepalive 4;"};
    p.nginx = {"PREFIX_read_timeout 9s;", "PREFIX_http_version 1.1;", "PREFIX_set_header Connection \"\";"};
  };
  add("kept connections", [&](Plan& p) { kept(p); p.tries = {raced_by("GET"), raced_by("POST"), raced_by("PUT")}; });
  add("kept connections, non_idempotent", [&](Plan& p) { kept(p); p.nginx.emplace_back("PREFIX_next_upstream error timeout non_idempotent;"); p.tries = {raced_by("POST")}; });
  add("kept connections, next off", [&](Plan& p) { kept(p); p.nginx.emplace_back("PREFIX_next_upstream off;"); p.tries = {raced_by("GET")}; });
  add("kept connections, the proxy closes first", [&](Plan& p) { kept(p); p.upstream.emplace_back("keepalive_timeout 300ms;"); p.tries = {raced_by("POST")}; });
  add("QUIT", [](Plan& p) { p.graceful = 9; p.kill_after = 9; p.signal = "QUIT"; p.nginx = {"PREFIX_read_timeout 20s;"}; p.tries = {stopped_at(3)}; });
  add("HUP, graceful 1", [](Plan& p) { p.graceful = 1; p.timeout = 20; p.nginx = {"PREFIX_read_timeout 20s;"}; p.tries = {reloaded_at(4)}; });
}

// Stops and reloads of the servers that are not gunicorn: each signal means something else to each.
void other_stops(std::vector<Plan>& all) {
  const auto add = [&](const std::string& server, const std::string& name, auto&& fill) {
    Plan plan;
    plan.name = server + " " + name;
    plan.server = server;
    plan.timeout = 20;
    plan.graceful = 2;
    plan.kill_after = 9;
    plan.nginx = {"PREFIX_read_timeout 20s;"};
    fill(plan);
    all.push_back(std::move(plan));
  };
  for (const char* signal : {"TERM", "INT"}) add("puma", std::string(signal) + ", worker_shutdown_timeout 2", [&](Plan& p) { p.signal = signal; p.tries = {stopped_at(1.5), stopped_at(4.5)}; });
  add("puma", "TERM, killed after 1", [](Plan& p) { p.graceful = 9; p.kill_after = 1; p.tries = {stopped_at(1), stopped_at(4)}; });
  add("puma", "TERM, killed after 1, KillMode=process", [](Plan& p) { p.graceful = 9; p.kill_after = 1; p.kill_main = true; p.tries = {stopped_at(1), stopped_at(4)}; });
  add("puma", "restart", [](Plan& p) { p.reload = "USR2"; p.tries = {reloaded_at(1.5), reloaded_at(4.5)}; });
  add("unicorn", "QUIT, timeout 3", [](Plan& p) { p.timeout = 3; p.signal = "QUIT"; p.tries = {stopped_at(1.5), stopped_at(6)}; });
  add("unicorn", "TERM", [](Plan& p) { p.tries = {stopped_at(3)}; });
  add("unicorn", "reload, timeout 3", [](Plan& p) { p.timeout = 3; p.tries = {reloaded_at(1.5), reloaded_at(6)}; });
  add("uwsgi", "TERM, die-on-term", [](Plan& p) { p.tries = {stopped_at(3)}; });
  add("uwsgi", "QUIT", [](Plan& p) { p.signal = "QUIT"; p.tries = {stopped_at(3)}; });
  add("uwsgi", "reload, mercy 2", [](Plan& p) { p.tries = {reloaded_at(1.5), reloaded_at(5)}; });
  add("php-fpm", "QUIT, process_control_timeout 2", [](Plan& p) { p.signal = "QUIT"; p.tries = {stopped_at(1.5), stopped_at(4.5)}; });
  add("php-fpm", "QUIT, process_control_timeout 0", [](Plan& p) { p.signal = "QUIT"; p.graceful = 0; p.tries = {stopped_at(3)}; });
  add("php-fpm", "TERM", [](Plan& p) { p.tries = {stopped_at(3)}; });
  add("php-fpm", "reload, process_control_timeout 2", [](Plan& p) { p.reload = "USR2"; p.tries = {reloaded_at(1.5), reloaded_at(4.5)}; });
}

}  // namespace

std::vector<Plan> fixed_plans(const Tools& tools) {
  std::vector<Plan> all;
  for (std::size_t i = 0; i < std::max<std::size_t>(tools.gunicorns.size(), 1); ++i) gunicorn_plans(i < tools.gunicorns.size() ? tools.gunicorns[i].version : "", i < tools.gunicorns.size() && tools.gunicorns[i].gevent, i < tools.gunicorns.size() ? tools.gunicorns[i].uvicorn : "", i, all);
  Plan uwsgi;
  uwsgi.name = "uwsgi, harakiri 2";
  uwsgi.server = "uwsgi";
  uwsgi.timeout = 2;
  uwsgi.nginx = {"PREFIX_read_timeout 8s;"};
  uwsgi.tries = {waits("GET", 0.3), waits("GET", 0.7), waits("GET", 5.5), waits("POST", 5.5)};
  all.push_back(uwsgi);
  uwsgi.name = "uwsgi, read 1 < harakiri 4";
  uwsgi.timeout = 4;
  uwsgi.nginx = {"PREFIX_read_timeout 1s;"};
  uwsgi.tries = {waits("GET", 0.5), waits("GET", 2), waits("GET", 2.6)};
  all.push_back(uwsgi);
  Plan php;
  php.name = "php-fpm, terminate 2";
  php.server = "php-fpm";
  php.timeout = 2;
  php.nginx = {"PREFIX_read_timeout 8s;"};
  php.tries = {waits("GET", 0.3), waits("GET", 1.4), waits("GET", 5), waits("POST", 5)};
  all.push_back(php);
  php.name = "php-fpm, read 1 < terminate 5";
  php.timeout = 5;
  php.nginx = {"PREFIX_read_timeout 1s;"};
  php.tries = {waits("GET", 0.5), waits("GET", 2.5), waits("GET", 3.5)};
  all.push_back(php);
  other_stops(all);
  return all;
}

std::vector<Plan> random_plans(const Tools& tools, int count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto pick = [&](int most) { return static_cast<int>(random() % static_cast<std::uint64_t>(most)); };
  std::vector<Plan> all;
  for (int i = 0; i < count; ++i) {
    Plan plan;
    const int kind = pick(8);
    plan.server = kind < 6 ? "gunicorn" : kind == 6 ? "uwsgi" : "php-fpm";
    plan.gunicorn = tools.gunicorns.empty() ? 0 : static_cast<std::size_t>(pick(static_cast<int>(tools.gunicorns.size())));
    plan.worker_class = plan.server == "gunicorn" && pick(3) == 0 ? "gthread" : "sync";
    plan.timeout = 1 + pick(4);
    plan.peers = plan.server == "gunicorn" && pick(3) == 0 ? 2 : 1;
    const int read = 6 + pick(35);       // tenths
    plan.nginx = {"PREFIX_read_timeout " + std::to_string(read * 100) + "ms;"};
    std::string also;
    if (plan.peers == 2) {
      constexpr const char* words[] = {"error timeout", "error", "timeout", "error timeout http_500", "off", "error timeout non_idempotent"};
      const int which = pick(6);
      plan.nginx.push_back("PREFIX_next_upstream " + std::string(words[which]) + ";");
      also = std::string(", next ") + words[which];
      if (pick(3) == 0) plan.nginx.push_back("PREFIX_next_upstream_tries 1;");
      if (pick(4) == 0) plan.nginx.push_back("PREFIX_next_upstream_timeout " + std::to_string(500 + pick(3000)) + "ms;");
    }
    plan.longest = 5;
    plan.around = {pick(2) == 0 ? "GET" : "POST"};
    plan.name = "#" + std::to_string(i) + " " + plan.server + (plan.server == "gunicorn" && plan.gunicorn < tools.gunicorns.size() ? " " + tools.gunicorns[plan.gunicorn].version + " " + plan.worker_class : "") + ", " + std::to_string(plan.peers) + (plan.peers == 1 ? " server" : " servers") + ", timeout " +
                std::to_string(plan.timeout) + ", read " + std::to_string(read / 10) + "." + std::to_string(read % 10) + also;
    all.push_back(std::move(plan));
  }
  return all;
}

}  // namespace timeouts
