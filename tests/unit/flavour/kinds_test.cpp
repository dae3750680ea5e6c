#include "flavour/flavour.hpp"
#include "support/catch.hpp"

using namespace flavour;

TEST_CASE("what a signal and a death lead to stands in the flavour, by class of worker where it differs") {
  const Flavour& gunicorn = *flavour::flavour("gunicorn");
  CHECK(kind_of(gunicorn, "sync").timeout.scope == Scope::request);
  CHECK(kind_of(gunicorn, "gthread").timeout.scope == Scope::loop);
  CHECK(meaning_of(kind_of(gunicorn, "gthread").signals, "QUIT")->act == Act::graceful);
  CHECK(meaning_of(kind_of(gunicorn, "sync").signals, "QUIT")->act == Act::at_once);
  CHECK(kind_of(gunicorn, "gevent").on_master_death == OnMasterDeath::workers_end);
  CHECK(kind_of(gunicorn, "a.class.of.theirs").on_master_death == OnMasterDeath::unknown);
  const Flavour& uvicorn = *flavour::flavour("uvicorn");
  CHECK(on_worker_death(uvicorn, uvicorn.family("0.17.6")) == OnWorkerDeath::left_dead);
  CHECK(on_worker_death(uvicorn, uvicorn.family("0.32.0")) == OnWorkerDeath::replaced);
  const Flavour& hypercorn = *flavour::flavour("hypercorn");
  CHECK(on_worker_death(hypercorn, hypercorn.family("0.17.3")) == OnWorkerDeath::ends_server);
  CHECK(on_worker_death(hypercorn, hypercorn.family("0.13.2")) == OnWorkerDeath::left_dead);
  CHECK(on_worker_death(hypercorn, hypercorn.family("")) == OnWorkerDeath::unknown);
  CHECK(meaning_of(flavour::flavour("unicorn")->signals, "USR9") == nullptr);
}

TEST_CASE("each flavour's signals and advice are whole") {
  for (const Flavour* const known : flavours()) {
    INFO(known->name);
    for (const Meaning& one : known->signals) CHECK((!one.signal.empty() && !one.does.empty() && !one.signal.starts_with("SIG")));
    for (const Advice& one : known->advice) CHECK(((one.when == "now" || one.when == "then" || one.when == "check") && !one.text.empty()));
    for (const Option& one : known->options) CHECK((!one.text.empty() && !one.setting.empty()));
  }
}

TEST_CASE("a server's configuration files are named by its command line or its title") {
  const auto files = [](std::string_view name, std::string_view args) { return flavour::flavour(name)->configs_named(args); };
  CHECK(files("php-fpm", "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)") == std::vector<std::string>{"/etc/php/8.2/fpm/php-fpm.conf"});
  CHECK(files("php-fpm", "/usr/sbin/php-fpm8.2 -F -y /srv/fpm.conf") == std::vector<std::string>{"/srv/fpm.conf"});
  CHECK(files("uwsgi", "/usr/bin/uwsgi --ini /usr/share/uwsgi/conf/default.ini --ini /etc/uwsgi/apps-enabled/app.ini --daemonize /var/log/x.log") ==
        std::vector<std::string>{"/usr/share/uwsgi/conf/default.ini", "/etc/uwsgi/apps-enabled/app.ini"});
  CHECK(files("uwsgi", "uwsgi app.ini:production") == std::vector<std::string>{"app.ini"});
  CHECK(files("uwsgi", "uwsgi --chdir /srv/a.ini --master").empty());
  CHECK(files("puma", "puma -C config/puma.rb config.ru") == std::vector<std::string>{"config/puma.rb"});
  CHECK(files("unicorn", "unicorn master -c conf.rb config.ru") == std::vector<std::string>{"conf.rb"});
  CHECK(files("apache", "/usr/sbin/apache2 -f /srv/apache.conf -DFOREGROUND") == std::vector<std::string>{"/srv/apache.conf"});
}

TEST_CASE("what is started by bundle exec, and RQ with and without its titles, is recognised") {
  const Flavour* known = nullptr;
  CHECK(kin_of("ruby /usr/bin/bundle exec", known) == Kin::none);
  CHECK(kin_of("bundle exec puma -C config/puma.rb", known) == Kin::master);
  CHECK(known->name == "puma");
  CHECK(kin_of("/usr/bin/python3 /usr/bin/rq worker -u redis://127.0.0.1", known) == Kin::either);
  CHECK(known->name == "rq");
  CHECK(kin_of("rq: Forked 28118 at 1795411428.1806183", known) == Kin::master);
  CHECK(kin_of("rq: Processing jobs.sleep from default since 1795411428.18", known) == Kin::worker);
  CHECK(kin_of("/usr/bin/python3 /usr/bin/rq info", known) == Kin::none);
}
