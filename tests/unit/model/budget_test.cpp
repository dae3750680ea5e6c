// The model against what was measured on real servers (nginx 1.22.1; gunicorn 20.1.0 and 26.1.0, uWSGI 2.0.21, php-fpm 8.2), scaled down to
// seconds. Each row is one run or a series of it: what the client got, when, and how many workers had the request.
#include "model/budget.hpp"

#include "support/catch.hpp"

#if CATCH_VERSION_MAJOR >= 3
using Catch::Approx;
#endif

namespace {

using namespace model;

Chain chain_of(const char* server, const char* family, const char* worker_class, double worker, double read) {
  Chain chain;
  chain.proxy.read.seconds = read;
  chain.server.law = flavour::worker_limit(server, family, worker_class);
  chain.server.worker.seconds = worker;
  return chain;
}

struct Seen { int status; double at; int runs = 1, killed = 0; };

// What was seen is one of the outcomes, within their window and 0.4 s of a loaded machine; `only`: the model says nothing else could be.
void fits(const Chain& chain, const Request& request, double work, Seen seen, bool only = true) {
  const auto said = outcomes_at(chain, request, work);
  bool found = false;
  for (const Outcome& one : said) {
    const double from = one.finished ? one.from + work : one.from, to = one.finished ? one.to + work : one.to;
    found |= one.status == seen.status && one.runs == seen.runs && one.killed == seen.killed && seen.at >= from - 0.01 && seen.at <= to + 0.4;
  }
  INFO("status " << seen.status << " at " << seen.at << " for " << work << " s of work; the model says " << said.size() << " outcomes, the first " << (said.empty() ? 0 : said[0].status) << " at "
                 << (said.empty() ? 0.0 : said[0].from));
  CHECK(found);
  if (only) CHECK(said.size() == 1);
}

}  // namespace

TEST_CASE("a sync worker ends a request at its timeout, and not before", "[budget]") {
  const Chain old = chain_of("gunicorn", "20.1", "sync", 3, 10), fresh = chain_of("gunicorn", "24", "sync", 3, 10);
  fits(old, {}, 1, {200, 1.01});
  fits(old, {}, 2.5, {200, 2.5});
  fits(old, {}, 6, {502, 3.74, 1, 1});
  fits(fresh, {}, 6, {500, 3.67, 1, 1});
  Request in_c;
  in_c.uninterruptible = true;
  fits(old, in_c, 8, {502, 4.95, 1, 1});
  fits(fresh, in_c, 8, {502, 4.17, 1, 1});
  // Between the timeout and the poll that sees it, either may be.
  const auto between = outcomes_at(old, {}, 3.5);
  REQUIRE(between.size() == 2);
  CHECK(between[0].status == 200);
  CHECK(between[1].status == 502);
  for (const double at : {2.12, 2.14, 2.28, 2.29, 2.38, 2.68, 2.76, 2.78, 2.8, 2.97}) fits(chain_of("gunicorn", "20.1", "", 2, 30), {}, 9, {502, at, 1, 1});
}

TEST_CASE("a version that is not known leaves both answers open", "[budget]") {
  const auto said = outcomes_at(chain_of("gunicorn", "", "sync", 3, 10), {}, 6);
  REQUIRE(said.size() == 2);
  CHECK(said[0].status == 500);
  CHECK(said[1].status == 502);
}

TEST_CASE("workers with a loop are not limited by request, only when it is blocked", "[budget]") {
  for (const char* worker_class : {"gthread", "gevent", "uvicorn.workers.UvicornWorker"}) fits(chain_of("gunicorn", "20.1", worker_class, 3, 10), {}, 6, {200, 6.12});
  Request blocking;
  blocking.blocks = true;
  for (const double at : {2.72, 2.46, 3.17, 2.99}) fits(chain_of("gunicorn", "20.1", "gevent", 3, 30), blocking, 9, {502, at, 1, 1});
}

TEST_CASE("a proxy that gives up first leaves work that nobody waits for", "[budget]") {
  const auto said = outcomes_at(chain_of("gunicorn", "20.1", "sync", 10, 3), {}, 5);
  REQUIRE(said.size() == 1);
  CHECK(said[0].status == 504);
  CHECK(said[0].from == 3);
  CHECK(said[0].ghost_from == 2);
  CHECK(said[0].ghost_to == 2);
  CHECK(said[0].gave_up == "proxy");
  Request queued;  // two others of 3 s before it, one worker: 504 at 4 although its own work is 3 s
  queued.queued = 6;
  fits(chain_of("gunicorn", "20.1", "sync", 30, 4), queued, 3, {504, 4.0});
  fits(chain_of("gunicorn", "20.1", "sync", 3, 0), {}, 1, {504, 0.0}, false);  // whether a worker ever saw it is a race
  fits(chain_of("gunicorn", "20.1", "sync", 3, 0), {}, 1, {504, 0.0, 0}, false);
}

TEST_CASE("what is tried again is done again", "[budget]") {
  Chain two = chain_of("gunicorn", "20.1", "sync", 30, 2);
  two.proxy.peers = 2;
  fits(two, {}, 4, {504, 4.01, 2});
  CHECK(outcomes_at(two, {}, 4)[0].blackout == 8);
  Request post, put;
  post.method = "POST";
  put.method = "PUT";
  fits(two, post, 4, {504, 2.0, 1});
  CHECK(outcomes_at(two, post, 4)[0].blackout == 0);
  fits(two, put, 4, {504, 4.01, 2});
  two.proxy.next.seconds = 1;
  fits(two, {}, 4, {504, 2.0, 1});
  two.proxy.next.seconds = no_limit;
  two.proxy.retries_timeout = false;
  fits(two, {}, 4, {504, 2.01, 1});
  two.proxy.retries_timeout = true;
  two.proxy.max_fails = 0;
  fits(two, {}, 4, {504, 4.01, 2});
  CHECK(outcomes_at(two, {}, 4)[0].blackout == 0);
  two.proxy.peers = 1;
  fits(two, {}, 4, {504, 2.01, 1});
}

TEST_CASE("a poisonous request kills a worker on every peer, or on one where the worker answers 500", "[budget]") {
  Chain old = chain_of("gunicorn", "20.1", "sync", 2, 20), fresh = chain_of("gunicorn", "24", "sync", 2, 20);
  old.proxy.peers = fresh.proxy.peers = 2;
  fits(old, {}, 9, {502, 4.67, 2, 2});
  fits(fresh, {}, 9, {500, 2.12, 1, 1});
}

TEST_CASE("other servers' limits", "[budget]") {
  fits(chain_of("php-fpm", "", "", 3, 10), {}, 6, {502, 3.95, 1, 1});
  fits(chain_of("uwsgi", "", "", 3, 8), {}, 6, {502, 4.53, 1, 1});
  fits(chain_of("uwsgi", "", "", no_limit, 8), {}, 6, {200, 6.0});
  fits(chain_of("uwsgi", "", "", 2, 60), {}, 30, {502, 1.4, 1, 1});
  fits(chain_of("uwsgi", "", "", 2, 60), {}, 30, {502, 3.4, 1, 1});
  fits(chain_of("unicorn", "", "", 3, 60), {}, 30, {502, 3.9, 1, 1});
}

TEST_CASE("many peers are all asked, and the ways do not double with each", "[budget]") {
  Chain many = chain_of("gunicorn", "20.1", "sync", 30, 2);
  many.proxy.peers = 40;
  fits(many, {}, 4, {504, 80.0, 40});
  many.proxy.next.seconds = 9;
  fits(many, {}, 4, {504, 10.0, 5});
  many.proxy.next.seconds = no_limit;
  many.server.worker.seconds = 1;          // a kill within [1, 2.1], the proxy's limit in it
  const auto said = outcomes_at(many, {}, 9);
  CHECK(said.size() < 100);
  CHECK(said.back().runs == 40);
}

TEST_CASE("a worker whose client is gone is killed all the same, or ends first", "[budget]") {
  // Of a soak: the proxy gave up within the window of the kill, and the work ended within it too.
  for (const int killed : {0, 1}) {
    fits(chain_of("php-fpm", "", "", 2, 2.4), {}, 2.85, {504, 2.4, 1, killed}, false);
    fits(chain_of("gunicorn", "20.1", "sync", 2, 2.3), {}, 2.75, {504, 2.3, 1, killed}, false);
    fits(chain_of("uwsgi", "", "", 3, 1.3), {}, 4.55, {504, 1.3, 1, killed}, false);
  }
  fits(chain_of("gunicorn", "20.1", "sync", 2, 1), {}, 1.8, {504, 1.0, 1, 0});
  fits(chain_of("gunicorn", "20.1", "sync", 2, 1), {}, 4, {504, 1.0, 1, 1});
}

TEST_CASE("a balancer in front gives up for all that is behind it", "[budget]") {
  Chain chain = chain_of("gunicorn", "20.1", "sync", 30, 60);
  chain.balancer.seconds = 10;
  const auto said = outcomes_at(chain, {}, 12);
  REQUIRE(said.size() == 1);
  CHECK(said[0].gave_up == "balancer");
  CHECK(said[0].from == 10);
  CHECK(said[0].ghost_to == 2);
}

TEST_CASE("the whole line of durations has no hole and changes where the limits are", "[budget]") {
  const auto line = outcomes(chain_of("gunicorn", "20.1", "sync", 30, 60), {});
  REQUIRE(line.size() == 3);
  CHECK(line[0].from == 0);
  CHECK(line[0].to == 30);
  CHECK(line[1].to == Approx(31.1));
  CHECK(line[2].to == no_limit);
  CHECK(line[0].outcomes[0].status == 200);
  CHECK(line[1].outcomes.size() == 2);
  CHECK(line[2].outcomes[0].status == 502);
  CHECK(line[2].outcomes[0].to == Approx(31.1));
  const auto proxy_first = outcomes(chain_of("gunicorn", "20.1", "sync", 120, 60), {});
  REQUIRE(proxy_first.size() >= 2);
  CHECK(proxy_first[0].to == 60);
  CHECK(proxy_first[1].outcomes[0].status == 504);
  CHECK(proxy_first.back().outcomes[0].killed == 1);
  for (double read : {0.5, 2.0, 30.0, 60.0, 300.0})
    for (double worker : {1.0, 30.0, 120.0, no_limit})
      for (int peers : {1, 2, 3}) {
        Chain chain = chain_of("gunicorn", "24", "sync", worker, read);
        chain.proxy.peers = peers;
        chain.balancer.seconds = 50;
        double reached = 0;
        for (const Interval& one : outcomes(chain, {})) {
          CHECK(one.from == reached);
          CHECK(one.to > one.from);
          CHECK(!one.outcomes.empty());
          reached = one.to;
          // What the line says of an interval is what the model says of a duration in it.
          const double inside = one.to == no_limit ? one.from + 7 : (one.from + one.to) / 2;
          CHECK(outcomes_at(chain, {}, inside).size() == one.outcomes.size());
        }
        CHECK(reached == no_limit);
      }
}
