// From files to the chain: every value with its place, what is not fixed stays unknown, a change that is asked about is undone.
#include "model/chain.hpp"

#include <map>

#include "model/outlook.hpp"
#include "source/recorded_host.hpp"
#include "support/catch.hpp"

#if CATCH_VERSION_MAJOR >= 3
using Catch::Approx;
#endif

namespace {

using namespace model;

Deployment read(const std::map<std::string, std::string>& texts, const Targets& targets = {}) {
  std::vector<File> files;
  std::map<std::string, std::string> absolute;
  for (const auto& [name, text] : texts) { files.push_back(file_of("/x/" + name, name, text)); absolute["/x/" + name] = text; }
  return deployment_of(std::move(files), source::TextHost(absolute), [](const std::string& path) { return path.starts_with("/x/") ? path : std::string(); }, targets);
}

std::string nginx(const std::string& location, const std::string& upstream = "server 127.0.0.1:8000;") {
  return "events {}\nhttp {\nupstream app { " + upstream + " }\nserver {\nlisten 80;\nlocation / {\nproxy_pass http://app;\n" + location + "\n}\n}\n}\n";
}

const Term& term(const Route& route, const std::string& name) {
  for (const Station& station : route.stations)
    for (const Term& one : station.terms) if (one.name == name) return one;
  static const Term none;
  FAIL("no term is called " << name);
  return none;
}

constexpr const char* gunicorn = "bind = '127.0.0.1:8000'\nworkers = 4\ntimeout = 120\n";

}  // namespace

TEST_CASE("every limit has its value and the place where it was set", "[chain]") {
  const Deployment all = read({{"nginx.conf", nginx("proxy_read_timeout 30s;")}, {"gunicorn.conf.py", gunicorn}, {"requirements.txt", "gunicorn==20.1.0\n"}}, {"1.22.1", ""});
  const auto routes = routes_of(all, {});
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].location == "location /");
  CHECK(term(routes[0], "proxy_read_timeout").where == "nginx.conf:8:1");
  CHECK(term(routes[0], "proxy_send_timeout").where == "default of nginx 1.22.1");
  CHECK(term(routes[0], "timeout").where == "gunicorn.conf.py:3:1");
  CHECK(term(routes[0], "graceful_timeout").where == "default of gunicorn 20.1.0");
  REQUIRE(routes[0].variants.size() == 1);
  const Chain& chain = routes[0].variants[0].chain;
  CHECK(chain.proxy.read.seconds == 30);
  CHECK(chain.server.worker.seconds == 120);
  CHECK(chain.server.law.measures == flavour::Measures::request);
  CHECK_FALSE(chain.server.law.answers_500);
  CHECK(chain.server.workers == 4);
  CHECK(chain.server.backlog == 2048);
  CHECK(chain.proxy.idle.seconds == 0);                                   // nginx 1.22 keeps none
  CHECK_FALSE(chain.stop.known);
  const auto rows = outlook(routes, "");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].rows[0].told == "200");
  CHECK(rows[0].rows[1].told == "504 at 30 s");
  CHECK(rows[0].rows[1].from == 30);
  CHECK(rows[0].rows[1].because == std::vector<std::string>{"proxy_read_timeout 30s (nginx.conf:8:1)"});
  CHECK(rows[0].rows[1].to == 120);
  CHECK(rows[0].rows[1].ghost_to == Approx(90).epsilon(0.001));
  CHECK(rows[0].rows[1].killed == 0);
  CHECK(rows[0].rows[2].killed == 1);
  CHECK(rows[0].rows[2].killed_least == 0);  // between the timeout and the poll it may end by itself
  CHECK(rows[0].rows[3].killed_least == 1);
}

TEST_CASE("a value that the files do not fix leaves what depends on it open", "[chain]") {
  const Deployment all = read({{"nginx.conf", nginx("proxy_read_timeout 30s;")}, {"gunicorn.conf.py", "import os\nbind = '127.0.0.1:8000'\ntimeout = int(os.environ['T'])\n"}});
  const auto routes = routes_of(all, {});
  REQUIRE(routes.size() == 1);
  CHECK_FALSE(routes[0].variants[0].chain.server.worker.known);
  CHECK(term(routes[0], "timeout").where == "gunicorn.conf.py:3:1");
  const auto rows = outlook(routes, "GET")[0].rows;
  CHECK(rows[0].client == std::vector<std::string>{"200", "500", "502"});
  REQUIRE(rows[0].depends.size() == 1);
  CHECK(rows[0].depends[0] == "timeout, unknown: gunicorn.conf.py:3:1 'int(os.environ['T'])' is not fixed by the files");
  const auto said = outcomes_at(routes[0].variants[0].chain, {}, 10);
  for (const Outcome& one : said) if (!one.finished) CHECK(one.to == no_limit);  // no time is made up
}

TEST_CASE("a part of nginx's configuration does not take defaults for what the rest may set", "[chain]") {
  const Deployment all = read({{"site.conf", "server {\nlisten 80;\nlocation / {\nproxy_pass http://127.0.0.1:8000;\nproxy_connect_timeout 5s;\n}\n}\n"}, {"gunicorn.conf.py", gunicorn}});
  const auto routes = routes_of(all, {});
  REQUIRE(routes.size() == 1);
  CHECK_FALSE(routes[0].variants[0].chain.proxy.read.known);
  CHECK(routes[0].variants[0].chain.proxy.connect.known);
  CHECK(term(routes[0], "proxy_read_timeout").why == "nginx.conf, which may set it, is not here");
}

TEST_CASE("a site that the main file does not include is not in force", "[chain]") {
  const Deployment all = read({{"nginx.conf", nginx("")}, {"sites-available/old", "server {\nlisten 80;\nlocation /old {\nproxy_pass http://127.0.0.1:8000;\n}\n}\n"}, {"gunicorn.conf.py", gunicorn}});
  REQUIRE(all.nginx.size() == 2);
  const auto routes = routes_of(all, {});
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].location == "location /");
}

TEST_CASE("values that depend on a condition are computed under each", "[chain]") {
  const Deployment all = read({{"nginx.conf", nginx("proxy_read_timeout 60s;")}, {"gunicorn.conf.py", "import os\nbind = '127.0.0.1:8000'\nif os.environ.get('DEBUG'):\n    timeout = 600\nelse:\n    timeout = 30\n"}});
  const auto routes = routes_of(all, {});
  REQUIRE(routes.size() == 1);
  REQUIRE(routes[0].variants.size() == 2);
  CHECK_FALSE(routes[0].variants[0].when.empty());
  CHECK(routes[0].variants[0].chain.server.worker.seconds != routes[0].variants[1].chain.server.worker.seconds);
}

TEST_CASE("a worker class that is not known is computed both ways", "[chain]") {
  const Deployment all = read({{"nginx.conf", nginx("")}, {"gunicorn.conf.py", "import os\nbind = '127.0.0.1:8000'\nworker_class = os.environ['C']\n"}});
  const auto routes = routes_of(all, {});
  REQUIRE(routes[0].variants.size() == 2);
  CHECK(routes[0].variants[0].when == "the workers are sync");
  CHECK(routes[0].variants[0].chain.server.law.measures == flavour::Measures::request);
  CHECK(routes[0].variants[1].chain.server.law.measures == flavour::Measures::loop);
}

TEST_CASE("localhost may be two servers", "[chain]") {
  const Deployment all = read({{"nginx.conf", "events {}\nhttp { server { listen 80; location / { proxy_pass http://localhost:8000; } } }\n"}, {"gunicorn.conf.py", gunicorn}});
  const auto routes = routes_of(all, {});
  REQUIRE(routes.size() == 1);
  CHECK_FALSE(routes[0].variants[0].chain.proxy.peers_known);
  const auto line = outcomes(routes[0].variants[0].chain, {});
  CHECK(line.back().depends == std::vector<std::string>{"peers"});
}

TEST_CASE("uwsgi, php-fpm and puma are found behind their passes", "[chain]") {
  const Deployment uwsgi = read({{"nginx.conf", "events {}\nhttp { server { listen 80; location / { uwsgi_pass unix:/run/a.sock; uwsgi_read_timeout 20s; } } }\n"}, {"uwsgi.ini", "[uwsgi]\nmodule = app\nsocket = /run/a.sock\nharakiri = 30\nprocesses = 2\n"}});
  const auto one = routes_of(uwsgi, {});
  REQUIRE(one.size() == 1);
  CHECK(one[0].variants[0].chain.server.worker.seconds == 30);
  CHECK(term(one[0], "harakiri").where == "uwsgi.ini:4:12");
  CHECK_FALSE(one[0].variants[0].chain.stop.known);
  const Deployment held = read({{"nginx.conf", "events {}\nhttp { server { listen 80; location / { uwsgi_pass unix:/run/a.sock; } } }\n"}, {"uwsgi.ini", "[uwsgi]\nmodule = app\nsocket = /run/a.sock\n"},
                                {"app.service", "[Unit]\nDescription=a\n[Service]\nExecStart=/usr/bin/uwsgi --ini /srv/uwsgi.ini\n"}});
  CHECK(routes_of(held, {})[0].variants[0].chain.stop.signal == StopLimits::Signal::reload);  // SIGTERM, and no die-on-term
  CHECK(term(one[0], "uwsgi_read_timeout").choices[0].value.number == 20);
  const Deployment php = read({{"nginx.conf", "events {}\nhttp { server { listen 80; location / { fastcgi_pass 127.0.0.1:9000; } } }\n"}, {"www.conf", "[www]\nlisten = 127.0.0.1:9000\npm = static\npm.max_children = 5\nrequest_terminate_timeout = 30s\n"}});
  const auto two = routes_of(php, {});
  REQUIRE(two.size() == 1);
  CHECK(two[0].variants[0].chain.server.worker.seconds == 30);
  CHECK(two[0].variants[0].chain.server.workers == 5);
  const Deployment puma = read({{"nginx.conf", nginx("", "server unix:/run/puma.sock;")}, {"puma.rb", "bind 'unix:///run/puma.sock'\nworkers 2\nworker_timeout 60\n"}});
  const auto three = routes_of(puma, {});
  REQUIRE(three.size() == 1);
  CHECK(three[0].variants[0].chain.server.law.measures == flavour::Measures::loop);
}

TEST_CASE("queues and limits of php-fpm, puma and unicorn come from where they are written", "[chain]") {
  const std::string pass = "events {}\nhttp { server { listen 80; location / { fastcgi_pass 127.0.0.1:9000; } } }\n", pool = "[www]\nlisten = 127.0.0.1:9000\npm = static\npm.max_children = 5\n";
  const auto php = [&](std::map<std::string, std::string> files) { return routes_of(read(std::move(files)), {}).at(0).variants.at(0).chain.server; };
  CHECK(php({{"nginx.conf", pass}, {"www.conf", pool}}).backlog == 4096);
  CHECK(php({{"nginx.conf", pass}, {"www.conf", pool + "listen.backlog = -1\n"}}).backlog == 4096);
  CHECK(php({{"nginx.conf", pass}, {"www.conf", pool + "listen.backlog = 128\n"}}).backlog == 128);
  const auto main = routes_of(read({{"nginx.conf", pass}, {"www.conf", pool}, {"php-fpm.conf", "[global]\nprocess_control_timeout = 25s\n"}}), {});
  CHECK(term(main.at(0), "process_control_timeout").where == "php-fpm.conf:2:27");
  const auto ruby = [&](const std::string& name, const std::string& text, const std::string& version) {
    return routes_of(read({{"nginx.conf", nginx("", "server unix:/run/a.sock;")}, {name, text}, {"Gemfile.lock", "GEM\n  specs:\n    puma (" + version + ")\n"}}), {}).at(0).variants.at(0).chain.server;
  };
  CHECK(ruby("unicorn.rb", "worker_processes 2\nlisten '/run/a.sock', backlog: 64\ntimeout 2 * 60\n", "6.0.0").backlog == 64);
  CHECK(ruby("unicorn.rb", "worker_processes 2\nlisten '/run/a.sock', backlog: 64\ntimeout 2 * 60\n", "6.0.0").worker.seconds == 120);
  CHECK(ruby("puma.rb", "bind 'unix:///run/a.sock?backlog=32'\nworkers 2\npreload_app!\n", "6.4.0").backlog == 32);
  CHECK(ruby("puma.rb", "bind 'unix:///run/a.sock'\nworkers 2\npreload_app!\n", "6.4.0").idle.seconds == 20);
  CHECK(ruby("puma.rb", "bind 'unix:///run/a.sock'\nworkers 2\npreload_app!\n", "8.0.2").idle.seconds == 65);
  CHECK_FALSE(ruby("puma.rb", "bind 'unix:///run/a.sock'\nworkers 2\npreload_app!\n", "7.1.0").idle.known);
}

TEST_CASE("what stops a server decides what a stop cuts", "[chain]") {
  const std::map<std::string, std::string> files{{"nginx.conf", nginx("")}, {"gunicorn.conf.py", gunicorn}, {"app.service", "[Unit]\nDescription=a\n[Service]\nExecStart=/usr/bin/gunicorn -c gunicorn.conf.py app:app\nTimeoutStopSec=10\n"}};
  const auto routes = routes_of(read(files), {});
  REQUIRE(routes.size() == 1);
  const Chain& chain = routes[0].variants[0].chain;
  CHECK(chain.stop.known);
  CHECK(chain.stop.kill.seconds == 10);
  CHECK(survives_stop(chain).seconds == 10);
  auto quit = files;
  quit["app.service"] += "KillSignal=SIGQUIT\n";
  const auto harsh = routes_of(read(quit), {});
  CHECK(harsh[0].variants[0].chain.stop.signal == StopLimits::Signal::at_once);
  auto held = files;
  held["app.socket"] = "[Unit]\nDescription=a\n[Socket]\nListenStream=127.0.0.1:8000\n";
  CHECK(routes_of(read(held), {})[0].variants[0].chain.stop.held_socket);
}

TEST_CASE("a load balancer gives up for all behind it", "[chain]") {
  const Deployment all = read({{"nginx.conf", nginx("")}, {"gunicorn.conf.py", gunicorn}});
  Given given;
  given.balancer = true;
  given.balancer_request = {50, "request timeout", true, true};
  const auto routes = routes_of(all, given);
  CHECK(routes[0].stations.front().role == "balancer");
  const auto rows = outlook(routes, "GET")[0].rows;
  CHECK(rows[1].from == 50);
  CHECK(rows[1].told == "504 at 50 s");
}

TEST_CASE("a value that is asked about holds everywhere, until the trial ends", "[chain]") {
  Deployment all = read({{"nginx.conf", nginx("proxy_read_timeout 30s;")}, {"gunicorn.conf.py", gunicorn}});
  {
    const Trial trial(all);
    REQUIRE(set_value(all, "server.timeout=25"));
    REQUIRE(set_value(all, "nginx.read=40s"));
    const auto routes = routes_of(all, {});
    CHECK(routes[0].variants[0].chain.server.worker.seconds == 25);
    CHECK(routes[0].variants[0].chain.proxy.read.seconds == 40);
    CHECK(term(routes[0], "timeout").where == "--set");
    REQUIRE(set_value(all, "server.threads=8"));
    CHECK(routes_of(all, {})[0].variants[0].chain.server.law.measures == flavour::Measures::loop);
  }
  const auto routes = routes_of(all, {});
  CHECK(routes[0].variants[0].chain.server.worker.seconds == 120);
  CHECK(routes[0].variants[0].chain.proxy.read.seconds == 30);
  CHECK(set_value(all, "server.tiemout=3").error().answer == "'server.tiemout' is nothing that can be set");
  CHECK(set_value(all, "server.timeout=soon").error().answer == "'soon' is no time");
  CHECK(set_value(all, "server.workers=2.5").error().answer == "'2.5' is no number");
  CHECK(set_value(all, "server.timeout").error().answer == "there is no '='");
}

TEST_CASE("equal routes share their rows", "[chain]") {
  std::string locations;
  for (int i = 0; i < 50; ++i) locations += "location /l" + std::to_string(i) + " { proxy_pass http://127.0.0.1:8000; proxy_read_timeout " + (i % 2 ? "30s" : "60s") + "; }\n";
  const Deployment all = read({{"nginx.conf", "events {}\nhttp { server { listen 80;\n" + locations + "} }\n"}, {"gunicorn.conf.py", gunicorn}});
  const auto routes = routes_of(all, {});
  CHECK(routes.size() == 50);
  const auto groups = outlook(routes, "");
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].routes.size() == 25);
}

TEST_CASE("one request step by step", "[chain]") {
  const Deployment all = read({{"nginx.conf", nginx("proxy_read_timeout 30s;")}, {"gunicorn.conf.py", gunicorn}});
  const auto lines = timeline(routes_of(all, {})[0], {}, 45);
  REQUIRE(lines.size() == 1);
  REQUIRE(lines[0].moments.size() == 5);
  CHECK(lines[0].moments[3].at == 30);
  CHECK(lines[0].moments[3].what == "the proxy gives up: the client gets 504");
  CHECK(lines[0].moments[4].at == 45);
}

TEST_CASE("KillMode, ExecStop and supervisor say whom a stop reaches", "[chain]") {
  const std::string unit = "[Unit]\nDescription=a\n[Service]\nExecStart=/usr/bin/gunicorn -c gunicorn.conf.py app:app\nTimeoutStopSec=10\n";
  const auto stop = [&](const std::string& lines, const std::string& settings = "") {
    return routes_of(read({{"nginx.conf", nginx("")}, {"gunicorn.conf.py", gunicorn + settings}, {"app.service", unit + lines}}), {})[0].variants[0].chain;
  };
  using Kills = StopLimits::Kills;
  CHECK(stop("KillMode=mixed\n").stop.kills == Kills::all);
  CHECK(stop("KillMode=process\n").stop.kills == Kills::main);
  CHECK(survives_stop(stop("KillMode=process\n")).by == "orphans");
  CHECK(survives_stop(stop("KillMode=none\n")).by == "nobody");
  CHECK(survives_stop(stop("KillMode=none\nExecStop=/bin/kill -s TERM $MAINPID\n")).by == "graceful");
  CHECK(stop("ExecStop=/bin/kill -s QUIT $MAINPID\n").stop.signal == StopLimits::Signal::at_once);
  CHECK(stop("ExecStop=/bin/kill -s QUIT $MAINPID\n", "threads = 4\n").stop.signal == StopLimits::Signal::graceful);
  CHECK(stop("ExecStop=/srv/stop.sh\n").stop.signal == StopLimits::Signal::unknown);
  const auto program = [&](const std::string& lines) {
    return routes_of(read({{"nginx.conf", nginx("")}, {"gunicorn.conf.py", gunicorn}, {"supervisord.conf", "[program:web]\ncommand=/usr/bin/gunicorn -c gunicorn.conf.py app:app\n" + lines}}), {})[0].variants[0].chain.stop;
  };
  CHECK(program("").kills == Kills::main);
  CHECK(program("killasgroup=true\n").kills == Kills::all);
  CHECK(program("stopasgroup=true\n").kills == Kills::all);
}

TEST_CASE("puma, unicorn, uwsgi and php-fpm have their own limits of a stop and a reload", "[chain]") {
  const auto chain = [&](const std::string& name, const std::string& text, const std::string& command, const std::string& signal) {
    const auto routes = routes_of(read({{name, text}, {"app.service", "[Unit]\nDescription=a\n[Service]\nExecStart=" + command + "\nKillSignal=" + signal + "\n"}}), {});
    REQUIRE(routes.size() == 1);
    return routes[0].variants[0].chain;
  };
  const Chain puma = chain("puma.rb", "bind 'unix:///run/a.sock'\nworkers 2\n", "/usr/bin/puma -C /srv/puma.rb", "SIGINT");
  CHECK(survives_stop(puma).seconds == 30);
  CHECK(survives_stop(puma).by == "graceful");
  CHECK(puma.server.reload.seconds == 30);
  CHECK(survives_stop(chain("puma.rb", "bind 'unix:///run/a.sock'\nworkers 2\nworker_shutdown_timeout 8\n", "/usr/bin/puma -C /srv/puma.rb", "SIGTERM")).seconds == 8);
  const Chain single = chain("puma.rb", "bind 'unix:///run/a.sock'\nthreads 1, 4\n", "/usr/bin/puma -C /srv/puma.rb", "SIGTERM");
  CHECK(survives_stop(single).seconds == 90);
  CHECK(survives_stop(single).by == "kill");
  CHECK(single.server.reload.seconds == no_limit);
  const Chain unicorn = chain("unicorn.rb", "listen '/run/a.sock'\nworker_processes 2\ntimeout 15\n", "/usr/bin/unicorn -c /srv/unicorn.rb", "SIGQUIT");
  CHECK(survives_stop(unicorn).seconds == 15);
  CHECK(unicorn.server.reload.seconds == 15);
  CHECK(survives_stop(chain("unicorn.rb", "listen '/run/a.sock'\nworker_processes 2\ntimeout 15\n", "/usr/bin/unicorn -c /srv/unicorn.rb", "SIGTERM")).by == "signal");
  CHECK(chain("uwsgi.ini", "[uwsgi]\nmodule = app\nsocket = /run/a.sock\ndie-on-term = true\n", "/usr/bin/uwsgi --ini /srv/uwsgi.ini", "SIGTERM").stop.signal == StopLimits::Signal::at_once);
  CHECK(chain("uwsgi.ini", "[uwsgi]\nmodule = app\nsocket = /run/a.sock\nhook-master-start = unix_signal:15 gracefully_kill_them_all\n", "/usr/bin/uwsgi --ini /srv/uwsgi.ini", "SIGTERM").stop.signal == StopLimits::Signal::graceful);
  CHECK(chain("uwsgi.ini", "[uwsgi]\nmodule = app\nsocket = /run/a.sock\nworker-reload-mercy = 7\n", "/usr/bin/uwsgi --ini /srv/uwsgi.ini", "SIGQUIT").server.reload.seconds == 7);
  const Chain php = chain("www.conf", "[global]\nprocess_control_timeout = 10s\n[www]\nlisten = 127.0.0.1:9000\npm = static\npm.max_children = 5\n", "/usr/sbin/php-fpm -y /etc/www.conf", "SIGQUIT");
  CHECK(survives_stop(php).seconds == 10);
  CHECK(php.server.reload.seconds == 10);
  CHECK_FALSE(survives_stop(chain("www.conf", "[www]\nlisten = 127.0.0.1:9000\npm = static\npm.max_children = 5\n", "/usr/sbin/php-fpm -y /etc/www.conf", "SIGQUIT")).known);
}
