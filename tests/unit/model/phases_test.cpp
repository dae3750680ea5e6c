// The other phases of a request's life against the runs that were measured (nginx 1.22.1, gunicorn 20.1.0 and 26.1.0; timeouts of seconds).
#include "model/phases.hpp"

#include "model/stop_law.hpp"
#include "support/catch.hpp"

namespace {

using namespace model;

Chain chain_of(const char* family, const char* worker_class, double worker, double read) {
  Chain chain;
  chain.proxy.read.seconds = read;
  chain.proxy.client_body.seconds = 60;
  chain.server.law = flavour::worker_limit("gunicorn", family, worker_class);
  chain.server.worker.seconds = worker;
  chain.server.graceful.seconds = 30;
  chain.stop.known = true;
  return chain;
}

// What was seen is one of the endings, within 0.4 s of a loaded machine; with `only` there is no other.
void fits(const std::vector<Ending>& said, int status, double at, bool whole, bool only = true) {
  bool found = false;
  for (const Ending& one : said) found |= one.status == status && one.whole == whole && at >= one.from - 0.15 && at <= one.to + 0.4;
  INFO(status << " at " << at << "; the model says " << said.size() << " endings, the first " << (said.empty() ? 0 : said[0].status) << " at " << (said.empty() ? 0.0 : said[0].from) << " to " << (said.empty() ? 0.0 : said[0].to));
  CHECK(found);
  if (only) CHECK(said.size() == 1);
}

Request method(const char* name) {
  Request request;
  request.method = name;
  return request;
}

}  // namespace

TEST_CASE("a read timeout counts between two pieces of an answer, and cuts without a 504", "[phases]") {
  const Chain chain = chain_of("20.1", "sync", 30, 2);
  fits(streamed(chain, {}, {0, 1, 6}), 200, 6.01, true);                // 6 pieces, 1 s apart
  fits(streamed(chain, {}, {0, 3, 6}), 200, 2.0, false);                // 3 pieces, 3 s apart: cut at 2 s
  CHECK(streamed(chain, {}, {0, 3, 6})[0].seen == Ending::Seen::by_client);
}

TEST_CASE("a worker that dies in the middle of an answer", "[phases]") {
  Chain old = chain_of("20.1", "sync", 3, 2), fresh = chain_of("24", "sync", 3, 2);
  const Stream stream{0, 1, 8, Stream::Framing::chunks}, length{0, 1, 8, Stream::Framing::length};
  fits(streamed(old, {}, stream), 200, 3.62, false);
  CHECK(streamed(old, {}, stream)[0].seen == Ending::Seen::by_nobody);   // HTTP/1.0 to the server: looks whole
  old.proxy.version_1_1 = fresh.proxy.version_1_1 = true;
  fits(streamed(old, {}, stream), 200, 3.14, false);
  CHECK(streamed(old, {}, stream)[0].seen == Ending::Seen::by_client);
  CHECK(streamed(old, {}, length)[0].seen == Ending::Seen::by_client);
  CHECK(streamed(fresh, {}, length)[0].seen == Ending::Seen::corrupt);   // the text of the 500 fills the length
  fits(streamed(chain_of("20.1", "gthread", 3, 2), {}, stream), 200, 8, true);
  old.proxy.version_known = false;
  CHECK_FALSE(streamed(old, {}, stream)[0].known);
  Chain unknown = chain_of("20.1", "sync", 3, 2);
  unknown.server.worker.known = false;
  const auto said = streamed(unknown, {}, stream);
  REQUIRE(said.size() == 2);
  CHECK(said[0].whole);
  CHECK_FALSE(said[1].known);
}

TEST_CASE("a slow upload costs no worker's time while the proxy buffers it", "[phases]") {
  Chain chain = chain_of("20.1", "sync", 3, 10);
  chain.proxy.client_body.seconds = 5;
  fits(uploaded(chain, method("POST"), {6000, 6, 1, 0, 0}), 200, 6.0, true);
  chain.proxy.buffers_request = false;
  fits(uploaded(chain, method("POST"), {6000, 6, 1, 0, 0}), 502, 6.0, false);
  chain.proxy.buffers_request = true;
  chain.proxy.client_body.seconds = 2;
  const auto late = uploaded(chain, method("POST"), {6000, 9, 6, 0, 0});
  fits(late, 0, 5.0, false);                                             // 408 in the log, nothing to the client
  CHECK_FALSE(late[0].runs);
}

TEST_CASE("the send timeout counts when nobody reads a large body", "[phases]") {
  Chain chain = chain_of("20.1", "sync", 30, 20);
  chain.proxy.send.seconds = 1;
  fits(uploaded(chain, method("POST"), {20e6, 0, 0, 0, 6}), 504, 1.03, false);
  fits(uploaded(chain, method("POST"), {1000, 0, 0, 0, 6}), 200, 6.0, true);
  const auto between = uploaded(chain, method("POST"), {2e6, 0, 0, 0, 6});  // whether it fits is the kernel's business
  REQUIRE(between.size() == 2);
  CHECK_FALSE(between[0].known);
}

TEST_CASE("a request that meets the close of a kept connection", "[phases]") {
  Chain chain = chain_of("20.1", "gthread", 30, 60);
  chain.proxy.idle.seconds = 60;
  chain.server.idle.seconds = 2;
  for (const char* again : {"GET", "PUT", "DELETE"}) fits(raced(chain, method(again)), 200, 0, true);
  fits(raced(chain, method("POST")), 502, 0, false);
  chain.proxy.retries_non_idempotent = true;
  fits(raced(chain, method("POST")), 200, 0, true);
  chain.proxy.retries_non_idempotent = false;
  chain.proxy.retries_error = false;
  fits(raced(chain, method("GET")), 502, 0, false);
  chain.proxy.idle.seconds = 1;                                          // the proxy closes first
  CHECK(raced(chain, method("POST")).empty());
  chain.proxy.idle.seconds = 60;
  chain.server.idle.seconds = 0;                                         // sync closes after every answer
  CHECK(raced(chain, method("POST")).empty());
  chain.server.idle = {no_limit, "", false, false};
  REQUIRE(raced(chain, method("POST")).size() == 1);
  CHECK_FALSE(raced(chain, method("POST"))[0].known);
}

TEST_CASE("what finds the listen queue full", "[phases]") {
  Chain chain = chain_of("20.1", "sync", 30, 20);
  chain.server.workers = chain.server.backlog = 1;
  chain.server.unix_socket = true;
  chain.proxy.connect.seconds = 2;
  const BurstOutcome local = burst(chain, {6, 2});
  CHECK(local.served == 3);                                              // one at work, listen(1) holds two
  CHECK(local.refused == 3);
  CHECK(local.last == 6);
  REQUIRE(local.beyond.size() == 1);
  CHECK(local.beyond[0].status == 502);
  CHECK(local.beyond[0].to == 0);
  chain.server.unix_socket = false;
  const BurstOutcome tcp = burst(chain, {6, 2});
  REQUIRE(tcp.beyond.size() == 1);
  CHECK(tcp.beyond[0].status == 504);
  CHECK(tcp.beyond[0].from == 2);
  chain.proxy.connect.seconds = 100;
  CHECK(burst(chain, {6, 200}).beyond[0].from == 100);                   // 100 s are honoured: 504 at 100.1
  chain.proxy.connect.seconds = 300;
  const BurstOutcome kernel = burst(chain, {6, 400});
  REQUIRE(kernel.beyond.size() == 1);
  CHECK(kernel.beyond[0].status == 502);                                 // 502 at 133.9 s
  CHECK(kernel.beyond[0].from <= 133.86);
  CHECK(kernel.beyond[0].to >= 133.86);
  chain.proxy.read.seconds = 3;
  const BurstOutcome late = burst(chain, {3, 2});
  CHECK(late.served == 1);
  CHECK(late.late == 2);
  chain.server.workers = 0;
  CHECK_FALSE(burst(chain, {6, 2}).known);
}

TEST_CASE("a stop lets requests finish for graceful_timeout, or until somebody kills", "[phases]") {
  Chain chain = chain_of("20.1", "sync", 30, 60);
  chain.server.graceful.seconds = 3;
  const Stopping sync{"sync", "20.1", false};
  fits(stopped(chain, sync, 1.5), 200, 1.51, true);                      // 2 s of work, TERM after 0.5
  fits(stopped(chain, sync, 7.5), 502, 3.02, false);
  chain.server.worker.seconds = 3;                                       // the worker timeout is not enforced meanwhile
  chain.server.graceful.seconds = 30;
  fits(stopped(chain, sync, 7.5), 200, 7.51, true);
  chain.stop.kill.seconds = 1.5;                                         // the supervisor is quicker
  fits(stopped(chain, sync, 7.5), 502, 1.5, false);
  CHECK(survives_stop(chain).seconds == 1.5);
  CHECK(survives_stop(chain).by == "kill");
  chain.stop.before = 1;                                                 // a preStop hook takes its share
  CHECK(survives_stop(chain).seconds == 0.5);
  chain.stop.signal = StopLimits::Signal::at_once;
  fits(stopped(chain, sync, 3.5), 502, 1.1, false);
  Chain fresh = chain_of("24", "sync", 30, 60);
  fresh.stop.signal = StopLimits::Signal::at_once;
  fits(stopped(fresh, {"sync", "24", false}, 3.5), 500, 0.1, false);
  Chain uwsgi = chain_of("20.1", "sync", 30, 60);
  uwsgi.stop.signal = StopLimits::Signal::reload;
  fits(stopped(uwsgi, sync, 3.5), 502, 0.0, false);
  uwsgi.stop.known = false;
  CHECK_FALSE(stopped(uwsgi, sync, 3.5)[0].known);
  CHECK_FALSE(survives_stop(uwsgi).known);
}

TEST_CASE("who comes while a server stops is reset when it goes, unless somebody else holds the socket", "[phases]") {
  Chain chain = chain_of("20.1", "sync", 30, 60);
  chain.server.graceful.seconds = 3;
  fits(stopped(chain, {"sync", "20.1", true}, 1.5), 502, 1.1, false);
  fits(stopped(chain, {"sync", "20.1", true}, 7.5), 502, 2.62, false);
  fits(stopped(chain, {"gthread", "20.1", true}, 7.5), 200, 0.01, true, false);  // a thread still takes it
  fits(stopped(chain, {"gthread", "24", true}, 7.5), 502, 2.61, false);
  chain.stop.held_socket = true;
  fits(stopped(chain, {"sync", "20.1", true}, 1.5), 200, 1.06, true);
}

TEST_CASE("a reload does not enforce graceful_timeout", "[phases]") {
  Chain chain = chain_of("20.1", "sync", 30, 60);
  chain.server.graceful.seconds = 2;
  fits(reloaded(chain, 5.5), 200, 5.5, true);
  chain.server.worker.seconds = 3;
  fits(reloaded(chain, 9), 502, 3.5, false);
}

TEST_CASE("whom SIGKILL is for decides what becomes of a request that takes longer", "[phases]") {
  Chain chain = chain_of("20.1", "sync", 30, 60);
  chain.server.graceful.seconds = 9;
  chain.stop.kill.seconds = 1;
  chain.stop.sent = {"SIGTERM"};
  chain.stop.kills = StopLimits::Kills::main;
  chain.server.orphans = Orphans::finish;                                // gunicorn's sync worker: d = 4 s, its master killed after 1
  fits(stopped(chain, {"sync", "20.1", false}, 3.5), 200, 3.5, true);
  CHECK(survives_stop(chain).by == "orphans");
  chain.server.orphans = Orphans::end;                                   // puma: dead at once; gevent: 0.89 s later
  fits(stopped(chain, {"", "", false}, 3.5), 502, 1.0, false);
  fits(stopped(chain, {"", "", false}, 3.5), 502, 1.89, false);
  chain.server.orphans = Orphans::unknown;
  CHECK_FALSE(survives_stop(chain).known);
  chain.server.graceful.seconds = 0.5;                                   // the master ends them before it is killed
  CHECK(survives_stop(chain).seconds == 0.5);
  chain.stop.kills = StopLimits::Kills::none;                            // KillMode=none without an ExecStop=
  chain.stop.sent.clear();
  CHECK(survives_stop(chain).by == "nobody");
  fits(stopped(chain, {"sync", "20.1", false}, 50), 200, 50, true);
}

TEST_CASE("what a signal means is the server's", "[phases]") {
  using Signal = StopLimits::Signal;
  CHECK(meaning_of(stop_law("gunicorn", "sync"), "SIGQUIT") == Signal::at_once);     // 0.61 s for a signal at 0.5
  CHECK(meaning_of(stop_law("gunicorn", "gevent"), "INT") == Signal::at_once);       // 0.78 to 0.91 s
  CHECK(meaning_of(stop_law("gunicorn", "uvicorn"), "QUIT") == Signal::unknown);     // uvicorn 0.17.6 at once, 0.32.0 at G
  CHECK(meaning_of(stop_law("gunicorn", "gthread"), "QUIT") == Signal::graceful);    // 1.5 s whole, 6 s cut at G = 2
  CHECK(meaning_of(stop_law("gunicorn", "eventlet"), "QUIT") == Signal::unknown);
  CHECK(meaning_of(stop_law("puma", ""), "SIGINT") == Signal::graceful);
  CHECK(meaning_of(stop_law("puma", ""), "SIGQUIT") == Signal::at_once);
  CHECK(meaning_of(stop_law("unicorn", ""), "15") == Signal::at_once);
  CHECK(meaning_of(stop_law("unicorn", ""), "QUIT") == Signal::graceful);
  CHECK(meaning_of(stop_law("php-fpm", ""), "QUIT") == Signal::graceful);
  CHECK(meaning_of(stop_law("php-fpm", ""), "KILL") == Signal::at_once);
  CHECK(meaning_of(stop_law("uwsgi", ""), "TERM") == Signal::reload);
  CHECK(meaning_of(stop_law("passenger", ""), "TERM") == Signal::unknown);
  CHECK(meaning_of(stop_law("gunicorn", "sync"), "SIGWHAT") == Signal::unknown);
  CHECK(signal_sent("/bin/kill -s QUIT $MAINPID") == "QUIT");
  CHECK(signal_sent("-/bin/kill -TERM $MAINPID") == "TERM");
  CHECK(signal_sent("/usr/bin/kill -sINT ${MAINPID}") == "INT");
  CHECK(signal_sent("/bin/kill --signal=HUP $MAINPID") == "HUP");
  CHECK(signal_sent("/bin/kill $MAINPID") == "TERM");
  CHECK(signal_sent("/usr/bin/pumactl stop") == "");
  CHECK(signal_sent("/bin/kill -9 12") == "");
}

TEST_CASE("what holds an old worker at a reload", "[phases]") {
  Chain chain = chain_of("20.1", "gthread", 30, 60);                     // loop workers: no limit
  fits(reloaded(chain, 90), 200, 90, true);
  chain.server.reload = {2, "puma.rb:4:1", true, true};                  // puma's worker_shutdown_timeout: USR2 at 2.01 s, USR1 not before its check
  chain.server.reload_late = 5.6;
  fits(reloaded(chain, 1), 200, 1, true);
  fits(reloaded(chain, 4.53), 200, 4.53, true, false);
  fits(reloaded(chain, 4.5), 502, 2.01, false, false);
  fits(reloaded(chain, 9), 502, 2.01, false);
  chain.server.reload = {0, "default", false, true};                     // php-fpm without process_control_timeout: at once
  chain.server.reload_late = 0.6;
  fits(reloaded(chain, 4.5), 502, 0, false);
  chain.server.reload.known = false;
  CHECK_FALSE(reloaded(chain, 4.5)[0].known);
}
