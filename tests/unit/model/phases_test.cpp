// The other phases of a request's life against the runs that were measured (nginx 1.22.1, gunicorn 20.1.0 and 26.1.0; timeouts of seconds).
#include "model/phases.hpp"

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
